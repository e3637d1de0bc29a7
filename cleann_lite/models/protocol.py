"""The one seam between causal search and neural networks: what a model must be able to say of itself.

Anything that names its *units* (what may be masked), gives the *attention* of a pass with the outcome in
place, and *predicts* a batch of masked inputs can be explained. A new kind of model is one small class.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from numbers import Integral, Real
from os import PathLike
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

    Raises
    ------
    ValueError
        A field that is not as above, in one sentence.
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

    def __post_init__(self) -> None:
        units = tuple(_text("units", unit) for unit in _listed("units", self.units))
        n, tokens = len(units), _listed("tokens", self.tokens)
        if len(tokens) != n:
            raise ValueError(f"tokens must be given for each of {n} units: got {len(tokens)}")
        checked: dict[str, Any] = {
            "units": units,
            "tokens": tuple(_numbers("tokens of a unit", own, least=1) for own in tokens),
            "outcome_tokens": _numbers("outcome_tokens", self.outcome_tokens, least=1),
            "outcome": _text("outcome", self.outcome),
            "target": _numbers("target", [self.target])[0],
            "notes": tuple(_text("notes", note) for note in _listed("notes", self.notes)),
            "unknown": _numbers("unknown", self.unknown, below=n),
        }
        if self.eligible is not None:
            checked["eligible"] = _numbers("eligible", self.eligible, below=n)
        if self.groups is not None:
            checked["groups"] = _numbers("groups", self.groups)
            if len(checked["groups"]) != n:
                raise ValueError(f"groups must be given for each of {n} units: got {self.groups!r}")
        if self.binary is not None:
            *both, threshold = _listed("binary", self.binary)
            if len(both) != 2 or not (isinstance(threshold, Real) and 0 <= float(threshold) <= 1):
                raise ValueError(f"binary must be (on, off, threshold in 0 … 1): got {self.binary!r}")
            checked["binary"] = (*_numbers("binary", both), float(threshold))
        if self.nothing is not None:
            _text("nothing", self.nothing)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

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


def _listed(name: str, values: Any) -> tuple:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list or tuple: got {values!r}")
    return tuple(values)


def _text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text: got {type(value).__name__} {value!r}")
    return value


def _numbers(name: str, values: Any, below: float = float("inf"), least: int = 0) -> tuple[int, ...]:
    """Whole numbers in 0 … below − 1, ``least`` of them or more."""
    numbers = _listed(name, values)
    if len(numbers) < least:
        raise ValueError(f"{name} must name at least {least}: got none")
    for number in numbers:
        if not is_whole(number) or not 0 <= number < below:
            most = "" if below == float("inf") else f" below {below}"
            raise ValueError(f"{name} must be whole numbers from 0 on{most}: got {number!r}")
    return tuple(map(int, numbers))


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


def encoded_by(model: Any, input: Any, target: Any = None, split_into: str = "words") -> Encoded:
    """What a model reads in an input; ValueError for what is not a model, or reads something else."""
    if isinstance(model, str | PathLike):
        raise ValueError(f"a model is needed, not its name: load_model({str(model)!r}) gives one")
    if isinstance(model, type) or not isinstance(model, Model):
        got = model.__name__ if isinstance(model, type) else type(model).__name__
        raise ValueError(
            f"a model must have name, task, hidden_size, causal, encode, attention, predict, label and "
            f"masked_input (see cleann_lite.Model): got {'the class ' * isinstance(model, type)}{got}"
        )
    _text("name of a model", model.name), _text("task of a model", model.task)
    encoded = model.encode(input, target, _text("split_into", split_into))
    if not isinstance(encoded, Encoded):
        raise ValueError(f"encode of {model.name} must give an Encoded: got {type(encoded).__name__}")
    return encoded


def is_whole(value: object) -> bool:
    """Whether a user gave a whole number, Python's or numpy's."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def altered(model: Model, **methods: Callable) -> Model:
    """A model that answers some methods in another way; all else, abilities too, is the model's own."""
    other = copy(model)
    for name, method in methods.items():
        object.__setattr__(other, name, method)
    return other
