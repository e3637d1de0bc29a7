"""Is a set the smallest? The only proof is to run every smaller one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from .interventions import Interventions
from .stages import by_effect

HOPELESS = 700  # inputs; of as many at most a quarter is run where no proof is possible


@dataclass(frozen=True)
class Certificate:
    """What became of a proof."""

    holds: bool | None  # True: all smaller sets were run, none works; None: the budget ended this
    smaller: tuple[tuple[int, ...], ...]  # sets that change the prediction
    needed: int  # how many smaller sets exist


def certify(tries: Interventions, units: Sequence[int], size: int, budget: int) -> Certificate:
    """Run every set of fewer than ``size`` units; if there are too many, the likeliest.

    Parameters
    ----------
    units
        All that may be masked, in the graph or not.
    budget
        Inputs that may be run, beyond the cap of the search. What was run before costs nothing. Where they
        are too few for all sets, a quarter of them may still refute that a set is smallest.
    """
    sizes = range(1, size)
    needed = sum(comb(len(units), smaller) for smaller in sizes)
    if not budget:
        return Certificate(None, (), needed)
    fresh = {smaller: comb(len(units), smaller) - tries.count(smaller) for smaller in sizes}
    if sum(fresh.values()) > budget:
        budget = min(budget, HOPELESS) // 4
    tries.exhausted, tries.max_calls = False, tries.calls + budget
    for smaller in sizes:
        whole = fresh[smaller] <= tries.room
        pool = units if whole else _likeliest(tries, units, smaller, tries.room)
        flips = tries.run(by_effect(tries, combinations(pool, smaller)), until_first=True)
        if flips:
            return Certificate(False, tuple(flips), needed)
        if not whole or tries.exhausted:
            return Certificate(None, (), needed)
    return Certificate(True, (), needed)


def _likeliest(tries: Interventions, units: Sequence[int], size: int, most: float) -> list[int]:
    """The units that lowered the outcome most alone: not all, and with at most ``most`` sets of a size."""
    count = max(k for k in range(len(units)) if comb(k, size) <= most)
    return sorted(sorted(units, key=lambda unit: -tries.effect((unit,)))[:count])
