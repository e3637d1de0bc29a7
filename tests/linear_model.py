"""A model without a network behind the protocol: its prediction is a weighted vote of the words."""

from dataclasses import dataclass, field

import numpy as np

from cleann_lite.models.protocol import Encoded


@dataclass
class LinearModel:
    """Votes of words, and any attention: exact answers for tests in microseconds."""

    weights: dict
    bias: float = 0.0
    seed: int = 0
    heads: int = 3
    name: str = "linear"
    task: str = "classification"
    hidden_size: int = 64
    causal: bool = False
    rows_run: int = 0
    stop_after: float = np.inf
    labels: tuple = field(default=("no", "yes"))

    def encode(self, input, target=None, split_into="words"):
        words = tuple(input.split())
        if not words:
            raise ValueError("the text is empty: at least one word is needed")
        votes = np.array([self.weights.get(w, 0.0) for w in words])
        index = int(votes.sum() + self.bias > 0) if target is None else self.labels.index(target)
        tokens = tuple((i + 1,) for i in range(len(words)))
        return Encoded(words, tokens, (0,), self.labels[index], index, votes)

    def attention(self, encoded, layer=-1):
        size = len(encoded.units) + 1
        rng = np.random.default_rng((self.seed, size))
        attention = rng.random((self.heads, size, size)) ** 4 + 1e-3
        return attention / attention.sum(-1, keepdims=True)

    def predict(self, encoded, masks):
        self.rows_run += len(masks)
        if self.rows_run > self.stop_after:
            raise KeyboardInterrupt
        kept = np.ones((len(masks), len(encoded.units)))
        for row, mask in zip(kept, masks, strict=True):
            row[list(mask)] = 0
        yes = 1 / (1 + np.exp(-(kept @ encoded.data + self.bias)))
        return np.stack([1 - yes, yes], axis=1)

    def label(self, index):
        return self.labels[index]

    def masked_input(self, encoded, mask):
        return " ".join("_" if i in set(mask) else w for i, w in enumerate(encoded.units))
