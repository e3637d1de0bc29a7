import numpy as np
import pytest
from oracle_cases import SHARED, oracle_cases

from cleann_lite.graphs import PAG
from cleann_lite.orientation import orient, pag_of_mag


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_recorded_pag_of_every_recorded_mag():
    wrong = [case["id"] for case in oracle_cases() if (pag_of_mag(case["mag"]) != case["pag"]).any()]
    assert wrong == []


def test_an_arrowhead_beats_a_tail():
    # 0 o-> 1 <-o 2 and 3 o-> 4 <-o 5 are colliders; R1 then wants 1 -> 4 and 4 -> 1
    skeleton = np.zeros((6, 6), bool)
    for i, j in [(0, 1), (2, 1), (3, 4), (5, 4), (1, 4)]:
        skeleton[i, j] = skeleton[j, i] = True
    apart = [(i, j) for i in range(6) for j in range(i + 1, 6) if not skeleton[i, j]]
    separators = {pair: sum(1 << z for z in (1, 4) if z not in pair) for pair in apart}
    separators[0, 2] = separators[3, 5] = 0
    assert str(PAG(orient(skeleton, separators))).splitlines()[2] == "1 <-> 4"
