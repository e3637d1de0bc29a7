"""The G² test of discrete variables."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc

from .batched import PValueTest


class GSquared(PValueTest):
    """The G² test of discrete variables: an example of your own test.

    ``G² = 2 Σ observed · ln(observed / expected)``, summed over the strata of the conditioning variables,
    follows a χ² distribution when x and y are independent given them.

    Parameters
    ----------
    data
        (samples, variables) of integers.
    alpha
        Significance level.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rain = rng.integers(0, 2, 2000)
    >>> wet = rain ^ (rng.random(2000) < 0.1)
    >>> slip = wet ^ (rng.random(2000) < 0.1)
    >>> test = GSquared(np.column_stack([rain, wet, slip]))
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, data: ArrayLike, alpha: float = 0.01) -> None:
        table = np.asarray(data)
        if table.ndim != 2:
            raise ValueError(f"data must be a table, samples by variables: got shape {table.shape}")
        if table.dtype.kind == "f" and np.isnan(table).any():
            raise ValueError(f"data must be complete: {int(np.isnan(table).sum())} entries are missing")
        # number the values of each variable 0, 1, 2, …
        columns = [np.unique(column, return_inverse=True) for column in table.T]
        self._codes = [codes.reshape(-1) for _, codes in columns]
        self._levels = [len(values) for values, _ in columns]
        n = len(table)
        for number, levels in enumerate(self._levels):
            if table.dtype.kind == "f" and levels == n > 2:
                found = f"column {number} holds {n} different numbers in {n} rows"
                raise ValueError(f"the G² test needs discrete data: {found}")
        super().__init__(table.shape[1], alpha)

    def compute(self, x: int, y: int, given: Sequence[int]) -> float:
        stratum = np.zeros(len(self._codes[x]), dtype=np.int64)
        for z in given:
            stratum = stratum * self._levels[z] + self._codes[z]
        _, stratum = np.unique(stratum, return_inverse=True)
        shape = (int(stratum.max()) + 1, self._levels[x], self._levels[y])
        counts = np.zeros(shape)
        np.add.at(counts, (stratum.reshape(-1), self._codes[x], self._codes[y]), 1)
        rows, columns = counts.sum(2, keepdims=True), counts.sum(1, keepdims=True)
        expected = rows * columns / counts.sum((1, 2), keepdims=True)
        seen = counts > 0
        g = 2 * float((counts[seen] * np.log(counts[seen] / expected[seen])).sum())
        # a value that never occurs in a stratum takes no freedom there
        freedom = float((((rows > 0).sum(1) - 1) * ((columns > 0).sum(2) - 1)).clip(0).sum())
        return 1.0 if freedom == 0 else float(gammaincc(freedom / 2, max(g, 0.0) / 2))
