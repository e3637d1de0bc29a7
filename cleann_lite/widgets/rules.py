"""An orientation rule told with the variables of one step, in place of α, β and γ."""

from itertools import permutations, product

from ..causal import orientation
from ..causal.graphs import Mark


class _Marks:
    """What rules ask of two nodes, as `orientation` writes it."""

    def __init__(self, marks, separating_sets):
        self.marks, self.separating_sets = marks, separating_sets

    def into(self, a, b):
        return self.marks[a, b] == Mark.ARROW

    def circle(self, a, b):
        return self.marks[a, b] == Mark.CIRCLE

    def directed(self, a, b):
        return self.into(a, b) and self.marks[b, a] == Mark.TAIL

    def undirected(self, a, b):
        return self.marks[a, b] == self.marks[b, a] == Mark.TAIL

    def tail_circle(self, a, b):
        return self.circle(a, b) and self.marks[b, a] == Mark.TAIL

    def apart(self, a, b):
        return a != b and not self.marks[a, b]

    def collider(self, a, b, c):
        """a and b, apart, were separated without their neighbour c."""
        given = self.separating_sets.get((min(a, b), max(a, b)), (c,))
        return self.apart(a, b) and bool(self.marks[a, c] and self.marks[b, c]) and c not in given


# rule and the mark that it wrote -> letters of x and y, the letters to find, what must hold of all of them
_FOUND = {
    ("R0", Mark.ARROW): ("αγ", "β", lambda g, a, c, b: g.collider(a, b, c)),
    ("R1", Mark.ARROW): ("βγ", "α", lambda g, b, c, a: g.into(a, b) and g.apart(a, c)),
    ("R1", Mark.TAIL): ("γβ", "α", lambda g, c, b, a: g.into(a, b) and g.apart(a, c)),
    ("R2", Mark.ARROW): (
        "αγ", "β",
        lambda g, a, c, b: (g.directed(a, b) and g.into(b, c)) or (g.into(a, b) and g.directed(b, c)),
    ),
    ("R3", Mark.ARROW): (
        "θβ", "αγ",
        lambda g, t, b, a, c: g.into(a, b) and g.into(c, b) and g.circle(a, t) and g.circle(c, t)
        and g.apart(a, c),
    ),
    ("R4", Mark.TAIL): ("γβ", "", lambda g, c, b: True),
    ("R5", Mark.TAIL): ("αβ", "", lambda g, a, b: True),
    ("R6", Mark.TAIL): ("γβ", "α", lambda g, c, b, a: g.undirected(a, b)),
    ("R7", Mark.TAIL): ("γβ", "α", lambda g, c, b, a: g.tail_circle(a, b) and g.apart(a, c)),
    ("R8", Mark.TAIL): (
        "γα", "β", lambda g, c, a, b: (g.directed(a, b) or g.tail_circle(a, b)) and g.directed(b, c),
    ),
    ("R9", Mark.TAIL): ("γα", "", lambda g, c, a: True),
    ("R10", Mark.TAIL): ("γα", "", lambda g, c, a: True),
}  # fmt: skip


def statement(rule):
    """A rule as `orientation` states it: one sentence with Greek letters."""
    if rule == "order":
        return "The causal order is known: no node causes an earlier one."
    rules = {f"R{i}": getattr(orientation, f"rule_{i}") for i in range(11)}
    return " ".join(rules[rule].__doc__.split("\n\n")[0].split()) if rule in rules else ""


def told(pag, step, graphs, separating_sets=None):
    """The rule of a step with the names of its variables; letters stay where no node is known for them.

    Parameters
    ----------
    pag
        Whose nodes and labels these are.
    step
        Of kind "orient".
    graphs
        Marks of the graphs that the rule may have read, the likeliest first.
    separating_sets
        Pairs of nodes -> separating set, for R0.
    """
    text = statement(step.rule)
    known, missing, holds = _FOUND.get((step.rule, step.mark), ("", "", None))
    if holds is None:
        return text
    place = {node: i for i, node in enumerate(pag.nodes)}
    x, y = place[step.x], place[step.y]
    sets = {
        tuple(sorted((place[a], place[b]))): tuple(place[z] for z in given)
        for (a, b), given in (separating_sets or {}).items()
    }
    others = [i for i in place.values() if i not in (x, y)]
    tries = product((_Marks(marks, sets) for marks in graphs), permutations(others, len(missing)))
    found = next((rest for g, rest in tries if holds(g, x, y, *rest)), None)
    names = dict(zip(known, (x, y), strict=True)) | dict(zip(missing, found or (), strict=False))
    words = str.maketrans({letter: pag.label(pag.nodes[i]) for letter, i in names.items()})
    return text.translate(words)
