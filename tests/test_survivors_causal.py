"""What mutation testing found unguarded in the room of causal discovery; see tools/mutate.py.

Each test compares with a definition written out here, on inputs of a kind that the other tests leave out.
"""

from inspect import signature
from itertools import combinations

import networkx as nx
import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.causal import independence, orientation, pds, search_state
from cleann_lite.causal.batched import BatchedTest
from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.graphs import PAG
from cleann_lite.causal.legality import a_member
from cleann_lite.causal.orientation import one_step, orient, pag_of_mag, rule_4
from cleann_lite.causal.pds import PDSGraph, TooManySets, pds_sets
from tests.test_pds import by_definition, random_marks


class Recorder:
    """A user's test, for which nothing is independent; it keeps what it is asked."""

    def __init__(self, n_variables):
        self.n_variables, self.asked = n_variables, []

    def independent(self, x, y, given=()):
        self.asked.append((min(x, y), max(x, y), tuple(sorted(given))))
        return False


# -- growing sets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.1, 0.2, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_sets_grow_on_sparse_and_dense_graphs_as_defined(seed, density):
    rng = np.random.default_rng(seed)
    marks = random_marks(rng, 7, density)
    trees = [
        (root, as_bits(v for v in range(7) if v not in (root, out)))
        for root in range(7)
        for out in (root, 0, 3)
    ]
    trees = list(dict.fromkeys((root, allowed) for root, allowed in trees))
    reached = {
        (root, members): set(by_definition(marks, root, members)) == set(members)
        for root in range(7)
        for size in range(1, 5)
        for members in combinations([v for v in range(7) if v != root], size)
    }
    graph = PDSGraph(marks)
    for size in (1, 2, 3, 4):
        graph.grow(trees, size, 10**6)
        for root, allowed in trees:
            want = {
                as_bits(members)
                for (r, members), legal in reached.items()
                if r == root and legal and len(members) == size and not as_bits(members) & ~allowed
            }
            assert set(graph.legal_sets(root, size, allowed, 10**6)) == want
            exclude = [v for v in range(7) if not allowed >> v & 1 and v != root]
            assert {as_bits(nodes) for nodes, _ in pds_sets(marks, root, size, exclude)} == want


@pytest.mark.parametrize("seed", range(4))
def test_trees_of_one_root_that_grow_together_are_those_that_grow_alone(seed):
    rng, n, several = np.random.default_rng(seed), 9, 0
    for _ in range(25):
        marks = random_marks(rng, n, rng.choice([0.3, 0.45]))
        pools = [
            as_bits(np.flatnonzero(rng.random(n) < share).tolist()) & ~1 for share in (0.4, 0.6, 0.8, 1.0)
        ]
        trees = [(0, pools[i]) for i in rng.permutation(4)]
        together = PDSGraph(marks)
        for size in (1, 2, 3, 4, 2):
            grown = together.grow(trees, size, 10**6)
            for tree in trees:
                alone = PDSGraph(marks).legal_sets(tree[0], size, tree[1], 10**6)
                assert set(together.legal_sets(tree[0], size, tree[1], 10**6)) == set(alone)
                assert (tree in grown) == bool(alone)
                several += len(alone) > 1
    assert several > 50


def test_as_many_sets_as_the_limit_are_not_too_many():
    marks = 2 * (1 - np.eye(5, dtype=int))
    trees = [(root, (1 << 5) - 1 & ~(1 << root)) for root in range(5)]
    for size, count in ((1, 20), (2, 30), (3, 20)):
        PDSGraph(marks).grow(trees, size, 30)
        with pytest.raises(TooManySets):
            PDSGraph(marks).grow(trees, size, count - 1 if size == 1 else 29 if size == 2 else 19)


@pytest.mark.parametrize("seed", range(6))
def test_growing_stops_at_one_set_more_than_the_limit(seed):
    marks = random_marks(np.random.default_rng(seed), 7, 0.35)
    trees = [(root, (1 << 7) - 1 & ~(1 << root)) for root in range(7)]
    for size in (2, 3, 4):
        graph = PDSGraph(marks)
        graph.grow(trees, size, 10**6)
        count = sum(len(list(graph.legal_sets(root, size, allowed, 10**6))) for root, allowed in trees)
        before = PDSGraph(marks)
        before.grow(trees, size - 1, 10**6)
        if count:
            with pytest.raises(TooManySets):
                before.grow(trees, size, count - 1)
            exact = PDSGraph(marks)
            exact.grow(trees, size - 1, 10**6)
            exact.grow(trees, size, count)


@pytest.mark.parametrize("seed", range(4))
def test_a_graph_on_fewer_edges_is_that_graph(seed):
    rng = np.random.default_rng(seed)
    marks = random_marks(rng, 7, 0.7)
    kept = np.triu(rng.random((7, 7)) < 0.7, 1)
    fewer = np.where(kept | kept.T, marks, 0)
    graph, want = PDSGraph(marks).without(PDSGraph(fewer).neighbors), PDSGraph(fewer)
    assert (graph.neighbors, graph.arrows_at) == (want.neighbors, want.arrows_at)
    for root in range(7):
        allowed = (1 << 7) - 1 & ~(1 << root)
        assert graph.distances(root, allowed) == want.distances(root, allowed)


# -- which sets are asked, in which order, up to which number --------------------------------------------


@pytest.mark.parametrize("order_independent", [True, False])
@pytest.mark.parametrize("method", ["icd", "fci"])
def test_where_a_test_says_no_strength_sets_go_by_number(method, order_independent):
    test = Recorder(6)
    pag = cl.learn_pag(test, method, order_independent=order_independent)
    assert pag.complete and np.count_nonzero(pag.marks) == 30
    for x, y in combinations(range(6), 2):
        others = [z for z in range(6) if z not in (x, y)]
        for size in range(2, 5):
            asked = [given for a, b, given in test.asked if (a, b) == (x, y) and len(given) == size]
            every = list(combinations(others, size))
            if method == "icd":  # all at one distance
                every.sort(key=as_bits)
            assert list(dict.fromkeys(asked)) == every


@pytest.mark.parametrize("order_independent", [True, False])
@pytest.mark.parametrize(
    ("method", "options"), [("icd", {}), ("fci", {}), ("ordered-icd", {"order": range(6)})]
)
def test_a_search_ends_at_its_cap_and_not_one_set_earlier(method, options, order_independent):
    heard = []
    cl.learn_pag(Recorder(6), method, progress=lambda *now: heard.append(now), **options)
    counted = sum(candidates for size, _, candidates in heard if size > 1 or (method == "fci" and size))
    options = options | {"order_independent": order_independent}
    assert cl.learn_pag(Recorder(6), method, max_tests=counted, **options).complete
    capped = cl.learn_pag(Recorder(6), method, max_tests=counted - 1, **options)
    assert not capped.complete and len(capped.notes) == 1


@pytest.mark.parametrize("largest", range(5))
@pytest.mark.parametrize(
    ("method", "options"), [("icd", {}), ("fci", {}), ("ordered-icd", {"order": range(6)})]
)
def test_no_set_is_larger_than_the_largest_and_each_size_is_told(method, options, largest):
    test, heard = Recorder(6), []
    cl.learn_pag(test, method, max_size=largest, progress=lambda *now: heard.append(now), **options)
    sizes = {len(given) for *_, given in test.asked}
    assert sizes == set(range(largest + 1)) and heard[0] == (0, 15, 15)
    assert [size for size, *_ in heard[: largest + 1]] == list(range(largest + 1))


def test_fci_stops_where_its_first_stage_met_the_cap():
    test = Recorder(6)
    pag = cl.learn_pag(test, "fci", max_tests=60)  # 60 sets of one node, and then more
    assert len(test.asked) == 15 + 60 and len(pag.notes) == 1


@pytest.mark.parametrize("method", ["icd", "fci"])
def test_how_many_are_asked_together_does_not_matter(method, monkeypatch):
    rng = np.random.default_rng(2)
    data = rng.normal(size=(60, 14))
    data[:, 7:] += data[:, :7] + 0.5 * data[:, [1, 2, 3, 4, 5, 6, 0]]
    usual = cl.PartialCorrelation.from_data(data, alpha=0.05)
    pag = cl.learn_pag(usual, method)
    for module, name, few in (
        (search_state, "_TOGETHER", 20),
        (independence, "_CHUNK", 5),
        (orientation, "_PAIRS", 2),
        (pds, "_TOGETHER", 3),
        (pds, "_REMEMBERED", 0),
        (pds, "_FEW", 0),
        (pds, "_FEW", 999),
        (search_state, "_MANY", 5),
        (independence, "_SPARSE", 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, few)
            test = usual.with_alpha(0.05)
            again = cl.learn_pag(test, method)
        assert again == pag and again.separating_sets == pag.separating_sets
        assert test.tests_by_size() == usual.tests_by_size()


@pytest.mark.parametrize("name", ["max_size", "max_tests"])
def test_a_largest_number_is_none_below_zero(name):
    assert cl.learn_pag(Recorder(3), **{name: 0}).marks.any()
    for value in (-1, 0.5, "1"):
        with pytest.raises((ValueError, TypeError), match=name):
            cl.learn_pag(Recorder(3), **{name: value})


def test_labels_name_nodes_in_tiers():
    pag = cl.learn_pag(Recorder(3), labels="abc", tiers=[["c"], ["a", "b"]])
    assert pag.tiers == ((2,), (0, 1)) and pag.label(2) == "c"


def test_fci_finds_a_separating_set_that_no_neighbourhood_holds():
    """{0, 1, 2} alone separates 3 and 4, and neither has all three as neighbours."""
    hidden = [("h0", 0), ("h0", 1), ("h1", 0), ("h1", 3), ("h2", 2), ("h2", 4)]
    graph = nx.DiGraph([(0, 4), (1, 2), (2, 3), *hidden])
    asked = cl.DSeparation(graph, range(5))
    sets = [s for size in range(4) for s in combinations(range(3), size)]
    assert [s for s in sets if asked.independent(3, 4, s)] == [(0, 1, 2)]
    pag = cl.learn_pag(asked, "fci")
    assert pag.separating_set(3, 4) == (0, 1, 2)
    assert (pag.marks == cl.learn_pag(cl.DSeparation(graph, range(5)), "icd").marks).all()


def test_sets_of_members_that_depend_most_on_both_ends_are_asked_first():
    rng = np.random.default_rng(3)
    rho = np.corrcoef(rng.normal(size=(60, 1)) + 0.7 * rng.normal(size=(60, 9)), rowvar=False)
    pag = cl.learn_pag(cl.PartialCorrelation(rho, 60, alpha=0.05), "fci", trace=True)
    asked, weakened = {}, 0
    for level, steps in enumerate_levels(pag.trace):
        for s in steps:
            strength = np.minimum(abs(rho[s.x]), abs(rho[s.y]))[list(s.given)].sum()
            asked.setdefault((level, s.x, s.y), []).append(strength)
    for strengths in asked.values():
        assert (np.diff(strengths) < 1e-9).all()
        weakened += len(strengths) > 1
    assert weakened > 10


def enumerate_levels(trace):
    """The tests of a trace, level by level, of two and more members."""
    level, tests = 0, []
    for step in trace:
        if step.kind == "level":
            yield level, tests
            level, tests = level + 1, []
        elif step.kind == "test" and len(step.given) > 1:
            tests.append(step)
    yield level, tests


@pytest.mark.parametrize("method", ["icd", "ordered-icd"])
def test_a_single_node_is_asked_only_where_it_depends_on_both(method):
    class Some(Recorder):
        def independent(self, x, y, given=()):
            super().independent(x, y, given)
            return not given and (x + y) % 3 == 0

    test = Some(7)
    cl.learn_pag(test, method, **({"order": range(7)} if method == "ordered-icd" else {}))
    singles = [(x, y, z[0]) for x, y, z in test.asked if len(z) == 1]
    assert singles and all((x + z) % 3 and (y + z) % 3 for x, y, z in singles)


@pytest.mark.parametrize("one_sided", [False, True])
def test_pairs_and_many_sets_are_answered_as_one_alone_is(one_sided):
    rng = np.random.default_rng(5)  # positive: a one-sided test calls every negative one independent, p = 1
    rho = np.corrcoef(2 * rng.normal(size=(20, 1)) + rng.normal(size=(20, 9)), rowvar=False)
    test = cl.PartialCorrelation(rho, 20, alpha=0.2, one_sided=one_sided)
    variables = np.array([7, 2, 5, 0])
    independent, p = test.independent_pairs(variables)
    assert np.isnan(p.diagonal()).all() and test.tests_by_size() == [6]
    sets = np.array([[1, 3], [3, 4], [4, 6]])
    for i, j in combinations(range(4), 2):
        a, b = variables[i], variables[j]
        assert p[i, j] == p[j, i] == pytest.approx(test.p_value(a, b))
        assert independent[i, j] == independent[j, i] == test.independent(a, b)
        for given in sets:
            if (p_given := test.p_value(a, b, given)) == 1:
                continue
            level = test.with_alpha(p_given)  # p > alpha fails at p itself
            said, _ = level.answer_each(np.full(3, min(a, b)), np.full(3, max(a, b)), sets)
            assert said.tolist() == [level.independent(a, b, s) for s in sets]
            assert not said[sets.tolist().index(given.tolist())]


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.08])
def test_of_single_nodes_as_strong_the_first_that_separates_is_taken(share, one_sided):
    rng, n = np.random.default_rng(0), 9
    rho = np.triu(rng.integers(-4, 5, (n, n)) / 24, 1)  # a few strengths, so most are tied
    rho = rho + rho.T + np.eye(n)
    x, y = np.array([*combinations(range(n), 2)] * (2 if share > 0.1 else 16)).T
    near = rng.random((len(x), n)) < share
    near[np.arange(len(x)), x] = near[np.arange(len(x)), y] = False
    test = cl.PartialCorrelation(rho, 360, alpha=0.3, one_sided=one_sided)
    found, _ = test.separating_singles(x, y, near, np.arange(n))
    for a, b, of_pair, z in zip(x, y, near, found, strict=True):
        separating = [c for c in np.flatnonzero(of_pair) if test.independent(a, b, [c])]
        strength = np.minimum(abs(rho[a]), abs(rho[b]))
        assert z == max(separating, key=lambda c: (strength[c], -c), default=-1)
    assert len(set(found)) > 2


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.08])
@pytest.mark.parametrize("twins", [False, True])
def test_singles_of_some_variables_in_any_order_are_those_of_one_question_after_the_other(
    twins, share, one_sided
):
    rng = np.random.default_rng(4)
    rho = np.corrcoef(rng.normal(size=(40, 9)) @ rng.normal(size=(9, 9)), rowvar=False)
    if twins:  # given one that repeats an end nothing can be told
        rho[7], rho[:, 7] = rho[2], rho[:, 2]
        rho[7, 7] = rho[7, 2] = rho[2, 7] = 1
    variables = np.array([7, 2, 8, 0, 5, 3])
    x, y = np.array([*combinations(range(6), 2)]).T
    near = rng.random((15, 6)) < share
    near[np.arange(15), x] = near[np.arange(15), y] = False
    table, singly = (cl.PartialCorrelation(rho, 40, alpha=0.2, one_sided=one_sided) for _ in "ab")
    found, p = table.separating_singles(x, y, near, variables)
    want, want_p = BatchedTest.separating_singles(singly, x, y, near, variables)
    assert found.tolist() == want.tolist() and p == pytest.approx(want_p, nan_ok=True)
    assert table.n_singular == singly.n_singular
    assert twins or table.tests_by_size() == singly.tests_by_size() != []


@pytest.mark.parametrize("one_sided", [False, True])
def test_a_p_value_just_above_the_level_is_above_it_however_it_is_asked(one_sided):
    rng = np.random.default_rng(6)
    rho = np.corrcoef(2 * rng.normal(size=(20, 1)) + rng.normal(size=(20, 12)), rowvar=False)
    usual = cl.PartialCorrelation(rho, 20, one_sided=one_sided)
    x, y = np.array([0]), np.array([1])
    for z in (z for z in range(2, 12) if usual.p_value(0, 1, [z]) < 0.9):
        p = usual.p_value(0, 1, [z])
        for alpha, independent in ((p * (1 - 1e-10), True), (p * (1 + 1e-10), False)):
            test = usual.with_alpha(alpha)
            assert test.answer_each(x, y, np.array([[z]]))[0].tolist() == [independent]
            assert test.first_separating([(0, 1, [1 << z])])[0] == [0 if independent else None]
            for variables in (np.arange(12), np.array([0, 1, z])):  # a list of the near, and a table
                some = variables[None] == z
                found, _ = test.separating_singles(x, y, some, variables)
                assert variables[found].tolist() == [z] if independent else found.tolist() == [-1]
    p = usual.p_value(0, 1)
    for alpha, independent in ((p * (1 - 1e-10), True), (p, False)):
        assert usual.with_alpha(alpha).independent_pairs(np.arange(2))[0][0, 1] == independent


def test_the_last_of_many_separates_all_others():
    rho = np.full((66, 66), 0.49) + 0.51 * np.eye(66)
    rho[65, :65] = rho[:65, 65] = 0.7
    pag = cl.learn_pag(cl.PartialCorrelation(rho, 100, alpha=0.2), legal=False)
    assert np.count_nonzero(pag.marks) == 2 * 65
    assert all(pag.separating_set(x, y) == (65,) for x, y in combinations(range(65), 2))


def test_a_discriminating_path_is_found_past_a_branch_that_ends():
    """R4 along t o-> b <-> a <-> e: at a two ways go on, and the one to d leads nowhere."""
    edges = "t o-> b, b <-> a, a <-> d, b --> g, a --> g, d --> g, e <-> a, e o-> g"
    for last, name in ((edges, "d"), (edges.replace("d", "A"), "A")):
        said = one_step(rule_4, last, {"gt": "aeb" + name})
        assert said == last.replace("e o-> g", "e --> g")


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("sign", [-1, 1])
def test_two_that_repeat_each_other_depend_however_they_are_asked(sign, one_sided):
    """r = ±1 exactly, given a third that has nothing to do with either."""
    rho = np.eye(4)
    rho[0, 1] = rho[1, 0] = sign
    test = cl.PartialCorrelation(rho, 50, alpha=0.1, one_sided=one_sided)
    x, y, near = np.array([0]), np.array([1]), np.array([[False, False, True, True]])
    for given in ((), (2,), (2, 3)):
        assert test.p_value(0, 1, given) == 0 and not test.independent(0, 1, given)
        assert test.first_separating([(0, 1, [as_bits(given)])]) == ([None], [0.0])
        if given:
            assert not test.answer_each(x, y, np.array([given]))[0][0]
    for some in (near, near & (np.arange(4) == 2), np.tile(near, (9, 1))):
        ends = np.repeat(x, len(some)), np.repeat(y, len(some))
        found, p = test.separating_singles(*ends, some, np.arange(4))
        assert (found == -1).all() and (p == 0).all()
    assert not test.independent_pairs(np.arange(2))[0][0, 1]


@pytest.mark.parametrize(("between", "told"), [("v <-> a", True), ("a --> v", False), ("v --> a", False)])
def test_every_node_of_a_discriminating_path_is_a_collider(between, told):
    """R4 along t o-> v, v *-* a, a <-o b: only where v and a are colliders."""
    edges = f"t o-> v, {between}, b o-> a, a --> g, v --> g, b o-> g"
    assert one_step(rule_4, edges, {"gt": "b"}) == (edges.replace("b o-> g", "b --> g") if told else edges)


def test_a_discriminating_path_may_come_through_a_circle_of_colliders():
    """R4 along t o-> c <-> b <-> a <-> e, where a, b and c are joined all round."""
    edges = "t o-> c, c <-> b, b <-> a, a <-> c, a --> g, b --> g, c --> g, e <-> a, e o-> g"
    for members, last in (("abce", "e --> g"), ("abc", "e <-> g")):
        assert one_step(rule_4, edges, {"gt": members}) == edges.replace("e o-> g", last)


@pytest.mark.parametrize(
    ("edges", "want"),
    [
        ("0 --> 1, 1 --> 2", ["0 o-o 1", "1 o-o 2"]),
        ("0 <-- 1, 1 --> 2", ["0 o-o 1", "1 o-o 2"]),
        ("0 --> 1, 1 <-- 2", ["0 o-> 1", "1 <-o 2"]),
        ("0 --> 1, 1 <-> 2, 1 --> 3", ["0 o-> 1", "1 <-o 2", "1 --> 3"]),
        ("0 --> 1, 0 --> 2, 1 --> 3, 2 --> 3", ["0 o-o 1", "0 o-o 2", "1 --> 3", "2 --> 3"]),
    ],
)
def test_the_graph_of_small_mags(edges, want):
    n, ends = int(max(filter(str.isdigit, edges))) + 1, {"-->": (3, 2), "<--": (2, 3), "<->": (2, 2)}
    mag = np.zeros((n, n), int)
    for x, arrow, y in (edge.split() for edge in edges.split(", ")):
        mag[int(y), int(x)], mag[int(x), int(y)] = ends[arrow]
    assert str(PAG(pag_of_mag(mag))).splitlines() == want
    mag[0, 1] = 1
    with pytest.raises(ValueError, match="these marks have circles"):
        pag_of_mag(mag)


@pytest.mark.parametrize("root", [-1, 3])
def test_a_root_is_a_node(root):
    for ask in (pds.pds_distances, lambda m, r: list(pds_sets(m, r, 1))):
        with pytest.raises(ValueError, match=f"node number 0 … 2: got {root}"):
            ask(np.zeros((3, 3), int), root)


# -- what is refused -------------------------------------------------------------------------------------


def test_sizes_and_diagonals_that_are_none():
    for correlation, told in (
        (np.zeros((0, 0)), r"square matrix: got shape \(0, 0\)"),
        (np.ones((2, 3)), r"square matrix: got shape \(2, 3\)"),
        (np.ones(3), r"square matrix: got shape \(3,\)"),
        (np.diag([1.0, 0.5]), "ones on its diagonal: got 0.5"),
        ([[1.0, 0.2], [0.3, 1.0]], "differ by 0.1"),
        ([[1.0, 1.1], [1.1, 1.0]], "got 1.1"),
    ):
        with pytest.raises(ValueError, match=told):
            cl.PartialCorrelation(correlation, 100)
    with pytest.raises(ValueError, match="2 conditioning variables need n_samples above 5: got 5"):
        cl.PartialCorrelation(np.eye(5), 5).p_value(0, 1, [2, 3])
    for n_samples in (3, 1.5e300, np.inf, "9"):
        with pytest.raises(ValueError, match="n_samples must be"):
            cl.PartialCorrelation(np.eye(2), n_samples)
    assert cl.PartialCorrelation(np.eye(2), 1e300).independent(0, 1)
    nearly = np.eye(2) + 1e-9
    assert cl.PartialCorrelation(nearly / nearly[0, 0], 100).independent(0, 1)


class Frame:
    """A table with named columns, as pandas has them."""

    def __init__(self, values, columns):
        self.values, self.columns = np.array(values), columns

    def to_numpy(self):
        return self.values


def test_columns_are_called_by_their_names():
    values = np.random.default_rng(0).normal(size=(30, 3))
    flat, odd = values * [1, 0, 0], np.where(np.arange(3) == 1, np.nan, values)
    test = cl.PartialCorrelation.from_data(Frame(values, ["a", 5, "c"]), alpha=0.2, one_sided=True)
    assert (test.names, test.n_samples, test.alpha, test.one_sided) == (("a", "5", "c"), 30, 0.2, True)
    assert cl.PartialCorrelation.from_data(values).names is None
    assert cl.learn_pag(test).labels == ("a", "5", "c") and cl.learn_pag(test, labels="xyz").labels == (
        *"xyz",
    )
    for data, told in (
        (Frame(values, list("aba")), "column names must differ: got a, b, a"),
        (Frame(flat, list("abc")), "column b is constant"),
        (flat, "column 1 is constant"),
        (Frame(odd, list("abc")), r"got \(30, 3\), 30 of them not finite in column b"),
        (odd, r"got \(30, 3\), 30 of them not finite in column 1"),
        (values[0], r"got \(3,\)$"),
        (values[:0], "n_samples must be above 3: got 0"),
        (values[:3], "n_samples must be above 3: got 3"),
        (values[:, :0], r"got shape \(0, 0\)"),
        ([["a"]], "data must be a table of numbers"),
        (values + 1j, "data must be a table of numbers"),
    ):
        with pytest.raises(ValueError, match=told):
            cl.PartialCorrelation.from_data(data)


@pytest.mark.parametrize(
    ("observed", "selection"), [("aa", ""), ("ab", "b"), ("a", "bb"), ("ax", ""), ("a", "x"), ("aab", "x")]
)
def test_a_node_named_twice_or_unknown_is_refused(observed, selection):
    dag = nx.DiGraph([("a", "b"), ("b", "c")])
    with pytest.raises(ValueError, match="must be different nodes of the graph: got"):
        cl.DSeparation(dag, list(observed), list(selection))
    with pytest.raises(ValueError, match=r"dag must be a networkx\.DiGraph: got Graph"):
        cl.DSeparation(nx.Graph(dag), ["a"])
    for given in ({"observed": 5}, {"observed": ["a"], "selection": 7}):
        with pytest.raises(ValueError, match="must be a list of nodes: got"):
            cl.DSeparation(dag, **given)
    assert cl.DSeparation(dag, ["a", "c"], ["b"]).independent(0, 1)


def test_too_few_samples_are_no_matter_where_no_set_is_to_be_asked():
    alone = [[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]]  # 2 is a neighbour of neither
    for order_independent in (True, False):
        pag = cl.learn_pag(cl.PartialCorrelation(alone, 4, alpha=0.5), order_independent=order_independent)
        assert (pag.complete, pag.notes, pag.adjacent(0, 1)) == (True, (), True)
        four = np.eye(4) + 0.99 * np.eye(4)[[1, 0, 2, 3]] * (np.arange(4) < 2)
        pag = cl.learn_pag(cl.PartialCorrelation(four, 5, alpha=0.5), order_independent=order_independent)
        assert (pag.complete, pag.notes, pag.adjacent(0, 1)) == (True, (), True)


@pytest.mark.parametrize("n_samples", [4, np.int64(4)])
def test_a_number_of_samples_is_said_as_it_is(n_samples):
    dense = np.full((4, 4), 0.99) + 0.01 * np.eye(4)
    pag = cl.learn_pag(cl.PartialCorrelation(dense, n_samples, alpha=0.5))
    assert pag.notes == ("stopped before conditioning sets of 1: 4 samples are too few",)


def test_tests_that_cannot_be_solved_are_counted_each_once():
    correlation = np.corrcoef(np.random.default_rng(0).normal(size=(5, 50)))
    np.fill_diagonal(correlation, 1)
    twins = [0, 1, 2, 3, 4, 0, 1]  # 5 is 0, and 6 is 1
    test = cl.PartialCorrelation(correlation[np.ix_(twins, twins)], 50)
    want = 0
    for x, y in combinations(range(7), 2):
        for size in range(4):
            for given in combinations([z for z in range(7) if z not in (x, y)], size):
                block = test.correlation[np.ix_([x, y, *given], [x, y, *given])]
                assert test.independent(x, y, given) in (True, False)
                test.independent(y, x, given)
                want += np.linalg.matrix_rank(block, tol=1e-9) < size + 2
    assert test.n_singular == want > 20


def test_selection_is_allowed_for_unless_it_is_said_not_to_be():
    square = nx.to_numpy_array(nx.cycle_graph(4)) > 0
    separators = {(0, 2): 0b1010, (1, 3): 0b0101}
    assert str(PAG(orient(square, separators))).splitlines() == ["0 --- 1", "0 --- 3", "1 --- 2", "2 --- 3"]
    assert (orient(square, separators, selection_bias=False)[square] == 1).all()


def test_what_is_not_said_is_as_the_documentation_says():
    """Each default of the room, as it is promised."""
    promised = {
        cl.learn_pag: "method='icd' nodes=None order=None selection_bias=True max_size=None labels=None "
        "tiers=None order_independent=True confirm_colliders=True legal=True max_tests=1000000 "
        "trace=False progress=None",
        cl.PartialCorrelation: "alpha=0.01 one_sided=False names=None",
        cl.PartialCorrelation.from_data: "alpha=0.01 one_sided=False",
        cl.DSeparation: "selection=()",
        orient: "order=None selection_bias=True listen=None opened=None",
        pag_of_mag: "selection_bias=True rank=None",
        pds_sets: "exclude=() limit=None",
    }
    for function, said in promised.items():
        given = signature(function).parameters.values()
        assert " ".join(f"{p.name}={p.default!r}" for p in given if p.default is not p.empty) == said


# -- what a graph tells of its search --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["icd", "fci"])
@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_those_of_separating_sets_or_the_largest_that_was_met(seed, method):
    rng = np.random.default_rng(seed)
    test = cl.PartialCorrelation.from_data(rng.normal(size=(60, 7)) @ rng.normal(size=(7, 7)), alpha=0.05)
    pag = cl.learn_pag(test, method, trace=True)
    asked = [step for step in pag.trace if step.kind == "test"]
    separated = 0
    for x, y in combinations(range(7), 2):
        of_pair = [test.p_value(x, y, step.given) for step in asked if {step.x, step.y} == {x, y}]
        found = pag.separating_set(x, y)
        separated += found is not None
        want = max(of_pair) if found is None else test.p_value(x, y, found)
        if method == "icd":  # FCI asks of kept pairs once more, to look at colliders
            assert pag.p_values[x, y] == pag.p_values[y, x] == pytest.approx(want)
        elif found is not None:
            assert pag.p_values[x, y] == pytest.approx(want)
    assert 0 < separated < 21


def test_of_the_nodes_that_could_come_first_that_of_highest_priority_does():
    path = [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert str(PAG(a_member(path))).splitlines() == ["0 --> 1", "1 --> 2"]
    assert str(PAG(a_member(path, np.array([1, 2, 3])))).splitlines() == ["0 <-- 1", "1 <-- 2"]
    assert str(PAG(a_member(path, np.array([1.5, 9.0, 3.0])))).splitlines() == ["0 <-- 1", "1 --> 2"]
