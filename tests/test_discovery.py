import networkx as nx
import numpy as np
import pytest
from oracle_cases import SHARED, oracle_cases, oracle_of

import cleann_lite as cl

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("method", ["icd", "fci"])
def test_every_recorded_pag_mark_by_mark(method):
    wrong = [c["id"] for c in oracle_cases() if (cl.learn_pag(oracle_of(c), method).marks != c["pag"]).any()]
    assert wrong == []


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
        assert ordered.n_tests <= plain.n_tests
        total["icd"] += plain.n_tests
        total["ordered-icd"] += ordered.n_tests
    assert total["ordered-icd"] < 0.8 * total["icd"]


@needs_shared
def test_a_few_recorded_pags():
    for case in oracle_cases()[::12]:
        for method in ("icd", "fci"):
            assert (cl.learn_pag(oracle_of(case), method).marks == case["pag"]).all()


def test_nodes_restrict_the_graph_and_name_its_separating_sets():
    # 0 -> 1 -> 2 -> 3: without 1, a separating set of 0 and 3 is {2}
    test = cl.DSeparation(nx.path_graph(4, create_using=nx.DiGraph), [0, 1, 2, 3])
    pag = cl.learn_pag(test, nodes=[3, 0, 2], labels=["d", "a", "c"])
    assert pag.nodes == (3, 0, 2)
    assert pag.separating_set(0, 3) == (2,)
    assert pag.separating_set(0, 2) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "pc"}, "method must be one of"),
        ({"nodes": [0, 0]}, "named once"),
        ({"nodes": [0, 9]}, "nodes must be variables"),
        ({"method": "ordered-icd"}, "needs order"),
        ({"method": "ordered-icd", "order": [0, 1]}, "each node once"),
        ({"order": [0, 1, 2, 3]}, "belongs to"),
        ({"labels": ["a"]}, "one label"),
    ],
)
def test_refuses_in_one_sentence(arguments, message):
    test = cl.PartialCorrelation(np.eye(4), 100)
    with pytest.raises(ValueError, match=message):
        cl.learn_pag(test, **arguments)
