"""Records of the question "Does the graph explain?": planted mechanisms, readings, randomised weights, rungs.

``cleann-lite evaluate planted | readings | randomised | rungs`` write them; a notebook reads them here, as
tables in Markdown and as matplotlib figures.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..drawing.html import markdown

# What a reader is called in a table: (reading, reader) -> name, in the order of the rows
READERS = {
    ("", "leave-one-out"): "leave-one-out",
    ("", "gradient"): "gradient × input",
    ("0.0", "attention row"): "attention row, last layer",
    ("rollout", "attention row"): "attention row, rolled out",
    ("0.0", "correlation"): "correlation, paper",
    ("0.0", "edge"): "edge, paper (r = 0)",
    ("0.5", "edge"): "edge, r = ½",
    ("norms", "edge"): "edge, r by norms",
    ("values", "edge"): "edge, norms and values",
    ("rollout", "edge"): "edge, rolled out",
    ("0.0", "possible cause"): "possible cause, paper",
    ("norms", "possible cause"): "possible cause, r by norms",
    ("rollout", "partial correlation"): "partial correlation, rolled out",
}
READINGS = {"0.0": "paper (r = 0)", "0.5": "r = ½", "norms": "r by norms", "values": "norms and values",
            "rollout": "rolled out"}  # fmt: skip
CONTROLS = {"random": "random", "permuted": "names permuted", "attention": "attention sum",
            "leave-one-out": "leave-one-out"}  # fmt: skip
_TEXTS = {"reading", "reader", "rule", "stage", "model", "figure", "candidates", "heads", "split", "review"}
_COLOURS = {"0.0": "#b3541e", "norms": "#1f6f8b", "values": "#5b4b8a"}


def read(path) -> list[dict]:
    """Lines of a record, numbers as floats, what is not known as NaN.

    >>> from cleann_lite.datasets.shipped import data_path
    >>> sorted({line["layers"] for line in read(data_path("recorded", "planted.csv"))})
    [1.0, 2.0, 3.0]
    """
    with open(Path(path), encoding="utf-8", newline="") as file:
        return [
            {key: value if key in _TEXTS else float(value or "nan") for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


def _find(lines, **wanted):
    return [line for line in lines if all(line[k] == v for k, v in wanted.items())]


# --- planted mechanisms ----------------------------------------------------------------------------------


def planted_table(lines: Sequence[dict], figure: str = "auc") -> str:
    """A figure of each reader by depth, mean over rules with the worst and the best rule, as Markdown.

    Parameters
    ----------
    lines
        Of ``planted.csv``.
    figure
        "auc", "exact", "decoy" or "permuted".
    """

    def cell(part):
        known = [x[figure] for x in part if not np.isnan(x[figure])]
        return f"{np.mean(known):.2f} ({min(known):.2f}–{max(known):.2f})" if known else "–"

    readers = {name: {"reading": reading, "reader": reader} for (reading, reader), name in READERS.items()}
    return _by_depth(lines, "reader", readers, cell)


def _by_depth(lines, what, rows, cell):
    """A row for each name (with what its lines have), a column a depth."""
    depths = _depths(lines)
    body = [
        [name, *(cell(_find(lines, layers=d, **wanted)) for d in depths)] for name, wanted in rows.items()
    ]
    return markdown([what, *depths.values()], body)


def _depths(lines):
    """Depth -> what it is called."""
    return {d: f"{d:.0f} layer" + "s" * (d > 1) for d in sorted({line["layers"] for line in lines})}


def planted_sets_table(lines: Sequence[dict]) -> str:
    """How often the reported set is one of the rule's smallest, beside permuted names, as Markdown."""

    def cell(part):
        exact, permuted = (np.mean([x[figure] for x in part]) for figure in ("exact", "permuted"))
        return f"{exact:.0%}; permuted {permuted:.0%}"

    graphs = {name: {"reading": reading, "reader": "edge"} for reading, name in READINGS.items()}
    return _by_depth(lines, "graph", graphs, cell)


def planted_figure(lines: Sequence[dict], figure: str = "auc"):
    """Readers by rules, a panel a depth: a number in each cell, its colour how far it is above chance."""
    from matplotlib import pyplot

    depths = _depths(lines)
    rules = list(dict.fromkeys(line["rule"] for line in lines))
    drawn, panels = pyplot.subplots(
        1, len(depths), figsize=(3.4 + 2.9 * len(depths), 4.6), sharey=True, layout="constrained"
    )
    for panel, depth in zip(np.atleast_1d(panels), depths, strict=True):
        cells = np.full((len(READERS), len(rules)), np.nan)
        for i, (reading, reader) in enumerate(READERS):
            for j, rule in enumerate(rules):
                for line in _find(lines, layers=depth, reading=reading, reader=reader, rule=rule):
                    cells[i, j] = line[figure]
        panel.imshow(cells, vmin=0, vmax=1, cmap="PuOr", aspect="auto")
        for (i, j), value in np.ndenumerate(cells):
            dark = abs(value - 0.5) > 0.35
            panel.text(j, i, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=7.5,
                       color="white" if dark else "black")  # fmt: skip
        panel.set_xticks(range(len(rules)), rules, rotation=60, ha="right", fontsize=8)
        panel.set_yticks(range(len(READERS)), READERS.values(), fontsize=8)
        panel.set_title(depths[depth], fontsize=10)
    return drawn


# --- readings of the residual connection -----------------------------------------------------------------


def chosen(lines: Sequence[dict], model: str) -> dict:
    """The tested line whose setting gained most over permuted names on the model's validation inputs."""
    mine = [line for line in lines if line["model"] == model and line["heads"] == "together"]
    tested = {_setting(line): line for line in mine if line["split"] == "test"}
    tried = [line for line in mine if line["split"] == "validation" and _setting(line) in tested]
    return tested[_setting(min(tried, key=lambda line: line["size_permuted"]))]


def _setting(line):
    return line["reading"], line["alpha"], line["candidates"]


def readings_table(lines: Sequence[dict]) -> str:
    """Settings by controls at equal sizes, as Markdown: the verdict, then the size less the control's."""
    rows = []
    for line in lines:
        name = f"{line['model']}: {READINGS[line['reading']]}, {line['alpha']:g}, {line['candidates']}"
        cells = [
            f"{better(line, c)}, {line[f'size_{c}']:+.2f} [{line[f'low_{c}']:+.2f}, {line[f'high_{c}']:+.2f}]"
            for c in CONTROLS
        ]
        about = f"{line['n']:.0f}", f"{100 * line['share']:.1f} %", f"{100 * line['success']:.0f} %"
        rows.append([name, *about, *cells])
    sizes = (f"against {control}" for control in CONTROLS.values())
    return markdown(["model: reading, α, candidates", "inputs", "sets tried", "success", *sizes], rows)


def better(line: dict, control: str) -> str:
    """Whether a graph's sets are smaller than a control's: "better", "worse" or "not decided"."""
    if line[f"high_{control}"] < 0:
        return "better"
    return "worse" if line[f"low_{control}"] > 0 else "not decided"


# --- randomised weights ----------------------------------------------------------------------------------


def randomised_figure(lines: Sequence[dict]):
    """Edges, sets and success by stage: solid with its interval, and by chance dashed; a panel a figure."""
    from matplotlib import pyplot

    stages = list(dict.fromkeys(line["stage"] for line in lines))
    titles = {
        "edges": "edges shared with the trained model",
        "sets": "allowed sets shared",
        "success": "success",
    }
    chance = {"edges": "edges_chance", "sets": "sets_chance", "success": "success_random"}
    drawn, panels = pyplot.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
    for panel, (figure, title) in zip(panels, titles.items(), strict=True):
        for reading in dict.fromkeys(line["reading"] for line in lines):
            part = _find(lines, reading=reading)
            means, colour = np.array([x[figure] for x in part]), _COLOURS[reading]
            ends = [means - [x[f"{figure}_low"] for x in part], [x[f"{figure}_high"] for x in part] - means]
            panel.errorbar(range(len(stages)), means, ends, color=colour, marker="o", label=READINGS[reading])
            panel.plot([x[chance[figure]] for x in part], color=colour, linestyle="--", marker="x")
        panel.set_title(title, fontsize=10)
        panel.set_xticks(range(len(stages)), stages, rotation=45, ha="right", fontsize=8)
        panel.set_ylim(0, 1.03)
    panels[0].legend(fontsize=8, title="dashed: by chance", title_fontsize=8)
    return drawn


# --- rungs -----------------------------------------------------------------------------------------------

# figure -> what it is called; where a verdict follows: the limit, and the words below and above it
RUNGS = {
    "own head: same": ("permuted names give the same graph", 0.05, "informative", "not informative"),
    "own head: as_good": ("permuted names fit as well, own head", 0.05, "not falsified", "falsified"),
    "other head: as_good": ("permuted names fit as well, another head", 0.05, "not falsified", "falsified"),
    "lowers": ("words of sets that lower the prediction alone", None, "", ""),
    "raises": ("words of sets that raise the prediction alone", None, "", ""),
    "head: more": ("one head: kept less removed edges, log-odds", 0.0, "less", "more"),
    "everywhere: more": ("all layers: kept less removed edges, log-odds", 0.0, "less", "more"),
}  # fmt: skip


def rung_verdict(line: dict) -> str:
    """The words of `RUNGS` where the whole interval is on one side of the limit, else "not decided"."""
    _, limit, below, above = RUNGS[line["figure"]]
    if limit is None:
        return ""
    if line["high"] < limit:
        return below
    return above if line["low"] > limit else "not decided"


def rungs_table(lines: Sequence[dict]) -> str:
    """The rungs of one model by reading, with intervals over inputs and verdicts, as Markdown."""
    readings = list(dict.fromkeys(line["reading"] for line in lines))
    rows = [
        [name, *(_told(_find(lines, reading=reading, figure=figure)) for reading in readings)]
        for figure, (name, *_) in RUNGS.items()
    ]
    return markdown(["", *(READINGS[reading] for reading in readings)], rows)


def _told(found):
    if not found:
        return "–"
    line = found[0]
    figures = f"{line['mean']:.3f} [{line['low']:.3f}, {line['high']:.3f}]"
    return ", ".join(filter(None, (rung_verdict(line), figures)))
