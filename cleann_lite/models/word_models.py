"""Models that predict a word: one that is masked, or the next."""

from typing import Any

import numpy as np

from ..attention.former import formerly
from .protocol import Encoded, is_whole
from .reading import Pieces
from .text import TextModel


class MaskedWordModel(TextModel):
    """A masked-word model: the outcome is the word that the model fills in at one place.

    The attention comes from the pass with that word in place (abduction); predictions mask it.
    """

    task = "masked-word"

    @formerly(units="split_into")
    def encode(self, input: Any, target=None, split_into: str = "words") -> Encoded:
        """Read a text and the place to explain.

        ``target`` is a word of the text (its first occurrence) or the index of a word. None takes the first
        mask token in the text.

        Raises
        ------
        ValueError
            No such word, or neither a target nor a mask token.
        """
        data, labels, tokens, groups, unknown, notes = self.reader.read(input, split_into)
        written = " ".join(data.texts)
        if target is None and self.mask_token in written and self.mask_token not in labels:
            raise ValueError(f"{self.mask_token} is beyond what {self.name} reads: shorten the text")
        unit = self._find_unit(labels, target)
        slots = tokens[unit]
        if len(slots) > 1:
            pieces = f"{labels[unit]!r} has {len(slots)} word-pieces"
            notes.append(f"{pieces}: all of them are masked, and the first one is explained")
        data = Pieces(data.texts, data.ids, data.extras, data.spans, slots[0], slots)
        blank = Encoded(labels, tokens, slots, labels[unit], 0, data)
        index = int(self.predict(blank, [()])[0].argmax())
        if data.ids[slots[0]] not in (index, self.mask_id):
            filled = f"the model fills in {self.label(index)!r} here, not {labels[unit]!r}"
            notes.append(f"{filled}: its own word is explained")
        others = tuple(u for u in range(len(labels)) if u != unit)
        encoded = Encoded(
            labels, tokens, slots, self.label(index), index, data, others, tuple(notes), groups=groups,
            unknown=unknown,
        )  # fmt: skip
        return self._with_mixing(encoded)

    def _find_unit(self, labels, target):
        if target is None:
            if self.mask_token not in labels:
                raise ValueError(
                    f"name the word to explain (target=…) or write {self.mask_token} in its place"
                )
            return labels.index(self.mask_token)
        if isinstance(target, str):
            lowered = [label.lower() for label in labels]
            if target.lower() not in lowered:
                raise ValueError(f"target must be a word of the text: got {target!r}")
            return lowered.index(target.lower())
        if not is_whole(target) or not 0 <= target < len(labels):
            raise ValueError(f"target must be a word or the index of one of {len(labels)}: got {target!r}")
        return int(target)

    def _attention_inputs(self, encoded):
        ids = encoded.data.ids.copy()
        ids[encoded.data.slot] = encoded.target
        return super()._attention_inputs(encoded) | {"input_ids": ids}


class NextWordModel(TextModel):
    """A GPT-like decoder: the outcome is the next token, appended to the text for the attention pass.

    The text is left open: what a tokenizer appends to a text ([SEP]) is not read. Since every token attends
    to earlier ones only, the token order is a causal order (ordered ICD).

    Raises
    ------
    ValueError
        For a model whose attention sees later words: it does not predict the next one.
    """

    task = "next-word"

    def __init__(self, model, tokenizer, name=None, device=None):
        super().__init__(model, tokenizer, name, device)
        self.reader.open_end = True
        if not self.causal:
            raise ValueError(
                f"{self.name} attends to later words, so it predicts no next word: a BERT is read with "
                f'task="masked-word", or with "is_decoder": true in its config.json as a decoder'
            )

    @formerly(units="split_into")
    def encode(self, input: Any, target=None, split_into: str = "words") -> Encoded:
        """Read a text; the outcome is the token that the model predicts next (``target``: another token).

        A word as target means the word behind the text: with its space, where the tokenizer keeps it.

        Raises
        ------
        ValueError
            Empty text, a target that is not one token of the vocabulary, or an unknown ``split_into``.
        """
        data, labels, tokens, groups, unknown, notes = self.reader.read(input, split_into, reserve=1)
        slot = len(data.ids)
        data = Pieces(data.texts, data.ids, data.extras, data.spans, slot)
        if target is None:
            index = int(self._forward({"input_ids": data.ids} | data.extras).logits[0, -1].argmax())
        else:
            index = self._one_token(data.texts, target)
        encoded = Encoded(
            labels, tokens, (slot,), self.label(index), index, data, notes=tuple(notes), groups=groups,
            unknown=unknown,
        )  # fmt: skip
        return self._with_mixing(encoded)

    def _one_token(self, texts, target):
        if isinstance(target, str):
            return self.reader.one_piece(texts, target)
        size = self.seen.outputs
        if not is_whole(target) or not 0 <= target < size:
            raise ValueError(f"target must be a token or the index of one of {size}: got {target!r}")
        return int(target)

    def _place_read(self, encoded):
        return encoded.data.slot - 1

    def _attention_inputs(self, encoded):
        longer = {k: np.append(v, v[-1]) for k, v in encoded.data.extras.items()}
        return longer | {"input_ids": np.append(encoded.data.ids, encoded.target)}
