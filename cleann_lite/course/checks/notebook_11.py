"""Checks of notebook 11, ask whether the graph explains."""

from itertools import combinations

import numpy as np

from . import call, expect
from .notebook_01 import example_attention, normalised


def area(scores, true):
    difference = np.asarray(scores)[true][:, None] - np.asarray(scores)[~true]
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))


def auc(answer):
    scores = np.array([0.4, 0.1, 0.4, 0.9, 0.2, 0.3, 0.5])
    true = np.array([True, False, False, True, False, True, False])
    right = area(scores, true)
    difference = scores[true][:, None] - scores[~true]
    causes = [
        ("ties count one half; you counted them as nothing.", float(np.mean(difference > 0))),
        ("ties count one half; you counted them in full.", float(np.mean(difference >= 0))),
        ("above and below have changed places.", 1 - right),
        ("this is the number of pairs; divide by how many there are.", right * difference.size),
        ("these are differences of means; count the pairs.", scores[true].mean() - scores[~true].mean()),
        ("compare true ones with the others, not with all words.",
         float(np.mean(scores[true][:, None] > scores))),
    ]  # fmt: skip
    got = call(answer, scores.copy(), true.copy())
    expect("The AUC of seven words, three of them true", got, right, causes)
    return "One half is chance, 1 is every true word above every other."


def mixed(A, r):
    B = (1 - r) * A + r * np.eye(len(A))
    return normalised(B @ B.T)


def with_residual(answer):
    A, r = example_attention(), 0.3
    eye = np.eye(len(A))
    causes = [
        ("A has the share 1 − r and I the share r; yours have changed places.", mixed(A, 1 - r)),
        ("the residual is missing: this is the correlation of A.", mixed(A, 0)),
        ("A keeps the share 1 − r, not all of its weight.", normalised((B := A + r * eye) @ B.T)),
        ("this is the covariance; divide entry i, j by √(C_ii C_jj).", (B := (1 - r) * A + r * eye) @ B.T),
        ("mix first, then correlate; you mixed the correlation.", (1 - r) * mixed(A, 0) + r * eye),
        ("the residual belongs on the diagonal, I, not everywhere.",
         normalised((B := (1 - r) * A + r) @ B.T)),
    ]  # fmt: skip
    expect("The correlation of six tokens at r = 0.3", call(answer, A.copy(), r), mixed(A, r), causes)
    return "With r = 1 every token would be itself and nothing else."


def effects(f, n):
    whole, single = f(()), [f((i,)) for i in range(n)]
    table = np.diag([value - whole for value in single])
    for i, j in combinations(range(n), 2):
        table[i, j] = table[j, i] = f((i, j)) - single[i] - single[j] + whole
    return table


def example_function(seed=11, n=4):
    rng = np.random.default_rng(seed)
    table = {s: float(rng.normal()) for size in range(3) for s in combinations(range(n), size)}
    return lambda places: table[tuple(sorted({int(p) for p in places}))]


def interactions(answer):
    f, n = example_function(), 4
    right = effects(f, n)
    single, whole = np.array([f((i,)) for i in range(n)]), f(())
    off = ~np.eye(n, dtype=bool)
    causes = [
        ("f() was subtracted from the pair once; f(i) and f(j) hold it twice, so it is added once.",
         np.where(off, right - 2 * whole, right)),
        ("f() is missing in the interactions: f(i, j) − f(i) − f(j) + f().",
         np.where(off, right - whole, right)),
        ("the effect of one word is f(i) − f().", np.where(off, right, np.diag(single))),
        ("the diagonal holds the effects f(i) − f(); yours is empty.", np.where(off, right, 0)),
        ("the sign: the effect is f(i) − f().", np.where(off, right, -right)),
        ("the matrix is symmetric: [i, j] and [j, i].", np.triu(right)),
        ("this is what the pair changes in all; subtract what each of the two changes alone.",
         np.where(off, right + (single - whole)[:, None] + (single - whole), right)),
    ]  # fmt: skip
    expect("Effects and interactions of four words", call(answer, f, n), right, causes)
    return "0 beside the diagonal means that two words add up."


CHECKS = {"11.1": auc, "11.2": with_residual, "11.3": interactions}
