"""Make the course as a web site that works from disk: every notebook executed, an API reference, a search.

``python tools/build_book.py`` writes ``_site/index.html`` and its neighbours; nothing on the pages asks the
network for anything. ``--only 03 05`` makes some notebooks only, ``--out FOLDER`` puts the site elsewhere.
"""

import argparse
import base64
import html
import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build_notebooks
import jupytext
import mistune
import nbformat
from api_pages import api_pages
from bs4 import BeautifulSoup
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from cleann_lite.course.checks import reading
from cleann_lite.drawing.live import stored_script

ROOT = Path(__file__).resolve().parent.parent
STATIC = Path(__file__).resolve().parent / "book"
WIDGET = "application/vnd.jupyter.widget-view+json"
STORE = "from cleann_lite.widgets.explorer import Explorer; Explorer.in_page = True"
DOCUMENTS = ("docs/teaching.md", "docs/prototype_a_variant.md")


def executed(source):
    """One notebook for the book: solved and executed, with the stub shown before each solution.

    Its explorers store their states, so that they answer on the page (see `with_explorers`).
    """
    notebook = build_notebooks.build(source, solved=True)
    if "cleann_lite.widgets" in source.read_text(encoding="utf-8"):
        notebook.cells.insert(0, nbformat.v4.new_code_cell(STORE))
    notebook = build_notebooks.execute(notebook, timeout=600)
    notebook.cells = [cell for cell in notebook.cells if cell.source != STORE]
    read = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    stubs = [cell.source for cell in read.cells if "exercise" in build_notebooks.tags(cell)]
    cells = []
    for cell in notebook.cells:
        if "solution" in build_notebooks.tags(cell):
            cells.append(nbformat.v4.new_code_cell(stubs.pop(0), metadata={"tags": ["exercise"]}))
        cells.append(cell)
    notebook.cells = cells
    return notebook


def with_math(text):
    """Markdown with its TeX replaced by MathML, which browsers show without help; code is left alone."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.S)
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(
            r"\$\$(.+?)\$\$", lambda m: mathml(m[1].strip(), display="block"), parts[k], flags=re.S
        )
        parts[k] = re.sub(r"\$([^$\n]+?)\$", lambda m: mathml(m[1]), parts[k])
    return "".join(parts)


def with_choices(cell):
    """A question on reading as choices to open, each with its reason; any other cell as it is."""
    asked = "question" in build_notebooks.tags(cell) and build_notebooks.QUESTION.search(cell.source)
    if not asked:
        return cell
    right = reading.questions()[asked[1]]["right"]
    folds = "".join(
        f"<details><summary>{letter}</summary>{'Right' if letter == right else 'Not this one'}. "
        f"{mistune.html(reason).strip().removeprefix('<p>').removesuffix('</p>')}</details>"
        for letter, (_, reason) in reading.choices(asked[1]).items()
    )
    return nbformat.v4.new_markdown_cell(f'<div class="choices">{folds}</div>')


def notebook_body(notebook):
    """The notebook as the inner HTML of a page."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_math(
                re.sub(
                    r"\n\[!\[Open in Colab\].*?urlpath=.*?\)\n\[Read .*?\)\n", "\n", cell.source, flags=re.S
                )
            )
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    notebook.cells = [with_choices(cell) for cell in notebook.cells]
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)
    body, _ = exporter.from_notebook_node(notebook)
    soup = BeautifulSoup(body, "html.parser")
    for cell in soup.select(".celltag_solution"):
        details, summary = soup.new_tag("details"), soup.new_tag("summary")
        details["class"], summary.string = "solution", "Solution"
        cell.wrap(details)
        details.insert(0, summary)
    for cell in soup.select(".celltag_setup"):
        cell["class"] = [*cell["class"], "quiet"]
    return soup


def finished(soup, names):
    """Links that stay inside the book, headings with anchors, tables that scroll."""
    for link in soup.find_all("a", href=True):
        target = link["href"].split("#")[0]
        if target.endswith(".ipynb") and "/" not in target and target[:-6] in names:
            link["href"] = link["href"].replace(".ipynb", ".html")
        if target.removeprefix("../") in DOCUMENTS:
            link["href"] = f"{Path(target).stem}.html"
        if "anchor-link" in link.get("class", ()):
            link["aria-label"] = "Link to this section"
    for table in soup.find_all("table"):
        if "wide" not in table.parent.get("class", ()):
            table.wrap(soup.new_tag("div", attrs={"class": "wide"}))
    seen = set()
    for heading in soup.find_all(re.compile("^h[1-6]$")):
        base = (
            re.sub(r"[^a-z0-9]+", "-", heading.get_text(" ").replace("¶", "").lower()).strip("-") or "section"
        )
        identity, n = base, 2
        while identity in seen:
            identity, n = f"{base}-{n}", n + 1
        seen.add(identity)
        heading["id"] = identity
        for anchor in heading.select("a.anchor-link"):
            anchor["href"] = f"#{identity}"
    return soup


def entries(soup, address, page):
    """What the search knows of a page: one record for each section."""
    records, title, anchor, words = [], page, "", []

    def close():
        text = re.sub(r"\s+", " ", " ".join(words)).strip()
        records.append({"page": page, "title": title, "address": f"{address}{anchor}", "text": text[:4000]})

    for element in soup.find_all(["h1", "h2", "h3", "p", "li", "td", "dt", "dd", "pre", "summary"]):
        if element.name in ("h1", "h2", "h3"):
            if words:
                close()
            title = element.get_text(" ").replace("¶", "").strip()
            anchor, words = f"#{element.get('id', '')}", []
        else:
            words.append(element.get_text(" "))
    close()
    return records


def with_explorers(soup):
    """The inner HTML of a page, with the script of its explorers where it has any."""
    alive = soup.select_one(".cl-stored") is not None
    return f"{soup}{stored_script() if alive else ''}"


def turning(navigation, current):
    """Links to the page before and after."""
    place = [address for address, _ in navigation].index(current) if current in dict(navigation) else None
    if place is None:
        return ""
    ends = (("prev", "← ", navigation[place - 1 : place]), ("next", "→ ", navigation[place + 1 : place + 2]))
    links = "".join(
        f'<a rel="{end}" href="{address}">{arrow}{html.escape(name)}</a>'
        for end, arrow, near in ends
        for address, name in near
    )
    return f'<nav class="turn" aria-label="Before and after">{links}</nav>'


def page(title, body, navigation, current):
    """A whole page around its inner HTML."""
    here = ' aria-current="page"'
    links = "".join(
        f'<li><a href="{address}"{here if address == current else ""}>{html.escape(name)}</a></li>'
        for address, name in navigation
    )
    return f"""<!doctype html>
<html lang="en" class="cl-page"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)} · cleann_lite</title>
<link rel="stylesheet" href="pygments.css"><link rel="stylesheet" href="book.css"></head><body>
<a class="skip" href="#main">Skip to the text</a>
<nav class="book" aria-label="The book"><p class="home"><a href="index.html">cleann_lite</a></p>
<form role="search" onsubmit="return false"><label for="search">Search</label>
<input id="search" type="search" autocomplete="off" aria-controls="found"></form>
<div aria-live="polite"><p id="said"></p><ol id="found"></ol></div><ul>{links}</ul></nav>
<main id="main">{body}{turning(navigation, current)}</main>
<script src="search-index.js"></script><script src="search.js"></script></body></html>
"""


def pygments_style():
    from pygments.formatters import HtmlFormatter

    light, dark = (HtmlFormatter(style=s).get_style_defs(".highlight") for s in ("default", "github-dark"))
    return f"{light}\n@media screen and (prefers-color-scheme:dark){{\n{dark}\n}}\n"


def markdown_body(text):
    render = mistune.create_markdown(escape=False, plugins=["table"])
    return BeautifulSoup(render(with_math(text)), "html.parser")


def first_picture(soup):
    """The first picture of a notebook's outputs as a file: (ending, bytes), or None."""
    for found in soup.select("img[src^='data:image/'], figure svg"):
        if found.name == "svg":
            return "svg", str(found).encode()
        kind, _, data = found["src"].removeprefix("data:image/").partition(";base64,")
        return {"svg+xml": "svg"}.get(kind, kind), base64.b64decode(data)
    return None


def welcome(notebooks, out):
    """The first page: what this is, and the chapters, each with a picture and its first sentence."""
    rows = []
    for name, soup in notebooks:
        first = next((p for p in soup.find_all("p") if len(p.get_text()) > 60), None)
        title = html.escape(soup.h1.get_text().replace("¶", ""))
        image = ""
        if picture := first_picture(soup):
            file = out / f"{name}.{picture[0]}"
            file.write_bytes(picture[1])
            image = f'<span class="thumb"><img src="{file.name}" alt="" loading="lazy"></span>'
        rows.append(f'<li><a href="{name}.html">{image}{name[:2]} {title}</a>'
                    f"<p>{html.escape(first.get_text()) if first else ''}</p></li>")  # fmt: skip
    return BeautifulSoup(
        "<h1>Open a Transformer, read it as a causal model, and check what you read</h1>"
        "<p>A course and a small Python package. Every page here is a notebook as it ran; solutions are "
        "folded away. To run and change it yourself, see the README of the repository.</p>"
        f'<h2>Chapters</h2><ul class="chapters">{"".join(rows)}</ul>'
        "<h2>More</h2><ul>"
        '<li><a href="api.html">Reference</a> of every public function, made from its docstring</li>'
        '<li><a href="teaching.html">For teachers</a>: plans with timings, and what students get wrong</li>'
        '<li><a href="prototype_a_variant.html">For researchers</a>: prototype a variant</li></ul>',
        "html.parser",
    )


def build(out, only=()):
    """Write the site and return the path of its first page."""
    out = Path(out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sources = [s for s in build_notebooks.sources() if not only or s.stem[:2] in only]
    names = {s.stem for s in build_notebooks.sources()}
    with ThreadPoolExecutor(2) as pool:
        notebooks = list(pool.map(executed, sources))
    bodies = [(s.stem, finished(notebook_body(n), names)) for s, n in zip(sources, notebooks, strict=True)]
    pages = [("index", "Welcome", welcome(bodies, out))]
    pages += [
        (name, f"{name[:2]} {soup.h1.get_text().replace('¶', '').strip()}", soup) for name, soup in bodies
    ]
    for document in DOCUMENTS:
        path = ROOT / document
        if path.exists():
            soup = markdown_body(path.read_text(encoding="utf-8"))
            pages.append((path.stem, soup.h1.get_text(), soup))
    pages += [(name, title, BeautifulSoup(body, "html.parser")) for name, title, body in api_pages()]
    pages = [(name, title, finished(soup, names)) for name, title, soup in pages]

    navigation = [(f"{name}.html", title) for name, title, _ in pages if not name.startswith("api_")]
    index = []
    for name, title, soup in pages:
        index += entries(soup, f"{name}.html", title)
        (out / f"{name}.html").write_text(
            page(title, with_explorers(soup), navigation, f"{name}.html"), encoding="utf-8"
        )
    (out / "search-index.js").write_text(
        f"const INDEX = {json.dumps(index, ensure_ascii=False)};\n", encoding="utf-8"
    )
    (out / "pygments.css").write_text(pygments_style(), encoding="utf-8")
    for name in ("book.css", "search.js"):
        shutil.copy(STATIC / name, out / name)
    return out / "index.html"


def broken_links(folder):
    """Links and images of a site that lead nowhere: (page, target)."""
    folder, broken = Path(folder), []
    anchors = {}
    for path in folder.glob("*.html"):
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        anchors[path.name] = ({e["id"] for e in soup.find_all(id=True)}, soup)
    for name, (_, soup) in anchors.items():
        targets = [a["href"] for a in soup.find_all("a", href=True)] + [
            i["src"] for i in soup.find_all(src=True)
        ]
        for target in targets:
            if re.match(r"(https?|data|mailto):", target):
                continue
            file, _, anchor = target.partition("#")
            file = file or name
            if not (folder / file).exists() or (
                anchor and file in anchors and anchor not in anchors[file][0]
            ):
                broken.append((name, target))
    return broken


def main():
    parser = argparse.ArgumentParser(description="Make the course as a web site that works from disk.")
    parser.add_argument("--out", default=ROOT / "_site", metavar="FOLDER")
    parser.add_argument(
        "--only", nargs="*", default=(), metavar="NN", help="numbers of notebooks, such as 03 05"
    )
    arguments = parser.parse_args()
    first = build(arguments.out, tuple(arguments.only))
    broken = [] if arguments.only else broken_links(first.parent)
    for name, target in broken:
        print(f"{name}: broken link {target}")
    print(first)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
