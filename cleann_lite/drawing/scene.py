"""From edges to a scene: which boxes, where they are, how each edge runs, what the legend explains."""

from dataclasses import replace

import numpy as np

from ..causal.graphs import PAG, Mark
from . import curves
from .layout import (
    GAP_X,
    GAP_Y,
    MARGIN,
    MOST_IN_LAYERS,
    WIDE,
    box_size,
    distances_from,
    in_layers,
    is_tower,
    spread,
    text_width,
)
from .svg import (
    EDGE_LOOK,
    LETTER,
    MARK_NAME,
    Band,
    Box,
    Curve,
    Scene,
    circle_centre,
    frame_reach,
    free_corner,
    legend_rows,
    legend_width,
)  # fmt: skip

STEP = 76  # px between the two lines in which the words of a group are, by turns
BAND = np.array([[12, 32], [12, 12]])  # px from the boxes of a group to its ground: left, top; right, bottom
_CHANGE = {"added": " (new)", "removed": " (gone)", "changed": " (marks changed)"}


def boxes_of(given, edges, root, sets, struck, fixed, whole):
    """The boxes to draw, without their places; nodes without an edge come last."""
    members = {i for nodes in sets.values() for i in nodes}
    touched = {i for edge in edges for i in edge[:2]} | members | ({root} - {None})
    lonely = {i for i in range(len(given.names)) if whole or i in fixed} - touched
    boxes = {}
    for i in sorted(touched) + sorted(lonely):
        lines, w, h = box_size(given.labels[i], bold=i == root or i in members)
        role = (
            "outcome" if i == root else "latent" if i in given.latent else "word" if i in touched else "plain"
        )
        letters = tuple(letter for letter, nodes in sets.items() if i in nodes)
        w = max(w, LETTER * len(letters) + 4)  # room for a row of letters
        boxes[i] = Box(i, given.labels[i], lines, 0, 0, w, h, role, letters, i in struck)
    return boxes


def placed(boxes, edges, centre, root, layout, gap, n):
    """Centre of each box, the curve of each edge, and what placed them: away from the outcome, in layers.

    An outcome at which all edges end in arrowheads is below its causes, any other centre above the rest. More
    than `MOST_IN_LAYERS` edges are spread, unless layers were asked for.
    """
    inner = [i for i, box in boxes.items() if box.role != "plain"]
    row = {i: number for number, i in enumerate(inner)}
    below = centre is not None and centre == root and is_last(edges, root)
    if centre is None:
        order = _along_arrows(edges, inner)
    else:
        far = distances_from(centre, n, [edge[:2] for edge in edges])
        order = sorted(inner, key=lambda i: (-far[i] if below else far[i], i))
    height = {i: number for number, i in enumerate(order)}
    arcs = [tuple(row[i] for i in sorted(edge[:2], key=height.__getitem__)) for edge in edges]
    sizes = np.array([(boxes[i].w, boxes[i].h) for i in inner]).reshape(-1, 2)
    too_many = layout == "auto" and len(arcs) > MOST_IN_LAYERS
    nothing: tuple = (None, None)
    found, lines = nothing if layout == "own" or too_many else in_layers(sizes, arcs, gap)
    placed_by = "dot"
    if found is None and layout == "dot":
        raise ValueError('layout="dot" needs pygraphviz, which is not installed: use "auto"')
    if found is None or (layout == "auto" and is_tower(found)):
        placed_by = "own" if found is None and not too_many else "spread"
        found = spread(sizes, arcs, top=None if centre is None else row[centre], upper=not below)
        lines = curves.route(found, sizes, arcs)
    at = dict(zip(inner, found, strict=True))
    lines = [
        line if row[edge[0]] == arc[0] else line[::-1]
        for line, arc, edge in zip(lines, arcs, edges, strict=True)
    ]
    at |= _rows_below(boxes, at, lines)
    return at, lines, placed_by


def in_bands(boxes, edges, root, groups):
    """Centre of each box: every group in a band of its own, one below the other, each spread by itself.

    What is in no group is above them; below, where the outcome ends all its edges in arrowheads.
    """
    inside = {i for members in groups.values() for i in members}
    rows = [[i for i in members if i in boxes] for members in groups.values()]
    rest, below = [i for i in boxes if i not in inside], is_last(edges, root)
    at, top = {}, 0.0
    for row in filter(None, [*rows, rest] if below else [rest, *rows]):
        x, bottom = 0.0, 0.0
        for number, i in enumerate(row):
            w, h = boxes[i].w, boxes[i].h
            if x and x + w > WIDE:
                x, top = 0.0, bottom + GAP_Y
            at[i] = np.array([x + w / 2, top + h / 2 + STEP * (number % 2)])
            x, bottom = x + w + GAP_X, max(bottom, top + STEP * (number % 2) + h)
        middle = max(at[i][0] + boxes[i].w / 2 for i in row) / 2
        at |= {i: at[i] - (middle, 0) for i in row}
        top = bottom + GAP_Y + BAND[0, 1]
    left = min(at[i][0] - boxes[i].w / 2 for i in at) if at else 0.0
    return {i: place - (left, 0) + MARGIN + BAND[0] for i, place in at.items()}


def _bands_of(boxes, at, groups):
    """The ground of each group that has a box."""
    bands = []
    for name, members in groups.items():
        shown = tuple(i for i in members if i in boxes)
        if shown:
            half = np.array([(boxes[i].w, boxes[i].h) for i in shown]) / 2
            places = np.array([at[i] for i in shown])
            start = (places - half).min(0) - BAND[0]
            end = (places + half).max(0) + BAND[1]
            end[0] = max(end[0], start[0] + text_width(name, 11, bold=True) + 18)
            bands.append(Band(name, shown, *map(float, (*start, *(end - start)))))
    return bands


def is_last(edges, root):
    """Whether every edge of a node ends in an arrowhead there: it causes none of the others."""
    ends = [mark for a, b, *marks in edges for node, mark in zip((a, b), marks, strict=False) if node == root]
    return bool(ends) and set(ends) == {Mark.ARROW}


def _along_arrows(edges, inner):
    """Nodes in an order that follows the arrows as far as they agree; ties and cycles by number."""
    above: dict[int, set[int]] = {i: set() for i in inner}
    for a, b, mark_a, mark_b, *_ in edges:
        if mark_b == Mark.ARROW != mark_a:
            above[b].add(a)
        elif mark_a == Mark.ARROW != mark_b:
            above[a].add(b)
    order = []
    while above:
        free = [i for i in above if not above[i]] or [min(above, key=lambda i: len(above[i]))]
        order += free
        for i in free:
            del above[i]
        for rest in above.values():
            rest.difference_update(free)
    return order


def _rows_below(boxes, at, lines, gap=12):
    """Places for the nodes without an edge: rows below the rest."""
    lonely = [box for box in boxes.values() if box.index not in at]
    ends = [at[i][1] + boxes[i].h / 2 for i in at] + [line[:, 1].max() for line in lines]
    left = min((at[i][0] - boxes[i].w / 2 for i in at), default=0.0)
    right = max((at[i][0] + boxes[i].w / 2 for i in at), default=0.0)
    limit, x, y, found = max(right, left + 520), left, max(ends, default=-26.0) + 26, {}
    for box in lonely:
        if x > left and x + box.w > limit:
            x, y = left, y + 40
        found[box.index] = np.array([x + box.w / 2, y + box.h / 2])
        x += box.w + gap
    return found


def routed(boxes, at, edges):
    """The curve of each edge between boxes that have their places."""
    order = list(boxes)
    row = {i: number for number, i in enumerate(order)}
    sizes = np.array([(boxes[i].w, boxes[i].h) for i in order]).reshape(-1, 2)
    places = np.array([at[i] for i in order]).reshape(-1, 2)
    pairs = [(row[edge[0]], row[edge[1]]) for edge in edges]
    return (
        curves.route(places, sizes, pairs, (2, 2, *((places + sizes / 2).max(0) + MARGIN - 2)))
        if pairs
        else []
    )


def scene_of(boxes, at, lines, edges, given, labels, legend, stay, groups):
    """All that is drawn, in its place: boxes with their letters, edges with their marks, the legend."""
    corners = [at[i] + sign * np.array([box.w, box.h]) / 2 for i, box in boxes.items() for sign in (-1, 1)]
    bands = _bands_of(boxes, at, groups)
    corners += [corner for b in bands for corner in ((b.x, b.y), (b.x + b.w, b.y + b.h))]
    extent = (
        np.concatenate([np.reshape(corners, (-1, 2)), *([] if stay else lines)])
        if boxes
        else np.zeros((1, 2))
    )
    shift = np.zeros(2) if stay else MARGIN - extent.min(0)
    width, height = extent.max(0) + shift + MARGIN
    moved = {
        i: replace(box, x=float(at[i][0] + shift[0]), y=float(at[i][1] + shift[1]))
        for i, box in boxes.items()
    }
    shape = {i: (box.x, box.y, box.w, box.h) for i, box in moved.items()}
    reach = {i: frame_reach(box.role, box.letters) for i, box in moved.items()}
    courses = curves.apart(
        [line + shift for line in lines],
        [edge[:2] for edge in edges],
        shape,
        [edge[2:4] for edge in edges],
        [(reach[edge[0]], reach[edge[1]]) for edge in edges],
    )
    drawn = []
    for (a, b, mark_a, mark_b, state, share), course, said in zip(
        edges, courses, _sentences(edges, given), strict=True
    ):
        label = labels.get(frozenset((a, b)), "")
        said += f" ({label})" if label else ""
        said += _CHANGE.get(state, "") + ("" if share is None else f" ({share:.0%})")
        drawn.append(Curve(a, b, course, mark_a, mark_b, state, share, label, said))
    marks = [circle_centre(*end) for c in courses for end in ((c.tip_a, c.way_a), (c.tip_b, c.way_b))]
    moved = {
        i: replace(box, corner=free_corner(box, marks)) if box.letters else box for i, box in moved.items()
    }
    kinds = _kinds(moved.values(), drawn, given) if legend else ()
    width = max(width, legend_width(kinds))
    rows, extra = legend_rows(kinds, width, height)
    grounds = tuple(replace(b, x=b.x + float(shift[0]), y=b.y + float(shift[1])) for b in bands)
    height = float(height + extra)
    return Scene(float(width), height, tuple(moved.values()), tuple(drawn), grounds, legend=rows)


def _sentences(edges, given):
    """Each edge in words, as the graph itself would say it; an arrow of a DiGraph may mean anything."""
    if given.pag is None:
        ends = ((b, a) if mark_a == Mark.ARROW else (a, b) for a, b, mark_a, *_ in edges)
        return [f"“{given.labels[a]}” --> “{given.labels[b]}”" for a, b in ends]
    marks = np.zeros_like(given.marks)
    for a, b, mark_a, mark_b, *_ in edges:
        marks[b, a], marks[a, b] = mark_a, mark_b
    return PAG(marks, labels=given.labels, selection_bias=given.pag.selected).describe()


def _kinds(boxes, drawn, given):
    """What occurs in a picture, in the order of the legend."""
    marks = set() if given.pag is None else {mark for curve in drawn for mark in (curve.mark_a, curve.mark_b)}
    kinds = [name for mark, name in MARK_NAME.items() if mark in marks]
    if given.pag is not None and given.pag.selected:
        kinds = ["tail under selection" if kind == "tail" else kind for kind in kinds]
    states = {curve.state for curve in drawn}
    kinds += [state for state in EDGE_LOOK if state != "same" and state in states]
    kinds += ["share"] if any(curve.share is not None and curve.share < 0.5 for curve in drawn) else []
    kinds += [role for role in ("outcome", "latent") if any(box.role == role for box in boxes)]
    return kinds + [f"set:{letter}" for letter in sorted({c for box in boxes for c in box.letters})]
