"""Compute only what a prediction reads: one place of the last layer, and no attention matrices.

A classifier reads one token of the last layer ([CLS]), a masked-word model one place. Behind the last
attention the other tokens mix no more, so leaving them out changes nothing but the time: a sixth less in a
model of three layers, more where a vocabulary is scored. A model that was loaded to return its attention
("eager") runs the fused kernel where nobody asks for it. A network is changed for the time of such a pass, so
threads that share one take turns (`one_at_a_time`).
"""

import threading
from contextlib import contextmanager
from functools import wraps

import torch

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
    if type(model).__name__ in DECODERS:
        part = model.get_output_embeddings()
    elif model.config.model_type == "distilbert":
        part = model.base_model.transformer.layer[-1].sa_layer_norm
    else:
        part = model.base_model.encoder.layer[-1].attention.output
    if isinstance(part, torch.nn.LayerNorm):
        hook = part.register_forward_hook(lambda module, inputs, output: output[:, rows])
    else:
        hook = part.register_forward_pre_hook(lambda module, inputs: tuple(x[:, rows] for x in inputs))
    try:
        yield True
    finally:
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
