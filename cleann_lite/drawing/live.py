"""A live page answers without Python: states that were rendered beforehand are stored in it.

`stored` puts the states of an explorer (`stored_states`) or of an explanation (`explaining.live`) into a
page, and ``static/live.js`` answers from them. Which states those are an explorer says
(`Explorer.states_of_page`); the rules stay in its ``reduce`` and ``changed``, whose results are stored with
each view.
"""

import base64
import json
import zlib
from itertools import product
from math import prod

from .html import Html
from .view import STATIC, css, script

MOST_UNPACKED = 250_000  # characters of stored states that a page holds as they are
MOST_SHOWN = 3_500_000  # characters of views, before they are packed to about an eighth


# --- what a page holds ---------------------------------------------------------------------------


def store(spec, keys, found, **more) -> dict:
    """Views as one page holds them: what many share is written once.

    ``spec`` has ``title`` and ``hint``; ``keys`` are what may be moved in the page, name -> its values;
    ``found`` has places in ``keys`` -> message of the view there, the first to be shown first.
    """
    shared: dict[str, list] = {"svgs": [], "panels": [], "controls": []}

    def place(kind, value):
        if value not in shared[kind]:
            shared[kind].append(value)
        return shared[kind].index(value)

    views = []
    for message in found.values():
        controls = [{**one, "value": None} if one["name"] in keys else one for one in message["controls"]]
        views.append(
            {
                **message,
                "svg": place("svgs", message["svg"]),
                "panels": [place("panels", panel) for panel in message["panels"]],
                "controls": [place("controls", one) for one in controls],
            }
        )
    start = {name: keys[name][i] for name, i in zip(keys, next(iter(found)), strict=True)}
    at = {",".join(map(str, places)): i for i, places in enumerate(found)}
    spec = {**spec, "still": True}  # nobody routes the edges anew
    return {"spec": spec, "keys": keys, "state": start, "at": at, "views": views, **shared, **more}


def stored(data) -> Html:
    """A place in a page for stored states, which `stored_script` brings to life; packed if there are many."""
    text, kind = json.dumps(data, ensure_ascii=False, separators=(",", ":")), "application/json"
    if len(text) > MOST_UNPACKED:
        packed = zlib.compress(text.encode(), 9, -zlib.MAX_WBITS)
        text, kind = base64.b64encode(packed).decode(), "application/deflate"
    text = text.replace("<", "\\u003c")
    return Html(f'<div class="cl-stored"><script type="{kind}">{text}</script></div>')


def stored_script() -> Html:
    """What a page with `stored` states needs once, after them: style and script, nothing fetched."""
    code = script() + (STATIC / "live.js").read_text(encoding="utf-8")
    return Html(f'<style>{css()}</style><script type="module">{code}</script>')


# --- the states of an explorer -------------------------------------------------------------------


def grid(explorer):
    """The present state and those around it: every value of what is kept with every other, as far as it fits.

    Where all would be too many, what is kept last stays as it is; what is kept first takes the room.
    """
    state = explorer.state
    shown = {one["name"]: one.get("values") for one in explorer.view.controls}
    axes = {name: _spread_out(shown[name], state[name], most) for name, most in explorer.kept.items()}
    fit = MOST_SHOWN // _size(explorer, state)
    for name in reversed(axes):
        if prod(map(len, axes.values())) > fit:
            axes[name] = [state[name]]
    first, *others = axes
    room = max(1, fit // prod(len(axes[name]) for name in others))
    axes[first] = _spread_out(shown[first], state[first], room)
    yield state
    yield from ({**state, **dict(zip(axes, values, strict=True))} for values in product(*axes.values()))


def _spread_out(values, value, most):
    """At most `most` of some values, evenly, `value` among them."""
    here, step = values.index(value), -(-len(values) // most)
    return values[here % step :: step]


def _size(explorer, state):
    return len(json.dumps(explorer.page_view(state).message(explorer.name, 0), default=str))


def stored_states(explorer) -> dict:
    """States of an explorer as plain values for a page, the one that is shown first.

    See `store`; each view has its ``moves``, what its buttons change, and
    ``resets`` says what else changes when a control is moved.
    """
    found = {}
    for state in explorer.states_of_page():
        places = tuple(state[name] for name in explorer.kept)
        if places not in found:
            found[places] = state, explorer.page_view(state)
    keys = {name: list(dict.fromkeys(places[i] for places in found)) for i, name in enumerate(explorer.kept)}
    resets: dict[str, dict] = {name: {} for name in keys}
    for name in keys:
        for state, _ in found.values():
            resets[name] |= _changes(explorer, state, explorer.changed(dict(state), name))
    messages, all_moves = {}, [_moves(explorer, state, view, found) for state, view in found.values()]
    useful = {name for moves in all_moves for name, changes in moves.items() if changes}
    for (state, view), moves in zip(found.values(), all_moves, strict=True):
        message = view.message(explorer.name, 0)
        controls = [_offered(one, state, resets, found) for one in view.controls]
        for one in controls:
            if "items" in one:
                one["items"] = [item for item in one["items"] if item["id"] in useful]
        message["controls"] = [one for one in controls if one.get("items") or len(one["values"]) > 1]
        place = tuple(values.index(state[name]) for name, values in keys.items())
        messages[place] = {**message, "moves": moves}
    spec = {"title": explorer.title, "hint": explorer.page_hint or explorer.hint}
    return store(spec, keys, messages, resets=resets)


def _changes(explorer, before, after):
    return {name: after[name] for name in explorer.kept if after[name] != before[name]}


def _moves(explorer, state, view, found):
    """Button (or "tick") -> what it changes, where that leads to a stored state and nowhere else."""
    names = [item["id"] for one in view.controls if one["kind"] == "buttons" for item in one["items"]]
    moves = {}
    for name in [*names, "tick"]:
        after = explorer.reduce(dict(state), {"name": name, "item": None})
        changes = _changes(explorer, state, after)
        if tuple(after[key] for key in explorer.kept) in found and after == {**state, **changes}:
            moves[name] = changes
    return moves


def _offered(control, state, resets, found):
    """A control with the values that are stored; without any where it is not kept."""
    name, kept = control["name"], list(resets)
    if control["kind"] == "buttons":
        return {**control, "values": ()}
    offered = [
        i
        for i, value in enumerate(control.get("values", ()))
        if name in kept and tuple({**state, name: value, **resets[name]}[key] for key in kept) in found
    ]
    values = {key: [control[key][i] for i in offered] for key in ("values", "texts") if offered}
    return {**control, **(values or {"values": []})}
