"""Sanity check by randomised weights: does what the graph says depend on what the model has learned?

Layer by layer from the top, the weights of a network are shuffled: each tensor keeps its numbers, at other
places. Graphs are learned from the attention of that network; sets are judged by the trained one. If edges,
sets and success hardly change, they did not come from what was learned (Adebayo, Gilmer, Muelly, Goodfellow,
Hardt, Kim. Sanity Checks for Saliency Maps. NeurIPS 2018, cascading randomisation).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..attention.residual import read_attention
from ..causal.independence import PartialCorrelation
from ..explaining.baselines import attention_scores
from .inputs import load
from .probes import bert_of, opened
from .readings import FAILURE, Tried, allowed_sets, between_words, counted, graph_of, random_counted
from .statistics import bootstrap_mean, flat

READINGS = (0.0, "norms", "values")
FIGURES = (
    "edges", "edges_chance", "sets", "sets_chance", "success", "success_random", "size", "size_random", "row",
)  # fmt: skip
_PERMUTATIONS = 10


def stages(network) -> list[str]:
    """What is shuffled one after the other: nothing, the layers from the top, the embeddings."""
    count = len(network.base_model.encoder.layer)
    return ["trained", *(f"layer {i}" for i in range(count, 0, -1)), "embeddings"]


def shuffled(network, stage: int, seed: int = 0):
    """A copy of a BERT-like network, shuffled up to a stage of `stages`, from the top."""
    import torch

    copied = copy.deepcopy(network)
    parts = [*reversed(copied.base_model.encoder.layer), copied.base_model.embeddings][:stage]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in parts:
            for weights in part.parameters():
                order = torch.randperm(weights.numel(), generator=generator)
                weights.copy_(weights.flatten()[order].reshape(weights.shape))
    return copied


def overlap(first, second) -> float:
    """|A ∩ B| / |A ∪ B| of two boolean arrays; 1 where both are empty.

    Examples
    --------
    >>> overlap([True, True, False], [True, False, False])
    0.5
    """
    first, second = np.asarray(first), np.asarray(second)
    either = (first | second).sum()
    return float((first & second).sum() / either) if either else 1.0


@lru_cache(maxsize=16)
def _randomised(name, stage, seed):
    """A model of `load` whose network is shuffled up to a stage."""
    model = copy.copy(load(name))
    if model.task == "recommendation":
        model.network = shuffled(model.network, stage, seed)
    else:
        model.model = shuffled(model.model, stage, seed)
    return model


@dataclass(frozen=True)
class Randomiser:
    """Every stage of the shuffling under every reading, for one input: the worker of `probe`."""

    task: ClassVar = "randomised"
    model: str
    alpha: float = 0.01
    readings: tuple = READINGS
    seed: int = 0

    def __call__(self, item: dict) -> dict:
        trained, encoded = opened(self.model, item)
        extra = {"seen": item["seen"]} if trained.task == "recommendation" else {}
        tried = Tried.of(trained, encoded, trained.attention(encoded))
        rng = np.random.default_rng((self.seed, item["input"]))
        orders = [rng.permutation(len(tried.units)) for _ in range(_PERMUTATIONS)]
        row, lines = attention_scores(trained, encoded), []
        truth: dict[float | str, tuple[np.ndarray, np.ndarray]] = {}
        names = stages(bert_of(trained))
        for stage, name in enumerate(names):
            model = _randomised(self.model, stage, self.seed)
            own = model.encode(item["content"], target=encoded.outcome, **extra)
            same_row = _rank_correlation(attention_scores(model, own), row, tried.units)
            for reading in self.readings:
                read = read_attention(model.attention(own), reading, own.mixing())
                correlations, n_samples = between_words(own, read, tried.units), trained.hidden_size
                tests = [PartialCorrelation(c, n_samples, alpha=self.alpha) for c in correlations]
                graphs = [graph_of(test) for test in tests]
                allowed = np.any([np.concatenate(allowed_sets(g, tried)["legal"]) for g in graphs], axis=0)
                edges = np.array([g.marks != 0 for g in graphs])
                before = truth.setdefault(reading, (edges, allowed))
                lines.append(
                    {"stage": name, "reading": str(reading), "row": same_row}
                    | self._compared(edges, allowed, before, tried, orders)
                )
        return {"input": item["input"], "lines": lines}

    @staticmethod
    def _compared(edges, allowed, before, tried, orders):
        """Overlap with the trained model's graph and sets, and what names at random would have."""
        k, (their_edges, their_sets) = edges.shape[1] - 1, before
        upper = np.triu_indices(k + 1, 1)
        splits = np.cumsum([len(s) for s in tried.sets])[:-1]
        by_size = np.split(allowed, splits)
        permuted_edges, permuted_sets = [], []
        for order in orders:
            place = np.array([*order, k])
            permuted_edges += [
                overlap(e[np.ix_(place, place)][upper], t[upper])
                for e, t in zip(edges, their_edges, strict=True)
            ]
            places = tried.renamed(order.tolist())
            renamed = [part[where] for part, where in zip(by_size, places, strict=True)]
            permuted_sets.append(overlap(np.concatenate(renamed), their_sets))
        size = counted(by_size, tried.flips)
        random_size, random_success = random_counted([int(p.sum()) for p in by_size], tried.flips)
        same = [overlap(e[upper], t[upper]) for e, t in zip(edges, their_edges, strict=True)]
        return {
            "edges": float(np.mean(same)), "edges_chance": float(np.mean(permuted_edges)),
            "sets": overlap(allowed, their_sets), "sets_chance": float(np.mean(permuted_sets)),
            "success": float(size < FAILURE), "success_random": random_success,
            "size": float(size), "size_random": random_size,
        }  # fmt: skip


def _rank_correlation(first, second, units):
    """Spearman's correlation of two rows over some units; 0 where one has no spread."""
    one, other = (np.argsort(np.argsort(np.asarray(v)[list(units)])) for v in (first, second))
    return float(np.corrcoef(one, other)[0, 1]) if len(units) > 1 else 0.0


def summary(records: Sequence[dict]) -> list[dict]:
    """Means over inputs with the ends of their 95 % bootstrap interval, a line a stage and reading."""
    lines = []
    for place, first in enumerate(records[0]["lines"]):
        line = {"stage": first["stage"], "reading": first["reading"], "n": len(records)}
        for figure in FIGURES:
            line[figure] = bootstrap_mean([record["lines"][place][figure] for record in records])
        lines.append(flat(line, 3))
    return lines


def told(records: Sequence[dict]) -> str:
    """A line a stage and reading: overlaps with the trained model's graphs beside chance, and success."""
    lines = []
    for line in summary(records):
        overlaps = ", ".join(
            f"{k} {line[k]:.2f} (chance {line[f'{k}_chance']:.2f})" for k in ("edges", "sets")
        )
        success = f"success {line['success']:.2f} (random {line['success_random']:.2f})"
        lines.append(f"{line['stage']:12} residual {line['reading']:8} {overlaps}, {success}")
    return "\n".join(lines)
