"""Randomised weights: what is shuffled and what stays, and graphs that lose what they had."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleann_lite.evaluation import randomised as rz  # noqa: E402
from cleann_lite.evaluation.inputs import load, weights_of  # noqa: E402
from cleann_lite.evaluation.probes import probe  # noqa: E402

ITEMS = [
    {"input": i, "content": text, "seen": ()}
    for i, text in enumerate(
        (
            "A warm, funny film with a terrific cast, though the plot is thin.",
            "A dull, lifeless bore of a film.",
        )
    )
]


@pytest.mark.parametrize("stage", range(5))
def test_a_stage_shuffles_what_it_names_and_leaves_the_rest(stage):
    network = load("pocket-sentiment").model
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = rz.shuffled(network, stage)
    top_first = ["encoder.layer.2.", "encoder.layer.1.", "encoder.layer.0.", "embeddings."]
    for name, value in copied.state_dict().items():
        assert torch.equal(network.state_dict()[name], before[name])  # the trained one is not touched
        changed = not torch.equal(value, before[name])
        touched = any(part in name for part in top_first[:stage])
        assert not changed or touched
        if touched and value.is_floating_point():
            assert torch.equal(value.flatten().sort()[0], before[name].flatten().sort()[0])
            assert changed or value.unique().numel() == 1 or value.numel() < 3
    assert rz.stages(network)[stage] == ["trained", "layer 3", "layer 2", "layer 1", "embeddings"][stage]


def test_overlap_counts():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.random((2, 15)) < 0.4
        first, second = set(np.flatnonzero(a)), set(np.flatnonzero(b))
        expected = len(first & second) / len(first | second) if first | second else 1.0
        assert rz.overlap(a, b) == pytest.approx(expected)
    assert rz.overlap([False], [False]) == 1.0


def test_the_trained_stage_agrees_with_itself_and_the_shuffled_with_chance(tmp_path):
    worker = rz.Randomiser("pocket-sentiment", readings=(0.0, "norms"))
    records = probe(worker, ITEMS, rz.summary, tmp_path)
    lines = {(line["stage"], line["reading"]): line for line in rz.summary(records)}
    assert len(lines) == 5 * 2
    for reading in ("0.0", "norms"):
        trained, last = lines["trained", reading], lines["embeddings", reading]
        assert trained["edges"] == trained["sets"] == trained["row"] == 1.0
        assert trained["edges_chance"] < 0.9
        assert abs(last["edges"] - last["edges_chance"]) < 0.25
    assert probe(worker, ITEMS, rz.summary, tmp_path) == records
    assert weights_of("pocket-sentiment") in (tmp_path / "randomised.jsonl").read_text().splitlines()[0]
    table = (tmp_path / "randomised.csv").read_text().splitlines()
    assert len(table) == 1 + len(lines)
