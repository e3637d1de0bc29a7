"""What a model shows of itself on two short texts: nothing is taken from its name.

The attention says whether later words are seen (its upper triangle) and whether it is a distribution over the
words at all. The head is asked which rows of the last hidden state it reads: the derivative of its logits by
the other rows is zero. Tables of positions are seen when they are looked up, with the number they start at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from .fast_pass import one_at_a_time

_LENGTHS = (5, 8)  # of the two texts, in word-pieces
_TOLERANCE = 1e-3  # of a row's sum: half precision has three digits
# What can be done where a family is refused; by the model_type of config.json.
_WAY_OUT = {
    "big_bird": 'set "attention_type": "original_full" in its config.json',
    "longformer": "its attention covers a window; take a model with full attention, such as RoBERTa",
    "funnel": "it pools words between layers; take a model that keeps every word, such as ELECTRA",
    "yoso": "it estimates attention by hashing; take a model with full attention",
    "nystromformer": "it estimates attention from landmarks; take a model with full attention",
    "reformer": "it finds attention by hashing; take a model with full attention",
    "gpt_oss": "each row keeps a part for a sink; take a model without sinks, such as Qwen or Llama",
}


@dataclass(frozen=True)
class Probe:
    """What was seen."""

    hidden_size: int
    causal: bool  # no token attends to a later one, in any layer
    places: int | None  # tokens for which there are positions; None if no table of positions was looked up
    reads: int | None  # the row that the head reads: 0 is the first, -1 the last; None: the mean of all rows
    outputs: int  # width of the logits
    before_softmax: bool = False  # the model returns its attention before the soft-max (SqueezeBERT)


class _PositionTables(TorchFunctionMode):
    """Notes each table that is asked for consecutive numbers: those of positions."""

    def __init__(self, length, words):
        super().__init__()
        self.length, self.words, self.places = length, words, []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.nn.functional.embedding and len(args) > 1 and args[1] is not self.words:
            numbers = args[0].reshape(-1)
            if len(numbers) == self.length and bool((numbers.diff() == 1).all()):
                self.places.append(len(args[1]) - int(numbers[0]))
        return func(*args, **kwargs)


def probe(model, reader, name: str) -> Probe:
    """Look at a model, loaded with ``attn_implementation="eager"``, through its reader.

    ValueError, with the way out if there is one: a model whose attention is not over the text, or whose head
    does not read one row, or the mean.
    """
    short, long = (look(model, name, reader.made_up(length)) for length in _LENGTHS)
    if short.reads != long.reads:
        raise ValueError(f"{name} reads another place of each text to classify it: needed is one place")
    return long


@one_at_a_time
def look(model, name: str, inputs: Mapping[str, np.ndarray]) -> Probe:
    """As `probe`, on one input, arrays (n,)."""
    length = len(inputs["input_ids"])
    batch = {k: torch.as_tensor(v[None], device=model.device) for k, v in inputs.items()}
    tables, parts = _PositionTables(length, model.get_input_embeddings().weight), []
    hook = torch.nn.modules.module.register_module_forward_hook(lambda *a: parts.append(a[2]))
    try:
        with tables, torch.enable_grad():
            output = model(
                **batch, attention_mask=torch.ones_like(batch["input_ids"]), output_attentions=True,
                output_hidden_states=True,
            )  # fmt: skip
    except Exception as error:  # of any kind: it is the model's own code
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{name} does not run on a short text ({type(error).__name__}: {first})") from None
    finally:
        hook.remove()
    kind = model.config.model_type
    attention = _attention(output, name, kind, length, model.config._attn_implementation)
    before = kind == "squeezebert"
    _check_rows(attention, name, kind, before)
    hidden, logits = output.get("hidden_states"), output["logits"]
    read = logits if logits.ndim == 2 else logits[:, -1]
    states = _last_states(hidden[-1], parts, length) if hidden else []
    row = _row_read(read, states, length, name)
    if logits.ndim == 3 and row != -1:
        raise ValueError(f"{name} does not read the last hidden state of a word to predict it")
    return Probe(
        hidden_size=int(hidden[-1].shape[-1]),
        causal=all(float(np.triu(layer, 1).max()) == 0 for layer in attention) and not before,
        places=min(tables.places, default=None),
        reads=row,
        outputs=logits.shape[-1],
        before_softmax=before,
    )


def _attention(output: Mapping, name, kind, length, implementation):
    """Attention of every layer, (heads, n, n) each."""
    layers = output.get("attentions")
    if not layers or any(layer is None for layer in layers):
        advice = (
            'load it with "eager"' if implementation != "eager" else _WAY_OUT.get(kind, "it has none to read")
        )
        raise ValueError(
            f"{name} returned no attention with its attention implementation {implementation!r}: {advice}"
        )
    shapes = {tuple(layer.shape[-2:]) for layer in layers if layer.ndim == 4}
    if shapes != {(length, length)}:
        advice = _WAY_OUT.get(kind, "needed is one number for each two words")
        raise ValueError(
            f"the attention of {name} is not over all words of the text ({kind} gave shapes "
            f"{sorted(shapes)} for {length} word-pieces): {advice}"
        )
    if kind == "nystromformer":  # full on a short text, not on a long one
        raise ValueError(f"the attention of {name} is not over all words of a longer text: {_WAY_OUT[kind]}")
    return [layer[0].detach().cpu().double().numpy() for layer in layers]


def _check_rows(attention, name, kind, before):
    if before:
        return
    for layer in attention:
        sums = layer.sum(-1)
        if layer.min() >= 0 and np.abs(sums - 1).max() <= _TOLERANCE:
            continue
        worst = sums.flat[np.abs(sums - 1).argmax()]
        advice = _WAY_OUT.get(kind, "needed is attention behind the soft-max, and all of it on the text")
        raise ValueError(
            f"the attention rows of {name} must be positive and sum to 1: one sums to {worst:.2f}; {advice}"
        )


def _last_states(hidden, parts, length):
    """The last hidden state, and what modules gave with the same numbers: a model may return a copy of it."""
    states = [hidden]
    for part in parts:
        part = part[0] if isinstance(part, tuple | list) and part else part
        same_size = isinstance(part, torch.Tensor) and part.numel() == hidden.numel()
        if same_size and torch.equal(part.reshape(length, -1), hidden.reshape(length, -1)):
            states.append(part)
    return [state for state in states if state.requires_grad and state.numel() % length == 0]


def _row_read(logits, states, length, name):
    """The row of the last hidden state that one row of logits depends on; None for the mean of all."""
    weights = torch.arange(1.0, logits.shape[-1] + 1, device=logits.device) / logits.shape[-1]
    slopes = torch.autograd.grad((logits * weights).sum(), states, allow_unused=True) if states else ()
    slope = next((slope for slope in slopes if slope is not None), None)
    if slope is None:
        raise ValueError(f"cannot tell which words {name} reads in its last layer to predict")
    slope = slope.reshape(length, -1).float().cpu().numpy()
    effect = np.abs(slope).max(axis=1)
    rows = np.flatnonzero(effect > 1e-6 * effect.max(initial=0)) if effect.any() else np.array([], dtype=int)
    if len(rows) == 1:
        return 0 if rows[0] == 0 else int(rows[0]) - length
    if len(rows) == length and np.allclose(slope, slope[0], atol=1e-3 * effect.max()):
        return None
    raise ValueError(
        f"{name} reads {len(rows)} of {length} rows of its last layer, in unequal parts: needed is one row, "
        f"or their mean"
    )
