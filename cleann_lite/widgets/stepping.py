"""The discovery stepper: ICD and FCI, one test, removal or rule at a time.

`frames` replays a trace; `step_view` draws one moment of it.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import ClassVar

import networkx as nx
import numpy as np

from ..causal.discovery import learn_pag
from ..causal.graphs import PAG, Mark
from ..causal.independence import DSeparation
from ..causal.marks import counted
from ..drawing.draw import draw
from ..drawing.view import MOST_EDGES, View, buttons, choice, moved, slider
from .explorer import Explorer, checked_among
from .rules import told
from .threshold import METHODS

STOPS = {
    "all": ("each step", ("test", "remove", "orient", "level")),
    "change": ("each change", ("remove", "orient", "level")),
    "level": ("each level", ("level",)),
}
MOST_STATES = 1500  # stored in a page
WAY = ("problem", "pace", "method")  # what a search and its steps depend on
SPEEDS = {1600: "slow", 800: "medium", 250: "fast"}
_MARK_NAME = {Mark.CIRCLE: "a circle", Mark.ARROW: "an arrowhead", Mark.TAIL: "a tail"}


def examples():
    """Small textbook graphs with their hidden variables: name -> (DAG, observed)."""
    chain = nx.DiGraph([("switch", "light"), ("battery", "light"), ("light", "photo")])
    hidden = nx.DiGraph([("rain", "wet"), ("hose", "wet"), ("U", "rain"), ("U", "mood"), ("wet", "slip")])
    m_shape = nx.DiGraph([("U", "X"), ("U", "M"), ("V", "M"), ("V", "Y"), ("X", "Y")])
    two_sets = nx.DiGraph([("X", "L"), ("X", "R"), ("L", "Y"), ("R", "Y"), ("Y", "Z")])
    return {
        "a collider and its effect": (chain, ["switch", "battery", "light", "photo"]),
        "wet grass with a hidden cause": (hidden, ["rain", "hose", "wet", "slip", "mood"]),
        "an M with two hidden causes": (m_shape, ["X", "M", "Y"]),
        "a separating set of two": (two_sets, ["X", "L", "R", "Y", "Z"]),
    }


@dataclass(frozen=True)
class Frame:
    """The graph after a step of a search.

    Attributes
    ----------
    marks, separating_sets
        So far.
    step
        None: the start, or the end.
    read
        Of an orientation: marks of the graphs that the rule may have read, the likeliest first.
    """

    marks: np.ndarray
    step: object
    separating_sets: dict
    read: tuple = ()


def frames(pag):
    """Replay the trace of a graph: a list of `Frame`, from the complete graph to the graph itself.

    Each orientation starts from circles on the edges that are left, as the search does. Tests among its steps
    are second looks at colliders.

    Raises
    ------
    ValueError
        If the graph was learned without a trace.
    """
    if not pag.trace and len(pag) > 1:
        raise ValueError("the graph has no trace: learn it with trace=True")
    k, number = len(pag), {node: i for i, node in enumerate(pag.nodes)}
    marks = np.where(np.eye(k, dtype=bool), 0, int(Mark.CIRCLE)).astype(np.int8)
    found: dict = {}
    read: tuple[np.ndarray, ...] = ()
    rule, answer = None, [Frame(marks, None, {})]
    for step in pag.trace:
        if step.kind == "level" and rule is None:  # oriented anew before it, and no rule wrote a mark
            marks = np.where(marks > 0, int(Mark.CIRCLE), 0).astype(np.int8)
        if step.kind == "remove":
            marks, found, rule = marks.copy(), {**found, (step.x, step.y): step.given}, None
            marks[number[step.x], number[step.y]] = marks[number[step.y], number[step.x]] = 0
        elif step.kind == "orient":
            if rule is None:
                marks = np.where(marks > 0, int(Mark.CIRCLE), 0).astype(np.int8)
            # one application of a rule writes all that follows from the graph before it, step by step
            read, rule = (marks, *(read if rule == step.rule else ())), step.rule
            marks = marks.copy()
            marks[number[step.x], number[step.y]] = step.mark
        answer.append(Frame(marks, step, found, read if step.kind == "orient" else ()))
    if not np.array_equal(answer[-1].marks, pag.marks):
        answer.append(Frame(pag.marks, None, found))
    return answer


def stops(all_frames, pace):
    """Positions at which a pace halts; the first and the last always."""
    kinds = STOPS[pace][1]
    halts = [i for i, one in enumerate(all_frames) if one.step is not None and one.step.kind in kinds]
    return sorted({0, *halts, len(all_frames) - 1})


def sentence(pag, step, test=None):
    """A step in words."""
    if step is None:
        return ""
    name = pag.label
    given = "nothing" if not step.given else "{" + ", ".join(map(name, step.given)) + "}"
    if step.kind == "level":
        return f"Level {step.size}: conditioning sets of {step.size} node{'s' * (step.size != 1)}"
    if step.kind == "test":
        perfect = test is None or isinstance(test, DSeparation)  # it knows, and has no p-value
        p = "" if perfect else f" (p = {test.p_value(step.x, step.y, step.given):.2g})"
        verdict = "independent" if step.independent else "dependent"
        return f"Test {name(step.x)} and {name(step.y)} given {given}: {verdict}{p}"
    if step.kind == "remove":
        return f"Remove {name(step.x)} — {name(step.y)}: separating set {given}"
    if step.rule == "legality":
        return (
            f"Contradictory marks: {_MARK_NAME[step.mark]} at {name(step.y)} on the edge from {name(step.x)}"
        )
    return f"{step.rule} puts {_MARK_NAME[step.mark]} at {name(step.y)} on the edge from {name(step.x)}"


class Searches:
    """Searches over named problems, run once each.

    Parameters
    ----------
    problems : dict of str to (test, labels)
    """

    def __init__(self, problems):
        self.problems = problems
        self.run = lru_cache(maxsize=32)(self._run)
        self.positions = lru_cache(maxsize=32)(self._positions)

    def _run(self, problem, method):
        test, labels = self.problems[problem]
        pag = learn_pag(test, method=method, labels=labels, trace=True)
        return pag, frames(pag)

    def at(self, state):
        """The moments of the search in a state, where its pace halts, and at which of these it is."""
        _, moments = self.run(state["problem"], state["method"])
        halts = stops(moments, state["pace"])
        return moments, halts, max((i for i, at in enumerate(halts) if at <= state["step"]), default=0)

    def _positions(self, problem):
        pag, _ = self.run(problem, "icd")
        circle = len(pag) <= 7
        if circle:  # room for a complete graph
            turn = 2 * np.pi * np.arange(len(pag)) / max(1, len(pag)) - np.pi / 2
            radius = 90 + 16 * len(pag)
            points = np.column_stack([1.35 * np.cos(turn), np.sin(turn)]) * radius
            points -= points.min(0) - (70, 40)
            return {node: tuple(map(float, point)) for node, point in zip(pag.nodes, points, strict=True)}
        return draw(pag, max_edges=None).positions


def step_view(searches, state):
    """The picture of one moment: the graph so far, the test or rule, and the log around it."""
    test, _ = searches.problems[state["problem"]]
    pag, _ = searches.run(state["problem"], state["method"])
    moments, halts, place = searches.at(state)
    now = moments[halts[place]]
    step = now.step
    graph = PAG(now.marks, pag.nodes, pag.labels)
    before = moments[max(0, halts[place] - 1)].marks
    tested = step is not None and step.x is not None
    given = step.given if tested and step.kind in ("test", "remove") else ()
    drawing = draw(
        graph,
        before=PAG(before, pag.nodes, pag.labels) if step is not None and step.kind != "level" else None,
        focus=[(step.x, step.y)] if tested else (),
        sets=[given] if given else (),
        positions=moved(searches.positions(state["problem"]), pag.nodes, state["placed"]),
        max_edges=MOST_EDGES,
        around=step.x if tested else None,
        title=f"{state['method'].upper()} after {counted(halts[place], 'step')}",
    )
    asked = sum(one.step is not None and one.step.kind == "test" for one in moments[: halts[place] + 1])
    last = place == len(halts) - 1
    ends = "The end" if place else "The search starts from the complete graph"
    said = sentence(pag, step, test) or ends
    count = int(np.count_nonzero(np.triu(now.marks)))
    status = (
        f"Step {halts[place]} of {len(moments) - 1}. {said}. {asked} test{'s' * (asked != 1)} so far, "
        f"{count} edge{'s' * (count != 1)} left. {drawing.caption}"
    ).rstrip()
    return View.of(
        drawing,
        controls=step_controls(searches, state, place, halts),
        panels=tuple(_step_panels(pag, moments, halts, place, test)),
        details={f"e{c.a}-{c.b}": c.sentence for c in drawing.scene.curves},
        detail=told(pag, step, now.read, now.separating_sets, test) if now.read else "",
        status=status,
        tick=0 if last or not state["playing"] else int(state["speed"]),
        data={
            "step": said,
            "separating_sets": {f"{x} {y}": list(z) for (x, y), z in now.separating_sets.items()},
        },
    )


def _step_panels(pag, moments, halts, place, test, around=40):
    first = max(0, place - around)
    items = []
    for i in range(first, min(len(halts), place + around // 2)):  # a window: a long search has many steps
        ends = "End" if i else "Start: every pair is adjacent"
        said = sentence(pag, moments[halts[i]].step, test) or ends
        items.append({"text": said, "step": halts[i], "now": i == place})
    yield {
        "kind": "log",
        "title": "What the search does: click a line to go there",
        "control": "step",
        "items": items,
    }
    name, found = pag.label, moments[halts[place]].separating_sets.items()
    if sets := [f"{name(x)}, {name(y)}: {{{', '.join(map(name, z))}}}" for (x, y), z in found]:
        yield {"kind": "list", "title": "Separating sets", "items": sets[-12:]}


def step_controls(searches, state, place, halts):
    """The controls of the stepper in one state."""
    last = place == len(halts) - 1
    play = ("↻ Replay", "Replay") if last else ("▶ Play", "Play")
    play = ("⏸ Pause", "Pause") if state["playing"] else play
    names = tuple(searches.problems)
    return (
        choice("problem", "Problem", names, state["problem"], hidden=len(names) == 1),
        choice("method", "Method", tuple(METHODS), state["method"], tuple(METHODS.values())),
        choice("pace", "Halt at", tuple(STOPS), state["pace"], [text for text, _ in STOPS.values()]),
        choice("speed", "Speed", tuple(SPEEDS), state["speed"], tuple(SPEEDS.values()), at="picture"),
        slider("step", "Step", halts, halts[place], lambda at: f"{at} of {halts[-1]}"),
        buttons(
            "play",
            "Play",
            [
                ("first", "|◀", "First step", place == 0),
                ("back", "◀", "Step back", place == 0),
                ("play", *play, False),
                ("next", "▶", "Step forward", last),
                ("last", "▶|", "Last step", last),
            ],
        ),
    )


class DiscoveryStepper(Explorer):
    """Walk through a causal search: each test with its set, each removal, each rule.

    Parameters
    ----------
    test : optional
        A test to search with (``PartialCorrelation``, ``DSeparation`` or your own); small textbook graphs
        with a perfect test otherwise.
    labels : sequence of str, optional
        One per variable.
    method : {"icd", "fci"}
    pace : {"all", "change", "level"}
        Where a step halts.

    Raises
    ------
    ValueError
        If the labels do not match the variables, or the method or pace is unknown.
    """

    name = "discovery"
    title = "A causal search, step by step"
    hint = (
        "The heavy edge is under test; nodes with the letter A are the conditioning set. − is an edge that "
        "goes, ~ an edge whose marks change."
    )

    def __init__(self, test=None, labels=None, *, method="icd", pace="all"):
        if test is None:
            problems = {
                name: (DSeparation(dag, seen), tuple(seen)) for name, (dag, seen) in examples().items()
            }
        else:
            labels = [f"X{i + 1}" for i in range(test.n_variables)] if labels is None else list(labels)
            if len(labels) != test.n_variables:
                raise ValueError(f"each variable needs a label: got {len(labels)} for {test.n_variables}")
            problems = {"the given test": (test, tuple(labels))}
        self.searches = Searches(problems)
        start = {"problem": next(iter(problems)), "method": method, "pace": pace, "speed": 800}
        super().__init__(**start, step=0, playing=False, placed={})

    kept: ClassVar = dict.fromkeys(("step", "playing", *WAY))

    def states_of_page(self):
        """This search step by step, then others, whole, as many as fit."""
        yield self.state
        ways, left = product(self.searches.problems, STOPS, METHODS), MOST_STATES
        for way in sorted(
            ways, key=lambda way: sum(self.state[n] != v for n, v in zip(WAY, way, strict=True))
        ):
            state = {**self.state, **dict(zip(WAY, way, strict=True))}
            steps = list(product(self.searches.at(state)[1], (False, True)))
            if left < MOST_STATES and len(steps) > left:
                continue
            yield from ({**state, "step": step, "playing": playing} for step, playing in steps[:left])
            left -= len(steps)

    def changed(self, state, name):
        if name in ("problem", "method"):
            kept = state["placed"] if name == "method" else {}
            return {**state, "step": 0, "playing": False, "placed": kept}
        return {**state, "playing": False} if name == "step" else state

    def reduce(self, state, event):
        _, halts, place = self.searches.at(state)
        name = event["name"]
        if name == "play":
            ended = place == len(halts) - 1
            return {**state, "step": 0 if ended else state["step"], "playing": ended or not state["playing"]}
        if name == "tick" and not state["playing"]:
            return state
        move = {"first": -place, "back": -1, "next": 1, "tick": 1, "last": len(halts)}.get(name, 0)
        target = min(max(place + move, 0), len(halts) - 1)
        playing = state["playing"] and name == "tick" and target < len(halts) - 1
        return {**state, "step": halts[target], "playing": playing}

    def render(self, state):
        if state["problem"] not in self.searches.problems:
            raise ValueError(f"there is no problem called {state['problem']!r}")
        checked_among("pace", state["pace"], STOPS)
        checked_among("method", state["method"], METHODS)
        return step_view(self.searches, state)
