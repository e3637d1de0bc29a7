"""The decoupled encoder layer against a loop over heads, PyTorch's own attention, and its known defects."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from cleann_lite.attention.identifiability import null_space_dimension  # noqa: E402
from cleann_lite.models.decoupled import (  # noqa: E402
    DecoupledAttention,
    DecoupledClassifier,
    DecoupledEncoderLayer,
    bert_heads,
)

SIZES = [
    (8, 2, 4, 4, "concat"),
    (8, 3, 2, 5, "concat"),
    (8, 3, 2, 8, "add"),
    (8, 2, 5, 8, "add"),
    (6, 1, 2, 6, "add"),
]


def layer_of(d_model, heads, key_size, value_size, combine, seed=0):
    torch.manual_seed(seed)
    return DecoupledAttention(d_model, heads, key_size, value_size, combine).double()


def texts(d_model, seed=0):
    """Four texts of 7, 5, 1 and 3 tokens, padded to 7."""
    torch.manual_seed(seed)
    lengths = torch.tensor([7, 5, 1, 3])
    return torch.randn(4, 7, d_model, dtype=torch.float64), torch.arange(7) >= lengths[:, None]


@torch.no_grad()
def naive(layer, x, padding):
    """The formula, one text, one head, one query at a time, on tokens that are not padding."""
    output = torch.zeros(len(x), x.shape[1], layer.d_model, dtype=x.dtype)
    weights = torch.zeros(len(x), layer.heads, x.shape[1], x.shape[1], dtype=x.dtype)
    for b, text in enumerate(x):
        real = [j for j in range(len(text)) if not padding[b, j]]
        for i in range(len(text)):
            heads = []
            for h in range(layer.heads):
                q, k, v = (
                    part.weight[h * size : (h + 1) * size] @ text.T
                    + part.bias[h * size : (h + 1) * size, None]
                    for part, size in (
                        (layer.query, layer.key_size),
                        (layer.key, layer.key_size),
                        (layer.value, layer.value_size),
                    )
                )
                logits = [float(q[:, i] @ k[:, j]) / math.sqrt(layer.key_size) for j in real]
                exps = [math.exp(z - max(logits)) for z in logits]
                weights[b, h, i, real] = torch.tensor([e / sum(exps) for e in exps], dtype=x.dtype)
                heads.append(v @ weights[b, h, i])
            mixed = torch.cat(heads) if layer.combine == "concat" else torch.stack(heads).sum(dim=0)
            output[b, i] = mixed if layer.output is None else layer.output(mixed)
    return output, weights


def assert_is_the_formula(layer, forward=None):
    x, padding = texts(layer.d_model)
    output, weights = (forward or layer)(x, key_padding_mask=padding)
    expected_output, expected_weights = naive(layer, x, padding)
    torch.testing.assert_close(weights, expected_weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(output, expected_output, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", SIZES)
def test_the_layer_is_the_loop_over_heads(sizes):
    assert_is_the_formula(layer_of(*sizes))


def with_mask_inverted(layer):
    """Texts without padding keep their mask, or nothing would be left of them."""
    return lambda x, key_padding_mask: layer(
        x, key_padding_mask=~key_padding_mask & key_padding_mask.any(dim=1, keepdim=True)
    )


def with_mask_shuffled_across_heads(layer):
    """Repeats the masks head by head although the logits lie text by text."""

    def forward(x, key_padding_mask):
        q, k, v = layer.head_inputs(x)
        shuffled = key_padding_mask.repeat(layer.heads, 1).view(len(x), layer.heads, 1, -1)
        logits = (q @ k.mT / math.sqrt(layer.key_size)).masked_fill(shuffled, -math.inf)
        return combined(layer, logits.softmax(-1), v)

    return forward


def with_dimensions_regrouped(layer):
    """Adds over groups of one head's dimensions instead of over the heads."""

    def forward(x, key_padding_mask):
        weights = layer.attention(x, key_padding_mask=key_padding_mask)
        mixed = (weights @ layer.head_inputs(x)[2]).transpose(1, 2).flatten(2)
        return mixed.unflatten(-1, (layer.value_size, layer.heads)).sum(-1), weights

    return forward


def with_the_value_size_as_scale(layer):
    def forward(x, key_padding_mask):
        q, k, v = layer.head_inputs(x)
        logits = (q @ k.mT / math.sqrt(layer.value_size)).masked_fill(
            key_padding_mask[:, None, None], -math.inf
        )
        return combined(layer, logits.softmax(-1), v)

    return forward


def combined(layer, weights, v):
    mixed = weights @ v
    return (
        mixed.sum(1) if layer.combine == "add" else layer.output(mixed.transpose(1, 2).flatten(2))
    ), weights


@pytest.mark.parametrize(
    "defect",
    [
        with_mask_inverted,
        with_mask_shuffled_across_heads,
        with_dimensions_regrouped,
        with_the_value_size_as_scale,
    ],
)
def test_the_defects_of_released_code_would_be_caught(defect):
    """An inverted mask, one dealt to the wrong heads, dimensions added instead of heads, the wrong scale."""
    layer = layer_of(8, 3, 2, 8, "add")
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        assert_is_the_formula(layer, defect(layer))


def test_set_up_alike_it_is_multihead_attention():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    nn.init.normal_(theirs.in_proj_bias)
    ours = DecoupledAttention(12, 3).double()
    with torch.no_grad():
        parts = zip(theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True)
        for part, (weight, bias) in zip((ours.query, ours.key, ours.value), parts, strict=True):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
    ours.output.load_state_dict(theirs.out_proj.state_dict())
    x, padding = texts(12)
    memory = torch.randn(4, 7, 12, dtype=torch.float64)
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    added = torch.randn(7, 7, dtype=torch.float64)
    for options in (
        {},
        {"key_padding_mask": padding},
        {"attn_mask": later},
        {"attn_mask": added},
        {"attn_mask": later, "key_padding_mask": padding},
    ):
        expected = theirs(x, memory, memory, average_attn_weights=False, **options)
        for found, wanted in zip(ours(x, memory, memory, **options), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    averaged = ours(x, average_attn_weights=True)[1]
    torch.testing.assert_close(averaged, theirs(x, x, x)[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(ours(x, is_causal=True)[1], ours(x, attn_mask=later)[1])
    assert ours(x, need_weights=False)[1] is None


def test_a_whole_encoder_layer_is_that_of_pytorch():
    torch.manual_seed(0)
    for norm_first in (False, True):
        theirs = nn.TransformerEncoderLayer(
            12, 3, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first
        ).double()
        ours = DecoupledEncoderLayer(12, 3, feedforward=20, dropout=0.0, norm_first=norm_first).double()
        state = theirs.state_dict()
        names = {
            f"self_attn.{part}.{kind}": f"self_attn.in_proj_{kind}"
            for part in ("query", "key", "value")
            for kind in ("weight", "bias")
        }
        copied = {}
        for name in ours.state_dict():
            if name in names:
                place = ("query", "key", "value").index(name.split(".")[1])
                copied[name] = state[names[name]].chunk(3)[place]
            else:
                copied[name] = state[
                    name.replace("output", "out_proj")
                    .replace("feedforward.0", "linear1")
                    .replace("feedforward.3", "linear2")
                ]
        ours.load_state_dict(copied)
        x, padding = texts(12)
        expected = theirs(x, src_key_padding_mask=padding)
        found, weights = ours(x, src_key_padding_mask=padding, need_weights=True)
        torch.testing.assert_close(found[~padding], expected[~padding], rtol=0, atol=1e-12)
        assert weights.shape == (4, 3, 7, 7)


@pytest.mark.parametrize("combine", ["concat", "add"])
def test_it_fits_into_the_encoder_of_pytorch(combine):
    torch.manual_seed(0)
    layer = DecoupledEncoderLayer(12, 3, key_size=2, combine=combine, dropout=0.0).double()
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    x, padding = texts(12)
    expected = x
    for part in encoder.layers:
        expected = part(expected, src_key_padding_mask=padding)
    torch.testing.assert_close(encoder(x, src_key_padding_mask=padding), expected)


@pytest.mark.parametrize("sizes", SIZES)
def test_what_stands_in_padded_places_does_not_matter(sizes):
    layer, (x, padding) = layer_of(*sizes), texts(sizes[0])
    output, weights = layer(x, key_padding_mask=padding)
    other = torch.where(padding[..., None], 1e3 * torch.randn_like(x), x)
    other_output, other_weights = layer(other, key_padding_mask=padding)
    assert torch.equal(output[~padding], other_output[~padding])
    real = ~padding
    assert torch.equal(weights.transpose(1, 2)[real], other_weights.transpose(1, 2)[real])
    assert not weights.transpose(2, 3).transpose(1, 2)[padding].any()
    for b, length in enumerate((~padding).sum(1).tolist()):  # the same text without any padding
        alone, alone_weights = layer(x[b : b + 1, :length])
        torch.testing.assert_close(output[b, :length], alone[0])
        torch.testing.assert_close(weights[b, :, :length, :length], alone_weights[0])


@pytest.mark.parametrize("sizes", SIZES)
def test_another_order_of_the_batch_moves_the_output_unchanged(sizes):
    layer, (x, padding) = layer_of(*sizes), texts(sizes[0])
    order = torch.tensor([2, 0, 3, 1])
    for found, moved in zip(
        layer(x, key_padding_mask=padding), layer(x[order], key_padding_mask=padding[order]), strict=True
    ):
        torch.testing.assert_close(found[order], moved, rtol=0, atol=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_are_right(sizes):
    layer, (x, padding) = layer_of(*sizes), texts(sizes[0])
    x, padding = x[1:3, :5].requires_grad_(), padding[1:3, :5]
    parameters = tuple(layer.parameters())

    def function(x, *parameters):
        names = [name for name, _ in layer.named_parameters()]
        return torch.func.functional_call(
            layer, dict(zip(names, parameters, strict=True)), (x,), {"key_padding_mask": padding}
        )

    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_dropout_leaves_the_returned_attention_a_valid_one():
    torch.manual_seed(0)
    layer = DecoupledAttention(8, 2, combine="add", dropout=0.5).train()
    x = torch.randn(3, 6, 8)
    output, weights = layer(x)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 6))
    assert not torch.equal(output, layer(x)[0])


def test_sizes():
    concat, add = DecoupledAttention(24, 4), DecoupledAttention(24, 4, key_size=2, combine="add")
    assert (concat.key_size, concat.value_size, concat.output.weight.shape) == (6, 6, (24, 24))
    assert (add.key_size, add.value_size, add.output) == (2, 24, None)
    projected = DecoupledAttention(24, 4, value_size=10, combine="add", output=True)
    assert projected(torch.zeros(1, 3, 24))[0].shape == (1, 3, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"combine": "sum"}, '"concat" or "add": got \'sum\''),
        ({"heads": 5}, "multiple of heads where sizes are not given: got 8 and 5"),
        ({"combine": "add", "value_size": 3}, "must be 8 wide: got 3"),
        ({"value_size": 3, "output": False}, "must be 8 wide: got 6"),
        ({"heads": 0}, "heads must be at least 1: got 0"),
        ({"key_size": 0}, "key_size must be at least 1: got 0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecoupledAttention(**({"d_model": 8, "heads": 2} | arguments))


@pytest.mark.parametrize("size", SIZES)
def test_a_query_that_may_look_nowhere_mixes_nothing(size):
    """Its row of attention is zero, never NaN, and neither is any gradient."""
    layer, (x, padding) = layer_of(*size), texts(size[0])
    padding[2] = True
    x.requires_grad_()
    blind = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    blind[1] = True
    added = torch.zeros(blind.shape, dtype=x.dtype).masked_fill(blind, -math.inf)
    for masks in ({"key_padding_mask": padding}, {"attn_mask": blind}, {"attn_mask": added}):
        output, attention = layer(x, **masks)
        rows = attention[2] if "key_padding_mask" in masks else attention[:, :, 1]
        assert (rows == 0).all() and torch.isfinite(output).all()
        (slope,) = torch.autograd.grad(output.sum(), x)
        assert torch.isfinite(slope).all()


def test_each_head_may_have_its_own_mask():
    torch.manual_seed(0)
    usual = nn.MultiheadAttention(8, 2, batch_first=True).double()
    layer, x = DecoupledAttention(8, 2).double(), torch.randn(3, 5, 8, dtype=torch.float64)
    with torch.no_grad():
        for part, weight, bias in zip(
            (layer.query, layer.key, layer.value), usual.in_proj_weight.chunk(3), usual.in_proj_bias.chunk(3),
            strict=True,
        ):  # fmt: skip
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        layer.output.weight.copy_(usual.out_proj.weight)
        layer.output.bias.copy_(usual.out_proj.bias)
    boolean = torch.rand(6, 5, 5) < 0.4
    boolean[:, range(5), range(5)] = False
    added = torch.randn(6, 5, 5, dtype=torch.float64)
    for mask in (boolean, added, boolean[0], added[0]):
        wanted = usual(x, x, x, attn_mask=mask, average_attn_weights=False)
        for given in (mask, mask.unflatten(0, (3, 2))) if mask.dim() == 3 else (mask,):
            for got, want in zip(layer(x, attn_mask=given), wanted, strict=True):
                torch.testing.assert_close(got, want)
    with pytest.raises(ValueError, match=r"2, 3 or 4 dimensions: got shape \(5,\)"):
        layer(x, attn_mask=torch.zeros(5))
    with pytest.raises(ValueError, match=r"attn_mask must be boolean.*got torch.int64"):
        layer(x, attn_mask=torch.zeros(5, 5, dtype=torch.int64))


@pytest.mark.parametrize("combine", ["concat", "add"])
def test_it_compiles_whole_and_exports(combine):
    torch.manual_seed(0)
    model = DecoupledClassifier(
        vocabulary=20, classes=2, length=9, d_model=8, heads=2, combine=combine
    ).eval()
    ids = torch.tensor([[1, 7, 9, 0, 0], [1, 5, 8, 3, 2], [0, 0, 0, 0, 0]])
    wanted = model(ids)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(ids), wanted)
    torch.testing.assert_close(torch.export.export(model, (ids,)).module()(ids), wanted)


def test_padding_masks_of_other_kinds():
    """Floats are added, as in PyTorch; whole numbers are refused: libraries disagree on what 1 means."""
    torch.manual_seed(0)
    usual = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    layer, x = DecoupledAttention(8, 2), torch.randn(3, 5, 8)
    with torch.no_grad():
        for part, weight in zip(
            (layer.query, layer.key, layer.value), usual.in_proj_weight.split(8), strict=True
        ):
            part.weight.copy_(weight)
            part.bias.zero_()
        layer.output.load_state_dict(usual.out_proj.state_dict())
    added = torch.randn(3, 5).index_fill(1, torch.tensor([4]), -torch.inf)
    torch.testing.assert_close(layer(x, key_padding_mask=added)[0], usual(x, x, x, key_padding_mask=added)[0])
    with pytest.raises(ValueError, match="must be boolean, True where it is left out: got"):
        layer(x, key_padding_mask=torch.ones(3, 5, dtype=torch.int64))


def test_the_classifier_reads_its_heads_as_it_runs_them():
    torch.manual_seed(0)
    model = DecoupledClassifier(50, 2, 16, d_model=12, heads=3, layers=2, key_size=2, combine="add")
    model.double().eval()
    ids = torch.tensor([1, 7, 9, 30, 4])
    heads = model.heads(ids)
    x = model.layers[0](model.embed(ids[None]))
    _, weights = model.layers[1](x, need_weights=True)
    np.testing.assert_allclose(heads.attention, weights[0].detach().numpy(), atol=1e-12)
    output = sum(a @ v for a, v in zip(heads.attention, heads.value, strict=True))
    np.testing.assert_allclose(output, model.layers[1].self_attn(x)[0][0].detach().numpy(), atol=1e-12)
    padded = torch.stack([torch.cat([ids, torch.zeros(3, dtype=torch.long)]), torch.arange(1, 9)])
    torch.testing.assert_close(model(padded)[0], model(ids[None])[0])
    with pytest.raises(ValueError, match="may have 16 tokens: got 17"):
        model(torch.ones(1, 17, dtype=torch.long))


def test_heads_of_a_bert_are_those_that_it_multiplies():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30,
        attn_implementation="eager",
    )  # fmt: skip
    model = transformers.BertModel(config).double().eval()
    ids = torch.arange(3, 20)[None]
    for layer in (0, 1, -1):
        heads = bert_heads(model, layer, input_ids=ids)
        weights = model(ids, output_attentions=True).attentions[layer][0].detach()
        np.testing.assert_allclose(heads.attention, weights.numpy(), atol=1e-12)
        assert heads.value.shape == (3, 17, 8)
        assert null_space_dimension(heads.value[0]) == 9
    mixed = (heads.attention @ heads.value).transpose(1, 0, 2).reshape(17, 24)
    seen = []
    model.encoder.layer[1].attention.self.register_forward_hook(lambda m, a, output: seen.append(output[0]))
    model(ids)
    np.testing.assert_allclose(mixed, seen[0][0].detach().numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="give one text: got 2"):
        bert_heads(model, input_ids=ids.repeat(2, 1))
    with pytest.raises(ValueError, match=r"attention\.self\.query, \.key and \.value: Linear"):
        bert_heads(nn.Linear(2, 2), input_ids=ids)
