"""The states of an explanation in a live page (`drawing.live`).

Stored are the graph and the sets at every level α, and what the model says with each word masked, with each
pair and with each set that was found.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ..drawing.live import store
from ..drawing.view import buttons, slider
from .head_graphs import maskable
from .interactive import ALPHAS, BEST, Asked, change_bars, explanation_view, score_text

MOST_WORK = 60_000  # units that the model reads for the masks of one page
MANY_UNITS = 60  # beyond which only every second level is stored


def states(explanation: Any) -> dict:
    """All states of one explanation of ``explain``, as plain values for the page's script.

    See `cleann_lite.drawing.live.store`: a view per level α; ``masks`` by positions, each asked of the model
    once; ``scores`` by size; ``unstored`` is said of any other mask.

    Raises
    ------
    ValueError
        The explanation was read from JSON, or is a baseline's: there is no search to run again; its test or
        learner is your own, without alpha; the input is neither a text nor a list.
    """
    if explanation.again is None:
        raise ValueError(
            "this explanation has no search to run again (it was read from JSON, or is a baseline's): "
            "explain the input to make a live page"
        )
    settings = dict(explanation.again.keywords)
    target, prove = settings.pop("target", None), bool(settings.pop("certify", True))
    settings.pop("alpha", None)
    settings["search"] = "cleann"  # what moves with α is what the graph proposes
    asked = Asked(explanation.again.func, explanation.again.args[0], **settings)
    if "alpha" not in explanation.settings:
        raise ValueError("a live page moves alpha, which your own test or learner does not have")
    given, noun = explanation.again.args[1], "film" if explanation.task == "recommendation" else "word"
    if not isinstance(given, str | list | tuple):
        raise ValueError(f"a live page is made of a text or a list: got {type(given).__name__}")
    input = given if isinstance(given, str) else tuple(given)
    many, alpha = len(explanation.units) > MANY_UNITS, float(explanation.settings["alpha"])
    prove = prove and not many
    state = {
        "input": input, "target": target, "head": BEST, "prove": prove, "whole": False, "mask": (),
        "selected": None, "arranged": (BEST, alpha), "placed": {}, "heads": False,
    }  # fmt: skip
    levels = sorted({*(ALPHAS[::2] if many else ALPHAS), alpha})
    found = {level: asked.explanation(input, target, BEST, level, prove) for level in levels}
    controls = (
        slider("alpha", "Significance level α", levels, alpha, "{:g}".format),
        buttons("unmask", "Your mask", [("clear", "Unmask all", None, True)], at="words"),
    )
    title = f"The {noun}s: click one to mask it"
    views = {}
    for level in [alpha, *(other for other in levels if other != alpha)]:
        view = explanation_view(asked, {**state, "alpha": level}, noun, controls, title)
        message, one = view.message("explanation", 0), found[level]
        message |= {"nodes": list(one.in_graph), "best": _best(one)}
        views[levels.index(level),] = {**message, "sets": [list(s.positions) for s in one.sets]}
    masks, whole = _masks(asked, input, target, [one for level in levels for one in found[level].sets])
    answers, names = _answers(asked, input, target, masks)
    standing = next(p["text"] for p in message["panels"] if p.get("name") == "score")
    scores = {}
    for best in {_best(one) for one in found.values()}:
        example = next(one for one in found.values() if _best(one) == best)
        for count in {len(mask) for mask in masks}:
            for flipped in (False, True):
                text = score_text(example, range(count), flipped, "{replacement}", noun)
                if answers[""]["flipped"]:  # the outcome is not the prediction
                    text = standing
                scores[f"{best},{count},{str(flipped).lower()}"] = text
    said = "every pair" if whole else f"the pairs of the {noun}s that matter most alone"
    spec = {
        "title": "Try it: this page answers by itself",
        "hint": f"Move α; click {noun}s to mask them and watch the probability. Stored are every single "
        f"{noun}, {said} and the sets found.",
    }
    unstored = f"You masked {{count}} {noun}s: that state is not stored in this page, only in Python."
    return store(spec, {"alpha": levels}, views, masks=answers, names=names, scores=scores, unstored=unstored)


def _best(explanation: Any) -> int:
    return len(explanation.sets[0].positions) if explanation.sets else 0


def _masks(asked: Asked, input: Any, target: Any, sets: Sequence) -> tuple[list[tuple[int, ...]], bool]:
    """The masks to store, each once: none, singles, sets, then pairs, those of the strongest units first."""
    encoded = asked.encoded(input, target)
    free = maskable(encoded)
    singles = [(u,) for u in free]
    left = dict(zip(free, asked.predict(input, target, [(), *singles])[1:, encoded.target], strict=True))
    strongest = sorted(free, key=left.__getitem__)
    places = sorted(combinations(range(len(strongest)), 2), key=lambda pair: (pair[1], pair[0]))
    pairs = [tuple(sorted((strongest[a], strongest[b]))) for a, b in places]
    masks = list(dict.fromkeys([(), *singles, *(tuple(s.positions) for s in sets), *pairs]))
    most = max(MOST_WORK // max(1, len(encoded.units)), len(masks) - len(pairs))
    return masks[:most], len(masks) <= most


def _answers(
    asked: Asked, input: Any, target: Any, masks: Sequence[tuple[int, ...]]
) -> tuple[dict[str, dict], list[str]]:
    encoded, label = asked.encoded(input, target), asked.model.label
    rows, names, answers = asked.predict(input, target, masks), dict[str, int](), {}
    for mask, row in zip(masks, rows, strict=True):
        bars = change_bars(rows[0], row, label, encoded)
        shown = [[names.setdefault(b["text"], len(names)), round(b["value"], 4), b["note"]] for b in bars]
        answers[",".join(map(str, mask))] = {
            "bars": shown,
            "strong": next(i for i, b in enumerate(bars) if b["strong"]),
            "to": label(encoded.predicted(row)),
            "flipped": encoded.predicted(row) != encoded.target,
        }
    return answers, list(names)
