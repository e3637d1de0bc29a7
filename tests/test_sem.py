import networkx as nx
import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem, words_attention
from cleann_lite.causal.random_graphs import random_dag

ATTENTION = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])


def test_correlation_is_the_cosine_between_rows():
    unit = ATTENTION / np.linalg.norm(ATTENTION, axis=1, keepdims=True)
    got = cl.attention_correlation(ATTENTION.astype(np.float32))
    assert got.dtype == np.float64 and np.allclose(got, unit @ unit.T, atol=1e-7)
    assert cl.attention_correlation([[1.0]]) == [[1.0]]


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (ATTENTION[:2], r"square with rows that sum to 1: got shape \(2, 3\)"),
        (ATTENTION * 2, "row . sums to 2"),
        (np.where(ATTENTION == 0.8, np.nan, ATTENTION), "finite"),
        (ATTENTION - 0.2, "non-negative"),
        (np.zeros((0, 0)), "square"),
        (ATTENTION[0], "square"),
    ],
)
def test_refuses_what_is_no_attention(attention, message):
    with pytest.raises(ValueError, match=message):
        cl.attention_correlation(attention)


def test_words_add_columns_and_average_rows():
    merged = words_attention(ATTENTION, [[2, 0]])  # position 1 stays, as the last row
    assert np.allclose(merged, [[0.75, 0.25], [0.2, 0.8]])
    assert np.allclose(words_attention(ATTENTION, [[0], [1], [2]]), ATTENTION)
    for groups, message in [([[]], "empty"), ([[3]], "0 … 2"), ([[0], [0]], "two groups")]:
        with pytest.raises(ValueError, match=message):
            words_attention(ATTENTION, groups)


def test_a_planted_model_solves_its_own_equations():
    rng = np.random.default_rng(0)
    sem = planted_sem(random_dag(8, 3, rng), rng, noise=(0.5, 2))
    own = (np.eye(8) - sem.weights) @ sem.mixing  # Λ
    assert np.allclose(own, np.diag(own.diagonal()))
    assert {(j, i) for i, j in np.argwhere(sem.weights)} == set(sem.dag.edges)
    data = sem.sample(200_000, rng)
    assert np.allclose(np.corrcoef(data, rowvar=False), sem.correlation, atol=0.02)


def test_a_planted_attention_has_the_planted_correlation():
    rng = np.random.default_rng(1)
    sem = planted_sem(random_dag(8, 3, rng), rng, signed=False)
    assert np.allclose(cl.attention_correlation(sem.attention), sem.correlation)
    with pytest.raises(ValueError, match="never negative"):
        _ = planted_sem(nx.DiGraph([(0, 1), (1, 2)]), np.random.default_rng(1)).attention
