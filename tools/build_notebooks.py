"""Make the notebooks that students open from their sources.

``notebooks/src/NN_verb_title.py`` (jupytext py:percent) is the one truth, solutions included.
``python tools/build_notebooks.py`` writes ``notebooks/NN_verb_title.ipynb`` for students: no solutions, no
outputs, the same bytes at every run. ``--solutions FOLDER`` writes the solved versions, without stubs, there;
``--self-study FOLDER`` the students' versions with each solution and its why folded under its check.

Cell tags that this script reads:

``setup``     gets the lines that install the package on Colab put before it;
``exercise``  the stub that a student replaces; left out of the solved version;
``solution``  left out of the student's version;
``check``     judges the answer; in the student's version it may raise without stopping "Run all";
``question``  ``check("3.a", "b")``: gets the question and its choices put before it; in the student's version
              the letter is left open. ``recall`` besides: a question of an earlier notebook.

The links of the first cell (Colab, Binder) and the address in the set-up cell come from ``[project.urls]`` in
pyproject.toml: after a change of address, run this script again.
"""

import argparse
import ast
import inspect
import math
import os
import queue
import re
import sys
import tempfile
import time
import tomllib
from importlib import import_module
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cleann_lite.course.checks.reading import as_markdown  # noqa: E402

SOURCES = ROOT / "notebooks" / "src"
NOTEBOOKS = ROOT / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

SETUP = """\
# Set-up. On Colab it adds the package, and leaves what Colab preloads as it is; elsewhere it only imports.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet --no-deps git+{address}
    %pip install --quiet anywidget graphviz pooch
"""

BADGES = """\
[![Open in Colab](badges/colab.svg)]\
(https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name}.ipynb)
[![Open on Binder](badges/binder.svg)]\
(https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/notebooks/{name}.ipynb)
[Read it as it ran](https://{owner}.github.io/{project}/{name}.html)"""


QUESTION = re.compile(r'check\("(\d+\.[a-z])", "([a-z])"\)')


def repository():
    """Public address of the project: the Repository entry of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


def sources():
    """Paths of all notebook sources, in course order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def tags(cell):
    return cell.metadata.get("tags", [])


def build(source, solved=False, address=None, self_study=False):
    """Build one notebook from its source.

    Parameters
    ----------
    source
        Path of a py:percent file.
    solved
        True keeps the solutions and leaves the stubs out; False does the reverse.
    address
        Repository address for links and set-up; None reads pyproject.toml.
    self_study
        Fold each solution under its check.

    Returns
    -------
    nbformat.NotebookNode
    """
    source = Path(source)
    address = address or repository()
    read = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    dropped = "exercise" if solved else "solution"
    cells, solution = [], ""
    for cell in read.cells:
        if "solution" in tags(cell):
            solution = cell.source
        if dropped in tags(cell):
            continue
        if "question" in tags(cell):
            number = QUESTION.search(cell.source)[1]
            text = as_markdown(number, "recall" in tags(cell))
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"{source.stem[:2]}-{len(cells):02d}"))
        cells.append(_cell(cell, f"{source.stem[:2]}-{len(cells):02d}", address, solved))
        if self_study and "check" in tags(cell):
            text = folded(solution, re.search(r'check\("([\d.]+)"', cell.source)[1])
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"{source.stem[:2]}-{len(cells):02d}"))
    cells[0].source = _with_badges(cells[0].source, source.stem, address)
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def _cell(cell, identity, address, solved):
    text = cell.source
    kept = list(tags(cell))
    if "setup" in kept:
        text = SETUP.replace("{address}", address) + "\n" + text
    if not solved and "question" in kept:
        text = QUESTION.sub(r'check("\1", "?")', text)
    if not solved and {"exercise", "check", "question"} & set(kept):
        kept.append("raises-exception")  # Jupyter's own tag: "Run all" goes on after an unsolved exercise
    make = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
    return make(text, id=identity, metadata={"tags": kept} if kept else {})


def _with_badges(text, name, address):
    title, _, rest = text.partition("\n")
    owner, project = address.split("/")[-2:]
    badges = BADGES.format(slug=f"{owner}/{project}", owner=owner, project=project, name=name)
    return f"{title}\n\n{badges}\n{rest}"


def folded(solution, number):
    """A solution and why it is right, as a markdown cell that is closed at first."""
    checks = import_module(f"cleann_lite.course.checks.notebook_{int(number.split('.')[0]):02d}").CHECKS
    judged = ast.parse(inspect.getsource(checks[number])).body[0]
    said = ast.literal_eval(judged.body[-1].value)  # a check ends with what the right answer shows
    return (
        f"<details><summary>Solution</summary>\n\n```python\n{solution.strip()}\n```\n\n{said}\n\n</details>"
    )


def text_of(notebook):
    """The file's text, byte for byte."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def execute(notebook, timeout=300):
    """Run a notebook in a fresh kernel, from its own folder, and return it with its outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell fails that may not (see the tag ``check``).
    """
    from nbclient import NotebookClient
    from traitlets.config import Config

    os.environ.setdefault("CLEANN_LITE_ANSWERS", tempfile.mkdtemp(prefix="answers"))
    with tempfile.TemporaryDirectory(prefix="kernel") as folder:
        # kernels that start side by side may pick the same port; sockets in separate folders never meet
        sockets = {} if sys.platform == "win32" else {"transport": "ipc", "ip": f"{folder}/socket"}
        client = NotebookClient(
            notebook,
            timeout=timeout,
            startup_timeout=180,
            resources={"metadata": {"path": str(NOTEBOOKS)}},
            extra_arguments=["--log-level=ERROR"],
            config=Config({"KernelManager": sockets}),
        )
        client.on_notebook_start = lambda notebook: [
            look_often(channel) for channel in (client.kc.shell_channel, client.kc.iopub_channel)
        ]
        return client.execute()


def look_often(channel, every=1.0):
    """Look for a message every second: ZeroMQ's call that one has come is lost once in thousands of cells.

    Without this such a message is found only when the wait for it ends, or never.
    """
    wait = channel.get_msg

    async def get_msg(timeout=None):
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            try:
                return await wait(timeout=min(max(left, 0), every))
            except queue.Empty:
                if left <= every:
                    raise

    channel.get_msg = get_msg


def write(folder=NOTEBOOKS, solved=False, self_study=False):
    """Write all notebooks into a folder and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for source in sources():
        path = folder / f"{source.stem}.ipynb"
        path.write_text(text_of(build(source, solved, self_study=self_study)), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def main():
    parser = argparse.ArgumentParser(description="Make the student notebooks from notebooks/src.")
    parser.add_argument("--solutions", metavar="FOLDER", help="write the solved versions into FOLDER instead")
    parser.add_argument(
        "--self-study", metavar="FOLDER", help="write versions with folded solutions into FOLDER"
    )
    arguments = parser.parse_args()
    if arguments.solutions:
        paths = write(arguments.solutions, solved=True)
    else:
        paths = write(arguments.self_study or NOTEBOOKS, self_study=bool(arguments.self_study))
    for path in paths:
        print(path)


if __name__ == "__main__":
    main()
