"""The marks at the ends of an edge, and what they say.

A mark speaks of causes in every model that the graph stands for: an arrowhead at y on x *→ y says that y
causes neither x nor the selection, a tail that it causes one of them. "Causes" means: directly or through
other variables, observed or not. The sentences below follow from that and from what an edge is: two variables
that no set of the others separates are joined by a cause, a hidden common cause or selection (Richardson,
Spirtes. Ancestral graph Markov models. Annals of Statistics 30, 2002, theorem 4.2). One table serves
``PAG.describe``, the drawings and their legends.
"""

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum, StrEnum

import numpy as np


class Mark(IntEnum):
    """The mark at one end of an edge."""

    NONE = 0
    CIRCLE = 1
    ARROW = 2
    TAIL = 3


# (mark at the left node, mark at the right node) -> how the edge is written
EDGE_TEXT = {
    (left, right): {Mark.CIRCLE: "o", Mark.ARROW: "<", Mark.TAIL: "-"}[left]
    + "-"
    + {Mark.CIRCLE: "o", Mark.ARROW: ">", Mark.TAIL: "-"}[right]
    for left in (Mark.CIRCLE, Mark.ARROW, Mark.TAIL)
    for right in (Mark.CIRCLE, Mark.ARROW, Mark.TAIL)
}

# mark -> Graphviz arrow shape
DOT_SHAPE = {Mark.CIRCLE: "odot", Mark.ARROW: "normal", Mark.TAIL: "none"}


# (mark at x, mark at y) -> what the edge x *-* y says without selection, and with it
EDGE_MEANING = {
    (Mark.TAIL, Mark.ARROW): (
        "{x} causes {y}, directly or through other variables; {y} does not cause {x}",
        "{x} causes {y} or the selection of the data; {y} causes neither {x} nor the selection",
    ),
    (Mark.ARROW, Mark.ARROW): (
        "neither causes the other; something hidden causes both",
        "neither causes the other or the selection of the data; something hidden causes both, or the "
        "selection joins them",
    ),
    (Mark.CIRCLE, Mark.ARROW): (
        "{y} does not cause {x}; {x} may cause {y}, or something hidden causes both",
        "{y} causes neither {x} nor the selection of the data; {x} may cause {y}, or something hidden causes "
        "both, or the selection joins them",
    ),
    (Mark.CIRCLE, Mark.CIRCLE): (
        "either may cause the other, or something hidden causes both",
        "either may cause the other, or something hidden causes both, or the selection of the data joins "
        "them",
    ),
    (Mark.TAIL, Mark.TAIL): ("each causes the other or the selection of the data",) * 2,
    (Mark.CIRCLE, Mark.TAIL): (
        "{y} causes {x} or the selection of the data; whether {x} causes {y} or the selection is open",
    )
    * 2,
}

# mark -> what it says of the node at its end, without selection and with it
MARK_MEANING = {
    Mark.ARROW: ("this end does not cause the other",) * 2,
    Mark.TAIL: ("this end causes the other", "this end causes the other or the selection"),
    Mark.CIRCLE: ("this end may or may not cause the other",) * 2,
}


class SearchStatus(StrEnum):
    """Why a search ended."""

    COMPLETE = "complete"
    CAPPED = "capped"
    TOO_FEW_SAMPLES = "too few samples"
    INTERRUPTED = "interrupted"


class Legality(StrEnum):
    """Whether a graph is the PAG of some model."""

    LEGAL = "legal"
    CYCLE = "directed cycle"
    NO_MAG = "no MAG"
    OTHER_MARKS = "other marks"
    UNKNOWN = "not checked"


def counted(count: int, noun: str) -> str:
    """A number with what it counts.

    >>> counted(1, "input"), counted(2, "input")
    ('1 input', '2 inputs')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def distinct(words: Iterable[str]) -> list[str]:
    """Labels that tell repeated words apart.

    >>> distinct(["the", "plot", "is", "the", "film"])
    ['the₁', 'plot', 'is', 'the₂', 'film']
    """
    words, labels = list(words), []
    times, seen = Counter(words), Counter[str]()
    for word in words:
        seen[word] += 1
        below = str(seen[word]).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        labels.append(f"{word}{below}" if times[word] > 1 else word)
    return labels


def possibly_directed(marks: np.ndarray, selection_bias: bool = False) -> np.ndarray:
    """The steps of a possibly directed path, [u, v] bool: u *—* v with no arrowhead at u and no tail at v.

    With ``selection_bias`` a tail at v too: u —* v may mean that u causes the selection.
    """
    steps = (marks > 0) & (int(Mark.ARROW) != marks.T)
    return steps if selection_bias else steps & (marks != int(Mark.TAIL))
