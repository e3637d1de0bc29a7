"""Questions on reading: choices with their reasons, kept in ``questions.toml``."""

import tomllib
from functools import cache
from importlib.resources import files

from . import WrongAnswer


@cache
def questions():
    """Number -> question: ``ask``, ``right``, and each letter with (choice, reason)."""
    return tomllib.loads(files(__package__).joinpath("questions.toml").read_text(encoding="utf-8"))


def choices(number):
    """Letter -> (choice, reason) of one question.

    >>> sorted(choices("3.a"))
    ['a', 'b', 'c']
    """
    return {letter: tuple(both) for letter, both in questions()[number].items() if len(letter) == 1}


def as_markdown(number, recalled=False):
    """The question and its choices as the notebooks show them."""
    chapter = int(number.partition(".")[0])
    title = f"**From notebook {chapter:02d}, to keep it**" if recalled else f"**Question {number}**"
    lines = [f"- **{letter}** {choice}" for letter, (choice, _) in choices(number).items()]
    return f"{title}: {questions()[number]['ask']}\n\n" + "\n".join(lines)


def judge(number, letter):
    """The reason of a right choice; a wrong one is told why, an empty one what is still to do."""
    offered = choices(number)
    if letter is None or letter is ... or (isinstance(letter, str) and letter in ("", "?")):
        raise NotImplementedError(f"Question {number}: put the letter of your choice between the quotes")
    letter = str(letter).strip().lower()
    if letter not in offered:
        raise WrongAnswer(f"The choices are {', '.join(offered)}: got {letter[:60]!r}.")
    if letter != questions()[number]["right"]:
        raise WrongAnswer(f"You chose {letter}. {offered[letter][1]}")
    return offered[letter][1]
