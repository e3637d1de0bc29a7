"""Zhang's rules and the three searches as the papers state them, node by node: the oracle of the quick forms.

``m[a, b]`` is the mark at b on a *-* b: 0 no edge, 1 circle, 2 arrowhead, 3 tail.
"""

from itertools import combinations, pairwise, permutations, product

import numpy as np

ARROWHEADS, SELECTION, TAILS = (1, 2, 3, 4), (5, 6, 7), (8, 9, 10)


class Rules:
    """What each rule asks for in one graph: arrowheads and tails as sets of (a, b), at b."""

    def __init__(self, m, sets, look=None):
        self.m, self.nodes, self.sets = m, range(len(m)), sets
        self.look = look or (lambda a, b, c: True)  # whether a and b depend given their set and c

    def into(self, *path):
        return all(self.m[a, b] == 2 for a, b in pairwise(path))

    def circle(self, a, b):
        return self.m[a, b] == 1

    def tail(self, a, b):
        return self.m[a, b] == 3

    def apart(self, a, b):
        return a != b and not self.m[a, b]

    def directed(self, a, b):
        return self.into(a, b) and self.tail(b, a)

    def possibly(self, a, b):
        return self.m[a, b] in (1, 2) and not self.into(b, a)

    def ends(self, a, b, step):
        """The last two nodes of every uncovered walk a, b, …"""
        found = new = {(a, b)}
        while new:
            new = {(v, w) for u, v in new for w in self.nodes if step(v, w) and self.apart(u, w)} - found
            found = found | new
        return found

    def rule(self, number):
        """(arrowheads, tails) of a rule, where there is a circle."""
        arrows, tails = set(), set()
        getattr(self, f"rule_{number}")(arrows, tails)
        arrows, tails = ({(a, b) for a, b in marks if self.circle(a, b)} for marks in (arrows, tails))
        return arrows, tails - arrows

    def rule_0(self, arrows, _):
        for (a, b), held in self.sets.items():
            for c in self.nodes:
                near = self.m[a, c] and self.m[b, c]
                news = near and c not in held and not (self.into(a, c) and self.into(b, c))
                if news and self.look(a, b, c):
                    arrows |= {(a, c), (b, c)}

    def rule_1(self, arrows, tails):
        for a, b, c in permutations(self.nodes, 3):
            if self.into(a, b) and self.circle(c, b) and self.apart(a, c):
                arrows.add((b, c)), tails.add((c, b))

    def rule_2(self, arrows, _):
        for a, b, c in permutations(self.nodes, 3):
            if self.into(a, b, c) and (self.tail(b, a) or self.tail(c, b)):
                arrows.add((a, c))

    def rule_3(self, arrows, _):
        for a, b, c, t in permutations(self.nodes, 4):
            collider = self.into(a, b) and self.into(c, b) and self.apart(a, c)
            if collider and self.circle(a, t) and self.circle(c, t):
                arrows.add((t, b))

    def rule_4(self, arrows, tails):
        for t, g, b in permutations(self.nodes, 3):
            pair = min(t, g), max(t, g)
            if pair not in self.sets or not self.circle(g, b):
                continue
            between = [q for q in self.nodes if q not in (t, b) and self.directed(q, g)]
            for size in range(1, len(between) + 1):
                for inner in permutations(between, size):
                    path = (t, *inner, b)
                    around = zip(path, inner, path[2:], strict=False)
                    if not all(self.into(u, q) and self.into(w, q) for u, q, w in around):
                        continue
                    if b in self.sets[pair]:
                        arrows.add((b, g)), tails.add((g, b))
                    elif self.look(*pair, b):
                        arrows |= {(inner[-1], b), (g, b), (b, g)}

    def rule_5(self, _, tails):
        def step(a, b):
            return self.circle(a, b) and self.circle(b, a)

        for a, b, c in permutations(self.nodes, 3):
            if not (step(a, b) and step(a, c) and self.apart(b, c)):
                continue
            if any(w == b and self.apart(v, a) for v, w in self.ends(a, c, step)):
                tails |= {(a, b), (b, a)}

    def rule_6(self, _, tails):
        for a, b, c in permutations(self.nodes, 3):
            if self.tail(a, b) and self.tail(b, a):
                tails.add((c, b))

    def rule_7(self, _, tails):
        for a, b, c in permutations(self.nodes, 3):
            if self.circle(a, b) and self.tail(b, a) and self.apart(a, c):
                tails.add((c, b))

    def rule_8(self, _, tails):
        for a, b, c in permutations(self.nodes, 3):
            first = self.directed(a, b) or (self.circle(a, b) and self.tail(b, a))
            if first and self.directed(b, c) and self.into(a, c):
                tails.add((c, a))

    def rule_9(self, _, tails):
        for a, b, c in permutations(self.nodes, 3):
            if not (self.into(a, c) and self.possibly(a, b) and self.apart(b, c)):
                continue
            if any(w == c for _, w in self.ends(a, b, self.possibly)):
                tails.add((c, a))

    def rule_10(self, _, tails):
        for a, c in permutations(self.nodes, 2):
            if self.into(a, c) and self.circle(c, a):
                starts = [
                    b
                    for b in self.nodes
                    if b != c
                    and self.possibly(a, b)
                    and any(self.directed(w, c) for _, w in self.ends(a, b, self.possibly))
                ]
                if any(self.apart(u, v) for u, v in combinations(starts, 2)):
                    tails.add((c, a))


def before_rules(skeleton, rank):
    """Circles, and arrowheads at what a known order says to be later."""
    m = skeleton.astype(int)
    for a, b in product(range(len(m)), repeat=2):
        if m[a, b] and rank is not None and rank[a] < rank[b]:
            m[a, b] = 2
    return m


def plain_orient(skeleton, sets, rank=None, selection=True, look=None):
    """R0 once, then the first rule that changes anything, again and again."""
    m = before_rules(skeleton, rank)

    def changes(number):
        arrows, tails = Rules(m.copy(), sets, look).rule(number)
        for mark, where in ((2, arrows), (3, tails)):
            for place in where:
                m[place] = mark
        return arrows or tails

    changes(0)
    numbers = [*ARROWHEADS, *(SELECTION if selection and rank is None else ()), *TAILS]
    while any(changes(number) for number in numbers):
        pass
    return m


def pds_lengths(m, root, inside):
    """Length of the shortest PDS-path inside a set from the root to each node that has one."""
    found, paths = {}, [(root, node) for node in inside if m[root, node]]
    while paths:
        for path in paths:
            found.setdefault(path[-1], len(path) - 1)
        paths = [
            (*path, w)
            for path in paths
            for w in inside
            if w not in path and m[path[-1], w]
            if m[path[-2], w] or m[path[-2], path[-1]] == m[w, path[-1]] == 2
        ]
    return found


def pds_walks(m, root, inside):
    """The same of walks, which may meet a node twice."""
    found, seen, steps, new = {}, set(), 0, {(root, node) for node in inside if m[root, node]}
    while new:
        seen, steps = seen | new, steps + 1
        for _, node in new:
            found.setdefault(node, steps)
        new = {
            (v, w)
            for u, v in new
            for w in inside
            if w != u and m[v, w] and (m[u, w] or m[u, v] == m[w, v] == 2)
        } - seen
    return found


class PlainSearch:
    """One search; ``asked`` holds of each size the questions in order, then the second looks in any order."""

    def __init__(self, independent, n, method, rank, strength, *, selection, together, confirm):
        self.independent, self.n, self.method = independent, n, method
        self.rank, self.strength = rank, strength
        self.selection, self.together = selection and rank is None, together
        self.skeleton, self.sets, self.asked = ~np.eye(n, dtype=bool), {}, []
        self.confirm, self.looks, self.levels, self.counted = confirm, {}, [], 0

    def run(self):
        self.level([(x, y, [()]) for x, y in self.edges()], 0)
        if self.method == "fci":
            self.sizes(1, self.neighbours)
            self.sizes(1, self.possible_d_sep())
            return
        if self.n > 2:
            self.level([(x, y, self.singles(x, y)) for x, y in self.edges()], 1)
        self.sizes(2, self.trees)

    def edges(self):
        return [pair for pair in combinations(range(self.n), 2) if self.skeleton[pair]]

    def sizes(self, size, sets_of):
        while size <= self.n - 2:
            edges, candidates = self.edges(), sets_of(size)
            if not self.level([(x, y, candidates) for x, y in edges], size):
                return
            size += 1

    def level(self, queries, size):
        """Ask of each edge its sets up to the first that separates; whether there was any set."""
        asked, found = [], {}
        self.asked.append((asked, []))
        self.levels.append(size)
        for x, y, sets in queries:
            sets = sets(x, y) if callable(sets) else sets
            self.counted += len(sets) * (size > (self.method != "fci"))
            for given in sets:
                asked.append((x, y, given))
                if self.independent(x, y, given):
                    found[x, y] = given
                    if not self.together:
                        self.delete({(x, y): given})
                    break
        if self.together:
            self.delete(found)
        return bool(asked)

    def delete(self, found):
        for (x, y), given in found.items():
            self.skeleton[x, y] = self.skeleton[y, x] = False
            self.sets[x, y] = given

    def marks(self):
        return plain_orient(self.skeleton, self.sets, self.rank, self.selection, self.look)

    def look(self, x, y, z):
        if not self.confirm:
            return True
        if (x, y, z) not in self.looks:
            self.looks[x, y, z] = not self.also(x, y, (*self.sets[x, y], z))
        return self.looks[x, y, z]

    def also(self, x, y, given):
        self.asked[-1][1].append((min(x, y), max(x, y), tuple(sorted(given))))
        return self.independent(x, y, given)

    def may_separate(self, x, y):
        """The nodes but x and y that are not later than both."""
        others = [z for z in range(self.n) if z not in (x, y)]
        return [z for z in others if self.rank is None or self.rank[z] <= max(self.rank[x], self.rank[y])]

    def by_strength(self, x, y, sets, distance=lambda given: 0):
        """Nearest first, then those that depend most on both, then by number."""
        if self.strength is None:
            weight = dict.fromkeys(sets, 0)
        else:
            weight = {g: sum(min(self.strength[x, z], self.strength[y, z]) for z in g) for g in sets}
        return sorted(sets, key=lambda g: (distance(g), -weight[g], sum(1 << z for z in g)))

    def singles(self, x, y):
        near = [(z,) for z in self.may_separate(x, y) if self.skeleton[x, z] and self.skeleton[y, z]]
        return self.by_strength(x, y, near)

    def subsets(self, x, y, size, pools):
        sets = dict.fromkeys(g for pool in pools for g in combinations(sorted(pool), size))
        return list(sets) if self.strength is None else self.by_strength(x, y, sets)

    def neighbours(self, size):
        before = self.skeleton.copy()

        def sets(x, y):
            near, early = before if self.together else self.skeleton, self.may_separate(x, y)
            return self.subsets(x, y, size, [[z for z in early if near[end, z]] for end in (x, y)])

        return sets

    def ancestors(self, m):
        """[a, b]: a is a possible ancestor of b, or with selection of what is selected."""
        step = (m > 0) & (m.T != 2) & ((m != 3) | self.selection)
        reach = np.eye(self.n, dtype=bool)
        for _ in range(self.n):
            reach = reach | (reach.astype(int) @ step.astype(int) > 0)
        return reach

    def possible_d_sep(self):
        m = before_rules(self.skeleton, self.rank)
        for (x, y), held in self.sets.items():
            for z in range(self.n):
                between = self.skeleton[x, z] and self.skeleton[y, z] and z not in held
                if between and not self.also(x, z, held) | self.also(z, y, held):
                    m[x, z] = m[y, z] = 2
        before = self.ancestors(m)

        def pools(x, y):
            allowed = [z for z in self.may_separate(x, y) if before[z, x] or before[z, y]]
            return [pds_lengths(m, end, allowed) for end in (x, y)]

        return lambda size: lambda x, y: self.subsets(x, y, size, pools(x, y))

    def trees(self, size):
        m = self.marks()
        before = self.ancestors(m)

        def sets(x, y):
            now = np.where(self.skeleton, m, 0)
            pool = [z for z in self.may_separate(x, y) if before[z, x] or before[z, y]]
            roots = (x, y)
            if self.method == "ordered-icd":
                roots = [max(roots, key=lambda end: self.rank[end])]
            nearest = {}
            for root in roots:
                far = pds_lengths(now, root, [z for z in range(self.n) if z not in (x, y)])
                for given in combinations(pool, size):
                    if set(pds_lengths(now, root, given)) == set(given):
                        total = sum(far[z] for z in given)
                        nearest[given] = min(total, nearest.get(given, total))
            return self.by_strength(x, y, nearest, nearest.get)

        return sets
