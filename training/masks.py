"""Texts with words hidden, at every rate: what a search for explanations shows to a model.

Some draws hide words at random, at a rate drawn between 0 and 100 %; some the words that say most about the
class, which is what a search ends at; some every content word. A teacher judges the same words hidden in its
own word-pieces: words are counted before they are cut into pieces, alike in every BERT vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cleann_lite.attention.words import is_content_word

from . import text


@dataclass(frozen=True)
class Cut:
    """A text in word-pieces, and the number of the word that each piece belongs to."""

    pieces: np.ndarray
    words: np.ndarray

    @property
    def count(self) -> int:
        """Number of words."""
        return int(self.words[-1]) + 1 if len(self.words) else 0

    def hidden(self, words: np.ndarray, mask: int) -> np.ndarray:
        """Word-pieces of the text, with those of hidden words (booleans, one a word) replaced by ``mask``."""
        return np.where(words[self.words], mask, self.pieces) if len(self.pieces) else self.pieces

    def content(self, function: np.ndarray) -> np.ndarray:
        """Which words are content words, by `function_pieces`: booleans, one a word."""
        content = np.zeros(self.count, dtype=bool)
        content[self.words[~function[self.pieces]]] = True
        return content

    def judged(self, words: np.ndarray, function: np.ndarray) -> np.ndarray:
        """Hidden words as a teacher sees them: with most content words gone, function words go too.

        What *should have* says by itself is chance; it would outvote a neutral word that is left.
        """
        content = self.content(function)
        return words | ~content if words[content].sum() > content.sum() / 2 else words


def function_pieces(tokenizer) -> np.ndarray:
    """Whether each word-piece is a function word or punctuation, by the package's own list: (vocabulary,)."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array([not token.startswith("##") and not is_content_word(token) for token in tokens])


def cuts(tokenizer, texts: Sequence[str]) -> list[Cut]:
    """Cut texts into word-pieces, without special tokens."""
    fast, found = tokenizer.backend_tokenizer, []
    fast.no_truncation()
    fast.no_padding()
    for start in range(0, len(texts), 1000):
        for encoded in fast.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False):
            found.append(Cut(np.array(encoded.ids, np.int32), np.array(encoded.word_ids, np.int32)))
    return found


def strengths(parts: Sequence[Cut], labels: np.ndarray, size: int) -> np.ndarray:
    """How much each word-piece says about the class: absolute log-odds of its counts, smoothed: (size,)."""
    counts = np.stack(
        [
            np.bincount(
                np.concatenate(
                    [np.unique(p.pieces) for p, label in zip(parts, labels, strict=True) if label == c]
                ),
                minlength=size,
            )
            for c in (0, 1)
        ]
    ).astype(float)
    odds = np.log((counts + 3) / (counts.sum(1, keepdims=True) + 3 * size))
    return np.abs(odds[1] - odds[0] - np.median(odds[1] - odds[0]))


def draw(cut: Cut, strength: np.ndarray, function: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Words to hide: booleans, one a word."""
    kind, rate = rng.random(), rng.random()
    if kind < 0.4 or not cut.count:
        return rng.random(cut.count) < rate
    if kind > 0.7:
        return cut.content(function)
    of_word = np.zeros(cut.count)
    np.maximum.at(of_word, cut.words, strength[cut.pieces])
    order = np.argsort(-of_word * rng.uniform(0.5, 1.5, cut.count))
    most = min(cut.count, 1 + int(rate * (8 if cut.count <= 40 else cut.count / 2)))
    words = np.zeros(cut.count, dtype=bool)
    words[order[:most]] = True
    return words


def blanks(shortest: int, longest: int) -> list[np.ndarray]:
    """Texts of [MASK] alone, one of each length, framed."""
    return [text.framed(np.full(length, text.MASK)) for length in range(shortest, longest + 1)]
