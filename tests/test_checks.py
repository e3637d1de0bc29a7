"""The checks of the exercises: right answers pass, and each typical wrong one is told its cause."""

import itertools
import re
from importlib import import_module
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from cleann_lite import PAG, PartialCorrelation, learn_pag
from cleann_lite.attention.sem import words_attention
from cleann_lite.causal.pds import PDSGraph
from cleann_lite.course import checks
from cleann_lite.course.checks import WrongAnswer

I = np.eye


def scaled(C):
    return C / np.sqrt(np.outer(np.diag(C), np.diag(C)))


def pair_errors(G, marks):
    true = (G != 0) | (G != 0).T
    found = marks != 0
    upper = np.triu(np.ones_like(true), 1)
    return int((true & ~found & upper).sum()), int((found & ~true & upper).sum())


def block(C, x, y, given):
    return C[np.ix_([x, y, *given], [x, y, *given])]


def ratio(P, x=0, y=1):
    return P[x, y] / np.sqrt(P[x, x] * P[y, y])


def p_two(r, n, k):
    return 2 * ndtr(-np.sqrt(n - k - 3) * np.abs(np.arctanh(r)))


def critical(n, k, alpha):
    return np.tanh(-ndtri(alpha / 2) / np.sqrt(n - k - 3))


def opens(dag, path, given, collider=lambda dag, v, given: ({v} | nx.descendants(dag, v)) & set(given)):
    for u, v, w in zip(path, path[1:], path[2:], strict=False):
        if dag.has_edge(u, v) and dag.has_edge(w, v):
            if not collider(dag, v, given):
                return False
        elif v in given:
            return False
    return True


def allows(m, i, j):
    return m[i, j] != 0 and m[j, i] != 2 and m[i, j] != 3


def reach(m, target, step=allows, deep=True):
    found, waiting = set(), [target]
    while waiting:
        j = waiting.pop()
        for i in range(len(m)):
            if i not in found and i != target and step(m, i, j):
                found.add(i)
                waiting += [i] * deep
    return found


def pools(adjacent, x, y):
    k = range(len(adjacent))
    return [z for z in k if adjacent[x, z] and z != y], [z for z in k if adjacent[y, z] and z != x]


def subsets(pool, size):
    return set(itertools.combinations(pool, size))


def colliders(adjacent, separating, test=lambda z, s: z not in s, flip=False):
    marks = adjacent.astype(int)
    for (x, y), s in separating.items():
        for z in range(len(adjacent)):
            if adjacent[x, z] and adjacent[y, z] and test(z, s):
                marks[(z, x) if flip else (x, z)] = marks[(z, y) if flip else (y, z)] = 2
    return marks


def r1(m, *, shielded=False, tail=True, arrow=True, new=None, circle=lambda m, y, z: m[y, z] == 1):
    new = m.copy() if new is None else new
    for x, z, y in itertools.permutations(range(len(m)), 3):
        if m[x, z] == 2 and m[z, y] and circle(m, y, z) and (shielded or not m[x, y]):
            new[y, z] = 3 if tail else new[y, z]
            new[z, y] = 2 if arrow else new[z, y]
    return new


def goes_on(m, u, v, w):
    return bool(u != w and m[v, w] and (m[u, w] or (m[u, v] == 2 and m[w, v] == 2)))


def legal(m, root, Z, step=goes_on, by_node=False, inside=True):
    around = list(Z) if inside else [v for v in range(len(m)) if v != root]
    waiting = [(root, z) for z in around if m[root, z]]
    seen = set(waiting)
    while waiting:
        u, v = waiting.pop(0)
        for w in around:
            known = w in {b for _, b in seen} if by_node else (v, w) in seen
            if not known and step(m, u, v, w):
                seen.add((v, w))
                waiting.append((v, w))
    return set(Z) <= {v for _, v in seen}


def legal_by_paths(m, root, Z):
    """Independent of states: every simple and non-simple path up to the length that can matter."""
    paths, reached = [(root, z) for z in Z if m[root, z]], set()
    for _ in range(2 * len(Z) + 2):
        reached |= {p[-1] for p in paths}
        paths = list({(p[-1], w) for p in paths for w in Z if goes_on(m, p[-2], p[-1], w)})
    return set(Z) <= reached


def merged(A, groups, columns=np.sum, rows=np.mean):
    narrow = np.column_stack([columns(A[:, g], axis=1) for g in groups])
    return np.vstack([rows(narrow[g], axis=0) for g in groups])


def counts(rho, n, alphas, factor=1, **options):
    pags = [learn_pag(PartialCorrelation(rho, n, **({"alpha": a} | options))) for a in alphas]
    return [factor * len(list(pag.edges())) for pag in pags]


def joined(pags):
    return np.array([pag.marks != 0 for pag in pags])


def total(s, distance):
    return sum(distance[z] for z in s)


def search(sets_by_size, works):
    return next((found for sets in sets_by_size if (found := [s for s in sets if works(s)])), [])


def smallest(found, units, works):
    return not any(works(s) for k in range(1, len(found)) for s in itertools.combinations(units, k))


def prefix(attention, works, *, order=None, first=1, otherwise=None):
    order = np.argsort(-attention) if order is None else order
    tries = (tuple(sorted(order[:size].tolist())) for size in range(first, len(order) + 1))
    return next(filter(works, tries), otherwise)


def set_score(found, true, of=frozenset):
    found, true = set(map(of, found)), set(map(of, true))
    return len(found & true) / max(1, len(found)), len(found & true) / len(true)


# number -> right solutions
RIGHT = {
    "0.1": [
        lambda text, word: re.sub(rf"\b{re.escape(word)}\b", "[MASK]", text),
        lambda text, word: "".join("[MASK]" if w == word else w for w in re.split(r"(\W)", text)),
    ],
    "1.1": [
        lambda G: np.linalg.inv(I(len(G)) - G),
        lambda G: sum(np.linalg.matrix_power(G, k) for k in range(len(G))),
        lambda G: np.linalg.solve(I(len(G)) - G, I(len(G))),
    ],
    "1.2": [
        lambda A: scaled(A @ A.T),
        lambda A: (B := A / np.linalg.norm(A, axis=1, keepdims=True)) @ B.T,
    ],
    "1.3": [
        lambda A, keep: scaled(A @ A.T)[np.ix_(keep, keep)],
        lambda A, keep: scaled(A[keep] @ A[keep].T),
    ],
    "1.4": [pair_errors, lambda G, m: list(pair_errors(G, m)), lambda G, m: np.array(pair_errors(G, m))],
    "2.1": [
        lambda C, x, y, given: -ratio(np.linalg.inv(block(C, x, y, given))),
        lambda C, x, y, given: PartialCorrelation(C, 99).partial_correlations([x], [y], [given])[0],
    ],
    "2.2": [p_two, lambda r, n, k: 2 * (1 - ndtr(abs(np.sqrt(n - k - 3) * np.arctanh(r))))],
    "2.3": [critical, lambda n, k, alpha: np.tanh(ndtri(1 - alpha / 2) / np.sqrt(n - k - 3))],
    "2.4": [
        lambda r, n, k, alpha: [i for i, v in enumerate(r) if v < 0 and p_two(v, n, k) <= alpha],
        lambda r, n, k, alpha: np.flatnonzero(np.array(r) <= -critical(n, k, alpha)),
        lambda r, n, k, alpha: {i for i, v in enumerate(r) if v <= -critical(n, k, alpha)},
        lambda r, n, k, alpha: np.where(r <= -critical(n, k, alpha)),
        lambda r, n, k, alpha: (i for i, v in enumerate(r) if v <= -critical(n, k, alpha)),
    ],
    "3.1": [opens, lambda dag, path, given: np.bool_(opens(dag, path, given))],
    "3.2": [allows, lambda m, i, j: m[i, j] in (1, 2) and m[j, i] in (1, 3)],
    "3.3": [
        reach,
        lambda m, t: set(np.flatnonzero(PAG(m).possible_ancestors[:, t]).tolist()) - {t},
        lambda m, t: sorted(reach(m, t)),
        lambda m, t: np.array(sorted(reach(m, t))),
        lambda m, t: dict.fromkeys(reach(m, t)).keys(),
    ],
    "3.4": [
        lambda ms: np.where((np.array(ms) == ms[0]).all(axis=0), ms[0], 1),
        lambda ms: np.where(np.ptp(ms, axis=0) == 0, ms[0], 1).tolist(),
    ],
    "4.1": [
        lambda a, x, y, size: subsets(pools(a, x, y)[0], size) | subsets(pools(a, x, y)[1], size),
        lambda a, x, y, size: sorted(subsets(pools(a, x, y)[0], size) | subsets(pools(a, x, y)[1], size)),
        lambda a, x, y, size: {frozenset(s) for pool in pools(a, x, y) for s in subsets(pool, size)},
    ],
    "4.2": [colliders, lambda a, s: colliders(a, s).tolist()],
    "4.3": [r1],
    "4.4": [legal, legal_by_paths, lambda m, root, Z: PDSGraph(m).legal(root, sum(1 << z for z in Z))],
    "5.1": [merged, lambda A, groups: words_attention(A, groups)],
    "5.2": [counts, lambda rho, n, alphas: np.array(counts(rho, n, alphas))],
    "5.3": [
        lambda A: (int(A.mean(0).argmax()), A.mean(0).max()),
        lambda A: np.array([A.sum(0).argmax(), A.sum(0).max() / len(A)]),
    ],
    "6.1": [lambda sets, d: sorted(sets, key=lambda s: (len(s), total(s, d), s))],
    "6.2": [
        lambda P, t: [i for i, row in enumerate(P) if row.argmax() != t],
        lambda P, t: np.flatnonzero(P.argmax(1) != t),
        lambda P, t: {i for i, row in enumerate(P) if max(row) > row[t]},
        lambda P, t: np.where(P.argmax(1) != t)[0][::-1],
    ],
    "6.3": [
        search,
        lambda by_size, works: search(by_size, works)[::-1],
        lambda by_size, works: [set(s) for s in search(by_size, works)],
    ],
    "6.4": [smallest, lambda f, u, w: np.bool_(smallest(f, u, w))],
    "10.1": [lambda r, n: -n * np.log1p(-(r**2)) < np.log(n), lambda r, n: r**2 < 1 - n ** (-1 / n)],
    "10.2": [lambda A: scaled((B := np.delete(A, A.sum(0).argmax(), axis=1)) @ B.T)],
    "10.3": [set_score],
    "7.1": [
        lambda s, seen, k: [f for f in np.argsort(-s) if f not in seen][:k],
        lambda s, seen, k: sorted(set(range(len(s))) - seen, key=lambda f: -s[f])[:k],
    ],
    "7.2": [lambda s, seen, f: 1 + sum(s[o] > s[f] for o in set(range(len(s))) - seen)],
    "7.3": [prefix],
    "5.4": [lambda pags: joined(pags).mean(0), lambda pags: joined(pags).sum(0) / len(pags)],
}

# number, wrong answer, words of the cause
WRONG = [
    ("0.1", lambda text, word: re.sub(rf"\b{word}\b", "[MASK]", text.lower()), "capitals"),
    ("0.1", lambda text, word: re.sub("\b" + word + "\b", "[MASK]", text), "raw string"),
    ("1.2", lambda A: A @ A.T / np.diag(A @ A.T), "one side only"),
    ("1.3", lambda A, keep: scaled(A @ A.T)[keep, keep], "numpy.ix_"),
    ("2.2", lambda r, n, k: 1 - p_two(r, n, k), "lies outside"),
    ("2.4", lambda r, n, k, alpha: r <= -critical(n, k, alpha), "truth values"),
    ("2.4", lambda r, n, k, alpha: r[r <= -critical(n, k, alpha)], "values of r"),
    ("3.1", lambda dag, path, given: not nx.is_d_separator(dag, {path[0]}, {path[-1]}, given), "one path"),
    ("3.1", lambda dag, path, given: "open", "truth value"),
    ("3.4", lambda ms: np.where(ms[0] == ms[1], ms[0], 1), "first two members"),
    ("3.4", lambda ms: np.where(ms[0] == ms[-1], ms[0], 1), "only two members"),
    ("4.1", lambda a, x, y, size: {z for pool in pools(a, x, y) for z in pool}, "is the tuple"),
    ("4.2", lambda a, s: colliders(a, s) > 0, "truth values"),
    ("4.3", lambda m: np.where(r1(m) != m, r1(m).T, r1(m)), "changed places"),
    ("5.4", lambda pags: np.mean([pag.marks == 2 for pag in pags], axis=0), "one kind of mark"),
    ("5.4", lambda pags: joined(pags).mean(), "one number"),
    (
        "6.3",
        lambda by_size, works: next((s for s in by_size if any(map(works, s))), []),
        "all sets of the size",
    ),
    ("6.4", lambda f, u, w: [s for k in range(1, len(f)) for s in subsets(u, k) if w(s)], "truth value"),
    ("7.1", lambda s, seen, k: {f for f in np.argsort(-s).tolist()[:4] if f not in seen}, "no order"),
    ("7.2", lambda s, seen, f: np.where(np.argsort(-s) == f), "one number was asked for"),
    (
        "7.3",
        lambda a, works: next(((f,) for f in np.argsort(-a).tolist() if works((f,))), None),
        "one at a time",
    ),
    ("7.3", lambda a, works: prefix(a, lambda s: len(s) < len(a) and works(s)), "last prefix"),
    ("10.1", lambda r, n: -n * np.log(1 - r**2) - np.log(n), "truth value"),
    ("10.3", lambda found, true: set_score(found, true) if found else (1.0, 0.0), "precision is 0"),
    ("0.1", lambda text, word: text.replace(word, "[MASK]"), "inside other words"),
    ("0.1", lambda text, word: re.sub(rf"\b{word}\b", "[MASK]", text, count=1), "first occurrence"),
    ("0.1", lambda text, word: re.sub(rf"\b{word}\b", "", text), "removed"),
    ("0.1", lambda text, word: " ".join("[MASK]" if w == word else w for w in text.split()), "punctuation"),
    ("0.1", lambda text, word: re.sub(rf"(?i)\b{word}\b", "[MASK]", text), "capitals"),
    ("0.1", lambda text, word: re.sub(rf"\b{word}\b", "[MASK]", text), "re.escape"),
    ("0.1", lambda text, word: text, "as it was"),
    ("1.1", lambda G: np.linalg.inv(G), "you inverted G"),
    ("1.1", lambda G: I(len(G)) + G, "only direct effects"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) + G), "the sign"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) - G.T), "transposed"),
    ("1.1", lambda G: np.linalg.inv(I(len(G)) - G) - I(len(G)), "identity is missing"),
    ("1.1", lambda G: I(len(G)) + G + G @ G, "stops at G²"),
    ("1.1", lambda G: None, "return statement"),
    ("1.1", lambda G: G @ unknown, "NameError"),  # noqa: F821
    ("1.1", np.eye(6), "pass the function itself"),
    ("1.2", lambda A: np.corrcoef(A), "did you centre the rows"),
    ("1.2", lambda A: scaled(A.T @ A), "AᵀA"),
    ("1.2", lambda A: A @ A.T, "this is the covariance"),
    ("1.2", lambda A: A @ A.T / np.outer(np.diag(A @ A.T), np.diag(A @ A.T)), "square root"),
    ("1.2", lambda A: np.corrcoef(A.T), "columns"),
    ("1.2", lambda A: np.cov(A), "centred rows"),
    ("1.2", lambda A: scaled(A @ A.T)[:3], "the shape is (3, 6)"),
    ("1.3", lambda A, k: scaled(A[np.ix_(k, k)] @ A[np.ix_(k, k)].T), "cut the attention first"),
    ("1.3", lambda A, k: scaled(A[:, k] @ A[:, k].T), "every column must stay"),
    ("1.3", lambda A, k: scaled(A @ A.T), "whole matrix"),
    ("1.3", lambda A, k: scaled(A.T @ A)[np.ix_(k, k)], "AᵀA"),
    ("1.3", lambda A, k: (A @ A.T)[np.ix_(k, k)], "covariance"),
    ("1.4", lambda G, m: tuple(2 * x for x in pair_errors(G, m)), "counted twice"),
    ("1.4", lambda G, m: pair_errors(G, m)[::-1], "changed places"),
    ("1.4", lambda G, m: (int(((G != 0) & (m == 0)).sum()), int(((G == 0) & (m != 0)).sum())), "symmetric"),
    (
        "1.4",
        lambda G, m: (
            int((np.triu(G != 0) & (np.triu(m) == 0)).sum()),
            int((np.triu(m != 0) & (np.triu(G) == 0)).sum()),
        ),
        "symmetric",
    ),
    ("2.1", lambda C, x, y, g: ratio(np.linalg.inv(block(C, x, y, g))), "minus sign"),
    ("2.1", lambda C, x, y, g: -ratio(np.linalg.inv(C), x, y), "whole matrix"),
    ("2.1", lambda C, x, y, g: C[x, y], "plain correlation"),
    ("2.1", lambda C, x, y, g: -np.linalg.inv(block(C, x, y, g))[0, 1], "divide by"),
    ("2.1", lambda C, x, y, g: -ratio(block(C, x, y, g)), "not inverted"),
    ("2.2", lambda r, n, k: p_two(r, n, k) / 2, "only one tail"),
    ("2.2", lambda r, n, k: 2 * ndtr(-np.sqrt(n - k - 3) * np.arctanh(r)), "above 1"),
    ("2.2", lambda r, n, k: p_two(r, n, 0), "k is missing"),
    ("2.2", lambda r, n, k: p_two(r, n + 3, k), "the 3 is missing"),
    ("2.2", lambda r, n, k: 2 * ndtr(-np.sqrt(n - k - 3) * abs(r)), "Fisher's transform is missing"),
    ("2.2", lambda r, n, k: 2 * ndtr(-(n - k - 3) * abs(np.arctanh(r))), "square root"),
    ("2.2", lambda r, n, k: 2 - p_two(r, n, k), "Φ itself"),
    ("2.3", lambda n, k, a: critical(n, k, 2 * a), "two tails"),
    ("2.3", lambda n, k, a: np.arctanh(critical(n, k, a)), "take tanh"),
    ("2.3", lambda n, k, a: -critical(n, k, a), "the sign"),
    ("2.3", lambda n, k, a: critical(n, 0, a), "k is missing"),
    ("2.3", lambda n, k, a: critical(n + 3, k, a), "the 3 is missing"),
    ("2.4", lambda r, n, k, a: [i for i, v in enumerate(r) if v < 0], "every negative r"),
    ("2.4", lambda r, n, k, a: [i for i, v in enumerate(r) if p_two(v, n, k) <= a], "for positive r"),
    ("2.4", lambda r, n, k, a: [i for i, v in enumerate(r) if v < 0 and p_two(v, n, k) > a], "*not* visible"),
    ("2.4", lambda r, n, k, a: [v < 0 and p_two(v, n, k) <= a for v in r], "positions"),
    ("3.1", lambda d, p, g: opens(d, p, g, lambda d, v, g: v in g), "descendants"),
    ("3.1", lambda d, p, g: opens(d, p, g, lambda d, v, g: nx.descendants(d, v) & g), "the collider itself"),
    ("3.1", lambda d, p, g: not set(p[1:-1]) & g, "a collider blocks a path unless"),
    ("3.1", lambda d, p, g: opens(d, p, g, lambda d, v, g: True), "you let it pass"),
    ("3.1", lambda d, p, g: not opens(d, p, g), "changed places"),
    ("3.2", lambda m, i, j: allows(m, j, i), "rows and columns"),
    ("3.2", lambda m, i, j: m[j, i] != 2 and m[i, j] != 3, "without an edge"),
    ("3.2", lambda m, i, j: m[i, j] != 0 and m[j, i] != 2, "a tail at j"),
    ("3.2", lambda m, i, j: m[j, i] == 3 and m[i, j] == 2, "a circle leaves"),
    ("3.2", lambda m, i, j: m[i, j] != 0 and m[i, j] != 3, "an arrowhead at i"),
    ("3.3", lambda m, t: reach(m, t) | {t}, "target itself"),
    ("3.3", lambda m, t: reach(m, t, deep=False), "only the neighbours"),
    ("3.3", lambda m, t: reach(m, t, lambda m, i, j: allows(m, j, i)), "possible descendants"),
    ("3.3", lambda m, t: reach(m, t, lambda m, i, j: m[i, j] != 0), "every edge"),
    ("3.3", lambda m, t: reach(m, t, lambda m, i, j: m[j, i] == 3), "tails only"),
    ("3.4", lambda ms: np.where(np.ptp(ms, axis=0) == 0, ms[0], 0), "not an empty place"),
    ("3.4", lambda ms: np.max(ms, axis=0), "largest mark"),
    ("3.4", lambda ms: np.mean(ms, axis=0), "names, not amounts"),
    ("3.4", lambda ms: ms[0], "first member"),
    ("4.1", lambda a, x, y, s: subsets(sorted(set(itertools.chain(*pools(a, x, y)))), s), "one pool"),
    ("4.1", lambda a, x, y, s: subsets(pools(a, x, y)[0], s), "neighbours of x only"),
    ("4.1", lambda a, x, y, s: subsets(pools(a, x, y)[1], s), "neighbours of y only"),
    ("4.1", lambda a, x, y, s: [g for p in pools(a, x, y) for g in subsets(p, s)], "counts twice"),
    ("4.2", lambda a, s: colliders(a, s, flip=True), "is at z"),
    ("4.2", lambda a, s: colliders(a, s, lambda z, s: z in s), "not in the separating set"),
    ("4.2", lambda a, s: colliders(a, s, lambda z, s: True), "every z"),
    ("4.2", lambda a, s: a.astype(int), "nothing was oriented"),
    ("4.3", lambda m: r1(m, tail=False), "the tail at z"),
    ("4.3", lambda m: r1(m, arrow=False), "the arrowhead at y"),
    ("4.3", lambda m: r1(m, shielded=True), "must not be adjacent"),
    ("4.3", lambda m: r1(m, circle=lambda m, y, z: m[y, z] != 3), "circles only"),
    ("4.3", lambda m: r1(m, circle=lambda m, y, z: m[z, y] == 1), "the circle must be at z"),
    ("4.3", lambda m: r1(r1(m)), "read the old matrix"),
    ("4.3", lambda m: m, "nothing was oriented"),
    ("4.4", lambda m, r, Z: legal(m, r, Z, by_node=True), "pairs (previous, current)"),
    ("4.4", lambda m, r, Z: legal(m, r, Z, lambda m, u, v, w: bool(m[v, w])), "every edge was followed"),
    ("4.4", lambda m, r, Z: all(m[r, z] for z in Z), "only neighbours"),
    ("4.4", lambda m, r, Z: legal(m, r, Z, inside=False), "left the set"),
    ("4.4", lambda m, r, Z: not legal(m, r, Z), "changed places"),
    ("5.1", lambda A, g: merged(A, g, np.mean), "the columns were averaged"),
    ("5.1", lambda A, g: merged(A, g, np.sum, np.sum), "the rows were added"),
    ("5.1", lambda A, g: merged(A, g, np.mean, np.sum), "changed places"),
    ("5.1", lambda A, g: A[np.ix_([x[0] for x in g], [x[0] for x in g])], "only the first piece"),
    ("5.1", lambda A, g: np.vstack([A[x].mean(axis=0) for x in g]), "columns were not merged"),
    ("5.2", lambda rho, n, a: counts(rho, n, a, factor=2), "counted twice"),
    ("5.2", lambda rho, n, a: counts(rho, n, [0.01] * len(a)), "α did not reach"),
    ("5.2", lambda rho, n, a: counts(rho, 384, a), "n did not reach"),
    ("5.2", lambda rho, n, a: counts(rho, n, a, one_sided=True), "one-sided"),
    ("5.3", lambda A: (A.mean(0).max(), A.mean(0).argmax()), "changed places"),
    ("5.3", lambda A: (A.mean(1).argmax(), A.mean(1).max()), "average over the rows"),
    ("5.3", lambda A: (A.sum(0).argmax(), A.sum(0).max()), "the share is the mean"),
    ("5.3", lambda A: (A.argmax() % len(A), A.max()), "largest single weight"),
    ("5.4", lambda pags: joined(pags).sum(0), "counts"),
    ("5.4", lambda pags: np.mean([pag.marks for pag in pags], axis=0), "names, not amounts"),
    ("5.4", lambda pags: joined(pags).any(0), "all graphs"),
    ("5.4", lambda pags: joined(pags).all(0), "all graphs share"),
    ("6.1", lambda sets, d: sorted(sets, key=lambda s: (total(s, d), len(s), s)), "size comes first"),
    (
        "6.1",
        lambda sets, d: sorted(sets, key=lambda s: (len(s), max(d[z] for z in s), s)),
        "largest distance",
    ),
    ("6.1", lambda sets, d: sorted(sets, key=lambda s: (len(s), s)), "play no role"),
    ("6.1", lambda sets, d: sorted(sets, key=lambda s: (len(s), sum(s), s)), "node numbers"),
    ("6.1", lambda sets, d: sorted(sets, key=lambda s: (len(s), total(s, d))), "ties"),
    ("6.1", lambda sets, d: sets, "has not changed"),
    ("10.1", lambda r, n: -n * np.log(1 - r**2) >= np.log(n), "True means independent"),
    ("10.1", lambda r, n: n * np.log(1 - r**2) < np.log(n), "never negative"),
    ("10.1", lambda r, n: -np.log(1 - r**2) < np.log(n), "n is missing"),
    ("10.1", lambda r, n: -n * np.log(1 - r) < np.log(n), "squared"),
    ("10.1", lambda r, n: -n * np.log(1 - r**2) < np.log10(n), "natural logarithm"),
    ("10.2", lambda A: scaled((B := np.delete(A, 0, axis=1)) @ B.T), "first column"),
    ("10.2", lambda A: scaled((B := np.delete(A, A.sum(0).argmax(), axis=0)) @ B.T), "a row was removed"),
    ("10.2", lambda A: scaled(A @ A.T), "still there"),
    ("10.2", lambda A: (B := np.delete(A, A.sum(0).argmax(), axis=1)) @ B.T, "covariance"),
    ("10.2", lambda A: np.corrcoef(np.delete(A, A.sum(0).argmax(), axis=1)), "centre the rows"),
    ("10.3", lambda found, true: set_score(found, true)[::-1], "changed places"),
    ("10.3", lambda found, true: set_score(found, true, of=tuple), "frozenset"),
    (
        "10.3",
        lambda f, t: set_score([w for s in f for w in s], [w for s in t for w in s], of=str),
        "single words",
    ),
    ("7.1", lambda s, seen, k: np.argsort(-s)[:k], "still in the list"),
    ("7.1", lambda s, seen, k: [f for f in np.argsort(-s)[:k] if f not in seen], "out the seen ones first"),
    ("7.1", lambda s, seen, k: [f for f in np.argsort(s) if f not in seen][:k], "worst come first"),
    ("7.1", lambda s, seen, k: s[[f for f in np.argsort(-s) if f not in seen]][:k], "numbers of the films"),
    ("7.1", lambda s, seen, k: [f for f in np.argsort(-s) if f not in seen], "cut to k."),
    ("7.2", lambda s, seen, f: sum(s[o] > s[f] for o in set(range(len(s))) - seen), "begin at 1"),
    ("7.2", lambda s, seen, f: 1 + (s > s[f]).sum(), "seen films count"),
    ("7.2", lambda s, seen, f: sum(s[o] <= s[f] for o in set(range(len(s))) - seen), "from the worst"),
    ("7.2", lambda s, seen, f: 1 + sum(s[o] >= s[f] for o in set(range(len(s))) - seen), "not >="),
    ("7.3", lambda a, works: prefix(a, works, order=np.argsort(a)), "with the most attended"),
    ("7.3", lambda a, works: prefix(a, works, first=2), "size 1"),
    ("7.3", lambda a, works: prefix(a, works, otherwise=(0,)), "None was expected"),
    ("7.3", lambda a, works: tuple(np.argsort(-a)), "whole order"),
    ("7.3", lambda a, works: prefix(a, works)[::-1], "ascending order"),
    ("6.2", lambda P, t: [i for i, row in enumerate(P) if row[t] < 0.5], "one half"),
    ("6.2", lambda P, t: [i for i, row in enumerate(P) if row.argmax() == t], "still wins"),
    ("6.2", lambda P, t: P.argmax(1) != t, "truth values"),
    ("6.2", lambda P, t: P.argmax(1), "truth values or classes"),
    ("6.3", lambda by_size, works: search(by_size, works)[:1], "first set"),
    ("6.3", lambda by_size, works: [s for sets in by_size for s in sets if works(s)], "larger sizes"),
    ("6.3", lambda by_size, works: search(by_size[::-1], works), "last size"),
    (
        "6.3",
        lambda by_size, works: [search(by_size, works), [works(s) for s in by_size[2]]][0],
        "costs the model",
    ),
    ("6.3", lambda by_size, works: search(by_size, works) or None, "return statement"),
    ("6.4", lambda f, u, w: smallest(f, f, w), "parts of the found set"),
    ("6.4", lambda f, u, w: smallest((*f, 0), u, w), "same size"),
    ("6.4", lambda f, u, w: not smallest(f, u, w), "changed places"),
    ("6.4", lambda f, u, w: len(f) == 1 or not any(w((x,)) for x in u), "single words"),
]


@pytest.mark.parametrize(("number", "answer"), [(n, a) for n, all_of_it in RIGHT.items() for a in all_of_it])
def test_right_answer_passes(number, answer):
    verdict = checks.check(number, answer)
    assert verdict.number == number
    assert repr(verdict).startswith(f"Exercise {number} is right. ")


@pytest.mark.parametrize(("number", "answer", "cause"), WRONG)
def test_wrong_answer_is_told_its_cause(number, answer, cause):
    with pytest.raises(WrongAnswer) as raised:
        checks.check(number, answer)
    assert str(raised.value).startswith(f"Exercise {number} is not right yet.")
    assert cause in str(raised.value)
    assert raised.value._render_traceback_() == [str(raised.value)]


def test_every_check_has_right_and_wrong_answers():
    numbers = set()
    for path in Path(checks.__file__).parent.glob("notebook_*.py"):
        numbers |= set(import_module(f"cleann_lite.course.checks.{path.stem}").CHECKS)
    known = {
        number for number in numbers if number.split(".")[0] not in ("8", "9", "11", "12")
    }  # those are tested by themselves
    assert known == set(RIGHT)
    assert known <= {number for number, _, _ in WRONG}


ODD = {
    "a text": "text",
    "a number": 3,
    "not a number": float("nan"),
    "a list": [1, 2],
    "nothing in it": [],
    "a set": {1, 2},
    "a set of texts": {"a"},
    "sets": [{1, 2}, {3}],
    "rows of two lengths": [[1, 2], [3]],
    "a number and a tuple": [1, (2, 3)],
    "pairs with None": [(None, 1)],
    "an array": np.arange(3),
    "truth values": np.array([True, False]),
    "a large table": np.zeros((50, 50)),
    "a dict": {1: 2},
    "a function": print,
    "an object": object(),
    "a complex number": 1j,
}


@pytest.mark.parametrize("odd", ODD)
def test_an_answer_of_another_kind_is_a_wrong_answer(odd):
    for chapter in range(13):
        for number in import_module(f"cleann_lite.course.checks.notebook_{chapter:02d}").CHECKS:
            with pytest.raises(WrongAnswer) as raised:
                checks.check(number, lambda *question: ODD[odd])
            assert len(str(raised.value)) < 1200, number


def test_an_iterator_counts_as_the_list_of_what_it_gives():
    assert checks.call(lambda: (k for k in (2, 1)), to=checks.numbers) == (2, 1)
    assert checks.call(lambda: {2: "b", 1: "a"}.keys(), to=set) == {1, 2}


@pytest.mark.parametrize(
    ("answer", "came"),
    [(np.True_, True), (np.array(False), False), (1, True), (2, 2), ("True", "True"), (0.0, 0.0), ([], [])],
)
def test_truth_reads_what_is_a_truth_value_and_leaves_the_rest(answer, came):
    assert checks.truth(answer) is came or checks.truth(answer) == came
    assert isinstance(checks.truth(answer), type(came))


def test_the_row_that_differs_is_shown():
    right, wrong = np.eye(4), np.eye(4)
    wrong[2, 0] = 7
    with pytest.raises(
        WrongAnswer, match=r"whose row 2 is \[0\. 0\. 1\. 0\.\]\n.*whose row 2 is \[7\. 0\. 1\."
    ):
        checks.expect("The answer", wrong, right)


def test_stub_passes_through():
    def stub(G):
        raise NotImplementedError("Exercise 1.1: the total effects")

    with pytest.raises(NotImplementedError, match=r"Exercise 1\.1") as raised:
        checks.check("1.1", stub)
    assert raised.type.__name__ == "NotImplementedError"
    assert raised.value._render_traceback_()[0] == "Exercise 1.1: the total effects"


@pytest.mark.parametrize("number", ["99.1", "1.99", "one", ""])
def test_unknown_exercise_is_refused(number):
    with pytest.raises(ValueError, match="no exercise"):
        checks.check(number, None)


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (np.True_, True, True),
        (1, True, False),
        ([1, 2], {2, 1}, True),
        ({1, 2}, {1, 2, 3}, False),
        ("a", "a", True),
        (None, 0.5, False),
        ([0.5, 0.25], np.array([0.5, 0.25]), True),
        ((("a", 1), ("b", 2)), [("a", 1), ("b", 2)], True),
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, True),
        ("text", np.zeros(2), False),
    ],
)
def test_expect_compares_by_value(got, expected, same):
    if same:
        checks.expect("The answer", got, expected)
    else:
        with pytest.raises(WrongAnswer):
            checks.expect("The answer", got, expected)


def test_answers_that_are_none_are_told_and_a_function_that_writes_is_judged_by_the_first_data():
    def emptied(G):
        G[...] = 0
        return np.eye(6)

    def ends(*_):
        raise SystemExit(3)

    for number, answer in (
        ("1.1", emptied),
        ("1.1", ends),
        ("1.2", lambda *_: 10**400),
        ("0.a", np.zeros(3)),
        ("0.a", "y" * 9999),
    ):
        with pytest.raises(WrongAnswer) as caught:
            checks.check(number, answer)
        assert len(str(caught.value)) < 900
    for answers in ((), (1, 2)):
        with pytest.raises(ValueError, match=f"one answer: got {len(answers)} answers"):
            checks.check("1.1", *answers)
