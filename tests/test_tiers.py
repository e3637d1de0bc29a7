"""Known tiers: no node of a later group causes one of an earlier."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_cases import SHARED
from oracle_mags import pag_by_enumeration

import cleann_lite as cl
from cleann_lite.causal.mags import is_mag, mag_of_dag
from cleann_lite.causal.random_graphs import random_latent_dag

FILE = SHARED / "cases" / "tier_cases.json"


@pytest.mark.skipif(not FILE.exists(), reason="needs ../shared")
@pytest.mark.parametrize("method", ["icd", "fci"])
def test_every_recorded_case_mark_by_mark(method):
    wrong = []
    for case in json.loads(FILE.read_text()):
        dag = nx.DiGraph()
        dag.add_nodes_from(range(case["n"] + case["L"]))
        dag.add_edges_from(case["edges"])
        pag = cl.learn_pag(cl.DSeparation(dag, range(case["n"])), method, tiers=case["tiers"])
        if (pag.marks != case["pag_given_tiers"]).any():
            wrong.append(case["id"])
    assert wrong == []


def tiers_of(example, rng):
    """The causal order of a DAG's observed nodes, cut into groups at random; numbers are positions."""
    order = [example.observed.index(v) for v in nx.topological_sort(example.dag) if v in example.observed]
    cuts = sorted(rng.choice(range(1, len(order)), size=rng.integers(1, 4), replace=False).tolist())
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_latents=st.integers(0, 4),
    method=st.sampled_from(["icd", "fci"]),
    options=st.sampled_from(
        [{}, {"order_independent": False}, {"confirm_colliders": False}, {"trace": True}]
    ),
)
def test_the_graph_is_what_all_models_of_these_tiers_share(seed, n_latents, method, options):
    rng = np.random.default_rng(seed)
    example = random_latent_dag(6 + n_latents, 2.4, rng, n_latents)
    tiers = tiers_of(example, rng)
    rank = np.empty(6, int)
    for i, group in enumerate(tiers):
        rank[group] = i
    if (example.mag > 0).sum() > 20:
        return
    want = pag_by_enumeration(example.mag, tier=rank)
    plain, tiered = (cl.DSeparation(example.dag, example.observed) for _ in range(2))
    pag = cl.learn_pag(tiered, method, tiers=tiers, **options)
    assert (pag.marks == want).all()
    across = (pag.marks > 0) & (rank[:, None] < rank[None, :])
    assert (pag.marks[across] == cl.Mark.ARROW).all()
    for x, y in pag.separating_sets:
        assert all(rank[z] <= max(rank[x], rank[y]) for z in pag.separating_set(x, y))
    without = cl.learn_pag(plain, method, selection_bias=False, **options)
    known = without.marks != cl.Mark.CIRCLE
    assert (pag.marks[known] == without.marks[known]).all()


def test_the_enumeration_with_tiers_by_its_definition():
    """Every graph of arrowheads and tails with the same separations that keeps to the tiers."""
    from itertools import product

    from cleann_lite.causal.mags import markov_equivalent

    dag = nx.DiGraph([("h", 0), ("h", 1), (1, 2), (2, 3), (0, 3)])
    mag = mag_of_dag(dag, range(4))
    rank = np.array([0, 0, 1, 1])
    edges = np.argwhere(np.triu(mag)).tolist()
    shared = None
    for ends in product([(2, 3), (3, 2), (2, 2)], repeat=len(edges)):
        marks = np.zeros((4, 4), np.int8)
        for (i, j), (at_i, at_j) in zip(edges, ends, strict=True):
            marks[j, i], marks[i, j] = at_i, at_j
        back = (marks == 3) & (rank[:, None] < rank[None, :])
        if not back.any() and is_mag(marks) and markov_equivalent(marks, mag):
            shared = marks if shared is None else np.where(shared == marks, marks, (marks > 0) * 1)
    assert (pag_by_enumeration(mag, tier=rank) == shared).all()


def test_tiers_make_a_difference_and_selection_is_excluded():
    test = cl.DSeparation(nx.DiGraph([(0, 1), (1, 2)]), range(3))
    assert str(cl.learn_pag(test)).splitlines() == ["0 o-o 1", "1 o-o 2"]
    assert str(cl.learn_pag(test, tiers=[[0, 1], [2]])).splitlines() == ["0 o-o 1", "1 o-> 2"]
    assert str(cl.learn_pag(test, tiers=[[0], [1, 2]])).splitlines() == ["0 o-> 1", "1 --> 2"]
    circle = nx.DiGraph([(v, f"{u}{w}") for u, w in [(0, 1), (1, 2), (2, 3), (3, 0)] for v in (u, w)])
    selected = cl.DSeparation(circle, range(4), [v for v in circle if isinstance(v, str)])
    assert "---" in str(cl.learn_pag(selected))
    assert "---" not in str(cl.learn_pag(selected, tiers=[[0, 1, 2, 3]]))


def test_one_node_a_tier_is_the_order():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        example = random_latent_dag(9, 2.5, rng, 2)
        order = [example.observed.index(v) for v in nx.topological_sort(example.dag) if v in example.observed]
        test = cl.DSeparation(example.dag, example.observed)
        ordered = cl.learn_pag(test, "ordered-icd", order=order)
        for method in ("icd", "fci"):
            assert cl.learn_pag(test, method, tiers=[[v] for v in order]) == ordered


def test_the_outcome_comes_last_whatever_the_numbers_say():
    rng = np.random.default_rng(0)
    for seed in range(20):
        data = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=(60, 8))
        test = cl.PartialCorrelation.from_data(data, alpha=0.1)
        for method in ("icd", "fci"):
            pag = cl.learn_pag(test, method, tiers=[range(7), [7]])
            assert set(pag.marks[:, 7].tolist()) <= {cl.Mark.NONE, cl.Mark.ARROW}, seed


def test_tiers_by_label():
    test = cl.DSeparation(nx.DiGraph([(0, 1), (1, 2)]), range(3))
    pag = cl.learn_pag(test, tiers=[["rain", "wet"], ["slip"]], labels=["rain", "wet", "slip"])
    assert pag == cl.learn_pag(test, tiers=[[0, 1], [2]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tiers": [[0, 1], [1, 2, 3]]}, "one tier: 1 is named twice"),
        ({"tiers": [[0, 1], [2]]}, r"each node needs a tier: none has 3"),
        ({"tiers": [[0, 1, 2, 3], []]}, "tier 1 is empty"),
        ({"tiers": [[0, 1, 2, 3, 9]]}, "9, which is not a node"),
        ({"tiers": [0, 1, 2, 3]}, "groups of nodes, earliest first: got 0"),
        ({"tiers": [["a", "b"], "cd"], "labels": "abcd"}, "got 'cd' as a group"),
        ({"tiers": [[0, 1], [2, 3]], "order": range(4)}, "tiers belong to"),
        ({"tiers": [[0, 1], [2, 3]], "method": "ordered-icd"}, "tiers belong to"),
        ({"tiers": [[0, 1], [2, 3]], "method": "ordered-icd", "order": range(4)}, "tiers belong to"),
    ],
)
def test_refuses_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        cl.learn_pag(cl.PartialCorrelation(np.eye(4), 100), **arguments)
