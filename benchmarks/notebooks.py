"""Seconds and memory of every notebook in a fresh kernel; the promise: 60 s and 1.5 GB on two cores."""

import sys
import threading
import time
from pathlib import Path

import psutil
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build_notebooks  # noqa: E402

SECONDS, MEGABYTES = 60, 1500


def watch(children, peak, stop):
    """Keep the largest resident memory of the kernel and its children, in MB."""
    while not stop.wait(0.1):
        total = 0
        for process in children():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 2**20)


def measure(source):
    """(seconds with the kernel's start, peak MB) of one notebook."""
    notebook = build_notebooks.build(source, solved=True)
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    client = NotebookClient(
        notebook, timeout=600, startup_timeout=180, resources=place, extra_arguments=["--log-level=ERROR"]
    )
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    peak, stop = [0.0], threading.Event()

    def children():
        return [c for c in psutil.Process().children(recursive=True) if c.pid not in before]

    watcher = threading.Thread(target=watch, args=(children, peak, stop))
    watcher.start()
    start = time.perf_counter()
    try:
        client.execute()
    finally:
        stop.set()
        watcher.join()
    return time.perf_counter() - start, peak[0]


def main():
    """Print the table."""
    print(f"{'notebook':<42}{'seconds':>9}{'MB':>7}")
    for source in build_notebooks.sources():
        seconds, megabytes = measure(source)
        over = "  over the promise" * (seconds > SECONDS or megabytes > MEGABYTES)
        print(f"{source.stem:<42}{seconds:>9.1f}{megabytes:>7.0f}{over}", flush=True)


if __name__ == "__main__":
    main()
