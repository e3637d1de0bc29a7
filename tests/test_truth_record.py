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
    assert f"{lines[0]['size_random']:+.2f}" in table[2]


def test_rungs_are_told_by_reading():
    lines = [{"reading": "norms", "figure": "lowers", "mean": 0.8, "low": 0.7, "high": 0.9, "n": 3}]
    assert "| words of sets that lower the outcome alone | 0.800 [0.700, 0.900] |" in tr.rungs_table(lines)
