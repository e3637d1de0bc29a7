"""The separating sets of a search."""

from collections.abc import Mapping, Sequence

import numpy as np

from .separation import bits


class Separators(Mapping):
    """What separates two nodes: (i, j) with i < j -> a set held as an integer; none if they are adjacent.

    Sets are kept once more as words of 64 members, so that a rule can look at all pairs at once.
    """

    def __init__(self, n: int):
        self.n = n
        # where a pair's set is in the list; the first is the empty set, which most pairs of sparse data have
        self._at = np.full((n, n), -1, dtype=np.int32)
        self._sets = [0]
        self._added: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    @classmethod
    def of(cls, n: int, sets: Mapping[tuple[int, int], int]) -> "Separators":
        """From any mapping."""
        if isinstance(sets, cls):
            return sets
        found = cls(n)
        if sets:
            x, y = np.array(list(sets)).T
            found.add(x, y, list(sets.values()))
        return found

    def add(self, x: np.ndarray, y: np.ndarray, sets: Sequence[int]) -> None:
        """Keep sets[i] for x[i] and y[i]."""
        some = np.flatnonzero(np.fromiter(map(bool, sets), dtype=bool, count=len(sets)))
        at = np.zeros(len(sets), dtype=np.int32)
        at[some] = np.arange(len(self._sets), len(self._sets) + some.size)
        self._at[x, y] = self._at[y, x] = at
        if some.size:
            larger = [sets[i] for i in some.tolist()]
            self._sets += larger
            self._added.append((x[some], y[some], as_words(larger, self.n)))

    @property
    def empty(self) -> np.ndarray:
        """(n, n) bool: separated by the empty set."""
        return self._at == 0

    def larger(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (m,), y (m,) and sets (m, words) of all pairs with a set that is not empty."""
        if len(self._added) > 1:
            self._added = [tuple(np.concatenate(parts) for parts in zip(*self._added, strict=True))]
        return self._added[0] if self._added else (np.empty(0, int), np.empty(0, int), as_words([], self.n))

    def __getitem__(self, pair):
        at = self._at[pair] if pair[0] < pair[1] else -1
        if at < 0:
            raise KeyError(pair)
        return self._sets[at]

    def __iter__(self):
        return map(tuple, np.argwhere(np.triu(self._at >= 0)).tolist())

    def __len__(self):
        return int(np.count_nonzero(self._at >= 0)) // 2


class NamedSeparators(Mapping):
    """Separating sets by node: (x, y), x before y, -> the nodes that separate them."""

    def __init__(self, separators: Separators, nodes: tuple):
        self.separators, self.nodes = separators, nodes
        self.number = {node: i for i, node in enumerate(nodes)}

    def __getitem__(self, pair):
        x, y = pair
        return tuple(self.nodes[z] for z in bits(self.separators[self.number[x], self.number[y]]))

    def __iter__(self):
        return ((self.nodes[i], self.nodes[j]) for i, j in self.separators)

    def __len__(self):
        return len(self.separators)


def as_words(sets: Sequence[int], n: int) -> np.ndarray:
    """(len(sets), ⌈n / 64⌉) uint64: sets of members below n, the lowest word first."""
    words = max(1, (n + 63) // 64)
    if words == 1:
        return np.array(sets, dtype=np.uint64).reshape(-1, 1)
    held = b"".join([members.to_bytes(8 * words, "little") for members in sets])
    return np.frombuffer(held, dtype="<u8").reshape(-1, words)


def from_words(words: np.ndarray) -> list[int]:
    """The inverse of ``as_words``."""
    if words.shape[1] == 1:
        return words[:, 0].tolist()
    return [int.from_bytes(row, "little") for row in map(bytes, np.ascontiguousarray(words, dtype="<u8"))]
