"""From a table to a correlation matrix with its sample size: kinds of tables, missing values, repairs."""

from dataclasses import dataclass, field

import numpy as np

from .tables import Table

MISSING_VALUES = ("drop", "pairwise")
MOST_MOVED = 0.05  # an entry of a given matrix, to make it one of correlations
_NEAREST = "no valid correlation matrix: nearest one taken (Higham 2002), moved by at most {:.2g}"


@dataclass(frozen=True)
class Correlation:
    """A correlation matrix as a test of independence takes it."""

    matrix: np.ndarray = field(repr=False)
    n_samples: int
    names: tuple[str, ...]
    said: str  # one line: what was read, and what was done to it
    matrix_given: bool = False  # the file held the matrix itself, not samples


def correlation_of(table: Table, n_samples: int | None = None, missing: str | None = None) -> Correlation:
    """Correlation of a table's columns, or the table itself where it is a correlation or covariance matrix.

    A square table that is symmetric, or that comes with a sample size, is such a matrix; anything else holds
    a row per sample.

    Parameters
    ----------
    table
        As `read_table` gives it.
    n_samples
        Sample size behind a matrix; for samples the default is the number of rows that were used.
    missing : "drop" or "pairwise", optional
        Use the complete rows alone; or each pair of columns where both are known, with the smallest number of
        such rows as the sample size. Refused if not given.

    Raises
    ------
    ValueError
        A missing value, a constant column, a matrix without a sample size or one that is not a covariance.

    Examples
    --------
    >>> table = Table("x.csv", ("a", "b"), np.array([[4.0, 1.0], [1.0, 1.0]]))
    >>> correlation_of(table, 100).matrix
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    if missing is not None and missing not in MISSING_VALUES:
        raise ValueError(f"missing values can be treated by {' or '.join(MISSING_VALUES)}: got {missing!r}")
    values = table.values
    square = values.shape[0] == values.shape[1] and np.isfinite(values).all()
    if square and (n_samples is not None or np.allclose(values, values.T, atol=1e-6)):
        return _of_matrix(table, n_samples)
    said, rows = [str(table)], len(values)
    absent = np.isnan(values)
    if absent.any():
        counts = ", ".join(
            f"{name!r} {k}" for name, k in zip(table.names, absent.sum(axis=0), strict=True) if k
        )
        if missing is None:
            raise ValueError(
                f"{table.name} has missing values ({counts} of {rows} rows): drop the rows that have some "
                "(--missing drop), or use each pair of columns where both are known (--missing pairwise)"
            )
        if missing == "pairwise":
            return _pairwise(table, n_samples, counts)
        values = values[~absent.any(axis=1)]
        said.append(f"{len(values)} complete rows of {rows} used (missing: {counts})")
        if len(values) < 4:
            raise ValueError(f"{table.name} has {len(values)} complete rows of {rows}: at least 4 are needed")
    _refuse_constant(table, values)
    size = len(values) if n_samples is None else int(n_samples)
    return Correlation(_corrcoef(values), size, table.names, "; ".join(said))


def _of_matrix(table, n_samples):
    name, values = table.name, table.values
    apart = np.abs(values - values.T)
    if apart.max() > 1e-6 * max(1.0, np.abs(values).max()):
        i, j = np.unravel_index(apart.argmax(), apart.shape)
        raise ValueError(
            f"{name} must be symmetric to be a correlation or covariance matrix: row {i + 1}, column {j + 1} "
            f"holds {values[i, j]:g} and row {j + 1}, column {i + 1} {values[j, i]:g}; "
            "without a sample size it is read as a table of samples"
        )
    scale = np.sqrt(np.clip(np.diag(values), 0, None))
    kind = "correlation" if np.abs(np.diag(values) - 1).max() <= 1e-6 else "covariance"
    if (scale == 0).any():
        raise ValueError(
            f"{name} must have a positive diagonal to be a covariance matrix: got {np.diag(values).min():g}"
        )
    matrix = (values + values.T) / 2 / np.outer(scale, scale)
    if np.abs(matrix).max() > 1 + 1e-6:
        i, j = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
        raise ValueError(
            f"{name} is not a {kind} matrix: row {i + 1}, column {j + 1} ({values[i, j]:g}) is larger than "
            "its diagonal allows"
        )
    if n_samples is None:
        raise ValueError(f"{name} is a {kind} matrix: say the sample size behind it (--n-samples)")
    np.fill_diagonal(matrix, 1.0)
    matrix, told = np.clip(matrix, -1, 1), list(table.said)
    if np.linalg.eigvalsh(matrix)[0] < -1e-8:  # of rounded numbers, for example
        matrix, moved = nearest_correlation(matrix)
        if moved > MOST_MOVED:
            raise ValueError(
                f"{name} is not a {kind} matrix: no data has all these correlations; the nearest that some "
                f"have differ by up to {moved:.2g}"
            )
        told.append(_NEAREST.format(moved))
    scaled = ", scaled to correlations," * (kind == "covariance")
    said = "; ".join([f"a {kind} matrix{scaled} of {len(values)} variables, {n_samples} samples", *told])
    return Correlation(matrix, int(n_samples), table.names, said, matrix_given=True)


def _corrcoef(values):
    """Pearson correlation of columns: centred and scaled first, so that no size of number overflows."""
    centred = values / np.abs(values).max(axis=0)
    centred = centred - centred.mean(axis=0)
    centred /= np.sqrt((centred**2).sum(axis=0))
    matrix = np.clip(centred.T @ centred, -1, 1)
    matrix = np.where(np.abs(matrix) > 1 - 1e-13, np.sign(matrix), matrix)  # twins differ by rounding alone
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _pairwise(table, n_samples, counts):
    known = ~np.isnan(table.values)
    k = len(table.names)
    matrix, together = np.eye(k), (known.T.astype(int) @ known.astype(int))
    for i in range(k):
        for j in range(i):
            rows = known[:, i] & known[:, j]
            if rows.sum() < 4:
                raise ValueError(
                    f"columns {table.names[j]!r} and {table.names[i]!r} of {table.name} are known together "
                    f"in {rows.sum()} rows: at least 4 are needed"
                )
            pair = table.values[rows][:, [j, i]]
            _refuse_constant(table, pair, (j, i))
            matrix[i, j] = matrix[j, i] = _corrcoef(pair)[0, 1]
    size = int(together.min()) if n_samples is None else int(n_samples)
    said = [
        str(table),
        f"correlations pair by pair, {together.min()} to {together.max()} rows a pair, {size} counted",
    ]
    said.append(f"missing: {counts}")
    matrix, repaired = nearest_correlation(matrix)
    if repaired:
        said.append(_NEAREST.format(repaired))
    return Correlation(matrix, size, table.names, "; ".join(said))


def nearest_correlation(matrix, smallest=1e-6, rounds=200):
    """The nearest positive definite correlation matrix, and the largest change of an entry.

    Alternating projections onto the matrices with eigenvalues of at least `smallest` and those with a
    diagonal of ones, with Dykstra's correction (Higham. Computing the nearest correlation matrix. IMA Journal
    of Numerical Analysis 22, 2002, algorithm 3.3).

    Examples
    --------
    >>> near, moved = nearest_correlation(np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]))
    >>> round(float(near[0, 1]), 2), round(moved, 2)
    (0.5, 0.4)
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if np.linalg.eigvalsh(matrix)[0] >= smallest:
        return matrix, 0.0
    near, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(rounds):
        values, vectors = np.linalg.eigh(near - correction)
        positive = (vectors * np.maximum(values, smallest)) @ vectors.T
        correction = positive - (near - correction)
        near, before = positive.copy(), near
        np.fill_diagonal(near, 1.0)
        if np.abs(near - before).max() < 1e-9:
            break
    scale = np.sqrt(np.diag(positive))
    near = np.clip(positive / np.outer(scale, scale), -1, 1)
    np.fill_diagonal(near, 1.0)
    return near, float(np.abs(near - matrix).max())


def _refuse_constant(table, values, which=None):
    names = table.names if which is None else [table.names[i] for i in which]
    constant = [repr(n) for n, column in zip(names, values.T, strict=True) if np.ptp(column) == 0]
    if constant:
        what = f"columns {', '.join(constant)}" if len(constant) > 1 else f"column {constant[0]}"
        where = " where the other is known" if which else ""
        raise ValueError(f"constant {what} of {table.name}{where}: leave out (--drop) what never changes")
