"""What a user may choose, each default written once: how graphs are learned, and how long a search may go on.

What the papers leave open (alpha, sample size, heads, how to read the attention) is a field here and is
recorded in ``Explanation.settings``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from numbers import Integral, Real
from types import FunctionType
from typing import Any

import numpy as np

from ..attention.former import formerly
from ..attention.residual import check_residual, read_attention
from ..attention.sem import attention_correlation
from ..causal.independence import PartialCorrelation
from ..causal.nodes import checked_count, checked_switches
from ..models.protocol import Encoded, Model

# chosen on validation inputs, for the smallest sets: films are few and far apart, so more edges may stay
ALPHA = {"recommendation": 0.1}
ANY_ALPHA = 0.01
LONG = 120  # units: more are searched along an order, not set by set (``long_texts``)
PROOF = 28_000  # units in all the inputs of a proof


class FoundBy(StrEnum):
    """What found a set."""

    GRAPH = "graph"
    ALL_WORDS = "all words"
    BEAM = "beam"
    EXHAUSTIVE = "exhaustive"
    RANKING = "ranking"


class Stopped(StrEnum):
    """Why a search ended."""

    FOUND = "found"
    NOTHING = "nothing found"
    CAPPED = "a cap was reached"
    INTERRUPTED = "interrupted"
    OTHER_PREDICTION = "the model predicts something else"
    NO_OUTCOME = "the model predicts nothing"
    NO_UNITS = "no unit is in the graph"
    NOT_LINKED = "no unit is linked to the outcome"

    @classmethod
    def _missing_(cls, value: object) -> "Stopped | None":
        """JSON of version 0.2 has a former wording."""
        return cls.NO_UNITS if value == "no unit to mask" else None


@dataclass(frozen=True)
class GraphSettings:
    """How a causal graph is learned from attention.

    Attributes
    ----------
    alpha : float, optional
        Level of the independence test, in (0, 1): edges with p > alpha are removed. None takes 0.1 for a
        recommender, else 0.01.
    n_samples : int, optional
        Effective sample size of the test; None takes the hidden size, as the CLEANN notebook does.
    one_sided : bool
        Call every negative partial correlation independent, as the code of 2023 did.
    method : "icd", "fci" or "ordered-icd", optional
        None takes ICD, and ordered ICD for decoders.
    outcome_last : bool
        The outcome causes no unit: the prediction is computed from the words, the recommended film comes
        after the history. A masked word is among the others while the attention is read, and yet is the
        model's own answer, computed from them: it comes last too. False leaves it to the tests.
    layer : int
        Whose attention is read; -1 is the deepest.
    heads : "all", int or sequence of int
        Each head has its own graph.
    words : "content", "all", callable or list
        Units that are nodes of the graph: words that are not function words (default), all, those for which a
        function of the label is true, or those named. The others stay in the input and become latent.
    max_nodes, max_tests : int
        Caps on the units in a graph and on the candidate sets that are looked at while it is learned.
    reading : callable, optional
        What is read in place of the layer's attention: (model, encoded) -> (heads, tokens, tokens), rows of
        any positive sum; a rollout over all layers, attention weighted by values.
    residual : float or "norms", "values", "rollout"
        Share r of a token's own state in what the layer adds up, in [0, 1): the rows become (1 − r) A + r I.
        0 is the published reading; "norms" measures r in the model, token by token, "values" weights the
        attention by what it passes on as well, "rollout" reads all layers up to this one
        (:mod:`cleann_lite.attention.residual`).
    correlation : callable, optional
        Your own covariance: (words, words) attention -> correlation. None takes A Aᵀ, scaled.
    test : callable, optional
        Your own independence test: (words, words) attention -> an object with ``n_variables`` and
        ``independent(x, y, given)``. It has its own level, so alpha, n_samples, one_sided and correlation are
        refused beside it.
    learner : callable, optional
        Your own learner: (attention of words, variables, labels) -> PAG whose last node is the outcome.
        Settings of the test and the search are refused beside it.
    """

    alpha: float | None = None
    n_samples: int | None = None
    one_sided: bool = False
    method: str | None = None
    outcome_last: bool = True
    layer: int = -1
    heads: str | int | Sequence[int] = "all"
    words: str | Callable | Iterable = "content"
    max_nodes: int = 64
    max_tests: int = 200_000
    reading: Callable | None = None
    residual: float | str = 0.0
    correlation: Callable | None = None
    test: Callable | None = None
    learner: Callable | None = None

    def __post_init__(self) -> None:
        for name in ("words", "heads"):
            if isinstance(getattr(self, name), Iterator):
                object.__setattr__(self, name, list(getattr(self, name)))  # it is read more than once
        checked_count("max_nodes", self.max_nodes)
        checked_count("max_tests", self.max_tests)
        checked_switches(one_sided=self.one_sided, outcome_last=self.outcome_last)
        check_residual(self.residual)
        if self.reading is not None and isinstance(self.residual, str):
            raise ValueError(
                f"residual={self.residual!r} says nothing beside your own reading: leave one out"
            )
        level: Any = self.alpha
        if level is not None and not (isinstance(level, Real) and 0 < float(level) < 1):
            raise ValueError(f"alpha must lie between 0 and 1: got {level!r}")
        for name in ("reading", "correlation", "test", "learner"):
            own = getattr(self, name)
            if own is not None and not callable(own):
                raise ValueError(f"{name} must be a function: got {own!r}")
        for owner, refused in _BELONGS_TO.items():
            if getattr(self, owner) is None:
                continue
            for field in fields(self):
                if field.name in refused and getattr(self, field.name) != field.default:
                    raise ValueError(f"{field.name} says nothing beside your own {owner}: leave one out")

    def of(self, model: Model) -> "GraphSettings":
        """The same with what a model decides filled in; nothing that your own test or learner decides."""
        if self.learner is not None:
            return self
        method = ("ordered-icd" if model.causal else "icd") if self.method is None else self.method
        if self.test is not None:
            return replace(self, method=method)
        return replace(
            self,
            alpha=ALPHA.get(model.task, ANY_ALPHA) if self.alpha is None else self.alpha,
            n_samples=model.hidden_size if self.n_samples is None else self.n_samples,
            method=method,
        )

    def read(self, model: Model, encoded: Encoded) -> np.ndarray:
        """The attention that the graphs are learned from, (heads, tokens, tokens) float64."""
        read = model.attention(encoded, self.layer) if self.reading is None else self.reading(model, encoded)
        attention = _numbers(read)
        if attention.ndim != 3 or attention.shape[1] != attention.shape[2] or not len(attention):
            raise ValueError(f"attention must be (heads, tokens, tokens): got shape {attention.shape}")
        if self.reading is not None:
            sums = attention.sum(axis=-1, keepdims=True)
            if not (np.isfinite(attention).all() and sums.min() > 0):
                raise ValueError(f"{name_of(self.reading)} must give rows of a positive, finite sum")
            attention = attention / sums
        measured = encoded.mixing if isinstance(self.residual, str) else None
        mixing = None if measured is None else measured()
        return read_attention(attention, self.residual, mixing, self.layer)

    def passes(self, encoded: Encoded) -> int:
        """How often ``read`` runs the model: once, and once more where the residual is measured in it."""
        return 1 + (isinstance(self.residual, str) and encoded.mixing is not None)

    def test_of(self, attention: np.ndarray) -> Any:
        """The independence test on one head's attention between words, (words, words)."""
        if self.test is not None:
            return self.test(attention)
        correlation = np.asarray((self.correlation or attention_correlation)(attention))
        if correlation.shape != attention.shape:
            raise ValueError(f"correlation must give shape {attention.shape}: got shape {correlation.shape}")
        if self.n_samples is None or self.alpha is None:
            raise ValueError("n_samples and alpha must be set: settings.of(model) takes the model's own")
        return PartialCorrelation(correlation, self.n_samples, alpha=self.alpha, one_sided=self.one_sided)

    def describe(self) -> dict:
        """What was used, ready for JSON; functions by name."""
        unused = {name for owner, names in _BELONGS_TO.items() if getattr(self, owner) for name in names}
        return {k: plain(v) for k, v in vars(self).items() if v is not None and k not in unused}


FORMER = {"nodes": "words", "units": "split_into"}  # settings by the names that they had before
GraphSettings.__init__ = formerly(nodes="words")(GraphSettings.__init__)  # type: ignore[method-assign]

# your own … -> the settings that say nothing beside it
_BELONGS_TO = {
    "test": ("alpha", "n_samples", "one_sided", "correlation", "learner"),
    "learner": (
        "alpha", "n_samples", "one_sided", "method", "outcome_last", "max_tests", "correlation", "test",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SearchSettings:
    """How far a search goes.

    Attributes
    ----------
    search : "full" or "cleann"
        "cleann" is the published method alone: legal sets of the graphs, size by size. "full" goes on to all
        words where the graph leads to nothing, or to too much.
    max_size : int, optional
        Largest set that is looked for; None: 5 for "cleann", any for "full".
    max_candidates : int
        Sets of one size that are tried per head.
    max_calls : int
        Inputs that the search may run.
    certify : bool or int
        Prove by running every smaller set that none works; an int is the budget of that proof in inputs.
        True: as many as have 28,000 units in all, which is 1,120 inputs of 25 words and half a second. Where
        more sets exist, some of the units that matter most alone are run: they can refute that a set is
        smallest, not prove it.
    """

    search: str = "full"
    max_size: int | None = None
    max_candidates: int = 200
    max_calls: int = 1000
    certify: bool | int = True

    def __post_init__(self) -> None:
        if self.search not in ("full", "cleann"):
            raise ValueError(f"search must be 'full' or 'cleann': got {self.search!r}")
        for name in ("max_size", "max_candidates", "max_calls"):
            if name != "max_size" or self.max_size is not None:
                checked_count(name, getattr(self, name))
        budget: Any = self.certify
        if not isinstance(budget, Integral | np.bool_) or int(budget) < 0:
            raise ValueError(f"certify must be True, False or a number of inputs: got {budget!r}")

    def proof(self, units: int) -> int:
        """Inputs that the proof may run, by the number of units."""
        if isinstance(self.certify, bool | np.bool_):
            return PROOF // max(1, units) if self.certify else 0
        return int(self.certify)

    def describe(self) -> dict:
        """Ready for JSON."""
        return {k: plain(v) for k, v in vars(self).items()}


def split(settings: dict) -> tuple[GraphSettings, SearchSettings]:
    """Keyword arguments as the two objects.

    Raises
    ------
    TypeError
        An unknown setting.
    """
    known = [field.name for kind in (GraphSettings, SearchSettings) for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise TypeError(f"unknown setting {name!r}: the settings are {', '.join(known)}")
    search = {field.name for field in fields(SearchSettings)}
    return (
        GraphSettings(**{k: v for k, v in settings.items() if k not in search}),
        SearchSettings(**{k: v for k, v in settings.items() if k in search}),
    )


def _numbers(read: Any) -> np.ndarray:
    """What a model gave as attention, float64."""
    try:
        given = np.asarray(read)
    except (TypeError, ValueError, RuntimeError):  # ragged lists; tensors that NumPy cannot hold
        given = np.empty(0, dtype=object)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"attention must be a numpy array of numbers: got {type(read).__name__}")
    return given.astype(np.float64, copy=False)


def plain(value: Any) -> Any:
    """A setting as JSON holds it: functions by name, numpy's numbers as Python's, collections as lists."""
    if callable(value):
        return name_of(value)
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str) or not isinstance(value, Iterable) else [plain(v) for v in value]


def name_of(function: Any) -> str:
    """Name of a function, or of the class of anything else that can be called."""
    return function.__name__ if isinstance(function, FunctionType) else type(function).__name__
