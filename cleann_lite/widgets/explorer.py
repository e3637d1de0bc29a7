"""What all explorers share: a state, a view of it, and the line to the browser.

An explorer is two pure functions: ``reduce(state, event)`` gives the next state and ``render(state)`` the
`View`. The browser sends what the reader did, one request at a time (what piles up meanwhile becomes one), so
that a fast hand ends at its last value and no stale picture is drawn.
"""

import json
import time
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from threading import Event, Lock, Thread
from typing import ClassVar

from ..datasets.files import write_whole
from ..drawing.draw import svg_image, words_html
from ..drawing.html import escape, style
from ..drawing.live import grid, stored, stored_states
from ..drawing.view import buttons, css, script, standing

OLD = "What is shown below belongs to the last input that worked."
_STALE = {"status": OLD, "stale": True, "tick": 0}
AGAIN = buttons(
    "arrangement", "Arrangement", [("arrange", "Arrange again", "Place the words anew", False)], at="picture"
)


# --- the explorer --------------------------------------------------------------------------------


class Explorer:
    """A picture with controls; displayed as a widget, and as a static picture where widgets do not run.

    Attributes
    ----------
    state
        What the controls say, as a dict of plain values.
    view
        What is shown.
    """

    name = "explorer"
    title = ""
    hint = ""
    page_hint = ""  # in a live page, where it differs
    kept: ClassVar[dict] = {}  # control -> how many values a live page has; the most telling first
    in_page = False  # set on the class: outputs are for a live page

    def __init__(self, **state):
        self._widget, self._stopped, self._turn, self._told = None, Event(), Lock(), 0.0
        self.heard = []  # called when something else is shown
        self.state = self._shown = state
        self.view = self.render(state)

    def reduce(self, state, event):
        """The state after an event; pure."""
        raise NotImplementedError

    def render(self, state):
        """What a state shows; pure."""
        raise NotImplementedError

    def set(self, **changes):
        """Move controls from Python, as a reader would; returns the explorer.

        Raises
        ------
        ValueError
            For a control that the explorer does not have, or a value that it cannot show.
        """
        unknown = sorted(set(changes) - set(self.state))
        if unknown:
            raise ValueError(f"{type(self).__name__} has no {unknown[0]!r}: it has {', '.join(self.state)}")
        self.act(**changes)
        if self.view.error:
            raise ValueError(self.view.error)
        return self

    def act(self, event=None, **controls):
        """Do what a reader does, one event ``{"name": "toggle", "item": 3}`` or controls moved; returns self.

        What cannot be shown is told in ``view.error``.
        """
        self._advance({"state": controls, "events": [event] if event else [], "start": True})
        self._show()
        return self

    def save(self, path):
        """Write what is shown to a file: .svg, .png (graphs only) or .json; returns the path."""
        path = Path(path)
        if path.suffix == ".json":
            write_whole(path, self.to_json())
        elif path.suffix == ".svg" and self.view.svg:
            write_whole(path, self.view.svg)
        elif self.view.drawing is not None:
            self.view.drawing.save(path)
        else:
            raise ValueError(f"what is shown can be saved as .svg or .json: got {path.name!r}")
        return path

    def to_json(self):
        """What is shown, and the state of the controls, as JSON text."""
        shown = {} if self.view.drawing is None else json.loads(self.view.drawing.to_json())
        content = {
            "explorer": self.name,
            "state": self.state,
            "status": self.view.status,
            **shown,
            "words": list(self.view.words),
            **self.view.data,
        }
        return json.dumps(content, ensure_ascii=False, indent=1, default=str)

    # --- what the browser sends ---

    def _advance(self, request):
        before = dict(self.state)
        doing = None
        try:
            state = dict(before)
            if request.get("start"):
                state = self.started(state, self._shown)
            for name, value in request.get("state", {}).items():
                doing = {name: value}
                if name in state:
                    state = self.changed({**state, name: value}, name)
            for event in request.get("events", ()):
                doing, event = event, checked_event(event)
                state = place(state, event) if event["name"] == "place" else self.reduce(state, event)
                if event["name"] == "arrange":
                    state = {**state, "placed": {}}
            self.view, self.state, self._shown = self.render(state), state, state
        except ValueError as error:
            self.state, controls = state, standing(self.view.controls, state)  # what was typed stays
            self.view = replace(self.view, controls=controls, error=str(error), **_STALE)
        except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            if doing is None:
                raise
            told = f"{repr(doing)[:80]} cannot be carried out ({type(error).__name__}: {str(error)[:80]})"
            self.state, self.view = before, replace(self.view, error=told, **_STALE)

    def started(self, state, shown):
        """The state as a new movement begins; ``shown`` is the last state that could be shown; pure."""
        return state

    def changed(self, state, name):
        """The state after a control has moved; pure."""
        return state

    def receive(self, content):
        """Hear the browser at any time: a request is answered in a thread, so that a stop can be heard."""
        if content["kind"] == "request":
            self._stopped.clear()
            Thread(target=self.answer, args=(content,), daemon=True).start()
        elif content["kind"] == "stop":
            self._stopped.set()
        elif content["kind"] == "ping":
            self._send({"kind": "pong"})
        else:
            self._send({"kind": "export", "for": content.get("for"), "text": self.to_json()})

    def _send(self, message):
        if self._widget is not None:
            self._widget.send(message)

    def answer(self, request):
        """Answer one request, after those that came before it."""
        with self._turn:
            try:
                self._advance(request)
            except Exception as error:  # the page must hear of it, or it would wait for ever
                told = f"This did not work ({type(error).__name__}: {error})."
                self.view = replace(self.view, error=told, **_STALE)
                raise
            finally:
                self._show(request.get("sequence", 0))

    def report(self, done, cap):
        """Tell the browser how far a long search is; whether it may go on."""
        now = time.monotonic()
        if self._widget is not None and now - self._told > 0.1:
            self._told = now
            self._widget.send({"kind": "progress", "done": int(done), "of": int(cap)})
        return not self._stopped.is_set()

    @property
    def shown(self):
        """The state that is shown: the last one that could be."""
        return self._shown

    def _show(self, sequence=0):
        for hear in self.heard:
            hear()
        if self._widget is not None:
            self._widget.view = self.view.message(self.name, sequence)

    # --- a live page, which has no Python ---

    def states_of_page(self):
        """The states to store in a page, the present one first: all that ``kept`` can be moved to."""
        return grid(self)

    def page_view(self, state):
        """What a page shows of a state, where no state came before it; pure."""
        return self.render(state)

    def stored_states(self):
        """This explorer for a live page, as ``drawing.live.stored`` takes it."""
        return stored_states(self)

    def live_html(self):
        """The explorer as it answers in a live page, which has ``drawing.live.stored_script``."""
        if self.view.error:
            return self.static_html()
        return f"{stored(self.stored_states())}<noscript>{self.static_html()}</noscript>"

    # --- display ---

    @property
    def widget(self):
        """What Jupyter shows, made at its first use; needs anywidget."""
        if self._widget is None:
            spec = {"title": self.title, "hint": self.hint}
            self._widget = _widget_class()(spec=spec, view=self.view.message(self.name, 0))
            self._widget.on_msg(lambda _widget, content, _buffers: self.receive(content))
        return self._widget

    def static_html(self):
        """The picture with its words, for where widgets do not run; no script, no request."""
        title = f"<strong>{escape(self.title)}</strong>"
        picture = svg_image(self.view.svg, self.view.alt) if self.view.svg else ""
        said = [self.view.error or self.view.status, *_panel_texts(self.view.panels)]
        lines = "".join(f"<div>{escape(line)}</div>" for line in said if line)
        words = words_html(self.view.words, title=self.view.words_title)
        still = '<div class="small">A still picture: run this cell in Jupyter to move its controls.</div>'
        return f'{style()}<figure class="cl cl-doc">{title}{lines}{picture}{words}{still}</figure>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        html = self.live_html() if self.in_page else self.static_html()
        bundle = {"text/html": html, "text/plain": f"{self.title}: {self.view.status}"}
        if self.in_page:
            return bundle
        try:
            return with_widget(self.widget, bundle)
        except ImportError:
            return bundle


def with_widget(widget, bundle):
    """A bundle of MIME types with the widget beside the still picture."""
    shown = widget._repr_mimebundle_()
    return {**(shown[0] if isinstance(shown, tuple) else shown), **bundle}


def checked_among(name, value, known):
    """Raise ValueError unless a value is one of those known."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}: got {value!r}")


def checked_event(event):
    """An event with its name and its item (None where it has none).

    Raises
    ------
    ValueError
        It is not a dict with a name.
    """
    if not isinstance(event, dict) or not isinstance(event.get("name"), str):
        raise ValueError(f"an event has a name, as in {{'name': 'arrange'}}: got {repr(event)[:80]}")
    return {"item": None, **event}


def place(state, event):
    """The state after a hand has moved a node; pure."""
    index, x, y = event["item"]
    if not (isfinite(x) and isfinite(y)):
        raise ValueError(f"a place has finite coordinates: got {x}, {y}")
    return {**state, "placed": {**state["placed"], int(index): (round(float(x), 1), round(float(y), 1))}}


def _panel_texts(panels):
    """Panels as lines of text, for the static page."""
    for panel in panels:
        name = f"{panel['title']}: " if panel.get("title") else ""
        if panel["kind"] == "text":
            yield name + panel["text"]
        elif panel["kind"] == "list":
            yield name + "; ".join(panel["items"]).replace(".; ", ". ")  # items may be sentences
        elif panel["kind"] == "bars":
            yield name + "; ".join(f"{item['text']} {item['note']}" for item in panel["items"])
        elif panel["kind"] == "table":
            yield name + "; ".join(", ".join(map(str, row)) for row in panel["rows"])
        elif panel["kind"] == "chips":
            items = [(item["text"], item.get("letters")) for item in panel["items"]]
            yield name + ", ".join(f"{text} ({letters})" if letters else text for text, letters in items)


@lru_cache
def _widget_class():
    import anywidget
    import traitlets

    class Widget(anywidget.AnyWidget):
        """The browser's side of an explorer."""

        _esm = script()
        _css = css()
        spec = traitlets.Dict().tag(sync=True)
        view = traitlets.Dict().tag(sync=True)

    return Widget
