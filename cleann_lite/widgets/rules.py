"""An orientation rule told with the variables of one step, in place of its Greek letters.

Which variables a rule read is found by asking the rule: nodes are left out of the graph for as long as the
rule still writes the mark. Those that remain are the ones that its condition names.
"""

import re
from itertools import combinations

import numpy as np

from ..causal.batched import as_batched
from ..causal.bitsets import as_bits, bits, packed, unpacked
from ..causal.graphs import Mark
from ..causal.orientation import ARROWHEAD_RULES, SELECTION_RULES, TAIL_RULES, rule_0
from ..causal.relations import Relations
from ..causal.separators import Separators

RULES = {"R0": rule_0, **ARROWHEAD_RULES, **SELECTION_RULES, **TAIL_RULES}

# rule and the mark that it wrote at y on x *-* y -> the letters of x and y, then of the others that it read;
# a rule that reads a path of any length names its letters in ⟨ ⟩
_LETTERS = {
    ("R0", Mark.ARROW): "αγβ",
    ("R1", Mark.ARROW): "βγα",
    ("R1", Mark.TAIL): "γβα",
    ("R2", Mark.ARROW): "αγβ",
    ("R3", Mark.ARROW): "θβαγ",
    ("R6", Mark.TAIL): "γβα",
    ("R7", Mark.TAIL): "γβα",
    ("R8", Mark.TAIL): "γαβ",
}


def statement(rule):
    """A rule as `orientation` states it: one sentence with Greek letters."""
    if rule == "legality":
        return "No causal model has all of the marks that the rules wrote: some are taken back."
    return " ".join((RULES[rule].__doc__ or "").split("\n\n")[0].split())


def told(pag, step, graphs, separating_sets, test=None):
    """The rule of a step with the names of all the variables that its condition names.

    Parameters
    ----------
    pag
        Whose nodes and labels these are.
    step
        Of kind "orient".
    graphs
        Marks of the graphs that the rule may have read, the likeliest first.
    separating_sets
        Pairs of nodes -> separating set, when the rule was applied.
    test
        Confirms colliders, as in the search; None believes every one.
    """
    text = statement(step.rule)
    if step.rule not in RULES:
        return text
    place = {node: i for i, node in enumerate(pag.nodes)}
    sets = {
        (min(place[a], place[b]), max(place[a], place[b])): as_bits(place[z] for z in given)
        for (a, b), given in separating_sets.items()
    }
    separators = Separators.of(len(pag), sets)

    def opened(alpha, beta, colliders):
        asked, kept = as_batched(test), unpacked(colliders, len(pag)).copy()
        for i, node in np.argwhere(kept).tolist():
            a, b = sorted((int(alpha[i]), int(beta[i])))
            given = np.sort([pag.nodes[z] for z in bits(sets[a, b] | 1 << node)])
            kept[i, node] = False  # as long as no test can tell
            if asked.too_few_samples(len(given)) is None:
                x, y = np.array([[pag.nodes[a]], [pag.nodes[b]]])
                independent, solvable = asked.answer_each(x, y, given[None])
                kept[i, node] = solvable[0] and not independent[0]
        return packed(kept)

    asked = step.rule, step.mark, place[step.x], place[step.y]
    relations = (Relations(marks, separators, opened if test else None) for marks in graphs)
    letters, paths = next(filter(None, (read_by(*asked, g) for g in relations)), ({}, []))

    def names(nodes):
        return ", ".join(pag.label(pag.nodes[i]) for i in nodes)

    def in_words(match):
        if match[0][0] == "⟨" and paths:
            return f"⟨{names(paths.pop(0))}⟩"
        if match[1] in letters:
            a, b = letters[match[1]], letters[match[2]]
            return f"Sepset({names([a, b])}) = {{{names(bits(sets[min(a, b), max(a, b)]))}}}"
        return names([letters[match[0]]]) if match[0] in letters else match[0]

    return re.sub(r"⟨[^⟩]*⟩|Sepset\((.), (.)\)|[α-ω]", in_words, text)


def read_by(rule, mark, x, y, g):
    """What a rule read when it wrote the mark at y on x *-* y: letter -> node, and its paths.

    None if it does not write it in this graph. No paths, and letters for x and y alone, where the marks are
    so contradictory that the rule went along a walk that meets a node twice.
    """

    def writes(others):
        arrows, tails = RULES[rule](Relations(_only(g.marks, {x, y, *others}), g.separators, g.opened))
        return (arrows if mark == Mark.ARROW else tails)[x, y]

    others = [node for node in range(g.n) if node not in (x, y)]
    others = next(([node] for node in others if writes([node])), others)
    if g.marks[x, y] != Mark.CIRCLE or not writes(others):
        return None
    for node in tuple(others):
        fewer = [other for other in others if other != node]
        others = fewer if writes(fewer) else others
    if (rule, mark) in _LETTERS:
        return dict(zip(_LETTERS[rule, mark], (x, y, *others), strict=True)), []
    inside = Relations(_only(g.marks, {x, y, *others}), g.separators)
    paths = next(_paths(rule, x, y, inside, {x, y, *others}), ())
    letters = {"α": x, "β": y} if rule == "R5" else {"α": y, "γ": x} if rule != "R4" else {}
    for path, spelt in zip(paths, re.findall("⟨(.*?)⟩", statement(rule)), strict=False):
        first, last = (re.findall("[α-ω]", part) for part in spelt.split("…"))
        letters |= dict(zip(first, path, strict=False)) | dict(zip(last[::-1], path[::-1], strict=False))
    return letters, list(paths)


def _only(marks, nodes):
    """The edges among some nodes."""
    inside = np.isin(np.arange(len(marks)), list(nodes))
    return np.where(inside[:, None] & inside, marks, 0).astype(np.int8)


def _paths(rule, x, y, g, nodes):
    """The paths that a rule speaks of, in the graph of no other nodes than those it read."""
    if rule in ("R5", "R9"):
        start, end, step = (x, y, g.circle_circle) if rule == "R5" else (y, x, g.possibly_directed)
        found = _uncovered(step, g.apart, [start], nodes)
        return ([path] for path in found if path[-1] == end and {*path} == nodes)
    if rule == "R10":
        to_parents = (
            path
            for path in _uncovered(g.possibly_directed, g.apart, [y], nodes - {x})
            if g.parents[x, path[-1]]
        )
        return (
            [one, two]
            for one, two in combinations(to_parents, 2)
            if g.apart[one[1], two[1]] and {x, *one, *two} == nodes
        )
    return (
        [[*path[::-1], gamma]]
        for beta, gamma in np.argwhere(g.circle.T).tolist()
        for path in _discriminating(g, [beta], gamma, nodes)
        if (x, y) in ((gamma, beta), (beta, gamma), (path[1], beta))
    )


def _uncovered(step, apart, path, nodes):
    """Every uncovered path that goes on from a path over allowed steps through some nodes."""
    for node in sorted(nodes - {*path}):
        if step[path[-1], node] and (len(path) == 1 or apart[path[-2], node]):
            yield [*path, node]
            yield from _uncovered(step, apart, [*path, node], nodes)


def _discriminating(g, path, gamma, nodes):
    """From β on backwards: every discriminating path through all nodes."""
    for node in sorted(nodes - {*path, gamma}):
        if len(path) == 1 or g.into[node, path[-1]]:  # what is before it on the way is a collider
            if len(path) == len(nodes) - 2 and len(path) > 1 and g.apart[node, gamma]:
                yield [*path, node]
            elif g.into[path[-1], node] and g.directed[node, gamma]:
                yield from _discriminating(g, [*path, node], gamma, nodes)
