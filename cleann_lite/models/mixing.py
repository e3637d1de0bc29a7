"""How the layers of a Hugging Face Transformer mix their tokens: shares of the residual, norms of values.

Known are BERT and its kin (RoBERTa, ELECTRA, CamemBERT, XLM-RoBERTa), DistilBERT and GPT-2; of any other
network this module says nothing.
"""

from collections.abc import Callable
from functools import partial

import torch

from ..attention.residual import LayerMixing, layer_mixing
from .fast_pass import one_at_a_time

BERT_LIKE = ("bert", "roberta", "electra", "camembert", "xlm-roberta")


def how_it_mixes(network, **inputs) -> Callable[[], tuple[LayerMixing, ...]] | None:
    """A function that runs one input and says how each layer mixed it; None for a network that is not known.

    The network is loaded with ``attn_implementation="eager"``; ``inputs`` are those of one pass, (1, n) each.
    """
    kind = network.config.model_type
    if kind in BERT_LIKE:
        return partial(_mixings, network, inputs, network.base_model.encoder.layer, _bert)
    if kind == "distilbert":
        return partial(_mixings, network, inputs, network.base_model.transformer.layer, _distilbert)
    if kind == "gpt2":
        return partial(_mixings, network, inputs, network.base_model.h, _gpt2)
    return None


@one_at_a_time
@torch.no_grad()
def _mixings(network, inputs, layers, parts):
    output = network.base_model(**inputs, output_attentions=True, output_hidden_states=True)
    states = zip(layers, output.hidden_states, output.attentions, strict=False)  # one state more: the last
    return tuple(
        layer_mixing(
            *(part.detach().cpu().numpy() for part in (hidden[0], attention[0], *parts(layer, hidden[0])))
        )
        for layer, hidden, attention in states
    )


def _bert(layer, hidden):
    values, sum_of_both = layer.attention.self.value, layer.attention.output
    return values(hidden), sum_of_both.dense.weight.T, sum_of_both.LayerNorm.weight


def _distilbert(layer, hidden):
    values, output = layer.attention.v_lin(hidden), layer.attention.out_lin.weight.T
    return values, output, layer.sa_layer_norm.weight


def _gpt2(layer, hidden):
    values = layer.attn.c_attn(layer.ln_1(hidden)).chunk(3, dim=-1)[2]
    return values, layer.attn.c_proj.weight
