"""The wheel works by itself: outside the clone, with its own models and examples, offline."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.check_call([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_it_carries_the_data_and_nothing_else_of_the_clone(unpacked):
    names = {p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*") if p.is_file()}
    shipped = {
        f"cleann_lite/data/{line.split(maxsplit=1)[1]}"
        for line in (ROOT / "data" / "registry.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }
    assert shipped <= names
    assert not [n for n in names if n.startswith(("tests/", "notebooks/", "tools/"))]
    assert {n.split("/")[0] for n in names} == {"cleann_lite", "cleann_lite-0.2.0.dist-info"}


def test_the_source_archive_carries_what_the_tests_read(tmp_path):
    subprocess.check_call(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path], cwd=ROOT
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    needed = {
        "Makefile",
        "environment.yml",
        "requirements.lock",
        "tools/set_address.py",
        "docs/first_light.svg",
    }
    assert needed <= names
    assert not [n for n in names if n.startswith((".venv", ".git/"))]


@pytest.mark.slow
def test_it_explains_offline_outside_the_clone(unpacked, tmp_path):
    pytest.importorskip("torch")
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "HF_HUB_OFFLINE": "1"}
    text = "The plot is thin, but the actors are wonderful."
    history = ["recommend", "--history", "The Matrix (1999); Alien (1979)", "--json"]
    code = (
        "import sys, cleann_lite; assert cleann_lite.__file__.startswith(sys.argv[1]); "
        "from cleann_lite.__main__ import main; "
        f"assert main({['explain', text, '--json']}) == 0; print('--'); sys.exit(main({history}))"
    )
    run = [sys.executable, "-c", code, str(unpacked)]
    out = subprocess.check_output(run, cwd=tmp_path, env=environment, text=True, encoding="utf-8")
    explained, recommended = map(json.loads, out.split("--\n"))
    assert explained["prediction"] in ("negative", "positive")
    assert len(recommended["recommendations"]) == 10
