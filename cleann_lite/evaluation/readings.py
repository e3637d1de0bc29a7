"""Does a reading of the attention select sets that work? Each graph against controls at equal sizes.

Every set of up to three units is masked once. A graph then allows some of them at each size, and is asked
for the first size at which one of those works (failure counts as four). Its controls may try as many sets
*of each size*: random ones (their expectation is exact, by the hypergeometric distribution), the same graph
with its names exchanged, and the sets with the largest sums of attention or of leave-one-out effects. All
readings, levels and kinds of candidates are tried on the same inputs, so that one can be chosen on some and
judged on others. The rows ``…-at-equal-sizes`` of ``rows`` are the same controls, by drawing sets instead of
masking every one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import ClassVar

import numpy as np

from ..attention.residual import read_attention
from ..attention.sem import attention_correlation, words_attention
from ..attention.words import is_content_word
from ..causal.discovery import learn_pag
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..causal.pds import pds_sets
from ..explaining.head_graphs import maskable, paid
from ..explaining.settings import GraphSettings
from ..models.protocol import Encoded, Model
from .case import taken
from .probes import opened
from .statistics import bootstrap_mean, flat

READINGS = (0.0, 0.5, "norms", "values", "rollout")
ALPHAS = (0.01, 0.1, 0.3)
# kind of candidates -> `Case.allowed` calls it
CANDIDATES = {"legal": "all", "possible causes": "causes", "adjacent possible causes": "adjacent-causes"}
CONTROLS = ("random", "permuted", "attention", "leave-one-out")
MAX_SIZE = 3
FAILURE = MAX_SIZE + 1
MOST = 14  # units: of so many every set can be run


@dataclass(frozen=True)
class Tried:
    """One input, every set of up to three of its units masked once.

    Attributes
    ----------
    units
        Positions of the units in the graphs, all that are masked: 14 at most.
    flips
        Per size, (sets,) bool: whether a set changes the prediction, in the order of ``sets``.
    effects
        (units,): how much masking each alone lowered the outcome.
    """

    units: tuple[int, ...]
    flips: tuple[np.ndarray, ...]
    effects: np.ndarray

    @classmethod
    def of(cls, model: Model, encoded: Encoded, attention) -> "Tried":
        """Choose content words, or films, of many those attended to most (mean over heads), and run all sets.

        Parameters
        ----------
        attention
            Of the outcome's layer, (heads, tokens, tokens).
        """
        usable = maskable(encoded)
        content = [u for u in usable if is_content_word(encoded.units[u])]
        usable = content if content and model.task != "recommendation" else usable
        weight = paid(attention.mean(axis=0), encoded)
        units = tuple(sorted(sorted(usable, key=lambda u: (-weight[u], u))[:MOST]))
        whole = model.predict(encoded, [()])[0]
        flips, effects = [], np.zeros(len(units))
        for size, sets in enumerate(_sets(len(units)), 1):
            rows = model.predict(encoded, [[units[i] for i in s] for s in sets]) if sets else np.zeros((0, 1))
            if size == 1:
                effects = whole[encoded.target] - rows[:, encoded.target]
            said = [encoded.predicted(row) for row in rows] if sets else []
            flips.append(np.array(said, dtype=int) != encoded.target)
        return cls(units, tuple(flips), effects)

    @cached_property
    def sets(self) -> tuple[list[tuple[int, ...]], ...]:
        """Per size, all sets of places in ``units``."""
        return _sets(len(self.units))

    @cached_property
    def members(self) -> tuple[np.ndarray, ...]:
        """Per size, (sets, size): the same as arrays."""
        return tuple(np.array(sets, dtype=int).reshape(-1, size) for size, sets in enumerate(self.sets, 1))

    @cached_property
    def number(self) -> dict[tuple[int, ...], int]:
        """The place of each set among those of its size."""
        return {s: i for sets in self.sets for i, s in enumerate(sets)}

    def renamed(self, order: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Per size, where each set goes when unit i is called ``order[i]``."""
        return tuple(
            np.array([self.number[tuple(sorted(order[i] for i in s))] for s in sets], dtype=int)
            for sets in self.sets
        )


def _sets(n):
    return tuple(list(combinations(range(n), size)) for size in range(1, MAX_SIZE + 1))


def between_words(encoded: Encoded, attention, units: Sequence[int]) -> np.ndarray:
    """Correlation between units and, last, the outcome, other words latent: (heads, units + 1, units + 1)."""
    usable = maskable(encoded)
    groups = [encoded.tokens[u] for u in usable] + [encoded.outcome_tokens]
    variables = [usable.index(u) for u in units] + [len(usable)]
    words = (words_attention(head, groups) for head in attention)
    return np.array([attention_correlation(w)[np.ix_(variables, variables)] for w in words])


def graph_of(test: PartialCorrelation) -> PAG:
    """The PAG over the variables of a test, the last of which is the outcome and causes no other."""
    outcome = test.n_variables - 1
    return learn_pag(test, tiers=[range(outcome), [outcome]], max_tests=GraphSettings.max_tests)


def allowed_sets(pag: PAG, tried: Tried) -> dict[str, tuple[np.ndarray, ...]]:
    """The sets that a graph, whose last node is the outcome, allows: kind -> per size, (sets,) bool."""
    outcome = len(pag) - 1
    legal = tuple(np.zeros(len(sets), dtype=bool) for sets in tried.sets)
    for size, mask in enumerate(legal, 1):
        for members, _ in pds_sets(pag.marks, outcome, size):
            mask[tried.number[tuple(sorted(members))]] = True
    return {
        kind: tuple(mask & fits[some].all(axis=1) for mask, some in zip(legal, tried.members, strict=True))
        for kind, fits in ((kind, taken(pag, among)) for kind, among in CANDIDATES.items())
    }


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
        none = comb(len(f) - int(f.sum()), int(m)) / comb(len(f), int(m))  # the chance that none works
        expected += failing * (1 - none) * size
        failing *= none
    return expected + failing * FAILURE, 1 - failing


def by_sum(scores, tried: Tried) -> list[np.ndarray]:
    """Per size, the rank of each set by the sum of its scores, the largest first."""
    sums = (np.asarray(scores)[members].sum(axis=1) for members in tried.members)
    return [np.argsort(np.argsort(-total, kind="stable"), kind="stable") for total in sums]


def compare(allowed, tried: Tried, ranks: dict[str, list[np.ndarray]], renamed) -> dict:
    """Counted size and success of the sets that a graph allows, and of each control at equal sizes.

    Parameters
    ----------
    ranks
        Control -> ranks of all sets (`by_sum`): as many of the first as the graph allows are tried.
    renamed
        From `Tried.renamed`, one for each permutation of the names.

    Returns
    -------
    dict
        "graph" and each control -> [counted size, success], means where there is chance; "share" -> [share of
        all sets that the graph allows].
    """
    numbers = [int(a.sum()) for a in allowed]
    sizes = {"graph": [counted(allowed, tried.flips)]}
    for name, rank in ranks.items():
        sizes[name] = [counted([r < m for r, m in zip(rank, numbers, strict=True)], tried.flips)]
    sizes["permuted"] = [
        counted(allowed, [f[places] for f, places in zip(tried.flips, one, strict=True)]) for one in renamed
    ]
    found = {name: [float(np.mean(s)), float(np.mean(np.less(s, FAILURE)))] for name, s in sizes.items()}
    found["random"] = list(random_counted(numbers, tried.flips))
    found["share"] = [sum(numbers) / sum(map(len, tried.sets))]
    return found


def read_input(
    model: Model, encoded: Encoded, rng, *, readings=READINGS, alphas=ALPHAS, permutations=20,
    heads=("together", "apart"),
) -> dict[str, dict]:  # fmt: skip
    """All readings, levels and candidates on one input: "reading, alpha, candidates, heads" -> `compare`.

    Parameters
    ----------
    heads
        "together": a set is allowed if one head allows it; "apart": each head by itself, means over heads.
    """
    attention = np.asarray(model.attention(encoded), dtype=np.float64)
    mixing = encoded.mixing() if encoded.mixing is not None else None
    tried = Tried.of(model, encoded, attention)
    units, found = tried.units, dict[str, dict]()
    renamed = [tried.renamed(rng.permutation(len(units)).tolist()) for _ in range(permutations)]
    rows = paid(attention, encoded)[:, list(units)]
    effects = {"leave-one-out": by_sum(tried.effects, tried)}
    ranks = [{"attention": by_sum(row, tried)} | effects for row in [*rows, rows.mean(axis=0)]]
    for reading in readings:
        correlations = between_words(encoded, read_attention(attention, reading, mixing), units)
        for alpha in alphas:
            tests = [PartialCorrelation(c, model.hidden_size, alpha=alpha) for c in correlations]
            by_head = [allowed_sets(graph_of(test), tried) for test in tests]
            for kind in CANDIDATES:
                sets, name = [one[kind] for one in by_head], f"{reading}, {alpha:g}, {kind}"
                if "together" in heads:
                    union = [np.any(part, axis=0) for part in zip(*sets, strict=True)]
                    found[f"{name}, together"] = compare(union, tried, ranks[-1], renamed)
                if "apart" in heads:
                    each = [
                        compare(a, tried, rank, renamed) for a, rank in zip(sets, ranks[:-1], strict=True)
                    ]
                    found[f"{name}, apart"] = {
                        k: np.mean([e[k] for e in each], axis=0).tolist() for k in each[0]
                    }
    return found


# --- many inputs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """All readings, levels and candidates of an input (`read_input`): the worker of `probe`."""

    task: ClassVar = "readings"
    model: str
    readings: tuple = READINGS
    alphas: tuple[float, ...] = ALPHAS
    heads: tuple[str, ...] = ("together",)

    def __call__(self, item: dict) -> dict:
        model, encoded = opened(self.model, item)
        options = {"readings": self.readings, "alphas": self.alphas, "heads": self.heads}
        rng = np.random.default_rng((0, item["input"]))
        return {"input": item["input"], "rows": read_input(model, encoded, rng, **options)}


def summary(records: Sequence[dict]) -> list[dict]:
    """A line for each setting: share of all sets, success, counted size, and the difference to each control.

    ``size_random``, … are differences of counted size, the graph's less the control's (negative: the graph's
    sets are smaller), ``low_…`` and ``high_…`` the ends of their 95 % bootstrap interval over inputs, and
    ``success_random``, … differences of success.
    """
    lines = []
    for name in records[0]["rows"]:
        rows = [record["rows"][name] for record in records]
        reading, alpha, candidates, heads = name.split(", ")
        graph = np.array([row["graph"] for row in rows])
        line = {"reading": reading, "alpha": float(alpha), "candidates": candidates, "heads": heads}
        line |= {"n": len(rows), "share": np.mean([row["share"][0] for row in rows])}
        line |= {"success": graph[:, 1].mean(), "size": graph[:, 0].mean()}
        for control in CONTROLS:
            other = np.array([row[control] for row in rows])
            size = bootstrap_mean(graph[:, 0] - other[:, 0])
            ends = {"size": size.estimate, "low": size.low, "high": size.high}
            line |= {f"{name}_{control}": value for name, value in ends.items()}
            line[f"success_{control}"] = (graph[:, 1] - other[:, 1]).mean()
        lines.append(flat(line, 3))
    return lines


def told(records: Sequence[dict]) -> str:
    """A line a setting: counted size, and its difference to each control."""
    lines = []
    for line in summary(records):
        name = f"{line['reading']}, {line['alpha']:g}, {line['candidates']}, {line['heads']}"
        sizes = ", ".join(f"{control} {line[f'size_{control}']:+.2f}" for control in CONTROLS)
        lines.append(f"{name:52} size {line['size']:.2f} ({sizes})")
    return "\n".join(lines)
