"""The separating sets of a search."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .bitsets import as_words, bits


class Separators(Mapping):
    """What separates two nodes: (i, j) with i < j -> a set held as an integer; none if they are adjacent.

    Sets are kept as rows of words of 64 members, so that a rule can look at all pairs at once.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        # where a pair's set is among the rows; the first is the empty set, as most pairs of sparse data have
        self._at = np.full((n, n), -1, dtype=np.int32)
        self.n_words = max(1, (n + 63) // 64)
        self._rows = [np.zeros((1, self.n_words), dtype=np.uint64)]
        self._used = 1

    @classmethod
    def of(cls, n: int, sets: Mapping[tuple[int, int], int]) -> "Separators":
        """From any mapping."""
        if isinstance(sets, cls):
            return sets
        found = cls(n)
        if sets:
            x, y = np.array(list(sets)).T
            found.add(x, y, as_words(list(sets.values()), n))
        return found

    def add(self, x: np.ndarray, y: np.ndarray, sets: np.ndarray | None = None) -> None:
        """Keep the sets, (m, words), for x[i] and y[i]; None for empty ones."""
        at = np.zeros(len(x), dtype=np.int32)
        if sets is not None:
            some = np.flatnonzero(sets.any(axis=1))
            at[some] = np.arange(self._used, self._used + some.size)
            self._rows.append(sets[some])
            self._used += some.size
        self._at[x, y] = self._at[y, x] = at

    @property
    def known(self) -> np.ndarray:
        """(n, n) bool: there is a set."""
        return self._at >= 0

    def words(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(m, words) the sets of x[i] and y[i]; those of adjacent nodes say nothing."""
        return self._all_rows()[self._at[x, y]]

    def _all_rows(self) -> np.ndarray:
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def __getitem__(self, pair: tuple) -> Any:
        x, y = pair
        at = self._at[x, y]
        if not x < y or at < 0:
            raise KeyError(pair)
        return int.from_bytes(self._all_rows()[at].tobytes(), "little") if at else 0

    def __iter__(self) -> Iterator:
        for x, row in enumerate(self._at):
            yield from ((x, y) for y in (x + 1 + np.flatnonzero(row[x + 1 :] >= 0)).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self.known)) // 2


class NamedSeparators(Mapping):
    """Separating sets by node: (x, y), x before y, -> the nodes that separate them."""

    def __init__(self, separators: Separators, nodes: tuple) -> None:
        self.separators, self.nodes = separators, nodes
        self.number = {node: i for i, node in enumerate(nodes)}

    def __getitem__(self, pair: tuple) -> Any:
        x, y = pair
        return tuple(self.nodes[z] for z in bits(self.separators[self.number[x], self.number[y]]))

    def __iter__(self) -> Iterator:
        return ((self.nodes[i], self.nodes[j]) for i, j in self.separators)

    def __len__(self) -> int:
        return len(self.separators)
