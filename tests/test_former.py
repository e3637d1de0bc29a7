"""Arguments that were renamed are still taken by their former names, and their JSON is read."""

import json
from dataclasses import replace

import numpy as np
import pytest
from linear_model import LinearModel

import cleann_lite as cl
from cleann_lite.explaining.baselines import explain_by
from cleann_lite.explaining.robustness import explanation_robustness

TEXT = "a dull film with a boring plot"
MODEL = LinearModel({"dull": -1.0, "boring": -1.0}, bias=1.5)


def same(one, other):
    return replace(one, seconds=0.0, again=None) == replace(other, seconds=0.0, again=None)


@pytest.mark.parametrize(
    "former, now", [({"nodes": "all"}, {"words": "all"}), ({"units": "pieces"}, {"split_into": "pieces"})]
)
def test_explain_takes_former_names(former, now):
    old, new = cl.explain(MODEL, TEXT, alpha=0.5, **former), cl.explain(MODEL, TEXT, alpha=0.5, **now)
    assert same(old, new) and old.nodes == old.in_graph and old.success
    if "units" in former:
        assert same(explain_by(MODEL, TEXT, **former), explain_by(MODEL, TEXT, **now))
    else:
        graphs = cl.GraphSettings(**former)
        assert graphs == cl.GraphSettings(**now)
        pags, in_graph, _ = cl.learn_graphs(MODEL, MODEL.encode(TEXT), **former)
        assert in_graph == tuple(range(7)) and len(pags[0]) == 8


def test_both_names_of_one_argument_are_refused():
    with pytest.raises(TypeError, match="words was called nodes before"):
        cl.explain(MODEL, TEXT, nodes="all", words="content")


def test_encoded_takes_former_names():
    given = {"units": ("a", "b"), "outcome": "good", "target": 0, "data": None}
    old = cl.Encoded(positions=((1,), (2,)), outcome_positions=(0,), **given)
    assert old == cl.Encoded(tokens=((1,), (2,)), outcome_tokens=(0,), **given)
    assert (old.positions, old.outcome_positions) == (old.tokens, old.outcome_tokens)


def test_json_with_former_names_is_read():
    found = cl.explain(MODEL, TEXT, alpha=0.5, words="all")
    record = json.loads(found.to_json())
    assert record["nodes"] == list(found.in_graph) and "in_graph" not in record
    assert [one["positions"] for one in record["sets"]] == [list(one.positions) for one in found.sets]
    assert same(cl.Explanation.from_json(found.to_json()), found)
    record["settings"] |= {
        "nodes": record["settings"].pop("words"),
        "units": record["settings"].pop("split_into"),
    }
    assert cl.Explanation.from_json(json.dumps(record)).settings == found.settings


def test_a_model_of_your_own_may_call_what_text_is_split_into_as_it_likes():
    class Own(LinearModel):
        def encode(self, input, target=None, units="words"):
            return super().encode(input, target, units)

    own = Own({"dull": -1.0, "boring": -1.0}, bias=1.5)
    assert (
        cl.explain(own, TEXT, alpha=0.5, split_into="pieces").sets == cl.explain(MODEL, TEXT, alpha=0.5).sets
    )
    corners = np.tile(own.attention(own.encode(TEXT)), (2, 1, 1, 1))
    assert explanation_robustness(own, TEXT, corners, alpha=0.5) is not None
