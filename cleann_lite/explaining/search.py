"""From a causal graph to an explanation: the CLEANN search, and what goes on where it ends.

1. Put the outcome into the input and read the attention of the last layer, one matrix per head.
2. Learn a PAG per head over the units of interest and the outcome (``head_graphs``).
3. Root a potential-influence tree (PDS-tree) at the outcome: units at distance 1, 2, … of it (the same).
4. For sizes r = 1, 2, …: take the legal sets of r units by summed distance, mask each, and run the model
   (``head_graphs.candidates``, ``interventions``).
5. Stop after the first size at which a set changes the prediction, and report every set of that size
   (``stages.legal_sets``).
6. Certify: run every smaller set, in the graph or not (``certificate``).

``search="cleann"`` does this and no more. ``search="full"`` asks the graph for small sets only, then tries
all single units, pairs of them for half the inputs that are left, a beam over all units, and all units at
once; for long texts the units in the order of their gradients, or of their sentences (``long_texts``). Each
set says what found it and whether a graph allows it.

Source: Rohekar, Gurwicz, Nisimov. Causal Interpretation of Self-Attention in Pre-Trained Transformers.
NeurIPS 2023; Nisimov et al. CLEAR. CONSEQUENCES at RecSys 2022.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..attention.former import formerly
from ..causal.marks import counted
from ..models.protocol import Model, encoded_by
from .certificate import certify
from .explanation import Explanation, ExplanationSet
from .head_graphs import HeadGraphs, graphs_of, maskable
from .interventions import Interventions, Stop
from .long_texts import QUICK, along_an_order
from .settings import FORMER, LONG, FoundBy, GraphSettings, SearchSettings, Stopped, split
from .stages import Units, all_sets, beam, everything, legal_sets

CLEANN_SIZE = 5  # the largest legal set that "cleann" tries
QUICK_SIZE = 2  # the largest legal set that "full" asks the graphs for


@formerly(**FORMER)
def explain(
    model: Model,
    input: Any,
    *,
    target: Any = None,
    split_into: str = "words",
    progress: bool | Callable[[int, float], object] = False,
    memory: dict | None = None,
    **settings: Any,
) -> Explanation:
    """Find small sets of words (or films) without which a model predicts otherwise, led by its graph.

    Parameters
    ----------
    model
        From ``load_model``, or any object that fulfils :class:`cleann_lite.Model`.
    input : str or list of str
        A text, or a history of titles.
    target
        The outcome to explain: a class, the word (or its index) whose choice is explained, a film. None
        takes the model's prediction.
    split_into : "words", "pieces" or "sentences"
        The units of the input: what is masked as one.
    progress : bool or callable
        True shows a bar. A function is called with (inputs run, cap) as the search goes on; False from it
        ends the search, which keeps what it found, as after Ctrl-C.
    memory : dict, optional
        What calls for the same input and outcome share, so that no mask runs twice (see `Interventions`).
    **settings
        Fields of :class:`GraphSettings` (alpha, n_samples, heads, words, method, outcome_last, …) and of
        :class:`cleann_lite.explaining.settings.SearchSettings` (search="full" or "cleann", max_size,
        max_calls, certify, …).

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        Empty input, an unknown target, settings out of range, or a model that predicts no probabilities: one
        sentence each.
    TypeError
        An unknown setting.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> cl.explain(model, "A dull film with a boring plot.").sets[0].units  # doctest: +SKIP
    ('dull', 'boring')
    """
    start = time.perf_counter()
    graph_settings, search_settings = split(settings)
    if memory is not None and not isinstance(memory, dict):
        raise ValueError(f"memory must be a dict: got {type(memory).__name__}")
    encoded = encoded_by(model, input, target, split_into)
    with reported(progress) as report:
        tries = Interventions(model, encoded, search_settings.max_calls, memory=memory, report=report)
        search = Recipe(tries, graph_settings.of(model), search_settings)
        try:
            tries.tell()
            _recipe(search)
        except (KeyboardInterrupt, Stop):
            search.interrupt()
    again = partial(explain, model, input, target=target, split_into=split_into, **settings)
    return search.result(input, split_into, time.perf_counter() - start, again)


def _recipe(search: "Recipe") -> None:
    """CLEANN's six steps, and before the last what a full search adds."""
    search.learn_graphs()  # steps 1 to 3
    if search.stopped in (Stopped.OTHER_PREDICTION, Stopped.NO_OUTCOME):
        return
    search.try_legal_sets()  # steps 4 and 5
    if search.settings.search == "full":
        _go_on(search)
    search.certify()  # step 6


def _go_on(search: "Recipe") -> None:
    """The stages of a full search, each only where those before it leave a question."""
    tries, largest = search.tries, search.largest
    if search.long:
        search.ask(FoundBy.BEAM, along_an_order, search.attention)
    else:
        for size in (1, 2):
            if size < search.smallest:
                search.ask(FoundBy.ALL_WORDS, all_sets, size)
        if not search.origin:
            search.ask(FoundBy.BEAM, beam, tries.known_of_size(2, 1), largest)
    if not search.origin:
        search.ask(FoundBy.BEAM, everything)
    search.keep_smallest()
    search.stopped, search.capped = None, tries.exhausted  # the graphs alone no longer decide


@dataclass
class Recipe:
    """The state of one search; :meth:`result` turns it into an Explanation."""

    tries: Interventions
    graph_settings: GraphSettings
    settings: SearchSettings
    attention: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0)))
    graphs: HeadGraphs = field(default_factory=HeadGraphs)
    origin: dict[Units, FoundBy] = field(default_factory=dict)
    stage: FoundBy = FoundBy.GRAPH
    capped: bool = False
    certified: bool | None = None
    smaller: tuple[Units, ...] = ()
    stopped: Stopped | None = None
    tried: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return self.settings.search == "full"

    @cached_property
    def units(self) -> list[int]:
        """All that may be masked."""
        return maskable(self.tries.encoded)

    @property
    def long(self) -> bool:
        """Whether a full search goes along an order (`long_texts`)."""
        return self.full and len(self.units) > LONG

    @property
    def largest(self) -> int:
        """Size of the largest set that is looked for."""
        return min(self.settings.max_size or (len(self.units) if self.full else CLEANN_SIZE), len(self.units))

    @property
    def smallest(self) -> int:
        """Size of the smallest set found; one more than the largest that is looked for, if none was."""
        return min(map(len, self.origin), default=self.largest + 1)

    def add(self, sets: Iterable[Units]) -> None:
        """Keep what this stage found."""
        for units in sets:
            if len(units) <= self.largest:
                self.origin.setdefault(units, self.stage)

    def ask(self, by: FoundBy, stage: Callable[..., Iterable[Units]], *given: Any) -> None:
        """Go through a stage over all units and keep what it finds."""
        self.stage = by
        self.add(stage(self.tries, self.units, *given))

    def learn_graphs(self) -> None:
        """The graphs and their trees (steps 1 to 3)."""
        tries, chosen = self.tries, self.graph_settings
        self.attention = tries.read(chosen.read, chosen.passes(tries.encoded))
        self.graphs = HeadGraphs(*graphs_of(self.attention, tries.model, tries.encoded, chosen, tries.tell))
        if tries.refused:
            self.stopped = tries.refused[0]
        elif not self.graphs.in_graph:
            self.stopped = Stopped.NO_UNITS
        elif not self.graphs.reach:
            self.stopped = Stopped.NOT_LINKED

    def try_legal_sets(self) -> None:
        """Legal sets by size until one succeeds (steps 4 and 5); a full search asks for small ones only."""
        largest, most = min(self.largest, self.graphs.reach), self.settings.max_candidates
        if self.full:
            largest = min(largest, 1 if self.long else QUICK_SIZE)
        if self.long:
            most = max(1, min(most, QUICK // len(self.graphs.pags)))
        flips, self.tried, cut = legal_sets(self.tries, self.graphs, range(1, largest + 1), most)
        self.add(flips)
        if not self.full:
            nearest = counted(most, "nearest set")
            were = "were" if most > 1 else "was"
            self.notes += [f"only the {nearest} of size {size} per head {were} tried" for size in cut]

    def certify(self) -> None:
        """Run every smaller set (step 6); in a full search what this finds comes first."""
        budget = self.settings.proof(len(self.tries.encoded.units))
        if not self.origin or not budget:
            return
        hopeless = self.long and self.smallest > 1
        proof = certify(self.tries, self.units, self.smallest, 0 if hopeless else budget)
        if proof.holds is None:
            exist = f"{proof.needed:,}" if proof.needed < 10**9 else f"about 10^{len(str(proof.needed)) - 1}"
            self.notes.append(f"not proved to be smallest: {exist} smaller sets exist")
        self.certified, self.smaller = proof.holds, proof.smaller
        if self.full and proof.smaller:
            self.stage = FoundBy.EXHAUSTIVE
            self.add(proof.smaller)
            self.certified, self.smaller = True, ()  # all sets that are smaller still were run before these
        first = next(units for units in self.origin if len(units) == self.smallest)
        if self.certified and set(first) & set(self.tries.encoded.unknown):
            self.certified = None
            self.notes.append(
                "nothing is certified about words that the model cannot tell from other unknown ones"
            )

    def keep_smallest(self) -> None:
        """Where no stage came to its end with a set: the smallest sets that were run and work."""
        if not self.origin:
            flips = self.tries.all_flipped()
            self.add(units for units in flips if len(units) == len(flips[0]))

    def interrupt(self) -> None:
        """Keep what was found, or else the smallest sets that were run and work."""
        self.stopped = Stopped.INTERRUPTED
        if not self.tries.refused:  # else the untouched input would count as a set that works
            self.keep_smallest()
        self.notes.append("the search was interrupted: this is what it had found so far")

    def result(self, input: Any, split_into: str, seconds: float, again: partial) -> Explanation:
        """The record of this search."""
        tries, stopped = self.tries, self.stopped
        if self.origin:
            stopped = stopped if stopped is Stopped.INTERRUPTED else Stopped.FOUND
        elif tries.exhausted:
            stopped = Stopped.CAPPED
        else:
            stopped = stopped or Stopped.NOTHING
        cap = f"the search ended at its cap of {counted(self.settings.max_calls, 'input')}"
        if stopped is Stopped.CAPPED:
            self.notes.append(cap)
        elif self.capped and self.smallest > 1 and self.certified is not True:
            self.notes.append(f"{cap}: units may be left that are not needed")
        sets = [units for units in self.origin if len(units) == self.smallest]
        found = tuple(self._found(u) for u in sets)
        if any(one.masked_ids is not None for one in found):
            self.notes.append(
                "no text reads back to what the model saw with a set masked: see its masked_ids"
            )
        proposed = [u for u, by in self.origin.items() if by is FoundBy.GRAPH and u not in sets]
        return tries.record(
            input,
            found,
            certified=self.certified,
            proposed=tuple(self._found(u) for u in proposed),
            smaller=tuple(self._found(u) for u in self.smaller),
            in_graph=self.graphs.in_graph,
            pags=self.graphs.pags,
            distances=self.graphs.distances,
            seconds=seconds,
            stopped=stopped,
            failures=() if sets else (self._failure(stopped),),
            notes=tuple(dict.fromkeys((*tries.encoded.notes, *self.graphs.notes, *self.notes))),
            settings={
                **self.graph_settings.describe(),
                "heads": list(self.graphs.pags),
                **self.settings.describe(),
                "split_into": split_into,
            },
            again=again,
        )

    def _found(self, units: Units) -> ExplanationSet:
        origin = self.origin.get(units, FoundBy.EXHAUSTIVE)
        return self.tries.found(units, found_by=origin, **self.graphs.place(units))

    def _failure(self, stopped: Stopped) -> str:
        """Why nothing was found, as a sentence."""
        tries, count, chosen = self.tries, len(self.graphs.pags), self.graph_settings
        if tries.refused and stopped is tries.refused[0]:
            return tries.refused[1]
        if stopped is Stopped.INTERRUPTED:
            return "the search was interrupted"
        if self.full:
            cap = f" within {counted(self.settings.max_calls, 'input')}" * (stopped is Stopped.CAPPED)
            if flips := tries.all_flipped():
                most = f"of at most {self.largest} unit{'s' * (self.largest > 1)}"
                return (
                    f"no set {most} was found{cap} that changes the prediction: {len(flips[0])} together do"
                )
            if not self.units:
                return "the input has no unit that may be masked"
            return "no set that was tried changes the prediction" + (cap or ", not even all units together")
        if stopped is Stopped.NO_UNITS:
            return "no unit of the input is in the graph"
        if stopped is Stopped.NOT_LINKED:
            more = "" if chosen.test or chosen.learner else ": a larger alpha keeps more edges"
            return f"no unit is linked to the outcome in any graph{more}"
        where = f"no set in the graph{'s' * (count > 1)} of {count} head{'s' * (count > 1)}"
        if not self.tried:
            return f"{where} that was tried changes the prediction"
        small = f"all of {'up to ' * (self.tried > 1)}{self.tried} unit{'s' * (self.tried > 1)}"
        tried = "all" if self.tried >= self.graphs.reach else small
        return f"{where} changes the prediction: {tried} were tried"


@contextmanager
def reported(
    progress: bool | Callable[[int, float], object],
) -> Iterator[Callable[[int, float], object] | None]:
    """A function (inputs run, cap) that shows a bar or asks the user's own; None for no progress."""
    if progress not in (True, False, None) and not callable(progress):
        raise ValueError(f"progress must be True, False or a function: got {progress!r}")
    if progress is not True:
        yield progress or None
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" inputs") as bar:

        def show(done: int, cap: float) -> None:
            bar.total = int(cap)
            bar.update(done - bar.n)

        yield show
