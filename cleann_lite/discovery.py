"""Causal discovery with hidden variables and selection: FCI, ICD and ordered ICD.

All three start from a complete graph, delete the edge x *—* y when they find a set that separates x and y,
and orient what is left with Zhang's rules (``orientation``). They differ in where they look for such sets:

* **FCI** (Zhang 2008; order-independent: Colombo, Maathuis 2014): subsets of the neighbours of x or of y,
  size by size; then R0; then subsets of Possible-D-Sep(x) or Possible-D-Sep(y).
* **ICD** (Rohekar et al. 2021): iteration r = 0, 1, 2, … refines one PAG with conditioning sets of r nodes.
  For r ≥ 2 a set Z is a candidate, ICD-Sep(x, y), when every member has a PDS-path of at most r steps from
  x (or from y) inside Z, and is a possible ancestor of x or y. The search ends when no edge has a candidate.
* **ordered ICD** (Rohekar et al. 2025): the same with a known causal order, as the token order in a GPT is:
  every edge points from earlier to later, and candidates lie around the later node, among its predecessors.

Among candidates of one size the nearest come first (ICD: the sum of distances from the root), and of equally
near ones those most correlated with both x and y. By default all edges of one size are tested on the same
graph and deleted together, so that the numbering of the variables cannot matter.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .graphs import PAG, Mark, possibly_directed, reachable
from .orientation import orient, start_marks
from .pds import PDSGraph
from .separation import as_bits, bits, rows_as_bits

Edge = tuple[int, int]
# an edge -> its candidate sets, in the order of testing
Candidates = Callable[[int, int], Iterable[tuple[int, ...]]]


@dataclass(frozen=True)
class Step:
    """One step of a search, for teaching.

    Attributes
    ----------
    kind
        "test", "remove" (the edge x *—* y), "orient" (the mark at y on x *—* y) or "level" (a new size).
    size
        Size of the conditioning sets of this level.
    x, y
        Variables.
    given
        Conditioning set of a test; separating set of a removal.
    independent
        What the test said.
    rule
        "R0" … "R10" or "order".
    mark
        The mark that the rule wrote.
    """

    kind: str
    size: int
    x: int | None = None
    y: int | None = None
    given: tuple[int, ...] = ()
    independent: bool | None = None
    rule: str | None = None
    mark: Mark | None = None


class TooManyCandidates(Exception):
    """A level has more candidate sets than the cap allows."""


def learn_pag(
    test,
    method: str = "icd",
    nodes: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
    selection_bias: bool = True,
    max_size: int | None = None,
    labels: Sequence[str] | None = None,
    *,
    order_independent: bool = True,
    max_tests: int = 1_000_000,
    trace: bool = False,
    progress: Callable[[int, int, int], None] | None = None,
) -> PAG:
    """Learn a PAG from conditional-independence tests.

    Parameters
    ----------
    test
        ``PartialCorrelation``, ``DSeparation`` or any object with ``n_variables`` and
        ``independent(x, y, given)``.
    method
        "icd", "fci" or "ordered-icd".
    nodes
        Variables of the graph, all by default; the others are left out and so become latent.
    order
        The nodes, earliest first: no node causes an earlier one. For "ordered-icd" only, which needs it.
    selection_bias
        Allow for selection: rules R5–R7, and candidates that may only cause the selection.
    max_size
        Largest conditioning set.
    labels
        One name per node.
    order_independent
        Delete the edges of one size together. False: at once, as the papers' pseudo-code does; then the
        numbering of the variables can change the result.
    max_tests
        The search stops before a size with more candidate sets than this; the graph's ``notes`` say so, and
        the graph stands for the sizes before.
    trace
        Keep every step in the graph's ``trace``.
    progress
        Called before each size with (size, edges left, candidate sets).

    Raises
    ------
    ValueError
        If the method is unknown, nodes or order do not fit, or labels do not match.

    Examples
    --------
    >>> import networkx as nx
    >>> from cleann_lite.independence import DSeparation
    >>> dag = nx.DiGraph([(0, 1), (2, 1), (1, 3)])
    >>> print(learn_pag(DSeparation(dag, [0, 1, 2, 3])))
    0 o-> 1
    1 <-o 2
    1 --> 3
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}: got {method!r}")
    search = _Search(
        test,
        _checked_nodes(test, nodes),
        order_independent,
        max_size,
        max_tests,
        trace,
        progress,
        selection_bias,
    )
    search.rank = _checked_rank(search.nodes, order, method)
    try:
        _METHODS[method](search)
    except TooManyCandidates as stop:
        search.notes.append(str(stop))
    return search.result(None if labels is None else tuple(labels))


def fci(search: "_Search") -> None:
    """FCI: neighbours, then Possible-D-Sep."""
    search.level(0, lambda x, y: [()])
    size = 1
    while search.may_use(size) and search.level(size, search.neighbour_subsets(size)):
        size += 1
    graph = PDSGraph(start_marks(search.skeleton, search.separators))
    everything = (1 << search.k) - 1
    possible_d_sep = [as_bits(graph.distances(x, everything)) for x in range(search.k)]
    size = 1
    while search.may_use(size) and search.level(size, search.subsets_of(possible_d_sep, size)):
        size += 1


def icd(search: "_Search") -> None:
    """ICD: one PAG, refined with conditioning sets of 0, 1, 2, … nodes."""
    search.level(0, lambda x, y: [()])
    if search.may_use(1):
        search.level_of_single_neighbours()
    size = 2
    while search.may_use(size) and search.level(size, search.icd_sep(size)):
        size += 1


def ordered_icd(search: "_Search") -> None:
    """Ordered ICD: candidates around the later node, among its predecessors."""
    search.level(0, lambda x, y: [()])
    if search.may_use(1):
        search.level_of_single_neighbours()
    size = 2
    while search.may_use(size) and search.level(size, search.ordered_icd_sep(size)):
        size += 1


_METHODS = {"icd": icd, "fci": fci, "ordered-icd": ordered_icd}


class _Search:
    """The state of one search: a skeleton, the separating sets found, and how candidates are tested.

    Nodes are numbered 0 … k−1 here; ``nodes`` translates to the variables of the test.
    """

    def __init__(self, test, nodes, order_independent, max_size, max_tests, trace, progress, selection_bias):
        self.test, self.nodes, self.k = test, nodes, len(nodes)
        self.order_independent, self.selection_bias = order_independent, selection_bias
        self.max_size, self.max_tests, self.progress = max_size, max_tests, progress
        self.skeleton = ~np.eye(self.k, dtype=bool)
        self.separators: dict[Edge, int] = {}
        self.rank: np.ndarray | None = None
        self.notes: list[str] = []
        self.trace: list[Step] | None = [] if trace else None
        self.size = 0
        self._strength: np.ndarray | None = None

    # -- what the recipes say -------------------------------------------------------------------------------

    def may_use(self, size: int) -> bool:
        """Whether conditioning sets may have this size."""
        if self.max_size is not None and size > self.max_size:
            return False
        n_samples = getattr(self.test, "n_samples", math.inf)
        if n_samples - size - 3 <= 0:
            self.notes.append(f"stopped before conditioning sets of {size}: {n_samples} samples are too few")
            return False
        return size <= self.k - 2

    def edges(self) -> list[Edge]:
        return [(i, j) for i, j in np.argwhere(np.triu(self.skeleton)).tolist()]

    def level(self, size: int, candidates: Candidates) -> bool:
        """Test the candidate sets of every edge and delete the separated edges; False if there was no set."""
        self.size = size
        edges = self.edges()
        self._note(Step("level", size))
        if not self.order_independent:
            return self._level_at_once(edges, candidates)
        queries, n_candidates = [], 0
        for x, y in edges:
            sets = []
            for given in candidates(x, y):
                sets.append(given)
                n_candidates += 1
                if n_candidates > self.max_tests:
                    raise TooManyCandidates(
                        f"stopped before conditioning sets of {size}: over {self.max_tests} candidate sets"
                    )
            if sets:
                queries.append((x, y, sets))
        if self.progress:
            self.progress(size, len(edges), n_candidates)
        for (x, y, _), given in zip(queries, self._first_separating(queries), strict=True):
            if given is not None:
                self._remove(x, y, given)
        return n_candidates > 0

    def _level_at_once(self, edges, candidates) -> bool:
        """The papers' order: an edge is deleted as soon as it is separated."""
        n_candidates = 0
        for x, y in edges:
            for given in list(candidates(x, y)):
                n_candidates += 1
                if self._independent(x, y, given):
                    self._remove(x, y, given)
                    break
        return n_candidates > 0

    def level_of_single_neighbours(self) -> None:
        """Conditioning sets of one node: a neighbour of x or y (with an order: of the later, before it)."""

        def candidates(x, y):
            if self.rank is None:
                near = self.skeleton[x] | self.skeleton[y]
            else:
                later = x if self.rank[x] > self.rank[y] else y
                near = self.skeleton[later] & (self.rank < self.rank[later])
            return self._by_strength(x, y, [(int(z),) for z in np.flatnonzero(near) if z not in (x, y)])

        self.level(1, candidates)

    def neighbour_subsets(self, size: int) -> Candidates:
        """FCI's first stage: subsets of the neighbours of x or of y."""
        return self.subsets_of(None, size)

    def subsets_of(self, pools: list[int] | None, size: int) -> Candidates:
        """Subsets of pools[x] or pools[y]; without pools, of the neighbours as they are now."""
        at_start = rows_as_bits(self.skeleton)

        def candidates(x, y):
            near = pools or (at_start if self.order_independent else rows_as_bits(self.skeleton))
            pair = 1 << x | 1 << y
            around_x, around_y = near[x] & ~pair, near[y] & ~pair
            number = math.comb(around_x.bit_count(), size) + math.comb(around_y.bit_count(), size)
            if number > 2 * self.max_tests:
                raise TooManyCandidates(
                    f"stopped before conditioning sets of {size}: one edge has {number} candidates"
                )
            sets = set(combinations(bits(around_x), size)) | set(combinations(bits(around_y), size))
            return self._by_strength(x, y, sorted(sets))

        return candidates

    def icd_sep(self, size: int) -> Candidates:
        """ICD-Sep sets of one size, rooted at x and at y; ancestors are found once for all edges."""
        marks = self.oriented()
        ancestors = rows_as_bits(reachable(possibly_directed(marks, self.selection_bias)).T)
        graph = _Legal(PDSGraph(marks))

        def candidates(x, y):
            pair = 1 << x | 1 << y
            allowed = (ancestors[x] | ancestors[y]) & ~pair
            if not self.order_independent:
                graph.keep_to(self.skeleton)
            return self._nearest_first(x, y, graph.sets(x, size, allowed, y), graph.sets(y, size, allowed, x))

        return candidates

    def ordered_icd_sep(self, size: int) -> Candidates:
        """ICD-Sep sets rooted at the later node, within its prefix."""
        marks = self.oriented()
        ancestors = rows_as_bits(reachable(possibly_directed(marks)).T)
        prefix = rows_as_bits(self.rank[None, :] < self.rank[:, None])
        graph = _Legal(PDSGraph(marks))

        def candidates(x, y):
            later, earlier = (x, y) if self.rank[x] > self.rank[y] else (y, x)
            allowed = (ancestors[x] | ancestors[y]) & prefix[later] & ~(1 << earlier)
            if not self.order_independent:
                graph.keep_to(self.skeleton)
            return self._nearest_first(x, y, graph.sets(later, size, allowed, earlier))

        return candidates

    def oriented(self) -> np.ndarray:
        """Marks of the present skeleton."""
        return orient(self.skeleton, self.separators, self.rank, self.selection_bias, self._listener())

    def result(self, labels) -> PAG:
        marks = self.oriented()
        separating_sets = {
            (self.nodes[i], self.nodes[j]): tuple(self.nodes[z] for z in bits(given))
            for (i, j), given in sorted(self.separators.items())
        }
        return PAG(marks, self.nodes, labels, separating_sets, tuple(self.notes), tuple(self.trace or ()))

    # -- order of candidates --------------------------------------------------------------------------------

    @property
    def strength(self) -> np.ndarray:
        """(k, k) how dependent two nodes are without conditioning."""
        if self._strength is None:
            self._strength = np.zeros((self.k, self.k))
            measure = getattr(self.test, "strength", None)
            for i, j in combinations(range(self.k), 2) if measure else ():
                self._strength[i, j] = self._strength[j, i] = measure(self.nodes[i], self.nodes[j])
        return self._strength

    def _by_strength(self, x, y, sets: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Sets whose members are most dependent on both x and y come first."""
        both = np.minimum(self.strength[x], self.strength[y])
        return sorted(sets, key=lambda given: -sum(both[z] for z in given))

    def _nearest_first(self, x, y, *trees: Iterator[tuple[int, int]]) -> list[tuple[int, ...]]:
        """Sets from one or two PDS-trees by the sum of distances, then by strength."""
        nearest: dict[int, int] = {}
        for tree in trees:
            for members, distance in tree:
                nearest[members] = min(distance, nearest.get(members, distance))
        both = np.minimum(self.strength[x], self.strength[y])
        ranked = sorted(
            (distance, -sum(both[z] for z in bits(m)), tuple(bits(m))) for m, distance in nearest.items()
        )
        return [given for _, _, given in ranked]

    # -- testing --------------------------------------------------------------------------------------------

    def _first_separating(self, queries) -> list[tuple[int, ...] | None]:
        """For each (x, y, candidate sets), the first set that separates x and y."""
        return [
            next((given for given in sets if self._independent(x, y, given)), None) for x, y, sets in queries
        ]

    def _independent(self, x, y, given) -> bool:
        names = self.nodes
        answer = bool(self.test.independent(names[x], names[y], tuple(names[z] for z in given)))
        self._note(Step("test", len(given), names[x], names[y], tuple(names[z] for z in given), answer))
        return answer

    def _remove(self, x, y, given) -> None:
        self.skeleton[x, y] = self.skeleton[y, x] = False
        self.separators[x, y] = as_bits(given)
        names = self.nodes
        self._note(Step("remove", len(given), names[x], names[y], tuple(names[z] for z in given), True))

    def _note(self, step: Step) -> None:
        if self.trace is not None:
            self.trace.append(step)

    def _listener(self):
        if self.trace is None:
            return None

        def listen(rule, before, after):
            for i, j in np.argwhere(before != after).tolist():
                mark = Mark(int(after[i, j]))
                self._note(Step("orient", self.size, self.nodes[i], self.nodes[j], rule=rule, mark=mark))

        return listen


class _Legal:
    """Legal sets with their summed distances; remembers what it found for a root."""

    def __init__(self, graph: PDSGraph):
        self.graph = graph

    def keep_to(self, skeleton: np.ndarray) -> None:
        """Forget edges that were deleted meanwhile."""
        adjacent = rows_as_bits(skeleton)
        if adjacent != self.graph.neighbors:
            self.graph.neighbors = adjacent
            self.graph.arrows_at = [a & b for a, b in zip(self.graph.arrows_at, adjacent, strict=True)]
            self.graph._beyond.clear()

    def sets(self, root: int, size: int, allowed: int, other: int) -> Iterator[tuple[int, int]]:
        """(members, summed distance from the root) of every legal set that avoids ``other``."""
        near = self.graph.neighbors[root] & allowed
        if not near or allowed.bit_count() < size:
            return
        distance = self.graph.distances(root, (1 << self.graph.n) - 1 & ~(1 << other))
        for members in self.graph.legal_sets(root, size, allowed):
            yield members, sum(distance[z] for z in bits(members))


def _checked_nodes(test, nodes) -> tuple[int, ...]:
    n = getattr(test, "n_variables", None)
    if nodes is None:
        if n is None:
            raise ValueError("name the nodes: this test does not say how many variables it has (n_variables)")
        return tuple(range(n))
    nodes = tuple(int(node) for node in nodes)
    if len(set(nodes)) != len(nodes):
        raise ValueError(f"each node may be named once: got {nodes}")
    if n is not None and any(not 0 <= node < n for node in nodes):
        raise ValueError(f"nodes must be variables 0 … {n - 1}: got {nodes}")
    return nodes


def _checked_rank(nodes, order, method) -> np.ndarray | None:
    """Rank of each node in the causal order, or None without one."""
    if method != "ordered-icd":
        if order is not None:
            raise ValueError(f"an order belongs to method='ordered-icd': got it with {method!r}")
        return None
    if order is None:
        raise ValueError("method='ordered-icd' needs order: the nodes, earliest first")
    rank = {int(node): position for position, node in enumerate(order)}
    if len(rank) != len(order) or not set(nodes) <= set(rank):
        raise ValueError(f"order must name each node once, earliest first: got {tuple(order)} for {nodes}")
    return np.array([rank[node] for node in nodes])
