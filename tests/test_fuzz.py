"""Whatever comes in at a public door, an answer or one sentence goes out: no other error, no NaN."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import cleann_lite as cl

many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
SMALL = st.floats(-2, 2)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    FLOATS,
    st.text(max_size=5),
    st.lists(st.integers(-2, 4), max_size=3),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def answered(function, *arguments, **options):
    """What came, or None where one sentence refused it."""
    try:
        return function(*arguments, **options)
    except (ValueError, TypeError) as error:
        said = str(error)
        assert said.strip() and len(said) < 2000, said
        return None


@many
@given(
    arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=5), elements=st.one_of(FLOATS, SMALL))
)
def test_attention_and_correlations(matrix):
    found = answered(cl.attention_correlation, matrix)
    assert found is None or np.isfinite(found).all()
    test = answered(cl.PartialCorrelation, matrix, 100)
    if test is not None and matrix.shape[0] >= 2:
        p = test.p_value(0, 1)
        assert 0 <= p <= 1
        pag = answered(cl.learn_pag, test)
        assert pag is None or set(np.unique(pag.marks)) <= {0, 1, 2, 3}


@many
@given(st.lists(st.lists(st.integers(-2, 6), max_size=3), max_size=4))
def test_groups_of_pieces(groups):
    found = answered(cl.words_attention, np.full((5, 5), 0.2), groups)
    assert found is None or np.isfinite(found).all()


@many
@given(n=ODD, alpha=ODD, max_size=ODD, nodes=ODD, order=ODD, tiers=ODD, method=ODD, labels=ODD)
def test_settings_of_a_search(n, alpha, max_size, nodes, order, tiers, method, labels):
    correlation = np.array([[1, 0.5, 0.2], [0.5, 1, 0.3], [0.2, 0.3, 1]])
    answered(cl.PartialCorrelation, correlation, n, alpha)
    test = cl.PartialCorrelation(correlation, 100)
    for options in (
        {"max_size": max_size}, {"nodes": nodes}, {"order": order, "method": "ordered-icd"}, {"tiers": tiers},
        {"method": method}, {"labels": labels},
    ):  # fmt: skip
        pag = answered(cl.learn_pag, test, **options)
        assert pag is None or isinstance(pag.describe(), list)


@cache
def records():
    test = cl.PartialCorrelation(np.array([[1, 0.5, 0.2], [0.5, 1, 0.6], [0.2, 0.6, 1]]), 100)
    model = cl.load_model("pocket-sentiment")
    return cl.learn_pag(test, labels=["a", "b", "c"]).to_json(), cl.explain(model, "A dull film.").to_json()


def damaged(record, draw):
    """A record with one place, at any depth, replaced."""
    record = json.loads(json.dumps(record))
    place, parent, key = record, None, None
    while isinstance(place, dict | list) and place and (parent is None or draw(st.booleans())):
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        parent, key = place, draw(st.sampled_from(list(keys)))
        place = place[key]
    if parent is None:
        return draw(JSON)
    if draw(st.booleans()) and isinstance(parent, dict):
        del parent[key]
    else:
        parent[key] = draw(JSON)
    return record


@many
@given(st.data())
def test_a_damaged_graph_is_refused_or_whole(data):
    text = json.dumps(damaged(json.loads(records()[0]), data.draw))
    pag = answered(cl.PAG.from_json, text)
    if pag is not None:
        pag.describe(), pag.to_dot(), pag.to_networkx(), str(pag), cl.PAG.from_json(pag.to_json())
        for x in pag.nodes:
            for y in pag.nodes:
                answered(pag.separating_set, x, y)


@many
@given(st.data())
def test_a_damaged_explanation_is_refused_or_whole(data):
    pytest.importorskip("torch")
    text = json.dumps(damaged(json.loads(records()[1]), data.draw))
    found = answered(cl.Explanation.from_json, text)
    if found is not None:
        found.describe(), found.to_svg(), found.to_html(), cl.Explanation.from_json(found.to_json())


@few
@given(st.text(max_size=60))
def test_any_text_is_explained_or_refused(text):
    pytest.importorskip("torch")
    found = answered(cl.explain, cl.load_model("pocket-sentiment"), text, max_calls=40)
    if found is not None:
        assert 0 <= found.probability <= 1
        page = found.to_html()
        assert "<script>alert" not in page
        cl.Explanation.from_json(found.to_json())


@few
@given(
    st.lists(
        st.one_of(st.text(max_size=12), st.sampled_from(["ET", "The Matrix (1999)", "Alien"])), max_size=4
    )
)
def test_any_history_is_explained_or_refused(history):
    pytest.importorskip("torch")
    model = cl.load_model("pocket-bert4rec")
    listed = answered(model.recommend, history)
    assert listed is None or all(0 <= score <= 1 for _, score in listed)
    answered(cl.explain, model, history, max_calls=40)


@many
@given(
    arrays(np.float64, array_shapes(min_dims=1, max_dims=2, max_side=5), elements=st.one_of(FLOATS, SMALL))
)
def test_values_of_a_head(value):
    answered(cl.identifiability.null_space_dimension, value)
    n = len(value)
    found = answered(cl.identifiability.effective_attention, np.full((n, n), 1 / n), value)
    assert found is None or np.isfinite(found).all()
