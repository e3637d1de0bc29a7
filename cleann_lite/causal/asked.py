"""Which tests with no or one conditioning variable were asked: counted in bits, by pair."""

from collections.abc import Iterator

import numpy as np

_ONES = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)


class AskedSingles:
    """Distinct questions (x, y | nothing) and (x, y | z) with x < y.

    A pair gets its n bits when it is first asked about with a z: memory grows with the pairs that were.
    """

    def __init__(self, n: int):
        self.n = n
        self.pairs = np.zeros((n, n), dtype=bool)
        self.row = np.full((n, n), -1, dtype=np.int32)
        self.bits = np.zeros((0, (n + 7) // 8), dtype=np.uint8)
        self.used = 0

    def tick_pairs(self, x: np.ndarray, y: np.ndarray) -> None:
        """Note (x[i], y[i]) as asked."""
        self.pairs[np.minimum(x, y), np.maximum(x, y)] = True

    def tick(self, x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> None:
        """Note (x[i], y[i] | z) as asked for every z of asked[i], (m, n) bool; each pair comes once."""
        rows = self._rows(x, y)
        self.bits[rows] |= np.packbits(asked, axis=1)

    def tick_one(self, x: int, y: int, given: int) -> None:
        """Note one question, its set held as an integer of at most one member."""
        if not given:
            self.pairs[x, y] = True
            return
        z = given.bit_length() - 1
        row = self.row[x, y]
        if row < 0:
            row = self._rows(np.array([x]), np.array([y]))[0]
        self.bits[row, z >> 3] |= 128 >> (z & 7)

    def counts(self) -> tuple[int, int]:
        """How many questions of either size were asked."""
        return int(self.pairs.sum()), int(_ONES[self.bits[: self.used]].sum(dtype=np.int64))

    def questions(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """All questions in portions: x, y and the conditioning sets, (m, 0) or (m, 1)."""
        x, y = np.nonzero(self.pairs)
        yield x, y, np.empty((len(x), 0), dtype=np.intp)
        x, y = np.nonzero(self.row >= 0)
        rows = self.row[x, y]
        step = max(1, 1_000_000 // max(1, self.n))
        for start in range(0, len(x), step):
            portion = slice(start, start + step)
            asked = np.unpackbits(self.bits[rows[portion]], axis=1, count=self.n)
            which, z = np.nonzero(asked)
            yield x[portion][which], y[portion][which], z[:, None]

    def _rows(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        rows = self.row[x, y]
        new = np.flatnonzero(rows < 0)
        if new.size:
            rows[new] = np.arange(self.used, self.used + new.size)
            self.row[x[new], y[new]] = rows[new]
            self.used += new.size
            if self.used > len(self.bits):
                more = max(self.used, len(self.bits) * 3 // 2) - len(self.bits)
                self.bits = np.concatenate([self.bits, np.zeros((more, self.bits.shape[1]), np.uint8)])
        return rows
