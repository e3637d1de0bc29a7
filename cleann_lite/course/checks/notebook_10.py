"""Checks of notebook 10, build your own variant."""

import numpy as np

from . import call, expect, expect_rule, numbers
from .notebook_01 import example_attention, normalised


def bic_independent(answer):
    asked = [(0.0, 100), (0.05, 100), (0.2, 100), (0.22, 100), (-0.3, 100), (0.1, 1000), (0.07, 1000)]
    asked += [(0.6, 20), (0.99, 5), (0.3, 20), (0.5, 1000), (0.13, 300)]

    def right(r, n):
        return -n * np.log(1 - r**2) < np.log(n)

    causes = [
        ("True means independent: the gain is *less* than the price.", lambda r, n: not right(r, n)),
        ("the price is ln n, all of it, in the natural logarithm.",
         lambda r, n: -n * np.log(1 - r**2) < np.log(n) / 2),
        ("the gain is −n ln(1 − r²), not half of it.", lambda r, n: -n / 2 * np.log(1 - r**2) < np.log(n)),
        ("the price is ln n, the natural logarithm.", lambda r, n: -n * np.log(1 - r**2) < np.log2(n)),
        ("a negative r counts like a positive one.",
         lambda r, n: r <= 0 or -n * np.log(1 - r**2) < np.log(n)),
        ("every case counts as independent: the gain −n ln(1 − r²) is never negative; is yours?",
         lambda r, n: n * np.log(1 - r**2) < np.log(n)),
        ("n is missing: the gain is −n ln(1 − r²).", lambda r, n: -np.log(1 - r**2) < np.log(n)),
        ("r must be squared.", lambda r, n: -n * np.log(1 - r) < np.log(n)),
        ("the price is ln n, the natural logarithm.", lambda r, n: -n * np.log(1 - r**2) < np.log10(n)),
        ("the price is ln n; you compared with n.", lambda r, n: -n * np.log(1 - r**2) < n),
        ("the price is ln n; you compared with a constant.", lambda r, n: -n * np.log(1 - r**2) < 1),
        ("every case got the same answer.", lambda r, n: True),
        ("every case got the same answer.", lambda r, n: False),
    ]  # fmt: skip
    cases = {f"at r = {r}, n = {n}": (r, n) for r, n in asked}
    expect_rule("Independent", answer, right, cases, causes)
    return "The larger n is, the smaller a correlation pays, without any α."


def without_sink(answer):
    A = example_attention(6)[:, [2, 1, 0, 3, 4, 5]]  # the sink is in column 2
    sink = int(A.mean(axis=0).argmax())
    rest = np.delete(A, sink, axis=1)
    square = np.delete(rest, sink, axis=0)
    first = np.delete(A, 0, axis=1)
    least = np.delete(A, A.mean(axis=0).argmin(), axis=1)
    row = np.delete(A, sink, axis=0)
    zeroed = A.copy()
    zeroed[:, sink] = A.mean()
    causes = [
        ("the sink's row went too; only its column should, all tokens stay.", normalised(square @ square.T)),
        ("a row was removed, of A or of its correlation; only the column of A goes: axis=1.",
         normalised(row @ row.T)),
        ("the first column was removed; the sink need not be there. (The mean of a row, axis=1, is the same"
         " for all.)",
         normalised(first @ first.T)),
        ("this is the attention without its sink; return the correlation of the rows.", rest),
        ("BᵀB compares columns; rows are the tokens: B Bᵀ.", normalised(rest.T @ rest)),
        ("the least attended column was removed.", normalised(least @ least.T)),
        ("the sink is still there.", normalised(A @ A.T)),
        ("this is the covariance; divide entry i, j by √(C_ii C_jj).", rest @ rest.T),
        ("did you centre the rows? Attention is a mixing matrix, not data.", np.corrcoef(rest)),
    ]  # fmt: skip
    expect("The correlation without the sink", call(answer, A.copy()), normalised(rest @ rest.T), causes)
    return "All tokens are still there; nobody listens to the sink any more."


def score(answer):
    true = [("peanuts", "milk"), ("peanuts", "flour"), ("egg",)]
    cases: dict[str, tuple[list[tuple[str, ...]], tuple[float, float]]] = {
        "two of three": ([("milk", "peanuts"), ("peanuts", "flour")], (1.0, 2 / 3)),
        "one right, three wrong": ([("egg",), ("milk",), ("salt",), ("flour", "milk")], (0.25, 1 / 3)),
        "one twice, in another order": ([("egg",), ("peanuts", "milk"), ("milk", "peanuts")], (1.0, 2 / 3)),
        "nothing found": ([], (0.0, 0.0)),
    }

    def verdicts(rule):
        return tuple(tuple(float(x) for x in rule(list(found), list(true))) for found, _ in cases.values())

    def strict(found, true):
        both = len(set(found) & set(true))
        return (both / len(set(found)) if found else 0.0), both / len(true)

    def by_word(found, true):
        found, true = {w for s in found for w in s}, {w for s in true for w in s}
        return (len(found & true) / len(found) if found else 0.0), len(found & true) / len(true)

    right = tuple(expected for _, expected in cases.values())
    causes = [
        ("precision and recall have changed places.", np.array(right)[:, ::-1]),
        ("the order of words in a set must not matter: use frozenset.", np.array(verdicts(strict))),
        ("whole sets count, not single words.", np.array(verdicts(by_word))),
        ("the same set twice counts once.", np.array(verdicts(_listed))),
        ("with nothing found, precision is 0.", np.vstack([right[:-1], (1.0, 0.0)])),
        ("with nothing found, precision is 0.", np.vstack([right[:-1], (np.nan, 0.0)])),
        ("precision divides by the sets that were found, recall by the true ones.", _jaccard(cases, true)),
        ("this is the precision only; return the recall too.", np.array(right)[:, :1]),
    ]
    got = [call(answer, list(found), list(true), to=numbers) for found, _ in cases.values()]
    expect(f"(precision, recall) of {'; '.join(cases)}", got, np.array(right), causes)
    return "Now a variant has a number, and the number has a meaning."


def _jaccard(cases, true):
    true = set(map(frozenset, true))
    pairs = [(set(map(frozenset, found)), true) for found, _ in cases.values()]
    return np.array([[len(a & b) / len(a | b)] * 2 for a, b in pairs])


def _listed(found, true):
    hits = sum(any(set(f) == set(t) for t in true) for f in found)
    recalled = sum(any(set(f) == set(t) for f in found) for t in true)
    return (hits / len(found) if found else 0.0), min(1.0, max(hits, recalled) / len(true))


CHECKS = {"10.1": bic_independent, "10.2": without_sink, "10.3": score}
