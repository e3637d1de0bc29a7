"""The recommendation explorer: build a history, see what is recommended, and which films made it so."""

from dataclasses import replace

import numpy as np

from ..drawing.view import buttons, choice, entry
from ..explaining.interactive import BEST, explanation_view
from ..models.titles import Catalogue, plain
from .explaining import MaskingExplorer


def offers(titles, query, taken=(), limit=8):
    """Titles that fit what was typed so far: those that begin so first, then those that hold it.

    >>> offers(["Toy Story (1995)", "The Matrix (1999)", "Toys (1992)"], "toy")
    ['Toys (1992)', 'Toy Story (1995)']
    >>> offers(["Toy Story (1995)"], "  ")
    []
    """
    key = plain(query)
    if not key:
        return []
    fitting = []
    for title in titles:
        simple = plain(title)
        if key in simple and title not in taken:
            begins = simple.startswith(key) or simple.startswith(f"the {key}")
            fitting.append((not begins, len(title), title))
    return [title for _, _, title in sorted(fitting)[:limit]]


def ranking(outputs, masked, titles, k):
    """Rows of the list: place, title, probability, and its place and probability under the mask."""
    now = np.empty(len(masked), dtype=int)
    now[np.argsort(-masked, kind="stable")] = np.arange(1, len(masked) + 1)
    rows = []
    for place, film in enumerate(np.argsort(-outputs, kind="stable")[:k], start=1):
        rows.append([place, titles[film], f"{outputs[film]:.2%}", f"{now[film]}", f"{masked[film]:.2%}"])
    return rows


class RecommendationExplorer(MaskingExplorer):
    """Explain a recommendation: the history, the top of the list, the films behind it, the replacement.

    Parameters
    ----------
    model
        From ``load_model("pocket-bert4rec")``.
    history : list of str or str, optional
        Titles, oldest first, or one text with titles between semicolons; the first example otherwise.
    examples : dict of str to list of str, optional
        Name -> history to choose from; the package's histories otherwise.
    k : int
        Length of the list.
    alpha, head
        First values of the controls.
    """

    name = "recommendation"
    title = "Which films made the recommendation?"
    hint = (
        "Type a title to add a film. Click a film to mask it and watch the list. Films with a letter belong "
        "to a set that was found: with all of it masked, another film comes first."
    )
    noun = "film"

    def __init__(self, model, history=None, *, examples=None, k=8, alpha=None, head=BEST):
        if examples is None:
            from ..datasets.shipped import load_histories

            examples = {one["name"]: one["titles"] for one in load_histories()}
        self.examples, self.k = {name: tuple(titles) for name, titles in examples.items()}, k
        if model.task != "recommendation":
            raise ValueError(f"a recommender is needed: {model.name} is for {model.task}")
        history = next(iter(self.examples.values()), ()) if history is None else history
        if isinstance(history, str):
            history = [title for title in history.split(";") if title.strip()]
        self.films: Catalogue = model.films
        titles = tuple(self.films.titles[self.films.find(title)] for title in history)
        example = next((name for name, films in self.examples.items() if films == titles), "")
        super().__init__(model, input=titles, example=example, query="", alpha=alpha, head=head)

    def changed(self, state, name):
        if name == "example":
            films = self.examples.get(state["example"], state["input"])
            return self.fresh({**state, "input": tuple(films)})
        if name == "target":
            return self.fresh(state)
        return super().changed(state, name)

    def reduce(self, state, event):
        if event["name"] == "add":
            title = self.films.titles[self.films.find(event["item"])]
            if title in state["input"]:
                raise ValueError(f"{title} is in the history already")
            history = (*state["input"], title)
            return self.fresh({**state, "input": history, "example": "", "query": "", "target": None})
        if event["name"] == "drop":
            kept = tuple(film for i, film in enumerate(state["input"]) if i not in state["mask"])
            if not kept:
                raise ValueError("the history would be empty: at least one film is needed")
            return self.fresh({**state, "input": kept, "example": "", "target": None})
        return super().reduce(state, event)

    def render(self, state):
        history = tuple(state["input"])
        state = {**state, "input": history, "arranged": tuple(state["arranged"])}
        names = ("", *self.examples)
        found = offers(self.films.titles, state["query"], history)
        drop = ("drop", "Remove masked films for good", None, not state["mask"])
        controls = (
            choice("example", "Example", names, state["example"], ("(your own history)", *self.examples)),
            entry("query", "Add a film", found, "Add", state["query"]),
            *self.shared_controls(state),
            buttons("history", "History", [drop], at="words"),
        )
        title = "Your history, oldest first: click a film to mask it"
        view = explanation_view(self.asked, state, self.noun, controls, title)
        outputs = self.asked.outputs(history, state["target"], ())
        masked = self.asked.outputs(history, state["target"], tuple(sorted(state["mask"])))
        items = [{"id": title, "text": title, "label": f"Add {title}", "pressed": False} for title in found]
        chips = {"kind": "chips", "name": "add", "title": "Films that fit: click to add", "items": items}
        offered = ({**chips, "label": chips["title"], "above": True},) if items else ()
        table = {
            "kind": "table",
            "name": "list",
            "title": "The list, and where your mask moves it",
            "columns": ("", "Film", "Probability", "Place now", "Now"),
            "rows": ranking(outputs, masked, self.films.titles, self.k),
            "below": True,
        }
        return replace(view, panels=(*offered, *view.panels, table))
