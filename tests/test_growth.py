"""Sets that grow: legal at every step, nothing to spare, and only where small sets cannot suffice."""

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.causal.pds import PDSGraph
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


def test_growth_ends_at_the_size_that_is_asked_for():
    model, text = long_case(0)
    settings = {"alpha": 0.3, "nodes": "all", "max_size": 2, "certify": False, "max_calls": 2000}
    grown = cl.explain(model, text, **settings)
    size = len(grown.sets[0].positions)
    assert cl.explain(model, text, max_grown=size, **settings).sets == grown.sets
    for most in (0, 2, size - 1):
        found = cl.explain(model, text, max_grown=most, **settings)
        assert not found.success and found.settings["max_grown"] == most
        assert ("larger ones grown" in found.failures[0]) == (most > 2)
    with pytest.raises(ValueError, match="max_grown must be at least 0: got -1"):
        cl.explain(model, text, max_grown=-1)


def test_without_growth_the_whole_cap_is_for_small_sets():
    model, text = long_case(1)
    model.bias = 100.0
    settings = {"alpha": 0.2, "nodes": "all", "max_calls": 100, "max_candidates": 10**6}
    found = cl.explain(model, text, max_grown=0, **settings)
    assert found.model_calls == 100 + 2
    assert any("the cap of 100 inputs is for them" in note for note in found.notes)
