from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_cases import SHARED, dag_of, oracle_cases
from oracle_mags import is_mag_by_definition, is_pag, pag_by_enumeration

from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.mags import (
    a_member,
    is_mag,
    mag_of_dag,
    markov_equivalent,
    members,
)
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import random_latent_dag
from cleann_lite.causal.separation import DAGSeparation, MixedSeparation

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")


def drawn(seed, n_nodes=8, n_selection=0):
    rng = np.random.default_rng(seed)
    return random_latent_dag(n_nodes, rng.uniform(1.5, 4), rng, n_latents=2, n_selection=n_selection)


def test_d_separation_agrees_with_networkx():
    for seed in range(30):
        dag = drawn(seed).dag
        separation = DAGSeparation(dag, first=range(8))
        for x, y in combinations(range(8), 2):
            rest = [v for v in range(8) if v not in (x, y)]
            given_set = {v for v in rest if (seed * 7 + v * x + y) % 3 == 0}
            want = nx.is_d_separator(dag, {x}, {y}, given_set)
            assert separation.separated(x, y, as_bits(given_set)) == want


@pytest.mark.parametrize("n_selection", [0, 1])
def test_a_mag_has_the_separations_of_its_dag(n_selection):
    for seed in range(12):
        example = drawn(seed, n_selection=n_selection)
        mag, observed = example.mag, example.observed
        assert is_mag(mag)
        separation = MixedSeparation(mag)
        for x, y in combinations(range(len(observed)), 2):
            rest = [v for v in range(len(observed)) if v not in (x, y)]
            for size in range(len(rest) + 1):
                for members_of_set in combinations(rest, size):
                    conditioned = {observed[v] for v in members_of_set} | set(example.selection)
                    want = nx.is_d_separator(example.dag, {observed[x]}, {observed[y]}, conditioned)
                    assert separation.separated(x, y, as_bits(members_of_set)) == want


def separations(marks):
    separation, n = MixedSeparation(marks), len(marks)
    return [
        separation.connected(x, as_bits(given_set))
        for x in range(n)
        for size in range(n)
        for given_set in combinations([v for v in range(n) if v != x], size)
    ]


def test_markov_equivalence_is_equality_of_all_separations():
    mags = [drawn(seed, 6, n_selection=seed % 2).mag for seed in range(60)]
    pairs = [(a, b) for a, b in combinations(mags, 2) if len(a) == len(b) and ((a > 0) == (b > 0)).all()]
    answers = [markov_equivalent(a, b) for a, b in pairs]
    assert answers == [separations(a) == separations(b) for a, b in pairs]
    assert any(answers) and not all(answers)


@pytest.mark.parametrize(
    "marks",
    [
        [[0, 2, 3], [3, 0, 2], [2, 3, 0]],  # directed cycle
        [[0, 2, 2], [3, 0, 2], [2, 3, 0]],  # almost directed cycle
        [[0, 3, 0], [3, 0, 2], [0, 2, 0]],  # arrowhead at an undirected edge
        [[0, 1], [1, 0]],  # circles
        # 0 -> 1 <-> 2 ... an inducing path: 0 <-> 1 <-> 2 <-> 3 with 1 -> 3 and 2 -> 0, and 0, 3 not adjacent
        [[0, 2, 3, 0], [2, 0, 2, 2], [2, 2, 0, 2], [0, 3, 2, 0]],
    ],
)
def test_what_is_no_mag(marks):
    assert not is_mag(marks)


def test_a_mag_is_one_by_definition():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(600):
        k = int(rng.integers(2, 7))
        marks = np.zeros((k, k), dtype=np.int8)
        kinds = [(2, 3), (2, 3), (2, 2), (3, 3)][: rng.integers(2, 5)]
        for i, j in combinations(range(k), 2):
            if rng.random() < 0.6:
                marks[i, j], marks[j, i] = kinds[rng.integers(len(kinds))]
        found.append(is_mag(marks))
        assert found[-1] == is_mag_by_definition(marks), marks.tolist()
    assert 100 < sum(found) < 500


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n_selection=st.integers(0, 1))
def test_the_rules_agree_with_enumeration(seed, n_selection):
    mag = drawn(seed, 6, n_selection).mag
    if (mag > 0).sum() <= 12:
        pag = pag_of_mag(mag)
        assert (pag_by_enumeration(mag) == pag).all()
        assert is_pag(pag)


@needs_shared
def test_members_of_the_recorded_pags():
    n = 0
    for case in oracle_cases():
        if case["enumeration_verified"] and case["n_equivalent_mags"] <= 16:
            found = list(members(case["pag"], selection_bias=bool(case["selection"])))
            assert len(found) == case["n_equivalent_mags"]
            assert any((mag == np.array(case["mag"])).all() for mag in found)
            assert all(markov_equivalent(mag, case["mag"]) for mag in found)
            n += 1
    assert n > 20


@needs_shared
def test_the_recorded_mag_of_every_recorded_dag():
    for case in oracle_cases():
        assert (mag_of_dag(dag_of(case), case["observed"], case["selection"]) == case["mag"]).all()


@pytest.mark.parametrize("marks", [[[0, 2], [0, 0]], [[0, 7], [7, 0]], [[3]], [[0, 2, 2], [2, 0, 2]]])
def test_what_is_no_graph_is_neither_mag_nor_pag(marks):
    for check in (is_mag, is_pag):
        with pytest.raises(ValueError):
            check(marks)


def test_the_rules_know_a_pag_as_enumeration_does():
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(60):
        marks = pag_of_mag(drawn(int(rng.integers(10**6)), 6).mag)
        if marks.any() and rng.random() < 0.7:  # spoil one mark
            i, j = rng.permutation(np.argwhere(marks))[0]
            marks[i, j] = rng.integers(1, 4)
        member = a_member(marks)
        told = is_mag(member) and np.array_equal(pag_of_mag(member), marks)
        assert told == is_pag(marks)
        found.add(told)
    assert found == {True, False}
