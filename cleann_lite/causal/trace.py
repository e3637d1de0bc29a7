"""The steps of a search, as its trace keeps them."""

from dataclasses import dataclass

from .marks import Mark


@dataclass(frozen=True)
class Step:
    """One step of a search, for teaching.

    Its kind is "level" (a new size), "test", "remove" (the edge x *—* y) or "orient" (the mark at y on it).
    """

    kind: str
    size: int  # of the conditioning set; of an orientation, the size up to which sets were tried
    x: int | None = None
    y: int | None = None
    given: tuple[int, ...] = ()  # conditioning set of a test; separating set of a removal
    independent: bool | None = None  # what the test said
    rule: str | None = None  # "R0" … "R10", or "legality" where a contradictory mark was undone
    mark: Mark | None = None  # that the rule wrote
