import json

import networkx as nx
import numpy as np
import pytest

from cleann_lite.causal.graphs import PAG, Mark, possibly_directed, reachable
from cleann_lite.causal.mags import members

# 0 o-> 1 <-> 2, 2 --> 3
MARKS = [[0, 2, 0, 0], [1, 0, 2, 0], [0, 2, 0, 2], [0, 0, 3, 0]]


@pytest.fixture
def pag():
    return PAG(MARKS, (4, 7, 9, 2), ("not", 'a "good"', "film", "at\nall"), {(4, 9): (), (4, 2): (7, 9)})


def test_marks_read_as_the_field_writes_them(pag):
    assert pag.mark(4, 7) == Mark.ARROW and pag.mark(7, 4) == Mark.CIRCLE
    assert pag.mark(4, 9) == Mark.NONE
    assert str(pag).splitlines()[0] == 'not o-> a "good"'
    assert pag.neighbors(9) == (7, 2)


def test_json_round_trip(pag):
    back = PAG.from_json(pag.to_json())
    assert back == pag and back.labels == pag.labels
    assert back.separating_set(9, 4) == () and back.separating_set(2, 4) == (7, 9)
    assert json.dumps(json.loads(pag.to_json()), ensure_ascii=False) == pag.to_json()
    assert PAG.from_json(PAG(np.zeros((1, 1), int)).to_json()).nodes == (0,)
    assert PAG.from_json(PAG(MARKS, np.array([4, 7, 9, 2])).to_json()) == pag


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"marks": 3}', '{"marks": [[0]], "nodes": 3}', '{"marks": [[0, 1]]}']
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(ValueError):
        PAG.from_json(text)


def test_json_of_any_numbers_and_names():
    numbered = PAG([[0, 1], [1, 0]], nodes=np.array([3, 4]))
    assert PAG.from_json(numbered.to_json()) == numbered
    mixed = PAG(np.zeros((3, 3), int), ("b", 1, "a"), separating_sets={("b", "a"): (1,), ("b", 1): ()})
    back = PAG.from_json(mixed.to_json())
    assert back == mixed and back.separating_set("a", "b") == (1,)


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "[]",
        '{"marks": null}',
        '{"marks": [[0, 1]]}',
        '{"marks": [[0, 1.5], [1, 0]]}',
        '{"marks": [[0, 1], [1, 0]], "nodes": 5}',
        '{"marks": [[0, 1], [1, 0]], "nodes": [[1], [2]]}',
        '{"marks": [[0, 1], [1, 0]], "separating_sets": [[1]]}',
    ],
)
def test_json_that_is_no_pag_is_refused(text):
    with pytest.raises(ValueError):
        PAG.from_json(text)


def test_separating_set(pag):
    assert pag.separating_set(4, 7) is None
    with pytest.raises(ValueError, match="carries no separating set"):
        pag.separating_set(7, 2)
    with pytest.raises(ValueError, match="unknown node 0: the graph has not, a"):
        pag.separating_set(0, 2)


def test_equality_is_nodes_and_marks(pag):
    assert pag == PAG(MARKS, (4, 7, 9, 2))
    assert pag != PAG(MARKS)
    assert pag != PAG(np.array(MARKS).T, (4, 7, 9, 2))


def test_networkx_keeps_every_mark(pag):
    graph = pag.to_networkx()
    marks = nx.to_numpy_array(graph, nodelist=pag.nodes, weight="mark", dtype=int)
    assert (marks == pag.marks).all()
    assert graph.nodes[2]["label"] == "at\nall"


def test_dot_names_each_mark(pag):
    dot = pag.to_dot()
    assert "n0 -> n1 [arrowtail=odot, arrowhead=normal];" in dot
    assert "n1 -> n2 [arrowtail=normal, arrowhead=normal];" in dot
    assert "n2 -> n3 [arrowtail=none, arrowhead=normal];" in dot
    assert 'label="a \\"good\\""' in dot and 'label="at\\nall"' in dot


def test_every_kind_of_edge_has_a_sentence():
    for at_x in (1, 2, 3):
        for at_y in (1, 2, 3):
            (sentence,) = PAG([[0, at_y], [at_x, 0]], labels=("x", "y")).describe()
            assert sentence.endswith(".") and "{" not in sentence
    (sentence,) = PAG([[0, 3], [2, 0]], labels=("x", "y")).describe()
    assert sentence.startswith("“y” --> “x”: “y” causes “x”")


def test_sentences_tell_words_that_repeat_apart():
    pag = PAG([[0, 1, 1], [1, 0, 0], [1, 0, 0]], labels=("the", "the", "plot"))
    edges = [sentence.split(":")[0] for sentence in pag.describe()]
    assert edges == ["“the₁” o-o “the₂”", "“the₁” o-o “plot”"]
    assert pag.label(0) == pag.label(1) == "the"


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ([[0, 1]], "square"),
        ([[0, 4], [1, 0]], "marks must be 0"),
        ([[0, 1], [0, 0]], "mark at both ends"),
        ([[1, 0], [0, 0]], "edge to itself"),
    ],
)
def test_refuses_what_is_no_graph(marks, message):
    with pytest.raises(ValueError, match=message):
        PAG(marks)
    with pytest.raises(ValueError, match="one label"):
        PAG([[0]], labels=("a", "b"))


def test_members_with_and_without_selection():
    chain = PAG([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    with_selection, without = list(members(chain)), list(members(chain, selection_bias=False))
    assert any("---" in str(mag) for mag in with_selection)
    assert without == [mag for mag in with_selection if "---" not in str(mag)]


def test_marks_cannot_be_written(pag):
    with pytest.raises(ValueError):
        pag.marks[0, 1] = 3


def test_closures_agree_with_networkx():
    rng = np.random.default_rng(0)
    for _ in range(50):
        step = rng.random((7, 7)) < 0.2
        graph = nx.from_numpy_array(step, create_using=nx.DiGraph)
        want = [[i == j or nx.has_path(graph, i, j) for j in range(7)] for i in range(7)]
        assert (reachable(step) == want).all()


def test_possible_ancestors(pag):
    assert pag.possible_ancestors[0].tolist() == [True, True, False, False]
    assert pag.possible_ancestors[2].tolist() == [False, False, True, True]
    assert pag.ancestors[0].tolist() == [True, False, False, False]
    undirected = np.array([[0, 3], [3, 0]])
    assert not possibly_directed(undirected).any()
    assert possibly_directed(undirected, selection_bias=True).all(where=undirected > 0)
