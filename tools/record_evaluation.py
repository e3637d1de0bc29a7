"""Keep a large run of `cleann-lite evaluate` for the notebooks: figures by number of the input, no text.

    python tools/record_evaluation.py FOLDER [FOLDER …]

Each FOLDER is one that ``cleann-lite evaluate … --out FOLDER`` wrote. Afterwards run tools/make_registry.py.
"""

import gzip
import json
import sys
from pathlib import Path

from cleann_lite.datasets.files import write_whole
from cleann_lite.evaluation.journal import read_journal

RECORDED = Path(__file__).resolve().parent.parent / "data" / "recorded"


def record(folder):
    """Write data/recorded/evaluation_NAME.jsonl.gz, inputs in order; the same bytes for the same results."""
    settings, records = read_journal(folder)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (settings, *records))
    pocket = settings["model"].startswith("pocket-")
    parts = [settings["task"] if pocket else settings["model"].split("-")[0]]
    parts += [Path(settings["data"]).stem] if Path(settings["data"]).suffix else []
    path = RECORDED / f"evaluation_{'_'.join(parts)}.jsonl.gz"
    write_whole(path, gzip.compress(text.encode(), 9, mtime=0))
    return path, len(records)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(*record(name), "inputs")
