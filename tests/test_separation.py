"""d-separation of many questions at once, against networkx and against one question at a time."""

import networkx as nx
import numpy as np
import pytest

from cleann_lite.causal.bitsets import (
    as_bits,
    as_words,
    bits,
    bits_as_rows,
    counts,
    entries,
    from_words,
    join,
    packed,
    pairs,
    reachable,
    rows_as_bits,
    unpacked,
)
from cleann_lite.causal.random_graphs import random_dag
from cleann_lite.causal.separation import DAGSeparation


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
    words, sets = packed(rows), rows_as_bits(rows)
    assert (unpacked(words, n) == rows).all() and (as_words(sets, n) == words).all()
    assert from_words(words) == sets and counts(words).tolist() == rows.sum(axis=1).tolist()
    assert (np.array(entries(words)) == np.array(np.nonzero(rows))).all()
    both = rows[:n, :n].repeat(1 + n // 30, axis=0)[:n]
    assert (np.array(pairs(both | both.T)) == np.array(np.nonzero(np.triu(both | both.T, 1)))).all()


@pytest.mark.parametrize("n", [20, 127, 128, 129, 200])
@pytest.mark.parametrize("share", [0.0, 0.004, 0.02, 0.6])
def test_relations_of_any_size_are_joined_and_closed(n, share):
    rng = np.random.default_rng(n)
    first, second = rng.random((n, n)) < share, rng.random((n, n)) < 0.05
    assert (join(first, second) == (first.astype(int) @ second > 0)).all()
    assert (join(second, first) == (second.astype(int) @ first > 0)).all()
    closure = nx.transitive_closure(nx.from_numpy_array(first, create_using=nx.DiGraph), reflexive=True)
    assert (reachable(first) == nx.to_numpy_array(closure, range(n), weight=None).astype(bool)).all()
