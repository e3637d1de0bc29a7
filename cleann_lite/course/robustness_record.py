"""The record of robust graphs: what survives other attention in many reviews, beside what chance would give.

`benchmarks/robust_graphs.py` writes it, a line per review and reach; notebook 08 reads it.
"""

import numpy as np

from ..drawing.html import markdown
from .identifiability_record import interval
from .truth_record import read

__all__ = ["as_text", "groups", "mean", "read", "verdict"]

# What is shown: title -> (column, column of what chance gives)
COLUMNS = {
    "attention moved": ("distance", None),
    "edges stay": ("edge_share", "chance_share"),
    "marks stay": ("mark_share", None),
    "the same set found again": ("set_share", "chance_set_share"),
    "words in common": ("overlap", "chance_overlap"),
    "any set found": ("found_share", "chance_found_share"),
}
JUDGED = {
    "edges": "edges stay",
    "explanations": "the same set found again",
    "words of explanations": "words in common",
}


def groups(lines) -> dict[str, list[dict]]:
    """Lines by what they are about: reviews whose weights are determined, others by reach."""
    found = {"weights determined": [line for line in lines if not line["samples"]]}
    for reach in sorted({line["reach"] for line in lines}):
        part = [line for line in lines if line["samples"] and line["reach"] == reach]
        found[f"other weights, {100 * reach:.0f} % of the way"] = part
    return {name: part for name, part in found.items() if part}


def mean(lines, column: str, less: str | None = None) -> tuple[float, float, int]:
    """Mean over reviews of a column (less another one), half of its 95 % interval, number of reviews.

    Reviews of which a figure is not known (nan: no explanation, say) are left out; (nan, nan, 0) without any.
    """
    values = [line[column] - (line[less] if less else 0.0) for line in lines]
    known = [value for value in values if not np.isnan(value)]
    return (*(interval(known) if known else (np.nan, np.nan)), len(known))


def as_text(lines) -> str:
    """The table as Markdown: mean ± half of the 95 % interval over reviews, by chance in brackets."""
    rows = []
    for name, part in groups(lines).items():
        cells = [_cell(part, *pair) for pair in COLUMNS.values()]
        lengths = [line["tokens"] for line in part]
        number = len({line["review"] for line in part})
        rows.append([name, number, f"{min(lengths):.0f}–{max(lengths):.0f}", *cells])
    return markdown(["reviews", "number", "tokens", *COLUMNS], rows)


def _cell(part, column, chance) -> str:
    found, half, count = mean(part, column)
    if not count:
        return "–"
    spread = "" if np.isnan(half) else f" ± {100 * half:.0f}"
    return f"{100 * found:.0f}{spread} %" + (f" ({100 * mean(part, chance)[0]:.0f} %)" if chance else "")


def verdict(lines) -> list[str]:
    """Whether edges and explanations survive better than by chance: better, worse or not decided."""
    said = []
    for name, part in groups(lines).items():
        for what, title in JUDGED.items():
            column, chance = COLUMNS[title]
            more, half, count = mean(part, column, chance)
            if name.startswith("other") and count:
                word = "better" if more > half else "worse" if more < -half else "not decided"
                points = f"{100 * more:+.0f} ± {100 * half:.0f} points, {count} reviews"
                said.append(f"{name}: survival of {what} against chance: **{word}** ({points}).")
    return said
