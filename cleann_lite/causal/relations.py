"""The relations between nodes that Zhang's rules read."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from .bitsets import rows_as_bits
from .marks import Mark
from .separators import Separators

# plain integers: numpy compares them faster than members of an enumeration
NONE, CIRCLE, ARROW, TAIL = (np.int8(mark) for mark in Mark)

# α (m,), β (m,), γs (m, words) -> those γ that added to Sepset(α, β) make α and β dependent
Opened = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Relations:
    """The relations that the rules read, all of one graph; each is worked out when a rule asks for it."""

    def __init__(self, marks: np.ndarray, separators: Separators, opened: Opened | None = None):
        self.marks, self.separators, self.opened = marks, separators, opened
        self.n = len(marks)
        self.into = marks == ARROW
        self.circle = marks == CIRCLE
        self._sets: dict[int, tuple[np.ndarray, list[int]]] = {}

    @cached_property
    def tail(self) -> np.ndarray:
        return self.marks == TAIL

    @cached_property
    def apart(self) -> np.ndarray:
        apart = self.marks == NONE
        np.fill_diagonal(apart, False)
        return apart

    @cached_property
    def known(self) -> np.ndarray:
        """[α, β]: their separating set is known."""
        return self.separators.known

    @cached_property
    def directed(self) -> np.ndarray:
        return self.into & self.tail.T

    @cached_property
    def tail_circle(self) -> np.ndarray:
        """[α, β]: α —o β."""
        return self.circle & self.tail.T

    @cached_property
    def circle_arrow(self) -> np.ndarray:
        """[α, β]: α o→ β."""
        return self.into & self.circle.T

    @cached_property
    def circle_circle(self) -> np.ndarray:
        """[α, β]: α o—o β."""
        return self.circle & self.circle.T

    @cached_property
    def possibly_directed(self) -> np.ndarray:
        """[α, β]: a step from α to β may lie on a possibly directed path."""
        return (self.into | self.circle) & ~self.into.T

    @cached_property
    def parents(self) -> np.ndarray:
        """[γ, α]: α → γ."""
        return self.directed.T

    @cached_property
    def arrows_at(self) -> np.ndarray:
        """[β, α]: α *→ β."""
        return self.into.T

    def sets(self, relation: np.ndarray) -> list[int]:
        """Row α of a relation as the set of its β."""
        held, rows = self._sets.get(id(relation), (None, []))
        if held is not relation:
            rows = rows_as_bits(relation)
            self._sets[id(relation)] = relation, rows  # held, so that no other array gets its id
        return rows

    def nothing(self) -> np.ndarray:
        return np.zeros((self.n, self.n), dtype=bool)

    def confirmed(self, alpha: np.ndarray, beta: np.ndarray, colliders: np.ndarray) -> np.ndarray:
        """Of colliders[i], (m, words), outside Sepset(α, β): those that the second look confirms.

        Each pair α, β comes once.
        """
        return colliders if self.opened is None else self.opened(alpha, beta, colliders)
