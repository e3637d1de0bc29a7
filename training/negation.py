"""Negation and contrast: minimal pairs to measure a model by, and sentences made by rule to train one on.

The 120 pairs are our own: ten of each kind (*not*, *never*, *hardly*, *without*, good or bad, contrast with
*but*) to choose by, as many to be shown once, in the card. No sentence made by rule repeats one of them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .corpus import Example, words_of

_PAIRS = Path(__file__).with_name("negation_pairs.tsv")

_THINGS = (
    "film movie picture plot story script dialogue acting cast music direction ending hero villain premise "
)
_THINGS += (
    "humour romance mystery action editing camera pacing comedy drama thriller sequel remake documentary"
)
_GOOD = (
    "good great wonderful excellent brilliant superb funny moving touching clever fresh charming gripping "
)
_GOOD += (
    "exciting beautiful convincing entertaining original memorable impressive engaging witty fascinating "
)
_GOOD += "believable interesting inspired lovely enjoyable satisfying smart"
_BAD = "bad terrible awful dreadful boring dull stupid silly predictable tedious weak clumsy annoying ugly "
_BAD += "ridiculous lifeless forgettable pretentious tired sloppy pointless disappointing slow shallow "
_BAD += "unfunny confusing cheap stale painful embarrassing"
_ASSETS = (
    "charm wit heart humour suspense imagination energy depth style soul originality feeling logic purpose "
)
_ASSETS += "sense tension warmth passion interest ideas grace"
_VIRTUES = _ASSETS.split()
_VICES = ["clichés", "flaws", "mistakes", "sentimentality", "padding", "stupidity", "pretension", "nonsense"]
_VICES += ["dull moments", "bad jokes", "weak scenes", "silly twists", "false notes", "cheap tricks"]
# {t}, {u}: things; {a}: an adjective, {n}: a noun, both of the polarity that counts; {b}: of the other one.
_KEEP = (
    "the {t} is {a}", "this is a {a} {t}", "what a {a} {t}", "i found the {t} {a}", "a {t} full of {n}",
    "the {t} has {n}", "a {t} with {n}", "the {t} is always {a}", "it is {a} from beginning to end",
    "the {t} was {a} and {c}", "i think the {t} is really {a}", "{a}, {c} {t}",
)  # fmt: skip
_TURN = (
    "the {t} is not {a}", "the {t} isn't {a}", "the {t} is not {a} at all", "this is not a {a} {t}",
    "it isn't a {a} {t}", "the {t} is never {a}", "the {t} was never {a} or {c}", "the {t} is hardly {a}",
    "the {t} is barely {a}", "the {t} is far from {a}", "the {t} is anything but {a}",
    "there is nothing {a} about the {t}", "nobody could call the {t} {a}", "i do not find the {t} {a}",
    "i didn't think the {t} was {a}", "a {t} without {n}", "a {t} without any {n}", "the {t} has no {n}",
    "there is hardly any {n} in the {t}", "the {t} lacks {n}", "it never shows any {n}",
    "it is neither {a} nor {c}",
    "the {t} doesn't seem {a}", "you won't find the {t} {a}", "i can't call this {t} {a}",
    "the {t} is scarcely {a}",
)  # fmt: skip
_CONTRAST = (
    "the {u} is {b}, but the {t} is {a}", "it looks {b}, but it is {a}", "{b} at first, but {a} in the end",
    "although the {u} is {b}, the {t} is {a}", "the {u} may be {b}, but the {t} is {a} and {c}",
    "i expected something {b}, but the {t} was {a}", "the {t} is {a}, even if the {u} is {b}",
    "despite the {b} {u}, it is a {a} {t}", "it could have been {b}, but it is {a}",
    "it is not only {a} but also {c}", "it is not {b} but {a}",
    "the {u} is not {a}, but the {t} is {a} and {c}",
)  # fmt: skip


def pairs(half: str) -> list[Example]:
    """Sentences of the pairs of one half, ``validation`` or ``shown``: negative, positive, negative, …"""
    with open(_PAIRS, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == half]
    return [Example(row[name], label) for row in rows for label, name in enumerate(("negative", "positive"))]


def made_up(count: int, seed: int = 0) -> list[Example]:
    """Make sentences with and without negation and contrast by rule, with their class.

    Examples
    --------
    >>> len(made_up(5)), made_up(5) == made_up(5)
    (5, True)
    """
    rng, found = np.random.default_rng(seed), []
    taken = {words_of(e.text) for half in ("validation", "shown") for e in pairs(half)}
    things, words, nouns = _THINGS.split(), (_BAD.split(), _GOOD.split()), (_VICES, _VIRTUES)
    while len(found) < count:
        kind, label = rng.choice(3, p=[0.2, 0.5, 0.3]), int(rng.integers(2))
        said = 1 - label if kind == 1 else label  # what the words say, before they are turned
        t, u = rng.choice(things, 2, replace=False)
        a, c = rng.choice(words[said], 2, replace=False)
        text = str(rng.choice((_KEEP, _TURN, _CONTRAST)[kind])).format(
            t=t, u=u, a=a, c=c, b=rng.choice(words[1 - said]), n=rng.choice(nouns[said])
        )
        text = (
            (text[0].upper() if rng.random() < 0.7 else text[0])
            + text[1:]
            + str(rng.choice([".", ".", " .", ""]))
        )
        if words_of(text) not in taken:
            found.append(Example(text, label))
    return found
