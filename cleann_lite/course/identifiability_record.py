"""The record of the experiment on identifiability: runs, their table, their plot. Needs no PyTorch."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from ..drawing.html import markdown

LENGTH, D_MODEL, HEADS = 64, 64, 4
MARGIN = 0.02  # accuracies nearer than this count as equal
RESULTS = "identifiability_runs.csv"


@dataclass(frozen=True)
class Run:
    """One training: its place in the experiment, and its result.

    Shares are over heads and test texts (and, for the local test, sampled rows): ``null_space``: no other
    attention at all has the same head output; ``local``: none that the head can make nearby has. ``layer_…``:
    the same, given the output of the layer instead of the outputs of its heads. ``condition``: median of the
    local test's condition number where the rank is full.
    """

    set: str
    combine: str
    key_size: int
    seed: int
    accuracy: float
    null_space: float
    local: float
    condition: float
    layer_null_space: float
    layer_local: float
    tested: int
    tokens: float
    seconds: float
    layers: int = 1

    @property
    def task(self) -> str:
        """Its set of texts, with the depth where that is not one layer."""
        return self.set if self.layers == 1 else f"{self.set}, {self.layers} layers"


def read_runs(path: Path) -> list[Run]:
    """Runs recorded in a file; an empty list if the file is missing."""
    if not path.exists():
        return []
    kinds = dict(Run.__annotations__)
    cast = {"str": str, "int": int, "float": float}
    with open(path, encoding="utf-8", newline="") as file:
        return [Run(**{k: cast[kinds[k]](v) for k, v in row.items()}) for row in csv.DictReader(file)]


def summary(runs) -> list[dict]:
    """Per set, way to combine and key size: accuracy with its 95 % interval over seeds, and the shares."""
    runs, rows = list(runs), []
    for name in dict.fromkeys(r.task for r in runs):
        for combine in ("concat", "add"):
            for key_size in sorted({r.key_size for r in runs}):
                cell = [r for r in runs if (r.task, r.combine, r.key_size) == (name, combine, key_size)]
                if cell:
                    mean, half = interval([r.accuracy for r in cell])
                    shares = ("null_space", "local", "condition", "layer_null_space", "layer_local", "tokens")
                    rows.append(
                        {"set": name, "combine": combine, "key_size": key_size, "seeds": len(cell)}
                        | {"accuracy": mean, "half_width": half}
                        | {key: _mean([getattr(r, key) for r in cell]) for key in shares}
                    )
    return rows


def _mean(values) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def interval(values) -> tuple[float, float]:
    """Mean and half-width of its 95 % t-interval; half-width nan for a single value.

    >>> mean, half = interval([0.7, 0.8, 0.9])
    >>> round(mean, 3), round(half, 3)
    (0.8, 0.248)
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(stdtrit(len(values) - 1, 0.975) * error)


def paired(runs, name: str, attribute: str, first, second, of: str = "accuracy") -> list[float]:
    """Figures of runs with `first` less those with `second` in one set, pairs being alike in all else.

    >>> first, second = (Run("UCI", "add", k, 0, k / 20, 1, 1, 1, 1, 1, 1, 1, 1) for k in (16, 4))
    >>> round(paired([first, second], "UCI", "key_size", 16, 4)[0], 3)
    0.6
    """
    rest = [part for part in ("combine", "key_size", "seed") if part != attribute]
    found = {(getattr(r, attribute), *(getattr(r, part) for part in rest)): r for r in runs if r.task == name}
    return [
        getattr(r, of) - getattr(found[second, *others], of)
        for (value, *others), r in found.items()
        if value == first and (second, *others) in found
    ]


def differences(runs) -> list[str]:
    """Per set: how much more accurate added heads are than concatenated ones, paired by key size and seed."""
    runs, lines = list(runs), []
    for name in dict.fromkeys(r.task for r in runs):
        if pairs := paired(runs, name, "combine", "add", "concat"):
            mean, half = interval(pairs)
            change = f"add - concat = {100 * mean:+.2f} ± {100 * half:.2f} points"
            lines.append(f"{name}: {change} ({len(pairs)} pairs)")
    return lines


def verdict(runs) -> list[str]:
    """Judge “equal accuracy, more identifiable” by intervals and shares, a sentence each.

    Equal accuracy is *denied* where a set's 95 % interval of the paired differences leaves out 0, *confirmed*
    where besides all stay within `MARGIN`, and *open* otherwise. More identifiable is *confirmed* where some
    shares are larger and none smaller, *denied* where all are the same, *mixed* otherwise.
    """
    runs = list(runs)
    small, large = min(r.key_size for r in runs), max(r.key_size for r in runs)
    unique = [
        f"{_span([r.layer_local for r in runs if r.key_size == key])} with keys of {key}"
        for key in (small, large)
    ]
    return [
        f"Equal accuracy of added heads: {_equal(runs, 'combine', 'add', 'concat')}",
        f"More identifiable by the output of each head: {_gained(runs, 'null_space', 'local')}",
        f"More identifiable by the output of the layer: {_gained(runs, 'layer_null_space', 'layer_local')}",
        f"Equal accuracy of keys of {small} and of {large} numbers: {_equal(runs, 'key_size', small, large)}",
        f"The only one nearby by the output of the layer: {', '.join(unique)}.",
    ]


def _equal(runs, attribute: str, first, second) -> str:
    found = {r.task: interval(paired(runs, r.task, attribute, first, second)) for r in runs}
    apart = {name: both for name, both in found.items() if abs(both[0]) > both[1]}
    if apart:
        shown = (
            f"{100 * mean:+.1f} ± {100 * half:.1f} points in {name}" for name, (mean, half) in apart.items()
        )
        return f"denied; {', '.join(shown)}."
    reach = max(abs(mean) + half for mean, half in found.values())
    word = "confirmed" if reach <= MARGIN else "open"
    return (
        f"{word}; every interval holds 0, and none of {len(found)} reaches beyond {100 * reach:.1f} points."
    )


def _gained(runs, *shares: str) -> str:
    names = dict.fromkeys(r.task for r in runs)
    gains = [
        gain
        for share in shares
        for name in names
        for gain in paired(runs, name, "combine", "add", "concat", share)
    ]
    word = "mixed" if min(gains) < -0.005 else "confirmed" if max(gains) > 0.005 else "denied"
    parts = [
        f"{kind} in {_span([getattr(r, share) for r in runs if r.combine == 'add'])} with added heads, "
        f"{_span([getattr(r, share) for r in runs if r.combine == 'concat'])} with concatenated ones"
        for kind, share in zip(
            ("the only attention", "the only one nearby that the head can make"), shares, strict=True
        )
    ]
    return f"{word}; {'; '.join(parts)}."


def _span(values) -> str:
    low, high = 100 * min(values), 100 * max(values)
    return f"{low:.0f} %" if round(low) == round(high) else f"{low:.0f} to {high:.0f} %"


def as_text(rows: list[dict], layers=None) -> str:
    """The table as Markdown; the standard layer is the one whose keys are as large as its values.

    Parameters
    ----------
    rows
        Of `summary`.
    layers : sequence of (combine, key size), optional
        Those to show, in this order within each set; default all.
    """
    shares = {"null_space": "null space", "local": "local"}
    shares |= {"layer_null_space": "layer null space", "layer_local": "layer local"}
    head = ("set", "combine", "d_k", "accuracy, %", *shares.values(), "condition")
    lines = []
    if layers is not None:
        sets, layers = list(dict.fromkeys(row["set"] for row in rows)), list(layers)
        rows = [row for row in rows if (row["combine"], row["key_size"]) in layers]
        rows.sort(key=lambda row: (sets.index(row["set"]), layers.index((row["combine"], row["key_size"]))))
    for row in rows:
        standard = (row["combine"], row["key_size"]) == ("concat", D_MODEL // HEADS)
        cells = [row["set"], row["combine"] + " (standard)" * standard, str(row["key_size"])]
        spread = "" if np.isnan(row["half_width"]) else f" ± {100 * row['half_width']:.1f}"
        cells += [f"{100 * row['accuracy']:.1f}{spread}"]
        cells += [f"{100 * row[share]:.0f} %" for share in shares]
        condition = "–" if np.isnan(row["condition"]) else f"{row['condition']:.1e}"
        lines.append([*cells, condition])
    return markdown(head, lines)


def draw(rows: list[dict]):
    """Accuracy, and the identifiable shares, against the key size: one column of pictures per set."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(row["set"] for row in rows))
    styles = {"concat": ("#0072b2", "o", "-"), "add": ("#d55e00", "s", "--")}
    titles = {
        "null_space": "by each head, %\n(null space)",
        "local": "by each head, %\n(local)",
        "layer_null_space": "by the layer, %\n(null space)",
        "layer_local": "by the layer, %\n(local)",
    }
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(2.9 * len(sets), 8.4), layout="constrained")
        axes = figure.subplots(5, len(sets), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(sets):
            for combine, (colour, marker, line) in styles.items():
                cell = [row for row in rows if (row["set"], row["combine"]) == (name, combine)]
                keys = [row["key_size"] for row in cell]
                style = {"color": colour, "marker": marker, "linestyle": line, "label": combine}
                means = [100 * row["accuracy"] for row in cell]
                spread = [100 * np.nan_to_num(row["half_width"]) for row in cell]
                axes[0, column].errorbar(keys, means, yerr=spread, capsize=2, **style)
                for place, share in enumerate(titles, start=1):
                    axes[place, column].plot(keys, [100 * row[share] for row in cell], **style)
            axes[0, column].set(title=name, xscale="log", xticks=keys, xticklabels=keys)
            axes[0, column].minorticks_off()
            axes[4, column].set_xlabel("key size")
        axes[0, 0].set_ylabel("accuracy, %")
        for place, title in enumerate(titles.values(), start=1):
            axes[place, 0].set(ylabel=title, ylim=(-5, 105))
        axes[0, 0].legend()
    return figure
