"""The book as a reader meets it, in pages opened from disk: search, explorers that answer, both themes."""

import itertools
import re
import sys
from functools import cache
from pathlib import Path

import pytest

for needed in ("bs4", "mistune", "nbconvert", "latex2mathml", "jupytext"):
    pytest.importorskip(needed)

import numpy as np  # noqa: E402
from conftest import SCREENSHOTS, assert_readable  # noqa: E402

from cleann_lite.widgets import DiscoveryStepper, IdentifiabilityExplorer, ThresholdExplorer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import build_book  # noqa: E402


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book without its notebooks: everything else takes seconds."""
    return build_book.build(tmp_path_factory.mktemp("book"), only=("none",)).parent


@pytest.fixture
def visit(browser):
    """Open a page from disk; it may ask for nothing but its neighbours."""
    opened = []

    def visit_one(path, **options):
        page, asked, problems = browser.new_page(accept_downloads=True, **options), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(path.as_uri())
        opened.append((page, asked, problems))
        return page

    yield visit_one
    for page, asked, problems in opened:
        assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
        assert problems == []
        page.close()


def test_search_finds_a_section(site, visit):
    page = visit(site / "index.html")
    box, found, said = page.get_by_label("Search"), page.locator("#found a"), page.locator("#said")
    box.fill("Zhang statement")
    assert "api_causal.orientation.html" in found.first.get_attribute("href")
    first = found.first.get_attribute("href")
    marks = page.locator("#found li").first.locator("mark").all_inner_texts()
    assert {mark.lower() for mark in marks} <= {"zhang", "statement"} and marks
    # the same with a letter too few, two that changed places, and a letter that is wrong
    for typed in ("Zang statement", "Zhang statemnet", "Zhang stetement"):
        box.fill(typed)
        assert found.first.get_attribute("href") == first, typed
        assert re.fullmatch("“[a-z]+” is not in the book: showing “(zhang|statement)”.", said.inner_text())
    # words that no section has together: those with most of them, and that is said
    box.fill("Zhang recommend histories")
    assert found.count() and "No section has all of these words" in said.inner_text()
    box.fill("xyzzyqq")
    assert said.inner_text() == "Nothing found." and not found.count()
    box.fill("<img src=x onerror=alert(1)>")
    assert page.locator("#found img, #said img").count() == 0


@pytest.mark.parametrize(
    "name",
    ["index", "teaching", "prototype_a_variant", "api", "api_explaining.search", "api_causal.graphs"],
)
def test_every_page_of_text_can_be_read_and_does_not_scroll_sideways(site, visit, name):
    page = visit(site / f"{name}.html")
    for width, scheme in itertools.product((1280, 800, 400), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert_readable(page, "body", least=10)


def test_pages_turn(site, visit):
    page, seen = visit(site / "index.html"), []
    while page.locator("[rel=next]").count():
        seen.append(page.locator("h1").inner_text())
        page.locator("[rel=next]").focus()
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert len(seen) >= 3 and len(set(seen)) == len(seen)
    for title in reversed(seen):
        with page.expect_navigation():
            page.locator("[rel=prev]").click()
        assert page.locator("h1").inner_text() == title


# --- explorers that answer without Python --------------------------------------------------------


def a_notebook(*shown):
    """A notebook with these outputs, as if it had run."""
    cells = [build_book.nbformat.v4.new_markdown_cell("# A chapter")]
    for one in shown:
        kept, one.in_page = one.in_page, True
        data = one._repr_mimebundle_()
        one.in_page = kept
        output = build_book.nbformat.v4.new_output("display_data", data=data)
        cells.append(build_book.nbformat.v4.new_code_cell("explorer if 1 in [1] else None", outputs=[output]))
    return build_book.nbformat.v4.new_notebook(cells=cells)


def as_page(folder, *shown):
    soup = build_book.finished(build_book.notebook_body(a_notebook(*shown)), set())
    for name in ("book.css", "search.js"):
        (folder / name).write_text((build_book.STATIC / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "pygments.css").write_text(build_book.pygments_style(), encoding="utf-8")
    (folder / "search-index.js").write_text("const INDEX = [];")
    html = build_book.page("A chapter", build_book.with_explorers(soup), [], "")
    (folder / "page.html").write_text(html, encoding="utf-8")
    assert len(html.encode()) < 1_000_000
    return folder / "page.html"


def thresholds(words=32):
    rng = np.random.default_rng(4)
    attention = rng.dirichlet(np.ones(words) * 0.25, size=(1, 3, words))
    names = ["<script>alert(1)</script>", *(f"word{i}" for i in range(words - 1))]
    return ThresholdExplorer(attention, names, n=64, alpha=0.001)


def move(root, control, value):
    """A slider or a list to a value that the page offers, given as its text."""
    name, kind = control["label"], control["kind"]
    if kind == "choice":
        root.get_by_label(name, exact=True).select_option(label=value)
        return
    slider = root.get_by_role("slider", name=name, exact=True)
    slider.focus()
    slider.press("Home")
    for _ in range(int(slider.get_attribute("max") or 0) + 1):
        if slider.get_attribute("aria-valuetext") == value:
            return
        slider.press("ArrowRight")
    raise AssertionError(f"{name} does not offer {value}")


def shows(page, root, view):
    """The page shows what Python shows."""
    with page.expect_download() as download:
        root.get_by_role("button", name="SVG", exact=True).click()
    assert download.value.path().read_text(encoding="utf-8") == view.svg
    assert root.locator("[role=status]").inner_text() == view.status
    assert root.locator("footer li").all_text_contents() == list(view.words)


@cache
def stored_states(make):
    """What a page keeps of a new explorer: it takes seconds, so once is enough."""
    return make().stored_states()


def with_states(make):
    explorer = make()
    explorer.stored_states = lambda: stored_states(make)
    return explorer


@pytest.mark.parametrize("make", [thresholds, DiscoveryStepper, IdentifiabilityExplorer])
def test_an_explorer_of_the_book_shows_what_python_shows(visit, tmp_path, make):
    explorer, stored = with_states(make), stored_states(make)
    page = visit(as_page(tmp_path, explorer))
    root = page.locator(".cleann-explorer")
    root.wait_for()
    shows(page, root, explorer.page_view(explorer.state))
    state, kept = explorer.state, stored["keys"]
    controls = [one for one in explorer.view.controls if len(kept.get(one["name"], ())) > 1]
    assert len(controls) >= 2
    for control in controls:
        name = control["name"]
        control = next(one for one in explorer.page_view(state).controls if one["name"] == name)
        value = next(v for v in kept[name] if v != state[name] and v in control["values"])
        state = explorer.changed({**state, name: value}, name)
        move(root, control, control["texts"][control["values"].index(value)])
        shows(page, root, explorer.page_view(state))
    if make is thresholds:  # a word and an edge are told by the page alone
        node = root.locator("[data-node='0']")
        node.focus()
        assert "Independent of" in root.locator(".cl-detail").inner_text()
        assert page.locator("main script:not([type])").count() == 0
        root.locator("[data-a]").first.focus()
        assert "p = " in root.locator(".cl-detail").inner_text()


def test_the_stepper_of_the_book_plays_to_its_end(visit, tmp_path):
    stepper = DiscoveryStepper(pace="change")
    stepper.state = {**stepper.state, "speed": 250}
    page = visit(as_page(tmp_path, stepper))
    root = page.locator(".cleann-explorer")
    root.wait_for()
    said = root.locator("[role=status]").inner_text()
    root.get_by_role("button", name="Step forward").focus()
    page.keyboard.press("Enter")
    assert root.locator("[role=status]").inner_text() != said
    root.get_by_role("button", name="Play").click()
    root.get_by_role("button", name="Pause").wait_for()
    root.locator("[aria-label='Step forward'][aria-disabled=true]").wait_for(timeout=20_000)
    last = stepper.act({"name": "last", "item": None})
    shows(page, root, last.view)
    root.get_by_role("button", name="First step").click()
    assert "Step 0 " in root.locator("[role=status]").inner_text()


@pytest.fixture(scope="module")
def all_explorers(tmp_path_factory):
    cl = pytest.importorskip("cleann_lite")
    pytest.importorskip("torch")
    from cleann_lite.widgets import ExplanationExplorer, RecommendationExplorer

    text = "A great <b>director</b> and a great cast, and somehow the result is a dreary bore."
    shown = [
        ExplanationExplorer(cl.load_model("pocket-sentiment"), text),
        RecommendationExplorer(cl.load_model("pocket-bert4rec")),
        with_states(DiscoveryStepper),
        with_states(IdentifiabilityExplorer),
    ]
    return as_page(tmp_path_factory.mktemp("all"), *shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_all_explorers_of_a_page_can_be_read(visit, all_explorers, scheme, width):
    page = visit(all_explorers, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator(".cleann-explorer").nth(3).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_readable(page, "body", least=100)
    roots = page.locator(".cleann-explorer").all()
    if width == 1280:  # words, graph, probability and score fit one window, the notebook's own bars left out
        for root in roots[:2]:
            shown = [".cl-above", ".cl-picture svg", "[data-panel=bars]", "[data-panel=score]"]
            boxes = [root.locator(one).first.bounding_box() for one in shown]
            assert max(b["y"] + b["height"] for b in boxes) - min(b["y"] for b in boxes) < 900 - 110
    for root, word in itertools.zip_longest(roots[:2], ("dreary", None)):
        chip = root.locator("[data-panel=toggle] [data-chip]").filter(has_text=word or "").first
        chip.focus()
        page.keyboard.press("Enter")
        assert "You masked 1" in root.locator("[data-panel=score]").inner_text()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"book-{scheme}-{width}.png", full_page=True)
