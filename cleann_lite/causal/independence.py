"""Conditional-independence tests: what a causal search asks of the data.

A search needs an object with ``n_variables`` and ``independent(x, y, given)``; ``IndependenceTest`` adds
caching, counting and the threshold, so that a test of one's own is one method. ``GSquared`` is an example.

The partial correlation of x and y given Z is what is left of their correlation when Z is held fixed. With
Fisher's transform, ``√(n − |Z| − 3) · atanh r`` is close to standard normal when x and y are independent
given Z, so ``p = 2 (1 − Φ(…))``; they count as independent when p > α.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from numbers import Real
from typing import Protocol, runtime_checkable

import networkx as nx
import numpy as np
from scipy.special import gammaincc, ndtr, ndtri

from .separation import DAGSeparation, as_bits, bits, members_of

# Tests computed together: few enough that the arrays stay in the processor's cache.
_CHUNK = 16_384
# p-values kept for sizes above 1.
_REMEMBERED = 1_000_000


@runtime_checkable
class AnyTest(Protocol):
    """The least that ``learn_pag`` asks of a test.

    A method ``strength(x, y)`` besides, larger the more x and y depend on each other, says which of equally
    near candidates to try first; without it that is left to the numbering. ``n_samples``, where there is one,
    bounds conditioning sets to n_samples − 4 variables.
    """

    n_variables: int

    def independent(self, x: int, y: int, given: Sequence[int] = ()) -> bool:
        """Whether x and y are independent given the variables ``given``."""
        ...


class IndependenceTest:
    """Base of a test: override ``compute`` and the rest follows.

    Parameters
    ----------
    n_variables
        How many variables there are; x, y and given are numbers below it.
    alpha
        Significance level: independent when p > alpha.
    """

    def __init__(self, n_variables: int, alpha: float = 0.01):
        if not (isinstance(alpha, Real) and 0 < alpha < 1):
            raise ValueError(f"alpha must be between 0 and 1, ends excluded: got {alpha!r}")
        self.n_variables = int(n_variables)
        self.alpha = float(alpha)
        # a question is one integer: ((given as a set) · n + x) · n + y with x < y
        self._p_values: dict[int, float] = {}
        self._asked: set[int] = set()

    def compute(self, x: int, y: int, given: tuple[int, ...]) -> float:
        """p-value of "x and y are independent given ``given``", with x < y and ``given`` ascending."""
        raise NotImplementedError("a test defines compute(x, y, given) -> p-value")

    def p_value(self, x: int, y: int, given: Sequence[int] = ()) -> float:
        """p-value of the hypothesis that x and y are independent given ``given``.

        Raises
        ------
        ValueError
            If the numbers are out of range, not different, or the test cannot answer.
        """
        return self._p_value(*self._checked(x, y, given))

    def independent(self, x: int, y: int, given: Sequence[int] = ()) -> bool:
        """Whether x and y count as independent given ``given``: p > alpha."""
        return bool(self.p_value(x, y, given) > self.alpha)

    def first_separating(self, queries: Iterable[tuple[int, int, Sequence[int]]]) -> list[int | None]:
        """For each (x, y, candidate sets held as integers): the position of the first set that separates.

        Candidates are asked in their order, and those behind the first that separates are not asked.
        """
        found = []
        for x, y, candidates in queries:
            if x > y:
                x, y = y, x
            separating = (i for i, given in enumerate(candidates) if self._p_value(x, y, given) > self.alpha)
            found.append(next(separating, None))
        return found

    def independent_each(self, x: Sequence[int], y: Sequence[int], sets: Sequence[int]) -> list[bool]:
        """One call: whether x[i], y[i] are independent given sets[i] (a set as an integer)."""
        return [
            self._p_value(min(a, b), max(a, b), given) > self.alpha
            for a, b, given in zip(x, y, sets, strict=True)
        ]

    def strength(self, x: int, y: int) -> float | None:
        """How dependent x and y are without conditioning: of equally near candidates the strongest go first.

        None where that says nothing.
        """
        return -self.p_value(x, y)

    @property
    def n_tests(self) -> int:
        """Distinct tests asked so far: the same question twice counts once."""
        return len(self._asked)

    def tests_by_size(self) -> list[int]:
        """Distinct tests asked so far, by the size of the conditioning set."""
        sizes = Counter((key // self.n_variables**2).bit_count() for key in self._asked)
        return [sizes[size] for size in range(max(sizes, default=-1) + 1)]

    def _p_value(self, x: int, y: int, given: int) -> float:
        """p-value for x < y and a set held as an integer; remembers and counts."""
        key = (given * self.n_variables + x) * self.n_variables + y
        self._asked.add(key)
        p = self._p_values.get(key)
        if p is None:
            p = self._p_values[key] = self.compute(x, y, tuple(bits(given)))
        return p

    def _checked(self, x, y, given) -> tuple[int, int, int]:
        x, y, given = int(x), int(y), {int(z) for z in given}
        for variable in (x, y, *given):
            if not 0 <= variable < self.n_variables:
                raise ValueError(f"variables are numbered 0 … {self.n_variables - 1}: got {variable}")
        if x == y or x in given or y in given:
            raise ValueError(f"x, y and the conditioning set must not overlap: got {x}, {y} given {given}")
        return min(x, y), max(x, y), as_bits(given)


class BatchedTest(IndependenceTest):
    """Base of a test that answers many questions in one call: override ``compute_each`` too."""

    def compute_each(self, x: np.ndarray, y: np.ndarray, sets: list[int]) -> np.ndarray:
        """(m,) p-values of x[i] and y[i] given sets[i] (a set as an integer), with x[i] < y[i]."""
        raise NotImplementedError("a batched test defines compute_each(x, y, sets) -> p-values")

    def first_separating(self, queries):
        queries = [(x, y, sets) if x < y else (y, x, sets) for x, y, sets in queries]
        found: list[int | None] = [None] * len(queries)
        # first a few candidates of every pair, then more of the pairs that are left
        start, width, left = 0, 32, [i for i, (_, _, sets) in enumerate(queries) if sets]
        while left:
            parts = [queries[i][2][start : start + width] for i in left]
            lengths = [len(part) for part in parts]
            x, y = (np.repeat([queries[i][end] for i in left], lengths) for end in (0, 1))
            keys = self._keys(x, y, list(chain.from_iterable(parts)))
            separates = self._p_asked(x, y, keys) > self.alpha
            end = 0
            for i, length in zip(left, lengths, strict=True):
                begin, end = end, end + length
                separating = np.flatnonzero(separates[begin:end])
                if separating.size:
                    length = int(separating[0]) + 1
                    found[i] = start + length - 1
                self._tick_off(keys[begin : begin + length])
            start, width = start + width, width * 8
            left = [i for i in left if found[i] is None and len(queries[i][2]) > start]
        return found

    def independent_each(self, x, y, sets):
        x, y = np.minimum(x, y), np.maximum(x, y)
        keys = self._keys(x, y, sets)
        self._tick_off(keys)
        return (self._p_asked(x, y, keys) > self.alpha).tolist()

    def _keys(self, x, y, sets) -> list[int]:
        n_pairs, pairs = self.n_variables**2, (x * self.n_variables + y).tolist()
        return [given * n_pairs + pair for given, pair in zip(sets, pairs, strict=True)]

    def _tick_off(self, keys: list[int]) -> None:
        """Count questions as asked."""
        self._asked.update(keys)

    def _p_asked(self, x: np.ndarray, y: np.ndarray, keys: list[int]) -> np.ndarray:
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


class DSeparation(BatchedTest):
    """A perfect test: reads independence off the true graph (p is 0.0 or 1.0).

    Parameters
    ----------
    dag
        The true graph, hidden variables included.
    observed
        Its observed nodes; x, y and given are positions in this list.
    selection
        Nodes that every answer is conditioned on.

    Raises
    ------
    ValueError
        If the graph has a cycle, or a node is missing or named twice.

    Examples
    --------
    >>> import networkx as nx
    >>> test = DSeparation(nx.DiGraph([("a", "b"), ("b", "c")]), ["a", "b", "c"])
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, dag: nx.DiGraph, observed: Sequence, selection: Sequence = ()):
        self.observed, self.selection = tuple(observed), tuple(selection)
        named = (*self.observed, *self.selection)
        unknown = [node for node in named if node not in dag]
        if unknown or len(set(named)) != len(named):
            raise ValueError(f"observed and selection must be different nodes of the graph: got {named}")
        super().__init__(len(self.observed), alpha=0.5)
        self._separation = DAGSeparation(dag, first=self.observed)
        self._always = as_bits(self._separation.numbers[node] for node in self.selection)

    def compute(self, x, y, given):
        return float(self._separation.separated(x, y, as_bits(given) | self._always))

    def _p_asked(self, x, y, keys):
        # quicker than to look up
        n_pairs = self.n_variables**2
        return self.compute_each(x, y, [key // n_pairs for key in keys])

    def compute_each(self, x, y, sets):
        if self._always:
            sets = [given | self._always for given in sets]
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(sets), _CHUNK)]
        parts = [self._separation.separated_each(x[c], y[c], sets[c]) for c in chunks]
        return np.concatenate(parts).astype(float)

    def strength(self, x, y):
        return None


class PartialCorrelation(BatchedTest):
    """Fisher's z test of partial correlation, from a correlation matrix.

    Parameters
    ----------
    correlation
        (n, n) symmetric with ones on the diagonal.
    n_samples
        Effective sample size. For attention a convention: the hidden size in CLEANN.
    alpha
        Significance level: independent when p > alpha.
    one_sided
        Call every partial correlation ≤ 0 independent, as CLEANN's first released code did. It fails on
        planted models; the default asks for both signs.

    Attributes
    ----------
    n_singular
        How many of the distinct tests asked so far had a block that cannot be solved, or |r| = 1: they count
        as dependent.

    Raises
    ------
    ValueError
        If the matrix is no correlation matrix, alpha is outside (0, 1) or n_samples is not above 3.

    Examples
    --------
    >>> test = PartialCorrelation([[1, 0.8, 0.64], [0.8, 1, 0.8], [0.64, 0.8, 1]], n_samples=100)
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, correlation, n_samples: int, alpha: float = 0.01, one_sided: bool = False):
        self.correlation = _checked_correlation(correlation)
        super().__init__(len(self.correlation), alpha)
        if not (isinstance(n_samples, Real) and n_samples > 3):
            raise ValueError(f"n_samples must be above 3: got {n_samples!r}")
        if n_samples > 1e300:
            raise ValueError("n_samples must be below 1e300")
        self.n_samples = n_samples
        self.one_sided = bool(one_sided)
        # size 0 and 1 -> which tests were asked, (n, n) and (n, n, n) bool
        self._asked_small: dict[int, np.ndarray] = {}

    @classmethod
    def from_data(cls, data, alpha: float = 0.01, one_sided: bool = False) -> "PartialCorrelation":
        """The test on a data table, (samples, variables)."""
        table = np.asarray(data, dtype=np.float64)
        if table.ndim != 2 or not np.isfinite(table).all():
            raise ValueError(f"data must be a finite table, samples by variables: got shape {table.shape}")
        flat = np.flatnonzero(table.std(axis=0) == 0)
        if flat.size:
            raise ValueError(f"each variable must vary: column {int(flat[0])} is constant")
        return cls(np.atleast_2d(np.corrcoef(table, rowvar=False)), len(table), alpha, one_sided)

    def with_alpha(self, alpha: float) -> "PartialCorrelation":
        """The same test at another level, with a count of its own; p-values computed so far are shared."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        IndependenceTest.__init__(other, self.n_variables, alpha)
        other._p_values = self._p_values
        other._asked_small = {}
        return other

    def p_values(self, x, y, sets) -> np.ndarray:
        """p-values of many tests with conditioning sets of one size, in one call.

        Parameters
        ----------
        x, y
            (m,) variables.
        sets
            (m, size) conditioning sets.

        Returns
        -------
        (m,) float64.
        """
        return self._p_of(self.partial_correlations(x, y, sets), np.shape(sets)[-1])

    def partial_correlations(self, x, y, sets) -> np.ndarray:
        """(m,) partial correlations; NaN where the block cannot be solved. Arguments as ``p_values``."""
        x, y = np.asarray(x, dtype=np.intp), np.asarray(y, dtype=np.intp)
        sets = np.asarray(sets, dtype=np.intp).reshape(len(x), np.shape(sets)[-1])
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(x), _CHUNK)]
        parts = [_partial_correlations(self.correlation, x[c], y[c], sets[c]) for c in chunks]
        return np.concatenate(parts) if parts else np.empty(0)

    def compute(self, x, y, given):
        return float(self.p_values([x], [y], [given])[0])

    def strength(self, x, y):
        return abs(float(self.correlation[x, y]))

    def compute_each(self, x, y, sets):
        p = np.empty(len(sets))
        for same, members in self._by_size(sets):
            p[same] = self.p_values(x[same], y[same], members)
        return p

    def singular_each(self, x, y, sets) -> np.ndarray:
        """(m,) bool: whether the block of x[i], y[i] and sets[i] (a set as an integer) cannot be solved."""
        x, y = np.minimum(x, y), np.maximum(x, y)
        suspect = np.flatnonzero(self._p_asked(x, y, self._keys(x, y, sets)) == 0)  # no others can be
        singular = np.zeros(len(sets), dtype=bool)
        for those, members in self._by_size([sets[i] for i in suspect.tolist()]):
            those = suspect[those]
            singular[those] = np.isnan(self.partial_correlations(x[those], y[those], members))
        return singular

    def _by_size(self, sets: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each size: the positions of the sets of this size, and their members."""
        sizes = np.array([members.bit_count() for members in sets])
        for size in np.unique(sizes).tolist():
            same = np.flatnonzero(sizes == size)
            yield same, members_of([sets[i] for i in same.tolist()], self.n_variables, size)

    @property
    def n_singular(self) -> int:
        n = self.n_variables
        larger = list(self._asked)
        pairs = np.array([key % (n * n) for key in larger], dtype=np.intp)
        found = int(self.singular_each(pairs // n, pairs % n, [key // (n * n) for key in larger]).sum())
        for size, asked in self._asked_small.items():
            for x, row in enumerate(asked):
                y, *given = np.nonzero(row)
                sets = np.array(given, dtype=np.intp).reshape(size, len(y)).T
                found += int(np.isnan(self.partial_correlations(np.full(len(y), x), y, sets)).sum())
        return found

    def _tick_off(self, keys: list[int]) -> None:
        n = self.n_variables
        self._asked.update(keys)
        small = [key for key in keys if (key // (n * n)).bit_count() < 2]
        self._asked.difference_update(small)
        for key in small:
            given, x, y = key // (n * n), key // n % n, key % n
            self._asked_arrays(given.bit_count())[(x, y, *bits(given))] = True

    def separating_singles(self, x, y, near) -> np.ndarray:
        """For many pairs at once: the first single variable that separates, strongest candidates first.

        Parameters
        ----------
        x, y
            (m,) variables.
        near
            (m, n) bool: the candidates of each pair, neither x nor y among them.

        Returns
        -------
        (m,) the separating variable, −1 where there is none.
        """
        x, y = np.minimum(x, y), np.maximum(x, y)
        n, found = self.n_variables, np.full(len(x), -1)
        asked = self._asked_arrays(1)
        rows = max(1, _CHUNK // n)
        for c in (slice(start, start + rows) for start in range(0, len(x), rows)):
            c_x, c_y = self.correlation[x[c]], self.correlation[y[c]]
            r = _single_partial_correlations(self.correlation[x[c], y[c]][:, None], c_x, c_y)
            separates = near[c] & self._independent(r, 1)
            strength = np.minimum(np.abs(c_x), np.abs(c_y))
            best = np.where(separates, strength, -1.0).argmax(axis=1)
            each = np.arange(len(best))
            some = separates[each, best]
            found[c] = np.where(some, best, -1)
            reach = np.where(some, strength[each, best], -1.0)
            asked[x[c], y[c]] |= near[c] & (strength >= reach[:, None])
        return found

    def independent_pairs(self) -> np.ndarray:
        """(n, n) bool: pairs that are independent without conditioning."""
        asked = self._asked_arrays(0)
        asked |= np.triu(np.ones_like(asked), 1)
        return self._independent(np.where(np.abs(self.correlation) < 1, self.correlation, np.nan), 0)

    @property
    def n_tests(self) -> int:
        return sum(self.tests_by_size())

    def tests_by_size(self) -> list[int]:
        counts = super().tests_by_size()
        for size, asked in self._asked_small.items():
            counts += [0] * (size + 1 - len(counts))
            counts[size] = int(asked.sum())
        return counts

    def _p_value(self, x, y, given):
        size = given.bit_count()
        if size > 1:
            return super()._p_value(x, y, given)
        # few enough to tick off in an array, and quicker to compute than to look up
        self._asked_arrays(size)[(x, y, *bits(given))] = True
        return self.compute(x, y, tuple(bits(given)))

    def _asked_arrays(self, size: int) -> np.ndarray:
        """Which tests of size 0 or 1 were asked: [x, y] or [x, y, z] with x < y."""
        if size not in self._asked_small:
            self._asked_small[size] = np.zeros((self.n_variables,) * (2 + size), dtype=bool)
        return self._asked_small[size]

    def _independent(self, r, size: int) -> np.ndarray:
        """Whether p > alpha, by comparing |r| with its critical value; NaN counts as dependent."""
        critical = math.tanh(-float(ndtri(self.alpha / 2)) / math.sqrt(self._freedom(size)))
        value = r if self.one_sided else np.abs(r)
        independent = value < critical
        close = np.flatnonzero(np.abs(value - critical) < 1e-9)
        if close.size:
            independent.flat[close] = self._p_of(r.flat[close], size) > self.alpha
        return independent

    def _p_of(self, r, size: int) -> np.ndarray:
        """p-values of partial correlations; 0 where there is none."""
        dependent = ~(np.abs(r) < 1)
        z = math.sqrt(self._freedom(size)) * np.arctanh(np.where(dependent, 0.0, r))
        p = np.minimum(1.0, 2 * ndtr(-z)) if self.one_sided else 2 * ndtr(-np.abs(z))
        return np.where(dependent, 0.0, p)

    def _freedom(self, size: int) -> float:
        freedom = self.n_samples - size - 3
        if freedom <= 0:
            least = f"{size} conditioning variables need n_samples above {size + 3}"
            raise ValueError(f"{least}: got {self.n_samples}")
        return freedom


class GSquared(IndependenceTest):
    """The G² test of discrete variables: a worked example of a test of one's own.

    ``G² = 2 Σ observed · ln(observed / expected)``, summed over the strata of the conditioning variables,
    follows a χ² distribution when x and y are independent given them.

    Parameters
    ----------
    data
        (samples, variables) of integers.
    alpha
        Significance level.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rain = rng.integers(0, 2, 2000)
    >>> wet = rain ^ (rng.random(2000) < 0.1)
    >>> slip = wet ^ (rng.random(2000) < 0.1)
    >>> test = GSquared(np.column_stack([rain, wet, slip]))
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, data, alpha: float = 0.01):
        table = np.asarray(data)
        if table.ndim != 2:
            raise ValueError(f"data must be a table, samples by variables: got shape {table.shape}")
        # number the values of each variable 0, 1, 2, …
        columns = [np.unique(column, return_inverse=True) for column in table.T]
        self._codes = [codes.reshape(-1) for _, codes in columns]
        self._levels = [len(values) for values, _ in columns]
        super().__init__(table.shape[1], alpha)

    def compute(self, x, y, given):
        stratum = np.zeros(len(self._codes[x]), dtype=np.int64)
        for z in given:
            stratum = stratum * self._levels[z] + self._codes[z]
        _, stratum = np.unique(stratum, return_inverse=True)
        shape = (int(stratum.max()) + 1, self._levels[x], self._levels[y])
        counts = np.zeros(shape)
        np.add.at(counts, (stratum.reshape(-1), self._codes[x], self._codes[y]), 1)
        rows, columns = counts.sum(2, keepdims=True), counts.sum(1, keepdims=True)
        expected = rows * columns / counts.sum((1, 2), keepdims=True)
        seen = counts > 0
        g = 2 * float((counts[seen] * np.log(counts[seen] / expected[seen])).sum())
        # a value that never occurs in a stratum takes no freedom there
        freedom = float((((rows > 0).sum(1) - 1) * ((columns > 0).sum(2) - 1)).clip(0).sum())
        return 1.0 if freedom == 0 else float(gammaincc(freedom / 2, max(g, 0.0) / 2))


def _checked_correlation(correlation) -> np.ndarray:
    given = np.asarray(correlation)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.size == 0:
        raise ValueError(f"correlation must be a square matrix: got shape {given.shape}")
    matrix = given.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(f"correlation must be finite: {np.sum(~np.isfinite(matrix))} entries are not")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    if asymmetry > 1e-8:
        raise ValueError(f"correlation must be symmetric: two mirrored entries differ by {asymmetry:.3g}")
    if np.abs(matrix).max() > 1 + 1e-8:
        raise ValueError(f"correlation must lie in −1 … 1: got {matrix.flat[np.abs(matrix).argmax()]:.6g}")
    if np.abs(matrix.diagonal() - 1).max() > 1e-8:
        worst = int(np.abs(matrix.diagonal() - 1).argmax())
        raise ValueError(f"correlation must have ones on its diagonal: got {matrix[worst, worst]:.6g}")
    matrix = np.clip((matrix + matrix.T) / 2, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    matrix.flags.writeable = False
    return matrix


# Below this a pivot is rounding error: correlations from float64 sums are right to about 1e-16.
_PIVOT = 1e-13


def _partial_correlations(correlation, x, y, sets) -> np.ndarray:
    """Partial correlation of x[i] and y[i] given sets[i], all i at once.

    Eliminates the conditioning variables one by one from the correlation block of (x, y, set): what is left
    of the first two rows is the covariance of x and y given the set, so ``r = S_xy / √(S_xx S_yy)``, equal to
    ``−P_xy / √(P_xx P_yy)`` with P the inverse of the block. Entry [a][b] holds one number per test.
    """
    m, size = sets.shape
    variables = [x, y, *sets.T]
    block = [[correlation[variables[a], variables[b]] for b in range(a + 1)] for a in range(size + 2)]
    solvable = np.ones(m, dtype=bool)
    for pivot in range(size + 1, 1, -1):
        diagonal = block[pivot][pivot]
        bad = diagonal < _PIVOT
        if bad.any():
            solvable &= ~bad
            diagonal = np.where(bad, 1.0, diagonal)
        scaled = [block[pivot][a] / diagonal for a in range(pivot)]
        for a in range(pivot):
            for b in range(a + 1):
                block[a][b] = block[a][b] - block[pivot][a] * scaled[b]
    (xx,), (xy, yy) = block[0], block[1]
    solvable &= (xx > _PIVOT) & (yy > _PIVOT)
    r = np.divide(xy, np.sqrt(np.abs(xx * yy)), out=np.full(m, np.nan), where=solvable)
    return np.where(np.abs(r) < 1, r, np.nan)


def _single_partial_correlations(c_xy, c_xz, c_yz) -> np.ndarray:
    """The case of one conditioning variable, ``(ρ_xy − ρ_xz ρ_yz) / √((1 − ρ_xz²)(1 − ρ_yz²))``."""
    xx, yy = 1.0 - c_xz * c_xz, 1.0 - c_yz * c_yz
    solvable = (xx > _PIVOT) & (yy > _PIVOT)
    r = np.divide(c_xy - c_xz * c_yz, np.sqrt(np.abs(xx * yy)), out=np.full(xx.shape, np.nan), where=solvable)
    return np.where(np.abs(r) < 1, r, np.nan)
