"""The checks of notebook 09: right answers pass, and each typical wrong one is told its cause."""

import numpy as np
import pytest

from cleann_lite.course import checks
from cleann_lite.course.checks import WrongAnswer
from cleann_lite.course.checks.notebook_09 import CHECKS


def rest(n, chosen):
    return [u for u in range(n) if u not in chosen]


def both(a, b):
    return ~np.isnan(a) & ~np.isnan(b)


def quantiles(means, low=2.5):
    return np.percentile(means, [low, 100 - low])


RIGHT = {
    "9.1": [lambda s, c: np.nan_to_num(s, nan=c).mean(), lambda s, c: np.where(s > 0, s, c).mean()],
    "9.2": [lambda a, b: np.nanmean(a - b), lambda a, b: a[both(a, b)].mean() - b[both(a, b)].mean()],
    "9.3": [lambda v, d: quantiles(v[d].mean(axis=1)), lambda v, d: quantiles([v[i].mean() for i in d])],
    "9.4": [lambda p, n, s: (p([]) - p(s), p([]) - p(rest(n, s)))],
}  # fmt: skip
WRONG = [
    ("9.1", lambda s, c: np.nan_to_num(s, nan=c), "take their mean"),
    ("9.1", lambda s, c: np.nan_to_num(s, nan=np.nanmax(s) + 1).mean(), "the cost of a failure is given"),
    ("9.2", lambda a, b: (a - b)[both(a, b)], "take their mean"),
    ("9.3", lambda v, d: quantiles(np.random.default_rng(1).choice(v, d.shape).mean(axis=1)), "not others"),
    ("9.1", lambda s, c: np.nanmean(s), "failures were left out"),
    ("9.1", lambda s, c: np.nan_to_num(s).mean(), "counted as 0"),
    ("9.1", lambda s, c: np.nan_to_num(s, nan=c).sum() / (s == s).sum(), "number of successes"),
    ("9.1", lambda s, c: s.mean(), "NaN"),
    ("9.1", lambda s, c: np.nan_to_num(s, nan=c).sum(), "this is the sum"),
    ("9.2", lambda a, b: np.nanmean(b - a), "first minus second"),
    ("9.2", lambda a, b: np.nanmean(a) - np.nanmean(b), "own successes"),
    ("9.2", lambda a, b: (np.nan_to_num(a) - np.nan_to_num(b)).mean(), "came in as 0"),
    ("9.2", lambda a, b: np.nansum(a - b) / len(a), "number of all inputs"),
    ("9.2", lambda a, b: (a - b).mean(), "NaN"),
    ("9.2", lambda a, b: np.nanmean(abs(a - b)), "sign was lost"),
    ("9.3", lambda v, d: quantiles(v), "the values themselves"),
    ("9.3", lambda v, d: quantiles(v[d]), "all values that were drawn"),
    ("9.3", lambda v, d: quantiles(v[d].mean(axis=0)), "axis=1"),
    ("9.3", lambda v, d: quantiles(v[d].mean(axis=1), 5), "2.5 %"),
    ("9.3", lambda v, d: quantiles(v[d].mean(axis=1), 0.5), "99 %"),
    ("9.3", lambda v, d: quantiles(v[d].mean(axis=1))[::-1], "upper end came first"),
    (
        "9.3",
        lambda v, d: v.mean() + np.array([-1.96, 1.96]) * v.std() / np.sqrt(len(v)),
        "normal distribution",
    ),
    ("9.4", lambda p, n, s: (p([]) - p(rest(n, s)), p([]) - p(s)), "changed places"),
    ("9.4", lambda p, n, s: (p(s) - p([]), p(rest(n, s)) - p([])), "the sign"),
    ("9.4", lambda p, n, s: (p(s), p(rest(n, s))), "these are probabilities"),
    ("9.4", lambda p, n, s: (p([]) - p(s), p([]) - p(s)), "masked both times"),
    ("9.4", lambda p, n, s: (p([]) - p(s), p([]) - p(range(n))), "masked everything"),
]


@pytest.mark.parametrize(("number", "answer"), [(n, a) for n, several in RIGHT.items() for a in several])
def test_right_answer_passes(number, answer):
    assert checks.check(number, answer).number == number


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_wrong_answer_is_told_its_cause(number, answer, cause):
    with pytest.raises(WrongAnswer) as raised:
        checks.check(number, answer)
    assert cause in str(raised.value).partition("Likely cause")[2]


def test_every_check_has_right_and_wrong_answers():
    assert set(CHECKS) == set(RIGHT) == {number for number, _, _ in WRONG}
