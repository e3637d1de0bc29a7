"""Conditional-independence tests: what a causal search asks of the data.

Any object with ``n_variables`` and ``independent(x, y, given)`` is a test (``batched.IndependenceTest``). For
a test with a p-value one method is enough: ``batched.PValueTest`` adds the threshold, a memory and a count.

The partial correlation of x and y given Z is what is left of their correlation when Z is held fixed. With
Fisher's transform, ``z = √(n − |Z| − 3) · atanh r`` is close to standard normal when x and y are independent
given Z, so ``p = 2 (1 − Φ(|z|))``; they count as independent when p > α.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from .asked import Asked, Questions, widened
from .batched import PValueTest
from .bitsets import as_bits, members_of
from .nodes import checked_switches
from .partial import PIVOT, checked_correlation, checked_samples, correlation_of, partial_correlations
from .separation import DAGSeparation

__all__ = ["DSeparation", "PartialCorrelation"]

# Tests computed together: few enough that the arrays stay in the processor's cache.
_CHUNK = 16_384
# Below this share of near candidates a list of them is quicker than a table.
_SPARSE = 0.1


def _chunks(m: int, width: int = 1) -> list[slice]:
    """Portions of m rows of so many numbers."""
    rows = max(1, _CHUNK // max(1, width))
    return [slice(start, start + rows) for start in range(0, m, rows)]


@runtime_checkable
class DataFrame(Protocol):
    """A table with named columns, such as one of pandas."""

    columns: Sequence

    def to_numpy(self) -> np.ndarray:
        """The values, (samples, variables)."""
        ...


class DSeparation(PValueTest):
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
        If the graph is not directed or has a cycle, or a node is missing or named twice.

    Examples
    --------
    >>> import networkx as nx
    >>> test = DSeparation(nx.DiGraph([("a", "b"), ("b", "c")]), ["a", "b", "c"])
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(self, dag: nx.DiGraph, observed: Sequence, selection: Sequence = ()):
        if not isinstance(dag, nx.DiGraph):
            raise ValueError(f"dag must be a networkx.DiGraph: got {type(dag).__name__}")
        for name, nodes in {"observed": observed, "selection": selection}.items():
            if not isinstance(nodes, Iterable):
                raise ValueError(f"{name} must be a list of nodes: got {nodes!r}")
        dag = nx.DiGraph(dag) if dag.is_multigraph() else dag
        self.observed, self.selection = tuple(observed), tuple(selection)
        named = (*self.observed, *self.selection)
        unknown = [node for node in named if node not in dag]
        if unknown or len(set(named)) != len(named):
            raise ValueError(f"observed and selection must be different nodes of the graph: got {named}")
        super().__init__(len(self.observed), alpha=0.5)
        self._separation = DAGSeparation(dag, first=self.observed)
        self._always = as_bits(self._separation.numbers[node] for node in self.selection)

    def compute(self, x: int, y: int, given: tuple[int, ...]) -> float:
        return float(self._separation.separated(x, y, as_bits(given) | self._always))

    def _p_asked(self, x: np.ndarray, y: np.ndarray, keys: Sequence) -> np.ndarray:
        # quicker than to look up
        n_pairs = self.n_variables**2
        return self.compute_each(x, y, [key // n_pairs for key in keys])

    def compute_each(self, x: np.ndarray, y: np.ndarray, sets: list[int]) -> np.ndarray:
        if self._always:
            sets = [given | self._always for given in sets]
        parts = [self._separation.separated_each(x[c], y[c], sets[c]) for c in _chunks(len(sets))]
        return np.concatenate(parts).astype(float) if parts else np.empty(0)

    def strength(self, x: int, y: int) -> float | None:
        return None

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        return None


class PartialCorrelation(PValueTest):
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
    names
        What the variables are called.

    Attributes
    ----------
    n_singular
        How many of the distinct tests asked so far had a block that cannot be solved, or |r| = 1: they count
        as dependent.

    Raises
    ------
    ValueError
        If the matrix is not a correlation matrix, alpha is outside (0, 1) or n_samples is not above 3.

    Examples
    --------
    >>> test = PartialCorrelation([[1, 0.8, 0.64], [0.8, 1, 0.8], [0.64, 0.8, 1]], n_samples=100)
    >>> test.independent(0, 2), test.independent(0, 2, [1])
    (False, True)
    """

    def __init__(
        self,
        correlation: ArrayLike,
        n_samples: float,
        alpha: float = 0.01,
        one_sided: bool = False,
        names: Sequence[str] | None = None,
    ):
        self.correlation = checked_correlation(correlation)
        super().__init__(len(self.correlation), alpha, names)
        self.n_samples: float = checked_samples(n_samples)
        checked_switches(one_sided=one_sided)
        self.one_sided = bool(one_sided)
        self._asked_so_far: Asked = Asked(self.n_variables)

    @classmethod
    def from_data(cls, data: Any, alpha: float = 0.01, one_sided: bool = False) -> "PartialCorrelation":
        """The test on a data table, (samples, variables); a data frame keeps its column names.

        Raises
        ------
        ValueError
            If the table is not one of finite numbers, or a column is constant.
        """
        names = None
        if isinstance(data, DataFrame):
            names, data = [str(name) for name in data.columns], data.to_numpy()
            if len(set(names)) < len(names):
                raise ValueError(f"column names must differ: got {', '.join(names)}")
        try:
            given = np.asarray(data)
            if given.dtype.kind == "c":
                raise TypeError("it holds complex ones")
            table = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"data must be a table of numbers: {error}") from None
        if table.ndim != 2 or not np.isfinite(table).all():
            where = ""
            if table.ndim == 2:
                column = int((~np.isfinite(table)).any(axis=0).argmax())
                count = int((~np.isfinite(table[:, column])).sum())
                where = f", {count} of them not finite in column {names[column] if names else column}"
            raise ValueError(f"data must be a finite table, samples by variables: got {table.shape}{where}")
        checked_samples(len(table))
        flat = np.flatnonzero(np.ptp(table, axis=0) == 0)
        if len(flat):
            which = names[flat[0]] if names else int(flat[0])
            raise ValueError(f"each variable must vary: column {which} is constant")
        return cls(correlation_of(table), len(table), alpha, one_sided, names)

    def with_alpha(self, alpha: float) -> "PartialCorrelation":
        """The same test at another level, counted separately."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        PValueTest.__init__(other, self.n_variables, alpha, self.names)
        other._asked_so_far = Asked(self.n_variables)
        return other

    def p_values(self, x: ArrayLike, y: ArrayLike, sets: ArrayLike) -> np.ndarray:
        """(m,) p-values of variables x, y, (m,), given sets of one size, (m, size), in one call."""
        return self._p_of(self.partial_correlations(x, y, sets), np.shape(sets)[-1])

    def partial_correlations(self, x: ArrayLike, y: ArrayLike, sets: ArrayLike) -> np.ndarray:
        """(m,) partial correlations; NaN where the block cannot be solved. Arguments as ``p_values``."""
        x, y = np.asarray(x, dtype=np.intp), np.asarray(y, dtype=np.intp)
        sets = np.asarray(sets, dtype=np.intp).reshape(len(x), np.shape(sets)[-1])
        parts = [partial_correlations(self.correlation, x[c], y[c], sets[c]) for c in _chunks(len(x))]
        return np.concatenate(parts) if parts else np.empty(0)

    def strength(self, x: int, y: int) -> float | None:
        return abs(float(self.correlation[x, y]))

    def too_few_samples(self, size: int) -> float | None:
        return self.n_samples if self.n_samples - size - 3 <= 0 else None

    def strengths(self, variables: Sequence[int] | np.ndarray) -> np.ndarray | None:
        which = np.asarray(variables)
        return np.abs(self.correlation[np.ix_(which, which)])

    def answer_each(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = np.minimum(x, y), np.maximum(x, y)
        r = self.partial_correlations(x, y, members)
        solvable = ~np.isnan(r)
        self._asked_so_far.tick(x, y, members, solvable)
        size = members.shape[1]
        return self._below(r, self._critical(size), size), solvable

    def _keys(self, x: np.ndarray, y: np.ndarray, sets: list[int]) -> list[Any]:
        # to compute is quicker than to look up, so a question is: x, y, members, solvable once that is known
        sizes = np.array([given.bit_count() for given in sets])
        parts = []
        for size in np.unique(sizes).tolist():
            those = np.flatnonzero(sizes == size)
            members = members_of([sets[i] for i in those.tolist()], self.n_variables, size)
            parts.append(Questions(those, x[those], y[those], members))
        return parts

    def _p_asked(self, x: np.ndarray, y: np.ndarray, keys: Sequence) -> np.ndarray:
        p = np.empty(len(x))
        for part in keys:
            r = self.partial_correlations(part.x, part.y, part.members)
            part.solvable = ~np.isnan(r)
            p[part.those] = self._p_of(r, part.members.shape[1])
        return p

    def _tick_off(self, keys: Iterable, asked: np.ndarray | None = None) -> None:
        for part in keys:
            some = slice(None) if asked is None else asked[part.those]
            questions = part.x[some], part.y[some], part.members[some], part.solvable[some]
            self._asked_so_far.tick(*questions)

    @property
    def n_singular(self) -> int:
        found = self._asked_so_far.unsolvable()
        for x, y, sets in self._asked_so_far.small():
            found += int(np.isnan(self.partial_correlations(x, y, sets)).sum())
        return found

    def separating_singles(
        self, x: np.ndarray, y: np.ndarray, near: np.ndarray, variables: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        variables = np.asarray(variables)
        x, y = variables[x], variables[y]
        x, y = np.minimum(x, y), np.maximum(x, y)
        if np.count_nonzero(near) < _SPARSE * near.size:
            return self._few_singles(x, y, near, variables)
        n = self.n_variables
        correlation = self.correlation.take(variables, axis=1)
        size = np.abs(correlation)
        # √(1 − ρ²), NaN where it cannot be divided by
        rest = 1.0 - correlation * correlation
        rest = np.sqrt(np.where(rest > PIVOT, rest, np.nan))
        critical = self._critical(1)
        found, p = np.empty(len(x), dtype=np.intp), np.empty(len(x))
        for c in _chunks(len(x), len(variables)):
            # |ρ_xy − ρ_xz ρ_yz| < critical · √((1 − ρ_xz²)(1 − ρ_yz²)): independent given z
            r = correlation[x[c]]
            r *= correlation[y[c]]
            np.subtract(self.correlation[x[c], y[c]][:, None], r, out=r)
            scale = rest[x[c]]
            scale *= rest[y[c]]
            r /= scale
            separates = self._below(r, critical, 1)
            separates &= near[c]
            strength = size[x[c]]
            np.minimum(strength, size[y[c]], out=strength)
            best = np.where(separates, strength, -1.0).argmax(axis=1)
            each = np.arange(len(best))
            some = separates[each, best]
            found[c] = np.where(some, best, -1)
            asked = strength >= np.where(some, strength[each, best], -1.0)[:, None]
            asked &= near[c]
            self._asked_so_far.tick_singles(x[c], y[c], widened(asked, variables, n))
            told = r[each, best]
            kept = np.flatnonzero(~some)
            value = r[kept] if self.one_sided else np.abs(r[kept])
            asked = near[c][kept]
            told[kept] = np.where(asked & ~np.isnan(value), value, np.inf).min(axis=1, initial=np.inf)
            p[c] = self._p_of(told, 1)
            p[c.start + kept[~asked.any(axis=1)]] = np.nan
        return found, p

    def _few_singles(
        self, x: np.ndarray, y: np.ndarray, near: np.ndarray, variables: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """``separating_singles`` where most are not near: one question after the other, not in a table."""
        which, z = np.nonzero(near)
        found, p = np.full(len(x), -1), np.full(len(x), np.nan)
        if not len(which):
            return found, p
        rho, given = self.correlation, variables[z]
        r = self.partial_correlations(x[which], y[which], given[:, None])
        strength = np.minimum(np.abs(rho[x[which], given]), np.abs(rho[y[which], given]))
        separates = self._below(r, self._critical(1), 1)
        begin = np.flatnonzero(np.diff(which, prepend=-1))
        pair = which[begin]  # those with a candidate
        place = np.repeat(np.arange(len(pair)), np.diff(begin, append=len(which)))
        reach = np.maximum.reduceat(np.where(separates, strength, -1.0), begin)
        best = np.flatnonzero(separates & (strength == reach[place]))[::-1]  # of equals the first
        found[which[best]] = z[best]
        asked = strength >= reach[place]
        members = given[asked][:, None]
        self._asked_so_far.tick(x[which[asked]], y[which[asked]], members, ~np.isnan(r[asked]))
        value = r if self.one_sided else np.abs(r)
        p[pair] = self._p_of(np.minimum.reduceat(np.where(np.isnan(value), np.inf, value), begin), 1)
        p[which[best]] = self._p_of(r[best], 1)
        return found, p

    def independent_pairs(self, variables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._asked_so_far.tick_all_pairs(variables)
        p = np.empty((len(variables),) * 2)
        for rows in _chunks(len(variables), len(variables)):
            p[rows] = self._p_of(self.correlation[np.ix_(variables[rows], variables)], 0)
        independent = p > self.alpha
        np.fill_diagonal(p, np.nan)
        return independent, p

    def tests_by_size(self) -> list[int]:
        return self._asked_so_far.counts()

    def _p_value(self, x: int, y: int, given: int) -> float:
        keys = self._keys(np.array([x]), np.array([y]), [given])
        p = float(self._p_asked(np.array([x]), np.array([y]), keys)[0])
        self._tick_off(keys)
        return p

    def _critical(self, size: int) -> float:
        """|r| below which p > alpha."""
        return math.tanh(-float(ndtri(self.alpha / 2)) / math.sqrt(self._freedom(size)))

    def _below(self, r: np.ndarray, critical: float, size: int) -> np.ndarray:
        """Whether p > alpha, by comparing |r| with its critical value; NaN counts as dependent."""
        value = r if self.one_sided else np.abs(r)
        independent = value < critical - 1e-9
        if self.one_sided:
            independent &= r > -1
        maybe = value < critical + 1e-9
        if np.count_nonzero(maybe) > np.count_nonzero(independent):
            close = np.flatnonzero(maybe & ~independent)
            independent.flat[close] = self._p_of(r.flat[close], size) > self.alpha
        return independent

    def _p_of(self, r: np.ndarray, size: int) -> np.ndarray:
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
