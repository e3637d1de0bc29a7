"""Open JupyterLab on the course; without a browser, print the address."""

import os
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).parent.parent
START = "notebooks/00_start_here.ipynb"


def has_browser():
    """Whether a person at this machine would see a browser open."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return sys.platform != "linux" or bool(shutil.which("xdg-open"))


def command(arguments):
    """The command that starts the course."""
    start = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", START]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        start.append("--allow-root")  # in a container everybody is root
    if not has_browser():
        start.append("--no-browser")
        print("There is no browser here: open the address that follows in one.", flush=True)
    return [*start, *arguments]


if __name__ == "__main__":
    try:
        sys.exit(subprocess.call(command(sys.argv[1:]), cwd=ROOT))
    except KeyboardInterrupt:
        sys.exit(0)
