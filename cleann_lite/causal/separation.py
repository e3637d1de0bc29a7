"""d-separation in a DAG and m-separation in a mixed graph, over sets of nodes held as integers.

* A path is blocked by Z at a non-collider in Z, and at a collider without a descendant in Z. Two nodes are
  separated given Z when every path between them is blocked (Pearl, Causality, 2009, definition 1.2.3).
* In a mixed graph with arrowheads and tails the same rule is called m-separation (Richardson, Spirtes.
  Ancestral graph Markov models. Annals of Statistics 30, 2002).
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np

from .bitsets import bits, bits_as_rows, reachable, rows_as_bits
from .marks import Mark


class MixedSeparation:
    """Answers m-separation in one graph of arrowheads and tails (a MAG); ValueError if a mark is a circle."""

    def __init__(self, marks: np.ndarray):
        if (marks == Mark.CIRCLE).any():
            raise ValueError("m-separation is defined for arrowheads and tails: this graph has circles")
        # from each node: neighbours by where the edge has its arrowheads, and itself with what leads here
        here, there = marks.T == Mark.ARROW, marks == Mark.ARROW
        into_here, neither = here & ~there, (marks > 0) & ~here & ~there
        self.both, self.neither = rows_as_bits(here & there), rows_as_bits(neither)
        self.into_here, self.into_there = rows_as_bits(into_here), rows_as_bits(there & ~here)
        self.ancestors = rows_as_bits(reachable(into_here))
        # anterior: over directed and undirected edges
        self.anterior = rows_as_bits(reachable(into_here | neither))

    def ancestors_of(self, members: int) -> int:
        """Members and everything with a directed path into one of them."""
        found = 0
        for member in bits(members):
            found |= self.ancestors[member]
        return found

    def connected(self, x: int, given: int) -> int:
        """Every node outside ``given`` that is m-connected with x given ``given`` (x included)."""
        opens_collider = self.ancestors_of(given)
        arrow, tail = 0, 1 << x  # reached over an arrowhead here; over a tail here (or the start)
        seen_arrow = seen_tail = 0
        while arrow or tail:
            if tail:
                node = (tail & -tail).bit_length() - 1
                tail &= tail - 1
                seen_tail |= 1 << node
                leaves_by_tail = leaves_by_arrow = not given >> node & 1
            else:
                node = (arrow & -arrow).bit_length() - 1
                arrow &= arrow - 1
                seen_arrow |= 1 << node
                leaves_by_tail = not given >> node & 1
                leaves_by_arrow = bool(opens_collider >> node & 1)
            if leaves_by_tail:
                arrow |= self.into_there[node] & ~seen_arrow
                tail |= self.neither[node] & ~seen_tail
            if leaves_by_arrow:
                arrow |= self.both[node] & ~seen_arrow
                tail |= self.into_here[node] & ~seen_tail
        return (seen_arrow | seen_tail) & ~given

    def separated(self, x: int, y: int, given: int) -> bool:
        """Whether ``given`` m-separates x and y."""
        return not self.connected(x, given) >> y & 1


class DAGSeparation(MixedSeparation):
    """Answers d-separation in one DAG, which has directed edges alone; ValueError for a directed cycle.

    The nodes ``first`` are numbered 0, 1, 2, …; the others follow.
    """

    def __init__(self, dag: nx.DiGraph, first: Sequence = ()):
        if not nx.is_directed_acyclic_graph(dag):
            raise ValueError("d-separation needs a directed graph without directed cycles")
        self.numbers = {node: number for number, node in enumerate(dict.fromkeys((*first, *dag.nodes)))}
        n = len(self.numbers)
        self.into_here, self.into_there, self.ancestors = [0] * n, [0] * n, [0] * n
        self.both = self.neither = [0] * n
        for cause, effect in dag.edges:
            i, j = self.numbers[cause], self.numbers[effect]
            self.into_here[j] |= 1 << i
            self.into_there[i] |= 1 << j
        self.parents = self.into_here
        self.causal_order = [self.numbers[node] for node in nx.topological_sort(dag)]
        for i in self.causal_order:
            self.ancestors[i] = 1 << i
            for parent in bits(self.parents[i]):
                self.ancestors[i] |= self.ancestors[parent]

    def separated_each(self, x: np.ndarray, y: np.ndarray, sets: Sequence[int]) -> np.ndarray:
        """(m,) bool: whether sets[i] d-separates x[i] and y[i], for many questions in one search.

        The search of ``connected`` with the roles of nodes and questions exchanged: each node holds the set
        of questions in which the search has reached it, so one operation moves them all along one arrow.
        """
        n, m = len(self.parents), len(sets)
        given = rows_as_bits(np.ascontiguousarray(bits_as_rows(sets, n).T))  # node -> questions
        free = [~questions for questions in given]
        opens_collider = list(given)
        for node in reversed(self.causal_order):
            for parent in bits(self.parents[node]):
                opens_collider[parent] |= opens_collider[node]
        start = np.zeros((n, m), dtype=bool)
        start[x, np.arange(m)] = True
        up, down = rows_as_bits(start), [0] * n  # reached from a child (or the start); reached from a parent
        before = None
        while up != before:
            before = list(up)
            for node in self.causal_order:
                for parent in bits(self.parents[node]):
                    down[node] |= (up[parent] | down[parent]) & free[parent]
            for node in reversed(self.causal_order):
                onward = up[node] & free[node] | down[node] & opens_collider[node]
                for parent in bits(self.parents[node]):
                    up[parent] |= onward
        reached = bits_as_rows([a | b for a, b in zip(up, down, strict=True)], m)
        return ~reached[y, np.arange(m)]
