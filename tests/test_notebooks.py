"""The course: what students open follows from its sources, and runs from top to bottom."""

import ast
import asyncio
import itertools
import queue
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupytext")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build_notebooks  # noqa: E402

from cleann_lite.course import check  # noqa: E402
from cleann_lite.course.checks import WrongAnswer, reading  # noqa: E402

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
    assert 12 <= len(notebook.cells) <= 60
    slug = "/".join(build_notebooks.repository().split("/")[-2:])
    assert f"{slug}/blob/main/notebooks/{source.stem}.ipynb" in notebook.cells[0].source
    assert not any("solution" in c.metadata.get("tags", []) or c.get("outputs") for c in notebook.cells)


@each
def test_self_study_folds_each_solution_and_why_under_its_check(source):
    cells = build_notebooks.build(source, self_study=True).cells
    checked = [k for k, cell in enumerate(cells) if "check" in cell.metadata.get("tags", [])]
    for k in checked:
        fold = cells[k + 1].source
        assert fold.startswith("<details><summary>Solution") and "def " in fold
        assert len(re.sub(r"```.*?```|<.*?>", "", fold, flags=re.S).strip()) > len("Solution") + 20
    stubs = [cell for cell in cells if "exercise" in cell.metadata.get("tags", [])]
    assert len(stubs) == len(checked)


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
    assert stubs == re.findall(r'^check\("(\d+\.\d+)"', text, re.M)
    assert text.count('tags=["exercise"]') == text.count('tags=["solution"]') == len(stubs)
    assert text.count("<details>") >= len(stubs), "a hint for each exercise"


def test_every_question_is_asked_where_it_belongs_and_recalled_once_or_twice():
    asked, recalled = [], []
    for source in SOURCES:
        found = re.findall(r'tags=(\[.*\])\ncheck\("(\d+\.[a-z])", "(.)"', source.read_text("utf-8"))
        for tags, number, letter in found:
            assert letter == reading.questions()[number]["right"]
            chapter, here = int(number.split(".")[0]), int(source.stem[:2])
            if "recall" in tags:
                assert here - 2 <= chapter < here, "in one of the next two notebooks"
                recalled.append(number)
            else:
                assert chapter == here
                asked.append(number)
    assert sorted(asked) == sorted(reading.questions()) and set(recalled) < set(asked)


def test_students_get_questions_without_the_letter():
    for source in SOURCES:
        cells = build_notebooks.build(source).cells
        for before, cell in itertools.pairwise(cells):
            if "question" in cell.metadata.get("tags", []):
                assert re.search(r'"\?"\)$', cell.source) and before.source.count("\n- **") >= 3


def test_a_question_names_a_right_choice_and_a_reason_for_each():
    for number, question in reading.questions().items():
        offered = reading.choices(number)
        assert question["right"] in offered and len(offered) >= 3
        for letter, (choice, reason) in offered.items():
            assert choice and reason
            if letter == question["right"]:
                assert check(number, letter).sentence == reason
            else:
                with pytest.raises(WrongAnswer, match=re.escape(reason[:40])):
                    check(number, letter)


OPEN = {"cleann_lite", "cleann_lite.course", "cleann_lite.widgets"}


def names_used(code):
    """Names of the package that some Python takes: "cleann_lite.x.y" of imports, "cl.name" of attributes."""
    for node in ast.walk(ast.parse(re.sub(r"^ *[%!].*", "", code, flags=re.M))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "cleann_lite",
            "training",
        ):
            yield from (f"{node.module}:{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                f"{alias.name}:"
                for alias in node.names
                if alias.name.split(".")[0] in ("cleann_lite", "training")
            )
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cl":
            yield f"cleann_lite:{node.attr}"


def texts_that_teach():
    """Name -> Python of the notebooks, the documents and the front page."""
    found = {source.name: source.read_text(encoding="utf-8") for source in SOURCES}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
        found |= {f"{path.name} {k}": block for k, block in enumerate(blocks)}
    return found


@pytest.mark.parametrize("name", texts_that_teach())
def test_only_public_names_are_used(name):
    import cleann_lite
    from cleann_lite import course, widgets

    public = {
        "cleann_lite": {*dir(cleann_lite), "course", "widgets", "__version__"},
        "cleann_lite.course": set(course.__all__),
        "cleann_lite.widgets": set(widgets.__all__),
    }
    for used in names_used(texts_that_teach()[name]):
        module, _, taken = used.partition(":")
        assert module in OPEN, f"{used} is not public"
        assert not taken or taken in public[module], f"{used} is not public"


def test_the_first_example_is_certified_small_and_names_causes():
    pytest.importorskip("torch")
    from cleann_lite import Mark, explain, load_model

    review = re.search(r'^review = "(.+)"$', SOURCES[0].read_text(encoding="utf-8"), re.M)[1]
    found = explain(load_model("pocket-sentiment"), review)
    first = found.sets[0]
    pag = found.pags[first.head]
    assert found.certified is True and len(first.units) <= 2
    assert len(pag) <= 8 and (pag.marks != 0).sum() // 2 <= 12
    assert all(pag.marks[-1, found.in_graph.index(place)] == Mark.TAIL for place in first.positions)


SEEN_WHOLE = {"class Allergen:"}  # a protocol of five methods


@each
def test_cells_show_one_idea(source):
    """A cell has at most 14 lines of code, none wider than 130; a solution is as long as it must be."""
    for cell in build_notebooks.build(source, solved=True).cells:
        if cell.cell_type == "code" and not {"setup", "solution"} & set(cell.metadata.get("tags", [])):
            lines = [line for line in cell.source.splitlines() if line.strip() and line.strip()[0] != "#"]
            assert len(lines) <= (18 if lines[0] in SEEN_WHOLE else 14), f"{len(lines)} lines: {lines[0]}"
            assert max(map(len, lines)) <= 130, max(lines, key=len)


# round a solution: the answers before it are there, and afterwards the student's names are back
ENTER = "_before = dict(globals())\nglobals().update(_solved := globals().get('_solved', {}))"
LEAVE = """_now = {n: v for n, v in globals().items() if n[0] != "_"}
_solved.update({n: v for n, v in _now.items() if _before.get(n) is not v})
for _name in _now.keys() - _before.keys():
    del globals()[_name]
globals().update({n: v for n, v in _before.items() if n[0] != "_"})"""


def both_ways(source):
    """The notebook as students get it, with each solution put in before its check and taken out after it."""
    solved = build_notebooks.build(source, solved=True).cells
    solutions = [cell for cell in solved if "solution" in cell.metadata.get("tags", [])]
    judged = [cell for cell in solved if {"check", "question"} & set(cell.metadata.get("tags", []))]
    notebook, cells = build_notebooks.build(source), []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "check" in tags:
            inside = [solutions.pop(0), judged.pop(0)]
            cells += [nbformat.v4.new_code_cell(ENTER), *inside, nbformat.v4.new_code_cell(LEAVE)]
        elif "question" in tags:
            cells.append(judged.pop(0))
        cells.append(cell)
    assert not solutions and not judged
    if "01" <= source.stem[:2] <= "05":  # they need no deep learning, installed or not
        absent = 'import sys\n\nassert not {"torch", "transformers"} & set(sys.modules)'
        cells.append(nbformat.v4.new_code_cell(absent))
    for k, cell in enumerate(cells):
        cell.id = f"cell-{k}"
    notebook.cells = cells
    return notebook


class Deaf:
    """A channel that is never told of its message: it sees it when a wait ends."""

    waited = 0.0

    async def get_msg(self, timeout=None):
        self.waited += timeout
        if self.waited < 3:
            raise queue.Empty
        return "message"


def test_a_message_whose_call_was_lost_is_found_soon():
    deaf = Deaf()
    build_notebooks.look_often(deaf)
    assert asyncio.run(deaf.get_msg(timeout=300)) == "message" and deaf.waited == 3
    assert asyncio.run(deaf.get_msg()) == "message"
    build_notebooks.look_often(none := Deaf())
    with pytest.raises(queue.Empty):
        asyncio.run(none.get_msg(timeout=0.5))


@pytest.mark.notebook
@pytest.mark.parametrize("source", SOURCES[::-1], ids=lambda path: path.stem)  # the long ones first
def test_runs_as_students_get_it_and_with_solutions(source):
    notebook = build_notebooks.execute(both_ways(source))
    raised = [output.ename for output in outputs(notebook, "error")]
    text = source.read_text(encoding="utf-8")
    to_do = text.count("raise NotImplementedError") + text.count('tags=["question"')
    assert raised == ["NotImplementedError"] * to_do
    assert_readable(notebook)


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
