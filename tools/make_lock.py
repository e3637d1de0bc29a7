"""Resolve pyproject.toml for this Python and write requirements.lock, one exact version a line.

The lock holds what the extra ``lab`` and the dependency groups ask for.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """\
# Exact versions of the environment that make installs; `make lock` rewrites it from pyproject.toml.
"""
PINS = {"torch": "2.13.0"}


def requirements():
    """The requirement lines of the dependency groups."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return [line for group in groups.values() for line in group if isinstance(line, str)]


def resolve():
    """Name -> version of everything that the course, its tests and its makers need."""
    with tempfile.TemporaryDirectory() as folder:
        report, pins = Path(folder, "report.json"), Path(folder, "pins.txt")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in PINS.items()))
        options = ["--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        target = ["--constraint", str(pins), f"{ROOT}[lab]", *requirements()]
        subprocess.check_call([sys.executable, "-m", "pip", "install", *options, *target])
        packages = json.loads(report.read_text())["install"]
    return {p["metadata"]["name"].lower().replace("_", "-"): p["metadata"]["version"] for p in packages}


def main():
    """Write the lock."""
    versions = resolve()
    versions.pop("cleann-lite", None)
    lines = [f"{name}=={version.split('+')[0]}\n" for name, version in sorted(versions.items())]
    (ROOT / "requirements.lock").write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} packages locked")


if __name__ == "__main__":
    main()
