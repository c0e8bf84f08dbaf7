"""Messages in blocks equal those along the dense graph, and so do gradients."""

import gradients
import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops import mean_threshold
from glomo_keras.ops import mean_visible_score
from glomo_keras.ops import squared_relu_affinity
from glomo_keras.ops import squared_relu_attention
from glomo_keras.ops import visible_pairs

BATCH, HEADS, LENGTH, KEY_DIM, VALUE_DIM = 2, 3, 13, 5, 7
MASK = np.arange(LENGTH)[None] < np.array([[LENGTH], [8]])


def make(random, dtype):
    def draw(*shape):
        return random.normal(size=shape).astype(dtype)

    return {
        "keys": draw(BATCH, HEADS, LENGTH, KEY_DIM),
        "queries": draw(BATCH, HEADS, LENGTH, KEY_DIM),
        "values": draw(BATCH, HEADS, LENGTH, VALUE_DIM),
        "threshold": draw(BATCH, HEADS, LENGTH),
    }


def attention(keys, queries, values, threshold, direction, mask=None, **options):
    """The same for `"mean"`, a tensor and `None`."""
    tolerance = None
    if isinstance(threshold, str):
        threshold, tolerance = mean_threshold(keys, queries, mask, direction)
    return squared_relu_attention(
        keys,
        queries,
        values,
        threshold,
        tolerance,
        direction,
        keys_mask=mask,
        queries_mask=mask,
        **options,
    )


def dense(keys, queries, values, threshold, direction, mask=None):
    """The same by the whole graph."""
    visible = visible_pairs(LENGTH, direction, mask, mask)
    visible = visible[:, None] if mask is not None else visible
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
    if threshold is None:
        threshold = 0.0
    elif isinstance(threshold, str):
        threshold = mean_visible_score(scores, visible)
    else:
        threshold = threshold[..., None]
    return ops.matmul(squared_relu_affinity(scores - threshold, visible), values)


@pytest.mark.parametrize("block_size", [1, 4, 13, 100])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", ["given", "mean", None])
def test_messages_and_gradients(precision, random, block_size, direction, threshold):
    arrays = make(random, precision.dtype)
    for name in ("keys", "queries"):  # rows of almost nothing amplify rounding
        arrays[name] += 1
    upstream = random.normal(size=arrays["values"].shape).astype(precision.dtype)
    if threshold != "given":
        del arrays["threshold"]

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
@pytest.mark.parametrize("threshold", ["mean", None])
def test_padding_changes_nothing(random, direction, threshold):
    arrays = make(random, "float32")
    del arrays["threshold"]
    expected = ops.convert_to_numpy(
        dense(**arrays, threshold=threshold, direction=direction, mask=MASK)
    )
    spoiled = {
        name: np.where(MASK[:, None, :, None], array, np.float32("nan"))
        for name, array in arrays.items()
    }
    found = attention(
        **spoiled, threshold=threshold, direction=direction, mask=MASK, block_size=4
    )
    found = ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not found[1, :, 8:].any()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_equal_scores_read_nothing_under_their_mean(random, direction):
    arrays = make(random, "float32")
    arrays["keys"][:] = arrays["keys"][:, :, :1]
    arrays["threshold"] = "mean"
    found = attention(**arrays, direction=direction, block_size=4)
    assert not ops.convert_to_numpy(found).any()


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


def test_mean_threshold(random):
    keys, queries = random.normal(size=(2, 2, 3, LENGTH, KEY_DIM)).astype("float32")
    threshold, tolerance = mean_threshold(keys, queries, MASK, "backward")
    threshold, tolerance = map(ops.convert_to_numpy, (threshold, tolerance))
    for i in range(7):
        mean = keys[1, :, i + 1 : 8].mean(axis=1)
        expected = (queries[1, :, i] * mean).sum(axis=-1)
        np.testing.assert_allclose(threshold[1, :, i], expected, atol=1e-5)
    assert np.isinf(tolerance[1, :, 6:]).all() and np.isinf(tolerance[0, :, 11:]).all()
    assert (tolerance[1, :, :6] < 1e-4).all()
