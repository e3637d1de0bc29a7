"""How faithful a set of units is: comprehensiveness and sufficiency, with masking in the place of removal.

Source: DeYoung et al. ERASER: A Benchmark to Evaluate Rationalized NLP Models. ACL 2020.
"""

from collections.abc import Sequence

import numpy as np

from ..attention.former import formerly
from ..explaining.head_graphs import maskable

# DeYoung et al. 2020 average over these shares of the most important tokens.
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


@formerly(units="positions")
def comprehensiveness(model, encoded, positions: Sequence[int]) -> float:
    """Drop of the outcome's probability when a set of units is masked: p(y|x) − p(y|x without r).

    Parameters
    ----------
    model, encoded
        See :mod:`cleann_lite.models.protocol`.
    positions
        Of the set r in ``encoded.units``.

    Source: DeYoung et al. 2020, equation 1. High is good.
    """
    whole, without = model.predict(encoded, [(), tuple(sorted(positions))])[:, encoded.target]
    return float(whole - without)


@formerly(units="positions")
def sufficiency(model, encoded, positions: Sequence[int]) -> float:
    """Drop of the outcome's probability when everything else is masked: p(y|x) − p(y|r).

    Source: DeYoung et al. 2020, equation 2. Low is good. Arguments as `comprehensiveness`.
    """
    whole, alone = model.predict(encoded, [(), others(encoded, positions)])[:, encoded.target]
    return float(whole - alone)


def others(encoded, positions: Sequence[int]) -> tuple[int, ...]:
    """Positions of the maskable units outside a set; the outcome's own unit is never masked."""
    chosen = set(positions)
    return tuple(u for u in maskable(encoded) if u not in chosen)


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
