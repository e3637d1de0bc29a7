"""Numbers that judge explanations and graphs, and how sure they are.

Faithfulness: comprehensiveness and sufficiency (DeYoung et al. ERASER. ACL 2020), with masking in the place
of removal. Uncertainty over inputs: percentile bootstrap of a mean, Wilson's interval of a share, the
sign-flip permutation test of paired differences, McNemar's exact test of paired successes, and Holm's
correction for several comparisons. Graphs: F1 of the skeleton, and the share of right marks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import bdtr, ndtri

# DeYoung et al. 2020 average over these shares of the most important tokens.
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


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


# --- faithfulness --------------------------------------------------------------------------------------


def comprehensiveness(model, encoded, units: Sequence[int]) -> float:
    """Drop of the outcome's probability when a set of units is masked: p(y|x) − p(y|x without r).

    Parameters
    ----------
    model, encoded
        See :mod:`cleann_lite.protocol`.
    units
        Positions of the set r in ``encoded.units``.

    Source: DeYoung et al. 2020, equation 1. High is good.
    """
    whole, without = model.predict(encoded, [(), tuple(sorted(units))])[:, encoded.target]
    return float(whole - without)


def sufficiency(model, encoded, units: Sequence[int]) -> float:
    """Drop of the outcome's probability when everything else is masked: p(y|x) − p(y|r).

    Source: DeYoung et al. 2020, equation 2. Low is good. Arguments as `comprehensiveness`.
    """
    whole, alone = model.predict(encoded, [(), others(encoded, units)])[:, encoded.target]
    return float(whole - alone)


def others(encoded, units: Sequence[int]) -> tuple[int, ...]:
    """Positions of the maskable units outside a set; the outcome's own unit is never masked."""
    chosen, outcome = set(units), set(encoded.outcome_positions)
    return tuple(
        u for u, p in enumerate(encoded.positions) if u not in chosen and not outcome & set(p)
    )  # fmt: skip


def averaged_faithfulness(model, encoded, scores, shares=SHARES) -> tuple[float, float]:
    """Comprehensiveness and sufficiency of a ranking, averaged over shares of its first units.

    Parameters
    ----------
    scores
        (units,) importance; the highest come first, ties in reading order.
    shares
        Shares of the maskable units; each is rounded up to whole units.

    Source: DeYoung et al. 2020, equation 3 (area over the perturbation curve).
    """
    usable = others(encoded, ())
    ranked = sorted(usable, key=lambda u: -scores[u])
    tops = [ranked[: max(1, int(np.ceil(share * len(ranked) - 1e-9)))] for share in shares]
    masks = [(), *(tuple(sorted(t)) for t in tops), *(others(encoded, t) for t in tops)]
    drops = model.predict(encoded, masks)[:, encoded.target]
    drops = drops[0] - drops[1:]
    return float(drops[: len(tops)].mean()), float(drops[len(tops) :].mean())


# --- intervals and tests over inputs ---------------------------------------------------------------------


def bootstrap_mean(values: Sequence[float], resamples=4000, level=0.95, seed=0) -> Interval:
    """Mean with its percentile bootstrap interval over inputs; NaN values are left out.

    Examples
    --------
    >>> print(bootstrap_mean([2, 2, 2]))
    2 [2, 2]
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0)
    drawn = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


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


def sign_flip_p(differences: Sequence[float], resamples=10_000, seed=0) -> float:
    """Two-sided p-value that paired differences have mean 0, by flipping their signs.

    All sign patterns where there are at most ``resamples``, otherwise that many random ones.

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


def mcnemar_p(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided exact p-value that two methods succeed equally often on the same inputs.

    Examples
    --------
    >>> mcnemar_p([True] * 6, [False] * 6)
    0.03125
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    n = only_first + only_second
    return 1.0 if not n else min(1.0, float(2 * bdtr(min(only_first, only_second), n, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


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


def right_marks(marks, truth) -> float:
    """Share of marks that are right, over both ends of the edges in both graphs; NaN without such an edge."""
    marks, truth = np.asarray(marks), np.asarray(truth)
    shared = (marks != 0) & (truth != 0)
    return float((marks == truth)[shared].mean()) if shared.any() else float("nan")
