"""The identifiability explorer: when does the output of a head determine its attention?

Keys, values and a query are drawn at random; `head_row` makes the row of attention, `identify` asks the two
questions of `cleann_lite.attention.identifiability`, and `row_chart` draws the answer.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..attention.identifiability import (
    effective_attention,
    equivalent_attention,
    generatable_attention,
    local_test,
    null_space_dimension,
    softmax_attention,
)
from ..drawing.html import FONT, escape
from ..drawing.svg import BLUE, GREY, INK, PALE, PAPER, VERMILLION
from ..drawing.view import View, buttons, choice, slider
from .explorer import Explorer, checked_among

LENGTHS = (*range(2, 25), 28, 32, 40, 48, 56, 64)
SIZES = (*range(1, 17), 20, 24, 32, 48, 64)
SHOWN = {
    "equivalent": "another valid attention with the same output",
    "generatable": "an attention that the head can make, with the same output",
    "effective": "the effective attention",
}
CHOICES = ("another valid attention", "one that the head can make", "the effective attention")


@dataclass(frozen=True)
class Answer:
    """What a head of these sizes says of one row of its attention.

    Attributes
    ----------
    row, other
        The row of attention, and the one that is compared with it; None if there is none.
    shifts
        Independent shifts of the row that keep output and sum: the dimension of LN([T, 1]).
    null_space
        The dimension of LN(T).
    local
        Outcome of the local test (`cleann_lite.attention.identifiability.LocalTest`).
    output_gap
        Largest difference between the outputs of both rows.
    """

    row: np.ndarray
    other: np.ndarray | None
    shifts: int
    null_space: int
    local: object
    output_gap: float


def head_row(n, d_k, d_v, seed):
    """A random head: query (1, d_k), keys (n, d_k), values (n, d_v); a smaller one is part of a larger."""
    rng = np.random.default_rng(seed)
    size = max(LENGTHS), max(SIZES)
    key, value, query = rng.normal(size=size), rng.normal(size=size), 1.6 * rng.normal(size=(1, size[1]))
    return query[:, :d_k], key[:n, :d_k], value[:n, :d_v]


@lru_cache(maxsize=256)
def identify(n, d_k, d_v, seed, shown):
    """Both tests for one head, and the row to compare with."""
    query, key, value = head_row(n, d_k, d_v, seed)
    row = softmax_attention(query, key)
    other: np.ndarray | None
    if shown == "effective":
        other = effective_attention(row, value)
    elif shown == "equivalent":
        other = equivalent_attention(row, value)
    else:
        found = generatable_attention(query, key, value, starts=12)
        other = None if found is None else found.attention
    gap = 0.0 if other is None else float(np.abs(other @ value - row @ value).max())
    return Answer(
        row[0],
        None if other is None else np.asarray(other)[0],
        null_space_dimension(value, sum_to_one=True),
        null_space_dimension(value),
        local_test(row[0], key, value),
        gap,
    )


# --- the picture ---------------------------------------------------------------------------------


def row_chart(answer, d_v, title, description, width=860, height=330):
    """SVG: the row of attention beside its alternative, and the null space against the length."""
    left, bottom, top = 46, height - 42, 34
    row, other = answer.row, answer.other
    values = row if other is None else np.concatenate([row, other])
    high, low = max(0.05, float(values.max())), min(0.0, float(values.min()))
    room, span = 540.0, high - low

    def y(value):
        return bottom - (value - low) / span * (bottom - top)

    step = room / len(row)
    bar = max(1.5, min(16.0, 0.36 * step))
    parts = [_text(left, 18, "weights of one row", GREY, "start")]
    for value in (low, 0.0, high) if low < 0 else (0.0, high / 2, high):
        parts.append(f'<path d="M{left} {y(value):.1f}H{left + room}" stroke="{PALE}" stroke-width="1"/>')
        parts.append(_text(left - 6, y(value) + 4, f"{value:.2f}", GREY, "end"))
    for i, weight in enumerate(row):
        x, said = left + step * (i + 0.5), f"token {i + 1}: {weight:.3f}"
        parts.append(_bar(x - (bar if other is not None else bar / 2), y(weight), y(0), bar, BLUE, said))
        if other is not None:
            parts.append(_bar(x, y(other[i]), y(0), bar, "none", f"{said}, other {other[i]:.3f}", VERMILLION))
    parts += [
        _text(left + room / 2, height - 22, f"tokens 1 … {len(row)}", GREY),
        _bar(left, height - 13, height - 5, 12, BLUE, ""),
        _text(left + 17, height - 4, "the head's row", GREY, "start"),
    ]
    if other is not None:
        parts += [
            _bar(left + 118, height - 13, height - 5, 12, "none", "", VERMILLION),
            _text(left + 135, height - 4, "the other row (outlined)", GREY, "start"),
        ]
    dimensions = (answer.null_space, answer.shifts)
    parts += _null_space_lines(len(row), d_v, dimensions, left + room + 70, 180, top, bottom)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" font-family="{FONT}" '
        f'font-size="12" style="max-width:100%;height:auto"><title>{escape(title)}</title>'
    )
    paper = f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>'
    return f"{head}<desc>{escape(description)}</desc>{paper}{''.join(parts)}</svg>"


def _null_space_lines(n, d_v, dimensions, left, room, top, bottom):
    longest = max(LENGTHS)

    def point(length, dimension):
        return left + room * length / longest, bottom - (bottom - top) * dimension / longest

    parts = [_text(left, 18, "dimension of the null space", GREY, "start")]
    for tick in (0, 32, 64):
        parts.append(_text(point(tick, 0)[0], bottom + 15, tick, GREY))
        parts.append(_text(left - 6, point(0, tick)[1] + 4, tick, GREY, "end"))
    (x0, y0), (x1, y1) = point(0, 0), point(longest, longest)
    parts.append(f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="{PALE}"/>')
    for free, dashes in ((d_v, ""), (d_v + 1, ' stroke-dasharray="4 3"')):
        (x2, y2), (x3, y3) = point(min(free, longest), 0), point(longest, max(0, longest - free))
        line = f"M{x0:.1f} {y0:.1f}L{x2:.1f} {y2:.1f}L{x3:.1f} {y3:.1f}"
        parts.append(f'<path d="{line}" fill="none" stroke="{INK}" stroke-width="1.5"{dashes}/>')
    for dimension, fill in zip(dimensions, (BLUE, PAPER), strict=True):
        x, y = point(n, dimension)
        look = f'fill="{fill}" stroke="{BLUE}" stroke-width="2"'
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {look}/>')
    parts.append(_text(left + room / 2, bottom + 30, "sequence length", GREY))
    return parts


def _text(x, y, text, colour, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(x, y, base, width, fill, title, stroke="none"):
    top, height = min(y, base), max(0.8, abs(base - y))
    return (
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.6"><title>{escape(title)}</title></rect>'
    )


# --- one state -----------------------------------------------------------------------------------


def verdicts(answer, n, d_k, d_v, shown):
    """The two tests and the comparison, in words; the two notions stay apart."""
    sizes = f"key size {d_k}, value size {d_v}"
    if answer.shifts:
        count = f"{answer.shifts} independent shift{'s' * (answer.shifts > 1)}"
        first = (
            f"Any valid attention: {count} of the row keep output and sum (length {n}, rank of [T, 1] "
            f"{n - answer.shifts}). The output does not determine the attention."
        )
    else:
        first = (
            f"Any valid attention: no shift keeps output and sum (length {n}, value size {d_v}). The output "
            "determines the attention."
        )
    local = answer.local
    unique = "locally unique" if local.identifiable else "not locally unique"
    second = (
        f"Attention that the head can make: {unique} (rank {local.rank} of {local.needed} needed; {sizes}"
        + (f"; condition {local.condition:.3g})." if local.identifiable else ").")
    )
    if answer.other is None:
        third = f"Compared with: {SHOWN[shown]}. None was found."
    else:
        moved = 0.5 * float(np.abs(answer.other - answer.row).sum())
        third = (
            f"Compared with: {SHOWN[shown]}. Distance {moved:.2f} (half the summed change); the outputs "
            f"differ by {answer.output_gap:.1g}."
        )
    return [first, second, third]


def identifiability_view(state):
    """The picture of one state."""
    n, d_k, d_v, shown = (state[name] for name in ("n", "d_k", "d_v", "shown"))
    answer = identify(n, d_k, d_v, state["seed"], shown)
    said = verdicts(answer, n, d_k, d_v, shown)
    words = [f"token {i + 1}: {weight:.3f}" for i, weight in enumerate(answer.row)]
    if answer.other is not None:
        words = [f"{word}, other row {weight:.3f}" for word, weight in zip(words, answer.other, strict=True)]
    title = f"Attention over {n} tokens, key size {d_k}, value size {d_v}"
    numbers = [("dimension of LN(T)", answer.null_space), ("dimension of LN([T, 1])", answer.shifts)]
    numbers += [("rank of the local test", f"{answer.local.rank} of {answer.local.needed}")]
    among = "identifiable" if not answer.shifts else "not identifiable"
    among += " among all valid attentions, "
    among += "locally unique" if answer.local.identifiable else "not locally unique"
    among += " among those that the head can make"
    panels = (
        {"kind": "list", "title": "What this says", "items": said},
        {"kind": "table", "title": "Numbers", "columns": ("", ""), "rows": [list(row) for row in numbers]},
    )
    return View(
        controls=identifiability_controls(state),
        svg=row_chart(answer, d_v, title, " ".join(said)),
        alt=f"{title}. {' '.join(said)}",
        words=tuple(words),
        words_title=f"{n} weights in words",
        panels=panels,
        detail="Filled dot: LN(T). Open dot: LN([T, 1]), the shifts that keep the sum of the row as well.",
        status=f"{title}: {among}.",
        data={
            "row": answer.row.tolist(),
            "other": None if answer.other is None else answer.other.tolist(),
            "null_space_dimension": answer.null_space,
            "shifts": answer.shifts,
        },
    )


def identifiability_controls(state):
    """The controls of the identifiability explorer in one state."""
    return (
        slider("n", "Sequence length", LENGTHS, state["n"]),
        slider("d_k", "Key size", SIZES, state["d_k"]),
        slider("d_v", "Value size", SIZES, state["d_v"]),
        choice("shown", "Compare with", tuple(SHOWN), state["shown"], CHOICES),
        buttons("draw", "Random head", [("again", "Draw another head", None, False)]),
    )


class IdentifiabilityExplorer(Explorer):
    """Sequence length and key and value size against what the output of a head says of its attention.

    Parameters
    ----------
    n, d_k, d_v : int
        First values of the controls.
    seed : int
        Of the random head.

    Examples
    --------
    >>> IdentifiabilityExplorer(n=6, d_v=8).view.data["shifts"]
    0
    """

    name = "identifiability"
    title = "Does the output determine the attention?"
    hint = (
        "Make the sequence longer than the value size plus one, and another row of attention gives the very "
        "same output. Then make the key smaller than the value: such a head cannot make that other row."
    )

    kept: ClassVar = {"n": 10, "d_v": 8, "shown": 3, "d_k": 3}

    def __init__(self, n=12, d_k=4, d_v=6, seed=0, shown="equivalent"):
        super().__init__(n=n, d_k=d_k, d_v=d_v, seed=seed, shown=shown)

    def reduce(self, state, event):
        return {**state, "seed": state["seed"] + 1} if event["name"] == "again" else state

    def render(self, state):
        for name, largest in (("n", max(LENGTHS)), ("d_k", max(SIZES)), ("d_v", max(SIZES))):
            if state[name] not in range(1, largest + 1):
                raise ValueError(f"{name} must lie in 1 … {largest}: got {state[name]}")
        checked_among("shown", state["shown"], SHOWN)
        return identifiability_view(state)
