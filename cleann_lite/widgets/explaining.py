"""The explanation explorer: type a text, see the graph around the outcome, mask words, beat the algorithm."""

from ..causal.graphs import distinct
from ..drawing.view import buttons, choice, parse_key, slider, switch, text_area
from ..explaining.interactive import ALPHAS, BEST, Asked, explanation_view
from ..explaining.live import states
from ..explaining.search import explain
from ..explaining.settings import GraphSettings
from .explorer import AGAIN, Explorer


def place_to_explain(model, text, target=None):
    """The outcome to start with: for a masked-word model the number of a word, else the target as it is.

    Without a target it is the mask token in the text, or the longest word.
    """
    if model.task != "masked-word" or isinstance(target, int):
        return target
    if target is not None:
        encoded = model.encode(text, target=target)
        place = set(encoded.outcome_tokens)
        return next(unit for unit, own in enumerate(encoded.tokens) if place & set(own))
    try:
        units = model.encode(text, target=0).units
    except ValueError:  # the picture says what is wrong with the text
        return 0
    if model.mask_token in units:
        return units.index(model.mask_token)
    return max(range(len(units)), key=lambda unit: len(units[unit]))


class MaskingExplorer(Explorer):
    """What the explorers of texts and of histories share: the reader's mask, and the sets as a start."""

    noun = "word"

    def stored_states(self):
        return states(self.explanation_of(self.state))

    def __init__(self, model, **state):
        self.asked = Asked(explain, model, self.report, search="cleann")
        state |= {"alpha": GraphSettings(alpha=state["alpha"]).of(model).alpha}
        state = {"head": BEST, "prove": False, "whole": False, "heads": False, "target": None, **state}
        state |= {"mask": (), "selected": None, "placed": {}}
        super().__init__(**state, arranged=(state["head"], state["alpha"]))

    def fresh(self, state):
        """The state for another input: an empty mask, another arrangement."""
        arranged = (state["head"], state["alpha"])
        return {**state, "mask": (), "selected": None, "arranged": arranged, "placed": {}}

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
            in_graph = self.explanation_of(state).in_graph
            if chosen[0] < len(in_graph):
                return {**state, "mask": tuple(sorted(set(state["mask"]) ^ {in_graph[chosen[0]]}))}
            return state
        return {**state, "selected": None if key == state["selected"] else key}

    def explanation_of(self, state):
        """The explanation behind a state."""
        return self.asked.explanation(
            state["input"], state["target"], state["head"], state["alpha"], state["prove"]
        )

    def shared_controls(self, state):
        """Controls of the graph and of the reader's mask."""
        heads = self.asked.heads(state["input"], state["target"])
        texts = ("the best of all", *[f"only {h}" for h in range(heads)])
        return (
            slider("alpha", "Significance level α", ALPHAS, state["alpha"], "{:g}".format),
            choice("head", "Heads", (BEST, *range(heads)), state["head"], texts),
            switch("prove", "Prove that none is smaller", state["prove"], at="side"),
            switch("whole", "Whole graph", state["whole"], at="picture"),
            switch("heads", "All heads side by side", state["heads"], hidden=heads == 1, at="picture"),
            AGAIN,
            buttons("unmask", "Your mask", [("clear", "Unmask all", None, not state["mask"])], at="words"),
        )


class ExplanationExplorer(MaskingExplorer):
    """Explain a text and try to do better: the graph, the sets found, and your own mask.

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
        First values of the controls; head counts from 0, "best" searches all.
    """

    name = "explanation"
    title = "Which words made the prediction?"
    hint = (
        "Click words (in the text or in the graph) to mask them and watch the probability. Words with a "
        "letter belong to a set that was found: with all of it masked, the prediction changes."
    )

    def __init__(self, model, text=None, *, examples=None, target=None, alpha=None, head=BEST):
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
            text_area("input", "Text", state["input"], rows=1),
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
