"""Robust graphs and explanations: against graphs learned one by one, and where the answer is known."""

import numpy as np
import pytest
from linear_model import LinearModel

from cleann_lite import PAG, PartialCorrelation, attention_correlation, explain, learn_pag
from cleann_lite.explaining.robustness import (
    Robustness,
    _overlap,
    equivalent_corners,
    explanation_robustness,
    layer_corners,
    replaced_attention,
    robustness,
    shuffled_attention,
)

MODEL = LinearModel({"dull": -2.0, "boring": -2.0, "fine": 1.5, "warm": 1.0, "slow": -0.5}, bias=2.0, seed=5)
TEXT = "a dull boring slow plot and a fine warm end of a slow and dull evening with no fine joke"


def head(n=14, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n, 0.3), size=n), rng.normal(size=(n, d))


def test_shares_are_counted_over_graphs():
    first = PAG([[0, 2, 0], [1, 0, 1], [0, 2, 0]], labels=("a", "b", "c"))
    other = PAG([[0, 2, 1], [3, 0, 0], [1, 0, 0]], labels=("a", "b", "c"))
    found = Robustness.of(first, [first, first, other, other], [0.1] * 4)
    np.testing.assert_array_equal(found.edges, [[0, 1, 0.5], [1, 0, 0.5], [0.5, 0.5, 0]])
    np.testing.assert_array_equal(found.marks, [[0, 1, 0], [0.5, 0, 0.5], [0, 0.5, 0]])
    assert (found.edge_share, found.mark_share, found.robust_share) == (0.75, 0.625, 0.5)
    assert found.chance_share == pytest.approx(2 / 3)  # two of three pairs, in every graph
    assert found.describe() == [
        "“a” and “b”: an edge in 100 % of the graphs, the same marks in 50 % at most.",
        "“b” and “c”: an edge in 50 % of the graphs, the same marks in 50 % at most.",
    ]
    assert np.isnan(Robustness.of(PAG(np.zeros((2, 2), int)), []).edge_share)


def test_graphs_are_those_of_the_sampled_attentions():
    attention, value = head()
    found = robustness(
        attention, value, n_samples=300, alpha=0.05, samples=6, reach=0.5, seed=3, nodes=[1, 4, 5, 9]
    )
    corners = equivalent_corners(attention, value, samples=6, seed=3)
    assert len(found.pags) == 6
    for pag, distance, corner in zip(found.pags, found.distance, corners, strict=True):
        other = (attention + corner) / 2
        np.testing.assert_allclose(other @ value, attention @ value, atol=1e-8)
        test = PartialCorrelation(attention_correlation(other), 300, alpha=0.05)
        assert pag == learn_pag(test, nodes=[1, 4, 5, 9])
        assert distance == pytest.approx(np.abs(other - attention).sum(axis=1).mean() / 2)
    assert found.pag == learn_pag(
        PartialCorrelation(attention_correlation(attention), 300, alpha=0.05), nodes=[1, 4, 5, 9]
    )
    for i in range(4):
        for j in range(4):
            assert found.edges[i, j] == np.mean([pag.marks[i, j] != 0 for pag in found.pags])


def test_a_graph_of_identifiable_weights_cannot_change():
    attention, value = head(14, 13)
    found = robustness(attention, value, n_samples=300)
    assert found.pags == () and len(found.distance) == 0
    assert found.edge_share == found.mark_share == found.robust_share == 1


def test_the_graph_changes_with_the_way_gone():
    attention, value = head()
    near, far = (robustness(attention, value, n_samples=300, samples=8, reach=reach) for reach in (1e-9, 1.0))
    assert near.edge_share == near.mark_share == 1
    assert far.edge_share < 0.9
    np.testing.assert_allclose(near.distance, 1e-9 * far.distance)


def test_a_learner_of_ones_own_is_asked():
    attention, value = head()
    seen = []

    def learn(weights):
        seen.append(weights)
        return PAG([[0, 1], [1, 0]])

    assert robustness(attention, value, learn=learn, samples=3).edge_share == 1
    np.testing.assert_array_equal(seen[0], attention)
    np.testing.assert_allclose(seen[1:], equivalent_corners(attention, value, samples=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs n_samples for its independence test, or learn"),
        ({"n_samples": 100, "reach": 0.0}, r"reach must lie in \(0, 1\]: got 0.0"),
        ({"n_samples": 100, "reach": 1.5}, r"reach must lie in \(0, 1\]: got 1.5"),
        ({"n_samples": 100, "samples": 0}, "samples must be at least 1: got 0"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        robustness(*head(), **options)


@pytest.mark.parametrize("seed", range(20))
def test_an_attention_that_stands_in_the_first_corner_drawn_is_not_determined(seed):
    attention = np.array([[0.5, 0, 0.5], [0, 1, 0], [1, 0, 0]])  # the first row may become the second
    corners = equivalent_corners(attention, np.array([[0.0], [0.5], [1.0]]), samples=12, seed=seed)
    assert len(corners) == 12 and np.abs(corners - attention).max() == pytest.approx(1)


def test_corners_of_a_layer_leave_determined_heads_alone():
    attention, free = head(12, 3)
    fixed = head(12, 11)[1]
    corners = layer_corners([attention, attention], [np.pad(free, ((0, 0), (0, 8))), fixed], samples=3)
    assert corners.shape == (3, 2, 12, 12)
    np.testing.assert_allclose(corners[:, 0], equivalent_corners(attention, free, samples=3), atol=1e-7)
    np.testing.assert_array_equal(corners[:, 1], np.broadcast_to(attention, (3, 12, 12)))
    assert layer_corners([attention], [fixed], samples=3).shape == (0, 1, 12, 12)


def test_shuffled_attention_is_the_same_graph_over_other_words():
    attention = MODEL.attention(MODEL.encode(TEXT))
    n = attention.shape[-1]
    for other in shuffled_attention(attention, range(1, n), samples=3):
        order = [int(np.flatnonzero(np.isclose(attention[0].diagonal(), d))[0]) for d in other[0].diagonal()]
        assert order[0] == 0 and sorted(order) == list(range(n)) and order != list(range(n))
        for head, moved in zip(attention, other, strict=True):
            for i in range(n):
                for j in range(n):
                    assert moved[i, j] == head[order[i], order[j]]
    np.testing.assert_array_equal(shuffled_attention(attention, [], samples=2), [attention, attention])
    assert shuffled_attention(attention, range(1, n), samples=0).shape == (0, *attention.shape)


def test_replaced_attention_changes_nothing_else():
    encoded = MODEL.encode(TEXT)
    attention = MODEL.attention(encoded)
    model = LinearModel(MODEL.weights, MODEL.bias, MODEL.seed)
    replaced = replaced_attention(model, attention)
    direct, same = explain(MODEL, TEXT, certify=False), explain(replaced, TEXT, certify=False)
    assert {one.positions for one in same.sets} == {one.positions for one in direct.sets} and direct.sets
    assert same.prediction == direct.prediction and same.pags == direct.pags
    run = model.rows_run
    np.testing.assert_array_equal(replaced.predict(encoded, [(), (1,)]), MODEL.predict(encoded, [(), (1,)]))
    explain(replaced, TEXT, certify=False)
    assert model.rows_run <= run + 1  # (1,) at most was new


def test_overlap_is_words_in_common_over_words_in_either():
    assert _overlap((1, 2), {(1, 2, 3, 4), (5,), (2, 3)}) == 0.5
    assert _overlap((1, 2), {(2, 1)}) == 1 and _overlap((1, 2), set()) == _overlap((1,), {(2,)}) == 0


def test_explanations_are_compared_set_by_set():
    attention = MODEL.attention(MODEL.encode(TEXT))
    values = np.random.default_rng(1).normal(size=(len(attention), attention.shape[1], 3))
    corners = layer_corners(attention, values, samples=4)
    found = explanation_robustness(MODEL, TEXT, corners)
    sets = []
    for corner in corners:
        other = explain(replaced_attention(MODEL, corner), TEXT, certify=False, search="cleann")
        sets.append([one.positions for one in other.sets])
        assert all(other.pags[h] == found.graphs[h].pags[len(sets) - 1] for h in other.pags)
    assert found.explanation.sets and len(found.shares) == len(found.explanation.sets)
    for one, share in zip(found.explanation.sets, found.shares, strict=True):
        assert share == np.mean([one.positions in others for others in sets])
    for one, overlap in zip(found.explanation.sets, found.overlaps, strict=True):
        mine = set(one.positions)
        best = [max([len(mine & {*u}) / len(mine | {*u}) for u in others] or [0]) for others in sets]
        assert overlap == pytest.approx(np.mean(best))
    assert found.found == np.mean([bool(others) for others in sets])
    same = explanation_robustness(MODEL, TEXT, np.stack([attention] * 2))
    assert {*same.shares, *same.overlaps} == {1.0} and same.found == 1
    again = explanation_robustness(MODEL, TEXT, corners, known=found.explanation)
    assert again.explanation is found.explanation
    assert (again.shares, again.overlaps, again.found) == (found.shares, found.overlaps, found.found)
    none = explanation_robustness(MODEL, TEXT, corners[:0])
    assert np.isnan(none.shares).all() and none.graphs[0].edge_share == 1
    with pytest.raises(ValueError, match=r"corners must be \(samples"):
        explanation_robustness(MODEL, TEXT, corners[0])
