"""d-separation in a DAG and m-separation in a mixed graph, over sets of nodes held as integers.

* A path is blocked by Z at a non-collider in Z, and at a collider without a descendant in Z. Two nodes are
  separated given Z when every path between them is blocked (Pearl, Causality, 2009, definition 1.2.3).
* In a mixed graph with arrowheads and tails the same rule is called m-separation (Richardson, Spirtes.
  Ancestral graph Markov models. Annals of Statistics 30, 2002).
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np

from .bitsets import bits, bits_as_rows, rows_as_bits
from .marks import Mark


class DAGSeparation:
    """Answers d-separation in one DAG; its ancestors are found once.

    Parameters
    ----------
    dag
        Directed acyclic graph.
    first
        Nodes that are numbered 0, 1, 2, …; the others follow.

    Raises
    ------
    ValueError
        If the graph has a directed cycle.
    """

    def __init__(self, dag: nx.DiGraph, first: Sequence = ()):
        if not nx.is_directed_acyclic_graph(dag):
            raise ValueError("d-separation needs a directed graph without directed cycles")
        self.numbers = {node: number for number, node in enumerate(dict.fromkeys((*first, *dag.nodes)))}
        n = len(self.numbers)
        self.parents, self.children = [0] * n, [0] * n
        for cause, effect in dag.edges:
            i, j = self.numbers[cause], self.numbers[effect]
            self.parents[j] |= 1 << i
            self.children[i] |= 1 << j
        # ancestors[i]: i itself and everything with a directed path into i
        self.ancestors = [0] * n
        self.causal_order = [self.numbers[node] for node in nx.topological_sort(dag)]
        for i in self.causal_order:
            self.ancestors[i] = 1 << i
            for parent in bits(self.parents[i]):
                self.ancestors[i] |= self.ancestors[parent]

    def ancestors_of(self, members: int) -> int:
        """Members and everything with a directed path into one of them."""
        found = 0
        for member in bits(members):
            found |= self.ancestors[member]
        return found

    def connected(self, x: int, given: int) -> int:
        """Every node outside ``given`` that is d-connected with x given ``given`` (x included)."""
        opens_collider = self.ancestors_of(given)
        up, down = 1 << x, 0  # reached from a child (or the start); reached from a parent
        seen_up = seen_down = 0
        while up or down:
            if up:
                node = (up & -up).bit_length() - 1
                up &= up - 1
                seen_up |= 1 << node
                if not given >> node & 1:
                    up |= self.parents[node] & ~seen_up
                    down |= self.children[node] & ~seen_down
            else:
                node = (down & -down).bit_length() - 1
                down &= down - 1
                seen_down |= 1 << node
                if not given >> node & 1:
                    down |= self.children[node] & ~seen_down
                if opens_collider >> node & 1:
                    up |= self.parents[node] & ~seen_up
        return (seen_up | seen_down) & ~given

    def separated(self, x: int, y: int, given: int) -> bool:
        """Whether ``given`` d-separates x and y."""
        return not self.connected(x, given) >> y & 1

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


class MixedSeparation:
    """Answers m-separation in one graph of arrowheads and tails (a MAG).

    Parameters
    ----------
    marks
        (k, k) marks without circles.

    Raises
    ------
    ValueError
        If a mark is a circle.
    """

    def __init__(self, marks: np.ndarray):
        if (marks == Mark.CIRCLE).any():
            raise ValueError("m-separation is defined for arrowheads and tails: this graph has circles")
        self.n = len(marks)
        adjacent = marks > 0
        # from each node: neighbours over an edge with (arrowhead | tail here, arrowhead | tail there)
        here_arrow, there_arrow = marks.T == Mark.ARROW, marks == Mark.ARROW
        self.both = rows_as_bits(adjacent & here_arrow & there_arrow)
        self.into_here = rows_as_bits(adjacent & here_arrow & ~there_arrow)
        self.into_there = rows_as_bits(adjacent & ~here_arrow & there_arrow)
        self.neither = rows_as_bits(adjacent & ~here_arrow & ~there_arrow)
        self.ancestors = [self._closure(1 << i, self.into_here) for i in range(self.n)]
        backwards = [a | b for a, b in zip(self.into_here, self.neither, strict=True)]
        # anterior: a path of directed edges and undirected edges leads here
        self.anterior = [self._closure(1 << i, backwards) for i in range(self.n)]

    def _closure(self, members: int, step: Sequence[int]) -> int:
        waiting = members
        while waiting:
            node = (waiting & -waiting).bit_length() - 1
            waiting &= waiting - 1
            new = step[node] & ~members
            members |= new
            waiting |= new
        return members

    def connected(self, x: int, given: int) -> int:
        """Every node outside ``given`` that is m-connected with x given ``given`` (x included)."""
        opens_collider = 0
        for member in bits(given):
            opens_collider |= self.ancestors[member]
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
