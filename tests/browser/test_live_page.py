"""A page that answers without Python: opened from disk, compared with what Python shows, state by state."""

import re

import pytest
from conftest import SCREENSHOTS, assert_readable

pytest.importorskip("torch")

import cleann_lite as cl
from cleann_lite.explaining.live import states
from cleann_lite.explaining.pages import page as page_of
from cleann_lite.widgets import ExplanationExplorer, RecommendationExplorer

pytestmark = pytest.mark.browser
HOSTILE = "A great <b>director</b> and </script><script>document.title=1</script> a dreary, dreary bore."


class LivePage:
    """The first explorer of a page, moved as a reader moves it."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".cleann-explorer").first

    def slide(self, place):
        self.root.get_by_role("slider").evaluate(
            """(input, place) => {
                input.value = place;
                for (const name of ["input", "change"]) input.dispatchEvent(new Event(name, {bubbles: true}));
            }""",
            place,
        )

    def panel(self, name):
        return self.root.locator(f"[data-panel={name}]").inner_text()

    def svg(self):
        with self.page.expect_download() as download:
            self.root.get_by_role("button", name="SVG", exact=True).click()
        return download.value.path().read_text(encoding="utf-8")

    def status(self):
        return self.root.locator("[role=status]").inner_text()


@pytest.fixture
def open_page(browser, tmp_path):
    """Write a page and open it from disk; it may ask for nothing but itself."""
    opened = []

    def open_one(html, **options):
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        page, requests, problems = browser.new_page(accept_downloads=True, **options), [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector(".cleann-explorer[data-state=idle]")
        opened.append((page, requests, problems))
        return LivePage(page)

    yield open_one
    for page, requests, problems in opened:
        outside = [url for url in requests if not url.startswith(("file:", "blob:", "data:"))]
        assert (outside, problems) == ([], [])
        page.close()


def same(live, explorer):
    """The page shows what the explorer shows: picture, status, score, bars, words that are masked."""
    view = explorer.view
    assert live.svg() == view.svg
    cost = r" \([^()]* model calls, [\d.]+ s\)"  # the seconds differ
    assert re.sub(cost, "", live.status()) == re.sub(cost, "", view.status)
    panels = {panel.get("name", panel["kind"]): panel for panel in view.panels}
    assert live.panel("score") == panels["score"]["text"]
    bars = live.root.locator("[data-panel=bars] tr")
    assert [row.locator("td").last.inner_text() for row in bars.all()] == [
        b["note"] for b in panels["bars"]["items"]
    ]
    assert bars.locator("th").all_inner_texts() == [b["text"] for b in panels["bars"]["items"]]
    chips = live.root.locator("[data-panel=toggle] [data-chip]")
    pressed = [chip.get_attribute("aria-pressed") == "true" for chip in chips.all()]
    assert pressed == [item["pressed"] for item in panels["toggle"]["items"]]
    names = [chip.get_attribute("aria-label") for chip in chips.all()]
    assert names == [item["label"] for item in panels["toggle"]["items"]]


@pytest.mark.parametrize("task", ["text", "films"])
def test_a_live_page_shows_what_python_shows(open_page, task):
    if task == "text":
        model = cl.load_model("pocket-sentiment")
        explorer = ExplanationExplorer(model, HOSTILE)
        found = cl.explain(model, HOSTILE)
    else:
        model = cl.load_model("pocket-bert4rec")
        explorer = RecommendationExplorer(model)
        found = cl.explain(model, list(explorer.state["input"]), alpha=explorer.state["alpha"])
    explorer.set(prove=True)
    html = found.to_html(live=True)
    assert len(html.encode()) < 1_000_000 and "eval(" not in html
    live = open_page(html)
    page = live.page
    assert page.title() == "Why the model said so"
    same(live, explorer)
    levels = explorer.view.controls[[c["name"] for c in explorer.view.controls].index("alpha")]["values"]
    for place in (0, 5, len(levels) - 1, levels.index(explorer.state["alpha"])):
        live.slide(place)
        same(live, explorer.set(alpha=levels[place]))
    # one unit, then a second, then one of them in the graph
    for position in (1, 3):
        live.root.locator(f"[data-panel=toggle] [data-chip='{position}']").click()
        explorer.act({"name": "toggle", "item": position})
        same(live, explorer)
    node = explorer.explanation_of(explorer.state).in_graph.index(3)
    live.root.locator(f"[data-node='{node}']").click()
    same(live, explorer.act({"name": "select", "item": f"n{node}"}))
    live.root.get_by_role("button", name="Mask set A").click()
    same(live, explorer.act({"name": "use", "item": 0}))
    assert "as few as the smallest set" in live.panel("score")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"live-{task}.png", full_page=True)
    # a state that was not computed is said, not guessed
    for position in range(3 + len(found.sets[0].positions)):
        if position not in explorer.state["mask"]:
            live.root.locator(f"[data-panel=toggle] [data-chip='{position}']").click()
    assert "not stored in this page" in live.panel("score")
    assert "Not stored" in live.root.locator("[data-panel=text]").first.inner_text()
    live.root.get_by_role("button", name="Unmask all").click()
    same(live, explorer.act({"name": "clear", "item": None}))
    assert live.root.get_by_role("button", name="Unmask all").get_attribute("aria-disabled") == "true"


def test_a_live_page_works_by_keyboard_in_both_themes_and_prints_without_script(open_page, browser):
    model = cl.load_model("pocket-sentiment")
    found = [cl.explain(model, text) for text in ("A dull film with a fine cast.", "A wonderful, warm film.")]
    html = page_of(found, states=[states(found[0]), None])
    for scheme in ("light", "dark"):
        live = open_page(html, color_scheme=scheme)
        page, slider = live.page, live.root.get_by_role("slider")
        before = live.status()
        slider.focus()
        page.keyboard.press("End")
        assert live.status() != before and slider.get_attribute("aria-valuetext") == "0.2"
        live.root.locator("[data-panel=toggle] [data-chip]").nth(1).focus()
        page.keyboard.press("Enter")
        assert "You masked 1 word" in live.panel("score")
        assert page.evaluate("document.activeElement.dataset.chip") == "1", "the focus was lost"
        live.root.locator("[data-node][tabindex='0']").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert live.root.locator("[data-a][aria-pressed=true]").count() == 1
        assert_readable(page, "body", least=40)
        broad = live.root.locator("[data-a][aria-pressed=false] > .cl-broad").first.evaluate(
            "(line) => getComputedStyle(line).stroke"
        )
        assert broad == "rgba(0, 0, 0, 0)", "the broad line that is easy to hit is seen"
        page.screenshot(path=SCREENSHOTS / f"live-{scheme}.png", full_page=True)
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.set_content(html)
    assert still.locator("article").count() == 2 and still.locator("noscript svg, article svg").count() >= 2
    context.close()
