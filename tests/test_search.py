"""The CLEANN search: what it reports holds when the model is run again, by itself."""

import json
from functools import partial
from itertools import combinations

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.explaining.baselines import METHODS, explain_by
from cleann_lite.explaining.search import (
    GraphSettings,
    Interventions,
    candidates,
    learn_graphs,
    tree_distances,
)
from tests.linear_model import LinearModel

WORDS = [f"w{i}" for i in range(12)]


def random_case(seed, n_words=None):
    rng = np.random.default_rng(seed)
    n_words = n_words or int(rng.integers(2, 11))
    weights = dict(zip(WORDS, rng.normal(size=12).round(2), strict=True))
    text = " ".join(rng.permutation(WORDS)[:n_words])
    return LinearModel(weights, bias=float(rng.normal() / 3), seed=seed), text


def flips(model, text, positions):
    encoded = model.encode(text)
    return model.predict(encoded, [positions])[0].argmax() != encoded.target


def smallest_by_brute_force(model, text):
    count = len(text.split())
    for size in range(1, count + 1):
        found = {c for c in combinations(range(count), size) if flips(model, text, c)}
        if found:
            return size, found
    return np.inf, set()


@pytest.mark.parametrize("seed", range(200))
def test_sets_flip_and_certificates_agree_with_brute_force(seed):
    model, text = random_case(seed)
    found = cl.explain(model, text, alpha=0.1, nodes="all")
    size, sets = smallest_by_brute_force(model, text)
    for one in found.sets:
        assert flips(model, text, one.positions)
        assert [text.split()[p] for p in one.positions] == list(one.units)
        assert len(one.positions) >= size
        assert one.masked.split().count("_") == len(one.positions)
    if found.certified is True:
        assert {s.positions for s in found.sets} <= sets
    if found.certified is False:
        assert all(len(s.positions) < len(found.sets[0].positions) for s in found.smaller)
        assert all(flips(model, text, s.positions) for s in found.smaller)
    assert found.success == bool(found.sets)
    assert cl.Explanation.from_json(found.to_json()) == found


@pytest.mark.parametrize("seed", range(40))
def test_all_legal_sets_of_the_smallest_size_are_reported_and_no_other(seed):
    model, text = random_case(seed, 8)
    found = cl.explain(model, text, alpha=0.1, nodes="all", certify=False)
    encoded = model.encode(text)
    pags, nodes, _ = learn_graphs(model, encoded, alpha=0.1, nodes="all")
    for size in range(1, 6):
        legal, _ = candidates(pags, nodes, size, 10_000)
        expected = {units for units in legal if flips(model, text, units)}
        if expected:
            break
    assert {s.positions for s in found.sets} == expected
    distances = [s.distance for s in found.sets]
    assert distances == sorted(distances)
    assert found.certified is None


def test_the_prediction_is_checked_first():
    model = LinearModel({"a": 1.0})
    found = cl.explain(model, "a b c", target="no")
    assert not found.success
    assert found.failures == ("the model predicts 'yes', not 'no'",)
    assert found.model_calls == 3  # nothing was masked
    assert "No explanation was found" in found.describe()


def test_a_prediction_that_nothing_changes_is_an_honest_failure():
    found = cl.explain(LinearModel({}, bias=5.0), "a b c d", alpha=0.5, nodes="all")
    assert not found.success
    assert found.certified is None
    assert "changes the prediction" in found.failures[0]


def test_one_word():
    found = cl.explain(LinearModel({"a": 1.0}, bias=-0.5), "a", alpha=0.9, nodes="all")
    assert found.units == ("a",)
    assert found.success in (True, False)


def test_caps_are_reported_when_hit():
    model, text = random_case(3, 10)
    model.bias = 40.0  # nothing changes the prediction
    found = cl.explain(model, text, alpha=0.3, nodes="all", max_calls=5)
    assert "ended at its cap of 5 inputs" in " ".join(found.notes)
    assert found.model_calls <= 5 + 2
    found = cl.explain(model, text, alpha=0.3, nodes="all", max_candidates=2)
    assert "only the 2 nearest sets" in " ".join(found.notes)
    for name in ("max_size", "max_candidates", "max_calls"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            cl.explain(model, text, **{name: 0})


def test_the_budget_can_end_the_proof():
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    text = " ".join(WORDS[:10])
    whole = cl.explain(model, text, alpha=0.9, nodes="all")
    assert (whole.certified, len(whole.sets[0].positions)) == (True, 2)
    short = cl.explain(model, text, alpha=0.9, nodes=WORDS[:3], certify=2)
    assert short.certified is None
    assert "not certified: 10 smaller sets exist" in " ".join(short.notes)


def test_interrupting_returns_what_was_found():
    model, text = random_case(5, 10)
    model.bias, model.stop_after = 30.0, 20
    found = cl.explain(model, text, alpha=0.5, nodes="all")
    assert not found.success
    assert "interrupted" in found.notes[-1]
    assert str(found).endswith("No explanation was found: the search was interrupted.")


def test_interrupting_within_a_size_keeps_the_sets_of_that_size(monkeypatch):
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    monkeypatch.setattr(Interventions.__init__, "__defaults__", (1000, 4))
    model.stop_after = 40
    found = cl.explain(model, " ".join(WORDS[:10]), alpha=0.9, nodes="all")
    assert found.sets
    for one in found.sets:
        assert one.replacement != found.prediction
    assert (found.certified, found.notes[-1][:26]) == (None, "the search was interrupted")


def test_interrupting_the_graphs_says_so():
    def learner(attention, variables, labels):
        raise KeyboardInterrupt

    model, text = random_case(5, 10)
    found = cl.explain(model, text, nodes="all", learner=learner)
    assert (found.pags, found.sets, found.failures) == ({}, (), ("the search was interrupted",))
    assert "interrupted" in found._repr_html_()


def test_what_was_not_tried_is_never_said_to_be():
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    text = " ".join(WORDS[:10])
    found = cl.explain(model, text, alpha=0.9, nodes="all", max_calls=30)
    assert found.success
    assert "not all sets of size 2 were tried: half of the cap of 30 inputs is for them" in found.notes
    model.bias = 40.0  # nothing changes the prediction
    whole = cl.explain(model, text, alpha=0.9, nodes=WORDS[:3])
    assert whole.failures[0].endswith("changes the prediction: all were tried")
    cut = cl.explain(model, text, alpha=0.9, nodes="all", max_candidates=1, max_size=2)
    assert "all of" not in cut.failures[0]
    none = cl.explain(model, text, alpha=0.9, nodes=[])
    assert none.failures == ("no unit of the input stands in the graph",)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, None) for name in ("max_size", "max_calls", "max_nodes", "certify", "nodes", "heads")),
        ("alpha", None),
        *((name, 1.5) for name in ("max_size", "max_candidates", "certify", "heads", "nodes")),
        ("max_nodes", 0), ("certify", -1), ("certify", "yes"), ("heads", [1.0]), ("n_samples", 0),
        ("n_samples", "64"), ("alpha", "a"), ("method", ""), ("correlation", lambda words: words[:2, :2]),
        ("learner", lambda words, variables, labels: None),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_it(setting, value):
    model, text = random_case(2, 8)
    with pytest.raises(ValueError, match=rf"^{setting} must") as caught:
        cl.explain(model, text, **({"nodes": "all"} | {setting: value}))
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_no_prediction():
    with pytest.raises(ValueError, match="linear predicts numbers that are not finite"):
        cl.explain(LinearModel({"a": np.nan}), "a b c")


def test_a_baseline_tells_its_caps():
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    text = " ".join(WORDS[:10])
    assert len(explain_by(model, text, "exhaustive").sets) == 45
    cut = explain_by(model, text, "exhaustive", max_calls=30)
    assert 0 < len(cut.sets) < 45
    assert cut.notes == ("the search ended at its cap of 30 inputs: not every set was tried",)
    one = explain_by(model, text, "attention", max_size=1)
    assert one.failures == ("no set that was tried of up to 1 unit changes the prediction",)
    for name in ("max_size", "max_calls"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1: got 0"):
            explain_by(model, text, **{name: 0})


def test_a_baseline_has_no_graph_to_draw():
    found = explain_by(LinearModel({"a": 3.0}, bias=-1.0), "a b c")
    for draw in (found.to_svg, found.to_dot):
        with pytest.raises(ValueError, match="this explanation has no graph"):
            draw()


def test_model_calls_are_counted():
    model, text = random_case(11)
    found = cl.explain(model, text, alpha=0.1, nodes="all")
    assert found.model_calls == model.rows_run + 2


def test_heads_one_several_all():
    model, text = random_case(2, 8)
    assert sorted(cl.explain(model, text).pags) == [0, 1, 2]
    assert sorted(cl.explain(model, text, heads=1).pags) == [1]
    assert sorted(cl.explain(model, text, heads=[2, 0, 2]).pags) == [0, 2]
    for wrong in (3, [], [0, 9], "best", -1):
        with pytest.raises(ValueError, match="heads must be"):
            cl.explain(model, text, heads=wrong)


@pytest.mark.parametrize("alpha", [0, 1, 2, -0.1, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        cl.explain(LinearModel({"a": 1.0}), "a b c", alpha=alpha)


def test_nodes_by_rule_name_list_and_function():
    model = LinearModel({"dull": -1.0, "film": -0.1})
    text = "the film is dull and the end is near"
    by = lambda nodes: [text.split()[n] for n in cl.explain(model, text, nodes=nodes).nodes]  # noqa: E731
    assert by("content") == ["film", "dull", "end", "near"]
    assert by("all") == text.split()
    assert by(["Dull", 0]) == ["the", "dull"]
    assert by(lambda word: len(word) == 3) == ["the", "and", "the", "end"]
    for wrong in ("some", ["absent"], [99]):
        with pytest.raises(ValueError, match="nodes must"):
            cl.explain(model, text, nodes=wrong)


def test_more_words_than_a_graph_holds():
    words = [f"x{i}" for i in range(120)]
    model = LinearModel({"x7": 3.0, "x90": 3.0}, bias=-1.0)
    found = cl.explain(model, " ".join(words), max_nodes=20, heads=0)
    assert len(found.nodes) == 20
    attended = model.attention(model.encode(" ".join(words)))[0, 0, 1:]
    assert set(found.nodes) == set(np.argsort(-attended)[:20])
    assert "holds the 20 that the outcome attends to most" in " ".join(found.notes)


def test_a_cap_on_tests_ends_every_graph_and_is_told():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    twins = np.full((3, 9, 9), 1 / 9)  # every correlation is 1: no set separates anything
    model.attention = lambda encoded, layer=-1: twins
    found = cl.explain(model, "dull dull film dull dull film dull dull", nodes="all", max_tests=100)
    told = [note for note in found.notes if note.startswith("graphs of heads 0, 1, 2: stopped before")]
    assert len(told) == 1 and "over 100 candidate sets" in told[0]
    assert all((pag.marks > 0).sum() == 9 * 8 for pag in found.pags.values())


def test_a_learner_and_a_covariance_of_ones_own_are_used():
    model, text = random_case(4, 6)
    seen = {}

    def learner(attention, variables, labels):
        seen["shape"], seen["labels"] = attention.shape, labels
        star = np.zeros((len(variables), len(variables)), dtype=np.int8)
        star[-1, :-1] = star[:-1, -1] = 1
        return cl.PAG(marks=star, nodes=tuple(variables), labels=tuple(labels))

    found = cl.explain(model, text, nodes="all", learner=learner)
    assert seen["shape"] == (7, 7)
    assert seen["labels"] == [*text.split(), found.target]
    assert set(found.distances[0].values()) == {1}

    def correlation(attention):
        seen["covariance"] = True
        return np.eye(len(attention))

    found = cl.explain(model, text, nodes="all", correlation=correlation)
    assert seen["covariance"]
    assert not found.success
    assert "no unit is linked to the outcome" in found.failures[0]
    assert GraphSettings(correlation=correlation).describe()["correlation"] == "correlation"


def test_tree_distances_leave_out_what_cannot_be_reached():
    marks = np.zeros((4, 4), dtype=np.int8)
    marks[0, 3] = marks[3, 0] = marks[0, 1] = marks[1, 0] = 2
    pag = cl.PAG(marks=marks, nodes=(0, 1, 2, 3))
    assert tree_distances(pag, (10, 11, 12)) == {10: 1, 11: 2}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(10))
def test_baselines_report_sets_that_flip_at_the_same_interface(method, seed):
    model, text = random_case(seed, 8)
    if "gradient" in method:
        with pytest.raises(ValueError, match="needs gradients"):
            explain_by(model, text, method)
        return
    found = explain_by(model, text, method)
    size, sets = smallest_by_brute_force(model, text)
    for one in found.sets:
        assert flips(model, text, one.positions)
    if method == "exhaustive" and size <= 4:
        assert {s.positions for s in found.sets} == sets
        assert found.certified is True
    assert found.settings["method"] == method
    assert json.loads(found.to_json())["task"] == "classification"


def test_a_method_of_ones_own_is_scored_beside_the_others():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    mine = explain_by(model, "the film is dull", lambda model, encoded: [len(u) for u in encoded.units])
    assert mine.sets[0].units == ("film", "dull")
    for wrong in (lambda m, e: [1.0], lambda m, e: [np.nan] * 4):
        with pytest.raises(ValueError, match="scores must be 4 finite numbers"):
            explain_by(model, "the film is dull", wrong)
    with pytest.raises(ValueError, match="method must be one of"):
        explain_by(model, "the film is dull", "magic")


def test_a_users_own_set_can_be_run():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    tries = Interventions(model, model.encode("the film is dull"))
    assert tries.run([(3,), (1,)]) == [(3,)]
    assert tries.found((3,)).replacement == "yes"
    assert tries.calls == 3
    assert tries.run([(3,)]) == [(3,)]
    assert tries.calls == 3  # a set runs once


@pytest.mark.parametrize(
    "settings",
    [
        {"n_samples": np.int64(50), "layer": np.int64(0), "max_size": np.int64(2), "certify": np.int64(9)},
        {"alpha": np.float32(0.1), "one_sided": np.bool_(False)},
        {"nodes": ("dull", "film")},
        {"nodes": np.array([1, 3])},
        {"nodes": {"dull"}},
        {"nodes": (word for word in ("dull", "film"))},
        {"certify": np.bool_(True)},
        {"nodes": partial(str.startswith, "the dull film")},
        {"correlation": partial(cl.attention_correlation)},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_json_keeps_settings_of_every_kind(settings):
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    found = cl.explain(model, "the film is dull", **settings)
    assert cl.Explanation.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_samples": 0}, "n_samples must be above 3: got 0"),
        ({"max_nodes": 0}, "max_nodes must be at least 1: got 0"),
        ({"max_tests": 0}, "max_tests must be at least 1: got 0"),
        ({"max_calls": 0}, "max_calls must be at least 1: got 0"),
        ({"certify": -1}, "certify must be True, False or a number of inputs: got -1"),
        ({"model": "pocket-sentiment"}, r"not its name: load_model\('pocket-sentiment'\) gives one"),
    ],
)
def test_settings_out_of_range_get_one_sentence(settings, sentence):
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    with pytest.raises(ValueError, match=sentence):
        cl.explain(**{"model": model, "input": "the film is dull", **settings})


def test_json_of_something_else_is_refused():
    for text in ("{}", "[]", "nonsense", '{"format": "cleann_lite explanation 1"}'):
        with pytest.raises(ValueError, match="not the JSON of an explanation"):
            cl.Explanation.from_json(text)
