"""The course: what students open follows from its sources, and runs from top to bottom."""

import itertools
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupytext")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build_notebooks  # noqa: E402

SOURCES = build_notebooks.sources()
each = pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])


def outputs(notebook, kind):
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == kind]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))


@each
def test_committed_notebook_is_what_its_source_gives(source):
    committed = (ROOT / "notebooks" / f"{source.stem}.ipynb").read_bytes()
    assert committed == build_notebooks.text_of(build_notebooks.build(source)).encode(), (
        "run `python tools/build_notebooks.py` after editing a source"
    )


def test_no_notebook_without_source():
    assert {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")} == {p.stem for p in SOURCES}


@each
def test_frame(source):
    notebook = build_notebooks.build(source)
    markdown = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    headings = re.findall(r"^(#+) ", markdown, re.M)
    assert headings[0] == "#" and headings.count("#") == 1, "one H1, at the top"
    assert all(len(b) <= len(a) + 1 for a, b in itertools.pairwise(headings)), "no heading level skipped"
    assert notebook.cells[0].source.startswith("# ")
    setup = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    assert len(setup) == 1 and build_notebooks.repository() in setup[0].source
    assert 12 <= len(notebook.cells) <= 36
    slug = "/".join(build_notebooks.repository().split("/")[-2:])
    assert f"{slug}/blob/main/notebooks/{source.stem}.ipynb" in notebook.cells[0].source
    assert not any("solution" in c.metadata.get("tags", []) or c.get("outputs") for c in notebook.cells)


@each
def test_links_lead_somewhere(source):
    notebook = build_notebooks.build(source)
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        assert target.startswith("https://") or (build_notebooks.NOTEBOOKS / target).is_file(), target


@each
def test_every_exercise_has_stub_check_and_solution(source):
    text = source.read_text(encoding="utf-8")
    stubs = re.findall(r'NotImplementedError\(\s*"Exercise (\d+\.\d+): ', text)
    assert len(set(stubs)) == len(stubs)
    assert stubs == re.findall(r'check\("(\d+\.\d+)"', text)
    assert text.count('tags=["exercise"]') == text.count('tags=["solution"]') == len(stubs)
    assert text.count("<details>") >= len(stubs), "a hint for each exercise"


@pytest.mark.notebook
@each
def test_runs_with_solutions(source):
    notebook = build_notebooks.execute(build_notebooks.build(source, solved=True))
    assert_readable(notebook)


@pytest.mark.notebook
@each
def test_runs_as_students_get_it(source):
    notebook = build_notebooks.execute(build_notebooks.build(source))
    raised = [output.ename for output in outputs(notebook, "error")]
    stubs = source.read_text(encoding="utf-8").count("raise NotImplementedError")
    assert raised == ["NotImplementedError"] * stubs


def shown(notebook):
    """HTML of every output that shows something."""
    kinds = ("display_data", "execute_result")
    data = [o.data for kind in kinds for o in outputs(notebook, kind)]
    assert not any("image/png" in d and "text/html" not in d for d in data), "use show(figure, alt)"
    return [d.get("text/html", "") for d in data]


def assert_readable(notebook):
    """Every picture says what it shows, no graph has more than about 25 edges, what prints says something."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and re.search(r"^ *print\(", cell.source, re.M):
            assert cell.outputs, f"prints nothing: {cell.source[:200]}"
    for page in shown(notebook):
        for tag in re.findall(r"<img\b[^>]*>", page):
            assert re.search(r'\balt="[^"]{20,}"', tag), tag[:200]
        for tag in re.findall(r"<svg\b[^>]*>", re.sub(r"data:[^\"]*", "", page)):
            assert 'role="img"' in tag and "aria-label" in tag, tag[:200]
        for count in re.findall(r"(\d+) edges in words", page):
            assert int(count) <= 26, f"a graph of {count} edges at once"
