"""Larger legal sets, grown from smaller ones, for inputs on which sets of a few units cannot suffice.

In a review of 200 words no three words decide, and all sets of ten cannot be tried. A beam search then goes
on from the sets that have lowered the outcome most: it adds one unit at a time, so that the set stays legal
in its head's graph (every member keeps its PDS-path inside the set), and at the end takes out again what the
set can spare. The result changes the prediction, and no member can be left out of it; it need not be the
smallest. Own addition to the papers' search.
"""

import numpy as np

from ..causal.pds import PDSGraph

WIDTH, BRANCH = 2, 8  # sets kept, and units tried on each, per step


def grow(tries, pags, nodes, start=(), max_size=40):
    """A legal set that changes the prediction, or None.

    Parameters
    ----------
    tries : Interventions
        The model under masking; its cap on inputs ends the growth.
    pags : dict of int to PAG
        Head -> graph, whose last node is the outcome.
    nodes : sequence of int
        The unit of each other node.
    start : iterable of (tuple of int, int)
        Sets that were run, with the head that allows them; single units when there are none.
    max_size : int

    Returns
    -------
    (tuple of int, int) or None
        Units, and the head in whose graph the set is legal.
    """
    graphs = {head: PDSGraph(pag.marks) for head, pag in pags.items()}
    place = {unit: i for i, unit in enumerate(nodes)}
    root = len(nodes)
    tries.run([(unit,) for unit in nodes])
    whole = tries.original[tries.encoded.target]
    effect = {u: np.nan_to_num(whole - tries.remaining((u,))) for u in nodes}

    def bits(units):
        return sum(1 << place[u] for u in units)

    def extensions(units, head):
        reached = graphs[head].reached(root, bits(units))
        more = [u for u in nodes if reached >> place[u] & 1 and u not in units]
        return sorted(more, key=lambda u: -effect[u])[:BRANCH]

    beam = _best(tries, start, WIDTH) or [((), head) for head in pags]
    while beam and not tries.exhausted and len(beam[0][0]) < max_size:
        grown = {}
        for units, head in beam:
            for unit in extensions(units, head):
                grown.setdefault(tuple(sorted((*units, unit))), head)
        flips = tries.run(grown)
        if flips:
            strongest = min(flips, key=tries.remaining)
            graph = graphs[grown[strongest]]
            legal = lambda units, graph=graph: graph.legal(root, bits(units))  # noqa: E731
            return _pruned(tries, strongest, legal, effect), grown[strongest]
        beam = _best(tries, grown.items(), WIDTH)
    return None


def _best(tries, states, width):
    """The states that left least of the outcome's probability, among those that were run."""
    run = [(units, head) for units, head in states if np.isfinite(tries.remaining(units))]
    return sorted(run, key=lambda state: (tries.remaining(state[0]), state))[:width]


def _pruned(tries, units, legal, effect):
    """Take out, weakest first, every unit that a legal set which still changes the prediction can spare."""
    for unit in sorted(units, key=effect.get):
        smaller = tuple(u for u in units if u != unit)
        if smaller and legal(smaller) and tries.run([smaller]):
            units = smaller
    return units
