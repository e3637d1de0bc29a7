"""Checks of the course's exercises: what was expected, the answer, and the likely cause.

``check("1.2", answer)`` compares an answer with the right one and with the mistakes that people make. The
checks of one notebook are in ``notebook_NN``, each a function that raises `WrongAnswer` or returns
one sentence on what the right answer shows.
"""

from collections.abc import Iterator, KeysView, ValuesView
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module

import networkx as nx
import numpy as np


class WrongAnswer(AssertionError):
    """An answer that is not right yet; its text gives it, what was expected, and the likely cause."""

    def _render_traceback_(self):
        # IPython prints this in place of a traceback: the message is for the reader of the exercise
        return [str(self)]


class _StillToDo(NotImplementedError):
    """A stub not replaced yet: a NotImplementedError that is shown without a traceback."""

    def _render_traceback_(self):
        if str(self).startswith("Question"):
            return [f"{self}."]
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
        return f"{_kind(self.number)} {self.number} is right. {self.sentence}"


def _kind(number):
    return "Question" if number[-1:].isalpha() else "Exercise"


def check(number, *answers):
    """Judge the answer to one exercise, or to one question on reading.

    Parameters
    ----------
    number
        Number of the exercise as its heading gives it, such as "1.2"; of a question, "3.a".
    answers
        The function or the value that the exercise asked for; of a question, the letter of the choice.

    Returns
    -------
    Right

    Raises
    ------
    WrongAnswer
        When the answer is not right; the message names the likely cause.
    NotImplementedError
        When the stub has not been replaced.
    ValueError
        When there is no such exercise, or not one answer.

    Examples
    --------
    >>> import numpy as np
    >>> from cleann_lite.course import check
    >>> check("1.1", lambda G: np.linalg.inv(np.eye(len(G)) - G)).number
    '1.1'
    """
    number = str(number)
    if len(answers) != 1:
        raise ValueError(f"check takes the number of an exercise and one answer: got {len(answers)} answers")
    chapter = number.partition(".")[0]
    reading, asked = import_module(f"{__name__}.reading"), _kind(number) == "Question"
    try:
        if asked:
            reading.questions()[number]
        else:
            judge = import_module(f"{__name__}.notebook_{int(chapter):02d}").CHECKS[number]
    except (ValueError, KeyError, ModuleNotFoundError):
        raise ValueError(f"there is no exercise {number!r} to check") from None
    try:
        if asked:
            return Right(number, reading.judge(number, *answers))
        sentence = judge(*answers)
        import_module(f"{__name__}.drawn").agree(number, *answers)
        import_module(f"{__name__}.answers").keep(number, *answers)
        return Right(number, sentence)
    except WrongAnswer as wrong:
        raise WrongAnswer(f"{_kind(number)} {number} is not right yet.\n{wrong}") from None
    except NotImplementedError as stub:
        raise _StillToDo(*stub.args) from None


_WRITABLE = (np.ndarray, list, dict, set, nx.Graph)


def call(function, *arguments, to=None, none=False):
    """Call a student's function; an exception inside becomes a `WrongAnswer` that quotes it.

    Parameters
    ----------
    function
        The student's answer.
    *arguments
        What it is called with.
    to
        Reads the answer, such as `numbers`, so that a list, a set and an array count alike. What cannot be
        read so comes back as it is, for the comparison to show.
    none
        Whether None is an answer.
    """
    if not callable(function):
        came = type(function).__name__
        raise WrongAnswer(f"A function was expected, and {came} came: pass the function itself.")
    try:
        # a copy: a function that writes into what it is given must not change what it is judged by
        result = function(*(deepcopy(a) if isinstance(a, _WRITABLE) else a for a in arguments))
        if isinstance(result, Iterator | KeysView | ValuesView):
            result = list(result)
    except NotImplementedError:
        raise
    except (Exception, SystemExit) as error:
        raise WrongAnswer(f"Your function stopped with {type(error).__name__}: {error}") from error
    if result is None and not none:
        raise WrongAnswer(
            "Your function returned None. Does every way through it end with a return statement?"
        )
    try:
        return result if to is None else to(result)
    except (TypeError, ValueError, OverflowError):
        return result


def numbers(answer):
    """A list, an array or a set of numbers as a tuple."""
    flat = np.ravel(sorted(answer) if isinstance(answer, set | frozenset) else answer)
    if flat.dtype.kind not in "biuf":
        raise TypeError
    return tuple(flat.tolist())


def truth(answer):
    """True or False from whatever NumPy or Python calls so; anything else as it is."""
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    alike = isinstance(answer, bool | int | np.bool_ | np.integer) and answer in (0, 1)
    return bool(answer) if alike else answer


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
    row = _first_difference(got, expected, atol)
    shown = got if _as_array(got) is None or not isinstance(expected, np.ndarray) else np.asarray(got)
    lines = [f"{what}:", f"    expected  {_show(expected, row)}", f"    and got   {_show(shown, row)}"]
    hints = [cause for cause, wrong in causes if _same(got, wrong, atol)] + [_mismatch(got, expected)]
    if hint := next(filter(None, hints), None):
        lines.append(f"Likely cause: {hint}")
    raise WrongAnswer("\n".join(lines))


def expect_rule(what, answer, right, cases, causes=()):
    """Compare a rule that says True or False with the right one; the first case that differs is shown.

    Parameters
    ----------
    answer, right
        The student's rule and the definition.
    cases
        Case in words -> what the rules are called with, a copy each time.
    causes
        Pairs (likely cause, the wrong rule that it leads to).
    """

    def verdicts(rule):
        return {case: truth(rule(*deepcopy(question))) for case, question in cases.items()}

    got = verdicts(lambda *question: call(answer, *question))
    for case, expected in verdicts(right).items():
        if got[case] is not expected:
            lines = [f"{what} {case}: expected {expected}, and got {_show(got[case])}"]
            if isinstance(got[case], bool):
                hints = [cause for cause, rule in causes if verdicts(rule) == got]
            else:
                hints = ["a truth value was asked for: return True or False."]
            raise WrongAnswer("\n".join([*lines, *(f"Likely cause: {hint}" for hint in hints[:1])]))


def _same(a, b, atol):
    if isinstance(b, str | bool | np.bool_) or b is None:
        return isinstance(a, bool | np.bool_ if isinstance(b, bool | np.bool_) else type(b)) and bool(a == b)
    if isinstance(b, set | frozenset):
        try:
            return isinstance(a, set | frozenset | list | tuple) and set(a) == set(b)
        except TypeError:
            return False
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(_same(a[k], b[k], atol) for k in b)
    if isinstance(b, tuple | list) and any(isinstance(x, str | tuple | list | set | frozenset) for x in b):
        alike = isinstance(a, tuple | list) and len(a) == len(b)
        return alike and all(_same(x, y, atol) for x, y in zip(a, b, strict=True))
    came, wanted = _as_array(a), _as_array(b)
    if came is None or wanted is None:
        return False
    alike = came.shape == wanted.shape or (isinstance(a, np.ndarray) and came.size == wanted.size == 1)
    return alike and bool(np.allclose(came, wanted, rtol=1e-6, atol=atol, equal_nan=True))


def _as_array(value):
    """A value as an array of numbers, or None."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None


def _first_difference(got, expected, atol):
    """The first row in which two tables of one shape differ, or None."""
    came = _as_array(got)
    if not isinstance(expected, np.ndarray) or expected.ndim != 2 or np.shape(came) != expected.shape:
        return None
    differ = ~np.isclose(came, expected, rtol=1e-6, atol=atol, equal_nan=True)
    return int(differ.any(axis=1).argmax())


def _show(value, row=None):
    if isinstance(value, np.ndarray) and value.size > 9:
        part = value[row or 0] if value.ndim > 1 else value[:6]
        first = np.array2string(part, precision=3, suppress_small=True)
        begins = "that begins" if row is None else f"whose row {row} is"
        return f"an array of shape {value.shape} {begins} {first}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=3, suppress_small=True).replace("\n", "")
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(_show, value))) + "}"
    if isinstance(value, tuple) and value and all(isinstance(x, int | float | np.number) for x in value):
        return f"({', '.join(map(_show, value[:20]))}{',' * (len(value) == 1)}{', …' * (len(value) > 20)})"
    return _short(value.item() if isinstance(value, np.generic) else value)


def _short(value):
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]} …"


def _mismatch(got, expected):
    numeric = isinstance(expected, np.ndarray | int | float | np.number) and not isinstance(expected, bool)
    if not numeric:
        return None
    came, wanted = _as_array(got), np.asarray(expected)
    if came is None:
        kind = "an array of numbers" if wanted.ndim else "one number"
        return f"{kind} was asked for, and {type(got).__name__} came."
    if came.shape != wanted.shape:
        if wanted.ndim == 0:
            return f"one number was asked for, and an array of shape {came.shape} came."
        return f"the shape is {came.shape} where {wanted.shape} was needed."
    if wanted.ndim == 2 and _same(came.T, wanted, 1e-8):
        return "this is the transpose of the right answer; rows and columns have changed places."
    return None
