"""The rows of an evaluation: CLEANN and its variants, fair controls, plain rankings, and a researcher's own.

A row is a function of a `Case` (one input, the model, the settings) that returns a `Found`, several of them
(draws, which are averaged), or an ``Explanation``. Every row masks the same units (those of CLEANN's graphs),
reads the same heads and has the same caps. Your own takes a few lines::

    @as_row("longest-first")
    def longest_first(case):
        return case.masked_in_order([len(unit) for unit in case.encoded.units])

CLEANN spends its masked inputs on few sets of each size. A rival that tries *all* single words before any
pair hardly leaves size 1 with as many calls in all, so equal calls are unfair to it. The rows
``…-at-equal-sizes`` try, at each size, exactly as many sets as CLEANN's graphs allow: what then differs is
the graph's choice.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, islice

import numpy as np

from ..explaining.baselines import integrated_gradient_scores
from ..explaining.explanation import Explanation
from .case import PASSES, Case, Found, Sets
from .orders import by_summed_score, greedy

_STEPS = 32  # passes of integrated gradients

# --- CLEANN and its variants -----------------------------------------------------------------------------

# row -> what it changes in the graphs, or which of their sets it takes
GRAPHS: dict[str, dict] = {
    "cleann": {},
    "cleann-causes": {"among": "causes"},
    "cleann-adjacent-causes": {"among": "adjacent-causes"},
    "cleann-one-sided": {"one_sided": True},  # the test of the first released code
    "cleann-fci": {"method": "fci"},
    "cleann-residual-half": {"residual": 0.5},  # the residual connection in the SEM, as rollout takes it
    "cleann-residual-norms": {"residual": "norms"},  # or as large as the model's own norms say
    "cleann-residual-values": {"residual": "values"},  # the same, attention weighted by what it passes on
    "cleann-residual-rollout": {"residual": "rollout"},  # over all layers
}


def graph_row(name: str) -> dict | None:
    """Changes of a row of CLEANN: a name in `GRAPHS`, ``cleann-alpha-A`` or ``cleann-head-H``; else None."""
    alpha = r"(?P<alpha>[0-9]*\.?[0-9]+(?:e-?[0-9]+)?)"
    if found := re.fullmatch(rf"cleann-(?:alpha-{alpha}|head-(?P<head>[0-9]+))", name):
        return {"alpha": float(found["alpha"])} if found["alpha"] else {"heads": (int(found["head"]),)}
    return GRAPHS.get(name)


def cleann(case, **changes):
    """CLEANN: the sets that its graphs allow, size by size."""
    return case.by_size(case.allowed(**changes))


# --- controls at equal sizes -----------------------------------------------------------------------------


def at_equal_sizes(case: Case, kind: str, sets: Sets) -> Found | list[Found]:
    """Try as many sets of each size as ``sets`` holds, chosen in another way.

    Parameters
    ----------
    kind
        "random": sets drawn at random. "permuted": the same sets after the names of the units were
        permuted, so that they hang together as the graph's do. "attention", "gradient", "leave-one-out": the
        sets with the largest sum of scores; what the scores cost counts as calls.
    sets
        From `Case.allowed`.

    Returns
    -------
    Found, or a list with one for each of ``settings.draws`` draws
    """
    sizes = [(size, len(of_one_size)) for size, of_one_size in enumerate(sets, 1)]
    rng, draws = case.rng(kind), range(case.settings.draws)
    if kind == "random":
        every = [(list(combinations(case.units, size)), count) for size, count in sizes if count]
        return [
            case.by_size([e[i] for i in rng.choice(len(e), count, replace=False)] for e, count in every)
            for _ in draws
        ]
    if kind == "permuted":
        found = []
        for _ in draws:
            name = dict(zip(case.units, rng.permutation(case.units).tolist(), strict=True))
            found.append(case.by_size([tuple(name[u] for u in s) for s in one] for one in sets))
        return found
    passes, known = PASSES + 1, list[tuple[int]]()
    if kind == "attention":
        scores = case.attention[list(case.settings.heads)].mean(axis=0)
    elif kind == "gradient":
        scores, passes = case.gradients, passes + 1
    else:
        scores, known = case.effects, [(u,) for u in case.alone]
    ranked = case.ranked(scores)
    falling = np.asarray(scores)[ranked].tolist()
    return case.by_size((islice(by_summed_score(ranked, falling, s), n) for s, n in sizes), passes, known)


KINDS = ("random", "permuted", "attention", "gradient", "leave-one-out")
_CONTROL = re.compile(rf"({'|'.join(KINDS)})-at-equal-sizes(?:-of-(cleann-.+))?")


def control_row(name: str) -> tuple[str, dict] | None:
    """Kind and graphs of a control: ``random-at-equal-sizes``, ``random-at-equal-sizes-of-cleann-causes``."""
    found = _CONTROL.fullmatch(name)
    if found is None or (changes := graph_row(found[2] or "cleann")) is None:
        return None
    return found[1], changes


def _control(case, kind, changes):
    return at_equal_sizes(case, kind, case.allowed(**changes))


# --- plain rankings, and the minimum ----------------------------------------------------------------

ROWS: dict[str, Callable[[Case], Found | Sequence[Found] | Explanation]] = {}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def as_row(name: str):
    """Register a row under a name, as a decorator.

    Raises
    ------
    ValueError
        The name is not in lower case with hyphens.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a row's name has lower-case letters, digits and hyphens: got {name!r}")

    def register(function):
        ROWS[name] = function
        return function

    return register


@as_row("attention")
def attention(case, heads=None):
    """Units by the outcome's attention (mean over the same heads), masked one more at a time."""
    heads = list(case.settings.heads if heads is None else heads)
    return case.masked_in_order(case.attention[heads].mean(axis=0), PASSES + 1)


@as_row("gradient")
def gradient(case):
    """Units by gradient x input (Shrikumar et al. 2016)."""
    return case.masked_in_order(case.gradients, PASSES + 1)


@as_row("integrated-gradients")
def integrated_gradients(case):
    """Units by integrated gradients (Sundararajan et al. 2017), 32 steps, each a pass."""
    return case.masked_in_order(integrated_gradient_scores(case.model, case.encoded), PASSES + _STEPS)


@as_row("leave-one-out")
def leave_one_out(case):
    """Units by the drop that masking each alone brings; these masked inputs count as calls."""
    return case.masked_in_order(case.effects, PASSES, [(u,) for u in case.alone])


@as_row("random")
def random_order(case):
    """Units in a random order, drawn ``settings.draws`` times."""
    rng = case.rng("random order")
    return [case.masked_in_order(rng.random(len(case.encoded.units))) for _ in range(case.settings.draws)]


@as_row("beam")
def beam(case):
    """Add the unit that lowers the outcome most until the prediction changes; take out what can be spared."""
    found, ran = greedy(case.tries, case.units, case.room)
    return Found((found,) if found else (), PASSES + len(ran))


@as_row("exhaustive")
def exhaustive(case):
    """Every set of 1, 2, … of them: the minimum. Where the cap ends it, CLEANN's sets still all run."""
    room, capped = case.room, False

    def sizes():
        nonlocal room, capped
        for size, own in enumerate(case.allowed(), 1):
            known = set(own)
            others = (s for s in combinations(case.units, size) if s not in known)
            rest = list(islice(others, max(0, room) + 1))
            capped |= len(rest) > room
            room -= len(rest)
            yield [*own, *rest]

    found = case.by_size(sizes(), PASSES)
    return Found(found.sets, found.calls, "ended at its cap of model calls") if capped else found


@as_row("cleann-equivalent-attention")
def cleann_equivalent_attention(case):
    """CLEANN on another attention with the same output of every head, if there is one (text models).

    Where the output determines the attention, this is CLEANN itself. See `cleann_lite.explaining.robustness`.
    """
    from ..explaining.robustness import layer_corners, replaced_attention
    from ..models.decoupled import text_heads

    attention = case.model.attention(case.encoded)
    corners = layer_corners(attention, text_heads(case.model, case.input).value, 1, case.settings.seed)
    if not len(corners):
        return cleann(case)
    return case.by_size(case.sets_of(*case.learn(replaced_attention(case.model, corners[0]))))


# --- names to functions ----------------------------------------------------------------------------------

# variants with separate controls in a report
VARIANTS = ("cleann-causes", "cleann-adjacent-causes", "cleann-residual-half", "cleann-residual-norms")
# each of these stands for several rows
FAMILIES = {
    "cleann-heads": lambda s: [f"cleann-head-{h}" for h in s.heads],
    "attention-heads": lambda s: [f"attention-head-{h}" for h in s.heads],
    "cleann-alphas": lambda s: [f"cleann-alpha-{a:g}" for a in s.alphas if a != s.alpha],
    "at-equal-sizes": lambda s: [f"{kind}-at-equal-sizes" for kind in KINDS],
    "variants-at-equal-sizes": lambda s: [
        f"{kind}-at-equal-sizes-of-{row}" for row in VARIANTS for kind in KINDS[:3]
    ],
}
DEFAULT = (
    "cleann", *VARIANTS, "at-equal-sizes", "variants-at-equal-sizes", "attention", "leave-one-out",
    "gradient", "random", "beam", "exhaustive", "cleann-one-sided", "cleann-fci", "cleann-alphas",
    "cleann-heads", "attention-heads",
)  # fmt: skip


def chosen(names: Sequence[str | Callable], settings) -> dict[str, Callable]:
    """Functions of the rows, by name, in order; your own function goes under its own name.

    Raises
    ------
    ValueError
        An unknown name, the same name twice, or a level or head in a name that the experiment cannot have.
    """
    rows = {}
    for entry in names:
        own = FAMILIES[entry](settings) if not callable(entry) and entry in FAMILIES else [entry]
        for one in own:
            name, function = _row(one)
            _check_level_and_heads(name, settings)
            if name in rows:
                raise ValueError(f"each row is there once: {name!r} was named twice")
            rows[name] = function
    if not rows:
        raise ValueError("at least one row is needed: got none")
    return rows


def _row(entry):
    if callable(entry):
        named = [name for name, function in ROWS.items() if function is entry]
        return (named or [_name_of(entry)])[0], entry
    if entry in ROWS:
        return entry, ROWS[entry]
    if (changes := graph_row(entry)) is not None:
        return entry, partial(cleann, **changes)
    if control := control_row(entry):
        return entry, partial(_control, kind=control[0], changes=control[1])
    if found := re.fullmatch(r"attention-head-([0-9]+)", str(entry)):
        return entry, partial(attention, heads=(int(found[1]),))
    known = ", ".join([*GRAPHS, *ROWS, *FAMILIES])
    raise ValueError(f"a row must be one of {known}, or a function: got {entry!r}")


def _check_level_and_heads(name, settings):
    graph = re.sub(r"^(?:attention(?=-head-)|.*-at-equal-sizes-of-)", "", name)
    changes = graph_row(graph if graph.startswith("cleann") else f"cleann{graph}") or {}
    if not 0 < changes.get("alpha", 0.5) < 1:
        raise ValueError(f"alpha must lie between 0 and 1: got the row {name!r}")
    if not {*changes.get("heads", ())} <= {*(settings.heads or ())}:
        heads = ", ".join(map(str, settings.heads or ()))
        raise ValueError(f"the heads here are {heads}: got the row {name!r}")


def _name_of(function):
    name = getattr(function, "__name__", type(function).__name__).lower().replace("_", "-")
    return re.sub(r"[^a-z0-9.-]", "", name).strip("-")
