"""How sure is an edge? The graph learned again from resampled data, and p-values adjusted for many pairs.

Sources: Friedman, Goldszmidt, Wyner. Data analysis with Bayesian networks: a bootstrap approach. UAI 1999
(bootstrap); Meinshausen, Bühlmann. Stability selection. JRSS B 72, 2010 (half samples); Benjamini, Hochberg.
Controlling the false discovery rate. JRSS B 57, 1995; Li, Wang. Controlling the false discovery rate of the
association/causality structure learned with the PC algorithm. JMLR 10, 2009 (the largest p over all sets).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from scipy.stats import false_discovery_control

from .discovery import learn_pag
from .graphs import PAG, Mark, SearchStatus
from .independence import PartialCorrelation
from .nodes import checked_count, checked_switches

_TOGETHER = 64  # variables of the draws that are searched together: a set of them is one word


@dataclass(frozen=True)
class Stability:
    """How often edges and marks came out when the data were drawn anew; nodes and labels as in a ``PAG``."""

    nodes: tuple[int, ...]
    labels: tuple[str, ...] | None
    edges: np.ndarray  # (k, k) share of the graphs in which two nodes are adjacent
    marks: np.ndarray  # (4, k, k) share of the graphs with each mark at j on i *—* j; that of NONE: no edge
    draws: int  # how many graphs
    samples: int  # from how many samples each

    def of(self, pag: PAG) -> np.ndarray:
        """(k, k) share of the graphs that have the mark of ``pag`` at j on i *—* j."""
        return np.take_along_axis(self.marks, pag.marks[None].astype(int), axis=0)[0]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: shares rounded to four digits."""
        return {
            "draws": self.draws,
            "samples": self.samples,
            "edges": self.edges.round(4).tolist(),
            "marks": {mark.name.lower(): self.marks[mark].round(4).tolist() for mark in Mark if mark},
        }


def stability(
    data: Any,
    draws: int = 200,
    half: bool = False,
    seed: int = 0,
    alpha: float = 0.01,
    one_sided: bool = False,
    **options: Any,
) -> Stability:
    """Learn the graph from resampled rows of a table and count what comes back.

    Parameters
    ----------
    data
        (samples, variables): an array or a data frame.
    draws
        How many graphs.
    half
        Draw half of the rows without replacement instead of all with replacement (the bootstrap). Repeated
        rows make a bootstrap graph a little denser than the data allow; half samples make it sparser.
    seed
        Same seed, same shares.
    alpha, one_sided
        As for ``PartialCorrelation``.
    options
        As for ``learn_pag``.

    Raises
    ------
    ValueError
        If draws is below 1, or the data cannot be used.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rain = rng.normal(size=300)
    >>> table = np.column_stack([rain, rain + rng.normal(size=300), rng.normal(size=300)])
    >>> stability(table, draws=50).edges.round()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    checked_count("draws", draws)
    checked_count("seed", seed, 0)
    checked_switches(half=half)
    test = PartialCorrelation.from_data(data, alpha, one_sided)
    table = np.asarray(data, dtype=np.float64)
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    n, rng = len(table), np.random.default_rng(seed)
    first = learn_pag(test, **options)
    counts = np.zeros((len(Mark), len(first), len(first)))
    samples, together = n // 2 if half else n, max(1, _TOGETHER // test.n_variables)
    for start in range(0, draws, together):
        drawn = []
        for _ in range(min(together, draws - start)):
            drawn.append(_correlation(table[rng.permutation(n)[: n // 2] if half else rng.integers(0, n, n)]))
        marks = _learned(drawn, samples, first, {"alpha": alpha, "one_sided": one_sided}, options)
        for mark in Mark:
            counts[mark] += (marks == mark).sum(axis=0)
    shares = counts / draws
    return Stability(first.nodes, first.labels, 1 - shares[Mark.NONE], shares, draws, samples)


def _correlation(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=0)
    spread = np.sqrt((rows * rows).sum(axis=0))
    flat = spread < 1e-12  # a column that this draw made constant depends on nothing
    rows = np.divide(rows, spread, out=np.zeros_like(rows), where=~flat)
    correlation = np.clip(rows.T @ rows, -1, 1)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _learned(
    correlations: Sequence[np.ndarray], samples: int, first: PAG, level: dict, options: dict
) -> np.ndarray:
    """(draws, k, k) marks of the graphs, all learned in one search.

    Variables of different draws are independent given anything, so their edges go first, and no rule and no
    candidate set ever joins two draws: each graph is that of a search of its own, in fewer and larger steps.
    Only the cap on candidate sets is shared; where it is met, each draw is searched alone.
    """
    n, k = len(correlations[0]), len(first)
    starts = range(0, n * len(correlations), n)
    whole = np.zeros((n * len(correlations),) * 2)
    for start, correlation in zip(starts, correlations, strict=True):
        whole[start : start + n, start : start + n] = correlation
    options = options | {"nodes": [start + node for start in starts for node in first.nodes], "labels": None}
    if first.tiers is not None:
        tiers = [[start + node for start in starts for node in tier] for tier in first.tiers]
        options |= {"order": list(chain(*tiers))} if options.get("order") is not None else {"tiers": tiers}
    pag = learn_pag(PartialCorrelation(whole, samples, **level), **options)
    if pag.status is SearchStatus.CAPPED and len(correlations) > 1:
        return np.concatenate([_learned([c], samples, first, level, options) for c in correlations])
    return np.stack([pag.marks[i : i + k, i : i + k] for i in range(0, k * len(correlations), k)])


def adjusted_p_values(pag: PAG, method: Literal["by", "bh"] = "by") -> np.ndarray:
    """(k, k) p-values of "no edge", adjusted for the number of pairs (false discovery rate).

    The p-value of a pair is the largest over the sets that were tried: no edge if any set separates.

    Parameters
    ----------
    pag
        A learned graph with ``p_values``.
    method
        "by" (Benjamini, Yekutieli: any dependence between tests) or "bh" (Benjamini, Hochberg).

    Raises
    ------
    ValueError
        If the graph has no p-values.
    """
    if pag.p_values is None:
        raise ValueError("this graph has no p-values: its test gave none")
    upper = np.triu_indices(len(pag), 1)
    p = np.nan_to_num(pag.p_values[upper], nan=1.0)
    adjusted = np.full((len(pag), len(pag)), np.nan)
    if len(p):
        adjusted[upper] = false_discovery_control(p, method=method)
        adjusted.T[upper] = adjusted[upper]
    return adjusted
