"""Searching the book, as a reader does, in pages opened from disk."""

import sys
from pathlib import Path

import pytest

for needed in ("bs4", "mistune", "nbconvert", "latex2mathml", "jupytext"):
    pytest.importorskip(needed)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import build_book  # noqa: E402


def test_search_finds_a_section(browser, tmp_path):
    # The book without its notebooks: everything else takes seconds.
    site = build_book.build(tmp_path, only=("none",)).parent
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.get_by_label("Search").fill("Zhang statement")
    found = page.locator("#found a")
    found.first.wait_for()
    assert "api_causal.orientation.html" in found.first.get_attribute("href")
    page.get_by_label("Search").fill("xyzzy")
    assert page.locator("#found").inner_text() == "Nothing found."
    page.get_by_label("Search").fill("<img src=x onerror=alert(1)>")
    assert page.locator("#found img").count() == 0
    page.close()
    assert all(url.startswith("file:") for url in asked)
