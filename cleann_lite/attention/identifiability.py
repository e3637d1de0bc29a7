"""When do the input and the output of a head determine its attention weights?

A head multiplies its attention A (n, n) with a matrix T (n, d): the values, or the values times the head's
slice of the output projection, with the value bias if there is one. Two questions follow, and they must
not be mixed.

1. *Any* attention: which matrices with rows >= 0 that sum to 1 give the same A T? A row may move by any x
   with xᵀ[T, 1] = 0 that keeps its weights >= 0. There is such an x once n > rank [T, 1], that is, in
   general, once the sequence is longer than d + 1.
2. *Attention that the head can make*: with the keys K (n, d_k) in place, a row is softmax(K q / √d_k), so it
   has d_k degrees of freedom, not n. It is in general locally unique iff d_k <= d, at any length.

Symbols: A attention, T value, K key, q query, LN(T) = {x : xᵀT = 0} the left null space, T⁺ the
pseudo-inverse.

Sources
-------
Brunner et al., On Identifiability in Transformers, ICLR 2020 (LN(T), effective attention).
Bhardwaj, Majumder, Poria, Hovy, More Identifiable yet Equally Performant Transformers for Text
Classification, ACL 2021 (the row sums, the role of the key).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from .head_reach import (
    GeneratableAttention,
    LocalTest,
    attention_distance,
    checked_attention,
    checked_value,
    generatable_attention,
    joint_local_test,
    local_test,
    resolution_of,
    softmax_attention,
)

__all__ = [
    "GeneratableAttention",
    "LocalTest",
    "attention_distance",
    "effective_attention",
    "equivalent_attention",
    "generatable_attention",
    "joint_local_test",
    "joint_null_space_dimension",
    "local_test",
    "null_space_dimension",
    "softmax_attention",
]


# --- the null space ---------------------------------------------------------------------------------------


def null_space_dimension(value: ArrayLike, sum_to_one: bool = False, tolerance: float | None = None) -> int:
    """Dimension of the null space of a head: how many independent row shifts leave its output unchanged.

    Parameters
    ----------
    value : array (n, d)
        What the attention row is multiplied with: values, or values times the output projection, bias
        included.
    sum_to_one : bool
        Count only the shifts that keep row sums, LN([T, 1]): those that another valid attention may use.
    tolerance : float, optional
        Singular values below this share of the largest count as zero; default max(n, d) times the
        resolution of the array's own type, so that a product computed in float32 has the rank of its
        factors.

    Returns
    -------
    int
        n - rank T, or n - rank [T, 1].

    Raises
    ------
    ValueError
        If value is not a finite (n, d) matrix.

    Source: Brunner et al. 2020, section 3.1; with the row sums: Bhardwaj et al. 2021, section 3.

    >>> import numpy as np
    >>> value = np.random.default_rng(0).normal(size=(80, 64))
    >>> null_space_dimension(value), null_space_dimension(value, sum_to_one=True)
    (16, 15)
    >>> null_space_dimension(value[:40])
    0
    """
    value, resolution = checked_value(value)
    basis = _column_space(value, resolution if tolerance is None else tolerance, sum_to_one)
    return value.shape[0] - basis.shape[1]


def joint_null_space_dimension(values: ArrayLike, combine: str = "concat") -> int:
    """Dimension of the row shifts of *all* heads together that leave the output of the layer unchanged.

    One row of the layer sees the heads' outputs only after they are concatenated (and sent through an
    invertible output projection) or added. Concatenated heads stay apart, so their dimensions add up. Added
    heads may cancel each other: head 1 may shift by anything whose effect head 2 takes back.

    Parameters
    ----------
    values : array (heads, n, d)
        What each head's attention row is multiplied with.
    combine : "concat" | "add"

    Returns
    -------
    int
        In general max(0, heads·(n - d - 1)) for "concat" and max(0, heads·(n - 1) - d) for "add".

    Source: own algebra, from the definition in Brunner et al. 2020.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)   # the same model size: 4 heads of 16, or 4 heads of 64 added
    >>> joint_null_space_dimension(rng.normal(size=(4, 50, 16)))
    132
    >>> joint_null_space_dimension(rng.normal(size=(4, 50, 64)), combine="add")
    132
    """
    values = np.asarray(values)
    if values.ndim != 3:
        raise ValueError(f"values must be (heads, tokens, size): got shape {values.shape}")
    if combine == "concat":
        return sum(null_space_dimension(value, sum_to_one=True) for value in values)
    if combine != "add":
        raise ValueError(f'combine must be "concat" or "add": got {combine!r}')
    heads, n, d = values.shape
    row_sums = np.repeat(np.eye(heads), n, axis=0)
    stacked = np.column_stack([_unit_scale(values.astype(np.float64).reshape(-1, d)), row_sums])
    _, kept = _left_singular(stacked, resolution_of(values.dtype, stacked.shape))
    return len(stacked) - int(kept.sum())


def effective_attention(attention: ArrayLike, value: ArrayLike, tolerance: float | None = None) -> np.ndarray:
    """Effective attention A T T⁺: the part of the attention that reaches the output of the head.

    It gives the same output, and of all matrices that do it has the smallest norm; its rows are neither
    non-negative nor do they sum to 1.

    Parameters
    ----------
    attention : array (m, n)
        One head; rows are queries.
    value : array (n, d)
        What is actually multiplied: with a value bias, the biased values.
    tolerance : float, optional
        As in `null_space_dimension`.

    Returns
    -------
    array (m, n) float64

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Source: Brunner et al. 2020, section 3.2.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> attention, value = rng.dirichlet(np.ones(9), size=9), rng.normal(size=(9, 4))
    >>> effective = effective_attention(attention, value)
    >>> bool(np.allclose(effective @ value, attention @ value)), bool((effective < 0).any())
    (True, True)
    """
    value, resolution = checked_value(value)
    attention = checked_attention(attention, len(value), stochastic=False)
    basis = _column_space(value, resolution if tolerance is None else tolerance)
    return (attention @ basis) @ basis.T


# --- another valid attention ------------------------------------------------------------------------------


def equivalent_attention(
    attention: ArrayLike,
    value: ArrayLike,
    allowed: ArrayLike | None = None,
    direction: ArrayLike | None = None,
    tolerance: float = 1e-9,
    smallest: float = 1e-9,
) -> np.ndarray | None:
    """Another valid attention with the same head output, as far away as linear programs find, or None.

    Each row is moved on its own within {x >= 0, sum x = 1, xᵀT = aᵀT}. The distance to a is convex, so its
    largest value sits in a corner of that set; the search starts in the corner that overlaps least with a,
    then climbs (maximise the signs of the current shift) until the distance stops growing: a good corner,
    not provably the farthest.

    Parameters
    ----------
    attention : array (m, n)
        One head: rows >= 0 that sum to 1.
    value : array (n, d)
        What the rows are multiplied with (values, or values times the output projection; bias included).
    allowed : bool array (m, n), optional
        Where weights may be, for example the lower triangle of a GPT-like head. Default: everywhere.
    direction : array (m, n), optional
        Go to the corner farthest in this direction instead of the farthest from the attention.
    tolerance : float
        Largest difference of the output; rows are pulled back towards the attention where numbers demand it.
    smallest : float
        Rows that move by a smaller total variation are left as they are.

    Returns
    -------
    array (m, n) float64, or None
        None: no row has another valid attention. Rows that cannot move are returned unchanged.

    Raises
    ------
    ValueError
        If `attention` has rows that are not distributions, or the shapes do not fit.

    Source: LN([T, 1]) within the simplex, Brunner et al. 2020, appendix A; the linear program is our own.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> attention, value = rng.dirichlet(np.ones(20), size=20), rng.normal(size=(20, 8))
    >>> other = equivalent_attention(attention, value)
    >>> bool(np.allclose(other @ value, attention @ value, atol=1e-8)), bool(other.min() >= 0)
    (True, True)
    >>> bool(attention_distance(attention, other).mean() > 0.3)
    True
    >>> equivalent_attention(attention[:8, :8] / attention[:8, :8].sum(1, keepdims=True), value[:8]) is None
    True
    """
    value, resolution = checked_value(value)
    attention = checked_attention(attention, len(value))
    allowed = _checked_allowed(allowed, attention)
    if direction is not None:
        direction = np.asarray(direction, dtype=np.float64)
        if direction.shape != attention.shape:
            raise ValueError(
                f"direction must have the shape of attention {attention.shape}: got {direction.shape}"
            )
    basis = _column_space(value, resolution, sum_to_one=True)
    if basis.shape[1] == len(value):
        return None
    ones, space = np.ones(len(value)), _column_space(value, resolution)
    shift = ones - space @ (space.T @ ones)
    other = attention.copy()
    for i, row in enumerate(attention):
        missing = 1.0 - row.sum()
        start = row + shift * (missing / shift.sum()) if shift.sum() > 1e-9 else row
        target = basis.T @ start  # the same output, and a row sum of exactly 1 where T leaves it free
        goal = None if direction is None else direction[i]
        found = _far_corner(row, basis, target, allowed[i], goal)
        if found is not None:
            found = _pulled_back(row, found, value, tolerance)
            if np.abs(found - row).sum() / 2 > smallest:
                other[i] = found
    return None if np.array_equal(other, attention) else other


def _far_corner(
    row: np.ndarray,
    basis: np.ndarray,
    target: np.ndarray,
    allowed: np.ndarray,
    goal: np.ndarray | None,
) -> np.ndarray | None:
    """A corner of {x >= 0 on allowed, basisᵀx = target}: farthest along goal, or far from row."""
    columns = np.flatnonzero(allowed)
    best, distance = None, 0.0
    # a row with zeros may itself be the corner of least overlap: then as much as possible goes to its zeros
    starts = (row, -(row <= 0.0).astype(float)) if goal is None else (-goal,)
    for cost in starts:
        for _ in range(4 if goal is None else 1):
            x = _corner(cost, basis, target, columns)
            if x is None or np.abs(x - row).sum() <= distance + 1e-9:
                break
            best, distance = x, np.abs(x - row).sum()
            cost = -np.sign(x - row)
        if best is not None:
            break
    return best


def _corner(
    cost: np.ndarray, basis: np.ndarray, target: np.ndarray, columns: np.ndarray
) -> np.ndarray | None:
    """Minimise costᵀx over {x >= 0 on columns, basisᵀx = target}, the equations exact; None if empty."""
    solved = linprog(
        cost[columns],
        A_eq=basis[columns].T,
        b_eq=target,
        bounds=(0, None),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if solved.x is None:
        return None
    x = np.zeros(len(cost))
    x[columns] = np.maximum(solved.x, 0.0)
    for _ in range(3):  # the solver stops at 1e-10: solve for the support, drop what turns negative
        support = np.flatnonzero(x > 1e-12)
        x[support] += np.linalg.lstsq(basis[support].T, target - basis.T @ x, rcond=None)[0]
        x = np.maximum(x, 0.0)
    return x


def _pulled_back(row: np.ndarray, found: np.ndarray, value: np.ndarray, tolerance: float) -> np.ndarray:
    """The point nearest to found on the way from row at which the output still agrees within tolerance."""
    error = np.abs((found - row) @ value).max(initial=0.0)
    if error <= tolerance:
        return found
    return row + (found - row) * (tolerance / error)


# --- the singular vectors behind all of it -----------------------------------------------------------------


def _checked_allowed(allowed: ArrayLike | None, attention: np.ndarray) -> np.ndarray:
    if allowed is None:
        return np.ones(attention.shape, dtype=bool)
    allowed = np.asarray(allowed, dtype=bool)
    if allowed.shape != attention.shape:
        raise ValueError(f"allowed must have the shape of attention {attention.shape}: got {allowed.shape}")
    if attention[~allowed].any():
        raise ValueError("attention must be 0 where it is not allowed: got weights there")
    return allowed


def _unit_scale(value: np.ndarray) -> np.ndarray:
    """Value scaled to the size of a column of ones, so that both count alike in a rank."""
    size = np.linalg.norm(value, 2)
    return value * (np.sqrt(len(value)) / size) if size > 0 else value


def _left_singular(matrix: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    left, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return left, sizes > tolerance * sizes.max()


def _column_space(value: np.ndarray, tolerance: float, sum_to_one: bool = False) -> np.ndarray:
    """Orthonormal basis (n, rank) of the columns of T, or of [T, 1]."""
    matrix = np.column_stack([_unit_scale(value), np.ones(len(value))]) if sum_to_one else value
    left, kept = _left_singular(matrix, tolerance)
    return left[:, kept]
