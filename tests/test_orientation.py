from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from oracle_cases import SHARED, oracle_cases
from oracle_mags import pag_by_enumeration

from cleann_lite.causal.bitsets import rows_as_bits
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.graphs import PAG
from cleann_lite.causal.independence import DSeparation
from cleann_lite.causal.mags import mag_of_dag
from cleann_lite.causal.orientation import orient, pag_of_mag, uncovered_path


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_recorded_pag_of_every_recorded_mag():
    wrong = [case["id"] for case in oracle_cases() if (pag_of_mag(case["mag"]) != case["pag"]).any()]
    assert wrong == []


def test_an_arrowhead_beats_a_tail():
    # 0 o-> 1 <-o 2 and 3 o-> 4 <-o 5 are colliders; R1 then wants 1 -> 4 and 4 -> 1
    skeleton = np.zeros((6, 6), bool)
    for i, j in [(0, 1), (2, 1), (3, 4), (5, 4), (1, 4)]:
        skeleton[i, j] = skeleton[j, i] = True
    apart = [(i, j) for i in range(6) for j in range(i + 1, 6) if not skeleton[i, j]]
    separators = {pair: sum(1 << z for z in (1, 4) if z not in pair) for pair in apart}
    separators[0, 2] = separators[3, 5] = 0
    assert str(PAG(orient(skeleton, separators))).splitlines()[2] == "1 <-> 4"


def selected_pairs(*pairs):
    """A cause of selection for each pair: they become undirected edges."""
    return [(x, f"{a}{b}") for a, b in pairs for x in (a, b)]


# name -> (edges, PAG, the rules that it takes)
SELECTION = {
    "a circle of four: R5": (
        selected_pairs((0, 1), (1, 2), (2, 3), (3, 0)),
        ["0 --- 1", "0 --- 3", "1 --- 2", "2 --- 3"],
        {"R5"},
    ),
    "an edge beside an undirected one: R6": (
        [*selected_pairs((0, 1), (1, 2), (2, 3), (3, 0)), (0, 4)],
        ["0 --- 1", "0 --- 3", "0 --o 4", "1 --- 2", "2 --- 3"],
        {"R5", "R6"},
    ),
    "a chain that leaves it: R7": (
        [*selected_pairs((0, 1), (1, 2), (2, 3), (3, 0)), (0, 4), (4, 5)],
        ["0 --- 1", "0 --- 3", "0 --o 4", "1 --- 2", "2 --- 3", "4 --o 5"],
        {"R5", "R6", "R7"},
    ),
    "a chord leaves the circle open": (
        selected_pairs((0, 1), (1, 2), (2, 3), (3, 0), (0, 2)),
        ["0 o-o 1", "0 o-o 2", "0 o-o 3", "1 o-o 2", "2 o-o 3"],
        set(),
    ),
    "no selection, no tail: the ends of the path are adjacent to what lies between": (
        [(0, 3), (0, 4), (1, 0), (1, 4), (2, 0), (2, 1), (2, 3)],
        ["0 o-o 1", "0 o-o 2", "0 o-o 3", "0 o-o 4", "1 o-o 2", "1 o-o 4", "2 o-o 3"],
        set(),
    ),
}


@pytest.mark.parametrize("name", SELECTION)
def test_selection_bias(name):
    edges, want, rules = SELECTION[name]
    dag = nx.DiGraph(edges)
    observed = sorted(v for v in dag if isinstance(v, int))
    selection = [v for v in dag if isinstance(v, str)]
    assert str(PAG(pag_by_enumeration(mag_of_dag(dag, observed, selection)))).splitlines() == want
    for method in ("icd", "fci"):
        pag = learn_pag(DSeparation(dag, observed, selection), method, trace=True)
        assert str(pag).splitlines() == want
        assert {step.rule for step in pag.trace if step.kind == "orient"} >= rules


@pytest.mark.parametrize("seed", range(40))
def test_uncovered_paths_by_listing_every_path(seed):
    rng = np.random.default_rng(seed)
    n = 7
    adjacent = np.triu(rng.random((n, n)) < 0.45, 1)
    adjacent |= adjacent.T
    apart = ~adjacent & ~np.eye(n, dtype=bool)
    steps = adjacent & (rng.random((n, n)) < 0.8)

    def uncovered(alpha, second, goal):
        """Walks without an adjacent pair two steps apart, at most as long as there are states."""
        walks = {(alpha, second)}
        for _ in range(n * n):
            walks |= {(b, c) for a, b in walks for c in range(n) if steps[b, c] and apart[a, c]}
        return any(b == goal for _, b in walks)

    rows_steps, rows_apart = rows_as_bits(steps), rows_as_bits(apart)
    for alpha, second, goal in permutations(range(n), 3):
        if steps[alpha, second]:
            found = uncovered_path(alpha, 1 << second, 1 << goal, rows_steps, rows_apart)
            assert found == uncovered(alpha, second, goal)
