"""Which tests were asked: each counts once, however often it comes back.

Tables of questions with one conditioning variable come by the million and are marked in bits. Of others a
number of 64 bits is kept: with one conditioning variable the question itself, with more a hash (Zobrist: one
random word per variable, joined by exclusive or). That two of ten million questions share one, and count as
one, has a chance of one in 400,000.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .bitsets import counts


class Asked:
    """Distinct questions (x, y | a set) with x < y among n variables.

    A pair gets its n bits when it first comes in a table: memory grows with the pairs that did.
    """

    def __init__(self, n: int):
        self.n = n
        self.pairs = np.zeros((n, n), dtype=bool)
        self.row = np.full((n, n), -1, dtype=np.int32)
        self.bits = np.zeros((0, (n + 7) // 8), dtype=np.uint8)
        self.used = 0
        # the word of a variable as x, as y and as a member
        self.words = np.random.default_rng(0).integers(0, 2**64, (3, n), dtype=np.uint64)
        # size -> (numbers, whether the test could be solved): distinct ones first, then those of late
        self._numbers: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._late: Counter[int] = Counter()  # size -> how many came of late

    def tick_pairs(self, x: np.ndarray, y: np.ndarray) -> None:
        """Note (x[i], y[i]) as asked."""
        self.pairs[np.minimum(x, y), np.maximum(x, y)] = True

    def tick_all_pairs(self, variables: np.ndarray) -> None:
        """Note every two of these variables as asked."""
        variables = np.sort(variables)
        self.pairs[np.ix_(variables, variables)] |= np.triu(np.ones((len(variables),) * 2, dtype=bool), 1)

    def tick_singles(self, x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> None:
        """Note (x[i], y[i] | z) as asked for every z of asked[i], (m, n) bool; each pair comes once."""
        rows = self._rows(x, y)
        self.bits[rows] |= np.packbits(asked, axis=1)

    def tick(self, x: np.ndarray, y: np.ndarray, members: np.ndarray, solvable: np.ndarray) -> None:
        """Note questions with sets of one size, (m, size), and whether the test could be solved."""
        size = members.shape[1]
        if not len(x):
            return
        if size == 0:
            self.tick_pairs(x, y)
            return
        if size == 1:
            numbers = ((x * self.n + y) * self.n + members[:, 0]).astype(np.uint64)
        else:
            numbers = self.words[0][x] ^ self.words[1][y]
            for column in members.T:
                numbers ^= self.words[2][column]
        held = self._numbers.setdefault(size, [(np.empty(0, np.uint64), np.empty(0, bool))])
        held.append((numbers, solvable))
        self._late[size] += len(numbers)
        if self._late[size] > max(len(held[0][0]), 100_000):
            self._distinct(size)

    def _distinct(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        held = self._numbers.get(size, [(np.empty(0, np.uint64), np.empty(0, bool))])
        if len(held) > 1:
            numbers, first = np.unique(np.concatenate([part for part, _ in held]), return_index=True)
            held[:] = [(numbers, np.concatenate([solvable for _, solvable in held])[first])]
            self._late[size] = 0
        return held[0]

    def _singles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and z of the questions with one variable that no table marked too."""
        pair, z = np.divmod(self._distinct(1)[0].astype(np.int64), self.n)
        x, y = np.divmod(pair, self.n)
        rows = self.row[x, y]
        new = rows < 0
        marked = self.bits[rows[~new], z[~new] >> 3] << (z[~new] & 7) & 128
        new[~new] = marked == 0
        return x[new], y[new], z[new]

    def counts(self) -> list[int]:
        """How many questions of each size were asked."""
        found = {size: len(self._distinct(size)[0]) for size in self._numbers}
        found[0] = int(self.pairs.sum())
        found[1] = int(counts(self.bits[: self.used]).sum()) + len(self._singles()[0])
        largest = max((size for size, count in found.items() if count), default=-1)
        return [found.get(size, 0) for size in range(largest + 1)]

    def unsolvable(self) -> int:
        """How many questions with two variables or more could not be solved."""
        larger = [self._distinct(size)[1] for size in self._numbers if size > 1]
        return sum(int(np.count_nonzero(~solvable)) for solvable in larger)

    def small(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Questions with no or one variable in portions: x, y and the sets, (m, 0) or (m, 1)."""
        x, y = np.nonzero(self.pairs)
        yield x, y, np.empty((len(x), 0), dtype=np.intp)
        x, y, z = self._singles()
        yield x, y, z[:, None]
        x, y = np.nonzero(self.row >= 0)
        rows = self.row[x, y]
        step = max(1, 1_000_000 // max(1, self.n))
        for start in range(0, len(x), step):
            portion = slice(start, start + step)
            asked = np.unpackbits(self.bits[rows[portion]], axis=1, count=self.n)
            which, z = np.nonzero(asked)
            yield x[portion][which], y[portion][which], z[:, None]

    def _rows(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The row of each pair; no pair comes twice."""
        rows = self.row[x, y]
        new = np.flatnonzero(rows < 0)
        if new.size:
            rows[new] = self.used + np.arange(new.size)
            self.row[x[new], y[new]] = rows[new]
            self.used += new.size
            if self.used > len(self.bits):
                more = max(self.used, len(self.bits) * 3 // 2) - len(self.bits)
                self.bits = np.concatenate([self.bits, np.zeros((more, self.bits.shape[1]), np.uint8)])
        return rows


@dataclass
class Questions:
    """Questions with sets of one size, and where they stand among all."""

    those: np.ndarray
    x: np.ndarray
    y: np.ndarray
    members: np.ndarray
    solvable: np.ndarray | None = None


def widened(asked: np.ndarray, variables: np.ndarray, n: int) -> np.ndarray:
    """(m, k) over some variables -> (m, n) over all."""
    wide = np.zeros((len(asked), n), dtype=bool)
    wide[:, variables] = asked
    return wide
