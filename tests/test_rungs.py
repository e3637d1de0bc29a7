"""Rungs: falsification on planted graphs, knock-out against attention by hand, matching by brute force."""

import networkx as nx
import numpy as np
import pytest

pytest.importorskip("torch")

from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.independence import DSeparation
from cleann_lite.evaluation import rungs as rg
from cleann_lite.evaluation.inputs import load
from cleann_lite.evaluation.probes import probe
from cleann_lite.evaluation.randomised import Randomiser

TEXT = "A warm, funny film with a terrific cast, though the plot is thin."


def test_the_graph_of_a_true_model_is_informative_and_not_falsified():
    dag = nx.DiGraph([(0, 1), (1, 2), (2, 3), (4, 3), (4, 5)])
    test = DSeparation(dag, range(6))
    found = rg.falsification(learn_pag(test), test, np.random.default_rng(0), 200)
    assert found["violated"] == 0
    assert found["violated_permuted"] > 0.3
    assert found["as_good"] < 0.05
    assert found["same"] < 0.05


def test_a_graph_of_another_model_is_falsified():
    claims = learn_pag(DSeparation(nx.DiGraph([(0, 1), (1, 2), (2, 3), (4, 3), (4, 5)]), range(6)))
    other = DSeparation(nx.DiGraph([(3, 0), (0, 5), (5, 1), (1, 4), (4, 2)]), range(6))
    assert rg.falsification(claims, other, np.random.default_rng(0), 200)["as_good"] > 0.05


def test_a_graph_that_looks_the_same_under_any_name_is_not_informative():
    complete = nx.DiGraph([(i, j) for i in range(4) for j in range(i + 1, 4)])
    test = DSeparation(complete, range(4))
    found = rg.falsification(learn_pag(test), test, np.random.default_rng(0))
    assert found["same"] == found["as_good"] == 1.0


@pytest.mark.parametrize("layer", [0, 2])
def test_the_knock_out_sets_one_pair_to_zero_and_renormalises_the_rest(layer):
    model = load("pocket-sentiment")
    encoded = model.encode(TEXT)
    before = model.attention(encoded, layer)
    blocked = np.zeros((1, *before.shape), dtype=bool)
    blocked[0, 1, 0, 3] = True
    by_hand = before.copy()
    by_hand[1, 0, 3] = 0
    by_hand[1, 0] /= by_hand[1, 0].sum()
    with rg.without_attention(model.model, [layer], blocked):
        after = model.attention(encoded, layer)
    assert np.allclose(after, by_hand, atol=1e-6)
    assert np.allclose(model.attention(encoded, layer), before)


@pytest.mark.parametrize("name", ["pocket-sentiment", "pocket-bert4rec"])
def test_each_pattern_runs_by_itself_and_nothing_blocked_changes_nothing(name):
    model = load(name)
    encoded = model.encode(TEXT if name == "pocket-sentiment" else ["Matrix, The (1999)", "Alien (1979)"])
    heads, n, _ = model.attention(encoded).shape
    rng, outcome = np.random.default_rng(0), encoded.outcome_tokens[0]
    blocked = np.zeros((6, heads, n, n), dtype=bool)
    for pattern in range(5):
        blocked[pattern, rng.integers(heads), outcome, rng.integers(n)] = True
    together = rg.knocked_out(model, encoded, blocked, [-1])
    alone = [rg.knocked_out(model, encoded, blocked[i : i + 1], [-1])[0] for i in range(6)]
    assert np.allclose(together, alone, atol=1e-5)
    assert together[5] < 1e-5
    assert together[:5].max() > 1e-5


def test_matches_are_the_nearest_removed_pairs_by_brute_force():
    rng = np.random.default_rng(1)
    for _ in range(30):
        kept, attention, effect = rng.random(12) < 0.4, rng.random(12) + 0.01, rng.random(12)
        pairs = []
        for i in np.flatnonzero(kept):
            near = min(
                np.flatnonzero(~kept), key=lambda j: abs(np.log(attention[j] / attention[i])), default=None
            )
            if near is not None and 1 / 1.25 <= attention[near] / attention[i] <= 1.25:
                pairs.append((effect[i], effect[near]))
        found = rg.matched(kept, attention, effect)
        assert (found is None) == (not pairs)
        if pairs:
            assert [found["kept"], found["removed"]] == pytest.approx(np.mean(pairs, axis=0).tolist())
            assert found["pairs"] == len(pairs)


def test_a_run_writes_a_line_for_each_reading_and_figure(tmp_path):
    items = [{"input": 0, "content": TEXT, "seen": ()}]
    worker = rg.Climber("pocket-sentiment", readings=(0.0, "norms"))
    records = probe(worker, items, rg.summary, tmp_path)
    assert probe(worker, items, rg.summary, tmp_path) == records
    lines = rg.summary(records)
    own = [line for line in lines if line["figure"] == "own head: violated"]
    assert [line["mean"] for line in own] == [0.0, 0.0]  # a graph claims what its own test said
    assert len((tmp_path / "rungs.csv").read_text().splitlines()) == 1 + len(lines)


@pytest.mark.parametrize("worker", [rg.Climber("pocket-gpt"), Randomiser("pocket-gpt")])
def test_a_model_that_is_not_built_like_bert_is_refused_in_a_sentence(worker):
    with pytest.raises(ValueError, match="pocket-gpt must be built like BERT: got a gpt2"):
        worker({"input": 0, "content": TEXT, "seen": ()})
