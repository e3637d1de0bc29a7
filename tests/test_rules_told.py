"""Rules in the words of a step: every variable that a rule's condition names, and for those it holds."""

import re
from collections import Counter
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest

from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.graphs import PAG, Mark
from cleann_lite.causal.independence import DSeparation, PartialCorrelation
from cleann_lite.causal.random_graphs import random_latent_dag
from cleann_lite.causal.relations import Relations
from cleann_lite.causal.separators import Separators
from cleann_lite.causal.trace import Step
from cleann_lite.widgets import rules, stepping


def correlation_of(drawn, seed, n=300):
    """Of data from a linear model with this graph."""
    rng, values = np.random.default_rng(seed), {}
    for node in nx.topological_sort(drawn.dag):
        causes = sum(rng.uniform(0.4, 1) * values[cause] for cause in drawn.dag.predecessors(node))
        values[node] = causes + rng.normal(size=n)
    return np.corrcoef([values[node] for node in drawn.observed])


def condition_holds(rule, m, x, y, at, paths, sets):
    """What a rule asks of the nodes that it is told with, as the paper says it."""

    def into(*nodes):
        return all(m[a, b] == Mark.ARROW for a, b in pairwise(nodes))

    def circle(a, b):
        return m[a, b] == Mark.CIRCLE

    def tail(a, b):
        return m[a, b] == Mark.TAIL

    def directed(a, b):
        return into(a, b) and tail(b, a)

    def apart(a, b):
        return a != b and not m[a, b]

    def uncovered(path):
        return len({*path}) == len(path) and all(apart(a, b) for a, b in zip(path, path[2:], strict=False))

    def goes(path):
        return uncovered(path) and all(
            m[a, b] in (Mark.CIRCLE, Mark.ARROW) and not into(b, a) for a, b in pairwise(path)
        )

    a, b, c, t, mu, om = (at.get(letter) for letter in "αβγθμω")
    path = paths[0] if paths else []
    match rule:
        case "R0":
            return (
                apart(a, b)
                and m[a, c]
                and m[b, c]
                and c not in sets[min(a, b), max(a, b)]
                and {x, y} <= {a, b, c}
            )
        case "R1":
            return into(a, b) and circle(c, b) and apart(a, c) and {x, y} == {b, c}
        case "R2":
            one, two = directed(a, b) and into(b, c), into(a, b) and directed(b, c)
            return (one or two) and (x, y) == (a, c)
        case "R3":
            shape = into(a, b) and into(c, b) and circle(a, t) and circle(c, t) and apart(a, c)
            return shape and (x, y) == (t, b)
        case "R4":
            middle = path[1:-2]
            colliders = all(
                into(before, q) and into(after, q)
                for before, q, after in zip(path, middle, path[2:], strict=False)
            )
            ends = path[0] == t and path[-3:] == [a, b, c] and apart(t, c) and len({*path}) == len(path)
            separated = b in sets[min(t, c), max(t, c)]
            written = {(b, c), (c, b)} if separated else {(b, c), (c, b), (a, b)}
            return (
                colliders
                and ends
                and all(directed(q, c) for q in middle)
                and circle(c, b)
                and (x, y) in written
            )
        case "R5":
            ends = (
                path[0] == a
                and path[-1] == b
                and path[1] == c
                and path[-2] == t
                and apart(a, t)
                and apart(b, c)
            )
            circles = all(circle(u, v) and circle(v, u) for u, v in [*pairwise(path), (a, b)])
            return uncovered(path) and ends and circles and {x, y} == {a, b}
        case "R6":
            return tail(a, b) and tail(b, a) and circle(c, b) and (x, y) == (c, b)
        case "R7":
            return circle(a, b) and tail(b, a) and circle(c, b) and apart(a, c) and (x, y) == (c, b)
        case "R8":
            first = directed(a, b) or (circle(a, b) and tail(b, a))
            return first and directed(b, c) and into(a, c) and circle(c, a) and (x, y) == (c, a)
        case "R9":
            ends = path[0] == a and path[1] == b and path[-1] == c and apart(b, c)
            return goes(path) and ends and into(a, c) and circle(c, a) and (x, y) == (c, a)
        case "R10":
            one, two = paths
            ends = one[:2] == [a, mu] and two[:2] == [a, om] and one[-1] == b and two[-1] == t
            shape = directed(b, c) and directed(t, c) and apart(mu, om) and c not in {*one, *two}
            return (
                goes(one)
                and goes(two)
                and ends
                and shape
                and into(a, c)
                and circle(c, a)
                and (x, y) == (c, a)
            )


def applications(n_graphs, seed):
    """Marks that rules write in graphs of any marks at all: (rule, mark, x, y, marks, separating sets)."""
    rng, met = np.random.default_rng(seed), Counter()
    for _ in range(n_graphs):
        k = int(rng.integers(4, 9))
        marks = np.zeros((k, k), np.int8)
        for i, j in np.argwhere(np.triu(rng.random((k, k)) < rng.choice([0.3, 0.45, 0.6]), 1)):
            marks[i, j], marks[j, i] = rng.choice([1, 2, 3], 2, p=rng.dirichlet([2, 1.5, 1]))
        sets = {
            (i, j): tuple(z for z in range(k) if z not in (i, j) and rng.random() < 0.4)
            for i, j in combinations(range(k), 2)
            if not marks[i, j]
        }
        separators = Separators.of(k, {pair: as_bits(given) for pair, given in sets.items()})
        for rule, function in rules.RULES.items():
            proposals = function(Relations(marks, separators))
            for mark, proposed in zip((Mark.ARROW, Mark.TAIL), proposals, strict=True):
                for x, y in np.argwhere(proposed & (marks == Mark.CIRCLE)).tolist():
                    met[rule] += 1
                    if met[rule] <= 60:
                        yield rule, mark, x, y, marks, sets, separators


def test_a_rule_is_told_with_all_that_its_condition_names():
    """And with no other: the condition holds of these nodes, as the paper says it."""
    met = Counter()
    for rule, mark, x, y, marks, sets, separators in applications(700, seed=4):
        at, paths = rules.read_by(rule, mark, x, y, Relations(marks, separators))
        if rule in ("R5", "R9", "R10") and not paths:
            continue  # only a walk that meets a node twice: no perfect test gives such marks
        met[rule] += 1
        assert condition_holds(rule, marks, x, y, at, paths, sets), (rule, marks, x, y, at, paths)
        read = {*at.values(), *(node for path in paths for node in path)}
        pag = PAG(marks, labels=[f"<{i}>" for i in range(len(marks))])
        said = rules.told(pag, Step("orient", 0, x, y, rule=rule, mark=mark), [marks], sets)
        assert not re.search("[αβγθμω]", said), said
        for a, b, given in re.findall(r"Sepset\(<(\d)>, <(\d)>\) = {(.*?)}", said):
            assert given == ", ".join(f"<{z}>" for z in sets[tuple(sorted((int(a), int(b))))])
        assert {int(i) for i in re.findall(r"<(\d)>", re.sub("{.*?}", "", said))} == read
    assert set(met) == set(rules.RULES) and min(met.values()) >= 3, met


@pytest.mark.parametrize("seed", [20, 21, 25, 35])
def test_marks_are_gone_where_a_new_orientation_writes_none(seed):
    rng, n = np.random.default_rng(seed), 30 if seed % 2 else 150
    table = rng.normal(size=(n, 1)) + 0.9 * rng.normal(size=(n, 7)) * rng.uniform(0.3, 1.5, 7)
    pag = learn_pag(PartialCorrelation.from_data(table, alpha=0.05), trace=True)
    moments = stepping.frames(pag)
    assert len(moments) == len(pag.trace) + 1 and (moments[-1].marks == pag.marks).all()


@pytest.mark.parametrize("method", ["icd", "fci"])
def test_rules_of_a_search_are_told_of_nodes_for_which_they_hold(method):
    """Searches with perfect and with real tests: no letter is left, and colliders are those confirmed."""
    met = Counter()
    for seed in range(24):
        drawn = random_latent_dag(8, 2.6, np.random.default_rng(seed), n_latents=2)
        k = len(drawn.observed)
        if seed % 2:
            test = PartialCorrelation(correlation_of(drawn, seed), 300, alpha=0.05)
        else:
            test = DSeparation(drawn.dag, drawn.observed)
        pag = learn_pag(test, method=method, labels=[f"<{i}>" for i in range(k)], trace=True)
        moments = stepping.frames(pag)
        assert len(moments) == len(pag.trace) + 1, "the steps alone lead to the graph"
        for one in moments:
            if one.step is None or one.step.rule not in rules.RULES:
                continue
            said = rules.told(pag, one.step, one.read, one.separating_sets, test)
            assert not re.search("[αβγθμω]", said), said
            met[one.step.rule] += 1
            if one.step.rule == "R0":  # confirmed by the second look
                a, c, b = map(int, re.match(r"R0\. <(\d)> \*—\* <(\d)> \*—\* <(\d)>", said).groups())
                given = one.separating_sets[min(a, b), max(a, b)]
                assert c not in given and not test.independent(a, b, tuple(sorted({c, *given})))
    assert {"R0", "R1", "R2"} <= set(met), met


def test_a_collider_that_no_test_could_confirm_is_not_told():
    """2 is the sum of 0 and 1: whether it is a collider between them, no partial correlation can say."""
    free = np.array([[1, 0.05, -0.05], [0.05, 1, 0.9], [-0.05, 0.9, 1]])
    mixing = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    covariance = mixing @ free @ mixing.T
    test = PartialCorrelation(covariance / np.sqrt(np.outer(*[covariance.diagonal()] * 2)), 1000)
    pag = learn_pag(test, trace=True)
    said = [
        rules.told(pag, one.step, one.read, one.separating_sets, test)
        for one in stepping.frames(pag)
        if one.step is not None and (one.step.rule, one.step.x, one.step.y) == ("R0", 0, 2)
    ]
    assert said and all("Sepset(0, 3) = {}" in text and "0 *—* 2 *—* 3" in text for text in said), said
