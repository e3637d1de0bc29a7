"""What a user's own model, reading, test or learner hands over is checked where it enters: one sentence."""

import dataclasses
import json

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.__main__ import main
from cleann_lite.datasets.correlations import correlation_of
from cleann_lite.datasets.tables import read_table
from tests.linear_model import LinearModel

GIVEN = {
    "units": ("a", "b"), "tokens": ((1,), (2, 3)), "outcome_tokens": (0,), "outcome": "yes", "target": 1,
    "data": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("units", ("a", 2), "units must be text: got int 2"),
        ("units", "ab", "units must be a list or tuple: got 'ab'"),
        ("tokens", ((1,),), "tokens must be given for each of 2 units: got 1"),
        ("tokens", (1, 2), "tokens of a unit must be a list or tuple: got 1"),
        ("tokens", ((1,), ()), "tokens of a unit must name at least 1"),
        ("tokens", ((1,), (-2,)), "tokens of a unit must be whole numbers from 0 on: got -2"),
        ("outcome_tokens", (), "outcome_tokens must name at least 1"),
        ("outcome_tokens", 0, "outcome_tokens must be a list or tuple: got 0"),
        ("outcome", 3, "outcome must be text: got int 3"),
        ("target", "yes", "target must be whole numbers from 0 on: got 'yes'"),
        ("target", 1.0, "target must be whole numbers"),
        ("eligible", (0, 2), "eligible must be whole numbers from 0 on below 2: got 2"),
        ("eligible", (True, False), "eligible must be whole numbers"),
        ("unknown", (7,), "unknown must be whole numbers"),
        ("notes", "a note", "notes must be a list or tuple"),
        ("groups", (0,), "groups must be given for each of 2 units"),
        ("binary", (0, 1), "binary must be"),
        ("binary", (0, 1, float("nan")), "binary must be"),
        ("nothing", 3, "nothing must be text"),
    ],
)
def test_a_field_of_an_input_that_is_not_what_it_says_is_refused(field, value, said):
    with pytest.raises(ValueError, match=said):
        cl.Encoded(**GIVEN | {field: value})


def test_an_input_may_come_in_lists_and_numpy_numbers():
    rows = np.array([[1], [2]])
    given = {"units": ["a", "b"], "tokens": rows, "outcome_tokens": np.zeros(1, int), "target": np.int64(1)}
    more = {"eligible": np.arange(2), "groups": np.zeros(2, int), "notes": ["told"]}
    got = cl.Encoded(**GIVEN | given | more)
    assert got == dataclasses.replace(
        got, tokens=((1,), (2,)), eligible=(0, 1), groups=(0, 0), notes=("told",)
    )
    assert got.tokens == ((1,), (2,)) and type(got.target) is int and got.eligible == (0, 1)


class Voting(LinearModel):
    """The linear model, with one answer changed."""

    def __init__(self, **changed):
        super().__init__({"bad": -2.0, "good": 1.0}, bias=1.5)
        for name, function in changed.items():
            own = getattr(self, name)
            setattr(self, name, lambda *given, own=own, f=function: f(own(*given)))


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"predict": lambda p: p[:, :1]}, "predicts 1 outputs, and the input asks for number 1"),
        ({"predict": lambda p: p[:, :0]}, "predicts 0 outputs"),
        ({"predict": lambda p: p + 0j}, "must predict a numpy array: got ndarray of complex128"),
        ({"predict": lambda p: p.astype(str)}, "a numpy array: got ndarray of <U"),
        ({"predict": lambda p: np.ma.masked_array(p, p > 0.7)}, "a numpy array: got MaskedArray"),
        ({"predict": lambda p: np.hstack([p] * len(p))}, "must predict 2 outputs again: got"),
        ({"attention": lambda a: a + 1j}, "attention must be a numpy array of numbers: got ndarray"),
        ({"attention": lambda a: a[:0]}, r"attention must be \(heads, tokens, tokens\): got shape \(0"),
        ({"attention": lambda a: [a[0], a[1][1:]]}, "attention must be a numpy array of numbers: got list"),
        ({"label": lambda name: 3}, "label of linear must give text: got int 3"),
        (
            {"masked_input": lambda text: None},
            "masked_input of linear must give a text or a list of texts: got None",
        ),
        ({"masked_input": lambda text: [1, 2]}, "masked_input of linear must give"),
        ({"encode": lambda encoded: None}, "encode of linear must give an Encoded: got NoneType"),
    ],
)
def test_what_a_model_answers_is_checked(changed, said):
    with pytest.raises(ValueError, match=said):
        cl.explain(Voting(**changed), "bad good film plot")


@pytest.mark.parametrize("thing", [None, {}, LinearModel, "pocket-sentiment", object()])
def test_what_is_no_model_is_told_what_a_model_is(thing):
    for ask in (cl.explain, cl.explain_by):
        with pytest.raises(ValueError, match=r"a model (must have name, task|is needed, not its name)"):
            ask(thing, "a film")


def test_probabilities_beyond_one_by_rounding_are_still_probabilities():
    found = cl.explain(Voting(predict=lambda p: np.round(p) * (1 + 5e-7)), "bad good film")
    assert found.probability == 1
    assert cl.Explanation.from_json(found.to_json()) == found


def test_no_advice_on_a_level_that_your_own_test_does_not_have():
    class Apart:
        n_variables = 5

        def independent(self, x, y, given=()):
            return True

    for settings in ({"test": lambda attention: Apart()}, {}):
        found = cl.explain(
            Voting(attention=lambda a: np.stack([np.eye(a.shape[1])])),
            "bad good film plot",
            search="cleann",
            **settings,
        )
        assert ("alpha" in found.failures[0]) == (not settings)


def test_a_page_is_alive_for_the_input_as_it_was_given():
    class Numbers(LinearModel):
        def encode(self, input, target=None, split_into="words"):
            if not all(isinstance(item, int) for item in input):
                raise ValueError("numbers are needed")
            return super().encode(" ".join(map(str, input)), target)

    assert "<script" in cl.explain(Numbers({"3": -2.0}, bias=1.0), [1, 2, 3]).to_html(live=True)
    with pytest.raises(ValueError, match="made of a text or a list: got set"):
        cl.explain(Numbers({"3": -2.0}, bias=1.0), {1, 2, 3}).to_html(live=True)
    with pytest.raises(ValueError, match="or is a baseline's"):
        cl.explain_by(Voting(), "bad film").to_html(live=True)


# -- tests, learners, settings -------------------------------------------------------------------------------


class Asked:
    """A test that gives one answer."""

    def __init__(self, told, n_variables=4, **more):
        self.told, self.n_variables = told, n_variables
        vars(self).update(more)

    def independent(self, x, y, given=()):
        return self.told


@pytest.mark.parametrize("told", [0.3, "no", None, np.nan, np.array([True, False]), (True, 0.2)])
def test_only_true_and_false_are_answers_of_a_test(told):
    """A p-value, say, would count as independent."""
    with pytest.raises(ValueError, match=r"independent\(x, y, given\) of a test must be True or False: got"):
        cl.learn_pag(Asked(told))
    assert cl.learn_pag(Asked(np.bool_(False))) == cl.learn_pag(Asked(False))


@pytest.mark.parametrize("n", ["4", 4.5, None, -1, float("nan")])
def test_how_many_variables_a_test_has_is_a_whole_number(n):
    with pytest.raises(ValueError, match="n_variables of a test must be a whole number from 0 on"):
        cl.learn_pag(Asked(True, n))
    with pytest.raises(ValueError, match="at most 30,000 nodes: the test has 1,000,000,000 variables"):
        cl.learn_pag(Asked(True, 10**9))
    with pytest.raises(ValueError, match="n_samples of a test must be a number: got 'many'"):
        cl.learn_pag(Asked(True, n_samples="many"))


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"nodes": [0.5, 1]}, "nodes must be numbers or names of nodes: got 0.5"),
        ({"nodes": [True, False, True, True]}, "nodes must be numbers or names of nodes: got True"),
        ({"nodes": 3}, "nodes must be a list of nodes: got 3"),
        ({"tiers": [[0, 1.5], [2, 3]]}, "tiers must be numbers or names of nodes: got 1.5"),
        ({"tiers": [None]}, "tiers must be groups of nodes, earliest first: got None as a group"),
        ({"method": "ordered-icd", "order": {0, 1, 2, 3}}, "order must be a list of nodes"),
        ({"method": "ordered-icd", "order": [[0], 1, 2, 3]}, "order must be numbers or names of nodes"),
        ({"max_size": 1.5}, "max_size must be a whole number: got 1.5"),
        ({"max_tests": None}, "max_tests must be a whole number: got None"),
        ({"selection_bias": "no"}, "selection_bias must be True or False: got 'no'"),
        ({"trace": None}, "trace must be True or False: got None"),
        ({"method": ["icd"]}, "method must be one of"),
    ],
)
def test_settings_of_another_kind_are_not_guessed_at(settings, said):
    with pytest.raises(ValueError, match=said):
        cl.learn_pag(Asked(False), **settings)


def test_labels_that_are_numbers_name_no_other_node():
    pag = cl.learn_pag(Asked(False), labels=[3, 2, 1, 0], tiers=[[0, 1], [2, 3]])
    assert pag == cl.learn_pag(Asked(False), tiers=[[0, 1], [2, 3]]) and pag.labels == ("3", "2", "1", "0")


def test_graphs_that_are_no_dag_and_matrices_that_hold_no_numbers_are_named():
    networkx = pytest.importorskip("networkx")
    many = networkx.MultiDiGraph([("a", "b"), ("a", "b"), ("b", "c")])
    assert cl.DSeparation(many, "abc").independent(0, 2, [1])
    for dag in (None, {0: [1]}, np.eye(2), networkx.Graph([(0, 1)])):
        with pytest.raises(ValueError, match=r"dag must be a networkx.DiGraph: got"):
            cl.DSeparation(dag, [0, 1])
    for matrix in (np.eye(2) + 0j, [["1", "a"], ["a", "1"]], [[1, 0], [0]], None):
        with pytest.raises(ValueError, match=r"correlation must be a (matrix of numbers|square matrix)"):
            cl.PartialCorrelation(matrix, 100)
    test = cl.PartialCorrelation(np.eye(4), 100)
    for asked in [(0.5, 1), ("a", 1), (0, 1, 2), (0, 1, [2.5]), (0, 1, None), (0, 1, [[2]])]:
        with pytest.raises(ValueError, match="variables"):
            test.p_value(*asked)


def test_columns_at_the_ends_of_float64_have_their_correlation():
    table = np.random.default_rng(0).normal(size=(50, 3)) @ [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    plain = cl.PartialCorrelation.from_data(table).correlation
    for scale in (1e-300, 1e300):
        assert np.allclose(cl.PartialCorrelation.from_data(table * scale).correlation, plain)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"outcome_last": "no"}, "outcome_last must be True or False: got 'no'"),
        ({"one_sided": 0}, "one_sided must be True or False: got 0"),
        ({"heads": True}, "heads must be among 0 … 2: got True"),
        ({"words": [True, False]}, "words must name units of the input: True is not one"),
        ({"progress": 3}, "progress must be True, False or a function: got 3"),
        ({"memory": []}, "memory must be a dict: got list"),
        ({"split_into": None}, "split_into must be text"),
    ],
)
def test_switches_and_places_of_another_kind_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        cl.explain(Voting(), "bad good film plot", **settings)


def test_a_learner_keeps_the_order_of_its_variables():
    def learner(attention, variables, labels, order=sorted):
        test = cl.PartialCorrelation(cl.attention_correlation(attention), 64)
        nodes = order(variables)
        return cl.learn_pag(test, nodes=nodes, labels=[labels[variables.index(n)] for n in nodes])

    found = cl.explain(Voting(), "bad good film plot", learner=lambda *given: learner(*given, order=list))
    assert list(found.pags[0].labels) == [*found.units, "yes"]
    with pytest.raises(ValueError, match="learner must keep the order of its variables, the outcome last"):
        cl.explain(Voting(), "bad good film plot", learner=learner)
    with pytest.raises(ValueError, match="a live page moves alpha, which your own test or learner"):
        found.to_html(live=True)


# -- JSON that contradicts itself ----------------------------------------------------------------------------


def changed(record, **fields):
    """The JSON of an explanation with fields, and with those of its first set (``set_…``), changed."""
    record = json.loads(record)
    for name, value in fields.items():
        place = record["sets"][0] if name.startswith("set_") else record
        place[name.removeprefix("set_")] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"certified": False}, "smaller must be given where certified is false"),
        (
            {"sets": [], "success": False, "failures": ["why"], "stopped": "nothing found"},
            "certified must be null",
        ),
        ({"failures": ["why"]}, "failures must be given where there are no sets"),
        ({"stopped": "nothing found"}, "stopped must be true to success true"),
        ({"set_heads": [], "set_head": None}, "within_graph must be true where there are heads"),
        ({"set_within_graph": False}, "within_graph must be"),
        ({"set_heads": [0, 0, 1]}, "heads must be increasing"),
        ({"set_heads": []}, "head must be one of its heads"),
        ({"set_distance": 99}, "distance must be the sum of its units' distances"),
        ({"set_distance": None}, "distance must be the sum"),
        ({"set_words": ["film"]}, "words must be its units"),
        ({"set_rank": 0}, "rank must be at least 1"),
        ({"model_calls": 0}, "model_calls must be at least 1"),
        ({"target": "other"}, "labels must be the units in the graph and the target"),
        ({"settings": {"split_into": 3}}, "settings.split_into must be a text"),
        ({"settings": {"x": float("nan")}}, "numbers must be finite"),
    ],
)
def test_an_explanation_that_contradicts_itself_is_refused(fields, said):
    found = cl.explain(Voting(), "bad good film plot", alpha=0.3, words="all")
    assert (
        found.sets[0].within_graph and found.certified and cl.Explanation.from_json(found.to_json()) == found
    )
    with pytest.raises(ValueError, match=said):
        cl.Explanation.from_json(changed(found.to_json(), **fields))


def test_sets_in_json_have_the_sizes_that_they_are_said_to_have():
    model = LinearModel({"bad": -1.0, "good": 1.0, "fine": 1.0}, bias=-0.1)
    record = cl.explain(model, "good fine film", words="all").to_json()
    one = json.loads(record)["sets"][0]
    part = one | {"units": one["units"][:1], "words": one["units"][:1], "positions": one["positions"][:1]}
    part |= {"head": None, "heads": [], "within_graph": False, "distance": None}
    for fields, said in {
        "sets must be all of one size": {"sets": [one, part]},
        "sets must be different sets": {"sets": [one, one]},
        "proposed must be larger than sets": {"proposed": [part]},
        "smaller must be given where certified": {"smaller": [part]},
    }.items():
        with pytest.raises(ValueError, match=fields):
            cl.Explanation.from_json(changed(record, **said))


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"separating_sets": [[0, 2, [0]]]}, "cannot have the separating set"),
        ({"separating_sets": [[0, 2, [1, 1]]]}, "cannot have the separating set"),
        ({"separating_sets": [[2, 0, []]]}, "cannot have the separating set"),
        ({"separating_sets": [[0, 2, []], [0, 2, [1]]]}, "two nodes have two separating sets"),
        ({"p_values": [[2.0] * 3] * 3}, "p_values must lie in 0 … 1"),
        ({"p_values": [[0.1, 0.2, 0.3]] * 3}, "p_values must be symmetric"),
        ({"labels": "abc"}, "labels must be a list of texts"),
        ({"labels": [1, 2, 3]}, "labels must be a list of texts"),
        ({"tiers": [[], [0, 1, 2]]}, "each tier needs a node"),
        (
            {"tiers": [[1, 2], [0]]},
            "an edge between tiers has an arrowhead at its later node: that of b and a",
        ),
        ({"undone": -1}, "undone must be a whole number from 0 on"),
        ({"notes": "a note"}, "notes must be a list of texts"),
        ({"selection_bias": 1}, "selection_bias must be true or false"),
    ],
)
def test_a_graph_that_contradicts_itself_is_refused(fields, said):
    record = {"marks": [[0, 2, 0], [1, 0, 0], [0, 0, 0]], "labels": ["a", "b", "c"]}
    assert cl.PAG.from_json(json.dumps(record | {"tiers": [[0], [1, 2]]})).mark("a", "b") == cl.Mark.ARROW
    with pytest.raises(ValueError, match=said):
        cl.PAG.from_json(json.dumps(record | fields))


def test_json_of_a_graph_holds_numbers_and_texts_as_nodes_and_no_nan_in_words():
    with pytest.raises(ValueError, match="nodes that are numbers or texts: got frozenset"):
        cl.PAG(np.zeros((1, 1)), nodes=[frozenset()]).to_json()
    with pytest.raises(ValueError, match="this is not the JSON of a PAG"):
        cl.PAG.from_json("[" * 100_000)
    marks = [[0, 1], [1, 0]]
    assert "nan" not in cl.PAG(marks, p_values=np.full((2, 2), np.nan)).describe(p_values=True)[0]


# -- tables and the command line -----------------------------------------------------------------------------


def told(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out if code == 0 else printed.err


def matrix_file(folder, matrix):
    names = "abcd"[: len(matrix)]
    lines = [",".join(names), *(",".join(f"{r:.6g}" for r in row) for row in np.asarray(matrix))]
    path = folder / "matrix.csv"
    path.write_text("\n".join(lines))
    return path


def test_columns_of_a_matrix_take_their_rows_with_them(tmp_path, capsys):
    """Three of four columns alone would look like four samples."""
    rng = np.random.default_rng(0)
    whole = np.corrcoef(rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rowvar=False)
    path = matrix_file(tmp_path, whole)
    for which, kept in ((["--drop", "b"], [0, 2, 3]), (["--columns", "d,a,c"], [3, 0, 2])):
        code, printed = told(capsys, "learn", path, "--n-samples", 50, *which)
        assert code == 0 and "a correlation matrix of 3 variables, 50 samples" in printed
        found = correlation_of(
            read_table(path, **{"drop": ["b"]} if "b" in which else {"columns": "dac"}), 50
        )
        assert np.allclose(found.matrix, whole[np.ix_(kept, kept)], atol=1e-5)
    path.write_text("a,b,c\n1,2,3\n2,5,9\n4,1,1\n")  # samples, as many as columns
    assert read_table(path, drop=["c"]).values.shape == (3, 2)


def test_a_matrix_that_no_data_has_is_refused_and_a_rounded_one_repaired(tmp_path, capsys):
    code, printed = told(
        capsys,
        "learn",
        matrix_file(tmp_path, [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]),
        "--n-samples",
        50,
    )
    assert code == 2 and "no data has all these correlations" in printed and "up to 0.4" in printed
    # a test of one's own matrix never stops: |r| beyond 1 counts as dependent
    assert cl.PartialCorrelation([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], 50).p_value(0, 1, [2]) == 0
    rounded = np.corrcoef(np.random.default_rng(0).normal(size=(3, 4)), rowvar=False).round(2)
    assert np.linalg.eigvalsh(rounded)[0] < -1e-8
    code, printed = told(capsys, "learn", matrix_file(tmp_path, rounded), "--n-samples", 50)
    assert code == 0 and "nearest one taken" in printed
    cl.PartialCorrelation(rounded, 50)


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--tiers", "a;;b,c"], "each tier needs a node: tier 1 is empty"),
        (["--tiers", ""], "each tier needs a node: tier 0 is empty"),
        (["--method", "ordered-icd", "--order", ""], "order must name each node once"),
        (["--svg", ""], "a picture is saved as"),
        (["--stability", "9" * 20], "--stability takes the number of graphs, at least 1 and at most"),
        (["--stability", "2", "--seed", "-1"], "seed must be at least 0: got -1"),
        (["--columns", "a\nz"], "has no column 'z'"),
    ],
)
def test_a_flag_that_holds_nothing_or_too_much_is_not_passed_over(flags, said, tmp_path, capsys):
    path = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(20, 3)).tolist()
    path.write_text("\n".join(["a,b,c", *(",".join(map(str, row)) for row in rows)]))
    code, printed = told(capsys, "learn", path, *flags)
    assert code == 2 and said in printed and printed.count("\n") == 1


# -- one and many --------------------------------------------------------------------------------------------


def test_one_is_no_plural(tmp_path, capsys):
    capped = cl.explain(Voting(), "bad good film plot", max_calls=1, certify=False)
    said = " ".join(
        (*capped.notes, *capped.failures, *cl.explain_by(Voting(), "bad good film", max_calls=1).notes)
    )
    assert "cap of 1 input" in said and "1 inputs" not in said
    cut = cl.explain(Voting(), "bad film plot", search="cleann", words="all", max_candidates=1, alpha=0.5)
    assert all("1 nearest sets" not in note for note in cut.notes)
    assert "Graph of 1 node and 0 edges" in cl.draw(cl.PAG([[0]])).svg
    rows = np.random.default_rng(0).normal(size=(30, 1)) + np.random.default_rng(1).normal(size=(30, 3)) / 2
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["a,b,c", *(",".join(map(str, row)) for row in rows.tolist())]))
    assert "In 1 of 1 resampled graph." in told(capsys, "learn", path, "--stability", "1")[1]


def test_how_often_an_edge_came_back_is_not_rounded_up(tmp_path, capsys):
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    rows = np.column_stack([x, x + 1.3 * rng.normal(size=60)])
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["a,b", *(",".join(map(str, row)) for row in rows.tolist())]))
    printed = told(capsys, "learn", path, "--stability", "300")[1]
    shares = cl.causal.stability.stability(rows, 300).edges[0, 1]
    assert f"In {round(shares * 300)} of 300 resampled graphs." in printed and 0.99 < shares < 1
