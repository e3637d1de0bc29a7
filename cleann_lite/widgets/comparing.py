"""Two explanations side by side: two texts, or two models on one text, and what differs in words."""

import numpy as np

from ..causal.graphs import distinct
from ..drawing.html import percent, style, table
from .explaining import ExplanationExplorer
from .explorer import with_widget


def edges_of(explanation):
    """Pairs of names that are adjacent in the graph that is shown; equal words apart by their subscripts."""
    pag = explanation.pags[explanation.best_head]
    names = distinct(explanation.units)
    names = [*(names[p] for p in explanation.in_graph), "the outcome"]
    return {frozenset((names[a], names[b])) for a, b in np.argwhere(np.triu(pag.marks)).tolist()}


def differences(left, right):
    """Rows (what, left, right) on two explanations."""
    rows = []
    for name, told in (
        ("Model", lambda e: e.model),
        ("Prediction", lambda e: f"{e.prediction} ({percent(e.probability)})"),
        ("First set found", lambda e: ", ".join(e.named(e.sets[0])) if e.sets else "none found"),
        ("With it masked", lambda e: e.sets[0].replacement if e.sets else "–"),
    ):
        rows.append((name, told(left), told(right)))
    one, other = edges_of(left), edges_of(right)
    rows.append(
        ("Edges", f"{len(one)}, {len(one - other)} only here", f"{len(other)}, {len(other - one)} only here")
    )
    same = sorted(" – ".join(sorted(pair)) for pair in one & other)
    shared = f"{len(same)}: {', '.join(same[:6])}{' …' if len(same) > 6 else ''}" if same else "none"
    return [*rows, ("Edges in both graphs", shared, "")]


class ExplanationComparison:
    """Two `ExplanationExplorer` side by side, each with its own controls, and a table of what differs.

    Parameters
    ----------
    models : one model or two
    texts : str or two str
        Two texts for one model, one text for two models, or two of each.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> ExplanationComparison(model, ["A dull film.", "A wonderful film."])  # doctest: +SKIP
    """

    def __init__(self, models, texts, **settings):
        models = list(models) if isinstance(models, list | tuple) else [models]
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not (1 <= len(models) <= 2 and 1 <= len(texts) <= 2):
            raise ValueError(
                f"two explanations are compared: got {len(models)} models and {len(texts)} texts"
            )
        pairs = [(models[i % len(models)], texts[i % len(texts)]) for i in range(2)]
        self.sides = [ExplanationExplorer(model, text, examples={}, **settings) for model, text in pairs]
        self._told = None
        for side in self.sides:
            side.heard.append(self._tell)

    def differences_html(self):
        """The table of what differs, as HTML."""
        shown = [side.explanation_of(side.shown) for side in self.sides]
        return table(("", "Left", "Right"), differences(*shown))

    def _tell(self):
        if self._told is not None:
            self._told.value = self._table()

    def _table(self):
        told = f"<strong>What differs</strong>{self.differences_html()}"
        return f'{style()}<div class="cl cl-doc" role="status">{told}</div>'

    def static_html(self):
        """Both pictures and the table, for where widgets do not run."""
        boxes = "".join(
            f'<div style="flex:1 1 22rem;min-width:0">{s.static_html()}</div>' for s in self.sides
        )
        return f'{self._table()}<div style="display:flex;flex-wrap:wrap;gap:12px">{boxes}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/html": self.static_html(), "text/plain": "Two explanations side by side"}
        try:
            from ipywidgets import HTML, Box, VBox
        except ImportError:
            return bundle
        for side in self.sides:
            side.widget.layout = {"flex": "1 1 420px", "min_width": "0"}
        self._told = HTML(self._table())
        row = Box([side.widget for side in self.sides], layout={"display": "flex", "flex_flow": "row wrap"})
        return with_widget(VBox([self._told, row]), bundle)
