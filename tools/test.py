"""Run ruff, mypy and every test; mypy works beside the first tests, and the browser by itself.

Each run prints its own summary; the exit code is non-zero if any failed. What Hypothesis draws is the same
in each; pytest alone draws anew, and ``tools/fuzz.py`` searches for hours.
"""

import os
import subprocess
import sys

# only what a stage needs is collected: each of its two processes imports all of it
STAGES = {
    "unit, oracle and property tests": ["-m", "not notebook", "--ignore=tests/browser", "--dist=worksteal"],
    # apart: a process that forks must not talk to a kernel
    "notebooks": ["-m", "notebook", "tests/test_notebooks.py", "--maxschedchunk=1"],
    "browser": ["tests/browser", "--dist=loadfile"],
}


def main(arguments):
    """Run the stages in turn; 1 if one failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    failed = []

    def run(name, command):
        print(f"\n── {name} ──", flush=True)
        if subprocess.call([sys.executable, "-m", *command], env=environment) not in (0, 5):  # 5: none
            failed.append(name)

    run("style", ["ruff", "check", "."])
    types = subprocess.Popen(
        [sys.executable, "-m", "mypy"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for name, chosen in STAGES.items():
        run(
            name,
            [
                "pytest",
                "-n",
                "2",
                "-p",
                "no:nbmake",
                "--hypothesis-seed=0",
                "--durations=8",
                *chosen,
                *arguments,
            ],
        )
    print(f"\n── types ──\n{types.communicate()[0]}", flush=True)
    if types.returncode:
        failed.append("types")
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
