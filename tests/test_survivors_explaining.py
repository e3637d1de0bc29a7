"""What mutation testing found unguarded in the rooms of attention and explaining; see tools/mutate.py.

Each test compares with a definition written out here, on inputs of a kind that the other tests leave out.
"""

import json
from dataclasses import replace
from itertools import combinations
from math import comb

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

import cleann_lite as cl
from cleann_lite.attention import identifiability as ident
from cleann_lite.attention.sem import planted_sem, words_attention
from cleann_lite.attention.words import group_pieces, group_sentences, split_words
from cleann_lite.explaining.certificate import certify
from cleann_lite.explaining.head_graphs import HeadGraphs, candidates, maskable, paid
from cleann_lite.explaining.interventions import Interventions
from cleann_lite.explaining.long_texts import parts
from cleann_lite.explaining.search import Recipe
from cleann_lite.explaining.settings import LONG, FoundBy, GraphSettings, SearchSettings, Stopped
from cleann_lite.explaining.stages import all_sets, beam, by_effect
from cleann_lite.models.protocol import Encoded
from tests.linear_model import LinearModel
from tests.test_pds import by_definition, random_marks

WORDS = [f"w{i}" for i in range(40)]


def run_of(weights, bias=0.0, **options):
    """A run over words of these weights; the outcome is "yes" where bias and weights say so."""
    model = LinearModel(dict(zip(WORDS, weights, strict=False)), bias=bias)
    return Interventions(model, model.encode(" ".join(WORDS[: len(weights)])), **options)


# -- attention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_positions_outside_every_word_stay_each_by_itself(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    attention = rng.dirichlet(np.ones(n), n)
    left_out = {n - 1} if seed % 2 else {0, n - 1}  # the last too, as [SEP] is
    inside = [p for p in rng.permutation(n).tolist() if p not in left_out]
    cut = int(rng.integers(1, len(inside))) if len(inside) > 1 else 1
    groups = [group for group in (inside[:cut], inside[cut:]) if group]
    merged = words_attention(attention, groups)
    everyone = [*groups, *([p] for p in sorted(left_out))]
    assert merged.shape == (len(everyone),) * 2
    for i, queries in enumerate(everyone):
        for j, keys in enumerate(everyone):
            want = np.mean([sum(attention[q, k] for k in keys) for q in queries])
            assert merged[i, j] == pytest.approx(want)


@pytest.mark.parametrize("first, last", [
    (0x0E01, 0x0EDF), (0x1000, 0x109F), (0x1780, 0x17B3), (0x3041, 0x30FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAD9), (0x20000, 0x2FA1D),
])  # fmt: skip
def test_scripts_without_spaces_from_their_first_letter_to_their_last(first, last):
    for character in map(chr, (first, last)):
        assert len(split_words(character * 2)) == 2
    assert len(split_words("aa")) == len(split_words("áá")) == 1
    assert len(split_words(chr(first) + "\u0301" + chr(last))) == 2  # a mark belongs to what it is on


def test_letters_beside_scripts_without_spaces_make_words():
    for letter in map(chr, (0x0DC6, 0x0F00, 0x0FBC + 0x4, 0x10A0, 0x1760, 0x1820, 0x3105, 0xA000, 0xFB00)):
        if letter.isalpha():
            assert split_words(letter * 3) == [(0, 3)]


def test_every_skin_tone_and_flag_belongs_to_its_emoji():
    for tone in range(0x1F3FB, 0x1F3FF + 1):
        assert split_words(f"👍{chr(tone)}") == [(0, 2)]
    for other in ("🏺", "🐀"):  # what comes before the tones, and behind
        assert split_words(f"👍{other}") == [(0, 1), (1, 2)]
    assert split_words("🇦🇦🇿🇿") == [(0, 2), (2, 4)]
    assert split_words("👍🇦🇦!🇿🇿") == [(0, 1), (1, 3), (3, 4), (4, 6)]
    assert split_words("👩\u200d🚀") == [(0, 3)] and split_words("👍\u200d a") == [(0, 1), (3, 4)]
    assert split_words("❤\ufe0f!") == [(0, 2), (2, 3)] and split_words("🇩") == split_words("❤") == [(0, 1)]
    for tag, belongs in ((0xE001F, False), (0xE0020, True), (0xE007F, True), (0xE0080, False)):
        assert split_words(f"🏴{chr(tag)}") == [(0, 1 + belongs)]
    assert split_words("👍\u200d") == [(0, 1)]  # a joiner with nothing behind it
    assert split_words("\U0001f3f4\U000e0067\U000e007f!") == [(0, 3), (3, 4)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("U.S.A. won", ["U.S.A", ".", "won"]),
        ("It ended.He won", ["It", "ended", ".", "He", "won"]),
        ("at 10:30, 3.5 or 1,000", ["at", "10:30", ",", "3.5", "or", "1,000"]),
        ("so-so, a.b.c and ab.c", ["so-so", ",", "a.b.c", "and", "ab", ".", "c"]),
        ("5.a, a.5 and *.b", ["5", ".", "a", ",", "a", ".", "5", "and", "*", ".", "b"]),
        ("🇩🈀", ["🇩", "🈀"]),
        ("dogs' well- known a-b", ["dogs", "'", "well", "-", "known", "a-b"]),
        ("it's", ["it's"]),
        ("so-あ", ["so", "-", "あ"]),
        ("กัก", ["กั", "ก"]),
        ("a_b __c__", ["a_b", "__c__"]),
        ("aあb", ["a", "あ", "b"]),
    ],
)
def test_marks_that_hold_a_word_together(text, words):
    assert [text[start:end] for start, end in split_words(text)] == words


def test_a_piece_of_no_word_that_is_no_space_belongs_to_none():
    assert group_pieces("\x00 a", [(0, 1), (1, 2), (2, 3)]) == ([(2, 3)], [(1, 2)])


def test_a_text_may_begin_with_what_closes_a_sentence():
    assert group_sentences([")", "a", ".", ")", "b"]) == [[0, 1, 2, 3], [4]]


def test_a_piece_inside_another_does_not_shorten_the_word():
    assert group_pieces("a b c", [(0, 5), (2, 3)]) == ([(0, 5)], [(0, 1)])
    assert group_pieces("a b c", [(0, 3), (2, 5)]) == ([(0, 5)], [(0, 1)])
    assert group_pieces("a b c d", [(0, 1), (2, 7), (4, 5)]) == ([(0, 1), (2, 7)], [(0,), (1, 2)])


def test_weights_are_planted_in_the_range_that_is_said():
    dag = nx.DiGraph([(i, j) for j in range(20) for i in range(j)])
    planted = np.abs(planted_sem(dag, np.random.default_rng(0)).weights)
    planted = planted[planted > 0]
    assert 0.5 <= planted.min() < 0.6 and 1.9 < planted.max() <= 2.0
    mixing = planted_sem(nx.empty_graph(50, nx.DiGraph), np.random.default_rng(0), noise=(0.5, 3.0)).mixing
    assert 0.5 <= mixing.diagonal().min() < 1 and 2 < mixing.diagonal().max() <= 3
    assert (planted_sem(dag, np.random.default_rng(0), signed=False).weights >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_corner_farthest_in_a_direction(seed):
    rng = np.random.default_rng(seed)
    attention, value = rng.dirichlet(np.ones(12), 3), rng.normal(size=(12, 4))
    direction = rng.normal(size=(3, 12))
    other = ident.equivalent_attention(attention, value, direction=direction)
    for row, found, goal in zip(attention, other, direction, strict=True):
        equations = np.column_stack([value, np.ones(12)]).T
        best = linprog(-goal, A_eq=equations, b_eq=equations @ row, bounds=(0, None))
        assert goal @ found == pytest.approx(-best.fun, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_row_moves_where_it_can_by_more_than_the_smallest_and_its_output_stays(seed):
    rng = np.random.default_rng(seed)
    attention, value = rng.dirichlet(np.ones(12), 1), rng.normal(size=(12, 4))
    other = ident.equivalent_attention(attention, value)
    moved = ident.attention_distance(attention, other)[0]
    assert np.abs((other - attention) @ value).max() < 1e-13 and other.sum() == pytest.approx(1, abs=1e-14)
    assert ident.equivalent_attention(attention, value, smallest=1.001 * moved) is None
    assert np.array_equal(ident.equivalent_attention(attention, value, smallest=0.999 * moved), other)


def test_a_row_is_pulled_back_as_far_as_its_output_demands():
    row, found, value = np.array([0.5, 0.5]), np.array([0.0, 1.0]), np.array([[0.0, 3.0], [1.0, 3.0]])
    for tolerance, want in ((0.1, 0.6), (0.4, 0.9), (0.5, 1.0), (2.0, 1.0)):
        pulled = ident._pulled_back(row, found, value, tolerance)
        assert pulled == pytest.approx([1 - want, want])


def test_row_sums_that_the_values_fix_stay():
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(20), 5).astype(np.float32).astype(np.float64)
    value = rng.dirichlet(np.ones(5), 20)  # sums to 1, so an output says what its row sums to
    other = ident.equivalent_attention(attention, value)
    assert np.abs(attention.sum(axis=1) - 1).max() > 1e-9
    np.testing.assert_allclose(other.sum(axis=1), attention.sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(other @ value, attention @ value, atol=1e-13)
    assert (ident.attention_distance(attention, other) > 0.1).all()


@pytest.mark.parametrize(
    ("row", "value"),
    [([0.8, 0.2, 0], [[0], [1], [2]]), ([0.75, 0, 0.25, 0], [[0, 1], [1, 0], [2, 0], [4, 0]])],
)
def test_a_row_with_zeros_that_has_least_overlap_with_itself_moves_to_its_zeros(row, value):
    row, value = np.array([row], float), np.array(value, float)
    other = ident.equivalent_attention(row, value)
    np.testing.assert_allclose(other @ value, row @ value, atol=1e-12)
    assert other[0][row[0] == 0].sum() > 0.05


def test_climbing_leads_farther_than_the_corner_of_least_overlap_and_stays_where_there_is_none():
    rng = np.random.default_rng(1)
    attention, value = rng.dirichlet(np.ones(18), 8), rng.normal(size=(18, 5))
    first = ident.equivalent_attention(attention, value, direction=-attention)
    climbed = ident.attention_distance(attention, ident.equivalent_attention(attention, value))
    gained = climbed - ident.attention_distance(attention, first)
    assert (gained > -1e-9).all() and gained.max() > 1e-3
    short = [[1 - 1e-6, 0, 0]]  # with a sum of 1 no row gives less than 1, the least value
    assert ident.equivalent_attention(short, [[1.0], [2.0], [3.0]]) is None


def test_a_tolerance_says_how_small_is_nothing():
    value = np.array([[1.0, 0], [0, 1e-3], [1, 0], [0, 0]])
    for scale in (1e-7, 1.0, 1e7):
        assert ident.null_space_dimension(scale * value) == 2
        assert ident.null_space_dimension(scale * value, sum_to_one=True) == 1
        assert ident.null_space_dimension(scale * value, tolerance=1e-2) == 3
        row = np.full((1, 4), 0.25)
        small = [[0, 1, 0, 0]] @ ident.effective_attention(row, scale * value, tolerance=1e-2).T
        assert abs(small) < 1e-12 < 0.1 < ident.effective_attention(row, scale * value)[0, 1]
    with pytest.raises(ValueError, match='combine must be "concat" or "add"'):
        ident.joint_null_space_dimension(np.ones((2, 3, 2)), combine="sum")
    allowed = np.eye(4, dtype=bool)
    with pytest.raises(ValueError, match=r"direction must have the shape of attention \(1, 4\): got \(4,\)"):
        ident.equivalent_attention(row, value, direction=np.ones(4))
    with pytest.raises(ValueError, match="attention must be 0 where it is not allowed"):
        ident.equivalent_attention(np.full((4, 4), 0.25), value, allowed=allowed)


def test_values_of_zero_leave_every_attention_free():
    attention = np.full((4, 4), 0.25)
    assert ident.null_space_dimension(np.zeros((4, 2))) == 4
    other = ident.equivalent_attention(attention, np.zeros((4, 2)))
    assert other.sum(axis=1) == pytest.approx(1) and np.abs(other - attention).max() > 0.1


def test_a_head_whose_keys_are_all_alike_makes_one_attention():
    key, value = np.ones((6, 3)), np.random.default_rng(0).normal(size=(6, 4))
    row = ident.softmax_attention([[1.0, 2.0, 3.0]], key)[0]
    found = ident.local_test(row, key, value)
    assert (found.rank, found.needed, found.identifiable) == (0, 0, True)
    query = np.random.default_rng(1).normal(size=(2, 4))
    key = np.random.default_rng(2).normal(size=(20, 4))
    value = value[:, :2].repeat(4, axis=0)[:20]
    usual = ident.generatable_attention(query, key, value)
    assert np.array_equal(usual.query, ident.generatable_attention(query, key, value, seed=0).query)
    assert not np.array_equal(usual.query, ident.generatable_attention(query, key, value, seed=1).query)


# -- graphs of heads -------------------------------------------------------------------------------------


def heads_with_one_unlinked(rng, n_units):
    """Three graphs over units and the outcome; in one of them nothing is linked to the outcome."""
    pags = {}
    unlinked = int(rng.integers(3))
    for head in range(3):
        marks = random_marks(rng, n_units + 1, 0.5)
        if head == unlinked:
            marks[-1], marks[:, -1] = 0, 0
        pags[head] = cl.PAG(marks)
    return pags, unlinked


@pytest.mark.parametrize("seed", range(30))
def test_a_head_without_a_link_to_the_outcome_allows_no_set(seed):
    rng = np.random.default_rng(seed)
    nodes = tuple(sorted(rng.choice(12, 5, replace=False).tolist()))
    pags, unlinked = heads_with_one_unlinked(rng, 5)
    graphs = HeadGraphs(pags, nodes)
    tree = {h: by_definition(pag.marks, 5, range(5)) for h, pag in pags.items()}
    want_distances = {h: {nodes[i]: d for i, d in by.items()} for h, by in tree.items()}
    assert graphs.distances == want_distances and graphs.distances[unlinked] == {}
    assert graphs.reach == max(map(len, tree.values()))
    for size in (1, 2, 3):
        want = {}
        for head, pag in pags.items():
            for members in combinations(range(5), size):
                if set(by_definition(pag.marks, 5, members)) == set(members):
                    units = tuple(nodes[i] for i in members)
                    want.setdefault(units, []).append((sum(tree[head][i] for i in members), head))
        found, cut = candidates(pags, nodes, size, 1000)
        assert not cut
        assert {u: (d, sorted(heads)) for u, (d, heads) in found.items()} == {
            u: (min(by)[0], sorted(h for _, h in by)) for u, by in want.items()
        }
        assert [by[0] for by in found.values()] == sorted(by[0] for by in found.values())
        for members in combinations(nodes, size):
            place, by = graphs.place(members), sorted(want.get(members, []))
            assert place["within_graph"] == bool(by)
            assert place["heads"] == tuple(sorted(head for _, head in by))
            assert (place["distance"], place["head"]) == (by[0] if by else (None, None))
        outside = next(u for u in range(12) if u not in nodes)
        assert graphs.place((outside, nodes[0]))["within_graph"] is False


@pytest.mark.parametrize("seed", range(12))
def test_explain_with_a_head_without_a_link(seed):
    rng = np.random.default_rng(seed)
    pags, _ = heads_with_one_unlinked(rng, 6)
    waiting = list(pags.values())
    model = LinearModel(dict(zip(WORDS, rng.normal(0.3, 1, 6), strict=False)), bias=0.3, seed=seed)
    found = cl.explain(
        model, " ".join(WORDS[:6]), search="cleann", learner=lambda *_: waiting.pop(0), words="all"
    )
    encoded = model.encode(" ".join(WORDS[:6]))
    want = set()
    for size in range(1, 6):
        legal = {
            members
            for pag in pags.values()
            for members in combinations(range(6), size)
            if set(by_definition(pag.marks, 6, members)) == set(members)
        }
        want = {m for m in legal if model.predict(encoded, [m])[0].argmax() != encoded.target}
        if want:
            break
    assert {one.positions for one in found.sets} == want
    assert (found.stopped is Stopped.FOUND) == bool(want)


@pytest.mark.parametrize("most", [1, 2, 5, 10, 11])
def test_the_nearest_sets_of_each_head_are_kept(most):
    marks = np.zeros((6, 6), int)
    marks[:5, 5], marks[5, :5] = 2, 3  # five units, each an arrow into the outcome
    effects = {unit: float(unit) for unit in range(5)}
    found, cut = candidates({0: cl.PAG(marks)}, range(5), 2, most, effects)
    assert (len(found), cut) == (min(most, 10), most < 10)
    if most == 1:
        assert list(found) == [(3, 4)]  # of ties the units of largest effect


# -- what is run, and what it costs ----------------------------------------------------------------------


@pytest.mark.parametrize("budget", [0, 1, 5, 8, 9, 10, 30, 37, 44, 54, 55, 56, 100, 174, 175, 300])
@pytest.mark.parametrize("known", [0, 4])
def test_a_proof_runs_all_smaller_sets_or_those_of_the_likeliest_units(budget, known):
    weights = [1.0 + i / 100 for i in range(10)]
    tries = run_of(weights, bias=-0.1)  # nothing but all ten changes the outcome
    tries.run([(i,) for i in range(known)])
    before = set(tries.known_of_size(1, 2, 3))
    proof = certify(tries, range(10), 4, budget)
    assert proof.needed == 10 + 45 + 120
    possible = budget >= 10 + 45 + 120 - known
    room, whole = budget if possible else budget // 4, bool(budget)
    strongest = sorted(range(10), key=lambda unit: -tries.effect((unit,)))
    for size in (1, 2, 3):
        ran = set(tries.known_of_size(size)) - before
        pool = {m for m in combinations(range(10), size) if m not in before} if whole else set()
        if len(pool) > room:
            whole = False
            kept = max(k for k in range(11) if comb(k, size) <= room)
            if size == 1:  # nothing is known yet of who is strong
                assert kept - known <= len(ran) <= kept and ran <= pool
                pool = ran
            else:
                pool &= set(combinations(sorted(strongest[:kept]), size))
        assert ran <= pool and len(ran) == min(len(pool), room)
        room -= len(ran)
    assert proof.holds is (True if whole else None) and whole == (possible and budget > 0)


@pytest.mark.parametrize("seed", range(40))
def test_a_proof_says_what_was_run_whatever_was_run_before(seed):
    rng, n = np.random.default_rng(seed), 7
    tries = run_of(rng.normal(0.5, 1, n + 3), bias=rng.normal(-0.5, 1), batch_size=int(rng.integers(1, 9)))
    units = sorted(rng.choice(n + 3, n, replace=False).tolist())  # some of the others were run too
    every = [m for k in range(1, n) for m in combinations(range(n + 3), k)]
    tries.run([m for m in every if rng.random() < 0.1 * (seed % 4)])
    size, budget, before = int(rng.integers(1, 5)), int(rng.integers(0, 80)), tries.calls
    smaller = [m for k in range(1, size) for m in combinations(units, k)]
    left = [m for m in smaller if not tries.known(m)]
    proof = certify(tries, units, size, budget)
    assert proof.needed == len(smaller) and tries.calls <= before + budget
    asked = [m for m in smaller if tries.known(m)]
    flips = [m for m in asked if tries.flipped([m])]
    if proof.holds is None:
        assert not proof.smaller and (not budget or len(asked) < len(smaller))
        assert not budget or set(flips) <= {m for m in smaller if m not in left}
    else:
        assert proof.holds is not bool(flips)
        if proof.holds:
            assert asked == smaller and not proof.smaller
        else:
            assert set(proof.smaller) <= set(flips)
            assert {len(m) for m in proof.smaller} == {min(map(len, flips))}
    if budget >= len(left) and budget:
        assert proof.holds is not None


def test_a_proof_that_is_not_possible_costs_little_whatever_its_budget():
    tries = run_of([1.0] * 12, bias=-0.1)
    assert certify(tries, range(12), 10, 3_000).holds is None
    assert tries.calls <= 1 + 175


def test_a_proof_ends_at_the_first_size_that_holds_a_smaller_set():
    tries = run_of([0.1, 0.1, 2.0, 0.1], bias=-1.0)
    proof = certify(tries, range(4), 3, 100)
    assert (proof.holds, proof.smaller, proof.needed) == (False, ((2,),), 4 + 6)
    assert tries.known_of_size(2) == []
    assert certify(tries, range(4), 1, 100).holds is True  # nothing is smaller than one unit


def test_a_proof_stops_at_the_batch_of_its_first_smaller_set():
    tries = run_of([3.0] + [0.1] * 11, bias=-2.0, batch_size=4)
    tries.run([(0,)])  # known to be the likeliest
    assert certify(tries, range(12), 2, 100).smaller[0] == (0,)
    assert tries.calls == 1 + 4


@pytest.mark.parametrize(("budget", "holds"), [(10_440 + 145, True), (10_440 + 144, None)])
def test_a_proof_over_ten_thousand_sets_holds_only_if_all_were_run(budget, holds):
    model = LinearModel({f"x{i}": 1.0 for i in range(145)}, bias=-0.5)
    tries = Interventions(model, model.encode(" ".join(model.weights)))
    proof = certify(tries, range(145), 3, budget)
    assert (proof.holds, proof.needed) == (holds, 10_440 + 145)
    if not holds:
        assert len(tries.known_of_size(2)) <= budget // 4


@pytest.mark.parametrize(("n", "weakest"), [(12, 1), (32, 1), (33, 25)])
def test_a_beam_tries_all_units_of_a_sentence_and_the_strongest_of_more(n, weakest):
    tries = run_of([0.01 + i / 1000 for i in range(n)], bias=-0.01, max_calls=200)
    tries.run([(i,) for i in range(n)])
    assert beam(tries, range(n), [(0,)], 2) == []
    assert set(tries.known_of_size(2)) == {(0, i) for i in range(weakest, n)}


def test_a_beam_leaves_room_to_prune():
    weights = [1.0 + i / 10 for i in range(12)]
    for cap, grows in ((13 + 24, False), (13 + 25, True)):
        tries = run_of(weights, bias=-0.1, max_calls=cap)
        tries.run([(i,) for i in range(12)])
        beam(tries, range(12), [(11,)], 2)
        assert bool(tries.known_of_size(2)) == grows


def test_the_cap_and_the_room_count_the_untouched_input():
    tries = run_of([1.0] * 6, bias=-0.5, max_calls=4)
    assert (tries.calls, tries.passes, tries.room) == (1, 1, 3)
    tries.run([(0,), (1,), (0,)])
    assert (tries.calls, tries.room, tries.exhausted) == (3, 1, False)
    tries.run([(1,), (2,)])
    assert (tries.calls, tries.room, tries.exhausted) == (4, 0, False)
    tries.run([(2,), (1,)])
    assert not tries.exhausted  # both are known
    assert tries.run([(3,), (2,)]) == [] and tries.exhausted
    assert not tries.known((3,)) and np.isnan(tries.remaining((3,))) and tries.effect((3,)) == 0
    assert tries.known_of_size(1) == [(0,), (1,), (2,)]


@pytest.mark.parametrize("until_first", [False, True])
def test_batches_end_at_a_success_only_if_asked(until_first):
    weights = [3.0] + [0.1] * 11
    tries = run_of(weights, bias=-2.0, batch_size=4)
    flips = tries.run([(i,) for i in range(12)], until_first=until_first)
    assert flips == [(0,)]
    assert tries.calls == 1 + (4 if until_first else 12)
    few = run_of(weights, bias=-2.0)
    few.run([(i,) for i in range(12)], until_first=True, batch=8)
    assert few.calls == 1 + 8


def test_answers_of_a_shared_memory_count_as_asked():
    memory = {}
    first = run_of([1.0, 1.0], bias=-0.5, memory=memory)
    first.run([(0,), (1,)])
    second = run_of([1.0, 1.0], bias=-0.5, memory=memory)
    assert second.calls == 1
    second.run([(0,), (0, 1)])
    assert second.calls == 3
    assert second.model.rows_run == 2  # the untouched input and (0, 1)


def test_all_pairs_use_half_the_room_and_stop_at_a_batch_that_succeeds():
    tries = run_of([1.0] * 10, bias=-0.1, max_calls=21)
    assert all_sets(tries, range(10), 2) == [] and tries.calls == 1 + 10
    tries = run_of([1.0] * 10, bias=-0.1, max_calls=6)
    assert all_sets(tries, range(10), 1) == [] and tries.calls == 6 and tries.exhausted
    tries = run_of([1.0] * 10, bias=-0.1, max_calls=2)
    all_sets(tries, range(10), 2)
    assert tries.calls == 2  # at least one
    tries = run_of([5.0] + [0.1] * 9, bias=-4.0, batch_size=3)
    assert all_sets(tries, range(10), 1) == [(0,)] and tries.calls == 1 + 3


def test_sets_are_ordered_by_what_their_parts_did():
    tries = run_of([1.0, 3.0, 2.0, 0.0], bias=-0.1)
    tries.run([(i,) for i in range(4)])
    assert by_effect(tries, [(0, 3), (1, 2), (0, 1), (2, 3)]) == [(1, 2), (0, 1), (2, 3), (0, 3)]
    # three units: by their pairs where these were run, else by the stronger unit of the pair
    tries.run([(0, 3)])
    effect = tries.effect
    for members in ((0, 1, 3), (0, 2, 3), (1, 2, 3)):
        assert not any(tries.known(pair) for pair in combinations(members, 2) if pair != (0, 3))
    strength = {
        (0, 1, 3): effect((0, 3)) + 2 * effect((1,)),
        (0, 2, 3): effect((0, 3)) + 2 * effect((2,)),
        (1, 2, 3): 2 * effect((1,)) + effect((2,)),
    }
    assert by_effect(tries, strength) == sorted(strength, key=lambda m: -strength[m])


def test_long_sentences_are_cut_into_parts():
    labels = [*["so"] * 95, ".", "Good", "."]
    assert [len(part) for part in parts(labels, range(98))] == [40, 40, 16, 2]
    assert [unit for part in parts(labels, range(98)) for unit in part] == list(range(98))
    assert parts(labels, range(94, 98)) == [[94, 95], [96, 97]]


def test_a_pass_of_the_model_to_read_it_is_counted():
    tries = run_of([1.0, 2.0], bias=-0.5)
    assert tries.read(lambda model, encoded: model.attention(encoded)).shape == (3, 3, 3)
    tries.read(lambda model, encoded: 0)
    assert (tries.passes, tries.calls) == (3, 1)


@pytest.mark.parametrize("seed", range(10))
def test_what_the_outcome_pays_is_summed_over_a_units_tokens_and_averaged_over_its_own(seed):
    rng = np.random.default_rng(seed)
    outcome, tokens = (0, 3), ((1,), (2, 5), (3,), (4, 6, 7))  # the third unit is part of the outcome
    encoded = Encoded(("a", "b", "c", "d"), tokens, outcome, "yes", 1, None)
    attention = rng.random((3, 8, 8))
    by_hand = [[sum(a[o, t] for o in outcome for t in own) / 2 for own in tokens] for a in attention]
    np.testing.assert_allclose(paid(attention, encoded), by_hand)
    np.testing.assert_allclose(paid(attention.mean(axis=0), encoded), np.mean(by_hand, axis=0))
    assert maskable(encoded) == [0, 1, 3]


@pytest.mark.parametrize("heads", [1, 2, 5, 16, 20])
@pytest.mark.parametrize(("units", "search"), [(LONG, "full"), (LONG + 1, "full"), (LONG + 1, "cleann")])
def test_of_a_long_text_a_full_search_asks_the_graphs_for_few_units(units, search, heads):
    nodes = tuple(range(3, 43))  # each an arrow into the outcome, in the graph of one head
    pags = {}
    for head in range(heads):
        marks = np.zeros((41, 41), int)
        own = [i for i in range(40) if i % heads == head]
        marks[own, 40], marks[40, own] = 2, 3
        pags[head] = cl.PAG(marks)
    model = LinearModel({}, bias=1.0)
    tries = Interventions(model, model.encode(" ".join(f"x{i}" for i in range(units))), 5000)
    recipe = Recipe(tries, GraphSettings(), SearchSettings(search=search, max_candidates=9, max_size=2))
    recipe.graphs = HeadGraphs(pags, nodes)
    recipe.try_legal_sets()
    few = units > LONG and search == "full"
    each = max(1, min(9, 16 // heads)) if few else 9
    want = {(nodes[i],) for i in range(40) if i // heads < each}
    assert set(tries.known_of_size(1)) == want
    pairs = len(tries.known_of_size(2))
    assert pairs == (0 if few else sum(min(9, comb(len(range(h, 40, heads)), 2)) for h in range(heads)))
    cut = [f"only the 9 nearest sets of size {size} per head were tried" for size in (1, 2)]
    assert recipe.notes == ([] if search == "full" else cut if heads < 4 else cut[1:] if heads < 10 else [])


def test_a_cap_leaves_units_that_may_be_spared_unless_a_proof_has_run_all_smaller_sets():
    model, noted = LinearModel(dict.fromkeys(WORDS[:8], 1.0), bias=-3.5), 0  # any five of eight
    for cap in range(9, 46, 4):
        for proof in (0, 400):
            found = cl.explain(model, " ".join(WORDS[:8]), max_calls=cap, certify=proof, words="all")
            told = any("units may be left that are not needed" in note for note in found.notes)
            noted += told
            assert not (told and proof) and found.certified is (True if found.sets and proof else None)
            assert told or all(len(one.positions) == 5 for one in found.sets)
    assert noted > 2
    two = LinearModel(dict.fromkeys(WORDS[:8], 1.0), bias=-6.5)  # any two of eight
    found = cl.explain(two, " ".join(WORDS[:8]), max_calls=6, certify=False, words="all")
    assert len(found.sets[0].units) == 2 and len(found.notes) == 1
    one = LinearModel({"w1": 3.0}, bias=-1.0)  # of one unit none can be spared
    runs = [
        cl.explain(one, " ".join(WORDS[:8]), max_calls=cap, certify=False, words="all") for cap in range(2, 9)
    ]
    found = [run for run in runs if run.sets]
    assert found and all(([s.units for s in run.sets], run.notes) == ([("w1",)], ()) for run in found)
    pair = LinearModel({"a": 1.0, "b": 1.0}, bias=-0.5)
    found = cl.explain(pair, "a b c", search="cleann", alpha=0.9, words="all", certify=False)
    assert found.sets and found.notes == ()


def test_of_a_long_text_a_set_of_two_is_not_proved():
    words = " ".join(["a", "b", *(f"x{i}" for i in range(LONG))])
    model = LinearModel({"a": 1.0, "b": 1.0}, bias=-0.5)
    proved, plain = (cl.explain(model, words, certify=certify) for certify in (True, False))
    assert [s.units for s in proved.sets] == [s.units for s in plain.sets] == [("a", "b")]
    assert (proved.certified, proved.model_calls) == (None, plain.model_calls)
    alone = cl.explain(LinearModel({"a": 1.0}, bias=-0.5), words)
    assert [s.units for s in alone.sets] == [("a",)] and alone.certified is True


# -- settings --------------------------------------------------------------------------------------------


def test_as_many_units_as_a_graph_may_hold_are_not_too_many():
    model = LinearModel(dict.fromkeys(WORDS, 1.0))
    encoded = model.encode(" ".join(WORDS[:6]))
    for most, told in ((6, 0), (5, 1), (7, 0)):
        pags, nodes, notes = cl.learn_graphs(model, encoded, words="all", max_nodes=most)
        assert (len(nodes), len(notes)) == (min(most, 6), told)
        assert all(len(pag) == len(nodes) + 1 for pag in pags.values())


@pytest.mark.parametrize("unknown", [(), (0,), (3,)])
def test_nothing_is_certified_about_a_set_of_unknown_words_and_only_about_those(unknown):
    class Reads(LinearModel):
        def encode(self, input, target=None, split_into="words"):
            return replace(super().encode(input, target, split_into), unknown=unknown)

    found = cl.explain(Reads({"a": 2.0}, bias=-1.0), "a b c d", alpha=0.9, words="all")
    assert [one.positions for one in found.sets] == [(0,)]
    assert found.certified is (None if unknown == (0,) else True)
    assert ("nothing is certified about words" in " ".join(found.notes)) == (unknown == (0,))


@pytest.mark.parametrize("own", ["nothing", "learner", "test"])
def test_a_larger_alpha_is_advised_only_to_whom_it_is_open(own):
    class Never:
        def __init__(self, words):
            self.n_variables = len(words)

        def independent(self, x, y, given=()):
            return True

    def learner(words, variables, labels):
        return cl.PAG(np.zeros((len(labels),) * 2, int))

    given = {
        "nothing": {"correlation": lambda words: np.eye(len(words))},
        "learner": {"learner": learner},
        "test": {"test": Never},
    }[own]
    model = LinearModel({"a": 2.0, "b": 1.0}, bias=-1.0)
    found = cl.explain(model, "a b c", search="cleann", words="all", **given)
    assert found.stopped is Stopped.NOT_LINKED
    advice = ": a larger alpha keeps more edges" * (own == "nothing")
    assert found.failures == (f"no unit is linked to the outcome in any graph{advice}",)


@pytest.mark.parametrize("largest", [1, 2])
def test_a_full_search_tries_all_words_up_to_the_largest_size(largest):
    model = LinearModel(dict.fromkeys("ab"[:largest], 1.0), bias=-0.5)
    found = cl.explain(model, "b1 b2 a b b3", words=["b1"], max_size=largest)
    want = ("a",) if largest == 1 else ("a", "b")
    assert [(one.units, one.found_by) for one in found.sets] == [(want, FoundBy.ALL_WORDS)]


def test_a_beam_finds_what_neither_pairs_nor_all_words_together_show():
    weights = dict.fromkeys("abc", 1.0) | dict.fromkeys("defgh", -0.3)
    found = cl.explain(LinearModel(weights, bias=1.0), "a b c d e f g h", words=["h"])
    assert [(one.units, one.found_by) for one in found.sets] == [(("a", "b", "c"), FoundBy.BEAM)]


@pytest.mark.parametrize(("size", "told"), [(9, "100,146,723"), (10, "373,585,603"), (11, "about 10^9")])
def test_a_proof_of_too_many_sets_says_how_many(size, told):
    tries = run_of([1.0] * 40, bias=-0.5)
    recipe = Recipe(tries, GraphSettings(), SearchSettings())
    tries.run([range(size)])
    recipe.origin = {tuple(range(size)): FoundBy.GRAPH}
    recipe.certify()
    assert recipe.notes == [f"not proved to be smallest: {told} smaller sets exist"]


def test_of_sets_that_were_run_the_smallest_are_kept():
    tries = run_of([1.0] * 6, bias=-3.5)
    tries.run([(0, 1, 2, 3, 4), (0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4, 5)])
    recipe = Recipe(tries, GraphSettings(), SearchSettings())
    recipe.keep_smallest()
    assert set(recipe.origin) == {(0, 1, 2), (1, 2, 3)}
    recipe.interrupt()
    assert (recipe.stopped, len(recipe.notes)) == (Stopped.INTERRUPTED, 1)


def test_the_published_search_looks_for_five_units_at_most():
    six, five = (LinearModel(dict.fromkeys(WORDS[:8], 1.0), bias=b) for b in (-2.5, -3.5))
    found = cl.explain(five, " ".join(WORDS[:8]), search="cleann", alpha=0.9, words="all", certify=False)
    assert {len(one.units) for one in found.sets} == {5}
    assert not cl.explain(six, " ".join(WORDS[:8]), search="cleann", alpha=0.9, words="all").sets


def test_a_search_tells_before_it_reads_and_remembers_in_a_dict_only():
    events = []

    class Watched(LinearModel):
        def attention(self, encoded, layer=-1):
            events.append("read")
            return super().attention(encoded, layer)

    model, memory = Watched({"a": 2.0}, bias=-1.0), {}
    cl.explain(model, "a b", progress=lambda *now: events.append(now), memory=memory)
    assert events[:2] == [(1, 1000), "read"] and memory
    with pytest.raises(ValueError, match="memory must be a dict: got list"):
        cl.explain(model, "a b", memory=[])


def test_progress_is_a_function_or_yes_or_no():
    heard, model = [], LinearModel({"a": 2.0}, bias=-1.0)
    cl.explain(model, "a b", progress=lambda *now: heard.append(now))
    assert heard and cl.explain(model, "a b", progress=True).sets
    for wrong in (3, "yes"):
        with pytest.raises(ValueError, match="progress must be True, False or a function: got"):
            cl.explain(model, "a b", progress=wrong)


def test_a_shown_bar_ends_at_the_inputs_that_were_run(capsys):
    found = cl.explain(LinearModel({"a": 2.0}, bias=-1.0), "a b c", progress=True)
    assert f"{found.model_calls - 2}/" in capsys.readouterr().err  # but for the two that read


def test_an_interruption_is_told_though_the_model_predicts_another_outcome():
    def learner(attention, variables, labels):
        raise KeyboardInterrupt

    found = cl.explain(LinearModel({"a": 2.0}, bias=-1.0), "a b", target="no", learner=learner)
    assert found.failures == ("the search was interrupted",)


def test_a_quarter_of_700_inputs_may_refute_where_no_proof_is_possible():
    tries = run_of(np.full(39, 0.01), bias=9.0)
    before = tries.calls
    found = certify(tries, range(39), 4, budget=5000)
    assert found.holds is None and tries.calls - before == 175  # 39 alone, then the pairs of 17


@pytest.mark.parametrize("search", ["full", "cleann"])
def test_nothing_is_masked_where_the_model_predicts_another_outcome(search):
    model = LinearModel({"a": 2.0}, bias=-1.0)
    found = cl.explain(model, "a b c", target="no", search=search, words="all")
    assert (found.stopped, found.sets) == (Stopped.OTHER_PREDICTION, ())
    assert found.failures == ("the model predicts 'yes', not 'no'",)
    assert model.rows_run == 1


def test_no_stage_follows_where_none_could_find_a_smaller_set():
    model = LinearModel({"a": 2.0}, bias=-1.0)
    found = cl.explain(model, "a b c d e f g h", alpha=0.9, words=["a", "b"])
    assert (found.sets[0].found_by, found.certified) == (FoundBy.GRAPH, True)
    alone = cl.explain(model, "a b c d e f g h", alpha=0.9, words=["a", "b"], search="cleann")
    assert found.model_calls == alone.model_calls


@pytest.mark.parametrize(("units", "by"), [(LONG, FoundBy.ALL_WORDS), (LONG + 1, FoundBy.BEAM)])
def test_a_text_is_long_from_one_unit_more(units, by):
    words = ["a", *(f"b{i}" for i in range(units - 1))]
    found = cl.explain(LinearModel({"a": 2.0}, bias=-1.0), " ".join(words), alpha=0.9, words=["b1", "b2"])
    assert [(one.units, one.found_by) for one in found.sets] == [(("a",), by)]


def test_an_explanation_says_what_was_given_and_how_long_it_took():
    class Pair(LinearModel):
        def encode(self, input, target=None, split_into="words"):
            return super().encode(" ".join(input), target, split_into)

    found = cl.explain(Pair({"a": 2.0}, bias=-1.0), ("a b", "c"), alpha=0.9)
    assert found.input == ("a b", "c") and 0 < found.seconds < 600
    assert cl.Explanation.from_json(found.to_json()).input == ("a b", "c")


# -- records ---------------------------------------------------------------------------------------------


def test_an_explanation_without_one_of_its_fields_is_refused_by_name():
    model = LinearModel({"a": 2.0, "b": 1.0}, bias=-1.0)
    found = cl.explain(model, "a b c", alpha=0.9, words="all")
    record = json.loads(found.to_json())
    assert found.sets
    for name in set(record) - {"format", "groups"}:  # older files hold no groups
        less = {k: v for k, v in record.items() if k != name}
        with pytest.raises(ValueError, match=f"an object with '{name}'"):
            cl.Explanation.from_json(json.dumps(less))
    for name in set(record["sets"][0]) - {"words"}:
        less = record | {"sets": [{k: v for k, v in record["sets"][0].items() if k != name}]}
        with pytest.raises(ValueError, match=rf"sets\[0\] must be an object with '{name}'"):
            cl.Explanation.from_json(json.dumps(less))
    less = record | {"sets": [{k: v for k, v in record["sets"][0].items() if k != "words"}]}
    assert cl.Explanation.from_json(json.dumps(less)).sets[0] == found.sets[0]


def test_a_pag_in_json_needs_its_marks_and_no_more():
    pag = cl.learn_pag(
        cl.PartialCorrelation(np.corrcoef(np.random.default_rng(0).normal(size=(3, 9))), 9, alpha=0.9),
        tiers=[[0, 1], [2]],
        labels=["a", "b", "c"],
    )
    record = json.loads(pag.to_json())
    bare = cl.PAG.from_json(json.dumps({"marks": record["marks"]}))
    assert bare == cl.PAG(pag.marks)
    assert (bare.labels, bare.tiers, bare.p_values, bare.undone) == (None, None, None, 0)
    assert (bare.status, bare.selection_bias, bare.notes) == (cl.PAG(pag.marks).status, False, ())
    for name in set(record) - {"marks"}:
        less = cl.PAG.from_json(json.dumps({k: v for k, v in record.items() if k != name}))
        assert (less.marks == pag.marks).all()
    with pytest.raises(ValueError, match="field 'marks'"):
        cl.PAG.from_json(json.dumps({k: v for k, v in record.items() if k != "marks"}))
