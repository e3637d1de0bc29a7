"""Read a correlation matrix or a table of samples from a file, with one clear sentence when it is neither."""

import csv
import io
from pathlib import Path

import numpy as np

_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}  # how tables write that a value is missing


def read_correlation(path, n_samples=None):
    """Correlation matrix of a file: the matrix itself, or that of the columns of a data table.

    Parameters
    ----------
    path : str or path
        ``.csv`` (comma, semicolon or tab; a header line and a first column, of names or of numbers that
        count, are recognised) or ``.npy``. A square table that is symmetric, or that comes with a sample
        size, is a correlation matrix; anything else is a table with a row per sample.
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
        values = np.asarray(np.load(path, allow_pickle=False))
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
    except (ValueError, OSError, EOFError, TypeError):
        pass
    raise ValueError(f"{path.name} is no array of numbers as numpy.save writes it")


def _read_csv(path):
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not text in UTF-8") from None
    delimiter = max(",;\t", key=text.lstrip("\r\n").split("\n", 1)[0].count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ValueError(f"{path.name} is no table: {error}") from None
    rows = [[cell.strip() for cell in row] for row in lines if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError(f"{path.name} is empty")
    labels = None
    if _is_header(rows):
        labels, *rows = rows
    names = [row[0] for row in rows]
    if rows and _are_names(names, labels, len(rows[0])):
        rows = [row[1:] for row in rows]
        if labels is None and len(rows) == len(rows[0]):
            labels = names
        elif labels and len(labels) > len(rows[0]):
            labels = labels[1:]
    widths = {len(row) for row in rows}
    if len(widths) > 1 or (labels and widths and len(labels) not in widths):
        raise ValueError(f"the lines of {path.name} differ in length: {sorted(widths)} values")
    for number, row in enumerate(rows, 1):
        for cell in row:
            if not _is_number(cell):
                raise ValueError(f"row {number} of {path.name} holds {cell!r}, which is not a number")
    return np.array(rows, dtype=np.float64), labels


def _is_header(rows):
    """Whether the first line holds names, or the numbers of the columns, rather than values."""
    first, below = rows[0], rows[1:]
    corner, counts = first[0], _counts(first[1:])
    if below and all(_is_name(row[0]) for row in below) and not any(map(_is_name, first[1:])):
        return not _is_name(corner) or counts  # else: names down the side only
    if corner == "" and all(map(_is_number, first[1:])):
        return _counts([row[0] for row in below])  # the lines are numbered too; else a missing value
    numbered = _counts(first) and below and not any(all(c.isdecimal() for c in row) for row in below)
    return numbered or any(map(_is_name, first))


def _are_names(column, labels, width):
    """Whether the first column holds the names or numbers of the lines rather than values."""
    if width == 1:
        return False
    if labels and (labels[0] == "" or len(labels) < width or labels[1:] == column):
        return True
    return all(map(_is_name, column))


def _counts(cells):
    """Whether cells read 0, 1, 2, … or 1, 2, 3, …"""
    return len(cells) > 1 and any(cells == [str(i + start) for i in range(len(cells))] for start in (0, 1))


def _is_name(cell):
    return cell.lower() not in _MISSING and not _is_number(cell)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
