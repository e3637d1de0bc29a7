"""Reviews and sentences to train the text models on, read from disk and cleaned.

The folder follows the layout of the public sets: ``imdb/imdb_{train,test,unsup}.csv.gz`` (Maas et al. 2011),
``sentences/sst2_{train,dev,test}.tsv.gz`` (Socher et al. 2013, as GLUE splits it: *test* is GLUE's
development set), ``sentences/rt-polarity.{pos,neg}.txt.gz`` (Pang and Lee 2005) and ``sentences/uci_*.txt``
(Kotzias et al. 2015). Nothing that is trained on repeats a text that is tested on: see :func:`without`.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = ("negative", "positive")
UNKNOWN = -1
_SHARED_WORDS = 6


@dataclass(frozen=True)
class Example:
    """A text with its class: 0 negative, 1 positive, -1 unknown."""

    text: str
    label: int = UNKNOWN


def clean(text: str) -> str:
    """Turn HTML line breaks and runs of white space into single spaces.

    Examples
    --------
    >>> clean("Dull.<br /><br />  Very dull. ")
    'Dull. Very dull.'
    """
    return " ".join(re.sub(r"<br\s*/?>", " ", text).split())


def detached(text: str) -> str:
    """Undo the treebank's tokenising, which the sentences of SST-2 and rt-polarity carry.

    Examples
    --------
    >>> detached("it 's n't funny , it does n't try .")
    "it'sn't funny, it doesn't try."
    """
    text = text.replace("-lrb-", "(").replace("-rrb-", ")").replace("``", '"').replace("''", '"')
    text = re.sub(r" (n't|'s|'re|'ve|'ll|'d|'m)\b", r"\1", text)
    return clean(re.sub(r" ([,.!?;:)])", r"\1", text).replace("( ", "("))


def words_of(text: str) -> tuple[str, ...]:
    """Bare lower-case words, by which two texts are compared whatever their punctuation."""
    text = re.sub(r" (?=n't|'(s|re|ve|ll|d|m)\b)", "", text.lower())
    text = text.replace("'", "").replace("-lrb-", " ").replace("-rrb-", " ")
    return tuple(re.findall(r"[a-z0-9]+", text))


def without(examples: Iterable[Example], tested: Iterable[str], shared: int = _SHARED_WORDS) -> list[Example]:
    """Drop each example that repeats a tested text, or shares ``shared`` words in a row with one.

    Examples
    --------
    >>> without([Example("A fine film."), Example("Not a fine film.")], ["a fine film"])
    [Example(text='Not a fine film.', label=-1)]
    """
    whole, runs = set(), set()
    for text in tested:
        words = words_of(text)
        whole.add(words)
        runs.update(_runs(words, shared))
    return [e for e in examples if (w := words_of(e.text)) not in whole and runs.isdisjoint(_runs(w, shared))]


def _runs(words: tuple[str, ...], length: int) -> Iterator[tuple[str, ...]]:
    return (words[i : i + length] for i in range(len(words) - length + 1))


def reviews(folder: Path, split: str) -> list[Example]:
    """Read the reviews of one split (``train``, ``test`` or ``unsup``) in the order of the file.

    Training reviews whose words equal those of a test review are left out (the set holds about a hundred).
    """
    examples = list(_rows(_found(folder / "imdb" / f"imdb_{split}.csv.gz")))
    if split == "test":
        return examples
    tested = {words_of(e.text) for e in _rows(_found(folder / "imdb" / "imdb_test.csv.gz"))}
    return [e for e in examples if words_of(e.text) not in tested]


def _rows(path: Path) -> Iterator[Example]:
    labels = {"neg": 0, "pos": 1, "unsup": UNKNOWN}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Example(clean(row["text"]), labels[row["label"]])


def sst2(folder: Path, split: str) -> list[Example]:
    """Read the sentences and phrases of one split of SST-2, as the file writes them."""
    with gzip.open(_found(folder / "sentences" / f"sst2_{split}.tsv.gz"), "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return [Example(clean(text), int(label)) for text, label in rows]


def rt_polarity(folder: Path) -> list[Example]:
    """Read the sentences of rt-polarity, as the files write them."""
    found = []
    for name, label in (("neg", 0), ("pos", 1)):
        path = _found(folder / "sentences" / f"rt-polarity.{name}.txt.gz")
        with gzip.open(path, "rt", encoding="latin-1") as file:
            found += [Example(clean(line), label) for line in file]
    return found


def sentences(folder: Path) -> list[Example]:
    """Labelled sentences and phrases to train on: SST-2 train, rt-polarity, and the UCI sentences.

    Whatever repeats a sentence of SST-2's test file, or a sentence of an IMDB test review, is left out.
    """
    found = [*sst2(folder, "train"), *sst2(folder, "dev")]
    found += rt_polarity(folder)
    found = without(found, [e.text for e in sst2(folder, "test")])
    return found + _from_uci(folder)


def _from_uci(folder: Path) -> list[Example]:
    found = []
    for name in ("imdb", "amazon_cells", "yelp"):
        lines = _found(folder / "sentences" / f"uci_{name}.txt").read_text(encoding="utf-8").split("\n")
        rows = [line.rsplit("\t", 1) for line in lines if line.strip()]
        found += [Example(clean(text), int(label)) for text, label in rows]
    runs = {run: i for i, e in enumerate(found) for run in _runs(words_of(e.text), _SHARED_WORDS)}
    seen = {
        runs[run]
        for review in _rows(folder / "imdb" / "imdb_test.csv.gz")
        for run in _runs(words_of(review.text), _SHARED_WORDS)
        if run in runs
    }
    return [e for i, e in enumerate(found) if i not in seen]


def whole_sentences_apart(folder: Path, count: int, seed: int = 0) -> tuple[list[Example], list[Example]]:
    """Split the labelled sentences into those to train on and ``count`` whole ones to validate on.

    SST-2's training file holds phrases of its sentences: whatever lies inside a sentence that is held back,
    or shares words in a row with one, is dropped from training, as it is for SST-2's own development set.
    """
    found = sentences(folder)
    whole = {e.text for e in rt_polarity(folder)} & {e.text for e in found}
    whole = [e for e in dict.fromkeys(found) if e.text in whole and len(e.text.split()) > 5]
    held = [whole[i] for i in np.random.default_rng(seed).permutation(len(whole))[:count]]
    inside = set()
    for example in held:
        words = words_of(example.text)
        inside |= {run for size in range(2, _SHARED_WORDS) for run in _runs(words, size)}
    rest = [e for e in without(found, [e.text for e in held]) if words_of(e.text) not in inside]
    return rest, held


def _found(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"--data must hold {path.parent.name}/{path.name}: nothing at {path}")
    return path


def split_off(examples: list[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Shuffle and cut: the larger part to train on, the smaller (a ``share`` of it) to validate on."""
    order = np.random.default_rng(seed).permutation(len(examples))
    cut = round(len(examples) * (1 - share))
    return [examples[i] for i in order[:cut]], [examples[i] for i in order[cut:]]


_SUBJECTS = ("the film", "the plot", "the cast", "this story", "the acting", "the music", "her performance")
_OPINIONS = (
    ("dull", "awful", "boring", "a waste of time", "terrible", "weak", "not good", "not funny"),
    ("wonderful", "superb", "moving", "great fun", "excellent", "touching", "not bad", "never dull"),
)


def made_up(count: int, seed: int = 0, sentences_each: int = 3) -> list[Example]:
    """Make small reviews by rule, for a run that only shows that everything works.

    Examples
    --------
    >>> made_up(2)[0].text.count(".")
    3
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return [
        Example(
            " ".join(
                f"{rng.choice(_SUBJECTS).capitalize()} was {rng.choice(_OPINIONS[label])}."
                for _ in range(sentences_each)
            ),
            int(label),
        )
        for label in labels
    ]
