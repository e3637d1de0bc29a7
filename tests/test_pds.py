from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from cleann_lite.causal.bitsets import as_bits, bits
from cleann_lite.causal.pds import PDSGraph, TooManySets, pds_distances, pds_sets

# 0 <-> 1, 0 <-> 2, 1 <-> 3, 2 <-> 3, 3 <-> 4
SQUARE = np.zeros((5, 5), int)
for i, j in [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]:
    SQUARE[i, j] = SQUARE[j, i] = 2


def random_marks(rng, n, density):
    edges = np.triu(rng.random((n, n)) < density, 1)
    marks = np.where(edges | edges.T, rng.integers(1, 4, (n, n)), 0)
    return marks


def by_definition(marks, root, inside):
    """Shortest simple PDS-path from root to each node of ``inside``, by listing every path."""
    found = {}
    for length in range(1, len(inside) + 1):
        for path in permutations(inside, length):
            walk = (root, *path)
            joined = all(marks[a, b] for a, b in pairwise(walk))
            passes = all(
                (marks[u, v] == 2 and marks[w, v] == 2) or marks[u, w]
                for u, v, w in zip(walk, walk[1:], walk[2:], strict=False)
            )
            if joined and passes:
                found.setdefault(path[-1], length)
    return found


def test_the_square_that_a_consuming_search_gets_wrong():
    assert [z for z, _ in pds_sets(SQUARE, 0, 3)] == [(1, 2, 3), (1, 3, 4), (2, 3, 4)]


@pytest.mark.parametrize("seed", range(25))
def test_sets_and_distances_agree_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    n = 6
    marks = random_marks(rng, n, rng.choice([0.3, 0.5, 0.8]))
    root = seed % n
    exclude = tuple(v for v in np.flatnonzero(rng.random(n) < 0.15).tolist() if v != root)
    inside = [v for v in range(n) if v not in (root, *exclude)]
    distances = by_definition(marks, root, inside)
    assert pds_distances(marks, root, exclude) == distances
    for size in range(1, 5):
        want = sorted(
            (sum(distances[v] for v in members), members)
            for members in combinations(inside, size)
            if set(by_definition(marks, root, members)) == set(members)
        )
        got = [(total, nodes) for nodes, total in pds_sets(marks, root, size, exclude)]
        assert got == want
        for limit in (1, 3):
            assert [nodes for nodes, _ in pds_sets(marks, root, size, exclude, limit=limit)] == [
                nodes for _, nodes in want[:limit]
            ]


def test_limit_keeps_the_nearest():
    marks = random_marks(np.random.default_rng(3), 9, 0.7)
    everything = list(pds_sets(marks, 0, 3))
    assert list(pds_sets(marks, 0, 3, limit=5)) == everything[:5]
    assert list(pds_sets(marks, 0, 0)) == [((), 0)]


def test_root_must_be_a_node():
    with pytest.raises(ValueError, match="node number"):
        list(pds_sets(SQUARE, 5, 1))


@pytest.mark.parametrize("seed", range(5))
def test_many_searches_at_once_reach_what_each_alone_does(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([9, 40, 70]))  # sets of one word and of more
    graph = PDSGraph(random_marks(rng, n, 4 / n))
    roots = rng.integers(0, n, 1000).tolist()
    insides = [as_bits(np.flatnonzero(rng.random(n) < 0.7).tolist()) for _ in roots]
    alone = [graph.reached(root, inside) for root, inside in zip(roots, insides, strict=True)]
    assert graph.reached_each(roots, insides, [-1] * 1000) == alone
    assert any(reached.bit_count() > 5 for reached in alone)


@pytest.mark.parametrize("seed", range(5))
def test_trees_grown_together_hold_every_legal_set(seed):
    rng = np.random.default_rng(seed)
    marks = random_marks(rng, 9, 0.4)
    graph = PDSGraph(marks)
    trees = [
        (root, as_bits(v for v in range(9) if v not in (root, out))) for root in range(9) for out in range(9)
    ]
    for size in (1, 2, 3, 4, 2):  # growing, then smaller again
        graph.grow(trees, size, 10**6)
        for root, allowed in trees:
            exclude = [v for v in range(9) if not allowed >> v & 1 and v != root]
            want = {as_bits(nodes) for nodes, _ in pds_sets(marks, root, size, exclude)}
            assert set(graph.legal_sets(root, size, allowed, 10**6)) == want
            sums = graph.distance_sums(root, allowed, list(want)) if want else []
            distance = pds_distances(marks, root, exclude)
            assert sums == [sum(distance[v] for v in bits(members)) for members in want]
    with pytest.raises(TooManySets):
        PDSGraph(marks).grow(trees, 3, 20)
