"""An explanation in words and as a page: HTML on its own, with no request; only a live page has a script."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from ..drawing import html
from ..drawing.draw import Drawing, draw
from ..drawing.html import Html, escape, folded, percent, quoted
from ..drawing.live import stored, stored_script
from .settings import FoundBy


def _nouns(explanation: Any) -> tuple[str, str]:
    films = explanation.task == "recommendation"
    units = "films" if films else explanation.settings.get("split_into", "words")
    return units.removesuffix("s"), units


_FOUND = {
    FoundBy.GRAPH: "Found in the graph",
    FoundBy.ALL_WORDS: "Found among all sets of this size",
    FoundBy.BEAM: "Found step by step",
    FoundBy.EXHAUSTIVE: "Found by trying every set",
    FoundBy.RANKING: "Found by ranking",
}


def proof(explanation: Any) -> str:
    """Whether the first set is the smallest, as a sentence: what is proven and what is not."""
    e = explanation
    one, many = _nouns(e)
    if len(e.sets[0].units) == 1:
        return f"no smaller set exists, it is one {one}."
    if e.certified is True:
        return f"no set of fewer {many} does so, every one was tried."
    if e.certified is False:
        return f"but a smaller set does so too, {quoted(e.named(e.smaller[0]))}."
    return f"whether fewer {many} would do was not proved."


def describe(explanation: Any) -> str:
    """An explanation in plain words (see ``Explanation.describe``)."""
    e = explanation
    verb = "recommends" if e.task == "recommendation" else "predicts"
    lines = [f"The model {verb} “{e.prediction}” ({percent(e.probability)})."]
    if not e.success:
        return " ".join([*lines, "No explanation was found:", "; ".join(e.failures) + "."])
    first = e.sets[0]
    lines.append(
        f"With {quoted(e.named(first))} masked it {verb} “{first.replacement}” "
        f"({percent(first.probability)}) instead."
    )
    if len(e.sets) > 1:
        lines.append(f"{len(e.sets)} sets of this size do so.")
    outside = "" if first.within_graph or not e.pags else ", outside the graph"
    lines.append(f"{_FOUND[first.found_by]}{outside}: {proof(e)}")
    lines.append("This explains the model's prediction, not whether it is right.")
    return " ".join(lines)


def graph_svg(explanation: Any, head: int | None = None) -> str:
    """SVG of the graph around the outcome in one head; the first set is highlighted."""
    return _drawing(explanation, explanation.best_head if head is None else head).svg


def _drawing(explanation: Any, head: int | None) -> Drawing:
    pag = explanation.pag_of(head)
    place = {unit: i for i, unit in enumerate(explanation.in_graph)}
    found = [s for s in explanation.sets if head in s.heads] or list(explanation.sets)
    marked = [place[u] for u in found[0].positions if u in place] if found else []
    sets = [[pag.nodes[i] for i in marked]] if marked else []
    return draw(pag, outcome=pag.nodes[-1], sets=sets, groups=explanation.node_groups)


def _marked_text(explanation: Any) -> str:
    """The input, units of the first set marked: films or other items, a text, or each text of a pair."""
    chosen = set(explanation.sets[0].positions) if explanation.sets else set()
    units = [
        f"<mark>{escape(u)}</mark>" if i in chosen else escape(u) for i, u in enumerate(explanation.units)
    ]
    if not isinstance(explanation.input, str) and explanation.groups is None:
        return "<ol><li>" + "</li><li>".join(units) + "</li></ol>"
    texts = [explanation.input] if isinstance(explanation.input, str) else explanation.input
    groups, written = explanation.groups or (0,) * len(units), []
    for number, text in enumerate(texts):
        parts, end = [], 0
        for label, unit, group in zip(explanation.units, units, groups, strict=True):
            start = text.find(label, end) if group == number else -1
            if start >= 0:
                parts += [escape(text[end:start]), unit]
                end = start + len(label)
        written.append("".join([*parts, escape(text[end:])]))
    if len(texts) == 1:
        return written[0]
    return "".join(f"<p>Text {i}: {text}</p>" for i, text in enumerate(written, 1))


def _set_rows(explanation: Any) -> str:
    one = _nouns(explanation)[0]
    columns = (f"Masked {one}s", "The model then says", "Probability", "Found in head")
    rows = [
        (
            ", ".join(explanation.named(s)),
            s.replacement,
            _bar(s.probability),
            ", ".join(map(str, s.heads)) or "none",
        )
        for s in explanation.sets
    ]
    return html.table(columns, rows) if rows else ""


def _bar(share: float) -> Html:
    track = f'<span class="bar" aria-hidden="true"><i style="width:{100 * share:.0f}%"></i></span>'
    return Html(f"{track}{percent(share)}")


def _graph(explanation: Any) -> str:
    """The graph around the outcome with its caption, its notes and the whole graph in words."""
    e, drawing = explanation, _drawing(explanation, explanation.best_head)
    pag = e.pags[e.best_head]
    caption = f"The causal graph of head {e.best_head} around the outcome, “{e.target}”. {drawing.caption}"
    notes = "".join(f"<div>{escape(note)}</div>" for note in pag.notes if note not in e.notes)
    return (
        f'<figure><div class="cl-scroll">{drawing.svg}</div><figcaption>{escape(caption)}{notes}</figcaption>'
        f"</figure>{folded(pag.describe(), 'The whole graph in words')}"
    )


def _body(explanation: Any, states: dict | None = None) -> str:
    """One explanation: answer, text, sets, graph, the graph in words, notes, cost; alive with its states."""
    e = explanation
    settings = ((name, e.settings.get(key, "–")) for name, key in (("α", "alpha"), ("n", "n_samples")))
    told = ", ".join(f"{name} = {value}" for name, value in settings)
    notes = "".join(f"<li>{escape(n)}</li>" for n in e.notes)
    graph = "" if e.best_head is None else _graph(e)
    shown = f'<div class="text">{_marked_text(e)}</div>{_set_rows(e)}{graph}'
    if states is not None:
        shown = f"{stored(states)}<noscript>{shown}</noscript>"
    return (
        f'<p class="answer">{escape(describe(e))}</p>{shown}'
        + (f'<ul class="small">{notes}</ul>' if notes else "")
        + f'<p class="small">{escape(e.model)} · {e.model_calls} model calls · {e.seconds:.2f} s · '
        f"{escape(told)}, method {escape(e.settings.get('method', '–'))}</p>"
    )


def fragment(explanation: Any) -> str:
    """One explanation as HTML for an output, with its own style."""
    return f'{html.style()}<section class="cl cl-doc">{_body(explanation)}</section>'


def page(
    explanations: Sequence, title: str = "Why the model said so", states: Sequence[dict | None] = ()
) -> str:
    """Several explanations as one page; those with ``states`` (`live.states`) answer in it."""
    body = "".join(
        f"<article><h2>{i}. {escape(e.prediction)}</h2>{_body(e, alive)}</article>"
        for i, (e, alive) in enumerate(zip_longest(explanations, states), 1)
    )
    said = (
        "Each answer was checked by intervention: what it names was masked and the model ran again. "
        "The graph was learned from one head's attention to this one input: it proposes, masking decides."
    )
    script = stored_script() if any(alive is not None for alive in states) else ""
    return html.page(title, f"<p>{said}</p>{body}", css="article{margin-bottom:3rem}", script=script)
