"""Make ``tests/data/pag_cases.json``: MAGs and their PAGs by enumeration, several for each orientation rule.

A case belongs to a rule if the PAG comes out wrong when this rule is left out. The PAG itself comes from
listing all Markov-equivalent MAGs (``mags.pag_by_enumeration``), never from the rules.

``python tools/make_pag_cases.py [cases a rule [minutes]]``
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from cleann_lite.causal import orientation
from cleann_lite.causal.graphs import PAG
from cleann_lite.causal.mags import pag_by_enumeration
from cleann_lite.causal.random_graphs import random_latent_dag

FILE = Path(__file__).parent.parent / "tests" / "data" / "pag_cases.json"
TABLES = (orientation.ARROWHEAD_RULES, orientation.SELECTION_RULES, orientation.TAIL_RULES)


def needed(mag, rank):
    """The rules without which the PAG of this MAG comes out wrong."""
    want, found = orientation.pag_of_mag(mag, rank=rank), []
    for table in TABLES:
        for name, rule in list(table.items()):
            table[name] = lambda g: (g.nothing(), g.nothing())
            if (orientation.pag_of_mag(mag, rank=rank) != want).any():
                found.append(name)
            table[name] = rule
    return found


def main(wanted=12, minutes=5):
    """Draw graphs until every rule has its cases, or the minutes are over."""
    missing = {name: wanted for table in TABLES for name in table} | {"tiers": 2 * wanted}
    cases, seed, end = [], 0, time.monotonic() + minutes * 60
    while any(missing.values()) and time.monotonic() < end:
        seed += 1
        rng = np.random.default_rng(seed)
        n_selection = int(rng.integers(0, 4)) if rng.random() < 0.5 else 0
        observed, n_latents = int(rng.integers(4, 8)), int(rng.integers(0, 4))
        example = random_latent_dag(
            observed + n_latents + n_selection, float(rng.uniform(1.5, 3.5)), rng, n_latents, n_selection
        )
        mag, rank = example.mag, None
        if len(mag) < 3 or np.count_nonzero(mag) > 18:
            continue
        if not n_selection and rng.random() < 0.4:
            rank = PAG(mag).ancestors.sum(axis=0) // 3
        rules = needed(mag, rank) + ([] if rank is None or not rank.any() else ["tiers"])
        if not any(missing[name] for name in rules):
            continue
        pag = pag_by_enumeration(mag, tier=rank)
        cases.append(
            {
                "needs": rules,
                "mag": mag.tolist(),
                "tier": None if rank is None else rank.tolist(),
                "pag": pag.tolist(),
            }
        )
        for name in rules:
            missing[name] = max(0, missing[name] - 1)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
    print(f"{len(cases)} cases after {seed} draws; missing: {missing}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
