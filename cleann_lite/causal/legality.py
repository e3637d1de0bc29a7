"""Is a graph the PAG of some model at all, and if not, which marks to take back.

With a perfect test it always is. Data err, and then marks can contradict each other: a directed cycle, marks
that no MAG has, or marks other than those that the MAGs of this graph share. The check needs no enumeration:
a PAG gives one of its MAGs back when each o→ becomes →, each o— becomes —, and its circle edges a DAG without
new colliders (Zhang. Artificial Intelligence 172, 2008, theorem 2); the rules give the PAG of that MAG.

Contradictions are undone on that graph of arrowheads and tails, and the rules then give the PAG of the
result. It has the same edges, so only marks are taken back:

1. an undirected edge at a node with an arrowhead gets an arrowhead there too;
2. a directed edge on a directed cycle becomes ↔;
3. ↔ between a node and its ancestor becomes →, from the ancestor;
4. where an inducing path joins two nodes that are not adjacent, the edges that make its colliders ancestors
   of the ends become ↔, until no such path is left.

Steps 2 and 4 take tails back and leave fewer ancestors, step 3 leaves them as they are: so what was undone
stays undone, and the end is a MAG. All edges are treated alike, so the numbering of the nodes cannot matter.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .bitsets import bits, join, reachable, rows_as_bits
from .marks import Legality
from .orientation import pag_of_mag
from .relations import ARROW, CIRCLE, NONE, TAIL

# Above this the check takes longer than most searches.
LARGEST = 600

NOTE = {
    Legality.CYCLE: "contradictory marks: a directed cycle, so no causal model has this graph",
    Legality.NO_MAG: "contradictory marks: no causal model has all of them",
    Legality.OTHER_MARKS: "contradictory marks: the causal models that fit them share other marks",
}


def legality_of(marks: np.ndarray, rank: np.ndarray | None = None) -> Legality:
    """Whether marks are the PAG of some MAG, and if not, why.

    Parameters
    ----------
    marks
        (k, k) marks.
    rank
        (k,) the tier of each node, where tiers are known.

    Examples
    --------
    >>> legality_of(np.array([[0, 2, 0], [1, 0, 1], [0, 2, 0]])).name  # 0 o-> 1 <-o 2
    'LEGAL'
    >>> legality_of(np.array([[0, 2, 3], [3, 0, 2], [2, 3, 0]])).name  # 0 --> 1 --> 2 --> 0
    'CYCLE'
    >>> legality_of(np.array([[0, 2], [1, 0]])).name  # 0 o-> 1: its models share 0 o-o 1
    'OTHER_MARKS'
    """
    if len(marks) > LARGEST:
        return Legality.UNKNOWN
    ancestor = reachable((marks == ARROW) & (marks.T == TAIL))
    if (ancestor & ancestor.T & ~np.eye(len(marks), dtype=bool)).any():
        return Legality.CYCLE
    member = a_member(marks)
    if not is_ancestral_and_maximal(member):
        return Legality.NO_MAG
    same = np.array_equal(pag_of_mag(member, rank=rank), marks)
    return Legality.LEGAL if same else Legality.OTHER_MARKS


def legal_marks(
    marks: np.ndarray, rank: np.ndarray | None = None, priority: np.ndarray | None = None
) -> np.ndarray:
    """Marks of a PAG with the same edges: the contradictions of these are undone (steps 1–4 above).

    Marks that are a PAG come back as they are.

    Parameters
    ----------
    marks
        (k, k) marks.
    rank
        (k,) the tier of each node, where tiers are known.
    priority
        As for ``a_member``.

    Examples
    --------
    >>> cycle = np.array([[0, 2, 3], [3, 0, 2], [2, 3, 0]])
    >>> legal_marks(cycle)
    array([[0, 1, 1],
           [1, 0, 1],
           [1, 1, 0]], dtype=int8)
    """
    if legality_of(marks, rank) in (Legality.LEGAL, Legality.UNKNOWN):
        return marks
    mag = a_member(marks, priority)
    while True:
        tail, pointed = mag == TAIL, (mag == ARROW).any(axis=0)
        wrong = tail & tail.T & pointed
        if not wrong.any():
            break
        mag[wrong] = ARROW
    directed, ancestor = _ancestry(mag)
    mag[(directed & ancestor.T).T] = ARROW
    directed, ancestor = _ancestry(mag)
    arrow = mag == ARROW
    mag[(arrow & arrow.T & ancestor).T] = TAIL
    while True:
        directed, ancestor = _ancestry(mag)
        undone = np.zeros(directed.shape, dtype=bool)
        for ends, colliders in _inducing_paths(mag, ancestor):
            above = np.asarray(ancestor[colliders].any(axis=0))
            undone |= above[:, None] & ancestor[:, ends].any(axis=1)
        undone &= directed
        if not undone.any():
            return pag_of_mag(mag, rank=rank)
        mag[undone.T] = ARROW


def a_member(marks: ArrayLike, priority: np.ndarray | None = None) -> np.ndarray:
    """One MAG of a PAG: every o→ becomes →, o— becomes —, and circle edges a DAG without new colliders.

    Of nodes that could come first, that of the highest ``priority`` (k,) does; default: the numbering.

    Source: Zhang 2008, tail augmented graph. For marks that are no PAG the result may not be a MAG.
    """
    marks = np.array(marks, dtype=np.int8)
    circle = marks == CIRCLE
    both = circle & circle.T
    marks[circle & ~both] = TAIL
    if not both.any():
        return marks
    # maximum cardinality search (Tarjan, Yannakakis): the earlier neighbours of a node form a clique
    k = len(marks)
    weight = -np.arange(k) if priority is None else np.argsort(np.argsort(priority))
    weight[~both.any(axis=0)] = -k
    for _ in range(np.count_nonzero(weight > -k)):
        node = int(weight.argmax())
        later = both[node] & (weight > -k)
        weight[later] += k
        marks[node, later], marks[later, node] = ARROW, TAIL
        weight[node] = -k
    return marks


def _ancestry(mag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, k) bool each: i → j, and i is j or an ancestor of j."""
    directed = (mag == ARROW) & (mag.T == TAIL)
    return directed, reachable(directed)


def is_ancestral_and_maximal(marks: np.ndarray) -> bool:
    """Whether arrowheads and tails are those of a MAG (``mags.is_mag``)."""
    into, tail = marks == ARROW, marks == TAIL
    _, ancestor = _ancestry(marks)
    if (into & ancestor.T).any() or (into & (tail & tail.T).any(axis=0)).any():
        return False
    return next(_inducing_paths(marks, ancestor), None) is None


def _inducing_paths(marks: np.ndarray, ancestor: np.ndarray) -> Iterator[tuple[list[int], list[int]]]:
    """Ends that are not adjacent but joined by an inducing path, and the inner nodes of all such paths.

    Every inner node is a collider and an ancestor of one end. So the first is an ancestor of the far end and
    the last of the near one, and only few pairs come into question.
    """
    into = marks == ARROW
    apart = marks == NONE
    np.fill_diagonal(apart, False)
    first = join(into, ancestor) & apart
    pairs = np.argwhere(np.triu(first & first.T)).tolist()
    if not pairs:
        return
    arrows_out, both, ancestors = rows_as_bits(into), rows_as_bits(into & into.T), rows_as_bits(ancestor.T)
    for x, y in pairs:
        allowed = (ancestors[x] | ancestors[y]) & ~(1 << x | 1 << y)
        inner = _connected(arrows_out[x] & allowed, both, allowed)
        if inner & arrows_out[y]:
            yield [x, y], list(bits(inner & _connected(arrows_out[y] & allowed, both, allowed)))


def _connected(members: int, step: list[int], allowed: int) -> int:
    """Members and all that steps within ``allowed`` lead to."""
    waiting = members
    while waiting:
        onward = 0
        for node in bits(waiting):
            onward |= step[node]
        waiting = onward & allowed & ~members
        members |= waiting
    return members
