"""A trigram language model, the yardstick of the masked-word model and of the causal language model."""

from __future__ import annotations

import numpy as np


class Trigrams:
    """Interpolated Kneser-Ney trigrams over ids below ``size``.

    ``p(c | a, b) = max(n(abc) - d, 0) / n(ab) + d t(ab) / n(ab) p(c | b)``, where t counts the different
    followers of a context; the lower orders count the different contexts of a word instead of its
    occurrences. The discount of each order is ``n1 / (n1 + 2 n2)``, n1 and n2 the numbers of n-grams seen
    once and twice (Chen and Goodman 1999, *An empirical study of smoothing techniques for language modeling*,
    section 3).

    Parameters
    ----------
    texts : list of integer arrays
        Each is a separate sequence; no n-gram crosses from one into the next.
    between : bool
        Predict an id from its two neighbours, the left and the right, instead of the two before it.

    Examples
    --------
    >>> model = Trigrams([np.array([0, 1, 2, 0, 1, 2, 0, 1, 3])], size=4)
    >>> model.next(0, 1).argmax(), round(float(model.next(0, 1).sum()), 6)
    (np.int64(2), 1.0)
    """

    def __init__(self, texts: list[np.ndarray], size: int, between: bool = False):
        self.size, self._between = size, between
        codes = np.concatenate([self._codes(np.asarray(ids, dtype=np.int64)) for ids in texts])
        grams, times = np.unique(codes, return_counts=True)
        self._three = _Counts(grams, times, size)
        grams, times = np.unique(grams % size**2, return_counts=True)
        self._two = _Counts(grams, times, size)
        seen = np.bincount(grams % size, minlength=size).astype(float)
        self._one = (seen + 0.5) / (seen + 0.5).sum()

    def _codes(self, ids: np.ndarray) -> np.ndarray:
        last, wanted = (ids[2:], ids[1:-1]) if self._between else (ids[1:-1], ids[2:])
        return (ids[:-2] * self.size + last) * self.size + wanted

    def next(self, before: int, last: int) -> np.ndarray:
        """Distribution of the id that the two predict, shape (size,)."""
        lower = self._two.interpolate(int(last), self._one)
        return self._three.interpolate(int(before) * self.size + int(last), lower)

    def measure(self, contexts: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
        """Perplexity and top-1 accuracy of the wanted ids (n,) after contexts of two ids (n, 2)."""
        loss, right = 0.0, 0
        for (before, last), target in zip(contexts, wanted, strict=True):
            chance = self.next(before, last)
            loss -= np.log(chance[target])
            right += chance.argmax() == target
        return float(np.exp(loss / len(wanted))), right / len(wanted)


class _Counts:
    """Counts of n-grams in the order of their codes: those of one context are neighbours."""

    def __init__(self, grams: np.ndarray, times: np.ndarray, size: int):
        self._contexts, self._last, self._times = grams // size, grams % size, times
        once, twice = (times == 1).sum(), (times == 2).sum()
        self._discount = once / (once + 2 * twice) if once else 0.5

    def interpolate(self, context: int, lower: np.ndarray) -> np.ndarray:
        start, end = np.searchsorted(self._contexts, [context, context + 1])
        if start == end:
            return lower
        times = self._times[start:end]
        chance = self._discount * (end - start) / times.sum() * lower
        chance[self._last[start:end]] += np.maximum(times - self._discount, 0) / times.sum()
        return chance
