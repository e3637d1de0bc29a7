"""Transformers as the causal search sees them: what all text models share.

The kinds, one class each, answer the questions of :class:`cleann_lite.models.protocol.Model`: which units may
be masked, what a layer attends to with the outcome in place, what the model predicts when some units are
masked, and what its outputs are called. See :mod:`classifier` and :mod:`word_models`.
"""

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch

from .fast_pass import fused_attention, one_at_a_time, one_place
from .mixing import how_it_mixes
from .probe import probe
from .protocol import Encoded, is_whole
from .reading import Reader

_TOKENS_PER_BATCH = 2048  # more would leave the caches of a CPU
_WORTH_A_SWITCH = 200  # word-pieces in all: for fewer, switching the kernel costs what it saves
_LOGITS_PER_BATCH = 2**24  # 64 MB: word models predict a whole vocabulary at every token
_NO_LIMIT = 2048  # tokens that are read where neither model nor tokenizer sets a limit
_LIMITS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx")


class TextModel:
    """What all text models share: words from pieces, masking, batches, attention.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Loaded with ``attn_implementation="eager"``; other implementations return no attention.
    tokenizer : transformers.PreTrainedTokenizerFast
        A fast tokenizer, since words are found by its character offsets.
    name : str, optional
        Short name for reports; the class of the model if not given.
    device : str, optional
        "cpu" (default) or "cuda".

    Raises
    ------
    ValueError
        In one sentence: a model whose attention is not over the text alone, or whose head reads the words in
        a way that no outcome stands for (:mod:`cleann_lite.models.probe`).
    """

    task = ""

    def __init__(self, model, tokenizer, name=None, device=None):
        self.name = name or type(model).__name__
        if model.config.is_encoder_decoder:
            raise ValueError(
                f"{self.name} has an encoder and a decoder: needed is one of them, whose attention is "
                f"over the text alone"
            )
        self.device = torch.device(device or "cpu")
        self.model, self.tokenizer = model.eval().to(self.device), tokenizer
        model.config.return_dict = True  # outputs are read by name
        settings = model.config.to_dict()
        accepts = inspect.signature(model.forward).parameters
        self.reader = Reader(tokenizer, self.name, _vocabulary(model), settings.get("pad_token_id"), accepts)
        self.seen = probe(model, self.reader, self.name)
        self.hidden_size, self.causal = self.seen.hidden_size, self.seen.causal
        named = (settings.get(name) for name in _LIMITS)
        limit = next((n for n in named if isinstance(n, int) and n > 0), None)
        limits = [n for n in (self.seen.places or limit, self.reader.limit) if n is not None and n < 2**30]
        self.reader.limit = min(limits, default=_NO_LIMIT)

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}: {self.task}>"

    @property
    def mask_id(self) -> int:
        """The word-piece that hides a word."""
        return self.reader.mask_id

    @property
    def mask_token(self) -> str:
        """The same as a text."""
        return self.reader.mask_token

    @property
    def max_length(self) -> int:
        """Word-pieces of a text that are read, special ones included."""
        return self.reader.limit

    # --- running ----------------------------------------------------------------------------------

    @one_at_a_time
    def _forward(self, inputs, **options):
        """Run equally long inputs, name -> (rows, n) or (n,)."""
        with torch.inference_mode():
            batch = {k: torch.as_tensor(np.atleast_2d(v), device=self.device) for k, v in inputs.items()}
            return self.model(**batch, attention_mask=torch.ones_like(batch["input_ids"]), **options)

    def _masked_ids(self, encoded, masks):
        """One row of token ids for each set of masked units."""
        rows = np.repeat(encoded.data.ids[None, :], len(masks), axis=0)
        rows[:, list(encoded.data.masked_slots)] = self.mask_id
        for row, mask in zip(rows, masks, strict=True):
            for unit in mask:
                row[list(encoded.tokens[unit])] = self.mask_id
        return rows

    @one_at_a_time
    def predict(self, encoded: Encoded, masks: Sequence[Sequence[int]]) -> np.ndarray:
        """Output distribution for each set of masked units, (len(masks), outputs) float64."""
        rows = self._masked_ids(encoded, masks)
        step = max(1, self._tokens_per_batch() // rows.shape[1])
        with fused_attention(self.model) if rows.size > _WORTH_A_SWITCH else nullcontext():
            parts = [self._distribution(rows[i : i + step], encoded) for i in range(0, len(rows), step)]
        return np.concatenate(parts)

    def _tokens_per_batch(self):
        most = _TOKENS_PER_BATCH * (1 if self.device.type == "cpu" else 16)
        return min(most, max(1, _LOGITS_PER_BATCH // self.seen.outputs))

    def _distribution(self, rows, encoded):
        place = self._place_read(encoded)
        extras = {k: np.repeat(v[None], len(rows), axis=0) for k, v in encoded.data.extras.items()}
        reads_one = nullcontext(False) if place is None else one_place(self.model, place)
        with reads_one as narrowed:
            logits = self._forward({"input_ids": rows} | extras).logits
        if logits.ndim == 3:
            logits = logits[:, 0 if narrowed else place]
        return self._log_probabilities(logits, encoded).exp().numpy()

    def _log_probabilities(self, logits, encoded):
        """(rows, outputs) float64, on the CPU: some devices have no double precision."""
        return torch.log_softmax(logits.cpu().double(), dim=-1)

    def _place_read(self, encoded):
        """The row of the last layer that the prediction is read from; None for several."""
        return encoded.data.slot

    def _attention_inputs(self, encoded):
        """The input of the abduction pass: everything in place, the outcome too."""
        return {"input_ids": encoded.data.ids} | encoded.data.extras

    def _with_mixing(self, encoded):
        """The same, with the function that tells how the layers mix the abduction pass."""
        given = self._attention_inputs(encoded)
        if encoded.outcome_tokens[0] == len(given["input_ids"]):
            return encoded  # the outcome has no token: nothing in the network mixes it
        inputs = {k: torch.as_tensor(v[None], device=self.device) for k, v in given.items()}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        return replace(encoded, mixing=how_it_mixes(self.model, **inputs))

    def attention(self, encoded: Encoded, layer: int = -1) -> np.ndarray:
        """Attention of one layer with the outcome in place, (heads, tokens, tokens) float64.

        Raises
        ------
        ValueError
            The model has no such layer.
        """
        layers = self._forward(self._attention_inputs(encoded), output_attentions=True).attentions
        if not is_whole(layer) or not -len(layers) <= layer < len(layers):
            raise ValueError(f"layer must lie in {-len(layers)} … {len(layers) - 1}: got {layer!r}")
        attention = layers[layer][0].cpu().double()
        return (attention.softmax(-1) if self.seen.before_softmax else attention).numpy()

    @one_at_a_time
    def attributions(
        self,
        encoded: Encoded,
        kind: str = "gradient-x-input",
        steps: int = 32,
        masked: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Score of each unit for the outcome by gradients at the input embeddings, (units,) float64.

        ``kind`` is "gradient-x-input" (Shrikumar et al. 2016) or "integrated-gradients" (Sundararajan et
        al. 2017, baseline: the units ``masked``, None for all; ``steps`` points of the midpoint rule).
        """
        shares = {"gradient-x-input": np.ones(1), "integrated-gradients": (np.arange(steps) + 0.5) / steps}
        if kind not in shares:
            raise ValueError(f"kind must be one of {sorted(shares)}: got {kind!r}")
        masked = range(len(encoded.units)) if masked is None else masked
        rows = torch.as_tensor(self._masked_ids(encoded, [(), tuple(masked)]), device=self.device)
        embed = self.model.get_input_embeddings()
        place, end = self._place_read(encoded), rows.shape[1]
        if self.causal and place is not None:  # what follows changes nothing, and a head that passes over
            end = place + 1  # padding sees none in embeddings: it would read the last row
        extras = encoded.data.extras
        others = {k: torch.as_tensor(v[None, :end], device=self.device) for k, v in extras.items()}
        others["attention_mask"] = torch.ones_like(rows[:1, :end])
        with torch.no_grad():
            here, blank = embed(rows)
        start = torch.zeros_like(here) if kind == "gradient-x-input" else blank
        gradient = torch.zeros_like(here)
        for share in shares[kind]:
            point = (start + share * (here - start)).detach().requires_grad_(True)
            logits = self.model(inputs_embeds=point[None, :end], **others).logits
            if logits.ndim == 3:
                logits = logits[:, place]
            score = self._log_probabilities(logits, encoded)[0, encoded.target]
            gradient += torch.autograd.grad(score, point)[0] / len(shares[kind])
        pieces = (gradient * (here - start)).sum(-1).cpu().double().numpy()
        return np.array([pieces[list(p)].sum() for p in encoded.tokens])

    # --- reading and writing ----------------------------------------------------------------------

    def _hidden(self, encoded, mask):
        slots = set(encoded.data.masked_slots)
        return set(mask) | {u for u, p in enumerate(encoded.tokens) if slots & set(p)}

    def masked_input(self, encoded: Encoded, mask: Sequence[int]) -> str | tuple[str, ...]:
        """The text, or the pair, as the model saw it, with the mask token in place of these units."""
        texts, _, _ = self.reader.masked(encoded.data, encoded.tokens, self._hidden(encoded, mask))
        return texts[0] if len(texts) == 1 else texts

    def masked_ids(self, encoded: Encoded, mask: Sequence[int]) -> tuple[int, ...] | None:
        """The word-pieces that the model saw, if no text reads back to them; None if one does."""
        _, ids, read = self.reader.masked(encoded.data, encoded.tokens, self._hidden(encoded, mask))
        return None if read else tuple(ids.tolist())

    def label(self, index: int) -> str:
        """Name of one output: a class, or a token of the vocabulary."""
        return self.reader.label(int(index))


def _vocabulary(model):
    try:
        return len(model.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):
        raise ValueError(f"{type(model).__name__} reads no word-pieces: it has no table of them") from None


def with_outcome(attention: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Attention with the outcome appended, where it has no token itself, (heads, n + 1, n + 1).

    A head that reads the mean of several rows has an outcome whose row is their mean. A head that reads the
    row of one word has an outcome with that row: what the word's token attends to. In the graph the word then
    stands for itself alone, and what the token attends to itself is shared between word and outcome by half.
    """
    heads, n, _ = attention.shape
    larger = np.zeros((heads, n + 1, n + 1))
    larger[:, :n, :n] = attention
    larger[:, n, :n] = attention[:, list(rows)].mean(axis=1)
    if len(rows) == 1:
        row = rows[0]
        larger[:, row] = 0
        larger[:, row, row] = 1
        larger[:, n, [row, n]] = attention[:, row, row, None] / 2
    return larger
