"""Words of a text in any script, and their word-pieces."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleann_lite.attention import words
from cleann_lite.attention.words import group_pieces, is_content_word, split_words


def split(text):
    return [text[s:e] for s, e in split_words(text)]


def test_docstring_examples_run():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It isn't well-made; 3.5 of 10!!!", ["It", "isn't", "well-made", ";", "3.5", "of", "10", "!!!"]),
        ("end.The 'quoted' word--yes", ["end", ".", "The", "'", "quoted", "'", "word", "--", "yes"]),
        ("rock’n’roll étude e\u0301tude", ["rock’n’roll", "étude", "e\u0301tude"]),
        ("这部电影很好", list("这部电影很好")),
        ("שלום עולם", ["שלום", "עולם"]),
        ("👨‍👩‍👧 👍🏽🇩🇪🇫🇷1️⃣", ["👨‍👩‍👧", "👍🏽", "🇩🇪", "🇫🇷", "1️⃣"]),
        ("<b>x</b>", ["<", "b", ">", "x", "<", "/", "b", ">"]),
        ("  \t\n\u200b", []),
        ("", []),
    ],
)
def test_words_are_what_a_reader_would_circle(text, expected):
    assert split(text) == expected


@given(st.text(max_size=60))
def test_words_are_ordered_disjoint_and_cover_every_visible_character(text):
    spans = split_words(text)
    assert all(s < e for s, e in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    covered = {c for s, e in spans for c in range(s, e)}
    letters = {i for i, c in enumerate(text) if c.isalnum()}
    assert letters <= covered
    assert not any(text[s:e].isspace() for s, e in spans)


@given(st.text(alphabet="ab c'.-!👍这", max_size=30), st.data())
def test_each_piece_belongs_to_at_most_one_word_and_words_keep_their_order(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    offsets = list(pairwise(cuts))
    spans, pieces = group_pieces(text, offsets)
    flat = [p for group in pieces for p in group]
    assert flat == sorted(set(flat))
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    for (s, e), group in zip(spans, pieces, strict=True):
        overlap = [offsets[p][0] < e and offsets[p][1] > s for p in group]
        spaces = [text[slice(*offsets[p])].isspace() for p in group]
        assert any(overlap)
        assert all(o or space for o, space in zip(overlap, spaces, strict=True))


def test_words_that_share_a_piece_become_one():
    assert group_pieces("ok! no", [(0, 3), (4, 6)]) == ([(0, 3), (4, 6)], [(0,), (1,)])


def test_content_words_keep_negations_and_drop_function_words_and_punctuation():
    kept = [w for w in split("The film is not good, it isn't; but I LOVED it 👍!") if is_content_word(w)]
    assert kept == ["film", "not", "good", "isn't", "but", "LOVED", "👍"]
