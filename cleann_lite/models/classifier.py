"""Text classifiers, of one text or a pair: classes that exclude each other, or labels that are on or off."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..attention.former import formerly
from .probe import look
from .protocol import Encoded, is_whole
from .reading import stacked
from .text import TextModel, with_outcome


class TextClassifier(TextModel):
    """A text classifier: the outcome is the predicted class, its node the row that the head reads.

    That row is seen, not taken from a name (:mod:`cleann_lite.models.probe`). Where it belongs to a word, or
    is the mean of all rows, the outcome gets a row behind the text, so that every word may be masked.

    Labels that can hold together (``problem_type="multi_label_classification"``), and the one output of a
    binary head, are each on or off: on where the probability reaches the threshold.

    Parameters
    ----------
    model, tokenizer, name, device
        As in `cleann_lite.models.text.TextModel`.
    threshold : float, optional
        For labels that are on or off; default 0.5.
    """

    task = "classification"

    def __init__(self, model, tokenizer, name=None, device=None, threshold=None):
        names, problem = model.config.id2label, model.config.problem_type
        name = name or type(model).__name__
        self.labels = _told_apart([str(names.get(i, i)) for i in range(model.config.num_labels)])
        self.several = problem == "multi_label_classification" or len(self.labels) == 1
        if problem == "regression":
            raise ValueError(f"{name} predicts a number, not a class: no masking makes it another class")
        if threshold is not None and not self.several:
            raise ValueError(
                f"a threshold is for labels that are on or off: those of {name} exclude each other"
            )
        threshold = 0.5 if threshold is None else threshold
        if not isinstance(threshold, int | float | np.number) or not 0 < threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1: got {threshold!r}")
        self.threshold = float(threshold)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = -1  # decoders look for padding, and no input here has any
        super().__init__(model, tokenizer, name, device)

    @formerly(units="split_into")
    def encode(self, input: Any, target=None, split_into: str = "words") -> Encoded:
        """Read a text, or a pair of texts; ``target`` (a label or index) None takes what the model predicts.

        Raises
        ------
        ValueError
            Empty text, an unknown label, or another ``split_into``.
        """
        data, labels, tokens, groups, unknown, notes = self.reader.read(input, split_into)
        index = None if target is None else self._index(target)
        nothing, binary = None, None
        if index is None or self.several:
            scores = self._forward({"input_ids": data.ids} | data.extras).logits[0].cpu().double()
            if self.several:
                index, binary, nothing = self._on_or_off(scores.sigmoid().numpy(), index, notes)
            else:
                index = int(scores.argmax())
        n, row = len(data.ids), self._row_read(data)
        own = row is None or any(row in p for p in tokens)
        data = replace(data, slot=row)
        encoded = Encoded(
            labels, tokens, (n if own else row,), self.label(index), index, data, notes=tuple(notes),
            groups=groups, unknown=unknown, binary=binary, nothing=nothing,
        )  # fmt: skip
        return self._with_mixing(encoded)

    def _row_read(self, data):
        """The place whose row the head reads; None for the mean. A decoder's head passes over padding."""
        row, n, padding = self.seen.reads, len(data.ids), self.model.config.pad_token_id
        if row == -1 and padding in data.ids:
            row = look(self.model, self.name, {"input_ids": data.ids} | data.extras).reads
        return None if row is None else row % n

    def _index(self, target):
        count = len(self.labels)
        if isinstance(target, str):
            fitting = [i for i, label in enumerate(self.labels) if label == target]
            fitting = fitting or [i for i, s in enumerate(self.labels) if s.casefold() == target.casefold()]
            if len(fitting) != 1:
                raise ValueError(f"target must be one of {', '.join(self.labels)}: got {target!r}")
            return fitting[0]
        if not is_whole(target) or not 0 <= target < count:
            raise ValueError(f"target must be a class or an index below {count}: got {target!r}")
        return int(target)

    def _on_or_off(self, scores, index, notes):
        """Outcome of labels that are on or off: its index, what decides it, why there is none."""
        count, threshold = len(self.labels), self.threshold
        top, on = int(scores.argmax()), np.flatnonzero(scores >= threshold)
        if index is None and not len(on) and count > 1:
            highest = f"{self.labels[top]} is highest, {scores[top]:.1%}"
            nothing = f"no label is on ({highest}): name the label to explain (target=…)"
            return 2 * count, (top, 2 * count, threshold), nothing
        if index is None and len(on) > 1:
            several = ", ".join(self.labels[i] for i in on)
            notes.append(
                f"labels that are on: {several}; the likeliest is explained (target=… names another)"
            )
        index = top if index is None else index
        binary = (index, count + index, threshold)
        return (index if scores[index] >= threshold else count + index), binary, None

    def label(self, index: int) -> str:
        """Name of one class; behind the labels that are on or off come their absences, then "no label"."""
        count, index = len(self.labels), int(index)
        if index < count:
            return self.labels[index]
        return f"not {self.labels[index - count]}" if index < 2 * count else "no label"

    def _log_probabilities(self, logits, encoded):
        """Soft-max over the classes; of labels that are on or off, the one in question and its absence."""
        if encoded.binary is None:
            return super()._log_probabilities(logits, encoded)
        logits, (on, off, _) = logits.cpu().double(), encoded.binary
        count = len(self.labels)
        result = torch.full((len(logits), 2 * count + 1), -torch.inf, dtype=torch.float64)
        label = logits.max(-1).values if off == 2 * count else logits[:, on]
        result[:, on] = torch.nn.functional.logsigmoid(label)
        result[:, off] = torch.nn.functional.logsigmoid(-label)
        return result

    def attention(self, encoded: Encoded, layer: int = -1) -> np.ndarray:
        """Attention of one layer with the outcome in place, (heads, tokens, tokens) float64.

        The outcome follows the tokens, where it has no token itself: see `with_outcome`.
        """
        attention, n = super().attention(encoded, layer), len(encoded.data.ids)
        if encoded.outcome_tokens != (n,):
            return attention
        row = encoded.data.slot
        return with_outcome(attention, range(n) if row is None else [row])

    def predict_proba(self, texts: Sequence[Any]) -> np.ndarray:
        """Probabilities of a list of inputs, (inputs, classes) float64; each runs alone, unpadded.

        Parameters
        ----------
        texts : list
            Texts, pairs of texts, lists of word-pieces, or what the tokenizer returned. Rows sum to 1, except
            those of labels that are on or off.

        Raises
        ------
        ValueError
            One string instead of a list; anything else in it.

        Examples
        --------
        >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
        >>> model.predict_proba(["A dull film.", "I loved it."]).shape  # doctest: +SKIP
        (2, 2)
        """
        if isinstance(texts, str):
            raise ValueError("predict_proba takes a list of texts: got one string")
        rows = [self.reader.inputs_of(text) for text in texts]
        result = np.empty((len(rows), len(self.labels)))
        lengths = np.array([len(r["input_ids"]) for r in rows], dtype=int)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            step = max(1, self._tokens_per_batch() // int(length))
            for part in np.array_split(same, -(-len(same) // step)):
                logits = self._forward(stacked([rows[i] for i in part])).logits.cpu().double()
                result[part] = (logits.sigmoid() if self.several else logits.softmax(-1)).numpy()
        return result


def _told_apart(names):
    """Names of classes; one that is blank, or another's too, gets its number, and if need be all do."""
    names = [name.strip() or f"class {i}" for i, name in enumerate(names)]
    numbered = [f"{name} ({i})" for i, name in enumerate(names)]
    told = [many if names.count(name) > 1 else name for name, many in zip(names, numbered, strict=True)]
    return told if len(set(told)) == len(told) else numbered
