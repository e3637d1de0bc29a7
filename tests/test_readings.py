"""Graphs against controls at equal sizes: expectations by enumeration, selections by brute force."""

from itertools import combinations, product

import numpy as np
import pytest

pytest.importorskip("torch")

from cleann_lite.causal.graphs import PAG
from cleann_lite.causal.pds import pds_sets
from cleann_lite.evaluation import readings as rd
from cleann_lite.evaluation.experiment import evaluate
from cleann_lite.evaluation.inputs import load
from cleann_lite.evaluation.probes import probe

TEXT = "A warm, funny film with a terrific cast, though the plot is thin and the ending disappoints."


def some_tried(rng, n=6, share=0.1):
    flips = tuple(rng.random(len(sets)) < share for sets in rd._sets(n))
    return rd.Tried(tuple(range(n)), flips, rng.random(n))


@pytest.mark.parametrize("seed", range(6))
def test_random_sets_are_expected_as_enumeration_has_it(seed):
    rng = np.random.default_rng(seed)
    flips = [rng.random(n) < 0.4 for n in (3, 4, 2)]
    numbers = [int(rng.integers(0, len(f) + 1)) for f in flips]
    draws = [list(combinations(range(len(f)), m)) for f, m in zip(flips, numbers, strict=True)]
    sizes = []
    for one in product(*draws):
        works = [s for s, (f, d) in enumerate(zip(flips, one, strict=True), 1) if f[list(d)].any()]
        sizes.append(works[0] if works else rd.FAILURE)
    expected, success = rd.random_counted(numbers, flips)
    assert expected == pytest.approx(np.mean(sizes))
    assert success == pytest.approx(np.mean(np.array(sizes) < rd.FAILURE))


def test_a_graph_that_knows_nothing_differs_from_its_controls_by_chance_alone():
    """The control's own check: random sets in the place of a graph's, 0 within the interval."""
    rng, differences = np.random.default_rng(0), []
    for _ in range(300):
        tried = some_tried(rng)
        allowed = tuple(rng.random(len(sets)) < 0.3 for sets in tried.sets)
        renamed = [tried.renamed(rng.permutation(6).tolist()) for _ in range(20)]
        found = rd.compare(allowed, tried, {"leave-one-out": rd.by_sum(tried.effects, tried)}, renamed)
        differences.append([found["graph"][0] - found[c][0] for c in ("random", "permuted")])
    mean, error = np.mean(differences, axis=0), np.std(differences, axis=0) / np.sqrt(300)
    assert (np.abs(mean) < 3 * error).all()


def test_names_exchanged_move_the_sets_and_nothing_else():
    rng = np.random.default_rng(1)
    tried, order = some_tried(rng), [2, 0, 1, 5, 4, 3]
    for sets, places in zip(tried.sets, tried.renamed(order), strict=True):
        assert [sets[p] for p in places] == [tuple(sorted(order[i] for i in s)) for s in sets]


def test_largest_sums_are_those_of_all_sets():
    rng = np.random.default_rng(2)
    tried, scores = some_tried(rng), rng.random(6)
    for sets, ranks in zip(tried.sets, rd.by_sum(scores, tried), strict=True):
        by_hand = sorted(sets, key=lambda s: -sum(scores[i] for i in s))
        assert [by_hand[r] for r in ranks] == sets


def test_allowed_sets_are_the_legal_ones_and_causes_among_them():
    marks = np.zeros((4, 4), dtype=np.int8)
    for x, y, at_x, at_y in ((0, 3, 1, 2), (1, 3, 2, 2), (0, 1, 1, 2), (2, 0, 1, 1)):
        marks[x, y], marks[y, x] = at_y, at_x
    pag, tried = PAG(marks), some_tried(np.random.default_rng(3), 3)
    allowed = rd.allowed_sets(pag, tried)
    for size, (sets, mask) in enumerate(zip(tried.sets, allowed["legal"], strict=True), 1):
        legal = {tuple(sorted(s)) for s, _ in pds_sets(marks, 3, size)}
        assert {s for s, m in zip(sets, mask, strict=True) if m} == legal
    causes = {s for s, m in zip(tried.sets[0], allowed["possible causes"][0], strict=True) if m}
    assert (1,) not in causes  # a hidden common cause, no possible cause
    for kind in rd.CANDIDATES:
        assert all((a <= b).all() for a, b in zip(allowed[kind], allowed["legal"], strict=True))


def test_a_table_has_a_line_for_each_setting(tmp_path):
    items = [
        {"input": i, "content": text, "seen": ()} for i, text in enumerate((TEXT, "A dull, boring film."))
    ]
    reader = rd.Reader("pocket-sentiment", readings=(0.0, "norms"), alphas=(0.01,))
    records = probe(reader, items, rd.summary, tmp_path)
    lines = rd.summary(records)
    assert len(lines) == 2 * len(rd.CANDIDATES)
    assert probe(reader, items, rd.summary, tmp_path) == records
    assert len((tmp_path / "readings.csv").read_text().splitlines()) == 1 + len(lines)
    history = {"input": 0, "content": ["Matrix, The (1999)", "Alien (1979)"], "seen": ()}
    films = probe(rd.Reader("pocket-bert4rec", readings=(0.5,), alphas=(0.1,)), [history], rd.summary)
    assert {line["n"] for line in rd.summary(films)} == {1}


def test_two_implementations_agree_on_each_input():
    """The rows of ``evaluate`` and this table were written apart; sizes and successes are the same."""
    texts = ["A dull film with a wonderful cast.", "A warm and funny story, badly told.", "I loved it."]
    rows = {
        "cleann": ("0.0, 0.01, legal, together", "graph"),
        "cleann-causes": ("0.0, 0.01, possible causes, together", "graph"),
        "cleann-residual-norms": ("norms, 0.01, legal, together", "graph"),
        "attention-at-equal-sizes": ("0.0, 0.01, legal, together", "attention"),
        "leave-one-out-at-equal-sizes": ("0.0, 0.01, legal, together", "leave-one-out"),
    }
    options = {"alpha": 0.01, "max_size": 3, "max_candidates": 1000, "max_calls": 10_000}
    run = evaluate("sentiment", 3, data=texts, methods=tuple(rows), **options)
    for record in run.records:
        encoded = load("pocket-sentiment").encode(texts[record["row"]])
        found = rd.read_input(
            load("pocket-sentiment"), encoded, np.random.default_rng(0), readings=(0.0, "norms"),
            alphas=(0.01,), heads=("together",), permutations=1,
        )  # fmt: skip
        for row, (setting, method) in rows.items():
            theirs = record["rows"][row]
            size = theirs["size"] if theirs["success"] else rd.FAILURE
            assert size == found[setting][method][0], (record["input"], row)
