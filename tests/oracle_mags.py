"""The PAG of a MAG by definition: all MAGs with its separations are listed, no orientation rule is asked."""

from itertools import combinations

import numpy as np

from cleann_lite import PAG, Mark
from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.mags import a_member, fillings, is_mag, markov_equivalent
from cleann_lite.causal.separation import MixedSeparation


def pag_by_enumeration(mag, selection_bias=True, tier=None):
    """Marks that all equivalent MAGs share; slow beyond about eight edges.

    Parameters
    ----------
    mag
        (k, k) marks without circles.
    selection_bias
        Count graphs with undirected edges too.
    tier
        (k,) rank of each node in known tiers: only graphs count in which no node causes one of lower rank.
    """
    mag = np.asarray(mag, dtype=np.int8)
    shared, unknown = mag.copy(), (mag > 0) * np.int8(Mark.CIRCLE)
    for collider in range(len(mag)):  # equivalent graphs share the unshielded ones
        for x, y in combinations(np.flatnonzero(mag[:, collider] == Mark.ARROW).tolist(), 2):
            if not mag[x, y]:
                unknown[[x, y], collider] = Mark.ARROW
    if tier is not None:
        unknown[(mag > 0) & (np.asarray(tier)[:, None] < np.asarray(tier)[None, :])] = Mark.ARROW
    for candidate in fillings(unknown, mag, selection_bias and tier is None):
        news = (candidate != shared) & (shared != Mark.CIRCLE)
        if news.any() and is_mag(candidate) and markov_equivalent(candidate, mag):
            shared[news] = Mark.CIRCLE
    return shared


def is_mag_by_definition(marks):
    """No arrowhead at an ancestor of the other end or at an undirected edge; others can be separated."""
    marks = np.asarray(marks)
    if (marks == Mark.CIRCLE).any():
        return False
    arrow, tail = marks == Mark.ARROW, marks == Mark.TAIL
    ancestor = np.linalg.matrix_power(np.eye(len(marks)) + (arrow & tail.T), max(1, len(marks))) > 0
    if (arrow & ancestor.T).any() or (arrow & (tail & tail.T).any(axis=0)).any():
        return False
    separation = MixedSeparation(marks)
    return all(
        any(
            separation.separated(x, y, as_bits(given))
            for size in range(len(marks) - 1)
            for given in combinations(sorted({*range(len(marks))} - {x, y}), size)
        )
        for x, y in np.argwhere(np.triu(marks == Mark.NONE, 1)).tolist()
    )


def is_pag(marks, selection_bias=True):
    """Whether marks are those of the PAG of some MAG; ValueError where they are no graph."""
    given = PAG(np.asarray(marks)).marks
    mag = a_member(given)
    return is_mag(mag) and np.array_equal(pag_by_enumeration(mag, selection_bias), given)
