"""The steps of a search, as its trace keeps them."""

from dataclasses import dataclass

from .marks import Mark


@dataclass(frozen=True)
class Step:
    """One step of a search, for teaching.

    Attributes
    ----------
    kind
        "level" (a new size), "test", "remove" (the edge x *—* y) or "orient" (the mark at y on x *—* y).
    size
        Size of the conditioning set; of an orientation, the size up to which sets were tried.
    x, y
        Variables.
    given
        Conditioning set of a test; separating set of a removal.
    independent
        What the test said.
    rule
        "R0" … "R10", or "legality" where a contradictory mark was undone.
    mark
        The mark that the rule wrote.
    """

    kind: str
    size: int
    x: int | None = None
    y: int | None = None
    given: tuple[int, ...] = ()
    independent: bool | None = None
    rule: str | None = None
    mark: Mark | None = None
