"""PDS-paths, PDS-trees and the sets of nodes that they allow (`discovery` searches them).

A path is a *PDS-path* when each inner node is a collider on the path or forms a triangle with its two
neighbours on it (Spirtes, Glymour, Scheines: Possible-D-Sep). ICD searches for separating sets among sets Z
whose every member has a PDS-path from the root *inside* Z, so that nearer nodes come first [1]_; CLEANN
searches for explanations in the same way, rooted at the outcome [2]_.

The states of the search are (previous node, current node), because
whether a path may go on depends on how it arrived. Z is legal when the states reachable inside {root} ∪ Z
arrive at all of Z. A walk that meets a node twice counts as a path: in a few graphs that makes a set legal
which no simple path does, one more to try; none is missed.

References
----------
.. [1] Rohekar, Nisimov, Gurwicz, Novik. Iterative Causal Discovery in the Possible Presence of Latent
   Confounders and Selection Bias. NeurIPS 2021, arXiv 2111.04095, definition of ICD-Sep.
.. [2] Rohekar, Gurwicz, Nisimov. NeurIPS 2023, arXiv 2310.20307, algorithm 1.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import or_

import numpy as np
from numpy.typing import ArrayLike

from .bitsets import as_bits, bits, bits_as_rows, rows_as_bits
from .marks import Mark

_REMEMBERED = 32_000_000  # nodes in the searches kept by one graph
_FEW = 16  # searches below this are quicker one by one
_TOGETHER = 16_384  # searches in one go: their states take some megabytes


class PDSGraph:
    """The PDS-paths of one graph of marks (k, k), over sets of nodes held as integers."""

    def __init__(self, marks: np.ndarray) -> None:
        marks = np.asarray(marks)
        self.n = len(marks)
        self.neighbors = rows_as_bits(marks > 0)
        # arrows_at[v]: the nodes u with an arrowhead at v on u *-> v
        self.arrows_at = rows_as_bits(np.int8(Mark.ARROW) == marks.T)
        # (root, inside) -> (nodes reached, whether the search went to its end)
        self._reached: dict[tuple[int, int], tuple[int, bool]] = {}
        # (root, allowed) -> (distances, the nodes that they are known for)
        self._distances: dict[tuple[int, int], tuple[dict[int, int], int]] = {}
        # (root, allowed) -> the legal sets found last
        self._grown: dict[tuple[int, int], _Grown] = {}

    def without(self, neighbors: list[int]) -> "PDSGraph":
        """The same marks on fewer edges: ``neighbors`` of each node."""
        fewer = PDSGraph.__new__(PDSGraph)
        fewer.n, fewer.neighbors = self.n, neighbors
        fewer.arrows_at = [a & b for a, b in zip(self.arrows_at, neighbors, strict=True)]
        fewer._reached, fewer._distances, fewer._grown = {}, {}, {}
        return fewer

    def beyond(self, previous: int, current: int) -> int:
        """Where PDS-paths may go on from ``current`` that came from the nodes ``previous``."""
        adjacent, arrows = 0, self.arrows_at[current]
        colliders = previous & arrows
        for node in bits(previous):
            adjacent |= self.neighbors[node]
        found = self.neighbors[current] & adjacent  # triangles
        if colliders & (colliders - 1):
            return found | arrows
        return found | (arrows & ~colliders if colliders else 0)

    def reached(self, root: int, inside: int, wanted: int = -1) -> int:
        """Nodes at the end of a PDS-path from root whose inner nodes all lie in ``inside``, without root.

        The end itself need not lie in ``inside``. The search may end once all ``wanted`` are reached; of
        other nodes it then may miss some.
        """
        key = (root, inside)
        reached, finished = self._reached.get(key, (0, False))
        if finished or not wanted & ~reached:
            return reached
        reached = self.neighbors[root]
        arrived = dict.fromkeys(bits(reached & inside), 1 << root)  # node -> where from, not yet followed
        followed: dict[int, int] = {}  # node -> where to
        while arrived and wanted & ~reached:
            current, previous = arrived.popitem()
            onward = self.beyond(previous, current)
            reached |= onward
            onward &= inside & ~followed.get(current, 0)
            followed[current] = followed.get(current, 0) | onward
            for node in bits(onward):
                arrived[node] = arrived.get(node, 0) | 1 << current
        reached &= ~(1 << root)
        if len(self._reached) * self.n < _REMEMBERED:
            self._reached[key] = (reached, not arrived)
        return reached

    def legal(self, root: int, members: int) -> bool:
        """Whether every member has a PDS-path from root inside {root} ∪ members."""
        return not members & ~self.reached(root, members, members)

    def distances(self, root: int, allowed: int, wanted: int = -1) -> dict[int, int]:
        """Length of the shortest PDS-path from root to each node, every node on it in ``allowed``.

        The search may end once all ``wanted`` have one.
        """
        return self._distances_up_to(math.inf, root, allowed, wanted)[0]

    def _distances_up_to(
        self, longest: float, root: int, allowed: int, wanted: int
    ) -> tuple[dict[int, int], bool]:
        """``distances`` on paths of some length at most, and whether longer ones find no more."""
        allowed &= ~(1 << root)
        found: dict[int, int] = {}
        arrived = dict.fromkeys(bits(self.neighbors[root] & allowed), 1 << root)  # node -> where from
        followed: dict[int, int] = {}  # node -> where to
        reached = length = 0
        while arrived and wanted & ~reached:
            length += 1
            for node in arrived:
                if not reached >> node & 1:
                    reached |= 1 << node
                    found[node] = length
            level, arrived = arrived, {}
            for current, previous in level.items() if wanted & ~reached and length < longest else ():
                onward = self.beyond(previous, current) & allowed & ~followed.get(current, 0)
                followed[current] = followed.get(current, 0) | onward
                for node in bits(onward):
                    arrived[node] = arrived.get(node, 0) | 1 << current
        return found, not wanted & ~reached or length < longest

    def distance_sums(self, root: int, allowed: int, sets: list[int]) -> list[int]:
        """For each of the sets: the sum of its members' distances from root, on paths in ``allowed``."""
        wanted = reduce(or_, sets)
        if not wanted & ~self.neighbors[root]:
            return [members.bit_count() for members in sets]
        found, complete = self._distances.get((root, allowed), ({}, 0))
        if wanted & ~complete:
            found = self.distances(root, allowed, wanted)
            self._distances[root, allowed] = found, wanted
        if len(sets) < _FEW:
            return [sum(found[node] for node in bits(members)) for members in sets]
        distance = np.zeros(self.n, dtype=int)
        distance[list(found)] = list(found.values())
        return (bits_as_rows(sets, self.n) @ distance).tolist()

    def reached_each(self, roots: list[int], insides: list[int], wanted: list[int]) -> list[int]:
        """``reached`` for many (root, inside, wanted).

        Thousands are answered in one search: each state (previous, current) holds the set of questions in
        which the search has come to it, so one operation moves all of them along.
        """
        if len(roots) < 2 * sum(map(int.bit_count, self.neighbors)):  # few to a state: quicker one by one
            return [self.reached(*question) for question in zip(roots, insides, wanted, strict=True)]
        found = []
        for start in range(0, len(roots), _TOGETHER):
            chunk = slice(start, start + _TOGETHER)
            found += self._reached_together(roots[chunk], insides[chunk])
        return found

    def _reached_together(self, roots: list[int], insides: list[int]) -> list[int]:
        m = len(roots)
        started = np.zeros((self.n, m), dtype=bool)
        started[roots, np.arange(m)] = True
        # node -> the questions that may pass it; [previous][current] -> the questions that came to this state
        inside = rows_as_bits(bits_as_rows(insides, self.n).T)
        arrived = [dict.fromkeys(bits(near), 0) for near in self.neighbors]
        news: dict[tuple[int, int], int] = {}
        for root, questions in enumerate(rows_as_bits(started)):
            if questions:
                arrived[root] = dict.fromkeys(arrived[root], questions)
                news |= dict.fromkeys(((root, node) for node in arrived[root]), questions)
        while news:
            # first in, first out: short paths first, so that few states are visited again
            state = next(iter(news))
            previous, current = state
            questions = news.pop(state) & inside[current]
            if not questions:
                continue
            onward = arrived[current]
            for node in bits(self.beyond(1 << previous, current)):
                new = questions & ~onward[node]
                if new:
                    onward[node] |= new
                    news[current, node] = news.get((current, node), 0) | new
        reached = [0] * self.n
        for onward in arrived:
            for node, questions in onward.items():
                reached[node] |= questions
        return rows_as_bits((bits_as_rows(reached, m) & ~started).T)

    def legal_sets(self, root: int, size: int, allowed: int, limit: int) -> Collection[int]:
        """Every legal set of one size within ``allowed``, in no order; TooManySets beyond ``limit``."""
        grown = self._grown.get((root, allowed))
        if grown is None or grown.size != size:
            self.grow([(root, allowed)], size, limit)
            grown = self._grown[root, allowed]
        return grown.sets.keys()

    def grow(self, trees: Iterable[tuple[int, int]], size: int, limit: int) -> set[tuple[int, int]]:
        """Find the legal sets of one size for many (root, allowed) together; those that have some come back.

        A legal set grows from smaller legal sets: leave out the node that the search reaches last, and the
        others are still reached. So sets grow by one reachable node at a time; those of the last size are
        kept to grow from. TooManySets if all together have more than ``limit`` sets of one size.
        """
        grown = []
        for root, allowed in dict.fromkeys(trees):
            tree = self._grown.get((root, allowed))
            if tree is None or tree.size > size:
                tree = self._grown[root, allowed] = _Grown(0, {0: self.neighbors[root]}, 0, False)
            if not tree.settled and allowed.bit_count() >= size:
                # no set of this size can hold more than what so many steps reach: a path passes each pair of
                # its other members once at most in either direction
                longest = 2 + (size - 1) * (size - 2)
                near, tree.settled = self._distances_up_to(longest, root, allowed, allowed)
                tree.within = as_bits(near)
            grown.append((root, allowed, tree))
        for have in range(min((tree.size for *_, tree in grown), default=size), size):
            most = limit if have or size == 1 else math.inf  # single nodes are few, and no reason to stop
            self._grow_by_one([(root, tree) for root, _, tree in grown if tree.size == have], size, most)
        return {(root, allowed) for root, allowed, tree in grown if tree.sets}

    def _grow_by_one(self, growing: "list[tuple[int, _Grown]]", size: int, limit: float) -> None:
        open_questions: dict[tuple[int, int], int] = {}
        for root, tree in growing:
            if tree.within.bit_count() < size:
                tree.sets = {}
            for members, reached in tree.sets.items():
                if tree.within & ~reached & ~members:
                    wanted = open_questions.get((root, members), 0) | tree.within & ~members
                    open_questions[root, members] = wanted
        roots, sets = [root for root, _ in open_questions], [members for _, members in open_questions]
        found = self.reached_each(roots, sets, list(open_questions.values()))
        answered = dict(zip(open_questions, found, strict=True))
        for root, tree in growing:
            for members in tree.sets:
                tree.sets[members] |= answered.get((root, members), 0)
        # a set can grow from each of its members at most
        n_grown = sum((r & t.within & ~m).bit_count() for _, t in growing for m, r in t.sets.items())
        if growing and n_grown > limit * (growing[0][1].size + 1):
            raise TooManySets
        if n_grown > limit:  # count before they are kept: a million sets of a thousand nodes are large
            n_sets = accumulate(len(tree.larger_sets(limit)) for _, tree in growing)
            if any(n > limit for n in n_sets):
                raise TooManySets
        for _, tree in growing:
            tree.size, tree.sets = tree.size + 1, tree.larger_sets(limit)


@dataclass
class _Grown:
    """The legal sets of one size for one root, each with nodes known to be reached, all ``within`` a set.

    Larger sets may go beyond it unless it is ``settled``.
    """

    size: int
    sets: dict[int, int]
    within: int
    settled: bool

    def larger_sets(self, limit: float) -> dict[int, int]:
        """The sets with one more of the nodes that each reaches."""
        grown: dict[int, int] = {}
        for members, reached in self.sets.items():
            more = reached & self.within & ~members
            while more:
                node = more & -more
                more ^= node
                grown[members | node] = grown.get(members | node, 0) | reached
            if len(grown) > limit:
                raise TooManySets
        return grown


class TooManySets(Exception):
    """There are more sets than the caller wants to see."""


def pds_distances(marks: ArrayLike, root: int, exclude: Collection[int] = ()) -> dict[int, int]:
    """Length of the shortest PDS-path from the root to each node that has one: the depth in the PDS-tree.

    Parameters
    ----------
    marks
        (k, k) marks.
    root
        Node number.
    exclude
        Nodes that no path may pass.

    Examples
    --------
    >>> pds_distances([[0, 2, 0], [2, 0, 2], [0, 2, 0]], root=0)
    {1: 1, 2: 2}
    """
    marks = _checked(marks, root)
    return dict(sorted(PDSGraph(marks).distances(root, ~as_bits(exclude)).items()))


def pds_sets(
    marks: ArrayLike, root: int, size: int, exclude: Collection[int] = (), limit: int | None = None
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Every legal set of one size, those nearest to the root first.

    Parameters
    ----------
    marks
        (k, k) marks.
    root
        Node number.
    size
        Number of nodes in a set, the root not counted.
    exclude
        Nodes that neither belong to a set nor lie on a path.
    limit
        Largest number of sets.

    Yields
    ------
    (nodes, sum of their distances from the root), ordered by the sum, then by the nodes, which ascend.

    Examples
    --------
    Nodes 3 and 2, 4 joined through the collider 3: a set may hold 3 only with one of its neighbours.

    >>> square = [[0, 2, 2, 0, 0], [2, 0, 0, 2, 0], [2, 0, 0, 2, 0], [0, 2, 2, 0, 2], [0, 0, 0, 2, 0]]
    >>> [nodes for nodes, _ in pds_sets(square, root=0, size=3)]
    [(1, 2, 3), (1, 3, 4), (2, 3, 4)]
    """
    marks = _checked(marks, root)
    graph = PDSGraph(marks)
    allowed = ~as_bits([root, *exclude])
    distance = graph.distances(root, allowed)
    # (the least sum that the finished set can have, the sum so far, members)
    heap = [(size, 0, 0)]
    queued: set[int] = set()
    ready: list[tuple[int, ...]] = []
    ready_sum = yielded = 0
    while heap or ready:
        if ready and (not heap or heap[0][0] > ready_sum):
            for nodes in sorted(ready):
                if limit is not None and yielded >= limit:
                    return
                yielded += 1
                yield nodes, ready_sum
            ready = []
            continue
        _, so_far, members = heapq.heappop(heap)
        missing = size - members.bit_count()
        if not missing:
            ready_sum = so_far
            ready.append(tuple(bits(members)))
            continue
        for node in bits(graph.reached(root, members) & allowed):
            grown = members | 1 << node
            if grown not in queued:
                queued.add(grown)
                total = so_far + distance[node]
                heapq.heappush(heap, (total + missing - 1, total, grown))


def _checked(marks: ArrayLike, root: int) -> np.ndarray:
    marks = np.asarray(marks)
    if not 0 <= root < len(marks):
        raise ValueError(f"the root must be a node number 0 … {len(marks) - 1}: got {root}")
    return marks
