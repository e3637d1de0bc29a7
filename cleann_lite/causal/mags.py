"""From a DAG with hidden variables to its MAG, and to the MAGs that a PAG stands for.

A maximal ancestral graph (MAG) keeps, of a DAG with hidden and selection variables, which observed variables
cause which and which can be separated. Many MAGs have the same separations; a PAG shows what they share: a
circle is where they differ, and ``members`` lists them.

Nothing here uses the orientation rules, so it can judge them.

Sources: Richardson, Spirtes. Ancestral graph Markov models. Annals of Statistics 30, 2002 (MAGs, theorem
4.2); Zhang. Artificial Intelligence 172, 2008 (a MAG from a PAG by orienting its circles).
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from .bitsets import as_bits, bits_as_rows, reachable
from .graphs import PAG, Mark
from .legality import a_member, is_ancestral_and_maximal
from .separation import DAGSeparation, MixedSeparation


def mag_of_dag(dag: nx.DiGraph, observed: Sequence, selection: Sequence = ()) -> np.ndarray:
    """Marks of the MAG of a DAG over its observed nodes, the selection nodes conditioned on.

    x and y are adjacent unless the observed ancestors of x, y and the selection separate them (Richardson,
    Spirtes 2002, theorem 4.2). The mark at x is a tail when x is an ancestor of y or of the selection.

    Parameters
    ----------
    dag
        Directed acyclic graph; nodes neither observed nor selection are hidden.
    observed, selection
        Its nodes; the marks follow ``observed``.

    Examples
    --------
    >>> mag_of_dag(nx.DiGraph([("hidden", "a"), ("hidden", "b")]), ["a", "b"])
    array([[0, 2],
           [2, 0]], dtype=int8)
    """
    separation = DAGSeparation(dag)
    number = [separation.numbers[node] for node in observed]
    everyone, selected = as_bits(number), as_bits(separation.numbers[node] for node in selection)
    to_selection = separation.ancestors_of(selected)
    above = [separation.ancestors[node] | to_selection for node in number]
    given = []
    for i, j in combinations(range(len(number)), 2):
        pair = 1 << number[i] | 1 << number[j]
        given.append((above[i] | above[j]) & everyone & ~pair | selected)
    x, y = np.triu_indices(len(number), 1)
    places = np.array(number, dtype=np.intp)
    adjacent = np.zeros((len(number), len(number)), dtype=bool)
    adjacent[x, y] = adjacent[y, x] = ~separation.separated_each(places[x], places[y], given)
    causes = bits_as_rows(above, len(separation.numbers))[:, places]  # [i, j]: j causes i or the selection
    return np.where(adjacent, np.where(causes, Mark.TAIL, Mark.ARROW), Mark.NONE).astype(np.int8)


def is_mag(marks: ArrayLike) -> bool:
    """Whether these marks are a maximal ancestral graph.

    Ancestral: no arrowhead points at an ancestor of the other end, nor at an end of an undirected edge.
    Maximal: any two nodes that are not adjacent can be separated.

    Raises
    ------
    ValueError
        If the marks are not those of a graph (``PAG``).

    Examples
    --------
    >>> is_mag([[0, 2, 0], [3, 0, 2], [0, 3, 0]]), is_mag([[0, 3, 0], [3, 0, 2], [0, 2, 0]])
    (True, False)
    """
    return _is_mag(PAG(np.asarray(marks)).marks)


def _is_mag(marks: np.ndarray) -> bool:
    return not (marks == Mark.CIRCLE).any() and is_ancestral_and_maximal(marks)


def markov_equivalent(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether two MAGs have the same m-separations.

    A MAG's separations all follow from one for each pair that is not adjacent: given the nodes with a path of
    directed and undirected edges into one of the two (Sadeghi, Lauritzen. Markov properties for mixed graphs.
    Bernoulli 20, 2014). So it is enough that each graph has those of the other.

    Examples
    --------
    >>> chain, fork = [[0, 2, 0], [3, 0, 2], [0, 3, 0]], [[0, 3, 0], [2, 0, 2], [0, 3, 0]]
    >>> collider = [[0, 2, 0], [3, 0, 3], [0, 2, 0]]
    >>> markov_equivalent(chain, fork), markov_equivalent(chain, collider)
    (True, False)
    """
    ours, theirs = np.asarray(first), np.asarray(second)
    if ((ours > 0) != (theirs > 0)).any():
        return False
    one, other = MixedSeparation(ours), MixedSeparation(theirs)
    return all(other.separated(i, j, given) for (i, j), given in _pairwise(ours, one)) and all(
        one.separated(i, j, given) for (i, j), given in _pairwise(theirs, other)
    )


def _pairwise(marks: np.ndarray, separation: MixedSeparation) -> Iterator[tuple[tuple[int, int], int]]:
    anterior = separation.anterior
    for i, j in np.argwhere(np.triu(marks == Mark.NONE, 1)).tolist():
        yield (i, j), (anterior[i] | anterior[j]) & ~(1 << i | 1 << j)


def members(pag: PAG | ArrayLike, limit: int | None = None, selection_bias: bool = True) -> Iterator:
    """The MAGs that a PAG stands for: its circles filled in every way that keeps the separations.

    Parameters
    ----------
    pag
        A `PAG`, or its marks (k, k). A graph learned from data may be no PAG; then nothing may come.
    limit
        The most MAGs to give; None for all.
    selection_bias
        Allow undirected edges.

    Yields
    ------
    Graphs without circles, as a `PAG` each with the nodes and labels of a `PAG`, as (k, k) int8 otherwise.

    Examples
    --------
    >>> len(list(members([[0, 1], [1, 0]])))  # a -> b, a <- b, a <-> b, a -- b
    4
    >>> for mag in members(PAG([[0, 2, 0], [1, 0, 1], [0, 2, 0]])):
    ...     print(str(mag).split("\\n"))
    ['0 --> 1', '1 <-- 2']
    ['0 --> 1', '1 <-> 2']
    ['0 <-> 1', '1 <-- 2']
    ['0 <-> 1', '1 <-> 2']
    """
    if isinstance(pag, PAG):
        yield from (PAG(mag, pag.nodes, pag.labels) for mag in members(pag.marks, limit, selection_bias))
        return
    marks = np.asarray(pag, dtype=np.int8)
    reference = a_member(marks)
    if not _is_mag(reference):
        return
    found = 0
    for candidate in fillings(marks, reference, selection_bias):
        if limit is not None and found >= limit:
            return
        if _is_mag(candidate) and markov_equivalent(candidate, reference):
            found += 1
            yield candidate


def fillings(marks: np.ndarray, reference: np.ndarray, selection_bias: bool) -> Iterator[np.ndarray]:
    """Fill the circles edge by edge, dropping what changes an unshielded collider or makes a cycle."""
    edges = [
        (i, j) for i, j in np.argwhere(np.triu(marks)).tolist() if Mark.CIRCLE in (marks[i, j], marks[j, i])
    ]
    collider = _unshielded_colliders(reference)
    waiting = [(marks, 0)]
    while waiting:
        graph, number = waiting.pop()
        if number == len(edges):
            yield graph
            continue
        i, j = edges[number]
        for at_j in (Mark.ARROW, Mark.TAIL) if graph[i, j] == Mark.CIRCLE else (graph[i, j],):
            for at_i in (Mark.ARROW, Mark.TAIL) if graph[j, i] == Mark.CIRCLE else (graph[j, i],):
                if at_i == at_j == Mark.TAIL and not selection_bias:
                    continue
                filled = graph.copy()
                filled[i, j], filled[j, i] = at_j, at_i
                if _unshielded_colliders(filled) <= collider and not _contradicts(filled, i, j):
                    waiting.append((filled, number + 1))


def _unshielded_colliders(marks: np.ndarray) -> set[tuple[int, int, int]]:
    found = set()
    for v in range(len(marks)):
        into = np.flatnonzero(marks[:, v] == Mark.ARROW).tolist()
        found |= {(u, v, w) for u, w in combinations(into, 2) if not marks[u, w]}
    return found


def _contradicts(marks: np.ndarray, i: int, j: int) -> bool:
    """Whether the edge i *—* j makes a directed cycle, almost one, or an arrowhead at an undirected edge."""
    arrow, tail = marks == Mark.ARROW, marks == Mark.TAIL
    ancestor = reachable(arrow & tail.T)
    if (arrow & ancestor.T).any():
        return True
    undirected = (tail & tail.T).any(axis=0)
    return bool((arrow & undirected)[:, [i, j]].any())
