"""With a perfect test the learned graph is the PAG of the true MAG, whatever is hidden or selected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_cases import SHARED, network, oracle_cases, oracle_of

import cleann_lite as cl
from cleann_lite.causal.mags import mag_of_dag
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import random_latent_dag

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_nodes=st.integers(2, 12),
    degree=st.floats(1.0, 4.0),
    n_latents=st.integers(0, 3),
    n_selection=st.integers(0, 2),
    method=st.sampled_from(["icd", "fci"]),
    options=st.sampled_from(
        [{}, {"order_independent": False}, {"confirm_colliders": False}, {"trace": True}]
    ),
)
def test_random_graphs_with_hidden_and_selection_nodes(
    seed, n_nodes, degree, n_latents, n_selection, method, options
):
    example = random_latent_dag(n_nodes, degree, np.random.default_rng(seed), n_latents, n_selection)
    test = cl.DSeparation(example.dag, example.observed, example.selection)
    pag = cl.learn_pag(test, method, **options)
    assert (pag.marks == pag_of_mag(example.mag)).all()
    for x in pag.nodes:
        for y in pag.nodes[:x]:
            given_set = pag.separating_set(x, y)
            assert given_set is None or test.independent(x, y, given_set)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), method=st.sampled_from(["icd", "fci"]))
def test_without_selection_the_shorter_rules_are_enough(seed, method):
    example = random_latent_dag(9, 3.0, np.random.default_rng(seed), 2)
    pag = cl.learn_pag(cl.DSeparation(example.dag, example.observed), method, selection_bias=False)
    assert (pag.marks == pag_of_mag(example.mag)).all()


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("method", ["icd", "fci"])
def test_every_recorded_pag_mark_by_mark(method):
    wrong = [c["id"] for c in oracle_cases() if (cl.learn_pag(oracle_of(c), method).marks != c["pag"]).any()]
    assert wrong == []


@needs_shared
@pytest.mark.slow
def test_fci_asks_more_than_icd():
    asked = {method: [0] * 20 for method in ("icd", "fci")}
    for case in oracle_cases():
        for method, total in asked.items():
            test = oracle_of(case)
            cl.learn_pag(test, method)
            total[len(case["observed"])] += test.n_tests
    compared = [(icd, fci) for icd, fci in zip(asked["icd"], asked["fci"], strict=True) if fci]
    assert all(icd < fci for icd, fci in compared) and len(compared) == 10


@needs_shared
@pytest.mark.slow
def test_every_recorded_pag_given_the_order_with_fewer_tests():
    total = {"icd": 0, "ordered-icd": 0}
    for case in oracle_cases():
        if case.get("pag_given_order") is None:
            continue
        order = [case["observed"].index(v) for v in case["topological_order"] if v in case["observed"]]
        ordered, plain = oracle_of(case), oracle_of(case)
        assert (cl.learn_pag(ordered, "ordered-icd", order=order).marks == case["pag_given_order"]).all()
        cl.learn_pag(plain, "icd")
        assert ordered.n_tests < plain.n_tests
        total["icd"] += plain.n_tests
        total["ordered-icd"] += ordered.n_tests
    assert total["ordered-icd"] < 0.8 * total["icd"]


# draws that take a second each at most; ``python -m benchmarks networks`` has all 13 networks, 20 draws each
DRAWS = {"cancer": 20, "earthquake": 20, "survey": 20, "asia": 20, "sachs": 20, "child": 20, "alarm": 20}
DRAWS |= {"insurance": 3, "water": 2}


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
def test_well_known_networks_with_hidden_variables(name):
    dag = network(SHARED / "data" / "causal" / "dags" / f"{name}.txt")
    n = len(dag)
    for draw in range(DRAWS[name]):
        latents = np.random.default_rng(draw).permutation(n)[: max(1, n // 10)]
        observed = [v for v in range(n) if v not in latents]
        want = pag_of_mag(mag_of_dag(dag, observed))
        for method in ("icd", "fci"):
            assert (cl.learn_pag(cl.DSeparation(dag, observed), method).marks == want).all(), (draw, method)
