"""Files as cells: encodings, delimiters, comments, and what counts as a number or as missing."""

import csv
import gzip
import io
import re

import numpy as np

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", ".")  # how tables write that a value is missing
DELIMITERS = ("\t", ";", ",", "|", " ")  # in this order where two fit equally well
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([. ][0-9]{3})+,[0-9]+")  # thousands set apart, decimal comma
_SAID_DELIMITER = re.compile(r"sep=(.)", re.IGNORECASE)  # a first line that spreadsheets write


def decoded(path):
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError):
            raise ValueError(f"{path.name} is not a gzip file, or it is cut") from None
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    name = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8")
    try:
        text, said = data.decode(name), ["read as UTF-16"] if name == "utf-16" else []
    except UnicodeDecodeError:
        if name != "utf-8":
            raise ValueError(
                f"{path.name} begins as {name.upper()} text and goes on as something else"
            ) from None
        text, said = data.decode("cp1252", errors="replace"), ["not UTF-8: read as Latin-1"]
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        raise ValueError(f"{path.name} is not a text file: it holds control characters")
    return text, said


def lines_of(name, text):
    """[(line number, cells)], the cells of a comment just above them, and what is said."""
    comments, best, found = "", None, None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = text.split("\n")
    first = next(
        (i for i, line in enumerate(kept) if line.strip() and not line.lstrip().startswith("#")), None
    )
    if first is None:
        raise ValueError(f"{name} is empty")
    if first:
        comments = next((line.lstrip("# \t") for line in reversed(kept[:first]) if line.strip()), "")
    delimiters: tuple[str, ...] = DELIMITERS
    if told := _SAID_DELIMITER.fullmatch(kept[first]):
        delimiters, first = (told[1],), first + 1
    body, error = "\n".join(kept[first:]), None
    for delimiter in delimiters:
        try:
            rows = list(_split(body, delimiter, first))
        except csv.Error as bad:
            error = error or bad
            continue
        if not rows:
            continue
        widths = [len(row) for _, row in rows[1:]] or [len(rows[0][1])]
        below = [cell for _, row in rows[1:201] for cell in row]
        fits = [is_missing(c) or is_number(c if delimiter == "," else with_point(c)) for c in below]
        fits = [fit or bool(_GROUPED.fullmatch(c)) for fit, c in zip(fits, below, strict=True)]
        numeric = float(np.mean(fits)) if below else 0.0
        common = max(set(widths), key=widths.count)
        even = float(np.mean([w == common for w in widths]))
        steps = np.diff(widths)
        triangular = len(widths) > 1 and bool((steps == 1).all() or (steps == -1).all())
        score = (common > 1 or triangular, round(max(even, triangular) * 50), round(numeric * 50))
        if best is None or score > best:
            best, found, chosen = score, rows, delimiter
    if error and not (best and best[0]):
        raise ValueError(f"{name} is not a table: {error}")
    if found is None:
        raise ValueError(f"{name} is empty")
    try:
        cells = next((row for _, row in _split(comments, chosen, 0)), list[str]())
    except csv.Error:  # the comment is no row of cells
        cells = []
    said = [] if chosen in "\t," else ["cells set apart by " + ("spaces" if chosen == " " else repr(chosen))]
    if chosen != "," and any(is_decimal_comma(cell) for _, row in found[1:] for cell in row):
        if any("." in cell and is_number(cell) for _, row in found[1:] for cell in row):
            raise ValueError(f"{name} writes some decimals with a comma, some with a point: use one of them")
        found = [found[0], *((n, [with_point(cell) for cell in row]) for n, row in found[1:])]
        said.append("decimal comma")
    return found, cells, said


def with_point(cell):
    return cell.replace(",", ".") if is_decimal_comma(cell) else cell


def _split(text, delimiter, first):
    if delimiter == " ":
        for i, line in enumerate(text.split("\n"), first + 1):
            if line.strip():
                yield i, line.split()
        return
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    start = first + 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield start, [cell.strip() for cell in row]
        start = first + reader.line_num + 1


def read_npy(path):
    try:
        values = np.asarray(np.load(path, allow_pickle=False))
        if values.dtype.kind in "biuf":
            if values.ndim != 2:
                raise ValueError(
                    f"{path.name} must hold a table of two or more rows and columns: got shape {values.shape}"
                )
            return values.astype(np.float64)
    except (OSError, EOFError, TypeError):
        pass
    except ValueError as error:
        if "must hold" in str(error):
            raise
    raise ValueError(f"{path.name} is not an array of numbers from numpy.save")


def read_parquet(path):
    try:
        import pandas as pd

        frame = pd.read_parquet(path)
    except ImportError:
        raise ValueError(
            f'{path.name} needs pandas and pyarrow: pip install "cleann-lite[parquet]"'
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} is not a Parquet file: {error}") from None
    columns = [str(name) for name in frame.columns]
    return columns, [[_cell(value) for value in row] for row in frame.itertuples(index=False)], []


def _cell(value):
    if isinstance(value, int | float | np.number):
        return float(value)
    return "" if value is None else str(value)


def decimals(cell):
    return len(cell.partition(".")[2])


def is_missing(cell):
    return cell.lower() in MISSING


def is_name(cell):
    return not is_missing(cell) and not is_number(cell)


def is_decimal_comma(cell):
    return "," in cell and bool(_NUMBER.fullmatch(cell.replace(",", ".", 1)))


def is_number(cell):
    return bool(_NUMBER.fullmatch(cell))
