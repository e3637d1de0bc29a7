"""Any object that answers independent(x, y, given) is a test; everything faster is added at one door."""

import ast
from pathlib import Path

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.attention.sem import planted_sem
from cleann_lite.causal.batched import BatchedTest, PValueTest, as_batched
from cleann_lite.causal.g_squared import GSquared
from cleann_lite.causal.graphs import PAG, SearchStatus
from cleann_lite.causal.random_graphs import random_latent_dag

ROOM = Path(cl.__file__).parent / "causal"


class Plain:
    """Two members, and no more."""

    def __init__(self, test):
        self.n_variables, self.ask = test.n_variables, test.independent

    def independent(self, x, y, given=()):
        return self.ask(x, y, given)


def example(seed=0):
    return random_latent_dag(10, 2.5, np.random.default_rng(seed), 2)


@pytest.mark.parametrize("method", ["icd", "fci"])
def test_two_members_are_enough(method):
    for seed in range(8):
        drawn = example(seed)
        oracle = cl.DSeparation(drawn.dag, drawn.observed)
        plain = Plain(oracle)
        assert isinstance(plain, cl.IndependenceTest) and isinstance(oracle, cl.IndependenceTest)
        assert not isinstance(plain, BatchedTest)
        pag = cl.learn_pag(plain, method)
        assert pag == cl.learn_pag(oracle, method) and pag.p_values is None
        assert cl.learn_pag(plain, method, trace=True) == pag


def test_a_score_needs_no_p_value():
    class BIC:
        def __init__(self, correlation, n_samples):
            self.fisher, self.n = cl.PartialCorrelation(correlation, n_samples), n_samples
            self.n_variables = len(correlation)

        def independent(self, x, y, given=()):
            r = self.fisher.partial_correlations([x], [y], [given])[0]
            return -self.n * np.log1p(-(r**2)) < np.log(self.n)

    drawn = example(3)
    sem = planted_sem(drawn.dag, np.random.default_rng(3))
    test = BIC(sem.correlation[np.ix_(drawn.observed, drawn.observed)], 10**9)
    skeleton = cl.learn_pag(cl.DSeparation(drawn.dag, drawn.observed)).marks > 0
    assert ((cl.learn_pag(test).marks > 0) == skeleton).all()


def test_samples_of_a_plain_test_bound_its_sets():
    class Few(Plain):
        n_samples = 5

    pag = cl.learn_pag(Few(cl.PartialCorrelation(np.full((6, 6), 0.9) + 0.1 * np.eye(6), 100)))
    assert pag.status is SearchStatus.TOO_FEW_SAMPLES and "5 samples" in pag.notes[0]


def test_nothing_is_probed():
    for path in sorted(ROOM.glob("*.py")):
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"getattr", "hasattr"}, path.name


@pytest.mark.parametrize("thing", [np.eye(3), None, 3, object()])
def test_what_cannot_be_asked_is_refused(thing):
    with pytest.raises(ValueError, match=r"n_variables and a method independent\(x, y, given\): got"):
        as_batched(thing)


# -- names ---------------------------------------------------------------------------------------------------


def frame(seed=0):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    rain = rng.normal(size=400)
    wet = rain + 0.5 * rng.normal(size=400)
    return pandas.DataFrame({"rain": rain, "wet": wet, "slip": wet + 0.5 * rng.normal(size=400)})


def test_a_data_frame_keeps_its_names():
    test = cl.PartialCorrelation.from_data(frame())
    assert test.names == ("rain", "wet", "slip")
    assert test.p_value("rain", "slip", ["wet"]) == test.p_value(0, 2, [1])
    pag = cl.learn_pag(test)
    assert pag.labels == test.names and pag.separating_set("rain", "slip") == (1,)
    assert pag.mark("rain", "wet") == pag.mark(0, 1)
    assert cl.learn_pag(test.with_alpha(0.1)).labels == test.names
    part = cl.learn_pag(test, nodes=["slip", "rain"])
    assert part.labels == ("slip", "rain") and part.nodes == (2, 0)
    order = ["rain", "wet", "slip"]
    assert cl.learn_pag(test, "ordered-icd", order=order) == cl.learn_pag(test, "ordered-icd", order=range(3))
    tiers = cl.learn_pag(test, tiers=[["rain"], ["wet", "slip"]])
    assert tiers == cl.learn_pag(test, tiers=[[0], [1, 2]])
    assert str(tiers).splitlines() == ["rain o-> wet", "wet --> slip"]
    assert PAG.from_json(tiers.to_json()).tiers == ((0,), (1, 2))
    with pytest.raises(ValueError, match="unknown node 'snow': the test has rain, wet, slip"):
        cl.learn_pag(test, nodes=["rain", "snow"])
    with pytest.raises(ValueError, match="unknown node 'snow': the graph has rain, wet, slip"):
        pag.separating_set("rain", "snow")


def test_data_that_cannot_be_used_are_named():
    table = frame()
    broken = table.assign(snow=np.nan)
    with pytest.raises(ValueError, match="400 of them not finite in column snow"):
        cl.PartialCorrelation.from_data(broken)
    with pytest.raises(ValueError, match="column snow is constant"):
        cl.PartialCorrelation.from_data(table.assign(snow=1e9 + 0.1))
    with pytest.raises(ValueError, match="table of numbers"):
        cl.PartialCorrelation.from_data(table.assign(snow="much"))
    with pytest.raises(ValueError, match="one name"):
        cl.PartialCorrelation(np.eye(3), 100, names=["a"])


def test_numbers_as_column_names_are_names():
    table = frame().set_axis([2019, 2020, 2021], axis=1)
    pag = cl.learn_pag(cl.PartialCorrelation.from_data(table))
    assert pag.labels == ("2019", "2020", "2021") and pag.separating_set("2019", "2021") == (1,)


# -- how certain ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["icd", "fci"])
@pytest.mark.parametrize("options", [{}, {"order_independent": False}, {"nodes": [7, 1, 4, 2, 0, 5]}])
def test_p_values_are_those_of_the_sets_that_were_tried(method, options):
    for seed in range(4):
        drawn = example(seed)
        data = planted_sem(drawn.dag, np.random.default_rng(seed)).sample(300, np.random.default_rng(seed))
        data = data[:, drawn.observed]
        pag, plain = (
            cl.learn_pag(
                cl.PartialCorrelation.from_data(data), method, trace=trace, confirm_colliders=False, **options
            )
            for trace in (True, False)
        )
        fresh = cl.PartialCorrelation.from_data(data)
        tried = {}
        for step in pag.trace:
            if step.kind == "test":
                pair = frozenset((step.x, step.y))
                tried.setdefault(pair, []).append(fresh.p_value(step.x, step.y, step.given))
        assert np.allclose(pag.p_values, plain.p_values, equal_nan=True)
        for i, x in enumerate(pag.nodes):
            for j, y in enumerate(pag.nodes[:i]):
                given = pag.separating_set(x, y)
                if given is not None:
                    assert pag.p_values[i, j] == pytest.approx(fresh.p_value(x, y, given), abs=1e-12)
                elif method == "icd":
                    assert pag.p_values[i, j] == pytest.approx(max(tried[frozenset((x, y))]), abs=1e-12)
        back = PAG.from_json(pag.to_json())
        assert np.allclose(back.p_values, pag.p_values, rtol=1e-5, equal_nan=True)
        assert all("Largest p:" in sentence for sentence in pag.describe(p_values=True))


def test_g_squared_refuses_what_is_not_discrete():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="column 1 holds 200 different numbers in 200 rows"):
        GSquared(np.column_stack([rng.integers(0, 2, 200), rng.normal(size=200)]))
    with pytest.raises(ValueError, match="missing"):
        GSquared([[0.0, 1.0], [np.nan, 1.0]])


def test_the_base_of_a_test_counts_and_remembers():
    class Counted(PValueTest):
        computed = 0

        def compute(self, x, y, given):
            self.computed += 1
            return 0.001 * len(given)

    test = Counted(4)
    cl.learn_pag(test)
    asked = test.n_tests
    cl.learn_pag(test, trace=True)
    assert test.n_tests == asked == test.computed
