"""Explanations as JSON: what is read is checked whole; each damage gets one sentence that names its place."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

from ..causal.graphs import PAG
from .settings import FORMER, FoundBy, Stopped

Kind = Callable[[str, Any], Any]  # (place, value) -> value, or a sentence
FORMAT = "cleann_lite explanation 2"


def to_json(explanation: Any, indent: int | None = None) -> str:
    """JSON text of an explanation."""
    sets, others = ("sets", "proposed", "smaller"), ("in_graph", "pags", "distances", "again")
    names = "titles" if explanation.task == "recommendation" else "words"
    record = {
        "format": FORMAT,
        **{k: v for k, v in vars(explanation).items() if k not in (*sets, *others)},
        "nodes": explanation.in_graph,
        **{kind: [{names: s.units, **asdict(s)} for s in vars(explanation)[kind]] for kind in sets},
        "pags": {str(h): json.loads(pag.to_json()) for h, pag in explanation.pags.items()},
        "distances": {str(h): {str(u): d for u, d in by.items()} for h, by in explanation.distances.items()},
    }
    return json.dumps(record, ensure_ascii=False, indent=indent, allow_nan=False)


def fields_of(text: str) -> dict:
    """Fields of an explanation from its JSON, sets as dictionaries; ValueError names the place of damage."""
    try:
        record = json.loads(text, parse_constant=lambda name: _need(False, "numbers", "finite", name))
        if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}")
        return _checked(record)
    except (ValueError, RecursionError) as error:  # JSONDecodeError is a ValueError
        raise ValueError(f"this is not the JSON of an explanation: {error}") from None


# --- kinds of values: (place, value) -> value, or a sentence --------------------------------------------


def _need(holds: bool, place: str, needed: str, value: Any) -> Any:
    if not holds:
        shown = repr(value)
        raise ValueError(f"{place} must be {needed}: got {shown if len(shown) < 60 else shown[:57] + '…'}")
    return value


def _kind(needed: str, holds: Callable[[Any], bool]) -> Kind:
    return lambda place, value: _need(holds(value), place, needed, value)


def _is_number(value: Any, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


_text = _kind("a text", lambda value: isinstance(value, str))
_count = _kind("a whole number from 0 on", lambda value: _is_number(value, Integral) and value >= 0)
_number = _kind("a number from 0 on", lambda value: _is_number(value) and math.isfinite(value) and value >= 0)
_share = _kind("between 0 and 1", lambda value: _is_number(value) and -1e-9 <= value <= 1 + 1e-9)
_yes_or_no = _kind("true or false", lambda value: isinstance(value, bool))
_proof = _kind("true, false or null", lambda value: value is None or isinstance(value, bool))
_mapping = _kind("an object", lambda value: isinstance(value, dict))


def _at_least_one(place: str, value: Any) -> Any:
    return _need(_count(place, value) >= 1, place, "at least 1", value)


def _settings(place: str, value: Any) -> Any:
    """Those that a page shows or a sentence reads; the others are the user's."""
    read = {"alpha": _share, "n_samples": _number, "method": _text, "split_into": _text, "units": _text}
    for name, one in _mapping(place, value).items():
        if name in read:
            read[name](f"{place}.{name}", one)
    return {FORMER.get(name, name): one for name, one in value.items()}


def _one_of(kind: type[StrEnum]) -> Kind:
    def check(place: str, value: Any) -> Any:
        try:
            return kind(value)  # a former wording too
        except ValueError:
            return _need(False, place, f"one of {', '.join(kind)}", value)

    return check


def _list_of(kind: Kind) -> Kind:
    def check(place: str, value: Any) -> Any:
        _need(isinstance(value, list), place, "a list", value)
        return tuple(kind(f"{place}[{i}]", item) for i, item in enumerate(value))

    return check


def _or_none(kind: Kind) -> Kind:
    return lambda place, value: None if value is None else kind(place, value)


def _text_or_list(place: str, value: Any) -> Any:
    return value if isinstance(value, str) else _list_of(_text)(place, value)


def _object(schema: dict[str, Kind], place: str, value: Any) -> dict[str, Any]:
    _mapping(place, value)
    for name in schema:
        _need(name in value, place, f"an object with {name!r}", sorted(value))
    for name in value:
        _need(name in schema, place, f"an object of {', '.join(schema)}", name)
    return {name: kind(f"{place}.{name}".lstrip("."), value[name]) for name, kind in schema.items()}


_SET = {
    "units": _list_of(_text),
    "positions": _list_of(_count),
    "head": _or_none(_count),
    "found_by": _one_of(FoundBy),
    "within_graph": _yes_or_no,
    "replacement": _text,
    "probability": _share,
    "rank": _at_least_one,
    "target_probability": _share,
    "masked": _text_or_list,
    "heads": _list_of(_count),
    "distance": _or_none(_at_least_one),
    "masked_ids": _or_none(_list_of(_count)),
}


def _set(place: str, value: Any) -> dict[str, Any]:
    _mapping(place, value)
    names = [value[k] for k in ("words", "titles") if k in value]
    one = _object(_SET, place, {k: v for k, v in value.items() if k not in ("words", "titles")})
    _need(all(n == list(one["units"]) for n in names), f"{place}.words", "its units", names)
    return one


_EXPLANATION = {
    "input": _text_or_list,
    "task": _text,
    "model": _text,
    "prediction": _text,
    "probability": _share,
    "target": _text,
    "success": _yes_or_no,
    "certified": _proof,
    "sets": _list_of(_set),
    "units": _list_of(_text),
    "nodes": _list_of(_count),
    "pags": _mapping,
    "distances": _mapping,
    "model_calls": _at_least_one,
    "seconds": _number,
    "stopped": _one_of(Stopped),
    "proposed": _list_of(_set),
    "smaller": _list_of(_set),
    "failures": _list_of(_text),
    "notes": _list_of(_text),
    "settings": _settings,
    "groups": _or_none(_list_of(_count)),
}


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """Each field by itself, then that they fit each other."""
    fields = _object(_EXPLANATION, "", {"groups": None} | record)  # older files hold none
    units, nodes = fields["units"], fields.pop("nodes")
    fields["in_graph"] = nodes
    distinct = len(set(nodes)) == len(nodes)
    _need(
        distinct and all(u < len(units) for u in nodes), "nodes", f"different and below {len(units)}", nodes
    )
    if fields["groups"] is not None:
        _need(
            len(fields["groups"]) == len(units),
            "groups",
            f"one for each of {len(units)} units",
            fields["groups"],
        )
    pags = {_head("pags", h): _graph(f"pags.{h}", graph, nodes) for h, graph in fields["pags"].items()}
    distances = {}
    for head, by in fields["distances"].items():
        place = f"distances.{head}"
        read = {_head(place, u): _at_least_one(f"{place}.{u}", d) for u, d in _mapping(place, by).items()}
        _need(set(read) <= set(nodes), place, "of units in the graph", sorted(read))
        distances[_head("distances", head)] = read
    _need(set(distances) == set(pags), "distances", f"of the heads {sorted(pags)}", sorted(distances))
    _need(
        fields["success"] == bool(fields["sets"]), "success", "true where there are sets", fields["success"]
    )
    for kind in ("sets", "proposed", "smaller"):
        for number, one in enumerate(fields[kind]):
            _check_set(f"{kind}[{number}]", one, units, distances)
    names = [*(units[u] for u in nodes), fields["target"]]
    for head, pag in pags.items():
        right = pag.labels is None or list(pag.labels) == names
        _need(right, f"pags.{head}.labels", "the units in the graph and the target", pag.labels)
    _check_answer(fields)
    return {**fields, "pags": pags, "distances": distances}


def _check_answer(fields: dict[str, Any]) -> None:
    """That the sets, what is said of them, and why the search ended do not contradict each other."""
    success, certified, stopped = fields["success"], fields["certified"], fields["stopped"]
    masks = {kind: [one["positions"] for one in fields[kind]] for kind in ("sets", "proposed", "smaller")}
    sizes = {kind: [len(mask) for mask in those] for kind, those in masks.items()}
    least = min(sizes["sets"], default=0)
    _need(set(sizes["sets"]) <= {least}, "sets", "all of one size", sizes["sets"])
    _need(
        all(size > least > 0 for size in sizes["proposed"]), "proposed", "larger than sets", sizes["proposed"]
    )
    _need(all(size < least for size in sizes["smaller"]), "smaller", "smaller than sets", sizes["smaller"])
    for kind, those in masks.items():
        _need(len(set(those)) == len(those), kind, "different sets", those)
    _need(
        bool(sizes["smaller"]) == (certified is False), "smaller", "given where certified is false", certified
    )
    _need(success or certified is None, "certified", "null where there are no sets", certified)
    _need(
        bool(fields["failures"]) != success, "failures", "given where there are no sets", fields["failures"]
    )
    ended = (Stopped.FOUND, Stopped.INTERRUPTED) if success else set(Stopped) - {Stopped.FOUND}
    _need(stopped in ended, "stopped", f"true to success {str(success).lower()}", str(stopped))


def _check_set(place: str, one: dict[str, Any], units: tuple[str, ...], by_head: dict[int, dict]) -> None:
    positions = one["positions"]
    increasing = bool(positions) and list(positions) == sorted(set(positions))
    inside = increasing and positions[-1] < len(units)
    _need(inside, f"{place}.positions", f"increasing and below {len(units)}", positions)
    names = tuple(units[p] for p in positions)
    _need(one["units"] == names, f"{place}.units", f"the units at its positions, {list(names)}", one["units"])
    head, heads, distance = one["head"], one["heads"], one["distance"]
    _need(set(heads) <= set(by_head), f"{place}.heads", f"among the heads {sorted(by_head)}", heads)
    _need(list(heads) == sorted(set(heads)), f"{place}.heads", "increasing", heads)
    _need(head in heads if heads else head is None, f"{place}.head", f"one of its heads {list(heads)}", head)
    _need(one["within_graph"] == bool(heads), f"{place}.within_graph", "true where there are heads", heads)
    known = [by_head[head].get(p, 0) for p in positions] if heads else []
    summed = sum(known) if known and all(known) else None
    _need(distance == summed, f"{place}.distance", f"the sum of its units' distances, {summed}", distance)


def _head(place: str, text: str) -> int:
    plain = text.isdecimal() and len(text) < 9 and str(int(text)) == text
    return int(_need(plain, place, "an object with numbers as names", text))


def _graph(place: str, record: Any, nodes: tuple[int, ...]) -> PAG:
    try:
        pag = PAG.from_json(json.dumps(record))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    _need(len(pag) == len(nodes) + 1, place, f"a graph of {len(nodes)} units and the outcome", len(pag))
    return pag
