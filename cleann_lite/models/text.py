"""Transformers as the causal search sees them: classifiers, masked-word models and GPT-like decoders.

Each class here answers the four questions of :class:`cleann_lite.protocol.Model` for one kind of Hugging
Face model: which units may be masked, what does the last layer attend to with the outcome in place, what
does the model predict when some units are masked, and what are its outputs called.
"""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch

from ..attention.words import group_pieces
from .fast_pass import fused_attention, one_at_a_time, one_place
from .mixing import how_it_mixes
from .protocol import Encoded

_TOKENS_PER_BATCH = 2048  # more would leave the caches of a CPU
_WORTH_A_SWITCH = 4  # rows: switching the kernel of attention costs about as much as it saves on one
_LOGITS_PER_BATCH = 2**24  # 64 MB: word models predict a whole vocabulary at every token


@dataclass(frozen=True)
class _Pieces:
    """A text as its word-pieces: what ``Encoded.data`` holds for text models."""

    text: str
    ids: np.ndarray
    spans: tuple[tuple[int, int], ...]
    slot: int | None = None  # where the outcome's piece stands (masked and next word)
    masked_slots: tuple[int, ...] = ()  # pieces that every prediction masks


class TextModel:
    """What all text models share: words from pieces, masking, batches, attention.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Loaded with ``attn_implementation="eager"``; other implementations return no attention.
    tokenizer : transformers.PreTrainedTokenizerFast
        A fast tokenizer, since words are found by its character offsets.
    name : str
    """

    task = ""
    causal = False

    def __init__(self, model, tokenizer, name=None, device=None):
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"words are found by character offsets, which need a fast tokenizer (tokenizer.json): got "
                f"{type(tokenizer).__name__}"
            )
        self.name = name or type(model).__name__
        if getattr(model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"{self.name} has an encoder and a decoder: needed is one of them, whose attention is "
                f"over the text alone"
            )
        self.device = torch.device(device or "cpu")
        self.model = model.eval().to(self.device)
        self.tokenizer = tokenizer
        config = model.config
        self.hidden_size = int(getattr(config, "hidden_size", None) or config.n_embd)
        self.mask_id, self.mask_token, self.mask_note = self._find_mask()
        self.max_length = self._find_max_length()

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}: {self.task}>"

    def _find_mask(self):
        tokenizer = self.tokenizer
        for kind in ("mask", "unk", "pad", "eos"):
            token, index = getattr(tokenizer, f"{kind}_token"), getattr(tokenizer, f"{kind}_token_id")
            if token is not None and index is not None and index < self.model.config.vocab_size:
                note = "" if kind == "mask" else f"the tokenizer has no mask token: {token} stands in for it"
                return index, token, note
        raise ValueError(f"{self.name} has no mask, unknown, padding or end token that could hide a word")

    def _find_max_length(self):
        config = self.model.config
        named = (getattr(config, name, None) or 0 for name in ("max_position_embeddings", "n_positions"))
        limit = next((limit for limit in named if limit > 0), 512)
        if config.model_type in ("roberta", "xlm-roberta", "camembert"):
            limit -= config.pad_token_id + 1  # positions start behind the padding index
        return int(min(limit, self.tokenizer.model_max_length))

    def _tokenize(self, text, reserve=0):
        """Pieces of a text, cut to what the model reads, and the notes to tell."""
        if not isinstance(text, str):
            raise ValueError(f"{self.name} explains a text: got {type(text).__name__}")
        if not text.strip():
            raise ValueError("the text is empty: at least one word is needed")
        if not text.isascii() and (lone := re.search("[\ud800-\udfff]", text)):
            raise ValueError(f"the text must be valid Unicode (UTF-8): it holds {lone[0]!r}")
        limit = self.max_length - reserve
        whole = self.tokenizer(text, add_special_tokens=True, truncation=False, verbose=False)
        pieces = self.tokenizer(text, truncation=True, max_length=limit, return_offsets_mapping=True)
        ids, offsets = np.array(pieces["input_ids"]), [tuple(o) for o in pieces["offset_mapping"]]
        if ids.max(initial=0) >= self.model.config.vocab_size:
            raise ValueError(
                f"the tokenizer of {self.name} belongs to another model: it gives word-piece {ids.max()} of "
                f"{self.model.config.vocab_size}"
            )
        notes = [self.mask_note] if self.mask_note else []
        if len(whole["input_ids"]) > len(ids):
            end = max(e for _, e in offsets)
            notes.append(
                f"{self.name} reads {limit} word-pieces and the text has {len(whole['input_ids'])}: "
                f"what follows «…{text[max(0, end - 30) : end].strip()}» was cut"
            )
        return ids, offsets, notes

    def _encode(self, text, units, reserve=0):
        """Units of a text: (pieces, labels, positions, notes)."""
        ids, offsets, notes = self._tokenize(text, reserve)
        if units == "words":
            spans, positions = group_pieces(text, offsets)
        elif units == "pieces":
            positions = [(i,) for i, (s, e) in enumerate(offsets) if text[s:e].strip()]
            spans = [offsets[p] for (p,) in positions]
        else:
            raise ValueError(f"units must be 'words' or 'pieces': got {units!r}")
        spans = [_trimmed(text, span) for span in spans]
        if not positions:
            raise ValueError(f"the tokenizer of {self.name} finds no word in {text[:40]!r}")
        labels = tuple(text[s:e] for s, e in spans)
        return _Pieces(text, ids, tuple(spans)), labels, tuple(positions), tuple(notes)

    @one_at_a_time
    def _forward(self, ids, **options):
        """Run a batch of equally long inputs, (batch, tokens) -> model output."""
        with torch.inference_mode():
            batch = torch.as_tensor(np.atleast_2d(ids), device=self.device)
            return self.model(input_ids=batch, attention_mask=torch.ones_like(batch), **options)

    def _masked_ids(self, encoded, masks):
        """One row of token ids for each set of masked units."""
        rows = np.repeat(encoded.data.ids[None, :], len(masks), axis=0)
        rows[:, list(encoded.data.masked_slots)] = self.mask_id
        for row, mask in zip(rows, masks, strict=True):
            for unit in mask:
                row[list(encoded.positions[unit])] = self.mask_id
        return rows

    @one_at_a_time
    def predict(self, encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Output distribution for each set of masked units, (len(masks), outputs) float64."""
        rows = self._masked_ids(encoded, masks)
        step = max(1, self._tokens_per_batch() // rows.shape[1])
        with fused_attention(self.model) if len(rows) > _WORTH_A_SWITCH else nullcontext():
            parts = [self._distribution(rows[i : i + step], encoded) for i in range(0, len(rows), step)]
        return np.concatenate(parts)

    def _tokens_per_batch(self):
        most = _TOKENS_PER_BATCH * (1 if self.device.type == "cpu" else 16)
        if self.task == "classification":
            return most
        return min(most, _LOGITS_PER_BATCH // self.model.config.vocab_size)

    def _distribution(self, rows, encoded):
        place = self._read_from(encoded.data.slot)
        with one_place(self.model, place) as narrowed:
            logits = self._forward(rows).logits
        if logits.ndim == 3:
            logits = logits[:, 0 if narrowed else place]
        return self._log_probabilities(logits).exp().cpu().numpy()

    def _log_probabilities(self, logits):
        return torch.log_softmax(logits.double(), dim=-1)

    def _read_from(self, slot):
        return slot or 0

    def _attention_ids(self, encoded):
        """The input of the abduction pass: everything in place, the outcome too."""
        return encoded.data.ids

    def _with_mixing(self, encoded):
        ids = torch.as_tensor(self._attention_ids(encoded)[None], device=self.device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return replace(encoded, mixing=how_it_mixes(self.model, **inputs))

    def attention(self, encoded: Encoded, layer: int = -1) -> np.ndarray:
        """Attention of one layer with the outcome in place, (heads, tokens, tokens) float64.

        Raises
        ------
        ValueError
            The model returns no attention (transformers 5 does so, with a warning only, unless it was loaded
            with ``attn_implementation="eager"``), or has no such layer.
        """
        output = self._forward(self._attention_ids(encoded), output_attentions=True)
        layers = getattr(output, "attentions", None)
        if not layers or layers[-1] is None:
            implementation = getattr(self.model.config, "_attn_implementation", "unknown")
            advice = "it has none to read" if implementation == "eager" else 'load it with "eager"'
            raise ValueError(
                f"{self.name} returned no attention with its attention implementation {implementation!r}: "
                f"{advice}"
            )
        if not isinstance(layer, Integral) or not -len(layers) <= layer < len(layers):
            raise ValueError(f"layer must lie in {-len(layers)} … {len(layers) - 1}: got {layer!r}")
        return layers[layer][0].double().cpu().numpy()

    @one_at_a_time
    def attributions(self, encoded: Encoded, method: str = "gradient-x-input", steps: int = 32) -> np.ndarray:
        """Score of each unit for the outcome by gradients at the input embeddings, (units,) float64.

        ``method`` is "gradient-x-input" (Shrikumar et al. 2016) or "integrated-gradients" (Sundararajan et
        al. 2017, baseline: every unit masked, ``steps`` points of the midpoint rule).
        """
        shares = {"gradient-x-input": [1.0], "integrated-gradients": (np.arange(steps) + 0.5) / steps}
        if method not in shares:
            raise ValueError(f"method must be one of {sorted(shares)}: got {method!r}")
        everything = range(len(encoded.units))
        rows = torch.as_tensor(self._masked_ids(encoded, [(), tuple(everything)]), device=self.device)
        embed = self.model.get_input_embeddings()
        with torch.no_grad():
            here, blank = embed(rows)
        start = torch.zeros_like(here) if method == "gradient-x-input" else blank
        gradient = torch.zeros_like(here)
        for share in shares[method]:
            point = (start + share * (here - start)).detach().requires_grad_(True)
            logits = self.model(inputs_embeds=point[None], attention_mask=torch.ones_like(rows[:1])).logits
            if encoded.data.slot is not None:
                logits = logits[:, self._read_from(encoded.data.slot)]
            score = self._log_probabilities(logits)[0, encoded.target]
            gradient += torch.autograd.grad(score, point)[0] / len(shares[method])
        pieces = (gradient * (here - start)).sum(-1).double().cpu().numpy()
        return np.array([pieces[list(p)].sum() for p in encoded.positions])

    def masked_input(self, encoded: Encoded, mask: Sequence[int]) -> str:
        """The text as the model saw it: the mask token stands where the pieces of these units stood."""
        slots = set(encoded.data.masked_slots)
        hidden = set(mask) | {u for u, p in enumerate(encoded.positions) if slots & set(p)}
        parts, end = [], 0
        for unit in sorted(hidden):
            start, stop = encoded.data.spans[unit]
            between = encoded.data.text[end:start]
            parts.append(between.rstrip(" ") if self._carries_space(encoded, unit) else between)
            parts.append(self.mask_token * len(encoded.positions[unit]))
            end = stop
        return "".join([*parts, encoded.data.text[end:]])

    def _carries_space(self, encoded, unit):
        """Whether the space before a word belongs to its first piece (byte-level BPE, metaspace)."""
        data, pieces = encoded.data, list(encoded.positions[unit])
        start, stop = data.spans[unit]
        if not data.text[:start].endswith(" "):
            return False
        wanted = data.ids.copy()
        wanted[pieces] = self.mask_id
        text = data.text[:start] + self.mask_token * len(pieces) + data.text[stop:]
        return self.tokenizer(text, truncation=True, max_length=len(wanted))["input_ids"] != wanted.tolist()

    def label(self, index: int) -> str:
        """Name of one output: a class, or a token of the vocabulary."""
        return self.tokenizer.decode([int(index)]).strip() or self.tokenizer.convert_ids_to_tokens(int(index))


def _trimmed(text, span):
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


class TextClassifier(TextModel):
    """A text classifier: the outcome is the predicted class, its node the token that the classifier reads."""

    task = "classification"

    def __init__(self, model, tokenizer, name=None, device=None):
        super().__init__(model, tokenizer, name, device)
        names = model.config.id2label
        self.labels = [str(names.get(i, i)) for i in range(model.config.num_labels)]
        problem = getattr(model.config, "problem_type", None)
        self.several = problem == "multi_label_classification"
        if len(self.labels) == 1 or problem == "regression":
            raise ValueError(f"{self.name} predicts a number, not a class: no masking makes it another class")
        if model.config.pad_token_id is None:
            model.config.pad_token_id = -1  # decoders look for padding, and no input here has any

    def encode(self, input: str, target=None, units: str = "words") -> Encoded:
        """Read a text; ``target`` (a label or index) None takes the class that the model predicts.

        Raises
        ------
        ValueError
            Empty text, an unknown label, or units other than "words" and "pieces".
        """
        data, labels, positions, notes = self._encode(input, units)
        if target is None:
            index = int(self._forward(data.ids).logits[0].argmax())
        elif isinstance(target, str):
            if target not in self.labels:
                raise ValueError(f"target must be one of {', '.join(self.labels)}: got {target!r}")
            index = self.labels.index(target)
        elif isinstance(target, Integral) and 0 <= target < len(self.labels):
            index = int(target)
        else:
            raise ValueError(f"target must be a class or an index below {len(self.labels)}: got {target!r}")
        outcome = (self._outcome_position(data.ids),)
        eligible = tuple(u for u, p in enumerate(positions) if outcome[0] not in p)
        encoded = Encoded(labels, positions, outcome, self.labels[index], index, data, eligible, notes)
        return self._with_mixing(encoded)

    def _outcome_position(self, ids):
        """[CLS] where there is one; otherwise the last token, which decoders classify from."""
        if self.tokenizer.cls_token_id not in ids:
            return len(ids) - 1
        return int(np.flatnonzero(ids == self.tokenizer.cls_token_id)[0])

    def _log_probabilities(self, logits):
        """Soft-max over the classes; of a model whose labels can hold together, each label by itself."""
        if self.several:
            return torch.nn.functional.logsigmoid(logits.double())
        return super()._log_probabilities(logits)

    def label(self, index: int) -> str:
        """Name of one class."""
        return self.labels[int(index)]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities of a list of texts, (texts, classes) float64; each text runs alone, unpadded.

        Examples
        --------
        >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
        >>> model.predict_proba(["A dull film.", "I loved it."]).shape  # doctest: +SKIP
        (2, 2)
        """
        if isinstance(texts, str):
            raise ValueError("predict_proba takes a list of texts: got one string")
        rows = [self._tokenize(text)[0] for text in texts]
        result = np.empty((len(rows), len(self.labels)))
        lengths = np.array([len(r) for r in rows], dtype=int)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            step = max(1, _TOKENS_PER_BATCH // int(length))
            for part in np.array_split(same, -(-len(same) // step)):
                logits = self._forward(np.stack([rows[i] for i in part])).logits
                result[part] = self._log_probabilities(logits).exp().cpu().numpy()
        return result


class MaskedWordModel(TextModel):
    """A masked-word model: the outcome is the word that the model fills in at one place.

    The attention comes from the pass with that word in place (abduction); predictions mask it.
    """

    task = "masked-word"

    def encode(self, input: str, target=None, units: str = "words") -> Encoded:
        """Read a text and the place to explain.

        ``target`` is a word of the text (its first occurrence) or the index of a word. None takes the first
        mask token in the text.

        Raises
        ------
        ValueError
            No such word, or neither a target nor a mask token.
        """
        data, labels, positions, notes = self._encode(input, units)
        if target is None and self.mask_token in input and self.mask_token not in labels:
            raise ValueError(f"{self.mask_token} stands behind what {self.name} reads: shorten the text")
        unit, notes = self._find_unit(labels, target), list(notes)
        slots = positions[unit]
        if len(slots) > 1:
            pieces = f"{labels[unit]!r} has {len(slots)} word-pieces"
            notes.append(f"{pieces}: all of them are masked, and the first one is explained")
        data = _Pieces(data.text, data.ids, data.spans, slots[0], slots)
        blank = Encoded(labels, positions, slots, labels[unit], 0, data)
        index = int(self.predict(blank, [()])[0].argmax())
        if data.ids[slots[0]] not in (index, self.mask_id):
            filled = f"the model fills in {self.label(index)!r} here, not {labels[unit]!r}"
            notes.append(f"{filled}: its own word is explained")
        eligible = tuple(u for u in range(len(labels)) if u != unit)
        return self._with_mixing(
            Encoded(labels, positions, slots, self.label(index), index, data, eligible, tuple(notes))
        )

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
        if not isinstance(target, Integral) or not 0 <= target < len(labels):
            raise ValueError(f"target must be a word or the index of one of {len(labels)}: got {target!r}")
        return int(target)

    def _attention_ids(self, encoded):
        ids = encoded.data.ids.copy()
        ids[encoded.data.slot] = encoded.target
        return ids


class NextWordModel(TextModel):
    """A GPT-like decoder: the outcome is the next token, appended to the text for the attention pass.

    Since every token attends to earlier ones only, the token order is a causal order (ordered ICD).
    """

    task = "next-word"
    causal = True

    def encode(self, input: str, target=None, units: str = "words") -> Encoded:
        """Read a text; the outcome is the token that the model predicts next (``target``: another token)."""
        data, labels, positions, notes = self._encode(input, units, reserve=1)
        slot = len(data.ids)
        data = _Pieces(data.text, data.ids, data.spans, slot)
        if target is None:
            index = int(self._forward(data.ids).logits[0, -1].argmax())
        else:
            index = self._one_token(target)
        return self._with_mixing(
            Encoded(labels, positions, (slot,), self.label(index), index, data, notes=notes)
        )

    def _one_token(self, target):
        if isinstance(target, str):
            pieces = self.tokenizer(target, add_special_tokens=False)["input_ids"]
            if len(pieces) != 1:
                raise ValueError(f"target must be one token: got {target!r}, which has {len(pieces)}")
            return pieces[0]
        size = self.model.config.vocab_size
        if not isinstance(target, Integral) or not 0 <= target < size:
            raise ValueError(f"target must be a token or the index of one of {size}: got {target!r}")
        return int(target)

    def _read_from(self, slot):
        return slot - 1

    def _attention_ids(self, encoded):
        return np.append(encoded.data.ids, encoded.target)
