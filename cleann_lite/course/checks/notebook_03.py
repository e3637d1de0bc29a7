"""Checks of notebook 03, draw graphs with hidden causes."""

import networkx as nx
import numpy as np

from . import call, expect, expect_rule

CIRCLE, ARROW, TAIL = 1, 2, 3


def written(k, edges):
    """Marks from (i, j, mark at i, mark at j)."""
    marks = np.zeros((k, k), dtype=int)
    for i, j, at_i, at_j in edges:
        marks[j, i], marks[i, j] = at_i, at_j
    return marks


def example_dag():
    """A chain, a fork, a collider with an effect, two colliders in a row, and a second way from a to e."""
    edges = ["ab", "bc", "dc", "ce", "ef", "dg", "hg", "ai", "ie"]
    return nx.DiGraph([(edge[0], edge[1]) for edge in edges])


PATHS = [
    ("abc", ""), ("abc", "b"), ("bcd", ""), ("bcd", "c"), ("bcd", "f"), ("bcd", "g"), ("abcd", "f"),
    ("abcd", "bf"), ("cdg", ""), ("cdg", "d"), ("abcdg", ""), ("abcdg", "e"),
    ("abcdgh", "e"), ("abcdgh", "eg"), ("ab", "c"), ("abce", "b"), ("aie", ""),
]  # fmt: skip


def path_is_open(
    dag, path, given, collider=lambda dag, v, given: bool(({v} | nx.descendants(dag, v)) & given)
):
    for u, v, w in zip(path, path[1:], path[2:], strict=False):
        if dag.has_edge(u, v) and dag.has_edge(w, v):
            if not collider(dag, v, given):
                return False
        elif v in given:
            return False
    return True


def is_open(answer):
    dag = example_dag()
    cases = {
        f"{'–'.join(path)} given {{{', '.join(given)}}}": (dag, list(path), set(given))
        for path, given in PATHS
    }
    causes = [
        ("an effect of a collider opens the path too: look at its descendants.",
         lambda dag, p, g: path_is_open(dag, p, g, lambda dag, v, given: v in given)),
        ("descendants do not contain the collider itself: a collider that is given opens the path.",
         lambda dag, p, g: path_is_open(dag, p, g, lambda d, v, given: bool(nx.descendants(d, v) & given))),
        ("a collider blocks a path unless it (or an effect of it) is given; you treat it like the others.",
         lambda dag, p, g: not set(p[1:-1]) & g),
        ("a collider that is not given blocks the path; you let it pass.",
         lambda dag, p, g: path_is_open(dag, p, g, lambda dag, v, given: True)),
        ("True and False have changed places: True means open.",
         lambda *question: not path_is_open(*question)),
        ("the question is about this one path; another between the same ends may be open all the same.",
         lambda dag, p, g: not nx.is_d_separator(dag, {p[0]}, {p[-1]}, g)),
        ("look at every inner node before you return True: one that blocks is enough.",
         lambda dag, p, g: path_is_open(dag, p[:3], g)),
    ]  # fmt: skip
    expect_rule("Open, path", answer, path_is_open, cases, causes)
    return "Conditioning closes chains and forks, and opens colliders."


def example_marks():
    """Six variables with every kind of edge: 0 o-> 1 <-> 2 --> 3, 4 o-o 0, 4 --- 5, 3 <-o 5."""
    near_0 = [(0, 1, CIRCLE, ARROW), (4, 0, CIRCLE, CIRCLE)]
    near_3 = [(2, 3, TAIL, ARROW), (5, 3, CIRCLE, ARROW)]
    return written(6, [*near_0, *near_3, (1, 2, ARROW, ARROW), (4, 5, TAIL, TAIL)])


def allows(marks, i, j):
    return bool(marks[i, j] != 0 and marks[j, i] != ARROW and marks[i, j] != TAIL)


def may_cause(answer):
    marks = example_marks()
    cases = {f"of {j} by {i}": (marks, i, j) for i in range(6) for j in range(6) if i != j}
    causes = [
        ("rows and columns: the mark at i is marks[j, i], the mark at j is marks[i, j].",
         lambda m, i, j: allows(m, j, i)),
        ("without an edge nothing is a direct cause.", lambda m, i, j: m[j, i] != ARROW and m[i, j] != TAIL),
        ("a tail at j says that j causes i; then i does not cause j.",
         lambda m, i, j: m[i, j] != 0 and m[j, i] != ARROW),
        ("a circle leaves the mark open, so it allows a cause as well; you asked for a tail.",
         lambda m, i, j: m[j, i] == TAIL and m[i, j] == ARROW),
        ("an arrowhead at i says that i does not cause j.", lambda m, i, j: m[i, j] != 0 and m[i, j] != TAIL),
        ("any edge is not enough; look at both of its marks.", lambda m, i, j: m[i, j] != 0),
        ("a circle at j allows an arrowhead there; you asked for one.", lambda m, i, j: m[i, j] == ARROW),
        ("a circle at j allows an arrowhead there; you asked for one.",
         lambda m, i, j: m[i, j] == ARROW and m[j, i] != ARROW),
        ("all three conditions must hold: join them by and.",
         lambda m, i, j: m[i, j] != 0 and (m[j, i] != ARROW or m[i, j] != TAIL)),
    ]  # fmt: skip
    expect_rule("A possible cause", answer, allows, cases, causes)
    return "The row is where the edge starts, the entry is the mark where it ends."


def ancestors(marks, target, step=allows, rounds=None):
    found = {target}
    for _ in range(rounds or len(marks)):
        found |= {i for i in range(len(marks)) if any(step(marks, i, j) for j in found)}
    return found - {target}


def possible_ancestors(answer):
    into_2 = [(0, 1, CIRCLE, CIRCLE), (1, 2, CIRCLE, ARROW), (4, 2, ARROW, ARROW)]
    marks = written(7, [*into_2, (2, 3, TAIL, ARROW), (5, 3, CIRCLE, ARROW), (3, 6, TAIL, ARROW)])
    for target in (3, 2, 6):
        right = ancestors(marks, target)
        joined = ancestors(marks, target, lambda m, i, j: m[i, j] != 0)
        causes = [
            ("leave the target itself out.", right | {target}),
            ("these are only the neighbours; go on from each of them.", ancestors(marks, target, rounds=1)),
            ("you walked forwards: these are possible descendants.",
             ancestors(marks.T, target, allows_flipped)),
            ("you followed every edge; each step must allow a cause.", joined),
            ("you followed tails only; a circle allows a cause too.",
             ancestors(marks, target, lambda m, i, j: m[j, i] == TAIL and m[i, j] == ARROW)),
        ]  # fmt: skip
        got = call(answer, marks.copy(), target, to=set)
        expect(f"The possible ancestors of variable {target}", got, right, causes)
    return "A ↔ on the way stops the walk: neither end causes the other."


def allows_flipped(transposed, i, j):
    return allows(transposed.T, j, i)


def common_marks(answer):
    # every member of 0 o→ 1 ←o 2; neither the first two nor the first and the last differ everywhere
    ends = [(ARROW, TAIL), (TAIL, TAIL), (TAIL, ARROW), (ARROW, ARROW)]
    members = [np.array([[0, ARROW, 0], [at_0, 0, at_2], [0, ARROW, 0]]) for at_0, at_2 in ends]
    first, second, *_, last = members
    right = np.array([[0, 2, 0], [1, 0, 1], [0, 2, 0]])
    causes = [
        ("where they differ there is a circle, 1, not an empty place.", np.where(right == 1, 0, right)),
        ("without an edge the entry stays 0: all members agree on that.", np.where(right == 0, 1, right)),
        ("you kept the first member's mark where they differ.", first),
        ("where they differ there is a circle, 1, not an arrowhead (the last member has one).", last),
        ("only the first two members were compared; all must agree.", np.where(first == second, first, 1)),
        ("only two members were compared; all must agree.", np.where(first == last, first, 1)),
        ("these are truth values, where all agree; return marks.", np.ptp(members, axis=0) == 0),
        ("this is the largest mark; where they differ there is a circle, 1.", np.max(members, axis=0)),
        ("this is the smallest mark; where they differ there is a circle, 1.", np.min(members, axis=0)),
        ("this is the mean of the marks; they are names, not amounts.", np.mean(members, axis=0)),
        ("this is the median of the marks; they are names, not amounts.", np.median(members, axis=0)),
    ]
    expect("The marks of the PAG", call(answer, [member.copy() for member in members]), right, causes)
    return "That is the definition of a PAG."


CHECKS = {"3.1": is_open, "3.2": may_cause, "3.3": possible_ancestors, "3.4": common_marks}
