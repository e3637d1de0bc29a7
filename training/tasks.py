"""Small classification tasks beside sentiment, made from public sets and labelled as made here.

Each task gives texts to train on and texts to test with: genre of a film from its title, genre of the next
film from the films before it, a reviewer's rating (eight classes), what a sentence reviews, question or
statement, whether two sentences are neighbours in one review, and whether a word is spelled.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np

from .corpus import Example, clean, reviews

TASKS = ("title genre", "next genre", "rating", "topic", "question", "same review", "spelling")
_GENRES = ("Drama", "Comedy", "Action", "Horror", "Thriller", "Romance")
_TRAINED, _TESTED = 4000, 1000


def read(data: Path, name: str) -> tuple[list[Example], list[Example]]:
    """Texts of one task to train on, and to test with; the split is the same in every run."""
    makers = {"title genre": _title_genre, "next genre": _next_genre, "rating": _rating, "topic": _topic}
    makers |= {"question": _question, "same review": _same_review, "spelling": _spelling}
    found = makers[name](data, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(len(found))
    tested = min(_TESTED, len(found) // 5)
    parts = order[tested : tested + _TRAINED], order[:tested]
    return tuple([found[i] for i in part] for part in parts)


def _films(data: Path) -> dict[int, tuple[str, list[str]]]:
    lines = (data / "ml-1m" / "movies.dat").read_text(encoding="latin-1").splitlines()
    rows = (line.split("::") for line in lines)
    return {int(film): (title, genres.split("|")) for film, title, genres in rows}


def _genre(genres: list[str]) -> int | None:
    known = [_GENRES.index(genre) for genre in genres if genre in _GENRES]
    return known[0] if known else None


def _title_genre(data: Path, rng) -> list[Example]:
    """First of six genres that a film has, from the words of its title."""
    with open(data / "ml-latest-small" / "movies.csv", encoding="utf-8", newline="") as file:
        rows = [(row["title"], _genre(row["genres"].split("|"))) for row in csv.DictReader(file)]
    return [Example(re.sub(r" \(\d{4}\)", "", title), genre) for title, genre in rows if genre is not None]


def _next_genre(data: Path, rng) -> list[Example]:
    """First of six genres of the next film, from up to 60 films before it; a film is a word."""
    films, found = _films(data), []
    with gzip.open(data / "ml-1m" / "ml-1m.sequences.txt.gz", "rt") as file:
        for line in file:
            history = line.split()[1:]
            end = int(rng.integers(10, len(history)))
            genre = _genre(films[int(history[end])][1])
            if genre is not None:
                found.append(Example(" ".join(history[max(0, end - 60) : end]), genre))
    return found


def _rating(data: Path, rng) -> list[Example]:
    """Stars of a review, 1 to 4 and 7 to 10: eight classes."""
    with gzip.open(data / "imdb" / "imdb_train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [(row["text"], int(row["rating"])) for row in csv.DictReader(file)]
    stars = sorted({rating for _, rating in rows})
    return [Example(clean(text), stars.index(rating)) for text, rating in rows]


def _topic(data: Path, rng) -> list[Example]:
    """Whether a sentence reviews a film, a product or a restaurant."""
    found = []
    for topic, name in enumerate(("imdb", "amazon_cells", "yelp")):
        text = (data / "sentences" / f"uci_{name}.txt").read_text(encoding="utf-8")
        found += [Example(clean(line.rsplit("\t", 1)[0]), topic) for line in text.split("\n") if line.strip()]
    return found


def _sentences(data: Path, count: int, rng) -> list[list[str]]:
    found = reviews(data, "train")
    found = [found[i].text for i in rng.permutation(len(found))[:count]]
    return [[p for p in re.split(r"(?<=[.!?])\s+", text) if 4 <= len(p.split()) <= 30] for text in found]


def _question(data: Path, rng) -> list[Example]:
    """Whether a sentence of a review was a question; its end mark is taken away."""
    parts = [p for text in _sentences(data, 20000, rng) for p in text]
    asked = [p for p in parts if p.endswith("?")]
    said = [p for p in parts if p.endswith(".")]
    said = [said[i] for i in rng.permutation(len(said))[: len(asked)]]
    return [Example(p.rstrip(".?!"), label) for label, group in enumerate((said, asked)) for p in group]


def _same_review(data: Path, rng) -> list[Example]:
    """Whether two sentences follow one another in one review, or come from two reviews."""
    texts = [text for text in _sentences(data, 12000, rng) if len(text) > 1]
    found = []
    for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        at, label = int(rng.integers(len(text) - 1)), int(rng.integers(2))
        second = text[at + 1] if label else other[int(rng.integers(len(other)))]
        found.append(Example(f"{text[at]} separator {second}", label))
    return found


def _spelling(data: Path, rng) -> list[Example]:
    """Whether the letters of a word are in order; a letter is a word."""
    lines = (data / "vocab" / "bert-base-uncased-vocab.txt").read_text(encoding="utf-8").split("\n")
    words, found = [word for word in lines if re.fullmatch(r"[a-z]{5,12}", word)], []
    for word in words:
        label = int(rng.integers(2))
        letters = list(word)
        while not label and "".join(letters) == word:
            i, j = rng.choice(len(word), 2, replace=False)
            letters[i], letters[j] = letters[j], letters[i]
        found.append(Example(" ".join(letters), label))
    return found
