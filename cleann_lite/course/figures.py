"""What the notebooks need and nobody else: figures with alt text, and the recorded attention."""

import base64
import io
from dataclasses import dataclass, field

import numpy as np

from ..datasets.shipped import data_path


@dataclass(frozen=True)
class Figure:
    """A matplotlib figure as a picture that says in words what it shows.

    Attributes
    ----------
    png
        The picture, two pixels per px.
    alt
        What it shows.
    width
        Width on the page in px.
    """

    png: bytes = field(repr=False)
    alt: str
    width: int

    def _repr_html_(self):
        from ..drawing.html import escape

        data = base64.b64encode(self.png).decode()
        return (
            f'<img alt="{escape(self.alt)}" width="{self.width}" style="max-width:100%" '
            f'src="data:image/png;base64,{data}">'
        )


def show(figure, alt):
    """Turn a matplotlib figure into a picture with alt text, and close the figure.

    Parameters
    ----------
    figure
        A ``matplotlib.figure.Figure``.
    alt
        What the picture shows, in a sentence or two.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        When `alt` is empty.

    Examples
    --------
    >>> from matplotlib.figure import Figure as Matplotlib
    >>> show(Matplotlib(figsize=(2, 1)), "An empty frame.").width
    200
    """
    if not alt.strip():
        raise ValueError("a figure needs alt text: got an empty one")
    from PIL import Image

    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=200, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)  # a third of the bytes
    if (manager := getattr(figure.canvas, "manager", None)) is not None:
        from matplotlib import pyplot

        pyplot.close(manager.num)
    return Figure(buffer.getvalue(), alt, round(figure.get_figwidth() * 100))


@dataclass(frozen=True)
class Recorded:
    """Attention of the last layer of a pre-trained encoder (all-MiniLM-L6-v2) on one text.

    Attributes
    ----------
    text
        The text as it was written.
    tokens
        T word-pieces, [CLS] first and [SEP] last; a piece that goes on with a word begins with ``##``.
    attention
        (heads, T, T) float64, rows sum to 1.
    layers
        (layers, heads, T, T) where all layers were recorded, else None.
    """

    text: str
    tokens: tuple[str, ...]
    attention: np.ndarray = field(repr=False)
    layers: np.ndarray | None = field(repr=False, default=None)

    @property
    def groups(self):
        """Positions of the word-pieces of each word; [CLS], [SEP] and punctuation belong to none."""
        groups: list[list[int]] = []
        for position, token in enumerate(self.tokens):
            if token.startswith("##"):
                groups[-1].append(position)
            elif any(character.isalnum() for character in token) and not token.startswith("["):
                groups.append([position])
        return groups

    @property
    def words(self):
        """One label per group: the pieces put together again."""
        return tuple("".join(self.tokens[k].removeprefix("##") for k in group) for group in self.groups)


def recorded(name=None):
    """Load recorded attention by the name of its text; without a name, tell the names.

    Parameters
    ----------
    name
        One of the names that ``recorded()`` gives.

    Returns
    -------
    Recorded, or a tuple of names.

    Raises
    ------
    ValueError
        When there is no such recording.

    Examples
    --------
    >>> recorded("whale").words
    ('the', 'blue', 'whale', 'is', 'the', 'largest', 'animal', 'on', 'the', 'planet')
    """
    with np.load(data_path("recorded", "minilm.npz"), allow_pickle=False) as file:
        names = tuple(key.removesuffix("_text") for key in file.files if key.endswith("_text"))
        if name is None:
            return names
        if name not in names:
            raise ValueError(f"recorded attention is one of {', '.join(names)}: got {name!r}")
        tokens = tuple(str(token) for token in file[f"{name}_tokens"])
        attention = file[f"{name}_attention"].astype(np.float64)
        text = str(file[f"{name}_text"])
    attention /= attention.sum(axis=-1, keepdims=True)
    layers = attention if attention.ndim == 4 else None
    return Recorded(text, tokens, attention if layers is None else layers[-1], layers)


def plot_style():
    """Set matplotlib to the course's look: no frame at the top and at the right, letters of 10 points."""
    from matplotlib import pyplot

    pyplot.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})


@dataclass(frozen=True)
class Strip:
    """Pictures of graphs side by side, each with its caption."""

    pictures: dict = field(repr=False)

    def _repr_html_(self):
        from ..drawing.html import escape

        figures = "".join(
            f'<figure style="margin:0;flex:1 1 190px;max-width:340px">{picture.as_image()}'
            f'<figcaption style="font-size:.9em">{escape(caption)}</figcaption></figure>'
            for caption, picture in self.pictures.items()
        )
        return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>'


def strip(pictures):
    """Put pictures of graphs side by side: caption -> what `cl.draw` returned.

    Examples
    --------
    >>> from cleann_lite import PAG, draw
    >>> strip({"one edge": draw(PAG([[0, 2], [3, 0]]))})
    Strip()
    """
    return Strip(dict(pictures))
