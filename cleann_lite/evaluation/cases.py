"""The rows of an evaluation: CLEANN and its variants, the baselines, and a researcher's own.

A method is a function of a `Case` (one input, the model, the settings) that returns a `Found` (or an
``Explanation``). Every method works on the same units (those that stand in CLEANN's graphs), the same heads
and the same cap of model calls; the evaluation itself checks the set and measures it. One's own is a few
lines::

    @method("longest-first")
    def longest_first(case):
        return case.masked_in_order([len(unit) for unit in case.encoded.units])
"""

import heapq
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, islice

import numpy as np

from ..causal.graphs import PAG
from ..explaining.baselines import attention_scores, gradient_scores, integrated_gradient_scores
from ..explaining.explanation import Explanation
from ..explaining.head_graphs import learn_graphs
from ..explaining.interventions import Interventions
from ..explaining.search import explain
from ..models.protocol import Encoded

_PASSES = 2  # to read the prediction, and to run the untouched input; the attention is a third
_OPTIONS = ("alpha", "n_samples", "heads", "nodes", "max_size", "max_candidates", "max_calls", "max_nodes")
_STEPS = 32  # passes of integrated gradients


@dataclass(frozen=True)
class Found:
    """What a method found for one input.

    Attributes
    ----------
    sets
        Sets of positions in ``case.encoded.units``, the preferred one first; empty where it failed.
    calls
        Inputs that the model ran, gradients counted as one each.
    note
        A sentence for the record, for example that a cap ended the search.
    """

    sets: tuple[tuple[int, ...], ...]
    calls: int
    note: str = ""


class Prepared:
    """A model that reads one input the same way for every method, and runs no masked input twice.

    Parameters
    ----------
    model
    seen
        Films that the user saw before the history.
    memory : dict
        Masked inputs that were run, with their seconds; methods share it.

    Attributes
    ----------
    saved
        Seconds that the remembered inputs took when they ran: a method's own time is the clock's and these.
    """

    def __init__(self, model, seen=(), memory=None):
        self._model, self._seen = model, tuple(seen)
        self._memory, self.saved = {} if memory is None else memory, 0.0

    def __getattr__(self, name):
        return getattr(self.__dict__["_model"], name)

    def encode(self, input, target=None, units="words"):
        seen = {"seen": self._seen} if self._seen else {}
        return self._model.encode(input, target=target, units=units, **seen)

    def predict(self, encoded, masks):
        """As the model's own; each set of masked units runs once."""
        keys = [(encoded.target, len(encoded.units), tuple(sorted(m))) for m in masks]
        fresh = [key for key in dict.fromkeys(keys) if key not in self._memory]
        known = set(keys) - set(fresh)
        if fresh:
            start = time.perf_counter()
            rows = self._model.predict(encoded, [mask for _, _, mask in fresh])
            seconds = (time.perf_counter() - start) / len(fresh)
            self._memory.update({key: (row, seconds) for key, row in zip(fresh, rows, strict=True)})
        self.saved += sum(self._memory[key][1] for key in known)
        return np.stack([self._memory[key][0] for key in keys])


@dataclass
class Case:
    """One input, with what a method needs to explain its prediction.

    Attributes
    ----------
    input
        A text, or a history of films.
    settings
        ``alpha``, ``n_samples``, ``heads``, ``nodes``, ``max_size``, ``max_candidates``, ``max_calls``,
        ``max_nodes``, ``seed`` of the experiment.
    number
        Number of the input: seeds whatever is random.
    earlier
        What the methods before this one found, by name.
    """

    model: object
    input: object
    settings: object
    number: int = 0
    seen: tuple = ()
    earlier: dict[str, Found] = field(default_factory=dict)
    memory: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.model = Prepared(self.model, self.seen, self.memory)

    @cached_property
    def encoded(self) -> Encoded:
        """The input as the model reads it."""
        return self.model.encode(self.input)

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """The heads that every method may read."""
        return tuple(self.settings.heads)

    @cached_property
    def units(self) -> tuple[int, ...]:
        """Positions of the units that every method may mask: those in CLEANN's graphs."""
        return self._units_and_notes[0]

    @cached_property
    def _units_and_notes(self):
        def no_edges(attention, variables, labels):
            return PAG(np.zeros((len(labels), len(labels)), dtype=np.int8))

        rule = {"nodes": self.settings.nodes, "max_nodes": self.settings.max_nodes}
        return learn_graphs(self.model, self.encoded, heads=self.heads, learner=no_edges, **rule)[1:]

    @property
    def rng(self) -> np.random.Generator:
        """Randomness that depends on the seed and the input alone."""
        return np.random.default_rng((self.settings.seed, self.number))

    @property
    def options(self) -> dict:
        """Arguments of ``cleann_lite.explain`` that the experiment sets."""
        given = {name: getattr(self.settings, name) for name in _OPTIONS}
        return {"certify": False, "search": "cleann"} | given

    def explain(self, **changes) -> Explanation:
        """``cleann_lite.explain`` with the settings of the experiment, and changes to them."""
        return explain(self.model, self.input, **self.options | changes)

    def masked_in_order(self, scores: Sequence[float], passes=_PASSES) -> Found:
        """Mask the first unit by falling score, the first two, … until the prediction changes."""
        ranked = self.ranked(scores)
        sizes = range(1, min(self.settings.max_size, len(ranked)) + 1)
        return self.first_that_works((ranked[:size] for size in sizes), passes)

    def ranked(self, scores) -> list[int]:
        """The units by falling score; ties keep the reading order."""
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != (len(self.encoded.units),) or not np.isfinite(scores).all():
            raise ValueError(f"scores must be {len(self.encoded.units)} finite numbers, one per unit")
        return sorted(self.units, key=lambda u: -scores[u])

    def first_that_works(self, sets: Iterable[Sequence[int]], passes=_PASSES, max_masked=None) -> Found:
        """Mask one set after the other until the prediction changes.

        Parameters
        ----------
        sets
            In the order of trying; different ones.
        passes
            Inputs that the model ran before the first of them.
        max_masked
            Sets to try; None takes ``max_calls`` of the settings.
        """
        tries, tried = Interventions(self.model, self.encoded, max_calls=np.inf), 0
        # scores that cost more passes than attention's leave fewer for the sets
        room = (
            self.settings.max_calls - 1 - max(0, passes - _PASSES - 1) if max_masked is None else max_masked
        )
        sets = iter(sets)
        while chunk := [tuple(sorted(s)) for s in islice(sets, max(0, min(32, room - tried)))]:
            if flips := tries.run(chunk):
                return Found((flips[0],), passes + tried + chunk.index(flips[0]) + 1)
            tried += len(chunk)
        capped = room <= tried and next(sets, None) is not None
        return Found((), passes + tried, "ended at its cap of model calls" if capped else "")


# --- CLEANN -------------------------------------------------------------------------------------------

METHODS: dict[str, Callable[[Case], Found | Explanation]] = {}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def method(name: str):
    """Register a method under a name, as a decorator.

    Raises
    ------
    ValueError
        The name is not in lower case with hyphens.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a method's name has lower-case letters, digits and hyphens: got {name!r}")

    def register(function):
        METHODS[name] = function
        return function

    return register


@method("cleann")
def cleann(case, **changes):
    """CLEANN as ``explain`` runs it: ICD, two-sided test, all heads."""
    return case.explain(**changes)


@method("cleann-one-sided")
def cleann_one_sided(case):
    """CLEANN with the one-sided test of the first released code."""
    return case.explain(one_sided=True)


@method("cleann-fci")
def cleann_fci(case):
    """CLEANN on graphs of FCI."""
    return case.explain(method="fci")


@method("cleann-equivalent-attention")
def cleann_equivalent_attention(case):
    """CLEANN on another attention with the same output of every head, where there is one (text models).

    Where the output determines the attention, this is CLEANN itself. See `cleann_lite.robustness`.
    """
    from ..explaining.robustness import ReplacedAttention, layer_corners
    from ..models.decoupled import text_heads

    attention = case.model.attention(case.encoded)
    corners = layer_corners(attention, text_heads(case.model, case.input).value, 1, case.settings.seed)
    if not len(corners):
        return case.earlier.get("cleann") or case.explain()
    return explain(ReplacedAttention(case.model, corners[0]), case.input, **case.options)


# --- attention, at equal calls and as a plain order ---------------------------------------------------


def _attention(case, heads=None):
    """Attention that the outcome pays to each unit, mean over the given heads, (units,)."""
    heads = list(heads if heads is not None else case.heads)

    class Heads(Prepared):
        def attention(self, encoded, layer=-1):
            return np.asarray(self._model.attention(encoded, layer))[heads]

    return attention_scores(Heads(case.model), case.encoded)


@method("attention")
def attention(case, heads=None):
    """Units by the outcome's attention (mean over the same heads), masked one more at a time."""
    return case.masked_in_order(_attention(case, heads), _PASSES + 1)


@method("attention-at-equal-calls")
def attention_at_equal_calls(case):
    """Sets of 1, 2, … units by summed attention, as many as CLEANN ran for the same input."""
    return _sets_at_equal_calls(case, _attention(case))


@method("random-at-equal-calls")
def random_at_equal_calls(case):
    """Sets of 1, 2, … units in random order, as many as CLEANN ran for the same input: the control."""
    return _sets_at_equal_calls(case, case.rng.random(len(case.encoded.units)))


def _sets_at_equal_calls(case, scores):
    if "cleann" not in case.earlier:
        raise ValueError("a method at equal calls needs the row cleann before it")
    room = max(0, case.earlier["cleann"].calls - _PASSES - 1)
    units, scores = case.ranked(scores), np.asarray(scores)
    sizes = range(1, min(case.settings.max_size, len(units)) + 1)
    sets = (s for size in sizes for s in by_summed_score(units, scores[units], size))
    return case.first_that_works(sets, _PASSES + 1, room)


def by_summed_score(units: Sequence, scores: Sequence[float], size: int) -> Iterator[tuple]:
    """All sets of one size by falling sum of their scores, found one by one.

    Parameters
    ----------
    units, scores
        The units by falling score, and those scores.

    Examples
    --------
    >>> list(by_summed_score("abc", [3, 2, 0.5], 2))
    [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    if size > len(units):
        return
    start = tuple(range(size))
    heap, seen = [(-sum(scores[i] for i in start), start)], {start}
    while heap:
        _, places = heapq.heappop(heap)
        yield tuple(units[i] for i in places)
        for at, place in enumerate(places):
            moved = (*places[:at], place + 1, *places[at + 1 :])
            last = place + 1 == (places[at + 1] if at + 1 < size else len(units))
            if not last and moved not in seen:
                seen.add(moved)
                heapq.heappush(heap, (-sum(scores[i] for i in moved), moved))


# --- other orders, and the true minimum ---------------------------------------------------------------


@method("gradient-x-input")
def gradient(case):
    """Units by gradient x input (Shrikumar et al. 2016)."""
    return case.masked_in_order(gradient_scores(case.model, case.encoded), _PASSES + 1)


@method("integrated-gradients")
def integrated_gradients(case):
    """Units by integrated gradients (Sundararajan et al. 2017), 32 steps, each a pass."""
    scores = integrated_gradient_scores(case.model, case.encoded)
    return case.masked_in_order(scores, _PASSES + _STEPS)


@method("leave-one-out")
def leave_one_out(case):
    """Units by the drop that masking each alone brings; these masked inputs count as calls."""
    encoded, alone = case.encoded, case.units[: case.settings.max_calls - 1]
    rows = case.model.predict(encoded, [(), *((u,) for u in alone)])[:, encoded.target]
    scores = np.zeros(len(encoded.units))
    scores[list(alone)] = rows[0] - rows[1:]
    return case.masked_in_order(scores, _PASSES + len(alone))


@method("random")
def random_order(case):
    """Units in a random order."""
    return case.masked_in_order(case.rng.random(len(case.encoded.units)))


@method("exhaustive")
def exhaustive(case):
    """Every set of 1, 2, … units: the true minimum, where the cap of calls allows it."""
    sizes = range(1, min(case.settings.max_size, len(case.units)) + 1)
    return case.first_that_works(s for size in sizes for s in combinations(case.units, size))


AT_EQUAL_CALLS = ("attention-at-equal-calls", "random-at-equal-calls")


# --- names to functions -------------------------------------------------------------------------------

# each of these stands for several rows
FAMILIES = {
    "cleann-heads": lambda s: {f"cleann-head-{h}": partial(cleann, heads=h) for h in s.heads},
    "attention-heads": lambda s: {f"attention-head-{h}": partial(attention, heads=(h,)) for h in s.heads},
    "cleann-alphas": lambda s: {f"cleann-alpha-{a:g}": partial(cleann, alpha=a) for a in s.alphas},
}
DEFAULT = (
    "cleann", "cleann-one-sided", "cleann-fci", "cleann-alphas", "cleann-heads", "attention",
    "attention-heads", "attention-at-equal-calls", "gradient-x-input", "integrated-gradients",
    "leave-one-out", "random", "random-at-equal-calls", "exhaustive",
)  # fmt: skip


def chosen(names: Sequence[str | Callable], settings) -> dict[str, Callable]:
    """Functions of the rows, by name, in order; a function of one's own goes under its own name.

    Raises
    ------
    ValueError
        An unknown name, or the same name twice.
    """
    rows = {}
    for entry in names:
        if callable(entry):
            own = {k: f for k, f in METHODS.items() if f is entry} or {_name_of(entry): entry}
        elif entry in FAMILIES:
            own = FAMILIES[entry](settings)
        elif entry in METHODS:
            own = {entry: METHODS[entry]}
        else:
            known = ", ".join([*METHODS, *FAMILIES])
            raise ValueError(f"a method must be one of {known}, or a function: got {entry!r}")
        if twice := sorted(set(own) & set(rows)):
            raise ValueError(f"each method is one row: {twice[0]!r} was named twice")
        rows |= own
    if not rows:
        raise ValueError("at least one method is needed: got none")
    for name in AT_EQUAL_CALLS:
        if name in rows and "cleann" not in list(rows)[: list(rows).index(name)]:
            raise ValueError(f"{name} needs the row cleann before it: got {', '.join(rows)}")
    return rows


def _name_of(function):
    name = getattr(function, "__name__", type(function).__name__).lower().replace("_", "-")
    return re.sub(r"[^a-z0-9.-]", "", name).strip("-")
