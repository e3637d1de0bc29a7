"""A PAG in the forms of other programs, and back.

====================  ======================================================================================
``networkx``          a DiGraph with an arc each way, ``g[x][y]["mark"]`` the mark at y
``pcalg``             its ``amat``: entry [i, j] is the mark at j; 0 none, 1 circle, 2 arrowhead, 3 tail
``graphml``, ``gml``  the DiGraph as text, marks as integers
``dot``               text for Graphviz
``text``              the list of edges that Tetrad and causal-learn print and read
====================  ======================================================================================

Forms that know names only carry those: labels where there are some, numbered where they repeat.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import networkx as nx
import numpy as np

from .marks import DOT_SHAPE, EDGE_TEXT, Mark, distinct

_EDGE = re.compile(r"^\s*\d+\.\s+(.+?)\s+([<o-]-[>o-])\s+(.+?)\s*$")
_DOT_NODE = re.compile(r'^\s*n(\d+) \[label="((?:[^"\\]|\\.)*)"\];$')
_DOT_EDGE = re.compile(r"^\s*n(\d+) -> n(\d+) \[arrowtail=(\w+), arrowhead=(\w+)\];$")


class Exchange:
    """What a ``PAG`` can be written to and read from."""

    marks: np.ndarray
    nodes: tuple
    labels: tuple[str, ...] | None

    def __init__(self, marks: Any, nodes: Any = None, labels: Any = None):
        raise NotImplementedError

    def label(self, node: Any) -> str:
        raise NotImplementedError

    def edges(self) -> Iterator[tuple]:
        raise NotImplementedError

    @property
    def _names(self) -> list[str]:
        return distinct(map(self.label, self.nodes))

    def to_networkx(self) -> nx.DiGraph:
        """A DiGraph with an arc each way: ``g[x][y]["mark"]`` is the mark at y. Nodes carry ``label``."""
        graph: nx.DiGraph = nx.DiGraph()
        for node in self.nodes:
            graph.add_node(node, label=self.label(node))
        for x, y, at_x, at_y in self.edges():
            graph.add_edge(x, y, mark=int(at_y))
            graph.add_edge(y, x, mark=int(at_x))
        return graph

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Self:
        """The PAG of a DiGraph with marks, or of a plain DiGraph, whose arcs are read as x --> y.

        Raises
        ------
        ValueError
            If it is not a DiGraph, or only some arcs have a mark.
        """
        if not isinstance(graph, nx.DiGraph):
            raise ValueError(f"from_networkx needs a networkx.DiGraph: got {type(graph).__name__}")
        nodes = list(graph.nodes)
        number = {node: i for i, node in enumerate(nodes)}
        marks = np.zeros((len(nodes), len(nodes)), dtype=int)
        arcs: list[tuple] = list(graph.edges.data("mark"))
        marked = [mark for _, _, mark in arcs if mark is not None]
        if marked and len(marked) < graph.number_of_edges():
            raise ValueError("every arc needs a mark, or none: some arcs of this graph have one")
        for x, y, mark in arcs:
            marks[number[x], number[y]] = Mark.ARROW if mark is None else int(mark)
            if mark is None:
                marks[number[y], number[x]] = Mark.TAIL
        labels = [graph.nodes[node].get("label") for node in nodes]
        named = all(label is not None for label in labels) and labels != [str(node) for node in nodes]
        return cls(marks, tuple(nodes), tuple(labels) if named else None)

    def to_pcalg(self) -> np.ndarray:
        """(k, k) int: the matrix ``amat`` of R's pcalg for a PAG; rows and columns follow ``nodes``."""
        return self.marks.astype(int)

    @classmethod
    def from_pcalg(cls, matrix: Any, labels: Sequence[str] | None = None) -> Self:
        """The PAG of pcalg's ``amat``: entry [i, j] is the mark at j.

        Raises
        ------
        ValueError
            If it is not such a matrix.
        """
        return cls(np.asarray(matrix), None, None if labels is None else tuple(labels))

    def to_graphml(self) -> str:
        """GraphML text; marks are integers."""
        return "\n".join(nx.generate_graphml(self._portable()))

    @classmethod
    def from_graphml(cls, text: str) -> Self:
        """The PAG that ``to_graphml`` wrote."""
        return cls._read(lambda: nx.parse_graphml(text), "GraphML")

    def to_gml(self) -> str:
        """GML text; marks are integers."""
        return "\n".join(nx.generate_gml(self._portable()))

    @classmethod
    def from_gml(cls, text: str) -> Self:
        """The PAG that ``to_gml`` wrote."""
        return cls._read(lambda: nx.parse_gml(text), "GML")

    def _portable(self) -> nx.DiGraph:
        """``to_networkx`` with nodes that every format can write."""
        graph = nx.relabel_nodes(self.to_networkx(), {node: f"n{i}" for i, node in enumerate(self.nodes)})
        for i, node in enumerate(self.nodes):
            held = graph.nodes[f"n{i}"]
            held["title"] = held.pop("label")
            held["node"] = json.dumps(node)
        return graph

    @classmethod
    def _read(cls, parse: Callable[[], nx.Graph], form: str) -> Self:
        try:
            graph: nx.DiGraph = nx.DiGraph(parse())
            names = {name: json.loads(graph.nodes[name].pop("node")) for name in graph}
        except Exception as error:  # every parser has its own
            raise ValueError(f"this is not the {form} of a PAG: {error!r}") from None
        for name in graph:
            graph.nodes[name]["label"] = str(graph.nodes[name].pop("title", name))
        return cls.from_networkx(nx.relabel_nodes(graph, names))

    def to_dot(self) -> str:
        """DOT text for Graphviz: a circle is ``odot``, an arrowhead ``normal``, a tail ``none``."""
        number = {node: i for i, node in enumerate(self.nodes)}
        lines = ["digraph PAG {", "  edge [dir=both];"]
        lines += [f"  n{i} [label={_quoted(self.label(node))}];" for i, node in enumerate(self.nodes)]
        for x, y, at_x, at_y in self.edges():
            ends = f"arrowtail={DOT_SHAPE[at_x]}, arrowhead={DOT_SHAPE[at_y]}"
            lines.append(f"  n{number[x]} -> n{number[y]} [{ends}];")
        return "\n".join([*lines, "}"]) + "\n"

    @classmethod
    def from_dot(cls, text: str) -> Self:
        """The PAG that ``to_dot`` wrote; its nodes are numbers, its labels the names."""
        labels = [m[2] for m in map(_DOT_NODE.match, text.splitlines()) if m]
        marks, mark_of = np.zeros((len(labels),) * 2, int), {shape: m for m, shape in DOT_SHAPE.items()}
        if not text.startswith("digraph PAG {"):
            raise ValueError("this is not the DOT text of a PAG: it must begin with 'digraph PAG {'")
        for found in filter(None, map(_DOT_EDGE.match, text.splitlines())):
            x, y = int(found[1]), int(found[2])
            if max(x, y) >= len(labels) or not {found[3], found[4]} <= set(mark_of):
                raise ValueError(f"cannot read the edge {found[0].strip()!r}")
            marks[y, x], marks[x, y] = mark_of[found[3]], mark_of[found[4]]
        escapes = {"n": "\n"}
        names = [re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), label) for label in labels]
        return cls(marks, None, None if names == [str(i) for i in range(len(names))] else tuple(names))

    def to_graphviz(self) -> Any:
        """A ``graphviz.Source``, which a notebook shows where the program Graphviz is installed."""
        import graphviz

        return graphviz.Source(self.to_dot())

    def to_text(self) -> str:
        """The list of edges that Tetrad and causal-learn print.

        Raises
        ------
        ValueError
            If a name holds a semicolon or a line end, which divide names there.
        """
        names = dict(zip(self.nodes, self._names, strict=True))
        for name in names.values():
            if ";" in name or "\n" in name or not name.strip():
                raise ValueError(f"a name in this form has no semicolon or line end: got {name!r}")
        edges = [
            f"{i}. {names[x]} {EDGE_TEXT[at_x, at_y]} {names[y]}"
            for i, (x, y, at_x, at_y) in enumerate(self.edges(), 1)
        ]
        return "\n".join(["Graph Nodes:", ";".join(names.values()), "", "Graph Edges:", *edges]) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The PAG of a list of edges as Tetrad and causal-learn print it; labels are the names.

        Raises
        ------
        ValueError
            If nodes or an edge cannot be read.
        """
        lines = text.splitlines()
        if "Graph Nodes:" not in lines or "Graph Edges:" not in lines:
            raise ValueError("a list of edges needs the lines 'Graph Nodes:' and 'Graph Edges:'")
        named = "".join(lines[lines.index("Graph Nodes:") + 1 :][:1])
        names = [name for name in re.split("[;,]", named) if name]
        number = {name: i for i, name in enumerate(names)}
        marks, ends = np.zeros((len(names),) * 2, int), {text: m for m, text in EDGE_TEXT.items()}
        for line in lines[lines.index("Graph Edges:") + 1 :]:
            if not line.strip():
                break
            found = _EDGE.match(line)
            if not found or found[1] not in number or found[3] not in number:
                raise ValueError(f"cannot read the edge {line!r}")
            at_x, at_y = ends[found[2]]
            x, y = number[found[1]], number[found[3]]
            marks[y, x], marks[x, y] = at_x, at_y
        return cls(marks, None, tuple(names))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
