"""Planted mechanisms: the rules, their smallest sets by brute force, interchange, and the readers."""

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("torch")

from cleann_lite.attention.residual import mixed_attention
from cleann_lite.causal.graphs import PAG
from cleann_lite.evaluation import planted as pl
from cleann_lite.evaluation import readers as rd

A, B, C, D, X = pl.A, pl.B, pl.C, pl.D, pl.VOCABULARY - 1


def sentence(*words):
    return np.array([*words, *[X] * (pl.LENGTH - len(words))])


@pytest.fixture(scope="module")
def trained():
    return pl.train(pl.RULES["order"], layers=2, seed=0)


# --- rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words", "holds", "sets"),
    [
        ("one", (X, A), True, [(1,)]),
        ("one", (B, C), False, []),
        ("together", (A, X, B), True, [(0,), (2,)]),
        ("together", (A, X, X), False, []),
        ("either", (A, X, B), True, [(0, 2)]),
        ("majority", (A, B, A, C), True, [(0, 1), (0, 2), (1, 2)]),
        ("majority", (A, C), False, []),
        ("negation", (A, X), True, [(0,)]),
        ("negation", (X, C, B), True, [(1,), (2,)]),
        ("negation", (C, A), False, []),
        ("order", (A, X, B), True, [(0,), (2,)]),
        ("order", (B, A), False, []),
        ("decoy", (D, A), True, [(1,)]),
        ("hidden", (D, X), False, []),
    ],
)
def test_rules_hold_where_they_say_and_name_their_smallest_sets(rule, words, holds, sets):
    rule, tokens = pl.RULES[rule], sentence(*words)
    assert bool(rule.holds(tokens[None])[0]) is holds
    if holds:
        assert rule.smallest_sets(tokens) == sets


@pytest.mark.parametrize("name", pl.RULES)
def test_only_the_words_that_a_rule_reads_decide_it(name):
    rule, rng = pl.RULES[name], np.random.default_rng(0)
    tokens = pl.draw(rule, rng, 400)
    assert 0.15 < rule.holds(tokens).mean() < 0.85
    other = np.where(rule.causes(tokens), tokens, rng.integers(X - 20, X, tokens.shape))
    assert np.array_equal(rule.holds(tokens), rule.holds(other))


@pytest.mark.parametrize("name", pl.RULES)
def test_smallest_sets_are_those_of_all_sets_of_all_words(name):
    rule = pl.RULES[name]
    for tokens in pl.examples(rule, np.random.default_rng(1), 4):
        everything = [s for size in (1, 2, 3) for s in combinations(range(pl.LENGTH), size)]
        works = [s for s in everything if not rule.holds(pl.masked(tokens, [s]))[0]]
        assert rule.smallest_sets(tokens) == [s for s in works if len(s) == len(works[0])]


def test_sentences_under_examination_hold_their_rule_and_their_decoy():
    for rule in pl.RULES.values():
        tokens = pl.examples(rule, np.random.default_rng(2), 20)
        assert rule.holds(tokens).all()
        assert rule.decoy is None or (tokens == rule.decoy).any(axis=1).all()


# --- networks --------------------------------------------------------------------------------------------


def test_a_trained_network_uses_its_rule_and_an_untrained_one_does_not(trained):
    assert trained.accuracy >= 0.995
    assert min(pl.interchange_accuracy(trained, np.random.default_rng(0)).values()) > 0.95
    untrained = pl.train(trained.rule, layers=2, seed=0, steps=1)
    found = pl.interchange_accuracy(untrained, np.random.default_rng(0))
    assert min(found["one"], found["all"]) < 0.9


def test_interchange_at_the_lowest_layer_is_the_sentence_with_the_other_words(trained):
    rng = np.random.default_rng(3)
    tokens, source = pl.draw(trained.rule, rng, 20), pl.draw(trained.rule, rng, 20)
    where = rng.random(tokens.shape) < 0.4
    mixed = trained.probability(np.where(where, source, tokens))
    assert np.allclose(trained.interchanged(tokens, source, where), mixed, atol=1e-6)
    nothing = np.zeros_like(where)
    assert np.allclose(
        trained.interchanged(tokens, source, nothing, 1), trained.probability(tokens), atol=1e-6
    )


# --- readers ---------------------------------------------------------------------------------------------


def test_auc_counts_pairs():
    rng = np.random.default_rng(4)
    for _ in range(20):
        scores, true = rng.integers(0, 4, 12), rng.random(12) < 0.4
        if true.all() or not true.any():
            continue
        pairs = [(a > b) + (a == b) / 2 for a in scores[true] for b in scores[~true]]
        assert rd.auc(scores, true) == pytest.approx(np.mean(pairs))
    assert np.isnan(rd.auc([1, 2], [True, True]))


def test_the_full_partial_correlation_is_that_of_regressions():
    rng = np.random.default_rng(5)
    data = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6))
    correlation = np.corrcoef(data.T)
    centred = data - data.mean(axis=0)
    by_hand = []
    for x in range(5):
        rest = centred[:, [i for i in range(5) if i != x]]
        left = [v - rest @ np.linalg.lstsq(rest, v, rcond=None)[0] for v in (centred[:, x], centred[:, 5])]
        by_hand.append(np.corrcoef(left)[0, 1])
    assert np.allclose(rd.full_partial_correlation(correlation), by_hand)


def test_a_word_that_the_outcome_alone_attends_to_is_found_with_the_residual_and_not_without():
    """The words attend to one sink; the outcome to word 3."""
    attention = np.full((1, pl.LENGTH + 1, pl.LENGTH + 1), 0.02)
    attention[0, :, 1] += 0.74
    attention[0, 0] = 0.02
    attention[0, 0, 4] += 0.74
    for share, found in ((0.0, False), (0.5, True)):
        read = mixed_attention(attention, share)
        pags, correlations = rd.graphs(read)
        scores = rd.scores_of_graph(read, pags, correlations)
        assert np.flatnonzero(scores["edge"]).tolist() == [3] * found
        assert scores["attention row"].argmax() == 3
        assert not (
            pags[0].marks[:-1, -1][pags[0].marks[-1, :-1] != 0] != 2
        ).any()  # the outcome causes no word


def _told(flipping):
    sets = [s for size in range(4) for s in combinations(range(pl.LENGTH), size)]
    return rd.Sentence(sentence(), {s: 0.0 if any(f <= set(s) for f in flipping) else 1.0 for s in sets})


def test_the_first_set_of_a_graph_is_legal_small_and_near():
    marks = np.zeros((pl.LENGTH + 1,) * 2, dtype=np.int8)
    for word in (2, 5):
        marks[word, -1], marks[-1, word] = 2, 1
    marks[7, 2], marks[2, 7] = 2, 1
    pag = PAG(marks)
    assert rd.first_of_graph([pag], _told([{5}])) == (5,)
    assert rd.first_of_graph([pag], _told([{2, 5}])) == (2, 5)
    assert rd.first_of_graph([pag], _told([{7}])) is None
    assert rd.first_of_graph([pag], _told([{5}]), np.roll(np.arange(pl.LENGTH), 1)) is None
    assert rd.first_of_graph([pag], _told([{6}]), np.roll(np.arange(pl.LENGTH), -1)) == (6,)


def test_the_first_set_of_a_ranking_grows_word_by_word():
    scores = np.arange(pl.LENGTH)
    assert rd.first_of_ranking(scores, _told([{11}])) == (11,)
    assert rd.first_of_ranking(scores, _told([{10, 9}])) == (9, 10, 11)
    assert rd.first_of_ranking(scores, _told([{0}])) is None


def test_a_run_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(rd, "train", lambda rule, layers, seed: pl.train(rule, layers, seed, steps=25))
    options = {"rules": ("one",), "layers": (1,), "seeds": 2, "sentences": 2, "out": tmp_path}
    whole = rd.plant(**options)
    journal = tmp_path / "planted.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:2]) + lines[2][:20])
    again = rd.plant(**options)
    assert again == whole
    table = (tmp_path / "planted.csv").read_text().splitlines()
    assert table[0] == "rule,layers,reading,reader,networks,auc,decoy,found,exact,permuted"
    assert len(table) == 1 + len(rd.READINGS) * len(rd.OF_GRAPH) + len(rd.OF_MODEL)
    edge = next(line for line in rd.summary(whole) if (line["reading"], line["reader"]) == ("0.5", "edge"))
    alone = [
        line["auc"]
        for r in whole
        for line in r["lines"]
        if line["reading"] == "0.5" and line["reader"] == "edge"
    ]
    assert edge["auc"] == pytest.approx(np.mean(alone), abs=1e-3)


def test_a_rule_that_is_unknown_is_named():
    with pytest.raises(ValueError, match="a rule must be one of one, together"):
        rd.plant(rules=("two",))
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        rd.plant(seeds=0)
