"""Planted mechanisms: small Transformers trained on rules whose cause words are known.

A sentence has twelve words: fillers, and words that a rule reads. A network (BERT: residual connections and
layer norms, four heads of 16) learns whether the rule holds, some words being [MASK] in training, so that a
masked word is an absent one. Which words made the network say yes is then known, if it uses the rule. That is
asked by *interchange interventions* (Geiger, Lu, Icard, Potts. Causal Abstractions of Neural Networks.
NeurIPS 2021): hidden states at some places are taken from a pass over another sentence, and the network must
say what the rule says of the sentence with those words. At the input of the lowest layer this asks whether
the rule is used; at the input of the highest, whether its words are still where they were read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

LENGTH, CLS, MASK, FIRST_WORD, FILLERS = 12, 1, 2, 3, 40
A, B, C, D = range(FIRST_WORD, FIRST_WORD + 4)
_FIRST_FILLER = FIRST_WORD + 4
VOCABULARY = _FIRST_FILLER + FILLERS
_MASKED, _BATCH, _CHECK_EVERY, _LEAST = 0.1, 128, 50, 200


@dataclass(frozen=True)
class Rule:
    """What a network is to learn, and which words make it true.

    Attributes
    ----------
    about
        The rule in words.
    holds
        (sentences, words) tokens -> (sentences,) bool; a masked word is an absent one.
    draw
        (generator, sentences) -> tokens.
    reads
        The words that the rule looks at.
    examined
        tokens -> bool: the sentences on which readers are judged; the rule holds in each.
    decoy
        A word that the rule does not look at though the network attends to it, or None.
    aside
        A second question that the network learns beside the rule; None: none.
    """

    about: str
    holds: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.random.Generator, int], np.ndarray]
    reads: tuple[int, ...]
    examined: Callable[[np.ndarray], np.ndarray]
    decoy: int | None = None
    aside: Callable[[np.ndarray], np.ndarray] | None = None

    def causes(self, tokens) -> np.ndarray:
        """(…, words) bool: the places of the words that the rule looks at."""
        return np.isin(tokens, self.reads)

    def smallest_sets(self, tokens) -> list[tuple[int, ...]]:
        """The smallest sets of places of one sentence that make the rule false when masked, by trying all."""
        places = np.flatnonzero(self.causes(tokens))
        for size in range(1, len(places) + 1):
            sets = list(combinations(places.tolist(), size))
            if found := [
                s for s, m in zip(sets, masked(tokens, sets), strict=True) if not self.holds(m[None])[0]
            ]:
                return found
        return []


def masked(tokens, sets) -> np.ndarray:
    """(sets, words): one sentence with each set of places masked."""
    rows = np.repeat(np.asarray(tokens)[None], len(sets), axis=0)
    for row, places in zip(rows, sets, strict=True):
        row[list(places)] = MASK
    return rows


def _has(tokens, word):
    return (tokens == word).any(axis=1)


def _count(tokens, *words):
    return np.isin(tokens, words).sum(axis=1)


def _fillers(rng, n):
    return rng.integers(_FIRST_FILLER, VOCABULARY, (n, LENGTH))


def _scatter(rng, tokens, words):
    """Each of some columns of words (0: none) at a different place, at random."""
    places = rng.permuted(np.tile(np.arange(LENGTH), (len(tokens), 1)), axis=1)
    for i, column in enumerate(words):
        rows = np.flatnonzero(column)
        tokens[rows, places[rows, i]] = np.asarray(column)[rows]
    return tokens


def _each_with(**chances):
    words = {"a": A, "b": B, "c": C, "d": D}

    def draw(rng, n):
        columns = [np.where(rng.random(n) < p, words[w], 0) for w, p in chances.items()]
        return _scatter(rng, _fillers(rng, n), columns)

    return draw


def _draw_majority(rng, n):
    columns = []
    for words in ((A, B), (C, D)):
        count = rng.integers(0, 4, n)
        columns += [np.where(i < count, rng.choice(words, n), 0) for i in range(3)]
    return _scatter(rng, _fillers(rng, n), columns)


def _draw_negation(rng, n):
    cue = np.where(rng.random(n) < 0.5, A, B)
    some = rng.random(n) < 0.9
    return _scatter(rng, _fillers(rng, n), [np.where(some, cue, 0), np.where(rng.random(n) < 0.5, C, 0)])


def _draw_confounded(rng, n):
    topic = rng.random(n) < 0.5
    columns = [np.where(rng.random(n) < np.where(topic, 0.9, 0.1), word, 0) for word in (A, D)]
    return _scatter(rng, _fillers(rng, n), columns)


def _place(tokens, word):
    """First place of a word; past the end where it is absent."""
    return np.where(_has(tokens, word), (tokens == word).argmax(axis=1), LENGTH)


def _negated(tokens):
    good, bad, negation = (_has(tokens, w) for w in (A, B, C))
    return (good & ~negation) | (bad & negation)


def _in_order(tokens):
    return _has(tokens, B) & (_place(tokens, A) < _place(tokens, B))


def _more(tokens):
    return _count(tokens, A, B) > _count(tokens, C, D)


def _yes(tokens):
    return np.ones(len(tokens), dtype=bool)


RULES = {
    "one": Rule("A is there", lambda t: _has(t, A), _each_with(a=0.5), (A,), _yes),
    "together": Rule(
        "A and B are there", lambda t: _has(t, A) & _has(t, B), _each_with(a=0.7, b=0.7), (A, B), _yes
    ),
    "either": Rule(
        "A or B is there (judged where both are: both must be masked)",
        lambda t: _has(t, A) | _has(t, B),
        _each_with(a=0.4, b=0.4),
        (A, B),
        lambda t: _has(t, A) & _has(t, B),
    ),
    "majority": Rule("more of A, B than of C, D", _more, _draw_majority, (A, B, C, D), _yes),
    "negation": Rule("A, or B with a negation C", _negated, _draw_negation, (A, B, C), _yes),
    "order": Rule("A comes before B", _in_order, _each_with(a=0.85, b=0.85), (A, B), _yes),
    "decoy": Rule(
        "A is there; D, which the network attends to for another question, does not matter",
        lambda t: _has(t, A),
        _each_with(a=0.5, d=0.5),
        (A,),
        lambda t: _has(t, D),
        D,
        lambda t: _has(t, D),
    ),
    "hidden": Rule(
        "A is there; D comes with it, both from one hidden cause, and does not matter",
        lambda t: _has(t, A),
        _draw_confounded,
        (A,),
        lambda t: _has(t, D),
        D,
    ),
}


@dataclass(frozen=True)
class Planted:
    """A network that was trained on a rule.

    Attributes
    ----------
    steps
        Batches that it took.
    accuracy
        Share of fresh sentences, some words masked, of which it says what the rule says.
    """

    network: BertForSequenceClassification
    rule: Rule
    steps: int
    accuracy: float

    @torch.no_grad()
    def probability(self, tokens) -> np.ndarray:
        """That the rule holds, (sentences,) float64, from (sentences, words) tokens."""
        rows = with_cls(tokens)
        logits = [self.network(input_ids=part).logits[:, 0] for part in rows.split(2048)]
        return torch.sigmoid(torch.cat(logits).double()).numpy()

    @torch.no_grad()
    def interchanged(self, tokens, source, places, layer: int = 0) -> np.ndarray:
        """As `probability`, the hidden states at some places before a layer taken from another sentence.

        Parameters
        ----------
        tokens, source
            (sentences, words).
        places
            (sentences, words) bool: what is taken from the source.
        """
        encoder = self.network.bert.encoder.layer[layer]
        where = torch.as_tensor(np.pad(places, ((0, 0), (1, 0))))[..., None]
        seen = {}

        def keep(module, arguments):
            seen["states"] = arguments[0].clone()

        def exchange(module, arguments):
            return (torch.where(where, seen["states"], arguments[0]), *arguments[1:])

        for rows, hook in ((source, keep), (tokens, exchange)):
            handle = encoder.register_forward_pre_hook(hook)
            try:
                found = self.probability(rows)
            finally:
                handle.remove()
        return found


def with_cls(tokens) -> torch.Tensor:
    """Sentences as the network reads them: [CLS] before the words."""
    return torch.as_tensor(np.pad(np.asarray(tokens), ((0, 0), (1, 0)), constant_values=CLS))


def draw(rule: Rule, rng: np.random.Generator, n: int, share=_MASKED) -> np.ndarray:
    """Sentences of a rule, (n, words), a share of the words masked."""
    tokens = rule.draw(rng, n)
    tokens[rng.random(tokens.shape) < share] = MASK
    return tokens


def examples(rule: Rule, rng: np.random.Generator, n: int) -> np.ndarray:
    """Sentences on which readers are judged: the rule holds, nothing is masked, three words suffice."""
    kept: list = []
    while len(kept) < n:
        tokens = rule.draw(rng, 256)
        for row in tokens[rule.holds(tokens) & rule.examined(tokens)]:
            if len(rule.smallest_sets(row)[0]) <= 3:
                kept.append(row)
    return np.array(kept[:n])


def train(rule: Rule, layers: int = 1, seed: int = 0, steps: int = 2000, enough: float = 0.995) -> Planted:
    """Train a small encoder on a rule until it is right on ``enough`` of fresh sentences.

    Parameters
    ----------
    steps
        Batches of 128 at most; at least 200.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    config = BertConfig(  # type: ignore[call-arg]  # num_labels, attn_implementation: every configuration's
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=LENGTH + 1, type_vocab_size=1, num_labels=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1, pad_token_id=None,
        attn_implementation="eager",
    )  # fmt: skip
    network = BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, (i + 1) / 50))
    held_out = draw(rule, rng, 1024)
    truth, done, accuracy = rule.holds(held_out), 0, 0.0
    for done in range(1, steps + 1):
        tokens = draw(rule, rng, _BATCH)
        answers = [rule.holds(tokens)] + ([rule.aside(tokens)] if rule.aside else [])
        logits = network(input_ids=with_cls(tokens)).logits[:, : len(answers)]
        wanted = torch.as_tensor(np.stack(answers, axis=1), dtype=torch.float32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if done % _CHECK_EVERY == 0:
            accuracy = float(((Planted(network, rule, done, 0).probability(held_out) > 0.5) == truth).mean())
            if accuracy >= enough and done >= _LEAST:
                break
    return Planted(network.eval(), rule, done, accuracy)


def interchange_accuracy(planted: Planted, rng: np.random.Generator, layer: int = 0, n: int = 256) -> dict:
    """Share of interchange interventions after which the network says what the rule says.

    Returns
    -------
    dict
        "one": one word that the rule looks at is exchanged; "all": all of them; "others": other words only.
    """
    rule = planted.rule
    tokens, source = examples(rule, rng, n), draw(rule, rng, n)
    causes = rule.causes(tokens)
    either = causes | rule.causes(source)
    first = (causes * rng.random(causes.shape)).argmax(axis=1)
    places = {
        "one": np.arange(LENGTH) == first[:, None],
        "all": either,
        "others": ~either & (rng.random(causes.shape) < 0.5),
    }
    found = {}
    for name, where in places.items():
        expected = rule.holds(np.where(where, source, tokens))
        found[name] = float(((planted.interchanged(tokens, source, where, layer) > 0.5) == expected).mean())
    return found
