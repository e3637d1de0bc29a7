"""Arguments that were renamed, so that one word means one thing, are still taken by their former names."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def formerly(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keyword arguments by their former names too: former name = name.

    Examples
    --------
    >>> @formerly(nodes="words")
    ... def chosen(words="content"):
    ...     return words
    >>> chosen(nodes="all")
    'all'
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **given: P.kwargs) -> R:
            for old in names.keys() & given.keys():
                if names[old] in given:
                    raise TypeError(f"{names[old]} was called {old} before: give one of them")
            return function(*args, **{names.get(name, name): value for name, value in given.items()})  # type: ignore[arg-type]  # the names differ

        return called

    return decorate
