"""The few kinds of plots of the notebooks, each with its alt text: lines, bars, bars that lie, intervals."""

import numpy as np

from .figures import show

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00")
HATCHES = ("", "///", "...", "xx")
STYLES = ("o-", "s--", "^:", "D-.")


def _axes(columns=1, size=(6.4, 3), **shared):
    from matplotlib import pyplot

    return pyplot.subplots(1, columns, figsize=size, layout="constrained", squeeze=False, **shared)


def lines(x, series, alt, *, xlabel, ylabel, log="", ylim=None, title=None, upright=()):
    """Draw y against x for each of `series` (label -> y); the styles tell them apart without colour.

    Parameters
    ----------
    x : sequence of float
    series : dict of str to sequence of float
        A label of "" gets no entry in the legend.
    alt : str
        What the plot shows.
    log : str
        The axes with a logarithmic scale: "", "x", "y" or "xy".
    upright : sequence of (float, str)
        Places on the x axis to mark by a vertical line, with what they are.

    Returns
    -------
    Figure
    """
    figure, ((axes,),) = _axes()
    for k, (label, y) in enumerate(series.items()):
        style, colour = STYLES[k % 4] if len(x) < 40 else ("-", ":", "--", "-.")[k % 4], COLOURS[k % 4]
        axes.plot(x, y, style, color=colour, label=label, markersize=4)
    for place, what in upright:
        axes.axvline(place, color="#5b6770", linewidth=0.8)
        axes.annotate(f" {what}", (place, 0.85), xycoords=("data", "axes fraction"), fontsize=8)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, ylim=ylim)
    for axis in log:
        axes.set(**{f"{axis}scale": "log"})
    if any(series):
        axes.legend(frameon=False, fontsize=8)
    return show(figure, alt)


def bars(names, series, alt, *, xlabel=None, ylabel=None, numbers=False):
    """Draw a group of upright bars for each name, one bar for each of `series` (label -> values).

    Returns
    -------
    Figure
    """
    slanted = max(len(str(name)) for name in names) > 12
    figure, ((axes,),) = _axes(size=(7, 3.4) if slanted else (6.4, 2.8))
    width, place = 0.8 / len(series), np.arange(len(names))
    for k, (label, values) in enumerate(series.items()):
        style = {"color": COLOURS[k], "hatch": HATCHES[k], "edgecolor": "white", "label": label}
        drawn = axes.bar(place + (k - (len(series) - 1) / 2) * width, values, width, **style)
        if numbers:
            axes.bar_label(drawn, fontsize=8)
    axes.set_xticks(place, names, **({"rotation": 40, "ha": "right", "fontsize": 8} if slanted else {}))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.margins(y=0.18)
    if any(series):
        axes.legend(frameon=False, fontsize=8)
    return show(figure, alt)


def ranked(names, panels, alt, *, upright=()):
    """Draw lying bars with one name a line, side by side for each of `panels` (label -> values).

    Returns
    -------
    Figure
    """
    size = (8.4 if len(panels) > 1 else 6.4, 0.3 * len(names) + 1.1)
    figure, (row,) = _axes(len(panels), size, sharey=True)
    for k, (axes, (label, values)) in enumerate(zip(row, panels.items(), strict=True)):
        axes.barh(range(len(names)), values, color=COLOURS[k], hatch=HATCHES[k], edgecolor="white")
        axes.set(xlabel=label)
        for place, what in upright:
            line = "--" if place == upright[0][0] else ":"
            axes.axvline(place, color=COLOURS[3], linestyle=line, label=what)
    row[0].set_yticks(range(len(names)))
    row[0].set_yticklabels(names, parse_math=False)
    row[0].invert_yaxis()
    if upright:
        row[0].legend(frameon=False, fontsize=8, loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.2))
    return show(figure, alt)


def intervals(panels, alt, *, zero=False):
    """Draw estimates with their intervals: `panels` is label -> {name: (low, estimate, high)}.

    Parameters
    ----------
    zero : bool
        Mark 0, where differences change their sign.

    Returns
    -------
    Figure
    """
    names = list(dict.fromkeys(name for rows in panels.values() for name in rows))
    figure, (row,) = _axes(len(panels), (4.2 * len(panels) + 1, 0.28 * len(names) + 1.1), sharey=True)
    for axes, (label, rows) in zip(row, panels.items(), strict=True):
        for y, name in enumerate(names):
            if name in rows:
                low, estimate, high = rows[name]
                colour, marker = (COLOURS[0], "o") if name.startswith("cleann") else (COLOURS[3], "s")
                axes.plot([low, high], [y, y], color=colour)
                axes.plot([estimate], [y], marker, color=colour, markersize=4)
        if zero:
            axes.axvline(0, color="#5b6770", linewidth=0.8)
        axes.set(xlabel=label, yticks=range(len(names)), yticklabels=names)
    row[0].invert_yaxis()
    return show(figure, alt)


def scatters(panels, alt):
    """Draw two variables against each other, side by side: label -> (name -> values, those to mark).

    Returns
    -------
    Figure
    """
    figure, (row,) = _axes(len(panels), (3.2 * len(panels), 2.8))
    for axes, (label, (values, marked)) in zip(row, panels.items(), strict=True):
        (first, x), (second, y) = values.items()
        axes.plot(x, y, ".", color="#c9d0d6", markersize=3)
        axes.plot(x[marked], y[marked], "x", color=COLOURS[0], markersize=4)
        axes.set(title=label, xticks=[], yticks=[], xlabel=first, ylabel=second)
    return show(figure, alt)
