"""Each sentence about an edge holds in every DAG that the graph stands for."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cleann_lite as cl
from cleann_lite.causal.graphs import EDGE_MEANING, PAG, Mark
from cleann_lite.causal.random_graphs import random_latent_dag

# what each sentence claims, as a function of five facts about a DAG: x causes y, y causes x, x causes the
# selection, y does, something hidden causes both; and whether selection opens a path between x and y
CLAIMS = {
    (3, 2, 0): lambda xy, yx, xs, ys, h, s: xy and not yx,
    (3, 2, 1): lambda xy, yx, xs, ys, h, s: (xy or xs) and not (yx or ys),
    (2, 2, 0): lambda xy, yx, xs, ys, h, s: not (xy or yx) and h,
    (2, 2, 1): lambda xy, yx, xs, ys, h, s: not (xy or yx or xs or ys) and (h or s),
    (1, 2, 0): lambda xy, yx, xs, ys, h, s: not yx and (xy or h),
    (1, 2, 1): lambda xy, yx, xs, ys, h, s: not (yx or ys) and (xy or h or s),
    (1, 1, 0): lambda xy, yx, xs, ys, h, s: xy or yx or h,
    (1, 1, 1): lambda xy, yx, xs, ys, h, s: xy or yx or h or s,
    (3, 3, 1): lambda xy, yx, xs, ys, h, s: (xy or xs) and (yx or ys),
    (1, 3, 1): lambda xy, yx, xs, ys, h, s: yx or ys,
}
# the words on which each claim rests
WORDS = {
    (3, 2, 0): "x causes y, directly or through other variables; y does not cause x",
    (3, 2, 1): "x causes y or the selection of the data; y causes neither x nor the selection",
    (2, 2, 0): "neither causes the other; something hidden causes both",
    (2, 2, 1): "neither causes the other or the selection of the data; something hidden causes both, or the "
    "selection joins them",
    (1, 2, 0): "y does not cause x; x may cause y, or something hidden causes both",
    (1, 2, 1): "y causes neither x nor the selection of the data; x may cause y, or something hidden causes "
    "both, or the selection joins them",
    (1, 1, 0): "either may cause the other, or something hidden causes both",
    (1, 1, 1): "either may cause the other, or something hidden causes both, or the selection of the data "
    "joins them",
    (3, 3, 1): "each causes the other or the selection of the data",
    (1, 3, 1): "y causes x or the selection of the data; whether x causes y or the selection is open",
}


def test_the_claims_are_the_words():
    for (at_x, at_y, selected), words in WORDS.items():
        assert EDGE_MEANING[Mark(at_x), Mark(at_y)][selected].format(x="x", y="y") == words
    assert {(x, y) for x, y, _ in WORDS} == set(EDGE_MEANING)


def facts(example, x, y):
    dag = example.dag
    after = {v: nx.descendants(dag, v) for v in dag}
    chosen = set(example.selection)
    xy, yx = y in after[x], x in after[y]
    xs, ys = bool(after[x] & chosen), bool(after[y] & chosen)
    # what selects may be a hidden cause as well
    hidden = any({x, y} <= after[h] for h in (*example.latents, *example.selection))
    # the selection joins them: no longer adjacent in the MAG without it
    without = random_latent_dag_mag(example)
    i, j = example.observed.index(x), example.observed.index(y)
    return xy, yx, xs, ys, hidden, bool(chosen) and not without[i, j]


def random_latent_dag_mag(example):
    from cleann_lite.causal.mags import mag_of_dag

    return mag_of_dag(example.dag, example.observed)


@settings(max_examples=200, deadline=None)
@example(seed=17091, n_latents=0, n_selection=2, method="icd")
@given(
    seed=st.integers(0, 10**6),
    n_latents=st.integers(0, 4),
    n_selection=st.integers(0, 2),
    method=st.sampled_from(["icd", "fci"]),
)
def test_no_sentence_is_false_of_the_true_dag(seed, n_latents, n_selection, method):
    example = random_latent_dag(9, 2.5, np.random.default_rng(seed), n_latents, n_selection)
    test = cl.DSeparation(example.dag, example.observed, example.selection)
    graphs = [cl.learn_pag(test, method)]
    if not n_selection:
        graphs.append(cl.learn_pag(test, method, selection_bias=False))
        order = [example.observed.index(v) for v in nx.topological_sort(example.dag) if v in example.observed]
        if len(order) > 2:
            graphs.append(cl.learn_pag(test, method, tiers=[order[:2], order[2:]]))
            assert not graphs[-1].selected
    for pag in graphs:
        assert pag.selected or not n_selection
        for x, y, at_x, at_y in pag.edges():
            if (at_x, at_y) not in EDGE_MEANING:
                x, y, at_x, at_y = y, x, at_y, at_x
            claim = CLAIMS[at_x, at_y, int(pag.selected)]
            assert claim(*facts(example, example.observed[x], example.observed[y])), (x, y, at_x, at_y)


def test_the_only_way_may_run_through_variables_in_the_graph():
    # a -> b -> c with a hidden cause of b and c: a --> c is in the graph though nothing else is left out
    dag = nx.DiGraph([("z", "a"), ("w", "a"), ("a", "b"), ("b", "c"), ("h", "b"), ("h", "c")])
    names = ["z", "w", "a", "b", "c"]
    pag = cl.learn_pag(cl.DSeparation(dag, names), selection_bias=False, labels=names)
    said = {sentence.split(":")[0]: sentence for sentence in pag.describe()}
    assert "directly or through other variables" in said["“a” --> “c”"]
    assert not any("left out" in sentence for sentence in said.values())


@pytest.mark.parametrize("selected", [False, True])
def test_words_name_selection_only_where_it_may_be(selected):
    chain = cl.DSeparation(nx.DiGraph([(0, 1), (2, 1), (1, 3)]), range(4))
    pag = cl.learn_pag(chain, selection_bias=selected)
    assert PAG.from_json(pag.to_json()).describe() == pag.describe()
    assert all(("selection" in sentence) == selected for sentence in pag.describe())
    legend = cl.draw(pag).svg
    assert ("tail: this end causes the other or the selection" in legend) == selected
    assert "arrowhead: this end does not cause the other" in legend
