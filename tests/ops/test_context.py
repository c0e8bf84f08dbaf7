"""Targets of the context decoder and the log-likelihood in chunks."""

import ctypes
import os
from pathlib import Path

import gradients
import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import context_targets
from glomo_keras.ops import log_likelihood

UNIT_IDS = np.array([[11, 13, 17, 19, 23], [29, 31, 37, 0, 0]], "int32")
MASK = UNIT_IDS > 0


def test_targets_by_pencil():
    targets, valid = context_targets(
        UNIT_IDS, np.array([0, 2], "int32"), 2, "forward", MASK
    )
    targets, valid = ops.convert_to_numpy(targets), ops.convert_to_numpy(valid)
    assert valid.tolist() == [[[1, 1], [1, 1]], [[1, 1], [0, 0]]]
    assert targets[0].tolist() == [[13, 17], [19, 23]]
    assert targets[1, 0].tolist() == [31, 37]


def test_backward_targets_by_pencil():
    targets, valid = context_targets(
        UNIT_IDS, np.array([1, 4], "int32"), 2, "backward", MASK
    )
    targets, valid = ops.convert_to_numpy(targets), ops.convert_to_numpy(valid)
    # Position 4 of the second sequence is padding: what lies before it is not its.
    assert valid.tolist() == [[[1, 0], [1, 1]], [[1, 0], [0, 0]]]
    assert targets[0, 1].tolist() == [19, 17]
    assert targets[0, 0, 0] == 11 and targets[1, 0, 0] == 29


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("context_length", [1, 3, 7])
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
@pytest.mark.parametrize("positions", [None, [3, 0, 3]], ids=["all", "given"])
def test_targets_equal_reference(direction, context_length, mask, positions):
    given = None if positions is None else np.array(positions, "int32")
    targets, valid = context_targets(UNIT_IDS, given, context_length, direction, mask)
    expected, counted = reference.context_targets(
        UNIT_IDS, positions or range(5), context_length, direction, mask
    )
    valid = ops.convert_to_numpy(valid)
    assert valid.dtype == bool
    np.testing.assert_array_equal(valid, counted)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(targets)[counted], expected[counted]
    )


def test_invalid_targets_are_still_ids():
    targets, _ = context_targets(UNIT_IDS, None, 7, "backward")
    assert np.isin(ops.convert_to_numpy(targets), UNIT_IDS).all()


def test_unknown_direction_is_an_error():
    with pytest.raises(ValueError, match="`direction` must be"):
        context_targets(UNIT_IDS, None, 2, "sideways")


def example(random, precision, shape=(2, 3), dim=5, vocabulary=17):
    return (
        precision.cast(random.normal(size=(*shape, dim))),
        precision.cast(random.normal(size=(vocabulary, dim))),
        random.integers(0, vocabulary, size=shape).astype("int32"),
    )


def full_softmax(outputs, table, targets):
    values = np.zeros(targets.shape)
    for index in np.ndindex(targets.shape):
        values[index] = reference.log_softmax(table @ outputs[index])[targets[index]]
    return values


# 17 units: chunks of 1, chunks that leave a rest, one chunk, more than there are.
CHUNKS = [1, 3, 16, 17, 100]


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_chunks_equal_full_softmax(precision, random, chunk_size):
    outputs, table, targets = example(random, precision)
    values = log_likelihood(outputs, table, targets, chunk_size)
    precision.assert_close(values, full_softmax(outputs, table, targets))


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_gradients_equal_those_of_a_full_softmax(random, precision, chunk_size):
    outputs, table, targets = example(random, precision)
    weights = precision.cast(random.normal(size=targets.shape))

    def chunked(outputs, table):
        values = log_likelihood(outputs, table, targets, chunk_size)
        return ops.sum(ops.multiply(values, weights))

    def full(outputs, table):
        logits = ops.matmul(outputs, ops.transpose(table))
        chosen = ops.one_hot(targets, 17, dtype=precision.dtype)
        likelihood = ops.sum(ops.log_softmax(logits) * chosen, -1)
        return ops.sum(ops.multiply(likelihood, weights))

    found = gradients.by_arrays(chunked, outputs, table)
    expected = gradients.by_arrays(full, outputs, table)
    for gradient, wanted in zip(found, expected, strict=True):
        precision.assert_close(gradient, wanted)
        assert np.abs(gradient).max() > 0.01


@pytest.mark.parametrize("shape", [(7,), (2, 3, 7), (1, 0)])
def test_any_leading_shape(random, float64, shape):
    outputs, table, targets = example(random, float64, shape)
    values = log_likelihood(outputs, table, targets, 3)
    float64.assert_close(values, full_softmax(outputs, table, targets))


def test_probabilities_of_the_whole_vocabulary_sum_to_one(random, float64):
    outputs, table, _ = example(random, float64, (17,))
    same = np.broadcast_to(outputs[:1], (17, 5))
    values = log_likelihood(same, table, np.arange(17), 7)
    np.testing.assert_allclose(np.exp(ops.convert_to_numpy(values)).sum(), 1.0)


def test_large_logits_neither_overflow_nor_vanish(random):
    outputs = np.array([[3000.0, 0.0], [-3000.0, 0.0]], "float32")
    table = np.array([[1.0, 0.0], [0.5, 1.0], [-1.0, 0.0]], "float32")
    targets = np.array([0, 0])
    values = ops.convert_to_numpy(log_likelihood(outputs, table, targets, 2))
    np.testing.assert_allclose(values, [0.0, -6000.0])
    found = gradients.by_arrays(
        lambda o, t: ops.sum(log_likelihood(o, t, targets, 2)), outputs, table
    )
    assert all(np.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_summed_in_float32(dtype):
    # A uniform softmax over 5003 units: the sum itself is beyond bfloat16.
    outputs = ops.zeros((3, 2), dtype=dtype)
    table = ops.ones((5003, 2), dtype=dtype)
    values = log_likelihood(outputs, table, np.array([0, 1, 5002]), 1000)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(values), -np.log(5003), rtol=1e-5)


def test_logits_of_the_whole_vocabulary_are_never_held():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the traced program is read on the TensorFlow backend")
    import tensorflow as tf

    @tf.function
    def loss(outputs, table, targets):
        with tf.GradientTape() as tape:
            tape.watch([outputs, table])
            value = tf.reduce_sum(log_likelihood(outputs, table, targets, 100))
        return tape.gradient(value, [outputs, table])

    specs = [
        tf.TensorSpec((13, 5)),
        tf.TensorSpec((1009, 5)),
        tf.TensorSpec((13,), tf.int32),
    ]
    graph = loss.get_concrete_function(*specs).graph
    widths = [
        dim
        for graph in [graph, *[f.graph for f in _functions(graph)]]
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.rank == 2 and 13 in tensor.shape
        for dim in tensor.shape
    ]
    assert max(widths) == 100


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="Linux tells the peak"
)
def test_chunks_are_held_one_at_a_time(random):
    """All logits are 256 MiB, those of a chunk 4: no compiler may join their lives."""
    if keras.backend.backend() == "torch":
        pytest.skip("eager: nothing is reordered")
    arrays = [random.normal(size=(n, 16)).astype("float32") for n in (1024, 2**16)]
    targets = random.integers(0, 2**16, 1024)

    def loss(outputs, table):
        return ops.sum(log_likelihood(outputs, table, targets, 1024))

    step = gradients.compiled(loss, *arrays)
    ctypes.CDLL(None).malloc_trim(0)  # or what is free here would count as held
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before = _resident("VmRSS")
    step()
    assert _resident("VmHWM") - before < 180


def _resident(name):
    """Return memory of the process, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def _functions(graph):
    return [f for f in getattr(graph, "_functions", {}).values() if hasattr(f, "graph")]
