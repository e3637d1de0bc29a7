"""Write data/registry.txt: the sha256 of every shipped file, checked when the file is loaded.

python tools/make_registry.py            rewrite it
python tools/make_registry.py --check    exit 1 where it is not up to date
"""

import hashlib
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"


def registry_text(data=DATA):
    """Lines ``sha256  relative/path`` for every file of the folder, in order of the paths."""
    files = sorted(p for p in data.rglob("[!.]*") if p.is_file() and p.name != "registry.txt")
    digests = ((hashlib.sha256(p.read_bytes()).hexdigest(), p.relative_to(data).as_posix()) for p in files)
    return "".join(f"{digest}  {name}\n" for digest, name in digests)


def main(arguments):
    path = DATA / "registry.txt"
    text = registry_text()
    if "--check" in arguments:
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        changed = {line.split("  ")[1] for line in set(current.splitlines()) ^ set(text.splitlines())}
        if changed:
            print(f"data/registry.txt is not up to date: {', '.join(sorted(changed))}")
            return 1
        return 0
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(text.splitlines())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
