"""Where the weights of a language model begin: at what counting already knows.

A Transformer that starts from noise spends its first millions of tokens on finding out which words keep
company and that neighbours matter. Both can be had before the first step: word-piece vectors from counts of
co-occurrence, and heads of the first layer that look at fixed distances (compare Trockman and Kolter 2023,
*Mimetic initialization of self-attention layers*). Nothing is frozen; training changes all of it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

PLANES = 16


def position_waves(count: int) -> np.ndarray:
    """Cosines and sines of positions at 16 frequencies, fast to slow: shape (count, 32)."""
    angles = np.arange(count)[:, None] * _frequencies()
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def _frequencies() -> np.ndarray:
    return np.geomspace(2.6, 0.02, PLANES)


def distance_head(
    width: int, head_width: int, distance: int, sharpness: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Query and key matrices (head_width, width) of a head that looks ``distance`` tokens further on.

    The last 32 columns read :func:`position_waves`; the query turns each wave by ``distance`` positions, so
    that query and key agree most where key position = query position + distance. At least 32 rows are needed.
    """
    query, key = np.zeros((2, head_width, width))
    for j, frequency in enumerate(_frequencies()):
        cosine, sine = width - 2 * PLANES + j, width - PLANES + j
        turn_cosine, turn_sine = np.cos(frequency * distance), np.sin(frequency * distance)
        query[2 * j, [cosine, sine]] = sharpness * turn_cosine, -sharpness * turn_sine
        query[2 * j + 1, [cosine, sine]] = sharpness * turn_sine, sharpness * turn_cosine
        key[2 * j, cosine] = key[2 * j + 1, sine] = sharpness
    return query, key


def first_embeddings(
    texts: list[np.ndarray], size: int, width: int, seed: int, window: int = 6
) -> np.ndarray:
    """Word-piece vectors from co-occurrence: truncated SVD of positive pointwise mutual information.

    Context counts are smoothed by the power 3/4 and weighted by 1 / distance; singular values enter by their
    root (Levy, Goldberg and Dagan 2015, *Improving distributional similarity with lessons learned from word
    embeddings*, sections 3.1-3.3). Shape (size, width), standard deviation 0.04.
    """
    gap = np.full(window, -1, dtype=np.int64)
    stream = np.concatenate([part for ids in texts for part in (ids.astype(np.int64), gap)])
    counts = sparse.csr_matrix((size, size))
    for distance in range(1, window + 1):
        left, right = stream[:-distance], stream[distance:]
        codes = left * size + right
        pairs, times = np.unique(codes[(left >= 0) & (right >= 0)], return_counts=True)
        counts += sparse.csr_matrix((times / distance, (pairs // size, pairs % size)), shape=(size, size))
    counts = (counts + counts.T).tocoo()
    totals = np.bincount(counts.row, weights=counts.data, minlength=size)
    contexts = totals**0.75
    expected = totals[counts.row] * contexts[counts.col] / contexts.sum()
    information = np.maximum(np.log(counts.data / expected), 0).astype(np.float32)
    matrix = sparse.csr_matrix((information, (counts.row, counts.col)), shape=(size, size))
    matrix.eliminate_zeros()
    return _left_singular(matrix, width, seed)


def _left_singular(matrix: sparse.csr_matrix, width: int, seed: int) -> np.ndarray:
    """Left singular vectors, scaled by the roots of their values, zero-padded to ``width`` columns.

    Randomised range finder with four power iterations (Halko, Martinsson and Tropp 2011, algorithm 4.4).
    """
    rng = np.random.default_rng(seed)
    extra = min(matrix.shape[0], width + 16)
    basis = rng.standard_normal((matrix.shape[1], extra)).astype(np.float32)
    basis = np.linalg.qr(matrix @ basis)[0]
    for _ in range(4):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    left, values, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    vectors = np.zeros((matrix.shape[0], width), dtype=np.float32)
    found = (basis @ left)[:, :width] * np.sqrt(values[:width])
    vectors[:, : found.shape[1]] = found
    # Pieces that never occur get a small random vector each.
    silent = np.linalg.norm(vectors, axis=1) < 1e-6
    vectors[silent] = rng.standard_normal((int(silent.sum()), width)) * vectors.std()
    return vectors * (0.04 / vectors.std())
