"""An explanation in words and as a page: HTML that stands alone, with no script and no request."""

import html

from ..drawing.draw import draw

STYLE = """
.cl{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:#1b1f24;max-width:60rem}
.cl h2,.cl h3{margin:.2em 0 .4em;font-weight:600}
.cl p{margin:.4em 0}
.cl .answer{font-size:1.1em}
.cl .text{background:#f6f7f9;border-left:4px solid #0072b2;padding:.7em 1em;margin:.6em 0}
.cl .text{overflow-wrap:anywhere}
.cl mark{background:#ffe2a8;border-bottom:3px solid #d55e00;font-weight:600;color:inherit}
.cl table{border-collapse:collapse;margin:.6em 0}
.cl th,.cl td{text-align:left;padding:.25em .9em .25em 0;border-bottom:1px solid #dfe3e8}
.cl .small{color:#57606a;font-size:.9em}
.cl figure{margin:.8em 0}
.cl figcaption{color:#57606a;font-size:.9em}
.cl svg{max-width:100%;height:auto}
.cl summary{cursor:pointer}
.cl .bar{display:inline-block;width:8em;height:.6em;background:#dfe3e8;margin-right:.5em}
.cl .bar i{display:block;height:100%;background:#0072b2}
"""


def escape(text) -> str:
    """Text made safe to stand in HTML, quotes included."""
    return html.escape(str(text), quote=True)


def quoted(units) -> str:
    """Units as a list in words: “dull”, “boring” and “flat”.

    Examples
    --------
    >>> quoted(["dull", "boring", "flat"])
    '“dull”, “boring” and “flat”'
    """
    names = [f"“{u}”" for u in units]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share) -> str:
    """A probability in whole per cent; a small one keeps two digits, since it is not nothing.

    Examples
    --------
    >>> percent(0.947), percent(0.01), percent(0.00423)
    ('95%', '1%', '0.42%')
    """
    return f"{share:.0%}" if share >= 0.01 or not share else f"{100 * share:.2g}%"


def _nouns(explanation):
    return ("film", "films") if explanation.task == "recommendation" else ("word", "words")


def describe(explanation) -> str:
    """An explanation in plain words (see ``Explanation.describe``)."""
    e = explanation
    one, many = _nouns(e)
    verb = "recommends" if e.task == "recommendation" else "predicts"
    lines = [f"The model {verb} “{e.prediction}” ({percent(e.probability)})."]
    if not e.success:
        return " ".join([*lines, "No explanation was found:", "; ".join(e.failures) + "."])
    first = e.sets[0]
    lines.append(
        f"With {quoted(first.units)} masked it {verb} “{first.replacement}” "
        f"({percent(first.probability)}) instead."
    )
    if len(e.sets) > 1:
        lines.append(f"{len(e.sets)} sets of this size do so.")
    size = len(first.units)
    if e.certified is True and size == 1:
        lines.append(f"No smaller set exists: it is one {one}.")
    elif e.certified is True:
        lines.append(f"No set of fewer {many} does so: every one was tried.")
    elif e.certified is False:
        lines.append(f"A smaller set, to which no graph led, does so too: {quoted(e.smaller[0].units)}.")
    else:
        lines.append(f"Whether fewer {many} would do was not proved.")
    lines.append("This explains the model's prediction, not whether it is right.")
    return " ".join(lines)


def graph_svg(explanation, head=None) -> str:
    """SVG of the graph around the outcome in one head; the first set is highlighted."""
    return _drawing(explanation, explanation.best_head if head is None else head).svg


def _drawing(explanation, head):
    pag = explanation.pag_of(head)
    place = {unit: i for i, unit in enumerate(explanation.nodes)}
    found = [s for s in explanation.sets if head in s.heads] or list(explanation.sets)
    marked = [place[u] for u in found[0].positions if u in place] if found else []
    sets = [[pag.nodes[i] for i in marked]] if marked else []
    return draw(pag, outcome=pag.nodes[-1], sets=sets)


def _marked_text(explanation):
    """The input with the units of the first set marked."""
    chosen = set(explanation.sets[0].positions) if explanation.sets else set()
    if not isinstance(explanation.input, str):
        items = [
            f"<mark>{escape(u)}</mark>" if i in chosen else escape(u) for i, u in enumerate(explanation.units)
        ]
        return "<ol><li>" + "</li><li>".join(items) + "</li></ol>"
    text, parts, end = explanation.input, [], 0
    for position, unit in enumerate(explanation.units):
        start = text.find(unit, end)
        if start < 0:
            continue
        parts.append(escape(text[end:start]))
        parts.append(f"<mark>{escape(unit)}</mark>" if position in chosen else escape(unit))
        end = start + len(unit)
    return "".join([*parts, escape(text[end:])])


def _set_rows(explanation):
    one = _nouns(explanation)[0]
    columns = (f"Masked {one}s", "The model then says", "Probability", "Found in head")
    head = "".join(f'<th scope="col">{c}</th>' for c in columns)
    rows = [
        f"<tr><td>{escape(', '.join(s.units))}</td><td>{escape(s.replacement)}</td>"
        f'<td><span class="bar" aria-hidden="true"><i style="width:{100 * s.probability:.0f}%"></i></span>'
        f"{percent(s.probability)}</td><td>{escape(', '.join(map(str, s.heads)) or 'none')}</td></tr>"
        for s in explanation.sets
    ]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""


def fragment(explanation, heading="h3") -> str:
    """One explanation as an HTML fragment: answer, text, sets, graph, the graph in words, cost."""
    e = explanation
    parts = [
        f"<style>{STYLE}</style>" if heading == "h3" else "",
        f'<p class="answer">{escape(describe(e))}</p>',
        f'<div class="text">{_marked_text(e)}</div>',
        _set_rows(e),
    ]
    if e.best_head is not None:
        drawing = _drawing(e, e.best_head)
        words = "".join(f"<li>{escape(s)}</li>" for s in e.pags[e.best_head].describe())
        parts.append(
            f"<figure>{drawing.svg}<figcaption>The causal graph of head {e.best_head} around the outcome, "
            f"“{escape(e.target)}”. {escape(getattr(drawing, 'caption', ''))}</figcaption></figure>"
            f"<details><summary>The whole graph in words</summary><ul>{words}</ul></details>"
        )
    notes = "".join(f"<li>{escape(n)}</li>" for n in e.notes)
    parts.append(f'<ul class="small">{notes}</ul>' if notes else "")
    parts.append(
        f'<p class="small">{escape(e.model)} · {e.model_calls} model calls · {e.seconds:.2f} s · '
        f"α = {escape(e.settings.get('alpha', '–'))}, n = {escape(e.settings.get('n_samples', '–'))}, "
        f"method {escape(e.settings.get('method', '–'))}</p>"
    )
    return f'<section class="cl">{"".join(parts)}</section>'


def page(explanations, title="Why the model said so") -> str:
    """Several explanations as one page of its own."""
    body = "".join(
        f'<article class="cl"><h2>{i}. {escape(e.prediction)}</h2>{fragment(e, heading="h2")}</article>'
        for i, e in enumerate(explanations, 1)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}body{{margin:2rem auto;max-width:62rem;padding:0 1rem}}"
        f"article{{margin-bottom:3rem}}</style></head>"
        f'<body class="cl"><h1>{escape(title)}</h1>'
        f"<p>Each answer was checked by intervention: the named words were masked and the model ran again. "
        f"The graph is the one that the model's own attention implies for this one input.</p>"
        f"{body}</body></html>\n"
    )
