"""An encoder layer whose attention weights can be identified: value size free of key size, heads added or
concatenated.

For tokens X (n, d_model), head h of H:

    Q = X W_Q + b_Q (n, d_k)    K = X W_K + b_K (n, d_k)    V = X W_V + b_V (n, d_v)
    A = softmax(Q Kᵀ / √d_k), pads left out                 head h = A V
    concat: [head 1, …, head H] W_O + b_O                   add: head 1 + … + head H

The usual layer ties d_k = d_v = d_model / H and concatenates. The variant of the paper takes d_k small and
d_v = d_model, and adds; then W_O has nothing left to do and is dropped.

Source: Bhardwaj, Majumder, Poria, Hovy, More Identifiable yet Equally Performant Transformers for Text
Classification, ACL 2021, section 5 (the layer); Vaswani et al., Attention Is All You Need, NeurIPS 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..attention.head_reach import softmax_attention


class DecoupledAttention(nn.Module):
    """Multi-head attention with its own key size, its own value size, and heads concatenated or added.

    Called like ``torch.nn.MultiheadAttention(…, batch_first=True)``, whose mask conventions it follows:
    True in a boolean mask means *left out*. Self-attention when key and value are not given.

    Parameters
    ----------
    d_model : int
        Width of the tokens.
    heads : int
    key_size : int, optional
        d_k; default d_model / heads.
    value_size : int, optional
        d_v; default d_model / heads for "concat", d_model for "add".
    combine : "concat" | "add"
    output : bool, optional
        Whether an output projection follows; default True for "concat". Without one, what is combined must be
        as wide as the model.
    bias, dropout
        Of the projections; of the attention weights (the weights returned are those before dropout).

    Raises
    ------
    ValueError
        If the sizes do not fit.

    Examples
    --------
    >>> layer = DecoupledAttention(d_model=32, heads=4, key_size=2, combine="add")
    >>> output, attention = layer(torch.zeros(5, 9, 32))
    >>> output.shape, attention.shape
    (torch.Size([5, 9, 32]), torch.Size([5, 4, 9, 9]))
    """

    batch_first = True

    def __init__(
        self,
        d_model: int,
        heads: int,
        key_size: int | None = None,
        value_size: int | None = None,
        combine: str = "concat",
        output: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        if combine not in ("concat", "add"):
            raise ValueError(f'combine must be "concat" or "add": got {combine!r}')
        for name, size in {"heads": heads, "key_size": key_size, "value_size": value_size}.items():
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1: got {size}")
        shared = d_model if combine == "add" and value_size is None else value_size
        if (key_size is None or shared is None) and d_model % heads:
            raise ValueError(
                f"d_model must be a multiple of heads where sizes are not given: got {d_model} and {heads}"
            )
        self.d_model, self.heads, self.combine = d_model, heads, combine
        self.key_size = d_model // heads if key_size is None else key_size
        self.value_size = d_model // heads if shared is None else shared
        width = self.value_size * (heads if combine == "concat" else 1)
        output = combine == "concat" if output is None else output
        if not output and width != d_model:
            raise ValueError(
                f"without an output projection what is combined must be {d_model} wide: got {width}"
            )
        self.query = nn.Linear(d_model, heads * self.key_size, bias=bias)
        self.key = nn.Linear(d_model, heads * self.key_size, bias=bias)
        self.value = nn.Linear(d_model, heads * self.value_size, bias=bias)
        self.output = nn.Linear(width, d_model, bias=bias) if output else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = False,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Parameters
        ----------
        query, key, value : Tensor (batch, tokens, d_model)
        key_padding_mask : Tensor (batch, keys), optional
            Boolean: True where a key is padding. Float: added to the logits.
        attn_mask : Tensor, optional
            (queries, keys), or of each head: (batch · heads, queries, keys) or (batch or 1, heads, queries,
            keys). Boolean: True where a query may not look. Float: added to the logits.
        is_causal : bool
            Queries look at no later key.

        Returns
        -------
        output : Tensor (batch, queries, d_model)
        attention : Tensor (batch, heads, queries, keys), (batch, queries, keys) if averaged, or None
            Rows sum to 1. A query that may look at no key (padding alone) has a row of zeros: it mixes
            nothing, and its output is what the projection gives for zero.

        Raises
        ------
        ValueError
            If a mask is neither boolean nor float, or of another shape.
        """
        key = query if key is None else key
        value = key if value is None else value
        weights = self.attention(query, key, key_padding_mask, attn_mask, is_causal)
        mixed = self.dropout(weights) @ self._split(self.value(value))  # (batch, heads, queries, d_v)
        combined = mixed.sum(dim=1) if self.combine == "add" else mixed.transpose(1, 2).flatten(2)
        output = combined if self.output is None else self.output(combined)
        if not need_weights:
            return output, None
        return output, weights.mean(dim=1) if average_attn_weights else weights

    def attention(self, query, key=None, key_padding_mask=None, attn_mask=None, is_causal=False) -> Tensor:
        """Attention weights alone, (batch, heads, queries, keys)."""
        key = query if key is None else key
        q, k = self._split(self.query(query)), self._split(self.key(key))
        logits = q @ k.transpose(-1, -2) / math.sqrt(self.key_size)
        hidden = torch.zeros((1, 1, 1, 1), dtype=torch.bool, device=logits.device)
        if is_causal:
            hidden = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
        masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
        for name, mask in masks.items():
            if mask is None:
                continue
            mask = mask[:, None, None, :] if name == "key_padding_mask" else self._per_head(mask)
            if mask.dtype == torch.bool:
                hidden = hidden | mask
            elif mask.is_floating_point():
                logits = logits + mask
            else:  # 1 for a token in one library, for padding in another
                raise ValueError(f"{name} must be boolean, True where it is left out: got {mask.dtype}")
        logits = logits.masked_fill(hidden, -math.inf)
        blind = (logits == -math.inf).all(dim=-1, keepdim=True)
        return logits.masked_fill(blind, 0.0).softmax(dim=-1).masked_fill(blind, 0.0)

    def _per_head(self, mask):
        """A mask of queries × keys as one that fits (batch, heads, queries, keys)."""
        if mask.dim() == 3:
            return mask.unflatten(0, (-1, self.heads))
        if mask.dim() not in (2, 4):
            raise ValueError(f"attn_mask must have 2, 3 or 4 dimensions: got shape {tuple(mask.shape)}")
        return mask

    def head_inputs(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of each head, (batch, heads, tokens, size): what identifiability needs.

        The values are those multiplied with the attention, bias included.
        """
        query, key, value = (self._split(part(tokens)) for part in (self.query, self.key, self.value))
        return query, key, value

    def _split(self, projected: Tensor) -> Tensor:
        """(batch, tokens, heads·size) -> (batch, heads, tokens, size)."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class DecoupledEncoderLayer(nn.Module):
    """An encoder layer around `DecoupledAttention`; fits ``torch.nn.TransformerEncoder``.

    Give that ``enable_nested_tensor=False``: PyTorch packs texts only for layers of its own, and else warns.

    Parameters
    ----------
    d_model, heads, key_size, value_size, combine
        As in `DecoupledAttention`.
    feedforward : int, optional
        Width of the feed-forward part; default 4 d_model.
    dropout : float
    norm_first : bool
        LayerNorm before each part instead of after.

    Examples
    --------
    >>> layer = DecoupledEncoderLayer(d_model=32, heads=4, key_size=2, combine="add")
    >>> torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)(torch.zeros(5, 9, 32)).shape
    torch.Size([5, 9, 32])
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        key_size: int | None = None,
        value_size: int | None = None,
        combine: str = "concat",
        feedforward: int | None = None,
        dropout: float = 0.1,
        norm_first: bool = False,
    ):
        super().__init__()
        feedforward = 4 * d_model if feedforward is None else feedforward
        self.self_attn = DecoupledAttention(d_model, heads, key_size, value_size, combine, dropout=dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, d_model)
        )
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Encode (batch, tokens, d_model); with ``need_weights`` also the attention of every head."""
        x = self.norm1(src) if self.norm_first else src
        attended, weights = self.self_attn(
            x,
            key_padding_mask=src_key_padding_mask,
            attn_mask=src_mask,
            is_causal=is_causal and src_mask is None,
            need_weights=need_weights,
        )
        if self.norm_first:
            x = src + self.dropout(attended)
            x = x + self.dropout(self.feedforward(self.norm2(x)))
        else:
            x = self.norm1(src + self.dropout(attended))
            x = self.norm2(x + self.dropout(self.feedforward(x)))
        return (x, weights) if need_weights else x


class DecoupledClassifier(nn.Module):
    """A small text classifier: embeddings, layers of `DecoupledEncoderLayer`, classes from the first token.

    Parameters
    ----------
    vocabulary : int
        Number of token ids; id 0 is padding.
    classes : int
    length : int
        Longest text, in tokens.
    layers : int
    d_model, heads, key_size, value_size, combine, feedforward, dropout
        As in `DecoupledEncoderLayer`.

    Examples
    --------
    >>> model = DecoupledClassifier(vocabulary=100, classes=2, length=16, d_model=32, heads=4)
    >>> model(torch.tensor([[1, 7, 9, 0], [1, 5, 8, 3]])).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        length: int,
        d_model: int,
        heads: int,
        layers: int = 1,
        dropout: float = 0.1,
        **layer,
    ):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, d_model, padding_idx=0)
        self.positions = nn.Embedding(length, d_model)
        for embedding, size in ((self.tokens, 0.1), (self.positions, 0.02)):
            nn.init.normal_(embedding.weight, std=size)
        self.norm, self.dropout = nn.LayerNorm(d_model), nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            DecoupledEncoderLayer(d_model, heads, dropout=dropout, **layer) for _ in range(layers)
        )
        self.classifier = nn.Linear(d_model, classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, tokens), 0 where padded, to logits (batch, classes)."""
        x, padding = self.embed(ids), ids == 0
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return self.classifier(self.dropout(x[:, 0]))

    def embed(self, ids: Tensor) -> Tensor:
        """What the first layer reads, (batch, tokens, d_model)."""
        if ids.shape[1] > self.positions.num_embeddings:
            raise ValueError(f"a text may have {self.positions.num_embeddings} tokens: got {ids.shape[1]}")
        places = self.positions.weight[: ids.shape[1]]
        return self.dropout(self.norm(self.tokens(ids) + places))

    @torch.no_grad()
    def heads(self, ids: Tensor, layer: int = -1) -> Heads:
        """What the heads of one layer multiply, for one text without padding, (tokens,), in float64."""
        x = self.embed(ids[None])
        number = range(len(self.layers))[layer]
        for earlier in self.layers[:number]:
            x = earlier(x)
        chosen = self.encoder(number)
        query, key, value = chosen.self_attn.head_inputs(chosen.norm1(x) if chosen.norm_first else x)
        return Heads(*(part[0].double().numpy() for part in (query, key, value)))

    def encoder(self, layer: int) -> DecoupledEncoderLayer:
        """One of the layers."""
        return cast(DecoupledEncoderLayer, self.layers[layer])


@dataclass(frozen=True)
class Heads:
    """Queries, keys and values of the heads of one layer for one text: (heads, tokens, size) each."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray

    @property
    def attention(self) -> np.ndarray:
        """(heads, tokens, tokens) float64, from queries and keys."""
        return np.stack([softmax_attention(q, k) for q, k in zip(self.query, self.key, strict=True)])


@torch.no_grad()
def bert_heads(model: nn.Module, layer: int = -1, **inputs: Tensor) -> Heads:
    """Read queries, keys and values out of a BERT-like Hugging Face model, for one text without padding.

    ``inputs`` are what the tokenizer returned, (1, tokens) each; ValueError for more than one text, or a
    model whose layers do not hold ``attention.self.query``, ``.key`` and ``.value``, as those of BERT do.
    """
    found = [part for name, part in model.named_modules() if name.endswith("attention.self")]
    parts = dict(found[layer].named_children()) if found else {}
    if not {"query", "key", "value"} <= parts.keys():
        raise ValueError(f"the model must hold attention.self.query, .key and .value: {type(model).__name__}")
    if len(inputs["input_ids"]) != 1:
        raise ValueError(f"give one text: got {len(inputs['input_ids'])}")
    hidden = model(**inputs, output_hidden_states=True).hidden_states[range(len(found))[layer]]
    read = (parts[name](hidden)[0].double().cpu().numpy() for name in ("query", "key", "value"))
    heads = found[layer].num_attention_heads
    return Heads(*(part.reshape(len(part), heads, -1).transpose(1, 0, 2) for part in read))


def text_heads(model, text: str, layer: int = -1) -> Heads:
    """Queries, keys and values of a BERT-like model of `load_model`, for a text as `explain` reads it."""
    ids = model.encode(text).data.ids
    return bert_heads(model.model, layer, input_ids=torch.as_tensor(np.asarray(ids))[None])
