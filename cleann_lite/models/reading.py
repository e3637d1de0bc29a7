"""From a text, or a pair of texts, to the word-pieces that a model reads, and back to a text.

A `Reader` knows the tokenizer, how many pieces the model takes and which piece hides a word. It keeps the
places of the words in the text, so that a masked input can be shown as a text, and it says when no text reads
back to what the model saw.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..attention.words import group_pieces, group_sentences

_BARE = "▁Ġ "  # pieces that hold nothing but the space before a word


@dataclass(frozen=True)
class Pieces:
    """An input as its word-pieces: what ``Encoded.data`` holds for text models."""

    texts: tuple[str, ...]  # the text, or the two texts of a pair
    ids: np.ndarray  # (n,), special tokens included
    extras: dict[str, np.ndarray] = field(default_factory=dict)  # (n,) each, such as token types
    spans: tuple[tuple[int, int, int], ...] = ()  # per unit: which text it is in, its start and its end there
    slot: int | None = None  # position of the outcome's piece
    masked_slots: tuple[int, ...] = ()  # the pieces that every prediction masks


class Reader:
    """The tokenizer of a model, with its limits.

    The model knows ``vocabulary`` pieces and takes the inputs that it ``accepts`` by name; the piece that it
    takes for ``padding`` hides a word only where nothing else can. ValueError for a slow tokenizer, or one
    without any token that could hide a word.
    """

    def __init__(self, tokenizer, name, vocabulary, padding=None, accepts=("input_ids", "attention_mask")):
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ValueError(
                f"words are found by character offsets, which need a fast tokenizer (tokenizer.json): got "
                f"{type(tokenizer).__name__}"
            )
        self.tokenizer, self.name, self.vocabulary = tokenizer, name, vocabulary
        self.accepts = set(accepts)
        longest = tokenizer.model_max_length
        if not isinstance(longest, Real) or longest < 1:
            raise ValueError(
                f"model_max_length of the tokenizer of {name} must be 1 or more: got {longest!r}"
            )
        self.limit = int(min(float(longest), 2**31))
        self.open_end = False  # leave out what the tokenizer appends: the next word is to come
        self.mask_id, self.mask_token, self.mask_note = self._find_mask(padding)

    def _find_mask(self, padding):
        tokenizer, left = self.tokenizer, None
        kinds = {
            "mask": (tokenizer.mask_token, tokenizer.mask_token_id),
            "unknown": (tokenizer.unk_token, tokenizer.unk_token_id),
            "padding": (tokenizer.pad_token, tokenizer.pad_token_id),
            "end": (tokenizer.eos_token, tokenizer.eos_token_id),
            "start": (tokenizer.bos_token, tokenizer.bos_token_id),
        }
        for kind, (token, index) in kinds.items():
            if token is None or index is None or index >= self.vocabulary:
                continue
            note = "" if kind == "mask" else f"the tokenizer has no mask token: {token} stands in for it"
            if index != padding:
                return index, token, note
            left = left or (index, token, f"{note}, which {self.name} also takes for padding")
        if left is None:
            raise ValueError(f"{self.name} has no mask, unknown, padding or end token that could hide a word")
        return left

    def texts(self, input: Any) -> tuple[str, ...]:
        """The text, or the pair of texts, that an input is; ValueError for anything else."""
        texts = tuple(input) if isinstance(input, list | tuple) and len(input) == 2 else (input,)
        for text in texts:
            if not isinstance(text, str):
                raise ValueError(
                    f"{self.name} explains a text: got {type(text).__name__} (needed: a text, or a pair)"
                )
            if not text.strip():
                raise ValueError("the text is empty: at least one word is needed")
            if not text.isascii() and (lone := re.search("[\ud800-\udfff]", text)):
                raise ValueError(f"the text must be valid Unicode (UTF-8): it holds {lone[0]!r}")
        return texts

    def tokenize(self, texts: tuple[str, ...], reserve: int = 0) -> dict[str, np.ndarray]:
        """What the tokenizer gives for a text or a pair, cut to ``limit - reserve`` pieces, arrays (n,).

        Besides what the model takes there are ``offsets`` (n, 2), ``special`` (n,), where the tokenizer added
        a piece, and ``text`` (n,), the text that a piece belongs to.
        """
        room = self.limit - reserve - self.tokenizer.num_special_tokens_to_add(pair=len(texts) == 2)
        if room < len(texts):
            raise ValueError(f"{self.name} reads {self.limit} word-pieces, which leave no room for a word")
        got = self.tokenizer(
            *texts, truncation=True, max_length=self.limit - reserve, return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )  # fmt: skip
        numbers = [-1 if number is None else number for number in got.sequence_ids(0)]
        found = {"offsets": np.array(got.pop("offset_mapping")).reshape(-1, 2), "text": np.array(numbers)}
        found["special"] = np.array(got.pop("special_tokens_mask"), dtype=bool)
        found |= {k: np.array(v) for k, v in got.items() if k in self.accepts and k != "attention_mask"}
        if self.open_end:
            end = len(found["special"]) - int(np.argmin(found["special"][::-1]))
            found = {name: values[:end] for name, values in found.items()}
        return found

    def _check_known(self, ids):
        if ids.max(initial=0) >= self.vocabulary:
            raise ValueError(
                f"the tokenizer of {self.name} belongs to another model: it gives word-piece {ids.max()} of "
                f"{self.vocabulary}"
            )

    def read(self, input: Any, split_into: str, reserve: int = 0):
        """Units of an input: (pieces, labels, tokens, groups, unknown units, notes)."""
        texts = self.texts(input)
        got = self.tokenize(texts, reserve)
        self._check_known(got["input_ids"])
        if split_into not in ("words", "pieces", "sentences"):
            raise ValueError(f"split_into must be 'words', 'pieces' or 'sentences': got {split_into!r}")
        spans: list[tuple[int, int, int]] = []
        tokens: list[tuple[int, ...]] = []
        for number, text in enumerate(texts):
            own = np.flatnonzero((got["text"] == number) & ~got["special"])
            offsets = [(int(start), int(end)) for start, end in got["offsets"][own]]
            if split_into != "pieces":
                found, groups = group_pieces(text, offsets)
                if split_into == "sentences":
                    parts = group_sentences([text[s:e] for s, e in found])
                    groups = [tuple(i for word in part for i in groups[word]) for part in parts]
                    found = [(found[part[0]][0], found[part[-1]][1]) for part in parts]
            else:
                groups = [(i,) for i, (s, e) in enumerate(offsets) if text[s:e].strip()]
                found = [offsets[i] for (i,) in groups]
            if not groups:
                raise ValueError(f"the tokenizer of {self.name} finds no word in {text[:40]!r}")
            spans += [(number, *_trimmed(text, span)) for span in found]
            tokens += [tuple(int(own[i]) for i in group) for group in groups]
        extras = {k: got[k] for k in got.keys() - {"input_ids", "offsets", "special", "text"}}
        pieces = Pieces(texts, got["input_ids"], extras, tuple(spans))
        labels = tuple(texts[number][s:e] for number, s, e in spans)
        unknown = self._unknown(pieces.ids, tokens)
        notes = [self.mask_note] if self.mask_note else []
        notes += self._cut(texts, got, reserve)
        if unknown:
            those = "the explanation is" if len(unknown) == len(labels) else "of them the explanation is"
            notes.append(
                f"{len(unknown)} of {len(labels)} {split_into} are unknown to this model: {those} about "
                f"places, not {split_into}"
            )
        of_text = tuple(number for number, _, _ in spans) if len(texts) == 2 else None
        return pieces, labels, tuple(tokens), of_text, unknown, notes

    def _unknown(self, ids, tokens):
        """Units that are read as nothing but the unknown token (and the space before it)."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or not (ids == unknown).any():
            return ()
        read = self.tokenizer.convert_ids_to_tokens(ids.tolist())
        said = [[p for p in own if ids[p] == unknown or read[p].strip(_BARE)] for own in tokens]
        return tuple(u for u, own in enumerate(said) if own and all(ids[p] == unknown for p in own))

    def _cut(self, texts, got, reserve):
        """What was cut from a text that is too long, and from which end."""
        read = len(got["input_ids"])
        if read < self.limit - reserve and not self.open_end:
            return
        whole = self.tokenizer(*texts, truncation=False, verbose=False, return_special_tokens_mask=True)
        added = sum(whole["special_tokens_mask"])
        if len(whole["input_ids"]) - added <= read - int(got["special"].sum()):
            return
        limit = self.limit - reserve
        for number, text in enumerate(texts):
            own = got["offsets"][(got["text"] == number) & ~got["special"]]
            start, end = int(own[:, 0].min()), int(own[:, 1].max())
            left = self.tokenizer.truncation_side == "left"
            if not (text[:start] if left else text[end:]).strip():
                continue
            kept = text[start : start + 30] if left else text[max(0, end - 30) : end]
            shown = f"«{kept.strip()}…»" if left else f"«…{kept.strip()}»"
            yield (
                f"{self.name} reads {limit} word-pieces and the text has {len(whole['input_ids'])}: "
                f"what {'comes before' if left else 'follows'} {shown} was cut"
            )

    def inputs_of(self, item: Any) -> dict[str, np.ndarray]:
        """Model inputs, arrays (n,), of a text, a pair of texts, word-pieces, or what a tokenizer returned.

        ValueError for anything else, or word-pieces that the model does not know.
        """
        if isinstance(item, Mapping):
            given = {k: np.asarray(v).reshape(-1) for k, v in item.items() if k in self.accepts}
            item = given.pop("input_ids", ())
        else:
            given = {}
            if isinstance(item, str | list | tuple) and not _are_ids(item):
                got = self.tokenize(self.texts(item))
                self._check_known(got["input_ids"])
                return {k: v for k, v in got.items() if k not in ("offsets", "special", "text")}
        ids = np.asarray(item).reshape(-1)
        if not ids.size or ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= self.vocabulary:
            raise ValueError(
                f"word-pieces are whole numbers from 0 to {self.vocabulary - 1}, at least one: got {item!r}"
            )
        given.pop("attention_mask", None)
        return {"input_ids": ids} | self._extras_of(len(ids)) | given

    def _extras_of(self, length):
        """Token types and the like for ``length`` pieces of one text: as around any other text."""
        around = self.made_up(1)
        longer = max(length - len(around["input_ids"]) + 1, 1)
        return {k: v[:length] for k, v in self.made_up(longer).items() if k != "input_ids"}

    def made_up(self, length: int) -> dict[str, np.ndarray]:
        """Model inputs of a text of ``length`` pieces, between what the tokenizer adds."""
        got = self.tokenize(("it is a good old film",))
        inside = np.flatnonzero(~got["special"])
        first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
        at = [
            *range(first),
            *np.resize(np.arange(first, last + 1), length),
            *range(last + 1, len(got["text"])),
        ]
        made = {k: v[at] for k, v in got.items() if k not in ("offsets", "special", "text")}
        return made | {"input_ids": np.minimum(made["input_ids"], self.vocabulary - 1)}

    # --- back to a text ---------------------------------------------------------------------------

    def masked(self, pieces: Pieces, tokens, hidden) -> tuple[tuple[str, ...], np.ndarray, bool]:
        """Texts with some units masked, the word-pieces meant, and whether the texts read back to them."""
        wanted = pieces.ids.copy()
        for unit in hidden:
            wanted[list(tokens[unit])] = self.mask_id
        plain = self._write(pieces, tokens, hidden, ())
        if self._reads_back(plain, pieces, wanted):
            return plain, wanted, True
        carried = {unit for unit in hidden if self._carries_space(pieces, tokens, unit)}
        for swallow in (carried, set(hidden)):
            texts = self._write(pieces, tokens, hidden, swallow)
            if self._reads_back(texts, pieces, wanted):
                return texts, wanted, True
        return self._write(pieces, tokens, hidden, carried), wanted, False

    def _write(self, pieces, tokens, hidden, swallow):
        written = []
        for number, text in enumerate(pieces.texts):
            parts, end = [], 0
            for unit in sorted(hidden):
                where, start, stop = pieces.spans[unit]
                if where != number:
                    continue
                between = text[end:start]
                parts.append(between.rstrip(" ") if unit in swallow else between)
                parts.append(self.mask_token * len(tokens[unit]))
                end = stop
            written.append("".join([*parts, text[end:]]))
        return tuple(written)

    def _reads_back(self, texts, pieces, wanted):
        room = self.limit - (pieces.slot == len(pieces.ids))
        if not all(text.strip() for text in texts):
            return False
        return self.tokenize(texts, self.limit - room)["input_ids"].tolist() == wanted.tolist()

    def _carries_space(self, pieces, tokens, unit):
        """Whether the space before a word belongs to its first piece (byte-level BPE, metaspace)."""
        number, start, _ = pieces.spans[unit]
        if not pieces.texts[number][:start].endswith(" "):
            return False
        wanted = pieces.ids.copy()
        wanted[list(tokens[unit])] = self.mask_id
        return not self._reads_back(self._write(pieces, tokens, (unit,), ()), pieces, wanted)

    # --- names ------------------------------------------------------------------------------------

    def label(self, index: int) -> str:
        """A word-piece as people write it: without the mark of the space before it."""
        decoded = str(self.tokenizer.decode([index]))
        if decoded.strip() and "\ufffd" not in decoded:
            return decoded.strip()
        token = self.tokenizer.convert_ids_to_tokens(index)
        return str(token or "").strip(_BARE) or repr(decoded)

    def one_piece(self, texts: tuple[str, ...], target: str) -> int:
        """The one word-piece that a word is behind a text, with its space; ValueError where it is several."""
        space = "" if texts[-1][-1:].isspace() or target[:1].isspace() else " "
        tried = []
        for written in (space + target, target):
            whole = self.tokenizer(texts[-1] + written, add_special_tokens=False)["input_ids"]
            start = self.tokenizer(texts[-1], add_special_tokens=False)["input_ids"]
            if whole[: len(start)] == start and len(whole) == len(start) + 1:
                return whole[-1]
            alone = self.tokenizer(written, add_special_tokens=False)["input_ids"]
            tried.append([p for p in alone if str(self.tokenizer.convert_ids_to_tokens(p)).strip(_BARE)])
        for alone in tried:
            if len(alone) == 1:
                return alone[0]
        raise ValueError(f"target must be one token: got {target!r}, which has {len(tried[0])}")


def _are_ids(item):
    return not isinstance(item, str) and bool(item) and all(isinstance(i, Integral) for i in item)


def _trimmed(text, span):
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def stacked(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Equally long inputs as one batch: name -> (rows, n)."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
