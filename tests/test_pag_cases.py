"""Our table: PAGs by enumeration, each part of each rule needed by some, with tiers and without.

Made by tools/make_pag_cases.py, which also says what is left of a rule without one of its parts.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from cleann_lite.causal.bitsets import as_bits
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.mags import is_mag
from cleann_lite.causal.orientation import pag_of_mag
from cleann_lite.causal.separation import MixedSeparation
from tools.make_pag_cases import PARTS, SELECTED, without

CASES = json.loads((Path(__file__).parent / "data" / "pag_cases.json").read_text(encoding="utf-8"))


class Separations:
    """What a MAG says of independence: a perfect test, made from what the protocol asks and no more."""

    def __init__(self, mag):
        self.separation, self.n_variables = MixedSeparation(np.array(mag)), len(mag)

    def independent(self, x, y, given=()):
        return self.separation.separated(x, y, as_bits(given))


def found_by_rules(case):
    rank = None if case["tier"] is None else np.array(case["tier"])
    return pag_of_mag(np.array(case["mag"]), rank=rank).tolist()


def test_every_case_mark_by_mark():
    assert all(is_mag(case["mag"]) for case in CASES)
    assert [case for case in CASES if found_by_rules(case) != case["pag"]] == []


def test_the_numbering_of_the_nodes_does_not_matter():
    for number, case in enumerate(CASES):
        mag, pag = np.array(case["mag"]), np.array(case["pag"])
        order = np.random.default_rng(number).permutation(len(mag))
        for place in (order, order[::-1]):
            rank = None if case["tier"] is None else np.array(case["tier"])[place]
            grid = np.ix_(place, place)
            assert (pag_of_mag(mag[grid], rank=rank) == pag[grid]).all()


@pytest.mark.parametrize("method", ["icd", "fci"])
def test_every_case_is_learned_from_its_separations(method):
    wrong = []
    for case in CASES:
        tiers = None
        if case["tier"] is not None:
            tiers = [[i for i, t in enumerate(case["tier"]) if t == tier] for tier in sorted({*case["tier"]})]
        pag = learn_pag(Separations(case["mag"]), method, tiers=tiers)
        if pag.marks.tolist() != case["pag"]:
            wrong.append(case)
    assert wrong == []


@pytest.mark.parametrize(
    ("part", "tiered"), [(p, t) for p in PARTS for t in (False, True) if not (t and p in SELECTED)]
)
def test_a_part_of_a_rule_left_out_is_noticed(part, tiered):
    cases = [case for case in CASES if part in case["needs"] and (case["tier"] is not None) == tiered]
    assert len(cases) >= 3
    with without(part):
        assert all(found_by_rules(case) != case["pag"] for case in cases)
