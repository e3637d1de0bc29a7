"""The checks of the exercises: right answers pass, and each typical wrong one is told its cause."""

import numpy as np
import pytest

from cleann_lite import checks
from cleann_lite.checks import WrongAnswer

I = np.eye


def scaled(C):
    return C / np.sqrt(np.outer(np.diag(C), np.diag(C)))


def pair_errors(G, marks):
    true = (G != 0) | (G != 0).T
    found = marks != 0
    upper = np.triu(np.ones_like(true), 1)
    return int((true & ~found & upper).sum()), int((found & ~true & upper).sum())


# number -> right solutions
RIGHT = {
    "1.1": [
        lambda G: np.linalg.inv(I(len(G)) - G),
        lambda G: sum(np.linalg.matrix_power(G, k) for k in range(len(G))),
        lambda G: np.linalg.solve(I(len(G)) - G, I(len(G))),
    ],
    "1.2": [
        lambda A: scaled(A @ A.T),
        lambda A: (B := A / np.linalg.norm(A, axis=1, keepdims=True)) @ B.T,
    ],
    "1.3": [
        lambda A, keep: scaled(A @ A.T)[np.ix_(keep, keep)],
        lambda A, keep: scaled(A[keep] @ A[keep].T),
    ],
    "1.4": [pair_errors, lambda G, m: list(pair_errors(G, m)), lambda G, m: np.array(pair_errors(G, m))],
}

# number, wrong answer, words of the cause
WRONG = [
    ("1.1", lambda G: np.linalg.inv(G), "you inverted G"),
    ("1.1", lambda G: I(len(G)) + G, "only direct effects"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) + G), "the sign"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) - G.T), "transposed"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) - G) - I(len(G)), "identity is missing"),
    ("1.1", lambda G: I(len(G)) + G + G @ G, "stops at G²"),
    ("1.1", lambda G: None, "return statement"),
    ("1.1", lambda G: G @ unknown, "NameError"),  # noqa: F821
    ("1.1", np.eye(6), "pass the function itself"),
    ("1.2", lambda A: np.corrcoef(A), "did you centre the rows"),
    ("1.2", lambda A: scaled(A.T @ A), "AᵀA"),
    ("1.2", lambda A: A @ A.T, "this is the covariance"),
    ("1.2", lambda A: A @ A.T / np.outer(np.diag(A @ A.T), np.diag(A @ A.T)), "square root"),
    ("1.2", lambda A: np.corrcoef(A.T), "columns"),
    ("1.2", lambda A: np.cov(A), "centred rows"),
    ("1.2", lambda A: scaled(A @ A.T)[:3], "the shape is (3, 6)"),
    ("1.3", lambda A, k: scaled(A[np.ix_(k, k)] @ A[np.ix_(k, k)].T), "cut the attention first"),
    ("1.3", lambda A, k: scaled(A[:, k] @ A[:, k].T), "every column must stay"),
    ("1.3", lambda A, k: scaled(A @ A.T), "whole matrix"),
    ("1.3", lambda A, k: scaled(A.T @ A)[np.ix_(k, k)], "AᵀA"),
    ("1.3", lambda A, k: (A @ A.T)[np.ix_(k, k)], "covariance"),
    ("1.4", lambda G, m: tuple(2 * x for x in pair_errors(G, m)), "counted twice"),
    ("1.4", lambda G, m: pair_errors(G, m)[::-1], "changed places"),
    ("1.4", lambda G, m: (int(((G != 0) & (m == 0)).sum()), int(((G == 0) & (m != 0)).sum())), "symmetric"),
    (
        "1.4",
        lambda G, m: (
            int((np.triu(G != 0) & (np.triu(m) == 0)).sum()),
            int((np.triu(m != 0) & (np.triu(G) == 0)).sum()),
        ),
        "symmetric",
    ),
]


@pytest.mark.parametrize(("number", "answer"), [(n, a) for n, all_of_it in RIGHT.items() for a in all_of_it])
def test_right_answer_passes(number, answer):
    verdict = checks.check(number, answer)
    assert verdict.number == number
    assert repr(verdict).startswith(f"Exercise {number} is right. ")


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_wrong_answer_is_told_its_cause(number, answer, cause):
    with pytest.raises(WrongAnswer) as raised:
        checks.check(number, answer)
    assert str(raised.value).startswith(f"Exercise {number} is not right yet.")
    assert cause in str(raised.value)
    assert raised.value._render_traceback_() == [str(raised.value)]


def test_every_check_has_right_and_wrong_answers():
    from importlib import import_module
    from pathlib import Path

    numbers = set()
    for path in Path(checks.__file__).parent.glob("notebook_*.py"):
        numbers |= set(import_module(f"cleann_lite.checks.{path.stem}").CHECKS)
    known = {number for number in numbers if not number.startswith("8.")}  # those are tested by themselves
    assert known == set(RIGHT)
    assert known <= {number for number, _, _ in WRONG}


def test_stub_passes_through():
    def stub(G):
        raise NotImplementedError("Exercise 1.1: the total effects")

    with pytest.raises(NotImplementedError, match=r"Exercise 1\.1"):
        checks.check("1.1", stub)


@pytest.mark.parametrize("number", ["99.1", "1.99", "one", ""])
def test_unknown_exercise_is_refused(number):
    with pytest.raises(ValueError, match="no exercise"):
        checks.check(number, None)


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (np.True_, True, True),
        (1, True, False),
        ([1, 2], {2, 1}, True),
        ({1, 2}, {1, 2, 3}, False),
        ("a", "a", True),
        (None, 0.5, False),
        ([0.5, 0.25], np.array([0.5, 0.25]), True),
        ((("a", 1), ("b", 2)), [("a", 1), ("b", 2)], True),
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, True),
        ("text", np.zeros(2), False),
    ],
)
def test_expect_compares_by_value(got, expected, same):
    if same:
        checks.expect("The answer", got, expected)
    else:
        with pytest.raises(WrongAnswer):
            checks.expect("The answer", got, expected)
