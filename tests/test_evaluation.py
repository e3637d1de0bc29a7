"""The evaluation: figures by hand, the same table however it was run, failures told and nothing lost."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cleann_lite.__main__ import main
from cleann_lite.evaluation import statistics as metrics
from cleann_lite.evaluation.cases import METHODS, Found, by_summed_score, chosen, method
from cleann_lite.evaluation.experiment import Settings, evaluate
from cleann_lite.evaluation.inputs import draw_inputs
from cleann_lite.evaluation.journal import FORMAT, Journal, run_all
from cleann_lite.evaluation.results import Evaluation
from tests.linear_model import LinearModel

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
WORDS = [f"w{i}" for i in range(12)]
FAST = ("cleann", "cleann-heads", "attention", "attention-heads", "attention-at-equal-calls", "leave-one-out",
        "random", "random-at-equal-calls", "exhaustive")  # fmt: skip
SETTINGS = {"nodes": "all", "max_size": 4, "max_calls": 400, "alpha": 0.1}


def linear(seed=0):
    weights = dict(zip(WORDS, np.random.default_rng(seed).normal(size=12), strict=True))
    return LinearModel(weights, bias=0.2, seed=seed)


def texts(n=8, seed=1):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.permutation(WORDS)[: rng.integers(4, 10)]) for _ in range(n)]


def run(n=8, methods=FAST, model=None, **options):
    return evaluate(
        "sentiment", n, model=model or linear(), data=texts(n), methods=methods, **SETTINGS | options
    )


# --- metrics, by hand ------------------------------------------------------------------------------------


class Fixed:
    """A model whose probabilities are given per set of masked units."""

    def __init__(self, table):
        self.table = table

    def predict(self, encoded, masks):
        return np.array([[1 - self.table[tuple(m)], self.table[tuple(m)]] for m in masks])


def test_comprehensiveness_and_sufficiency_by_hand():
    encoded = SimpleNamespace(positions=((1,), (2,), (3,), (0,)), outcome_positions=(0,), target=1)
    model = Fixed({(): 0.9, (0,): 0.5, (1, 2): 0.8, (0, 1): 0.2, (2,): 0.85, (0, 1, 2): 0.1})
    assert metrics.comprehensiveness(model, encoded, [0]) == pytest.approx(0.4)
    assert metrics.sufficiency(model, encoded, [0]) == pytest.approx(0.1)  # (3) is the outcome's own unit
    # shares .1 and .5 of three units: the first, the first two
    both = metrics.averaged_faithfulness(model, encoded, [3, 2, 1, 9], shares=(0.1, 0.5))
    assert both == pytest.approx(((0.4 + 0.7) / 2, (0.1 + 0.05) / 2))


def test_intervals_and_tests_against_closed_forms():
    values = np.random.default_rng(0).normal(3, 1, 400)
    found = metrics.bootstrap_mean([*values, np.nan])
    assert found.n == 400
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    share = metrics.wilson(8, 10)  # Wilson 1927, by hand
    assert (share.low, share.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    for _ in range(20):
        d = np.random.default_rng(_).integers(-3, 4, 7).astype(float)
        signs = list(np.ndindex(*(2,) * 7))
        totals = [abs(sum((1 - 2 * b) * x for b, x in zip(s, d, strict=True))) for s in signs]
        assert metrics.sign_flip_p(d) == pytest.approx(np.mean(np.array(totals) >= abs(d.sum()) - 1e-9))
    assert metrics.mcnemar_p([1, 1, 1, 0, 1], [0, 0, 1, 1, 1]) == 1.0
    assert metrics.mcnemar_p([1] * 10, [0] * 9 + [1]) == pytest.approx(2 / 2**9)
    assert metrics.holm([0.01, 0.02, 0.9]) == pytest.approx([0.03, 0.04, 0.9])
    assert str(metrics.bootstrap_mean([])) == "–"


def test_the_tests_keep_their_level():
    rng = np.random.default_rng(3)
    p = [metrics.sign_flip_p(rng.normal(size=12), resamples=5000) for _ in range(300)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_graphs_by_hand():
    truth = np.array([[0, 2, 0], [1, 0, 2], [0, 3, 0]])
    found = np.array([[0, 2, 1], [3, 0, 0], [1, 0, 0]])
    assert metrics.skeleton_f1(found, truth) == pytest.approx(2 * 1 / (2 + 2))
    assert metrics.right_marks(found, truth) == 0.5
    assert metrics.skeleton_f1(np.zeros((2, 2)), np.zeros((2, 2))) == 1
    assert np.isnan(metrics.right_marks(np.zeros((2, 2)), np.zeros((2, 2))))
    assert metrics.jaccard([(1, 2), (1, 2), (3,)]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(20))
def test_sets_by_summed_score_against_sorting_all(seed):
    scores = np.sort(np.random.default_rng(seed).normal(size=7).round(1))[::-1]
    for size in range(1, 8):
        found = list(by_summed_score(range(7), scores, size))
        assert sorted(found) == list(combinations(range(7), size))
        totals = [scores[list(s)].sum() for s in found]
        assert totals == pytest.approx(sorted(totals, reverse=True))


# --- an experiment, by hand ------------------------------------------------------------------------------


def test_a_small_experiment_by_hand():
    model = LinearModel({"good": 3.0, "fine": 1.0, "dull": -1.0}, bias=-0.5)
    table = evaluate(
        "sentiment",
        2,
        model=model,
        data=["good fine film", "dull film"],
        methods=("leave-one-out", "exhaustive"),
        **SETTINGS,
    )
    rows = {(r["row"], m): r["rows"][m] for r in table.records for m in table.methods}
    one = rows[0, "leave-one-out"]
    # votes 3.5 -> yes; without "good" 0.5, still yes; without both −0.5 -> no
    assert (one["success"], one["positions"], one["rank"]) == (True, [0, 1], 2)
    assert one["calls"] == 2 + 3 + 2  # two passes, three words alone, two prefixes
    p = lambda votes: 1 / (1 + np.exp(-votes))  # noqa: E731
    assert one["comprehensiveness"] == pytest.approx(p(3.5) - p(-0.5), abs=1e-5)
    assert one["sufficiency"] == pytest.approx(0, abs=1e-5)  # "film" has no vote
    assert rows[0, "exhaustive"]["calls"] == 2 + 3 + 1
    assert not rows[1, "exhaustive"]["success"]  # nothing makes −0.5 positive
    assert rows[1, "exhaustive"]["calls"] == 2 + 2 + 1
    assert table.cost == 5
    assert sorted(table.values("exhaustive", "counted_size")) == [2, 5]
    assert table.successes("exhaustive").mean() == 0.5


def test_every_reported_set_flips_and_none_beats_the_minimum():
    model = linear()
    table = run(model=model)
    for record in table.records:
        encoded = model.encode(texts()[record["row"]])
        for name, row in record["rows"].items():
            if row["success"]:
                masked = model.predict(encoded, [row["positions"]])[0]
                assert masked.argmax() != encoded.target, name
    least = table.minimum
    for name in table.methods:
        sizes = table.values(name, "size")
        assert (
            sizes[~np.isnan(sizes) & ~np.isnan(least)] >= least[~np.isnan(sizes) & ~np.isnan(least)]
        ).all()
        assert (table.values(name, "calls") <= SETTINGS["max_calls"] + 2).all()
    equal, ours = (table.values(m, "calls") for m in ("attention-at-equal-calls", "cleann"))
    assert (equal <= ours).all()
    assert len(table.table) == 8 * len(table.methods)
    assert table.summary()[0]["success"].n == 8


def test_the_best_head_is_chosen_where_it_is_not_judged():
    row = lambda size: {"success": True, "size": size, "calls": 1, "note": "", "positions": [0]}  # noqa: E731
    sizes = {"cleann-head-0": [1, 3, 1, 3], "cleann-head-1": [2, 2, 2, 2]}
    records = [{"input": i, "rows": {m: row(s[i]) for m, s in sizes.items()}} for i in range(4)]
    table = Evaluation({"methods": list(sizes), "failure_cost": None, "max_size": 5}, records)
    # on the odd inputs head 1 is better, so it is taken for the even ones, and the reverse
    assert table.values("cleann-best-head", "size").tolist() == [2, 3, 2, 3]


def test_compare_uses_common_inputs_and_counts_failures():
    row = lambda s: {"success": s > 0, "calls": 3, "note": ""} | ({"size": s, "rank": 2} if s else {})  # noqa: E731
    sizes = {"cleann": [1, 1, 0, 2], "attention": [2, 3, 1, 0]}
    records = [{"input": i, "rows": {m: row(s[i]) for m, s in sizes.items()}} for i in range(4)]
    table = Evaluation({"methods": list(sizes), "failure_cost": None, "max_size": 5}, records)
    c = table.compare("cleann", "attention")
    assert (c.common, c.size.estimate) == (2, -1.5)
    assert c.counted_size.estimate == pytest.approx((-1 - 2 + 5 - 4) / 4)
    assert c.success.estimate == 0
    assert table.compare("attention", "cleann").size.estimate == 1.5


def test_verdicts_confirm_deny_or_leave_open():
    def told(ours, theirs):
        rows = [
            {m: {"success": True, "size": s, "rank": s + 1, "calls": 3, "note": "", "positions": [0]}
             for m, s in (("cleann", a), ("attention", b))}
            for a, b in zip(ours, theirs, strict=True)
        ]  # fmt: skip
        settings = {"methods": ["cleann", "attention"], "failure_cost": None, "max_size": 5}
        return Evaluation(settings, [{"input": i, "rows": r} for i, r in enumerate(rows)]).verdicts()

    assert "Confirmed: smaller." in told([1] * 12, [2] * 12)[0]
    assert "Confirmed: higher." in told([1] * 12, [2] * 12)[1]
    assert "Denied: larger." in told([3] * 12, [2] * 12)[0]
    assert "Not decided." in told([1, 3] * 6, [2, 2] * 6)[0]
    assert "fail? cleann 0.0% [0.0%, 24.2%]" in told([1] * 12, [2] * 12)[2]


# --- a method of one's own -------------------------------------------------------------------------------


def longest_first(case):
    return case.masked_in_order([len(unit) for unit in case.encoded.units])


def test_a_method_of_ones_own_is_one_more_row():
    @method("last-first")
    def last_first(case):
        return case.masked_in_order(range(len(case.encoded.units)))

    try:
        table = run(4, ("cleann", "last-first", longest_first))
    finally:
        del METHODS["last-first"]
    assert table.methods == ("cleann", "last-first", "longest-first")
    assert table.compare("last-first", "cleann").common <= 4


def test_a_method_that_raises_or_lies_is_an_error_of_its_row_alone():
    def broken(case):
        raise RuntimeError("no such thing\nsecond line")

    def liar(case):
        return Found(((),), 1)

    table = run(3, ("attention", broken, liar, lambda case: 3))
    notes = [record["rows"] for record in table.records]
    assert all(n["broken"]["note"] == "error: RuntimeError: no such thing" for n in notes)
    assert all("does not change the prediction" in n["liar"]["note"] for n in notes)
    assert all("a method returns Found or Explanation: got int" in n["lambda"]["note"] for n in notes)
    assert [row["errors"] for row in table.summary()] == [0, 3, 3, 3]


def test_caps_hold_for_every_method():
    """CLEANN may grow sets beyond max_size where it explains; where it is compared, they are failures."""
    model = LinearModel(dict.fromkeys(WORDS, 1.0), bias=-2.5)

    def grown(case):
        return Found((range(7),), 20)

    rivals = ("attention", "leave-one-out", "random", "exhaustive")
    table = evaluate(
        "sentiment", 1, model=model, data=[" ".join(WORDS[:9])], methods=("cleann", grown, *rivals),
        **SETTINGS | {"max_calls": 6, "alpha": 0.9},
    )  # fmt: skip
    rows = table.records[0]["rows"]
    assert not any(row["success"] for row in rows.values())  # seven of nine words are needed
    assert rows["grown"] == {"success": False, "calls": 20, "note": "its set has 7 units, more than 4"} | {
        "seconds": rows["grown"]["seconds"]
    }
    assert all(rows[name]["calls"] <= 6 + 2 for name in ("cleann", *rivals))  # two passes read the input
    larger = evaluate("sentiment", 1, model=model, data=[" ".join(WORDS[:9])], methods=(grown,), max_size=7)
    assert larger.records[0]["rows"]["grown"]["size"] == 7


@pytest.mark.parametrize("task", ["sentiment", "recommend"])
def test_no_recorded_set_is_larger_than_its_cap(task):
    recorded = Evaluation.read(ROOT / "data" / "recorded" / f"evaluation_{task}.jsonl.gz")
    largest = max(np.nanmax(recorded.values(name, "size")) for name in recorded.methods)
    assert largest == recorded.settings["max_size"] == recorded.cost - 1


def test_positions_are_checked():
    def beside(case):
        return Found(((-1,),), 3)

    def twice(case):
        return Found((tuple(range(len(case.encoded.units))) * 2,), 3)

    table = run(2, (beside, twice), max_size=12)
    for record in table.records:
        assert "positions must be among 0 …" in record["rows"]["beside"]["note"]
        row = record["rows"]["twice"]
        assert row["size"] == record["units"] if row["success"] else "does not change" in row["note"]


def test_errors_are_told_in_words():
    def broken(case):
        raise RuntimeError("no such thing")

    told = run(3, ("attention", broken)).verdicts()
    assert any(re.search(r"broken 100\.0% \[[^]]*\] \(3 by an error\)", sentence) for sentence in told)


@pytest.mark.filterwarnings("error")
def test_a_run_that_was_killed_before_its_first_input_can_be_read(tmp_path):
    table = Evaluation(run(1, ("cleann", "cleann-heads", "attention")).settings, [])
    assert table.verdicts() == ["No input is finished yet."]
    assert len(table.summary()) == len(table.methods) and "0 of them finished" in table.to_html()


def test_a_failure_may_cost_nothing():
    table = run(2, ("random",), failure_cost=0)
    assert table.cost == 0 and (table.values("random", "counted_size")[~table.successes("random")] == 0).all()


def test_names_of_methods_are_checked():
    settings = Settings("sentiment", 1, "m", "d", (), heads=(0, 2))
    assert list(chosen(["cleann-heads"], settings)) == ["cleann-head-0", "cleann-head-2"]
    for wrong in (["magic"], ["cleann", "cleann"], []):
        with pytest.raises(ValueError, match="method"):
            chosen(wrong, settings)
    for order in (["random-at-equal-calls"], ["attention-at-equal-calls", "cleann"]):
        with pytest.raises(ValueError, match="needs the row cleann before it"):
            chosen(order, settings)
    with pytest.raises(ValueError, match="lower-case"):
        method("My Method")


# --- the same table however it was run -------------------------------------------------------------------


def tables(folder):
    return [(folder / name).read_bytes() for name in ("table.csv",)]


@pytest.mark.slow
def test_two_workers_give_the_same_table(tmp_path):
    one = run(out=tmp_path / "one")
    two = run(out=tmp_path / "two", workers=2)
    assert one.table == two.table
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_gives_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        there = run(out=tmp_path / "there", cluster=cluster.scheduler_address)
    here = run(out=tmp_path / "here")
    assert here.table == there.table
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


def test_a_cut_journal_goes_on_with_the_same_table(tmp_path):
    whole = run(out=tmp_path)
    journal = tmp_path / "results.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    expected = (tmp_path / "table.csv").read_bytes()
    for kept in (1, 5):
        journal.write_bytes(b"".join(lines[:kept]) + lines[kept % 9][:20])  # a kill cuts the last line
        again = run(out=tmp_path)
        assert again.table == whole.table
        assert (tmp_path / "table.csv").read_bytes() == expected
        assert len(journal.read_bytes().splitlines()) == 9


def test_finished_inputs_are_not_run_again(tmp_path):
    run(out=tmp_path)
    model = linear()
    run(out=tmp_path, model=model)
    assert model.rows_run == 0


def test_a_journal_of_another_experiment_is_refused(tmp_path):
    run(3, out=tmp_path)
    with pytest.raises(ValueError, match=r"was begun with alpha = 0\.1, and now it is 0\.2"):
        run(3, out=tmp_path, alpha=0.2)
    (tmp_path / "results.jsonl").write_text("something else\n")
    with pytest.raises(ValueError, match="not a journal of an evaluation"):
        run(3, out=tmp_path)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    """Killed in the middle, then the same command: what is finished stays, and the table is the same."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\nfrom tests.test_evaluation import run, FAST\n"
        "def slow(case):\n    time.sleep(0.3)\n    return case.masked_in_order(case.encoded.data)\n"
        "run(methods=('cleann', slow), out=sys.argv[1])\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    journal = tmp_path / "killed" / "results.jsonl"
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
                break
            process.poll()
            assert process.returncode is None
            subprocess.run(["sleep", "0.1"], check=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = journal.read_bytes()
    assert 3 <= before.count(b"\n") < 9
    assert not (tmp_path / "killed" / "table.csv").exists()
    subprocess.run(command, env=environment, check=True)
    assert journal.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    command[-1] = str(tmp_path / "whole")
    subprocess.run(command, env=environment, check=True)
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")


def die_on_three(item):
    if item["input"] == 3:
        time.sleep(2)  # the others have long finished
        os.kill(os.getpid(), signal.SIGKILL)
    return {"input": item["input"]}


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_finished_result(tmp_path):
    journal = Journal(tmp_path / "results.jsonl", {"format": FORMAT})
    with pytest.raises(
        ValueError, match=r"a worker died after \d of 6 inputs \(TerminatedWorkerError.*goes on"
    ):
        run_all(die_on_three, [{"input": i} for i in range(6)], journal, workers=2)
    kept = Journal(tmp_path / "results.jsonl", {"format": FORMAT})
    assert kept.records == journal.records
    assert {0, 1} <= set(kept.records)


def test_interrupting_keeps_what_is_finished(tmp_path):
    whole, model = linear(), linear()
    expected = run(model=whole).table
    model.stop_after = whole.rows_run / 2
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path, model=model)
    kept = (tmp_path / "results.jsonl").read_text().splitlines()
    assert 1 < len(kept) < 9
    assert not any("interrupted" in line for line in kept)
    assert run(out=tmp_path).table == expected


# --- wrong arguments and missing data --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--n 0", "n must be at least 1"),
        ("--n 9999 --data examples", "inputs for sentiment, and n is 9999: ask for fewer"),
        ("--n 2 --data nowhere.csv", "there is no 'nowhere.csv'"),
        ("--n 2 --data examples --method magic", "a method must be one of"),
        ("--n 2 --data examples --alpha 2", "alpha must lie between 0 and 1"),
        ("--n 2 --data examples --max-calls 0", "max_calls must be at least 1"),
        ("--n 2 --data examples --model pocket-nothing", "there is no pocket model"),
        ("--n 2 --data examples --model pocket-bert4rec", "needs a model for classification"),
        ("--n 2 --data examples --head 99", "heads must be among"),
        ("--n 2 --data examples --workers 0", "workers must be at least 1"),
        ("--n 2 --data sst2 --from-file nowhere", "no "),
        ("--n 2 --data examples --n-samples 0", "n_samples must be above 3: got 0"),
        ("--n 2 --data examples --seed -1", "seed must be at least 0: got -1"),
        ("--n 2 --data examples --device cuda", "PyTorch finds no GPU"),
        ("--n 2 --data examples --method random-at-equal-calls", "needs the row cleann before it"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(arguments, said, tmp_path, capsys):
    pytest.importorskip("transformers")
    if "cuda" in arguments and pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there is a GPU")
    code = main(["evaluate", "sentiment", "--out", str(tmp_path / "out"), *arguments.split()])
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.startswith("cleann-lite: ") and said in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_a_cluster_that_does_not_answer():
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="no Dask scheduler answers at 'tcp://127"):
        run(2, ("attention",), cluster="tcp://127.0.0.1:9")


def test_inputs_of_ones_own_files(tmp_path):
    (tmp_path / "a.txt").write_text("one text\n\nanother\n")
    (tmp_path / "a.csv").write_text('id,text\n1,"one, text"\n2,another\n')
    (tmp_path / "a.json").write_text(json.dumps({"x": ["A (1990)", "B (1991)"], "y": ["C (1992)"]}))
    assert {i["content"] for i in draw_inputs("sentiment", tmp_path / "a.txt", 2)} == {"one text", "another"}
    assert {i["content"] for i in draw_inputs("sentiment", tmp_path / "a.csv", 2)} == {"one, text", "another"}
    drawn = draw_inputs("recommend", tmp_path / "a.json", 2, films=1)
    assert {(*i["content"], *i["seen"]) for i in drawn} == {("B (1991)", "A (1990)"), ("C (1992)",)}
    assert draw_inputs("sentiment", texts(9), 4, seed=3) == draw_inputs("sentiment", texts(9), 4, seed=3)
    assert draw_inputs("sentiment", texts(9), 4, seed=3) != draw_inputs("sentiment", texts(9), 4, seed=4)
    for data in (tmp_path / "a.json", tmp_path / "b.json", tmp_path):
        with pytest.raises(ValueError, match=r"must hold texts|there is no"):
            draw_inputs("sentiment", data, 1)
    with pytest.raises(ValueError, match="must hold histories"):
        draw_inputs("recommend", tmp_path / "a.txt", 1)


# --- with the pocket models ------------------------------------------------------------------------------


@pytest.mark.slow
def test_faithfulness_agrees_with_an_independent_implementation():
    """Ten reviews, masked as text and run through transformers alone."""
    torch = pytest.importorskip("torch")
    import transformers

    from cleann_lite.datasets.shipped import data_path, load_reviews
    from cleann_lite.models.loading import load_model

    ours = load_model("pocket-sentiment")
    folder = data_path("models", "pocket-sentiment")
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def probability(text, label):
        with torch.no_grad():
            return torch.softmax(network(**tokenizer(text, return_tensors="pt")).logits[0].double(), -1)[
                label
            ]

    def hide(text, spans):
        for start, end in sorted(spans, reverse=True):
            pieces = tokenizer(text[start:end], add_special_tokens=False)["input_ids"]
            text = text[:start] + tokenizer.mask_token * len(pieces) + text[end:]
        return text

    for number, review in enumerate(load_reviews()[:10]):
        text = review["text"]
        encoded = ours.encode(text)
        words, at = [], 0
        for unit in encoded.units:
            at = text.index(unit, at)
            words.append((at, at + len(unit)))
            at += len(unit)
        scores = np.random.default_rng(number).random(len(words))
        order = np.argsort(-scores)
        whole = probability(text, encoded.target)
        comprehensive, sufficient = [], []
        for share in (0.01, 0.05, 0.1, 0.2, 0.5):
            first = order[: max(1, -(-round(share * 1000 * len(words)) // 1000))]
            hidden, kept = [words[i] for i in first], [w for i, w in enumerate(words) if i not in first]
            comprehensive.append(float(whole - probability(hide(text, hidden), encoded.target)))
            sufficient.append(float(whole - probability(hide(text, kept), encoded.target)))
            assert metrics.comprehensiveness(ours, encoded, first) == pytest.approx(
                comprehensive[-1], abs=1e-5
            )
            assert metrics.sufficiency(ours, encoded, first) == pytest.approx(sufficient[-1], abs=1e-5)
        both = metrics.averaged_faithfulness(ours, encoded, scores)
        assert both == pytest.approx((np.mean(comprehensive), np.mean(sufficient)), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "n"), [("sentiment", 4), ("recommend", 3)])
def test_both_experiments_on_the_shipped_examples(task, n, tmp_path, capsys):
    pytest.importorskip("transformers")
    out = tmp_path / "out"
    code = main(["evaluate", task, "--n", str(n), "--data", "examples", "--workers", "1", "--out", str(out)])
    printed = capsys.readouterr().out
    assert code == 0
    assert "Smaller sets than attention order" in printed and "How often does each method fail?" in printed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert not re.search(r'(src|href)="http|<script', page)
    with open(out / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    table = Evaluation.read(out)
    assert len(rows) == n * len(table.methods)
    assert not any(row["note"].startswith("error") for row in rows)
    for word in table.frame().columns:
        assert word in ("input", "method") or len(word) > 3
    texts_in_results = (out / "results.jsonl").read_text(encoding="utf-8")
    assert '"content":' not in texts_in_results  # positions only, never words or titles


@pytest.mark.slow
def test_agreement_with_other_attention_of_the_same_output():
    """A text shorter than the head size has one attention only; a longer one has others."""
    pytest.importorskip("transformers")
    from cleann_lite.datasets.shipped import load_reviews

    every = sorted((review["text"] for review in load_reviews()), key=len)
    rows = ("cleann", "cleann-equivalent-attention")
    settings = {"max_size": 1, "max_calls": 100, "heads": (0,), "max_nodes": 12}
    longer = next(text for text in every if len(text.split()) > 60)
    for data, other in ((every[:2], False), ([longer], True)):
        table = evaluate("sentiment", len(data), data=data, methods=rows, **settings)
        assert not any(row["errors"] for row in table.summary())
        calls = [[r["rows"][m]["calls"] for m in rows] for r in table.records]
        assert all(a == b for a, b in calls) or other
        assert "equivalent: agreement" in table.stability()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize(
    ("task", "folder"), [("sentiment", "sentences"), ("recommend", "ml-1m"), ("recommend", "ml-latest-small")]
)
def test_public_data_is_drawn_from_ones_own_copy(task, folder):
    data = "movielens-latest-small" if "small" in folder else None
    drawn = draw_inputs(
        task,
        data or ("sst2" if task == "sentiment" else "movielens-1m"),
        20,
        from_file=SHARED / "data" / folder,
    )
    assert len({i["row"] for i in drawn}) == 20
    assert all(len(i["content"]) <= 15 for i in drawn) or task == "sentiment"
