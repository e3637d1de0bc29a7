"""The one seam between causal search and neural networks: what a model must be able to say of itself.

Anything that names its *units* (what may be masked), gives the *attention* of a pass with the outcome in
place, and *predicts* a batch of masked inputs can be explained. A new kind of model is one small class.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..attention.former import formerly
from ..attention.residual import LayerMixing


@dataclass(frozen=True)
class Encoded:
    """One input as a model reads it, with the outcome that is to be explained.

    Attributes
    ----------
    units
        Label of each unit (a word, a film), in reading order. A unit is what may be masked.
    tokens
        Per unit, its tokens: the rows (= columns) of the attention matrix that it occupies; a word of three
        word-pieces occupies three.
    outcome_tokens
        The tokens that stand for the outcome: [CLS] for a class, the recommended
        film appended to the history, the word whose choice is explained.
    outcome
        Label of the outcome: a class, a film, a word.
    target
        Index of the outcome in the last axis of what ``predict`` returns.
    data
        Whatever the model needs to run the input again; private to the model.
    eligible
        Units that may be in the graph; the others stay in the input and become latent. None: all.
    notes
        Sentences that the user must read, for example what was cut from a long text.
    mixing
        Runs the input, the outcome in place, and tells how each layer mixes its tokens, lowest layer first
        (`cleann_lite.attention.residual`); None if the model cannot say.
    groups
        Per unit, which text it is in, where the input is several (a premise and a hypothesis). None: one.
    unknown
        Units that the model reads as its unknown word: it cannot tell them apart.
    binary
        For an output that is on or off by itself, (on, off, threshold): output ``on`` is predicted where its
        probability reaches the threshold, ``off`` elsewhere. None: the outputs exclude each other, and the
        largest is predicted.
    nothing
        Why there is nothing to explain, in one sentence. None: there is.
    """

    units: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    outcome_tokens: tuple[int, ...]
    outcome: str
    target: int
    data: Any = field(repr=False)
    eligible: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    mixing: Callable[[], tuple[LayerMixing, ...]] | None = field(default=None, repr=False, compare=False)
    groups: tuple[int, ...] | None = None
    unknown: tuple[int, ...] = ()
    binary: tuple[int, int, float] | None = None
    nothing: str | None = None

    @property
    def positions(self) -> tuple[tuple[int, ...], ...]:
        """Former name of `tokens`."""
        return self.tokens

    @property
    def outcome_positions(self) -> tuple[int, ...]:
        """Former name of `outcome_tokens`."""
        return self.outcome_tokens

    def predicted(self, row: np.ndarray) -> int:
        """Output that a row of ``predict`` predicts, by index; the outcome holds where it is ``target``."""
        if self.binary is None:
            return int(np.argmax(row))
        on, off, threshold = self.binary
        return on if row[on] >= threshold else off


_FORMER = formerly(positions="tokens", outcome_positions="outcome_tokens")
Encoded.__init__ = _FORMER(Encoded.__init__)  # type: ignore[method-assign]  # the signature stays


@runtime_checkable
class Model(Protocol):
    """What ``explain`` asks of a model.

    Attributes
    ----------
    name
        Short name for reports.
    task
        "classification", "masked-word", "next-word" or "recommendation".
    hidden_size
        Width of the hidden state: the default effective sample size of the independence test.
    causal
        True when a token attends to earlier ones only (GPT-like): the token order is then a causal order.
    """

    name: str
    task: str
    hidden_size: int
    causal: bool

    def encode(self, input: Any, target: Any = None, split_into: str = "words") -> Encoded:
        """Read one input; ``target`` None takes the model's own prediction as the outcome.

        ``split_into``, third, says what a text is split into: "words", "pieces" or "sentences".
        """
        ...

    def attention(self, encoded: Encoded, layer: int = -1) -> np.ndarray:
        """Attention of one layer, outcome in place: (heads, tokens, tokens) float64, rows sum to 1."""
        ...

    def predict(self, encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Probabilities for each set of masked units: (len(masks), outputs) float64; () masks nothing.

        Each lies in 0 … 1 (a softmax or sigmoid, not logits); anything else is refused.
        """
        ...

    def label(self, index: int) -> str:
        """Name of one output: a class, a token, a film."""
        ...

    def masked_input(self, encoded: Encoded, mask: Sequence[int]) -> Any:
        """The input as the model saw it with these units masked: a text, or a list of titles."""
        ...


@runtime_checkable
class ReadsIds(Protocol):
    """A model that can say which ids it saw where no masked text reads back to them."""

    def masked_ids(self, encoded: Encoded, mask: Sequence[int]) -> tuple[int, ...] | None:
        """The ids that the model saw with these units masked; None if ``masked_input`` reads back."""
        ...


@runtime_checkable
class HasGradients(Protocol):
    """A model that scores its units by gradients."""

    def attributions(
        self,
        encoded: Encoded,
        kind: str = "gradient-x-input",
        steps: int = 32,
        masked: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Score of each unit for the outcome, (units,) float64.

        "integrated-gradients" takes ``steps`` points on the way from the input with the units ``masked``
        (None: all of them) to the input itself.
        """
        ...


def is_whole(value: object) -> bool:
    """Whether a user gave a whole number, Python's or numpy's."""
    return isinstance(value, Integral)


def altered(model: Model, **methods: Callable) -> Model:
    """A model that answers some methods in another way; all else, abilities too, is the model's own."""
    other = copy(model)
    for name, method in methods.items():
        object.__setattr__(other, name, method)
    return other
