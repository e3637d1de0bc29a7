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
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any, cast

import numpy as np

from .bitsets import reachable
from .exchange import Exchange
from .legality import legality_of
from .marks import EDGE_MEANING, EDGE_TEXT, Legality, Mark, SearchStatus, distinct, possibly_directed


@dataclass(frozen=True, eq=False)
class PAG(Exchange):
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
        Every step of the search, if it was asked for (``trace.Step``).
    status
        Why the search ended.
    selection_bias
        Whether the data may have been selected by something that the variables cause.
    tiers
        Groups of nodes, earliest first, if it is known that no node causes one of an earlier group.
    p_values
        (k, k) float64 or None: of two adjacent nodes the largest p-value over the sets that were tried, of
        others that of their separating set; NaN where unknown.
    undone
        How many marks the search took back because they contradicted each other.

    Examples
    --------
    >>> pag = PAG([[0, 2, 0], [1, 0, 1], [0, 2, 0]], labels=("rain", "wet", "hose"))
    >>> for sentence in pag.describe():
    ...     print(sentence)
    “rain” o-> “wet”: “wet” does not cause “rain”; “rain” may cause “wet”, or something hidden causes both.
    “hose” o-> “wet”: “wet” does not cause “hose”; “hose” may cause “wet”, or something hidden causes both.
    """

    marks: np.ndarray
    nodes: tuple = None  # type: ignore[assignment]  # None numbers them; filled in at the start
    labels: tuple[str, ...] | None = None
    separating_sets: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    trace: tuple = field(default=(), repr=False)
    status: SearchStatus = SearchStatus.COMPLETE
    selection_bias: bool = False
    tiers: tuple[tuple, ...] | None = field(default=None, repr=False)
    p_values: np.ndarray | None = field(default=None, repr=False)
    undone: int = 0

    def __post_init__(self) -> None:
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
        named = cast("tuple | None", self.nodes)
        named = tuple(range(len(marks))) if named is None else tuple(named)
        nodes = tuple(node.item() if isinstance(node, np.generic) else node for node in named)
        if len(nodes) != len(marks) or len(set(nodes)) != len(nodes):
            raise ValueError(f"{len(marks)} different nodes are needed: got {nodes}")
        if isinstance(self.labels, str):
            raise ValueError(f"labels must be a list: got {self.labels!r}")
        labels = None if self.labels is None else tuple(str(label) for label in self.labels)
        if labels is not None and len(labels) != len(nodes):
            raise ValueError(f"each node needs one label: got {len(labels)} labels for {len(nodes)} nodes")
        p_values = None if self.p_values is None else np.array(self.p_values, dtype=np.float64)
        if p_values is not None and p_values.shape != marks.shape:
            raise ValueError(f"p_values must be as large as marks: got {p_values.shape} for {marks.shape}")
        if p_values is not None and ((p_values < 0) | (p_values > 1)).any():
            raise ValueError("p_values must lie in 0 … 1, or be NaN")
        if p_values is not None and not np.array_equal(p_values, p_values.T, equal_nan=True):
            raise ValueError("p_values must be symmetric: two mirrored entries differ")
        tiers = None if self.tiers is None else tuple(map(tuple, self.tiers))
        if tiers is not None and sorted(map(str, sum(tiers, ()))) != sorted(map(str, nodes)):
            raise ValueError(f"tiers must name each node once: got {tiers} for {nodes}")
        if tiers is not None and not all(tiers):
            raise ValueError(f"each tier needs a node: got {tiers}")
        checked = {"marks": marks, "nodes": nodes, "labels": labels, "tiers": tiers, "p_values": p_values}
        checked |= {"notes": _texts(self.notes), "status": SearchStatus(self.status)}
        if not isinstance(self.selection_bias, bool | np.bool_):
            raise ValueError(f"selection_bias must be true or false: got {self.selection_bias!r}")
        undone: Any = self.undone
        if isinstance(undone, bool) or not isinstance(undone, Integral) or int(undone) < 0:
            raise ValueError(f"undone must be a whole number from 0 on: got {undone!r}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if (rank := self._rank) is not None:
            back = (rank[:, None] < rank) & (marks != Mark.NONE) & (marks != Mark.ARROW)
            if back.any():
                x, y = np.argwhere(back)[0]
                ends = f"that of {self.label(nodes[x])} and {self.label(nodes[y])} has another"
                raise ValueError(f"an edge between tiers has an arrowhead at its later node: {ends}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PAG):
            return NotImplemented
        return self.nodes == other.nodes and np.array_equal(self.marks, other.marks)

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def _number(self) -> dict:
        return {node: number for number, node in enumerate(self.nodes)}

    @cached_property
    def _labelled(self) -> dict:
        labels = self.labels or ()
        return {label: i for i, label in enumerate(labels) if labels.count(label) == 1}

    def _index(self, node: Hashable) -> int:
        """Place of a node, which may also be called by its label where no other node has it."""
        number = self._number.get(node)
        if number is None:
            number = self._labelled.get(node)
        if number is None:
            raise ValueError(f"unknown node {node!r}: the graph has {self._known}")
        return number

    @property
    def _known(self) -> str:
        names = self.nodes if self.labels is None else self.labels
        return ", ".join(map(str, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")

    @property
    def complete(self) -> bool:
        """Whether the search came to its end; ``status`` says why not."""
        return self.status is SearchStatus.COMPLETE

    @property
    def _rank(self) -> np.ndarray | None:
        """The number of each node's tier."""
        if self.tiers is None:
            return None
        rank = np.empty(len(self), dtype=int)
        for tier, group in enumerate(self.tiers):
            rank[[self._index(node) for node in group]] = tier
        return rank

    @cached_property
    def legality(self) -> Legality:
        """Whether the marks are those that all models of some kind share (``legality``)."""
        return legality_of(self.marks, self._rank)

    @cached_property
    def selected(self) -> bool:
        """Whether marks must be read with selection in mind: it was allowed for, or it shows in a mark."""
        beside_tail = self.marks.T[self.marks == Mark.TAIL]
        return self.selection_bias or bool((beside_tail != Mark.ARROW).any())

    def label(self, node: Hashable) -> str:
        """What a node is called: its label, or its number."""
        number = self._index(node)
        return str(node) if self.labels is None else self.labels[number]

    def mark(self, x: Hashable, y: Hashable) -> Mark:
        """Mark at y on the edge x *—* y; ``Mark.NONE`` if there is none."""
        return Mark(int(self.marks[self._index(x), self._index(y)]))

    def adjacent(self, x: Hashable, y: Hashable) -> bool:
        """Whether x and y share an edge."""
        return bool(self.marks[self._index(x), self._index(y)])

    def neighbors(self, x: Hashable) -> tuple:
        """The nodes that share an edge with x."""
        return tuple(self.nodes[j] for j in np.flatnonzero(self.marks[self._index(x)]))

    def edges(self) -> Iterator[tuple]:
        """Each edge once: (x, y, mark at x, mark at y), x before y in ``nodes``."""
        for i, j in np.argwhere(np.triu(self.marks)):
            yield self.nodes[i], self.nodes[j], Mark(int(self.marks[j, i])), Mark(int(self.marks[i, j]))

    def separating_set(self, x: Hashable, y: Hashable) -> tuple | None:
        """The variables given which x and y were found independent; None if they are adjacent.

        Raises
        ------
        ValueError
            If x or y is not a node, or this graph has no separating sets.
        """
        i, j = self._index(x), self._index(y)
        if i == j:
            raise ValueError(f"a separating set is for two different nodes: got {x!r} twice")
        if self.marks[i, j]:
            return None
        key = (self.nodes[min(i, j)], self.nodes[max(i, j)])
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

    def describe(self, p_values: bool = False) -> list[str]:
        """Each edge as a sentence that is true of every model that the graph stands for.

        Where the data may have been selected, the sentences name selection. Labels that repeat are numbered.

        Parameters
        ----------
        p_values
            Add the largest p-value over the sets that were tried; the higher, the less sure is the edge.
        """
        sentences, labels = [], dict(zip(self.nodes, distinct(map(self.label, self.nodes)), strict=True))
        for x, y, at_x, at_y in self.edges():
            if (at_x, at_y) not in EDGE_MEANING:
                x, y, at_x, at_y = y, x, at_y, at_x
            name = {"x": f"“{labels[x]}”", "y": f"“{labels[y]}”"}
            meaning = EDGE_MEANING[at_x, at_y][self.selected].format(**name)
            sentence = f"{name['x']} {EDGE_TEXT[at_x, at_y]} {name['y']}: {meaning}."
            p = None if self.p_values is None else self.p_values[self._index(x), self._index(y)]
            if p_values and p is not None and not np.isnan(p):
                sentence += f" Largest p: {p:.2g}."
            sentences.append(sentence)
        return sentences

    def to_json(self) -> str:
        """JSON text that ``from_json`` reads back (without the trace).

        Raises
        ------
        ValueError
            A node is neither a number nor a text.
        """
        for node in self.nodes:
            if not isinstance(node, int | float | str):
                raise ValueError(f"JSON holds nodes that are numbers or texts: got {node!r}")
        texts = {
            "nodes": _json(list(self.nodes)),
            "labels": _json(None if self.labels is None else list(self.labels)),
            # row by row, since thousands of variables have millions of these
            "marks": _json_of_rows(row.tolist() for row in self.marks),
            "separating_sets": _json_of_rows([x, y, list(z)] for (x, y), z in self.separating_sets.items()),
            "notes": _json(list(self.notes)),
            "status": _json(self.status.value),
            "selection_bias": _json(bool(self.selection_bias)),
            "tiers": _json(None if self.tiers is None else [list(group) for group in self.tiers]),
            "p_values": "null" if self.p_values is None else _json_of_rows(map(rounded, self.p_values)),
            "undone": _json(self.undone),
        }
        return "{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}"

    @classmethod
    def from_json(cls, text: str) -> "PAG":
        """The graph that ``to_json`` wrote.

        Raises
        ------
        ValueError
            If the text is not the JSON of a PAG.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"this is not the JSON of a PAG: {error}") from None
        if not isinstance(content, dict) or "marks" not in content:
            raise ValueError("a PAG in JSON needs the field 'marks'")
        nodes, labels, tiers = (content.get(name) for name in ("nodes", "labels", "tiers"))
        try:
            marks, p_values = np.array(content["marks"], dtype=float), content.get("p_values")
            separators = content.get("separating_sets") or ()
            graph = cls(
                marks if marks.size else marks.reshape(0, 0),
                tuple(range(len(marks)) if nodes is None else nodes),
                None if labels is None else _texts(labels, "labels"),
                {(x, y): tuple(given) for x, y, given in separators},
                content.get("notes") or (),
                status=SearchStatus(content.get("status", SearchStatus.COMPLETE)),
                selection_bias=content.get("selection_bias", False),
                tiers=None if tiers is None else tuple(map(tuple, tiers)),
                p_values=None if p_values is None else np.array(p_values, dtype=float),
                undone=content.get("undone", 0),
            )
            for (x, y), given in graph.separating_sets.items():
                i, j, others = graph._number[x], graph._number[y], set(graph.nodes) - {x, y}
                if graph.marks[i, j] or i >= j or len(set(given)) < len(given) or not set(given) <= others:
                    raise ValueError(f"{x!r} and {y!r} cannot have the separating set {given}")
            if len(graph.separating_sets) < len(separators):
                raise ValueError("two nodes have two separating sets")
            return graph
        except KeyError as error:
            raise ValueError(f"this is not the JSON of a PAG: unknown node {error}") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"this is not the JSON of a PAG: {error}") from None

    def __str__(self) -> str:
        edges = (f"{self.label(x)} {EDGE_TEXT[a, b]} {self.label(y)}" for x, y, a, b in self.edges())
        return "\n".join(edges) or "no edges"


def rounded(row: np.ndarray) -> list[float | None]:
    """Six digits are plenty; JSON has no NaN."""
    return [None if value != value else float(f"{value:.6g}") for value in row.tolist()]


_json = json.JSONEncoder(ensure_ascii=False, default=lambda number: number.item()).encode  # NumPy's numbers


def _json_of_rows(rows: Iterable[list]) -> str:
    return "[" + ", ".join(map(_json, rows)) + "]"


def _texts(texts: object, name: str = "notes") -> tuple[str, ...]:
    if not (isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)):
        raise ValueError(f"{name} must be a list of texts: got {texts!r:.60}")
    return tuple(texts)
