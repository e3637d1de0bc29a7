"""Compute only what a prediction reads: one place of the last layer, and no attention matrices.

A classifier reads one token of the last layer ([CLS]), a masked-word model one place. In the last attention
only its row is needed, and behind it the other tokens mix no more, so leaving them out changes nothing but
the time: a fifth less in a model of three layers, more where a vocabulary is scored. A model that was loaded
to return its attention ("eager") runs the fused kernel where nobody asks for it: nothing less for a review, a
third for 500 words. A network is changed for the time of such a pass, so threads that share one take turns
(`one_at_a_time`).
"""

import threading
from contextlib import contextmanager
from functools import wraps

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


@contextmanager
def one_place(model, place: int):
    """Within this context, a known model computes one place behind its last attention.

    Encoders leave out the others in what follows that attention, decoders in the vocabulary's scores, which
    become (batch, 1, vocabulary). Yields whether the model was narrowed: one of a class that is neither in
    ``ENCODERS`` nor in ``DECODERS`` is left as it is, since it may read more.
    """
    if not _known(model):
        yield False
        return
    rows = slice(place, place + 1 or None)
    attend, layer = _Rows(rows), None
    if type(model).__name__ in DECODERS:
        part = model.get_output_embeddings()
    elif model.config.model_type == "distilbert":
        layer = model.base_model.transformer.layer[-1]
        part, query = layer.sa_layer_norm, layer.attention.q_lin
    else:
        layer = model.base_model.encoder.layer[-1]
        part, query = layer.attention.output, layer.attention.self.query
    if isinstance(part, torch.nn.LayerNorm):
        hooks = [part.register_forward_hook(lambda module, inputs, output: output[:, rows])]
    else:
        hooks = [part.register_forward_pre_hook(lambda module, inputs: tuple(x[:, rows] for x in inputs))]
    if layer is not None:
        hooks += [layer.register_forward_pre_hook(attend.begin), layer.register_forward_hook(attend.end)]
        hooks += [query.register_forward_pre_hook(attend.project), query.register_forward_hook(attend.spread)]
    try:
        yield True
    finally:
        attend.end()  # where the layer failed
        for hook in hooks:
            hook.remove()


@contextmanager
def fused_attention(model):
    """Within this context, a known model that was loaded as "eager" runs the fused kernel of attention.

    It returns the same outputs to rounding, and no attention. Any other model is left as it is.
    """
    if not (_known(model) and model.config._attn_implementation == "eager" and model._supports_sdpa):
        yield
        return
    model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        model.set_attn_implementation("eager")


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
