"""Does a reading of the attention select sets that work? Each graph against controls at equal sizes.

Every set of up to three units is masked once. A graph then allows some of them at each size, and is asked
for the first size at which one of those works (failure counts as four). Its controls may try as many sets
*of each size*: random ones (their expectation is exact, by the hypergeometric distribution), the same graph
with its names exchanged, and the sets with the largest sums of attention or of leave-one-out effects. All
readings, levels and kinds of candidates are tried on the same inputs, so that one can be chosen on some and
judged on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import lgamma

import numpy as np

from ..attention.residual import read_attention
from ..attention.sem import attention_correlation, words_attention
from ..attention.words import is_content_word
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..causal.pds import pds_sets
from ..models.protocol import Encoded, Model

READINGS = (0.0, 0.5, "norms", "values", "rollout")
ALPHAS = (0.01, 0.1, 0.3)
CANDIDATES = ("legal", "possible causes", "adjacent possible causes")
CONTROLS = ("random", "permuted", "attention", "leave-one-out")
MAX_SIZE = 3
FAILURE = MAX_SIZE + 1


@dataclass(frozen=True)
class Tried:
    """One input, every set of up to three of its nodes masked once.

    Attributes
    ----------
    nodes
        Units that may be masked.
    flips
        Per size, (sets,) bool: whether a set changes the prediction, in the order of ``sets``.
    effects
        (nodes,): how much masking each alone lowered the outcome.
    """

    nodes: tuple[int, ...]
    flips: tuple[np.ndarray, ...]
    effects: np.ndarray

    @classmethod
    def of(cls, model: Model, encoded: Encoded, nodes: Sequence[int]) -> "Tried":
        """Run the model on all of them."""
        whole = model.predict(encoded, [()])[0]
        flips, effects = [], None
        for sets in _sets(len(nodes)):
            rows = model.predict(encoded, [[nodes[i] for i in s] for s in sets]) if sets else np.zeros((0, 1))
            effects = whole[encoded.target] - rows[:, encoded.target] if effects is None else effects
            flips.append(rows.argmax(axis=1) != encoded.target if sets else np.zeros(0, dtype=bool))
        return cls(tuple(nodes), tuple(flips), effects)

    @cached_property
    def sets(self) -> tuple[list[tuple[int, ...]], ...]:
        """Per size, all sets of node numbers."""
        return _sets(len(self.nodes))

    @cached_property
    def number(self) -> dict[tuple[int, ...], int]:
        """The place of each set among those of its size."""
        return {s: i for sets in self.sets for i, s in enumerate(sets)}

    def renamed(self, order: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Per size, where each set goes when node i is called ``order[i]``."""
        return tuple(
            np.array([self.number[tuple(sorted(order[i] for i in s))] for s in sets], dtype=int)
            for sets in self.sets
        )


def _sets(n):
    return tuple(list(combinations(range(n), size)) for size in range(1, MAX_SIZE + 1))


def choose_nodes(encoded: Encoded, attention, most: int = 14, content: bool = True) -> tuple[int, ...]:
    """Content words (or all units), and of many those that the outcome attends to most (mean over heads)."""
    outcome = set(encoded.outcome_positions)
    units = [u for u, p in enumerate(encoded.positions) if not outcome & set(p)]
    nodes = [u for u in units if is_content_word(encoded.units[u])] if content else units
    row = attention[:, list(encoded.outcome_positions)].mean(axis=(0, 1))
    weight = {u: row[list(encoded.positions[u])].sum() for u in units}
    return tuple(sorted(sorted(nodes or units, key=lambda u: (-weight[u], u))[:most]))


def between_words(encoded: Encoded, attention, nodes: Sequence[int]) -> np.ndarray:
    """Correlation between nodes and, last, the outcome, other words latent: (heads, nodes + 1, nodes + 1)."""
    outcome = set(encoded.outcome_positions)
    units = [u for u, p in enumerate(encoded.positions) if not outcome & set(p)]
    groups = [encoded.positions[u] for u in units] + [encoded.outcome_positions]
    variables = [units.index(u) for u in nodes] + [len(units)]
    words = (words_attention(head, groups) for head in attention)
    return np.array([attention_correlation(w)[np.ix_(variables, variables)] for w in words])


def allowed_sets(pag: PAG, tried: Tried, candidates: str = "legal") -> tuple[np.ndarray, ...]:
    """Per size, (sets,) bool: the sets that a graph, whose last node is the outcome, lets CLEANN try."""
    outcome = len(pag) - 1
    fit = pag.possible_ancestors[:outcome, outcome] if candidates != "legal" else np.ones(outcome, dtype=bool)
    if candidates == "adjacent possible causes":
        fit = fit & (pag.marks[outcome, :outcome] != 0)
    allowed = tuple(np.zeros(len(sets), dtype=bool) for sets in tried.sets)
    for size, mask in enumerate(allowed, 1):
        for members, _ in pds_sets(pag.marks, outcome, size):
            mask[tried.number[tuple(sorted(members))]] = fit[list(members)].all()
    return allowed


def counted(chosen: Sequence[np.ndarray], flips: Sequence[np.ndarray]) -> int:
    """Size of the first chosen set that works; a failure counts as four."""
    works = (size for size, (c, f) in enumerate(zip(chosen, flips, strict=True), 1) if (c & f).any())
    return next(works, FAILURE)


def random_counted(numbers: Sequence[int], flips: Sequence[np.ndarray]) -> tuple[float, float]:
    """Expected counted size, and probability of success, of as many random sets of each size.

    Examples
    --------
    >>> random_counted([1, 0, 0], [np.array([True, False]), np.zeros(1, bool), np.zeros(0, bool)])
    (2.5, 0.5)
    """
    failing, expected = 1.0, 0.0
    for size, (m, f) in enumerate(zip(numbers, flips, strict=True), 1):
        none = _none_works(len(f), int(f.sum()), int(m))
        expected += failing * (1 - none) * size
        failing *= none
    return expected + failing * FAILURE, 1 - failing


def _none_works(total, working, drawn):
    """Probability that none of some sets drawn without replacement works."""
    idle = total - working
    if drawn > idle:
        return 0.0
    log = lgamma(idle + 1) - lgamma(idle - drawn + 1) + lgamma(total - drawn + 1) - lgamma(total + 1)
    return float(np.exp(log))


def largest_sums(scores, numbers: Sequence[int], tried: Tried) -> list[np.ndarray]:
    """Per size, the sets with the largest sums of scores, as many as ``numbers`` says."""
    chosen = []
    for sets, m in zip(tried.sets, numbers, strict=True):
        sums = np.array([sum(scores[i] for i in s) for s in sets])
        mask = np.zeros(len(sets), dtype=bool)
        mask[np.argsort(-sums, kind="stable")[:m]] = True
        chosen.append(mask)
    return chosen


def compare(allowed, tried: Tried, attention_row, renamed) -> dict:
    """Counted size and success of the sets that a graph allows, and of each control at equal sizes.

    Parameters
    ----------
    attention_row
        (nodes,): what the outcome attends to.
    renamed
        From `Tried.renamed`, one for each permutation of the names.
    """
    numbers = [int(a.sum()) for a in allowed]
    sizes = {"graph": [counted(allowed, tried.flips)]}
    sizes["attention"] = [counted(largest_sums(attention_row, numbers, tried), tried.flips)]
    sizes["leave-one-out"] = [counted(largest_sums(tried.effects, numbers, tried), tried.flips)]
    sizes["permuted"] = [
        counted(allowed, [f[places] for f, places in zip(tried.flips, one, strict=True)]) for one in renamed
    ]
    found = {name: (float(np.mean(s)), float(np.mean(np.less(s, FAILURE)))) for name, s in sizes.items()}
    found["random"] = random_counted(numbers, tried.flips)
    found["share"] = (sum(numbers) / sum(map(len, tried.sets)),)
    return found


def read_input(
    model: Model, encoded: Encoded, rng, *, content=True, readings=READINGS, alphas=ALPHAS, permutations=20,
    heads=("together", "apart"), most=14,
) -> dict[str, dict]:  # fmt: skip
    """All readings, levels and candidates on one input: "reading, alpha, candidates, heads" -> `compare`.

    Parameters
    ----------
    heads
        "together": a set is allowed if one head allows it; "apart": each head by itself, means over heads.
    """
    attention = np.asarray(model.attention(encoded), dtype=np.float64)
    mixing = encoded.mixing() if encoded.mixing is not None else None
    nodes = choose_nodes(encoded, attention, most, content)
    tried = Tried.of(model, encoded, nodes)
    renamed = [tried.renamed(rng.permutation(len(nodes)).tolist()) for _ in range(permutations)]
    rows = np.array([[a[list(encoded.outcome_positions)].mean(axis=0)[list(encoded.positions[u])].sum()
                      for u in nodes] for a in attention])  # fmt: skip
    tiers, found = [list(range(len(nodes))), [len(nodes)]], {}
    for reading in readings:
        correlations = between_words(encoded, read_attention(attention, reading, mixing), nodes)
        for alpha in alphas:
            tests = [PartialCorrelation(c, model.hidden_size, alpha=alpha) for c in correlations]
            pags = [learn_pag(test, tiers=tiers, max_tests=200_000) for test in tests]
            for kind in CANDIDATES:
                by_head = [allowed_sets(pag, tried, kind) for pag in pags]
                name = f"{reading}, {alpha:g}, {kind}"
                if "together" in heads:
                    union = [np.any(part, axis=0) for part in zip(*by_head, strict=True)]
                    found[f"{name}, together"] = compare(union, tried, rows.mean(axis=0), renamed)
                if "apart" in heads:
                    each = [compare(a, tried, row, renamed) for a, row in zip(by_head, rows, strict=True)]
                    found[f"{name}, apart"] = {
                        k: tuple(np.mean([e[k] for e in each], axis=0).tolist()) for k in each[0]
                    }
    return found
