"""Checks of notebook 06, explain a sentiment prediction."""

from itertools import combinations

import numpy as np

from . import call, expect


def in_order(answer):
    distance = {0: 1, 1: 1, 2: 2, 3: 3, 4: 1, 5: 2}
    sets = [(2, 5), (0, 3), (2,), (1, 2), (0, 1, 4), (3,), (0, 2), (0,), (1, 2, 3), (0, 1), (4,), (0, 4, 3)]

    def ordered(key):
        return tuple(sorted(sets, key=key))

    def total(s):
        return sum(distance[z] for z in s)

    right = ordered(lambda s: (len(s), total(s), s))
    expect(
        "The order of the candidates",
        tuple(tuple(s) for s in call(answer, list(sets), dict(distance))),
        right,
        [
            ("size comes first: a single word far away is tried before two near ones.",
             ordered(lambda s: (total(s), len(s), s))),
            ("size comes first: a single word far away is tried before two near ones.",
             ordered(lambda s: (total(s), s))),
            ("the largest distance decides here; the sum should.",
             ordered(lambda s: (len(s), max(distance[z] for z in s), s))),
            ("the node numbers were added, not their distances.", ordered(lambda s: (len(s), sum(s), s))),
            ("the distances play no role yet.", ordered(lambda s: (len(s), s))),
            ("ties are broken by the order of the list; compare the sets last.",
             ordered(lambda s: (len(s), total(s)))),
            ("the farthest come first; the nearest should.", ordered(lambda s: (len(s), -total(s), s))),
            ("the order is reversed.", right[::-1]),
            ("the order has not changed.", tuple(sets)),
        ],
    )  # fmt: skip
    return "Small before large, near before far, and the same order every time."


def changed(answer):
    P = np.array(
        [
            [0.4, 0.3, 0.3],
            [0.2, 0.5, 0.3],
            [0.6, 0.3, 0.1],
            [0.34, 0.36, 0.3],
            [0.49, 0.1, 0.41],
            [0.1, 0.2, 0.7],
        ]
    )
    right = (1, 3, 5)
    got = call(answer, P.copy(), 0)
    got = tuple(sorted(got)) if isinstance(got, set) else tuple(np.ravel(got).tolist())
    expect(
        "The rows in which another class wins",
        got,
        right,
        [
            (
                "below one half is not yet beaten: with three classes .4 can win. Compare with the others.",
                (0, 1, 3, 4, 5),
            ),
            ("these are the rows in which the original class still wins.", (0, 2, 4)),
            ("these are truth values or classes; return the numbers of the rows.", (0, 1, 0, 1, 0, 2)),
            (
                "these are truth values; return the numbers of the rows.",
                (False, True, False, True, False, True),
            ),
            ("these are the winners, not the rows.", (1, 1, 2)),
            (
                "these are the rows in which the original class is last.",
                tuple(np.flatnonzero(P.argmin(1) == 0)),
            ),
        ],
    )
    return "With two classes it is the same as falling below one half; with more it is not."


def smallest_sets(answer):
    sets = [[(0,), (1,), (2,)], [(0, 1), (0, 2), (1, 2)], [(0, 1, 2)]]
    working = {(0, 2), (1, 2), (0, 1, 2)}
    asked = []

    def works(s):
        asked.append(tuple(s))
        return tuple(s) in working

    got = tuple(tuple(s) if isinstance(s, tuple | list) else s for s in call(answer, sets, works))
    expect(
        "The smallest working sets",
        got,
        ((0, 2), (1, 2)),
        [
            ("you stopped at the first set; go through all sets of that size.", ((0, 2),)),
            ("you stopped at the first set, and returned it without a list.", (0, 2)),
            (
                "you went on to larger sizes; stop after the first size that works.",
                ((0, 2), (1, 2), (0, 1, 2)),
            ),
            ("you returned the last size that works, not the first.", ((0, 1, 2),)),
            ("these are the sets that do not work.", ((0,), (1,), (2,))),
        ],
    )
    expect(
        "The number of sets of three that were tried",
        sum(len(s) == 3 for s in asked),
        0,
        [("a larger size was tried although a smaller one works: each try costs the model a run.", 1)],
    )
    expect("The answer when nothing works", tuple(call(answer, sets, lambda s: False)), ())
    return "All explanations of one size, and an honest empty list."


def is_minimal(answer):
    units = [0, 1, 2, 3]
    cases = {
        "nothing smaller works": ((0, 1), {(0, 1), (2, 3)}),
        "a part of it works": ((0, 1), {(0, 1), (1,)}),
        "one word outside it works": ((0, 1), {(0, 1), (3,)}),
        "two words outside it work": ((0, 1, 2), {(0, 1, 2), (0, 3)}),
        "another of the same size works": ((0, 1, 2), {(0, 1, 2), (1, 2, 3)}),
        "a single word": ((2,), {(2,), (0,), (0, 1)}),
    }

    def verdicts(rule):
        return {
            name: bool(rule(found, list(units), lambda s, working=working: tuple(s) in working))
            for name, (found, working) in cases.items()
        }

    right = verdicts(_minimal)
    got = verdicts(lambda *question: call(answer, *question))
    expect(
        "Whether the set is minimal",
        got,
        right,
        [
            (
                "you tried parts of the found set only; a smaller set may have other words.",
                verdicts(lambda f, u, w: not any(w(s) for k in range(1, len(f)) for s in combinations(f, k))),
            ),
            (
                "sets of the same size do not count against it: go up to one less.",
                verdicts(lambda f, u, w: _minimal((*f, 0), u, w)),
            ),
            (
                "only sets of one less were tried; all smaller sizes count.",
                verdicts(lambda f, u, w: len(f) == 1 or not any(w(s) for s in combinations(u, len(f) - 1))),
            ),
            ("only single words were tried; all smaller sizes count.",
             verdicts(lambda f, u, w: len(f) == 1 or not any(w((x,)) for x in u))),
            ("True and False have changed places.", {name: not value for name, value in right.items()}),
        ],
    )  # fmt: skip
    return "It costs many runs of the model, and it is the only proof."


def _minimal(found, units, works):
    return not any(works(s) for size in range(1, len(found)) for s in combinations(units, size))


CHECKS = {
    "6.1": in_order,
    "6.2": changed,
    "6.3": smallest_sets,
    "6.4": is_minimal,
}
