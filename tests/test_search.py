"""The CLEANN search: what it reports holds when the model is run again, by itself."""

import json
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.attention.residual import LayerMixing
from cleann_lite.course import figures
from cleann_lite.explaining.baselines import BASELINES, explain_by
from cleann_lite.explaining.head_graphs import candidates, learn_graphs, tree_distances
from cleann_lite.explaining.interactive import Asked
from cleann_lite.explaining.interventions import Interventions
from cleann_lite.explaining.settings import FoundBy, GraphSettings, Stopped
from tests.linear_model import LinearModel
from tests.oracle_cases import SHARED

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


@pytest.mark.parametrize("search", ["full", "cleann"])
@pytest.mark.parametrize("seed", range(150))
def test_sets_flip_and_certificates_agree_with_brute_force(seed, search):
    model, text = random_case(seed)
    found = cl.explain(model, text, alpha=0.1, words="all", search=search)
    size, sets = smallest_by_brute_force(model, text)
    for one in (*found.sets, *found.smaller, *found.proposed):
        assert flips(model, text, one.positions)
        assert [text.split()[p] for p in one.positions] == list(one.units)
        assert len(one.positions) >= size
        assert one.masked.split().count("_") == len(one.positions)
        assert one.within_graph == bool(one.heads) == (one.head is not None)
    if found.certified is True:
        assert {s.positions for s in found.sets} <= sets
    if found.certified is False:
        assert search == "cleann"
        assert all(len(s.positions) < len(found.sets[0].positions) for s in found.smaller)
    assert found.success == bool(found.sets)
    assert (found.stopped is Stopped.FOUND) == found.success
    if search == "full":
        assert found.success == (size < np.inf)
        assert found.certified or not found.success  # at most ten words: every proof is affordable
        assert not found.smaller
    assert cl.Explanation.from_json(found.to_json()) == found


@pytest.mark.parametrize("seed", range(60))
def test_every_unit_of_every_set_is_needed(seed):
    rng = np.random.default_rng(seed)
    n_words = int(rng.integers(5, 70))
    words = [f"x{i}" for i in range(n_words)]
    weights = dict(zip(words, rng.normal(0.1, 1, n_words), strict=True))
    total = sum(weights.values())
    model = LinearModel(weights, bias=-float(rng.uniform(0.2, 0.9)) * total, seed=seed)
    found = cl.explain(model, " ".join(words), max_calls=400, certify=bool(seed % 2))
    for one in found.sets:
        for unit in one.positions:
            assert not flips(model, " ".join(words), [u for u in one.positions if u != unit])
    encoded = model.encode(" ".join(words))
    if model.predict(encoded, [range(n_words)])[0].argmax() != encoded.target:
        assert found.success


def paths_within(marks, root, members):
    """Nodes that some PDS-path from the root inside {root} ∪ members arrives at: the plain definition."""
    reached, waiting = set(), [(root,)]
    while waiting:
        path = waiting.pop()
        for node in members - set(path):
            if not marks[path[-1], node]:
                continue
            if len(path) > 1:
                before, middle = path[-2:]
                collider = marks[before, middle] == 2 and marks[node, middle] == 2
                if not (collider or marks[before, node]):
                    continue
            reached.add(node)
            waiting.append((*path, node))
    return reached


def published(pags, nodes, works, max_size=5):
    """CLEANN as published, without any economy: the sets of the first size at which a legal one works."""
    for size in range(1, max_size + 1):
        found = set()
        for pag in pags.values():
            root = len(nodes)
            for members in combinations(range(root), size):
                if paths_within(pag.marks, root, set(members)) == set(members):
                    found.add(tuple(sorted(nodes[i] for i in members)))
        if found := {units for units in found if works(units)}:
            return found
    return set()


@pytest.mark.parametrize("alpha", [0.01, 0.1])
@pytest.mark.parametrize("seed", range(25))
def test_cleann_alone_is_the_published_method(seed, alpha):
    model, text = random_case(seed, 7)
    found = cl.explain(model, text, alpha=alpha, words="all", search="cleann", certify=False)
    sets = published(found.pags, found.in_graph, lambda units: flips(model, text, units))
    assert {one.positions for one in found.sets} == sets
    assert all(one.found_by is FoundBy.GRAPH for one in found.sets)


class Recorded(LinearModel):
    """A vote of the word-pieces of a text whose attention, of a real network, was recorded."""

    def __init__(self, tokens, attention, seed):
        rng, inner = np.random.default_rng(seed), [str(t) for t in tokens[1:-1]]
        words = [f"{number}:{piece}" for number, piece in enumerate(inner)]
        super().__init__(
            dict(zip(words, rng.normal(0.15, 1, len(words)), strict=True)), float(rng.normal() / 3)
        )
        self.text, self.recorded = " ".join(words), np.asarray(attention, dtype=np.float64)

    def attention(self, encoded, layer=-1):
        return self.recorded / self.recorded.sum(-1, keepdims=True)


def recorded_cases():
    """Attention of real networks: what ships (MiniLM), and what lies beside the clone, where it does."""
    for name in figures.recorded():
        one = figures.recorded(name)
        if len(one.tokens) < 30:
            yield pytest.param(one.tokens, one.attention, id=name)
    folder = SHARED / "data" / "attention"
    missing = pytest.mark.skipif(not folder.exists(), reason="needs ../shared")
    names = {
        "minilm_imdb_last_layer": ("12", "16", "20", "24"),
        "bert_base_uncased_the_cat_sat_on_the_mat": ("",),
    }
    for file, sizes in names.items():
        for size in sizes:
            if not folder.exists():
                yield pytest.param((), (), id=f"{file} {size}", marks=missing)
                continue
            with np.load(folder / f"{file}.npz") as read:
                tokens, attention = (
                    read[f"tokens_{size}" if size else "tokens"],
                    read[f"attention_{size}" if size else "attention"],
                )
            yield pytest.param(
                tokens, attention[-1] if attention.ndim == 4 else attention, id=f"{file} {size}"
            )


@pytest.mark.parametrize(("tokens", "attention"), list(recorded_cases()))
def test_cleann_alone_is_the_published_method_on_recorded_attention(tokens, attention):
    sizes = []
    sparse = [(seed, 10.0 ** -(seed % 9), seed % 12) for seed in range(2, 26) if seed % 9]
    for seed, alpha, heads in [(0, 0.01, "all"), (1, 0.1, [7, 1]), *sparse]:
        model = Recorded(tokens, attention, seed)
        kept = range(len(tokens) - 2) if len(tokens) < 15 else range(0, len(tokens) - 2, 2)
        found = cl.explain(
            model, model.text, alpha=alpha, n_samples=384, heads=heads, words=list(kept), search="cleann",
            certify=False, max_size=4,
        )  # fmt: skip
        sets = published(found.pags, found.in_graph, lambda units: flips(model, model.text, units), 4)  # noqa: B023
        assert {one.positions for one in found.sets} == sets
        assert found.success == bool(sets)
        sizes += [len(one) for one in sets][:1]
    assert sizes, "no case of this text has a set"


@pytest.mark.parametrize("seed", range(40))
def test_all_legal_sets_of_the_smallest_size_are_reported_and_no_other(seed):
    model, text = random_case(seed, 8)
    found = cl.explain(model, text, alpha=0.1, words="all", certify=False, search="cleann")
    encoded = model.encode(text)
    pags, nodes, _ = learn_graphs(model, encoded, alpha=0.1, words="all")
    for size in range(1, 6):
        legal, _ = candidates(pags, nodes, size, 10_000)
        expected = {units for units in legal if flips(model, text, units)}
        if expected:
            break
    assert {s.positions for s in found.sets} == expected
    distances = [s.distance for s in found.sets]
    assert distances == sorted(distances)
    assert found.certified is None


class WithGradients(LinearModel):
    """A vote whose gradients are exact."""

    def attributions(self, encoded, method="gradient-x-input", steps=32, masked=None):
        return encoded.data * (1 if encoded.target else -1)


def long_case(seed, kind):
    """A text of 130 to 330 words, some sentences for and some against."""
    rng = np.random.default_rng(seed)
    words = [f"x{i}" if rng.random() > 0.1 else "." for i in range(int(rng.integers(130, 330)))]
    votes = {word: rng.normal() * rng.choice([0.02, 0.5]) for word in words}
    return kind(votes, bias=float(rng.normal())), " ".join(words)


@pytest.mark.parametrize("kind", [LinearModel, WithGradients])
@pytest.mark.parametrize("seed", range(12))
def test_a_long_text_gets_a_set_of_which_every_unit_is_needed(seed, kind):
    model, text = long_case(seed, kind)
    found = cl.explain(model, text, max_nodes=12)
    assert found.success or not flips(model, text, range(len(found.units)))
    assert found.model_calls <= 1000
    for one in found.sets:
        assert flips(model, text, one.positions)
        for unit in one.positions:
            assert not flips(model, text, [u for u in one.positions if u != unit])
    if kind is WithGradients:  # an exact order: the first words of it are the smallest set
        votes = np.sort(model.attributions(model.encode(text)))[::-1].cumsum()
        enough = np.flatnonzero(votes >= abs(model.encode(text).data.sum() + model.bias))
        assert [len(one.units) for one in found.sets[:1]] == [count + 1 for count in enough[:1]]


def test_a_watcher_hears_of_a_long_text_before_the_first_set_and_often():
    heard = []
    model, text = long_case(1, LinearModel)
    cl.explain(model, text, max_nodes=12, progress=lambda done, cap: heard.append(done))
    assert heard[0] == 1
    assert np.diff(heard).max() * len(text.split()) <= 4096


def test_an_explorer_searches_a_long_text_along_its_order():
    for words, search in ((10, "cleann"), (130, "full")):
        model = LinearModel({f"x{i}": 0.1 for i in range(words)})
        asked = Asked(cl.explain, model, search="cleann", max_nodes=8)
        text = " ".join(f"x{i}" for i in range(words))
        assert asked.explanation(text, None, "best", 0.1, False).settings["search"] == search


def test_the_prediction_is_checked_first():
    model = LinearModel({"a": 1.0})
    found = cl.explain(model, "a b c", target="no")
    assert not found.success
    assert found.failures == ("the model predicts 'yes', not 'no'",)
    assert found.model_calls == 3  # nothing was masked
    assert "No explanation was found" in found.describe()


def test_a_prediction_that_nothing_changes_is_an_honest_failure():
    found = cl.explain(LinearModel({}, bias=5.0), "a b c d", alpha=0.5, words="all")
    assert not found.success
    assert found.certified is None
    assert "changes the prediction" in found.failures[0]


def test_one_word():
    found = cl.explain(LinearModel({"a": 1.0}, bias=-0.5), "a", alpha=0.9, words="all")
    assert found.units == ("a",)
    assert found.success in (True, False)


@pytest.mark.parametrize("search", ["full", "cleann"])
def test_caps_are_reported_when_hit(search):
    model, text = random_case(3, 10)
    model.bias = 40.0  # nothing changes the prediction
    found = cl.explain(model, text, alpha=0.3, words="all", max_calls=5, search=search)
    assert "ended at its cap of 5 inputs" in " ".join(found.notes)
    assert found.stopped is Stopped.CAPPED
    assert found.model_calls <= 5 + 2
    found = cl.explain(model, text, alpha=0.3, words="all", max_candidates=2, search="cleann")
    assert "only the 2 nearest sets" in " ".join(found.notes)
    for name in ("max_size", "max_candidates", "max_calls"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            cl.explain(model, text, **{name: 0})


def test_the_budget_can_end_the_proof():
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    text = " ".join(WORDS[:10])
    whole = cl.explain(model, text, alpha=0.9, words="all")
    assert (whole.certified, len(whole.sets[0].positions)) == (True, 2)
    short = cl.explain(model, text, alpha=0.9, words=WORDS[:3], certify=2, search="cleann")
    assert short.certified is None
    assert "not proved to be smallest: 10 smaller sets exist" in " ".join(short.notes)


def test_interrupting_returns_what_was_found():
    model, text = random_case(5, 10)
    model.bias, model.stop_after = 30.0, 20
    found = cl.explain(model, text, alpha=0.5, words="all")
    assert not found.success
    assert found.stopped is Stopped.INTERRUPTED
    assert "interrupted" in found.notes[-1]
    assert str(found).endswith("No explanation was found: the search was interrupted.")


@pytest.mark.parametrize("search", ["full", "cleann"])
def test_interrupting_keeps_the_sets_that_were_run(search):
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-8.5)  # any two words of ten
    text = " ".join(WORDS[:10])
    asked = []

    def watch(done, cap):
        asked.append((done, cap))
        return done <= 20

    found = cl.explain(model, text, alpha=0.9, words="all", search=search, progress=watch)
    assert asked[-1][0] > 20 and all(cap == 1000 for _, cap in asked)
    assert found.sets and found.stopped is Stopped.INTERRUPTED
    for one in found.sets:
        assert one.replacement != found.prediction
    assert (found.certified, found.notes[-1][:26]) == (None, "the search was interrupted")


@pytest.mark.parametrize("allowed", [True, False])
def test_an_interrupted_set_is_labelled_by_the_stage_that_ran_it(allowed):
    model = LinearModel({"w2": 2.0}, bias=-1.0)
    text = " ".join(WORDS[:10])

    words = WORDS[:5] if allowed else ["w7"]
    end = 1 if allowed else 2  # in the graph's first batch, or after it
    found = cl.explain(model, text, alpha=0.9999, words=words, progress=lambda done, cap: done <= end)
    (one,) = found.sets
    assert (found.stopped, one.units, one.within_graph) == (Stopped.INTERRUPTED, ("w2",), allowed)
    assert one.found_by is (FoundBy.GRAPH if allowed else FoundBy.ALL_WORDS)
    assert ("Found in the graph" in str(found), "outside the graph" in str(found)) == (allowed, not allowed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ends_at", [15, 40, 90, 200])
def test_a_search_cut_short_by_a_watcher_never_calls_a_set_of_another_stage_the_graphs(seed, ends_at):
    model, text = forty_words(seed)
    found = cl.explain(model, text, progress=lambda done, cap: done <= ends_at)
    for one in found.sets:
        assert one.within_graph or one.found_by is not FoundBy.GRAPH


def forty_words(seed):
    rng = np.random.default_rng(seed)
    words = [f"x{i}" for i in range(40)]
    weights = dict(zip(words, rng.uniform(0.5, 1.5, 40), strict=True))
    return LinearModel(weights, bias=-float(rng.uniform(0.3, 0.9)) * sum(weights.values()), seed=seed), (
        " ".join(words)
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_unit_is_needed_or_the_notes_say_that_the_search_was_cut_short(seed):
    model, text = forty_words(seed)
    told = 0
    for cap in (*range(40, 50), *range(60, 400, 40)):
        found = cl.explain(model, text, max_calls=cap, certify=False)
        for one in found.sets:
            assert flips(model, text, one.positions)
            spare = any(flips(model, text, set(one.positions) - {unit}) for unit in one.positions)
            noted = f"ended at its cap of {cap} inputs: units may be left" in " ".join(found.notes)
            assert noted or not spare
            told += noted
    assert told or seed  # the first case meets the cap


def test_a_set_above_the_largest_size_is_told_and_not_denied():
    seen = []

    class Watched(LinearModel):
        def predict(self, encoded, masks):
            seen.extend(len(mask) for mask in masks if len(mask) >= 4)
            return super().predict(encoded, masks)

    model = Watched(dict.fromkeys(WORDS, 1.0), bias=-6.5)  # any four of ten words change it, no fewer
    ends = set()
    for cap in (*range(5, 45), 1000):
        seen.clear()
        found = cl.explain(model, " ".join(WORDS[:10]), max_size=3, max_calls=cap)
        within = f" within {cap} inputs" * (found.stopped is Stopped.CAPPED)
        if seen:
            no_set = f"no set of at most 3 units was found{within} that changes the prediction"
            assert found.failures == (f"{no_set}: {min(seen)} together do",)
        else:
            assert found.failures == (f"no set that was tried changes the prediction{within}",)
        ends.add((found.stopped, bool(seen)))
    assert ends == {(Stopped.CAPPED, False), (Stopped.CAPPED, True), (Stopped.NOTHING, True)}


@pytest.mark.parametrize("cap", range(14, 34, 2))
def test_a_cap_denies_no_set_of_a_long_text_that_was_run(cap):
    weights = {f"s{s}w{w}": 1.0 if s == 4 else 0.0 for s in range(13) for w in range(10)}
    text = " ".join(f"{word} ." * (word.endswith("w9")) or word for word in weights)
    found = cl.explain(LinearModel(weights, bias=-0.5), text, max_calls=cap, words=["s0w0"])
    assert len(found.units) > 120 and found.success == bool(found.sets)
    assert found.sets or "together do" not in found.failures[0]


@pytest.mark.parametrize("words", [[], ["w1"]])
def test_a_full_search_ends_by_what_it_tried_not_by_its_graphs(words):
    class Alone(LinearModel):
        def attention(self, encoded, layer=-1):
            size = len(encoded.units) + 1
            return np.tile(np.eye(size), (self.heads, 1, 1))  # no unit is linked to any other

    model = Alone(dict.fromkeys(WORDS, 1.0), bias=40.0)
    text = " ".join(WORDS[:10])
    alone = cl.explain(model, text, words=words, search="cleann")
    assert alone.stopped is (Stopped.NOT_LINKED if words else Stopped.NO_UNITS)
    assert (Stopped.NO_UNITS.value, Stopped.NOT_LINKED.value) == (
        "no unit is in the graph",
        "no unit is linked to the outcome",
    )
    assert cl.explain(model, text, words=words).stopped is Stopped.NOTHING
    assert cl.explain(model, text, words=words, max_calls=5).stopped is Stopped.CAPPED
    model.bias = -8.5
    assert cl.explain(model, text, words=words).stopped is Stopped.FOUND


def test_progress_can_be_watched_or_shown(capsys):
    model, text = random_case(5, 10)
    counted = []
    found = cl.explain(model, text, progress=lambda done, cap: counted.append(done))
    assert counted == sorted(counted) and counted[-1] + 2 == found.model_calls
    assert cl.explain(model, text, progress=True).sets == found.sets
    assert "inputs" in capsys.readouterr().err


def test_interrupting_the_graphs_says_so():
    def learner(attention, variables, labels):
        raise KeyboardInterrupt

    model, text = random_case(5, 10)
    found = cl.explain(model, text, words="all", learner=learner)
    assert (found.pags, found.sets, found.failures) == ({}, (), ("the search was interrupted",))
    assert "interrupted" in found._repr_html_()


def test_what_was_not_tried_is_never_said_to_be():
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=40.0)  # nothing changes the prediction
    text = " ".join(WORDS[:10])
    alone = {"alpha": 0.9, "search": "cleann"}
    whole = cl.explain(model, text, words=WORDS[:3], **alone)
    assert whole.failures[0].endswith("changes the prediction: all were tried")
    assert whole.stopped is Stopped.NOTHING
    cut = cl.explain(model, text, words="all", max_candidates=1, max_size=2, **alone)
    assert "all of" not in cut.failures[0]
    none = cl.explain(model, text, words=[], **alone)
    assert none.failures == ("no unit of the input is in the graph",)
    assert none.stopped is Stopped.NO_UNITS
    former = none.to_json().replace("no unit is in the graph", "no unit to mask")  # as version 0.2 wrote it
    assert former != none.to_json() and cl.Explanation.from_json(former) == none
    full = cl.explain(model, text, alpha=0.9)
    assert full.failures[0].endswith("not even all units together")
    model.bias = -8.5
    assert cl.explain(model, text, words=[]).certified  # any two words: no graph is needed


def test_what_the_graph_proposed_stays_beside_a_smaller_set():
    model = LinearModel({"dull": -2.0, "flat": -2.0, "a": -9.0, "film": 1.0}, bias=9.0)
    found = cl.explain(model, "a dull flat film", alpha=0.9)
    assert [one.units for one in found.sets] == [("a",)]
    assert (found.sets[0].found_by, found.sets[0].within_graph) == (FoundBy.ALL_WORDS, False)
    assert found.certified is True and "outside the graph" in found.describe()
    assert [one.units for one in found.proposed] == [("dull", "flat")]
    assert found.proposed[0].found_by is FoundBy.GRAPH


@pytest.mark.parametrize("method", ["icd", "fci", "ordered-icd"])
@pytest.mark.parametrize("seed", range(8))
def test_the_outcome_comes_last(seed, method):
    model, text = random_case(seed, 9)
    found = cl.explain(model, text, alpha=0.2, words="all", method=method)
    into = [pag.marks[:-1, -1] for pag in found.pags.values()]
    assert np.isin(into, (0, 2)).all() and np.any(into)  # an arrowhead at the outcome, or no edge
    free = cl.explain(model, text, alpha=0.2, words="all", method=method, outcome_last=False)
    assert free.settings["outcome_last"] is False and found.settings["outcome_last"] is True


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, None) for name in ("max_calls", "max_nodes", "certify", "words", "heads")),
        ("alpha", 0), ("search", "fast"), ("residual", 1.0), ("test", 3), ("reading", "rollout"),
        *((name, 1.5) for name in ("max_size", "max_candidates", "certify", "heads", "words")),
        ("max_nodes", 0), ("certify", -1), ("certify", "yes"), ("heads", [1.0]), ("n_samples", 0),
        ("n_samples", "64"), ("alpha", "a"), ("method", ""), ("correlation", lambda words: words[:2, :2]),
        ("learner", lambda words, variables, labels: None),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_it(setting, value):
    model, text = random_case(2, 8)
    with pytest.raises(ValueError, match=rf"^{setting} must") as caught:
        cl.explain(model, text, **({"words": "all"} | {setting: value}))
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_no_prediction():
    with pytest.raises(ValueError, match="linear predicts numbers that are not finite"):
        cl.explain(LinearModel({"a": np.nan}), "a b c")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda rows: np.log(rows),
            r"must predict probabilities, between 0 and 1: got .*are these logits\?$",
        ),
        (lambda rows: rows[0], r"must predict \(masks, outputs\), here \(1, …\): got shape \(2,\)$"),
        (lambda rows: rows.tolist(), "must predict a numpy array: got list$"),
        (lambda rows: np.vstack([rows, rows]), r"here \(1, …\): got shape \(2, 2\)$"),
    ],
    ids=["logits", "one dimension", "no array", "too many rows"],
)
def test_a_prediction_of_another_kind_is_refused_in_one_sentence(change, sentence):
    class Odd(LinearModel):
        def predict(self, encoded, masks):
            return change(super().predict(encoded, masks))

    with pytest.raises(ValueError, match=sentence):
        cl.explain(Odd({"a": 1.0}), "a b c")


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
    found = cl.explain(model, text, alpha=0.1, words="all")
    assert found.model_calls == model.rows_run + 2


@pytest.mark.parametrize("residual", ["norms", "values", "rollout", 0.5])
@pytest.mark.parametrize("search", ["full", "cleann"])
def test_a_pass_that_measures_the_residual_is_counted(residual, search):
    passes = []

    def mixing(model, encoded):
        passes.append("mixing")
        size = len(encoded.units) + 1
        attention = LinearModel.attention(model, encoded)
        return (LayerMixing(attention, np.full(size, 0.3), np.ones((model.heads, size))),)

    class Measured(LinearModel):
        def encode(self, *given):
            encoded = super().encode(*given)
            return replace(encoded, mixing=partial(mixing, self, encoded))

        def attention(self, encoded, layer=-1):
            passes.append("attention")
            return super().attention(encoded, layer)

    model, text = random_case(11)
    model = Measured(model.weights, model.bias, model.seed)
    found = cl.explain(model, text, alpha=0.1, residual=residual, search=search)
    assert len(passes) == 1 + isinstance(residual, str)
    assert found.model_calls == model.rows_run + 1 + len(passes)  # and one to encode


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


def test_words_by_rule_name_list_and_function():
    model = LinearModel({"dull": -1.0, "film": -0.1})
    text = "the film is dull and the end is near"
    by = lambda words: [text.split()[n] for n in cl.explain(model, text, words=words).in_graph]  # noqa: E731
    assert by("content") == ["film", "dull", "end", "near"]
    assert by("all") == text.split()
    assert by(["Dull", 0]) == ["the", "dull"]
    assert by(lambda word: len(word) == 3) == ["the", "and", "the", "end"]
    for wrong in ("some", ["absent"], [99]):
        with pytest.raises(ValueError, match="words must"):
            cl.explain(model, text, words=wrong)


def test_more_words_than_a_graph_holds():
    words = [f"x{i}" for i in range(120)]
    model = LinearModel({"x7": 3.0, "x90": 3.0}, bias=-1.0)
    found = cl.explain(model, " ".join(words), max_nodes=20, heads=0)
    assert len(found.in_graph) == 20
    attended = model.attention(model.encode(" ".join(words)))[0, 0, 1:]
    assert set(found.in_graph) == set(np.argsort(-attended)[:20])
    assert "holds the 20 that the outcome attends to most" in " ".join(found.notes)


def test_a_cap_on_tests_ends_every_graph_and_is_told():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    twins = np.full((3, 9, 9), 1 / 9)  # every correlation is 1: no set separates anything
    model.attention = lambda encoded, layer=-1: twins
    found = cl.explain(
        model, "dull dull film dull dull film dull dull", words="all", max_tests=100, outcome_last=False
    )
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

    found = cl.explain(model, text, words="all", learner=learner)
    assert seen["shape"] == (7, 7)
    assert seen["labels"] == [*text.split(), found.target]
    assert set(found.distances[0].values()) == {1}

    def correlation(attention):
        seen["covariance"] = True
        return np.eye(len(attention))

    found = cl.explain(model, text, words="all", correlation=correlation, search="cleann")
    assert seen["covariance"]
    assert not found.success
    assert "no unit is linked to the outcome" in found.failures[0]
    assert GraphSettings(correlation=correlation).describe()["correlation"] == "correlation"


def test_settings_that_were_not_used_are_refused_or_not_recorded():
    model, text = random_case(4, 6)

    def learner(attention, variables, labels):
        return cl.PAG(np.ones((7, 7), dtype=np.int8) - np.eye(7, dtype=np.int8))

    def test(attention):
        return cl.PartialCorrelation(cl.attention_correlation(attention), 50, alpha=0.3)

    settings = cl.explain(model, text, words="all", learner=learner).settings
    assert not {"alpha", "n_samples", "method", "correlation", "outcome_last"} & set(settings)
    for name, value in {"alpha": 0.1, "method": "fci", "n_samples": 9, "correlation": np.corrcoef}.items():
        with pytest.raises(ValueError, match=f"{name} says nothing beside your own learner"):
            cl.explain(model, text, learner=learner, **{name: value})
    own = cl.explain(model, text, words="all", test=test)
    assert own.pags == cl.explain(model, text, words="all", alpha=0.3, n_samples=50).pags
    assert own.settings["test"] == "test" and "alpha" not in own.settings
    with pytest.raises(ValueError, match="alpha says nothing beside your own test"):
        cl.explain(model, text, test=test, alpha=0.1)
    with pytest.raises(TypeError, match="unknown setting 'alpah': the settings are alpha, n_samples"):
        cl.explain(model, text, alpah=0.1)


def test_a_reading_of_all_layers_and_the_residual():
    model, text = random_case(4, 6)

    def rollout(model, encoded):
        return 3 * model.attention(encoded, 0) @ model.attention(encoded, 1)  # rows sum to 3

    found = cl.explain(model, text, words="all", reading=rollout)
    assert found.settings["reading"] == "rollout" and found.model_calls == model.rows_run + 2
    halves = cl.explain(model, text, words="all", residual=0.5)

    def mixed(model, encoded):
        return 0.5 * model.attention(encoded) + 0.5 * np.eye(7)

    assert halves.pags == cl.explain(model, text, words="all", reading=mixed).pags


def test_settings_whole_and_by_name_together_are_refused():
    model, text = random_case(4, 6)
    encoded, whole = model.encode(text), GraphSettings(alpha=0.3, words="all")
    assert learn_graphs(model, encoded, whole) == learn_graphs(model, encoded, alpha=0.3, words="all")
    with pytest.raises(ValueError, match="whole or by name: got both, and alpha, heads by name"):
        learn_graphs(model, encoded, whole, alpha=0.1, heads=0)


@pytest.mark.parametrize(("task", "alpha"), [("classification", 0.01), ("recommendation", 0.1)])
def test_each_kind_of_model_has_its_level(task, alpha):
    model, text = random_case(4, 6)
    model.task = task
    assert cl.explain(model, text).settings["alpha"] == alpha
    assert cl.explain(model, text, alpha=0.3).settings["alpha"] == 0.3


def test_tree_distances_leave_out_what_cannot_be_reached():
    marks = np.zeros((4, 4), dtype=np.int8)
    marks[0, 3] = marks[3, 0] = marks[0, 1] = marks[1, 0] = 2
    pag = cl.PAG(marks=marks, nodes=(0, 1, 2, 3))
    assert tree_distances(pag, (10, 11, 12)) == {10: 1, 11: 2}


@pytest.mark.parametrize("method", BASELINES)
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
    assert found.settings["by"] == method
    assert json.loads(found.to_json())["task"] == "classification"


def test_a_method_of_ones_own_is_scored_beside_the_others():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    mine = explain_by(model, "the film is dull", lambda model, encoded: [len(u) for u in encoded.units])
    assert mine.sets[0].units == ("film", "dull")
    for wrong in (lambda m, e: [1.0], lambda m, e: [np.nan] * 4):
        with pytest.raises(ValueError, match="scores must be 4 finite numbers"):
            explain_by(model, "the film is dull", wrong)
    with pytest.raises(ValueError, match="by must be one of"):
        explain_by(model, "the film is dull", "magic")


def test_a_users_own_set_can_be_run():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    tries = Interventions(model, model.encode("the film is dull"))
    assert tries.run([(3,), (1,)]) == [(3,)]
    one = tries.found((3,), head=None, found_by=FoundBy.RANKING, within_graph=False)
    assert one.replacement == "yes"
    assert tries.calls == 3
    assert tries.run([(3,)]) == [(3,)]
    assert tries.calls == 3  # a set runs once


@pytest.mark.parametrize("seed", range(20))
def test_no_set_runs_twice_and_calls_are_the_inputs_that_the_model_saw(seed):
    seen = []

    class Watched(LinearModel):
        def predict(self, encoded, masks):
            seen.extend(tuple(sorted(mask)) for mask in masks)
            return super().predict(encoded, masks)

    model, text = random_case(seed)
    model = Watched(model.weights, model.bias, seed)
    for run in (
        lambda: cl.explain(model, text, alpha=0.1),
        lambda: cl.explain(model, text, alpha=0.1, search="cleann"),
        lambda: explain_by(model, text, "leave-one-out"),
        lambda: explain_by(model, text, "exhaustive"),
    ):
        seen.clear()
        found = run()
        assert len(seen) == len(set(seen))
        assert found.model_calls - len(seen) in (1, 2)  # the prediction, and the attention if it was read


def test_a_shared_memory_counts_what_was_asked_and_runs_it_once():
    model, text = random_case(3, 8)
    memory, encoded = {}, model.encode(text)
    first = Interventions(model, encoded, memory=memory)
    first.run(combinations(range(8), 2))
    before = model.rows_run
    again = Interventions(model, encoded, memory=memory)
    assert again.run(combinations(range(8), 2)) == first.run(combinations(range(8), 2))
    assert model.rows_run == before + 1  # the untouched input
    assert again.calls == first.calls == 29


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


def damages(record, place=()):
    """Every value of a record replaced by values of other kinds, and every name left out."""
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for name, value in items:
        for wrong in (None, "x", -1, 1.5, [], {}, ["x"], {"x": 1}, 10**9, True):
            yield (*place, name), wrong
        if isinstance(record, dict):
            yield (*place, name), ...
        if isinstance(value, dict | list) and name not in ("settings", "pags"):
            yield from damages(value, (*place, name))


def test_every_damage_of_the_json_is_one_sentence_or_changes_nothing_that_is_wrong():
    model = LinearModel({"dull": -2.0, "film": -0.5}, bias=1.0)
    found = cl.explain(model, "the film is dull", alpha=0.5)
    text = found.to_json()
    refused = 0
    for place, wrong in damages(json.loads(text)):
        record = json.loads(text)
        inner = record
        for name in place[:-1]:
            inner = inner[name]
        if wrong is ...:
            del inner[place[-1]]
        else:
            inner[place[-1]] = wrong
        try:
            read = cl.Explanation.from_json(json.dumps(record))
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error) and "this is not the JSON of an explanation" in str(error)
            continue
        assert cl.Explanation.from_json(read.to_json()) == read
        read.describe(), read._repr_html_()
    assert refused > 300


def test_a_repeated_word_has_its_number_wherever_it_is_named():
    model = LinearModel({"dull": 2.0}, bias=-1.0)
    found = cl.explain(model, "so dull and dull", alpha=0.9, words="all")
    assert found.named(found.sets[0]) == ["dull₁", "dull₂"] and found.sets[0].units == ("dull", "dull")
    assert "With “dull₁” and “dull₂” masked" in found.describe()
    assert "dull₁, dull₂" in found.to_html()
    alone = cl.explain(LinearModel({"so": 2.0}, bias=-1.0), "so dull and dull", alpha=0.9, words="all")
    assert "With “so” masked" in alone.describe()
