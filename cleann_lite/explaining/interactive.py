"""An explanation that can be played with: the graph around the outcome, the sets, and the reader's mask.

`Asked` puts questions to a model and remembers the answers; `explanation_view` turns the answers of one state
into a `View`. An explorer shows one state after the other, `live` stores them in a page.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..attention.sem import words_attention
from ..causal.graphs import PAG, distinct
from ..drawing.draw import Drawing, draw
from ..drawing.html import percent, quoted
from ..drawing.view import MOST_EDGES, NEAR_EDGES, View, moved, parse_key
from ..models.protocol import Encoded
from .all_heads import gallery_panel, links, shared_panel
from .head_graphs import maskable
from .settings import LONG, Stopped

ALPHAS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)
LONG_CALLS = 300  # masked inputs of a long text: some seconds
MANY_NODES = 40  # beyond which only the words with an edge that is shown have a place
BEST = "best"  # search all heads, show the graph of the best one


class Asked:
    """A model and what it answered: explanations and probabilities under masks, each asked once.

    ``settings`` are those of every call of ``explain``. A search tells ``report`` (inputs run, cap), which
    may end it by False; what it had found is kept until another explanation is asked for.
    """

    def __init__(
        self,
        explain: Callable,
        model: Any,
        report: Callable[[int, float], object] | None = None,
        **settings: Any,
    ) -> None:
        self.report = report or (lambda done, cap: True)
        self.explain, self.model, self.settings = explain, model, settings
        self.split_into = settings.get("split_into", "words")
        self.heads_searched = settings.pop("heads", "all")
        self.encoded = lru_cache(maxsize=64)(self._encoded)
        self._found: dict[tuple, Any] = {}
        self._memory: Any = lru_cache(maxsize=16)(lambda input, target: {})  # of masks: each runs once
        self.outputs = lru_cache(maxsize=512)(self._outputs)
        self.positions = lru_cache(maxsize=64)(self._positions)
        self.attention = lru_cache(maxsize=8)(self._attention)
        self.all_heads = lru_cache(maxsize=8)(self._all_heads)

    def _encoded(self, input: Any, target: Any) -> Encoded:
        return self.model.encode(_plain_input(input), target, self.split_into)

    def explanation(self, input: Any, target: Any, head: Any, alpha: float, prove: bool | int) -> Any:
        """The explanation in these settings; one that was stopped is only kept while it is shown."""
        asked = (input, target, head, alpha, prove)
        if asked not in self._found:
            kept = {k: v for k, v in self._found.items() if v.stopped is not Stopped.INTERRUPTED}
            options = {**self.settings, "target": target, "alpha": alpha, "certify": prove}
            options["heads"] = self.heads_searched if head == BEST else int(head)
            if len(self.encoded(input, target).units) > LONG:  # set by set it would take a minute
                options |= {"search": "full", "max_calls": LONG_CALLS}
            options |= {"progress": self.report, "memory": self._memory(input, target)}
            found = self.explain(self.model, _plain_input(input), **options)
            if not found.pags:
                raise ValueError("the search was stopped before there was a graph")
            self._found = {**dict(list(kept.items())[-127:]), asked: found}
        return self._found[asked]

    def _outputs(self, input: Any, target: Any, mask: Sequence[int]) -> np.ndarray:
        return self.predict(input, target, [mask])[0]

    def predict(self, input: Any, target: Any, masks: Sequence[Sequence[int]], batch: int = 64) -> np.ndarray:
        """What the model says under each mask: (len(masks), outputs)."""
        encoded = self.encoded(input, target)
        rows = [self.model.predict(encoded, masks[i : i + batch]) for i in range(0, len(masks), batch)]
        return np.concatenate([np.asarray(row, dtype=np.float64) for row in rows])

    def _positions(self, input: Any, target: Any, head: Any, alpha: float, most: int | None = None) -> dict:
        known = [found for asked, found in self._found.items() if asked[:4] == (input, target, head, alpha)]
        explanation = known[0] if known else self.explanation(input, target, head, alpha, False)
        pag = explanation.pags[explanation.best_head]
        return draw(pag, outcome=pag.nodes[-1], groups=explanation.node_groups, max_edges=most).positions

    def _attention(self, input: Any, target: Any) -> np.ndarray:
        """Attention between the units, (heads, units, units)."""
        encoded = self.encoded(input, target)
        k = len(encoded.units)
        heads = self.model.attention(encoded)
        return np.array([words_attention(head, encoded.tokens)[:k, :k] for head in heads])

    def _all_heads(
        self, input: Any, target: Any, alpha: float, prove: bool | int, arranged: tuple, chosen: int
    ) -> tuple[dict, dict]:
        found = self.explanation(input, target, BEST, alpha, prove)
        names = node_names(found)
        pags = {head: replace(pag, labels=names) for head, pag in found.pags.items()}
        found = replace(found, pags=pags)
        positions = self.positions(input, target, *arranged)
        gallery = gallery_panel(found, self.attention(input, target), positions, chosen)
        return gallery, shared_panel(found, names)

    def heads(self, input: Any, target: Any) -> int:
        """Number of heads of the last layer."""
        return len(self.attention(input, target))


def _plain_input(input: Any) -> str | list:
    return input if isinstance(input, str) else list(input)


# --- one state -----------------------------------------------------------------------------------


def set_letters(explanation: Any) -> dict[int, str]:
    """Letters of the sets that each unit belongs to: position -> "AB"."""
    found: dict[int, str] = {}
    for number, one in enumerate(explanation.sets[:26]):
        for position in one.positions:
            found[position] = found.get(position, "") + chr(65 + number)
    return found


def node_names(explanation: Any) -> tuple[str, ...]:
    """Names of the graph's nodes, equal words with the subscripts that they have in the whole input."""
    names, last = distinct(explanation.units), list(explanation.pags.values())[-1]
    return tuple([names[p] for p in explanation.in_graph] + [last.label(last.nodes[-1])])


def chips_panel(
    explanation: Any,
    mask: Collection[int],
    title: str,
    fixed: Collection[int] = (),
    attention: np.ndarray | None = None,
) -> dict:
    """The units of the input as switches; those of the sets carry their letters, all their ``attention``."""
    letters = set_letters(explanation)
    items, known = [], [()] * len(explanation.units) if attention is None else links(attention)
    for position, unit in enumerate(distinct(explanation.units)):
        inside = f", in set {', '.join(letters[position])}" if position in letters else ""
        masked = position in mask
        items.append(
            {
                "id": position,
                "text": unit,
                "pressed": masked,
                "letters": letters.get(position, ""),
                "label": f"{unit}{inside}{', masked' if masked else ''}",
                "disabled": position in fixed,
                "links": known[position],
            }
        )
    return {"kind": "chips", "name": "toggle", "title": title, "label": title, "items": items, "above": True}


def change_bars(
    outputs: np.ndarray, masked: np.ndarray, label: Callable[[int], str], encoded: Encoded, limit: int = 5
) -> list[dict]:
    """Probabilities with nothing masked and under the mask, as two lists of bars: the likeliest of each."""
    names = list(np.argsort(-outputs, kind="stable")[:limit])
    names += [i for i in np.argsort(-masked, kind="stable")[: max(1, limit - 2)] if i not in names]
    top = encoded.predicted(masked)
    items = []
    for i in names:
        before, now = outputs[i], masked[i]
        note = f"{now:.1%}" if np.allclose(outputs, masked) else f"{before:.1%} → {now:.1%}"
        mark = " (explained)" if i == encoded.target else ""
        name = f"{label(int(i))}{mark}"
        items.append({"text": name, "value": float(now), "note": note, "strong": int(i) == top})
    return items


def score_text(explanation: Any, mask: Collection[int], flipped: bool, replacement: str, noun: str) -> str:
    """How the reader's mask compares with the smallest sets that were found."""
    count = len(mask)
    many = f"{count} {noun}{'s' * (count != 1)}"
    best = len(explanation.sets[0].positions) if explanation.sets else None
    graph = best is None or explanation.sets[0].within_graph
    where, who = ("in the graph", "graph") if graph else ("found", "search")
    if not count:
        if best is None:
            return f"Click {noun}s to mask them: can you change the prediction?"
        if best == 1:
            return f"The smallest sets {where} have 1 {noun}. Can you find another {noun} that does it?"
        return f"The smallest sets {where} have {best} {noun}s. Can you do with fewer?"
    if not flipped:
        return f"You masked {many}: the prediction stays."
    if best is None:
        return f"You masked {many} and got “{replacement}”. The graph offered no set: you beat the algorithm."
    if count < best:
        return f"You masked {many} and got “{replacement}”; the {who} needed {best}. You beat the algorithm."
    if count == best:
        return f"You masked {many} and got “{replacement}”, as few as the smallest set {where}."
    return f"You masked {many} and got “{replacement}”; {best} would do."


def sets_panel(explanation: Any, noun: str) -> dict:
    """The sets found as buttons that load them as the reader's mask."""
    items = []
    for number, one in enumerate(explanation.sets[:12]):
        letter, units = chr(65 + number), ", ".join(explanation.named(one))
        said = f"Mask set {letter}: {units}; the model then says {one.replacement}"
        text = f"{letter}: {units} → {one.replacement} ({percent(one.probability)})"
        items.append({"id": number, "text": text, "label": said, "pressed": False})
    more = f", the first {len(items)} here" if len(items) < len(explanation.sets) else ""
    where = " in the graph" if all(one.within_graph for one in explanation.sets) else ""
    title = f"Sets found{where}: {len(explanation.sets)}{more}"
    if not items:
        return {"kind": "list", "title": "No set found", "items": list(explanation.failures) or ["nothing"]}
    return {"kind": "chips", "name": "use", "title": title, "label": title, "items": items, "column": True}


def proof_text(explanation: Any, noun: str) -> str:
    """Whether the sets are proved to be smallest."""
    if not explanation.sets:
        return ""
    if len(explanation.sets[0].units) == 1:
        return f"No smaller set exists: it is one {noun}."
    if explanation.certified is True:
        return f"Proved: no set of fewer {noun}s changes the prediction."
    if explanation.certified is False:
        smaller = ", ".join(explanation.named(explanation.smaller[0]))
        return f"A smaller set outside the graph does it too: {smaller}."
    return f"Whether fewer {noun}s would do was not proved."


def details_of(pag: PAG, drawing: Drawing, alpha: float, most: int = 4) -> dict[str, str]:
    """What to say of an edge or a node that is pointed at: p-values, what separates a node from others."""
    p = np.full(pag.marks.shape, np.nan) if pag.p_values is None else pag.p_values
    nodes = pag.nodes or ()
    labels = dict(zip(nodes, distinct(map(pag.label, nodes)), strict=True))
    name = {box.index: box.label for box in drawing.scene.boxes}
    details = {}
    for curve in drawing.scene.curves:
        known = "" if np.isnan(p[curve.a, curve.b]) else f" Largest p: {p[curve.a, curve.b]:.2g}."
        none = f" No separating set was found at α = {alpha:g}."
        details[f"e{curve.a}-{curve.b}"] = curve.sentence + known + none
    for i in name:
        apart = [j for j in name if j != i and not pag.marks[i, j]]
        told = []
        for j in sorted(apart, key=lambda j: np.nan_to_num(p[i, j], nan=1.0))[:most]:
            pair = nodes[min(i, j)], nodes[max(i, j)]
            given = [labels[z] for z in pag.separating_sets.get(pair, ())]
            known = "" if np.isnan(p[i, j]) else f" (p = {p[i, j]:.2g})"
            told.append(f"{name[j]}{' given ' + ', '.join(given) if given else ''}{known}")
        count = int(np.count_nonzero(pag.marks[i]))
        rest = f" Independent of {'; '.join(told)}{' …' if len(apart) > most else ''}." if told else ""
        details[f"n{i}"] = f"{name[i]}: {count} edge{'s' * (count != 1)}.{rest}"
    return details


def explanation_view(asked: Asked, state: dict, noun: str, controls: tuple, title: str) -> View:
    """The picture of one state: graph, sets, the reader's mask and what it does."""
    input, target = state["input"], state["target"]
    explanation = asked.explanation(input, target, state["head"], state["alpha"], state["prove"])
    encoded = asked.encoded(input, target)
    mask = tuple(sorted(position for position in state["mask"] if position < len(explanation.units)))
    outputs, masked = asked.outputs(input, target, ()), asked.outputs(input, target, mask)
    replacement = asked.model.label(encoded.predicted(masked))
    flipped = encoded.predicted(masked) != encoded.target

    head = explanation.best_head
    pag = replace(explanation.pags[head], labels=node_names(explanation))
    node = dict(zip(explanation.in_graph, pag.nodes, strict=False))
    letters = {chr(65 + number): one for number, one in enumerate(explanation.sets[:26])}
    shown = {letter: one for letter, one in letters.items() if head in one.heads}
    chosen = parse_key(state["selected"])
    most = MOST_EDGES if state["whole"] else NEAR_EDGES
    places = asked.positions(input, target, *state["arranged"], most if len(pag) > MANY_NODES else None)
    drawing = draw(
        pag,
        outcome=pag.nodes[-1],
        sets={letter: [node[p] for p in one.positions] for letter, one in list(shown.items())[:6]},
        masked=[node[p] for p in mask if p in node],
        groups=explanation.node_groups,
        max_edges=most,
        positions=moved(places, pag.nodes, state["placed"]),
        title=f"Causal graph of head {head} around “{explanation.target}”",
    )
    fixed = set(range(len(encoded.units))) - set(maskable(encoded))
    if encoded.predicted(outputs) == encoded.target:
        score = score_text(explanation, mask, flipped, replacement, noun)
    else:
        score = f"Nothing to beat: with no mask the model says “{explanation.prediction}” already."
    bars = change_bars(outputs, masked, asked.model.label, encoded)
    attends = f"In head {head}, “{{word}}” attends most to: {{links}}."
    panels = [
        {
            **chips_panel(explanation, mask, title, fixed, asked.attention(input, target)[head]),
            "said": attends,
        },
        {"kind": "text", "name": "score", "text": score, "strong": True},
        {"kind": "bars", "title": "Probability", "items": bars},
        sets_panel(explanation, noun),
    ]
    notes = [proof_text(explanation, noun), *explanation.notes]
    panels += [{"kind": "text", "text": note} for note in notes if note]
    if state["heads"]:
        panels += asked.all_heads(
            input, target, state["alpha"], state["prove"], tuple(state["arranged"]), head
        )
    cost = f"{explanation.model_calls} model calls, {explanation.seconds:.2f} s"
    status = f"{_first_sentences(explanation)} Graph of head {head}, α = {state['alpha']:g} ({cost})."
    return View.of(
        drawing,
        controls=controls,
        panels=tuple(panels),
        details=details_of(pag, drawing, state["alpha"]),
        selected=state["selected"] if len(chosen) == 2 else None,
        detail=f"Point at an edge to read it; choose a {noun} to mask it.",
        status=status + (f" {drawing.caption}" if drawing.caption else ""),
        data={
            "prediction": explanation.prediction,
            "mask": [explanation.units[p] for p in mask],
            "prediction_with_mask": replacement,
            "sets": [list(one.units) for one in explanation.sets],
        },
    )


def _first_sentences(explanation: Any) -> str:
    text = f"The model {'recommends' if explanation.task == 'recommendation' else 'predicts'} "
    text += f"“{explanation.prediction}” ({percent(explanation.probability)})."
    if explanation.sets:
        one = explanation.sets[0]
        text += f" With {quoted(explanation.named(one))} masked: “{one.replacement}”."
    return text
