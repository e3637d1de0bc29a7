"""The project's own table: PAGs by enumeration, each rule needed by some; made by tools/make_pag_cases.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from cleann_lite.causal import orientation
from cleann_lite.causal.mags import is_mag

CASES = json.loads((Path(__file__).parent / "data" / "pag_cases.json").read_text(encoding="utf-8"))
RULES = {**orientation.ARROWHEAD_RULES, **orientation.SELECTION_RULES, **orientation.TAIL_RULES}


def wrong(cases):
    found = []
    for number, case in enumerate(cases):
        rank = None if case["tier"] is None else np.array(case["tier"])
        if (orientation.pag_of_mag(np.array(case["mag"]), rank=rank) != case["pag"]).any():
            found.append(number)
    return found


def test_every_case_mark_by_mark():
    assert all(is_mag(case["mag"]) for case in CASES)
    assert wrong(CASES) == []
    assert sum("tiers" in case["needs"] for case in CASES) >= 4


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_switched_off_is_noticed(rule, monkeypatch):
    cases = [case for case in CASES if rule in case["needs"]]
    if not cases:
        pytest.skip(f"no small graph needs {rule}")
    for table in (orientation.ARROWHEAD_RULES, orientation.SELECTION_RULES, orientation.TAIL_RULES):
        if rule in table:
            monkeypatch.setitem(table, rule, lambda g: (g.nothing(), g.nothing()))
    assert len(wrong(cases)) == len(cases)
