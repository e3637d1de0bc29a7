"""Graphs that no model has are found, and their contradictions undone."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle_mags import is_mag_by_definition, is_pag, pag_by_enumeration

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem
from cleann_lite.causal.graphs import PAG, Legality, Mark, SearchStatus
from cleann_lite.causal.legality import a_member, legal_marks, legality_of
from cleann_lite.causal.mags import members
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.random_graphs import random_latent_dag

CYCLE = [[0, 2, 3], [3, 0, 2], [2, 3, 0]]
# 0 <-> 1 --> 2 --> 0: almost a cycle
ALMOST = [[0, 2, 3], [2, 0, 2], [2, 3, 0]]
# 0 --> 1, 3 --> 2, 1 <-> 2, 1 --> 3, 2 --> 0: an inducing path joins 0 and 3
NOT_MAXIMAL = [[0, 2, 3, 0], [2, 0, 2, 2], [2, 2, 0, 2], [0, 3, 2, 0]]


def random_marks(rng, k, density, ends=(1, 2, 3)):
    marks = np.zeros((k, k), np.int8)
    for i in range(k):
        for j in range(i):
            if rng.random() < density:
                marks[i, j], marks[j, i] = rng.choice(ends, 2)
    return marks


def test_each_kind_of_contradiction():
    assert legality_of(np.array(CYCLE)) == Legality.CYCLE
    assert legality_of(np.array(ALMOST)) == Legality.NO_MAG
    assert legality_of(np.array(NOT_MAXIMAL)) == Legality.NO_MAG
    assert legality_of(np.array([[0, 3, 0], [3, 0, 3], [0, 2, 0]])) == Legality.NO_MAG  # 0 --- 1 <-- 2
    assert legality_of(np.array([[0, 2], [3, 0]])) == Legality.OTHER_MARKS
    assert legality_of(np.array([[0, 1], [1, 0]])) == Legality.LEGAL
    assert legality_of(np.array([[0, 2], [1, 0]]), np.array([0, 1])) == Legality.LEGAL
    assert PAG([[0, 2], [1, 0]], tiers=[[0], [1]]).legality == Legality.LEGAL
    assert PAG(CYCLE).legality == Legality.CYCLE
    assert legality_of(np.zeros((900, 900), np.int8)) == Legality.UNKNOWN


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 5), ends=st.sampled_from([(1, 2, 3), (1, 2), (1,)]))
def test_legal_means_what_enumeration_says(seed, k, ends):
    marks = random_marks(np.random.default_rng(seed), k, 0.6, ends)
    assert (legality_of(marks) == Legality.LEGAL) == is_pag(marks)
    no_mag = legality_of(marks) in (Legality.CYCLE, Legality.NO_MAG)
    assert no_mag != is_mag_by_definition(a_member(marks))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    k=st.integers(2, 9),
    density=st.floats(0.2, 0.9),
    ends=st.sampled_from([(1, 2, 3), (2, 2, 2, 3), (1, 2), (3, 2, 1, 1)]),
    tiered=st.booleans(),
)
def test_undoing_gives_a_legal_graph_with_the_same_edges(seed, k, density, ends, tiered):
    rng = np.random.default_rng(seed)
    marks, rank = random_marks(rng, k, density, ends), None
    if tiered:
        rank = rng.integers(0, 3, k)
        marks[(marks > 0) & (rank[:, None] < rank)] = Mark.ARROW
        marks[(marks == 3) & (marks.T != 2)] = 2  # tiers exclude selection
    undone = legal_marks(marks, rank)
    assert legality_of(undone, rank) == Legality.LEGAL
    assert ((undone > 0) == (marks > 0)).all()
    if k <= 4 and not tiered:
        assert is_pag(undone)
    if legality_of(marks, rank) == Legality.LEGAL:
        assert (undone == marks).all()
    shuffle = rng.permutation(k)
    weight = rng.random(k)
    again = legal_marks(
        marks[np.ix_(shuffle, shuffle)], None if rank is None else rank[shuffle], weight[shuffle]
    )
    assert (again == legal_marks(marks, rank, weight)[np.ix_(shuffle, shuffle)]).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n_selection=st.integers(0, 2))
def test_true_graphs_are_legal_also_with_tiers(seed, n_selection):
    rng = np.random.default_rng(seed)
    example = random_latent_dag(10, 3.0, rng, 2, n_selection)
    assert legality_of(pag_of_mag(example.mag)) == Legality.LEGAL
    if not n_selection:
        order = [example.observed.index(v) for v in example.dag if v in example.observed]
        rank = np.empty(len(order), int)
        ancestor = PAG(example.mag).ancestors
        rank[order] = [ancestor[:, i].sum() // 3 for i in order]
        back = ancestor & (rank[:, None] > rank)
        assume(not back.any())
        small = (example.mag > 0).sum() <= 20
        tiered = pag_of_mag(example.mag, rank=rank)
        assert legality_of(tiered, rank) == Legality.LEGAL
        assert not small or (tiered == pag_by_enumeration(example.mag, tier=rank)).all()


def test_graphs_learned_from_few_data_are_legal_and_closer_to_the_truth():
    n_undone, right, right_raw = 0, 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        example = random_latent_dag(15, 2.5, rng)
        data = planted_sem(example.dag, rng).sample(500, rng)[:, example.observed]
        test = cl.PartialCorrelation.from_data(data)
        for method in ("icd", "fci"):
            pag, raw = cl.learn_pag(test, method), cl.learn_pag(test, method, legal=False)
            assert pag.legality == Legality.LEGAL and pag.notes == ()
            assert ((pag.marks > 0) == (raw.marks > 0)).all()
            assert pag.undone == (pag.marks != raw.marks).sum()
            assert (pag.undone == 0) == (raw.legality == Legality.LEGAL) == (raw.notes == ())
            n_undone += pag.undone > 0
            true = pag_of_mag(example.mag)
            right += ((pag.marks == true) & (true > 0)).sum()
            right_raw += ((raw.marks == true) & (true > 0)).sum()
    assert n_undone > 20 and right > right_raw


def test_a_contradiction_that_stays_is_said_in_one_note():
    kinds = set()
    for seed in range(80):
        rng = np.random.default_rng(seed)
        data = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 10)) + rng.normal(size=(40, 10))
        pag = cl.learn_pag(cl.PartialCorrelation.from_data(data, alpha=0.1), legal=False)
        said = [note for note in pag.notes if note.startswith("contradictory marks")]
        assert len(said) == (pag.legality != Legality.LEGAL)
        assert pag.complete
        kinds.add(pag.legality)
        back = PAG.from_json(pag.to_json())
        assert back.legality == pag.legality
        if pag.legality in (Legality.CYCLE, Legality.NO_MAG):
            assert next(members(pag, 1), None) is None
    assert {Legality.LEGAL, Legality.NO_MAG, Legality.OTHER_MARKS} <= kinds


def test_the_trace_ends_in_the_graph():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        data = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 10)) + rng.normal(size=(40, 10))
        pag = cl.learn_pag(cl.PartialCorrelation.from_data(data, alpha=0.1), trace=True)
        assert pag.undone == sum(step.rule == "legality" for step in pag.trace)
        for step in pag.trace:
            if step.rule == "legality":
                assert pag.mark(step.x, step.y) == step.mark


def test_why_a_search_ended_is_a_value_not_a_sentence():
    assert PAG([[0]], notes=("the film stopped early",)).complete
    assert PAG([[0]]).status is SearchStatus.COMPLETE
    capped = PAG([[0]], status="capped")
    assert not capped.complete and capped.status is SearchStatus.CAPPED
    assert PAG.from_json(capped.to_json()).status is SearchStatus.CAPPED
    with pytest.raises(ValueError):
        PAG([[0]], status="tired")
    dense = np.full((5, 5), 0.99) + 0.01 * np.eye(5)
    few = cl.learn_pag(cl.PartialCorrelation(dense, 4, 0.5))
    assert few.status is SearchStatus.TOO_FEW_SAMPLES
    rng = np.random.default_rng(0)
    crowd = np.corrcoef(rng.normal(size=(40, 1)) + rng.normal(size=(40, 30)), rowvar=False)
    capped = cl.learn_pag(cl.PartialCorrelation(crowd, 10**6), max_tests=500)
    assert capped.status is SearchStatus.CAPPED and capped.legality == Legality.LEGAL
    assert PAG.from_json(capped.to_json()).status is SearchStatus.CAPPED
