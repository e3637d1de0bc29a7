"""The model under masking: one memory and one count of masked inputs, for whoever asks."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..models.protocol import Encoded, Model, ReadsIds
from .explanation import Explanation, ExplanationSet
from .settings import Stopped

_BATCH, _WORK = 64, 4096  # inputs and units in a batch: what is asked between two reports of progress


class Answer(NamedTuple):
    """What the model said with a set masked: the top output, its probability, and what the outcome kept."""

    top: int
    probability: float
    remaining: float


class Stop(Exception):
    """Whoever watches the progress asked to end the search."""


class Interventions:
    """One input under masking: no set of units runs twice, and each that runs is counted.

    Parameters
    ----------
    max_calls
        Inputs that may be run, the untouched one included; ``run`` stops short of it and sets ``exhausted``.
    memory
        Answers that are shared with other ``Interventions`` on the same input and outcome. An answer from it
        counts as a call of this one, since it was asked.
    report
        Called after each batch with (inputs run, cap); False ends the search by ``Stop``.
    """

    def __init__(
        self,
        model: Model,
        encoded: Encoded,
        max_calls: float = 1000,
        *,
        memory: dict | None = None,
        report: Callable[[int, float], object] | None = None,
        batch_size: int = _BATCH,
    ):
        self.model, self.encoded, self.max_calls = model, encoded, max_calls
        self.batch_size = max(1, min(batch_size, _WORK // max(1, len(encoded.units))))
        self._memory: dict[tuple[int, ...], Answer] = {} if memory is None else memory
        self._asked: dict[tuple[int, ...], Answer] = {}
        self.report, self.passes, self.exhausted = report, 1, False
        self.outputs: int | None = None
        self.original = self._predict([()])[0]
        self._asked[()] = self._answer(self.original)

    @property
    def calls(self) -> int:
        """Inputs that were asked for, each once; ``passes`` read the prediction and the attention besides."""
        return len(self._asked)

    @property
    def prediction(self) -> int:
        """Index of the untouched prediction."""
        return self.encoded.predicted(self.original)

    @property
    def refused(self) -> tuple[Stopped, str] | None:
        """Why there is nothing to explain, and that in words; None where the outcome is the prediction."""
        if self.encoded.nothing is not None:
            return Stopped.NO_OUTCOME, self.encoded.nothing
        if self.prediction != self.encoded.target:
            told = f"the model predicts {self.label(self.prediction)!r}, not {self.encoded.outcome!r}"
            return Stopped.OTHER_PREDICTION, told
        return None

    @property
    def room(self) -> float:
        """Inputs that may still be run."""
        return max(self.max_calls - self.calls, 0)

    def read(self, reading: Callable[[Model, Encoded], np.ndarray], passes: int = 1) -> np.ndarray:
        """What a reading takes from the untouched input, such as its attention, in some passes."""
        self.passes += passes
        answer = reading(self.model, self.encoded)
        self.tell()
        return answer

    def run(
        self, masks: Iterable[Sequence[int]], until_first: bool = False, batch: int = _BATCH
    ) -> list[tuple[int, ...]]:
        """Mask each set and return those that change the prediction, in the order given.

        With ``until_first`` the first batch that holds one is the last.
        """
        flips, masks = [], iter(tuple(sorted(m)) for m in masks)
        while chunk := list(islice(masks, min(batch, self.batch_size))):
            fresh = [m for m in dict.fromkeys(chunk) if m not in self._asked]
            if len(fresh) > self.room:
                self.exhausted = True
                fresh = fresh[: int(self.room)]
            if fresh:
                self._ask(fresh)
            flips += self.flipped(chunk)
            if self.exhausted or (until_first and flips):
                break
        return flips

    def _ask(self, masks: Sequence[tuple[int, ...]]) -> None:
        unknown = [m for m in masks if m not in self._memory]
        if unknown:
            self._memory.update(zip(unknown, map(self._answer, self._predict(unknown)), strict=True))
        self._asked.update((m, self._memory[m]) for m in masks)
        self.tell()

    def tell(self) -> None:
        """Report the progress; ``Stop`` where whoever watches asks for it."""
        if self.report is not None and self.report(self.calls, self.max_calls) is False:
            raise Stop

    def _answer(self, row: np.ndarray) -> Answer:
        top = self.encoded.predicted(row)
        return Answer(top, float(row[top]), float(row[self.encoded.target]))

    def _predict(self, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Rows of probabilities, or one sentence on what the model gave instead."""
        given: Any = self.model.predict(self.encoded, masks)
        rows, name = given, self.model.name
        if type(rows) is not np.ndarray or rows.dtype.kind not in "fiub":
            of = f" of {rows.dtype}" if isinstance(rows, np.ndarray) else ""
            raise ValueError(f"{name} must predict a numpy array: got {type(rows).__name__}{of}")
        if rows.ndim != 2 or len(rows) != len(masks):
            raise ValueError(
                f"{name} must predict (masks, outputs), here ({len(masks)}, …): got shape {rows.shape}"
            )
        if self.outputs not in (None, rows.shape[1]):
            raise ValueError(f"{name} must predict {self.outputs} outputs again: got {rows.shape[1]}")
        self.outputs = rows.shape[1]
        largest = max(self.encoded.target, *(self.encoded.binary or (0,))[:2])
        if largest >= self.outputs:
            raise ValueError(
                f"{name} predicts {self.outputs} outputs, and the input asks for number {largest}"
            )
        rows = rows.astype(np.float64, copy=False)
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} predicts numbers that are not finite: are its weights sound?")
        low, high = rows.min(), rows.max()
        if low < -1e-6 or high > 1 + 1e-6:
            raise ValueError(
                f"{name} must predict probabilities, between 0 and 1: got {low:.3g} … {high:.3g}; "
                f"are these logits?"
            )
        return rows if low >= 0 and high <= 1 else rows.clip(0, 1)

    def flipped(self, masks: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Those of some (sorted) sets that were run and change the prediction."""
        return [m for m in masks if m in self._asked and self._asked[m].top != self.encoded.target]

    def all_flipped(self) -> list[tuple[int, ...]]:
        """Every set that was run and changes the prediction, the smallest first."""
        return sorted(self.flipped(self._asked), key=len)

    def label(self, output: int) -> str:
        """Name of an output."""
        name = self.model.label(output)
        if not isinstance(name, str):
            raise ValueError(f"label of {self.model.name} must give text: got {type(name).__name__} {name!r}")
        return name

    def known_of_size(self, *sizes: int) -> list[tuple[int, ...]]:
        """The sets of some sizes that were run."""
        return [mask for mask in self._asked if len(mask) in sizes]

    def count(self, size: int) -> int:
        """How many sets of a size were run."""
        return len(self.known_of_size(size))

    def known(self, mask: Iterable[int]) -> bool:
        """Whether a set was run."""
        return tuple(sorted(mask)) in self._asked

    def remaining(self, mask: Iterable[int]) -> float:
        """Probability of the outcome with a set masked that was run; NaN if the cap kept it from running."""
        answer = self._asked.get(tuple(sorted(mask)))
        return float("nan") if answer is None else answer.remaining

    def effect(self, mask: Iterable[int]) -> float:
        """How much masking a set lowered the outcome; 0 if it was not run."""
        answer = self._asked.get(tuple(sorted(mask)))
        return 0.0 if answer is None else float(self.original[self.encoded.target]) - answer.remaining

    def found(self, mask: Iterable[int], **origin: Any) -> ExplanationSet:
        """The record of a set that was run; ``origin`` says what found it."""
        mask = tuple(sorted(mask))
        answer = self._asked[mask]
        seen = self.model.masked_input(self.encoded, mask)
        masked = seen if isinstance(seen, str) or not isinstance(seen, Iterable) else tuple(seen)
        if not isinstance(masked, str | tuple) or not all(isinstance(part, str) for part in masked):
            name = self.model.name
            raise ValueError(f"masked_input of {name} must give a text or a list of texts: got {seen!r:.60}")
        ids = self.model.masked_ids(self.encoded, mask) if isinstance(self.model, ReadsIds) else None
        rank = int((self.original > self.original[answer.top]).sum()) + 1
        return ExplanationSet(
            units=tuple(self.encoded.units[u] for u in mask),
            positions=mask,
            replacement=self.label(answer.top),
            probability=answer.probability,
            rank=rank if self.encoded.binary is None else 2,
            target_probability=answer.remaining,
            masked=masked,
            masked_ids=None if ids is None else tuple(map(int, ids)),
            **origin,
        )

    def record(self, input: Any, sets: Sequence[ExplanationSet], **fields: Any) -> Explanation:
        """The record of a search: the sets that it found, and ``fields`` that say how."""
        encoded = self.encoded
        held = tuple(map(str, input)) if isinstance(input, list | tuple) else encoded.units
        return Explanation(
            input=input if isinstance(input, str) else held,
            task=self.model.task,
            model=self.model.name,
            prediction=self.label(self.prediction),
            probability=float(self.original[self.prediction]),
            target=encoded.outcome,
            success=bool(sets),
            sets=tuple(sets),
            units=encoded.units,
            model_calls=self.calls + self.passes,
            groups=encoded.groups,
            **fields,
        )
