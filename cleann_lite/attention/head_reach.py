"""Which attention can a head make, and does its output determine it?

With the keys K (n, d_k) in place a row of attention is a = softmax(K q / √d_k): whatever the length n, only
the d_k numbers of the query q are free, and the head's output aᵀT has d numbers. Counting equations, a is
in general locally unique iff d_k <= d. This module tests that at a given row, and searches for another
query.

Source: the key's role, Bhardwaj, Majumder, Poria, Hovy, More Identifiable yet Equally Performant
Transformers for Text Classification, ACL 2021, section 4; the Jacobian and the search are our own algebra.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag
from scipy.special import softmax

_ROW_SUM = 1e-3  # half-precision recordings stray this far


@dataclass(frozen=True)
class LocalTest:
    """Is a row of attention locally the only one that its head can make with this output?

    Attributes
    ----------
    rank
        Rank of J = Tᵀ(diag(a) - a aᵀ)K, the change of the output with the query.
    needed
        Rank of the centred keys: the directions of the query that change the attention at all.
    condition
        Largest over smallest of the singular values that are needed; infinite where the rank falls short.
        Even where the rank is full, a change of the weights of size 1 shows in the output only as 1 /
        condition.
    """

    rank: int
    needed: int
    condition: float

    @property
    def identifiable(self) -> bool:
        """True when every change of the query that changes the weights changes the output."""
        return self.rank == self.needed


def softmax_attention(query: ArrayLike, key: ArrayLike) -> np.ndarray:
    """Attention of queries (m, d_k) to keys (n, d_k): softmax(query keyᵀ / √d_k), (m, n) float64.

    >>> softmax_attention([[0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]])
    array([[0.5, 0.5]])
    """
    query, key = np.asarray(query, dtype=np.float64), np.asarray(key, dtype=np.float64)
    return softmax(query @ key.T / np.sqrt(key.shape[-1]), axis=-1)


def local_test(row: ArrayLike, key: ArrayLike, value: ArrayLike, tolerance: float | None = None) -> LocalTest:
    """Rank test: does the output of the head determine this row among all rows that the head can make nearby?

    Parameters
    ----------
    row : array (n,)
        One row of attention, made with these keys.
    key : array (n, d_k)
    value : array (n, d)
    tolerance : float, optional
        As in `null_space_dimension`, relative to the largest singular value.

    Returns
    -------
    LocalTest

    Source: the key's role, Bhardwaj et al. 2021, section 4; the Jacobian is our own algebra.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> key, wide, narrow = rng.normal(size=(40, 4)), rng.normal(size=(40, 8)), rng.normal(size=(40, 2))
    >>> row = softmax_attention(rng.normal(size=(1, 4)), key)[0]
    >>> local_test(row, key, wide).identifiable, local_test(row, key, narrow).identifiable
    (True, False)
    """
    value, resolution = checked_value(value)
    key, key_resolution = checked_value(key, "key")
    rows = checked_attention(np.asarray(row)[None], len(value))
    if len(key) != len(value):
        raise ValueError(f"key and value must have a row per token: got {len(key)} and {len(value)} rows")
    tolerance = max(resolution, key_resolution) if tolerance is None else tolerance
    return _rank_test(*_reduced_jacobian(rows[0], key, value, tolerance), tolerance)


def joint_local_test(
    rows: Sequence[ArrayLike] | np.ndarray,
    keys: Sequence[ArrayLike] | np.ndarray,
    values: Sequence[ArrayLike] | np.ndarray,
    combine: str = "concat",
    tolerance: float | None = None,
) -> LocalTest:
    """The local test of one row of all heads together, given the output of the layer only.

    Concatenated heads (and an invertible output projection) stay apart; added heads may make up for each
    other.

    Parameters
    ----------
    rows : array (heads, n)
        The row of one query, in each head.
    keys : array (heads, n, d_k)
    values : array (heads, n, d)
    combine : "concat" | "add"
    tolerance : float, optional

    Returns
    -------
    LocalTest

    Source: own algebra. In general identifiable iff d_k <= d ("concat") or heads·d_k <= d ("add"): with
    d = d_model / heads and d = d_model these are the same condition.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> keys, added = rng.normal(size=(4, 40, 6)), rng.normal(size=(4, 40, 20))
    >>> rows = [softmax_attention(rng.normal(size=(1, 6)), key)[0] for key in keys]
    >>> joint_local_test(rows, keys, added, "add").identifiable   # 24 numbers are free, 20 are seen
    False
    >>> joint_local_test(rows[:3], keys[:3], added[:3], "add").identifiable
    True
    """
    if combine not in ("concat", "add"):
        raise ValueError(f'combine must be "concat" or "add": got {combine!r}')
    resolution = max(checked_value(part)[1] for part in (*keys, *values))
    tolerance = resolution if tolerance is None else tolerance
    parts = [
        _reduced_jacobian(np.asarray(row), np.asarray(key), np.asarray(value), tolerance)
        for row, key, value in zip(rows, keys, values, strict=True)
    ]
    needed = sum(count for _, count in parts)
    jacobians = [jacobian for jacobian, _ in parts]
    joint = block_diag(*jacobians) if combine == "concat" else np.hstack(jacobians)
    return _rank_test(joint, needed, tolerance)


def _reduced_jacobian(
    row: np.ndarray, key: np.ndarray, value: np.ndarray, tolerance: float
) -> tuple[np.ndarray, int]:
    """J in the directions of the query that change the attention at all, and their number."""
    _, sizes, directions = np.linalg.svd(key - key.mean(axis=0), full_matrices=False)
    needed = int(np.sum(sizes > tolerance * sizes[0])) if sizes[0] > 0 else 0
    return _jacobian(row[None], key @ directions[:needed].T, value)[0], needed


def _rank_test(jacobian: np.ndarray, needed: int, tolerance: float) -> LocalTest:
    if needed == 0:
        return LocalTest(0, 0, 1.0)
    singular = np.linalg.svd(jacobian, compute_uv=False)
    rank = int(np.sum(singular > tolerance * singular[0])) if singular[0] > 0 else 0
    return LocalTest(rank, needed, float(singular[0] / singular[needed - 1]) if rank == needed else np.inf)


@dataclass(frozen=True)
class GeneratableAttention:
    """Another attention that the same head can make, with the same output.

    Attributes
    ----------
    query
        The queries that make it, (m, d_k).
    attention
        (m, n); rows for which none was found are those of the original queries.
    distance
        Total variation to the original attention, (m,); 0 where none was found.
    output_error
        Largest difference of the output, over all rows.
    """

    query: np.ndarray
    attention: np.ndarray
    distance: np.ndarray
    output_error: float


def generatable_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    starts: int = 64,
    smallest: float = 1e-3,
    tolerance: float = 1e-10,
    seed: int = 0,
) -> GeneratableAttention | None:
    """Search other queries whose attention differs and whose output does not; None if no row has one.

    Damped Gauss-Newton from random queries around the original, at several distances. In general there is a
    continuum of solutions for d_k > d, isolated ones or none for d_k = d, and none for d_k < d.

    Parameters
    ----------
    query : array (m, d_k)
    key : array (n, d_k)
    value : array (n, d)
    starts : int
        Random queries per row; more find isolated solutions more often.
    smallest : float
        Smallest total variation that counts as another attention.
    tolerance : float
        Largest difference of the output.
    seed : int

    Returns
    -------
    GeneratableAttention or None

    Source: the counting argument of Bhardwaj et al. 2021, section 4, turned into a search.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> query, key, value = rng.normal(size=(2, 8)), rng.normal(size=(40, 8)), rng.normal(size=(40, 4))
    >>> bool((generatable_attention(query, key, value).distance > 0.1).all())
    True
    """
    value, _ = checked_value(value)
    key, _ = checked_value(key, "key")
    query, _ = checked_value(query, "query")
    if len(key) != len(value) or key.shape[1] != query.shape[1]:
        raise ValueError(
            "query (m, d_k), key (n, d_k) and value (n, d) must fit: "
            f"got shapes {query.shape}, {key.shape} and {value.shape}"
        )
    if starts < 1:
        raise ValueError(f"starts must be at least 1: got {starts}")
    rng = np.random.default_rng(seed)
    attention = softmax_attention(query, key)
    new_query, new_attention = query.copy(), attention.copy()
    for i, row in enumerate(attention):
        spread = np.repeat([0.3, 1.0, 2.0, 4.0], -(-starts // 4))[:starts, None]
        trial = query[i] + spread * max(1.0, query[i].std()) * rng.normal(size=(starts, key.shape[1]))
        trial = _gauss_newton(trial, key, value, row @ value, tolerance)
        weights = softmax_attention(trial, key)
        distance = attention_distance(weights, row)
        distance[np.abs((weights - row) @ value).max(axis=1) > tolerance] = 0.0
        best = int(np.argmax(distance))
        if distance[best] > smallest:
            new_query[i], new_attention[i] = trial[best], weights[best]
    moved = attention_distance(attention, new_attention)
    if not moved.any():
        return None
    error = float(np.abs((new_attention - attention) @ value).max())
    return GeneratableAttention(new_query, new_attention, moved, error)


def _gauss_newton(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    output: np.ndarray,
    tolerance: float,
    steps: int = 80,
) -> np.ndarray:
    """Levenberg-Marquardt on softmax(K q/√d_k)ᵀT = output, for a batch of queries (s, d_k) at once."""
    scale = 1 / np.sqrt(key.shape[1])
    damping = np.full(len(query), 1e-2)
    weights = softmax_attention(query, key)
    residual = weights @ value - output
    for _ in range(steps):
        if np.all(np.abs(residual).max(axis=1) <= tolerance / 100):
            break
        jacobian = _jacobian(weights, key, value) * scale
        transposed = np.swapaxes(jacobian, 1, 2)
        square = transposed @ jacobian
        size = np.trace(square, axis1=1, axis2=2) / square.shape[1] + 1e-300
        square += (damping * size)[:, None, None] * np.eye(square.shape[1])
        step = np.linalg.solve(square, transposed @ residual[..., None])[..., 0]
        trial = query - step
        trial_weights = softmax_attention(trial, key)
        trial_residual = trial_weights @ value - output
        better = np.sum(trial_residual**2, axis=1) < np.sum(residual**2, axis=1)
        query = np.where(better[:, None], trial, query)
        weights = np.where(better[:, None], trial_weights, weights)
        residual = np.where(better[:, None], trial_residual, residual)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-14, 1e8)
    return query


def _jacobian(weights: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Tᵀ(diag(a) - a aᵀ)K for a batch of rows a (s, n): (s, d, d_k), by keys centred at their own mean."""
    centred = key - (weights @ key)[:, None, :]
    return value.T @ (weights[:, :, None] * centred)


# --- shared with identifiability ----------------------------------------------------------------------


def attention_distance(attention: ArrayLike, other: ArrayLike) -> np.ndarray:
    """Share of the attention of each row that lies elsewhere: total variation, 0 (same) to 1 (disjoint).

    >>> attention_distance([[0.5, 0.5, 0.0]], [[0.0, 0.5, 0.5]])
    array([0.5])
    """
    attention, other = np.asarray(attention, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return np.abs(attention - other).sum(axis=-1) / 2


def resolution_of(dtype: np.dtype, shape: tuple[int, ...]) -> float:
    kind = dtype if np.issubdtype(dtype, np.floating) else np.dtype(np.float64)
    return max(shape) * float(np.finfo(kind).eps)


def checked_value(value: ArrayLike, name: str = "value") -> tuple[np.ndarray, float]:
    value = np.asarray(value)
    if value.ndim != 2 or 0 in value.shape:
        raise ValueError(f"{name} must be a matrix (tokens, size): got shape {value.shape}")
    resolution = resolution_of(value.dtype, value.shape)
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        wrong = int((~np.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite: got {wrong} entries that are not")
    return value, resolution


def checked_attention(attention: ArrayLike, n: int, stochastic: bool = True) -> np.ndarray:
    attention = np.asarray(attention, dtype=np.float64)
    if attention.ndim != 2 or attention.shape[1] != n or not len(attention):
        raise ValueError(f"attention must have a column per row of value, (m, {n}): got {attention.shape}")
    if not stochastic and not np.isfinite(attention).all():
        wrong = int((~np.isfinite(attention)).sum())
        raise ValueError(f"attention must be finite: got {wrong} entries that are not")
    if stochastic:
        stray = np.abs(attention.sum(axis=1) - 1).max()
        if not (attention.min() >= 0 and stray <= _ROW_SUM):
            raise ValueError(
                "attention must be >= 0 with rows that sum to 1: "
                f"got a least weight of {attention.min():.3g} and a row sum {stray:.3g} away from 1"
            )
    return attention
