"""Rungs that a sceptic asks for: is a graph informative, is it falsified, which way do its words push, and do
its edges at the outcome carry the prediction?

* *Informative* and *falsified* (Eulig, Mastakouri, Blöbaum, Hardt, Janzing. Toward Falsifying Causal Graphs
  Using a Permutation-Based Test. AAAI 2025; the two figures of DoWhy): how often do permuted names give the
  same graph, and are the independencies that a graph claims violated less often than those of permuted names?
  They are asked of the head that the graph was learned from, and of another head, which it has not seen.
* *Polarity*: does masking a word of a reported set alone lower the prediction, or raise it?
* *Knock-out*: what the outcome pays to one word is set to zero and the rest renormalised, in one head of the
  last layer or everywhere. Words kept as neighbours of the outcome are compared with removed ones that it
  attends to equally.
"""

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..attention.residual import read_attention
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..explaining.head_graphs import paid
from .probes import bert_of, opened
from .readings import Tried, allowed_sets, between_words, graph_of
from .statistics import bootstrap_mean, log_odds

READINGS = (0.0, "norms", "values")
_PERMUTATIONS, _CALIPER, _AT_ONCE = 40, 1.25, 4


# --- informative, falsified -------------------------------------------------------------------------------


def violations(claims, test, order=None) -> int:
    """How many claims of independence a test denies, node i called ``order[i]``.

    Parameters
    ----------
    claims
        (x, y) -> separating set, as ``PAG.separating_sets``.
    """
    order = range(test.n_variables) if order is None else order
    return sum(
        not test.independent(order[x], order[y], tuple(order[z] for z in given))
        for (x, y), given in claims.items()
    )


def falsification(pag: PAG, test, rng: np.random.Generator, permutations: int = _PERMUTATIONS) -> dict:
    """The two figures of a graph: is it informative, and do permuted names fit as well?

    Returns
    -------
    dict
        ``same``: share of permutations that give the same graph (informative: at most .05).
        ``as_good``: share with at most as many violated claims (falsified: above .05).
        ``violated``, ``violated_permuted``: shares of claims.
    """
    n, claims = len(pag), dict(pag.separating_sets)
    orders = [rng.permutation(n) for _ in range(permutations)]
    own = violations(claims, test)
    others = np.array([violations(claims, test, order.tolist()) for order in orders])
    same = [np.array_equal(pag.marks[np.ix_(order, order)], pag.marks) for order in orders]
    return {
        "same": float(np.mean(same)),
        "as_good": float(np.mean(others <= own)),
        "violated": own / max(1, len(claims)),
        "violated_permuted": float(others.mean()) / max(1, len(claims)),
    }


# --- knock-out --------------------------------------------------------------------------------------------


@contextmanager
def without_attention(network, layers: Iterable[int], blocked):
    """Within this context, a BERT-like network's attention is zero at some pairs, the rest renormalised.

    Parameters
    ----------
    layers
        In which layers.
    blocked
        (rows, heads or 1, n, n) bool: what is zero in each row of the batch.
    """
    import torch

    wall = torch.zeros(np.shape(blocked)).masked_fill(torch.as_tensor(np.asarray(blocked)), -torch.inf)

    def add(module, arguments, options):
        mask = options.get("attention_mask")
        return arguments, options | {"attention_mask": wall if mask is None else mask + wall}

    chosen = [network.base_model.encoder.layer[layer].attention.self for layer in layers]
    hooks = [module.register_forward_pre_hook(add, with_kwargs=True) for module in chosen]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def knocked_out(model, encoded, blocked, layers: Sequence[int]) -> np.ndarray:
    """Change of the outcome's log-odds, in absolute value, for each pattern of blocked attention.

    Parameters
    ----------
    blocked
        (patterns, heads or 1, n, n) bool.
    """
    network = bert_of(model)
    found = []
    for start in range(0, len(blocked), _AT_ONCE):  # few rows at once run as one batch, one pattern a row
        part = blocked[start : start + _AT_ONCE]
        with without_attention(network, layers, part):
            found += model.predict(encoded, [()] * len(part))[:, encoded.target].tolist()
    whole = model.predict(encoded, [()])[0, encoded.target]
    return np.abs(log_odds(found) - log_odds(whole))


def matched(kept, attention, effect) -> dict | None:
    """Effects of kept pairs and of removed pairs that get about as much attention (within a quarter).

    Parameters
    ----------
    kept, attention, effect
        Of each pair (outcome, word): was its edge kept, what does the outcome pay, what does its loss do.

    Returns
    -------
    dict or None
        ``kept``, ``removed``: mean effects of the matched pairs; ``attention_kept``, ``attention_removed``:
        their attention; ``pairs``. None without a match.

    Examples
    --------
    >>> matched([True, False, False], [0.5, 0.45, 0.01], [2.0, 1.0, 0.0])["removed"]
    1.0
    """
    kept, attention, effect = np.asarray(kept), np.asarray(attention), np.asarray(effect)
    removed, found = np.flatnonzero(~kept), []
    for pair in np.flatnonzero(kept):
        if len(removed):
            ratio = np.abs(np.log((attention[removed] + 1e-9) / (attention[pair] + 1e-9)))
            if ratio.min() <= np.log(_CALIPER):
                found.append((pair, removed[ratio.argmin()]))
    if not found:
        return None
    ours, theirs = np.array(found).T
    means = {"kept": effect[ours], "removed": effect[theirs]}
    means |= {"attention_kept": attention[ours], "attention_removed": attention[theirs]}
    return {name: float(values.mean()) for name, values in means.items()} | {"pairs": len(found)}


# --- one input, many inputs ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Climber:
    """Every rung of an input under every reading: the worker of `probe`."""

    task: ClassVar = "rungs"
    model: str
    alpha: float = 0.01
    readings: tuple = READINGS

    def __call__(self, item: dict) -> dict:
        model, encoded = opened(self.model, item)
        attention, rng = model.attention(encoded), np.random.default_rng((0, item["input"]))
        tried, lines = Tried.of(model, encoded, attention), []
        words = [list(encoded.tokens[u]) for u in tried.units]
        weight = paid(attention, encoded)[:, list(tried.units)]
        in_head, everywhere = self._effects(model, encoded, words, attention.shape)
        mixing = None if encoded.mixing is None else encoded.mixing()
        for reading in self.readings:
            correlations = between_words(encoded, read_attention(attention, reading, mixing), tried.units)
            tests = [PartialCorrelation(c, model.hidden_size, alpha=self.alpha) for c in correlations]
            pags = [graph_of(test) for test in tests]
            kept = np.array([pag.marks[-1, :-1] != 0 for pag in pags])
            line = {"reading": str(reading)}
            line |= _prefixed("own head", falsification(pags[0], tests[0], rng))
            if len(pags) > 1:
                line |= _prefixed("other head", falsification(pags[0], tests[1], rng))
            line |= _prefixed("head", matched(kept.ravel(), weight.ravel(), in_head.ravel()))
            line |= _prefixed("everywhere", matched(kept.any(axis=0), weight.mean(axis=0), everywhere))
            lines.append(line | self._polarity(pags, tried))
        return {"input": item["input"], "lines": lines}

    @staticmethod
    def _effects(model, encoded, words, shape):
        """Effect of each knock-out: (heads, words) in one head of the last layer, (words,) everywhere."""
        (heads, n, _), outcome = shape, list(encoded.outcome_tokens)
        depth = len(bert_of(model).base_model.encoder.layer)
        one_head = np.zeros((heads * len(words), heads, n, n), dtype=bool)
        every = np.zeros((len(words), 1, n, n), dtype=bool)
        for i, places in enumerate(words):
            where = np.ix_(outcome, places)
            every[i, 0][where] = True
            for head in range(heads):
                one_head[head * len(words) + i, head][where] = True
        last = knocked_out(model, encoded, one_head, [depth - 1]).reshape(heads, -1)
        return last, knocked_out(model, encoded, every, range(depth))

    @staticmethod
    def _polarity(pags, tried):
        """Words of the first working sets: shares that lower, and raise, the outcome when masked alone."""
        allowed = [
            np.any(part, axis=0)
            for part in zip(*(allowed_sets(p, tried)["legal"] for p in pags), strict=True)
        ]
        for chosen, flips, members in zip(allowed, tried.flips, tried.members, strict=True):
            if (chosen & flips).any():
                effects = tried.effects[members[chosen & flips]]
                return {"lowers": float((effects > 0).mean()), "raises": float((effects < 0).mean())}
        return {}


def _prefixed(name, figures):
    return {f"{name}: {key}": value for key, value in (figures or {}).items()}


def summary(records: Sequence[dict]) -> list[dict]:
    """A line a reading and figure: mean over inputs, the ends of its 95 % bootstrap interval, and inputs.

    ``head: more`` and ``everywhere: more`` are kept less removed, pair by pair.
    """
    lines = []
    for place, first in enumerate(records[0]["lines"]):
        values: dict = {}
        for record in records:
            line = dict(record["lines"][place])
            for where in ("head", "everywhere"):
                if f"{where}: kept" in line:
                    line[f"{where}: more"] = line[f"{where}: kept"] - line[f"{where}: removed"]
            for figure, value in line.items():
                values.setdefault(figure, []).append(value)
        for figure, known in values.items():
            if figure != "reading":
                mean = bootstrap_mean(known)
                ends = {"mean": mean.estimate, "low": mean.low, "high": mean.high}
                line = {"reading": first["reading"], "figure": figure, "n": mean.n}
                lines.append(line | {k: round(float(v), 4) for k, v in ends.items()})
    return lines


def told(records: Sequence[dict]) -> str:
    """The figures as lines of text."""
    return "\n".join(
        f"{x['reading']:8} {x['figure']:32} {x['mean']:.3f} [{x['low']:.3f}, {x['high']:.3f}], n {x['n']}"
        for x in summary(records)
    )
