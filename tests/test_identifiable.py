"""The experiment on identifiability: its command, what it counts, and how it sums up."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleann_lite.course import identifiability_record as record  # noqa: E402
from cleann_lite.course import small_encoders  # noqa: E402
from cleann_lite.models.decoupled import DecoupledClassifier  # noqa: E402
from training import identifiable  # noqa: E402
from training.__main__ import main  # noqa: E402

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
    with open(tmp_path / "out" / identifiable.TABLE, newline="") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert (tmp_path / "out" / identifiable.PLOT).read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(identifiable, "one_run", None)  # would fail if it were called
    assert command(tmp_path) == 0
    assert record.read_runs(tmp_path / "out" / record.RESULTS) == runs
    capsys.readouterr()
    assert main(["evaluate", "identifiable", "--model", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "| UCI | concat | 4 |" in printed and "UCI: add - concat = " in printed
    assert "Equal accuracy of added heads: " in printed
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
    shares = small_encoders.identifiable_shares(model, rows)
    names = ("null_space", "local", "layer_null_space", "layer_local")
    assert tuple(shares[name] for name in names) == expected
    assert shares["tokens"] == tokens and next(model.parameters()).dtype == torch.float32


def test_interval_is_the_t_interval():
    mean, half = record.interval([0.70, 0.74, 0.75])
    assert mean == pytest.approx(0.73)
    assert half == pytest.approx(4.302653 * np.std([0.70, 0.74, 0.75], ddof=1) / np.sqrt(3))
    assert np.isnan(record.interval([0.7])[1])


def run(combine, key_size, accuracy, seed=0, name="UCI", null=1.0, layer=1.0):
    return record.Run(name, combine, key_size, seed, accuracy, null, null, 1, layer, layer, 1, 1, 1)


def test_differences_are_paired():
    runs = [run("concat", 4, 0.5), run("add", 4, 0.6), run("concat", 8, 0.9), run("add", 8, 1.0)]
    runs.append(run("add", 16, 0))
    assert record.differences(runs) == ["UCI: add - concat = +10.00 ± 0.00 points (2 pairs)"]
    np.testing.assert_allclose(record.paired(runs, "UCI", "key_size", 8, 4), [0.4, 0.4])
    assert record.paired(runs, "IMDB", "key_size", 8, 4) == []


def trained(gap=0.0, spread=0.01, heads=(0.2, 1.0), layer=(0.2, 0.2)):
    """Two sets, two key sizes, three seeds; in one, added heads are better by gap ± spread."""
    return [
        run(combine, key, 0.8 + (name == "UCI" and added) * (gap + spread * (seed - 1)), seed, name, *shares)
        for name in ("IMDB", "UCI")
        for added, combine, *shares in (
            (0, "concat", heads[0], layer[0]),
            (1, "add", heads[1], layer[1]),
        )
        for key in (4, 16)
        for seed in range(3)
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ("confirmed", "confirmed", "denied")),
        ({"gap": 0.002}, ("confirmed", "confirmed", "denied")),
        ({"gap": 0.05}, ("denied", "confirmed", "denied")),
        ({"gap": -0.05}, ("denied", "confirmed", "denied")),
        ({"spread": 0.1}, ("open", "confirmed", "denied")),
        ({"heads": (0.5, 0.5), "layer": (0.1, 0.3)}, ("confirmed", "denied", "confirmed")),
        ({"heads": (0.5, 0.3)}, ("confirmed", "mixed", "denied")),
    ],
)
def test_verdict_follows_intervals_and_shares(options, words):
    equal, head, layer, keys, _ = record.verdict(trained(**options))
    assert tuple(line.split(": ")[1].split(";")[0] for line in (equal, head, layer)) == words
    if words[0] == "denied":
        assert f"{100 * options['gap']:+.1f} ± 0.9 points in UCI" in equal and "IMDB" not in equal
    assert keys.startswith("Equal accuracy of keys of 4 and of 16 numbers: confirmed")


def test_verdict_of_a_single_seed_is_open():
    assert "heads: open" in record.verdict(r for r in trained() if r.seed == 1 and r.key_size == 4)[0]


def test_the_table_marks_the_standard_layer_and_shows_what_is_asked():
    lines = record.as_text(record.summary(trained()), layers=[("add", 4), ("concat", 16)]).splitlines()[2:]
    assert [line.split(" | ")[:3] for line in lines] == [
        ["| IMDB", "add", "4"],
        ["| IMDB", "concat (standard)", "16"],
        ["| UCI", "add", "4"],
        ["| UCI", "concat (standard)", "16"],
    ]
    assert " 80.0 ± 2.5 | 100 % | 100 % | 20 % | 20 % | 1.0e+00 |" in lines[2]
    single = record.as_text(record.summary([run("add", 4, 0.75)])).splitlines()[2]
    assert "| 75.0 |" in single and "nan" not in single


def test_missing_sets_are_named(tmp_path, capsys):
    arguments = ["identifiable", "--sets", "UCI", "--data", str(tmp_path), "--runs", str(tmp_path)]
    assert main(arguments) == 2
    assert "--data must hold sentences/uci_imdb.txt" in capsys.readouterr().err
