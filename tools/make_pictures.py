"""Draw the README's pictures: a review with its words masked, the graph behind it, the threshold moving."""

from dataclasses import replace
from pathlib import Path

import cleann_lite as cl
from cleann_lite.drawing.draw import draw
from cleann_lite.drawing.html import FONT, LIGHT, escape, percent
from cleann_lite.drawing.svg import box_svg, edge_svg

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REVIEWS = (
    "What a dreary mess, for all its wonderful cast.",
    "A talented director and a great score, and yet the film is a dreary mess.",
    "The plot is thin but the actors are wonderful.",
)
LEVELS = (1e-6, 1e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1)
MIDDLE = 0.01
SECONDS = 0.9  # that one level of the animation is shown


def causes(found):
    """Whether every word of the first set may cause the outcome, in the graph that is drawn."""
    pag = found.pag_of()
    ancestors = pag.possible_ancestors[:, -1]
    place = dict(zip(found.in_graph, range(len(found.in_graph)), strict=True))
    return all(unit in place and ancestors[place[unit]] for unit in found.sets[0].positions)


def example(model):
    """The first review whose smallest set is proved, of two words or more, all of them possible causes."""
    tried = [cl.explain(model, review) for review in REVIEWS]
    proved = [found for found in tried if found.success and found.certified]
    fitting = [found for found in proved if causes(found) and len(found.sets[0].units) > 1]
    return (fitting or [found for found in proved if causes(found)] or proved)[0]


def strip(found):
    """The review, what the model says of it, the words masked, what it says then: SVG text."""
    one, width = found.sets[0], 860
    parts = [
        _line(found, (), 42),
        _bar(62, found.prediction, found.probability),
        f'<text x="24" y="126" font-size="13" fill="{LIGHT["grey"]}">Mask '
        f"{'one word' if len(one.units) == 1 else f'{len(one.units)} words'}, ask the model again:</text>",
        _line(found, one.positions, 156),
        _bar(176, one.replacement, one.probability),
    ]
    said = (
        f"“{found.input}” The model says {found.prediction}, {percent(found.probability)}. With "
        f"{' and '.join(one.units)} masked it says {one.replacement}, {percent(one.probability)}."
    )
    return _svg(width, 214, "What made the prediction", said, parts)


def _svg(width, height, title, description, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
        f'viewBox="0 0 {width} {height}" aria-labelledby="t d" font-family="{FONT}" font-size="13">'
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(description)}</desc>'
        f'<rect width="{width}" height="{height}" rx="8" fill="{LIGHT["paper"]}"/>{"".join(parts)}</svg>\n'
    )


def _line(found, masked, y):
    """The review in one line, its masked words struck."""
    text, end, parts = found.input, 0, []
    for position, unit in enumerate(found.units):
        start = text.index(unit, end)
        parts.append(escape(text[end:start]))
        strike = f' text-decoration="line-through" fill="{LIGHT["set1"]}" font-weight="700"'
        parts.append(f"<tspan{strike if position in masked else ''}>{escape(unit)}</tspan>")
        end = start + len(unit)
    words = "".join([*parts, escape(text[end:])])
    return f'<text x="24" y="{y}" font-size="19" fill="{LIGHT["ink"]}" xml:space="preserve">{words}</text>'


def _bar(y, label, share):
    colour = {"negative": LIGHT["vermillion"], "positive": LIGHT["blue"]}.get(label, LIGHT["blue"])
    return (
        f'<rect x="24" y="{y}" width="420" height="16" rx="8" fill="{LIGHT["pale"]}"/>'
        f'<rect x="24" y="{y}" width="{420 * share:.0f}" height="16" rx="8" fill="{colour}"/>'
        f'<text x="458" y="{y + 13}" font-size="16" fill="{LIGHT["ink"]}">the model says '
        f'<tspan font-weight="700">{escape(label)}</tspan>, {percent(share)}</text>'
    )


def animation(found):
    """The graph behind an explanation while α moves, there and back: an SVG that moves by itself."""
    head, frames, before, groups = found.best_head, [*LEVELS, *LEVELS[-2:0:-1]], None, []
    pags = {level: found.again(alpha=level, certify=False).pag_of(head) for level in LEVELS}
    shown = {"outcome": pags[MIDDLE].nodes[-1], "max_edges": None, "legend": False}
    at, whole = draw(pags[MIDDLE], **shown, layout="own").positions, len(frames) * SECONDS
    for number, level in enumerate(frames):
        scene = draw(pags[level], before=before, positions=at, **shown).scene
        before = pags[level]
        states = {"changed": "same", "bold": "same"}
        curves = [
            replace(c, state=states.get(c.state, c.state)) for c in scene.in_order if c.state != "removed"
        ]
        edges = [edge_svg(curve) for curve in curves]
        place = 60 + 400 * LEVELS.index(level) / (len(LEVELS) - 1)
        told = f"α = {level:g}: {len(edges)} edges"
        groups.append(
            f'<g class="f" style="animation-delay:{number * SECONDS - whole:.1f}s">{_lower(edges)}'
            f'<circle cx="{place:.0f}" cy="24" r="8" fill="{LIGHT["blue"]}"/>'
            f'<text x="484" y="29" font-size="15" font-weight="600" fill="{LIGHT["ink"]}">{told}</text></g>'
        )
    rate, middle = 100 / len(frames), 1 + LEVELS.index(MIDDLE)
    parts = [
        f"<style>.f{{visibility:hidden;animation:s {whole:.1f}s steps(1) infinite}}"
        f"@keyframes s{{0%{{visibility:visible}}{rate:.3f}%{{visibility:hidden}}}}"
        f"@media(prefers-reduced-motion:reduce){{.f{{animation:none}}"
        f".f:nth-of-type({middle}){{visibility:visible}}}}</style>",
        f'<rect x="60" y="22" width="400" height="4" rx="2" fill="{LIGHT["pale"]}"/>'
        f'<text x="24" y="29" font-size="15" fill="{LIGHT["grey"]}">α</text>',
        *groups,
        _lower([box_svg(box) for box in scene.boxes]),
    ]
    said = f"The causal graph of head {found.best_head} gains edges as α rises and loses them as it falls."
    return _svg(max(scene.width, 700), scene.height + 44, "Moving the threshold", said, parts)


def _lower(parts):
    return f'<g transform="translate(0 44)">{"".join(parts)}</g>'


def main():
    """Write docs/strip.svg, docs/first_light.svg and docs/thresholds.svg."""
    model = cl.load_model("pocket-sentiment")
    found = example(model)
    pictures = {"strip": strip(found), "first_light": found.to_svg(), "thresholds": animation(found)}
    for name, text in pictures.items():
        path = DOCS / f"{name}.svg"
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(text.encode()):,} bytes")
    print(found)
    told = "are" if causes(found) else "are NOT all"
    print(f"In the picture its words {told} possible causes of the outcome.")


if __name__ == "__main__":
    main()
