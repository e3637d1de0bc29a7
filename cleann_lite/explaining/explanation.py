"""What a search for an explanation leaves behind: a frozen record that can be read, drawn and stored."""

from dataclasses import dataclass, field
from functools import partial

from ..causal.graphs import PAG
from ..causal.marks import distinct
from .records import fields_of, to_json
from .settings import FoundBy, Stopped


@dataclass(frozen=True)
class ExplanationSet:
    """One set of units that changes the prediction when it is masked.

    Attributes
    ----------
    units
        The words or titles.
    positions
        Their indices in ``Explanation.units``.
    found_by
        What found it: "graph", "all words" (all sets of one or two units), "beam" (unit by unit, along an
        order of a long text, or all units at once, pruned), "exhaustive" (the proof, or a baseline that tries
        every set) or "ranking" (a baseline's order).
    within_graph
        Whether the graph of a head allows it, whatever found it.
    head
        The head in whose graph the set is nearest to the outcome; None for a set that no graph allows.
        ``heads`` holds every head whose graph allows it.
    distance
        Sum of the units' distances from the outcome in that head's PDS-tree.
    replacement, probability
        What the model predicts with the set masked, and its probability.
    rank
        Rank of the replacement in the original prediction; the original prediction itself is 1.
    target_probability
        What is left of the probability of the original prediction.
    masked
        The input as the model saw it: a text with the mask token in place, or a list of titles.
    masked_ids
        The word-pieces as the model saw them, where no text reads back to them; else None.
    """

    units: tuple[str, ...]
    positions: tuple[int, ...]
    head: int | None
    found_by: FoundBy
    within_graph: bool
    replacement: str
    probability: float
    rank: int
    target_probability: float
    masked: str | tuple[str, ...]
    heads: tuple[int, ...] = ()
    distance: int | None = None
    masked_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a model predicted what it did: a frozen record of one search. It explains the model, not the world.

    Attributes
    ----------
    prediction, probability
        What the model predicts for the untouched input.
    target
        The outcome that was to be explained; a search succeeds only where it is the prediction.
    success
        Whether at least one set was found.
    certified
        About the first set. True: every smaller set of units, in the graph or not, was run and none changes
        the prediction. False: a smaller one does (``smaller``); only where the search was "cleann". None: not
        proved (the budget ended the proof, it was not asked for, or nothing was found).
    sets
        The smallest sets found, all of one size; in a full search every unit of each is needed, unless it
        was cut short (interrupted or at its cap: ``notes`` say so).
    proposed
        What the graph proposed, where it is larger: it works too.
    stopped
        Why the search ended.
    units
        Labels of all units of the input, in reading order.
    in_graph
        Positions of the units in the graphs, in the order of the graphs' nodes.
    pags
        Head -> PAG over ``in_graph`` and, last, the outcome.
    distances
        Head -> {position: distance from the outcome in the PDS-tree}.
    model_calls, seconds
        Inputs that the model ran (two of them to read prediction and attention), and wall-clock time.
    failures
        Why nothing was found, one sentence each.
    notes
        What the reader must know: caps that were hit, text that was cut, a stand-in for the mask token.
    settings
        Everything needed to repeat the search.
    groups
        Per unit, which text of a pair it is in; None for one text.
    again
        ``explain`` with its arguments, which runs the search once more; None for one read from JSON or found
        by a baseline.
    """

    input: str | tuple[str, ...]
    task: str
    model: str
    prediction: str
    probability: float
    target: str
    success: bool
    certified: bool | None
    sets: tuple[ExplanationSet, ...]
    units: tuple[str, ...]
    in_graph: tuple[int, ...]
    pags: dict[int, PAG] = field(repr=False)
    distances: dict[int, dict[int, int]] = field(repr=False)
    model_calls: int
    seconds: float
    stopped: Stopped = Stopped.FOUND
    proposed: tuple[ExplanationSet, ...] = ()
    smaller: tuple[ExplanationSet, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict, repr=False)
    groups: tuple[int, ...] | None = None
    again: partial | None = field(default=None, repr=False, compare=False)

    @property
    def nodes(self) -> tuple[int, ...]:
        """Former name of `in_graph`."""
        return self.in_graph

    def describe(self) -> str:
        """The explanation in plain words, naming what is explained: the model's prediction."""
        from .pages import describe

        return describe(self)

    __str__ = describe

    def to_json(self, indent: int | None = None) -> str:
        """JSON text from which ``from_json`` restores an equal explanation."""
        return to_json(self, indent)

    @classmethod
    def from_json(cls, text: str) -> "Explanation":
        """Restore an explanation from ``to_json``; every field is checked.

        Raises
        ------
        ValueError
            The text is not JSON of an explanation; the sentence names the field.
        """
        fields = fields_of(text)
        for name in ("sets", "proposed", "smaller"):
            fields[name] = tuple(ExplanationSet(**one) for one in fields[name])
        return cls(**fields)

    def to_svg(self, head: int | None = None) -> str:
        """SVG of the graph around the outcome; ``head`` None takes the head of the first set."""
        from .pages import graph_svg

        return graph_svg(self, head)

    def to_dot(self, head: int | None = None) -> str:
        """DOT text of one head's whole graph."""
        return self.pag_of(head).to_dot()

    def pag_of(self, head: int | None = None) -> PAG:
        """One head's graph; ``head`` None takes the head of the first set.

        Raises
        ------
        ValueError
            There is no such graph, or none at all (a baseline reads none).
        """
        if not self.pags:
            raise ValueError("this explanation has no graph: it was not found in one")
        head = self.best_head if head is None else head
        if head not in self.pags:
            raise ValueError(f"there is a graph for the heads {sorted(self.pags)}: got {head!r}")
        return self.pags[head]

    def named(self, one: ExplanationSet) -> list[str]:
        """The units of a set; a word that the input repeats has its number, as in the pictures."""
        names = distinct(self.units)
        return [names[position] for position in one.positions]

    @property
    def node_groups(self) -> dict[str, list]:
        """Nodes of a graph by the text of a pair that they are in: ``draw(…, groups=…)`` keeps them apart."""
        found: dict[str, list] = {}
        if self.groups is not None and self.pags:
            for unit, node in zip(self.in_graph, self.pag_of().nodes or (), strict=False):
                found.setdefault(f"Text {self.groups[unit] + 1}", []).append(node)
        return found

    def to_html(self, live: bool = False) -> str:
        """A separate page that asks no network; a live one has a script and answers from stored states.

        Raises
        ------
        ValueError
            Live, and the explanation was read from JSON, or is a baseline's: there is no search to run again.
        """
        from .live import states
        from .pages import page

        return page([self], states=[states(self)] if live else ())

    def _repr_html_(self) -> str:
        from .pages import fragment

        return fragment(self)

    @property
    def best_head(self) -> int | None:
        """The head of the first set; without one, the head with most units in its tree."""
        if self.sets and self.sets[0].head is not None:
            return self.sets[0].head
        return max(self.distances, key=lambda h: len(self.distances[h]), default=None)
