"""The benchmarks in one run: ``make bench``, or ``python -m benchmarks [name …]``.

Speed is reported as ratios measured in this run, on this machine; nothing here is asserted by a test. What
takes many minutes runs only by its name.
"""

import importlib
import sys
from pathlib import Path

LONG = ("networks", "robust_graphs")


def main(names):
    """Run the named benchmarks, by default all but the long ones; each is a module here with a ``main()``."""
    folder = Path(__file__).parent
    found = sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))
    unknown = sorted(set(names) - set(found))
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}: choose from {', '.join(found)}", file=sys.stderr)
        return 2
    for name in names or [name for name in found if name not in LONG]:
        print(f"\n## {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
