# ruff: noqa: E501
"""Mutants of every solution: each that errs on valid inputs must be refused, and told a true cause.

A mutant is a solution with one thing changed: an operator, a bound, an index, a condition dropped, a
function taken for its neighbour, rows and columns exchanged. Those in `EQUIVALENT` give what the solution
gives on every valid input, and say why.
"""

import ast
import copy
import csv
import itertools
import signal
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from cleann_lite import PAG
from cleann_lite.course import checks

SOURCES = sorted((Path(__file__).parent.parent / "notebooks" / "src").glob("[0-9][0-9]_*.py"))

COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult, ast.Add),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
NAMES = {
    "argmax": ("argmin",), "max": ("min",), "min": ("max",), "mean": ("sum", "max"), "sum": ("mean", "max"),
    "any": ("all",), "all": ("any",), "triu": ("tril", "array"), "arctanh": ("tanh", "arctan"), "sorted": ("list",),
    "tanh": ("arctanh", "arctan"), "inv": ("transpose",), "pinv": ("transpose",), "sqrt": ("square", "abs"), "ndtr": ("ndtri",),
    "ndtri": ("ndtr",), "outer": ("add",), "log": ("log2", "log10"), "ARROW": ("TAIL", "CIRCLE"), "TAIL": ("ARROW",),
    "CIRCLE": ("ARROW", "TAIL"), "descendants": ("ancestors",), "frozenset": ("tuple",), "cumsum": ("array",),
    "norm": ("sum",), "diag": ("ravel",), "eye": ("ones",), "len": ("max",), "has_edge": ("has_successor", "has_predecessor"),
    "set": ("list",), "isnan": ("isfinite",), "nan_to_num": ("nanmean",), "quantile": ("percentile",),
    "combinations": ("permutations",), "matrix_rank": ("trace",), "column_stack": ("vstack",), "vstack": ("column_stack",),
}  # fmt: skip


def solutions():
    """Number of the exercise -> (source of the solution, names that it may use)."""
    found = {}
    for source in SOURCES:
        cells = source.read_text(encoding="utf-8").split("\n# %%")
        kept = [c for c in cells if c.startswith((' tags=["solution"]', ' tags=["setup"]', "\ndef "))]
        numbers = [c.split('check("')[1].split('"')[0] for c in cells if c.startswith(' tags=["check"]')]
        before, k = [], 0
        for cell in kept:
            text = cell.split("\n", 1)[1]
            if cell.startswith("\n"):  # of a given cell only its functions, such as `goes_on`
                given = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
                text = "\n".join(map(ast.unparse, given))
            if cell.startswith(' tags=["solution"]'):
                found[numbers[k]] = (text, list(before))
                k += 1
            before.append(text)
    return found


def variants(tree):
    """Copies of a syntax tree with one thing changed, each with what changed in words."""
    places = list(ast.walk(tree))
    for place, node in enumerate(places):
        for change in changes(node):
            other = copy.deepcopy(tree)
            twin = list(ast.walk(other))[place]
            old = ast.unparse(node)
            if (new := change(twin)) is not None:
                other = _Swap(twin, new).visit(other)
            told = ast.unparse(twin if new is None else new)
            if told != old:
                yield other, f"{old} -> {told}"


class _Swap(ast.NodeTransformer):
    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def changes(node):
    """Functions that change a node in place (and return None) or give what takes its place."""
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            for other in COMPARE.get(type(op), ()):
                yield lambda n, k=k, other=other: n.ops.__setitem__(k, other())
    if isinstance(node, ast.BinOp):
        for other in ARITHMETIC.get(type(node.op), ()):
            yield lambda n, other=other: setattr(n, "op", other())
        yield lambda n: n.left
        yield lambda n: n.right
    if isinstance(node, ast.BoolOp):
        yield lambda n: setattr(n, "op", ast.Or() if isinstance(n.op, ast.And) else ast.And())
        for k in range(len(node.values)):
            yield (
                lambda n, k=k: (
                    ast.BoolOp(n.op, n.values[:k] + n.values[k + 1 :])
                    if len(n.values) > 2
                    else n.values[1 - k]
                )
            )
    if isinstance(node, ast.UnaryOp):
        yield lambda n: n.operand
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for step in (1, -1) if type(node.value) is int else (0.5, 2.0):
            yield lambda n, s=step: setattr(n, "value", n.value + s if type(n.value) is int else n.value * s)
    if isinstance(node, ast.Name | ast.Attribute):
        part = "id" if isinstance(node, ast.Name) else "attr"
        for other in NAMES.get(getattr(node, part), ()):
            yield lambda n, part=part, other=other: setattr(n, part, other)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield lambda n: n.value
    if isinstance(node, ast.comprehension) and node.ifs:
        yield lambda n: setattr(n, "ifs", [])
    if isinstance(node, ast.If | ast.IfExp):
        yield lambda n: setattr(n, "test", ast.Constant(True))
        yield lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            if getattr(node, part) is not None:
                yield lambda n, part=part: setattr(n, part, None)
                yield lambda n, part=part: setattr(
                    n, part, ast.BinOp(getattr(n, part), ast.Add(), ast.Constant(1))
                )
                yield lambda n, part=part: setattr(
                    n, part, ast.BinOp(getattr(n, part), ast.Sub(), ast.Constant(1))
                )
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        yield lambda n: n.elts.reverse()
    if isinstance(node, ast.Call) and len(node.args) >= 2:
        yield lambda n: n.args.reverse()
    if isinstance(node, ast.Call) and node.keywords:
        yield lambda n: n.keywords.clear()
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "range" and len(node.args) == 2:
        for k, sign in itertools.product((0, 1), (ast.Add, ast.Sub)):
            yield lambda n, k=k, s=sign: n.args.__setitem__(k, ast.BinOp(n.args[k], s(), ast.Constant(1)))
    if isinstance(node, ast.FunctionDef | ast.For | ast.While) and len(node.body) > 1:
        for k, statement in enumerate(node.body):
            if isinstance(statement, ast.If | ast.Expr | ast.AugAssign | ast.For):
                yield lambda n, k=k: n.body.__setitem__(k, ast.Pass())


class TooLong(BaseException):
    """The mutant runs and runs."""


def within(seconds, work):
    """Do some work in a limited time of the processor."""

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.05)  # again, should one be swallowed
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def mutants(number, text, before):
    """(the lines that changed, the mutant as a function) of one solution."""
    names = {}
    for cell in before:
        exec(compile(cell, "before", "exec"), names)
    original = ast.unparse(ast.parse(text))
    seen = {original}
    for tree, _ in variants(ast.parse(text)):
        ast.fix_missing_locations(tree)
        unparsed = ast.unparse(tree)
        if unparsed not in seen:
            seen.add(unparsed)
            lines = [line.strip() for line in unparsed.splitlines() if line not in original.splitlines()]
            space = dict(names)
            exec(compile(tree, "mutant", "exec"), space)
            name = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)][-1]
            yield " / ".join(lines), space[name]


SAME_PLACE = "edges are symmetric: [i, j] and [j, i] are both an edge or both none"
MARKS = "marks are 0, 1, 2 or 3"
EQUIVALENT = {
    ("1.4", "true, found = (np.triu((G != 0) | (G != 0).T), np.triu(marks > 0))"): MARKS,
    ("2.1", "return -P[1, 0] / np.sqrt(P[0, 0] * P[1, 1])"): "P is symmetric",
    ("2.4", "return [i for i, value in enumerate(r) if value <= 0 and p_value(value, n, k) <= alpha]"): "at r = 0, p is 1",
    ("2.4", "return [i for i, value in enumerate(r) if value < 0 and p_value(value, n, k) < alpha]"):
        "p equals α exactly at no number that a float holds",
    ("3.1", "for u, v, w in zip(path[2:], path[1:], path, strict=False):"): "a triple read backwards is open alike",
    ("3.1", "for u, v, w in zip(path, path[1:], path[2:]):"): "strict is False by default",
    ("3.1", "if dag.has_successor(u, v) and dag.has_edge(w, v):"): "has_successor is has_edge",
    ("3.1", "if dag.has_edge(u, v) and dag.has_successor(w, v):"): "has_successor is has_edge",
    ("3.2", "return bool(marks[i, j] > 0 and marks[j, i] != Mark.ARROW and (marks[i, j] != Mark.TAIL))"): MARKS,
    ("3.2", "return bool(marks[j, i] != 0 and marks[j, i] != Mark.ARROW and (marks[i, j] != Mark.TAIL))"): SAME_PLACE,
    ("3.4", "return np.where((members == members[0]).all(axis=0), members[-1], 1)"): "where all agree, any member will do",
    ("3.4", "return np.where((members == members[-1]).all(axis=0), members[0], 1)"): "all agree with any one of them or not",
    ("4.1", "around_x = [z for z in range(len(adjacent)) if adjacent[z, x] and z != y]"): SAME_PLACE,
    ("4.1", "around_y = [z for z in range(len(adjacent)) if adjacent[z, y] and z != x]"): SAME_PLACE,
    ("4.2", "for (y, x), separating in separating_sets.items():"): "x and y play the same part",
    ("4.2", "if adjacent[z, x] and adjacent[y, z] and (z not in separating):"): SAME_PLACE,
    ("4.2", "if adjacent[x, z] and adjacent[z, y] and (z not in separating):"): SAME_PLACE,
    ("4.3", "if marks[x, z] == Mark.ARROW and marks[y, z] == Mark.CIRCLE and (not marks[x, y]):"):
        "with x = y one mark would be arrowhead and circle",
    ("4.3", "if x != y and marks[x, z] == Mark.ARROW and (marks[y, z] == Mark.CIRCLE) and (not marks[y, x]):"): SAME_PLACE,
    ("4.4", "waiting = [(root, z) for z in Z if marks[z, root]]"): SAME_PLACE,
    ("5.2", "counts.append(int((pag.marks > 0).sum()) // 2)"): MARKS,
    ("5.4", "return np.mean([pag.marks > 0 for pag in pags], axis=0)"): MARKS,
    ("6.4", "return not any((works(s) for size in range(1 - 1, len(found)) for s in combinations(units, size)))"):
        "masking nothing changes nothing",
    ("6.4", "return not any((works(s) for size in range(0, len(found)) for s in combinations(units, size)))"):
        "masking nothing changes nothing",
    ("7.3", "for size in range(1 - 1, len(order) + 1):"): "masking nothing changes nothing",
    ("7.3", "for size in range(0, len(order) + 1):"): "masking nothing changes nothing",
    ("7.3", "for size in range(1, len(order) + 1 + 1):"): "all films are tried twice, with the same answer",
    ("7.3", "for size in range(1, len(order) + 2):"): "all films are tried twice, with the same answer",
    ("11.3", "for j, i in combinations(range(n), 2):"): "the pairs come in another order, the table is symmetric",
    ("11.3", "table[i, j] = table[j, i] = f((j, i)) - single[i] - single[j] + whole"): "a set of places has no order",
    ("12.1", "if combine >= 'concat':"): "of the two words only concat is not before concat",
    ("12.1", "return max(heads * n - heads - size, 0)"): "the larger of two numbers in any order",
    ("12.1", "return heads * max(n - size - 1, 0)"): "the larger of two numbers in any order",
    ("10.1", "return bool(-n * np.log(1 - r ** 2) <= np.log(n))"): "gain and price are equal at no number that a float holds",
    ("10.2", "rest = np.delete(A, A.sum(axis=0).argmax(), axis=1)"): "the largest sum is the largest mean",
}  # fmt: skip
SOLUTIONS = solutions()


@pytest.fixture(scope="module")
def judged():
    """(exercise, what changed) -> what the check said of the mutant; None where it was accepted."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timer to stop a mutant that runs on")
    said = {}
    for number, (text, before) in SOLUTIONS.items():
        for changed, mutant in mutants(number, text, before):
            said[number, changed] = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    within(0.5, lambda number=number, mutant=mutant: checks.check(number, mutant))
                except checks.WrongAnswer as refused:
                    said[number, changed] = str(refused)
                except TooLong:
                    said[number, changed] = "asked  and ran on"
    return said


def test_every_mutant_is_refused_unless_it_is_equivalent(judged):
    accepted = {mutant for mutant, said in judged.items() if said is None}
    told = sum(
        any(part in said for part in ("Likely cause", "asked  ", "stopped with", "returned None"))
        for said in judged.values()
        if said is not None
    )
    assert len(judged) >= 500
    assert {"11", "12"} <= {number.split(".")[0] for number, _ in judged}
    assert accepted - set(EQUIVALENT) == set(), "wrong answers that pass"
    assert set(EQUIVALENT) - accepted == set(), "listed as equivalent, and refused or no longer there"
    assert told > 0.45 * len(judged), "a cause or a question that shows the mistake"


def test_nine_of_ten_named_causes_are_the_true_one(judged):
    """Every cause that a check names for a mutant was read once, and judged beside what was changed."""
    named = {
        (number, changed, said.partition("Likely cause: ")[2].strip())
        for (number, changed), said in judged.items()
        if said and "Likely cause: " in said
    }
    with open(Path(__file__).parent / "data" / "named_causes.csv", encoding="utf-8", newline="") as file:
        read = {(row["exercise"], row["changed"], row["cause"]): row["true"] for row in csv.DictReader(file)}
    assert named == set(read), "judge what is new and drop what is gone in tests/data/named_causes.csv"
    assert set(read.values()) == {"yes", "no"}
    assert list(read.values()).count("yes") >= 0.9 * len(read)


def test_every_exercise_has_mutants():
    none = {number for number, case in SOLUTIONS.items() if not [*mutants(number, *case)]}
    assert none <= {"1.3"}, "its solution calls Exercise 1.2 and picks rows: nothing to change"


# What people believe: wrong in idea, right on many an example.
MISCONCEPTIONS = {
    "1.4: an edge is a weight above zero": ("1.4", lambda G, m: _edges(G > 0, m)),
    "3.1: one arrowhead makes a collider": ("3.1", lambda dag, path, given: _open(dag, path, given)),
    "3.3: the target comes back by a circle": ("3.3", lambda m, t: _reach(m, t) | ({t} if (m[t] == 1).any() else set())),
    "4.2: a collider where nothing was held fixed": ("4.2", lambda a, s: _colliders(a, s, lambda z, held: len(held) == 0)),
    "4.2: an arrowhead takes a tail's place": ("4.2", lambda a, s: _colliders(a, s, lambda z, held: z not in held, 3)),
    "6.2: the first class is the original": ("6.2", lambda P, t: [k for k, w in enumerate(P.argmax(1)) if w > t]),
    "6.4: one word less is all that is smaller": ("6.4", lambda f, u, w: len(f) == 1 or not any(
        w(s) for s in itertools.combinations(u, len(f) - 1))),
    "6.4: drop one word of the found set": ("6.4", lambda f, u, w: not any(
        w(s) for s in itertools.combinations(f, len(f) - 1)) or len(f) == 1),
    "7.1: seen films score 0": ("7.1", lambda s, seen, k: np.argsort([-v * (j not in seen) for j, v in enumerate(s)])[:k]),
    "7.2: the place in the whole list": ("7.2", lambda s, seen, f: 1 + int((s > s[f]).sum())),
    "9.2: the difference of the means": ("9.2", lambda a, b: np.nanmean(a) - np.nanmean(b)),
    "10.3: words instead of sets": ("10.3", lambda f, t: _by_word(f, t)),
}  # fmt: skip


def _edges(joined, m):
    true, found = np.triu(joined | joined.T), np.triu(m != 0)
    return int((true & ~found).sum()), int((found & ~true).sum())


def _open(dag, path, given):
    for _, v, w in zip(path, path[1:], path[2:], strict=False):
        if dag.has_edge(w, v):
            if not ({v} | nx.descendants(dag, v)) & given:
                return False
        elif v in given:
            return False
    return True


def _reach(m, target):
    return set(np.flatnonzero(PAG(m).possible_ancestors[:, target]).tolist()) - {target}


def _colliders(adjacent, separating, test, mark=2):
    marks = adjacent.astype(int)
    for (x, y), held in separating.items():
        for z in range(len(adjacent)):
            if adjacent[x, z] and adjacent[y, z] and test(z, held):
                marks[x, z] = marks[y, z] = mark
    return marks


def _by_word(found, true):
    found, true = ({word for s in sets for word in s} for sets in (found, true))
    return len(found & true) / max(1, len(found)), len(found & true) / len(true)


@pytest.mark.parametrize("named", MISCONCEPTIONS)
def test_misconceptions_are_refused(named):
    with pytest.raises(checks.WrongAnswer):
        checks.check(*MISCONCEPTIONS[named])
