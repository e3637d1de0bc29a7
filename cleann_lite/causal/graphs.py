"""Partial ancestral graphs (PAGs) and their marks.

A PAG says what a set of conditional independences tells about causes when variables may be hidden. Each edge
has a mark at each end [1]_:

* arrowhead at y on x *→ y: y causes neither x nor the selection, in every model of these independences;
* tail at x on x —* y: x causes y, or the selection, in every such model;
* circle: some such models have an arrowhead there, others a tail.

All marks live in one integer matrix, encoded as the field does: ``marks[i, j]`` is the mark **at j** on the
edge i *—* j, 0 where there is no edge. So ``marks[i, j] == 2`` and ``marks[j, i] == 3`` reads i → j. A
maximal ancestral graph (MAG), which stands for one model only, is the same matrix without circles.

References
----------
.. [1] Zhang. On the completeness of orientation rules for causal discovery in the presence of latent
   confounders and selection bias. Artificial Intelligence 172, 2008.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import networkx as nx
import numpy as np


class Mark(IntEnum):
    """What stands at one end of an edge."""

    NONE = 0
    CIRCLE = 1
    ARROW = 2
    TAIL = 3


# (mark at the left node, mark at the right node) -> how the edge is written
EDGE_TEXT = {
    (left, right): {Mark.CIRCLE: "o", Mark.ARROW: "<", Mark.TAIL: "-"}[left]
    + "-"
    + {Mark.CIRCLE: "o", Mark.ARROW: ">", Mark.TAIL: "-"}[right]
    for left in (Mark.CIRCLE, Mark.ARROW, Mark.TAIL)
    for right in (Mark.CIRCLE, Mark.ARROW, Mark.TAIL)
}

# mark -> Graphviz arrow shape
DOT_SHAPE = {Mark.CIRCLE: "odot", Mark.ARROW: "normal", Mark.TAIL: "none"}

# (mark at x, mark at y) -> what the edge x *-* y says
_SENTENCE = {
    (Mark.TAIL, Mark.ARROW): "{x} causes {y}, directly or through others left out; {y} does not cause {x}",
    (Mark.ARROW, Mark.ARROW): "neither causes the other; they share a hidden cause",
    (Mark.CIRCLE, Mark.ARROW): "{y} does not cause {x}; {x} may cause {y}, or they may share a hidden cause",
    (Mark.CIRCLE, Mark.CIRCLE): "neither causes the other for certain; they may share a hidden cause",
    (Mark.TAIL, Mark.TAIL): "each causes the other or what the data were selected by",
    (Mark.CIRCLE, Mark.TAIL): "{y} causes {x} or what the data were selected by; whether {x} does is open",
}


def distinct(words):
    """Labels that tell repeated words apart.

    >>> distinct(["the", "plot", "is", "the", "film"])
    ['the₁', 'plot', 'is', 'the₂', 'film']
    """
    words, seen, labels = list(words), {}, []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        below = str(seen[word]).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        labels.append(f"{word}{below}" if words.count(word) > 1 else word)
    return labels


def reachable(step: np.ndarray) -> np.ndarray:
    """Reflexive transitive closure of a relation.

    Parameters
    ----------
    step
        (n, n) bool.

    Returns
    -------
    (n, n) bool: entry [i, j] is True when j can be reached from i in zero or more steps.
    """
    closure = step | np.eye(len(step), dtype=bool)
    while True:
        dense = closure.astype(np.float32)
        longer = dense @ dense > 0
        if (longer == closure).all():
            return closure
        closure = longer


@dataclass(frozen=True, eq=False)
class PAG:
    """A partial ancestral graph (or, without circles, a MAG). Equal when nodes and marks are equal.

    Attributes
    ----------
    marks
        (k, k) int8: ``marks[i, j]`` is the mark at node number j on i *—* j; 0 none, 1 circle, 2 arrowhead,
        3 tail (``Mark``). Read-only.
    nodes
        The k variables, in the order of ``marks``. Default: 0 … k−1.
    labels
        What each node is called in sentences and drawings, or None.
    separating_sets
        (x, y) with x before y in ``nodes`` -> the variables that separate them.
    notes
        Sentences that the reader must know, for example that a cap ended the search.
    trace
        Every step of the search, if it was asked for (``discovery.Step``).

    Examples
    --------
    >>> pag = PAG([[0, 2, 0], [1, 0, 1], [0, 2, 0]], labels=("rain", "wet", "hose"))
    >>> for sentence in pag.describe():
    ...     print(sentence)
    “rain” o-> “wet”: “wet” does not cause “rain”; “rain” may cause “wet”, or they may share a hidden cause.
    “hose” o-> “wet”: “wet” does not cause “hose”; “hose” may cause “wet”, or they may share a hidden cause.
    """

    marks: np.ndarray
    nodes: tuple[int, ...] | None = None
    labels: tuple[str, ...] | None = None
    separating_sets: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    trace: tuple = field(default=(), repr=False)

    def __post_init__(self):
        given = np.asarray(self.marks)
        if given.ndim != 2 or given.shape[0] != given.shape[1]:
            raise ValueError(f"marks must be a square matrix: got shape {given.shape}")
        if not np.isin(given, (0, 1, 2, 3)).all():
            raise ValueError("marks must be 0 (none), 1 (circle), 2 (arrowhead) or 3 (tail)")
        if given.diagonal().any():
            raise ValueError(f"no node has an edge to itself: node {int(given.diagonal().argmax())} has")
        if ((given > 0) != (given.T > 0)).any():
            i, j = np.argwhere((given > 0) != (given.T > 0))[0]
            raise ValueError(f"an edge has a mark at both ends: that between {i} and {j} has one")
        marks = given.astype(np.int8)
        marks.flags.writeable = False
        nodes = range(len(marks)) if self.nodes is None else self.nodes
        nodes = tuple(node.item() if isinstance(node, np.generic) else node for node in nodes)
        if len(nodes) != len(marks) or len(set(nodes)) != len(nodes):
            raise ValueError(f"{len(marks)} different nodes are needed: got {nodes}")
        labels = None if self.labels is None else tuple(str(label) for label in self.labels)
        if labels is not None and len(labels) != len(nodes):
            raise ValueError(f"each node needs one label: got {len(labels)} labels for {len(nodes)} nodes")
        for name, value in (("marks", marks), ("nodes", nodes), ("labels", labels)):
            object.__setattr__(self, name, value)

    def __eq__(self, other):
        if not isinstance(other, PAG):
            return NotImplemented
        return self.nodes == other.nodes and np.array_equal(self.marks, other.marks)

    __hash__ = None

    def __len__(self):
        return len(self.nodes)

    @cached_property
    def _number(self) -> dict:
        return {node: number for number, node in enumerate(self.nodes)}

    def _index(self, node) -> int:
        try:
            return self._number[node]
        except KeyError:
            raise ValueError(f"{node!r} is not a node of this graph: its nodes are {self.nodes}") from None

    @property
    def complete(self) -> bool:
        """False when a cap ended the search early; ``notes`` says which."""
        return not any("stopped" in note for note in self.notes)

    def label(self, node) -> str:
        """What a node is called: its label, or its number."""
        number = self._index(node)
        return str(node) if self.labels is None else self.labels[number]

    def mark(self, x, y) -> Mark:
        """Mark at y on the edge x *—* y; ``Mark.NONE`` if there is none."""
        return Mark(int(self.marks[self._index(x), self._index(y)]))

    def adjacent(self, x, y) -> bool:
        """Whether x and y share an edge."""
        return bool(self.marks[self._index(x), self._index(y)])

    def neighbors(self, x) -> tuple:
        """The nodes that share an edge with x."""
        return tuple(self.nodes[j] for j in np.flatnonzero(self.marks[self._index(x)]))

    def edges(self) -> Iterator[tuple]:
        """Each edge once: (x, y, mark at x, mark at y), x before y in ``nodes``."""
        for i, j in np.argwhere(np.triu(self.marks)):
            yield self.nodes[i], self.nodes[j], Mark(int(self.marks[j, i])), Mark(int(self.marks[i, j]))

    def separating_set(self, x, y) -> tuple | None:
        """The variables given which x and y were found independent; None if they are adjacent.

        Raises
        ------
        ValueError
            If x or y is no node, or if this graph came without separating sets.
        """
        i, j = self._index(x), self._index(y)
        if i == j:
            raise ValueError(f"a separating set is for two different nodes: got {x!r} twice")
        if self.marks[i, j]:
            return None
        key = (x, y) if i < j else (y, x)
        if key not in self.separating_sets:
            raise ValueError(f"this graph carries no separating set for {x!r} and {y!r}")
        return tuple(self.separating_sets[key])

    @cached_property
    def ancestors(self) -> np.ndarray:
        """(k, k) bool: [i, j] is True when i is j or a directed path leads from i to j."""
        return reachable((self.marks == Mark.ARROW) & (self.marks.T == Mark.TAIL))

    @cached_property
    def possible_ancestors(self) -> np.ndarray:
        """(k, k) bool: [i, j] is True when i is j or a possibly directed path leads from i to j."""
        return reachable(possibly_directed(self.marks))

    def to_networkx(self) -> nx.DiGraph:
        """A DiGraph with an arc each way: ``g[x][y]["mark"]`` is the mark at y. Nodes carry ``label``."""
        graph = nx.DiGraph()
        for node in self.nodes:
            graph.add_node(node, label=self.label(node))
        for x, y, at_x, at_y in self.edges():
            graph.add_edge(x, y, mark=at_y)
            graph.add_edge(y, x, mark=at_x)
        return graph

    def to_dot(self) -> str:
        """DOT text for Graphviz: a circle is ``odot``, an arrowhead ``normal``, a tail ``none``."""
        lines = ["digraph PAG {", "  edge [dir=both];"]
        lines += [f"  n{self._number[node]} [label={_quoted(self.label(node))}];" for node in self.nodes]
        for x, y, at_x, at_y in self.edges():
            ends = f"arrowtail={DOT_SHAPE[at_x]}, arrowhead={DOT_SHAPE[at_y]}"
            lines.append(f"  n{self._number[x]} -> n{self._number[y]} [{ends}];")
        return "\n".join([*lines, "}"]) + "\n"

    def describe(self) -> list[str]:
        """Each edge as a sentence, for data that were not selected; labels that repeat are numbered.

        Under selection, "x causes y" with no arrowhead at x may mean that x causes what the data were
        selected by, and a hidden cause of x and one of y may be joined by selection alone.
        """
        sentences, labels = [], dict(zip(self.nodes, distinct(map(self.label, self.nodes)), strict=True))
        for x, y, at_x, at_y in self.edges():
            if (at_x, at_y) not in _SENTENCE:
                x, y, at_x, at_y = y, x, at_y, at_x
            name = {"x": f"“{labels[x]}”", "y": f"“{labels[y]}”"}
            meaning = _SENTENCE[at_x, at_y].format(**name)
            sentences.append(f"{name['x']} {EDGE_TEXT[at_x, at_y]} {name['y']}: {meaning}.")
        return sentences

    def to_json(self) -> str:
        """JSON text that ``from_json`` reads back (without the trace). Nodes are numbers or texts."""
        separated = sorted(self.separating_sets.items(), key=lambda item: [*map(self._index, item[0])])
        return json.dumps(
            {
                "nodes": list(self.nodes),
                "labels": None if self.labels is None else list(self.labels),
                "marks": self.marks.tolist(),
                "separating_sets": [[x, y, list(z)] for (x, y), z in separated],
                "notes": list(self.notes),
            },
            ensure_ascii=False,
            default=lambda number: number.item(),  # NumPy's
        )

    @classmethod
    def from_json(cls, text: str) -> "PAG":
        """The graph that ``to_json`` wrote.

        Raises
        ------
        ValueError
            If the text is not the JSON of a PAG.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or "marks" not in content:
            raise ValueError("a PAG in JSON needs the field 'marks'")
        nodes, labels = content.get("nodes"), content.get("labels")
        try:
            marks = np.array(content["marks"], dtype=float)
            return cls(
                marks if marks.size else marks.reshape(0, 0),
                None if nodes is None else tuple(nodes),
                None if labels is None else tuple(labels),
                {(x, y): tuple(given) for x, y, given in content.get("separating_sets") or ()},
                tuple(content.get("notes") or ()),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"this is not the JSON of a PAG: {error}") from None

    def __str__(self):
        edges = (f"{self.label(x)} {EDGE_TEXT[a, b]} {self.label(y)}" for x, y, a, b in self.edges())
        return "\n".join(edges) or "no edges"


def possibly_directed(marks: np.ndarray, selection_bias: bool = False) -> np.ndarray:
    """The steps of a possibly directed path: u *—* v with no arrowhead at u and no tail at v.

    Parameters
    ----------
    marks
        (k, k) marks.
    selection_bias
        Allow a tail at v too: with selection, u —* v may mean that u causes the selection.

    Returns
    -------
    (k, k) bool, entry [u, v].
    """
    steps = (marks > 0) & (int(Mark.ARROW) != marks.T)
    return steps if selection_bias else steps & (marks != int(Mark.TAIL))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
