"""Checks of notebook 02, test independence with partial correlations."""

import numpy as np
from scipy.special import ndtr, ndtri

from . import call, expect, numbers
from .notebook_01 import normalised


def example_correlation():
    """Correlations of five variables; given others, some turn negative."""
    mixing = np.tril(np.random.default_rng(3).uniform(0.2, 1.5, size=(5, 5)))
    return normalised(mixing @ mixing.T)


def ratio(P, x, y):
    return P[x, y] / np.sqrt(P[x, x] * P[y, y])


def partial_correlation(answer):
    C, x, y = example_correlation(), 3, 1
    for given in ([4], [0, 4], []):
        block = np.ix_([x, y, *given], [x, y, *given])
        P = np.linalg.inv(C[block])
        right = -ratio(P, 0, 1)
        causes = [
            ("the minus sign of the formula is missing.", -right),
            ("you inverted the whole matrix, which holds every other variable fixed; take the block of x, y"
             " and given first.",
             -ratio(np.linalg.inv(C), x, y)),
            ("this is the plain correlation: nothing is held fixed yet.", C[x, y]),
            ("the rows of x and y in the block are not its first two: put x and y first in the list.",
             _first_two(C, [*given, x, y])),
            ("this is the whole inverse; the formula takes three entries of it.", P),
            ("divide by √(P_xx P_yy).", -P[0, 1]),
            ("you divided by P_xx P_yy; the square root is missing.", -P[0, 1] / (P[0, 0] * P[1, 1])),
            ("the block was not inverted: P is the inverse of the block.", -ratio(C[block], 0, 1)),
        ]  # fmt: skip
        got = call(answer, C, x, y, given)
        expect(f"The partial correlation of variables {x} and {y} given {given}", got, right, causes)
    return "With an empty list it is the plain correlation; each given variable is one row more in the block."


def _first_two(C, listed):
    return -ratio(np.linalg.inv(C[np.ix_(listed, listed)]), 0, 1)


def p_value(answer):
    for r, n, k in ((0.2, 12, 2), (-0.2, 12, 2), (0.05, 64, 0)):
        z = np.sqrt(n - k - 3) * np.arctanh(r)
        causes = [
            ("only one tail is counted: multiply by 2.", ndtr(-abs(z))),
            ("only one tail is counted, and the sign of r decides which; take |r| and multiply by 2.",
             ndtr(-z)),
            ("a negative r gives a p-value above 1: take |atanh r|.", 2 * ndtr(-z)),
            ("this is Φ itself: p is the mass beyond |z|, not below it.", 2 * ndtr(abs(z))),
            ("this is Φ itself: p is the mass beyond |z|, not below it.", ndtr(abs(z))),
            ("k is missing: each conditioning variable costs a sample, n − k − 3.", _two(r, n - 3)),
            ("the 3 is missing: the statistic is √(n − k − 3) · atanh r.", _two(r, n - k)),
            ("the square root of n − k − 3 is missing.", 2 * ndtr(-abs((n - k - 3) * np.arctanh(r)))),
            ("this is the statistic; p is the mass of the normal distribution beyond it.", z),
            ("this is the mass between −|z| and |z|; p is what lies outside.", 1 - 2 * ndtr(-abs(z))),
            ("Fisher's transform is missing: use atanh r, not r.", 2 * ndtr(-abs(np.sqrt(n - k - 3) * r))),
            ("Fisher's transform is atanh, the inverse of tanh.",
             2 * ndtr(-abs(np.sqrt(n - k - 3) * np.tanh(r)))),
        ]  # fmt: skip
        got = call(answer, r, n, k)
        right = 2 * ndtr(-abs(z))
        expect(f"The p-value of r = {r} from {n} samples given {k} variables", got, right, causes, atol=1e-10)
    return "The same |r| gives the same p on both sides of zero."


def _two(r, freedom):
    return 2 * ndtr(-abs(np.sqrt(freedom) * np.arctanh(r)))


def smallest_visible(answer):
    for n, k, alpha in ((12, 2, 0.05), (768, 5, 1e-5)):
        z, root = -ndtri(alpha / 2), np.sqrt(n - k - 3)
        causes = [
            ("α is split between two tails: use α / 2.", np.tanh(-ndtri(alpha) / root)),
            ("undo atanh at the end: take tanh.", z / root),
            ("tanh undoes atanh; you applied atanh once more.", np.arctanh(z / root)),
            ("the sign: ndtri(α / 2) is negative.", -np.tanh(z / root)),
            ("k is missing: n − k − 3.", np.tanh(z / np.sqrt(n - 3))),
            ("the 3 is missing: n − k − 3.", np.tanh(z / np.sqrt(n - k))),
            ("divide by the square root of n − k − 3.", np.tanh(z / (n - k - 3))),
            ("divide by the square root, do not multiply.", np.tanh(z * root)),
            ("ndtri is the inverse of Φ; you used Φ itself.", np.tanh(ndtr(-alpha / 2) / root)),
        ]
        got = call(answer, n, k, alpha)
        right = np.tanh(z / root)
        expect(f"The smallest visible |r| at n = {n}, k = {k}, α = {alpha:g}", got, right, causes, atol=1e-9)
    return "This one number is all that n and α decide."


def disagreements(answer):
    r = np.array([0.3, -0.3, -0.05, 0.08, -0.095, 0.0, -0.9])
    n, k, alpha = 700, 4, 0.01
    p = np.array([_two(value, n - k - 3) for value in r])
    right = [i for i in range(len(r)) if r[i] < 0 and p[i] <= alpha]
    causes = [
        ("you listed every negative r; one too small to be visible is independent by both rules.",
         tuple(np.flatnonzero(r < 0).tolist())),
        ("you listed every r that is dependent; for positive r the rules agree.",
         tuple(np.flatnonzero(p <= alpha))),
        ("you listed the places where both say independent, or both dependent.",
         tuple(i for i in range(len(r)) if i not in right)),
        ("you listed the negative r that are *not* visible: there both rules say independent.",
         tuple(i for i in range(len(r)) if r[i] < 0 and p[i] > alpha)),
        ("these are truth values, one for each r; return positions.",
         tuple(sorted(int(i in right) for i in range(7)))),
        ("these are values of r; return positions.", tuple(sorted(r[right].tolist()))),
        ("positions begin at 0.", tuple(i + 1 for i in right)),
    ]  # fmt: skip
    got = call(answer, r, n, k, alpha, to=lambda came: tuple(sorted(numbers(came))))
    expect("The positions where the two rules disagree", got, tuple(right), causes)
    return "All of them are negative: that is where the one-sided rule is blind."


CHECKS = {"2.1": partial_correlation, "2.2": p_value, "2.3": smallest_visible, "2.4": disagreements}
