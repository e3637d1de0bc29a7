import math
import sys
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from cleann_lite.causal.asked import Asked
from cleann_lite.causal.batched import PValueTest
from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.g_squared import GSquared
from cleann_lite.causal.independence import PartialCorrelation


@pytest.fixture
def correlation():
    rng = np.random.default_rng(0)
    return np.corrcoef(rng.normal(size=(60, 9)) @ rng.normal(size=(9, 9)), rowvar=False)


def textbook(correlation, n_samples, x, y, given, one_sided=False):
    block = np.linalg.inv(correlation[np.ix_([x, y, *given], [x, y, *given])])
    r = -block[0, 1] / np.sqrt(block[0, 0] * block[1, 1])
    z = np.sqrt(n_samples - len(given) - 3) * np.arctanh(r)
    return min(1.0, 2 * stats.norm.sf(z if one_sided else abs(z)))


@pytest.mark.parametrize("one_sided", [False, True])
def test_p_values_equal_the_textbook_formula(correlation, one_sided):
    test = PartialCorrelation(correlation, 60, one_sided=one_sided)
    for size in range(7):
        sets = list(combinations(range(2, 9), size))
        many = test.p_values(np.zeros(len(sets), int), np.ones(len(sets), int), np.array(sets, dtype=int))
        want = [textbook(correlation, 60, 0, 1, given, one_sided) for given in sets]
        assert np.allclose(many, want, rtol=1e-9, atol=1e-14)
        assert np.allclose([test.p_value(1, 0, given) for given in sets], want, rtol=1e-9, atol=1e-14)


def test_no_question_has_no_answer(correlation):
    test = PartialCorrelation(correlation, 60)
    for sets in ([], np.empty((0, 2), int)):
        assert test.p_values([], [], sets).shape == test.partial_correlations([], [], sets).shape == (0,)


def test_every_way_of_asking_gives_the_same_answer(correlation):
    one, other = PartialCorrelation(correlation, 60, 0.1), PartialCorrelation(correlation, 60, 0.1)
    sets = [as_bits(s) for size in range(4) for s in combinations(range(2, 9), size)]
    singly = [one.independent(0, 1, [z for z in range(9) if s >> z & 1]) for s in sets]
    at_once = []
    for size in range(4):
        members = np.array([*combinations(range(2, 9), size)], dtype=int).reshape(math.comb(7, size), size)
        ends = np.ones(len(members), dtype=int)
        for _ in range(2):  # the same question counts once
            independent, solvable = other.answer_each(ends, 0 * ends, members)
        at_once += independent.tolist()
        assert solvable.all()
    assert at_once == singly
    assert other.n_tests == one.n_tests == len(sets) and other.tests_by_size() == one.tests_by_size()
    for size in (1, 2, 3):
        same = [s for s in sets if s.bit_count() == size]
        want = next((i for i, s in enumerate(same) if singly[sets.index(s)]), None)
        fresh = PartialCorrelation(correlation, 60, 0.1)
        (found,), (p,) = fresh.first_separating([(1, 0, same)])
        told = same if want is None else same[want : want + 1]
        assert found == want and p == max(
            one.p_value(0, 1, [z for z in range(9) if s >> z & 1]) for s in told
        )
        assert fresh.n_tests == (len(same) if want is None else want + 1)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.08, 0.0])
def test_singles_are_asked_strongest_first(share, one_sided):
    rng = np.random.default_rng(1)
    correlation = np.corrcoef(rng.normal(size=(60, 12)) @ rng.normal(size=(12, 12)), rowvar=False)
    test = PartialCorrelation(correlation, 60, 0.1, one_sided)
    x, y = np.array(list(combinations(range(12), 2))).T
    near = rng.random((len(x), 12)) < share
    near[np.arange(len(x)), x] = near[np.arange(len(x)), y] = False
    asked = 0
    found_each, p_each = test.separating_singles(x, y, near, np.arange(12))
    for a, b, near_z, found, p in zip(x, y, near, found_each, p_each, strict=True):
        strength = np.minimum(np.abs(correlation[a]), np.abs(correlation[b]))
        order = [z for z in np.argsort(-strength) if near_z[z]]
        p_of = {z: textbook(correlation, 60, a, b, [z], one_sided) for z in order}
        separating = [z for z in order if p_of[z] > 0.1]
        assert found == (separating[0] if separating else -1)
        told = separating[:1] or order
        assert p == pytest.approx(max(p_of[z] for z in told)) if told else np.isnan(p)
        asked += order.index(found) + 1 if separating else len(order)
    assert test.n_tests == asked and (share == 0 or max(found_each) > -1)


def test_the_same_question_counts_once(correlation):
    test = PartialCorrelation(correlation, 60)
    for _ in range(2):
        test.independent(3, 5, [1, 2])
        test.independent(5, 3, [2, 1])
        test.independent(5, 3)
    assert test.n_tests == 2 and test.tests_by_size() == [1, 0, 1]


def test_another_level_counts_anew(correlation):
    test = PartialCorrelation(correlation, 60, 0.01)
    p = test.p_value(0, 1, [2, 3])
    other = test.with_alpha(p / 2)
    assert other.n_tests == 0 and other.independent(0, 1, [2, 3]) and other.n_tests == 1
    assert other.p_value(0, 1, [2, 3]) == p and not test.with_alpha(p).independent(0, 1, [2, 3])


@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize("n", [5, 70])
def test_distinct_questions_are_counted_like_a_set_of_them(n, tables):
    rng, asked, plain = np.random.default_rng(n), Asked(n), set()
    for _ in range(60):
        size = int(rng.integers(0, 4))
        drawn = np.array([rng.permutation(min(n, 12))[: size + 2] for _ in range(20)])
        x, y, members = drawn[:, :2].min(1), drawn[:, :2].max(1), np.sort(drawn[:, 2:], axis=1)
        odd = members.sum(axis=1) % 3 > 0
        asked.tick(x, y, members, odd)
        plain |= {(a, b, tuple(z)) for a, b, z in zip(x.tolist(), y.tolist(), members.tolist(), strict=True)}
        if tables:  # of each pair once, some of them asked before
            x, y = np.unique(np.column_stack([x, y]), axis=0).T
            table = rng.random((len(x), n)) < 0.1
            asked.tick_singles(x, y, table)
            plain |= {(int(x[i]), int(y[i]), (int(z),)) for i, z in np.argwhere(table)}
    sizes = [len(z) for _, _, z in plain]
    assert asked.counts() == [sizes.count(size) for size in range(4)]
    small = {
        (a, b, tuple(z))
        for x, y, sets in asked.small()
        for a, b, z in zip(x.tolist(), y.tolist(), sets.tolist(), strict=True)
    }
    assert small == {question for question in plain if len(question[2]) < 2}
    assert asked.unsolvable() == sum(len(z) > 1 and sum(z) % 3 == 0 for _, _, z in plain)


def test_the_thousandth_question_costs_what_the_first_did():
    """Counted in calls of Python functions, which no other process can change."""
    test = PartialCorrelation(
        np.corrcoef(np.random.default_rng(0).normal(size=(60, 40)), rowvar=False), 10**4
    )
    questions = [(x, y, (z,)) for x, y, z in combinations(range(40), 3)][:1100]

    def calls(some):
        counted = []
        sys.setprofile(lambda frame, event, argument: counted.append(event) if event == "call" else None)
        try:
            for question in some:
                test.p_value(*question)
        finally:
            sys.setprofile(None)
        return len(counted)

    first, _, last = calls(questions[:100]), calls(questions[100:1000]), calls(questions[1000:])
    assert last <= 1.1 * first


def test_singular_blocks_are_dependent_and_counted():
    twins = np.array([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 1]])
    test = PartialCorrelation(twins, 100)
    assert test.p_value(0, 1) == 0.0 and test.p_value(0, 2, [1]) == 0.0 and test.p_value(0, 1, [2]) == 0.0
    assert test.n_singular == 3
    test.p_value(1, 2, [0])
    test.p_value(0, 1)
    assert test.n_singular == 4 and test.with_alpha(0.05).n_singular == 0


def test_singular_tests_are_counted_once_however_they_are_asked():
    rng = np.random.default_rng(0)
    rows = rng.random((6, 40))
    correlation = np.corrcoef(np.vstack([rows, rows[:2], rows[0] + rows[1]]))
    fast, traced = PartialCorrelation(correlation, 40), PartialCorrelation(correlation, 40)
    learn_pag(fast)
    once = fast.n_singular
    learn_pag(fast)
    learn_pag(traced, trace=True)
    assert fast.n_singular == traced.n_singular == once > 0
    asked = [step for step in learn_pag(traced, trace=True).trace if step.kind == "test"]
    sets = {(step.x, step.y, step.given) for step in asked}
    alone = [np.isnan(traced.partial_correlations([x], [y], [given])[0]) for x, y, given in sets]
    assert sum(alone) == once


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)), 50), "square"),
        (([[1, np.nan], [np.nan, 1]], 50), "finite"),
        (([[1, 0.2], [0.3, 1]], 50), "symmetric"),
        (([[1, 1.2], [1.2, 1]], 50), "−1 … 1"),
        (([[0.5, 0.2], [0.2, 1]], 50), "diagonal"),
        ((np.eye(2), 3), "above 3"),
        ((np.eye(2), 50, 0.0), "alpha"),
        ((np.eye(2), 50, 1.0), "alpha"),
        ((np.eye(2), 50, float("nan")), "alpha"),
    ],
)
def test_refuses_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        PartialCorrelation(*arguments)


def test_refuses_too_few_samples_for_the_conditioning_set(correlation):
    with pytest.raises(ValueError, match="n_samples above 6: got 6"):
        PartialCorrelation(correlation, 6).p_value(0, 1, [2, 3, 4])
    for x, y, given in [(0, 0, ()), (0, 1, (1,)), (0, 9, ()), (0, 1, (-1,))]:
        with pytest.raises(ValueError, match=r"overlap|numbered"):
            PartialCorrelation(correlation, 60).p_value(x, y, given)


def test_g_squared_equals_scipy():
    rng = np.random.default_rng(1)
    data = rng.integers(0, 3, (400, 3))
    data[:, 1] = np.where(rng.random(400) < 0.3, data[:, 0], data[:, 1])
    table = stats.contingency.crosstab(data[:, 0], data[:, 1]).count
    want = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").pvalue
    assert GSquared(data).p_value(0, 1) == pytest.approx(want)
    strata = [stats.contingency.crosstab(*data[data[:, 2] == k, :2].T).count for k in range(3)]
    each = [stats.chi2_contingency(t, correction=False, lambda_="log-likelihood") for t in strata]
    want = stats.chi2.sf(sum(e.statistic for e in each), sum(e.dof for e in each))
    assert GSquared(data).p_value(0, 1, [2]) == pytest.approx(want)


def test_a_test_of_ones_own_is_one_method():
    class Never(PValueTest):
        def compute(self, x, y, given):
            return 0.0

    test = Never(3)
    assert not test.independent(2, 0, [1]) and test.n_tests == 1
