"""Every page and output can be read in every theme: contrast computed in the browser, text by text."""

import networkx as nx
import pytest
from conftest import SCREENSHOTS, assert_readable, faint_texts

from cleann_lite.causal.graphs import PAG
from cleann_lite.datasets.shipped import data_path
from cleann_lite.drawing.draw import draw
from cleann_lite.drawing.html import PALETTE
from cleann_lite.evaluation import report
from cleann_lite.evaluation.learners import benchmark
from cleann_lite.evaluation.results import Evaluation

pytestmark = pytest.mark.browser

# how the places where outputs are shown mark themselves: attributes of <html> and <body>, their colours
HOSTS = {
    "JupyterLab light": ("", 'data-jp-theme-light="true"', "#fff", "rgba(0,0,0,.87)"),
    "JupyterLab dark": ("", 'data-jp-theme-light="false"', "#111", "rgba(255,255,255,1)"),
    "VS Code light": ("", 'class="vscode-light" data-vscode-theme-kind="vscode-light"', "#fff", "#333"),
    "VS Code dark": ("", 'class="vscode-dark" data-vscode-theme-kind="vscode-dark"', "#1e1e1e", "#ccc"),
    "Colab dark": ('theme="dark"', "", "#383838", "#d5d5d5"),
    "a site in dark": ('data-theme="dark"', "", "#121212", "#ced6dd"),
}
DARK = [name for name in HOSTS if "dark" in name]


@pytest.fixture(scope="module")
def outputs():
    """Every kind of output that the package shows, as HTML."""
    marks = [[0, 2, 1, 0], [1, 0, 2, 2], [1, 3, 0, 2], [0, 3, 3, 0]]
    pag = PAG(marks, labels=("a", "fine", "film", "positive"))
    before = PAG([[0, 0, 2, 2], [0, 0, 2, 2], [1, 3, 0, 2], [1, 3, 3, 0]], labels=pag.labels)
    dag = nx.DiGraph([("U", "X"), ("U", "Y")])
    found = [
        draw(pag, outcome=3, sets=[(0,), (1,), (2,), (0, 1)], masked=[0], before=before, title="<b>"),
        draw(dag, latent=["U"], edge_labels={("U", "X"): "0.8"}, max_edges=1),
    ]
    shown = [drawing._repr_html_() for drawing in found]
    cl = pytest.importorskip("cleann_lite")
    pytest.importorskip("torch")
    explanation = cl.explain(cl.load_model("pocket-sentiment"), "A dull film with a wonderful cast.")
    shown.append(explanation._repr_html_())
    from cleann_lite.widgets import DiscoveryStepper, IdentifiabilityExplorer

    shown += [one.static_html() for one in (DiscoveryStepper(), IdentifiabilityExplorer())]
    return shown


@pytest.mark.parametrize("host", HOSTS)
def test_outputs_can_be_read_in_every_place(browser, outputs, host):
    root, body, back, ink = HOSTS[host]
    page = browser.new_page(viewport={"width": 900, "height": 700})
    parts = "".join(f"<div class=output>{one}</div>" for one in outputs)
    style = f"<style>body{{background:{back};color:{ink}}}</style>"
    page.set_content(f"<!doctype html><html {root}>{style}<body {body}>{parts}</body></html>")
    assert_readable(page, ".output", least=60)
    paper = page.locator(".cl").first.evaluate("(one) => getComputedStyle(one).backgroundColor")
    wanted = PALETTE["paper"][host in DARK]
    assert paper == f"rgb({', '.join(str(int(wanted[i : i + 2], 16)) for i in (1, 3, 5))})"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"outputs-{host.replace(' ', '-')}.png", full_page=True)
    page.close()


def test_a_text_that_is_too_faint_is_found(browser):
    page = browser.new_page()
    svg = '<svg><rect width=90 height=30 fill="#0072b2"/><text y=20 fill="#111">b</text></svg>'
    texts = '<p style="color:#333">a</p><p style="color:#eee">c</p>'
    page.set_content(f'<div style="background:#111">{texts}{svg}</div>')
    found = faint_texts(page, "div")
    assert found["seen"] == 3 and [text[:4] for text in found["faint"]] == ["a: 1", "b: 3"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 400])
def test_a_page_follows_the_system(browser, tmp_path, scheme, width):
    cl = pytest.importorskip("cleann_lite")
    pytest.importorskip("torch")
    text = "What a dreary mess, for all its wonderful cast."
    found = cl.explain(cl.load_model("pocket-sentiment"), text)
    (tmp_path / "page.html").write_text(found.to_html(), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    assert_readable(page, "body", least=20)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"page-{scheme}-{width}.png", full_page=True)
    assert problems == [], "something broke the page's own policy"
    page.close()


def test_the_policy_of_a_page_lets_nothing_out(browser, tmp_path):
    from cleann_lite.drawing.html import page as whole

    body = '<img src="https://example.org/x.png"><script>document.title = "ran"</script>'
    (tmp_path / "page.html").write_text(whole("still", body), encoding="utf-8")
    page, requests = browser.new_page(), []
    page.on("requestfinished", lambda request: requests.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "still" and len(requests) == 1
    page.close()


def test_a_report_can_be_read(browser, tmp_path):
    for name, text in (
        (
            "explanations",
            report.page(Evaluation.read(data_path("recorded", "evaluation_minilm_openings.jsonl.gz"))),
        ),
        ("discovery", report.discovery_page(benchmark(2, n_nodes=6, n_samples=100))),
    ):
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        for width in (1280, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((tmp_path / f"{name}.html").as_uri())
            fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert fits, f"{name} scrolls sideways at {width}"
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert_readable(page, "body", least=40)
                page.screenshot(path=SCREENSHOTS / f"report-{name}-{width}-{scheme}.png", full_page=True)
            page.close()
