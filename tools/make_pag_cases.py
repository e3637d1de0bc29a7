"""Make ``tests/data/pag_cases.json``: MAGs and their PAGs by enumeration, several for each part of each rule.

The PAG itself comes from listing all Markov-equivalent MAGs by m-separation (``tests/oracle_mags.py``),
never from the rules. A case belongs to a part of a rule if the rules give another graph when this part is
left out. Graphs are DAGs drawn at random, hidden nodes, selection and tiers too; parts that chance seldom
needs (R8 in one graph of 1,500) have their own DAG, changed by an edge or two. Each is cut down, one
observed node after another made hidden, to the smallest that still needs the part.

``python tools/make_pag_cases.py [cases a part [minutes]]``
"""

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import networkx as nx
import numpy as np

from cleann_lite.causal import orientation
from cleann_lite.causal.orientation import join
from cleann_lite.causal.random_graphs import LatentDAG, random_latent_dag

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from oracle_mags import pag_by_enumeration  # noqa: E402

FILE = TESTS / "data" / "pag_cases.json"
TABLES = (orientation.ARROWHEAD_RULES, orientation.SELECTION_RULES, orientation.TAIL_RULES)
MOST_EDGES = 13  # beyond, the list of equivalent graphs is long


def nothing(g):
    return g.nothing(), g.nothing()


def _fires(g, tuples, condition):
    """Tails at the first node of each tuple of nodes that meets the condition, on the edge to the last."""
    tails = g.nothing()
    for nodes in tuples:
        tails[nodes[-1], nodes[0]] |= condition(*nodes)
    return g.nothing(), tails


def rule_4_tails(g):
    arrows, tails = orientation.rule_4(g)
    return arrows & tails.T, tails


def rule_4_colliders(g):
    arrows, tails = orientation.rule_4(g)
    return arrows & ~tails.T, g.nothing()


def rule_4_short(g):
    """Only paths ⟨θ, α, β, γ⟩."""
    arrows, tails = g.nothing(), g.nothing()
    for theta, alpha, beta, gamma in permutations(range(g.n), 4):
        if not (g.apart[theta, gamma] and g.into[theta, alpha] and g.into[beta, alpha]):
            continue
        if g.directed[alpha, gamma] and g.circle[gamma, beta] and g.marks[alpha, beta]:
            if g.separators.get((min(theta, gamma), max(theta, gamma))) >> beta & 1:
                arrows[beta, gamma] = tails[gamma, beta] = True
            else:
                arrows[alpha, beta] = arrows[gamma, beta] = arrows[beta, gamma] = True
    return arrows, tails


def rule_5_short(g):
    """Only cycles of four nodes."""
    circles = g.circle_circle
    tails = g.nothing()
    for a, b, c, d in permutations(range(g.n), 4):
        if (
            circles[a, b]
            and circles[b, c]
            and circles[c, d]
            and circles[d, a]
            and g.apart[a, c]
            and g.apart[b, d]
        ):
            tails[a, b] = tails[b, a] = True
    return g.nothing(), tails


def rule_9_short(g):
    """Only paths ⟨α, β, θ, γ⟩."""
    step, apart = g.possibly_directed, g.apart
    return _fires(
        g,
        permutations(range(g.n), 4),
        lambda a, b, t, c: (
            g.circle_arrow[a, c] and step[a, b] and step[b, t] and step[t, c] and apart[a, t] and apart[b, c]
        ),
    )


def rule_10_short(g):
    """Only β and θ next to α."""
    step = g.possibly_directed
    return _fires(
        g,
        permutations(range(g.n), 4),
        lambda a, b, t, c: (
            g.circle_arrow[a, c]
            and g.directed[b, c]
            and g.directed[t, c]
            and g.apart[b, t]
            and step[a, b]
            and step[a, t]
        ),
    )


# part -> (rule, what stays of it without this part)
PARTS = {name: (name, nothing) for table in TABLES for name in table} | {
    "R2, α → β *→ γ": ("R2", lambda g: (join(g.into, g.directed) & g.circle, g.nothing())),
    "R2, α *→ β → γ": ("R2", lambda g: (join(g.directed, g.into) & g.circle, g.nothing())),
    "R4, β in the separating set": ("R4", rule_4_colliders),
    "R4, β outside": ("R4", rule_4_tails),
    "R4, longer paths": ("R4", rule_4_short),
    "R5, longer cycles": ("R5", rule_5_short),
    "R8, α → β → γ": ("R8", lambda g: (g.nothing(), (join(g.tail_circle, g.directed) & g.circle_arrow).T)),
    "R8, α —o β → γ": ("R8", lambda g: (g.nothing(), (join(g.directed, g.directed) & g.circle_arrow).T)),
    "R9, longer paths": ("R9", rule_9_short),
    "R10, longer paths": ("R10", rule_10_short),
}
SELECTED = {"R5", "R6", "R7", "R5, longer cycles", "R8, α —o β → γ"}  # these take an undirected edge

# DAGs that need a rare part: edges, hidden nodes, selection
RARE = (
    ("za ya ab be ef fc bc ac zc yc", "", ""),  # R8, α → β → γ
    ("aA bA bB cB cC dC dD aD ae ef fg gh hi ai ei fi", "", "ABCD"),  # R8, α —o β → γ
    ("dc cb ba de ef fg gh ai ci di ei fi hi", "", ""),  # R10, longer paths
    ("tq qc Hq Hp pc Ip Ib Jb Jc", "HIJ", ""),  # R4, longer paths, β outside
    ("tq qc Hq Hp pc Ip Ib bc", "HI", ""),  # R4, longer paths, β in the separating set
    ("aA bA bB cB cC dC dD eD eE fE fF aF", "", "ABCDEF"),  # R5, longer cycles
)


@contextmanager
def without(part):
    """The rules of orientation, one part left out."""
    rule, rest = PARTS[part]
    table = next(table for table in TABLES if rule in table)
    whole, table[rule] = table[rule], rest
    try:
        yield
    finally:
        table[rule] = whole


def needs(part, mag, rank, want=None):
    """Whether the rules give another graph without this part."""
    want = orientation.pag_of_mag(mag, rank=rank) if want is None else want
    with without(part):
        return bool((orientation.pag_of_mag(mag, rank=rank) != want).any())


def rare_dag(rng):
    """One of the rare DAGs, an edge or two added or removed."""
    edges, hidden, selection = RARE[rng.integers(len(RARE))]
    dag = nx.DiGraph(tuple(edge) for edge in edges.split())
    order = list(nx.topological_sort(dag))
    for _ in range(rng.integers(0, 3)):
        i, j = sorted(rng.choice(len(order), 2, replace=False))
        if dag.has_edge(order[i], order[j]):
            dag.remove_edge(order[i], order[j])
        else:
            dag.add_edge(order[i], order[j])
    observed = sorted(set(dag) - set(hidden) - set(selection))
    return LatentDAG(dag, tuple(observed), tuple(hidden), tuple(selection))


def smallest(example, rank, part):
    """Observed nodes made hidden, one after another, as long as the graph needs the part."""
    go_on = True
    while go_on:
        go_on = False
        for node in example.observed:
            keep = [i for i, v in enumerate(example.observed) if v != node]
            less = replace(example, observed=tuple(example.observed[i] for i in keep))
            ranks = None if rank is None else rank[keep]
            if needs(part, less.mag, ranks):
                example, rank, go_on = less, ranks, True
                break
    return example.mag, rank


def main(wanted=6, minutes=15):
    """Draw graphs until every part has its cases, with tiers and without, or the minutes are over."""
    missing = {(part, False): wanted for part in PARTS}
    missing |= {(part, True): wanted // 2 for part in PARTS if part not in SELECTED}
    cases, seen, seed, end = [], set(), 0, time.monotonic() + minutes * 60
    while any(missing.values()) and time.monotonic() < end:
        seed += 1
        rng = np.random.default_rng(seed)
        tiered = bool(rng.random() < 0.3)
        if rng.random() < 0.5:
            example = rare_dag(rng)
            if tiered and example.selection:
                continue
        else:
            n_selection = 0 if tiered else int(rng.integers(0, 4))
            observed, n_latents = int(rng.integers(4, 11)), int(rng.integers(0, 4))
            n, degree = observed + n_latents + n_selection, float(rng.uniform(1.5, 4.5))
            example = random_latent_dag(n, degree, rng, n_latents, n_selection)
        mag, rank = example.mag, None
        if len(mag) < 3:
            continue
        if tiered:
            order = [
                example.observed.index(v) for v in nx.topological_sort(example.dag) if v in example.observed
            ]
            rank = np.argsort(order) // int(rng.integers(2, len(order) + 1))
        want = orientation.pag_of_mag(mag, rank=rank)
        for part in PARTS:
            if not missing.get((part, tiered)) or not needs(part, mag, rank, want):
                continue
            small, ranks = smallest(example, rank, part)
            key = (small.tobytes(), None if ranks is None else ranks.tobytes())
            if key in seen or np.count_nonzero(small) > 2 * MOST_EDGES:
                continue
            seen.add(key)
            found = [other for other in PARTS if needs(other, small, ranks)]
            cases.append(
                {
                    "needs": found,
                    "mag": small.tolist(),
                    "tier": None if ranks is None else ranks.tolist(),
                    "pag": pag_by_enumeration(small, tier=ranks).tolist(),
                }
            )
            for name in found:
                if (name, tiered) in missing:
                    missing[name, tiered] = max(0, missing[name, tiered] - 1)
    FILE.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n", encoding="utf-8")
    print(f"{len(cases)} cases after {seed} draws; missing: { {k: v for k, v in missing.items() if v} }")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
