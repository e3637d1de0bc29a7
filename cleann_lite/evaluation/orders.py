"""Orders in which sets of units are tried: by summed score, and greedily by effect."""

import heapq
from collections.abc import Iterator, Sequence


def by_summed_score(units: Sequence, scores: Sequence[float], size: int) -> Iterator[tuple]:
    """All sets of one size by falling sum of their scores, found one by one.

    Parameters
    ----------
    units, scores
        The units by falling score, and those scores.

    Examples
    --------
    >>> list(by_summed_score("abc", [3, 2, 0.5], 2))
    [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    if size > len(units):
        return
    start = tuple(range(size))
    heap, seen = [(-sum(scores[i] for i in start), start)], {start}
    while heap:
        _, places = heapq.heappop(heap)
        yield tuple(units[i] for i in places)
        for at, place in enumerate(places):
            moved = (*places[:at], place + 1, *places[at + 1 :])
            last = place + 1 == (places[at + 1] if at + 1 < size else len(units))
            if not last and moved not in seen:
                seen.add(moved)
                heapq.heappush(heap, (-sum(scores[i] for i in moved), moved))


def greedy(tries, units: Sequence[int], room: int) -> tuple[tuple[int, ...] | None, set[tuple[int, ...]]]:
    """Add the unit that lowers the outcome most until the prediction changes; take out what can be spared.

    Parameters
    ----------
    tries : Interventions
    units
        Positions of the units that may be masked.
    room : int
        Sets that may be run.

    Returns
    -------
    tuple of int or None
        A set that changes the prediction and of which no unit alone can be spared, or None.
    set of tuple of int
        The sets that were run.
    """
    ran: set[tuple[int, ...]] = set()
    best: tuple[int, ...] = ()
    alone: dict[int, float] = {}

    def run(masks):
        masks = [tuple(sorted(m)) for m in masks]
        ran.update(masks)
        return tries.run(masks)

    while len(best) < len(units) and len(ran) + len(units) - len(best) <= room:
        grown = [tuple(sorted((*best, u))) for u in units if u not in best]
        flips = run(grown)
        if not best:
            alone = {u: tries.remaining((u,)) for u in units}
        best = min(flips or grown, key=tries.remaining)
        if flips:
            for unit in sorted(best, key=lambda u: -alone[u]):  # the weakest alone first
                spared = tuple(u for u in best if u != unit)
                if spared and len(ran) < room and run([spared]):
                    best = spared
            return best, ran
    return None, ran
