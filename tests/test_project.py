"""The house is in order: floors, weight of the import, the environment, the front page."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cleann_lite"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# room -> the rooms whose modules it may import; no room knows a later one
ROOMS = {
    "attention": "",
    "causal": "",
    "datasets": "",
    "drawing": "causal datasets",
    "models": "attention datasets",
    "explaining": "attention causal datasets models drawing",
    "evaluation": "attention causal datasets models drawing explaining",
    "widgets": "attention causal datasets models drawing explaining evaluation",
    "course": "attention causal datasets models drawing explaining evaluation",
    "learn": "causal datasets drawing",
    "__main__": "learn attention causal datasets models drawing explaining evaluation",
}

START = "<!-- rooms: written from ROOMS in tests/test_project.py by python tests/test_project.py -->"
END = "<!-- end of rooms -->"


def rooms_table():
    """The table of CONTRIBUTING.md: floor, room, what the room is for (its docstring), what it knows."""
    floor, lines = {}, ["", "| floor | room | what lives there | knows |", "|---|---|---|---|"]
    for name, rooms in ROOMS.items():
        floor[name] = 1 + max((floor[r] for r in rooms.split()), default=0)
        path = (
            PACKAGE / f"{name}.py" if (PACKAGE / f"{name}.py").is_file() else PACKAGE / name / "__init__.py"
        )
        about = (
            ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n")[0].replace("|", "·")
        )
        lines.append(f"| {floor[name]} | `{name}` | {about} | {', '.join(rooms.split()) or '–'} |")
    return "\n".join([*lines, ""])


def with_rooms(text):
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{rooms_table()}\n{END}{rest.partition(END)[2]}"


def modules(package=PACKAGE):
    """Dotted name -> file of every module."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(package=PACKAGE):
    """Which module imports which: every import counts, local ones too."""
    files = modules(package)
    graph = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, path in files.items():
        here = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parts = here.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
                base = ".".join(filter(None, (base, node.module)))
                targets = [base, *(f"{base}.{alias.name}" for alias in node.names)]
            else:
                continue
            graph.add_edges_from((name, t) for t in targets if t in files and t not in (name, package.name))
    return graph


def room(module):
    return module.split(".")[1] if "." in module else ""


def faults(graph):
    """Circles, and imports of a room that the importing room must not know."""
    circles = [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    known = {name: {name, *rooms.split()} for name, rooms in ROOMS.items()}
    wrong = [(a, b) for a, b in graph.edges if room(a) and room(b) not in known[room(a)]]
    return circles, wrong


def test_no_room_knows_a_later_one_and_no_import_goes_round():
    assert faults(import_graph()) == ([], [])
    for name, rooms in ROOMS.items():
        earlier = list(ROOMS)[: list(ROOMS).index(name)]
        assert set(rooms.split()) <= set(earlier)


def test_a_planted_circle_and_a_planted_arrow_up_are_found(tmp_path):
    for name, text in {
        "__init__": "",
        "causal/__init__": "",
        "causal/a": "def f():\n    from . import b\n",
        "causal/b": "from .a import f\n",
        "causal/c": "def g():\n    from ..models.d import h\n",
        "models/__init__": "",
        "models/d": "h = 1\n",
    }.items():
        path = tmp_path / "cleann_lite" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    circles, wrong = faults(import_graph(tmp_path / "cleann_lite"))
    assert circles == [["cleann_lite.causal.a", "cleann_lite.causal.b"]]
    assert wrong == [("cleann_lite.causal.c", "cleann_lite.models.d")]


def test_there_are_few_floors_and_every_module_lives_in_a_room():
    floor = {}
    for name, rooms in ROOMS.items():
        floor[name] = 1 + max((floor[r] for r in rooms.split()), default=0)
    assert max(floor.values()) <= 7
    assert {room(name) for name in modules() if room(name)} <= set(ROOMS)


def test_contributing_shows_the_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert text == with_rooms(text), "run python tests/test_project.py"


def test_no_module_is_too_long_for_one_sitting():
    lengths = {name: path.read_text(encoding="utf-8").count("\n") for name, path in modules().items()}
    long = {name.removeprefix("cleann_lite.") for name, n in lengths.items() if n > 400}
    assert not long


def test_import_loads_nothing_heavy():
    code = (
        "import sys, json, cleann_lite; cleann_lite.learn_pag; cleann_lite.PAG; cleann_lite.explain;"
        "print(json.dumps([m for m in ('torch','transformers','matplotlib','IPython','ipywidgets','pandas')"
        " if m in sys.modules]))"
    )
    assert json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)) == []


def test_public_names_all_resolve():
    import cleann_lite

    for name in cleann_lite.__all__:
        assert getattr(cleann_lite, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = cleann_lite.nothing_here


def requirement(text):
    """("numpy", ">=1.26") of a requirement line."""
    name, bound = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(.*)", text).groups()
    return name.lower().replace("_", "-"), bound.strip()


def ranges(*extras):
    project = PROJECT["project"]
    known = project["optional-dependencies"] | PROJECT["dependency-groups"]
    lines = [*project["dependencies"], *(r for e in extras for r in known[e] if isinstance(r, str))]
    return dict(requirement(r) for r in lines if not r.startswith("cleann-lite"))


def test_environment_yml_agrees_with_pyproject():
    yaml = pytest.importorskip("yaml")
    names = {"matplotlib-base": "matplotlib", "python-graphviz": "graphviz", "pytorch-cpu": "torch"}
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (line["pip"] for line in lines if isinstance(line, dict))
    conda = dict(requirement(line) for line in [*(x for x in lines if isinstance(x, str)), *pip])
    python = conda.pop("python")
    assert python.startswith(PROJECT["project"]["requires-python"])
    conda.pop("pip")
    assert {names.get(k, k): v for k, v in conda.items()} == ranges("draw", "models", "lab")
    assert (ROOT / "binder" / "environment.yml").resolve() == ROOT / "environment.yml"


def test_the_lock_satisfies_pyproject():
    packaging = pytest.importorskip("packaging.specifiers")
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert locked["torch"] == "2.13.0"
    for name, bound in ranges("draw", "models", "lab", "parquet", "test", "dev").items():
        assert packaging.SpecifierSet(bound).contains(locked[name]), f"{name} {locked[name]} is not {bound}"


def test_every_link_agrees_with_the_one_address():
    subprocess.check_call([sys.executable, ROOT / "tools" / "set_address.py", "--check"], cwd=ROOT)


def test_moving_the_project_rewrites_every_shape_of_link():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import set_address
    finally:
        sys.path.pop(0)
    links = [
        "https://github.com/old/cleann_lite/issues",
        "https://colab.research.google.com/github/old/cleann_lite/blob/main/notebooks/x.ipynb",
        "https://mybinder.org/v2/gh/old/cleann_lite/HEAD?labpath=x",
        "pip install git+https://github.com/old/cleann_lite.git",
    ]
    moved = set_address.rewritten("\n".join(links), "new")
    assert "old" not in moved
    assert moved.count("new/cleann_lite") == len(links)
    assert set_address.rewritten("https://github.com/old/other", "new") == "https://github.com/old/other"


def test_version_stands_once():
    import cleann_lite

    assert cleann_lite.__version__ == PROJECT["project"]["version"]
    assert f"version: {cleann_lite.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_nothing_is_pickled():
    found = [
        path.name
        for path in [*PACKAGE.rglob("*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("benchmarks/*.py")]
        if re.search(
            r"\bimport pickle|\btorch\.(load|save)\(|allow_pickle=True|trust_remote_code=True",
            path.read_text(),
        )
    ]
    assert found == []


if __name__ == "__main__":
    contributing = ROOT / "CONTRIBUTING.md"
    contributing.write_text(with_rooms(contributing.read_text(encoding="utf-8")), encoding="utf-8")
