"""An explorer in a page without Python: its states are rendered beforehand and stored.

Which states those are is the explorer's to say (`Explorer.states_of_page`); the rules stay in its ``reduce``
and ``changed``, whose results are stored with each view. The browser's side is ``drawing/static/stored.js``.
"""

import json
from itertools import product
from math import prod

from ..drawing.view import store

MOST_SHOWN = 3_500_000  # characters of views, before they are packed to about an eighth


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

    See `cleann_lite.drawing.view.store`; each view has its ``moves``, what its buttons change, and
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
