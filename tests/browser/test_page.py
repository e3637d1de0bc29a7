"""The page of an explanation in a real browser: text of the user stays text, and nothing leaves the page."""

import re

import pytest

pytest.importorskip("torch")

import cleann_lite as cl

pytestmark = pytest.mark.browser
HOSTILE = 'A dull <img src=x onerror="document.title=1"> film <script>document.title=2</script> and a bore.'


def test_a_hostile_review_is_shown_and_never_runs(browser, tmp_path):
    found = cl.explain(cl.load_model("pocket-sentiment"), HOSTILE, alpha=0.2)
    (tmp_path / "page.html").write_text(found.to_html(), encoding="utf-8")
    page, requests, dialogs = browser.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "Why the model said so"
    assert page.locator("img, script").count() == 0
    shown = re.sub(r"\s+", " ", page.locator(".text").inner_text())
    assert shown == HOSTILE
    assert page.locator("svg").count() >= 1
    assert page.locator("svg").first.get_attribute("role") == "img"
    page.locator("summary").first.click()
    assert page.locator("details li").first.is_visible()
    assert len(requests) == 1  # the page itself
    assert dialogs == []
    page.close()
