"""Read a table of numbers as people write them, and say in one line how it was read.

A table is text with one line per sample (commas, semicolons, tabs or spaces between the cells; UTF-8, UTF-16
or Latin-1; plain or ``.gz``), ``.npy``, or ``.parquet``. Whether the first line holds names is decided by the
file: a word above numbers is a name, and so are numbers that cannot be a sample (years above decimals, doses
in order and written otherwise than the values below, the names of a correlation matrix). What is left out is
said; what cannot be read is refused in one sentence with its line and column.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .cells import (
    decimals,
    decoded,
    is_missing,
    is_name,
    is_number,
    lines_of,
    read_npy,
    read_parquet,
    with_point,
)

_CODES = (-9999, 9999, -999, 999, -99, 99)  # how some tables write that a value is missing
_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")


@dataclass(frozen=True)
class Table:
    """Numbers with the names of their columns."""

    name: str  # of the file
    names: tuple[str, ...]  # one per column
    values: np.ndarray = field(repr=False)  # (rows, columns) float64, NaN where a value is missing
    said: tuple[str, ...] = ()  # how the file was read, a few words each; empty if nothing was to decide

    def __str__(self):
        rows, k = self.values.shape
        shown = ", ".join(self.names) if k < 4 else f"{self.names[0]} … {self.names[-1]}"
        return "; ".join([f"{rows} rows, {k} variables: {shown}", *self.said])


def read_table(path, header=None, columns=None, drop=()) -> Table:
    """Read a table from a file.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv``, ``.txt``, ``.dat`` (each also with ``.gz``), ``.npy`` or ``.parquet``.
    header : bool, optional
        Whether the first line holds names; decided by the file if not given.
    columns : sequence of str, optional
        The columns to read, in this order; all if not given.
    drop : sequence of str
        Columns to leave out.

    Raises
    ------
    ValueError
        No such file, another format, lines of different length, text among the numbers, a name that is
        missing or unknown.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    kind = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    if kind == ".npy" and path.suffix.lower() == ".npy":
        values, lines = read_npy(path), None
        names, said = [f"x{i}" for i in range(values.shape[1])], ["an array has no names"]
        cells = [list(row) for row in values]
    elif kind == ".parquet":
        (names, cells, said), lines = read_parquet(path), None
    elif kind in _SUFFIXES:
        names, cells, said, lines = _from_text(path, header)
    else:
        raise ValueError(f"the file must be .csv, .tsv, .txt, .npy or .parquet: got {path.name!r}")
    chosen, told = _chosen(path.name, names, columns, drop)
    names = [names[j] for j in chosen]
    values = _numbers(path.name, names, [[row[j] for j in chosen] for row in _rows_of(cells, chosen)], lines)
    return _checked(path.name, names, values, said + told)


def _from_text(path, header):
    """Names, cells, what is said, and the number of each line."""
    text, said = decoded(path)
    lines, comments, told = lines_of(path.name, text)
    numbers, rows = [n for n, _ in lines], [row for _, row in lines]
    said += told
    rows, told = _without_empty_end(rows)
    said += told
    names_above = len(comments) == len(rows[0]) > 1 and all(map(is_number, rows[0]))
    if names_above and header is not False:
        rows, numbers, header = [comments, *rows], [0, *numbers], True
    elif comments:
        said.append("a comment above the table skipped")
    names, side, rows, numbers, told = _names(path.name, rows, numbers, header)
    said += told
    rows, told = _filled(rows)
    said += told
    for number, row in zip(numbers, rows, strict=True):
        if len(row) != len(names):
            raise ValueError(
                f"line {number} of {path.name} has {_cells(len(row) + side)}, not {len(names) + side}"
            )
    return names, rows, said, numbers


def _checked(name, names, values, said):
    if values.shape[0] < 2 or values.shape[1] < 2:
        raise ValueError(
            f"{name} must hold a table of two or more rows and columns: got shape {values.shape}"
        )
    counts = [n for n, column in zip(names, values.T, strict=True) if _counts_up(column)]
    said += [f"column {n!r} only counts the rows (left out by --drop {n})" for n in counts]
    for label, column in zip(names, values.T, strict=True):
        code = _code_of_missing(column)
        if code is not None:
            count = int((column == code).sum())
            told = f"column {label!r} holds {code:g} {count} times, read as a number"
            said.append(f"{told}: write NA if it means missing")
    return Table(name, tuple(names), values, tuple(said))


def _code_of_missing(column):
    """A number such as -9999 that comes more than once, far beyond all others; None without one."""
    for code in _CODES:
        here = column == code
        if np.count_nonzero(here) > 1:
            others = np.abs(column[~here & ~np.isnan(column)])
            if len(others) and others.max() * 5 < abs(code):
                return code
    return None


# --- names ------------------------------------------------------------------------------------------------


def _without_empty_end(rows):
    """Cut an empty last cell that every line has, or the header or the body alone."""
    first, below = rows[0], rows[1:]
    widths = {len(row) for row in below}
    if not below or len(widths) > 1 or len(first) < 3:
        return rows, []
    (width,) = widths
    end_below = all(row[-1] == "" for row in below)
    if end_below and first[-1] == "" and width == len(first):
        return [row[:-1] for row in rows], ["an empty last column left out"]
    if first[-1] == "" and width == len(first) - 1:
        return [first[:-1], *below], ["an empty name at the end of the header left out"]
    if end_below and width == len(first) + 1:
        return [first, *(row[:-1] for row in below)], ["an empty last column left out"]
    return rows, []


def _names(name, rows, numbers, header):
    """(names, 1 if a column of row names was taken away, rows, line numbers, what is said)."""
    first, below = [with_point(cell) for cell in rows[0]], rows[1:]
    widths = {len(row) for row in below}
    aside = len(widths) == 1 and len(first) + 1 in widths  # as R writes it: no name above the row names
    if header is None:
        header = bool(below) and (aside or _is_header(first, below))
    names = list(rows[0]) if header else None
    rows, numbers = (below, numbers[1:]) if header else ([first, *below], numbers)
    if not below and all(map(is_name, first)):
        raise ValueError(f"{name} holds names and no values")
    column = [row[0] for row in rows]
    taken = aside or _are_row_names(names, column, [len(row) for row in rows])
    said = []
    if taken:
        if len(set(column)) < len(column):
            twice = next(c for c in column if column.count(c) > 1)
            raise ValueError(
                f"the first column of {name} has no name, and names no row: {twice!r} comes twice"
            )
        title = "" if aside or not names else names[0]
        rows = [row[1:] for row in rows]
        names = names if names is None or aside else names[1:]
        if names is None and len(rows) == max(map(len, rows)):
            names, column = column, []
        if names != column and column:
            span = f"{column[0]} … {column[-1]}"
            said.append(
                f"the first column ({title + ': ' if title else ''}{span}) taken as names of the rows"
            )
    if names is None:
        names = [f"x{i}" for i in range(max(map(len, rows)))]
        return names, int(taken), rows, numbers, ["no header: the variables are named by their place", *said]
    if "" in names:
        raise ValueError(f"line 1 of {name} has no name for column {names.index('') + 1 + taken}")
    if len(set(names)) < len(names):
        said.append("names that repeat are numbered")
    if header:
        said.insert(0, "header taken as names")
    return names, int(taken), rows, numbers, said


def _is_header(first, below):
    """Whether the first line holds names, judged by the lines below it."""
    width = min(map(len, below))
    columns = [[row[j] for row in below] for j in range(min(width, len(first)))]
    text = [sum(is_name(c) for c in column) * 2 > len(column) for column in columns]
    if any(is_name(cell) and not text[j] for j, cell in enumerate(first[: len(columns)])):
        return True  # a word above numbers
    if all(is_name(cell) for cell in first):
        return len(set(first)) == len(first) and not all(
            cell in column for cell, column in zip(first, columns, strict=False)
        )
    if first[0] == "" and not (text[0] or _counts(columns[0]) or columns[0] == first[1:]):
        return False  # a missing value, with no names below it
    j = int(text[0] or first[0] == "")  # names down the side
    return _numeric_names(first[j:], columns[j:])


def _numeric_names(first, columns):
    """Whether a line of numbers names the columns: no sample would look like it."""
    rows = len(columns[0]) if columns else 0
    if not rows or len(columns) < 2 or not all(map(is_number, first)) or len(set(first)) < len(first):
        return False
    if rows == len(first) and _is_matrix(columns):
        return True
    if not all(is_number(cell) for column in columns for cell in column if not is_missing(cell)):
        columns = [[c if is_number(c) else "" for c in column] for column in columns]
    plain = all(cell.isdecimal() for cell in first)
    if plain and all(sum(c.isdecimal() for c in column) * 2 < rows for column in columns):
        return True  # years above decimals
    if (
        plain
        and _counts(first)
        and not any(all(c.isdecimal() for c in row) for row in zip(*columns, strict=True))
    ):
        return True
    values, ordered = [float(cell) for cell in first], np.diff([float(cell) for cell in first])
    monotone = bool((ordered > 0).all() or (ordered < 0).all()) and len(first) > 2
    unseen = [
        decimals(cell) not in {decimals(c) for c in column if c}
        for cell, column in zip(first, columns, strict=True)
    ]
    if monotone and rows > 2 and sum(unseen) >= max(2, 0.8 * len(first)):
        return True  # doses, written otherwise than the values below
    known = [[float(c) for c in column if is_number(c)] for column in columns]
    outside = [bool(k) and not min(k) <= v <= max(k) for v, k in zip(values, known, strict=True)]
    return (
        all(outside) and (2 / (rows + 1)) ** len(first) < 1e-4
    )  # a first sample beyond all others in each column


def _is_matrix(rows):
    """Whether cells hold correlations or covariances: symmetric, none larger than the diagonal allows."""
    matrix = _plain(rows, len(rows))
    if matrix is None or not np.allclose(matrix, matrix.T, atol=1e-6):
        return False
    own = np.diag(matrix)
    return bool(own.min() > 0 and (matrix**2 <= np.outer(own, own) * (1 + 1e-6)).all())


def _are_row_names(names, column, widths):
    """Whether the first column holds the names or numbers of the lines rather than values."""
    if max(widths) < 3 and (names is None or names[0] != ""):
        return False
    if names and (names[0] in ("", "Unnamed: 0") or names[1:] == column):
        return True
    return all(map(is_name, column)) and len(set(column)) == len(column)


def _filled(rows):
    """A triangle of a symmetric matrix as the whole: ragged lines, or empty cells beside the diagonal."""
    k = len(rows)
    widths = [len(row) for row in rows]
    if k > 1 and widths == list(range(1, k + 1)):
        rows = [row + [""] * (k - len(row)) for row in rows]
    elif k > 1 and widths == list(range(k, 0, -1)):
        rows = [[""] * (k - len(row)) + row for row in rows]
    elif set(widths) != {k} or k < 2:
        return rows, []
    for side in ("lower", "upper"):
        pairs = [(i, j) if side == "lower" else (j, i) for i in range(k) for j in range(i)]
        if all(rows[j][i] == "" and rows[i][j] != "" for i, j in pairs):
            full = [list(row) for row in rows]
            for i, j in pairs:
                full[j][i] = full[i][j]
            return full, [f"the {side} triangle of a symmetric matrix"]
    return rows, []


def _chosen(name, names, columns, drop):
    """Numbers of the columns to read, and what is said of the others."""
    for given in [*(columns or ()), *drop]:
        if given not in names:
            known = f"{', '.join(names[:20])}{' …' * (len(names) > 20)}"
            raise ValueError(f"{name} has no column {given!r}: it has {known}")
        if columns and names.count(given) > 1:
            raise ValueError(f"{name} has {names.count(given)} columns {given!r}: they cannot be told apart")
    if columns is None:
        chosen = [j for j, n in enumerate(names) if n not in set(drop)]
    else:
        chosen = [names.index(n) for n in columns if n not in set(drop)]
    if len(set(chosen)) < len(chosen):
        raise ValueError("a column is named twice in --columns")
    left = [n for j, n in enumerate(names) if j not in set(chosen)]
    return chosen, [f"left out: {', '.join(left)}"] if left else []


def _rows_of(rows, chosen):
    """All rows of a table of samples; of a symmetric matrix those of the chosen columns."""
    if len(rows) != len(rows[0]) or len(chosen) == len(rows):
        return rows
    return [rows[j] for j in chosen] if _is_matrix(rows) else rows


# --- cells to numbers -------------------------------------------------------------------------------------


def _numbers(name, names, rows, lines):
    """(rows, columns) float64, NaN where a value is missing; ``lines`` numbers them, None: as rows from 1."""
    if (values := _plain(rows, len(names))) is not None:
        return values
    for label, column in zip(names, zip(*rows, strict=True), strict=True):
        words = [
            cell for cell in column if isinstance(cell, str) and not is_number(cell) and not is_missing(cell)
        ]
        if len(words) * 2 > sum(not (isinstance(c, str) and is_missing(c)) for c in column):
            raise ValueError(
                f"column {label!r} of {name} holds text ({words[0]!r}): leave it out (--drop {label}), or "
                "code it as numbers"
            )
    values = np.empty((len(rows), len(names)))
    for i, row in enumerate(rows):
        place = f"row {i + 1}" if lines is None else f"line {lines[i]}"
        for j, cell in enumerate(row):
            if isinstance(cell, str) and is_missing(cell):
                values[i, j] = np.nan
            elif isinstance(cell, str) and not is_number(cell):
                raise ValueError(f"{place}, column {names[j]!r} of {name}: {cell!r} is not a number")
            else:
                values[i, j] = float(cell)
                if np.isinf(values[i, j]):
                    raise ValueError(f"{place}, column {names[j]!r} of {name}: {cell} is not finite")
    return values


def _plain(rows, width):
    """The numbers where every cell is one; None elsewhere. Python reads as numbers also inf, 1_000 and ١."""
    values = np.empty((len(rows), width))
    for i, row in enumerate(rows):
        text = "".join(map(str, row))
        try:
            values[i] = list(map(float, row))
        except ValueError:
            return None
        if "_" in text or not text.isascii():
            return None
    return values if np.isfinite(values).all() else None


def _cells(count):
    return "1 cell" if count == 1 else f"{count} cells"


def _counts_up(column):
    return len(column) > 2 and (
        np.array_equal(column, np.arange(len(column)))
        or np.array_equal(column, np.arange(1, len(column) + 1))
    )


def _counts(cells):
    """Whether cells read 0, 1, 2, … or 1, 2, 3, …"""
    return len(cells) > 1 and any(cells == [str(i + start) for i in range(len(cells))] for start in (0, 1))
