"""Checks of notebook 08, question the attention weights."""

import numpy as np

from . import call, expect


def example_head(n=9, d=4):
    """Attention (n, n) and values (n, d) of a small head."""
    rng = np.random.default_rng(8)
    return rng.dirichlet(np.full(n, 0.5), size=n), rng.normal(size=(n, d))


def example_values():
    """In general position; wider than long; of lower rank; such that they fix the row sums by themselves."""
    rng = np.random.default_rng(88)
    return (
        rng.normal(size=(20, 6)),
        rng.normal(size=(5, 8)),
        rng.normal(size=(12, 3)) @ rng.normal(size=(3, 7)),
        np.column_stack([rng.normal(size=(10, 4)), np.full(10, 2.0)]),
    )


def plain(number):
    """A NumPy number as Python shows numbers."""
    return number.item() if isinstance(number, np.generic) else number


def rank(T):
    return int(np.linalg.matrix_rank(T))


def with_ones(T):
    return np.column_stack([T, np.ones(len(T))])


def count_free(answer):
    values = example_values()
    causes = [
        ("the row sum is not kept: an attention row sums to 1, so put a column of ones beside T.",
         tuple(len(T) - rank(T) for T in values)),
        ("n − d − 1 counts values in general position only; the rank may be below d, and d above n.",
         tuple(len(T) - T.shape[1] - 1 for T in values)),
        ("n − d − 1, not below 0, counts values in general position only; ask for the rank.",
         tuple(max(0, len(T) - T.shape[1] - 1) for T in values)),
        ("this is the rank; free is what the rank leaves of the n weights.", tuple(map(rank, values))),
        ("this is the rank of [T, 1]; free is what it leaves of the n weights.",
         tuple(rank(with_ones(T)) for T in values)),
        ("you counted the other null space, T x = 0; a row multiplies T from the left, xᵀT = 0.",
         tuple(T.shape[1] - rank(T) for T in values)),
        ("the ones belong beside T, as a column: one for each token.",
         tuple(len(T) - rank(np.vstack([T, np.ones(T.shape[1])])) for T in values)),
        ("n − d leaves the rank and the row sum out.", tuple(len(T) - T.shape[1] for T in values)),
        ("one was subtracted for the row sum even where the values fix it; take the rank of [T, 1].",
         tuple(len(T) - rank(T) - 1 for T in values)),
    ]  # fmt: skip
    got = tuple(plain(call(answer, T.copy())) for T in values)
    right = tuple(len(T) - rank(with_ones(T)) for T in values)
    expect("The free directions of four value matrices", got, right, causes)
    return "More tokens than d + 1, and the weights are not determined by what the head puts out."


def longest_step(answer):
    row = np.array([0.40, 0.25, 0.20, 0.10, 0.05])
    shifts = np.array(
        [[0.5, -0.5, 0.2, -0.3, 0.1], [-1.0, 0.25, 0.25, 0.25, 0.25], [0.1, 0.1, -0.1, -0.2, 0.1]]
    )
    down = [shift < 0 for shift in shifts]
    causes = [
        ("only weights that shrink can reach 0; leave out those whose shift is positive.",
         np.array([(row / np.abs(shift)).min() for shift in shifts])),
        ("this step is negative: it goes the other way.",
         np.array([-(row[d] / -shift[d]).min() for d, shift in zip(down, shifts, strict=True)])),
        ("the first weight to reach 0 ends the way, not the last.",
         np.array([(row[d] / -shift[d]).max() for d, shift in zip(down, shifts, strict=True)])),
        ("the sign: a weight shrinks by −shift; divided by shift, the smallest goes the other way.",
         np.array([(row / shift).min() for shift in shifts])),
        ("this is the place of the first weight to reach 0; return how far the way to it is.",
         np.array([np.where(shift < 0, row / -shift, np.inf).argmin() for shift in shifts])),
        ("the ways of all shrinking weights were added; the shortest ends the way.",
         np.array([(row[d] / -shift[d]).sum() for d, shift in zip(down, shifts, strict=True)])),
        ("the smallest weight need not be the first to reach 0; it depends on how fast each shrinks.",
         np.array([row[d].min() for d in down])),
    ]  # fmt: skip
    got = [call(answer, row.copy(), shift.copy()) for shift in shifts]
    right = np.array([(row[d] / -shift[d]).min() for d, shift in zip(down, shifts, strict=True)])
    expect("The longest steps in three directions", got, right, causes)
    return "At the end of the way one token has lost all its attention, and the output has not changed."


def effective(answer):
    A, T = example_head()
    keep = T @ np.linalg.pinv(T)
    centred = T - T.mean(axis=0)
    causes = [
        ("this is the part that does *not* reach the output, A (I − T T⁺).", A - A @ keep),
        ("the projection is on the wrong side: rows of A are multiplied with T.", keep @ A),
        ("projected from both sides; only the right side meets T.", keep @ A @ keep),
        ("this is the projection T T⁺ itself; multiply A with it.", keep),
        ("this is the output A T; multiply it with T⁺.", A @ T),
        ("Tᵀ is not T⁺: the pseudo-inverse is numpy.linalg.pinv.", A @ T @ T.T),
        ("the column of ones belongs to the count of free directions; here only T is multiplied.",
         A @ with_ones(T) @ np.linalg.pinv(with_ones(T))),
        ("effective attention is not a distribution: its rows need not sum to 1; leave them.",
         (A @ keep) / (A @ keep).sum(axis=1, keepdims=True)),
        ("did you centre the values? Take what is multiplied, as it is.",
         A @ centred @ np.linalg.pinv(centred)),
    ]  # fmt: skip
    expect("The effective attention of nine tokens", call(answer, A.copy(), T.copy()), A @ keep, causes)
    return "Every attention that gives this output has the same effective attention."


def jacobian(answer):
    A, T = example_head()
    a, K = A[2], np.random.default_rng(3).normal(size=(9, 3))
    right = T.T @ (np.diag(a) - np.outer(a, a)) @ K
    causes = [
        ("the softmax couples all weights: what one gains the others lose. Subtract a aᵀ.",
         T.T @ np.diag(a) @ K),
        ("a(1 − a) is the slope of a single weight; the others move too: diag(a) − a aᵀ.",
         T.T @ np.diag(a * (1 - a)) @ K),
        ("keys and values have changed places; this is the transpose.", right.T),
        ("this is how the weights change; multiply with Tᵀ.", (np.diag(a) - np.outer(a, a)) @ K),
        ("the sign: diag(a) − a aᵀ, not a aᵀ − diag(a).", -right),
        ("a aᵀ is added; it is subtracted.", T.T @ (np.diag(a) + np.outer(a, a)) @ K),
        ("the softmax is missing: this is as if weights were logits.", T.T @ K),
        ("leave out the factor 1/√d_k.", right / np.sqrt(K.shape[1])),
    ]  # fmt: skip
    got = call(answer, a.copy(), K.copy(), T.copy())
    expect("The change of the output (4 numbers) with the query (3 numbers)", got, right, causes)
    return "If its rank is that of the centred keys, no small change of the query keeps the output."


CHECKS = {"8.1": count_free, "8.2": longest_step, "8.3": effective, "8.4": jacobian}
