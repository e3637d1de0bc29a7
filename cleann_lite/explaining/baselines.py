"""Other ways to pick the words to mask, with the same result and the same budget as the causal search.

Each ranks the units once and then masks the first one, the first two, … until the prediction changes
(attention order, gradients, leave-one-out, random order), or tries every set by size (exhaustive). Your own
is a function ``(model, encoded) -> scores``, one score per unit.
"""

import time
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..attention.former import formerly
from ..causal.marks import counted
from ..causal.nodes import checked_count
from ..models.protocol import Encoded, HasGradients, Model, encoded_by
from .explanation import Explanation
from .head_graphs import maskable, paid
from .interventions import Interventions
from .settings import FoundBy, Stopped, name_of


def attention_scores(model: Model, encoded: Encoded, layer: int = -1) -> np.ndarray:
    """Attention that the outcome pays to each unit, mean over heads, (units,)."""
    return paid(np.asarray(model.attention(encoded, layer)).mean(axis=0), encoded)


def gradient_scores(model: Model, encoded: Encoded) -> np.ndarray:
    """Gradient x input of the outcome's log-probability (Shrikumar et al. 2016), (units,)."""
    return _attributions(model, encoded, "gradient-x-input")


def integrated_gradient_scores(model: Model, encoded: Encoded) -> np.ndarray:
    """Integrated gradients from the fully masked input (Sundararajan et al. 2017), (units,)."""
    return _attributions(model, encoded, "integrated-gradients")


def _attributions(model: Model, encoded: Encoded, kind: str) -> np.ndarray:
    if not isinstance(model, HasGradients):
        raise ValueError(f"{kind} needs gradients, and {model.name} has no attributions(encoded, kind)")
    return model.attributions(encoded, kind)


def random_scores(model: Model, encoded: Encoded, seed: int = 0) -> np.ndarray:
    """A random order, (units,)."""
    return np.random.default_rng(seed).random(len(encoded.units))


_RANKINGS = {
    "attention": attention_scores,
    "gradient-x-input": gradient_scores,
    "integrated-gradients": integrated_gradient_scores,
    "random": random_scores,
}
BASELINES = (*_RANKINGS, "leave-one-out", "exhaustive")


@formerly(units="split_into")
def explain_by(
    model: Model,
    input: Any,
    by: str | Callable = "attention",
    *,
    target: Any = None,
    split_into: str = "words",
    max_size: int | None = None,
    max_calls: int = 1000,
    seed: int = 0,
) -> Explanation:
    """Explain a prediction by a baseline, as :func:`cleann_lite.explain` does by a causal graph.

    Parameters
    ----------
    model, input, target, split_into
        As for ``explain``.
    by : str or callable
        "attention", "gradient-x-input", "integrated-gradients", "leave-one-out", "random", "exhaustive"
        (every set, by size), or a function (model, encoded) -> (units,) scores, highest masked first.
    max_size : int, optional
        Largest set that is tried; None: all units for rankings, 4 for "exhaustive".
    max_calls : int
        Inputs that the model may run.
    seed : int
        Of the random order.

    Returns
    -------
    Explanation
        ``sets`` has the first set that works (every set of the smallest size for "exhaustive").

    Raises
    ------
    ValueError
        An unknown name, or scores that are not one finite number per unit.
    """
    start = time.perf_counter()
    if isinstance(by, str) and by not in BASELINES:
        raise ValueError(f"by must be one of {', '.join(BASELINES)}, or a function: got {by!r}")
    checked_count("max_calls", max_calls)
    if max_size is not None:
        checked_count("max_size", max_size)
    encoded = encoded_by(model, input, target, split_into)
    tries = Interventions(model, encoded, max_calls)
    usable = maskable(encoded)
    largest = min(max_size or (4 if by == "exhaustive" else len(usable)), len(usable))
    sets, failures, notes, stopped = [], [], list(encoded.notes), Stopped.NOTHING
    if tries.refused:
        stopped, failure = tries.refused
        failures.append(failure)
    elif by == "exhaustive":
        sets = _smallest(tries, usable, largest)
    else:
        sets = _growing(tries, _order(tries, by, usable, seed), largest)
    if tries.exhausted:
        notes.append(f"the search ended at its cap of {counted(max_calls, 'input')}: not every set was tried")
        stopped = Stopped.CAPPED
    if not sets and not failures:
        cap = " within its cap of inputs" if tries.exhausted else ""
        size = f" of up to {largest} unit{'s' * (largest > 1)}" if largest < len(usable) else ""
        failures.append(f"no set that was tried{size} changes the prediction{cap}")
    proved = by == "exhaustive" and bool(sets)
    origin: dict[str, Any] = {"head": None, "within_graph": False}
    origin["found_by"] = FoundBy.EXHAUSTIVE if by == "exhaustive" else FoundBy.RANKING
    return tries.record(
        input,
        [tries.found(s, **origin) for s in sets],
        certified=True if proved else None,
        in_graph=(),
        pags={},
        distances={},
        seconds=time.perf_counter() - start,
        stopped=Stopped.FOUND if sets else stopped,
        failures=tuple(failures),
        notes=tuple(notes),
        settings={
            "by": by if isinstance(by, str) else name_of(by),
            **{"split_into": split_into, "max_size": max_size, "max_calls": max_calls, "seed": seed},
        },
    )


def _order(tries: Interventions, by: str | Callable, usable: Sequence[int], seed: int) -> list[int]:
    """Units by falling score; ties keep the reading order."""
    model, encoded = tries.model, tries.encoded
    if by == "leave-one-out":
        tries.run([(u,) for u in usable])
        scores = np.array([tries.effect((u,)) for u in range(len(encoded.units))])
    elif by == "random":
        scores = random_scores(model, encoded, seed)
    else:
        scores = tries.read(_RANKINGS[by] if isinstance(by, str) else by)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(encoded.units),) or not np.isfinite(scores).all():
        raise ValueError(f"scores must be {len(encoded.units)} finite numbers, one per unit: got {scores!r}")
    return sorted(usable, key=lambda u: -scores[u])


def _growing(tries: Interventions, order: Sequence[int], max_size: int) -> list[tuple[int, ...]]:
    """The first prefix of the order that changes the prediction, if any."""
    sizes = range(1, max_size + 1)
    return tries.run((order[:size] for size in sizes), until_first=True, batch=8)[:1]


def _smallest(tries: Interventions, units: Sequence[int], max_size: int) -> list[tuple[int, ...]]:
    """Every set of the smallest size that changes the prediction."""
    for size in range(1, max_size + 1):
        sets = tries.run(combinations(units, size))
        if sets or tries.exhausted:
            return sets
    return []
