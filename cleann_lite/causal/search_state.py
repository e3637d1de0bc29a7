"""The state of a causal search: a skeleton, the separating sets found so far, and how candidates are tested.

The recipes that decide *which* sets are candidates are in ``discovery``. Here nodes are numbered 0 … k−1 and
a set of nodes is one integer (``separation``); ``nodes`` translates to the variables of the test.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat

import numpy as np

from .graphs import PAG, Mark, SearchStatus
from .legality import NOTE, legal_marks
from .orientation import orient
from .pds import TooManySets
from .separation import as_bits, bits, bits_as_rows, rows_as_bits

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

    Attributes
    ----------
    test
        The independence test.
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
        Most candidate sets of one size.
    progress
        Called before each size with (size, edges left, candidate sets), or None; candidate sets are None
        where edges are deleted at once, since they change with each.
    trace
        Steps so far; None keeps none.
    """

    test: object
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
        self.skeleton = ~np.eye(self.k, dtype=bool)
        self.separators: dict[Edge, int] = {}
        self.notes: list[str] = []
        self.status = SearchStatus.COMPLETE
        self.trees = None  # of the PAG so far, kept by the recipes
        self._marks: np.ndarray | None = None
        self._renumbered = self.nodes != tuple(range(self.k))

    def may_use(self, size: int) -> bool:
        """Whether conditioning sets may have this size."""
        return size <= self.k - 2 and (self.max_size is None or size <= self.max_size)

    def not_later(self, x: int, y: int) -> int:
        """The nodes that are not known to be later than both x and y: only those can separate them."""
        return -1 if self._not_later is None else self._not_later[x] | self._not_later[y]

    @cached_property
    def _not_later(self) -> list[int] | None:
        return None if self.rank is None else rows_as_bits(self.rank[None, :] <= self.rank[:, None])

    def too_few_samples(self, size: int) -> bool:
        """Whether the test cannot answer sets of this size."""
        return getattr(self.test, "n_samples", math.inf) - size - 3 <= 0

    def edges(self) -> list[Edge]:
        """The edges left, (i, j) with i < j."""
        return [(i, j) for i, j in np.argwhere(np.triu(self.skeleton)).tolist()]

    def delete_independent_pairs(self) -> None:
        """Delete every edge whose ends are independent without conditioning."""
        at_once = getattr(self.test, "independent_pairs", None)
        if at_once is None or self.trace is not None:
            self.delete_separated(0, lambda x, y: (0,))
            return
        n_pairs = self.k * (self.k - 1) // 2
        self._report(0, n_pairs, n_pairs)
        independent = at_once()[np.ix_(self.nodes, self.nodes)]
        for x, y in np.argwhere(np.triu(independent, 1)).tolist():
            self.remove(x, y, 0)

    def delete_separated_by_one(self, near: Callable[[int, int], np.ndarray]) -> None:
        """Delete every edge that one node near it separates; ``near(x, y)`` is (edges, k) bool."""
        edges = self.edges()
        if not edges:
            return
        x, y = np.array(edges).T
        candidates = near(x, y)
        candidates[np.arange(len(x)), x] = candidates[np.arange(len(x)), y] = False
        at_once = getattr(self.test, "separating_singles", None)
        if at_once is None or self.trace is not None or not self.order_independent:
            sets = dict(zip(edges, candidates, strict=True))

            def singles(x, y):
                return self.by_strength(x, y, [1 << z for z in np.flatnonzero(sets[x, y]).tolist()])

            self.delete_separated(1, singles, most=math.inf)
            return
        self._report(1, len(edges), int(candidates.sum()))
        if not candidates.any():
            return
        if self.too_few_samples(1):
            self._stop_for_samples(1)
            return
        nodes = np.array(self.nodes)
        wide = np.zeros((len(x), self.test.n_variables), dtype=bool)
        wide[:, nodes] = candidates
        number = np.full(self.test.n_variables, -1)
        number[nodes] = np.arange(self.k)
        found = at_once(nodes[x], nodes[y], wide)
        for edge in np.flatnonzero(found >= 0).tolist():
            self.remove(int(x[edge]), int(y[edge]), 1 << int(number[found[edge]]))

    def delete_separated(self, size: int, candidates: Candidates, most: float | None = None) -> bool:
        """Delete every edge that one of its candidate sets separates; False if no edge had a candidate.

        Raises
        ------
        TooManySets
            If all edges together have more candidates than ``most`` (default ``max_tests``). Then nothing
            was tested, unless edges are deleted at once: then those before were.
        """
        most = self.max_tests if most is None else most
        self._note(Step("level", size))
        edges, n_candidates = self.edges(), 0
        if not self.order_independent:
            self._report(size, len(edges), None)
            for x, y in edges:
                sets = list(candidates(x, y))
                if sets and self.too_few_samples(size):
                    self._stop_for_samples(size)
                    return False
                n_candidates += len(sets)
                if n_candidates > most:
                    raise TooManySets
                (first,) = self._first_separating([(x, y, sets)])
                if first is not None:
                    self.remove(x, y, sets[first])
            return n_candidates > 0
        queries = []
        for x, y in edges:
            sets = list(candidates(x, y))
            n_candidates += len(sets)
            if n_candidates > most:
                raise TooManySets
            if sets:
                queries.append((x, y, sets))
        self._report(size, len(edges), n_candidates)
        if queries and self.too_few_samples(size):
            self._stop_for_samples(size)
            return False
        for (x, y, sets), first in zip(queries, self._first_separating(queries), strict=True):
            if first is not None:
                self.remove(x, y, sets[first])
        return n_candidates > 0

    def opened(self, triples: list[tuple[int, int, int]]) -> list[int]:
        """For each (x, y, nodes): those that make x and y dependent when added to their separating set.

        None where the samples are too few to ask, or where the block cannot be solved: no test can tell.
        """
        opened, added, questions = [0] * len(triples), [], []
        for i, (x, y, nodes) in enumerate(triples):
            separator = self.separators[(x, y) if x < y else (y, x)]
            if not self.too_few_samples(separator.bit_count() + 1):
                opened[i] = nodes
                added += [(i, z) for z in bits(nodes)]
                questions += [(x, y, separator | 1 << z) for z in bits(nodes)]
        closed = self.independent_each(questions)
        singular_each = getattr(self.test, "singular_each", None)
        if singular_each is not None and questions:
            closed = np.array(closed) | singular_each(*self._of_the_test(questions))
        for (i, z), shut in zip(added, closed, strict=True):
            if shut:
                opened[i] &= ~(1 << z)
        return opened

    def independent_each(self, questions: list[tuple[int, int, int]]) -> list[bool]:
        """What the test says of each (x, y, given)."""
        at_once = getattr(self.test, "independent_each", None)
        if at_once is None or self.trace is not None or not questions:
            return [self._ask(*question) for question in questions]
        return at_once(*self._of_the_test(questions))

    def _of_the_test(self, questions: list[tuple[int, int, int]]) -> tuple[Sequence, Sequence, Sequence]:
        """x, y and sets of many questions, in the numbers of the test."""
        x, y, sets = zip(*questions, strict=True)
        if self._renumbered:
            x, y = [self.nodes[i] for i in x], [self.nodes[i] for i in y]
            sets = [self._variables(given) for given in sets]
        return x, y, sets

    def remove(self, x: int, y: int, given: int) -> None:
        """Delete an edge and keep what separates its ends."""
        self.skeleton[x, y] = self.skeleton[y, x] = False
        self._marks = None
        self.separators[(x, y) if x < y else (y, x)] = given
        if self.trace is not None:
            self._note(Step("remove", given.bit_count(), *self._named(x, y, given), True))

    def stopped(self, size: int) -> None:
        """Note that a cap ended the search at this size."""
        self.status = SearchStatus.CAPPED
        where = "before" if self.order_independent else "among"
        self.notes.append(
            f"stopped {where} conditioning sets of {size}: over {self.max_tests} candidate sets"
        )

    def _stop_for_samples(self, size: int) -> None:
        """Note once that the samples are too few for sets of this size, and so for larger ones."""
        if self.status is SearchStatus.COMPLETE:
            self.status = SearchStatus.TOO_FEW_SAMPLES
            n_samples = self.test.n_samples
            self.notes.append(f"stopped before conditioning sets of {size}: {n_samples} samples are too few")

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
        separating_sets = {
            (self.nodes[i], self.nodes[j]): tuple(self.nodes[z] for z in bits(given))
            for (i, j), given in sorted(self.separators.items())
        }
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
            separating_sets,
            tuple(self.notes),
            tuple(self.trace or ()),
            status=self.status,
            selection_bias=self.selection_bias,
            tiers=tiers,
            undone=int(np.count_nonzero(marks != found)),
        )
        if graph.legality in NOTE:
            return replace(graph, notes=(*graph.notes, NOTE[graph.legality]))
        return graph

    @cached_property
    def strength(self) -> np.ndarray | None:
        """(k, k) how dependent two nodes are without conditioning; None where the test does not say."""
        correlation = getattr(self.test, "correlation", None)
        if isinstance(correlation, np.ndarray):
            return np.abs(correlation[np.ix_(self.nodes, self.nodes)])
        measure = getattr(self.test, "strength", None)
        strength = np.zeros((self.k, self.k))
        for i, x in enumerate(self.nodes if measure else ()):
            for j in range(i):
                strength[i, j] = strength[j, i] = measure(x, self.nodes[j]) or 0.0
        return strength if strength.any() else None

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

    def _first_separating(self, queries) -> list[int | None]:
        at_once = getattr(self.test, "first_separating", None)
        if at_once is None or self.trace is not None:
            return [
                next((i for i, given in enumerate(sets) if self._ask(x, y, given)), None)
                for x, y, sets in queries
            ]
        if self._renumbered:
            nodes = self.nodes
            queries = [
                (nodes[x], nodes[y], [self._variables(given) for given in sets]) for x, y, sets in queries
            ]
        return at_once(queries)

    def _ask(self, x, y, given) -> bool:
        named = self._named(x, y, given)
        answer = bool(self.test.independent(*named))
        self._note(Step("test", given.bit_count(), *named, answer))
        return answer

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
