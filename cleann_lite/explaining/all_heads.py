"""All heads of one input side by side: each head's graph and attention, and which heads share an edge."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..causal.marks import counted
from ..drawing.draw import draw

MOST_CELLS = 120  # words whose attention is drawn; more are averaged
MOST_LINKS = 8  # words that a word's attention is told of
LEAST_LINK = 0.02


def gallery_panel(explanation: Any, attention: np.ndarray, positions: dict, chosen: int) -> dict:
    """Every head's graph and attention, (heads, units, units), small: the one that is opened is shown large.

    Nodes have the same ``positions`` in all graphs, so that they can be compared.
    """
    items = []
    for head, pag in explanation.pags.items():
        drawing = draw(
            pag, outcome=pag.nodes[-1], positions=positions, groups=explanation.node_groups, legend=False,
            max_edges=None,
        )  # fmt: skip
        edges, sets = len(drawing.words), sum(head in one.heads for one in explanation.sets)
        text = f"Head {head}: {edges} edge{'s' * (edges != 1)}" + (f", {sets} of the sets" if sets else "")
        cells, size = _cells(attention[head])
        picture = {"svg": drawing.svg, "cells": cells, "size": size}
        items.append({"id": head, "text": text, **picture, "now": head == chosen})
    heads = counted(len(items), "head")
    title = f"{heads}: graph and attention (row: from, column: to); click to open"
    panel = {"kind": "gallery", "name": "heads", "control": "head", "title": title}
    return {**panel, "items": items, "below": True}


def _cells(attention: np.ndarray) -> tuple[str, int]:
    """Attention as bytes, 255 for the largest, and how many words a side has."""
    n = len(attention)
    if n > MOST_CELLS:
        edges = np.linspace(0, n, MOST_CELLS + 1).astype(int)[:-1]
        attention = np.add.reduceat(np.add.reduceat(attention, edges, 0), edges, 1)
    shown = (255 * attention / max(float(attention.max(initial=0)), 1e-12)).astype(np.uint8)
    return base64.b64encode(shown.tobytes()).decode(), len(shown)


def shared_panel(explanation: Any, labels: Sequence[str], limit: int = 12) -> dict:
    """Which heads share an edge: those of the most heads first."""
    heads: dict[tuple[int, int], list[int]] = {}
    for head, pag in explanation.pags.items():
        for a, b in np.argwhere(np.triu(pag.marks)).tolist():
            heads.setdefault((a, b), []).append(head)
    ranked = sorted(heads.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [
        [f"{labels[a]} – {labels[b]}", f"{len(found)} of {len(explanation.pags)}", ", ".join(map(str, found))]
        for (a, b), found in ranked[:limit]
    ]
    more = f", the first {limit} of {len(ranked)}" if len(ranked) > limit else ""
    panel = {"kind": "table", "title": f"Edges that heads share{more}", "columns": ("Edge", "Heads", "Which")}
    return {**panel, "rows": rows, "below": True}


def links(attention: np.ndarray) -> list[list[tuple[int, float]]]:
    """Per word the words that it attends to most, itself left out: [[(word, weight), …], …]."""
    told = []
    for word, row in enumerate(attention):
        best = [int(j) for j in np.argsort(-row, kind="stable")[: MOST_LINKS + 1] if j != word]
        told.append([(j, round(float(row[j]), 2)) for j in best[:MOST_LINKS] if row[j] >= LEAST_LINK])
    return told
