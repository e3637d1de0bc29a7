"""Words of a text in any script, and the word-pieces that belong to each (`sem.words_attention` merges).

Users think in words, tokenizers in word-pieces. A *word* here is what a reader would circle with a pencil:
a run of letters, digits and marks with its inner apostrophes and hyphens (*don't*, *well-made*, *3.5*), one
emoji with its modifiers, one run of the same punctuation mark (*!!!*), and in scripts that are written
without spaces whatever the tokenizer takes as one piece.
"""

import unicodedata
from collections.abc import Sequence

_SENTENCE_ENDS, _CLOSING = (".", "!", "?", "…", "。", "！", "？"), {'"', "'", "”", "’", "»", ")", "]", "''"}
_STRAIGHT = {'"', "'"}
_JOINERS = "'’‑‐-·&@"
_ZERO_WIDTH_JOINER, _VARIATION_SELECTORS, _KEYCAP = "\u200d", "\ufe0e\ufe0f", "\u20e3"
# Scripts that are written without spaces: Thai to Lao, Myanmar, Khmer, kana, CJK ideographs.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)

# Articles, prepositions, pronouns, auxiliaries and conjunctions of English. Negations are not among them,
# since they change what a review says; neither is "but".
FUNCTION_WORDS = frozenset(
    """a an the this that these those of in on at by for from to into onto with within as than then
    and or so if while because since until though although whether about over under between through during
    i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her hers
    herself it its it's itself they them their theirs themselves who whom whose which what there here
    am is are was were be been being have has had having do does did doing will would shall should can could
    may might must i'm i've i'd i'll you're you've we're we've they're they've he's she's that's there's
    who's what's let's also just very such own same each both any some when where how why s t""".split()  # noqa: SIM905
)


def _is_word_character(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" or character == "_"


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _UNSPACED)


def _is_modifier(character: str) -> bool:
    """Characters that belong to the emoji before them."""
    code = ord(character)
    return (
        character in _VARIATION_SELECTORS + _KEYCAP
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
    )


def _is_regional(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _joins(text: str, index: int, start: int) -> bool:
    """Whether the mark at ``index`` holds two parts of one word together."""
    if index + 1 >= len(text) or not _is_word_character(text[index + 1]) or _is_unspaced(text[index + 1]):
        return False
    mark, before, after = text[index], text[index - 1], text[index + 1]
    if mark in _JOINERS:
        return True
    if mark in ".,:" and before.isdigit() and after.isdigit():
        return True
    # Initials: U.S.A
    return (
        mark == "."
        and before.isalpha()
        and after.isalpha()
        and (index - start == 1 or text[index - 2] == ".")
    )


def _word_end(text: str, start: int) -> int:
    end = start
    while end < len(text) and (
        (_is_word_character(text[end]) and not _is_unspaced(text[end])) or _joins(text, end, start)
    ):
        end += 1
    return end


def _unspaced_end(text: str, start: int) -> int:
    end = start + 1
    while end < len(text) and unicodedata.category(text[end])[0] == "M":
        end += 1
    return end


def _symbol_end(text: str, start: int) -> int:
    """End of an emoji sequence or of a run of one punctuation mark."""
    end = start + 1
    if _is_regional(text[start]) and end < len(text) and _is_regional(text[end]):
        return end + 1
    if unicodedata.category(text[start])[0] == "P":
        while end < len(text) and text[end] == text[start]:
            end += 1
        return end
    while end < len(text):
        if _is_modifier(text[end]):
            end += 1
        elif text[end] == _ZERO_WIDTH_JOINER and end + 1 < len(text) and not text[end + 1].isspace():
            end += 2
        else:
            break
    return end


def split_words(text: str) -> list[tuple[int, int]]:
    """Character spans of the words of a text, punctuation and emoji included: (start, end), in reading order.

    They do not overlap, and cover all but white space and invisible characters.

    Examples
    --------
    >>> [("It isn't bad!!! 👍🏽")[s:e] for s, e in split_words("It isn't bad!!! 👍🏽")]
    ['It', "isn't", 'bad', '!!!', '👍🏽']
    """
    spans, index = [], 0
    while index < len(text):
        character = text[index]
        if character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn"):
            index += 1
            continue
        if _is_unspaced(character):
            end = _unspaced_end(text, index)
        elif _is_word_character(character):
            end = _word_end(text, index)
        else:
            end = _symbol_end(text, index)
        spans.append((index, end))
        index = end
    return spans


def group_pieces(
    text: str, offsets: Sequence[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[tuple[int, ...]]]:
    """Words of a text with the word-pieces of each, by the characters that each piece covers.

    Two words that share a piece become one, so that masking whole words always masks whole pieces. An empty
    span marks a special token ([CLS], [SEP]). What comes back are the characters of each word that has a
    piece, and the indices of its pieces.

    Examples
    --------
    >>> group_pieces("so boring", [(0, 0), (0, 2), (3, 6), (6, 9), (0, 0)])
    ([(0, 2), (3, 9)], [(1,), (2, 3)])
    """
    words = split_words(text)
    owner = {}
    for word, (start, end) in enumerate(words):
        owner.update(dict.fromkeys(range(start, end), word))
    groups: list[tuple[list[int], list[int]]] = []  # ([first word, last word], pieces), in reading order
    spaces: list[int] = []  # pieces that hold only the space before the next word (metaspace tokenizers)
    for piece, (start, end) in enumerate(offsets):
        covered = sorted({owner[c] for c in range(start, end) if c in owner})
        if not covered:
            spaces = [*spaces, piece] if text[start:end].isspace() else []
            continue
        if groups and covered[0] <= groups[-1][0][1]:
            groups[-1][0][1] = max(groups[-1][0][1], covered[-1])
            groups[-1][1].append(piece)
        else:
            groups.append(([covered[0], covered[-1]], [*spaces, piece]))
        spaces = []
    spans = [(words[first][0], words[last][1]) for (first, last), _ in groups]
    return spans, [tuple(pieces) for _, pieces in groups]


def group_sentences(words: Sequence[str]) -> list[list[int]]:
    """Indices of the words of each sentence: it ends with a full stop or the like, and what closes it.

    Examples
    --------
    >>> group_sentences(["Good", "cast", "!", '"', "Bad", "plot", ".", '"'])
    [[0, 1, 2], [3, 4, 5, 6, 7]]
    """
    sentences: list[list[int]] = []
    ended = True
    for index, word in enumerate(words):
        opened = sentences and sum(words[i] == word for i in sentences[-1]) % 2  # straight quotes
        if ended and not (sentences and word in _CLOSING and (word not in _STRAIGHT or opened)):
            sentences.append([])
            ended = False
        sentences[-1].append(index)
        ended = ended or word.endswith(_SENTENCE_ENDS)
    return sentences


def is_content_word(word: str) -> bool:
    """Whether a word is in the graph by default: it has a letter, digit or emoji and says something.

    Examples
    --------
    >>> [w for w in "I did not like the end !".split() if is_content_word(w)]
    ['not', 'like', 'end']
    """
    says = any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So" for c in word)
    return says and word.lower().replace("’", "'") not in FUNCTION_WORDS
