"""The experiment on identifiability: its command, what it counts, and how it sums up."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleann_lite.encoder import DecoupledClassifier  # noqa: E402
from cleann_lite.training import identifiable  # noqa: E402
from cleann_lite.training import identifiable_table as record  # noqa: E402
from cleann_lite.training.__main__ import main  # noqa: E402

OPTIONS = ["--smoke", "--sets", "UCI", "--key-sizes", "4", "16"]


def command(folder, *more):
    return main(
        ["identifiable", *OPTIONS, "--runs", str(folder / "runs"), "--out", str(folder / "out"), *more]
    )


def test_one_command_writes_table_and_plot_and_repeats_nothing(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    assert command(tmp_path) == 0
    runs = record.read_runs(tmp_path / "out" / record.RESULTS)
    assert [(r.combine, r.key_size) for r in runs] == [("concat", 4), ("add", 4), ("concat", 16), ("add", 16)]
    with open(tmp_path / "out" / record.TABLE, newline="") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert (tmp_path / "out" / record.PLOT).read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(identifiable, "one_run", None)  # would fail if it were called
    assert command(tmp_path) == 0
    assert record.read_runs(tmp_path / "out" / record.RESULTS) == runs
    capsys.readouterr()
    assert main(["evaluate", "identifiable", "--model", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "| UCI | concat | 4 |" in printed and "UCI: add - concat = " in printed
    assert main(["evaluate", "identifiable", "--model", str(tmp_path)]) == 2


def test_a_run_depends_on_its_seed_alone(tmp_path):
    texts = identifiable.Texts.smoke()
    first, again, other = (
        identifiable.one_run(texts, "UCI", "add", 4, seed, 1.0, tmp_path / str(i))
        for i, seed in enumerate((0, 0, 1))
    )
    assert first.condition == again.condition and first.accuracy == again.accuracy
    assert first.condition != other.condition


@pytest.mark.parametrize(
    ("combine", "key_size", "tokens", "expected"),
    [
        ("concat", 4, 9, (1, 1, 1, 1)),  # 9 tokens: value size 8 and the row sums fix them all
        ("concat", 4, 30, (0, 1, 0, 1)),
        ("concat", 8, 30, (0, 1, 0, 1)),
        ("concat", 12, 30, (0, 0, 0, 0)),
        ("add", 12, 30, (1, 1, 0, 0)),  # better for each head, no better for the layer
        ("add", 4, 30, (1, 1, 0, 1)),
        ("add", 4, 40, (0, 1, 0, 1)),
    ],
)
def test_shares_follow_the_counts(combine, key_size, tokens, expected):
    """d_model 32 and 4 heads: d_v is 8 concatenated, 32 added; untrained weights are in general position."""
    torch.manual_seed(0)
    model = DecoupledClassifier(200, 2, 64, d_model=32, heads=4, key_size=key_size, combine=combine).eval()
    rng = np.random.default_rng(0)
    rows = [np.concatenate([[1], 3 + rng.permutation(190)[: tokens - 1]]) for _ in range(4)]
    shares = identifiable.identifiable_shares(model, rows)
    names = ("null_space", "local", "layer_null_space", "layer_local")
    assert tuple(shares[name] for name in names) == expected
    assert shares["tokens"] == tokens and next(model.parameters()).dtype == torch.float32


def test_interval_is_the_t_interval():
    mean, half = record.interval([0.70, 0.74, 0.75])
    assert mean == pytest.approx(0.73)
    assert half == pytest.approx(4.302653 * np.std([0.70, 0.74, 0.75], ddof=1) / np.sqrt(3))
    assert np.isnan(record.interval([0.7])[1])


def test_differences_are_paired():
    def run(combine, key_size, accuracy):
        return record.Run("UCI", combine, key_size, 0, accuracy, 1, 1, 1, 1, 1, 1, 1, 1)

    runs = [
        run("concat", 4, 0.5),
        run("add", 4, 0.6),
        run("concat", 8, 0.9),
        run("add", 8, 1.0),
        run("add", 16, 0),
    ]
    assert record.differences(runs) == ["UCI: add - concat = +10.00 ± 0.00 points (2 pairs)"]


def test_missing_sets_are_named(tmp_path, capsys):
    arguments = ["identifiable", "--sets", "UCI", "--data", str(tmp_path), "--runs", str(tmp_path)]
    assert main(arguments) == 2
    assert "--data must hold sentences/uci_imdb.txt" in capsys.readouterr().err
