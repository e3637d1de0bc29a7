"""The checks of notebook 08: right answers pass, and each typical wrong one is told its cause."""

import numpy as np
import pytest
import scipy.linalg

from cleann_lite.attention.identifiability import (
    effective_attention,
    joint_null_space_dimension,
    null_space_dimension,
)
from cleann_lite.course import checks
from cleann_lite.course.checks import WrongAnswer

rank, pinv = np.linalg.matrix_rank, np.linalg.pinv


def ones(T):
    return np.column_stack([T, np.ones(len(T))])


def softmax_slope(a):
    return np.diag(a) - np.outer(a, a)


def layers(concat, add):
    return lambda n, h, d, how: (concat if how == "concat" else add)(n, h, d)


def apart(n, h, d):
    return h * max(0, n - d - 1)


def together(n, h, d):
    return max(0, h * (n - 1) - d)


def by_finite_differences(a, K, T):
    logits, step = np.log(a), 1e-6

    def output(q):
        w = np.exp(logits + K @ q)
        return w / w.sum() @ T

    return np.column_stack([(output(step * e) - output(-step * e)) / (2 * step) for e in np.eye(K.shape[1])])


RIGHT = {
    "8.1": [
        lambda T: len(T) - rank(ones(T)),
        lambda T: scipy.linalg.null_space(ones(T).T).shape[1],
        lambda T: null_space_dimension(T, sum_to_one=True),
    ],
    "8.2": [lambda row, s: min(row[j] / -s[j] for j in range(len(s)) if s[j] < 0)],
    "8.3": [
        lambda A, T: A @ T @ pinv(T),
        effective_attention,
        lambda A, T: np.linalg.lstsq(T.T, (A @ T).T, rcond=None)[0].T,
    ],
    "8.4": [
        lambda a, K, T: T.T @ softmax_slope(a) @ K,
        lambda a, K, T: ((T - a @ T).T * a) @ (K - a @ K),
    ],
    "12.1": [
        layers(apart, together),
        lambda n, h, d, how: joint_null_space_dimension(np.random.default_rng(0).normal(size=(h, n, d)), how),
    ],
}
WRONG = [
    ("8.1", lambda T: len(T) - rank(T), "column of ones"),
    ("8.1", lambda T: len(T) - T.shape[1] - 1, "general position only"),
    ("8.1", lambda T: max(0, len(T) - T.shape[1] - 1), "ask for the rank"),
    ("8.1", rank, "this is the rank;"),
    ("8.1", lambda T: rank(ones(T)), "this is the rank of [T, 1]"),
    ("8.1", lambda T: T.shape[1] - rank(T), "other null space"),
    ("8.1", lambda T: len(T) - rank(T) - 1, "where the values fix it;"),
    ("8.2", lambda row, s: (row / abs(s)).min(), "only weights that shrink"),
    ("8.2", lambda row, s: (row / s)[s < 0].max(), "goes the other way"),
    ("8.2", lambda row, s: (row / -s)[s < 0].max(), "not the last"),
    ("8.2", lambda row, s: (row / s).min(), "goes the other way"),
    ("8.2", lambda row, s: row[s < 0].min(), "how fast each shrinks"),
    ("8.3", lambda A, T: A - A @ T @ pinv(T), "does *not* reach"),
    ("8.3", lambda A, T: T @ pinv(T) @ A, "wrong side"),
    ("8.3", lambda A, T: T @ pinv(T) @ A @ T @ pinv(T), "both sides"),
    ("8.3", lambda A, T: T @ pinv(T), "the projection T T⁺ itself"),
    ("8.3", lambda A, T: A @ T, "output A T"),
    ("8.3", lambda A, T: A @ (c := T - T.mean(0)) @ pinv(c), "did you centre"),
    ("8.3", lambda A, T: A @ pinv(T) @ T, "stopped with ValueError"),
    ("8.4", lambda a, K, T: T.T @ np.diag(a) @ K, "Subtract a aᵀ"),
    ("8.4", lambda a, K, T: T.T @ np.diag(a - a**2) @ K, "slope of a single weight"),
    ("8.4", lambda a, K, T: K.T @ softmax_slope(a) @ T, "changed places"),
    ("8.4", lambda a, K, T: softmax_slope(a) @ K, "multiply with Tᵀ"),
    ("8.4", lambda a, K, T: -T.T @ softmax_slope(a) @ K, "the sign"),
    ("8.4", lambda a, K, T: T.T @ (np.diag(a) + np.outer(a, a)) @ K, "it is subtracted"),
    ("8.4", lambda a, K, T: T.T @ K, "the softmax is missing"),
    ("12.1", layers(apart, apart), "seen only as a sum"),
    ("12.1", layers(apart, lambda n, h, d: max(0, h * n - d - 1)), "one per head"),
    (
        "12.1",
        layers(lambda n, h, d: h * max(0, n - d), lambda n, h, d: max(0, h * n - d)),
        "row sums are missing",
    ),
    ("12.1", layers(lambda n, h, d: h * (n - d - 1), lambda n, h, d: h * (n - 1) - d), "never below 0"),
    ("12.1", layers(lambda n, h, d: max(0, n - d - 1), together), "stay apart"),
]


@pytest.mark.parametrize(("number", "answer"), [(n, a) for n, answers in RIGHT.items() for a in answers])
def test_right_answer_passes(number, answer):
    assert repr(checks.check(number, answer)).startswith(f"Exercise {number} is right. ")


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_wrong_answer_is_told_its_cause(number, answer, cause):
    with pytest.raises(WrongAnswer) as raised:
        checks.check(number, answer)
    assert cause in str(raised.value)


def test_the_right_jacobian_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    a, K, T = rng.dirichlet(np.ones(6)), rng.normal(size=(6, 3)), rng.normal(size=(6, 4))
    np.testing.assert_allclose(RIGHT["8.4"][0](a, K, T), by_finite_differences(a, K, T), atol=1e-8)


def test_every_check_has_right_and_wrong_answers():
    from cleann_lite.course.checks import notebook_08, notebook_12

    checked = {*notebook_08.CHECKS, *notebook_12.CHECKS}
    assert checked == set(RIGHT) == {number for number, _, _ in WRONG}
