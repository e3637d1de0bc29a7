"""The explanation explorer: type a text, see the graph around the outcome, mask words, beat the algorithm.

`Asked` puts questions to a model and remembers the answers; the functions below turn the answers of one state
into a `View`. The recommendation explorer shares all of it.
"""

from functools import lru_cache

import numpy as np

from ..causal.graphs import distinct
from ..drawing.draw import draw
from ..drawing.html import percent
from ..explaining.search import explain
from .explorer import (
    MOST_EDGES,
    NEAR_EDGES,
    Explorer,
    View,
    buttons,
    choice,
    slider,
    switch,
    text_area,
)
from .threshold import parse_key

ALPHAS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)
BEST = "best"  # search all heads, show the graph of the best one


class Asked:
    """A model and what it answered: explanations and probabilities under masks, each asked once.

    Parameters
    ----------
    model
        See `cleann_lite.protocol.Model`.
    **settings
        For every call of `explain`.
    """

    def __init__(self, model, **settings):
        self.model, self.settings = model, settings
        self.encoded = lru_cache(maxsize=64)(self._encoded)
        self.explanation = lru_cache(maxsize=128)(self._explanation)
        self.outputs = lru_cache(maxsize=512)(self._outputs)
        self.positions = lru_cache(maxsize=64)(self._positions)

    def _encoded(self, input, target):
        return self.model.encode(_plain_input(input), target=target, units="words")

    def _explanation(self, input, target, head, alpha, prove):
        heads = "all" if head == BEST else int(head)
        options = {**self.settings, "certify": prove}
        return explain(self.model, _plain_input(input), target=target, heads=heads, alpha=alpha, **options)

    def _outputs(self, input, target, mask):
        return np.asarray(self.model.predict(self.encoded(input, target), [mask])[0], dtype=np.float64)

    def _positions(self, input, target, head, alpha):
        explanation = self.explanation(input, target, head, alpha, False)
        pag = explanation.pags[explanation.best_head]
        return draw(pag, outcome=pag.nodes[-1], max_edges=None).positions

    def heads(self, input, target):
        """Number of heads of the last layer."""
        return len(self.model.attention(self.encoded(input, target)))


def _plain_input(input):
    return input if isinstance(input, str) else list(input)


def place_to_explain(model, text, target=None):
    """The outcome to start with: for a masked-word model the number of a word, else the target as it is.

    Without a target it is the mask token in the text, or the longest word.
    """
    if model.task != "masked-word" or isinstance(target, int):
        return target
    if target is not None:
        encoded = model.encode(text, target=target)
        place = set(encoded.outcome_positions)
        return next(unit for unit, positions in enumerate(encoded.positions) if place & set(positions))
    try:
        units = model.encode(text, target=0).units
    except ValueError:  # the picture says what is wrong with the text
        return 0
    if model.mask_token in units:
        return units.index(model.mask_token)
    return max(range(len(units)), key=lambda unit: len(units[unit]))


# --- one state -----------------------------------------------------------------------------------


def set_letters(explanation):
    """Letters of the sets that each unit belongs to: position -> "AB"."""
    found = {}
    for number, one in enumerate(explanation.sets[:26]):
        for position in one.positions:
            found[position] = found.get(position, "") + chr(65 + number)
    return found


def chips_panel(explanation, mask, title, fixed=()):
    """The units of the input as switches; those of the sets carry their letters."""
    letters = set_letters(explanation)
    items = []
    for position, unit in enumerate(explanation.units):
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
            }
        )
    return {"kind": "chips", "name": "toggle", "title": title, "label": title, "items": items, "above": True}


def change_bars(outputs, masked, label, target, limit=5):
    """Probabilities with nothing masked and under the mask, as two lists of bars: the likeliest of each."""
    names = list(np.argsort(-outputs, kind="stable")[:limit])
    names += [i for i in np.argsort(-masked, kind="stable")[: max(1, limit - 2)] if i not in names]
    top = int(masked.argmax())
    items = []
    for i in names:
        before, now = outputs[i], masked[i]
        note = f"{now:.1%}" if np.allclose(outputs, masked) else f"{before:.1%} → {now:.1%}"
        mark = " (explained)" if i == target else ""
        name = f"{label(int(i))}{mark}"
        items.append({"text": name, "value": float(now), "note": note, "strong": int(i) == top})
    return items


def score_text(explanation, mask, flipped, replacement, noun):
    """How one's own mask compares with the smallest sets that were found."""
    count = len(mask)
    many = f"{count} {noun}{'s' * (count != 1)}"
    best = len(explanation.sets[0].positions) if explanation.sets else None
    if not count:
        if best is None:
            return f"Click {noun}s to mask them: can you change the prediction?"
        if best == 1:
            return f"The smallest sets in the graph have 1 {noun}. Can you find another {noun} that does it?"
        return f"The smallest sets in the graph have {best} {noun}s. Can you do with fewer?"
    if not flipped:
        return f"You masked {many}: the prediction stands."
    if best is None:
        return f"You masked {many} and got “{replacement}”. The graph offered no set: you beat the algorithm."
    if count < best:
        return f"You masked {many} and got “{replacement}”; the graph needed {best}. You beat the algorithm."
    if count == best:
        return f"You masked {many} and got “{replacement}”, as few as the smallest set in the graph."
    return f"You masked {many} and got “{replacement}”; {best} would do."


def sets_panel(explanation, noun):
    """The minimal sets as buttons that load them as one's own mask."""
    items = []
    for number, one in enumerate(explanation.sets[:12]):
        letter, units = chr(65 + number), ", ".join(one.units)
        said = f"Mask set {letter}: {units}; the model then says {one.replacement}"
        text = f"{letter}: {units} → {one.replacement} ({percent(one.probability)})"
        items.append({"id": number, "text": text, "label": said, "pressed": False})
    more = f", the first {len(items)} here" if len(items) < len(explanation.sets) else ""
    title = f"Smallest sets found: {len(explanation.sets)}{more}"
    if not items:
        return {"kind": "list", "title": "No set found", "items": list(explanation.failures) or ["nothing"]}
    return {"kind": "chips", "name": "use", "title": title, "label": title, "items": items, "column": True}


def proof_text(explanation, noun):
    """Whether the sets are proved to be minimal."""
    if not explanation.sets:
        return ""
    if len(explanation.sets[0].units) == 1:
        return f"No smaller set exists: it is one {noun}."
    if explanation.certified is True:
        return f"Proved: no set of fewer {noun}s changes the prediction."
    if explanation.certified is False:
        smaller = ", ".join(explanation.smaller[0].units)
        return f"A smaller set outside the graph does it too: {smaller}."
    return f"Whether fewer {noun}s would do was not proved."


def explanation_view(asked, state, noun, controls, title):
    """The picture of one state: graph, sets, one's own mask and what it does."""
    input, target = state["input"], state["target"]
    explanation = asked.explanation(input, target, state["head"], state["alpha"], state["prove"])
    encoded = asked.encoded(input, target)
    mask = tuple(sorted(position for position in state["mask"] if position < len(explanation.units)))
    outputs, masked = asked.outputs(input, target, ()), asked.outputs(input, target, mask)
    replacement = asked.model.label(int(masked.argmax()))
    flipped = int(masked.argmax()) != encoded.target

    head = explanation.best_head
    pag = explanation.pags[head]
    node = dict(zip(explanation.nodes, pag.nodes, strict=False))
    letters = {chr(65 + number): one for number, one in enumerate(explanation.sets[:26])}
    shown = {letter: one for letter, one in letters.items() if head in one.heads}
    chosen = parse_key(state["selected"])
    drawing = draw(
        pag,
        outcome=pag.nodes[-1],
        sets={letter: [node[p] for p in one.positions] for letter, one in list(shown.items())[:6]},
        masked=[node[p] for p in mask if p in node],
        max_edges=MOST_EDGES if state["whole"] else NEAR_EDGES,
        positions=asked.positions(input, target, *state["arranged"]),
        title=f"Causal graph of head {head} around “{explanation.target}”",
    )
    fixed = {u for u, p in enumerate(encoded.positions) if set(p) & set(encoded.outcome_positions)}
    if int(outputs.argmax()) == encoded.target:
        score = score_text(explanation, mask, flipped, replacement, noun)
    else:
        score = f"Nothing to beat: with no mask the model says “{explanation.prediction}” already."
    bars = change_bars(outputs, masked, asked.model.label, encoded.target)
    panels = [
        chips_panel(explanation, mask, title, fixed),
        {"kind": "text", "name": "score", "text": score, "strong": True},
        {"kind": "bars", "title": "Probability", "items": bars},
        sets_panel(explanation, noun),
    ]
    notes = [proof_text(explanation, noun), *explanation.notes]
    panels += [{"kind": "text", "text": note} for note in notes if note]
    cost = f"{explanation.model_calls} model calls, {explanation.seconds:.2f} s"
    status = f"{_first_sentences(explanation)} Graph of head {head}, α = {state['alpha']:g} ({cost})."
    return View.of(
        drawing,
        controls=controls,
        panels=tuple(panels),
        details={f"e{c.a}-{c.b}": c.sentence for c in drawing.scene.curves},
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


def _first_sentences(explanation):
    text = f"The model {'recommends' if explanation.task == 'recommendation' else 'predicts'} "
    text += f"“{explanation.prediction}” ({percent(explanation.probability)})."
    if explanation.sets:
        one = explanation.sets[0]
        text += f" With {' and '.join(f'“{u}”' for u in one.units)} masked: “{one.replacement}”."
    return text


class MaskingExplorer(Explorer):
    """What the explorers of texts and of histories share: one's own mask, and the sets as a start."""

    noun = "word"

    def __init__(self, model, **state):
        self.asked = Asked(model)
        state = {"head": BEST, "alpha": 0.01, "prove": False, "whole": False, "target": None, **state}
        state |= {"mask": (), "selected": None}
        super().__init__(**state, arranged=(state["head"], state["alpha"]))

    def fresh(self, state):
        """The state for another input: an empty mask, another arrangement."""
        arranged = (state["head"], state["alpha"])
        return {**state, "mask": (), "selected": None, "arranged": arranged}

    def changed(self, state, name):
        return {**state, "arranged": (state["head"], state["alpha"])} if name == "head" else state

    def reduce(self, state, event):
        name, item = event["name"], event["item"]
        if name == "toggle":
            mask = set(state["mask"]) ^ {int(item)}
            return {**state, "mask": tuple(sorted(mask))}
        if name == "use":
            explanation = self.explanation_of(state)
            return {**state, "mask": explanation.sets[int(item)].positions}
        if name == "clear":
            return {**state, "mask": ()}
        if name == "arrange":
            return {**state, "arranged": (state["head"], state["alpha"])}
        if name == "select":
            return self._select(state, item)
        return state

    def _select(self, state, key):
        """A word of the graph is masked, or unmasked, when it is chosen; an edge is only looked at."""
        chosen = parse_key(key)
        if len(chosen) == 1:
            nodes = self.explanation_of(state).nodes
            if chosen[0] < len(nodes):
                return {**state, "mask": tuple(sorted(set(state["mask"]) ^ {nodes[chosen[0]]}))}
            return state
        return {**state, "selected": None if key == state["selected"] else key}

    def explanation_of(self, state):
        """The explanation behind a state."""
        return self.asked.explanation(
            state["input"], state["target"], state["head"], state["alpha"], state["prove"]
        )

    def shared_controls(self, state):
        """Controls of the graph and of one's own mask."""
        heads = self.asked.heads(state["input"], state["target"])
        texts = ("all, the best shown", *[f"only {h}" for h in range(heads)])
        return (
            slider("alpha", "Significance level α", ALPHAS, state["alpha"], "{:g}".format),
            choice("head", "Heads", (BEST, *range(heads)), state["head"], texts),
            switch("prove", "Prove that none is smaller", state["prove"]),
            switch("whole", "Whole graph", state["whole"]),
            buttons(
                "buttons",
                "Mask and arrangement",
                [
                    ("clear", "Unmask all", None, not state["mask"]),
                    ("arrange", "Arrange again", "Place the words anew", False),
                ],
            ),
        )


class ExplanationExplorer(MaskingExplorer):
    """Explain a text and try to do better: the graph, the minimal sets, and a mask of one's own.

    Parameters
    ----------
    model
        From ``load_model``: a text classifier, a masked-word model or a decoder.
    text : str, optional
        Where to start; the first example otherwise.
    examples : dict of str to str, optional
        Name -> text to choose from; the package's reviews otherwise.
    target : optional
        The outcome: a class; for a masked-word model the word, or its index. None takes the prediction; for a
        masked-word model the mask token in the text, or else its longest word.
    alpha, head
        Where the controls stand at first; head counts from 0, "best" searches all.
    """

    name = "explanation"
    title = "Which words made the prediction?"
    hint = (
        "Click words (in the text or in the graph) to mask them and watch the probability. Words with a "
        "letter belong to a smallest set that changes the prediction."
    )

    def __init__(self, model, text=None, *, examples=None, target=None, alpha=0.01, head=BEST):
        if model.task == "recommendation":
            raise ValueError(f"a model of texts is needed: {model.name} recommends (RecommendationExplorer)")
        if examples is None:
            from ..datasets.shipped import load_reviews

            reviews = load_reviews()
            examples = {f"{one['kind']}: {_opening(one['text'])}": one["text"] for one in reviews}
        self.examples = dict(examples)
        if text is None:
            text = next(iter(self.examples.values()), "")
        example = next((name for name, value in self.examples.items() if value == text), "")
        target = place_to_explain(model, text, target)
        super().__init__(model, input=text, example=example, target=target, alpha=alpha, head=head)

    def changed(self, state, name):
        if name == "example":
            state = {**state, "input": self.examples.get(state["example"], state["input"])}
        if name == "input":
            state = {**state, "example": ""}
        if name in ("example", "input"):
            return self.fresh({**state, "target": place_to_explain(self.asked.model, state["input"])})
        if name == "target":
            return self.fresh(state)
        return super().changed(state, name)

    def render(self, state):
        names = ("", *self.examples)
        texts = ("(your own text)", *self.examples)
        controls = (
            choice("example", "Example", names, state["example"], texts, hidden=not self.examples),
            text_area("input", "Text", state["input"]),
            self._outcome_control(state),
            *self.shared_controls(state),
        )
        state = {**state, "arranged": tuple(state["arranged"])}
        return explanation_view(self.asked, state, self.noun, controls, "Your text: click a word to mask it")

    def _outcome_control(self, state):
        model = self.asked.model
        if model.task == "masked-word":
            units = self.asked.encoded(state["input"], state["target"]).units
            return choice("target", "Word to explain", range(len(units)), state["target"], distinct(units))
        labels = list(getattr(model, "labels", ()))
        texts = ("the prediction", *labels)
        return choice("target", "Outcome", (None, *labels), state["target"], texts, hidden=not labels)


def _opening(text, limit=48):
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
