"""Causal discovery with hidden variables and selection: FCI, ICD and ordered ICD.

All three start from a complete graph, delete the edge x *—* y when they find a set that separates x and y,
and orient what is left with Zhang's rules (``orientation``). They differ in where they look for such sets:

* **FCI** (Zhang 2008; order-independent: Colombo, Maathuis 2014): subsets of the neighbours of x or of y,
  size by size; then R0; then subsets of Possible-D-Sep.
* **ICD** (Rohekar et al. 2021): iteration r = 0, 1, 2, … refines one PAG with conditioning sets of r nodes.
  For r ≥ 2 a set Z is a candidate, ICD-Sep(x, y), when every member has a PDS-path of at most r steps from
  x (or from y) inside Z, and is a possible ancestor of x or y. The search ends when no edge has a candidate.
* **ordered ICD** (Rohekar et al. 2025): the same with a known causal order, as the token order in a GPT is:
  every edge points from earlier to later, and candidates lie around the later node, among its predecessors.

FCI and ICD also take **tiers**, groups of nodes of which no later one causes an earlier one: every edge
between two groups has an arrowhead at the later node before R0, R5–R7 are left out, and no set holds a node
later than both ends of the edge. This is the *full* use of tiers; the *simple* use leaves the candidate sets
alone (Bang, Didelez. Constraint-based causal discovery with tiered background knowledge and latent variables
in single or overlapping datasets, 2025, arXiv 2503.21526). A node that causes an earlier one does so over an
edge that goes back, so arrowheads on edges say all there is to say (Andrews, Spirtes, Cooper. On the
completeness of causal discovery in the presence of latent confounding with tiered background knowledge.
AISTATS 2020). In code: ``nodes.checked_tiers`` reads them, ``orientation.unoriented`` sets the arrowheads,
``Search.not_later`` limits the sets.

Among candidates of one size the nearest come first (ICD: the sum of distances from the root), and of equally
near ones those most correlated with both x and y. By default all edges of one size are tested on the same
graph and deleted together, so that the numbering of the variables cannot matter. (Where a test does not say
how strongly two variables depend, equally near candidates go by number, and which of several separating sets
is found may orient an edge.)
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations

import numpy as np

from .batched import IndependenceTest, as_batched
from .bitsets import bits, join, packed, pairs, reachable, rows_as_bits
from .graphs import PAG, Mark, possibly_directed
from .nodes import checked_count, checked_nodes, checked_rank, checked_switches, checked_tiers, numbers
from .orientation import unoriented
from .pds import PDSGraph, TooManySets
from .search_state import Candidates, Edge, Search

__all__ = ["learn_pag"]

# each edge with the roots of its PDS-trees, and the nodes that these may hold
RootsAndPools = Iterable[tuple[Edge, Sequence[int], int]]
Sep = Callable[[Search, np.ndarray], RootsAndPools]


def learn_pag(
    test: IndependenceTest,
    method: str = "icd",
    nodes: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
    selection_bias: bool = True,
    max_size: int | None = None,
    labels: Sequence[str] | None = None,
    *,
    tiers: Sequence[Sequence] | None = None,
    order_independent: bool = True,
    confirm_colliders: bool = True,
    legal: bool = True,
    max_tests: int = 1_000_000,
    trace: bool = False,
    progress: Callable[[int, int, int | None], None] | None = None,
) -> PAG:
    """Learn a PAG from conditional-independence tests.

    Parameters
    ----------
    test
        ``PartialCorrelation``, ``DSeparation`` or any object with ``n_variables`` and
        ``independent(x, y, given)`` (``batched.IndependenceTest``).
    method
        "icd", "fci" or "ordered-icd".
    nodes
        Variables of the graph, all by default; the others are left out and so become latent. Nodes, order
        and tiers take numbers, or names where the test or ``labels`` has them.
    order
        The nodes, earliest first: no node causes an earlier one. For "ordered-icd" only, which needs it.
    selection_bias
        Allow for selection: rules R5–R7, and candidates that may only cause the selection. No effect with an
        order or tiers, which exclude selection.
    max_size
        Largest conditioning set.
    labels
        One name per node. Default: the names of the test's variables, if it has some.
    tiers
        Groups of nodes, earliest first: no node causes one of an earlier group, and selection is excluded.
        Each node is in one group. For "icd" and "fci", in the full use of tiers (above).
    order_independent
        Delete the edges of one size together. False: at once, as the papers' pseudo-code does; then the
        numbering of the variables can change the result.
    confirm_colliders
        Believe a collider only after a second look (``orientation``), which conditions on one variable more
        than what separates its ends, beyond ``max_size`` too. False: as the papers do.
    legal
        Undo marks that contradict each other (``legality``; ``PAG.undone`` counts them), so that the graph is
        the PAG of some model. False: leave them, as the papers do; a note says so.
    max_tests
        The search stops before the size at which its candidate sets are more than this in all (with
        ``order_independent=False``: after that many of them). ``PAG.status`` and ``notes`` say so; the graph
        reflects only what was tested. Pairs, and ICD's single nodes, are tried whatever their number.
    trace
        Keep every step in the graph's ``trace`` (slower).
    progress
        Called before each size with (size, edges left, candidate sets); the last is None where, with
        ``order_independent=False``, each deletion changes the candidates to come.

    Notes
    -----
    With a perfect test ICD and FCI find the same graph. On attention ICD keeps about four times FCI's edges
    (48 tokens of a real BERT: 162 against 43, median of six heads). After single tokens over 90 % of the
    marks are arrowheads, so hardly a token is a possible ancestor of another, and ICD does not try the pairs
    of neighbours by which FCI separates. An arrowhead set in error thus protects edges from later tests.

    Raises
    ------
    ValueError
        If the test cannot be asked, the method is unknown, nodes, order or tiers do not fit, labels do not
        match or max_size is negative.

    Examples
    --------
    >>> import networkx as nx
    >>> from cleann_lite.causal.independence import DSeparation
    >>> dag = nx.DiGraph([(0, 1), (2, 1), (1, 3)])
    >>> print(learn_pag(DSeparation(dag, [0, 1, 2, 3])))
    0 o-> 1
    1 <-o 2
    1 --> 3
    >>> print(learn_pag(DSeparation(nx.DiGraph([(0, 1)]), [0, 1]), tiers=[[0], [1]]))
    0 o-> 1
    """
    if method not in tuple(_METHODS):
        raise ValueError(f"method must be one of {', '.join(_METHODS)}: got {method!r}")
    asked = as_batched(test)
    nodes = checked_nodes(asked, nodes)
    if labels is None and asked.names is not None:
        labels = [asked.names[node] for node in nodes]
    if labels is not None and len(labels) != len(nodes):
        raise ValueError(f"each node needs one label: got {len(labels)} labels for {len(nodes)} nodes")
    if max_size is not None:
        checked_count("max_size", max_size, 0)
    checked_count("max_tests", max_tests, 0)
    checked_switches(
        selection_bias=selection_bias, order_independent=order_independent,
        confirm_colliders=confirm_colliders, legal=legal, trace=trace,
    )  # fmt: skip
    number = numbers(asked) | ({} if labels is None else dict(zip(map(str, labels), nodes, strict=True)))
    if tiers is None:
        rank = checked_rank(nodes, order, method, number)
    else:
        rank = checked_tiers(nodes, tiers, order, method, number)
    search = Search(
        asked,
        nodes,
        rank,
        selection_bias and rank is None,
        order_independent,
        confirm_colliders,
        max_size,
        max_tests,
        progress,
        [] if trace else None,
    )
    _METHODS[method](search)
    return search.result(None if labels is None else tuple(map(str, labels)), legal)


def fci(search: Search) -> None:
    """FCI: subsets of neighbours, then R0, then subsets of Possible-D-Sep."""
    search.delete_independent_pairs()
    if _size_by_size(search, 1, lambda size: neighbour_sets(search, size)):
        pools = possible_d_sep(search)
        _size_by_size(search, 1, lambda size: _subsets(search, size, pools))


def icd(search: Search, sep: Sep) -> None:
    """ICD: one PAG, refined with conditioning sets of 0, 1, 2, … nodes; ``sep`` says where the sets lie."""
    search.delete_independent_pairs()
    if search.may_use(1):
        search.delete_separated_by_one(lambda x, y: neighbours_of_both(search, x, y))
    _size_by_size(search, 2, _Trees(search, sep).candidates)


_METHODS: dict[str, Callable[[Search], None]] = {
    "icd": lambda search: icd(search, icd_sep),
    "fci": fci,
    "ordered-icd": lambda search: icd(search, ordered_icd_sep),
}


def _size_by_size(search: Search, size: int, candidates_of: Callable[[int], Candidates]) -> bool:
    """Test candidates of one size after the other, until no edge has any; False if a cap ended this."""
    try:
        while search.may_use(size) and search.delete_separated(size, candidates_of(size)):
            size += 1
    except TooManySets:
        search.stopped(size)
        return False
    return True


# -- where the methods look for separating sets --------------------------------------------------------------


def neighbour_sets(search: Search, size: int) -> Candidates:
    """FCI's first stage: sets of neighbours of x, or of neighbours of y (Colombo, Maathuis: PC-stable)."""
    adjacent = rows_as_bits(search.skeleton)

    def pools(x: int, y: int) -> tuple[int, int]:
        near = adjacent if search.order_independent else rows_as_bits(search.skeleton)
        early = search.not_later(x, y) & ~(1 << x | 1 << y)
        return near[x] & early, near[y] & early

    return _subsets(search, size, pools)


def possible_d_sep(search: Search) -> Callable[[int, int], tuple[int, int]]:
    """FCI's second stage: Possible-D-Sep(x, y) and Possible-D-Sep(y, x).

    If any set separates x and y, then the nodes do that have a path of colliders from x, each of them an
    ancestor of x, of y or of the selection (D-Sep; Spirtes, Glymour, Scheines). Possible-D-Sep is what may
    belong to it: the nodes with a PDS-path from x on which each is a possible ancestor.

    The skeleton may still have edges too many, so an arrowhead of R0 is believed only when both its edges
    stand given the separating set (Colombo et al. Annals of Statistics 40, 2012, lemma 3.1).
    """
    marks, near = unoriented(search.skeleton, search.rank), packed(search.skeleton)
    x, y = pairs(search.separators.known & join(search.skeleton, search.skeleton))
    between = near[x] & near[y] & ~search.separators.words(x, y)
    for part, which, z, separator in search.outside(x, y, between):
        a, b = x[part][which], y[part][which]
        stand = ~search.answer_each(a, z, separator)[0] & ~search.answer_each(z, b, separator)[0]
        marks[a[stand], z[stand]] = marks[b[stand], z[stand]] = Mark.ARROW
    graph = PDSGraph(marks)
    ancestors = _possible_ancestors(marks, search.selection_bias)

    def pools(x: int, y: int) -> tuple[int, int]:
        allowed = (ancestors[x] | ancestors[y]) & search.not_later(x, y) & ~(1 << x | 1 << y)
        return graph.reached(x, allowed) & allowed, graph.reached(y, allowed) & allowed

    return pools


def neighbours_of_both(search: Search, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(edges, k) bool: the single nodes that may separate x and y, which depend on each other.

    ICD names the neighbours of x or of y. One that is independent of x need not be asked: were x independent
    of y given it, x would be independent of both together, hence of y (contraction, decomposition).
    """
    near = search.skeleton[x] & search.skeleton[y]
    if search.rank is not None:
        near &= search.rank <= np.maximum(search.rank[x], search.rank[y])[:, None]
    return near


def icd_sep(search: Search, marks: np.ndarray) -> RootsAndPools:
    """ICD-Sep sets come from the PDS-trees of x and y, among the possible ancestors of either."""
    ancestors = _possible_ancestors(marks, search.selection_bias)
    for x, y in search.edges():
        pool = (ancestors[x] | ancestors[y]) & search.not_later(x, y)
        yield (x, y), (x, y), pool & ~(1 << x | 1 << y)


def ordered_icd_sep(search: Search, marks: np.ndarray) -> RootsAndPools:
    """ICD-Sep sets from the PDS-tree of the later node, among its predecessors."""
    ancestors, rank = _possible_ancestors(marks, False), search.rank
    assert rank is not None  # checked where the order enters
    before = rows_as_bits(rank[None, :] < rank[:, None])
    for x, y in search.edges():
        earlier, later = sorted((x, y), key=rank.__getitem__)
        yield (x, y), (later,), (ancestors[x] | ancestors[y]) & before[later] & ~(1 << earlier)


def _possible_ancestors(marks: np.ndarray, selection_bias: bool) -> list[int]:
    """Each node's possible ancestors as a set; with selection also what may only cause the selection."""
    return rows_as_bits(reachable(possibly_directed(marks, selection_bias)).T)


def _subsets(search: Search, size: int, pools: Callable[[int, int], tuple[int, int]]) -> Candidates:
    """Subsets of either of an edge's two pools."""

    def candidates(x: int, y: int) -> Iterable[int]:
        first, second = pools(x, y)
        n_sets = sum(math.comb(pool.bit_count(), size) for pool in (first, second))
        if n_sets - math.comb((first & second).bit_count(), size) > search.max_tests - search.n_candidates:
            raise TooManySets
        members = [[1 << z for z in bits(pool)] for pool in (first, second)]
        sets = dict.fromkeys(map(sum, chain.from_iterable(combinations(pool, size) for pool in members)))
        return search.by_strength(x, y, list(sets))

    return candidates


class _Trees:
    """The PDS-trees of a search: legal sets, nearest first.

    While no edge is deleted larger sets grow from those of the last size.
    """

    def __init__(self, search: Search, sep: Sep):
        self.search, self.sep = search, sep
        self.marks: np.ndarray | None = None
        self.graph: PDSGraph
        self.edges: dict[Edge, tuple[Sequence[int], int]]

    def candidates(self, size: int) -> Candidates:
        """The legal sets of one size for each edge; all trees grow at once, unless edges go one by one."""
        marks = self.search.oriented()
        if marks is not self.marks:
            self.marks, self.graph = marks, PDSGraph(marks)
            self.edges = {edge: (roots, pool) for edge, roots, pool in self.sep(self.search, marks)}
        if self.search.order_independent:
            self._grow(size)
        return lambda x, y: self._nearest_first(x, y, size) if (x, y) in self.edges else []

    def _grow(self, size: int) -> None:
        near = self.graph.neighbors
        trees = [(root, pool) for roots, pool in self.edges.values() for root in roots if near[root] & pool]
        # neighbours alone are legal sets; an edge has at most two trees, whose sets may be the same
        least = sum(math.comb((near[root] & pool).bit_count(), size) for root, pool in trees)
        if least > 2 * (self.search.max_tests - self.search.n_candidates):
            raise TooManySets
        grown = self.graph.grow(trees, size, 2 * self.search.max_tests)
        # a tree without a set of this size has no larger one
        self.edges = {
            edge: (left, pool)
            for edge, (roots, pool) in self.edges.items()
            if (left := [root for root in roots if (root, pool) in grown])
        }

    def _nearest_first(self, x: int, y: int, size: int) -> list[int]:
        """Sets of one size with PDS-paths from a root, by the sum of their members' distances from it."""
        if not self.search.order_independent:
            self._forget_deleted_edges()
        roots, pool = self.edges[x, y]
        nearest = dict[int, int]()
        for root in roots:
            sets = list(self.graph.legal_sets(root, size, pool, self.search.max_tests))
            if sets:
                avoiding = ~(1 << (y if root == x else x))
                for members, total in zip(sets, self.graph.distance_sums(root, avoiding, sets), strict=True):
                    nearest[members] = min(total, nearest.get(members, total))
        return self.search.by_strength(x, y, list(nearest), list(nearest.values()))

    def _forget_deleted_edges(self) -> None:
        adjacent = rows_as_bits(self.search.skeleton)
        if adjacent != self.graph.neighbors:
            self.graph = self.graph.without(adjacent)
