"""Partial correlations of many questions at once, and what a correlation matrix must be."""

import numpy as np
from numpy.typing import ArrayLike

# Below this a pivot is rounding error: correlations from float64 sums are right to about 1e-16.
PIVOT = 1e-13


def checked_correlation(correlation: ArrayLike) -> np.ndarray:
    """The correlation matrix, exactly symmetric and read-only; ValueError for what is none."""
    try:
        given = np.asarray(correlation)
    except ValueError:
        raise ValueError("correlation must be a square matrix: its rows have different lengths") from None
    if given.dtype.kind not in "fiub":
        raise ValueError(f"correlation must be a matrix of numbers: got {given.dtype.name}")
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.size == 0:
        raise ValueError(f"correlation must be a square matrix: got shape {given.shape}")
    matrix = given.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(f"correlation must be finite: {np.sum(~np.isfinite(matrix))} entries are not")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    if asymmetry > 1e-8:
        raise ValueError(f"correlation must be symmetric: two mirrored entries differ by {asymmetry:.3g}")
    if np.abs(matrix).max() > 1 + 1e-8:
        raise ValueError(f"correlation must lie in −1 … 1: got {matrix.flat[np.abs(matrix).argmax()]:.6g}")
    if np.abs(matrix.diagonal() - 1).max() > 1e-8:
        worst = int(np.abs(matrix.diagonal() - 1).argmax())
        raise ValueError(f"correlation must have ones on its diagonal: got {matrix[worst, worst]:.6g}")
    matrix = matrix + matrix.T
    matrix /= 2
    np.clip(matrix, -1.0, 1.0, out=matrix)
    np.fill_diagonal(matrix, 1.0)
    matrix.flags.writeable = False
    return matrix


def checked_samples(n_samples: object) -> float:
    number = n_samples.item() if isinstance(n_samples, np.generic) else n_samples
    if not (isinstance(number, int | float) and number > 3):
        raise ValueError(f"n_samples must be above 3: got {n_samples!r}")
    if number > 1e300:
        raise ValueError("n_samples must be below 1e300")
    return number


def correlation_of(table: np.ndarray) -> np.ndarray:
    """(variables, variables) correlation of a table, (samples, variables)."""
    with np.errstate(all="ignore"):  # numbers at the ends of float64: scaled below
        correlation = np.atleast_2d(np.corrcoef(table, rowvar=False))
    if not np.isfinite(correlation).all():
        scaled = table / np.abs(table).max(axis=0)
        correlation = np.atleast_2d(np.corrcoef(scaled / np.ptp(scaled, axis=0), rowvar=False))
    return correlation


def partial_correlations(
    correlation: np.ndarray, x: np.ndarray, y: np.ndarray, sets: np.ndarray
) -> np.ndarray:
    """Partial correlation of x[i] and y[i] given sets[i], all i at once.

    Eliminates the conditioning variables one by one from the correlation block of (x, y, set): what is left
    of the first two rows is the covariance of x and y given the set, so ``r = S_xy / √(S_xx S_yy)``, equal to
    ``−P_xy / √(P_xx P_yy)`` with P the inverse of the block. Entry [a][b] holds one number per test.
    """
    m, size = sets.shape
    variables = [x, y, *sets.T]
    block = [[correlation[variables[a], variables[b]] for b in range(a + 1)] for a in range(size + 2)]
    solvable = np.ones(m, dtype=bool)
    for pivot in range(size + 1, 1, -1):
        diagonal = block[pivot][pivot]
        bad = diagonal < PIVOT
        if bad.any():
            solvable &= ~bad
            diagonal = np.where(bad, 1.0, diagonal)
        scaled = [block[pivot][a] / diagonal for a in range(pivot)]
        for a in range(pivot):
            for b in range(a + 1):
                block[a][b] = block[a][b] - block[pivot][a] * scaled[b]
    (xx,), (xy, yy) = block[0], block[1]
    solvable &= (xx > PIVOT) & (yy > PIVOT)
    r = np.divide(xy, np.sqrt(np.abs(xx * yy)), out=np.full(m, np.nan), where=solvable)
    return np.where(np.abs(r) < 1, r, np.nan)
