"""Write docs/models.md: what becomes of each architecture and task, built tiny and loaded.

python tools/build_models_page.py            writes the page
python tools/build_models_page.py --check    says whether it is what would be written
"""

import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "models.md"
HEAD = """# Models that can be explained

Whether a model can be read is seen, not looked up: at load it runs on two short texts. What its head reads is
the outcome's row, attention without later words is a causal order, and the positions it has are the length of
a text. The table was made by building each architecture tiny, from its configuration, and loading it
(`python tools/build_models_page.py`). The tests hold each row against transformers alone: the same
probabilities, the row that the head reads, the ids of every masked input, and every set flips from its ids.

A model of your own need not be in this table: [Prototype a variant](prototype_a_variant.md) shows one, and
[protocol.py](../cleann_lite/models/protocol.py) says what its five methods must give.

"""
READ_HEAD = "| architecture | task | the outcome's row | order of the words |\n|---|---|---|---|\n"
REFUSED_HEAD = """
These are refused when they are loaded, in one sentence:

| architecture | what is said |
|---|---|
"""
OUTCOMES = {"masked-word": "the masked word", "next-word": "the next word, appended"}
PLACES = {0: "first token", -1: "last token", None: "mean of all rows"}


def rows():
    """The two tables: of what is read, and of what is refused."""
    from transformers.utils import logging

    import cleann_lite as cl
    from tests.architectures import ROWS, build

    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    read, refused = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for number, row in enumerate(ROWS):
            name = f"{row.family} {row.label}".strip()
            folder = build(row, Path(scratch) / str(number))
            try:
                model = cl.load_model(folder, task=row.task)
            except ValueError as error:
                said = str(error).replace(folder.name, "the model").replace(str(folder.parent) + "/", "")
                refused.append(f"| {name}, {row.task} | {said} |")
                continue
            place = PLACES[model.seen.reads] if row.task == "classification" else OUTCOMES[row.task]
            order = "causal" if model.causal else "none"
            read.append(f"| {name} | {row.task} | {place} | {order} |")
    return read, refused


def page():
    """The text of the page."""
    read, refused = rows()
    return HEAD + READ_HEAD + "\n".join(read) + "\n" + REFUSED_HEAD + "\n".join(refused) + "\n"


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == text else f"{PAGE} is out of date")
    PAGE.write_text(text, encoding="utf-8")
