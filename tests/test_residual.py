"""The residual connection in the structural equation model, against hooks on networks and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cleann_lite as cl
from cleann_lite.attention.residual import (
    LayerMixing,
    check_residual,
    layer_mixing,
    mixed_attention,
    read_attention,
    rolled_out,
    value_weighted,
)
from cleann_lite.attention.sem import attention_correlation, words_attention
from cleann_lite.models.loading import load_model
from tests.tiny import make

TEXT = "the plot is thin but the actors are wonderful"
REVIEW = "A dull film with a boring plot, though I loved the cast."


def stochastic(rng, *shape):
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def random_layers(rng, n=5, heads=2, depth=3):
    def one():
        return LayerMixing(stochastic(rng, heads, n, n), rng.uniform(size=n), rng.uniform(1, 2, (heads, n)))

    return tuple(one() for _ in range(depth))


# --- closed forms ----------------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.floats(0, 0.99))
@settings(max_examples=30, deadline=None)
def test_mixing_adds_the_identity_and_keeps_rows_that_sum_to_one(seed, share):
    attention = stochastic(np.random.default_rng(seed), 3, 6, 6)
    mixed = mixed_attention(attention, share)
    assert np.allclose(mixed.sum(axis=-1), 1)
    assert np.allclose(mixed - (1 - share) * attention, share * np.eye(6))


def test_a_chain_read_with_the_residual_has_the_correlation_of_its_equation():
    """x1 attends to x0 alone: with r = ½ its row is (½, ½), and cos((1, 0), (½, ½)) = 1/√2."""
    chain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert attention_correlation(chain)[0, 1] == pytest.approx(1)
    assert attention_correlation(mixed_attention(chain, 0.5))[0, 1] == pytest.approx(1 / np.sqrt(2))


def test_an_outcome_that_attends_to_a_word_becomes_its_neighbour_only_with_the_residual():
    """The words attend to one sink, the outcome to word 1: alike rows make neighbours, unless r > 0."""
    attention = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], dtype=float)
    alone = attention_correlation(attention)[3]
    with_own = attention_correlation(mixed_attention(attention, 0.5))[3]
    assert alone[1] == 0
    assert with_own[1] > 0.4
    assert with_own[2] == 0


def test_the_share_of_each_word_piece_counts_before_pieces_become_words():
    rng = np.random.default_rng(0)
    attention, share, groups = stochastic(rng, 4, 4), rng.uniform(size=4), [[0], [1, 2], [3]]
    merged = words_attention(mixed_attention(attention, share), groups)
    by_hand = np.zeros((3, 3))
    for row, pieces in enumerate(groups):
        for piece in pieces:
            for column, others in enumerate(groups):
                own = share[piece] if piece in others else 0.0
                taken = attention[piece, others].sum()
                by_hand[row, column] += ((1 - share[piece]) * taken + own) / len(pieces)
    assert np.allclose(merged, by_hand)


def test_values_of_equal_norm_weigh_nothing():
    rng = np.random.default_rng(1)
    attention = stochastic(rng, 2, 4, 4)
    assert np.allclose(value_weighted(LayerMixing(attention, np.zeros(4), np.full((2, 4), 3.0))), attention)
    silent = value_weighted(LayerMixing(attention, np.zeros(4), np.array([[1.0, 1, 1, 0], [0, 0, 0, 0]])))
    assert np.allclose(silent[0, :, 3], 0)
    assert np.allclose(silent.sum(axis=-1), 1)


def test_rollout_is_the_sum_over_all_paths():
    layers = random_layers(np.random.default_rng(2))
    matrices = [mixed_attention(layer.attention.mean(axis=0), layer.residual) for layer in layers[:-1]]
    for head in range(2):
        last = mixed_attention(layers[-1].attention[head], layers[-1].residual)
        by_paths = np.zeros((5, 5))
        for i, a, b, j in np.ndindex(5, 5, 5, 5):
            by_paths[i, j] += last[i, a] * matrices[1][a, b] * matrices[0][b, j]
        assert np.allclose(rolled_out(layers)[head], by_paths)


def test_rollout_of_a_lower_layer_reads_no_layer_above_it():
    layers = random_layers(np.random.default_rng(3))
    for layer in (1, -2):
        read = read_attention(layers[1].attention, "rollout", layers, layer)
        assert np.allclose(read, rolled_out(layers[:2]))


def test_the_paper_reads_attention_as_it_is():
    attention = stochastic(np.random.default_rng(4), 2, 3, 3)
    assert np.array_equal(read_attention(attention, 0), attention)
    assert np.allclose(read_attention(attention, 0.25), 0.75 * attention + 0.25 * np.eye(3))


def test_a_layer_without_update_keeps_its_tokens():
    mixing = layer_mixing(np.ones((2, 2)), np.full((1, 2, 2), 0.5), np.zeros((2, 1)), np.zeros((1, 2)))
    assert np.array_equal(mixing.residual, [1, 1])
    empty = layer_mixing(np.zeros((2, 2)), np.full((1, 2, 2), 0.5), np.zeros((2, 1)), np.zeros((1, 2)))
    assert np.array_equal(empty.residual, [0, 0])


@pytest.mark.parametrize("wrong", [1, 1.5, -0.1, True, None, "half", np.nan])
def test_a_share_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="residual must"):
        check_residual(wrong)


def test_a_measured_share_needs_a_model_that_tells_it():
    with pytest.raises(ValueError, match="give a number"):
        read_attention(np.full((1, 2, 2), 0.5), "norms")


# --- real networks: what the hooks see is what the weights say -------------------------------------------


def _seen_by_hooks(network, attention_output, norm, run):
    """Input of the residual connection, output of the attention and of the layer norm, of the last layer."""
    seen = {}
    hooks = [
        attention_output.register_forward_hook(
            lambda m, i, o: seen.update(update=o[0] if isinstance(o, tuple) else o)
        )
    ]
    if norm is not None:
        hooks.append(norm.register_forward_hook(lambda m, i, o: seen.update(summed=i[0])))
    run()
    for hook in hooks:
        hook.remove()
    return {name: value[0].detach().double().numpy() for name, value in seen.items()}


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_measured_shares_are_those_that_hooks_see_in_post_norm_encoders(family, tmp_path):
    make(family, "SequenceClassification", tmp_path)
    model = load_model(tmp_path)
    generator = torch.Generator().manual_seed(0)
    if family == "distilbert":
        layer = model.model.distilbert.transformer.layer[-1]
        dense, norm = layer.attention.out_lin, layer.sa_layer_norm
    else:
        layer = model.model.base_model.encoder.layer[-1]
        dense, norm = layer.attention.output.dense, layer.attention.output.LayerNorm
    with torch.no_grad():
        norm.weight.copy_(torch.rand(norm.weight.shape, generator=generator) + 0.5)
        dense.bias.copy_(torch.randn(dense.bias.shape, generator=generator))
    encoded = model.encode(TEXT)
    seen = _seen_by_hooks(model.model, dense, norm, lambda: model.attention(encoded))
    update = seen["update"] - dense.bias.detach().double().numpy()
    own = seen["summed"] - seen["update"]
    gain = norm.weight.detach().double().numpy()

    def size(vectors):
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        return np.sqrt(((gain * centred) ** 2).sum(axis=1))

    mixing = encoded.mixing()
    assert len(mixing) == 2
    assert np.allclose(mixing[-1].residual, size(own) / (size(own) + size(update)), atol=1e-6)
    assert np.allclose(mixing[-1].attention, model.attention(encoded))
    assert mixing[-1].values.shape == mixing[-1].attention.shape[:2]


def test_measured_shares_of_a_pre_norm_decoder(tmp_path):
    make("gpt2", "CausalLM", tmp_path)
    model = load_model(tmp_path)
    encoded = model.encode(TEXT)
    block = model.model.transformer.h[-1]
    seen = _seen_by_hooks(model.model, block.attn, block.ln_2, lambda: model.attention(encoded))
    update = seen["update"] - block.attn.c_proj.bias.detach().double().numpy()
    own = seen["summed"] - seen["update"]
    sizes = np.linalg.norm(own, axis=1), np.linalg.norm(update, axis=1)
    assert np.allclose(encoded.mixing()[-1].residual, sizes[0] / sum(sizes), atol=1e-6)


def test_the_recommender_tells_its_shares_with_the_recommended_film_in_place():
    model = load_model("pocket-bert4rec")
    encoded = model.encode(["Matrix, The (1999)", "Toy Story (1995)", "Alien (1979)"])
    mixing = encoded.mixing()
    assert np.allclose(mixing[-1].attention, model.attention(encoded))
    assert ((mixing[-1].residual > 0) & (mixing[-1].residual < 1)).all()


def test_a_network_that_is_not_known_says_nothing(tmp_path):
    make("albert", "SequenceClassification", tmp_path)
    assert load_model(tmp_path).encode(TEXT).mixing is None


# --- through the public door -----------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [0.5, "norms", "values", "rollout"])
def test_graphs_are_learned_from_the_attention_with_the_residual_in_it(residual):
    model = load_model("pocket-sentiment")
    encoded = model.encode(REVIEW)
    read = read_attention(model.attention(encoded), residual, encoded.mixing())
    pags, _, _ = cl.learn_graphs(model, encoded, residual=residual)
    by_hand, _, _ = cl.learn_graphs(model, encoded, reading=lambda model, encoded: read)
    assert pags == by_hand
    assert pags != cl.learn_graphs(model, encoded)[0]
    found = cl.explain(model, REVIEW, residual=residual, search="cleann", certify=False)
    assert found.settings["residual"] == residual


def test_the_default_is_the_published_reading():
    model = load_model("pocket-sentiment")
    encoded = model.encode("A dull film with a boring plot.")
    assert cl.learn_graphs(model, encoded)[0] == cl.learn_graphs(model, encoded, residual=0)[0]


def test_a_residual_that_nobody_can_measure_is_one_sentence(tmp_path):
    make("albert", "SequenceClassification", tmp_path)
    with pytest.raises(ValueError, match="give a number"):
        cl.explain(load_model(tmp_path), TEXT, residual="norms")
    with pytest.raises(ValueError, match="residual must"):
        cl.explain(load_model(tmp_path), TEXT, residual="half")
    with pytest.raises(ValueError, match="beside your own reading"):
        cl.explain(load_model(tmp_path), TEXT, residual="norms", reading=lambda model, encoded: None)
