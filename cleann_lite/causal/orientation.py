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

import numpy as np

from .bitsets import as_words, bits, from_words, join, packed, pairs, reachable, rows_as_bits, unpacked
from .marks import EDGE_TEXT
from .relations import ARROW, CIRCLE, NONE, TAIL, Opened, Relations
from .separators import Separators

# Each rule returns (arrowheads, tails): [α, β] True asks for that mark at β on α *—* β.
Proposal = tuple[np.ndarray, np.ndarray]
Pair = tuple[int, int]  # x < y

_PAIRS = 30_000  # looked at together by R0


def rule_0(g: Relations) -> Proposal:
    """R0. α *—* γ *—* β, α and β not adjacent, γ not in Sepset(α, β) ⟹ α *→ γ ←* β.

    >>> one_step(rule_0, "a o-o c, b o-o c", {"ab": ""})  # nothing between a and b
    'a o-> c, b o-> c'
    """
    adjacent = g.marks > 0
    alpha, beta = pairs(g.known & join(adjacent, adjacent))
    # a known order of the variables may already say that both edges point at γ, and then there is no news
    near, known = packed(adjacent), packed(g.into)
    arrows = np.zeros_like(near)
    for start in range(0, len(alpha), _PAIRS):
        a, b = alpha[start : start + _PAIRS], beta[start : start + _PAIRS]
        gammas = near[a] & near[b] & ~(known[a] & known[b]) & ~g.separators.words(a, b)
        some = gammas.any(axis=1)
        a, b = a[some], b[some]
        gammas = g.confirmed(a, b, gammas[some])
        for ends in (a, b):
            order = np.argsort(ends, kind="stable")
            starts = np.flatnonzero(np.diff(ends[order], prepend=-1))
            if starts.size:
                arrows[ends[order[starts]]] |= np.bitwise_or.reduceat(gammas[order], starts, axis=0)
    return unpacked(arrows, g.n), g.nothing()


def rule_1(g: Relations) -> Proposal:
    """R1. α *→ β o—* γ, α and γ not adjacent ⟹ β → γ.

    >>> one_step(rule_1, "a o-> b, b o-o c")  # b is not a collider, or R0 had said so
    'a o-> b, b --> c'
    """
    fires = join(g.into.T, g.apart) & g.circle.T  # [β, γ]
    return fires, fires.T


def rule_2(g: Relations) -> Proposal:
    """R2. α → β *→ γ or α *→ β → γ, and α *—o γ ⟹ α *→ γ.

    >>> one_step(rule_2, "a --> b, b o-> c, a o-o c")  # else a circle of causes
    'a --> b, b o-> c, a o-> c'
    """
    fires = (join(g.directed, g.into) | join(g.into, g.directed)) & g.circle  # [α, γ]
    return fires, g.nothing()


def rule_3(g: Relations) -> Proposal:
    """R3. α *→ β ←* γ, α *—o θ o—* γ, α and γ not adjacent, θ *—o β ⟹ θ *→ β.

    >>> one_step(rule_3, "a o-> b, c o-> b, a o-o t, c o-o t, t o-o b")
    'a o-> b, c o-> b, a o-o t, c o-o t, t o-> b'
    """
    arrows = g.nothing()
    for theta, beta in np.argwhere(g.circle & join(g.circle.T, g.into)).tolist():
        both = np.flatnonzero(g.into[:, beta] & g.circle[:, theta])  # α, γ
        arrows[theta, beta] = g.apart[np.ix_(both, both)].any()
    return arrows, g.nothing()


def rule_4(g: Relations) -> Proposal:
    """R4. ⟨θ, …, α, β, γ⟩ discriminates β, and β o—* γ ⟹ β → γ if β is in Sepset(θ, γ), else α ↔ β ↔ γ.

    The path discriminates β when θ and γ are not adjacent and every node between θ and β is a collider on the
    path and a parent of γ.

    >>> one_step(rule_4, "t o-> a, a <-> b, a --> c, b o-> c", {"ct": "ab"})
    't o-> a, a <-> b, a --> c, b --> c'
    >>> one_step(rule_4, "t o-> a, a <-o b, a --> c, b o-> c", {"ct": "a"})
    't o-> a, a <-> b, a --> c, b <-> c'
    """
    arrows, tails = g.nothing(), g.nothing()
    gammas = np.flatnonzero(g.circle.any(axis=1) & g.directed.any(axis=0)).tolist()
    if not gammas:
        return arrows, tails
    circle, arrows_at, both = g.sets(g.circle), g.sets(g.arrows_at), rows_as_bits(g.into & g.arrows_at)
    parents, separable = g.sets(g.parents), rows_as_bits(g.known & g.apart)
    paths: list[tuple[int, int, int, Pair]] = []  # α, β, γ and the pair θ, γ, of possible colliders β
    for gamma in gammas:
        for alpha in bits(parents[gamma]):
            betas = circle[gamma] & arrows_at[alpha]
            ends = _discriminating_ends(alpha, parents[gamma], arrows_at, both) if betas else 0
            for theta in bits(ends & separable[gamma]):
                pair = min(theta, gamma), max(theta, gamma)
                separator = g.separators[pair]
                for beta in bits(betas & separator):
                    tails[gamma, beta] = arrows[beta, gamma] = True
                paths += [(alpha, beta, gamma, pair) for beta in bits(betas & ~separator)]
    asked: dict[Pair, int] = {}
    for _, beta, _, pair in paths:
        asked[pair] = asked.get(pair, 0) | 1 << beta
    if asked:
        x, y = np.array(list(asked)).T
        sets = g.confirmed(x, y, as_words(list(asked.values()), g.n))
        confirmed = dict(zip(asked, from_words(sets), strict=True))
        for alpha, beta, gamma, pair in paths:
            if confirmed[pair] >> beta & 1:
                arrows[alpha, beta] = arrows[gamma, beta] = arrows[beta, gamma] = True
    return arrows, tails


def _discriminating_ends(alpha: int, parents: int, arrows_at: list[int], both: list[int]) -> int:
    """Every θ at the far end of a path ⟨θ, …, α⟩ whose nodes but θ are colliders and parents of γ.

    It discriminates each β with β *→ α, which is no parent of γ and so not on it.
    """
    ends = 0
    seen = waiting = 1 << alpha
    while waiting:
        low = waiting & -waiting
        waiting ^= low
        node = low.bit_length() - 1
        ends |= arrows_at[node]  # node is a collider: the path comes in over an arrowhead
        onward = both[node] & parents & ~seen  # and goes on to another
        seen |= onward
        waiting |= onward
    return ends


def rule_5(g: Relations) -> Proposal:
    """R5. α o—o β, an uncovered circle path ⟨α, γ, …, θ, β⟩ with α, θ and β, γ not adjacent ⟹ all undirected.

    Path and edge close a cycle on which no three nodes in a row form a triangle, so each of its edges fires
    the rule by itself: an edge is undirected when it lies on such a cycle of circle edges.

    >>> one_step(rule_5, "a o-o b, b o-o c, c o-o d, d o-o a")
    'a --- b, b --- c, c --- d, d --- a'
    """
    circle_circle, apart = g.sets(g.circle_circle), g.sets(g.apart)
    tails = g.nothing()
    for alpha, beta in zip(*(ends.tolist() for ends in pairs(g.circle_circle)), strict=True):
        gammas = circle_circle[alpha] & apart[beta]
        found = uncovered_path(alpha, gammas, 1 << beta, circle_circle, apart, before=apart[alpha])
        tails[alpha, beta] = tails[beta, alpha] = found
    return g.nothing(), tails


def rule_6(g: Relations) -> Proposal:
    """R6. α —— β o—* γ ⟹ β —* γ.

    >>> one_step(rule_6, "a --- b, b o-o c")  # nothing points at a cause of selection
    'a --- b, b --o c'
    """
    undirected = (g.tail & g.tail.T).any(axis=0)  # [β]
    return g.nothing(), g.circle & undirected


def rule_7(g: Relations) -> Proposal:
    """R7. α —o β o—* γ, α and γ not adjacent ⟹ β —* γ.

    >>> one_step(rule_7, "a --o b, b o-o c")
    'a --o b, b --o c'
    """
    return g.nothing(), g.circle & join(g.apart, g.tail_circle)  # [γ, β]


def rule_8(g: Relations) -> Proposal:
    """R8. α → β → γ or α —o β → γ, and α o→ γ ⟹ α → γ.

    >>> one_step(rule_8, "a --> b, b --> c, a o-> c")
    'a --> b, b --> c, a --> c'
    """
    fires = join(g.directed | g.tail_circle, g.directed) & g.circle_arrow  # [α, γ]
    return g.nothing(), fires.T


def rule_9(g: Relations) -> Proposal:
    """R9. α o→ γ, an uncovered possibly directed path ⟨α, β, θ, …, γ⟩ with β and γ not adjacent ⟹ α → γ.

    >>> one_step(rule_9, "a o-o b, b o-o t, t o-> c, a o-> c")
    'a o-o b, b o-o t, t --> c, a --> c'
    """
    steps, apart = g.sets(g.possibly_directed), g.sets(g.apart)
    tails = g.nothing()
    for alpha, gamma in np.argwhere(g.circle_arrow).tolist():
        betas = steps[alpha] & apart[gamma]
        tails[gamma, alpha] = uncovered_path(alpha, betas, 1 << gamma, steps, apart)
    return g.nothing(), tails


def rule_10(g: Relations) -> Proposal:
    """R10. α o→ γ, β → γ ← θ, uncovered possibly directed paths ⟨α, μ, …, β⟩ and ⟨α, ω, …, θ⟩ with μ and ω
    not adjacent ⟹ α → γ.

    A path may be one step: μ = β or ω = θ.

    >>> one_step(rule_10, "a o-o m, a o-o w, m --> c, w --> c, a o-> c")
    'a o-o m, a o-o w, m --> c, w --> c, a --> c'
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
        Apply R5–R7, which only selection can bring about. No effect with an order, which excludes it.
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


def one_step(rule: Callable, edges: str, sepsets: Mapping[str, str] | None = None) -> str:
    """Edges such as "a o-> b, b o-o c" after one application of a rule; {"ac": "b"}: Sepset(a, c) = {b}."""
    read = [edge.split() for edge in edges.split(", ")]
    names = sorted({name for x, _, y in read for name in (x, y)})
    number = {name: i for i, name in enumerate(names)}
    marks, ends = np.zeros((len(names),) * 2, np.int8), {text: pair for pair, text in EDGE_TEXT.items()}
    for x, text, y in read:
        marks[number[y], number[x]], marks[number[x], number[y]] = ends[text]
    known = {}
    for pair, members in (sepsets or {}).items():
        known[number[pair[0]], number[pair[1]]] = sum(1 << number[name] for name in members)
    _apply("", rule, Relations(marks.copy(), Separators.of(len(names), known)), marks, None)
    pairs = [(x, y, number[x], number[y]) for x, _, y in read]
    return ", ".join(f"{x} {EDGE_TEXT[marks[j, i], marks[i, j]]} {y}" for x, y, i, j in pairs)


def pag_of_mag(mag: np.ndarray, selection_bias: bool = True, rank: np.ndarray | None = None) -> np.ndarray:
    """Marks of the PAG of a MAG: what all MAGs with the same m-separations share.

    Two nodes that are not adjacent in a MAG are separated by all nodes with a path of directed and undirected
    edges into one of them (Richardson, Spirtes 2002, theorem 4.2), so no search is needed.

    Parameters
    ----------
    mag
        (k, k) marks without circles.
    selection_bias
        Apply R5–R7. No effect with a rank, which excludes selection.
    rank
        (k,) the tier of each node, where tiers are known.

    Raises
    ------
    ValueError
        A mark is a circle.

    Examples
    --------
    >>> pag_of_mag([[0, 2, 0], [3, 0, 3], [0, 2, 0]])
    array([[0, 2, 0],
           [1, 0, 1],
           [0, 2, 0]], dtype=int8)
    """
    mag = np.asarray(mag, dtype=np.int8)
    if (mag == CIRCLE).any():
        raise ValueError("a MAG has arrowheads and tails: these marks have circles")
    x, y = pairs(mag == NONE)
    anterior, single = packed(reachable(mag == TAIL)), packed(np.eye(len(mag), dtype=bool))
    separators = Separators(len(mag))
    separators.add(x, y, (anterior[x] | anterior[y]) & ~(single[x] | single[y]))
    return orient(mag > 0, separators, rank, selection_bias)
