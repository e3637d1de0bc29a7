"""Records of planted mechanisms, readings, randomised weights and rungs, and the pictures made of them."""

import numpy as np
import pytest

from cleann_lite.course import truth_record as tr
from cleann_lite.datasets.shipped import data_path


@pytest.fixture(scope="module")
def planted():
    return tr.read(data_path("recorded", "planted.csv"))


def test_the_record_holds_every_rule_depth_and_reader(planted):
    rules = {line["rule"] for line in planted}
    assert len(rules) >= 5
    for rule in rules:
        for depth in (1.0, 2.0, 3.0):
            part = tr._find(planted, rule=rule, layers=depth)
            assert {(line["reading"], line["reader"]) for line in part} >= set(tr.READERS)
            assert min(line["networks"] for line in part) >= 3


def test_recorded_networks_use_their_rules():
    networks = tr.read(data_path("recorded", "planted_networks.csv"))
    assert min(line["accuracy"] for line in networks) >= 0.99
    assert min(line["interchange"] for line in networks) >= 0.95


def test_a_table_tells_the_mean_and_the_range_over_rules(planted):
    table = tr.planted_table(planted).splitlines()
    assert len(table) == 2 + len(tr.READERS)
    values = [x["auc"] for x in tr._find(planted, layers=1.0, reading="0.0", reader="edge")]
    row = next(line for line in table if "edge, paper" in line)
    assert f"{np.mean(values):.2f} ({min(values):.2f}–{max(values):.2f})" in row


def test_pictures_hold_every_number(planted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    figure = tr.planted_figure(planted)
    texts = [text for axes in figure.axes for text in axes.texts]
    assert len(texts) == len({line["rule"] for line in planted}) * 3 * len(tr.READERS)
    stages = [
        {"stage": stage, "reading": "norms"}
        | {
            f"{f}{end}": 0.5
            for f in ("edges", "sets", "success")
            for end in ("", "_low", "_high", "_chance", "_random")
        }
        for stage in ("trained", "layer 1")
    ]
    assert len(tr.randomised_figure(stages).axes) == 3
    matplotlib.pyplot.close("all")


def test_readings_say_better_only_where_the_interval_does():
    lines = tr.read(data_path("recorded", "readings.csv"))
    for line in lines:
        for control in tr.CONTROLS:
            said = tr.better(line, control)
            assert (said == "better") == (line[f"high_{control}"] < 0)
            assert (said == "worse") == (line[f"low_{control}"] > 0)
    table = tr.readings_table(lines[:2]).splitlines()
    assert len(table) == 4
    assert f"{tr.better(lines[0], 'random')}, {lines[0]['size_random']:+.2f}" in table[2]


@pytest.mark.parametrize("model", ["pocket-bert4rec", "pocket-sentiment", "minilm"])
def test_the_chosen_setting_is_the_best_of_validation_and_its_test_line_is_given(model):
    lines = tr.read(data_path("recorded", "readings.csv"))
    line = tr.chosen(lines, model)
    assert line["split"] == "test" and line["model"] == model
    tried = tr._find(lines, model=model, split="validation", heads="together")
    tested = {tr._setting(x) for x in tr._find(lines, model=model, split="test", heads="together")}
    best = min(x["size_permuted"] for x in tried if tr._setting(x) in tested)
    same = [x for x in tried if tr._setting(x) == tr._setting(line)]
    assert same[0]["size_permuted"] == best


def test_sets_of_planted_rules_are_told_beside_permuted_names(planted):
    table = tr.planted_sets_table(planted).splitlines()
    assert len(table) == 2 + len(tr.READINGS)
    part = tr._find(planted, layers=1.0, reading="0.0", reader="edge")
    exact, permuted = (np.mean([x[f] for x in part]) for f in ("exact", "permuted"))
    assert f"{exact:.0%}; permuted {permuted:.0%}" in table[2]


@pytest.mark.parametrize(
    ("figure", "low", "high", "verdict"),
    [
        ("own head: same", 0.0, 0.04, "informative"),
        ("own head: same", 0.0, 0.07, "not decided"),
        ("own head: as_good", 0.0, 0.152, "not decided"),
        ("own head: as_good", 0.0, 0.0, "not falsified"),
        ("other head: as_good", 0.3, 0.6, "falsified"),
        ("other head: as_good", 0.05, 0.6, "not decided"),
        ("head: more", -0.006, 0.0, "not decided"),
        ("head: more", 0.001, 0.01, "more"),
        ("everywhere: more", -0.2, -0.1, "less"),
        ("raises", 0.0, 0.1, ""),
    ],
)
def test_a_rung_decides_only_where_the_whole_interval_is_on_one_side(figure, low, high, verdict):
    line = {"reading": "norms", "figure": figure, "mean": (low + high) / 2, "low": low, "high": high, "n": 3}
    assert tr.rung_verdict(line) == verdict
    row = next(r for r in tr.rungs_table([line]).splitlines() if r.startswith(f"| {tr.RUNGS[figure][0]} |"))
    assert f"{verdict}, {line['mean']:.3f}" in row or (not verdict and f"| {line['mean']:.3f}" in row)


# --- what notebook 11 says of the records: after a new recording, read its sentences again ------------------

FILMS, SENTENCES, REAL = "pocket-bert4rec", "pocket-sentiment", "minilm"


def test_readings_bear_what_the_notebook_says():
    lines = tr.read(data_path("recorded", "readings.csv"))
    chosen = {model: tr.chosen(lines, model) for model in (FILMS, SENTENCES, REAL)}
    paper = {
        line["model"]: line
        for line in tr._find(lines, split="test", heads="together", reading="0.0", candidates="legal")
    }
    for control in ("random", "permuted"):
        assert tr.better(paper[FILMS], control) == tr.better(chosen[FILMS], control) == "better"
        assert tr.better(chosen[REAL], control) == "better"
        assert tr.better(chosen[SENTENCES], control) != "better"
    assert tr.better(paper[SENTENCES], "random") == "not decided"
    assert paper[REAL]["share"] > 0.9 and abs(paper[REAL]["size_random"]) < 0.02
    assert tr.better(paper[FILMS], "attention") == "not decided"
    assert tr.better(chosen[SENTENCES], "random") == "worse"
    assert chosen[FILMS]["reading"] != chosen[SENTENCES]["reading"]
    for line in [*chosen.values(), *paper.values()]:
        assert tr.better(line, "attention") != "better" and tr.better(line, "leave-one-out") != "better"


def test_planted_rules_bear_what_the_notebook_says(planted):
    def mean(reading, reader, layers):
        return np.mean([x["auc"] for x in tr._find(planted, reading=reading, reader=reader, layers=layers)])

    for depth in (1.0, 2.0, 3.0):
        assert 0.4 < mean("0.0", "edge", depth) < 0.55
        assert mean("", "leave-one-out", depth) > 0.98
        assert mean("rollout", "edge", depth) <= mean("rollout", "attention row", depth)
    assert mean("norms", "edge", 1.0) > 0.9 > mean("norms", "edge", 2.0) > mean("norms", "edge", 3.0)
    assert mean("rollout", "edge", 3.0) > mean("norms", "edge", 3.0) + 0.1
    for depth in (1.0, 2.0, 3.0):
        for reading in tr.READINGS:
            part = tr._find(planted, reading=reading, reader="edge", layers=depth)
            exact, permuted = (np.mean([x[figure] for x in part]) for figure in ("exact", "permuted"))
            assert exact < permuted + 0.05 if reading == "0.0" else exact > 2 * permuted


def test_shuffled_weights_bear_what_the_notebook_says():
    lines = tr.read(data_path("recorded", "randomised.csv"))
    for model in (FILMS, SENTENCES):
        for line in lines:
            if line["model"] == model and line["stage"] != "trained":
                assert line["edges"] < 0.5
                if line["reading"] == "0.0":
                    assert abs(line["success"] - line["success_random"]) < 0.12 and line["success"] > 0.4
                else:
                    assert line["success"] <= 0.25


def test_rungs_bear_what_the_notebook_says():
    lines = tr.read(data_path("recorded", "rungs.csv"))
    said = {
        (line["model"], line["figure"], line["reading"]): tr.rung_verdict(line)
        for line in lines
        if line["figure"] in tr.RUNGS
    }
    for reading in ("0.0", "norms", "values"):
        assert said[FILMS, "own head: same", reading] == "informative"
        assert said[FILMS, "own head: as_good", reading] == "not falsified"
        assert said[SENTENCES, "own head: as_good", reading] == "not decided"
        assert said[SENTENCES, "other head: as_good", reading] == "falsified"
    more = {key for key, verdict in said.items() if verdict in ("more", "less")}
    assert more <= {(FILMS, "everywhere: more", "norms"), (FILMS, "everywhere: more", "values")}
    lowers = [line["mean"] for line in lines if line["figure"] == "lowers"]
    assert min(lowers) > 0.5 and max(lowers) < 1
