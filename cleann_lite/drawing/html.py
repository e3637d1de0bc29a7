"""HTML that all pages, reports and outputs share: escaping, lists in words, tables, pages, and one look.

The look is one table of colours, light and dark. A page follows the reader's system; an output follows the
theme of JupyterLab, VS Code or Colab. Ink and paper are always set together, so that no theme can hide one.
"""

import re

# role -> (light, dark); SVG is written in the light colours, which a page in a dark theme turns
PALETTE = {
    "ink": ("#1f2933", "#e9ecef"),
    "grey": ("#5b6770", "#a9b4bd"),
    "pale": ("#c9d0d6", "#46505a"),
    "frame": ("#8794a0", "#7c8894"),
    "faint": ("#7d8993", "#84909b"),
    "paper": ("#ffffff", "#1c2126"),
    "box": ("#f6f8fa", "#272e35"),
    "inset": ("#fdf1e0", "#3d2f1c"),
    "chosen": ("#e8f3fa", "#16384d"),
    "marked": ("#ffe2a8", "#5c4410"),
    "blue": ("#0072b2", "#56b4e9"),
    "new": ("#00855f", "#3ecf9f"),
    "vermillion": ("#d55e00", "#ff9350"),
    "set1": ("#b84e00", "#ffa35c"),
    "set2": ("#8a5a00", "#e3b95b"),
    "set3": ("#a03c78", "#f0a6d2"),
    "set4": ("#00664b", "#5fd3ae"),
}
LIGHT = {role: pair[0] for role, pair in PALETTE.items()}
FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'Noto Sans', sans-serif"

# what makes an output dark: JupyterLab, VS Code, Colab, a site
_DARK_HOSTS = (
    '[data-jp-theme-light="false"]', '[data-vscode-theme-kind="vscode-dark"]',
    '[data-vscode-theme-kind="vscode-high-contrast"]', '[theme="dark"]', '[data-theme="dark"]',
)  # fmt: skip

_STYLE = """
.cl-doc{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:62rem}
.cl-doc{padding:.7em 1em;border-radius:8px}
.cl-doc :is(h1,h2,h3){margin:.2em 0 .4em;font-weight:600;color:inherit}
.cl-doc p{margin:.4em 0}
.cl-doc .answer{font-size:1.1em}
.cl-doc .text{background:var(--cl-box);border-left:4px solid var(--cl-blue);padding:.7em 1em;margin:.6em 0}
.cl-doc .text{overflow-wrap:anywhere}
.cl mark{background:var(--cl-marked);border-bottom:3px solid var(--cl-vermillion);color:inherit}
.cl mark{font-weight:600}
.cl-doc .wide{overflow-x:auto}
.cl-doc table{border-collapse:collapse;margin:.6em 0;background:none}
.cl-doc tr{background:none!important}
.cl-doc :is(th,td){text-align:left;padding:.25em .9em .25em 0;border:0;border-bottom:1px solid var(--cl-pale)}
.cl .small,.cl figcaption{color:var(--cl-grey);font-size:.9em}
figure.cl-doc,.cl-doc figure{margin:.8em 0}
.cl-scroll{overflow-x:auto}
.cl-scroll>svg{display:block}
@media(max-width:500px){.cl-scroll>svg{max-width:none!important}}
.cl summary{cursor:pointer}
.cl a{color:var(--cl-blue)}
.cl-doc .bar{display:inline-block;width:8em;height:.6em;background:var(--cl-pale);margin-right:.5em}
.cl-doc .bar i{display:block;height:100%;background:var(--cl-blue)}
"""

# nothing is fetched and no text is evaluated, whatever a page holds
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:"

_UNKNOWN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Html(str):
    """Text that is HTML already: `escape` leaves it as it is."""


def known(text):
    """Text with U+FFFD for every character that XML does not know."""
    return _UNKNOWN.sub("\ufffd", str(text))


def escape(text):
    """Text as XML and HTML read it; characters that XML does not know become U+FFFD.

    >>> escape('<script>"&'), escape(Html("<b>"))
    ('&lt;script&gt;&quot;&amp;', '<b>')
    """
    return str(text) if isinstance(text, Html) else known(text).translate(_ENTITIES)


def quoted(units) -> str:
    """Units as a list in words.

    >>> quoted(["dull", "boring", "flat"])
    '“dull”, “boring” and “flat”'
    """
    names = [f"“{u}”" for u in units]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share) -> str:
    """A probability in whole per cent; a small one keeps two digits, since it is not nothing.

    >>> percent(0.947), percent(0.01), percent(0.00423)
    ('95%', '1%', '0.42%')
    """
    return f"{share:.0%}" if share >= 0.01 or not share else f"{100 * share:.2g}%"


def table(columns, rows) -> Html:
    """A table with its head; cells are text, or `Html`. Too wide for its place, it scrolls there."""
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return Html(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def markdown(columns, rows) -> str:
    """A table with its head as Markdown.

    >>> print(markdown(["a", "b"], [[1, 2]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    head, *body = (f"| {' | '.join(map(str, row))} |" for row in (columns, *rows))
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def folded(sentences, summary) -> Html:
    """A list that opens at a click; empty if there is nothing to say."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return Html(f"<details><summary>{escape(summary)}</summary><ul>{items}</ul></details>" if items else "")


def theme() -> str:
    """CSS: the colours of everything inside an element of class ``cl``, light or dark as its surroundings."""
    light, dark = (
        "".join(f"--cl-{role}:{pair[i]};" for role, pair in PALETTE.items()) + f"color-scheme:{scheme}"
        for i, scheme in enumerate(("light", "dark"))
    )
    turned = "".join(
        f'.cl svg [{kind}="{pair[0]}"]{{{kind}:var(--cl-{role})}}'
        for role, pair in PALETTE.items()
        for kind in ("fill", "stroke")
    )
    return (
        f".cl{{{light};color:var(--cl-ink);background:var(--cl-paper)}}"
        f":is({','.join(_DARK_HOSTS)}) .cl{{{dark}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root.cl-page .cl{{{dark}}}"
        f":root.cl-page{{background:{PALETTE['paper'][1]}}}}}{turned}"
    )


def style() -> str:
    """The style element that an output carries along."""
    return f"<style>{theme()}{_STYLE}</style>"


def page(title, body, css="", script="") -> str:
    """A page on its own: nothing is fetched; without ``script`` nothing runs."""
    policy = _POLICY + ("; script-src 'unsafe-inline'" if script else "")
    return (
        f'<!doctype html>\n<html lang="en" class="cl-page"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<title>{escape(title)}</title><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{style()}'
        f"<style>body{{margin:0 auto;padding:1rem}}{css}</style></head>"
        f'<body class="cl cl-doc"><h1>{escape(title)}</h1>{body}{script}</body></html>\n'
    )
