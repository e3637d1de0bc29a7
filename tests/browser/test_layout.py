"""Explorers on large and small screens: one row of controls, the graph above the fold, nothing sideways."""

import json
from itertools import pairwise

import pytest
from conftest import SCREENSHOTS, assert_readable

from cleann_lite.drawing.html import Html
from cleann_lite.drawing.html import page as whole
from cleann_lite.drawing.view import css, script
from cleann_lite.widgets import (
    DiscoveryStepper,
    ExplanationExplorer,
    IdentifiabilityExplorer,
    RecommendationExplorer,
    ThresholdExplorer,
)

pytestmark = pytest.mark.browser

TEXT = "A talented director and a great score, and yet the film is a dreary mess."
# width and height in CSS px, device pixels to one: a laptop, the same at 150 %, what JupyterLab's bars
# leave of that, a phone
SCREENS = {"1280": (1280, 900, 1), "150%": (853, 600, 1.5), "700": (700, 480, 1.5), "400": (400, 900, 1)}
ROWS = {"1280": 1, "150%": 1, "700": 2, "400": 5}  # in which the controls fit

STILL = """
const data = JSON.parse(document.getElementById("view").textContent);
const model = { get: (name) => data[name], on() {}, off() {}, send() {} };
render({ model, el: document.getElementById("here") });
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Name -> page on which an explorer shows one state, with all its controls as in a notebook."""
    cl = pytest.importorskip("cleann_lite")
    pytest.importorskip("torch")
    model, films = cl.load_model("pocket-sentiment"), cl.load_model("pocket-bert4rec")
    explorers = {
        "explanation": ExplanationExplorer(model, TEXT),
        "long": ExplanationExplorer(model, " ".join([TEXT] * 7)),
        "heads": ExplanationExplorer(model, TEXT).set(heads=True),
        "recommendation": RecommendationExplorer(films),
        "threshold": ThresholdExplorer.of_model(model, TEXT, alpha=0.01),
        "stepper": DiscoveryStepper(pace="change").act({"name": "last", "item": None}),
        "identifiability": IdentifiabilityExplorer(),
    }
    folder = tmp_path_factory.mktemp("explorers")
    for name, one in explorers.items():
        view = {"spec": {"title": one.title, "hint": one.hint}, "view": one.view.message(one.name, 0)}
        data = json.dumps(view, default=str).replace("<", "\\u003c")
        code = script().replace("export default { render };", STILL)
        body = f'<div id="here"></div><script type="application/json" id="view">{data}</script>'
        body += f'<script type="module">{code}</script>'
        style = f"{css()} .cl-doc {{ max-width: none; padding: 0 }} h1 {{ display: none }}"
        (folder / f"{name}.html").write_text(whole(name, Html(body), css=style, script=" "), encoding="utf-8")
    return folder


@pytest.mark.parametrize("screen", SCREENS)
def test_explorers_fit_their_screen(browser, shown, screen):
    width, height, scale = SCREENS[screen]
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for file in sorted(shown.glob("*.html")):
        name = file.stem
        page.goto(file.as_uri())
        page.locator(".cleann-explorer[data-state=idle]").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        ends = sorted(bottoms(page, ".cl-controls > .cl-control:not(.cl-line)"))
        rows = 1 + sum(after - end > 10 for end, after in pairwise(ends))
        assert rows <= ROWS[screen], f"the controls of {name} take {rows} rows"
        if screen == "150%":
            ends = bottoms(page, ".cl-picture [data-node], .cl-picture > svg > rect")
            seen = sum(end <= height for end in ends) / len(ends)
            assert seen == 1 or (name == "long" and seen > 0.7), f"{name}: {seen:.0%} of the graph is seen"
        assert cut_texts(page) == [], name
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=SCREENSHOTS / f"layout-{name}-{screen.rstrip('%')}-{scheme}.png")
            assert_readable(page, ".cleann-explorer", least=15)
            page.evaluate("scrollTo(0, 0)")
    page.close()


def bottoms(page, selector):
    """Lower ends of what is seen, in px."""
    return page.locator(selector).evaluate_all(
        """(all) => all.filter((one) => one.checkVisibility())
            .map((one) => Math.round(one.getBoundingClientRect().bottom))"""
    )


def cut_texts(page):
    """Texts of controls, headings and panels that do not fit into their place, and buttons that overlap."""
    return page.locator(
        ".cleann-explorer :is(h3, h4, label, output, button, summary, th, td, li, p):not(.cl-chips *)"
    ).evaluate_all(
        """(all) => {
            const seen = all.filter((one) => one.checkVisibility() && !one.closest("svg"));
            const wide = (one) => one.scrollWidth > one.clientWidth + 1;
            const cut = seen.filter((one) => getComputedStyle(one).display !== "inline" && wide(one));
            const placed = seen.filter((one) => one.matches("button, label, output"));
            const across = (one, other) => {
                const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
                const beside = a.left > b.right - 1 || b.left > a.right - 1;
                const apart = beside || a.top > b.bottom - 1 || b.top > a.bottom - 1;
                const within = one.contains(other) || other.contains(one) || one.closest(".cl-log");
                return !apart && !within;
            };
            const over = placed.filter((one, i) => placed.slice(0, i).some((other) => across(one, other)));
            return [...cut, ...over].map((one) => one.textContent.slice(0, 60));
        }"""
    )
