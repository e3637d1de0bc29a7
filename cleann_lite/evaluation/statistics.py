"""How certain a figure is, and how right a graph.

Uncertainty over inputs: percentile bootstrap of a mean, Wilson's interval of a share, and the sign-flip
permutation test of paired differences. Graphs: F1 of the skeleton, structural Hamming distance, and the share
of right marks. (The bootstrap of a table's rows, for one graph, is ``causal.stability``.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval and the number of inputs behind it."""

    estimate: float
    low: float
    high: float
    n: int

    def __str__(self):
        if not self.n:
            return "–"
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def signed(self, unit="") -> str:
        """As a difference: "+0.25 points [-0.10, +0.60]"."""
        style = "+.1f" if abs(self.estimate) >= 5 else "+.2f"
        return f"{self.estimate:{style}}{unit} [{self.low:{style}}, {self.high:{style}}]"


# --- intervals and tests over inputs ---------------------------------------------------------------------


def bootstrap_mean(values: ArrayLike, resamples=4000, level=0.95, seed=0) -> Interval:
    """Mean with its percentile bootstrap interval over inputs; NaN values are left out.

    Examples
    --------
    >>> print(bootstrap_mean([2, 2, 2]))
    2 [2, 2]
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, 0)
    return _bootstrapped(known.tobytes(), resamples, level, seed)


@lru_cache(maxsize=1024)
def _bootstrapped(values: bytes, resamples, level, seed) -> Interval:
    known = np.frombuffer(values)  # tables, verdicts and pictures ask for the same intervals
    means = _resampled(len(known), resamples, seed) @ known / len(known)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(known.mean()), float(low), float(high), len(known))


@lru_cache(maxsize=2)
def _resampled(n, resamples, seed):
    """How often each of n values is drawn, (resamples, n)."""
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * resamples).reshape(resamples, n).astype(float)


def flat(row: dict, digits: int) -> dict:
    """A row of a table, rounded, each interval spread over three columns.

    Examples
    --------
    >>> flat({"size": Interval(1.26, 1.0, 1.5, 9), "n": 9}, 1)
    {'size': 1.3, 'size_low': 1.0, 'size_high': 1.5, 'n': 9}
    """
    spread: dict = {}
    for name, value in row.items():
        if isinstance(value, Interval):
            spread |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        else:
            spread[name] = value
    return {name: round(float(v), digits) if isinstance(v, float) else v for name, v in spread.items()}


def log_odds(probability: ArrayLike) -> np.ndarray:
    """log p / (1 − p), finite for p of 0 and 1 too."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))


def wilson(successes: int, n: int, level=0.95) -> Interval:
    """A share with Wilson's interval, which stays honest at 0 and at 1.

    Examples
    --------
    >>> print(wilson(0, 10))
    0 [0, 0.278]
    """
    if not n:
        return Interval(np.nan, np.nan, np.nan, 0)
    z, share = float(ndtri((1 + level) / 2)), successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Interval(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)), n)


def sign_flip_p(differences: ArrayLike, resamples=10_000, seed=0) -> float:
    """Two-sided p-value that paired differences have mean 0, by flipping their signs.

    All sign patterns if there are at most ``resamples``, otherwise that many random ones.

    Examples
    --------
    >>> sign_flip_p([1, 1, 1, 1])
    0.125
    """
    values = np.asarray(differences, dtype=float)
    values = values[~np.isnan(values) & (values != 0)]
    if not len(values):
        return 1.0
    if 2 ** len(values) <= resamples:
        signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
        extra = 0
    else:
        signs = np.random.default_rng(seed).choice((-1, 1), (resamples, len(values)))
        extra = 1
    reached = np.abs(signs @ values) >= abs(values.sum()) - 1e-9
    return float((reached.sum() + extra) / (len(signs) + extra))


def jaccard(sets: Iterable[Sequence[int]]) -> float:
    """Mean overlap |A ∩ B| / |A ∪ B| over all pairs of sets; NaN below two sets.

    Examples
    --------
    >>> jaccard([(1, 2), (2, 3)])
    0.3333333333333333
    """
    pairs = list(combinations([set(s) for s in sets], 2))
    return float(np.mean([len(a & b) / max(1, len(a | b)) for a, b in pairs])) if pairs else float("nan")


# --- graphs ----------------------------------------------------------------------------------------------


def skeleton_f1(marks, truth) -> float:
    """F1 of the edges of a graph against the true ones, marks aside; 1 where neither has an edge.

    Parameters
    ----------
    marks, truth : (k, k)
        As in ``PAG.marks``, in the same order of nodes.
    """
    found, true = (np.triu(np.asarray(m) != 0, 1) for m in (marks, truth))
    wanted = found.sum() + true.sum()
    return float(2 * (found & true).sum() / wanted) if wanted else 1.0


def hamming_distance(marks, truth) -> int:
    """Structural Hamming distance: pairs of nodes whose edge is missing, added or marked otherwise.

    Examples
    --------
    >>> hamming_distance([[0, 1, 0], [1, 0, 2], [0, 1, 0]], [[0, 1, 1], [1, 0, 2], [1, 3, 0]])
    2
    """
    differ = np.asarray(marks) != np.asarray(truth)
    return int(np.triu(differ | differ.T).sum())


def right_marks(marks, truth) -> float:
    """Share of marks that are right, over both ends of the edges in both graphs; NaN without such an edge."""
    marks, truth = np.asarray(marks), np.asarray(truth)
    shared = (marks != 0) & (truth != 0)
    return float((marks == truth)[shared].mean()) if shared.any() else float("nan")
