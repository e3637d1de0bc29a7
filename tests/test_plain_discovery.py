"""The rules and the searches against their plain form (plain_discovery), on random graphs and answers."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from plain_discovery import PlainSearch, Rules, pds_lengths, pds_walks

import cleann_lite as cl
from cleann_lite.causal import discovery, orientation
from cleann_lite.causal.batched import as_batched
from cleann_lite.causal.bitsets import as_bits, as_words, bits, from_words, rows_as_bits
from cleann_lite.causal.legality import NOTE, legal_marks
from cleann_lite.causal.pds import PDSGraph, pds_distances, pds_sets
from cleann_lite.causal.relations import Relations
from cleann_lite.causal.search_state import Search
from cleann_lite.causal.separators import Separators

# how often a mark is a circle, an arrowhead, a tail; how many edges there are
GRAPHS = [
    ((1, 0, 0), 0.55), ((1, 1, 0), 0.7), ((4, 1, 0), 0.6), ((1, 4, 2), 0.7), ((2, 4, 2), 0.7),
    ((8, 0, 1), 0.6), ((1, 1, 1), 0.6),
]  # fmt: skip


WAY_BACK = [
    [0, 2, 0, 2, 2, 0], [1, 0, 3, 3, 0, 1], [0, 2, 0, 1, 1, 1],
    [1, 2, 1, 0, 1, 0], [1, 0, 1, 2, 0, 1], [0, 1, 1, 0, 1, 0],
]  # fmt: skip


@pytest.mark.parametrize("number", range(11))
def test_a_rule_asks_for_what_it_says(number):
    rng, n, fired, looked = np.random.default_rng(number), 6, 0, 0
    for run in range(140):
        share, density = GRAPHS[run % len(GRAPHS)]
        edges = np.triu(rng.random((n, n)) < density, 1)
        marks = np.where(edges | edges.T, rng.choice([1, 2, 3], (n, n), p=np.divide(share, sum(share))), 0)
        if number == 4 and run % 2:  # too rare by chance: 0 *-> 2 --> 1, 2 <-* 3 o-* 1
            marks[[0, 2, 3, 1, 0, 1], [2, 1, 2, 3, 1, 0]] = 2, 2, 2, 1, 0, 0
            marks[[2, 1, 2, 3], [0, 2, 3, 1]] = rng.integers(1, 4), 3, rng.integers(1, 3), rng.integers(1, 4)
        if number == 10 and run % 2:  # and 0 o-> 1 with two parents of 1
            marks[:4, 1], marks[1, :4] = (2, 0, 2, 2), (1, 0, 3, 3)
        if number == 10 and not run:  # from 1 itself a way leads back to its parents: it does not count
            marks = np.array(WAY_BACK)
        apart = [pair for pair in combinations(range(n), 2) if not marks[pair]]
        sets = {
            pair: [z for z in range(n) if z not in pair and rng.random() < 0.5]
            for pair in apart
            if rng.random() < 0.9
        }
        said, asked, expected = rng.random((n, n, n)) < 0.7, set(), set()

        def opened(x, y, nodes, said=said, asked=asked):
            pairs = list(zip(x.tolist(), y.tolist(), strict=True))
            held = [(*pair, c) for pair, of in zip(pairs, from_words(nodes), strict=True) for c in bits(of)]
            assert not asked & set(held)
            asked |= set(held)
            return nodes & as_words([as_bits(np.flatnonzero(said[pair])) for pair in pairs], n)

        def look(a, b, c, said=said, expected=expected):
            expected.add((a, b, c))
            return said[a, b, c]

        known = {pair: as_bits(held) for pair, held in sets.items()}
        graph = Relations(marks.astype(np.int8), Separators.of(n, known), opened)
        arrows, tails = getattr(orientation, f"rule_{number}")(graph)
        arrows, tails = arrows & (marks == 1), tails & (marks == 1) & ~arrows
        want = Rules(marks, sets, look).rule(number)
        assert tuple({(int(a), int(b)) for a, b in np.argwhere(got)} for got in (arrows, tails)) == want
        assert asked == expected
        fired += bool(want[0] or want[1])
        looked += len(asked)
    assert 6 <= fired < 140 and bool(looked) == (number in (0, 4))


@pytest.mark.parametrize("seed", range(4))
def test_uncovered_walks_from_some_to_some(seed):
    rng, n, told = np.random.default_rng(seed), 8, [0, 0]
    for _ in range(150):
        edges = np.triu(rng.random((n, n)) < rng.choice([0.3, 0.4, 0.5]), 1)
        rules = Rules((edges | edges.T).astype(int), {})
        steps = (edges | edges.T) & (rng.random((n, n)) < 0.8)
        second = [b for b in range(1, n) if steps[0, b] and rng.random() < 0.7]
        goals, before = ({v for v in range(n) if rng.random() < share} for share in (0.2, 0.6))
        ends = set().union(*(rules.ends(0, b, lambda v, w, s=steps: s[v, w]) for b in second))
        want = any(v in before and w in goals for v, w in ends)
        apart = [as_bits(w for w in range(n) if rules.apart(v, w)) for v in range(n)]
        sets = as_bits(second), as_bits(goals), rows_as_bits(steps), apart
        assert orientation.uncovered_path(0, *sets, before=as_bits(before)) == want
        told[want] += 1
    assert min(told) > 30


class Answers:
    """A user's test: any answers, more often "independent" the fewer are given."""

    def __init__(self, seed, n, share):
        rng = np.random.default_rng(seed)
        self.n_variables, self.share, self.seed, self.known = n, share, seed, {}
        strength = np.triu(rng.integers(1, 5, (n, n)) / 8, 1)  # with ties, and exact sums
        self.strengths = strength + strength.T

    def independent(self, x, y, given=()):
        key = min(x, y), max(x, y), tuple(sorted(given))
        if key not in self.known:
            at = np.random.default_rng([self.seed, *key[:2], 99, *key[2]])
            self.known[key] = bool(at.random() < self.share[min(len(given), len(self.share) - 1)])
        return self.known[key]


class Strong(Answers):
    def strength(self, x, y):
        return self.strengths[x, y]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("method", ["icd", "fci", "ordered-icd"])
def test_candidates_come_from_where_the_papers_say_nearest_first(method, together):
    """From any state of a search, also such as no search comes to soon."""
    told = 0
    for seed in range(8 if method == "fci" else 30):
        rng, n = np.random.default_rng(seed), 7
        edges = np.triu(rng.random((n, n)) < (0.35, 0.45, 0.65)[seed % 3], 1)
        marks = np.where(edges | edges.T, rng.choice([1, 2, 2, 2, 3], (n, n)), 0).astype(np.int8)
        test = Strong(seed, n, (0.3, 0.3, 0.3))
        rank = rng.permutation(n) if method == "ordered-icd" else (None, rng.integers(0, 3, n))[seed % 2]
        sets = {
            pair: [z for z in range(n) if z not in pair and rng.random() < 0.3]
            for pair in combinations(range(n), 2)
            if not marks[pair]
        }
        selection = seed % 4 < 2 and rank is None
        search = Search(
            as_batched(test), tuple(range(n)), rank, selection, together, True, None, 10**6, None, None
        )
        plain = PlainSearch(
            test.independent, n, method, rank, test.strengths,
            selection=seed % 4 < 2, together=together, confirm=True,
        )  # fmt: skip
        x, y = np.array([*sets]).T
        search.remove(x, y, as_words([as_bits(held) for held in sets.values()], n))
        search._marks = marks
        plain.skeleton, plain.sets, plain.marks = marks > 0, sets, lambda m=marks: m
        plain.asked.append(([], []))
        if method == "fci":
            pools = discovery.possible_d_sep(search)
            ways = [
                (plain.neighbours, partial(discovery.neighbour_sets, search)),
                (plain.possible_d_sep(), partial(discovery._subsets, search, pools=pools)),
            ]
        else:
            roots = discovery.icd_sep if method == "icd" else discovery.ordered_icd_sep
            ways = [(plain.trees, discovery._Trees(search, roots).candidates)]
        for want_of, found_of in ways:
            for size in (2, 3):
                want, found = want_of(size), found_of(size)
                for x, y in plain.edges():
                    sets = [tuple(bits(given)) for given in found(x, y)]
                    assert sets == want(x, y)
                    told += len(sets)
    assert told > 100


METHODS = ["icd", "fci", "ordered-icd", "icd tiers", "fci tiers"]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_a_search_asks_what_the_papers_say_in_their_order(method, together):
    method, _, tiered = method.partition(" ")
    larger = deleted = contradictory = 0
    for seed in range(15):
        rng, n = np.random.default_rng(seed), 5 + seed % 2
        kind = Strong if seed % 5 else Answers
        share = [(0.2, 0.02, 0.1), (0.15, 0.05, 0.3), (0.4, 0.05, 0.3), (0.25, 0.1, 0.05)][seed % 4]
        test = kind(seed, n + 1, share)
        nodes = rng.permutation(n + 1)[:n].tolist() if seed % 3 else list(range(n))  # one may be latent
        options = {"selection_bias": seed % 7 > 0, "confirm_colliders": seed % 3 < 2}
        rank = None
        if method == "ordered-icd":
            order = rng.permutation(nodes).tolist()
            rank, options["order"] = [order.index(node) for node in nodes], order
        elif tiered:
            rank = [int(tier) for tier in rng.integers(0, 3, n)]
            groups = [[node for node, tier in zip(nodes, rank, strict=True) if tier == t] for t in range(3)]
            options["tiers"] = [group for group in groups if group]
        pag = cl.learn_pag(
            test, method, nodes=nodes, order_independent=together, legal=False, trace=True, **options
        )
        strength = test.strengths[np.ix_(nodes, nodes)] if kind is Strong else None
        plain = PlainSearch(
            lambda x, y, given, t=test, v=nodes: t.independent(v[x], v[y], [v[z] for z in given]),
            n, method, rank, strength,
            selection=options["selection_bias"], together=together, confirm=options["confirm_colliders"],
        )  # fmt: skip
        plain.run()
        place = {node: i for i, node in enumerate(nodes)}
        levels = []
        for step in pag.trace:
            if step.kind == "level":
                levels.append([])
            elif step.kind == "test":
                x, y = sorted((place[step.x], place[step.y]))
                levels[-1].append((x, y, tuple(sorted(place[z] for z in step.given))))
        marks = plain.marks()
        for told, (asked, looks) in zip(levels, plain.asked, strict=True):
            assert told[: len(asked)] == asked
            assert sorted(told[len(asked) :]) == sorted(looks)
        assert [step.size for step in pag.trace if step.kind == "level"] == plain.levels
        assert (pag.marks == marks).all()
        assert pag.notes == ((NOTE[pag.legality],) if pag.legality in NOTE else ())
        contradictory += bool(pag.notes)
        assert pag.selection_bias is plain.selection
        if plain.counted:  # as many sets as there are, and one less
            options["order_independent"] = together
            whole, capped = (
                cl.learn_pag(test, method, nodes=nodes, max_tests=most, **options)
                for most in (plain.counted, plain.counted - 1)
            )
            assert whole.complete and not capped.complete
            ranks = None if rank is None else np.array(rank)
            legal = legal_marks(
                marks.astype(np.int8), ranks, None if strength is None else strength.sum(axis=0)
            )
            assert (whole.marks == legal).all() and whole.undone == np.count_nonzero(marks != legal)
        for (x, y), given in plain.sets.items():
            assert pag.separating_set(nodes[x], nodes[y]) == tuple(nodes[z] for z in given)
        larger += sum(len(given) > 1 for asked, _ in plain.asked for *_, given in asked)
        deleted += sum(len(given) > 1 for given in plain.sets.values())
    assert larger > 60 and deleted > 5 and (contradictory or method == "ordered-icd")


@pytest.mark.parametrize("seed", range(6))
def test_what_pds_paths_reach_by_listing_them(seed):
    rng, n = np.random.default_rng(seed), 7
    for _ in range(150):
        edges = np.triu(rng.random((n, n)) < rng.choice([0.3, 0.45, 0.6]), 1)
        marks = np.where(edges | edges.T, rng.choice([1, 2, 2, 3], (n, n)), 0)
        root, *others = rng.permutation(n).tolist()
        inside = [v for v in others if rng.random() < 0.75]
        some = {v for v in others if rng.random() < 0.5}
        graph, allowed, wanted = PDSGraph(marks), as_bits(inside), as_bits(some)
        lengths = pds_walks(marks, root, inside)
        assert set(pds_lengths(marks, root, inside)) <= set(lengths)
        want = {v for v in others if v in pds_walks(marks, root, {*inside, v})}
        early = set(bits(graph.reached(root, allowed, wanted)))  # may end once these are reached
        assert early <= want and (some <= early if some <= want else early == want)
        for _ in range(2):
            assert set(bits(graph.reached(root, allowed))) == want
        assert set(bits(graph.reached(root, allowed, wanted))) == want  # known by now
        assert graph.distances(root, allowed) == lengths
        assert pds_distances(marks, root, set(others) - {*inside}) == lengths
        early = graph.distances(root, allowed, wanted & allowed)
        assert early.items() <= lengths.items() and some & set(lengths) <= set(early)
        assert graph.legal(root, allowed) == (set(lengths) == set(inside))
        assert [graph.distance_sums(root, allowed, [1 << v])[0] for v in lengths] == [*lengths.values()]
        assert not graph.legal_sets(root, 1, 0, 9)
        sets = list(pds_sets(marks, root, 3, exclude=set(others) - {*inside}))
        legal = [m for m in combinations(sorted(inside), 3) if {*pds_walks(marks, root, m)} == {*m}]
        assert sets == [(m, total) for total, m in sorted((sum(lengths[v] for v in m), m) for m in legal)]
