"""Readers of a model whose truth was planted: which words do they name, and which set do they report?

Each reader scores the words of a sentence. What it is worth is the probability that a word that the rule
looks at gets a higher score than another word (AUC, ties count half), and whether the first set that it
reports is one of the smallest of the rule. Readers of the graph and of the attention have one score for each
reading of the residual connection (`cleann_lite.attention.residual`); leave-one-out and gradients ask the
model itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch

from ..attention.residual import read_attention
from ..attention.sem import attention_correlation
from ..causal.graphs import PAG
from ..causal.independence import PartialCorrelation
from ..causal.nodes import checked_count
from ..causal.pds import pds_sets
from ..datasets.files import write_rows
from ..models.mixing import how_it_mixes
from .parallel import run_kept
from .planted import LENGTH, RULES, Planted, examples, interchange_accuracy, masked, train, with_cls
from .readings import READINGS, graph_of
from .statistics import log_odds

OF_GRAPH = ("edge", "possible cause", "correlation", "partial correlation", "attention row")
OF_MODEL = ("gradient", "leave-one-out")
ALPHA, MAX_SIZE = 0.01, 3
_NODES = [*range(1, LENGTH + 1), 0]  # the words, and last the outcome, which is read from [CLS]


@dataclass(frozen=True)
class Sentence:
    """One sentence under examination, every set of up to three words masked once.

    Attributes
    ----------
    tokens
        (words,).
    probability
        Set of places -> probability that the rule holds with it masked; () for the sentence itself.
    """

    tokens: np.ndarray
    probability: dict[tuple[int, ...], float]

    @classmethod
    def of(cls, planted: Planted, tokens) -> "Sentence":
        sets = [s for size in range(MAX_SIZE + 1) for s in combinations(range(LENGTH), size)]
        found = planted.probability(masked(tokens, sets))
        return cls(np.asarray(tokens), dict(zip(sets, found.tolist(), strict=True)))

    def flips(self, places) -> bool:
        """Whether the network says no with these places masked."""
        return self.probability[tuple(sorted(places))] <= 0.5


def graphs(attention, alpha=ALPHA, n_samples=64) -> tuple[list[PAG], np.ndarray]:
    """One PAG a head over the words and, last, the outcome, which causes no word; and the correlations.

    Parameters
    ----------
    attention
        (heads, words + 1, words + 1), the outcome's row first.
    """
    correlations = np.array([attention_correlation(head) for head in attention])[:, _NODES][:, :, _NODES]
    tests = [PartialCorrelation(correlation, n_samples, alpha=alpha) for correlation in correlations]
    return [graph_of(test) for test in tests], correlations


def full_partial_correlation(correlation) -> np.ndarray:
    """Correlation of each variable with the last, given all others: (variables − 1,)."""
    precision = np.linalg.pinv(correlation, hermitian=True)
    scale = np.sqrt(np.abs(precision[-1, -1] * np.diag(precision)[:-1]))
    return np.divide(-precision[-1, :-1], scale, out=np.zeros(len(scale)), where=scale > 0)


def scores_of_graph(attention, pags, correlations) -> dict[str, np.ndarray]:
    """Score of each word, summed over heads, by reader."""
    return {
        "edge": sum((pag.marks[-1, :-1] != 0).astype(float) for pag in pags),
        "possible cause": sum(pag.possible_ancestors[:-1, -1].astype(float) for pag in pags),
        "correlation": np.abs(correlations[:, -1, :-1]).sum(axis=0),
        "partial correlation": sum(np.abs(full_partial_correlation(c)) for c in correlations),
        "attention row": attention[:, 0, 1:].sum(axis=0),
    }


def scores_of_model(planted: Planted, sentence: Sentence) -> dict[str, np.ndarray]:
    """Score of each word by asking the model: size of gradient x input, and of the change by masking it."""
    rows = with_cls(sentence.tokens[None])
    embedded = planted.network.get_input_embeddings()(rows).detach().requires_grad_()
    logit = planted.network(inputs_embeds=embedded).logits[0, 0]
    gradient = torch.autograd.grad(logit, embedded)[0]
    alone = np.array([sentence.probability[(place,)] for place in range(LENGTH)])
    return {
        "gradient": (gradient * embedded).sum(-1)[0, 1:].detach().abs().double().numpy(),
        "leave-one-out": np.abs(log_odds(sentence.probability[()]) - log_odds(alone)),
    }


def auc(scores, true) -> float:
    """Probability that a true one scores higher than another, ties half; NaN if there is only one kind.

    Examples
    --------
    >>> auc([3, 1, 1, 0], [True, True, False, False])
    0.875
    """
    scores, true = np.asarray(scores, dtype=float), np.asarray(true, dtype=bool)
    if true.all() or not true.any():
        return float("nan")
    higher = scores[true][:, None] - scores[~true][None]
    return float(((higher > 1e-9) + 0.5 * (np.abs(higher) <= 1e-9)).mean())


def first_of_graph(pags, sentence: Sentence, order=None) -> tuple[int, ...] | None:
    """The set that CLEANN reports: sizes 1, 2, 3, legal sets by distance over all heads; None without one.

    Parameters
    ----------
    order
        (words,) which word each node is called: a permutation is the graph with its names exchanged.
    """
    order = np.arange(LENGTH) if order is None else order
    for size in range(1, MAX_SIZE + 1):
        nearest: dict = {}
        for pag in pags:
            for members, distance in pds_sets(pag.marks, LENGTH, size):
                named = tuple(sorted(order[list(members)].tolist()))
                nearest[named] = min(distance, nearest.get(named, distance))
        working = [(distance, named) for named, distance in nearest.items() if sentence.flips(named)]
        if working:
            return min(working)[1]
    return None


def first_of_ranking(scores, sentence: Sentence) -> tuple[int, ...] | None:
    """The first word by falling score, the first two, three: what changes the answer; None without one."""
    ranked = np.argsort(-np.asarray(scores), kind="stable")[:MAX_SIZE].tolist()
    tried = (tuple(sorted(ranked[:size])) for size in range(1, MAX_SIZE + 1))
    return next((places for places in tried if sentence.flips(places)), None)


def examine(planted: Planted, rng: np.random.Generator, n: int = 24, permutations: int = 5) -> list[dict]:
    """Every reader under every reading on ``n`` sentences: a line each with means over sentences.

    Returns
    -------
    list of dict
        ``reading``, ``reader``, ``auc`` (words of the rule against the others), ``decoy`` (against the decoy
        alone; None without one), ``found`` (a set was reported), ``exact`` (one of the rule's smallest) and
        ``permuted`` (exact with the names of the graph exchanged, for the graph's set only).
    """
    values: dict = {}
    for tokens in examples(planted.rule, rng, n):
        sentence, sets = Sentence.of(planted, tokens), planted.rule.smallest_sets(tokens)
        judge = partial(_judged, planted.rule, sentence, sets)
        for reader, scores in scores_of_model(planted, sentence).items():
            values.setdefault(("", reader), []).append(judge(scores, first_of_ranking(scores, sentence)))
        mixes = how_it_mixes(planted.network, input_ids=with_cls(tokens[None]))
        assert mixes is not None  # a BERT can say
        mixing = mixes()
        for reading in READINGS:
            attention = read_attention(mixing[-1].attention, reading, mixing)
            pags, correlations = graphs(attention)
            first = first_of_graph(pags, sentence)
            others = [
                first_of_graph(pags, sentence, rng.permutation(LENGTH)) in sets for _ in range(permutations)
            ]
            for reader, scores in scores_of_graph(attention, pags, correlations).items():
                chosen = first if reader == "edge" else first_of_ranking(scores, sentence)
                more = {"permuted": float(np.mean(others))} if reader == "edge" else {}
                values.setdefault((str(reading), reader), []).append(judge(scores, chosen) | more)
    return [
        {"reading": reading, "reader": reader} | {k: _mean([line.get(k) for line in lines]) for k in lines[0]}
        for (reading, reader), lines in values.items()
    ]


def _judged(rule, sentence, sets, scores, chosen):
    causes = rule.causes(sentence.tokens)
    kept = causes | (sentence.tokens == rule.decoy)
    return {
        "auc": auc(scores, causes),
        "decoy": auc(np.asarray(scores)[kept], causes[kept]),
        "found": float(chosen is not None),
        "exact": float(chosen in sets),
    }


def _mean(values):
    """Mean of the known values; None if there are none."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else None


# --- many networks ---------------------------------------------------------------------------------------

FIGURES = ("auc", "decoy", "found", "exact", "permuted")
OF_NETWORK = ("rule", "layers", "seed", "steps", "accuracy", "interchange", "interchange_top")


def run_one(item: dict) -> dict:
    """Train one network and examine it: its own figures (``OF_NETWORK``), and ``lines`` of `examine`.

    Parameters
    ----------
    item
        ``rule``, ``layers``, ``seed``, ``sentences``, and the number ``input`` of a journal.
    """
    torch.set_num_threads(1)
    rule, layers, seed = item["rule"], item["layers"], item["seed"]
    planted = train(RULES[rule], layers, seed)
    rng = np.random.default_rng((seed, layers, list(RULES).index(rule)))
    used = interchange_accuracy(planted, rng)
    at_top = interchange_accuracy(planted, rng, layers - 1)
    return {
        "input": item["input"], "rule": rule, "layers": layers, "seed": seed, "steps": planted.steps,
        "accuracy": planted.accuracy, "interchange": min(used.values()),
        "interchange_top": min(at_top["one"], at_top["all"]),
        "lines": examine(planted, rng, item["sentences"]),
    }  # fmt: skip


def plant(
    rules: Iterable[str] = tuple(RULES),
    layers: Iterable[int] = (1, 2, 3),
    seeds: int = 5,
    sentences: int = 24,
    *,
    out: str | Path | None = None,
    **how,
) -> list[dict]:
    """Plant every rule in networks of several depths and seeds, and examine every reader of each.

    Parameters
    ----------
    rules, layers, seeds
        Names in ``RULES``, depths, and the number of seeds.
    sentences
        On which the readers of each network are judged.
    out
        Folder of the journal (a run that was killed goes on from it), ``planted.csv`` and
        ``planted_networks.csv``; None keeps nothing.
    **how
        workers, cluster, progress: as for ``evaluate``.

    Returns
    -------
    list of dict
        As `run_one` returns, one a network.

    Raises
    ------
    ValueError
        An unknown rule, or a number that is too small.
    """
    rules, layers = list(rules), list(layers)
    for rule in rules:
        if rule not in RULES:
            raise ValueError(f"a rule must be one of {', '.join(RULES)}: got {rule!r}")
    for name, value in (("layers", min(layers, default=0)), ("seeds", seeds), ("sentences", sentences)):
        checked_count(name, value)
    every = product(range(seeds), layers, rules)
    items = [
        {"input": i, "rule": rule, "layers": depth, "seed": seed, "sentences": sentences}
        for i, (seed, depth, rule) in enumerate(every)
    ]
    settings = {"rules": rules, "layers": layers, "seeds": seeds, "sentences": sentences}
    records = run_kept("planted", run_one, items, settings, out, **how)
    if out is not None:
        write(Path(out), records)
    return records


def summary(records: Iterable[dict]) -> list[dict]:
    """Means over seeds: a line for each rule, depth, reading and reader, ``networks`` counted."""
    groups: dict = {}
    for record in records:
        for line in record["lines"]:
            key = (record["rule"], record["layers"], line["reading"], line["reader"])
            groups.setdefault(key, []).append(line)
    names = ("rule", "layers", "reading", "reader")
    return [
        dict(zip(names, key, strict=True))
        | {"networks": len(lines)}
        | {figure: _rounded(_mean([line.get(figure) for line in lines])) for figure in FIGURES}
        for key, lines in sorted(groups.items())
    ]


def told(records: Sequence[dict]) -> str:
    """AUC of the words of the rule, mean over rules and seeds, a row a reader and a column a depth."""
    lines = summary(records)
    depths = sorted({line["layers"] for line in lines})
    rows = [f"{'AUC of the words of the rule, layers':38}" + "".join(f"{depth:>7}" for depth in depths)]
    for reading, reader in dict.fromkeys((line["reading"], line["reader"]) for line in lines):
        means = []
        for depth in depths:
            here = (depth, reading, reader)
            chosen = [x["auc"] for x in lines if (x["layers"], x["reading"], x["reader"]) == here]
            means.append(f"{np.mean(chosen):7.2f}")
        name = f"{reader}, residual {reading}" if reading else reader
        rows.append(f"{name:38}" + "".join(means))
    return "\n".join(rows)


def _rounded(value):
    return None if value is None else round(value, 3)


def write(folder: Path, records: Sequence[dict]) -> None:
    """``planted.csv``, means over seeds, and ``planted_networks.csv``, a line a network."""
    networks = [{name: record[name] for name in OF_NETWORK} for record in records]
    networks.sort(key=lambda line: tuple(line[name] for name in OF_NETWORK[:3]))
    for name, lines in (("planted.csv", summary(records)), ("planted_networks.csv", networks)):
        write_rows(folder / name, lines)
