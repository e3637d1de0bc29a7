"""Conditional-independence tests: what a causal search asks of the data.

A search needs an object with ``n_variables`` and ``independent(x, y, given)``; ``IndependenceTest`` adds
caching, counting and the threshold, so that a test of one's own is one method. ``GSquared`` is an example.

The partial correlation of x and y given Z is what is left of their correlation when Z is held fixed. With
Fisher's transform, ``√(n − |Z| − 3) · atanh r`` is close to standard normal when x and y are independent
given Z, so ``p = 2 (1 − Φ(…))``; they count as independent when p > α.
"""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import networkx as nx
import numpy as np
from scipy.special import gammaincc, ndtr

from .separation import DAGSeparation, as_bits


@runtime_checkable
class AnyTest(Protocol):
    """The least that ``learn_pag`` asks of a test."""

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

    Attributes
    ----------
    n_tests
        Distinct tests asked so far: the same question twice counts once.
    """

    def __init__(self, n_variables: int, alpha: float = 0.01):
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, ends excluded: got {alpha}")
        self.n_variables = int(n_variables)
        self.alpha = float(alpha)
        self._p_values: dict[tuple, float] = {}
        self._asked: set[tuple] = set()

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
        key = self._key(x, y, given)
        if key not in self._p_values:
            self._p_values[key] = self.compute(*key)
        self._asked.add(key)
        return self._p_values[key]

    def independent(self, x: int, y: int, given: Sequence[int] = ()) -> bool:
        """Whether x and y count as independent given ``given``: p > alpha."""
        return self.p_value(x, y, given) > self.alpha

    def strength(self, x: int, y: int) -> float:
        """How dependent x and y are without conditioning; orders equally near candidates, strongest first."""
        return -self.p_value(x, y)

    @property
    def n_tests(self) -> int:
        return len(self._asked)

    def tests_by_size(self) -> list[int]:
        """Distinct tests asked, by the size of the conditioning set."""
        counts: list[int] = []
        for _, _, given in self._asked:
            counts += [0] * (len(given) + 1 - len(counts))
            counts[len(given)] += 1
        return counts

    def _key(self, x, y, given) -> tuple[int, int, tuple[int, ...]]:
        x, y, given = int(x), int(y), tuple(sorted({int(z) for z in given}))
        for variable in (x, y, *given):
            if not 0 <= variable < self.n_variables:
                raise ValueError(f"variables are numbered 0 … {self.n_variables - 1}: got {variable}")
        if x == y or x in given or y in given:
            raise ValueError(f"x, y and the conditioning set must not overlap: got {x}, {y} given {given}")
        return (x, y, given) if x < y else (y, x, given)


class DSeparation(IndependenceTest):
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
        self._separation = DAGSeparation(dag)
        self._bit = [self._separation.numbers[node] for node in self.observed]
        self._always = as_bits(self._separation.numbers[node] for node in self.selection)
        self._connected: dict[tuple[int, int], int] = {}

    def compute(self, x, y, given):
        conditioned = self._always
        for z in given:
            conditioned |= 1 << self._bit[z]
        key = (x, conditioned)
        if key not in self._connected:
            self._connected[key] = self._separation.connected(self._bit[x], conditioned)
        return 0.0 if self._connected[key] >> self._bit[y] & 1 else 1.0

    def strength(self, x, y):
        return 0.0


class PartialCorrelation(IndependenceTest):
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
        Tests whose block could not be solved, or whose |r| reached 1: they count as dependent.

    Raises
    ------
    ValueError
        If the matrix is no correlation matrix, alpha is outside (0, 1) or n_samples is below 4.

    Examples
    --------
    >>> test = PartialCorrelation([[1, 0.8, 0.64], [0.8, 1, 0.8], [0.64, 0.8, 1]], n_samples=100)
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, correlation, n_samples: int, alpha: float = 0.01, one_sided: bool = False):
        self.correlation = _checked_correlation(correlation)
        super().__init__(len(self.correlation), alpha)
        if not n_samples > 3:
            raise ValueError(f"n_samples must be above 3: got {n_samples}")
        self.n_samples = n_samples
        self.one_sided = bool(one_sided)
        self.n_singular = 0

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
        """The same test at another level; every p-value computed so far is shared."""
        other = PartialCorrelation.__new__(PartialCorrelation)
        other.__dict__.update(self.__dict__)
        IndependenceTest.__init__(other, self.n_variables, alpha)
        other._p_values = self._p_values
        return other

    def compute(self, x, y, given):
        return float(self.compute_many([x], [y], [given])[0])

    def compute_many(self, x, y, sets) -> np.ndarray:
        """p-values of many tests with conditioning sets of one size.

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
        r = self.partial_correlations(x, y, sets)
        return self._p_of(r, np.shape(sets)[1])

    def partial_correlations(self, x, y, sets) -> np.ndarray:
        """(m,) partial correlations; NaN where the block cannot be solved. Arguments as ``compute_many``."""
        x, y = np.asarray(x, dtype=np.intp), np.asarray(y, dtype=np.intp)
        sets = np.asarray(sets, dtype=np.intp).reshape(len(x), -1)
        return _partial_correlations(self.correlation, x, y, sets)

    def strength(self, x, y):
        return abs(float(self.correlation[x, y]))

    def _p_of(self, r, size: int) -> np.ndarray:
        freedom = self.n_samples - size - 3
        if freedom <= 0:
            raise ValueError(
                f"{size} conditioning variables need n_samples above {size + 3}: got {self.n_samples}"
            )
        singular = ~(np.abs(r) < 1)
        self.n_singular += int(singular.sum())
        z = math.sqrt(freedom) * np.arctanh(np.where(singular, 0.0, r))
        p = np.minimum(1.0, 2 * ndtr(-z)) if self.one_sided else 2 * ndtr(-np.abs(z))
        return np.where(singular, 0.0, p)


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
    return np.divide(xy, np.sqrt(np.abs(xx * yy)), out=np.full(m, np.nan), where=solvable)
