"""Checks of the course's exercises: what was expected, what came, and the likely cause.

``check("1.2", answer)`` compares an answer with the right one and with the mistakes that people make. The
checks of one notebook stand together in ``notebook_NN``, each a function that raises `WrongAnswer` or returns
one sentence on what the right answer shows.
"""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

__all__ = ["Right", "WrongAnswer", "call", "check", "expect"]


class WrongAnswer(AssertionError):
    """An answer that is not right yet: its text says what came, what was expected, and the likely cause."""

    def _render_traceback_(self):
        # IPython prints this in place of a traceback: the message is for the reader of the exercise
        return [str(self)]


class _StillToDo(NotImplementedError):
    """A stub that still stands: a NotImplementedError whose text comes without a traceback."""

    def _render_traceback_(self):
        return [f"{self}", "Replace the stub above by your code, run it, then run this cell again."]


_StillToDo.__name__ = _StillToDo.__qualname__ = "NotImplementedError"  # as a notebook shows it


@dataclass(frozen=True)
class Right:
    """A right answer.

    Attributes
    ----------
    number
        Number of the exercise, such as "1.2".
    sentence
        What the answer shows.
    """

    number: str
    sentence: str

    def __repr__(self):
        return f"Exercise {self.number} is right. {self.sentence}"


def check(number, *answers):
    """Judge the answer to one exercise.

    Parameters
    ----------
    number
        Number of the exercise as its heading gives it, such as "1.2".
    answers
        The function or the value that the exercise asked for.

    Returns
    -------
    Right

    Raises
    ------
    WrongAnswer
        When the answer is not right; the message names the likely cause.
    NotImplementedError
        When the stub still stands.
    ValueError
        When there is no such exercise.

    Examples
    --------
    >>> import numpy as np
    >>> from cleann_lite import checks
    >>> checks.check("1.1", lambda G: np.linalg.inv(np.eye(len(G)) - G)).number
    '1.1'
    """
    number = str(number)
    chapter = number.partition(".")[0]
    try:
        judge = import_module(f"{__name__}.notebook_{int(chapter):02d}").CHECKS[number]
    except (ValueError, KeyError, ModuleNotFoundError):
        raise ValueError(f"there is no exercise {number!r} to check") from None
    try:
        return Right(number, judge(*answers))
    except WrongAnswer as wrong:
        raise WrongAnswer(f"Exercise {number} is not right yet.\n{wrong}") from None
    except NotImplementedError as stub:
        raise _StillToDo(*stub.args) from None


def call(function, *arguments):
    """Call a student's function; an exception inside becomes a `WrongAnswer` that quotes it."""
    if not callable(function):
        came = type(function).__name__
        raise WrongAnswer(f"A function was expected, and {came} came: pass the function itself.")
    try:
        result = function(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:
        raise WrongAnswer(f"Your function stopped with {type(error).__name__}: {error}") from error
    if result is None:
        raise WrongAnswer("Your function returned None. Does it end with a return statement?")
    return result


def expect(what, got, expected, causes=(), atol=1e-8):
    """Compare an answer with the right one and with well-known wrong ones.

    Parameters
    ----------
    what
        What is compared, in words, to begin the sentence with.
    got, expected
        The answer and the right answer: numbers, arrays, sets, tuples, strings, truth values.
    causes
        Pairs (likely cause, the wrong answer it leads to).
    atol
        Absolute tolerance for numbers.

    Raises
    ------
    WrongAnswer
        Unless `got` equals `expected`.
    """
    if _same(got, expected, atol):
        return
    lines = [f"{what}: expected {_show(expected)}", f"{' ' * len(what)}  and got  {_show(got)}"]
    for cause, wrong in causes:
        if _same(got, wrong, atol):
            raise WrongAnswer("\n".join([*lines, f"Likely cause: {cause}"]))
    hint = _mismatch(got, expected)
    raise WrongAnswer("\n".join([*lines, f"Likely cause: {hint}"] if hint else lines))


def _same(a, b, atol):
    if isinstance(b, str | bool | np.bool_) or b is None:
        return isinstance(a, bool | np.bool_ if isinstance(b, bool | np.bool_) else type(b)) and bool(a == b)
    if isinstance(b, set | frozenset):
        return isinstance(a, set | frozenset | list | tuple) and set(a) == set(b)
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(_same(a[k], b[k], atol) for k in b)
    if isinstance(b, tuple | list) and any(isinstance(x, str | tuple | list | set) for x in b):
        alike = isinstance(a, tuple | list) and len(a) == len(b)
        return alike and all(_same(x, y, atol) for x, y in zip(a, b, strict=True))
    try:
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    except (TypeError, ValueError):
        return False
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=atol, equal_nan=True))


def _show(value):
    if isinstance(value, np.ndarray) and value.size > 9:
        first = np.array2string(value[0] if value.ndim > 1 else value[:6], precision=3, suppress_small=True)
        return f"an array of shape {value.shape} that begins {first}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=3, suppress_small=True).replace("\n", "")
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(map(repr, sorted(value, key=repr))) + "}"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _mismatch(got, expected):
    if not isinstance(expected, np.ndarray):
        return None
    shape = np.shape(got)
    if shape != expected.shape:
        return f"the shape is {shape} where {expected.shape} was needed."
    if expected.ndim == 2 and _same(np.transpose(got), expected, 1e-8):
        return "this is the transpose of the right answer; rows and columns have changed places."
    return None
