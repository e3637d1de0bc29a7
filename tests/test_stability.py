"""Shares over resampled data."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem
from cleann_lite.causal.random_graphs import random_dag
from cleann_lite.causal.stability import adjusted_p_values, stability


def drawn(seed, n_nodes=8, n_samples=500):
    rng = np.random.default_rng(seed)
    dag = random_dag(n_nodes, 2.0, rng)
    return dag, planted_sem(dag, rng).sample(n_samples, rng)


def test_true_edges_come_back_more_often_and_a_seed_fixes_all():
    true, false = [], []
    for seed in range(5):
        dag, data = drawn(seed)
        found = stability(data, draws=30, seed=1)
        again = stability(data, draws=30, seed=1)
        assert (found.marks == again.marks).all()
        assert not (found.edges == stability(data, draws=30, seed=2).edges).all()
        assert np.allclose(found.marks.sum(axis=0), 1) and (found.edges == found.edges.T).all()
        skeleton = nx.to_numpy_array(dag.to_undirected(), nodelist=range(len(dag))) > 0
        upper = np.triu_indices(len(dag), 1)
        true += found.edges[upper][skeleton[upper]].tolist()
        false += found.edges[upper][~skeleton[upper]].tolist()
    assert stats.mannwhitneyu(true, false).statistic / (len(true) * len(false)) > 0.9


def test_half_samples_are_halves_and_options_reach_the_learner():
    _, data = drawn(0)
    half = stability(data, draws=10, half=True, tiers=[range(7), [7]], method="fci")
    assert half.samples == 250
    assert half.marks[cl.Mark.TAIL][:, 7].max() == half.marks[cl.Mark.CIRCLE][:, 7].max() == 0
    pag = cl.learn_pag(cl.PartialCorrelation.from_data(data))
    share = stability(data, draws=10).of(pag)
    assert share.shape == (8, 8) and (share >= 0).all() and (share <= 1).all()
    with pytest.raises(ValueError, match="draws must be at least 1"):
        stability(data, draws=0)


def test_one_draw_by_hand():
    _, data = drawn(3)
    rows = data[np.random.default_rng(5).integers(0, 500, 500)]
    want = cl.learn_pag(cl.PartialCorrelation.from_data(rows)).marks
    found = stability(data, draws=1, seed=5)
    assert (found.marks.argmax(axis=0) == want).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "fci"},
        {"method": "fci", "max_tests": 60},  # some draws meet the cap
        {"max_tests": 25},
        {"max_size": 1, "selection_bias": False, "legal": False, "confirm_colliders": False},
        {"tiers": [[3, 0], [1, 2, 4, 7], [5, 6]]},
        {"nodes": [6, 1, 0, 4], "tiers": [[4], [6, 0], [1]], "labels": list("abcd")},
        {"method": "ordered-icd", "order": [7, 6, 5, 4, 3, 2, 1, 0], "order_independent": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("half", [False, True])
def test_draws_searched_together_are_those_searched_alone(options, half):
    for seed in range(2):
        _, data = drawn(seed, n_samples=200)
        draws, rng = 18, np.random.default_rng(seed)  # 8 variables: eight draws in one search
        shares = np.zeros((4, *(2 * [len(options.get("nodes", range(8)))])))
        for _ in range(draws):
            rows = rng.permutation(200)[:100] if half else rng.integers(0, 200, 200)
            marks = cl.learn_pag(cl.PartialCorrelation.from_data(data[rows]), **options).marks
            shares += marks == np.arange(4)[:, None, None]
        assert np.allclose(stability(data, draws, half, seed, **options).marks, shares / draws)


def test_adjusted_p_values():
    _, data = drawn(1)
    pag = cl.learn_pag(cl.PartialCorrelation.from_data(data))
    upper = np.triu_indices(8, 1)
    p = pag.p_values[upper]
    order, m = np.argsort(p), len(p)
    want, best = np.empty(m), 1.0
    for rank, i in reversed(list(enumerate(order, 1))):  # Benjamini and Hochberg, by their definition
        best = min(best, p[i] * m / rank)
        want[i] = best
    assert np.allclose(adjusted_p_values(pag, "bh")[upper], want)
    assert (adjusted_p_values(pag)[upper] >= want).all()
    oracle = cl.learn_pag(cl.DSeparation(nx.DiGraph([(0, 1)]), [0, 1]))
    assert adjusted_p_values(oracle).shape == (2, 2)
