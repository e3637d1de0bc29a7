"""The residual connection in the structural equation model: what a layer adds up at each token.

A layer does not compute ``A V`` but ``x + A V``, and normalises the sum. Reading attention alone as
``(I − G)⁻¹ Λ`` forgets the token's own state x. Mixed into the rows,

    Ã = (1 − r) A + r I,    C = Ã Ãᵀ

has the large self-weights that ``(I − G)⁻¹ Λ`` of a sparse graph has. r = 0 is the reading of CLEANN
(Rohekar et al. 2023), r = ½ that of attention rollout [1]_; or r is measured, token by token, from the norms
of what the layer adds up [2]_ [3]_: with f_h(x_j) the vector that head h passes on from token j (value and
output projection), and g the centring and gain of the layer norm behind the sum (its division by one number
per token cancels),

    r_i = ‖g(x_i)‖ / (‖g(x_i)‖ + ‖g(Σ_h Σ_j A_ij f_h(x_j))‖).

Further readings of the same layer: the attention weighted by the norms of what it passes on,
``A_ij ‖f(x_j)‖`` with rows that sum to 1 [3]_, and the rollout of the layers below, so that the sources are
the words that were read and not the states of the last layer [1]_.

References
----------
.. [1] Abnar, Zuidema. Quantifying Attention Flow in Transformers. ACL 2020.
.. [2] Kobayashi, Kuribayashi, Yokoi, Inui. Incorporating Residual and Normalization Layers into Analysis of
   Masked Language Models. EMNLP 2021.
.. [3] Kobayashi, Kuribayashi, Yokoi, Inui. Attention is Not Only a Weight. EMNLP 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

READINGS = ("norms", "values", "rollout")


@dataclass(frozen=True)
class LayerMixing:
    """How one layer mixes its tokens.

    Attributes
    ----------
    attention
        (heads, n, n), rows sum to 1.
    residual
        (n,): the share r of each token's own state in what the layer adds up, in [0, 1].
    values
        (heads, n): norm of the vector that a head passes on from each token, gain of the layer norm included.
    """

    attention: np.ndarray
    residual: np.ndarray
    values: np.ndarray


def layer_mixing(
    hidden: ArrayLike,
    attention: ArrayLike,
    values: ArrayLike,
    output: ArrayLike,
    gain: ArrayLike | None = None,
) -> LayerMixing:
    """Measure how one layer mixes its tokens, from its weights and its input.

    Parameters
    ----------
    hidden
        (n, d) what the residual connection carries around the attention.
    attention
        (heads, n, n).
    values
        (n, heads · d_v): what the attention is multiplied with, bias included.
    output
        (heads · d_v, d): projection of the heads, laid side by side, onto the residual stream.
    gain
        (d,) of the layer norm behind the sum; None if none follows (pre-norm): then nothing is centred.

    Notes
    -----
    The bias of the output projection mixes nothing and is left out, as by Kobayashi et al. 2021.

    Examples
    --------
    >>> one = layer_mixing([[3.0, 0.0], [0.0, 1.0]], [[[0.0, 1.0], [0.0, 1.0]]], [[1.0], [1.0]], [[1.0, 0.0]])
    >>> one.residual
    array([0.75, 0.5 ])
    """
    hidden, attention, values, output = (
        np.asarray(a, np.float64) for a in (hidden, attention, values, output)
    )
    heads = len(attention)
    by_head = values.reshape(len(values), heads, -1).transpose(1, 0, 2)
    passed = by_head @ output.reshape(heads, -1, output.shape[1])
    update = np.einsum("hij,hjd->id", attention, passed)

    def size(vectors: np.ndarray) -> np.ndarray:
        if gain is not None:
            vectors = (vectors - vectors.mean(axis=-1, keepdims=True)) * np.asarray(gain, np.float64)
        return np.linalg.norm(vectors, axis=-1)

    own, added = size(hidden), size(update)
    total = own + added
    share = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
    return LayerMixing(attention, share, size(passed))


def mixed_attention(attention: ArrayLike, share: ArrayLike) -> np.ndarray:
    """``Ã = (1 − r) A + r I``: attention (…, n, n) with the residual connection in it.

    The share r in [0, 1] is one number or one a token (row); ValueError outside.

    Examples
    --------
    >>> mixed_attention([[0.2, 0.8], [0.6, 0.4]], 0.5)
    array([[0.6, 0.4],
           [0.3, 0.7]])
    """
    attention = np.asarray(attention, dtype=np.float64)
    share = np.broadcast_to(np.asarray(share, dtype=np.float64), attention.shape[-1:])
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(
            f"the share of the residual must lie in [0, 1]: got {share.min():g} … {share.max():g}"
        )
    return (1 - share[:, None]) * attention + np.diag(share)


def value_weighted(mixing: LayerMixing) -> np.ndarray:
    """``A_ij ‖f_h(x_j)‖``, rows scaled to sum 1: (heads, n, n) (Kobayashi et al. 2020)."""
    weighted = mixing.attention * mixing.values[:, None, :]
    total = weighted.sum(axis=-1, keepdims=True)
    return np.divide(weighted, total, out=mixing.attention.copy(), where=total > 0)


def rolled_out(layers: Sequence[LayerMixing]) -> np.ndarray:
    """Each head of the last of some layers, with the layers below it multiplied in, heads averaged.

    (heads, n, n), rows sum to 1: column j is the word read at place j, not the state of the layer below.

    Source: Abnar, Zuidema 2020, with the measured share in the place of ½.
    """
    *below, last = layers
    flow = np.eye(len(last.residual))
    for layer in below:
        flow = mixed_attention(layer.attention.mean(axis=0), layer.residual) @ flow
    return mixed_attention(last.attention, last.residual) @ flow


def check_residual(residual: Any) -> None:
    """Raise ValueError unless a residual is a number from 0 to below 1 or the name of a reading."""
    if isinstance(residual, str):
        if residual not in READINGS:
            raise ValueError(f"residual must be a number or one of {', '.join(READINGS)}: got {residual!r}")
    elif isinstance(residual, bool) or not isinstance(residual, Real) or not 0 <= float(residual) < 1:
        raise ValueError(
            f"residual must lie in [0, 1), or be a name of {', '.join(READINGS)}: got {residual!r}"
        )


def read_attention(
    attention: ArrayLike, residual: float | str, mixing: Sequence[LayerMixing] | None = None, layer: int = -1
) -> np.ndarray:
    """Attention of one layer, (heads, n, n), as the structural equation model reads it.

    ``residual`` is a number r (0: the attention as it is), "norms" (r measured), "values" (measured, and the
    attention weighted by values) or "rollout" (measured, over all layers up to this one). For the names
    ``mixing`` of each layer is needed, lowest first: ValueError where there is none.
    """
    check_residual(residual)
    if not isinstance(residual, str):
        return np.asarray(attention, np.float64) if residual == 0 else mixed_attention(attention, residual)
    if mixing is None:
        raise ValueError(
            f"residual={residual!r} needs a model that says how its layers mix their tokens: give a number"
        )
    here = mixing[layer]
    if residual == "values":
        return mixed_attention(value_weighted(here), here.residual)
    if residual == "rollout":
        return rolled_out(mixing[: len(mixing) + layer + 1 if layer < 0 else layer + 1])
    return mixed_attention(attention, here.residual)
