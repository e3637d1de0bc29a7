"""A scene painted by matplotlib, for where SVG does not go."""

import io
import warnings

from ..causal.graphs import Mark
from .curves import HEAD
from .layout import FONT_SIZE, LINE, text_width
from .svg import (
    GREY,
    INK,
    LEGEND_SAMPLE,
    PAPER,
    box_look,
    circle_centre,
    edge_look,
    head_corners,
    legend_box,
    legend_curve,
    letter_centres,
    letter_colour,
)  # fmt: skip

# fonts that are asked, where installed, for what DejaVu Sans cannot write
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Emoji")


def to_png(scene, scale=2.0):
    """The scene as PNG bytes; ``scale`` 2 is sharp on a screen of high density."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    fonts = ["DejaVu Sans", *[name for name in OTHER_SCRIPTS if name in installed]]
    with matplotlib.rc_context({"font.family": fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a script that no installed font can write
        figure = Figure(figsize=(scene.width / 72, scene.height / 72), dpi=72 * scale, facecolor=PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
        axes.axis("off")
        for curve in scene.in_order:
            _paint_edge(axes, curve)
        for box in scene.boxes:
            _paint_box(axes, box)
        for kind, text, x, y in scene.legend:
            curve = legend_curve(kind, x, y)
            _paint_box(axes, legend_box(kind, x, y)) if curve is None else _paint_edge(axes, curve)
            _paint_text(axes, x + LEGEND_SAMPLE + 4, y, text, 11, GREY, ha="left")
        stream = io.BytesIO()
        figure.savefig(
            stream, format="png", metadata={"Title": scene.title, "Description": scene.description}
        )
    return stream.getvalue()


def _paint_text(axes, x, y, text, size, colour, bold=False, ha="center"):
    axes.text(
        x, y, text, fontsize=size * 0.9, color=colour, ha=ha, va="center_baseline", parse_math=False,
        fontweight="bold" if bold else "normal", zorder=6,
    )  # fmt: skip


def _paint_edge(axes, curve):
    from matplotlib.patches import Circle, PathPatch, Polygon
    from matplotlib.path import Path

    colour, width, dashes, sign, opacity = edge_look(curve)
    course = curve.course
    path = Path(course.line, [Path.MOVETO, *[Path.CURVE4] * (len(course.line) - 1)])
    style = (0, dashes) if dashes else "solid"
    axes.add_patch(PathPatch(path, fill=False, ec=colour, lw=width, ls=style, alpha=opacity, zorder=2))
    for mark, tip, way in (
        (curve.mark_a, course.tip_a, course.way_a),
        (curve.mark_b, course.tip_b, course.way_b),
    ):
        if mark == Mark.ARROW:
            axes.add_patch(Polygon(head_corners(tip, way), fc=colour, ec="none", alpha=opacity, zorder=3))
        elif mark == Mark.CIRCLE:
            ring = {"fc": PAPER, "ec": colour, "lw": 1.7, "alpha": opacity, "zorder": 3}
            axes.add_patch(Circle(circle_centre(tip, way), HEAD / 2 - 0.8, **ring))
    text = " ".join(filter(None, [sign, curve.label]))
    if text:
        frame = {"boxstyle": "round,pad=0.25", "fc": PAPER, "ec": colour, "lw": 0.8}
        look = {"ha": "center", "va": "center", "fontsize": 10, "fontweight": "bold", "color": INK}
        axes.text(*course.middle, text, parse_math=False, zorder=4, bbox=frame, **look)


def _paint_box(axes, box):
    from matplotlib.patches import Circle, FancyBboxPatch

    fill, frame, width, dashes, ink = box_look(box)

    def rectangle(grow, radius, **look):
        corner = (box.x - box.w / 2 - grow, box.y - box.h / 2 - grow)
        style = f"round,pad=0,rounding_size={radius}"
        axes.add_patch(FancyBboxPatch(corner, box.w + 2 * grow, box.h + 2 * grow, style, zorder=5, **look))

    if box.role == "outcome":
        rectangle(3.5, min(11, box.h / 2), fc=PAPER, ec=frame, lw=1.4)
    if box.role != "letter":
        rectangle(0, min(8, box.h / 2.2), fc=fill, ec=frame, lw=width, ls=(0, dashes) if dashes else "solid")
    top = box.y - LINE * (len(box.lines) - 1) / 2
    for number, line in enumerate(box.lines):
        y, half = top + LINE * number, text_width(line) / 2
        _paint_text(axes, box.x, y, line, FONT_SIZE, ink, bool(box.role == "outcome" or box.letters))
        if box.struck:
            axes.plot([box.x - half, box.x + half], [y, y], color=ink, lw=1.2, zorder=7)
    for letter, centre in zip(box.letters, letter_centres(box), strict=True):
        axes.add_patch(Circle(centre, 8, fc=letter_colour(letter), ec=PAPER, lw=1.5, zorder=6))
        _paint_text(axes, *centre, letter, 10.5, PAPER, True)
