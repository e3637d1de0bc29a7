"""The evaluation: figures by hand, the same table however it was run, failures told and nothing lost."""

import csv
import hashlib
import inspect
import json
import re
import zlib
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.__main__ import main
from cleann_lite.causal.graphs import PAG
from cleann_lite.evaluation import faithfulness, report
from cleann_lite.evaluation import statistics as metrics
from cleann_lite.evaluation.case import Case, Found
from cleann_lite.evaluation.experiment import Settings, evaluate
from cleann_lite.evaluation.inputs import draw_inputs, weights_of
from cleann_lite.evaluation.orders import by_summed_score
from cleann_lite.evaluation.results import Evaluation, Word
from cleann_lite.evaluation.rows import KINDS, ROWS, as_row, at_equal_sizes, chosen
from cleann_lite.models.protocol import HasGradients
from tests.linear_model import LinearModel

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
WORDS = [f"w{i}" for i in range(12)]
FAST = (
    "cleann", "cleann-causes", "random-at-equal-sizes", "permuted-at-equal-sizes-of-cleann-causes",
    "attention-at-equal-sizes", "leave-one-out-at-equal-sizes", "cleann-heads", "attention",
    "attention-heads", "leave-one-out", "random", "beam", "exhaustive",
)  # fmt: skip
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
    encoded = SimpleNamespace(tokens=((1,), (2,), (3,), (0,)), outcome_tokens=(0,), target=1)
    model = Fixed({(): 0.9, (0,): 0.5, (1, 2): 0.8, (0, 1): 0.2, (2,): 0.85, (0, 1, 2): 0.1})
    assert faithfulness.comprehensiveness(model, encoded, [0]) == pytest.approx(0.4)
    assert faithfulness.sufficiency(model, encoded, [0]) == pytest.approx(
        0.1
    )  # (3) is the outcome's own unit
    # shares .1 and .5 of three units: the first, the first two
    both = faithfulness.averaged_faithfulness(model, encoded, [3, 2, 1, 9], shares=(0.1, 0.5))
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
    assert one["calls"] == 2 + 3 + 1  # two passes, three words alone, and a prefix of two
    p = lambda votes: 1 / (1 + np.exp(-votes))  # noqa: E731
    assert one["comprehensiveness"] == pytest.approx(p(3.5) - p(-0.5), abs=1e-5)
    assert one["sufficiency"] == pytest.approx(0, abs=1e-5)  # "film" has no vote
    assert rows[0, "exhaustive"]["calls"] == 2 + 3 + 3
    assert not rows[1, "exhaustive"]["success"]  # nothing makes −0.5 positive
    assert rows[1, "exhaustive"]["calls"] == 2 + 2 + 1
    assert table.cost == 5
    assert sorted(table.values("exhaustive", "counted_size")) == [2, 5]
    assert table.values("exhaustive", "success").mean() == 0.5


def test_every_reported_set_flips_and_none_beats_the_minimum():
    model = linear()
    table = run(model=model)
    for record in table.records:
        encoded = model.encode(texts()[record["row"]])
        for name, row in record["rows"].items():
            if row["success"] and "draws" not in row:
                masked = model.predict(encoded, [row["positions"]])[0]
                assert masked.argmax() != encoded.target, name
    least = table.minimum
    for name in table.methods:
        sizes = table.values(name, "size")
        assert (
            sizes[~np.isnan(sizes) & ~np.isnan(least)] >= least[~np.isnan(sizes) & ~np.isnan(least)]
        ).all()
        assert (table.values(name, "calls") <= SETTINGS["max_calls"] + 2).all()
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


def told(ours, theirs):
    """Results of two rows whose sets have these sizes (0: a failure)."""

    def row(size):
        found = {"size": size, "rank": size + 1, "positions": [0]} if size else {}
        return {"success": bool(size), "calls": 3, "note": ""} | found

    rows = [{"cleann": row(a), "attention": row(b)} for a, b in zip(ours, theirs, strict=True)]
    settings = {"methods": ["cleann", "attention"], "failure_cost": None, "max_size": 5, "draws": 20}
    settings |= {"n": len(rows), "task": "sentiment", "data": "list", "model": "m", "max_calls": 9}
    return Evaluation(settings, [{"input": i, "rows": r} for i, r in enumerate(rows)])


def words(run):
    return {v.column: v.word for v in run.verdicts()}


def test_a_cell_is_better_worse_or_not_decided():
    better, worse, undecided = Word
    assert words(told([1] * 12, [2] * 12))["counted_size"] is better
    assert words(told([1] * 12, [2] * 12))["rank"] is better
    assert words(told([3] * 12, [2] * 12))["rank"] is words(told([3] * 12, [2] * 12))["counted_size"] is worse
    assert words(told([1, 3] * 6, [2, 2] * 6))["counted_size"] is undecided
    assert words(told([1] * 12, [0] * 12))["success"] is better  # more is better, unlike the others
    assert words(told([0] * 12, [1] * 12))["success"] is worse
    assert words(told([1] * 12, [0] * 12))["rank"] is undecided  # no common success
    assert words(told([1] * 12, [2] * 12))["calls"] is undecided  # equal
    assert set(words(told([1] * 9, [2] * 9)).values()) == {undecided}  # too few inputs
    (success, *_) = told([1] * 10, [0] * 5 + [1] * 5).verdicts()
    assert success.interval.estimate == 50 and "+50.0 points" in str(success)  # points, not a share


def test_four_inputs_that_differ_decide_nothing():
    """By exact sign test 4 against 0 has p = .125, and yet the bootstrap interval leaves 0 out."""
    run = told([1] * 500, [1] * 496 + [0] * 4)
    (success, *_) = run.verdicts()
    assert success.interval.low > 0 and success.word is Word.UNDECIDED
    assert "(4 inputs differ)" in report.verdicts_text(run)


def test_the_verdict_of_every_cell_follows_its_interval():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(1, 40))
        run = told(rng.integers(0, 4, n), rng.integers(0, 3, n))
        for v in run.verdicts():
            i, sign = v.interval, -1 if v.column == "success" else 1
            if i is None:
                assert v.column == "rank" and set(
                    np.concatenate([run.values(m, "rank") for m in run.methods])
                ) - {2.0}
                continue
            differ = np.nan_to_num(run.values("cleann", v.column) - run.values("attention", v.column)) != 0
            enough = differ.sum() >= 10
            better, worse = enough and sign * i.high < 0, enough and sign * i.low > 0
            if sign < 0:
                better, worse = enough and i.low > 0, enough and i.high < 0
            assert v.word is (Word.BETTER if better else Word.WORSE if worse else Word.UNDECIDED)


@pytest.mark.parametrize(
    ("n", "said"), [(1, "ONLY 1 INPUT:"), (9, "ONLY 9 INPUTS:"), (99, "ONLY 99"), (100, "100 in")]
)
def test_few_inputs_are_said_loudly_in_every_form(n, said):
    run = told([1] * n, [2] * n)
    for text in (report.verdicts_markdown(run), report.verdicts_text(run), report.page(run)):
        assert said in text


def test_the_tables_hold_the_same_cells():
    run = told([1] * 12, [2] * 11 + [0])
    markdown, text, html = report.verdicts_markdown(run), report.verdicts_text(run), report.page(run)
    ((rival, cells),) = report.verdict_rows(run)
    assert rival == "attention" and len(cells) == 4
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == 3 and len({line.count("|") for line in lines}) == 1
    for word, numbers in cells:
        assert numbers in markdown and numbers in text and f"<small>{numbers}</small>" in html
        assert word in lines[2] and sum(w in word for w in ("better", "worse", "not decided")) == 1
    assert "%" not in lines[2]  # points in cells, never per cent


# --- fair controls ---------------------------------------------------------------------------------------


def random_graph(attention, variables, labels):
    """A learner that knows nothing: any edges, any marks."""
    rng = np.random.default_rng(zlib.crc32(" ".join(labels).encode()))
    marks = np.triu(rng.random((len(labels),) * 2) < 0.35, 1) * rng.integers(1, 4, (len(labels),) * 2)
    return PAG(marks + np.where(marks.T, rng.integers(1, 4, marks.shape), 0))


def graph_at_random(case):
    return case.by_size(case.allowed(learner=random_graph))


def its_control(kind):
    def control(case):
        return at_equal_sizes(case, kind, case.allowed(learner=random_graph))

    control.__name__ = kind
    return control


def test_a_graph_at_random_is_no_better_than_its_controls():
    """The control's own check: whatever the learner, if it knows nothing the difference is 0."""
    rows = (graph_at_random, its_control("permuted"), its_control("random"), "exhaustive")
    run_of = run(150, rows, max_size=3)
    counted = run_of.compare("graph-at-random", "permuted").counted_size
    assert counted.low < 0 < counted.high and counted.high - counted.low < 0.5
    assert run_of.values("graph-at-random", "success").mean() < run_of.values("exhaustive", "success").mean()
    # sets that hang together in a graph overlap more than sets drawn one by one, so these do a little better
    assert abs(run_of.compare("graph-at-random", "random").counted_size.estimate) < 0.25


def likely_yes():
    return LinearModel(linear().weights, bias=1.0)


def the_strongest(attention, variables, labels):
    """A learner that knows the words' votes: an edge to the outcome for the three strongest."""
    weights = likely_yes().weights
    marks = np.zeros((len(labels),) * 2, dtype=int)
    for i in sorted(range(len(labels) - 1), key=lambda i: -weights[labels[i]])[:3]:
        marks[i, -1], marks[-1, i] = 2, 3
    return PAG(marks)


def test_a_graph_that_knows_is_better_than_its_controls():
    def knowing(case):
        return case.by_size(case.allowed(learner=the_strongest))

    def control(case):
        return at_equal_sizes(case, "permuted", case.allowed(learner=the_strongest))

    found = run(120, (knowing, control), likely_yes(), max_size=3).compare("knowing", "control")
    assert found.counted_size.high < 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_tries_as_many_sets_of_each_size(kind):
    model = linear()
    for number, text in enumerate(texts(12)):
        asked = []

        class Watched(Case):
            def by_size(self, sets, passes=3, known=(), asked=asked):
                sets = [list(of_one_size) for of_one_size in sets]
                asked.append([len({frozenset(s) for s in one}) for one in sets])
                assert all(len(s) == size for size, one in enumerate(sets, 1) for s in one)
                assert {u for one in sets for s in one for u in s} <= set(self.units)
                return super().by_size(sets, passes, known)

        settings = Settings("sentiment", 1, "m", "d", (), heads=(0, 1), words="all", alpha=0.1)
        model.attributions = lambda encoded, method: encoded.data
        case = Watched(model, text, settings, number)
        allowed = [len(of_one_size) for of_one_size in case.allowed()]
        found = at_equal_sizes(case, kind, case.allowed())
        draws = found if isinstance(found, list) else [found]
        assert len(draws) == len(asked) == (20 if kind in ("random", "permuted") else 1)
        assert all(counts == [n for n in allowed if n] or counts == allowed for counts in asked)


def test_the_rows_of_scores_take_the_largest_sums():
    model = linear()
    model.attributions = lambda encoded, method: encoded.data
    settings = Settings("sentiment", 1, "m", "d", (), heads=(0, 1), words="all", alpha=0.1)
    for number, text in enumerate(texts(10)):
        case = Case(model, text, settings, number)
        counts = [len(of_one_size) for of_one_size in case.allowed()]
        for kind, scores in (
            ("attention", case.attention[:2].mean(0)),
            ("gradient", case.encoded.data),
            ("leave-one-out", case.effects),
        ):
            expected = Found((), 0)
            for size, count in enumerate(counts, 1):
                every = sorted(combinations(case.units, size), key=lambda s: -scores[list(s)].sum())[:count]
                if flips := case.tries.run(every):
                    expected = Found(tuple(flips), 0)
                    break
            assert at_equal_sizes(case, kind, case.allowed()).sets[:1] == expected.sets[:1], kind


def test_restricted_rows_are_the_sets_of_causes():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = [f"w{i}" for i in range(6)]
        pag = random_graph(None, None, [*labels, str(seed)])
        units = tuple(rng.permutation(20)[:6].tolist())
        settings = Settings("sentiment", 1, "m", "d", (), heads=(0,), words="all")
        case = Case(linear(), " ".join(f"w{i % 12}" for i in range(20)), settings)
        whole = [set(one) for one in case.sets_of({0: pag}, units)]
        possible = {u for u, p in zip(units, pag.possible_ancestors[:-1, -1], strict=True) if p}
        joined = {u for u, mark in zip(units, pag.marks[-1, :-1], strict=True) if mark in (1, 3)}
        for among, pool in (("causes", possible), ("adjacent-causes", joined)):
            found = [set(one) for one in case.sets_of({0: pag}, units, among)]
            assert found == [{s for s in one if set(s) <= pool} for one in whole]


def test_a_row_of_draws_is_their_mean():
    def draws(case):
        alone = case.tries.run([(u,) for u in case.units])
        return [Found(tuple(alone), 3) if alone else Found((), 9), Found((), 7), Found((), 5)]

    table = run(12, (draws,), LinearModel(linear().weights, bias=-1.0))
    flips = 0
    for record in table.records:
        row = record["rows"]["draws"]
        if row["success"]:
            flips += 1
            assert row["success"] == pytest.approx(1 / 3, abs=1e-4) and (row["size"], row["calls"]) == (1, 5)
            assert table.values("draws", "counted_size")[record["input"]] == pytest.approx(
                (1 + 5 + 5) / 3, abs=1e-3
            )
        else:
            assert row["calls"] == 7
    assert 0 < flips < 12


@pytest.mark.parametrize("cap", [5, 30, 5000])
def test_exhaustive_explains_whatever_cleann_explains(cap):
    table = run(30, ("cleann", "exhaustive"), max_calls=cap, max_size=3)
    ours, least = table.values("cleann", "size"), table.values("exhaustive", "size")
    assert (~np.isnan(least) | np.isnan(ours)).all() and not (least > ours).any()


def test_cleann_is_what_explain_finds():
    """The row takes the search apart to count its sets; put together, it is the published search."""
    table = run(20, ("cleann", the_search), max_size=3)
    assert table.values("cleann", "success").any()
    for record in table.records:
        ours, theirs = (record["rows"][name] for name in table.methods)
        for name in ("success", "size", "positions", "sets", "calls", "rank"):
            assert ours.get(name) == theirs.get(name), name


def the_search(case):
    return case.explain()


# --- a user's method ------------------------------------------------------------------------------------


def longest_first(case):
    return case.masked_in_order([len(unit) for unit in case.encoded.units])


def test_a_method_of_ones_own_is_one_more_row():
    @as_row("last-first")
    def last_first(case):
        return case.masked_in_order(range(len(case.encoded.units)))

    try:
        table = run(4, ("cleann", "last-first", longest_first))
    finally:
        del ROWS["last-first"]
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
    assert all(
        "a row returns Found, a list of Found, or Explanation: got int" in n["lambda"]["note"] for n in notes
    )
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
    assert rows["grown"] == {"success": False, "calls": 20, "note": "its set has 7 units, more than 4"}
    assert all(rows[name]["calls"] <= 6 + 2 for name in ("cleann", *rivals[:-1]))  # two passes read the input
    assert rows["cleann"]["calls"] <= rows["exhaustive"]["calls"] <= 2 * 6 + 3
    assert "cap" in rows["exhaustive"]["note"] and np.isnan(table.minimum).all()
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

    told = report.verdicts_text(run(3, ("attention", broken)), "attention")
    assert re.search(r"broken: 0\.0 % explained.*, 3 errors", told)


@pytest.mark.filterwarnings("error")
def test_a_run_that_was_killed_before_its_first_input_can_be_read(tmp_path):
    table = Evaluation(run(1, ("cleann", "cleann-heads", "attention")).settings, [])
    assert "ONLY 0 INPUTS" in report.verdicts_text(table)
    assert len(table.summary()) == len(table.methods) and "0 of them finished" in report.page(table)


def test_a_failure_may_cost_nothing():
    table = run(8, ("attention",), failure_cost=0)
    failed = table.values("attention", "success") == 0
    assert table.cost == 0 and failed.any() and (table.values("attention", "counted_size")[failed] == 0).all()


def test_names_of_rows_are_checked():
    settings = Settings("sentiment", 1, "m", "d", (), heads=(0, 2))
    assert list(chosen(["cleann-heads"], settings)) == ["cleann-head-0", "cleann-head-2"]
    for wrong in (["magic"], ["cleann", "cleann"], []):
        with pytest.raises(ValueError, match="row"):
            chosen(wrong, settings)
    for unknown in (
        "random-at-equal-calls",
        "random-at-equal-sizes-of-magic",
        "cleann-head-x",
        "cleann-alpha-1e",
    ):
        with pytest.raises(ValueError, match="a row must be one of"):
            chosen([unknown], settings)
    for level in ("cleann-alpha-0", "cleann-alpha-7", "random-at-equal-sizes-of-cleann-alpha-1e-999"):
        with pytest.raises(ValueError, match=f"alpha must lie between 0 and 1: got the row '{level}'"):
            chosen([level], settings)
    for head in ("cleann-head-1", "attention-head-9", "permuted-at-equal-sizes-of-cleann-head-9"):
        with pytest.raises(ValueError, match=f"the heads here are 0, 2: got the row '{head}'"):
            chosen([head], settings)
    with pytest.raises(ValueError, match="lower-case"):
        as_row("My Row")


# --- wrong arguments and missing data --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--n 0", "n must be at least 1"),
        ("--n 9999 --data examples", "inputs for sentiment, and n is 9999: ask for fewer"),
        ("--n 2 --data nowhere.csv", "there is no 'nowhere.csv'"),
        ("--n 2 --data examples --method magic", "a row must be one of"),
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
        ("--n 2 --data examples --method random-at-equal-calls", "a row must be one of"),
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
    (tmp_path / "c.json").write_text('["one text"]', encoding="utf-8-sig")  # as Windows writes it
    assert draw_inputs("sentiment", tmp_path / "c.json", 1)[0]["content"] == "one text"
    for name, content in {
        "d.json": '"one text"',
        "e.json": "[" * 9999,
        "f.csv": "text\n" + "x" * 200_000,
    }.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read as inputs"):
            draw_inputs("sentiment", tmp_path / name, 1)
    with pytest.raises(ValueError, match="from_file is a copy of a public data set"):
        draw_inputs("sentiment", "examples", 1, from_file="nowhere")


def test_weights_of_a_name_are_those_that_are_loaded(tmp_path, monkeypatch):
    """A run that goes on must not be that of another model of the same name."""
    shipped = weights_of("pocket-sentiment")
    (tmp_path / "pocket-sentiment").mkdir()
    (tmp_path / "pocket-sentiment" / "model.safetensors").write_bytes(b"other")
    monkeypatch.chdir(tmp_path)
    assert shipped != weights_of("pocket-sentiment") == hashlib.sha256(b"other").hexdigest()
    assert weights_of(linear()) is None


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
            assert faithfulness.comprehensiveness(ours, encoded, first) == pytest.approx(
                comprehensive[-1], abs=1e-5
            )
            assert faithfulness.sufficiency(ours, encoded, first) == pytest.approx(sufficient[-1], abs=1e-5)
        both = faithfulness.averaged_faithfulness(ours, encoded, scores)
        assert both == pytest.approx((np.mean(comprehensive), np.mean(sufficient)), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "n"), [("sentiment", 4), ("recommend", 3)])
def test_both_experiments_on_the_shipped_examples(task, n, tmp_path, capsys):
    pytest.importorskip("transformers")
    out = tmp_path / "out"
    code = main(["evaluate", task, "--n", str(n), "--data", "examples", "--workers", "1", "--out", str(out)])
    printed = capsys.readouterr().out
    assert code == 0
    assert f"ONLY {n} INPUTS" in printed and "cleann against random-at-equal-sizes" in printed
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


def test_an_altered_model_keeps_its_abilities():
    """As Python from 3.12 on looks for them: among attributes that are there, not those handed on."""
    model = cl.load_model("pocket-bert4rec")
    films = list(model.films.titles)[:4]
    case = Case(model, films[:3], SimpleNamespace(), seen=[films[3]])
    assert callable(inspect.getattr_static(case.model, "attributions"))
    assert isinstance(case.model, HasGradients) and len(case.gradients) == 3
    assert case.encoded.data.seen != model.encode(films[:3]).data.seen
