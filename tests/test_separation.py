"""d-separation of many questions at once, against networkx and against one question at a time."""

import networkx as nx
import numpy as np
import pytest

from cleann_lite.causal.random_graphs import random_dag
from cleann_lite.causal.separation import DAGSeparation, as_bits, bits, bits_as_rows, rows_as_bits


@pytest.mark.parametrize("n", [6, 20, 70])
def test_many_questions_at_once(n):
    rng = np.random.default_rng(n)
    dag = random_dag(n, 3, rng)
    separation = DAGSeparation(dag, first=range(n))
    pairs = np.array([rng.permutation(n)[:2] for _ in range(400)])
    sets = [as_bits(v for v in range(n) if rng.random() < 0.3 and v not in pair) for pair in pairs]
    together = separation.separated_each(pairs[:, 0], pairs[:, 1], sets)
    assert together.tolist() == [
        separation.separated(x, y, given) for (x, y), given in zip(pairs.tolist(), sets, strict=True)
    ]
    assert 0 < together.mean() < 1
    for (x, y), given, answer in zip(pairs[:60].tolist(), sets, together, strict=False):
        assert nx.is_d_separator(dag, x, y, set(bits(given))) == answer


@pytest.mark.parametrize("n", [1, 8, 63, 64, 65, 200])
def test_sets_and_rows_are_each_others_inverse(n):
    rows = np.random.default_rng(n).random((30, n)) < 0.5
    assert (bits_as_rows(rows_as_bits(rows), n) == rows).all()
    assert [list(bits(members)) for members in rows_as_bits(rows)] == [
        np.flatnonzero(r).tolist() for r in rows
    ]
