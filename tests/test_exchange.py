"""A graph written in each form and read again is the same graph."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleann_lite.causal.graphs import EDGE_TEXT, PAG

names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters=";,"), min_size=1
).filter(lambda name: name == name.strip() and not any(f" {edge} " in name for edge in EDGE_TEXT.values()))


@st.composite
def graphs(draw):
    k = draw(st.integers(1, 6))
    marks = np.zeros((k, k), int)
    for i in range(k):
        for j in range(i):
            if draw(st.booleans()):
                marks[i, j], marks[j, i] = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    labels = draw(st.none() | st.lists(names, min_size=k, max_size=k, unique=True))
    nodes = draw(st.none() | st.lists(st.integers(0, 99), min_size=k, max_size=k, unique=True))
    return PAG(marks, nodes, labels)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_round_trips(pag):
    for back in (
        PAG.from_networkx(pag.to_networkx()),
        PAG.from_graphml(pag.to_graphml()),
        PAG.from_gml(pag.to_gml()),
        PAG.from_json(pag.to_json()),
    ):
        assert back == pag and [back.label(v) for v in back.nodes] == [pag.label(v) for v in pag.nodes]
    assert (PAG.from_pcalg(pag.to_pcalg()).marks == pag.marks).all()
    for back in (PAG.from_dot(pag.to_dot()), PAG.from_text(pag.to_text())):
        assert (back.marks == pag.marks).all()
        assert [back.label(v) for v in back.nodes] == [pag.label(v) for v in pag.nodes]


def test_marks_mean_the_same_in_every_form():
    pag = PAG([[0, 2, 0], [1, 0, 2], [0, 3, 0]], labels=("a", "b", "c"))  # a o-> b --> c
    assert pag.to_text() == "Graph Nodes:\na;b;c\n\nGraph Edges:\n1. a o-> b\n2. b --> c\n"
    assert pag.to_networkx()[0][1]["mark"] == 2 and pag.to_networkx()[1][0]["mark"] == 1
    assert nx.parse_graphml(pag.to_graphml())["n1"]["n2"]["mark"] == 2
    assert pag.to_pcalg().tolist() == [[0, 2, 0], [1, 0, 2], [0, 3, 0]]
    assert str(PAG.from_networkx(nx.DiGraph([("a", "b")]))) == "a --> b"
    pytest.importorskip("graphviz")
    assert pag.to_graphviz().source == pag.to_dot()


def test_what_tetrad_and_causal_learn_print_is_read():
    text = "Graph Nodes:\nX1;X2;X 3\n\nGraph Edges:\n1. X1 <-> X2\n2. X2 <-o X 3 pd nl\n"
    with pytest.raises(ValueError, match="cannot read the edge"):
        PAG.from_text(text)
    pag = PAG.from_text(text.replace(" pd nl", ""))
    assert str(pag).splitlines() == ["X1 <-> X2", "X2 <-o X 3"]


def test_an_edge_of_a_mark_or_node_that_is_none_is_named():
    pag = PAG([[0, 2, 0], [1, 0, 2], [0, 3, 0]], labels=("a", "b", "c"))
    for wrong in (("odot", "box"), ("n1 ->", "n7 ->"), ("-> n2", "-> n99999999999")):
        with pytest.raises(ValueError, match="cannot read the edge 'n"):
            PAG.from_dot(pag.to_dot().replace(*wrong))
    with pytest.raises(ValueError, match="edge to itself"):
        PAG.from_dot(pag.to_dot().replace("n0 ->", "n1 ->"))
    with pytest.raises(ValueError, match="cannot read the edge 'Graph Nodes:'"):
        PAG.from_text("Graph Edges:\nGraph Nodes:")


@pytest.mark.parametrize("text", ["", "nope", "<graphml/>", "graph [", "digraph {}", "Graph Nodes:\na;b"])
def test_other_text_is_refused_in_one_sentence(text):
    for read in (PAG.from_graphml, PAG.from_gml, PAG.from_dot, PAG.from_text):
        if read == PAG.from_graphml and text == "<graphml/>":
            continue
        with pytest.raises(ValueError):
            read(text)
    with pytest.raises(ValueError, match="semicolon"):
        PAG([[0]], labels=("a;b",)).to_text()
    with pytest.raises(ValueError, match="every arc needs a mark"):
        graph = nx.DiGraph([("a", "b"), ("b", "a")])
        graph["a"]["b"]["mark"] = 2
        PAG.from_networkx(graph)
    with pytest.raises(ValueError, match=r"networkx.DiGraph: got Graph"):
        PAG.from_networkx(nx.Graph())
