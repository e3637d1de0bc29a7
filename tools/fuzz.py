"""Coverage-guided fuzzing of everything that reads text: one sentence or an answer, nothing else.

``pip install atheris`` (Linux and macOS); ``python tools/fuzz.py -max_total_time=1200 [corpus folder]``. The
options are libFuzzer's. What it finds becomes a test in tests/test_fuzz.py.
"""

import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cleann_lite"]):  # what is imported later is not guided
    import cleann_lite as cl
    import cleann_lite.causal.exchange
    import cleann_lite.explaining.records
    from cleann_lite.attention.words import group_pieces, group_sentences, split_words
    from cleann_lite.datasets.correlations import correlation_of
    from cleann_lite.datasets.tables import read_table

SEED = cl.PAG([[0, 2, 0], [1, 0, 3], [0, 2, 0]], labels=("a", "b", "c"))
STARTS = [getattr(SEED, f"to_{form}")() for form in ("json", "text", "dot", "gml", "graphml")]
STARTS += [
    cl.explain(cl.load_model("pocket-sentiment"), "A dull film.").to_json(),
    "It's a “dull” film (naïve 🙂🏽) … isn't it?",
    "id;x;y\n1;0,5;2\n2;1,5;NA\n3;-2e1;4\n4;.5;7\n",
]
FILE = Path(tempfile.mkdtemp()) / "table.csv"


def words(text):
    """Words are in order, and pieces of any offsets belong to them."""
    spans = split_words(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    group_pieces(text, [(i, i + 2) for i in range(0, len(text), 2)])
    group_sentences([text[start:end] for start, end in spans])


def table(text):
    """The correlations of a table, or why not."""
    FILE.write_text(text, encoding="utf-8", errors="replace")
    correlation_of(read_table(FILE))


DOORS = (
    cl.PAG.from_json, cl.PAG.from_text, cl.PAG.from_dot, cl.PAG.from_gml, cl.PAG.from_graphml,
    cl.Explanation.from_json, words, table,
)  # fmt: skip


def one(data):
    """One input at one door."""
    if len(data) < 2:
        return
    text = data[1:].decode("utf-8", "replace")
    try:
        DOORS[data[0] % len(DOORS)](text)
    except (ValueError, TypeError) as error:
        assert str(error).strip() and len(str(error)) < 5000


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, text in enumerate(STARTS):
        (folder / str(number)).write_bytes(bytes([number]) + text.encode())
    atheris.Setup([*sys.argv, str(folder)], one)
    atheris.Fuzz()
