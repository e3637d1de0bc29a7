"""Sets of nodes and relations between them, in the forms that make searches quick.

A set of nodes is one Python integer: bit i is set when node i is a member. So a union is ``|``, an
intersection ``&``, and a search that has hundreds of thousands of sets to look at stays fast. Many sets at
once are rows of words of 64 members; a relation is a boolean matrix.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

_ONES = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)
_SMALL = 128  # relations of fewer nodes are joined quicker by multiplying matrices


def bits(members: int) -> Iterator[int]:
    """The members of a set held as an integer, ascending.

    Examples
    --------
    >>> list(bits(0b10110))
    [1, 2, 4]
    """
    while members:
        low = members & -members
        yield low.bit_length() - 1
        members ^= low


def as_bits(members: Iterable[int]) -> int:
    """A set of node numbers as an integer.

    Examples
    --------
    >>> bin(as_bits([1, 2, 4]))
    '0b10110'
    """
    held = 0
    for member in members:
        held |= 1 << member
    return held


def rows_as_bits(relation: np.ndarray) -> list[int]:
    """Each row of a boolean matrix as an integer."""
    return from_words(packed(relation))


def bits_as_rows(rows: Sequence[int], n_columns: int) -> np.ndarray:
    """The inverse of ``rows_as_bits``: (len(rows), n_columns) bool."""
    return unpacked(as_words(rows, n_columns), n_columns)


def members_of(sets: Sequence[int], n: int, size: int) -> np.ndarray:
    """(len(sets), size) the members of sets of one size out of n, ascending."""
    return np.nonzero(bits_as_rows(sets, n))[1].reshape(len(sets), size)


def pairs(relation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) each: x < y of the pairs that are in a symmetric relation, ascending."""
    x, y = np.nonzero(np.triu(relation, 1))
    return x, y


def packed(relation: np.ndarray) -> np.ndarray:
    """(m, ⌈n / 64⌉) uint64: each row of a boolean matrix as a set, the lowest word first."""
    held = np.zeros((len(relation), 8 * max(1, (relation.shape[1] + 63) // 64)), dtype=np.uint8)
    narrow = np.packbits(relation, axis=1, bitorder="little")
    held[:, : narrow.shape[1]] = narrow
    return held.view("<u8")


def unpacked(words: np.ndarray, n: int) -> np.ndarray:
    """The inverse of ``packed``: (m, n) bool."""
    held = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(held, axis=1, bitorder="little", count=n).view(bool)


def entries(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(number of a set, one of its members) of all members of all sets, ascending."""
    row, word = np.nonzero(words)
    which, bit = np.nonzero(unpacked(words[row, word][:, None], 64))
    return row[which], 64 * word[which] + bit


def counts(words: np.ndarray) -> np.ndarray:
    """(m,) how many members each set has."""
    return _ONES[np.ascontiguousarray(words).view(np.uint8)].sum(axis=1, dtype=np.int64)


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
    held, width = words.astype("<u8", copy=False).tobytes(), 8 * words.shape[1]
    return [int.from_bytes(held[i : i + width], "little") for i in range(0, len(held), width)]


def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Composition of two relations: [α, γ] is True when some β has first[α, β] and second[β, γ]."""
    n = len(first)
    if n <= _SMALL:
        return first.astype(np.float32) @ second.astype(np.float32) > 0
    if np.count_nonzero(first) > np.count_nonzero(second):
        return np.ascontiguousarray(join(second.T, first.T).T)
    joined = np.zeros((n, (n + 63) // 64), dtype=np.uint64)
    row, middle = np.nonzero(first)
    if len(row):
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        joined[row[starts]] = np.bitwise_or.reduceat(packed(second)[middle], starts, axis=0)
    return unpacked(joined, n)


def reachable(step: np.ndarray) -> np.ndarray:
    """Reflexive transitive closure: [i, j] is True when j can be reached from i in zero or more steps."""
    closure = step | np.eye(len(step), dtype=bool)
    if len(step) > _SMALL:
        rows = packed(closure)
        for i in np.flatnonzero(step.any(axis=0) & step.any(axis=1)).tolist():  # Warshall
            into = rows[:, i >> 6] >> np.uint64(i & 63) & np.uint64(1) > 0
            rows[into] |= rows[i]
        return unpacked(rows, len(step))
    held, n_held = closure.astype(np.float32), 0
    while np.count_nonzero(held) > n_held:
        n_held = int(np.count_nonzero(held))
        held = np.minimum(held @ held, 1)
    return held > 0
