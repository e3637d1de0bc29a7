"""Each figure of the paper is that of the recorded runs, and so are those of the README."""

from pathlib import Path

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.course import truth_record

ROOT = Path(__file__).resolve().parent.parent
PAPER = " ".join((ROOT / "paper" / "paper.md").read_text(encoding="utf-8").split())
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def success(task, rival):
    """Mean and ends of the interval, in points, rounded as in prose."""
    run = cl.Evaluation.read(cl.data_path("recorded", f"evaluation_{task}.jsonl.gz"))
    found = run.compare("cleann", f"{rival}-at-equal-sizes").success
    return [f"{100 * v + 0.0:.1f}".replace("-", "−") for v in (found.estimate, found.low, found.high)]


@pytest.mark.parametrize(
    ("task", "rival", "paper"),
    [
        ("recommend", "random", "{0} points above random sets (95 % interval {1} to {2})"),
        ("recommend", "permuted", "{0} points above the same graph with its names permuted ({1} to {2})"),
        ("sentiment", "random", "{0} points against random sets ({1} to {2})"),
    ],
)
def test_success_against_controls(task, rival, paper):
    figures = success(task, rival)
    assert paper.format(*figures) in PAPER
    assert figures[0].lstrip("−") in README and f"[{figures[1]}, {figures[2]}]" in README


def test_leave_one_out_on_sentences():
    mean, low, high = (figure.lstrip("−") for figure in success("sentiment", "leave-one-out"))
    assert f"{mean} points better ({high} to {low})" in PAPER


@pytest.mark.parametrize(
    ("reading", "reader", "said"),
    [
        ("0.0", "edge", "curve is {0}, {1} and {2} for one"),
        ("norms", "edge", "in the equations it is {0}, {1} and {2};"),
        ("0.0", "attention row", "row itself has {0}, {1} and {2},"),
        ("", "leave-one-out", "leave-one-out {0}, {1} and {2}."),
    ],
)
def test_planted_rules(reading, reader, said):
    lines = truth_record.read(cl.data_path("recorded", "planted.csv"))
    means = []
    for depth in (1, 2, 3):
        found = [
            x["auc"] for x in lines
            if (x["layers"], x["reader"], x["reading"]) == (depth, reader, reading)
        ]  # fmt: skip
        assert len(found) == 8
        means.append(f"{np.mean(found):.2f}")
    assert said.format(*means) in PAPER


def test_the_paper_is_about_a_thousand_words():
    assert 800 <= len(PAPER.split()) <= 1300
