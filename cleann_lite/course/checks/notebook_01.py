"""Checks of notebook 01, read attention as a structural equation model."""

import numpy as np

from . import WrongAnswer, call, expect, numbers


def example_weights():
    """Six variables, numbered against their causal order, with weights of both signs."""
    G = np.zeros((6, 6))
    G[1, 0], G[0, 4], G[3, 1], G[3, 4], G[2, 3], G[5, 2], G[5, 0] = 0.8, -0.5, 1.2, 0.7, -0.9, 0.6, 0.4
    return G


def example_attention(n=6):
    """One head with positive weights, rows that sum to 1, and a sink in the first column."""
    logits = np.random.default_rng(5).normal(size=(n, n)) + 2 * (np.arange(n) == 0)
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def normalised(C):
    scale = np.sqrt(np.diag(C))
    return C / np.outer(scale, scale)


def total_effects(answer):
    G, I = example_weights(), np.eye(6)
    try:
        got = call(answer, G)
    except WrongAnswer as wrong:
        if "ingular" in str(wrong):
            raise WrongAnswer(
                f"{wrong}\nLikely cause: you inverted G. A variable without causes has an empty row in G, "
                "so G has no inverse; I − G always has one."
            ) from None
        raise
    right = np.linalg.inv(I - G)
    causes = [
        ("only direct effects are counted, I + G; paths of two and more edges count too.", I + G),
        ("the sign: invert I − G, not I + G.", np.linalg.inv(I + G)),
        ("you transposed G; row i of G holds the causes of variable i.", np.linalg.inv(I - G.T)),
        ("the identity is missing: a variable reaches itself by the path of length 0.", right - I),
        ("the sum of the powers of G stops at G²; go on until the power is zero.", I + G + G @ G),
        ("you subtracted only; the inverse of I − G is still to be taken.", I - G),
        ("these are the direct effects, G itself; paths of two and more edges count too.", G),
        ("the inverse subtracts G from the identity, numpy.eye, not from ones everywhere.",
         np.linalg.inv(1 - G)),
    ]  # fmt: skip
    expect("The total effects of six variables", got, right, causes)
    return "Entry [i, j] sums the products of weights over all directed paths from j to i."


def correlation(answer):
    A = example_attention()
    C = A @ A.T
    scale = np.diag(C)
    centred = A - A.mean(axis=1, keepdims=True)
    causes = [
        ("did you centre the rows (as numpy.corrcoef does)? Attention is a mixing matrix, not data: C = A "
         "Aᵀ as it is.",
         normalised(centred @ centred.T)),
        ("this is AᵀA: it compares columns; rows are the tokens.", normalised(A.T @ A)),
        ("this is the covariance C; divide entry i, j by √(C_ii C_jj).", C),
        ("you divided by C_ii C_jj; the square root is missing.", C / np.outer(scale, scale)),
        ("you divided by the variances of one side only, C_jj; √(C_ii C_jj) has both.", C / scale),
        ("you divided by the deviations of one side only, √C_jj; √(C_ii C_jj) has both.", C / np.sqrt(scale)),
        ("* multiplies entry by entry; the matrix product is A @ A.T.", A * A.T),
        ("A A is not A Aᵀ: transpose the second factor.", A @ A),
        ("you centred and correlated the columns; rows are tokens.", np.corrcoef(A.T)),
        ("this is the covariance of centred rows; A is a mixing matrix, not data.", np.cov(A)),
    ]  # fmt: skip
    expect("The correlation between six tokens", call(answer, A), normalised(C), causes)
    return "The diagonal is 1, and no entry is negative: attention weights are never negative."


def correlation_among(answer):
    A, keep = example_attention(7), [1, 3, 4, 6]
    got = call(answer, A, keep)
    cut = A[np.ix_(keep, keep)]
    columns = A[:, keep]
    causes = [
        ("you cut the attention first. The columns you threw away are causes that the kept tokens share: "
         "correlate with the whole matrix, then keep rows and columns of the result.",
         normalised(cut @ cut.T)),
        ("you kept only some columns of A; every column must stay.", normalised(columns @ columns.T)),
        ("this is the whole matrix; keep the rows and columns in `keep`.", normalised(A @ A.T)),
        ("this is AᵀA; rows are tokens, so C = A Aᵀ.", normalised(A.T @ A)[np.ix_(keep, keep)]),
        ("this is the covariance; divide entry i, j by √(C_ii C_jj).", (A @ A.T)[np.ix_(keep, keep)]),
        ("numpy.corrcoef centres the rows; attention is a mixing matrix, not data.",
         np.corrcoef(A)[np.ix_(keep, keep)]),
        ("you picked single entries; numpy.ix_ picks rows and columns.", np.ones(4)),
    ]  # fmt: skip
    expect("The correlation among four of seven tokens", got, normalised(A @ A.T)[np.ix_(keep, keep)], causes)
    return "The tokens left out still count: they have become hidden common causes."


def skeleton_errors(answer):
    G = example_weights()
    truth = (G != 0) | (G != 0).T
    marks = truth.astype(np.int8)
    for i, j in [(0, 5), (3, 4)]:
        marks[i, j] = marks[j, i] = 0
    marks[1, 5], marks[5, 1] = 2, 1
    one_way = "G has an edge in [i, j] or [j, i], marks has it in both: make the edges of G symmetric first."

    def directed(G, marks):
        return int(((G != 0) & (marks == 0)).sum()), int(((G == 0) & (marks != 0)).sum())

    causes = [
        ("every edge is counted twice, as [i, j] and as [j, i]; look at one triangle only.", (4, 2)),
        ("missing and extra have changed places.", (1, 2)),
        ("missing and extra have changed places, and every edge is counted twice.", (2, 4)),
        (one_way, directed(G, marks)),
        (one_way, directed(np.triu(G), np.triu(marks))),
        (one_way, directed(np.tril(G), np.tril(marks))),
    ]
    expect("Missing and extra edges", call(answer, G, marks, to=numbers), (2, 1), causes)
    return "Both kinds of error are counted once for each pair of variables."


CHECKS = {"1.1": total_effects, "1.2": correlation, "1.3": correlation_among, "1.4": skeleton_errors}
