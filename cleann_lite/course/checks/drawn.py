"""Second look at an answer that passed its example: many drawn questions, answered by the definition as well.

The example of an exercise is made to show typical mistakes, and names their causes. What it happens to let
through differs from the definition elsewhere: on negative weights, another order, no unseen film left, a tie.
"""

from collections.abc import Callable
from itertools import combinations

import networkx as nx
import numpy as np
from scipy.special import ndtr

from ...causal.graphs import PAG
from . import WrongAnswer, _same, _show, call, numbers, truth
from . import notebook_03 as three
from . import notebook_04 as four
from . import notebook_06 as six
from . import notebook_08 as eight
from . import notebook_11 as eleven
from . import notebook_12 as twelve
from .notebook_00 import masked
from .notebook_01 import normalised
from .notebook_02 import ratio
from .notebook_05 import merged

DRAWS = 12


def weights(rng, n):
    """Weights of a random DAG, numbered in no order."""
    order = rng.permutation(n)
    G = np.tril(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6), -1)
    return G[np.ix_(order, order)]


def attention(rng, n):
    return rng.dirichlet(np.full(n, 0.4), size=n)


def marks(rng, n, share=0.6):
    """Any marks at the ends of some edges."""
    ends = rng.integers(1, 4, (n, n))
    joined = np.triu(rng.random((n, n)) < share, 1)
    return ends * (joined | joined.T)


def some(rng, pool, low=1):
    pool = list(pool)
    return [int(x) for x in rng.permutation(pool)[: rng.integers(low, len(pool) + 1)]]


def sets_of(rng, n, size, count):
    pool = list(combinations(range(n), size))
    return [pool[k] for k in rng.permutation(len(pool))[:count]]


def working(rng, n, count=3):
    """A rule that some sets of 1 to 4 of n units fulfil."""
    chosen = {tuple(sorted(some(rng, range(n))[:4])) for _ in range(rng.integers(0, count + 1))}
    return lambda members: tuple(sorted(int(u) for u in members)) in chosen


def q_mask(rng):
    words = ["art", "Art", "party", "art's", "(art)", "art,", "1.5", "a"]
    return " ".join(rng.choice(words, 9)), str(rng.choice(["art", "a", "1.5", "party"]))


def q_errors(rng):
    G = weights(rng, n := int(rng.integers(3, 7)))
    return G, marks(rng, n, 0.5)


def q_partial(rng):
    n = int(rng.integers(3, 6))
    x, y, *others = (int(v) for v in rng.permutation(n))
    return normalised((A := rng.normal(size=(n, n + 2))) @ A.T), x, y, some(rng, others, 0)


def q_path(rng):
    n = 7
    order = rng.permutation(n)
    dag = nx.DiGraph(
        [(int(order[i]), int(order[j])) for i, j in combinations(range(n), 2) if rng.random() < 0.45]
    )
    dag.add_nodes_from(range(n))
    path = [int(rng.choice([v for edge in dag.edges for v in edge] or [0]))]
    while len(path) < 5 and (on := sorted({*dag.pred[path[-1]], *dag.succ[path[-1]]} - {*path})):
        path.append(int(rng.choice(on)))
    return dag, path, set(some(rng, set(range(n)) - {path[0], path[-1]}, 0)[:2])


def q_members(rng):
    one = marks(rng, 4)
    others = [
        np.where(rng.random((4, 4)) < 0.25, np.where(one, rng.integers(1, 4, (4, 4)), 0), one)
        for _ in range(3)
    ]
    return ([one, *others][: rng.integers(1, 5)],)


def q_separated(rng):
    adjacent = marks(rng, 5, 0.5) > 0
    apart = [(x, y) for x, y in combinations(range(5), 2) if not adjacent[x, y]]
    return adjacent, {(x, y): tuple(sorted(some(rng, {*range(5)} - {x, y}, 0)[:2])) for x, y in apart}


def q_edge(rng):
    adjacent = marks(rng, 6, 0.7) > 0
    x, y = (int(v) for v in rng.permutation(6)[:2])
    adjacent[x, y] = adjacent[y, x] = True
    return adjacent, x, y, int(rng.integers(0, 3))


def q_groups(rng):
    n = int(rng.integers(4, 8))
    order, cuts = rng.permutation(n).tolist(), sorted(rng.permutation(range(1, n))[:2].tolist())
    return attention(rng, n), [sorted(order[a:b]) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


def q_candidates(rng):
    return [s for size in (2, 1, 3) for s in sets_of(rng, 5, size, 4)], dict(
        enumerate(rng.integers(1, 4, 5).tolist())
    )


def q_chances(rng):
    return attention(rng, classes := int(rng.integers(2, 5))), int(rng.integers(classes))


def q_search(rng):
    by_size = [sets_of(rng, 5, size, int(rng.integers(0, 5))) for size in (1, 2, 3)]
    return by_size, working(rng, 5, 6)


def q_smallest(rng):
    found = tuple(sorted(some(rng, range(5), 1)[:4]))
    works = working(rng, 5)
    return found, list(range(5)), lambda s: set(s) == set(found) or works(s)


def q_films(rng):
    n = int(rng.integers(4, 9))
    return rng.permutation(n) - 0.5 * n, set(some(rng, range(n), 0)[: n - 1]), int(rng.integers(1, 5))


def q_film(rng):
    scores, seen, _ = q_films(rng)
    return scores, seen, int(rng.choice(sorted({*range(len(scores))} - seen)))


def q_attended(rng):
    return rng.permutation(6) / 15, working(rng, 6, 12)


def q_shift(rng):
    shift = rng.integers(-3, 4, 6).astype(float)
    shift[0] = -1
    row = rng.dirichlet(np.ones(6))
    row[shift == 0] *= rng.integers(0, 2)  # a weight of 0 that does not move
    return row, shift


def q_layer(rng):
    n, heads, size = (int(rng.integers(*limits)) for limits in ((2, 60), (1, 6), (2, 40)))
    return n, heads, size, str(rng.choice(["concat", "add"]))


def sizes(rng, n=7):
    return np.where(rng.random(n) < 0.25, np.nan, rng.integers(1, 6, n)).astype(float)


def q_sizes(rng):
    first, second = sizes(rng), sizes(rng)
    first[0], second[0] = 2, 5
    return first, second


def q_scores(rng):
    table = dict(
        zip((s for k in range(5) for s in combinations(range(4), k)), rng.random(16).tolist(), strict=True)
    )
    return lambda masked: table[tuple(sorted({int(u) for u in masked}))], 4, sorted(some(rng, range(4))[:3])


def q_found(rng):
    pool = [("a",), ("a", "b"), ("b", "a"), ("b", "c"), ("c",), ("a", "c", "b"), ("b", "c", "a")]
    pick = lambda low: [pool[k] for k in some(rng, range(len(pool)), low)]  # noqa: E731
    return pick(0), pick(1)


def errors(G, found):
    true, seen = np.triu((G != 0) | (G != 0).T), np.triu(found != 0)
    return int((true & ~seen).sum()), int((seen & ~true).sum())


def search(by_size, works):
    return next((tuple(hits) for sets in by_size if (hits := [s for s in sets if works(s)])), ())


def prefix(row, works):
    order = np.argsort(-row).tolist()
    return next(filter(works, (tuple(sorted(order[:k])) for k in range(1, len(row) + 1))), None)


def both_scores(probability, n, chosen):
    whole = probability([])
    return whole - probability(chosen), whole - probability([u for u in range(n) if u not in chosen])


def hits(found, true):
    found, true = set(map(frozenset, found)), set(map(frozenset, true))
    return len(found & true) / max(1, len(found)), len(found & true) / len(true)


def unseen(scores, seen):
    return [film for film in np.argsort(-scores).tolist() if film not in seen]


def without_sink(A):
    rest = np.delete(A, A.mean(axis=0).argmax(), axis=1)
    return normalised(rest @ rest.T)


def in_order(sets, distance):
    return tuple(sorted(sets, key=lambda s: (len(s), sum(distance[z] for z in s), s)))


def graphs(rng):
    return [PAG(np.where(m := marks(rng, 4), m, 0)) for _ in range(int(rng.integers(1, 5)))]


def _sorted(came):
    return tuple(sorted(numbers(came)))


# number -> (the definition, how a question is drawn, how an answer is read)
DRAWN: dict[str, tuple[Callable, Callable, Callable | None]] = {
    "0.1": (masked, q_mask, None),
    "1.1": (
        lambda G: np.linalg.inv(np.eye(len(G)) - G),
        lambda r: (weights(r, int(r.integers(1, 6))),),
        None,
    ),
    "1.2": (lambda A: normalised(A @ A.T), lambda r: (attention(r, int(r.integers(2, 6))),), None),
    "1.3": (
        lambda A, keep: normalised(A @ A.T)[np.ix_(keep, keep)],
        lambda r: (attention(r, 6), some(r, range(6), 2)),
        None,
    ),
    "1.4": (errors, q_errors, numbers),
    "2.1": (
        lambda C, x, y, z: -ratio(np.linalg.inv(C[np.ix_([x, y, *z], [x, y, *z])]), 0, 1),
        q_partial,
        None,
    ),
    "2.2": (
        lambda r, n, k: float(2 * ndtr(-np.sqrt(n - k - 3) * abs(np.arctanh(r)))),
        lambda r: (float(r.uniform(-0.9, 0.9)), int(r.integers(9, 40)), int(r.integers(0, 5))),
        None,
    ),
    "3.1": (three.path_is_open, q_path, truth),
    "3.2": (three.allows, lambda r: (marks(r, 3), *r.permutation(3)[:2].tolist()), truth),
    "3.3": (three.ancestors, lambda r: (marks(r, 6, 0.35), int(r.integers(6))), set),
    "3.4": (lambda ms: np.where(np.ptp(ms, axis=0) == 0, ms[0], 1), q_members, None),
    "4.1": (four.pools, q_edge, lambda came: set(map(tuple, map(sorted, came)))),
    "4.2": (four.colliders, q_separated, None),
    "4.3": (four.first_rule, lambda r: (marks(r, 5, 0.5),), None),
    "4.4": (four.legal, lambda r: (marks(r, 5, 0.7), 0, tuple(sorted(some(r, range(1, 5))))), truth),
    "5.1": (merged, q_groups, None),
    "5.3": (
        lambda A: (float(A.mean(0).argmax()), float(A.mean(0).max())),
        lambda r: (attention(r, 5),),
        numbers,
    ),
    "5.4": (lambda pags: np.mean([pag.marks != 0 for pag in pags], axis=0), lambda r: (graphs(r),), None),
    "6.1": (in_order, q_candidates, six._tuples),
    "6.2": (lambda P, t: tuple(np.flatnonzero(P.argmax(1) != t).tolist()), q_chances, _sorted),
    "6.3": (lambda by_size, works: six._sorted_sets(search(by_size, works)), q_search, six._sorted_sets),
    "6.4": (six._is_smallest, q_smallest, truth),
    "7.1": (lambda scores, seen, k: tuple(unseen(scores, seen)[:k]), q_films, numbers),
    "7.2": (lambda scores, seen, film: unseen(scores, seen).index(film) + 1, q_film, None),
    "7.3": (prefix, q_attended, numbers),
    "8.1": (
        lambda T: len(T) - eight.rank(eight.with_ones(T)),
        lambda r: (r.normal(size=(r.integers(2, 9), k := r.integers(1, 4))) @ r.normal(size=(k, 4)),),
        None,
    ),
    "8.2": (lambda row, shift: float((row[shift < 0] / -shift[shift < 0]).min()), q_shift, None),
    "8.3": (lambda A, T: A @ T @ np.linalg.pinv(T), lambda r: (attention(r, 5), r.normal(size=(5, 2))), None),
    "11.1": (eleven.area, lambda r: (r.integers(0, 4, 6) / 4, np.arange(6) < r.integers(1, 6)), None),
    "11.2": (eleven.mixed, lambda r: (attention(r, 4), float(r.uniform(0, 0.9))), None),
    "11.3": (eleven.effects, lambda r: (eleven.example_function(int(r.integers(99)), 3), 3), None),
    "12.1": (twelve.free_in_layer, q_layer, None),
    "9.1": (
        lambda x, cost: float(np.mean(np.where(np.isnan(x), cost, x))),
        lambda r: (sizes(r), int(r.integers(4, 9))),
        None,
    ),
    "9.2": (lambda a, b: float(np.nanmean(a - b)), q_sizes, None),
    "9.4": (both_scores, q_scores, numbers),
    "10.2": (without_sink, lambda r: (attention(r, 5),), None),
    "10.3": (hits, q_found, numbers),
}


def agree(number, answer):
    """Compare an answer with the definition on drawn questions; the first that differs is shown."""
    if number not in DRAWN:
        return
    right, draw, to = DRAWN[number]
    for k in range(DRAWS):
        expected = right(*draw(np.random.default_rng([k, len(number)])))
        question = draw(np.random.default_rng([k, len(number)]))  # again: `right` had the first
        shown = "; ".join(_given(part) for part in question)
        got = call(answer, *question, to=to, none=expected is None)
        if expected is None and got is None:
            continue
        if not _same(got.item() if isinstance(got, np.generic) else got, expected, 1e-8):
            raise WrongAnswer(
                f"It is right on the example, and wrong on another question.\n    asked     {shown}\n"
                f"    expected  {_show(expected)}\n    and got   {_show(got)}"
            )


def _given(part):
    if callable(part):
        return "a function"
    if isinstance(part, nx.DiGraph):
        return "edges " + ", ".join(f"{a}→{b}" for a, b in part.edges)
    if isinstance(part, list) and part and isinstance(part[0], np.ndarray | PAG):
        return f"{len(part)} matrices of marks"
    return (
        np.array2string(part, precision=2).replace("\n", "") if isinstance(part, np.ndarray) else repr(part)
    )
