"""Identifiability of attention: definitions, linear programs and counts as independent oracles."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from cleann_lite.attention.identifiability import (
    attention_distance,
    effective_attention,
    equivalent_attention,
    generatable_attention,
    joint_null_space_dimension,
    local_test,
    null_space_dimension,
    softmax_attention,
)

SHARED = Path(__file__).parents[1].parent / "shared"
RECORDED = SHARED / "data" / "attention" / "minilm_imdb_last_layer.npz"
needs_shared = pytest.mark.skipif(not RECORDED.exists(), reason="needs ../shared")


def head(n, d, seed=0, sharpness=2.0):
    """A random head: softmax attention and values."""
    rng = np.random.default_rng([n, d, seed])
    attention = np.exp(sharpness * rng.normal(size=(n, n)))
    return attention / attention.sum(axis=1, keepdims=True), rng.normal(size=(n, d))


def assert_equivalent(other, attention, value):
    assert other.min() >= 0
    np.testing.assert_allclose(other.sum(axis=1), 1, atol=1e-8, rtol=0)
    np.testing.assert_allclose(other @ value, attention @ value, atol=1e-8, rtol=0)


# --- null space -------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 24), d=st.integers(1, 24), rank=st.integers(1, 24), seed=st.integers(0, 99))
def test_null_space_dimension_counts_the_columns_of_an_explicit_basis(n, d, rank, seed):
    rng = np.random.default_rng(seed)
    value = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))
    assert null_space_dimension(value) == n - min(n, d, rank)
    with_ones = np.column_stack([value, np.ones(n)])
    assert null_space_dimension(value, sum_to_one=True) == scipy.linalg.null_space(with_ones.T).shape[1]


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_dimension_does_not_depend_on_the_scale_of_the_values(scale, kind):
    value = head(40, 20)[1].astype(kind)
    assert null_space_dimension(kind(scale) * value) == 20
    assert null_space_dimension(kind(scale) * value, sum_to_one=True) == 19


def test_a_float32_product_has_the_rank_of_its_factors():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(200, 64)).astype(np.float32) @ rng.normal(size=(64, 768)).astype(np.float32)
    assert null_space_dimension(value) == 136
    assert null_space_dimension(value, sum_to_one=True) == 135


def test_values_that_sum_to_a_constant_already_fix_the_row_sums():
    value = np.random.default_rng(0).dirichlet(np.ones(5), size=12)
    assert null_space_dimension(value) == null_space_dimension(value, sum_to_one=True) == 7


def test_joint_dimension_is_that_of_the_layer_written_out():
    """Concatenation and addition as one big linear map on the rows of all heads."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 14, 7))
    sums = np.kron(np.eye(3), np.ones((1, 14)))
    concat = np.vstack([scipy.linalg.block_diag(*[value.T for value in values]), sums])
    added = np.vstack([np.hstack([value.T for value in values]), sums])
    assert joint_null_space_dimension(values) == scipy.linalg.null_space(concat).shape[1]
    assert joint_null_space_dimension(values, combine="add") == scipy.linalg.null_space(added).shape[1]


def test_adding_heads_of_the_model_size_gains_nothing_for_the_output_of_the_layer():
    rng = np.random.default_rng(1)
    narrow, wide = rng.normal(size=(4, 100, 16)), rng.normal(size=(4, 100, 64))
    assert null_space_dimension(narrow[0], sum_to_one=True) > null_space_dimension(wide[0], sum_to_one=True)
    assert joint_null_space_dimension(narrow) == joint_null_space_dimension(wide, combine="add")


# --- effective attention ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("n", "d"), [(30, 8), (8, 30), (12, 12)])
def test_effective_attention_is_the_smallest_matrix_with_the_same_output(n, d, bias):
    attention, value = head(n, d)
    value = value + 3.0 * np.random.default_rng(n).normal(size=d) * bias
    effective = effective_attention(attention, value)
    np.testing.assert_allclose(effective @ value, attention @ value, atol=1e-10)
    np.testing.assert_allclose(effective_attention(effective, value), effective, atol=1e-10)
    np.testing.assert_allclose(effective, attention @ value @ np.linalg.pinv(value), atol=1e-9)
    smallest = scipy.linalg.lstsq(value.T, (attention @ value).T)[0].T
    assert np.linalg.norm(effective) <= np.linalg.norm(smallest) + 1e-9
    other = equivalent_attention(attention, value)
    if other is not None:
        np.testing.assert_allclose(effective_attention(other, value), effective, atol=1e-7)
        assert np.linalg.norm(effective) < np.linalg.norm(other)


def test_effective_attention_with_a_value_bias_uses_the_biased_values():
    attention, value = head(30, 8)
    biased = value + np.full(8, 2.0)
    assert not np.allclose(effective_attention(attention, value) @ biased, attention @ biased)
    assert np.allclose(effective_attention(attention, biased) @ biased, attention @ biased)


@pytest.mark.parametrize("size", [1.0, 100.0])
def test_a_value_bias_frees_and_fixes_nothing_else(size):
    """Rows sum to 1, so a bias adds the same to every output: the other attentions stay what they were."""
    attention, value = head(30, 8)
    biased = value + size * np.random.default_rng(0).normal(size=8)
    assert null_space_dimension(biased) == null_space_dimension(value) == 22
    assert null_space_dimension(biased, sum_to_one=True) == null_space_dimension(value, sum_to_one=True) == 21
    other = equivalent_attention(attention, biased)
    assert_equivalent(other, attention, biased)
    assert_equivalent(other, attention, value)
    key = np.random.default_rng(1).normal(size=(30, 6))
    row = softmax_attention(key[:1], key)[0]
    plain, shifted = local_test(row, key, value), local_test(row, key, biased)
    assert (plain.rank, plain.needed) == (shifted.rank, shifted.needed) == (6, 6)
    assert plain.condition == pytest.approx(shifted.condition, rel=1e-6)


# --- another valid attention ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "d", "sharpness"), [(10, 8, 1), (34, 32, 2), (80, 32, 3), (80, 64, 3), (40, 4, 6), (66, 64, 2)]
)
def test_one_is_found_when_the_dimension_says_so(n, d, sharpness):
    attention, value = head(n, d, sharpness=sharpness)
    attention = attention[:16]
    assert null_space_dimension(value, sum_to_one=True) > 0
    other = equivalent_attention(attention, value)
    assert_equivalent(other, attention, value)
    assert attention_distance(attention, other).max() > 1e-9


@pytest.mark.parametrize(("n", "d"), [(9, 8), (8, 8), (5, 8), (65, 64), (33, 64)])
def test_none_is_found_when_the_weights_are_identifiable(n, d):
    attention, value = head(n, d)
    assert null_space_dimension(value, sum_to_one=True) == 0
    assert equivalent_attention(attention, value) is None


@pytest.mark.parametrize(
    ("row", "value"),
    [([0.8, 0.2, 0], [[0], [1], [2]]), ([0.75, 0, 0.25, 0], [[0, 1], [1, 0], [2, 0], [4, 0]])],
)
def test_one_is_found_for_a_row_with_zeros_that_has_least_overlap_with_itself(row, value):
    attention = np.array([row], dtype=float)
    other = equivalent_attention(attention, np.array(value, dtype=float))
    assert_equivalent(other, attention, np.array(value, dtype=float))


def test_a_corner_of_the_hull_of_the_values_cannot_be_made_from_other_tokens():
    """The null space is large, and yet a row with all weight on one extreme value is identifiable."""
    value = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [0.2, 0.3]])
    corners, inside = np.eye(6)[:4], np.eye(6)[4:]
    assert null_space_dimension(value, sum_to_one=True) == 3
    assert equivalent_attention(corners, value) is None
    other = equivalent_attention(np.vstack([corners, inside]), value)
    np.testing.assert_array_equal(other[:4], corners)
    assert attention_distance(other[4:], inside).min() == pytest.approx(1)


def test_the_corner_found_is_near_the_farthest_of_many():
    """Brute force: the best corner of 200 random linear programs of the plain problem."""
    attention, value = head(14, 4)
    constraint = np.column_stack([value, np.ones(14)]).T
    rng = np.random.default_rng(0)
    farthest = 0.0
    for _ in range(200):
        x = linprog(rng.normal(size=14), A_eq=constraint, b_eq=constraint @ attention[0], bounds=(0, None)).x
        farthest = max(farthest, np.abs(x - attention[0]).sum() / 2)
    found = attention_distance(attention, equivalent_attention(attention, value))[0]
    assert 0.9 * farthest <= found <= 1


def test_climbing_leads_farther_than_the_corner_of_least_overlap():
    attention, value = head(40, 12)
    first = attention_distance(attention, equivalent_attention(attention, value, direction=-attention))
    climbed = attention_distance(attention, equivalent_attention(attention, value))
    assert (climbed >= first - 1e-9).all() and (climbed > first + 1e-3).mean() > 0.1


def test_rows_are_treated_on_their_own():
    attention, value = head(24, 6)
    whole = equivalent_attention(attention, value)
    for i in (0, 7, 23):
        np.testing.assert_allclose(equivalent_attention(attention[i : i + 1], value)[0], whole[i], atol=1e-9)


def test_only_allowed_places_receive_weight():
    attention, value = head(40, 6)
    triangle = np.tril(np.ones((40, 40), dtype=bool))
    attention = attention * triangle / (attention * triangle).sum(axis=1, keepdims=True)
    other = equivalent_attention(attention, value, allowed=triangle)
    assert_equivalent(other, attention, value)
    assert not other[~triangle].any()
    np.testing.assert_array_equal(other[:7], attention[:7])  # up to d + 1 keys: identifiable
    assert attention_distance(attention, other)[8:].min() > 0
    assert equivalent_attention(attention, value)[~triangle].any()


def test_directions_lead_to_different_corners():
    attention, value = head(30, 5)
    rng = np.random.default_rng(0)
    first, second = (
        equivalent_attention(attention, value, direction=rng.normal(size=(30, 30))) for _ in "ab"
    )
    for other in (first, second):
        assert_equivalent(other, attention, value)
    assert attention_distance(first, second).min() > 0.1


def test_single_precision_recordings_get_exact_row_sums():
    attention, value = head(50, 16)
    attention = attention.astype(np.float32).astype(np.float64)
    assert 1e-8 < np.abs(attention.sum(axis=1) - 1).max() < 1e-6
    other = equivalent_attention(attention, value)
    assert_equivalent(other, attention, value)
    np.testing.assert_allclose(other.sum(axis=1), 1, atol=1e-12, rtol=0)


def test_a_float32_product_is_answered_to_the_demanded_precision():
    rng = np.random.default_rng(0)
    attention, _ = head(60, 8)
    value = rng.normal(size=(60, 8)).astype(np.float32) @ rng.normal(size=(8, 96)).astype(np.float32)
    other = equivalent_attention(attention, value)
    assert_equivalent(other, attention, value.astype(float))
    assert attention_distance(attention, other).max() > 1e-3


@pytest.mark.parametrize("seed", [*range(12), 283, 385])  # the last two: the row is its own nearest corner
def test_sparse_rows_have_another_attention_exactly_where_a_weight_can_move(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    d = int(rng.integers(1, n - 1))
    row, k = np.zeros(n), int(rng.integers(1, d + 2))
    row[rng.permutation(n)[:k]] = rng.dirichlet(np.ones(k))
    value = rng.integers(-2, 3, size=(n, d)).astype(float)
    equations = np.column_stack([value, np.ones(n)]).T
    most = [linprog(-one, A_eq=equations, b_eq=equations @ row, bounds=(0, None)) for one in np.eye(n)]
    least = [linprog(one, A_eq=equations, b_eq=equations @ row, bounds=(0, None)) for one in np.eye(n)]
    moves = max(-high.fun - low.fun for high, low in zip(most, least, strict=True)) > 1e-6
    other = equivalent_attention(row[None], value)
    assert (other is not None) == moves
    if moves:
        assert_equivalent(other, row[None], value)


def test_values_with_a_constant_column_leave_the_sum_of_a_row_alone():
    for seed in range(60):  # of so many, some have nothing left of a column of ones, not even rounding
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 9))
        attention = np.full((1, n), 1 / n)
        value = np.column_stack([np.ones(n), rng.integers(-2, 3, size=n)]).astype(float)
        other = equivalent_attention(attention, value)
        assert other is None or np.abs(other @ value - attention @ value).max() < 1e-8


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_of_the_values_does_not_matter(scale):
    attention, value = head(40, 8)
    other = equivalent_attention(attention, value * scale)
    np.testing.assert_allclose(other @ value, attention @ value, atol=1e-8)
    assert attention_distance(attention, other).mean() > 0.3


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("n", [80, 96, 128, 256])
@pytest.mark.parametrize("d", [32, 64])
def test_real_recorded_heads_have_another_attention(n, d):
    """Real attention of 80-256 tokens; the recording keeps no values, so they are drawn."""
    attention = np.load(RECORDED)[f"attention_{n}"][n % 12].astype(np.float64)
    rows = np.linspace(0, n - 1, 8).astype(int)
    value = np.random.default_rng(n).normal(size=(n, d))
    assert null_space_dimension(value, sum_to_one=True) == n - d - 1
    other = equivalent_attention(attention[rows], value)
    assert_equivalent(other, attention[rows], value)
    assert attention_distance(other, attention[rows]).max() > 0.05


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("n", [80, 96, 128, 256])
def test_one_free_dimension_is_enough_and_none_is_none(n):
    attention = np.load(RECORDED)[f"attention_{n}"][n % 12].astype(np.float64)
    rows = np.linspace(0, n - 1, 4).astype(int)
    rng = np.random.default_rng(n)
    for size, free in ((n - 2, 1), (n - 1, 0), (n + 20, 0)):
        value = rng.normal(size=(n, size))
        assert null_space_dimension(value, sum_to_one=True) == free
        other = equivalent_attention(attention[rows], value)
        assert (other is None) == (free == 0)
    other = equivalent_attention(attention[rows], (value := rng.normal(size=(n, n - 2))))
    assert_equivalent(other, attention[rows], value)
    assert attention_distance(other, attention[rows]).min() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("words", [8, 35, 75, 130, 200])
def test_real_heads_with_their_own_values_follow_the_count(words):
    """The pocket model that ships, on reviews that ship: attention, values with their bias, and T = V·H."""
    pytest.importorskip("transformers")
    from cleann_lite import load_model
    from cleann_lite.datasets.shipped import data_path
    from cleann_lite.models.decoupled import text_heads

    model = load_model("pocket-sentiment")
    with open(data_path("reviews.csv"), encoding="utf-8", newline="") as file:
        text = " ".join(row["text"] for row in csv.DictReader(file)).split()[:words]
    heads = text_heads(model, " ".join(text))
    n, size = heads.value.shape[1:]
    assert words < n < 1.6 * words
    output = model.model.bert.encoder.layer[-1].attention.output.dense.weight.detach().double().numpy()
    rows = np.linspace(0, n - 1, 4).astype(int)
    for h, (attention, value) in enumerate(zip(heads.attention[:, rows], heads.value, strict=True)):
        for seen in (value, value @ output[:, h * size : (h + 1) * size].T):
            assert null_space_dimension(seen, sum_to_one=True) == max(0, n - size - 1)
            other = equivalent_attention(attention, seen)
            if n <= size + 1:
                assert other is None
            else:
                assert_equivalent(other, attention, seen)
                assert attention_distance(other, attention).max() > 0.01


@pytest.mark.parametrize(
    ("attention", "value", "message"),
    [
        (np.full((3, 3), 0.5), np.ones((3, 2)), "rows that sum to 1"),
        (np.array([[1.5, -0.5]]), np.ones((2, 2)), ">= 0"),
        (np.eye(3), np.ones((4, 2)), r"\(m, 4\): got \(3, 3\)"),
        (np.eye(3), np.ones(3), r"value must be a matrix \(tokens, size\): got shape \(3,\)"),
        (np.eye(2), np.array([[np.nan], [1.0]]), "value must be finite: got 1 entries"),
        (np.full((2, 2), np.nan), np.ones((2, 2)), "rows that sum to 1"),
        (np.empty((0, 2)), np.ones((2, 2)), r"\(m, 2\): got \(0, 2\)"),
    ],
)
def test_wrong_input_is_named(attention, value, message):
    with pytest.raises(ValueError, match=message):
        equivalent_attention(attention, value)


def test_what_else_does_not_fit_is_named():
    attention, value = head(6, 2)
    with pytest.raises(ValueError, match=r"direction must have the shape of attention \(6, 6\): got \(6,\)"):
        equivalent_attention(attention, value, direction=np.ones(6))
    with pytest.raises(ValueError, match="attention must be finite: got 36"):
        effective_attention(np.full((6, 6), np.nan), value)
    with pytest.raises(ValueError, match="starts must be at least 1"):
        generatable_attention(value, np.ones((6, 2)), value, starts=0)


def test_weights_where_none_are_allowed_are_named():
    attention, value = head(6, 2)
    with pytest.raises(ValueError, match="must be 0 where it is not allowed"):
        equivalent_attention(attention, value, allowed=np.tril(np.ones((6, 6))))
    with pytest.raises(ValueError, match="shape of attention"):
        equivalent_attention(attention, value, allowed=np.ones((6, 5)))


# --- attention that the head can make ---------------------------------------------------------------------


def share_found(n, d_k, d_v, trials=30):
    """Shares of random heads with another generatable attention, and with a full local rank."""
    found, isolated = [], []
    for trial in range(trials):
        rng = np.random.default_rng([n, d_k, d_v, trial])
        query, key, value = rng.normal(size=(1, d_k)), rng.normal(size=(n, d_k)), rng.normal(size=(n, d_v))
        other = generatable_attention(query, key, value, seed=trial)
        found.append(other is not None)
        attention = softmax_attention(query, key)
        isolated.append(local_test(attention[0], key, value).identifiable)
        if other is not None:
            np.testing.assert_allclose(softmax_attention(other.query, key), other.attention, atol=1e-14)
            np.testing.assert_allclose(other.attention @ value, attention @ value, atol=1e-8, rtol=0)
            np.testing.assert_allclose(attention_distance(other.attention, attention), other.distance)
            assert other.distance[0] > 1e-3
    return np.mean(found), np.mean(isolated)


@pytest.mark.parametrize(("n", "d_k", "d_v"), [(40, 4, 8), (40, 4, 40), (10, 4, 5)])
def test_keys_smaller_than_values_leave_no_other_generatable_attention(n, d_k, d_v):
    assert share_found(n, d_k, d_v) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "d_k", "d_v"), [(40, 8, 4), (40, 5, 4)])
def test_keys_larger_than_values_leave_a_continuum(n, d_k, d_v):
    assert share_found(n, d_k, d_v) == (1.0, 0.0)


@pytest.mark.parametrize(("n", "d_k", "d_v"), [(40, 4, 4), (10, 4, 4)])
def test_keys_as_large_as_values_leave_isolated_solutions(n, d_k, d_v):
    found, isolated = share_found(n, d_k, d_v)
    assert 0.3 < found < 1 and isolated == 1


def test_values_equal_to_keys_are_identifiable_everywhere():
    """K = T: the output is the gradient of a convex function of the query, so no two queries share it."""
    for trial in range(10):
        rng = np.random.default_rng(trial)
        query, key = rng.normal(size=(1, 4)), rng.normal(size=(40, 4))
        assert generatable_attention(query, key, key, seed=trial) is None


def test_local_test_equals_finite_differences():
    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=3), rng.normal(size=(9, 3)), rng.normal(size=(9, 5))
    row = softmax_attention(query[None], key)[0]
    step = 1e-6 * np.eye(3)
    change = (softmax_attention(query + step, key) - softmax_attention(query - step, key)) @ value / 2e-6
    singular = np.linalg.svd(change, compute_uv=False)
    found = local_test(row, key, value)
    assert (found.rank, found.needed) == (3, 3)
    assert found.condition == pytest.approx(singular[0] / singular[-1], rel=1e-6)


def test_local_test_counts_only_directions_that_change_the_attention():
    rng = np.random.default_rng(0)
    key = rng.normal(size=(20, 3))
    key = np.column_stack([key, np.ones(20), key[:, 0] - key[:, 1] + 5])  # two directions change nothing
    row = softmax_attention(rng.normal(size=(1, 5)), key)[0]
    found = local_test(row, key, rng.normal(size=(20, 3)))
    assert (found.rank, found.needed, found.identifiable) == (3, 3, True)
    short = local_test(row, key, rng.normal(size=(20, 2)))
    assert (short.rank, short.needed, short.identifiable, short.condition) == (2, 3, False, np.inf)
    alike = local_test(np.full(20, 0.05), np.ones((20, 4)), rng.normal(size=(20, 2)))
    assert (alike.rank, alike.needed, alike.identifiable) == (0, 0, True)


def test_a_peaked_row_is_nearly_unidentifiable():
    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=(1, 6)), rng.normal(size=(30, 6)), rng.normal(size=(30, 8))
    rows = [softmax_attention(sharp * query, key)[0] for sharp in (1, 5, 20)]
    conditions = [local_test(row, key, value).condition for row in rows]
    assert conditions == sorted(conditions) and conditions[-1] > 1e3 * conditions[0]


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"got shapes \(1, 3\), \(5, 2\) and \(5, 2\)"):
        generatable_attention(np.ones((1, 3)), np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="got 4 and 5 rows"):
        local_test(np.full(5, 0.2), np.ones((4, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"\(heads, tokens, size\): got shape \(5, 2\)"):
        joint_null_space_dimension(np.ones((5, 2)))
    with pytest.raises(ValueError, match='"concat" or "add": got \'sum\''):
        joint_null_space_dimension(np.ones((2, 5, 2)), combine="sum")
