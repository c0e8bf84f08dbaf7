"""Messages in blocks equal those along the dense graph, and so do gradients."""

import gradients
import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops import entmax_affinity
from glomo_keras.ops import mean_visible_score
from glomo_keras.ops import squared_relu_affinity
from glomo_keras.ops import squared_relu_attention
from glomo_keras.ops import visible_pairs

BATCH, HEADS, LENGTH, KEY_DIM, VALUE_DIM = 2, 3, 13, 5, 7
MASK = np.arange(LENGTH)[None] < np.array([[LENGTH], [8]])


def make(random, dtype):
    def draw(*shape):
        return random.normal(size=shape).astype(dtype)

    # In this order: other draws have rows of which little is left after rounding.
    keys = draw(BATCH, HEADS, LENGTH, KEY_DIM)
    return {
        "queries": draw(BATCH, HEADS, LENGTH, KEY_DIM),
        "keys": keys,
        "values": draw(BATCH, HEADS, LENGTH, VALUE_DIM),
        "threshold": draw(BATCH, HEADS, LENGTH),
    }


def bias_for(random, dtype="float32"):
    return random.normal(size=(1, HEADS, LENGTH, LENGTH)).astype(dtype)


def attention(queries, keys, values, threshold, direction, mask=None, **options):
    """The same with one mask for both."""
    return squared_relu_attention(
        queries,
        keys,
        values,
        threshold,
        direction,
        queries_mask=mask,
        keys_mask=mask,
        **options,
    )


def dense(queries, keys, values, threshold, direction, mask=None, bias=None):
    """The same by the whole graph."""
    visible = visible_pairs(LENGTH, direction, mask, mask)
    visible = visible[:, None] if mask is not None else visible
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
    if bias is not None:
        scores = scores + bias
    if isinstance(threshold, str) and threshold == "entmax":
        return ops.matmul(entmax_affinity(scores, visible), values)
    if threshold is None:
        threshold = 0.0
    elif isinstance(threshold, str):
        threshold = mean_visible_score(scores, visible)
    else:
        threshold = threshold[..., None]
    return ops.matmul(squared_relu_affinity(scores - threshold, visible), values)


@pytest.mark.parametrize("block_size", [4, 100])  # 4, 4, 4 and 1; all
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", ["given", "mean", "entmax", None])
@pytest.mark.parametrize("has_bias", [False, True])
def test_messages_and_gradients(
    precision, random, block_size, direction, threshold, has_bias
):
    arrays = make(random, precision.dtype)
    for name in ("queries", "keys"):  # rows of almost nothing amplify rounding
        arrays[name] += 1
    upstream = random.normal(size=arrays["values"].shape).astype(precision.dtype)
    if threshold != "given":
        del arrays["threshold"]
    if has_bias:
        arrays["bias"] = bias_for(random, precision.dtype)

    def messages(function, **options):
        def of(*tensors):
            tensors = {
                "threshold": threshold,
                **dict(zip(arrays, tensors, strict=True)),
            }
            return function(**tensors, direction=direction, **options)

        return of

    of_blocks = messages(attention, block_size=block_size)
    of_graph = messages(dense)
    precision.assert_close(
        of_blocks(*map(ops.convert_to_tensor, arrays.values())),
        ops.convert_to_numpy(of_graph(*map(ops.convert_to_tensor, arrays.values()))),
    )

    def gradient(function):
        def total(*tensors):
            return ops.sum(ops.multiply(function(*tensors), upstream))

        return gradients.by_arrays(total, *arrays.values())

    found, expected = gradient(of_blocks), gradient(of_graph)
    for name, one, other in zip(arrays, found, expected, strict=True):
        scale = np.abs(other).max()  # of the largest: rounding of sums
        assert scale > 0.1, name
        np.testing.assert_allclose(one / scale, other / scale, atol=precision.tolerance)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", ["given", "mean", "entmax", None])
@pytest.mark.parametrize("has_bias", [False, True])
def test_padding_changes_nothing(random, direction, threshold, has_bias):
    arrays = make(random, "float32")
    given = arrays.pop("threshold") - 3  # with which zeros of padded keys are above it
    threshold = given if threshold == "given" else threshold
    bias = bias_for(random) + 3 if has_bias else None
    expected = ops.convert_to_numpy(
        dense(**arrays, threshold=threshold, direction=direction, mask=MASK, bias=bias)
    )
    spoiled = {
        name: np.where(MASK[:, None, :, None], array, np.float32("nan"))
        for name, array in arrays.items()
    }
    found = attention(
        **spoiled,
        threshold=threshold,
        direction=direction,
        mask=MASK,
        block_size=4,
        bias=bias,
    )
    found = ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not found[1, :, 8:].any()


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", ["given", "mean", "entmax", None])
def test_gradients_of_padded_batches(random, direction, threshold):
    arrays = make(random, "float32")
    given = arrays.pop("threshold") - 3
    threshold = ops.convert_to_tensor(given) if threshold == "given" else threshold
    bias = bias_for(random) + 3
    upstream = random.normal(size=arrays["values"].shape).astype("float32")
    upstream = np.where(MASK[:, None, :, None], upstream, 0)

    def gradient(function, **options):
        def total(queries, keys, values, bias):
            messages = function(
                queries, keys, values, threshold, direction, MASK, bias=bias, **options
            )
            return ops.sum(ops.multiply(messages, upstream))

        return gradients.by_arrays(total, *arrays.values(), bias)

    found, expected = gradient(attention, block_size=4), gradient(dense)
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("length", [13, 1_024])
def test_equal_scores_read_nothing_under_their_mean(random, direction, length):
    queries, keys, values = random.normal(size=(3, 2, length, 5)).astype("float32")
    keys[:] = keys[:, :1]
    found = attention(queries, keys, values, "mean", direction, block_size=128)
    assert not ops.convert_to_numpy(found).any()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_equal_scores_and_biases_read_nothing_under_their_mean(random, direction):
    queries, keys, values = random.normal(size=(3, 2, 1_024, 5)).astype("float32")
    keys[:] = keys[:, :1]
    bias = np.full((1, 1_024, 1_024), 0.3, "float32")
    # Keys that differ in their last bit differ by rounding alone.
    keys[:, ::3] = np.nextafter(keys[:, ::3], np.float32("inf"))
    found = attention(queries, keys, values, "mean", direction, bias=bias)
    assert not ops.convert_to_numpy(found).any()
    keys[:, 512] += np.float32(0.01)  # and this one by more
    found = attention(queries, keys, values, "mean", direction, bias=bias)
    assert ops.convert_to_numpy(found).any()


@pytest.mark.parametrize("threshold", ["mean", "entmax", None])
@pytest.mark.parametrize("scale", [1.0, 1e7])
def test_no_leak(random, threshold, scale):
    arrays = make(random, "float32")
    del arrays["threshold"]
    bias = bias_for(random)

    def messages():
        found = attention(
            **arrays,
            threshold=threshold,
            direction="forward",
            block_size=4,
            bias=bias,
        )
        return ops.convert_to_numpy(found)

    before = messages()
    for array in arrays.values():
        array[:, :, 6] = scale * random.normal(size=array[:, :, 6].shape)
    after = messages()
    np.testing.assert_array_equal(after[:, :, :6], before[:, :, :6])
    assert np.abs(after - before)[:, :, 6:].max(axis=(0, 1, 3)).min() > 1e-3


@pytest.mark.parametrize("scale", [1e-15, 1e15])
@pytest.mark.parametrize("threshold", ["given", "mean", None])
@pytest.mark.parametrize("has_bias", [False, True])
def test_scores_of_any_scale(random, scale, threshold, has_bias):
    arrays = make(random, "float32")
    bias = bias_for(random) if has_bias else np.zeros((1, HEADS, LENGTH, LENGTH))
    bias = bias.astype("float32")
    given = arrays.pop("threshold")

    def messages(queries, keys, values, scale):
        return attention(
            queries * np.float32(scale),
            keys * np.float32(scale),
            values,
            given * np.float32(scale**2) if threshold == "given" else threshold,
            "forward",
            bias=bias * np.float32(scale**2) if has_bias else None,
            block_size=4,
        )

    expected = ops.convert_to_numpy(messages(**arrays, scale=1))
    found = ops.convert_to_numpy(messages(**arrays, scale=scale))
    np.testing.assert_allclose(found, expected, atol=1e-5)

    def total(queries, keys, values):
        return ops.sum(ops.square(messages(queries, keys, values, scale)))

    for gradient in gradients.by_arrays(total, *arrays.values()):
        assert np.isfinite(gradient).all() and gradient.any()


@pytest.mark.parametrize("threshold", ["given", "mean", None])
def test_a_large_score_below_the_threshold_hides_no_others(random, threshold):
    arrays = make(random, "float32")
    given = arrays.pop("threshold")
    threshold = given if threshold == "given" else threshold
    arrays["queries"] = np.abs(arrays["queries"])
    arrays["keys"][:, :, 2] = -1e7
    expected = ops.convert_to_numpy(
        dense(**arrays, threshold=threshold, direction="forward")
    )
    found = attention(**arrays, threshold=threshold, direction="forward", block_size=4)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), expected, atol=1e-5, rtol=1e-5
    )
    assert np.abs(expected[:, :, 3:]).sum(-1).astype(bool).mean() > 0.9


@pytest.mark.parametrize("shape", [(0, 5, 3), (0, 43, 3), (2, 0, 3)])
@pytest.mark.parametrize("threshold", ["mean", "entmax", None])
def test_nothing_to_read(shape, threshold):
    empty = np.zeros(shape, "float32")
    found = attention(empty, empty, empty, threshold, "forward")
    assert tuple(found.shape) == shape


@pytest.mark.parametrize("threshold", ["mean", "entmax"])
def test_it_stands_in_functional_models(random, tmp_path, threshold):
    arrays = make(random, "float32")
    del arrays["threshold"]
    inputs = [keras.Input(array.shape[1:]) for array in arrays.values()]
    messages = squared_relu_attention(*inputs, threshold, "backward", block_size=4)
    model = keras.Model(inputs, messages)
    assert model.output_shape == (None, HEADS, LENGTH, VALUE_DIM)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = attention(**arrays, threshold=threshold, direction="backward")
    found = loaded(list(arrays.values()))
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(expected), atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_size": 0}, "`block_size` must be a positive integer"),
        ({"block_size": 2.5}, "`block_size` must be a positive integer"),
        ({"block_size": True}, "`block_size` must be a positive integer"),
        ({"threshold": "median"}, "`threshold` must be a tensor"),
        ({"direction": "up"}, "`direction` must be"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    units = np.zeros((1, 2, 3), "float32")
    is_integer = type(options.get("block_size", 0)) is int
    with pytest.raises(ValueError if is_integer else TypeError, match=message):
        squared_relu_attention(units, units, units, **options)


def test_rows_that_read_nothing_have_no_gradient(random):
    arrays = make(random, "float32")
    arrays["threshold"][:] = 1e6

    def total(*tensors):
        return ops.sum(squared_relu_attention(*tensors))

    for gradient in gradients.by_arrays(total, *arrays.values()):
        assert not gradient.any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(random, dtype):
    arrays = make(random, "float32")
    del arrays["threshold"]
    mean = {"threshold": "mean", "direction": "forward"}
    exact = attention(**arrays, **mean)
    halves = {name: ops.cast(array, dtype) for name, array in arrays.items()}
    found = attention(**halves, **mean)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    error = np.abs(ops.convert_to_numpy(found - exact))
    assert np.median(error) < 0.05
