"""Sets that grow: legal at every step, nothing to spare, and only where small sets cannot suffice."""

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.pds import PDSGraph
from tests.linear_model import LinearModel


def long_case(seed, n_words=16):
    rng = np.random.default_rng(seed)
    words = [f"x{i}" for i in range(n_words)]
    weights = dict(zip(words, rng.random(n_words) + 0.2, strict=True))
    return LinearModel(weights, bias=-0.7 * sum(weights.values()), seed=seed), " ".join(words)


@pytest.mark.parametrize("seed", range(5))
def test_a_grown_set_is_legal_and_has_nothing_to_spare(seed):
    model, text = long_case(seed)
    found = cl.explain(model, text, alpha=0.3, nodes="all", max_size=2, certify=False, max_calls=2000)
    assert found.success
    (one,) = found.sets
    assert len(one.positions) > 2
    assert "were grown from smaller ones" in " ".join(found.notes)
    encoded = model.encode(text)
    assert model.predict(encoded, [one.positions])[0].argmax() != encoded.target
    graph, root = PDSGraph(found.pags[one.head].marks), len(found.nodes)
    place = {unit: i for i, unit in enumerate(found.nodes)}
    bits = lambda units: sum(1 << place[u] for u in units)  # noqa: E731
    assert graph.legal(root, bits(one.positions))
    for unit in one.positions:
        rest = [u for u in one.positions if u != unit]
        spared = model.predict(encoded, [rest])[0].argmax() != encoded.target
        assert not (spared and graph.legal(root, bits(rest)))


def test_growth_keeps_to_the_cap_on_inputs():
    model, text = long_case(1)
    model.bias = 100.0  # nothing changes the prediction
    found = cl.explain(model, text, alpha=0.2, nodes="all", max_size=2, max_calls=300)
    assert not found.success
    assert found.model_calls <= 300 + 2
    assert "larger ones grown from them" in found.failures[0]


def test_growth_is_claimed_only_where_there_was_something_to_grow():
    model = LinearModel({"a": 1.0}, bias=100.0)
    found = cl.explain(model, "a", alpha=0.9, nodes="all")
    assert found.failures[0].endswith("changes the prediction: all were tried")


def test_small_sets_are_preferred_to_grown_ones():
    model = LinearModel({"a": 3.0}, bias=-1.0)
    found = cl.explain(model, "a b c d e f", alpha=0.9, nodes="all")
    assert found.sets[0].units == ("a",)
    assert "grown" not in " ".join(found.notes)
