"""Rewrite every badge and link to the repository from the one address in pyproject.toml.

    python tools/set_address.py            # bring all files in line with [project.urls] Repository
    python tools/set_address.py NEW_URL    # change the address first
    python tools/set_address.py --check    # exit 1 where a file disagrees

Links are found by their shape (GitHub, Colab, Binder and nbviewer addresses of a repository called
cleann_lite), so that moving the project is one command.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
_OWNER = r"[A-Za-z0-9_.-]+"
_SHAPES = re.compile(
    rf"(?P<before>https://github\.com/|git\+https://github\.com/|colab\.research\.google\.com/github/"
    rf"|mybinder\.org/v2/gh/|nbviewer\.org/github/|raw\.githubusercontent\.com/){_OWNER}/(?P<name>cleann_lite)\b"
)


def address():
    """The repository's public address."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def owner_of(url):
    """Owner of a GitHub address, "https://github.com/OWNER/cleann_lite"."""
    found = re.fullmatch(rf"https://github\.com/({_OWNER})/cleann_lite/?", url)
    if not found:
        raise SystemExit(f"the address must look like https://github.com/OWNER/cleann_lite: got {url}")
    return found[1]


def files():
    """Everything that may carry a link."""
    patterns = (
        "*.md",
        "*.cff",
        "docs/*.md",
        "notebooks/*.ipynb",
        "notebooks/src/*.py",
        "binder/*",
        "tools/*.py",
    )
    skipped = {Path(__file__).resolve()}
    return [f for p in patterns for f in sorted(ROOT.glob(p)) if f.is_file() and f.resolve() not in skipped]


def rewritten(text, owner):
    """Text with every link pointing at the owner's repository."""
    return _SHAPES.sub(lambda m: f"{m['before']}{owner}/{m['name']}", text)


def main(arguments):
    """Check or rewrite; the number of files that disagreed decides the exit code of --check."""
    check = "--check" in arguments
    urls = [a for a in arguments if not a.startswith("--")]
    if urls:
        owner_of(urls[0])
        path = ROOT / "pyproject.toml"
        path.write_text(path.read_text().replace(address(), urls[0].rstrip("/")))
    owner, changed = owner_of(address()), []
    for file in files():
        text = file.read_text(encoding="utf-8")
        new = rewritten(text, owner)
        if new != text:
            changed.append(file.relative_to(ROOT))
            if not check:
                file.write_text(new, encoding="utf-8")
    for file in changed:
        print(f"{'differs' if check else 'rewritten'}: {file}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
