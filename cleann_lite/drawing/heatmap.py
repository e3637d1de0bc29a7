"""An attention matrix as a heat map, and in words."""

import numpy as np

from .layout import text_width


def heat_map(attention, words, title=None, columns=None):
    """An attention matrix as a heat map with its words; returns a matplotlib ``Figure``.

    Parameters
    ----------
    attention : array (rows, columns)
        Attention of one head, or any matrix of values to compare, such as a correlation.
    words : sequence of str
        One per row; also of the columns, unless ``columns`` names those.
    title : str, optional
    columns : sequence of str, optional

    Raises
    ------
    ValueError
        If the words do not fit the matrix.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import Normalize

    attention, words = np.asarray(attention, dtype=float), [str(word) for word in words]
    columns = words if columns is None else [str(word) for word in columns]
    if attention.shape != (len(words), len(columns)):
        raise ValueError(
            f"a heat map needs one word per row and column: got a matrix of shape {attention.shape} "
            f"and {len(words)} by {len(columns)} words"
        )
    cell = 0.34 if len(words) > 14 else 0.44
    label = max((text_width(word, 9) for word in [*words, *columns]), default=0) / 72
    size = max(2.2, cell * len(columns)) + label + 1.1, max(1.6, cell * len(words)) + label + 0.5
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    low = -1.0 if attention.size and attention.min() < 0 else 0.0
    high = 1.0 if low < 0 else float(attention.max(initial=0)) or 1.0
    picture = axes.imshow(attention, cmap="RdBu_r" if low < 0 else "Blues", norm=Normalize(low, high))
    axes.set_xticks(
        range(len(columns)), columns, rotation=55, ha="left", rotation_mode="anchor", parse_math=False
    )
    axes.set_yticks(range(len(words)), words, parse_math=False)
    axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0, labelsize=9)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(words) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if attention.size <= 200:
        _write_values(axes, attention, 0.6 * high)
    bar = figure.colorbar(picture, ax=axes, shrink=0.75, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    plt.close(figure)
    return figure


def _write_values(axes, matrix, dark):
    for (row, column), value in np.ndenumerate(matrix):
        number = f"{value:z.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.0f}"
        colour = "white" if abs(value) > dark else "#333333"
        axes.text(column, row, number, ha="center", va="center", fontsize=7, color=colour)


def describe_attention(attention, words, top=1):
    """An attention matrix in words, one sentence per row: the alt text of its heat map.

    >>> describe_attention([[0.9, 0.1], [0.3, 0.7]], ["good", "film"])
    ['good attends to good (0.90)', 'film attends to film (0.70)']
    """
    sentences = []
    for word, row in zip(words, np.asarray(attention, dtype=float), strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        sentences.append(f"{word} attends to " + ", ".join(f"{words[i]} ({row[i]:.2f})" for i in best))
    return sentences
