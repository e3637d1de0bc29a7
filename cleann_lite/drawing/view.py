"""What an explorer shows in one state: picture, controls and panels, as plain values for one browser script.

The same script (``static/explorer.js``) draws a `View` in a notebook, where Python answers, and in a live
page (`drawing.live`).
"""

from dataclasses import dataclass, field
from pathlib import Path

from .draw import Drawing
from .html import theme

MOST_EDGES = 160  # in one picture: more cannot be read, and would weigh too much for a page
NEAR_EDGES = 25  # around a word
STATIC = Path(__file__).resolve().parent / "static"


@dataclass(frozen=True)
class View:
    """All that an explorer shows in one state."""

    controls: tuple = ()  # descriptions of the controls (`slider`, `choice` …) with their present values
    svg: str | None = None  # the picture, if there is something to draw
    alt: str = ""  # what it shows in words
    words: tuple = ()  # the same as a list of sentences (edges of a graph)
    words_title: str = ""
    panels: tuple = ()  # beside or ``below`` the picture: ``kind`` is text, list, log, chips, bars or table
    details: dict = field(default_factory=dict)  # "n3" or "e1-4" -> what to say when that is pointed at
    detail: str = ""  # what to say else
    selected: str | None = None  # key of the chosen node or edge
    status: str = ""  # a sentence for everyone, read aloud when it changes
    error: str = ""  # a sentence on what is wrong
    tick: int = 0  # milliseconds after which the browser asks for the next step by itself; 0: never
    stale: bool = False  # the picture belongs to an earlier state: the present one could not be shown
    drawing: Drawing | None = field(default=None, repr=False)  # behind ``svg``
    data: dict = field(default_factory=dict, repr=False)  # what the JSON file holds besides

    @classmethod
    def of(cls, drawing, **fields):
        """A view whose picture is a graph."""
        count = len(drawing.words)
        fields.setdefault("words_title", f"{count} edge{'s' * (count != 1)} in words")
        return cls(svg=drawing.svg, alt=drawing.alt, words=drawing.words, drawing=drawing, **fields)

    def message(self, name, sequence):
        """The view as the browser reads it: plain JSON types only."""
        names = ("svg", "words_title", "details", "detail", "selected", "status", "error", "tick", "stale")
        return {
            **{key: getattr(self, key) for key in names},
            "controls": list(self.controls),
            "words": list(self.words),
            "panels": list(self.panels),
            "drawn": self.drawing is not None,
            "name": name,
            "sequence": sequence,
        }


# --- controls ------------------------------------------------------------------------------------


def slider(name, label, values, value, text=str, **more):
    """A slider over given values and its present one, each shown as ``text`` writes it."""
    values = sorted({*values, value})
    item = {"kind": "slider", "name": name, "label": label, "values": values, "texts": [*map(text, values)]}
    return {**item, "value": value, **more}


def choice(name, label, values, value, texts=None, **more):
    """A list to choose one value from."""
    values = list(values)
    texts = [str(text) for text in (values if texts is None else texts)]
    item = {"kind": "choice", "name": name, "label": label, "values": values, "texts": texts}
    return {**item, "value": value, **more}


def switch(name, label, value, **more):
    """A box to tick."""
    return {"kind": "switch", "name": name, "label": label, "value": bool(value), **more}


def text_area(name, label, value, rows=3, **more):
    """A text to type."""
    return {"kind": "text", "name": name, "label": label, "value": value, "rows": rows, **more}


def entry(name, label, offers, button, value="", **more):
    """A line to type with suggestions; its event is "add", and an empty value says that it was."""
    item = {"kind": "entry", "name": name, "label": label, "offers": list(offers)}
    return {**item, "button": button, "value": value, **more}


def buttons(name, label, items, **more):
    """Buttons whose events are their ids: tuples (id, text, label, disabled)."""
    items = [{"id": i, "text": t, "label": named, "disabled": bool(off)} for i, t, named, off in items]
    return {"kind": "buttons", "name": name, "label": label, "items": items, **more}


def standing(controls, state):
    """The controls with the values that a state gives them."""
    return tuple(
        {**one, "value": state[one["name"]]} if "value" in one and one["name"] in state else one
        for one in controls
    )


def parse_key(key):
    """A key of the picture as indices: "n3" -> (3,), "e1-4" -> (1, 4), anything else -> ().

    >>> parse_key("e1-4"), parse_key("n3"), parse_key(None)
    ((1, 4), (3,), ())
    """
    text = str(key or "")
    numbers = text[1:].split("-") if text[:1] in ("n", "e") else []
    if len(numbers) != {"n": 1, "e": 2}.get(text[:1]) or not all(number.isdigit() for number in numbers):
        return ()
    return tuple(int(number) for number in numbers)


def moved(positions, nodes, placed):
    """Positions of a graph's nodes, those that a hand has moved where it put them: index -> (x, y)."""
    return {**positions, **{nodes[i]: at for i, at in placed.items() if i < len(nodes)}}


# --- the browser's side --------------------------------------------------------------------------


def script() -> str:
    """The script that draws a view: an ES module whose default export has ``render({model, el})``."""
    return (STATIC / "explorer.js").read_text(encoding="utf-8")


def css() -> str:
    """The style of that picture, in both themes."""
    return theme() + (STATIC / "explorer.css").read_text(encoding="utf-8")
