"""Does the causal graph survive when the attention weights are not unique?

A head's output may allow many attentions (`identifiability`). Each gives a correlation, a PAG, explanations.
Here they are sampled, and what never changes is told from what does: an edge, a mark or an explanation that
hangs on one choice among equally good weights says nothing about the computation of the model.

The question is our own; the parts are those of CLEANN (Rohekar et al. 2023) and Brunner et al. 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..attention.former import formerly
from ..attention.identifiability import attention_distance, equivalent_attention
from ..attention.sem import attention_correlation
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..causal.nodes import checked_count
from ..models.protocol import Encoded, Model, altered, encoded_by
from .search import explain
from .settings import FORMER


@dataclass(frozen=True)
class Robustness:
    """A graph, and how it fares under other attentions with the same output of the head.

    Attributes
    ----------
    pag
        The graph of the attention itself.
    edges
        (k, k): share of the other attentions whose graph has an edge there.
    marks
        (k, k): share whose graph has the mark of `pag` at j on i *-* j; 0 where `pag` has no edge.
    distance
        (samples,): how far each other attention is, in total variation, mean over rows. Empty: the output of
        the head determines the attention, and the graph with it.
    pags
        The other graphs.
    """

    pag: PAG
    edges: np.ndarray
    marks: np.ndarray
    distance: np.ndarray
    pags: tuple[PAG, ...]

    @classmethod
    def of(cls, pag: PAG, pags: Sequence[PAG], distance: Sequence[float] | np.ndarray = ()) -> Robustness:
        """Compare graphs over the same nodes."""
        present = pag.marks != 0
        others = np.array([other.marks for other in pags or [pag]])
        return cls(
            pag,
            (others != 0).mean(axis=0),
            (others == pag.marks).mean(axis=0) * present,
            np.asarray(distance, dtype=np.float64),
            tuple(pags),
        )

    @property
    def edge_share(self) -> float:
        """Mean share of other graphs that keep an edge of the graph; nan for a graph without edges."""
        return _mean(self.edges[np.triu(self.pag.marks != 0)])

    @property
    def mark_share(self) -> float:
        """Mean share of other graphs that keep a mark of the graph, edge included."""
        return _mean(self.marks[self.pag.marks != 0])

    @property
    def robust_share(self) -> float:
        """Share of the edges that every other graph has."""
        return _mean(self.edges[np.triu(self.pag.marks != 0)] == 1)

    @property
    def chance_share(self) -> float:
        """What `edge_share` would be if the other graphs had their edges anywhere: their density."""
        return _mean(self.edges[np.triu_indices(len(self.pag), 1)])

    def describe(self) -> list[str]:
        """One sentence per edge, the most robust first."""
        pairs = np.argwhere(np.triu(self.pag.marks != 0))
        order = sorted(pairs.tolist(), key=lambda pair: (-self.edges[pair[0], pair[1]], pair))
        name, nodes = self.pag.label, self.pag.nodes or ()
        return [
            f"“{name(nodes[i])}” and “{name(nodes[j])}”: an edge in "
            f"{100 * self.edges[i, j]:.0f} % of the graphs, the same marks in "
            f"{100 * min(self.marks[i, j], self.marks[j, i]):.0f} % at most."
            for i, j in order
        ]


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def equivalent_corners(
    attention: ArrayLike, value: ArrayLike, samples: int = 20, allowed: Any = None, seed: int = 0
) -> np.ndarray:
    """Draw other valid attentions with the same head output: each row goes to a corner in a random direction.

    What lies between the attention (n, n) and a corner has the same output too, with ``value`` (n, d) and
    ``allowed`` as in `equivalent_attention`. The corners are (samples, n, n), or (0, n, n) if the output of
    the head determines the attention.

    >>> rng = np.random.default_rng(0)
    >>> attention, value = rng.dirichlet(np.ones(12), size=12), rng.normal(size=(12, 3))
    >>> corners = equivalent_corners(attention, value, samples=4)
    >>> corners.shape, bool(np.allclose(corners @ value, attention @ value))
    ((4, 12, 12), True)
    """
    attention, rng = np.asarray(attention, dtype=np.float64), np.random.default_rng(seed)
    checked_count("samples", samples)
    found: list[np.ndarray] = []
    for _ in range(samples):
        direction = rng.normal(size=attention.shape)
        corner = equivalent_attention(attention, value, allowed=allowed, direction=direction)
        # none in this direction may mean that the attention is in that corner
        if corner is None and not found and equivalent_attention(attention, value, allowed) is None:
            break
        found.append(attention if corner is None else corner)
    return np.array(found).reshape(len(found), *attention.shape)


def _towards(corners: np.ndarray, attention: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Attentions some of the way to each corner, and how far they are, mean over rows."""
    if not 0 < reach <= 1:
        raise ValueError(f"reach must lie in (0, 1]: got {reach}")
    others = attention + reach * (corners - attention)
    return others, attention_distance(others, attention).mean(axis=-1)


def robustness(
    attention: ArrayLike,
    value: ArrayLike,
    n_samples: int | None = None,
    *,
    alpha: float = 0.01,
    learn: Callable[[np.ndarray], PAG] | None = None,
    samples: int = 20,
    reach: float = 1.0,
    allowed: Any = None,
    seed: int = 0,
    **settings: Any,
) -> Robustness:
    """Which edges and marks of a head's graph are the same for every attention with the same output?

    Parameters
    ----------
    attention : array (n, n)
        One head.
    value : array (n, d)
        What the attention is multiplied with: values, or values times the output projection, bias included.
    n_samples, alpha
        Of the independence test, as in `PartialCorrelation`.
    learn : callable, optional
        From an attention to its PAG; default: `attention_correlation`, `PartialCorrelation`, `learn_pag`.
    samples, allowed, seed
        As in `equivalent_corners`.
    reach : float
        How far to go towards a corner, in (0, 1].
    **settings
        Passed to `learn_pag`: method, nodes, labels, …

    Returns
    -------
    Robustness

    Raises
    ------
    ValueError
        If neither learn nor n_samples is given.

    >>> rng = np.random.default_rng(0)
    >>> attention = rng.dirichlet(np.full(12, 0.3), size=12)
    >>> unique = robustness(attention, rng.normal(size=(12, 30)), n_samples=200)
    >>> unique.edge_share, len(unique.pags)
    (1.0, 0)
    >>> free = robustness(attention, rng.normal(size=(12, 3)), n_samples=200, samples=5)
    >>> bool(free.edge_share < 0.9), len(free.pags)
    (True, 5)
    """
    if learn is None:
        if n_samples is None:
            raise ValueError("robustness needs n_samples for its independence test, or learn: got neither")

        def learn(weights: np.ndarray) -> PAG:
            test = PartialCorrelation(attention_correlation(weights), n_samples, alpha=alpha)
            return learn_pag(test, **settings)

    attention = np.asarray(attention, dtype=np.float64)
    corners = equivalent_corners(attention, value, samples, allowed, seed)
    others, distance = _towards(corners, attention, reach)
    return Robustness.of(learn(attention), [learn(other) for other in others], distance)


# --- explanations -----------------------------------------------------------------------------------------


def replaced_attention(model: Model, attention: ArrayLike, predictions: dict | None = None) -> Model:
    """A model of the protocol whose attention (heads, tokens, tokens) is given; all else is the model's own.

    Predictions are kept, in ``predictions`` where a dict is given, since other attention asks for many of the
    same inputs again.
    """
    given, kept = np.asarray(attention), {} if predictions is None else predictions

    def predict(encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        keys = [tuple(sorted(mask)) for mask in masks]
        new = [key for key in dict.fromkeys(keys) if key not in kept]
        if new:
            kept.update(zip(new, model.predict(encoded, new), strict=True))
        return np.array([kept[key] for key in keys])

    return altered(model, attention=lambda encoded, layer=-1: given, predict=predict)


@dataclass(frozen=True)
class ExplanationRobustness:
    """An explanation, and how it fares under other attentions with the same output of every head.

    Attributes
    ----------
    explanation
        That of the attention itself.
    shares
        Per set of the explanation, the share of other attentions whose explanation has the same set; nan
        where the output determines the attention.
    overlaps
        Per set of the explanation, how much of it other attentions find: words in common over words in
        either, with the most alike set, mean over the attentions (0 for one that leads to no set).
    found
        Share of the other attentions that led to any explanation; nan likewise.
    graphs
        Head -> `Robustness` of its graph.
    """

    explanation: object
    shares: tuple[float, ...]
    overlaps: tuple[float, ...]
    found: float
    graphs: dict[int, Robustness]


@formerly(**FORMER)
def explanation_robustness(
    model: Model, input: Any, corners: np.ndarray, reach: float = 1.0, known: Any = None, **settings: Any
) -> ExplanationRobustness:
    """Which sets that CLEANN alone finds are found for every attention with the same output?

    All heads are exchanged together. The model is not: a set that explains does so whatever the graph. What
    may change is whether the search, led by the graph, finds it.

    Parameters
    ----------
    model, input
        As for `explain`.
    corners : array (samples, heads, n, n)
        Other attentions of one layer, as `layer_corners` gives.
    reach : float
        How far to go towards a corner, in (0, 1].
    known : Explanation, optional
        That of the attention itself with the same settings, where it was found before.
    **settings
        Passed to `explain`.

    Returns
    -------
    ExplanationRobustness

    Raises
    ------
    ValueError
        If reach is not in (0, 1], corners do not fit, or `explain` refuses the input.
    """
    settings = {"certify": False, "search": "cleann", **settings}
    encoded = encoded_by(model, input, settings.get("target"), settings.get("split_into", "words"))
    attention = model.attention(encoded, settings.get("layer", -1))
    if corners.shape[1:] != attention.shape:
        raise ValueError(f"corners must be (samples, *{attention.shape}): got shape {corners.shape}")
    others, distance = _towards(corners, attention, reach)  # (samples, heads, …), (samples, heads)
    kept: dict = {}
    base = known or explain(replaced_attention(model, attention, kept), input, **settings)
    found = [explain(replaced_attention(model, other, kept), input, **settings) for other in others]
    sets = [{one.positions for one in other.sets} for other in found]
    graphs = {
        head: Robustness.of(pag, [other.pags[head] for other in found], distance[:, head])
        for head, pag in base.pags.items()
    }
    shares = tuple(_mean([one.positions in others for others in sets]) for one in base.sets)
    overlaps = tuple(_mean([_overlap(one.positions, others) for others in sets]) for one in base.sets)
    return ExplanationRobustness(base, shares, overlaps, _mean([bool(others) for others in sets]), graphs)


def _overlap(one: Any, others: Iterable) -> float:
    return max((len({*one} & {*other}) / len({*one} | {*other}) for other in others), default=0.0)


def layer_corners(attention: ArrayLike, values: ArrayLike, samples: int = 10, seed: int = 0) -> np.ndarray:
    """Corners of all heads of a layer, (samples, heads, n, n).

    Parameters
    ----------
    attention : array (heads, n, n)
    values : array (heads, n, d)
        What the attention of each head is multiplied with, for example of `models.decoupled.text_heads`.
    samples, seed
        As in `equivalent_corners`.

    Returns
    -------
    array (samples, heads, n, n)
        A head that is determined by its output stays as it is; (0, heads, n, n) where all are.
    """
    attention = np.asarray(attention, dtype=np.float64)
    found = [
        equivalent_corners(head, value, samples, seed=seed + 1000 * h)
        for h, (head, value) in enumerate(zip(attention, np.asarray(values), strict=True))
    ]
    if not any(len(corners) for corners in found):
        return np.empty((0, *attention.shape))
    fixed = np.broadcast_to(attention[:, None], (len(attention), samples, *attention.shape[1:]))
    return np.stack([c if len(c) else fixed[h] for h, c in enumerate(found)], axis=1)


@formerly(positions="tokens")
def shuffled_attention(
    attention: ArrayLike, tokens: Sequence[int], samples: int = 10, seed: int = 0
) -> np.ndarray:
    """The same weights, dealt to other tokens: what `explanation_robustness` finds with them is chance.

    All heads, (heads, n, n), are shuffled alike, so their graphs keep their shapes and lose their words. Only
    ``tokens`` change places; the others, the outcome above all, stay. Returns (samples, heads, n, n).

    >>> attention = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 5))
    >>> shuffled = shuffled_attention(attention, tokens=[1, 2, 3], samples=4)
    >>> shuffled.shape, bool((shuffled[:, :, 0, [0, 4]] == attention[:, 0, [0, 4]]).all())
    ((4, 2, 5, 5), True)
    """
    attention, rng = np.asarray(attention, dtype=np.float64), np.random.default_rng(seed)
    moving = np.asarray(tokens, dtype=int)
    orders = np.tile(np.arange(attention.shape[-1]), (samples, 1))
    for order in orders:
        order[moving] = rng.permutation(moving)
    shuffled = [attention[:, order][:, :, order] for order in orders]
    return np.array(shuffled).reshape(samples, *attention.shape)
