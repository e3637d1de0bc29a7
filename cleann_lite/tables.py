"""Read a correlation matrix or a table of samples from a file, with one clear sentence when it is neither."""

import csv
from pathlib import Path

import numpy as np


def read_correlation(path, n_samples=None):
    """Correlation matrix of a file: the matrix itself, or that of the columns of a data table.

    Parameters
    ----------
    path : str or path
        ``.csv`` (comma, semicolon or tab; a header line and a first column of names are recognised) or
        ``.npy``. A square table that is symmetric, or that comes with a sample size, is a correlation
        matrix; anything else is a table with a row per sample.
    n_samples : int, optional
        Sample size behind a correlation matrix; for a table the default is its number of rows.

    Returns
    -------
    correlation : (variables, variables) float64
    n_samples : int
    labels : list of str

    Raises
    ------
    ValueError
        No such file, another format, something that is not a number, too few rows or columns, a constant
        column, or a correlation matrix without a sample size, asymmetric or with a diagonal that is not 1.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    if path.suffix.lower() == ".npy":
        values, labels = _read_npy(path), None
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        values, labels = _read_csv(path)
    else:
        raise ValueError(f"the file must be .csv or .npy: got {path.name!r}")
    if values.ndim != 2 or values.shape[1] < 2 or values.shape[0] < 2:
        raise ValueError(
            f"{path.name} must hold a table of two or more rows and columns: got shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{path.name} holds {np.sum(~np.isfinite(values))} values that are NaN or infinite")
    labels = labels or [f"x{i}" for i in range(values.shape[1])]
    square = values.shape[0] == values.shape[1]
    if square and (n_samples is not None or np.allclose(values, values.T, atol=1e-6)):
        _refuse_other_than_correlation(path.name, values)
        if n_samples is None:
            raise ValueError(
                f"{path.name} is a correlation matrix: say the sample size behind it (--n-samples)"
            )
        return values, int(n_samples), labels
    constant = [labels[i] for i in np.flatnonzero(values.std(axis=0) == 0)]
    if constant:
        raise ValueError(f"column {constant[0]!r} of {path.name} is constant: it has no correlation")
    return np.corrcoef(values, rowvar=False), len(values) if n_samples is None else int(n_samples), labels


def _refuse_other_than_correlation(name, values):
    apart = np.abs(values - values.T)
    if apart.max() > 1e-6:
        i, j = np.unravel_index(apart.argmax(), apart.shape)
        raise ValueError(
            f"{name} must be symmetric to be a correlation matrix: row {i + 1}, column {j + 1} holds "
            f"{values[i, j]:g} and row {j + 1}, column {i + 1} {values[j, i]:g}"
        )
    if np.abs(np.diag(values) - 1).max() > 1e-6:
        worst = np.diag(values)[np.abs(np.diag(values) - 1).argmax()]
        raise ValueError(f"{name} must have a diagonal of ones to be a correlation matrix: got {worst:g}")


def _read_npy(path):
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except (ValueError, OSError, EOFError, TypeError):
        raise ValueError(f"{path.name} is no array of numbers as numpy.save writes it") from None


def _read_csv(path):
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not text in UTF-8") from None
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(c.strip() for c in row)]
    if not rows:
        raise ValueError(f"{path.name} is empty")
    labels = None
    if not all(_is_number(c) for c in rows[0]):
        labels, rows = [c.strip() for c in rows[0]], rows[1:]
    if rows and not _is_number(rows[0][0]):  # a column of names
        rows = [row[1:] for row in rows]
        labels = labels[1:] if labels and len(labels) == len(rows[0]) + 1 else labels
    elif labels and rows and labels[0] == "" and len(labels) == len(rows[0]):  # a numbered index column
        labels, rows = labels[1:], [row[1:] for row in rows]
    widths = {len(row) for row in rows}
    if len(widths) > 1 or (labels and widths and len(labels) not in widths):
        raise ValueError(f"the lines of {path.name} differ in length: {sorted(widths)} values")
    for number, row in enumerate(rows, 1):
        for cell in row:
            if not _is_number(cell):
                raise ValueError(f"row {number} of {path.name} holds {cell!r}, which is not a number")
    return np.array(rows, dtype=np.float64), labels


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
