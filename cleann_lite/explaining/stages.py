"""Where a search looks for sets of units that change the prediction, one stage after the other.

Each stage runs masked inputs (:class:`Interventions`) and returns the sets that it found. The first is
CLEANN's own; the others are additions for inputs on which the graph leads to nothing, or to too much. Source
of the pruning: Zeller, Hildebrandt. Simplifying and Isolating Failure-Inducing Input. IEEE Transactions on
Software Engineering 28, 2002.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from ..attention.words import group_sentences
from .head_graphs import HeadGraphs, candidates
from .interventions import Interventions

Units = tuple[int, ...]

WIDTH, BRANCH = 2, 8  # sets kept by the beam, and units tried on each, per step
MOST_GROUPED = 40  # units in a part of a long text
LONG = 120  # units: more are searched sentence by sentence


def legal_sets(tries: Interventions, graphs: HeadGraphs, sizes: Iterable[int], most: int):
    """Legal sets of the graphs, size by size, until one size succeeds (steps 4 and 5 of CLEANN).

    Returns
    -------
    list of tuple of int
        Every set of the first successful size that changes the prediction, by summed distance.
    int
        Size up to which every legal set was run.
    list of int
        Sizes of which only the ``most`` nearest sets per head were run.
    """
    whole, cut_at = 0, []
    for size in sizes:
        alone = {unit: tries.effect((unit,)) for unit in graphs.nodes}
        ranked, cut = candidates(graphs.pags, graphs.nodes, size, most, alone)
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
    flips, batch = [], tries.batch_size
    for start in range(0, len(sets), batch):
        flips = tries.run(sets[start : start + batch])
        if flips or tries.exhausted:
            break
    return flips


def by_effect(tries: Interventions, sets: Iterable[Sequence[int]]) -> list[Units]:
    """Sets by how much their parts, as far as they were run, lowered the outcome."""

    def strength(members):
        if len(members) < 3:
            return sum(tries.effect((unit,)) for unit in members)
        return sum(
            tries.effect(pair) or max(map(tries.effect, zip(pair))) for pair in combinations(members, 2)
        )

    ranked = [(-strength(members), members) for members in map(tuple, sets)]
    return [members for _, members in sorted(ranked)]


def beam(tries: Interventions, units: Sequence[int], start: Iterable[Units], largest: int) -> list[Units]:
    """Add units one by one to the sets that lowered the outcome most, until one changes the prediction.

    Parameters
    ----------
    units
        May be masked; those of large effect alone are tried first.
    start
        Sets that were run.
    largest
        Size of the largest set.

    Returns
    -------
    list of tuple of int
        The set that left least of the outcome, pruned: every unit of it is needed. Empty if none was found.
    """
    order = sorted(units, key=lambda unit: -tries.effect((unit,)))
    best = _best(tries, start) or [()]
    reserve = 2 * len(order)  # for the pruning, here or of all units
    while tries.room > reserve and len(best[0]) < min(largest, len(order)):
        grown = [
            tuple(sorted((*members, unit)))
            for members in best
            for unit in [unit for unit in order if unit not in members][:BRANCH]
        ]
        flips = tries.run(dict.fromkeys(grown))
        if flips:
            return [pruned(tries, min(flips, key=tries.remaining))]
        best = _best(tries, grown)
    return []


def _best(tries, sets):
    run = [members for members in dict.fromkeys(sets) if tries.known(members)]
    return sorted(run, key=lambda members: (tries.remaining(members), members))[:WIDTH]


def pruned(tries: Interventions, units: Sequence[int], order: Sequence[int] | None = None) -> Units:
    """Take out what a set that changes the prediction can spare: at the end every unit is needed.

    Delta debugging: parts go first, then parts of parts, then single units, until none can.

    Parameters
    ----------
    order
        The units, those to be taken out first in front; None takes the smallest effect alone first.
    """
    kept = list(order or sorted(units, key=lambda unit: tries.effect((unit,))))
    size = max(1, len(kept) // 2)
    while not tries.exhausted:
        before, start = len(kept), 0
        while start < len(kept) and len(kept) > 1:
            rest = kept[:start] + kept[start + size :]
            if rest and tries.run([rest]):
                kept = rest
            else:
                start += size
        if size == 1 and len(kept) in (before, 1):
            break
        size = max(1, size // 2)
    return tuple(sorted(kept))


def everything(tries: Interventions, units: Sequence[int]) -> list[Units]:
    """Mask every unit; if that changes the prediction, what is needed of it."""
    return [pruned(tries, units) for _ in tries.run([units])]


# --- long texts ---------------------------------------------------------------------------------------


def parts(labels: Sequence[str], units: Sequence[int]) -> list[list[int]]:
    """Units as sentences, long ones cut: what a long text is searched by first.

    Examples
    --------
    >>> parts(["Good", "cast", ".", "Bad", "plot"], range(5))
    [[0, 1, 2], [3, 4]]
    """
    sentences = [[units[i] for i in part] for part in group_sentences([labels[unit] for unit in units])]
    return [part[i : i + MOST_GROUPED] for part in sentences for i in range(0, len(part), MOST_GROUPED)]


def coarse_to_fine(
    tries: Interventions, groups: Sequence[Sequence[int]], order: Sequence[int]
) -> list[Units]:
    """Sentences first, those of large effect alone together; then the words inside them.

    Parameters
    ----------
    groups
        The units of each sentence.
    order
        All units, those likeliest to matter first.

    Returns
    -------
    list of tuple of int
        One set, of which every unit is needed; empty if the sentences together change nothing.
    """
    tries.run(groups)
    ranked = sorted(groups, key=lambda group: -tries.effect(group))
    chains = ([unit for group in ranked[:count] for unit in group] for count in range(1, len(ranked) + 1))
    found = tries.run(chains, until_first=True)
    if not found:
        return []
    inside = set(found[0])
    words = _shortest_start(tries, [unit for unit in order if unit in inside])
    return [pruned(tries, words, words[::-1])]


def _shortest_start(tries, order):
    """A short beginning of an order that changes the prediction, by halving; the whole order does."""
    fails, works = 0, len(order)
    while works - fails > 1:
        middle = (fails + works) // 2
        if tries.run([order[:middle]]):
            works = middle
        else:
            fails = middle
    return order[:works]
