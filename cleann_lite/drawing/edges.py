"""From a graph to the edges that are drawn: one shape for every kind of graph, and which edges come first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np

from ..causal.graphs import PAG, Mark, distinct
from .layout import distances_from, parents_from


@dataclass(frozen=True)
class Given:
    """The one shape in which every kind of graph is drawn."""

    names: list
    labels: list
    marks: np.ndarray
    latent: frozenset
    pag: PAG | None  # None: a directed graph, whose plain arrows need no legend

    @classmethod
    def of(cls, graph, latent=()):
        hidden, pag = set(latent), graph if isinstance(graph, PAG) else None
        if pag is not None:
            names, marks = list(graph.nodes), graph.marks
            labels = [str(label) for label in graph.labels or names]
        elif isinstance(graph, nx.DiGraph):
            names = list(graph.nodes)
            labels = [str(graph.nodes[node].get("label", node)) for node in names]
            index = {node: i for i, node in enumerate(names)}
            marks = np.zeros((len(names), len(names)), dtype=np.int8)
            for a, b in graph.edges:
                marks[index[a], index[b]], marks[index[b], index[a]] = Mark.ARROW, Mark.TAIL
            hidden |= {node for node in names if graph.nodes[node].get("latent")}
        else:
            raise ValueError(f"draw needs a PAG or a networkx.DiGraph: got {type(graph).__name__}")
        given = cls(names, distinct(labels), marks, frozenset(), pag)
        return replace(given, latent=frozenset(given.at(node) for node in hidden))

    def at(self, node):
        try:
            return self.names.index(node)
        except ValueError:
            known = ", ".join(repr(name) for name in self.names[:12])
            more = f" and {len(self.names) - 12} more" if len(self.names) > 12 else ""
            raise ValueError(f"{node!r} is not a node of this graph, which has {known}{more}") from None


def shares_of(share, given):
    """Share of an edge by its two indices, whatever form the caller gave it in."""
    if share is None:
        return lambda a, b: None
    table = np.zeros(given.marks.shape)
    if isinstance(share, Mapping):
        for (a, b), value in share.items():
            table[given.at(a), given.at(b)] = value
    else:
        table = np.asarray(share, dtype=float)
    if table.shape != given.marks.shape:
        raise ValueError(f"share must be a dict or have shape {given.marks.shape}: got shape {table.shape}")
    if table.size and not (table.min() >= 0 and table.max() <= 1):
        raise ValueError(f"share must lie in [0, 1]: got {table.min():g} to {table.max():g}")
    return lambda a, b: float(max(table[a, b], table[b, a]))


def edges_of(given, before, focus, share):
    """All edges to draw: (a, b, mark at a, mark at b, state, share), a < b, edges that went included."""
    old = given.marks if before is None else Given.of(before).marks
    if old.shape != given.marks.shape:
        raise ValueError(f"before must have the same {len(given.names)} nodes: got {len(old)}")
    edges = []
    for a, b in np.argwhere(np.triu((given.marks != 0) | (old != 0), 1)).tolist():
        now, then = (int(given.marks[b, a]), int(given.marks[a, b])), (int(old[b, a]), int(old[a, b]))
        if not now[1]:
            state = "removed"
        elif not then[1]:
            state = "added"
        elif now != then:
            state = "changed"
        else:
            state = "bold" if frozenset((a, b)) in focus else "same"
        edges.append((a, b, *(then if state == "removed" else now), state, share(a, b)))
    return edges


def busiest(edges):
    ends = [i for edge in edges for i in edge[:2]]
    return max(set(ends), key=lambda i: (ends.count(i), -i)) if ends else None


def links(edges, centre, nodes):
    """Pairs that link a set to the centre: a tree of shortest ways inside the set, else through the graph."""
    pairs = [edge[:2] for edge in edges]
    inside = [(a, b) for a, b in pairs if {a, b} <= {centre, *nodes}]
    parent = parents_from(centre, inside)
    if not set(nodes) <= parent.keys():
        parent = parents_from(centre, pairs)
    found = set()
    for node in nodes:
        while parent.get(node) is not None and frozenset((node, parent[node])) not in found:
            found.add(frozenset((node, parent[node])))
            node = parent[node]
    return found


def nearest(edges, centre, focus, linked, max_edges, n):
    """The edges that link the sets and those nearest to a node, in their own order."""
    if max_edges is None or len(edges) <= max_edges:
        return edges
    far = distances_from(centre, n, [edge[:2] for edge in edges])

    def rank(edge):
        near, further = sorted((far[edge[0]], far[edge[1]]))
        pair = frozenset(edge[:2])
        return pair not in focus, pair not in linked, near, -(edge[5] or 0.0), further, edge[:2]

    kept = set(sorted(edges, key=rank)[: max(0, max_edges)])
    return [edge for edge in edges if edge in kept]
