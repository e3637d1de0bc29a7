"""The state of a causal search: a skeleton, the separating sets found so far, and how candidates are tested.

The recipes that decide *which* sets are candidates are in ``discovery``. Here nodes are numbered 0 … k−1 and
a set of nodes is one integer (``separation``); ``nodes`` translates to the variables of the test.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat

import numpy as np

from .batched import BatchedTest, Recorded
from .graphs import PAG, Mark, SearchStatus
from .legality import NOTE, legal_marks
from .orientation import orient
from .pds import TooManySets
from .separation import as_bits, bits, bits_as_rows, rows_as_bits
from .separators import NamedSeparators, Separators

_TOGETHER = 4_000_000  # entries of a table of candidates: some megabytes

Edge = tuple[int, int]
# an edge -> its candidate sets, held as integers, in the order of testing
Candidates = Callable[[int, int], Iterable[int]]


@dataclass(frozen=True)
class Step:
    """One step of a search, for teaching.

    Attributes
    ----------
    kind
        "level" (a new size), "test", "remove" (the edge x *—* y) or "orient" (the mark at y on x *—* y).
    size
        Size of the conditioning set; of an orientation, the size up to which sets were tried.
    x, y
        Variables.
    given
        Conditioning set of a test; separating set of a removal.
    independent
        What the test said.
    rule
        "R0" … "R10", or "legality" where a contradictory mark was undone.
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


@dataclass
class Search:
    """A skeleton under search.

    Parameters
    ----------
    test
        The independence test, as a search sees it.
    nodes
        Its variables that are nodes of the graph.
    rank
        (k,) place of each node in a known causal order, equal within a tier, or None.
    selection_bias
        Whether selection is allowed for.
    order_independent
        Delete the separated edges of one size together, rather than at once.
    confirm_colliders
        Whether a collider needs a second look (``orientation``).
    max_size
        Largest conditioning set, or None.
    max_tests
        Most candidate sets of the whole search.
    progress
        Called before each size with (size, edges left, candidate sets), or None; candidate sets are None
        where edges are deleted at once, since they change with each.
    trace
        Steps so far; None keeps none.
    """

    test: BatchedTest
    nodes: tuple[int, ...]
    rank: np.ndarray | None
    selection_bias: bool
    order_independent: bool
    confirm_colliders: bool
    max_size: int | None
    max_tests: int
    progress: Callable[[int, int, int | None], None] | None
    trace: list[Step] | None

    def __post_init__(self):
        self.k = len(self.nodes)
        self.variables = np.array(self.nodes, dtype=np.intp)
        self.skeleton = ~np.eye(self.k, dtype=bool)
        self.separators = Separators(self.k)
        # of a deleted edge the p-value of its separating set, of others the largest so far
        self.p_values = np.full((self.k, self.k), np.nan)
        self.notes: list[str] = []
        self.status = SearchStatus.COMPLETE
        self.trees = None  # of the PAG so far, kept by the recipes
        self.n_candidates = 0
        self._marks: np.ndarray | None = None
        self._looked: dict[Edge, tuple[int, int]] = {}
        self._renumbered = self.nodes != tuple(range(self.k))
        if self.trace is not None:
            self.test = Recorded(self.test, self._told)

    def may_use(self, size: int) -> bool:
        """Whether conditioning sets may have this size."""
        return size <= self.k - 2 and (self.max_size is None or size <= self.max_size)

    def not_later(self, x: int, y: int) -> int:
        """The nodes that are not known to be later than both x and y: only those can separate them."""
        return -1 if self._not_later is None else self._not_later[x] | self._not_later[y]

    @cached_property
    def _not_later(self) -> list[int] | None:
        return None if self.rank is None else rows_as_bits(self.rank[None, :] <= self.rank[:, None])

    def edges(self) -> list[Edge]:
        """The edges left, (i, j) with i < j."""
        return [(i, j) for i, j in np.argwhere(np.triu(self.skeleton)).tolist()]

    def delete_independent_pairs(self) -> None:
        """Delete every edge whose ends are independent without conditioning."""
        self._note(Step("level", 0))
        n_pairs = self.k * (self.k - 1) // 2
        self._report(0, n_pairs, n_pairs)
        independent, self.p_values = self.test.independent_pairs(self.variables)
        x, y = np.nonzero(np.triu(independent, 1))
        self.remove(x, y, [0] * len(x))

    def delete_separated_by_one(self, near: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        """Delete every edge that one node near it separates; ``near(x, y)`` is (edges, k) bool."""
        x, y = np.nonzero(np.triu(self.skeleton))
        if not len(x):
            return
        rows = max(1, _TOGETHER // self.k) if self.order_independent else 1
        portions = [slice(start, start + rows) for start in range(0, len(x), rows)]
        self._note(Step("level", 1))
        # deleted at once or not, these are the neighbours after size 0
        table = self._near(near, x, y) if not self.order_independent or len(portions) == 1 else None
        n_candidates = None
        if self.progress and self.order_independent:
            n_candidates = sum(int(self._near(near, x[c], y[c]).sum()) for c in portions)
        self._report(1, len(x), n_candidates)
        found = np.full(len(x), -1)
        for c in portions:
            candidates = self._near(near, x[c], y[c]) if table is None else table[c]
            if not candidates.any():
                continue
            if self._stop_for_samples(1):
                return
            found[c], p = self.test.separating_singles(x[c], y[c], candidates, self.variables)
            self._keep_p(x[c], y[c], p, found[c] >= 0)
            if not self.order_independent and found[c][0] >= 0:
                self.remove(x[c], y[c], [1 << int(found[c][0])])
        if self.order_independent:
            some = np.flatnonzero(found >= 0)
            self.remove(x[some], y[some], [1 << z for z in found[some].tolist()])

    @staticmethod
    def _near(near, x, y) -> np.ndarray:
        candidates = near(x, y)
        candidates[np.arange(len(x)), x] = candidates[np.arange(len(x)), y] = False
        return candidates

    def delete_separated(self, size: int, candidates: Candidates) -> bool:
        """Delete every edge that one of its candidate sets separates; False if no edge had a candidate.

        Raises
        ------
        TooManySets
            If the search came to more than ``max_tests`` candidates. Then no edge was deleted, unless edges
            are deleted at once.
        """
        self._note(Step("level", size))
        edges, before = self.edges(), self.n_candidates
        if not self.order_independent:
            self._report(size, len(edges), None)
            for x, y in edges:
                sets = self._counted(list(candidates(x, y)))
                if sets and self._stop_for_samples(size):
                    return False
                self._test([(x, y, sets)])
            return self.n_candidates > before
        queries = [(x, y, sets) for x, y in edges if (sets := self._counted(list(candidates(x, y))))]
        self._report(size, len(edges), self.n_candidates - before)
        if queries and self._stop_for_samples(size):
            return False
        self._test(queries)
        return bool(queries)

    def _counted(self, sets: list[int]) -> list[int]:
        self.n_candidates += len(sets)
        if self.n_candidates > self.max_tests:
            raise TooManySets
        return sets

    def _test(self, queries: list[tuple[int, int, list[int]]]) -> None:
        """Ask, then delete the separated edges together."""
        if not queries:
            return
        asked = queries
        if self._renumbered:
            nodes = self.nodes
            asked = [(nodes[x], nodes[y], list(map(self._variables, sets))) for x, y, sets in queries]
        found, p = self.test.first_separating(asked)
        x, y = np.array([query[:2] for query in queries]).T
        some = [i for i, first in enumerate(found) if first is not None]
        separated = np.zeros(len(queries), dtype=bool)
        separated[some] = True
        self._keep_p(x, y, np.array(p), separated)
        self.remove(x[some], y[some], [queries[i][2][found[i]] for i in some])

    def _keep_p(self, x: np.ndarray, y: np.ndarray, p: np.ndarray, separated: np.ndarray) -> None:
        p = np.where(separated, p, np.fmax(p, self.p_values[x, y]))
        self.p_values[x, y] = self.p_values[y, x] = p

    def opened(self, triples: list[tuple[int, int, int]]) -> list[int]:
        """For each (x, y, nodes): those that make x and y dependent when added to their separating set.

        None where the samples are too few to ask, or where the block cannot be solved: no test can tell.
        """
        pairs, added, questions = [], [], []
        for x, y, nodes in triples:
            pair = (x, y) if x < y else (y, x)
            pairs.append(pair)
            looked, found = self._looked.get(pair, (0, 0))
            new = nodes & ~looked
            if new:
                separator = self.separators[pair]
                if self.test.too_few_samples(separator.bit_count() + 1) is None:
                    self._looked[pair] = looked | new, found | new
                    added += [(pair, z) for z in bits(new)]
                    questions += [(x, y, separator | 1 << z) for z in bits(new)]
        if questions:
            x, y, sets = self._of_the_test(questions)
            closed = np.array(self.test.independent_each(x, y, sets)) | self.test.unsolvable_each(x, y, sets)
            for i in np.flatnonzero(closed).tolist():
                pair, z = added[i]
                looked, found = self._looked[pair]
                self._looked[pair] = looked, found & ~(1 << z)
        return [
            nodes & self._looked.get(pair, (0, 0))[1]
            for pair, (_, _, nodes) in zip(pairs, triples, strict=True)
        ]

    def independent_each(self, questions: list[tuple[int, int, int]]) -> list[bool]:
        """What the test says of each (x, y, given)."""
        return self.test.independent_each(*self._of_the_test(questions)) if questions else []

    def _of_the_test(self, questions: list[tuple[int, int, int]]):
        """x, y and sets of many questions, in the numbers of the test."""
        x, y, sets = zip(*questions, strict=True)
        if self._renumbered:
            x, y = [self.nodes[i] for i in x], [self.nodes[i] for i in y]
            sets = [self._variables(given) for given in sets]
        return x, y, sets

    def remove(self, x: np.ndarray, y: np.ndarray, sets: Sequence[int]) -> None:
        """Delete edges and keep what separates their ends."""
        if not len(x):
            return
        self.skeleton[x, y] = self.skeleton[y, x] = False
        self._marks = None
        self.separators.add(x, y, sets)
        for i, given in enumerate(sets) if self.trace is not None else ():
            self._note(Step("remove", given.bit_count(), *self._named(int(x[i]), int(y[i]), given), True))

    def stopped(self, size: int) -> None:
        """Note that a cap ended the search at this size."""
        self.status = SearchStatus.CAPPED
        where = "before" if self.order_independent else "among"
        self.notes.append(
            f"stopped {where} conditioning sets of {size}: over {self.max_tests} candidate sets"
        )

    def _stop_for_samples(self, size: int) -> bool:
        """Whether the samples are too few for sets of this size; noted once, since larger ones follow."""
        n_samples = self.test.too_few_samples(size)
        if n_samples is not None and self.status is SearchStatus.COMPLETE:
            self.status = SearchStatus.TOO_FEW_SAMPLES
            self.notes.append(f"stopped before conditioning sets of {size}: {n_samples} samples are too few")
        return n_samples is not None

    def oriented(self) -> np.ndarray:
        """Marks of the present skeleton."""
        if self._marks is None:
            self._marks = orient(
                self.skeleton,
                self.separators,
                self.rank,
                self.selection_bias,
                self._listener(),
                self.opened if self.confirm_colliders else None,
            )
        return self._marks

    def result(self, labels: tuple[str, ...] | None, legal: bool) -> PAG:
        """The PAG of the present skeleton, contradictions undone if it shall be ``legal``."""
        tiers = None
        if self.rank is not None:
            tiers = tuple(
                tuple(self.nodes[i] for i in np.flatnonzero(self.rank == r)) for r in np.unique(self.rank)
            )
        marks = found = self.oriented()
        if legal:
            priority = None if self.strength is None else self.strength.sum(axis=0)
            marks = legal_marks(found, self.rank, priority)
            if self.trace is not None:
                self._listener()("legality", found, marks)
        graph = PAG(
            marks,
            self.nodes,
            labels,
            NamedSeparators(self.separators, self.nodes),
            tuple(self.notes),
            tuple(self.trace or ()),
            status=self.status,
            selection_bias=self.selection_bias,
            tiers=tiers,
            p_values=None if np.isnan(self.p_values).all() else self.p_values,
            undone=int(np.count_nonzero(marks != found)),
        )
        if not legal and graph.legality in NOTE:
            return replace(graph, notes=(*graph.notes, NOTE[graph.legality]))
        return graph

    @cached_property
    def strength(self) -> np.ndarray | None:
        """(k, k) how dependent two nodes are without conditioning; None where the test does not say."""
        return self.test.strengths(self.variables)

    def by_strength(self, x: int, y: int, sets: list[int], distance: Sequence[int] = ()) -> list[int]:
        """Nearest sets first; of equally near ones, those whose members depend most on both x and y."""
        if len(sets) < 2 or (self.strength is None and not distance):
            return sets
        strength = repeat(0.0)
        if self.strength is not None:
            both = np.minimum(self.strength[x], self.strength[y])
            strength = (bits_as_rows(sets, self.k) @ -both).tolist()
        keys = zip(distance or repeat(0), strength, sets, strict=False)
        return [members for _, _, members in sorted(keys)]

    def _told(self, x: int, y: int, given: int, independent: bool) -> None:
        named = tuple(z for z in self.nodes if given >> z & 1)
        self._note(Step("test", given.bit_count(), int(x), int(y), named, independent))

    def _variables(self, members: int) -> int:
        return as_bits(self.nodes[z] for z in bits(members)) if self._renumbered else members

    def _named(self, x, y, given) -> tuple[int, int, tuple[int, ...]]:
        return self.nodes[x], self.nodes[y], tuple(self.nodes[z] for z in bits(given))

    def _report(self, size: int, n_edges: int, n_candidates: int | None) -> None:
        if self.progress:
            self.progress(size, n_edges, n_candidates)

    def _note(self, step: Step) -> None:
        if self.trace is not None:
            self.trace.append(step)

    def _listener(self):
        if self.trace is None:
            return None

        def listen(rule, before, after):
            size = next((step.size for step in reversed(self.trace) if step.kind == "level"), 0)
            for i, j in np.argwhere(before != after).tolist():
                mark = Mark(int(after[i, j]))
                self._note(Step("orient", size, self.nodes[i], self.nodes[j], rule=rule, mark=mark))

        return listen
