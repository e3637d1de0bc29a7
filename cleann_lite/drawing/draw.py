"""Pictures: a PAG as SVG, PNG, DOT and words, and an attention matrix as a heat map.

`draw` is one pure function from a graph to a `Drawing`. Graphviz places the nodes in layers; where they would
be a tower, or Graphviz is missing, a built-in layout spreads them. The pen is the same.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..causal.marks import DOT_SHAPE, EDGE_TEXT, counted
from ..datasets.files import write_whole
from .edges import Given, busiest, edges_of, links, nearest, shares_of
from .html import escape, folded, known, style
from .layout import GAP_X
from .scene import boxes_of, in_bands, placed, routed, scene_of
from .svg import EDGE_LOOK, MARK_NAME, Scene, to_svg


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
        What placed the nodes: "dot" (layers), "spread" (they would be a tower, or take too long), "own" (no
        Graphviz), "given".
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
        """The picture as PNG bytes, two pixels per px; needs resvg-py."""
        from .png import to_png

        return to_png(self.svg)

    def save(self, path):
        """Write the picture to a file whose ending says how: .svg, .png, .dot or .json; returns the path."""
        path = Path(path)
        content = {".svg": "svg", ".png": "png", ".dot": "dot", ".json": "json"}.get(path.suffix.lower())
        if content is None:
            raise ValueError(f"a picture is saved as .svg, .png, .dot or .json: got {path.name!r}")
        write_whole(path, self.to_json() if content == "json" else getattr(self, content))
        return path

    def to_json(self):
        """What the picture shows as JSON text: boxes, edges with their marks and states, words, caption."""
        label = {box.index: box.label for box in self.scene.boxes}
        group = {i: {"group": band.name} for band in self.scene.bands for i in band.members}
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
                **group.get(b.index, {}),
            }
            for b in self.scene.boxes
        ]
        shown = {"title": self.scene.title, "caption": self.caption, "nodes": nodes, "edges": edges}
        return json.dumps({**shown, "words": list(self.words)}, ensure_ascii=False, indent=1)

    def _repr_svg_(self):
        return self.svg

    def _repr_html_(self):
        words = words_html(self.words, f"{self.scene.title}. {self.caption}".strip())
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
    groups=None,
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
        Drawn in a double frame, at the top, or below its causes where it causes nothing; where the graph is
        too large, its surroundings are shown.
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
    groups : dict name -> nodes, optional
        Each group is on a ground of its own with its name: the texts of a pair.
    edge_labels : dict (node, node) -> text, optional
    max_edges : int or None
        Largest number of edges shown: those that link the sets to the outcome, then those nearest to it; the
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
        What places the nodes: Graphviz, in layers, or the built-in `spread`; "auto" takes what fits, and
        `spread` beyond 300 edges, for which Graphviz may need minutes.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        For a node that the graph does not have or that is in two groups, a share outside [0, 1], an unknown
        layout.

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
    given = Given.of(graph, latent)
    root = None if outcome is None else given.at(outcome)
    lettered = sets if isinstance(sets, Mapping) else {_letter(n): nodes for n, nodes in enumerate(sets)}
    sets = {str(letter): {given.at(node) for node in nodes} for letter, nodes in lettered.items()}
    focus = {frozenset((given.at(a), given.at(b))) for a, b in focus}
    edges = edges_of(given, before, focus, shares_of(share, given))
    centre = root if around is None else given.at(around)
    if centre is None and max_edges is not None and len(edges) > max_edges:
        centre = busiest(edges)
    linked = set() if centre is None else {e for nodes in sets.values() for e in links(edges, centre, nodes)}
    shown = nearest(edges, centre, focus, linked, max_edges, len(given.names))

    fixed = {given.at(node): np.asarray(at, dtype=float) for node, at in (positions or {}).items()}
    struck = {given.at(node) for node in masked}
    boxes = boxes_of(given, shown, root, sets, struck, fixed, whole=len(shown) == len(edges))
    groups = {str(name): tuple(map(given.at, nodes)) for name, nodes in (groups or {}).items()}
    grouped = [i for group in groups.values() for i in group]
    if len(set(grouped)) < len(grouped):
        twice = next(i for i in grouped if grouped.count(i) > 1)
        raise ValueError(f"each node belongs to one group: {given.labels[twice]!r} is in two")
    if set(boxes) <= set(fixed):
        at, lines, placed_by = fixed, routed(boxes, fixed, shown), "given"
    elif groups:
        at, placed_by = in_bands(boxes, shown, root, groups), "own"
        lines = routed(boxes, at, shown)
    else:
        gap = 64 if edge_labels else GAP_X
        at, lines, placed_by = placed(boxes, shown, centre, root, layout, gap, len(given.names))
    labels = {
        frozenset((given.at(a), given.at(b))): str(text) for (a, b), text in (edge_labels or {}).items()
    }
    scene = scene_of(boxes, at, lines, shown, given, labels, legend, placed_by == "given", groups)
    return _finish(scene, given, root, len(edges), centre, title, placed_by)


def _letter(number):
    """A … Z, A1 … Z1, and so on."""
    return f"{chr(65 + number % 26)}{number // 26 or ''}"


def _finish(scene, given, root, total, centre, title, placed_by):
    shown, caption = len(scene.curves), ""
    if shown < total:
        sets = "those that link the marked sets, then " if any(box.letters for box in scene.boxes) else ""
        caption = f"{shown} of {total} edges, {sets}those nearest to “{given.labels[centre]}”."
    alt = f"Graph of {counted(len(scene.boxes), 'node')} and {counted(shown, 'edge')}"
    alt += "." if root is None else f", outcome “{given.labels[root]}”."
    for letter in sorted({c for box in scene.boxes for c in box.letters}):
        alt += f" Set {letter}: {', '.join(box.label for box in scene.boxes if letter in box.letters)}."
    for band in scene.bands:
        alt += f" {band.name}: {', '.join(box.label for box in scene.boxes if box.index in band.members)}."
    brief = [
        f"{given.labels[c.a]} {EDGE_TEXT[c.mark_a, c.mark_b]} {given.labels[c.b]}" for c in scene.curves[:40]
    ]
    alt += f" Edges: {'; '.join(brief)}{' …' if shown > 40 else ''}." if brief else " No edge."
    alt = f"{alt} {caption}".strip()
    title = title or ("Causal graph" if root is None else f"Causal graph around “{given.labels[root]}”")
    scene = replace(scene, title=title, description=alt)
    content = f"{title}{alt}{[(c.a, c.b, c.state) for c in scene.curves]}".encode("utf-8", "replace")
    digest = hashlib.sha256(content + b"".join(c.course.line.tobytes() for c in scene.curves))
    positions = {given.names[box.index]: (round(box.x, 1), round(box.y, 1)) for box in scene.boxes}
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
    for number, band in enumerate(scene.bands):
        members = " ".join(f"n{i};" for i in band.members)
        lines.append(f"  subgraph cluster_{number} {{ label={quote(band.name)} style=dotted {members} }}")
    for curve in scene.curves:
        colour, width, dashes, sign = EDGE_LOOK[curve.state]
        text = " ".join(filter(None, [sign, curve.label]))
        ends = f"arrowtail={DOT_SHAPE[curve.mark_a]} arrowhead={DOT_SHAPE[curve.mark_b]}"
        look = f'color="{colour}" penwidth={width}{" style=dashed" if dashes else ""}'
        label = f" label={quote(text)}" if text else ""
        lines.append(f"  n{curve.a} -> n{curve.b} [{ends} {look}{label}]")
    return "\n".join([*lines, "}"])
