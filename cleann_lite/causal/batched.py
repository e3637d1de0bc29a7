"""What a search asks of a test, many questions at a time, and how any test comes to answer that.

A search knows one kind of test, ``BatchedTest``. ``as_batched`` makes one of any object with ``n_variables``
and ``independent(x, y, given)``; it is called once, where the test enters. Variables are numbers 0 … n−1, and
a conditioning set is one integer (``separation``).

What comes back with each answer is a p-value, NaN where the test has none (a score such as BIC).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress
from numbers import Integral, Real
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .bitsets import as_bits, bits

# p-values kept for sizes above 1.
_REMEMBERED = 300_000

# (x, y, candidate sets in the order of asking)
Query = tuple[int, int, Sequence[int]]


@runtime_checkable
class IndependenceTest(Protocol):
    """All that ``learn_pag`` needs of a test; ``Measured`` and ``Sampled`` are welcome besides."""

    n_variables: int

    def independent(self, x: int, y: int, given: Sequence[int] = ()) -> bool:
        """Whether x and y are independent given the variables ``given``."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A test that says which of equally near candidates to try first; else that is left to the numbering."""

    def strength(self, x: int, y: int) -> float | None:
        """How dependent x and y are without conditioning: larger for more dependent, None if unknown."""
        ...


@runtime_checkable
class Sampled(Protocol):
    """A test on samples: sets of more than n_samples − 4 variables are not asked."""

    n_samples: float


class BatchedTest:
    """A test as a search sees it. Here every question goes through ``answer``, one by one."""

    n_variables: int
    names: tuple[str, ...] | None = None  # what the variables are called

    def answer(self, x: int, y: int, given: int) -> tuple[bool, float]:
        """Whether x and y are independent given a set, and the p-value."""
        raise NotImplementedError("a batched test defines answer(x, y, given)")

    def too_few_samples(self, size: int) -> float | None:
        """The number of samples, if it is too small for sets of this size."""
        return None

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        """(k, k) how dependent variables are without conditioning; None if the test does not say."""
        return None

    def independent_pairs(self, variables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(k, k) each: whether two variables are independent without conditioning, and the p-values."""
        k = len(variables)
        independent, p = np.zeros((k, k), dtype=bool), np.full((k, k), np.nan)
        for i in range(k):
            for j in range(i + 1, k):
                independent[i, j], p[i, j] = self.answer(int(variables[i]), int(variables[j]), 0)
                independent[j, i], p[j, i] = independent[i, j], p[i, j]
        return independent, p

    def separating_singles(
        self, x: np.ndarray, y: np.ndarray, near: np.ndarray, variables: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """For many pairs at once: the first single variable that separates, the strongest candidates first.

        Pairs x, y, (m,), and what separates them are positions in ``variables``, (k,); their candidates are
        ``near``, (m, k) bool, neither x nor y among them. −1 where none separates. The p-values, (m,), are
        those of the separating variable, or the largest over all candidates.
        """
        strength = self.strengths(variables)
        queries, orders = [], []
        for a, b, candidates in zip(x.tolist(), y.tolist(), near, strict=True):
            order = np.flatnonzero(candidates)
            if strength is not None:
                order = order[np.argsort(-np.minimum(strength[a], strength[b])[order], kind="stable")]
            orders.append(order)
            sets = [1 << int(variables[z]) for z in order]
            queries.append((int(variables[a]), int(variables[b]), sets))
        found, p = self.first_separating(queries)
        which = [-1 if i is None else int(order[i]) for i, order in zip(found, orders, strict=True)]
        return np.array(which, dtype=int), np.array(p)

    def first_separating(self, queries: Iterable[Query]) -> tuple[list[int | None], list[float]]:
        """For each query: the position of the first set that separates, or None, and a p-value.

        Candidates behind the first that separates are not asked. The p-value is that of the separating set,
        or the largest of all.
        """
        found: list[int | None] = []
        largest = []
        for x, y, candidates in queries:
            position, most = None, math.nan
            for i, given in enumerate(candidates):
                independent, p = self.answer(x, y, given)
                if independent:
                    position, most = i, p
                    break
                most = np.fmax(most, p)
            found.append(position)
            largest.append(float(most))
        return found, largest

    def answer_each(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) bool each: whether x[i] and y[i] are independent given members[i], whether the test can tell.

        All sets have one size: members is (m, size).
        """
        questions = zip(x.tolist(), y.tolist(), map(as_bits, members.tolist()), strict=True)
        independent = np.array([self.answer(*question)[0] for question in questions], dtype=bool)
        return independent, np.ones(len(independent), dtype=bool)


class OneByOne(BatchedTest):
    """Any test with ``n_variables`` and ``independent``, asked one question at a time."""

    def __init__(self, test: IndependenceTest):
        n: Any = test.n_variables
        if not isinstance(n, Integral) or n < 0:
            raise ValueError(f"n_variables of a test must be a whole number from 0 on: got {n!r}")
        samples: Any = test.n_samples if isinstance(test, Sampled) else 0
        if not isinstance(samples, Real):
            raise ValueError(f"n_samples of a test must be a number: got {samples!r}")
        self.test, self.n_variables = test, int(n)

    def answer(self, x: int, y: int, given: int) -> tuple[bool, float]:
        told: Any = self.test.independent(x, y, tuple(bits(given)))
        if not isinstance(told, bool | np.bool_):
            raise ValueError(f"independent(x, y, given) of a test must be True or False: got {told!r:.60}")
        return bool(told), math.nan

    def too_few_samples(self, size: int) -> float | None:
        test = self.test
        return test.n_samples if isinstance(test, Sampled) and test.n_samples - size - 3 <= 0 else None

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        return strengths(self.test, variables) if isinstance(self.test, Measured) else None


class Recorded(BatchedTest):
    """A test that tells a listener of each question, and so is asked one at a time."""

    def __init__(self, test: BatchedTest, listen: Callable[[int, int, int, bool], object]):
        self.test, self.listen = test, listen
        self.n_variables, self.names = test.n_variables, test.names

    def answer(self, x: int, y: int, given: int) -> tuple[bool, float]:
        independent, p = self.test.answer(x, y, given)
        self.listen(x, y, given, independent)
        return independent, p

    def too_few_samples(self, size: int) -> float | None:
        return self.test.too_few_samples(size)

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        return self.test.strengths(variables)

    def answer_each(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        independent, _ = super().answer_each(x, y, members)
        return independent, self.test.answer_each(x, y, members)[1]


class PValueTest(BatchedTest):
    """Base of a test with a p-value: override ``compute`` and the rest follows.

    Override ``compute_each`` too where many questions are quicker in one call.

    Parameters
    ----------
    n_variables
        How many variables there are; x, y and given are numbers below it.
    alpha
        Significance level: independent when p > alpha.
    names
        What the variables are called; then x, y and given may be names too.

    Examples
    --------
    >>> class Never(PValueTest):
    ...     def compute(self, x, y, given):
    ...         return 0.0
    >>> test = Never(3, names=["a", "b", "c"])
    >>> test.independent("a", "b", ["c"]), test.n_tests
    (False, 1)
    """

    def __init__(self, n_variables: int, alpha: float = 0.01, names: Sequence[str] | None = None):
        self.n_variables, self.alpha = int(n_variables), _checked_level(alpha)
        self.names = None if names is None else tuple(map(str, names))
        if self.names is not None and len(self.names) != self.n_variables:
            raise ValueError(f"each variable needs one name: got {len(self.names)} for {self.n_variables}")
        # a question is one integer: ((given as a set) · n + x) · n + y with x < y
        self._p_values: dict[int, float] = {}
        self._asked: set[int] = set()

    def compute(self, x: int, y: int, given: tuple[int, ...]) -> float:
        """p-value of "x and y are independent given ``given``", with x < y and ``given`` ascending."""
        raise NotImplementedError("a test defines compute(x, y, given) -> p-value")

    def compute_each(self, x: np.ndarray, y: np.ndarray, sets: list[int]) -> np.ndarray:
        """(m,) p-values of x[i] and y[i] given sets[i] (a set as an integer), with x[i] < y[i]."""
        questions = zip(x.tolist(), y.tolist(), sets, strict=True)
        return np.array([self.compute(a, b, tuple(bits(given))) for a, b, given in questions], dtype=float)

    def p_value(self, x: int, y: int, given: Sequence[int] = ()) -> float:
        """p-value of the hypothesis that x and y are independent given ``given``.

        Raises
        ------
        ValueError
            If the variables are unknown, not different, or the test cannot answer.
        """
        return self._p_value(*self._checked(x, y, given))

    def independent(self, x: int, y: int, given: Sequence[int] = ()) -> bool:
        """Whether x and y count as independent given ``given``: p > alpha."""
        return bool(self.p_value(x, y, given) > self.alpha)

    def strength(self, x: int, y: int) -> float | None:
        """How dependent x and y are without conditioning: of equally near candidates the strongest go first.

        None if that says nothing.
        """
        return -self.p_value(x, y)

    @property
    def n_tests(self) -> int:
        """Distinct tests asked so far: the same question twice counts once."""
        return sum(self.tests_by_size())

    def tests_by_size(self) -> list[int]:
        """Distinct tests asked so far, by the size of the conditioning set."""
        sizes = Counter((key // self.n_variables**2).bit_count() for key in self._asked)
        return [sizes[size] for size in range(max(sizes, default=-1) + 1)]

    def answer(self, x: int, y: int, given: int) -> tuple[bool, float]:
        p = self._p_value(min(x, y), max(x, y), given)
        return p > self.alpha, p

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        return strengths(self, variables)

    def first_separating(self, queries: Iterable[Query]) -> tuple[list[int | None], list[float]]:
        queries = list(queries)
        ends = np.array([(x, y) if x < y else (y, x) for x, y, _ in queries], dtype=np.intp).reshape(-1, 2)
        found, largest = np.full(len(ends), -1), np.full(len(ends), np.nan)
        # first a few candidates of every pair, then more of the pairs that are left
        start, width, left = 0, 32, [i for i, (_, _, sets) in enumerate(queries) if sets]
        while left:
            parts = [queries[i][2][start : start + width] for i in left]
            lengths = np.array([len(part) for part in parts])
            begin = np.cumsum(lengths) - lengths
            x, y = np.repeat(ends[left], lengths, axis=0).T
            keys = self._keys(x, y, list(chain.from_iterable(parts)))
            p = self._p_asked(x, y, keys)
            # of each pair the position of the first candidate that separates, a large number if there is none
            place = np.arange(len(p)) - np.repeat(begin, lengths)
            first = np.minimum.reduceat(np.where(p > self.alpha, place, len(p)), begin)
            some = first < lengths
            at = np.array(left)
            found[at[some]] = start + first[some]
            largest[at] = np.fmax(largest[at], np.maximum.reduceat(p, begin))
            largest[at[some]] = p[begin[some] + first[some]]
            self._tick_off(keys, place <= np.repeat(first, lengths))
            start, width = start + width, width * 8
            left = [i for i in at[~some].tolist() if len(queries[i][2]) > start]
        return [None if i < 0 else i for i in found.tolist()], largest.tolist()

    def answer_each(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = np.minimum(x, y), np.maximum(x, y)
        keys = self._keys(x, y, [as_bits(row) for row in members.tolist()])
        self._tick_off(keys)
        return self._p_asked(x, y, keys) > self.alpha, np.ones(len(x), dtype=bool)

    def _keys(self, x: np.ndarray, y: np.ndarray, sets: list[int]) -> list[int]:
        """Questions, x[i] < y[i] given sets[i], as what ``_p_asked`` and ``_tick_off`` take."""
        n_pairs, pairs = self.n_variables**2, (x * self.n_variables + y).tolist()
        return [given * n_pairs + pair for given, pair in zip(sets, pairs, strict=True)]

    def _tick_off(self, keys: Iterable[int], asked: np.ndarray | None = None) -> None:
        """Count questions as asked, all or some."""
        self._asked.update(keys if asked is None else compress(keys, asked.tolist()))

    def _p_asked(self, x: np.ndarray, y: np.ndarray, keys: Sequence[int]) -> np.ndarray:
        """p-values of questions, looked up or computed together."""
        known, n_pairs = self._p_values, self.n_variables**2
        p = np.array([known.get(key, -1.0) for key in keys])
        missing = np.flatnonzero(p < 0)
        if missing.size:
            asked = [keys[i] for i in missing.tolist()]
            p[missing] = self.compute_each(x[missing], y[missing], [key // n_pairs for key in asked])
            if len(known) < _REMEMBERED:
                known.update(zip(asked, p[missing].tolist(), strict=True))
        return p

    def _p_value(self, x: int, y: int, given: int) -> float:
        """p-value for x < y and a set held as an integer; remembers and counts."""
        key = (given * self.n_variables + x) * self.n_variables + y
        self._tick_off([key])
        p = self._p_values.get(key)
        if p is None:
            p = self.compute(x, y, tuple(bits(given)))
            if len(self._p_values) < _REMEMBERED:
                self._p_values[key] = p
        return p

    def _checked(self, x: Any, y: Any, given: Iterable) -> tuple[int, int, int]:
        number = {name: i for i, name in enumerate(self.names or ())}
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ValueError(f"given must be a list of variables: got {given!r}")
        x, y, *others = (number.get(z, z) if isinstance(z, str) else z for z in (x, y, *given))
        for variable in (x, y, *others):
            if not isinstance(variable, Integral) or not 0 <= int(variable) < self.n_variables:
                raise ValueError(f"variables are numbered 0 … {self.n_variables - 1}: got {variable!r}")
        x, y, given = int(x), int(y), {int(z) for z in others}
        if x == y or x in given or y in given:
            raise ValueError(f"x, y and the conditioning set must not overlap: got {x}, {y} given {given}")
        return min(x, y), max(x, y), as_bits(given)


def _checked_level(alpha: object) -> float:
    if not (isinstance(alpha, int | float | np.number) and 0 < alpha < 1):
        raise ValueError(f"alpha must be between 0 and 1, ends excluded: got {alpha!r}")
    return float(alpha)


def strengths(test: Measured, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """(k, k) how dependent variables are, asked pair by pair; None if the test does not say."""
    strength = np.zeros((len(variables), len(variables)))
    for i, x in enumerate(variables):
        for j in range(i):
            strength[i, j] = strength[j, i] = test.strength(int(x), int(variables[j])) or 0.0
    return strength if strength.any() else None


def as_batched(test: object) -> BatchedTest:
    """The test as a search sees it.

    Raises
    ------
    ValueError
        If the object cannot be asked.

    Examples
    --------
    >>> class Chain:  # 0 -> 1 -> 2
    ...     n_variables = 3
    ...
    ...     def independent(self, x, y, given=()):
    ...         return {x, y} == {0, 2} and 1 in given
    >>> as_batched(Chain()).answer(0, 2, 0b10)
    (True, nan)
    """
    if isinstance(test, BatchedTest):
        return test
    if not isinstance(test, IndependenceTest):
        needed = "a test needs n_variables and a method independent(x, y, given)"
        raise ValueError(f"{needed}: got {type(test).__name__}")
    return OneByOne(test)
