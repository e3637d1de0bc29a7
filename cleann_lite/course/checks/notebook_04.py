"""Checks of notebook 04, discover with FCI and ICD step by step."""

from collections import Counter
from itertools import combinations

import numpy as np

from . import WrongAnswer, call, expect, expect_rule
from .notebook_03 import ARROW, CIRCLE, TAIL, written


def symmetric(k, edges):
    adjacent = np.zeros((k, k), dtype=bool)
    for i, j in edges:
        adjacent[i, j] = adjacent[j, i] = True
    return adjacent


def pools(adjacent, x, y, size):
    """The candidate sets of one size: of neighbours of x, and of neighbours of y."""
    k = range(len(adjacent))
    around = [z for z in k if adjacent[x, z] and z != y], [z for z in k if adjacent[y, z] and z != x]
    return {given for pool in around for given in combinations(pool, size)}


def _counted(came):
    return Counter(tuple(sorted(int(z) for z in members)) for members in came)


def neighbour_sets(answer):
    adjacent = symmetric(6, [(0, 1), (0, 2), (0, 3), (1, 3), (1, 4), (2, 4), (4, 5)])
    x, y = 0, 1
    around_x, around_y = [2, 3], [3, 4]
    for size in (1, 2):

        def sets(*pools, size=size):
            return {given for pool in pools for given in combinations(pool, size)}

        got = call(answer, adjacent.copy(), x, y, size, to=_counted)
        causes = [
            ("you put the neighbours of both in one pool, which mixes them; make two pools.",
             sets(sorted({*around_x, *around_y}))),
            ("the neighbours of x only: those of y may separate too.", sets(around_x)),
            ("the neighbours of y only: those of x may separate too.", sets(around_y)),
            ("x and y themselves cannot be held fixed.", sets([1, *around_x], [0, *around_y])),
            ("any variable, not only neighbours, is too many.", sets(range(2, 6))),
            ("only the common neighbours is too few.", sets([3])),
            ("one pool alone may hold such a set: unite the sets of both, do not intersect.",
             sets(around_x) & sets(around_y)),
            ("these are variables; a set of one variable z is the tuple (z,).", {*around_x, *around_y}),
            ("sets of this one size were asked for, not the smaller ones too.",
             set().union(*(sets(around_x, around_y, size=s) for s in range(size + 1)))),
        ]  # fmt: skip
        expect(
            f"The candidate sets of size {size} for the edge 0–1",
            set(got) if isinstance(got, Counter) else got,
            sets(around_x, around_y),
            causes,
        )
        if got.total() != len(got):  # a list, or tuples that are not ascending
            raise WrongAnswer(
                f"The candidate sets: {got.total()} came, {len(got)} different ones.\n"
                "Likely cause: a set of both pools, or of one in another order, counts twice; "
                "return a set of ascending tuples."
            )
    return "Few, and small: this is why the search is fast without hidden causes."


def colliders(
    adjacent,
    separating_sets,
    *,
    keep=lambda z, s: z not in s,
    flip=False,
    ends=slice(None),
    near=np.logical_and,
):
    marks = adjacent.astype(int)
    for (x, y), separating in separating_sets.items():
        for z in range(len(adjacent)):
            if near(adjacent[x, z], adjacent[y, z]) and keep(z, separating):
                for a in (x, y)[ends]:
                    marks[(z, a) if flip else (a, z)] = ARROW
    return marks


def orient_colliders(answer):
    # colliders at 2 and at 4, chains through 2 and 3
    adjacent = symmetric(6, [(0, 2), (1, 2), (2, 3), (3, 4), (4, 5)])
    separating = {(0, 1): (), (0, 3): (2,), (1, 3): (2,), (2, 4): (3,), (3, 5): (), (0, 4): (), (1, 5): (2,)}
    right = colliders(adjacent, separating)
    got = call(answer, adjacent.copy(), dict(separating))
    if isinstance(got, np.ndarray) and got.dtype.kind == "b":
        raise WrongAnswer(
            "The marks after R0: a matrix of truth values came.\n"
            "Likely cause: it cannot hold a 2; begin with adjacent.astype(int)."
        )
    causes = [
        ("the arrowhead is at z: write marks[x, z], not marks[z, x].",
         colliders(adjacent, separating, flip=True)),
        ("a collider is a z that is not in the separating set.",
         colliders(adjacent, separating, keep=lambda z, s: z in s)),
        ("you oriented every z between two that are not adjacent; is z in their separating set?",
         colliders(adjacent, separating, keep=lambda z, s: True)),
        ("the other ends keep their circles (1).", np.where(right == CIRCLE, 0, right)),
        ("nothing was oriented.", adjacent.astype(int)),
        ("an arrowhead is 2; 3 is a tail.", np.where(right == ARROW, TAIL, right)),
        ("both edges get their arrowhead at z: marks[x, z] and marks[y, z].",
         colliders(adjacent, separating, ends=slice(0, 1))),
        ("both edges get their arrowhead at z: marks[x, z] and marks[y, z].",
         colliders(adjacent, separating, ends=slice(1, 2))),
        ("z is adjacent to both x and y, not to one of them.",
         colliders(adjacent, separating, near=np.logical_or)),
    ]  # fmt: skip
    expect("The marks after R0", got, right, causes)
    return "Each arrowhead comes from a test that was made, and one that was not needed."


def first_rule(marks, *, shielded=False, tail=True, arrow=True, circle=lambda m, y, z: m[y, z] == CIRCLE):
    new = marks.copy()
    k = range(len(marks))
    for x in k:
        for z in k:
            for y in k:
                free = x != y and (shielded or not marks[x, y])
                if free and marks[x, z] == ARROW and marks[z, y] and circle(marks, y, z):
                    new[y, z] = TAIL if tail else new[y, z]
                    new[z, y] = ARROW if arrow else new[z, y]
    return new


def rule_1(answer):
    marks = written(
        10,
        [
            (0, 1, CIRCLE, ARROW),
            (1, 2, CIRCLE, CIRCLE),  # R1: 1 → 2
            (2, 3, CIRCLE, CIRCLE),  # only a second round reaches it
            (1, 8, CIRCLE, ARROW),  # R1: 1 → 8
            (1, 7, ARROW, CIRCLE),
            (7, 9, CIRCLE, CIRCLE),
            (4, 5, CIRCLE, ARROW),
            (5, 6, CIRCLE, CIRCLE),
            (4, 6, CIRCLE, CIRCLE),  # 4 and 6 are adjacent: no R1 at 5
        ],
    )
    right = first_rule(marks)
    swapped = first_rule(marks.T, circle=lambda m, y, z: m[y, z] == CIRCLE).T
    again = first_rule(right)
    turned = np.where(right != marks, right.T, right)
    causes = [
        ("the tail at z is missing: marks[y, z] becomes 3.", first_rule(marks, tail=False)),
        ("the arrowhead at y is missing: marks[z, y] becomes 2.", first_rule(marks, arrow=False)),
        ("x and y must not be adjacent.", first_rule(marks, shielded=True)),
        ("R1 turns circles only; an arrowhead at z stays.",
         first_rule(marks, circle=lambda m, y, z: m[y, z] in (CIRCLE, ARROW))),
        ("the circle must be at z, marks[y, z], not at y.",
         first_rule(marks, circle=lambda m, y, z: m[z, y] == CIRCLE)),
        ("rows and columns have changed places: marks[x, z] is the mark at z.", swapped),
        ("you read marks that this round wrote; read the old matrix, write to the copy.", again),
        ("nothing was oriented.", marks),
        ("the tail is at z and the arrowhead at y; yours have changed places.", turned),
        ("the mark at z is marks[y, z], the mark at y is marks[z, y]; yours have changed places.", turned),
        ("any mark may be at y; only the circle at z is needed.",
         first_rule(marks, circle=lambda m, y, z: m[y, z] == m[z, y] == CIRCLE)),
    ]  # fmt: skip
    expect("The marks after R1", call(answer, marks.copy()), right, causes)
    return "One mark that a test gave, two that follow."


def goes_on(marks, u, v, w):
    if u == w or not marks[v, w]:
        return False
    return bool(marks[u, w]) or (marks[u, v] == ARROW and marks[w, v] == ARROW)


def legal(marks, root, Z, step=goes_on, once=False, inside=True):
    around = Z if inside else range(len(marks))
    waiting = [(root, z) for z in around if marks[root, z]]
    seen = set(waiting)
    while waiting:
        u, v = waiting.pop(0)
        for w in around:
            new = (v, w) not in seen and not (once and any(w == b for _, b in seen))
            if new and w != root and step(marks, u, v, w):
                seen.add((v, w))
                waiting.append((v, w))
    return set(Z) <= {v for _, v in seen}


def is_legal(answer):
    # the PAG whose sets depend on the numbering when a search consumes edges as it walks
    diamond = written(5, [(i, j, ARROW, ARROW) for i, j in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4))])
    # 2 is reached from 0 and from 1; only a path that comes from 1 may go on to 3
    arrows = [(0, 1, ARROW, ARROW), (1, 2, ARROW, ARROW), (2, 3, ARROW, CIRCLE)]
    sides = written(5, [*arrows, (0, 2, CIRCLE, CIRCLE), (3, 4, CIRCLE, CIRCLE)])
    graphs = (("a diamond of ↔", diamond), ("0 ↔ 1 ↔ 2 ↔o 3, 0 o–o 2, 3 o–o 4", sides))
    sets = [s for size in (1, 2, 3, 4) for s in combinations(range(1, 5), size)]
    cases = {f"{set(s)} for root 0 in {name}": (marks, 0, s) for name, marks in graphs for s in sets}

    def joined(marks, u, v, w):
        return bool(marks[v, w]) and u != w

    causes = [
        ("a node was closed after its first visit; a path from another side may go on where the first may "
         "not. Search over pairs (previous, current).",
         lambda m, r, s: legal(m, r, s, once=True)),
        ("every edge was followed; ask goes_on(marks, u, v, w).", lambda m, r, s: legal(m, r, s, joined)),
        ("only neighbours of the root counted; paths go on.", lambda m, r, s: all(bool(m[r, z]) for z in s)),
        ("the path left the set: its inner nodes must lie in Z.",
         lambda m, r, s: legal(m, r, s, inside=False)),
        ("one member is not enough: every member of Z needs a path, and goes_on tells where it may lead.",
         lambda m, r, s: any(bool(m[r, z]) for z in s)),
        ("True and False have changed places.", lambda m, r, s: not legal(m, r, s)),
    ]  # fmt: skip
    expect_rule("Legal,", answer, legal, cases, causes)
    return "The order in which you walked did not matter: that is what makes the search exact."


CHECKS = {"4.1": neighbour_sets, "4.2": orient_colliders, "4.3": rule_1, "4.4": is_legal}
