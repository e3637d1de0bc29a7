"""Run ruff, mypy and every test: first all that may share the cores, then notebooks and browser alone.

Each run prints its own summary; the exit code is non-zero if any failed.
"""

import os
import subprocess
import sys

CHECKS = (("style", ["ruff", "check", "."]), ("types", ["mypy"]))
STAGES = (
    ("unit, oracle and property tests", ["-n", "2", "-m", "not browser and not notebook"]),
    ("notebooks", ["-n", "2", "-m", "notebook"]),
    ("browser", ["-m", "browser"]),
)


def main(arguments):
    """Run the stages in turn; 1 if one failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    failed = []
    runs = [*CHECKS, *((name, ["pytest", *options, *arguments]) for name, options in STAGES)]
    for name, command in runs:
        print(f"\n── {name} ──", flush=True)
        code = subprocess.call([sys.executable, "-m", *command], env=environment)
        if code not in (0, 5):  # 5: no test of this kind
            failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
