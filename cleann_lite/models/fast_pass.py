"""Compute only what a prediction reads: one place of the last layer, and no attention matrices.

A classifier reads one token of the last layer ([CLS]), a masked-word model one place. In the last attention
only its row is needed, and behind it the other tokens mix no more, so leaving them out changes nothing but
the time: a third less in a model of three layers, more where a vocabulary is scored. A model that was loaded
to return its attention ("eager") runs the fused kernel where nobody asks for it: an eighth less. Masked
inputs differ in a few places, and what the first layer projects is known for each piece at each place: a
twelfth less. A network is changed for the time of such a pass, so threads that share one take turns
(`one_at_a_time`).
"""

import threading
from contextlib import contextmanager, nullcontext
from functools import wraps

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

_BERT_LIKE = ("Bert", "Roberta", "Electra", "Camembert", "XLMRoberta")
_KINDS = ("ForSequenceClassification", "ForMaskedLM")
ENCODERS = {f"{family}{kind}" for family in (*_BERT_LIKE, "DistilBert") for kind in _KINDS}
DECODERS = {"GPT2LMHeadModel", "LlamaForCausalLM", "GPTNeoXForCausalLM", "OPTForCausalLM"}

_PASS = threading.RLock()


def one_at_a_time(method):
    """A method that runs a network, while no other thread of this process does."""

    @wraps(method)
    def alone(*arguments, **options):
        with _PASS:
            return method(*arguments, **options)

    return alone


def one_place(model, place: int):
    """Within this context, a known model computes one place behind its last attention.

    Encoders leave out the others in what follows that attention, decoders in the vocabulary's scores.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of a class in ``ENCODERS`` or ``DECODERS``; any other is left as it is, since it may read more.
    place : int
        Which token is read; -1 is the last. Scores of a vocabulary become (batch, 1, vocabulary).

    Yields
    ------
    bool
        Whether the model was narrowed.
    """
    if not _known(model):
        return nullcontext(False)
    return _narrowed(model, slice(place, place + 1 or None))


@contextmanager
def fused_attention(model):
    """Within this context, a known model that was loaded as "eager" runs the fused kernel of attention.

    It returns the same outputs to rounding, and no attention. Any other model is left as it is.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of a class in ``ENCODERS`` or ``DECODERS``, where a fused kernel is known.
    """
    if not (_known(model) and model.config._attn_implementation == "eager" and model._supports_sdpa):
        yield
        return
    model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        model.set_attn_implementation("eager")


@contextmanager
def same_pieces(model, ids: np.ndarray):
    """Within this context, the first layer of a known encoder projects each piece at each place once.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of a class in ``ENCODERS``, with two layers or more; any other is left as it is.
    ids : array (batch, n)
        What the pass reads. Two rows with the same piece at a place have the same embedding there, so no
        piece may be padding, from which some families count their positions.
    """
    encoder = _known(model) and type(model).__name__ in ENCODERS
    # where the first layer is the last, `one_place` has its query
    if not encoder or model.config.num_hidden_layers < 2 or (ids == model.config.pad_token_id).any():
        yield
        return
    places = np.arange(ids.shape[1]) + ids.astype(np.int64) * ids.shape[1]
    _, at, back = np.unique(places, return_index=True, return_inverse=True)
    first, inverse = torch.as_tensor(at), torch.as_tensor(back.reshape(-1))
    hooks = []
    for part in _projections(model, 0):
        hooks.append(part.register_forward_pre_hook(lambda module, given: (given[0].flatten(0, 1)[first],)))
        hooks.append(part.register_forward_hook(lambda module, given, out: out[inverse].view(*ids.shape, -1)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _projections(model, number):
    """Query, key and value of a layer of a known encoder."""
    if model.config.model_type == "distilbert":
        own = model.base_model.transformer.layer[number].attention
        return own.q_lin, own.k_lin, own.v_lin
    own = model.base_model.encoder.layer[number].attention.self
    return own.query, own.key, own.value


def _known(model):
    kind = type(model)
    return kind.__name__ in ENCODERS | DECODERS and kind.__module__.startswith("transformers.")


class _Rows(TorchFunctionMode):
    """Computes some rows of the last layer's fused attention; the others, which nobody reads, are copies."""

    def __init__(self, rows):
        super().__init__()
        self.rows, self.last, self.length = rows, False, 0

    def begin(self, layer, inputs):
        self.last, self.length = True, inputs[0].shape[1]
        self.__enter__()  # each function of torch is asked while it lasts: so in the last layer only

    def project(self, module, inputs):
        return (inputs[0][:, self.rows],)

    def spread(self, module, inputs, output):
        return output.expand(-1, self.length, -1)

    def end(self, *layer_and_output):
        if self.last:
            self.last = False
            self.__exit__(None, None, None)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        query, mask = args[0], kwargs.get("attn_mask")
        if mask is not None and mask.shape[-2] > 1:
            kwargs["attn_mask"] = mask[..., self.rows, :]
        return func(query[..., self.rows, :], *args[1:], **kwargs).expand_as(query)


@contextmanager
def _narrowed(model, rows):
    attend = _Rows(rows)
    if type(model).__name__ in DECODERS:
        layer, part = None, model.get_output_embeddings()
    elif model.config.model_type == "distilbert":
        layer = model.base_model.transformer.layer[-1]
        part = layer.sa_layer_norm
    else:
        layer = model.base_model.encoder.layer[-1]
        part = layer.attention.output
    if isinstance(part, torch.nn.LayerNorm):
        hooks = [part.register_forward_hook(lambda module, inputs, output: output[:, rows])]
    else:
        hooks = [part.register_forward_pre_hook(lambda module, inputs: tuple(x[:, rows] for x in inputs))]
    if layer is not None:
        hooks += [layer.register_forward_pre_hook(attend.begin), layer.register_forward_hook(attend.end)]
        query, *_ = _projections(model, -1)
        hooks += [query.register_forward_pre_hook(attend.project), query.register_forward_hook(attend.spread)]
    try:
        yield True
    finally:
        attend.end()  # where the layer failed
        for hook in hooks:
            hook.remove()
