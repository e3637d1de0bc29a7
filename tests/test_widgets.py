"""The pure functions behind the explorers, bad states included, and what an explorer leaves on a page."""

import itertools
import json
import re
import time
from html.parser import HTMLParser
from threading import Event

import networkx as nx
import numpy as np
import pytest

from cleann_lite.attention.sem import attention_correlation
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.graphs import Mark, distinct
from cleann_lite.causal.independence import DSeparation, PartialCorrelation
from cleann_lite.drawing.view import css, script, slider
from cleann_lite.explaining import interactive
from cleann_lite.explaining.search import explain as library_explain
from cleann_lite.models.protocol import Encoded, Model
from cleann_lite.widgets import (
    DiscoveryStepper,
    ExplanationComparison,
    ExplanationExplorer,
    IdentifiabilityExplorer,
    RecommendationExplorer,
    ThresholdExplorer,
    comparing,
    identifying,
    recommending,
    stepping,
    threshold,
)

MARKUP = "<script>alert(1)</script>"
POLARITY = {"dull": -3.0, "boring": -2.0, "fine": 1.0, "wonderful": 4.0}
VOTES = {"Alien (1979)": (2, 3.0), "Toy Story (1995)": (0, 2.0)}


def attention(k, heads=1, seed=0, concentration=0.3):
    return np.random.default_rng(seed).dirichlet(np.full(k, concentration), size=(1, heads, k))


def event(explorer, name, item=None):
    return explorer.act({"name": name, "item": item}).view


MALFORMED = [
    "x", 5, {"item": 1}, {"name": 3}, {"name": "select"}, {"name": "select", "item": [0, 1]},
    {"name": "place"}, {"name": "place", "item": 3}, {"name": "place", "item": [0, float("nan"), 1.0]},
]  # fmt: skip


@pytest.mark.parametrize("wrong", MALFORMED, ids=repr)
def test_an_event_that_is_none_is_told_in_one_sentence_and_changes_nothing(wrong):
    explorer = ThresholdExplorer(attention(4), list("abcd"))
    before = dict(explorer.state)
    explorer.act(wrong)
    if wrong != {"name": "select"}:  # nothing is chosen, as before
        assert explorer.view.error and len(explorer.view.error) < 250 and "\n" not in explorer.view.error
    assert explorer.state == before and not explorer.set(alpha=0.1).view.error


@pytest.mark.parametrize(
    "name, value", [("alpha", []), ("alpha", {}), ("placed", None), ("since", 5), ("arranged", [1])]
)
def test_a_control_cannot_be_moved_to_what_is_no_value(name, value):
    explorer = ThresholdExplorer(attention(4), list("abcd"))
    with pytest.raises(ValueError, match=f"'{name}'.*cannot be carried out"):
        explorer.set(**{name: value})
    assert not explorer.set(alpha=0.1).view.error


def panel(view, kind):
    return next(one for one in view.panels if one.get("name") == kind or one["kind"] == kind)


class Lexicon:
    """A model whose every answer can be worked out by hand: the polarities of the unmasked words add up."""

    name, task, hidden_size, causal = "lexicon", "classification", 64, False
    labels = ("negative", "positive")

    def encode(self, input, target=None, split_into="words"):
        words = tuple(input.split())
        if not words:
            raise ValueError("the text is empty: at least one word is needed")
        tokens = tuple((i + 1,) for i in range(len(words)))
        outcome = self.labels.index(target) if target else int(self._score(words) > 0)
        return Encoded(words, tokens, (0,), self.labels[outcome], outcome, words)

    def _score(self, words):
        return 0.5 + sum(POLARITY.get(word, 0.0) for word in words)

    def attention(self, encoded, layer=-1):
        n = len(encoded.units) + 1
        weight = np.full((2, n, n), 0.1)
        weight[0, 0, 1:] += [abs(POLARITY.get(word, 0.0)) for word in encoded.units]
        weight[0] += np.diag([1.0] * n)
        weight[1] = np.eye(n)  # a head that links nothing to anything: it explains nothing
        return weight / weight.sum(-1, keepdims=True)

    def predict(self, encoded, masks):
        rows = []
        for mask in masks:
            score = self._score([word for i, word in enumerate(encoded.units) if i not in mask])
            rows.append([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))])
        return np.array(rows)

    def label(self, index):
        return self.labels[index]

    def masked_input(self, encoded, mask):
        return " ".join("[MASK]" if i in mask else word for i, word in enumerate(encoded.units))


# --- thresholds ----------------------------------------------------------------------------------


def test_the_graph_shown_is_the_graph_learned():
    weights = attention(9, seed=3)
    explorer = ThresholdExplorer(weights, list("abcdefghi"), n=64)
    for alpha in (1e-6, 0.01, 0.1):
        explorer.set(alpha=alpha)
        test = PartialCorrelation(attention_correlation(weights[0, 0]), 64, alpha=alpha)
        pag = learn_pag(test, labels=list("abcdefghi"))
        curves = [c for c in explorer.view.drawing.scene.curves if c.state != "removed"]
        shown = {(c.a, c.b): (c.mark_a, c.mark_b) for c in curves}
        pairs = np.argwhere(np.triu(pag.marks)).tolist()
        assert shown == {(i, j): (pag.marks[j, i], pag.marks[i, j]) for i, j in pairs}


def test_what_changed_is_told_and_words_stay_in_place():
    explorer = ThresholdExplorer(attention(12, seed=1), None, n=64, alpha=0.1)
    before = dict(explorer.view.drawing.positions)
    wide = {(c.a, c.b) for c in explorer.view.drawing.scene.curves}
    explorer.set(alpha=1e-6)
    narrow = {(c.a, c.b) for c in explorer.view.drawing.scene.curves if c.state != "removed"}
    gone = {(c.a, c.b) for c in explorer.view.drawing.scene.curves if c.state == "removed"}
    assert gone == wide - narrow and gone
    assert f"{len(gone)} gone" in explorer.view.status
    assert explorer.view.drawing.positions == before
    event(explorer, "arrange")
    assert explorer.view.drawing.positions != before


def test_many_edges_that_went_are_drawn_on_demand_and_counts_agree():
    explorer = ThresholdExplorer(attention(16, seed=2), None, n=400, alpha=0.2)
    explorer.act(alpha=1e-8)
    view = explorer.view
    count = int(re.search(r"ICD: (\d+) edge", view.status)[1])
    gone = int(re.search(r"(\d+) gone", view.status)[1])
    assert gone > threshold.FEW and f"The {gone} that went are not drawn" in view.status
    assert len(view.words) == count == len(view.drawing.scene.curves)
    assert view.words_title.startswith(f"{count} edge") and "went" not in view.words_title
    view = explorer.act(gone=True).view
    states = [curve.state for curve in view.drawing.scene.curves]
    assert states.count("removed") == gone and len(states) - gone == count
    assert view.words_title == f"{count} edge{'s' * (count != 1)} in words, and {gone} that went"


@pytest.mark.parametrize("alpha", [threshold.ALPHAS[0], threshold.ALPHAS[-1]])
@pytest.mark.parametrize("sided", ["one", "two"])
@pytest.mark.parametrize("method", ["icd", "fci"])
def test_both_ends_of_the_slider(alpha, sided, method):
    explorer = ThresholdExplorer(attention(8), None, n=32)
    view = explorer.set(alpha=alpha, sided=sided, method=method).view
    assert f"α = {alpha:g}" in view.status and not view.error
    assert view.controls[0]["value"] == alpha


@pytest.mark.parametrize("k", [1, 2])
def test_one_and_two_words(k):
    explorer = ThresholdExplorer(attention(k), ["film", "dull"][:k])
    assert len(explorer.view.drawing.scene.boxes) == k
    event(explorer, "select", "n0")
    assert "film" in explorer.view.detail


def test_too_few_samples_are_told_in_one_sentence():
    explorer = ThresholdExplorer(attention(10), None, n=64)
    before = explorer.view.svg
    explorer.act(n=3)
    assert "n_samples must be above 3" in explorer.view.error and explorer.view.svg == before
    explorer.act(n=64)
    assert explorer.view.error == ""
    with pytest.raises(ValueError, match="alpha must be between 0 and 1"):
        explorer.set(alpha=1.0)
    with pytest.raises(ValueError, match="ThresholdExplorer has no 'beta': it has alpha, n, sided"):
        explorer.set(beta=1)


def test_p_values_and_separating_sets_of_every_pair():
    weights = attention(7, seed=5)
    test = PartialCorrelation(attention_correlation(weights[0, 0]), 64, alpha=0.01)
    pag = learn_pag(test)
    pairs = [(i, j) for i in range(7) for j in range(i + 1, 7)]
    said = threshold.edge_details(pag, test, pairs)
    for (i, j), text in said.items():
        if pag.marks[i, j]:
            others = [test.p_value(i, j, (z,)) for z in range(7) if z not in (i, j)]
            assert f"at most {max(others):.2g}" in text or "at most below" in text
        else:
            given = pag.separating_set(i, j)
            assert f"p = {test.p_value(i, j, given):.2g} > α" in text
            assert all(f"{z}" in text for z in given)
    assert {pag.marks[pair] > 0 for pair in pairs} == {True, False}


def test_a_chosen_pair_keeps_its_p_value_when_its_edge_is_long_gone():
    explorer = ThresholdExplorer(attention(7, seed=5), None, n=12, alpha=0.2)
    pag = explorer.source.pag(*threshold.settings_of(explorer.state))
    a, b = next((a, b) for a, b, *_ in pag.edges())
    event(explorer, "select", f"e{a}-{b}")
    explorer.set(alpha=1e-10).set(alpha=1e-9)
    assert not explorer.view.drawing.scene.curves
    assert "no edge. Separating set" in explorer.view.detail and "α = 1e-09" in explorer.view.detail


def test_layers_and_heads_that_are_not_there_are_refused():
    assert ThresholdExplorer(attention(4, heads=3), None, head=-1).state["head"] == 2
    with pytest.raises(ValueError, match="head must be one of 0, 1, 2: got 3"):
        ThresholdExplorer(attention(4, heads=3), None, head=3)
    explorer = ThresholdExplorer(attention(4), None)
    for change in ({"layer": 1}, {"sided": "both"}):
        with pytest.raises(ValueError, match=f"{next(iter(change))} must be one of"):
            explorer.set(**change)


def test_a_slider_stands_at_what_is_shown():
    explorer = ThresholdExplorer(attention(4), None, alpha=0.05, n=50)
    for control in explorer.view.controls[:2]:
        assert control["value"] == explorer.state[control["name"]]
        assert control["texts"][control["values"].index(control["value"])] in ("0.05", "50")


def test_selection_survives_what_it_cannot_show():
    explorer = ThresholdExplorer(attention(5), None)
    for key in ("e0-1", "n4", "n99", "e7-1", "x", "", None, "e1", "n-1"):
        event(explorer, "select", key)
        assert not explorer.view.error
    event(explorer, "select", "n2")
    explorer.set(around=True)
    assert explorer.view.selected == "n2"
    event(explorer, "select", "n2")
    assert explorer.view.selected is None, "choosing it again lets it go"


def test_wrong_matrices_are_refused():
    with pytest.raises(ValueError, match="either attention or correlation"):
        ThresholdExplorer()
    with pytest.raises(ValueError, match=r"got shape \(2, 3\)"):
        ThresholdExplorer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"for 2 words: got shape \(1, 1, 3, 3\)"):
        ThresholdExplorer(attention(3), ["a", "b"])
    with pytest.raises(ValueError, match="rows that sum to 1"):
        ThresholdExplorer(2 * attention(3)[0, 0])


def test_of_model_takes_the_covariance_of_the_whole_matrix():
    model, text = Lexicon(), "a dull film but wonderful cast"
    explorer = ThresholdExplorer.of_model(model, text)
    outcome = "negative" if model._score(text.split()) < 0 else "positive"
    assert explorer.source.words == [outcome, *text.split()]
    whole = attention_correlation(model.attention(model.encode(text))[0])
    assert np.allclose(explorer.source.correlations[-1, 0], whole)
    assert explorer.state["n"] == model.hidden_size


# --- explanations --------------------------------------------------------------------------------


def explore(text="a dull film but wonderful cast", **settings):
    settings = {"examples": {"markup": MARKUP, "mixed": text}, "alpha": 0.2, **settings}
    return ExplanationExplorer(Lexicon(), text, **settings)


def test_levels_start_where_explain_does_and_no_mask_runs_twice():
    ran = []

    class Counts(Lexicon):
        def predict(self, encoded, masks):
            ran.extend(mask for mask in masks if mask)
            return super().predict(encoded, masks)

    explorer = ExplanationExplorer(Counts(), "a dull film but wonderful cast and a fine plot", examples={})
    assert explorer.state["alpha"] == 0.01
    for alpha in (0.001, 0.05, 0.2):
        explorer.set(alpha=alpha, prove=True)
    assert len(ran) == len(set(ran)) >= 2


def test_the_lexicon_fulfils_the_protocol():
    assert isinstance(Lexicon(), Model)


def test_masking_a_word_moves_the_probability_by_what_the_model_says():
    explorer = explore()
    assert explorer.view.data["prediction"] == "positive"
    view = event(explorer, "toggle", 4)
    assert view.data["mask"] == ["wonderful"] and view.data["prediction_with_mask"] == "negative"
    score = 0.5 - 3.0
    bars = {item["text"]: item["value"] for item in panel(view, "bars")["items"]}
    assert bars["positive (explained)"] == pytest.approx(1 / (1 + np.exp(-score)))
    assert "You masked 1 word" in panel(view, "score")["text"]
    assert any(box.struck and box.label == "wonderful" for box in view.drawing.scene.boxes)
    assert event(explorer, "toggle", 4).data["mask"] == []


def test_a_found_set_becomes_ones_own_mask():
    explorer = explore()
    found = explorer.explanation_of(explorer.state).sets
    assert found and found[0].units == ("wonderful",)
    view = event(explorer, "use", 0)
    assert view.data["mask"] == ["wonderful"]
    assert "as few as the smallest set" in panel(view, "score")["text"]
    assert event(explorer, "clear").data["mask"] == []


def test_choosing_a_node_masks_its_word_and_the_outcome_cannot_be_masked():
    explorer = explore()
    nodes = explorer.explanation_of(explorer.state).in_graph
    view = event(explorer, "select", "n0")
    assert explorer.state["mask"] == (nodes[0],)
    outcome = len(view.drawing.scene.boxes) - 1
    event(explorer, "select", f"n{outcome}")
    assert explorer.state["mask"] == (nodes[0],)


@pytest.mark.parametrize(
    ("size", "flipped", "sets", "said"),
    [
        (0, False, 2, "Can you do with fewer"),
        (0, False, 1, "Can you find another word"),
        (0, False, 0, "can you change the prediction"),
        (2, False, 2, "the prediction stays"),
        (1, True, 2, "You beat the algorithm"),
        (2, True, 2, "as few as the smallest"),
        (3, True, 2, "2 would do"),
        (3, True, 0, "the graph offered no set"),
    ],
)
def test_beating_the_algorithm(size, flipped, sets, said):
    class One:
        positions, within_graph = tuple(range(sets)), True

    class Found:
        pass

    Found.sets = (One,) * bool(sets)
    text = interactive.score_text(Found, tuple(range(size)), flipped, "negative", "word")
    assert said.lower() in text.lower()


def test_a_head_that_explains_nothing_says_so():
    view = explore(head=1, alpha=0.01).view
    assert not view.drawing.scene.curves
    assert panel(view, "list")["title"] == "No set found"
    assert "no unit is linked to the outcome" in panel(view, "list")["items"][0]
    assert "can you change the prediction" in panel(view, "score")["text"]


def test_empty_text_is_told_and_the_next_text_works():
    explorer = explore()
    svg = explorer.view.svg
    explorer.act(input="   ")
    assert "the text is empty" in explorer.view.error and explorer.view.svg == svg
    values = {one["name"]: one.get("value") for one in explorer.view.controls}
    assert values["input"] == "   ", "what the reader typed stays in the field"
    explorer.act(input="dull")
    assert explorer.view.error == "" and explorer.view.data["prediction"] == "negative"
    assert explorer.state["mask"] == () and explorer.state["example"] == ""
    explorer.act(example="mixed")
    assert explorer.view.data["prediction"] == "positive"


def test_explaining_what_the_model_does_not_predict():
    view = explore(target="negative").view
    assert "the model predicts 'positive', not 'negative'" in panel(view, "list")["items"][0]
    masked = event(explore(target="negative"), "toggle", 0)
    said = "Nothing to beat: with no mask the model says “positive” already."
    for one in (view, masked):  # nobody beats an algorithm that had nothing to search for
        assert panel(one, "score")["text"] == said


def test_alpha_at_both_ends():
    for alpha in (interactive.ALPHAS[0], interactive.ALPHAS[-1]):
        assert not explore(alpha=alpha).view.error


def test_positions_stay_while_alpha_moves():
    explorer = explore(alpha=0.2)
    before = explorer.view.drawing.positions
    assert explorer.set(alpha=1e-6).view.drawing.positions == before


@pytest.fixture(scope="module")
def masked_words():
    pytest.importorskip("transformers")
    from cleann_lite import load_model

    return load_model("pocket-masked-word")


TYPED = "The acting is terrible, and the plot makes no [MASK] at all."


@pytest.mark.parametrize(
    ("text", "target", "word"),
    [
        (TYPED, None, "[MASK]"),
        (TYPED, "terrible", "terrible"),
        (TYPED, 7, "plot"),
        ("An utterly dull film.", None, "utterly"),
    ],
)
def test_a_masked_word_explorer_begins_with_the_mask_or_the_longest_word(masked_words, text, target, word):
    explorer = ExplanationExplorer(masked_words, text, target=target)
    choices = {item["name"]: item for item in explorer.view.controls}["target"]
    assert choices["texts"][choices["values"].index(choices["value"])] == word
    encoded = masked_words.encode(text, target=explorer.state["target"])
    assert encoded.units[explorer.state["target"]] == word
    chips = panel(explorer.view, "chips")["items"]
    assert [chip["disabled"] for chip in chips] == [unit == word for unit in encoded.units]


def test_another_text_and_another_word_of_a_masked_word_explorer(masked_words):
    explorer = ExplanationExplorer(masked_words, TYPED, examples={"short": "The acting is terrible."})
    assert explorer.view.data["prediction"] == "sense"
    said = [one["text"] for one in explorer.view.panels if one["kind"] == "text"]
    assert said[-1] == "No smaller set exists: it is one word."
    explorer.set(target=3)
    assert not any("its own word is explained" in note for note in said)
    alone = masked_words.encode(TYPED, target="terrible")
    assert explorer.view.data["prediction"] == masked_words.label(alone.target)
    explorer.set(example="short")
    assert explorer.state["target"] == 3 and explorer.state["mask"] == ()
    explorer.act(input=" ")
    assert "the text is empty" in explorer.view.error
    with pytest.raises(ValueError, match="must be a word of the text: got 'wonderful'"):
        ExplanationExplorer(masked_words, TYPED, target="wonderful")


def test_a_decoder_can_be_explored():
    pytest.importorskip("transformers")
    from cleann_lite import load_model

    explorer = ExplanationExplorer(load_model("pocket-gpt"), "The acting is terrible, and the plot makes no")
    assert explorer.view.data["prediction"] == "sense"
    found = explorer.explanation_of(explorer.state).sets[0]
    assert event(explorer, "use", 0).data["prediction_with_mask"] == found.replacement != "sense"


# --- recommendations -----------------------------------------------------------------------------


class Films:
    titles = ("The Matrix (1999)", "Alien (1979)", "Aliens (1986)", f"{MARKUP} (2001)", "Toy Story (1995)")

    def find(self, film):
        matches = [i for i, title in enumerate(self.titles) if film.strip().lower() in title.lower()]
        if len(matches) != 1:
            raise ValueError(f"no film called {film!r} among the {len(self.titles)} known films")
        return matches[0]


class Follows:
    """A recommender that can be worked out by hand: each film votes for one other."""

    name, task, hidden_size, causal = "follows", "recommendation", 64, False
    films = Films()

    def encode(self, history, target=None, split_into="words"):
        history = tuple(history)
        tokens = tuple((i,) for i in range(len(history)))
        best = int(self._scores(history, history).argmax()) if target is None else target
        return Encoded(history, tokens, (len(history),), self.films.titles[best], best, history)

    def _scores(self, films, seen):
        scores = np.zeros(len(self.films.titles))
        for film in films:
            at, weight = VOTES.get(film, (3, 0.5))
            scores[at] += weight
        scores[[self.films.titles.index(film) for film in seen]] = -np.inf
        return scores

    def attention(self, encoded, layer=-1):
        n = len(encoded.units) + 1
        weights = np.eye(n) + 0.2
        weights[-1, :-1] += 1.0
        return (weights / weights.sum(1, keepdims=True))[None]

    def predict(self, encoded, masks):
        rows = []
        for mask in masks:
            kept = [film for i, film in enumerate(encoded.units) if i not in mask]
            power = np.exp(self._scores(kept, encoded.units))
            rows.append(power / power.sum())
        return np.array(rows)

    def label(self, index):
        return self.films.titles[index]

    def masked_input(self, encoded, mask):
        return ["[MASK]" if i in mask else film for i, film in enumerate(encoded.units)]


def recommend():
    return RecommendationExplorer(
        Follows(), ["Alien (1979)", "Toy Story (1995)"], examples={}, alpha=0.2, k=3
    )


def test_a_film_removed_changes_the_list():
    explorer = recommend()
    assert explorer.view.data["prediction"] == "Aliens (1986)"
    view = event(explorer, "toggle", 0)
    rows = panel(view, "list")["rows"]
    assert [row[1] for row in rows[:2]] == ["Aliens (1986)", "The Matrix (1999)"]
    assert [row[3] for row in rows[:2]] != ["1", "2"] and view.data[
        "prediction_with_mask"
    ] == "The Matrix (1999)"
    event(explorer, "drop")
    assert explorer.state["input"] == ("Toy Story (1995)",) and explorer.state["mask"] == ()


def test_films_are_added_by_title():
    explorer = recommend()
    explorer.act(query="matr")
    offered = next(one for one in explorer.view.controls if one["kind"] == "entry")["offers"]
    assert offered == ["The Matrix (1999)"]
    assert [item["id"] for item in panel(explorer.view, "add")["items"]] == offered
    event(explorer, "add", "The Matrix (1999)")
    assert explorer.state["input"][-1] == "The Matrix (1999)"
    for wrong in ("The Matrix (1999)", "nothing of the kind", MARKUP[:4] + "x"):
        before = explorer.state["input"]
        assert event(explorer, "add", wrong).error and explorer.state["input"] == before
    event(explorer, "toggle", 0)
    event(explorer, "toggle", 1)
    event(explorer, "toggle", 2)
    assert "at least one film" in event(explorer, "drop").error


def test_a_history_in_one_text_and_a_model_of_another_kind():
    explorer = RecommendationExplorer(Follows(), "Alien (1979); Toy Story (1995)", examples={})
    assert explorer.state["input"] == ("Alien (1979)", "Toy Story (1995)")
    with pytest.raises(ValueError, match="a recommender is needed: lexicon is for classification"):
        RecommendationExplorer(Lexicon(), examples={})
    with pytest.raises(ValueError, match="a model of texts is needed: follows recommends"):
        ExplanationExplorer(Follows(), "Alien", examples={})


def test_offers_prefer_titles_that_begin_so():
    titles = ["Toys (1992)", "The Toy (1982)", "A Story of Toys (1990)", "Alien (1979)"]
    assert recommending.offers(titles, "TOY") == ["Toys (1992)", "The Toy (1982)", "A Story of Toys (1990)"]
    assert recommending.offers(titles, "toy", taken=["Toys (1992)"])[0] == "The Toy (1982)"
    assert recommending.offers(titles, "(") == []


# --- stepper -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["icd", "fci"])
def test_frames_replay_a_search_to_its_end(method):
    for dag, observed in stepping.examples().values():
        pag = learn_pag(DSeparation(dag, observed), method=method, labels=observed, trace=True)
        moments = stepping.frames(pag)
        assert np.array_equal(moments[-1].marks, pag.marks)
        assert np.count_nonzero(moments[0].marks) == len(pag) * (len(pag) - 1)
        for one, other in itertools.pairwise(moments):
            assert np.count_nonzero(other.marks) <= np.count_nonzero(one.marks)
            assert ((other.marks > 0) == (other.marks.T > 0)).all()
        assert moments[-1].separating_sets.keys() == dict(pag.separating_sets).keys()


@pytest.mark.parametrize("seed", range(12))
def test_every_orientation_starts_afresh(seed):
    rng = np.random.default_rng(seed)
    mixing = np.tril(rng.normal(size=(7, 7)) * (rng.random((7, 7)) < 0.4), -1) + np.eye(7)
    test = PartialCorrelation.from_data(rng.normal(size=(80, 7)) @ mixing.T, alpha=0.05)
    pag = learn_pag(test, trace=True)
    moments, number = stepping.frames(pag), {node: i for i, node in enumerate(pag.nodes)}
    assert np.array_equal(moments[-1].marks, pag.marks)
    last = None  # the last orientation or removal
    for before, now in itertools.pairwise(moments):
        if now.step is not None and now.step.kind == "orient":
            at = number[now.step.x], number[now.step.y]
            assert now.marks[at] == now.step.mark
            if last == "orient":  # a rule only ever writes on a circle
                assert before.marks[at] == Mark.CIRCLE and np.count_nonzero(before.marks != now.marks) == 1
            else:
                assert np.count_nonzero(now.marks > Mark.CIRCLE) == 1
        last = now.step.kind if now.step is not None and now.step.kind in ("orient", "remove") else last


def test_frames_of_a_random_search_count_its_tests():
    rng = np.random.default_rng(2)
    test = PartialCorrelation.from_data(rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)), alpha=0.05)
    pag = learn_pag(test, trace=True)
    explorer = DiscoveryStepper(PartialCorrelation(test.correlation, 60, alpha=0.05), None)
    event(explorer, "last")
    tests = sum(step.kind == "test" for step in pag.trace)
    assert f"{tests} tests so far" in explorer.view.status
    assert np.array_equal(explorer.searches.run("the given test", "icd")[1][-1].marks, pag.marks)


def test_steps_forward_and_back_and_at_every_pace():
    explorer = DiscoveryStepper()
    assert "complete graph" in explorer.view.status
    assert event(explorer, "back").status == event(explorer, "first").status, (
        "there is nothing before the start"
    )
    seen = []
    for pace in ("level", "change", "all"):
        explorer.set(pace=pace, step=0)
        steps = 0
        while True:
            at = explorer.state["step"]
            event(explorer, "next")
            if explorer.state["step"] == at:
                break
            steps += 1
        seen.append(steps)
    assert seen[0] < seen[1] < seen[2]
    event(explorer, "next")
    assert not explorer.view.error, "there is nothing after the end"
    here = explorer.state["step"]
    event(explorer, "back")
    assert explorer.state["step"] < here


def test_the_log_counts_as_the_status_does():
    explorer = DiscoveryStepper()
    for pace in ("all", "change"):
        explorer.set(pace=pace, step=12)
        now = next(one for one in panel(explorer.view, "log")["items"] if one["now"])
        assert explorer.view.status.startswith(f"Step {now['step']} of")
    with pytest.raises(ValueError, match="pace must be one of all, change, level: got 'often'"):
        explorer.set(pace="often")
    with pytest.raises(ValueError, match="method must be one of icd, fci: got 'ordered-icd'"):
        DiscoveryStepper(method="ordered-icd")


def test_play_ticks_until_the_end_and_a_stray_tick_does_nothing():
    explorer = DiscoveryStepper(pace="level")
    assert event(explorer, "tick").tick == 0 and explorer.state["step"] == 0
    assert event(explorer, "play").tick == 800
    for _ in range(20):
        event(explorer, "tick")
    assert explorer.view.tick == 0 and not explorer.state["playing"]
    assert explorer.view.controls[-1]["items"][3]["disabled"]


def test_a_step_shows_its_edge_and_its_set():
    explorer = DiscoveryStepper()
    _, moments = explorer.searches.run(explorer.state["problem"], "icd")
    place = next(
        i for i, one in enumerate(moments) if one.step and one.step.kind == "test" and one.step.given
    )
    step = moments[place].step
    explorer.set(step=place)
    scene = explorer.view.drawing.scene
    assert [(c.a, c.b) for c in scene.curves if c.state == "bold"] == [(step.x, step.y)]
    assert {box.index for box in scene.boxes if box.letters} == set(step.given)
    place = next(i for i, one in enumerate(moments) if one.step and one.step.kind == "orient")
    explorer.set(step=place)
    assert explorer.view.detail.startswith(f"{moments[place].step.rule}. ")
    with pytest.raises(ValueError, match="no trace"):
        stepping.frames(learn_pag(explorer.searches.problems[explorer.state["problem"]][0]))
    with pytest.raises(ValueError, match="each variable needs a label: got 1 for 2"):
        DiscoveryStepper(DSeparation(nx.DiGraph([("a", "b")]), ["a", "b"]), ["a"])


# --- identifiability -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d_v"), [(2, 1), (8, 6), (8, 7), (8, 8), (64, 64), (64, 1)])
def test_shifts_follow_from_the_sizes(n, d_v):
    answer = identifying.identify(n, 3, d_v, 0, "equivalent")
    assert answer.shifts == max(0, n - d_v - 1) and answer.null_space == max(0, n - d_v)
    assert (answer.other is None) == (answer.shifts == 0)
    if answer.other is not None:
        assert answer.output_gap < 1e-9 and answer.other.min() >= 0 and answer.other.sum() == pytest.approx(1)


@pytest.mark.parametrize(("d_k", "d_v", "unique"), [(4, 8, True), (8, 8, True), (8, 4, False)])
def test_the_two_notions_are_not_mixed(d_k, d_v, unique):
    view = IdentifiabilityExplorer(n=40, d_k=d_k, d_v=d_v).view
    assert "not identifiable among all valid attentions" in view.status
    assert ("not locally unique" not in view.status) == unique


def test_every_comparison_is_drawn():
    explorer = IdentifiabilityExplorer()
    for shown in identifying.SHOWN:
        view = explorer.set(shown=shown, n=20, d_k=8, d_v=4).view
        assert identifying.SHOWN[shown] in view.panels[0]["items"][2]
        assert view.svg.count("<rect") > 20 and len(view.words) == 20
    with pytest.raises(ValueError, match="n must lie in 1"):
        explorer.set(n=0)
    with pytest.raises(ValueError, match="shown must be one of"):
        IdentifiabilityExplorer(shown="all")


def test_the_static_page_names_what_it_lists_in_words():
    page = IdentifiabilityExplorer(n=12, d_k=4, d_v=6).static_html()
    assert "12 weights in words" in page and "edges in words" not in page and ".;" not in page


# --- what an explorer leaves on a page -----------------------------------------------------------


def everything():
    markup = explore(f"a dull {MARKUP} film", examples={MARKUP: MARKUP})
    films = RecommendationExplorer(Follows(), [f"{MARKUP} (2001)"], examples={MARKUP: ["Alien (1979)"]})
    thresholds = ThresholdExplorer(attention(3), [MARKUP, "a", '"<img src=x onerror=alert(1)>'])
    return [markup, films, thresholds, DiscoveryStepper(), IdentifiabilityExplorer()]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.attributes = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes += attrs


class Texts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.text = ""
        self.feed(text)

    def handle_data(self, data):
        self.text += data


def test_every_explorer_leaves_a_picture_and_its_words_without_widgets(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    from cleann_lite.widgets import explorer as module

    module._widget_class.cache_clear()
    for one in everything():
        bundle = one._repr_mimebundle_()
        assert set(bundle) == {"text/html", "text/plain"}
        tags = Tags(bundle["text/html"])
        assert "script" not in tags.names and "img" in tags.names
        assert not [name for name, _ in tags.attributes if name.startswith("on")]
        sources = [value for name, value in tags.attributes if name in ("src", "href")]
        assert len(sources) == 1 and sources[0].startswith("data:image/svg+xml;base64,")
        alt = dict(tags.attributes)["alt"]
        assert len(alt) > 30
        said = Texts(bundle["text/html"]).text
        assert one.view.words and all(sentence in said for sentence in one.view.words)
        assert one.view.words_title in said
    module._widget_class.cache_clear()


def test_page_weight_at_128_tokens_is_below_a_megabyte():
    anywidget = pytest.importorskip("anywidget")
    words = [f"word{i}" for i in range(128)]
    dense = np.where(np.eye(128), 1.0, 0.9)  # every pair is adjacent: the worst case
    explorer = ThresholdExplorer(correlation=dense, words=words, n=64, alpha=0.2)
    bundle = explorer._repr_mimebundle_()
    assert isinstance(explorer.widget, anywidget.AnyWidget)
    state = explorer.widget.get_state()
    weight = len(json.dumps(bundle)) + len(json.dumps(state, default=str))
    assert len(explorer.view.drawing.scene.boxes) == 128
    assert weight < 1_000_000, f"{weight:,} bytes"
    assert "160 of 8128 edges" in explorer.view.status
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_step_of_a_large_search_weighs_little_and_shows_its_edge():
    pytest.importorskip("anywidget")
    explorer = DiscoveryStepper(PartialCorrelation(np.where(np.eye(40), 1.0, 0.3), 20, alpha=0.2))
    assert "160 of 780 edges" in explorer.view.status
    place = next(
        i
        for i, at in enumerate(explorer.searches.run("the given test", "icd")[1])
        if at.step and at.step.x == 30
    )
    explorer.set(step=place)
    assert [c.a for c in explorer.view.drawing.scene.curves if c.state == "bold"] == [30]
    weight = len(json.dumps(explorer._repr_mimebundle_())) + len(json.dumps(explorer.widget.view))
    assert weight < 1_000_000, f"{weight:,} bytes"


def test_the_page_code_asks_for_nothing_from_elsewhere():
    code = script()
    style = css()
    addresses = re.findall(r"https?://[^\s\"')]+", code + style)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ):
        assert word not in code, word
    assert "@import" not in style and "url(" not in style


def test_requests_of_the_browser_are_answered_with_their_number():
    pytest.importorskip("anywidget")
    explorer = ThresholdExplorer(attention(5), None)
    widget = explorer.widget
    request = {"kind": "request", "sequence": 7, "state": {"alpha": 0.1}, "events": [], "start": True}
    explorer.answer(request)
    assert widget.view["sequence"] == 7 and "α = 0.1" in widget.view["status"]
    json.dumps(widget.view)
    sent = []
    widget.send = sent.append
    explorer.receive({"kind": "export", "for": "here"})
    assert sent[0]["for"] == "here"
    assert json.loads(sent[0]["text"])["state"]["alpha"] == 0.1
    explorer.render = lambda state: 1 / 0
    with pytest.raises(ZeroDivisionError):  # a fault of ours reaches the reader as a sentence, not as silence
        explorer.answer({"kind": "request", "sequence": 8, "state": {"alpha": 0.2}})
    assert (
        widget.view["sequence"] == 8 and "This did not work" in widget.view["error"] and widget.view["stale"]
    )


def test_a_long_search_reports_hears_a_stop_and_is_asked_again():
    pytest.importorskip("anywidget")
    explorer, sent, going = ExplanationExplorer(Lexicon(), "dull fine boring film"), [], []
    explorer.widget.send = sent.append
    explorer.receive({"kind": "ping"})
    assert sent == [{"kind": "pong"}]
    assert explorer.report(412, 1000) and sent[-1] == {"kind": "progress", "done": 412, "of": 1000}
    assert explorer.report(413, 1000) and len(sent) == 2, "ten reports a second are enough"
    explorer.receive({"kind": "stop"})
    assert not explorer.report(414, 1000)
    started, release = Event(), Event()

    def explain(model, input, progress, **options):
        started.set()
        release.wait(10)
        going.append(progress(1, 10))
        return library_explain(model, input, **options)

    explorer.asked.explain = explain
    explorer.receive({"kind": "request", "sequence": 3, "state": {"input": "a wonderful film"}, "events": []})
    assert started.wait(10)
    explorer.receive({"kind": "stop"})  # heard while the search is under way
    release.set()
    deadline = time.monotonic() + 10
    while explorer.widget.view["sequence"] != 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert going == [False] and explorer.state["input"] == "a wonderful film"


def test_an_empty_text_leaves_no_old_answer_as_if_it_were_new():
    explorer = ExplanationExplorer(Lexicon(), "dull fine film")
    explorer.act(input=" ")
    assert explorer.view.stale and "belongs to the last input that worked" in explorer.view.status
    explorer.act(input="dull film")
    assert not explorer.view.stale and not explorer.view.error


def test_files(tmp_path):
    for one in (DiscoveryStepper(), IdentifiabilityExplorer()):
        for ending in (".svg", ".json"):
            assert one.save(tmp_path / f"x{ending}").stat().st_size > 500
    assert DiscoveryStepper().save(tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"saved as \.svg or \.json: got 'x\.png'"):
        IdentifiabilityExplorer().save(tmp_path / "x.png")


def test_labels_and_sliders():
    assert distinct(["a", "b", "a"]) == ["a₁", "b", "a₂"]
    one = slider("alpha", "α", (0.01, 0.1), 0.02)
    assert one["value"] == 0.02 and one["texts"] == ["0.01", "0.02", "0.1"]
    assert Mark.ARROW == 2


def test_a_perfect_test_has_no_p_and_others_do():
    perfect, real = DiscoveryStepper(), DiscoveryStepper(PartialCorrelation(np.eye(3) * 0.5 + 0.5, 50))
    for stepper, has in ((perfect, False), (real, True)):
        said = " ".join(item["text"] for item in panel(stepper.view, "log")["items"])
        assert "Test " in said and ("p = " in said) == has


def test_replay_starts_again():
    stepper = DiscoveryStepper(pace="change")
    last = event(stepper, "last")
    assert buttons_of(last)["play"] == ("Replay", False)
    again = event(stepper, "play")
    assert stepper.state["step"] == 0 and stepper.state["playing"] and again.tick
    assert buttons_of(again)["play"] == ("Pause", False)


def buttons_of(view):
    found = (item for one in view.controls if one["kind"] == "buttons" for item in one["items"])
    return {item["id"]: (item["label"], item["disabled"]) for item in found}


# --- side by side --------------------------------------------------------------------------------


def test_two_texts_are_compared():
    both = ExplanationComparison(
        Lexicon(), ["a dull film but wonderful cast", f"a dull {MARKUP} plot"], alpha=0.2
    )
    left, right = (side.explanation_of(side.shown) for side in both.sides)
    rows = {name: rest for name, *rest in comparing.differences(left, right)}
    assert [text.split()[0] for text in rows["Prediction"]] == [left.prediction, right.prediction]
    for side, told in zip((left, right), rows["Edges"], strict=True):
        pag = side.pags[side.best_head]
        assert int(told.split(",")[0]) == np.count_nonzero(np.triu(pag.marks))
    assert "<script" not in both.static_html().replace(MARKUP, "") and MARKUP not in both.static_html()
    before = both.differences_html()
    both.sides[0].set(input="a fine film")
    assert both.differences_html() != before


def test_two_models_are_compared_on_one_text():
    class Sour(Lexicon):
        name = "sour"

        def _score(self, words):
            return super()._score(words) - 4

    both = ExplanationComparison([Lexicon(), Sour()], "a dull film but wonderful cast", alpha=0.2)
    rows = {
        name: rest
        for name, *rest in comparing.differences(*(side.explanation_of(side.shown) for side in both.sides))
    }
    assert rows["Model"] == ["lexicon", "sour"]
    assert rows["Prediction"] == ["positive (82%)", "negative (92%)"]
    assert rows["First set found"] == ["wonderful", "dull"]
    assert rows["With it masked"] == ["negative", "positive"]
    told = [re.fullmatch(r"(\d+), 0 only here", text)[1] for text in rows["Edges"]]
    assert told[0] == told[1] == rows["Edges in both graphs"][0].split(":")[0], "one attention, one graph"
    assert both.sides[0].state["input"] == both.sides[1].state["input"]


@pytest.mark.parametrize("models, texts", [(3, 1), (1, 3), (0, 1)])
def test_a_comparison_is_of_two(models, texts):
    with pytest.raises(ValueError, match="two explanations are compared"):
        ExplanationComparison([Lexicon()] * models, ["a dull film"] * texts)


# --- long texts ----------------------------------------------------------------------------------


def test_of_many_words_those_with_an_edge_are_shown():
    """All others would make the picture so large that none can be read."""
    text = " ".join(["dull", *(f"word{i}" for i in range(47))])
    explorer = ExplanationExplorer(Lexicon(), text, examples={}, alpha=0.2)
    scene = explorer.view.drawing.scene
    joined = {end for curve in scene.curves for end in (curve.a, curve.b)}
    marked = {box.index for box in scene.boxes if box.role == "outcome" or box.letters}
    pag = explorer.explanation_of(explorer.state).pags[0]
    assert len(scene.curves) < np.count_nonzero(np.triu(pag.marks)) and len(scene.boxes) < len(pag)
    assert {box.index for box in scene.boxes} == joined | marked
    before = {box.index: (box.x, box.y) for box in scene.boxes}
    event(explorer, "toggle", 0)
    kept = {box.index: (box.x, box.y) for box in explorer.view.drawing.scene.boxes}
    assert kept == before, "words stay where they are"
