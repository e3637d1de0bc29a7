"""Orientation: Zhang's rules R0–R10, from a skeleton and its separating sets to a PAG.

Each rule is one function named as in Zhang (Artificial Intelligence 172, 2008), whose docstring is its
statement. ``*`` stands for any mark. The code writes nodes as α, β, γ, θ and relations between two nodes as
boolean matrices, so that one rule is found for all nodes at once:

=====================  =========================================================
``into[α, β]``         α *→ β: arrowhead at β
``circle[α, β]``       α *—o β: circle at β
``tail[α, β]``         α *—— β: tail at β
``apart[α, β]``        α and β are different and not adjacent
``directed[α, β]``     α → β
``join(P, Q)[α, γ]``   some β has P[α, β] and Q[β, γ]
=====================  =========================================================

Rules act on circles only: a mark once set stays. Every rule reads one graph and writes all that follows from
it at once, so the numbering of the nodes cannot matter. With a perfect test no two rules disagree; with
data they may, and then **an arrowhead beats a tail** within one application, and the earlier mark stays
between two.

R0 and R4 conclude a collider from its absence in one separating set; if the data missed a weak dependence,
one false collider misleads all that follows. So a collider is believed only after a second look: with the
collider added to the separating set the two ends must depend on each other. A perfect test always confirms
(the path through a collider opens when it is conditioned on), so nothing is lost. A twin, a variable that
repeats one of the separating set, cannot be asked about and stays unconfirmed.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

from .marks import Mark
from .separation import MixedSeparation, bits, bits_as_rows, rows_as_bits
from .separators import Separators, as_words, from_words

# plain integers: numpy compares them faster than members of an enumeration
NONE, CIRCLE, ARROW, TAIL = (np.int8(mark) for mark in Mark)


def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Composition of two relations: [α, γ] is True when some β has first[α, β] and second[β, γ]."""
    return first.astype(np.float32) @ second.astype(np.float32) > 0


class Relations:
    """The relations that the rules read, all of one graph; each is worked out when a rule asks for it."""

    def __init__(self, marks: np.ndarray, separators: Separators, opened: "Opened | None" = None):
        self.marks, self.separators, self.opened = marks, separators, opened
        self.n = len(marks)
        self.into = marks == ARROW
        self.circle = marks == CIRCLE
        self._sets: dict[int, list[int]] = {}

    @cached_property
    def tail(self) -> np.ndarray:
        return self.marks == TAIL

    @cached_property
    def apart(self) -> np.ndarray:
        apart = self.marks == NONE
        np.fill_diagonal(apart, False)
        return apart

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
        """Row α of one of these relations as the set of its β."""
        if id(relation) not in self._sets:
            self._sets[id(relation)] = rows_as_bits(relation)
        return self._sets[id(relation)]

    def separator(self, x: int, y: int) -> int | None:
        """The separating set of two nodes, or None if it is unknown."""
        return self.separators.get((x, y) if x < y else (y, x))

    def nothing(self) -> np.ndarray:
        return np.zeros((self.n, self.n), dtype=bool)

    def confirmed(self, triples: list[tuple[int, int, int]]) -> list[int]:
        """For each (α, β, colliders outside Sepset(α, β)): those that the second look confirms."""
        if self.opened is None:
            return [colliders for _, _, colliders in triples]
        return self.opened(triples)


# Each rule returns (arrowheads, tails): [α, β] True asks for that mark at β on α *—* β.
Proposal = tuple[np.ndarray, np.ndarray]


def rule_0(g: Relations) -> Proposal:
    """R0. α *—* γ *—* β, α and β not adjacent, γ not in Sepset(α, β) ⟹ α *→ γ ←* β."""
    adjacent, into = g.marks > 0, g.into
    # a known order of the variables may already say that both edges point at γ, and then there is no news
    separated = np.argwhere(np.triu(g.separators.empty & join(adjacent, adjacent)))
    x, y, sepset = g.separators.larger()
    x, y = np.concatenate([separated[:, 0], x]), np.concatenate([separated[:, 1], y])
    near, known = as_words(rows_as_bits(adjacent), g.n), as_words(rows_as_bits(into), g.n)
    outside = near[x] & near[y] & ~(known[x] & known[y])
    outside[len(separated) :] &= ~sepset
    some = np.flatnonzero(outside.any(axis=1))
    triples = list(zip(x[some].tolist(), y[some].tolist(), from_words(outside[some]), strict=True))
    arrows = [0] * g.n
    for (alpha, beta, _), gamma in zip(triples, g.confirmed(triples), strict=True):
        arrows[alpha] |= gamma
        arrows[beta] |= gamma
    return bits_as_rows(arrows, g.n), g.nothing()


def rule_1(g: Relations) -> Proposal:
    """R1. α *→ β o—* γ, α and γ not adjacent ⟹ β → γ."""
    fires = join(g.into.T, g.apart) & g.circle.T  # [β, γ]
    return fires, fires.T


def rule_2(g: Relations) -> Proposal:
    """R2. α → β *→ γ or α *→ β → γ, and α *—o γ ⟹ α *→ γ."""
    fires = (join(g.directed, g.into) | join(g.into, g.directed)) & g.circle  # [α, γ]
    return fires, g.nothing()


def rule_3(g: Relations) -> Proposal:
    """R3. α *→ β ←* γ, α *—o θ o—* γ, α and γ not adjacent, θ *—o β ⟹ θ *→ β."""
    arrows = g.nothing()
    for theta, beta in np.argwhere(g.circle & join(g.circle.T, g.into)).tolist():
        both = np.flatnonzero(g.into[:, beta] & g.circle[:, theta])  # α, γ
        arrows[theta, beta] = g.apart[np.ix_(both, both)].any()
    return arrows, g.nothing()


def rule_4(g: Relations) -> Proposal:
    """R4. ⟨θ, …, α, β, γ⟩ discriminates β, and β o—* γ ⟹ β → γ if β is in Sepset(θ, γ), else α ↔ β ↔ γ.

    The path discriminates β when θ and γ are not adjacent and every node between θ and β is a collider on the
    path and a parent of γ.
    """
    arrows, tails = g.nothing(), g.nothing()
    candidates = g.circle.T & join(g.into, g.directed)  # [β, γ]: some α has β *→ α → γ
    for beta, gamma in np.argwhere(candidates).tolist():
        for alpha in bits(g.sets(g.into)[beta] & g.sets(g.parents)[gamma]):
            for theta in bits(_discriminating_ends(g, alpha, beta, gamma)):
                separator = g.separator(theta, gamma)
                if separator is None:
                    continue
                if separator >> beta & 1:
                    tails[gamma, beta] = arrows[beta, gamma] = True
                elif g.confirmed([(theta, gamma, 1 << beta)])[0]:
                    arrows[alpha, beta] = arrows[gamma, beta] = arrows[beta, gamma] = True
    return arrows, tails


def _discriminating_ends(g: Relations, alpha: int, beta: int, gamma: int) -> int:
    """Every θ at the far end of a discriminating path ⟨θ, …, α, β, γ⟩."""
    arrows_at, into, parents = g.sets(g.arrows_at), g.sets(g.into), g.sets(g.parents)[gamma]
    ends = 0
    seen = waiting = 1 << alpha
    while waiting:
        node = (waiting & -waiting).bit_length() - 1
        waiting &= waiting - 1
        before = arrows_at[node]  # node is a collider: the path comes in over an arrowhead
        ends |= before & g.sets(g.apart)[gamma]
        onward = before & into[node] & parents & ~seen & ~(1 << beta)  # colliders and parents of γ in turn
        seen |= onward
        waiting |= onward
    return ends


def rule_5(g: Relations) -> Proposal:
    """R5. α o—o β, an uncovered circle path ⟨α, γ, …, θ, β⟩ with α, θ and β, γ not adjacent ⟹ all undirected.

    Path and edge close a cycle on which no three nodes in a row form a triangle, so each of its edges fires
    the rule by itself: an edge is undirected when it lies on such a cycle of circle edges.
    """
    circle_circle, apart = g.sets(g.circle_circle), g.sets(g.apart)
    tails = g.nothing()
    for alpha, beta in np.argwhere(np.triu(g.circle_circle)).tolist():
        gammas, thetas = circle_circle[alpha] & apart[beta], circle_circle[beta] & apart[alpha]
        found = uncovered_path(alpha, gammas, 1 << beta, circle_circle, apart, before=thetas)
        tails[alpha, beta] = tails[beta, alpha] = found
    return g.nothing(), tails


def rule_6(g: Relations) -> Proposal:
    """R6. α —— β o—* γ ⟹ β —* γ."""
    undirected = (g.tail & g.tail.T).any(axis=0)  # [β]
    return g.nothing(), g.circle & undirected


def rule_7(g: Relations) -> Proposal:
    """R7. α —o β o—* γ, α and γ not adjacent ⟹ β —* γ."""
    return g.nothing(), g.circle & join(g.apart, g.tail_circle)  # [γ, β]


def rule_8(g: Relations) -> Proposal:
    """R8. α → β → γ or α —o β → γ, and α o→ γ ⟹ α → γ."""
    fires = join(g.directed | g.tail_circle, g.directed) & g.circle_arrow  # [α, γ]
    return g.nothing(), fires.T


def rule_9(g: Relations) -> Proposal:
    """R9. α o→ γ, an uncovered possibly directed path ⟨α, β, θ, …, γ⟩ with β and γ not adjacent ⟹ α → γ."""
    steps, apart = g.sets(g.possibly_directed), g.sets(g.apart)
    tails = g.nothing()
    for alpha, gamma in np.argwhere(g.circle_arrow).tolist():
        betas = steps[alpha] & apart[gamma]
        tails[gamma, alpha] = uncovered_path(alpha, betas, 1 << gamma, steps, apart)
    return g.nothing(), tails


def rule_10(g: Relations) -> Proposal:
    """R10. α o→ γ, β → γ ← θ, uncovered possibly directed paths α … β and α … θ ⟹ α → γ, if their
    first nodes after α, μ and ω, are different and not adjacent.
    """
    steps, apart = g.sets(g.possibly_directed), g.sets(g.apart)
    tails = g.nothing()
    for alpha, gamma in np.argwhere(g.circle_arrow).tolist():
        parents = g.sets(g.parents)[gamma]
        if not parents:
            continue
        # μ and ω: nodes that start an uncovered possibly directed path from α to a parent of γ
        first = 0
        for mu in bits(steps[alpha] & ~(1 << gamma)):
            if uncovered_path(alpha, 1 << mu, parents, steps, apart):
                first |= 1 << mu
        tails[gamma, alpha] = any(first & apart[mu] for mu in bits(first))
    return g.nothing(), tails


def uncovered_path(
    alpha: int, second: int, goals: int, steps: list[int], apart: list[int], before: int = -1
) -> bool:
    """Whether an uncovered path ⟨α, …⟩ over allowed steps, its next node in ``second``, ends in ``goals``.

    ``before`` limits the last node but one. A path is uncovered when no node's two neighbours on it are
    adjacent. The search goes over pairs (previous, current), since whether it may go on depends on both; that
    a walk may meet a node twice does no harm: the rules' proofs send a chain of arrows along it, which a
    repeated node would close to a cycle.
    """
    if second & goals and before >> alpha & 1:
        return True
    arrived = dict.fromkeys(bits(second), 1 << alpha)  # node -> where from, not yet followed
    followed: dict[int, int] = {}  # node -> where to
    while arrived:
        current = next(iter(arrived))  # first in, first out: short paths first
        previous = arrived.pop(current)
        onward = 0
        for node in bits(previous):
            onward |= apart[node]
        onward &= steps[current] & ~followed.get(current, 0)
        if onward & goals and before >> current & 1:
            return True
        followed[current] = followed.get(current, 0) | onward
        for node in bits(onward):
            arrived[node] = arrived.get(node, 0) | 1 << current
    return False


ARROWHEAD_RULES = {"R1": rule_1, "R2": rule_2, "R3": rule_3, "R4": rule_4}
SELECTION_RULES = {"R5": rule_5, "R6": rule_6, "R7": rule_7}
TAIL_RULES = {"R8": rule_8, "R9": rule_9, "R10": rule_10}

# (α, β, γs as a set) … -> for each, the γ that added to Sepset(α, β) make α and β dependent
Opened = Callable[[list[tuple[int, int, int]]], list[int]]
Listener = Callable[[str, np.ndarray, np.ndarray], None]  # (rule, marks before, marks after)


def orient(
    skeleton: np.ndarray,
    separators: Mapping[tuple[int, int], int],
    order: np.ndarray | None = None,
    selection_bias: bool = True,
    listen: Listener | None = None,
    opened: Opened | None = None,
) -> np.ndarray:
    """Marks of the PAG with this skeleton: R0 once, then R1–R10 to a joint fixed point.

    Parameters
    ----------
    skeleton
        (k, k) bool, symmetric.
    separators
        (i, j) with i < j -> separating set as an integer, for pairs that are not adjacent.
    order
        (k,) rank of each node in a known causal order: no node causes one of lower rank. Nodes of equal rank,
        a tier, may cause each other.
    selection_bias
        Apply R5–R7, which only selection can bring about.
    listen
        Called after each rule that changed a mark.
    opened
        The second look at a collider; None believes every collider.

    Returns
    -------
    (k, k) int8 marks.
    """
    marks = unoriented(skeleton, order)
    separators = Separators.of(len(marks), separators)
    rules = dict(ARROWHEAD_RULES)
    if selection_bias and order is None:
        rules |= SELECTION_RULES
    rules |= TAIL_RULES
    _apply("R0", rule_0, Relations(marks.copy(), separators, opened), marks, listen)
    changed = True
    while changed:
        g = Relations(marks.copy(), separators, opened)
        # the first rule that changes anything sends us back to R1, so cheap rules do most of the work
        changed = g.circle.any() and any(_apply(name, rule, g, marks, listen) for name, rule in rules.items())
    return marks


def unoriented(skeleton: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Marks before any rule: circles, and arrowheads at later nodes where an order is known."""
    marks = skeleton.astype(np.int8) * CIRCLE
    if order is not None:
        earlier = np.asarray(order)[:, None] < np.asarray(order)[None, :]
        marks[skeleton & earlier] = ARROW
    return marks


def _apply(name: str, rule: Callable, g: Relations, marks: np.ndarray, listen: Listener | None) -> bool:
    """Write into ``marks`` what one rule asks for in g; True if a mark changed."""
    arrows, tails = rule(g)
    arrows, tails = arrows & g.circle, tails & g.circle & ~arrows
    if not (arrows.any() or tails.any()):
        return False
    marks[arrows], marks[tails] = ARROW, TAIL
    if listen:
        listen(name, g.marks, marks)
    return True


def pag_of_mag(mag: np.ndarray, selection_bias: bool = True, rank: np.ndarray | None = None) -> np.ndarray:
    """Marks of the PAG of a MAG: what all MAGs with the same m-separations share.

    Two nodes that are not adjacent in a MAG are separated by all nodes with a path of directed and undirected
    edges into one of them (Richardson, Spirtes 2002, theorem 4.2), so no search is needed.

    Parameters
    ----------
    mag
        (k, k) marks without circles.
    selection_bias
        Apply R5–R7.
    rank
        (k,) the tier of each node, where tiers are known.

    Examples
    --------
    >>> pag_of_mag([[0, 2, 0], [3, 0, 3], [0, 2, 0]])
    array([[0, 2, 0],
           [1, 0, 1],
           [0, 2, 0]], dtype=int8)
    """
    mag = np.asarray(mag, dtype=np.int8)
    anterior = MixedSeparation(mag).anterior
    x, y = np.nonzero(np.triu(mag == NONE, 1))
    separators = Separators(len(mag))
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    separators.add(x, y, [(anterior[i] | anterior[j]) & ~(1 << i | 1 << j) for i, j in pairs])
    return orient(mag > 0, separators, rank, selection_bias)
