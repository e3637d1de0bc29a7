"""The book: pages that need nothing else, links that lead somewhere, a reference, a search that finds."""

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

for needed in ("bs4", "mistune", "nbconvert", "latex2mathml", "jupytext"):
    pytest.importorskip(needed)

from bs4 import BeautifulSoup  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import api_pages  # noqa: E402
import build_book  # noqa: E402


def test_tex_becomes_mathml_and_code_stays():
    text = build_book.with_math("Then $A = (I-G)^{-1}$ and\n$$C = AA^T$$\nbut `$x$` and\n```\n$y$\n```")
    assert text.count("<math") == 2 and 'display="block"' in text
    assert "`$x$`" in text and "$y$" in text


def test_every_formula_of_the_course_converts():
    for source in build_book.build_notebooks.sources():
        for cell in build_book.build_notebooks.build(source).cells:
            if cell.cell_type == "markdown":
                assert "$" not in build_book.with_math(cell.source).replace("`$", ""), cell.source


@pytest.mark.slow
def test_every_listed_module_has_a_page():
    pages = {name: body for name, _, body in api_pages.api_pages()}
    for name in api_pages.MODULES:
        if importlib.util.find_spec(f"cleann_lite.{name}"):
            soup = BeautifulSoup(pages[f"api_{name}"], "html.parser")
            assert soup.h1.get_text() == f"cleann_lite.{name}"
            levels = [int(h.name[1]) for h in soup.find_all(["h1", "h2", "h3", "h4"])]
            assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert "R10" in pages["api_causal.orientation"] and "Raises" in pages["api_explaining.search"]


def test_docstring_sections_become_lists():
    page = api_pages.docstring_html("""Do it.

    Of α *→ β, and ``code``.

    Parameters
    ----------
    x : int
        How many.

    Examples
    --------
    >>> 1 < 2
    True
    """)  # fmt: skip
    soup = BeautifulSoup(page, "html.parser")
    assert soup.dt.get_text() == "x : int" and soup.dd.get_text().strip() == "How many."
    assert "1 < 2" in soup.pre.get_text() and soup.code and not soup.em


def test_links_stay_inside_the_book():
    soup = BeautifulSoup(
        '<h1>A</h1><h2>Same</h2><h2>Same</h2><a href="05_x.ipynb#Same">x</a>'
        '<a href="../docs/prototype_a_variant.md">y</a>',
        "html.parser",
    )
    done = build_book.finished(soup, {"05_x"})
    assert [a["href"] for a in done.find_all("a")] == ["05_x.html#Same", "prototype_a_variant.html"]
    assert [h["id"] for h in done.find_all("h2")] == ["same", "same-2"]


def test_questions_open_to_their_reasons():
    tagged = {"tags": ["question"]}
    cell = build_book.nbformat.v4.new_code_cell('check("3.a", "b")', metadata=tagged)
    soup = BeautifulSoup(build_book.with_choices(cell).source, "html.parser")
    folds = soup.select(".choices details")
    assert [fold.summary.get_text() for fold in folds] == ["a", "b", "c"]
    assert ["Right." in fold.get_text() for fold in folds] == [False, True, False]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book without its notebooks: everything else takes seconds."""
    return build_book.build(tmp_path_factory.mktemp("site"), only=("none",)).parent


@pytest.mark.slow
def test_pages_stand_alone(site):
    pages = sorted(site.glob("*.html"))
    assert {"index.html", "api.html", "teaching.html", "prototype_a_variant.html"} <= {p.name for p in pages}
    for page in pages:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        assert len(soup.find_all("h1")) == 1, page.name
        assert not [s["src"] for s in soup.find_all(src=True) if s["src"].startswith("http")]
        assert not [s["href"] for s in soup.find_all("link") if s["href"].startswith("http")]


@pytest.mark.slow
def test_no_link_leads_nowhere(site):
    assert build_book.broken_links(site) == []
    (site / "extra.html").write_text('<a href="gone.html">x</a><a href="api.html#nothing">y</a>')
    assert build_book.broken_links(site) == [("extra.html", "gone.html"), ("extra.html", "api.html#nothing")]
    (site / "extra.html").unlink()
