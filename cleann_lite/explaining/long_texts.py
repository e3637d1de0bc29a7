"""Long texts: what a search does with more than ``settings.LONG`` units, too many to go through sets of them.

The graphs are asked for single units only, `QUICK` in all; then the units are masked along an order, more and
more of them, and what can be spared of the first beginning that works is taken out. That a set is smallest is
proved for single units alone.
"""

from collections.abc import Sequence

import numpy as np

from ..attention.words import group_sentences
from ..models.protocol import HasGradients
from .head_graphs import paid
from .interventions import Interventions
from .stages import Units, least, pruned, shortest_start

QUICK = 16  # legal sets that a full search asks the graphs for
MOST_GROUPED = 40  # units in a sentence
POINTS = 4  # at which gradients are read to order all units; half as many after that


def parts(labels: Sequence[str], units: Sequence[int]) -> list[list[int]]:
    """Units as sentences, long ones cut: what a long text is searched by where gradients lead nowhere.

    Examples
    --------
    >>> parts(["Good", "cast", ".", "Bad", "plot"], range(5))
    [[0, 1, 2], [3, 4]]
    """
    sentences = [[units[i] for i in part] for part in group_sentences([labels[unit] for unit in units])]
    return [part[i : i + MOST_GROUPED] for part in sentences for i in range(0, len(part), MOST_GROUPED)]


def along_an_order(tries: Interventions, units: Sequence[int], attention: np.ndarray) -> list[Units]:
    """The shortest beginning of an order of the units that changes the prediction, pruned; [] if none does.

    The order is that of integrated gradients, where the model has gradients; else, or where that leads
    nowhere, sentences by effect and in each the units that the outcome attends to most, by the attention
    (heads, tokens, tokens) from which the graphs were learned.
    """
    model = tries.model
    start = by_gradients(tries, units, model) if isinstance(model, HasGradients) else ()
    start = start or by_sentences(tries, units, attention)
    return [pruned(tries, start[::-1])] if start else []


def by_gradients(tries: Interventions, units: Sequence[int], model: HasGradients) -> Sequence[int]:
    """Units by integrated gradients on the way to all of them masked, cut to the shortest start that works.

    From there on the way leads to that start masked, as long as it gets much shorter.
    """

    def ordered(masked: Sequence[int], points: int) -> list[int]:
        scores = tries.read(
            lambda _, e: model.attributions(e, "integrated-gradients", points, masked), points
        )
        return sorted(masked, key=lambda unit: -scores[unit])

    start, longer = shortest_start(tries, ordered(units, POINTS)), units
    while len(start) < 0.9 * len(longer) and len(start) > 1:
        order, longer = ordered(start, POINTS // 2), start
        start = order[: least(lambda count: bool(tries.run([order[:count]])), 0, len(order))]  # noqa: B023
    return start


def by_sentences(tries: Interventions, units: Sequence[int], attention: np.ndarray) -> Sequence[int]:
    """Units by the effect of their sentence, then by attention, cut to the shortest start that works."""
    sentences, weight = parts(tries.encoded.units, units), paid(attention.mean(axis=0), tries.encoded)
    tries.run(sentences)
    effect = {unit: tries.effect(sentence) for sentence in sentences for unit in sentence}
    return shortest_start(tries, sorted(units, key=lambda unit: (-effect[unit], -weight[unit])))
