"""Where a search looks for sets of units that change the prediction, one stage after the other.

Each stage runs masked inputs (:class:`Interventions`) and returns the sets that it found. The first is
CLEANN's own; the others are additions for inputs on which the graph leads to nothing, or to too much. Source
of the pruning: Zeller, Hildebrandt. Simplifying and Isolating Failure-Inducing Input. IEEE Transactions on
Software Engineering 28, 2002.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from .head_graphs import HeadGraphs, candidates
from .interventions import Interventions

Units = tuple[int, ...]

WIDTH, BRANCH = 2, 8  # sets kept by the beam, and units tried on each, per step; of a sentence all units
SENTENCE = 32  # units


def legal_sets(
    tries: Interventions, graphs: HeadGraphs, sizes: Iterable[int], most: int
) -> tuple[list[Units], int, list[int]]:
    """Legal sets of the graphs, size by size, until one size succeeds (steps 4 and 5 of CLEANN).

    Returns
    -------
    list of tuple of int
        Every set of the first successful size that changes the prediction, by summed distance.
    int
        Largest size of which, as of every smaller one, all legal sets were run and none succeeded.
    list of int
        Sizes of which only the ``most`` nearest sets per head were run.
    """
    whole, cut_at = 0, []
    for size in sizes:
        alone = {unit: tries.effect((unit,)) for unit in graphs.in_graph}
        ranked, cut = candidates(graphs.pags, graphs.in_graph, size, most, alone)
        cut_at += [size] * cut
        flips = tries.run(ranked)
        if flips or tries.exhausted:
            return flips, whole, cut_at
        whole += whole == size - 1 and not cut
    return [], whole, cut_at


def all_sets(tries: Interventions, units: Sequence[int], size: int) -> list[Units]:
    """Sets of all units of one size, the likeliest first, until a batch succeeds or half the room is used."""
    sets = by_effect(tries, combinations(units, size))
    if size > 1:
        sets = sets[: max(1, int(tries.room // 2))]
    return tries.run(sets, until_first=True)


def by_effect(tries: Interventions, sets: Iterable[Sequence[int]]) -> list[Units]:
    """Sets by how much their parts, as far as they were run, lowered the outcome."""

    def strength(members: Units) -> float:
        if len(members) < 3:
            return sum(tries.effect((unit,)) for unit in members)
        return sum(
            tries.effect(pair) or max(map(tries.effect, zip(pair))) for pair in combinations(members, 2)
        )

    ranked = [(-strength(members), members) for members in map(tuple, sets)]
    return [members for _, members in sorted(ranked)]


def beam(tries: Interventions, units: Sequence[int], start: Iterable[Units], largest: int) -> list[Units]:
    """Add units one by one to the sets that lowered the outcome most, until one changes the prediction.

    It begins with the sets ``start``, which were run; units of large effect alone are tried first. The set
    that left least of the outcome is pruned, so that every unit of it is needed; [] if none was found.
    """
    order = sorted(units, key=lambda unit: -tries.effect((unit,)))
    most = BRANCH if len(order) > SENTENCE else None
    best = _best(tries, start) or [()]
    reserve = 2 * len(order)  # for the pruning, here or of all units
    while tries.room > reserve and len(best[0]) < min(largest, len(order)):
        grown = [
            tuple(sorted((*members, unit)))
            for members in best
            for unit in [unit for unit in order if unit not in members][:most]
        ]
        flips = tries.run(dict.fromkeys(grown))
        if flips:
            strongest = min(flips, key=tries.remaining)
            return [pruned(tries, sorted(strongest, key=order.index, reverse=True))]
        best = _best(tries, grown)
    return []


def _best(tries: Interventions, sets: Iterable[Units]) -> list[Units]:
    run = [members for members in dict.fromkeys(sets) if tries.known(members)]
    return sorted(run, key=lambda members: (tries.remaining(members), members))[:WIDTH]


def pruned(tries: Interventions, units: Sequence[int]) -> Units:
    """Take out what a set that changes the prediction can spare: at the end every unit is needed.

    One unit after the other is left out, round and round, until none could be since the last that was (delta
    debugging at its finest grain); those that are likely to be spared come first.
    """
    kept, needed = list(units), 0
    while len(kept) > 1 and needed < len(kept) and not tries.exhausted:
        first, *rest = kept
        if tries.run([rest]):
            kept, needed = rest, 0
        else:
            kept, needed = [*rest, first], needed + 1
    return tuple(sorted(kept))


def least(works: Callable[[int], bool], fails: int, known: int) -> int:
    """A count that works while one less does not, by halving between one that fails and one that works."""
    while known - fails > 1:
        middle = (fails + known) // 2
        if works(middle):
            known = middle
        else:
            fails = middle
    return known


def everything(tries: Interventions, units: Sequence[int]) -> list[Units]:
    """Mask every unit; if that changes the prediction, what is needed of it."""
    order = sorted(units, key=lambda unit: -tries.effect((unit,)))
    return [pruned(tries, (shortest_start(tries, order) or order)[::-1]) for _ in tries.run([units])]


def shortest_start(tries: Interventions, order: Sequence[int]) -> Sequence[int]:
    """A short beginning of an order that changes the prediction, by doubling, then halving; () if none."""

    def works(count: int) -> bool:
        return bool(tries.run([order[:count]]))

    fails, count = 0, min(1, len(order))
    while fails < count and not tries.exhausted:
        if works(count):
            return order[: least(works, fails, count)]
        fails, count = count, min(2 * count, len(order))
    return ()
