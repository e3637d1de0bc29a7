"""A second, independent implementation of an evaluation's rows gives the same figures, input by input.

It knows the pocket model by transformers alone, sets by enumerating all of them, and PDS-paths by walking
them one by one. Only the graph of one correlation matrix is learned by the package, whose graphs have oracles
of their own.
"""

import re
from itertools import combinations
from math import comb

import numpy as np
import pytest

import cleann_lite as cl
from cleann_lite.attention.words import is_content_word

ROWS = ("cleann", "cleann-causes", "attention-at-equal-sizes", "random-at-equal-sizes", "exhaustive")
LARGEST = 3
N = 12
ARROW = 2
WORD = r"\w+(?:[-'’]\w+)*|([^\w\s])\1*"


def sentences(n):
    """Sentences of the shipped reviews, short enough to be enumerated."""
    text = " ".join(review["text"].replace("<br />", " ") for review in cl.load_reviews())
    found = [s.strip() for s in re.split(r"(?<=[.!?])\s+", text)]
    return list(dict.fromkeys(s for s in found if 5 <= len(s.split()) <= 16 and s.isascii()))[:n]


class Second:
    """One sentence, read by transformers alone."""

    def __init__(self, network, tokenizer, text):
        import torch

        self.torch, self.network, self.mask = torch, network, tokenizer.mask_token_id
        coded = tokenizer(text, return_offsets_mapping=True)
        self.ids, spans = np.array(coded["input_ids"]), coded["offset_mapping"]
        words = [m.span() for m in re.finditer(WORD, text)]
        pieces = [[t for t, (a, b) in enumerate(spans) if a < end and b > start] for start, end in words]
        self.words = [text[a:b] for a, b in words]
        self.pieces = [p for p in pieces if p]
        with torch.no_grad():
            out = network(torch.tensor(self.ids[None]), output_attentions=True)
        self.attention = out.attentions[-1][0].double().numpy()
        self.said = int(out.logits[0].argmax())
        self.nodes = [w for w, word in enumerate(self.words) if is_content_word(word)] or list(
            range(len(self.words))
        )

    def flips(self, sets):
        """Which of some sets of words change the class when they are masked."""
        rows = np.tile(self.ids, (len(sets), 1))
        for row, words in zip(rows, sets, strict=True):
            for w in words:
                row[self.pieces[w]] = self.mask
        with self.torch.no_grad():
            logits = self.network(self.torch.tensor(rows)).logits
        return [s for s, row in zip(sets, logits, strict=True) if int(row.argmax()) != self.said]

    def graphs(self):
        """A PAG per head over the nodes and [CLS], from words' attention: columns added, rows averaged."""
        owner = {t: w for w, tokens in enumerate(self.pieces) for t in tokens}
        groups = [[0], *self.pieces, *([t] for t in range(1, len(self.ids)) if t not in owner)]
        for attention in self.attention:
            merged = np.array([[attention[np.ix_(a, b)].sum(1).mean() for b in groups] for a in groups])
            merged /= merged.sum(1, keepdims=True)
            inner = merged @ merged.T
            length = np.sqrt(inner.diagonal())
            kept = [w + 1 for w in self.nodes] + [0]
            test = cl.PartialCorrelation(
                inner / np.outer(length, length), self.network.config.hidden_size, alpha=0.01
            )
            yield cl.learn_pag(test, nodes=kept, tiers=[kept[:-1], [0]])


def reached(marks, inside):
    """Nodes of ``inside`` with a PDS-path from the last node inside it, by walking every path."""
    root, found, waiting = len(marks) - 1, set(), []
    for node in inside:
        if marks[root, node]:
            waiting.append((root, node))
    while waiting:
        path = waiting.pop()
        found.add(path[-1])
        before, at = path[-2:]
        for onward in set(inside) - set(path):
            triangle = marks[before, onward] and marks[at, onward]
            collider = marks[before, at] == ARROW and marks[onward, at] == ARROW
            if marks[at, onward] and (triangle or collider):
                waiting.append((*path, onward))
    return found


def causes(marks):
    """Nodes from which a possibly directed path leads to the last node."""
    found, grows = {len(marks) - 1}, True
    while grows:
        more = {
            u
            for u in range(len(marks))
            for v in found
            if marks[u, v] and marks[v, u] != ARROW and marks[u, v] != 3 and u not in found
        }
        found |= more
        grows = bool(more)
    return found - {len(marks) - 1}


def legal_sets(second, only_causes=False):
    """Per size: the sets that some head's graph allows."""
    graphs = [pag.marks for pag in second.graphs()]
    sizes = []
    for size in range(1, LARGEST + 1):
        allowed = set()
        for marks in graphs:
            pool = sorted(causes(marks)) if only_causes else range(len(second.nodes))
            allowed |= {s for s in combinations(pool, size) if reached(marks, s) == set(s)}
        sizes.append([tuple(second.nodes[i] for i in s) for s in sorted(allowed)])
    return sizes


def first_size(second, sizes):
    """Success and counted size of trying sets size by size."""
    for size, sets in enumerate(sizes, 1):
        if sets and second.flips(sets):
            return True, size
    return False, LARGEST + 1


def by_attention(second, counts):
    """As many sets of each size, those with the largest sum of [CLS]'s attention, mean over heads."""
    row = second.attention.mean(0)[0]
    score = {w: row[second.pieces[w]].sum() for w in second.nodes}
    for size, count in enumerate(counts, 1):
        every = sorted(combinations(second.nodes, size), key=lambda s: -sum(score[w] for w in s))
        yield every[:count]


def expected_by_chance(second, counts):
    """Mean counted size of random sets, as many of each size: exact, by the hypergeometric distribution."""
    left, mean = 1.0, 0.0
    for size, count in enumerate(counts, 1):
        every = list(combinations(second.nodes, size))
        misses = len(every) - len(second.flips(every)) if every else 0
        none = comb(misses, count) / comb(len(every), count)
        mean, left = mean + left * (1 - none) * size, left * none
    return mean + left * (LARGEST + 1)


@pytest.mark.slow
def test_success_and_counted_size_twice():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    texts = sentences(N)
    assert len(texts) == N
    run = cl.evaluate("sentiment", N, data=texts, methods=ROWS, max_size=LARGEST)
    folder = cl.data_path("models", "pocket-sentiment")
    load = transformers.AutoModelForSequenceClassification.from_pretrained
    network = load(folder, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    failures, chance = 0, []
    for i, record in enumerate(run.records):
        second = Second(network, tokenizer, texts[record["row"]])
        assert (record["units"], record["nodes"]) == (len(second.words), len(second.nodes))
        legal = legal_sets(second)
        counts = [len(sets) for sets in legal]
        expected = {
            "cleann": first_size(second, legal),
            "cleann-causes": first_size(second, legal_sets(second, only_causes=True)),
            "attention-at-equal-sizes": first_size(second, by_attention(second, counts)),
            "exhaustive": first_size(
                second, [list(combinations(second.nodes, size)) for size in range(1, LARGEST + 1)]
            ),
        }
        for name, (success, counted) in expected.items():
            told = run.values(name, "success")[i], run.values(name, "counted_size")[i]
            assert told == (success, counted), (name, texts[record["row"]])
        chance.append(
            expected_by_chance(second, counts) - run.values("random-at-equal-sizes", "counted_size")[i]
        )
        failures += not expected["cleann"][0]
    assert 0 < failures < N  # both kinds were seen
    assert np.abs(np.mean(chance)) < 4 * np.std(chance) / np.sqrt(N) + 1e-9 and np.std(chance) < 0.2
