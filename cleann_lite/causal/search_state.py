"""The state of a causal search: a skeleton, the separating sets found so far, and how candidates are tested.

The recipes that decide *which* sets are candidates are in ``discovery``. Here nodes are numbered 0 … k−1 and
a set of nodes is one integer (``bitsets``); ``nodes`` translates to the variables of the test.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat

import numpy as np

from .batched import BatchedTest, Recorded
from .bitsets import as_bits, as_words, bits, bits_as_rows, counts, entries, packed, pairs, rows_as_bits
from .graphs import PAG, Mark, SearchStatus
from .legality import NOTE, legal_marks
from .orientation import Listener, orient
from .pds import TooManySets
from .separators import NamedSeparators, Separators
from .trace import Step

_TOGETHER = 4_000_000  # entries of a table of candidates: some megabytes
_MANY = 1_000  # with more nodes a second look is taken anew: what was seen would take more memory than time

Edge = tuple[int, int]
# the ends x, y of edges -> (edges, k) bool: the nodes near them
Near = Callable[[np.ndarray, np.ndarray], np.ndarray]
# an edge -> its candidate sets, held as integers, in the order of testing
Candidates = Callable[[int, int], Iterable[int]]


@dataclass
class Search:
    """A skeleton under search.

    Parameters
    ----------
    rank
        (k,) place of each node in a known causal order, equal within a tier, or None.
    trace
        Steps so far; None keeps none.

    The others are those of ``learn_pag``.
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

    def __post_init__(self) -> None:
        self.k = len(self.nodes)
        self.variables = np.array(self.nodes, dtype=np.intp)
        self.skeleton = ~np.eye(self.k, dtype=bool)
        self.separators = Separators(self.k)
        # of a deleted edge the p-value of its separating set, of others the largest so far
        self.p_values = np.full((self.k, self.k), np.nan)
        self.notes: list[str] = []
        self.status = SearchStatus.COMPLETE
        self.n_candidates = 0
        self._marks: np.ndarray | None = None
        self._forget_looks()
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
        return list(zip(*(ends.tolist() for ends in pairs(self.skeleton)), strict=True))

    def delete_independent_pairs(self) -> None:
        """Delete every edge whose ends are independent without conditioning."""
        self._note(Step("level", 0))
        n_pairs = self.k * (self.k - 1) // 2
        self._report(0, n_pairs, n_pairs)
        independent, self.p_values = self.test.independent_pairs(self.variables)
        x, y = pairs(independent)
        self.remove(x, y)

    def delete_separated_by_one(self, near: Near) -> None:
        """Delete every edge that one node near it, neither x nor y, separates."""
        x, y = pairs(self.skeleton)
        if not len(x):
            return
        rows = max(1, _TOGETHER // self.k)
        portions = [slice(start, start + rows) for start in range(0, len(x), rows)]
        self._note(Step("level", 1))
        if self.progress:
            self._report(1, len(x), sum(int(near(x[c], y[c]).sum()) for c in portions))
        found = np.full(len(x), -1)
        for c in portions:
            candidates = near(x[c], y[c])
            if not candidates.any():
                continue
            if self._stop_for_samples(1):
                return
            found[c], p = self.test.separating_singles(x[c], y[c], candidates, self.variables)
            self._keep_p(x[c], y[c], p)
        # deleted at once or not: what is near both ends are the neighbours after size 0
        some = np.flatnonzero(found >= 0)
        self.remove(x[some], y[some], self._single(found[some]))

    def _single(self, z: np.ndarray) -> np.ndarray:
        """(m, words) sets of one node each."""
        sets = np.zeros((len(z), self.separators.n_words), dtype=np.uint64)
        sets[np.arange(len(z)), z >> 6] = np.uint64(1) << (z & 63).astype(np.uint64)
        return sets

    def delete_separated(self, size: int, candidates: Candidates) -> bool:
        """Delete every edge that one of its candidate sets separates; False if no edge had a candidate.

        TooManySets if the search came to more than ``max_tests`` candidates: then no edge was deleted, unless
        edges are deleted at once.
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
        sets = [query[2][first] for query, first in zip(queries, found, strict=True) if first is not None]
        self._keep_p(x, y, np.array(p))
        self.remove(x[some], y[some], as_words(sets, self.k))

    def _keep_p(self, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> None:
        # a separating set has the largest p-value: all before it said "dependent"
        self.p_values[x, y] = self.p_values[y, x] = np.fmax(p, self.p_values[x, y])

    def opened(self, x: np.ndarray, y: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Of nodes[i], (m, words): those that added to their separating set make x[i] and y[i] dependent.

        No node where the samples are too few to ask, or where the block cannot be solved: no test can tell.
        Each pair comes once.
        """
        if self.k > _MANY:
            self._forget_looks()
        rows = self._looked_row(x, y)
        new = nodes & ~self._looked[rows]
        some = np.flatnonzero(new.any(axis=1))
        if some.size:
            self._looked[rows[some]] |= new[some]
            x, y = x[some], y[some]
            for part, which, node, given in self.outside(x, y, new[some]):
                if self.test.too_few_samples(given.shape[1] + 1) is None:
                    more = np.sort(np.column_stack([given, node]), axis=1)
                    independent, solvable = self.answer_each(x[part][which], y[part][which], more)
                    opened = np.zeros((len(part), self.k), dtype=bool)
                    opened[which, node] = solvable & ~independent
                    self._found[rows[some[part]]] |= packed(opened)
        return nodes & self._found[rows]

    def outside(self, x: np.ndarray, y: np.ndarray, nodes: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Each of nodes[i], (m, words), with the separating set of x[i] and y[i].

        Yields, in portions of separating sets of one size: positions i, and for each node its place among
        these, the node, and the members of the separating set.
        """
        separators = self.separators.words(x, y)
        sizes = counts(separators)
        step = 1 + _TOGETHER // (4 * self.k + 1)
        for size in np.unique(sizes).tolist():
            same = np.flatnonzero(sizes == size)
            for part in (same[start : start + step] for start in range(0, len(same), step)):
                which, node = entries(nodes[part])
                members = entries(separators[part])[1].reshape(len(part), size)
                yield part, which, node, members[which]

    def answer_each(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the test says of x[i] and y[i] given members[i], and whether it can tell."""
        given = self.variables[members]
        if self._renumbered:
            given = np.sort(given, axis=1)
        return self.test.answer_each(self.variables[x], self.variables[y], given)

    def _forget_looks(self) -> None:
        # of a pair the nodes that a second look was taken at, and those found to open it
        self._row = np.full((self.k, self.k), -1, dtype=np.int32)
        self._looked = self._found = np.zeros((0, self.separators.n_words), dtype=np.uint64)

    def _looked_row(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Where the second looks at each pair are kept."""
        rows = self._row[x, y]
        new = np.flatnonzero(rows < 0)
        if new.size:
            x, y = x[new], y[new]
            distinct, at = np.unique(np.minimum(x, y) * self.k + np.maximum(x, y), return_inverse=True)
            rows[new] = self._row[x, y] = self._row[y, x] = len(self._looked) + at
            blank = np.zeros((len(distinct), self._looked.shape[1]), dtype=np.uint64)
            self._looked = np.concatenate([self._looked, blank])
            self._found = np.concatenate([self._found, blank])
        return rows

    def remove(self, x: np.ndarray, y: np.ndarray, sets: np.ndarray | None = None) -> None:
        """Delete edges and keep what separates their ends, (m, words); None for the empty set."""
        if not len(x):
            return
        self.skeleton[x, y] = self.skeleton[y, x] = False
        self._marks = None
        self.separators.add(x, y, sets)
        if self.trace is not None:
            for i, j in zip(x.tolist(), y.tolist(), strict=True):
                given = self.separators[i, j]
                self._note(Step("remove", given.bit_count(), *self._named(i, j, given), True))

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
            if listen := self._listener():
                listen("legality", found, marks)
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
        """(k, k) how dependent two nodes are without conditioning; None if the test does not say."""
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

    def _named(self, x: int, y: int, given: int) -> tuple[int, int, tuple[int, ...]]:
        return self.nodes[x], self.nodes[y], tuple(self.nodes[z] for z in bits(given))

    def _report(self, size: int, n_edges: int, n_candidates: int | None) -> None:
        if self.progress:
            self.progress(size, n_edges, n_candidates)

    def _note(self, step: Step) -> None:
        if self.trace is not None:
            self.trace.append(step)

    def _listener(self) -> Listener | None:
        trace = self.trace
        if trace is None:
            return None

        def listen(rule: str, before: np.ndarray, after: np.ndarray) -> None:
            size = next((step.size for step in reversed(trace) if step.kind == "level"), 0)
            for i, j in np.argwhere(before != after).tolist():
                mark = Mark(int(after[i, j]))
                self._note(Step("orient", size, self.nodes[i], self.nodes[j], rule=rule, mark=mark))

        return listen
