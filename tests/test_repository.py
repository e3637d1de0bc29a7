"""The repository keeps the habits of scientific Python packages, and its tables say what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_habits_of_scientific_python():
    pytest.importorskip("repo_review")
    run = [sys.executable, "-m", "repo_review", ".", "--format", "json"]
    told = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert told.returncode == 0, told.stdout + told.stderr
