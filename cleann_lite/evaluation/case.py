"""One input of an evaluation, with what a row needs: graphs, scores, and masked inputs that run once."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from math import comb

import numpy as np

from ..causal.graphs import PAG, Mark
from ..explaining.baselines import gradient_scores
from ..explaining.explanation import Explanation
from ..explaining.head_graphs import candidates, learn_graphs, paid
from ..explaining.interventions import Interventions
from ..explaining.search import explain
from ..models.protocol import Encoded, altered

_FEW = 128  # sets that are worth running in one go
PASSES = 2  # to read the prediction, and to run the untouched input; the attention is a third
_LEVEL = ("alpha", "n_samples")
_GRAPH = (*_LEVEL, "words", "max_nodes")
_SEARCH = ("heads", "max_size", "max_candidates", "max_calls")

Sets = Sequence[Sequence[tuple[int, ...]]]  # per size 1, 2, …: sets of units


@dataclass(frozen=True)
class Found:
    """What a row found for one input.

    Attributes
    ----------
    sets
        Sets of positions in ``case.encoded.units``, the preferred one first; empty if it failed.
    calls
        Inputs that the model ran, gradients counted as one each.
    note
        A sentence for the record, for example that a cap ended the search.
    """

    sets: tuple[tuple[int, ...], ...]
    calls: int
    note: str = ""


def with_seen(model, seen):
    """A recommender that encodes every history with the films that its user saw before it."""

    def encode(input, target=None, split_into="words"):
        return model.encode(input, target, split_into, seen)

    return altered(model, encode=encode)


class Case:
    """One input, with what a row needs to explain its prediction. All rows of an input share it.

    Attributes
    ----------
    model
        As :class:`cleann_lite.models.protocol.Model` says.
    input
        A text, or a history of films.
    settings
        `cleann_lite.evaluation.experiment.Settings`.
    number
        Number of the input: seeds whatever is random.
    """

    def __init__(self, model, input, settings, number=0, seen=()):
        self.model = with_seen(model, tuple(seen)) if seen else model
        self.input, self.settings, self.number = input, settings, number
        self._graphs, self._allowed, self._ahead = {}, {}, set()

    @cached_property
    def encoded(self) -> Encoded:
        """The input as the model reads it."""
        return self.model.encode(self.input)

    @cached_property
    def tries(self) -> Interventions:
        """The model under masking: rows share it, so that no set runs twice for one input."""
        return Interventions(self.model, self.encoded, max_calls=np.inf)

    @cached_property
    def units(self) -> tuple[int, ...]:
        """Positions of the units that every row may mask: those in CLEANN's graphs."""
        return self.graphs()[1]

    @property
    def room(self) -> int:
        """Sets that a row may run: the cap less the untouched input."""
        return self.settings.max_calls - 1

    @cached_property
    def attention(self) -> np.ndarray:
        """Attention that the outcome pays to each unit, (heads of the model, units)."""
        return paid(np.asarray(self.model.attention(self.encoded, -1)), self.encoded)

    @cached_property
    def gradients(self) -> np.ndarray:
        """Gradient x input of the outcome's log-probability, (units,)."""
        return gradient_scores(self.model, self.encoded)

    @property
    def alone(self) -> tuple[int, ...]:
        """The units that are masked alone to score them: all, unless the cap leaves no room for more."""
        return self.units[: max(1, self.room - self.settings.max_size)]

    @cached_property
    def effects(self) -> np.ndarray:
        """Drop of the outcome's probability when each of `alone` is masked, (units,); 0 for other units."""
        alone = [(u,) for u in self.alone]
        self.tries.run(alone)
        effects = np.zeros(len(self.encoded.units))
        whole = self.tries.original[self.encoded.target]
        effects[list(self.alone)] = [whole - self.tries.remaining(one) for one in alone]
        return effects

    def rng(self, name="") -> np.random.Generator:
        """Randomness that depends on the seed, the input and a name alone."""
        return np.random.default_rng((self.settings.seed, self.number, zlib.crc32(name.encode())))

    # --- what the graphs allow ---------------------------------------------------------------------------

    def graphs(self, heads=None, **changes) -> tuple[dict[int, PAG], tuple[int, ...]]:
        """Graphs by head, whose last node is the outcome, and the units of the other nodes.

        Parameters
        ----------
        heads
            None takes those of the experiment.
        **changes
            To the graph settings of the experiment, as for ``learn_graphs``.
        """
        key = tuple(sorted(changes.items()))
        if key not in self._graphs:
            self._graphs[key] = self.learn(self.model, **changes)
        pags, units = self._graphs[key]
        return {head: pags[head] for head in (self.settings.heads if heads is None else heads)}, units

    def learn(self, model, **changes):
        """As `graphs`, for all heads, read from another model's attention and not remembered."""
        given = self._given(_GRAPH, changes)
        return learn_graphs(model, self.encoded, heads=self.settings.heads, **given)[:2]

    def allowed(self, among="all", **changes) -> Sets:
        """Per size up to ``max_size``: the sets that the graphs allow, in CLEANN's order of trying.

        Parameters
        ----------
        among : "all", "causes" or "adjacent-causes"
            All legal sets, or those of possible causes of the outcome in the graph that allows them, or of
            possible causes that are joined to it.
        **changes
            As for `graphs`.
        """
        key = (among, tuple(sorted(changes.items())))
        if key not in self._allowed:
            self._allowed[key] = self.sets_of(*self.graphs(**changes), among)
        return self._allowed[key]

    def sets_of(self, pags: dict[int, PAG], units: Sequence[int], among="all") -> Sets:
        """As `allowed`, for given graphs."""
        pags = {head: restricted(pag, among) for head, pag in pags.items()}
        sizes, room = [], self.room
        effects: dict[int, float] = {}
        for size in range(1, self.settings.max_size + 1):
            found = tuple(candidates(pags, units, size, self.settings.max_candidates, effects)[0])[:room]
            if size == 1:  # the search knows these effects when it orders pairs
                self.tries.run(found)
                whole = self.tries.original[self.encoded.target]
                effects = {u: whole - self.tries.remaining((u,)) for (u,) in found}
            sizes.append(found)
            room -= len(found)
        return tuple(sizes)

    # --- ways to try sets --------------------------------------------------------------------------------

    def by_size(self, sets: Iterable[Iterable[Sequence[int]]], passes=PASSES + 1, known=()) -> Found:
        """Run all sets of a size, then of the next, until some of one size change the prediction.

        Parameters
        ----------
        sets
            Per size, in the order of trying.
        passes
            Inputs that the model ran before the first of them.
        known
            Sets that ran before them, for example to score the units; each counts once.
        """
        ran = {tuple(sorted(s)) for s in known}
        for of_one_size in sets:
            tried = [tuple(sorted(s)) for s in of_one_size]
            self._run_ahead(len(tried[0]) if tried else 0)
            flips = self.tries.run(tried)
            ran.update(tried)
            if flips:
                return Found(tuple(flips), passes + len(ran))
        return Found((), passes + len(ran))

    def _run_ahead(self, size):
        """Run all sets of a size in one go where they are few: sooner or later some row asks for each."""
        if size > 0 and size not in self._ahead and comb(len(self.units), size) <= _FEW:
            self.tries.run(combinations(self.units, size))
        self._ahead.add(size)

    def masked_in_order(self, scores: Sequence[float], passes=PASSES, known=()) -> Found:
        """Mask the first unit by falling score, the first two, … until the prediction changes."""
        ranked = self.ranked(scores)
        sizes = range(1, min(self.settings.max_size, len(ranked)) + 1)
        return self.by_size(([ranked[:size]] for size in sizes), passes, known)

    def ranked(self, scores) -> list[int]:
        """The units by falling score; ties keep the reading order."""
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != (len(self.encoded.units),) or not np.isfinite(scores).all():
            raise ValueError(f"scores must be {len(self.encoded.units)} finite numbers, one per unit")
        return sorted(self.units, key=lambda u: -scores[u])

    def first_that_works(self, sets: Iterable[Sequence[int]], passes=PASSES) -> Found:
        """Mask one set after the other, in the order given, until the prediction changes."""
        sets, ran = iter(sets), list[tuple[int, ...]]()
        while chunk := [tuple(sorted(s)) for s in islice(sets, min(32, self.room - len(ran)))]:
            if flips := self.tries.run(chunk):
                return Found((flips[0],), passes + len({*ran, *chunk[: chunk.index(flips[0]) + 1]}))
            ran += chunk
        capped = len(ran) >= self.room and next(sets, None) is not None
        return Found((), passes + len(set(ran)), "ended at its cap of model calls" if capped else "")

    def explain(self, **changes) -> Explanation:
        """``cleann_lite.explain`` with the settings of the experiment, and changes to them."""
        given = {"certify": False, "search": "cleann"} | self._given((*_GRAPH, *_SEARCH), changes)
        return explain(self.model, self.input, **given)

    def _given(self, names, changes):
        """Settings of the experiment and changes to them; your own test or learner has its own level."""
        own = _LEVEL if {"test", "learner"} & set(changes) else ()
        return {name: getattr(self.settings, name) for name in names if name not in own} | changes


def restricted(pag: PAG, among: str) -> PAG:
    """The graph over the possible causes of its last node alone, where ``among`` asks for them.

    A set is legal by paths inside the set and the outcome, so the legal sets of this graph are those of the
    whole one whose members are all such causes.
    """
    kept = np.append(taken(pag, among), True)
    return PAG(np.where(np.outer(kept, kept), pag.marks, 0), pag.nodes, pag.labels)


def taken(pag: PAG, among: str) -> np.ndarray:
    """(nodes − 1,) bool: every node but the last, or those that ``among`` takes, as for `Case.allowed`."""
    if among == "all":
        return np.ones(len(pag) - 1, dtype=bool)
    if among == "causes":
        return pag.possible_ancestors[:-1, -1]
    if among == "adjacent-causes":
        return np.isin(pag.marks[-1, :-1], (Mark.CIRCLE, Mark.TAIL))  # joined, no arrowhead at the unit
    raise ValueError(f"among must be all, causes or adjacent-causes: got {among!r}")
