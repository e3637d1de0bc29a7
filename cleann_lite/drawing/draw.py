"""Pictures: a PAG as SVG, PNG, DOT and words, and an attention matrix as a heat map.

`draw` is one pure function from a graph to a `Drawing`. Graphviz places the nodes where its ``dot`` program
is installed, a layout of our own places them where it is not; the pen is the same, so every mark is too.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..causal.graphs import DOT_SHAPE, EDGE_TEXT, PAG, Mark
from . import curves
from .heatmap import describe_attention, heat_map
from .html import escape, folded, known, style
from .layout import GAP_X, MARGIN, box_size, distances_from, in_layers, is_tower, parents_from, spread
from .svg import (
    EDGE_LOOK,
    LETTER,
    MARK_NAME,
    Box,
    Curve,
    Scene,
    circle_centre,
    frame_reach,
    free_corner,
    legend_rows,
    to_svg,
)

__all__ = ["Drawing", "describe_attention", "draw", "heat_map", "svg_image", "words_html"]

_CHANGE = {"added": " (new)", "removed": " (gone)", "changed": " (marks changed)"}


@dataclass(frozen=True)
class Drawing:
    """A picture of a graph, with everything needed to read it without seeing it.

    Attributes
    ----------
    svg, dot, png
        The picture as SVG text; the same graph in Graphviz's language; the picture as PNG bytes.
    words
        One sentence per edge that is shown.
    alt, caption
        What the picture shows in one paragraph; what was left out, or an empty text.
    positions
        Node -> (x, y) of its centre in px: give it to the next `draw` and the nodes stay put.
    layout
        What placed the nodes: "dot" or "own" (layers), "spread" (where layers would be a tower), "given".
    """

    svg: str = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    alt: str
    caption: str
    positions: dict = field(repr=False)
    layout: str
    scene: Scene = field(repr=False)

    @cached_property
    def dot(self):
        """The same graph in Graphviz's language."""
        return _dot(self.scene)

    @cached_property
    def png(self):
        """The picture as PNG bytes, painted by matplotlib, two pixels per px."""
        from .png import to_png

        return to_png(self.scene)

    def save(self, path):
        """Write the picture to a file whose ending says how: .svg, .png, .dot or .json; returns the path."""
        path = Path(path)
        content = {".svg": "svg", ".png": "png", ".dot": "dot", ".json": "json"}.get(path.suffix.lower())
        if content is None:
            raise ValueError(f"a picture is saved as .svg, .png, .dot or .json: got {path.name!r}")
        if content == "png":
            path.write_bytes(self.png)
        else:
            path.write_text(self.to_json() if content == "json" else getattr(self, content), encoding="utf-8")
        return path

    def to_json(self):
        """What the picture shows as JSON text: boxes, edges with their marks and states, words, caption."""
        label = {box.index: box.label for box in self.scene.boxes}
        edges = [
            {
                "a": label[curve.a],
                "b": label[curve.b],
                "mark_at_a": MARK_NAME[curve.mark_a],
                "mark_at_b": MARK_NAME[curve.mark_b],
                "state": curve.state,
                **({} if curve.share is None else {"share": round(float(curve.share), 6)}),
            }
            for curve in self.scene.curves
        ]
        nodes = [
            {
                "label": b.label,
                "role": b.role,
                "sets": list(b.letters),
                "x": round(b.x, 1),
                "y": round(b.y, 1),
            }
            for b in self.scene.boxes
        ]
        shown = {"title": self.scene.title, "caption": self.caption, "nodes": nodes, "edges": edges}
        return json.dumps({**shown, "words": list(self.words)}, ensure_ascii=False, indent=1)

    def _repr_svg_(self):
        return self.svg

    def _repr_html_(self):
        words = words_html(self.words, self.caption)
        return f'{style()}<figure class="cl cl-doc"><div class="cl-scroll">{self.svg}</div>{words}</figure>'

    def as_image(self):
        """The picture as an HTML image that carries its own data and its alt text."""
        return svg_image(self.svg, self.alt)


def svg_image(svg, alt):
    """An SVG text as ``<img>``, its data inlined: it can run nothing, and pages that drop SVG keep it."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alt)}" style="max-width:100%" src="data:image/svg+xml;base64,{data}">'


def words_html(words, caption="", title=""):
    """A caption and a fold-out list of edges in words, as HTML; ``title`` names another list."""
    listing = folded(words, title or f"{len(words)} edge{'s' * (len(words) != 1)} in words")
    text = f"<div>{escape(caption)}</div>" if caption else ""
    return f"<figcaption>{text}{listing}</figcaption>" if text or listing else ""


def draw(
    graph,
    *,
    outcome=None,
    sets=(),
    focus=(),
    share=None,
    before=None,
    masked=(),
    latent=(),
    edge_labels=None,
    max_edges=25,
    around=None,
    positions=None,
    title=None,
    legend=True,
    layout="auto",
):
    """Draw a PAG (or a ``networkx.DiGraph``), readable without colour and without eyes.

    Parameters
    ----------
    graph : PAG or networkx.DiGraph
        Anything with ``marks`` (k, k), ``nodes`` and ``labels``, or a directed graph.
    outcome : node, optional
        Drawn in a double frame, at the top; where the graph is too large, its surroundings are shown.
    sets : iterable of iterables of nodes, or dict letter -> nodes
        Each gets a letter and a heavy frame: explanations, a separating set.
    focus : iterable of (node, node)
        Edges drawn heavy.
    share : dict (node, node) -> number, or array (k, k), optional
        Weight of each edge in [0, 1], for example the share of heads that have it; low is faint and dotted.
    before : PAG, optional
        An earlier graph over the same nodes: edges that came, went or changed their marks are marked so.
    masked : iterable of nodes
        Drawn struck through.
    latent : iterable of nodes
        Drawn with a dashed frame; nodes of a DiGraph with the attribute ``latent`` are found by themselves.
    edge_labels : dict (node, node) -> text, optional
    max_edges : int or None
        At most so many edges at once: those that link the sets to the outcome, then those nearest to it; the
        caption tells what was left out.
    around : node, optional
        Whose surroundings are shown where the graph is too large, if not the outcome's.
    positions : dict node -> (x, y), optional
        Centres in px, as `Drawing.positions` gives them. All these nodes are drawn, with or without an edge.
    title : str, optional
        Name of the picture for a screen reader.
    legend : bool
        Whether a line below explains the signs that occur.
    layout : {"auto", "dot", "own"}
        What places the nodes: ``dot`` if it is installed, else the layout of our own.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        For a node that the graph does not have, a share outside [0, 1], an unknown layout.

    Examples
    --------
    >>> import networkx as nx
    >>> picture = draw(nx.DiGraph([("rain", "wet"), ("sprinkler", "wet")]), outcome="wet")
    >>> len(picture.words), picture.svg[:4]
    (2, '<svg')
    >>> picture.save("wet.txt")
    Traceback (most recent call last):
    ...
    ValueError: a picture is saved as .svg, .png, .dot or .json: got 'wet.txt'
    """
    if layout not in ("auto", "dot", "own"):
        raise ValueError(f'layout must be "auto", "dot" or "own": got {layout!r}')
    view = _View.of(graph, latent)
    root = None if outcome is None else view.at(outcome)
    lettered = sets if isinstance(sets, Mapping) else {_letter(n): nodes for n, nodes in enumerate(sets)}
    sets = {str(letter): {view.at(node) for node in nodes} for letter, nodes in lettered.items()}
    focus = {frozenset((view.at(a), view.at(b))) for a, b in focus}
    edges = _edges(view, before, focus, _shares(share, view))
    centre = root if around is None else view.at(around)
    if centre is None and max_edges is not None and len(edges) > max_edges:
        centre = _busiest(edges)
    linked = set() if centre is None else {e for nodes in sets.values() for e in _links(edges, centre, nodes)}
    shown = _nearest(edges, centre, focus, linked, max_edges, len(view.names))

    fixed = {view.at(node): np.asarray(at, dtype=float) for node, at in (positions or {}).items()}
    struck = {view.at(node) for node in masked}
    boxes = _boxes(view, shown, root, sets, struck, fixed, whole=len(shown) == len(edges))
    if set(boxes) <= set(fixed):
        at, lines, placed_by = fixed, _routed(boxes, fixed, shown), "given"
    else:
        gap = 64 if edge_labels else GAP_X
        at, lines, placed_by = _layered(boxes, shown, centre, layout, gap, len(view.names))
    labels = {frozenset((view.at(a), view.at(b))): str(text) for (a, b), text in (edge_labels or {}).items()}
    scene = _scene(boxes, at, lines, shown, view, labels, legend, stay=placed_by == "given")
    return _finish(scene, view, root, len(edges), centre, title, placed_by)


def _letter(number):
    """A … Z, A1 … Z1, and so on."""
    return f"{chr(65 + number % 26)}{number // 26 or ''}"


# --- from a graph to edges -----------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """The one shape in which every kind of graph is drawn."""

    names: list
    labels: list
    marks: np.ndarray
    latent: frozenset
    directed: bool  # all edges are plain arrows, whose marks need no legend
    selected: bool = False  # marks must be read with selection in mind

    @classmethod
    def of(cls, graph, latent=()):
        hidden, directed = set(latent), not hasattr(graph, "marks")
        if not directed:
            names = list(graph.nodes)
            labels = [str(label) for label in (getattr(graph, "labels", None) or names)]
            marks = np.asarray(graph.marks)
        elif hasattr(graph, "successors"):
            names = list(graph.nodes)
            labels = [str(graph.nodes[node].get("label", node)) for node in names]
            index = {node: i for i, node in enumerate(names)}
            marks = np.zeros((len(names), len(names)), dtype=np.int8)
            for a, b in graph.edges:
                marks[index[a], index[b]], marks[index[b], index[a]] = Mark.ARROW, Mark.TAIL
            hidden |= {node for node in names if graph.nodes[node].get("latent")}
        else:
            raise ValueError(f"draw needs a PAG or a networkx.DiGraph: got {type(graph).__name__}")
        selected = isinstance(graph, PAG) and graph.selected
        view = cls(names, labels, marks, frozenset(), directed, selected)
        return replace(view, latent=frozenset(view.at(node) for node in hidden))

    def at(self, node):
        try:
            return self.names.index(node)
        except ValueError:
            known = ", ".join(repr(name) for name in self.names[:12])
            more = f" and {len(self.names) - 12} more" if len(self.names) > 12 else ""
            raise ValueError(f"{node!r} is no node of this graph: it has {known}{more}") from None


def _shares(share, view):
    """Share of an edge by its two indices, whatever form the caller gave it in."""
    if share is None:
        return lambda a, b: None
    table = np.zeros(view.marks.shape)
    if isinstance(share, Mapping):
        for (a, b), value in share.items():
            table[view.at(a), view.at(b)] = value
    else:
        table = np.asarray(share, dtype=float)
    if table.shape != view.marks.shape:
        raise ValueError(f"share must be a dict or have shape {view.marks.shape}: got shape {table.shape}")
    if table.size and not (table.min() >= 0 and table.max() <= 1):
        raise ValueError(f"share must lie in [0, 1]: got {table.min():g} to {table.max():g}")
    return lambda a, b: float(max(table[a, b], table[b, a]))


def _edges(view, before, focus, share):
    """All edges to draw: (a, b, mark at a, mark at b, state, share), a < b, edges that went included."""
    old = view.marks if before is None else _View.of(before).marks
    if old.shape != view.marks.shape:
        raise ValueError(f"before must have the same {len(view.names)} nodes: got {len(old)}")
    edges = []
    for a, b in np.argwhere(np.triu((view.marks != 0) | (old != 0), 1)).tolist():
        now, then = (int(view.marks[b, a]), int(view.marks[a, b])), (int(old[b, a]), int(old[a, b]))
        if not now[1]:
            state = "removed"
        elif not then[1]:
            state = "added"
        elif now != then:
            state = "changed"
        else:
            state = "bold" if frozenset((a, b)) in focus else "same"
        edges.append((a, b, *(then if state == "removed" else now), state, share(a, b)))
    return edges


def _busiest(edges):
    ends = [i for edge in edges for i in edge[:2]]
    return max(set(ends), key=lambda i: (ends.count(i), -i)) if ends else None


def _links(edges, centre, nodes):
    """Pairs that link a set to the centre: a tree of shortest ways inside the set, else through the graph."""
    pairs = [edge[:2] for edge in edges]
    inside = [(a, b) for a, b in pairs if {a, b} <= {centre, *nodes}]
    parent = parents_from(centre, inside)
    if not set(nodes) <= parent.keys():
        parent = parents_from(centre, pairs)
    found = set()
    for node in nodes:
        while parent.get(node) is not None and frozenset((node, parent[node])) not in found:
            found.add(frozenset((node, parent[node])))
            node = parent[node]
    return found


def _nearest(edges, centre, focus, linked, max_edges, n):
    """The edges that link the sets and those nearest to a node, in their own order."""
    if max_edges is None or len(edges) <= max_edges:
        return edges
    far = distances_from(centre, n, [edge[:2] for edge in edges])

    def rank(edge):
        near, further = sorted((far[edge[0]], far[edge[1]]))
        pair = frozenset(edge[:2])
        return pair not in focus, pair not in linked, near, -(edge[5] or 0.0), further, edge[:2]

    kept = set(sorted(edges, key=rank)[: max(0, max_edges)])
    return [edge for edge in edges if edge in kept]


# --- from edges to a scene -----------------------------------------------------------------------


def _boxes(view, edges, root, sets, struck, fixed, whole):
    """The boxes to draw, without their places; nodes without an edge come last."""
    members = {i for nodes in sets.values() for i in nodes}
    touched = {i for edge in edges for i in edge[:2]} | members | ({root} - {None})
    lonely = {i for i in range(len(view.names)) if whole or i in fixed} - touched
    boxes = {}
    for i in sorted(touched) + sorted(lonely):
        lines, w, h = box_size(view.labels[i], bold=i == root or i in members)
        role = (
            "outcome" if i == root else "latent" if i in view.latent else "word" if i in touched else "plain"
        )
        letters = tuple(letter for letter, nodes in sets.items() if i in nodes)
        w = max(w, LETTER * len(letters) + 4)  # room for a row of letters
        boxes[i] = Box(i, view.labels[i], lines, 0, 0, w, h, role, letters, i in struck)
    return boxes


def _layered(boxes, edges, centre, layout, gap, n):
    """Centre of each box, the curve of each edge, and what placed them: away from the outcome, in layers."""
    inner = [i for i, box in boxes.items() if box.role != "plain"]
    row = {i: number for number, i in enumerate(inner)}
    if centre is None:
        order = _along_arrows(edges, inner)
    else:
        far = distances_from(centre, n, [edge[:2] for edge in edges])
        order = sorted(inner, key=lambda i: (far[i], i))
    height = {i: number for number, i in enumerate(order)}
    arcs = [tuple(row[i] for i in sorted(edge[:2], key=height.get)) for edge in edges]
    sizes = np.array([(boxes[i].w, boxes[i].h) for i in inner]).reshape(-1, 2)
    found, lines, placed_by = in_layers(sizes, arcs, layout, gap)
    if layout == "auto" and is_tower(found):
        found, placed_by = spread(sizes, arcs, top=None if centre is None else row[centre]), "spread"
        lines = curves.route(found, sizes, arcs)
    at = dict(zip(inner, found, strict=True))
    lines = [
        line if row[edge[0]] == arc[0] else line[::-1]
        for line, arc, edge in zip(lines, arcs, edges, strict=True)
    ]
    at |= _rows_below(boxes, at, lines)
    return at, lines, placed_by


def _along_arrows(edges, inner):
    """Nodes in an order that follows the arrows as far as they agree; ties and cycles by number."""
    above = {i: set() for i in inner}
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


def _routed(boxes, at, edges):
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


def _scene(boxes, at, lines, edges, view, labels, legend, stay):
    corners = [at[i] + sign * np.array([box.w, box.h]) / 2 for i, box in boxes.items() for sign in (-1, 1)]
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
    courses = curves.courses(
        [line + shift for line in lines],
        [shape[edge[0]] for edge in edges],
        [shape[edge[1]] for edge in edges],
        [edge[2:4] for edge in edges],
        [(reach[edge[0]], reach[edge[1]]) for edge in edges],
    )
    drawn = []
    for (a, b, mark_a, mark_b, state, share), course, said in zip(
        edges, courses, _sentences(edges, view), strict=True
    ):
        label = labels.get(frozenset((a, b)), "")
        said += f" ({label})" if label else ""
        said += _CHANGE.get(state, "") + ("" if share is None else f" ({share:.0%})")
        drawn.append(Curve(a, b, course, mark_a, mark_b, state, share, label, said))
    marks = [circle_centre(*end) for c in courses for end in ((c.tip_a, c.way_a), (c.tip_b, c.way_b))]
    moved = {
        i: replace(box, corner=free_corner(box, marks)) if box.letters else box for i, box in moved.items()
    }
    width = max(width, 300.0 if legend and drawn and not view.directed else 60.0)
    rows, extra = legend_rows(_kinds(moved.values(), drawn, view), width, height) if legend else ((), 0.0)
    return Scene(float(width), float(height + extra), tuple(moved.values()), tuple(drawn), legend=rows)


def _sentences(edges, view):
    """Each edge in words, as the graph itself would say it; an arrow of a DiGraph may mean anything."""
    if view.directed:
        ends = ((b, a) if mark_a == Mark.ARROW else (a, b) for a, b, mark_a, *_ in edges)
        return [f"“{view.labels[a]}” --> “{view.labels[b]}”" for a, b in ends]
    marks = np.zeros_like(view.marks)
    for a, b, mark_a, mark_b, *_ in edges:
        marks[b, a], marks[a, b] = mark_a, mark_b
    return PAG(marks, labels=view.labels, selection_bias=view.selected).describe()


def _kinds(boxes, drawn, view):
    """What occurs in a picture, in the order of the legend."""
    marks = set() if view.directed else {mark for curve in drawn for mark in (curve.mark_a, curve.mark_b)}
    kinds = [name for mark, name in MARK_NAME.items() if mark in marks]
    if view.selected:
        kinds = ["tail under selection" if kind == "tail" else kind for kind in kinds]
    states = {curve.state for curve in drawn}
    kinds += [state for state in EDGE_LOOK if state != "same" and state in states]
    kinds += ["share"] if any(curve.share is not None and curve.share < 0.5 for curve in drawn) else []
    kinds += [role for role in ("outcome", "latent") if any(box.role == role for box in boxes)]
    return kinds + [f"set:{letter}" for letter in sorted({c for box in boxes for c in box.letters})]


def _finish(scene, view, root, total, centre, title, placed_by):
    shown, caption = len(scene.curves), ""
    if shown < total:
        sets = "those that link the marked sets, then " if any(box.letters for box in scene.boxes) else ""
        caption = f"{shown} of {total} edges, {sets}those nearest to “{view.labels[centre]}”."
    alt = f"Graph of {len(scene.boxes)} nodes and {shown} edge{'s' * (shown != 1)}"
    alt += "." if root is None else f", outcome “{view.labels[root]}”."
    for letter in sorted({c for box in scene.boxes for c in box.letters}):
        alt += f" Set {letter}: {', '.join(box.label for box in scene.boxes if letter in box.letters)}."
    brief = [
        f"{view.labels[c.a]} {EDGE_TEXT[c.mark_a, c.mark_b]} {view.labels[c.b]}" for c in scene.curves[:40]
    ]
    alt += f" Edges: {'; '.join(brief)}{' …' if shown > 40 else ''}." if brief else " No edge."
    alt = f"{alt} {caption}".strip()
    title = title or ("Causal graph" if root is None else f"Causal graph around “{view.labels[root]}”")
    scene = replace(scene, title=title, description=alt)
    content = f"{title}{alt}{[(c.a, c.b, c.state) for c in scene.curves]}".encode("utf-8", "replace")
    digest = hashlib.sha256(content + b"".join(c.course.line.tobytes() for c in scene.curves))
    positions = {view.names[box.index]: (round(box.x, 1), round(box.y, 1)) for box in scene.boxes}
    words = tuple(curve.sentence for curve in scene.curves)
    svg = to_svg(scene, "g" + digest.hexdigest()[:10])
    return Drawing(svg, words, alt, caption, positions, placed_by, scene)


def _dot(scene):
    """The scene in Graphviz's language, with the same marks and line styles."""

    def quote(text):
        return '"' + known(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'

    lines = ["digraph {", '  node [shape=box style="rounded" fontname="Helvetica"]', "  edge [dir=both]"]
    for box in scene.boxes:
        extra = {"outcome": " peripheries=2", "latent": ' style="rounded,dashed"'}.get(box.role, "")
        if box.letters:
            extra += f" penwidth=3 xlabel={quote(','.join(box.letters))}"
        lines.append(f"  n{box.index} [label={quote(box.label)}{extra}]")
    for curve in scene.curves:
        colour, width, dashes, sign = EDGE_LOOK[curve.state]
        text = " ".join(filter(None, [sign, curve.label]))
        ends = f"arrowtail={DOT_SHAPE[curve.mark_a]} arrowhead={DOT_SHAPE[curve.mark_b]}"
        look = f'color="{colour}" penwidth={width}{" style=dashed" if dashes else ""}'
        label = f" label={quote(text)}" if text else ""
        lines.append(f"  n{curve.a} -> n{curve.b} [{ends} {look}{label}]")
    return "\n".join([*lines, "}"])
