"""Is a set the smallest? The only proof is to run every smaller one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from .interventions import Interventions
from .stages import by_effect


@dataclass(frozen=True)
class Certificate:
    """What became of a proof.

    Attributes
    ----------
    holds
        True: every smaller set was run and none changes the prediction. False: one does. None: the budget
        ended the proof, or none was asked for.
    smaller
        Smaller sets that change the prediction.
    needed
        Smaller sets that exist.
    """

    holds: bool | None
    smaller: tuple[tuple[int, ...], ...] = ()
    needed: int = 0


def certify(tries: Interventions, units: Sequence[int], size: int, budget: int) -> Certificate:
    """Run every set of fewer than ``size`` units; where there are too many, the likeliest.

    Parameters
    ----------
    units
        All that may be masked, in the graph or not.
    budget
        Inputs that may be run, beyond the cap of the search. What was run before costs nothing.
    """
    needed = sum(comb(len(units), smaller) for smaller in range(1, size))
    if not budget:
        return Certificate(None, needed=needed)
    tries.exhausted, tries.max_calls = False, tries.calls + budget
    for smaller in range(1, size):
        count = comb(len(units), smaller)
        known = sum(tries.known(m) for m in combinations(units, smaller)) if count <= 10_000 else 0
        whole = count - known <= tries.room
        pool = units if whole else _likeliest(tries, units, smaller, budget // 4)
        flips = tries.run(by_effect(tries, combinations(pool, smaller)), until_first=True)
        if flips:
            return Certificate(False, tuple(flips), needed)
        if not whole or tries.exhausted:
            return Certificate(None, needed=needed)
    return Certificate(True, needed=needed)


def _likeliest(tries, units, size, most):
    """The units that lowered the outcome most alone: as many as have at most ``most`` sets of a size."""
    count = max(k for k in range(len(units) + 1) if comb(k, size) <= most)
    return sorted(sorted(units, key=lambda unit: -tries.effect((unit,)))[:count])
