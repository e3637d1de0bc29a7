"""Print the lowest versions that pyproject.toml admits, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main():
    """One ``name==version`` a line, for the core and the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    bounds = {m[1]: m[2] for line in lines if (m := re.fullmatch(r"([\w-]+)>=([\d.]+)", line))}
    sys.stdout.write("".join(f"{name}=={version}\n" for name, version in bounds.items()))


if __name__ == "__main__":
    main()
