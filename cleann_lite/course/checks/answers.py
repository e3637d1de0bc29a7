"""Right answers of a notebook, kept as text, so that a later notebook can put them to use.

`check` writes them in Jupyter only, into the folder ``my_answers`` beside the notebooks; the environment
variable CLEANN_LITE_ANSWERS names another folder.
"""

import inspect
import os
import sys
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
from scipy.special import ndtr, ndtri

import cleann_lite as cl

from . import WrongAnswer, check
from .notebook_03 import allows
from .notebook_04 import goes_on

# what a kept answer may call besides itself
SPACE = {
    "may_cause": allows,
    "goes_on": goes_on,
    "np": np,
    "nx": nx,
    "cl": cl,
    "Mark": cl.Mark,
    "combinations": combinations,
    "ndtr": ndtr,
    "ndtri": ndtri,
}


def _file(number):
    return Path(os.environ.get("CLEANN_LITE_ANSWERS", "my_answers")) / f"{number.replace('.', '_')}.py"


def keep(number, answer):
    """Write the text of a right answer down; nothing outside of Jupyter or where it has no text."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return
    try:
        text = inspect.getsource(answer)
        _file(number).parent.mkdir(parents=True, exist_ok=True)
        _file(number).write_text(text, encoding="utf-8")
    except (OSError, TypeError):
        return


def kept(number):
    """The function that was kept, or None."""
    if not _file(number).is_file():
        return None
    space = dict(SPACE)
    try:
        exec(
            _file(number).read_text(encoding="utf-8"), space
        )  # the student's own code, which ran here before
    except Exception:
        return None
    return next((v for k, v in reversed(space.items()) if k not in SPACE and inspect.isfunction(v)), None)


def yours(number, answer=None):
    """Your function where it is right, else the definition in its place, and says so.

    Parameters
    ----------
    number
        Number of the exercise.
    answer
        Your function; None takes the one that was kept when `check` called it right.

    Examples
    --------
    >>> import numpy as np
    >>> trace = yours("1.2", lambda A: A @ A.T)(np.eye(2)).trace()
    Exercise 1.2 is not solved yet: the package's function takes its place.
    """
    answer = answer or kept(number)
    try:
        check(number, answer)
        return answer
    except (WrongAnswer, NotImplementedError):
        from .drawn import DRAWN

        print(f"Exercise {number} is not solved yet: the package's function takes its place.")  # noqa: T201
        return DRAWN[number][0]
