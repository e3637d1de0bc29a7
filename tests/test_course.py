"""What the notebooks use: figures with alt text, and recorded attention."""

import io
import re

import numpy as np
import pytest

from cleann_lite import PAG, draw
from cleann_lite.attention.sem import words_attention
from cleann_lite.course import figures as course


@pytest.mark.parametrize("name", course.recorded())
def test_recorded_attention_is_attention(name):
    recorded = course.recorded(name)
    n = len(recorded.tokens)
    assert recorded.attention.shape == (12, n, n)
    assert recorded.attention.min() >= 0
    np.testing.assert_allclose(recorded.attention.sum(axis=-1), 1, atol=1e-12)
    assert recorded.tokens[0] == "[CLS]" and recorded.tokens[-1] == "[SEP]"
    if recorded.layers is not None:
        assert recorded.layers.shape == (6, 12, n, n)
        np.testing.assert_array_equal(recorded.layers[-1], recorded.attention)


@pytest.mark.parametrize("name", course.recorded())
def test_words_are_the_words_of_the_text(name):
    recorded = course.recorded(name)
    assert list(recorded.words) == re.findall(r"\w+", recorded.text.lower())
    assert words_attention(recorded.attention[0], recorded.groups).sum(axis=1) == pytest.approx(1)


def test_unknown_recording_is_refused():
    with pytest.raises(ValueError, match=r"whale.*got 'shark'"):
        course.recorded("shark")


def test_figure_is_an_image_with_alt_text():
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(3, 2))
    axes.plot([0, 1])
    page = course.show(figure, 'A line that <rises> from "0" to 1.')._repr_html_()
    assert not pyplot.get_fignums(), "a figure left open would be shown twice"
    assert page.startswith('<img alt="A line that &lt;rises&gt;') and 'width="300"' in page
    assert "data:image/png;base64," in page


def test_figure_without_alt_text_is_refused():
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match="alt text"):
        course.show(Figure(), " ")


def test_a_figure_weighs_a_third_and_looks_the_same():
    from matplotlib.figure import Figure
    from PIL import Image

    def drawn():
        figure = Figure(figsize=(5, 3))
        for axes in figure.subplots(1, 2):
            for k in range(4):
                axes.plot(np.random.default_rng(k).normal(size=30).cumsum(), label=f"row {k}")
            axes.legend()
        return figure

    plain, small = io.BytesIO(), course.show(drawn(), "Two plots.").png
    drawn().savefig(plain, format="png", dpi=200, facecolor="white")
    assert len(small) < 0.5 * len(plain.getvalue())
    one, other = (np.asarray(Image.open(data).convert("RGB"), int) for data in (plain, io.BytesIO(small)))
    assert one.shape == other.shape and np.abs(one - other).mean() < 1


def test_strip_shows_every_picture_with_its_caption():
    picture = draw(PAG([[0, 2], [3, 0]], labels=("a", "b")))
    page = course.strip({"before & now": picture, "after": picture})._repr_html_()
    assert page.count("<img alt=") == 2 == page.count("<figcaption")
    assert "before &amp; now" in page
