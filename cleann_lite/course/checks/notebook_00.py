"""Check of notebook 00, start here."""

import re

from . import call, expect

TEXT, WORD = "A party about art and more art, but art and art's price: no Art.", "art"


def masked(text, word=WORD):
    return re.sub(rf"\b{re.escape(word)}\b", "[MASK]", text)


def mask_word(answer):
    right = masked(TEXT)
    causes = [
        ("the word was masked inside other words too; use whole words.", TEXT.replace(WORD, "[MASK]")),
        ("only the first occurrence was masked.", re.sub(rf"\b{WORD}\b", "[MASK]", TEXT, count=1)),
        ("a word ends at punctuation too, not only at a space.",
         " ".join("[MASK]" if w == WORD else w for w in TEXT.split())),
        ("the word was removed; put [MASK] in its place.", re.sub(rf"\b{WORD}\b", "", TEXT)),
        ("capitals matter here: “Art” is another word.", re.sub(rf"(?i)\b{WORD}\b", "[MASK]", TEXT)),
        ("capitals matter here: the rest of the text stays as it is.",
         right.lower().replace("[mask]", "[MASK]")),
        ("capitals matter here: the rest of the text stays as it is.", masked(TEXT.lower())),
        ("the mask is “[MASK]”, with its brackets.", right.replace("[MASK]", "MASK")),
        ('the text came back as it was. Is \\b in a raw string, r"\\b"?', TEXT),
    ]  # fmt: skip
    expect(f"“{TEXT}” with “{WORD}” masked", call(answer, TEXT, WORD), right, causes)
    expect("“C++ or C?” with “.” masked", call(answer, "C++ or C?", "."), "C++ or C?", [
        ("a dot means any character in a pattern; use re.escape.", re.sub(r"\b.\b", "[MASK]", "C++ or C?")),
    ])  # fmt: skip
    return "You have masked your first word."


CHECKS = {"0.1": mask_word}
