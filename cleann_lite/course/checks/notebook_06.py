"""Checks of notebook 06, explain a sentiment prediction."""

from copy import deepcopy
from itertools import combinations

import numpy as np

from . import call, expect, expect_rule, numbers


def _tuples(came):
    if isinstance(came, set | frozenset):
        raise TypeError
    return tuple(s if isinstance(s, set | frozenset) else tuple(s) for s in came)


def in_order(answer):
    distance = {0: 1, 1: 1, 2: 2, 3: 3, 4: 1, 5: 2}
    sets = [(2, 5), (0, 3), (2,), (1, 2), (0, 1, 4), (3,), (0, 2), (0,), (1, 2, 3), (0, 1), (4,), (0, 4, 3)]

    def ordered(key):
        return tuple(sorted(sets, key=key))

    def total(s):
        return sum(distance[z] for z in s)

    right = ordered(lambda s: (len(s), total(s), s))
    causes = [
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
        ("the largest come first; small sets should.", ordered(lambda s: (-len(s), total(s), s))),
        ("the smallest distance decides here; the sum should.",
         ordered(lambda s: (len(s), min(distance[z] for z in s), s))),
        ("these are the keys that sort; return the sets.", tuple((len(s), total(s), s) for s in right)),
        ("the order is reversed.", right[::-1]),
        ("the order has not changed.", tuple(sets)),
    ]  # fmt: skip
    expect("The order of the candidates", call(answer, list(sets), dict(distance), to=_tuples), right, causes)
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
    got = call(answer, P.copy(), 0, to=numbers)
    in_any_order = isinstance(got, tuple) and len(got) == len(right) and not isinstance(got[0], bool)
    causes = [
        ("below one half is not yet beaten: with three classes .4 can win. Compare with the others.",
         (0, 1, 3, 4, 5)),
        ("these are the rows in which the original class still wins.", (0, 2, 4)),
        ("these are truth values or classes; return the numbers of the rows.", (0, 1, 0, 1, 0, 2)),
        ("these are truth values; return the numbers of the rows.", (False, True, False, True, False, True)),
        ("these are the winners, not the rows.", (1, 1, 2)),
        ("positions begin at 0.", (2, 4, 6)),
        ("these are rows of probabilities; return their numbers.", tuple(P[list(right)].ravel())),
        ("the winner of each column was taken; axis=1 gives that of each row.", (0, 1, 2)),
        ("the least probable class was taken, argmin; the winner is argmax.", (0, 2, 3, 4)),
        ("these are the rows in which the original class is last.", tuple(np.flatnonzero(P.argmin(1) == 0))),
    ]  # fmt: skip
    expect("The rows in which another class wins", tuple(sorted(got)) if in_any_order else got, right, causes)
    return "With two classes it is the same as falling below one half; with more it is not."


def _sorted_sets(came):
    came = tuple(came)
    if not all(np.ndim(s) or isinstance(s, set | frozenset) for s in came):
        return came
    return tuple(sorted((tuple(sorted(s)) for s in came), key=lambda s: (len(s), s)))


def smallest_sets(answer):
    sets = [[(0,), (1,), (2,)], [(0, 1), (0, 2), (1, 2)], [(0, 1, 2)]]
    working = {(0, 2), (1, 2), (0, 1, 2)}
    asked = []

    def works(s):
        asked.append(tuple(s))
        return tuple(s) in working

    got = call(answer, deepcopy(sets), works, to=_sorted_sets)
    causes = [
        ("you stopped at the first set; go through all sets of that size.", ((0, 2),)),
        ("you stopped at the first set, and returned it without a list.", (0, 2)),
        ("you went on to larger sizes; stop after the first size that works.", ((0, 2), (1, 2), (0, 1, 2))),
        ("you returned the last size that works, not the first.", ((0, 1, 2),)),
        ("no set of the first size works here, and all of them came: keep those that work.",
         ((0,), (1,), (2,))),
        ("all sets of the size came; return those that work.", ((0, 1), (0, 2), (1, 2))),
        ("no set was returned: go on to the next size until one works, and return what works.", ()),
        ("these are places in the list; return the sets.", (1, 2)),
        ("the sets of every size came; return those of the first size that has one, in one list.",
         ((), ((0, 1, 2),), ((0, 2), (1, 2)))),
        ("these are the right sets in one list too many.", (((0, 2), (1, 2)),)),
    ]  # fmt: skip
    expect("The smallest working sets", got, ((0, 2), (1, 2)), causes)
    expect(
        "The number of sets of three that were tried",
        sum(len(s) == 3 for s in asked),
        0,
        [("a larger size was tried although a smaller one works: each try costs the model a run.", 1)],
    )
    expect("The answer when nothing works", call(answer, sets, lambda s: False, to=tuple), ())
    return "All explanations of one size, and an honest empty list."


def is_smallest(answer):
    examples = {
        "nothing smaller works": ((0, 1), {(0, 1), (2, 3)}),
        "a part of it works": ((0, 1), {(0, 1), (1,)}),
        "one word outside it works": ((0, 1), {(0, 1), (3,)}),
        "two words outside it work": ((0, 1, 2), {(0, 1, 2), (0, 3)}),
        "another of the same size works": ((0, 1, 2), {(0, 1, 2), (1, 2, 3)}),
        "a single word": ((2,), {(2,), (0,), (0, 1)}),
    }
    cases = {
        name: (found, [0, 1, 2, 3], lambda s, working=working: tuple(s) in working)
        for name, (found, working) in examples.items()
    }
    causes = [
        ("you tried parts of the found set only; a smaller set may have other words.",
         lambda f, u, w: not any(w(s) for k in range(1, len(f)) for s in combinations(f, k))),
        ("sets of the same size do not count against it: go up to one less.",
         lambda f, u, w: _is_smallest((*f, 0), u, w)),
        ("only sets of one less were tried; all smaller sizes count.",
         lambda f, u, w: len(f) == 1 or not any(w(s) for s in combinations(u, len(f) - 1))),
        ("only single words were tried; all smaller sizes count.",
         lambda f, u, w: len(f) == 1 or not any(w((x,)) for x in u)),
        ("True and False have changed places.", lambda *question: not _is_smallest(*question)),
    ]  # fmt: skip
    expect_rule("Smallest, where", answer, _is_smallest, cases, causes)
    return "It costs many runs of the model, and it is the only proof."


def _is_smallest(found, units, works):
    return not any(works(s) for size in range(1, len(found)) for s in combinations(units, size))


CHECKS = {"6.1": in_order, "6.2": changed, "6.3": smallest_sets, "6.4": is_smallest}
