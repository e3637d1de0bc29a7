"""How a graph looks: a scene of boxes and curves, written as SVG text.

One table tells the look of everything, in colours of the Okabe–Ito palette, which colour-blind readers tell
apart. No meaning hangs on colour alone: the ends of an edge carry its marks, dashes and a sign carry what
was removed and added, a double frame the outcome, a heavy frame and a letter the members of a set.
There is no style sheet and no script in the SVG, so that it looks the same in a file and an <img>; a page in
a dark theme turns its colours (`html.theme`).
"""

import math
import re
from dataclasses import dataclass, field, replace

import numpy as np

from ..causal.marks import MARK_MEANING, Mark
from .curves import HEAD, Course
from .html import FONT, LIGHT, escape
from .layout import FONT_SIZE, LINE, MARGIN, text_width

INK, GREY, PALE, PAPER = (LIGHT[role] for role in ("ink", "grey", "pale", "paper"))
BLUE, VERMILLION = LIGHT["blue"], LIGHT["vermillion"]
SET_COLOURS = tuple(LIGHT[f"set{n}"] for n in (1, 2, 3, 4))  # dark enough for a white letter

MARK_NAME: dict[int, str] = {Mark.TAIL: "tail", Mark.ARROW: "arrowhead", Mark.CIRCLE: "circle"}
# state of an edge -> colour, width, dashes, the sign at its middle
EDGE_LOOK = {
    "same": (GREY, 1.6, None, ""),
    "bold": (INK, 3.0, None, ""),
    "added": (LIGHT["new"], 3.0, None, "+"),
    "removed": (VERMILLION, 1.6, (5, 5), "−"),
    "changed": (BLUE, 2.6, None, "~"),
}
LETTER = 15  # px from one letter of a node to the next
LETTER_ROOM = 13.0  # px from a letter's centre to that of a mark: they do not touch
_CROWD = 30  # with more edges than this, those in state "same" are drawn thinner
_ORDER = {"removed": 0, "same": 1, "changed": 2, "added": 3, "bold": 4}


@dataclass(frozen=True)
class Box:
    """A node as drawn: index in the graph, label in lines, centre, size and what it is in this picture.

    ``role`` is "word", "outcome", "latent", "plain" (a node without an edge) or, in a legend, "letter".
    """

    index: int
    label: str
    lines: tuple[str, ...]
    x: float
    y: float
    w: float
    h: float
    role: str = "word"
    letters: tuple[str, ...] = ()  # of the sets that it belongs to
    struck: bool = False  # a masked word
    corner: tuple[int, int] = (1, -1)  # where its letters are: right or left, above or below


@dataclass(frozen=True)
class Curve:
    """An edge as drawn: its ends, its course from box to box, the marks at both ends, its state."""

    a: int
    b: int
    course: Course
    mark_a: int
    mark_b: int
    state: str = "same"
    share: float | None = None
    label: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Band:
    """The ground of a group of nodes, with its name: left, top, width and height."""

    name: str
    members: tuple[int, ...]
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Scene:
    """Everything that one picture shows, in px."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    bands: tuple[Band, ...] = ()
    title: str = ""
    description: str = ""
    legend: tuple = field(default=(), repr=False)  # (kind, text, x, y)

    @property
    def in_order(self):
        """Curves in the order in which they are painted."""
        return sorted(self.curves, key=lambda curve: _ORDER[curve.state])


# --- look ----------------------------------------------------------------------------------------


def edge_look(curve, crowded=False):
    """Colour, width, dashes, sign and opacity of an edge."""
    colour, width, dashes, sign = EDGE_LOOK[curve.state]
    opacity = 1.0
    if crowded and curve.state == "same":
        colour, width = LIGHT["faint"], 1.2
    if curve.share is not None:
        share = min(1.0, max(0.0, curve.share))
        opacity, width = 0.3 + 0.7 * share, width * (0.6 + 1.1 * share)
        if share < 0.5 and dashes is None:
            dashes = (2, 3)
    return colour, width, dashes, sign, opacity


def box_look(box):
    """Fill, frame colour, frame width, dashes and text colour of a node."""
    if box.role == "outcome":
        return BLUE, BLUE, 1.6, None, PAPER
    if box.role == "latent":
        return PAPER, GREY, 1.4, (4, 3), GREY
    if box.letters:
        return LIGHT["inset"], letter_colour(box.letters[0]), 3.0, None, INK
    if box.role == "plain":
        return PAPER, PALE, 1.0, None, GREY
    return LIGHT["box"], LIGHT["frame"], 1.2, None, INK


def letter_colour(letter):
    """Colour of a set, by its letter."""
    return SET_COLOURS[(ord(letter[:1] or "A") - ord("A")) % len(SET_COLOURS)]


def frame_reach(role, letters):
    """How far the frame of a node reaches beyond its box, px."""
    return 4.2 if role == "outcome" else 1.5 if letters else 0.6


def circle_centre(tip, way):
    """The centre of the circle mark at the end of an edge."""
    return tip - (HEAD / 2) * way


def letter_centres(box):
    """Where the letters of a node are: in a row along the frame, from its corner inwards."""
    across, down = box.corner
    first = box.x + across * (box.w / 2 - 4)
    return [
        (first - across * LETTER * number, box.y + down * box.h / 2) for number in range(len(box.letters))
    ]


def free_corner(box, marks):
    """The first corner at which a node's letters hide none of the marks ((n, 2) places), else the best."""
    corners = [(1, -1), (-1, -1), (1, 1), (-1, 1)]
    if not len(marks):
        return corners[0]
    room = []
    for corner in corners:
        discs = np.array(letter_centres(replace(box, corner=corner)))
        nearest = np.linalg.norm(discs[:, None] - np.asarray(marks)[None], axis=2).min()
        room.append(min(nearest, LETTER_ROOM))
    return corners[int(np.argmax(room))]


# --- SVG -----------------------------------------------------------------------------------------


def to_svg(scene, identifier):
    """The scene as one SVG element; ``identifier`` keeps its ids apart from those of other pictures."""
    w, h = math.ceil(scene.width), math.ceil(scene.height)
    crowded = len(scene.curves) > _CROWD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" '
        f'aria-labelledby="{identifier}-t {identifier}-d" font-family="{FONT}" font-size="{FONT_SIZE}" '
        f'style="max-width:100%;height:auto">',
        f'<title id="{identifier}-t">{escape(scene.title)}</title>',
        f'<desc id="{identifier}-d">{escape(scene.description)}</desc>',
        f'<rect data-key="paper" width="{w}" height="{h}" rx="8" fill="{PAPER}"/>',
    ]
    parts += [band_svg(band) for band in scene.bands]
    parts += [edge_svg(curve, crowded) for curve in scene.in_order]
    parts += [box_svg(box) for box in scene.boxes]
    parts += [_legend_svg(*item) for item in scene.legend]
    return "\n".join([*parts, "</svg>"])


def _n(value):
    return f"{value:.1f}".removesuffix(".0")


def _path(points):
    pairs = [f"{_n(x)},{_n(y)}" for x, y in points.tolist()]
    return f"M{pairs[0]}C" + " ".join(pairs[1:])


def _dash(dashes):
    return f' stroke-dasharray="{dashes[0]} {dashes[1]}"' if dashes else ""


def band_svg(band):
    """The ground of a group, its name at the upper left."""
    return (
        f'<g data-group="{escape(band.name)}"><rect x="{_n(band.x)}" y="{_n(band.y)}" width="{_n(band.w)}" '
        f'height="{_n(band.h)}" rx="10" fill="{PAPER}" stroke="{GREY}" stroke-width="1" '
        f'stroke-dasharray="1 4" stroke-linecap="round"/><text x="{_n(band.x + 9)}" y="{_n(band.y + 15)}" '
        f'font-size="11" font-weight="600" fill="{GREY}">{escape(band.name)}</text></g>'
    )


def edge_svg(curve, crowded=False):
    """An edge with its marks, its sign and its label."""
    colour, width, dashes, sign, opacity = edge_look(curve, crowded)
    course = curve.course
    parts = [
        f'<g data-key="e{curve.a}-{curve.b}" data-a="{curve.a}" data-b="{curve.b}" '
        f'data-state="{curve.state}" opacity="{opacity:.2f}"><title>{escape(curve.sentence)}</title>'
        f'<path d="{_path(course.line)}" fill="none" stroke="{colour}" stroke-width="{width:.1f}"'
        f"{_dash(dashes)}/>",
        _mark_svg(curve.mark_a, course.tip_a, course.way_a, colour),
        _mark_svg(curve.mark_b, course.tip_b, course.way_b, colour),
    ]
    text = " ".join(filter(None, [sign, curve.label]))
    if text:
        x, y = course.middle
        half = max(7.0, text_width(text, 11) / 2 + 4)
        parts.append(
            f'<rect x="{_n(x - half)}" y="{_n(y - 7)}" width="{_n(2 * half)}" height="14" rx="7" '
            f'fill="{PAPER}" stroke="{colour}" stroke-width="0.8"/>'
            f'<text x="{_n(x)}" y="{_n(y + 4)}" text-anchor="middle" font-size="11" '
            f'font-weight="600" fill="{INK}">{escape(text)}</text>'
        )
    return "".join([*parts, "</g>"])


def _mark_svg(mark, tip, way, colour):
    if mark == Mark.ARROW:
        base, side = tip - HEAD * way, 4.4 * np.array([-way[1], way[0]])
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in (tip, base + side, base - side))
        return f'<polygon data-mark="arrowhead" points="{corners}" fill="{colour}"/>'
    if mark == Mark.CIRCLE:
        x, y = circle_centre(tip, way)
        return (
            f'<circle data-mark="circle" cx="{_n(x)}" cy="{_n(y)}" r="{HEAD / 2 - 0.8:.1f}" '
            f'fill="{PAPER}" stroke="{colour}" stroke-width="1.7"/>'
        )
    return '<g data-mark="tail"/>'


def box_svg(box):
    """A node with its frame, its label and its letters."""
    fill, frame, width, dashes, ink = box_look(box)
    x, y = box.x - box.w / 2, box.y - box.h / 2
    bold = ' font-weight="700"' if box.role == "outcome" or box.letters else ""
    parts = [
        f'<g data-key="n{box.index}" data-node="{box.index}" data-role="{box.role}">'
        f"<title>{escape(box.label)}</title>"
    ]
    if box.role == "outcome":  # a double frame
        parts.append(
            f'<rect x="{_n(x - 3.5)}" y="{_n(y - 3.5)}" width="{_n(box.w + 7)}" height="{_n(box.h + 7)}" '
            f'rx="11" fill="{PAPER}" stroke="{frame}" stroke-width="1.4"/>'
        )
    if box.role != "letter":
        parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(box.w)}" height="{_n(box.h)}" '
            f'rx="{_n(min(8, box.h / 3))}" fill="{fill}" stroke="{frame}" stroke-width="{width}"'
            f"{_dash(dashes)}/>"
        )
    top = box.y - LINE * (len(box.lines) - 1) / 2 + 4.5
    strike = ' text-decoration="line-through"' if box.struck else ""
    parts += [
        f'<text x="{_n(box.x)}" y="{_n(top + LINE * number)}" text-anchor="middle" fill="{ink}"'
        f'{bold}{strike} style="unicode-bidi:plaintext">{escape(line)}</text>'
        for number, line in enumerate(box.lines)
    ]
    for letter, (cx, cy) in zip(box.letters, letter_centres(box), strict=True):
        parts.append(
            f'<circle cx="{_n(cx)}" cy="{_n(cy)}" r="8" fill="{letter_colour(letter)}" stroke="{PAPER}" '
            f'stroke-width="1.5"/><text x="{_n(cx)}" y="{_n(cy + 3.7)}" text-anchor="middle" '
            f'font-size="10.5" font-weight="700" fill="{PAPER}">{escape(letter)}</text>'
        )
    return "".join([*parts, "</g>"])


# --- legend --------------------------------------------------------------------------------------

LEGEND_TEXT = {
    **{MARK_NAME[mark]: f"{MARK_NAME[mark]}: {plain}" for mark, (plain, _) in MARK_MEANING.items()},
    "tail under selection": f"tail: {MARK_MEANING[Mark.TAIL][True]}",
    "added": "new",
    "removed": "gone",
    "changed": "marks changed",
    "bold": "in focus",
    "share": "faint, dotted: in few",
    "outcome": "outcome",
    "latent": "latent",
}
LEGEND_SAMPLE = 34  # px that a sample takes in the legend


def legend_width(kinds):
    """The least width of a picture with this legend: that of its widest item."""
    return max((2 * MARGIN + _legend_item(kind)[1] for kind in kinds), default=60.0)


def _legend_item(kind):
    text = f"set {kind[4:]}" if kind.startswith("set:") else LEGEND_TEXT[kind]
    return text, LEGEND_SAMPLE + 4 + text_width(text, 11)


def legend_rows(kinds, width, top):
    """Place the legend's items in rows: tuples (kind, text, x, y), and the height they take."""
    placed: list[tuple] = []
    x, y = MARGIN, top + 10
    for kind in kinds:
        text, need = _legend_item(kind)
        if placed and x + need > width - MARGIN / 2:
            x, y = MARGIN, y + 19
        placed.append((kind, text, x, y))
        x += need + 22
    return tuple(placed), (y - top + 14 if placed else 0.0)


def legend_curve(kind, x, y):
    """The sample edge of a legend item, or None for an item that shows a box."""
    name = kind.partition(" under ")[0]
    mark = next((mark for mark in MARK_NAME if MARK_NAME[mark] == name), Mark.NONE)
    if mark == Mark.NONE and kind not in EDGE_LOOK and kind != "share":
        return None
    length = LEGEND_SAMPLE - (12 if mark else 4)
    start, end, way = np.array([x, y], float), np.array([x + length, y], float), np.array([1.0, 0.0])
    line = np.linspace(start, end - (HEAD - 1) * way * (mark in (Mark.ARROW, Mark.CIRCLE)), 4)
    state, share = (kind, None) if kind in EDGE_LOOK else ("same", 0.2 if kind == "share" else None)
    return Curve(-1, -1, Course(line, start, -way, end, way), Mark.TAIL, mark, state, share)


def legend_box(kind, x, y):
    """The sample box of a legend item."""
    if kind.startswith("set:"):  # the letter alone
        return Box(-1, "", (), x + 4, y, 34, 0, "letter", (kind[4:],))
    return Box(-1, "", (), x + (LEGEND_SAMPLE - 4) / 2, y, LEGEND_SAMPLE - 8, 11, kind)


def _legend_svg(kind, text, x, y):
    curve = legend_curve(kind, x, y)
    sample = box_svg(legend_box(kind, x, y)) if curve is None else edge_svg(curve)
    if kind.partition(" under ")[0] in MARK_NAME.values():  # at the end of an edge, as in the picture
        sample += box_svg(Box(-1, "", (), x + LEGEND_SAMPLE - 7, y, 9, 13))
    sample = re.sub(r"<title>.*?</title>| data-[a-z]+=\"[^\"]*\"", "", sample)
    return (
        f'<g data-legend="{escape(kind)}" aria-hidden="true">{sample}<text x="{_n(x + LEGEND_SAMPLE + 4)}" '
        f'y="{_n(y + 4)}" font-size="11" fill="{GREY}">{escape(text)}</text></g>'
    )
