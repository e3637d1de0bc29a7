"""Attention as a structural equation model.

In matrix form a linear structural equation model is ``X = G X + Λ U``: G holds the weights of the arrows, U
are independent causes, Λ scales them. So ``X = (I − G)⁻¹ Λ U``, and for an acyclic model ``(I − G)⁻¹`` adds
up the weights of all directed paths. Self-attention computes ``Z = A V``. Read Z as X, V as U and the
attention A as ``(I − G)⁻¹ Λ``: the rows of A are tokens, and with uncorrelated values of unit variance the
covariance of the tokens is ``C = A Aᵀ`` [1]_.

The rows are *not* centred: attention is a mixing matrix, not data, so the correlation of two tokens is the
cosine between their attention rows. ``np.corrcoef(A)`` and ``Aᵀ A`` are both wrong. Scaling a row leaves the
correlation unchanged; leaving out columns (keys) does not. So compute the correlation from the full attention
and restrict the *graph* to the tokens of interest: tokens left out become latent.

References
----------
.. [1] Rohekar, Gurwicz, Nisimov. Causal Interpretation of Self-Attention in Pre-Trained Transformers.
   NeurIPS 2023, arXiv 2310.20307.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

_ROW_SUM_TOLERANCE = 0.02  # half precision, or three printed decimals over forty tokens


def _checked_attention(attention: ArrayLike) -> np.ndarray:
    given = np.asarray(attention)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.size == 0:
        raise ValueError(f"attention must be square with rows that sum to 1: got shape {given.shape}")
    matrix = given.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(f"attention must be finite: {np.sum(~np.isfinite(matrix))} entries are not")
    if matrix.min() < 0:
        raise ValueError(f"attention must be non-negative: its smallest entry is {matrix.min():.3g}")
    sums = matrix.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > _ROW_SUM_TOLERANCE:
        total = f"row {worst} sums to {sums[worst]:.4g}"
        raise ValueError(f"attention must be square with rows that sum to 1: {total}")
    return matrix


def _correlation(covariance: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance / np.outer(scale, scale), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def attention_correlation(attention: ArrayLike) -> np.ndarray:
    """Correlation of the tokens under one head's attention: the cosine between attention rows.

    Parameters
    ----------
    attention
        (n, n) attention of one head, rows (queries) sum to 1; any precision, float64 from here on.

    Returns
    -------
    (n, n) float64, symmetric, ones on the diagonal, no entry above 1.

    Raises
    ------
    ValueError
        If the matrix is not square, not finite, has a negative entry or a row that does not sum to 1.

    Notes
    -----
    CLEANN (arXiv 2310.20307), section 4: ``C = A Aᵀ``, ``ρ_ij = C_ij / √(C_ii C_jj)``.

    Examples
    --------
    >>> attention_correlation([[1.0, 0.0], [0.6, 0.4]]).round(3)
    array([[1.   , 0.832],
           [0.832, 1.   ]])
    """
    matrix = _checked_attention(attention)
    covariance = matrix @ matrix.T
    return _correlation((covariance + covariance.T) / 2)


def words_attention(attention: ArrayLike, groups: Iterable[Sequence[int]]) -> np.ndarray:
    """Merge the word-pieces of each word: attention *to* a word adds up, attention *from* it is the average.

    Parameters
    ----------
    attention
        (n, n) attention between word-pieces, rows sum to 1.
    groups
        The tokens of each word. Tokens in no group stay, each on its own, after the words: they count in
        the covariance, and a graph over ``range(len(groups))`` treats them as latent.

    Returns
    -------
    (m, m) float64, rows sum to 1; row i is ``groups[i]``.

    Raises
    ------
    ValueError
        If a group is empty, or a token is outside the matrix or in two groups.

    Examples
    --------
    >>> pieces = [[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.0, 0.4, 0.6]]
    >>> words_attention(pieces, [[0], [1, 2]])
    array([[0.5, 0.5],
           [0.1, 0.9]])
    """
    matrix = _checked_attention(attention)
    n = len(matrix)
    groups = [[int(token) for token in group] for group in groups]
    seen: set[int] = set()
    for group in groups:
        if not group:
            raise ValueError("each word needs at least one token: got an empty group")
        for token in group:
            if not 0 <= token < n:
                raise ValueError(f"tokens must be in 0 … {n - 1}: got {token}")
            if token in seen:
                raise ValueError(f"each token belongs to one word: {token} is in two groups")
            seen.add(token)
    groups += [[token] for token in range(n) if token not in seen]
    membership = np.zeros((len(groups), n))
    for row, group in enumerate(groups):
        membership[row, group] = 1.0
    return (membership / membership.sum(axis=1, keepdims=True)) @ matrix @ membership.T


@dataclass(frozen=True)
class PlantedSEM:
    """A linear structural equation model whose graph is known.

    Attributes
    ----------
    dag
        The true graph over 0 … n−1.
    weights
        (n, n) G: ``weights[i, j]`` is the weight of the arrow j → i.
    mixing
        (n, n) ``(I − G)⁻¹ Λ``: entry [i, j] adds up the weights of all directed paths from j to i.
    """

    dag: nx.DiGraph
    weights: np.ndarray = field(repr=False)
    mixing: np.ndarray = field(repr=False)

    @property
    def correlation(self) -> np.ndarray:
        """(n, n) exact correlation of the variables."""
        correlation = _correlation(self.mixing @ self.mixing.T)
        return (correlation + correlation.T) / 2

    @property
    def attention(self) -> np.ndarray:
        """(n, n) the mixing matrix with rows scaled to sum 1: an attention matrix with the same correlation.

        Raises
        ------
        ValueError
            If a directed path has a negative weight: attention cannot be negative.
        """
        if self.mixing.min() < 0:
            raise ValueError("attention is never negative: plant positive weights (signed=False)")
        return self.mixing / self.mixing.sum(axis=1, keepdims=True)

    def sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Gaussian data, (n_samples, n): ``X = (I − G)⁻¹ Λ U``."""
        return rng.standard_normal((n_samples, len(self.mixing))) @ self.mixing.T


def planted_sem(
    dag: nx.DiGraph,
    rng: np.random.Generator,
    low: float = 0.5,
    high: float = 2.0,
    signed: bool = True,
    noise: tuple[float, float] = (1.0, 1.0),
) -> PlantedSEM:
    """Plant a linear model in a graph: weights uniform on [low, high], sign random if ``signed``.

    Parameters
    ----------
    dag
        A directed acyclic graph over 0 … n−1.
    rng
        Source of the weights.
    low, high
        Range of the absolute weights.
    signed
        Half of the weights negative. False: all positive, so that the model reads as attention.
    noise
        Range of Λ's diagonal, the scale of each variable's own cause.

    Raises
    ------
    ValueError
        If the graph has a cycle or nodes other than 0 … n−1.

    Examples
    --------
    >>> import networkx as nx, numpy as np
    >>> sem = planted_sem(nx.DiGraph([(0, 1)]), np.random.default_rng(0), 0.5, 0.5, signed=False)
    >>> sem.mixing
    array([[1. , 0. ],
           [0.5, 1. ]])
    """
    n = dag.number_of_nodes()
    if set(dag.nodes) != set(range(n)):
        raise ValueError(f"the nodes of the graph must be 0 … {n - 1}: got {sorted(map(str, dag.nodes))[:5]}")
    if not nx.is_directed_acyclic_graph(dag):
        raise ValueError("a planted model needs a graph without directed cycles")
    weights = np.zeros((n, n))
    for cause, effect in sorted(dag.edges):
        sign = rng.choice((-1.0, 1.0)) if signed else 1.0
        weights[effect, cause] = sign * rng.uniform(low, high)
    # (I − G)⁻¹ Λ row by row: a variable is its own cause plus what its parents pass on
    mixing = np.diag(rng.uniform(*noise, size=n))
    for node in nx.topological_sort(dag):
        mixing[node] += weights[node] @ mixing
    return PlantedSEM(dag, weights, mixing)
