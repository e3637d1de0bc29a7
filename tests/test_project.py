"""What holds for the project as a whole: floors, imports, one environment, one address."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cleann_lite"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# The house: a module imports only from floors below its own (or beside it).
FLOORS = {
    1: "graphs separation mags sem tables words",
    2: "independence orientation pds drawing layout curves svg png heatmap",
    3: "discovery skeleton",
    4: "protocol explanation search growth pages baselines identifiability generatable robustness",
    5: "models readout loading bert4rec titles encoder datasets sources training",
    6: "evaluation metrics methods inputs journal results report discovery_benchmark robust_record",
    7: "widgets checks course __main__",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def imported(tree):
    """(module of ours, whether at the top of the file) for every import in a file."""
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            yield node.module.split(".")[0], id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cleann_lite."):
            yield node.module.split(".")[1], id(node) in top


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda v: v if isinstance(v, str) else v.name)
def test_no_module_imports_from_a_higher_floor(name, path):
    assert name in FLOOR, f"{name} stands on no floor: add it to FLOORS"
    for other, at_top in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if at_top and other in FLOOR:
            assert FLOOR[other] <= FLOOR[name], f"{path.name} (floor {FLOOR[name]}) imports {other}"


def test_every_name_on_a_floor_is_a_module():
    assert set(FLOOR) == {name for name, _ in modules()}


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
    lines = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    return dict(requirement(r) for r in lines if not r.startswith("cleann-lite"))


def test_environment_yml_agrees_with_pyproject():
    yaml = pytest.importorskip("yaml")
    names = {"matplotlib-base": "matplotlib", "python-graphviz": "graphviz", "pytorch-cpu": "torch"}
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(requirement(line) for line in lines)
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
    for name, bound in ranges("draw", "models", "lab", "dev").items():
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
