"""Log-likelihoods of the units around a position."""

import itertools

import gradients
import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from reference_models import classes_of
from weights import as_float64
from weights import cell_of

from glomo_keras.layers import ContextDecoder

VOCABULARY, DIM, LENGTH = 13, 5, 7
CLASSES = [0, 0, 1, 2, 3, 3, 4, 4, 4, 3, 3, 4, 3]
MASK = np.arange(LENGTH)[None] < np.array([[7], [4]])

both_directions = pytest.mark.parametrize("direction", ["forward", "backward"])
both_inputs = pytest.mark.parametrize("first_input", ["unit", "zeros"])


def decoder_for(random, dtype="float32", **arguments):
    embedding = keras.layers.ReversibleEmbedding(VOCABULARY, DIM, dtype=dtype)
    decoder = ContextDecoder(embedding, dtype=dtype, **arguments)
    decoder.build((None, None, DIM), (None, None))
    registry.randomize(decoder, random)
    embedding.embeddings.assign(random.normal(size=(VOCABULARY, DIM)))
    return decoder


def inputs_for(random, dtype="float32"):
    features = random.normal(size=(2, LENGTH, DIM)).astype(dtype)
    unit_ids = random.integers(1, VOCABULARY, size=(2, LENGTH)).astype("int32")
    return features, unit_ids


def expected_of(decoder, features, unit_ids, positions=None, mask=None):
    return reference.context_log_likelihoods(
        features.astype(float),
        unit_ids,
        as_float64(decoder.embedding.embeddings),
        [cell_of(cell) for cell in decoder.cells],
        decoder.context_length,
        decoder.direction,
        decoder.first_input,
        positions,
        mask,
        **classes_of(decoder),
    )


def values_of(decoder, *args, **kwargs):
    return ops.convert_to_numpy(decoder(*args, **kwargs))


def test_uniform_by_pencil():
    # Weights and features of zeros: every logit is 0, every unit has 1 / 13.
    embedding = keras.layers.ReversibleEmbedding(VOCABULARY, DIM)
    decoder = ContextDecoder(embedding, context_length=2)
    features, unit_ids = np.zeros((1, 3, DIM), "float32"), np.array([[2, 3, 4]])
    decoder.build(features.shape, unit_ids.shape)
    for weight in decoder.weights:
        weight.assign(ops.zeros(weight.shape))
    values = values_of(decoder, features, unit_ids)
    uniform = -np.log(VOCABULARY)
    expected = [[[uniform, uniform], [uniform, 0], [0, 0]]]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_one_step_by_pencil():
    # z = r = 1/2 and a candidate of zero halve the state: h = f / 2, logits E h.
    embedding = keras.layers.ReversibleEmbedding(3, 2)
    decoder = ContextDecoder(embedding, context_length=1)
    decoder.build((1, 2, 2), (1, 2))
    for weight in decoder.weights:
        weight.assign(ops.zeros(weight.shape))
    embedding.embeddings.assign([[0.0, 0], [2, 0], [0, 4]])
    features = np.array([[[1.0, 0.5], [9, 9]]], "float32")
    values = values_of(decoder, features, np.array([[1, 2]]))
    # Logits 0, 1, 1; the next unit is 2.
    np.testing.assert_allclose(
        values[0, 0, 0], 1 - np.log(1 + 2 * np.exp(1)), rtol=1e-6
    )
    assert values[0, 1, 0] == 0


@both_directions
@both_inputs
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
def test_equals_reference(precision, random, direction, first_input, num_layers, mask):
    decoder = decoder_for(
        random,
        precision.dtype,
        context_length=3,
        num_layers=num_layers,
        direction=direction,
        first_input=first_input,
        chunk_size=5,
    )
    features, unit_ids = inputs_for(random, precision.dtype)
    values = decoder(features, unit_ids, features_mask=mask)
    expected = expected_of(decoder, features, unit_ids, mask=mask)
    precision.assert_close(values, expected)
    assert (expected < 0).sum() == (15 + 15 if mask is None else 15 + 6)


@both_directions
def test_given_positions_equal_reference(precision, random, direction):
    decoder = decoder_for(
        random, precision.dtype, context_length=2, direction=direction
    )
    features, unit_ids = inputs_for(random, precision.dtype)
    positions = np.array([6, 0, 3, 3, 5], "int32")
    values = decoder(features, unit_ids, positions, features_mask=MASK)
    assert tuple(values.shape) == (2, 5, 2)
    expected = expected_of(decoder, features, unit_ids, positions, MASK)
    precision.assert_close(values, expected)


@pytest.mark.parametrize("context_length", [7, 11])
def test_contexts_longer_than_the_text_end_with_it(float64, random, context_length):
    decoder = decoder_for(random, "float64", context_length=context_length)
    features, unit_ids = inputs_for(random, "float64")
    expected = expected_of(decoder, features, unit_ids)
    float64.assert_close(decoder(features, unit_ids), expected)
    assert (expected[:, 0] < 0).sum() == 2 * 6


@both_directions
@both_inputs
def test_probabilities_of_a_step_sum_to_one(random, direction, first_input):
    # Over all values of the predicted unit itself: it is not known in advance.
    decoder = decoder_for(
        random, context_length=3, direction=direction, first_input=first_input
    )
    features, unit_ids = inputs_for(random)
    for step in range(3):
        target = 3 + step + 1 if direction == "forward" else 3 - step - 1
        total = 0.0
        for unit in range(VOCABULARY):
            unit_ids[:, target] = unit
            total = total + np.exp(values_of(decoder, features, unit_ids)[:, 3, step])
        np.testing.assert_allclose(total, 1.0, rtol=1e-5)


@both_directions
@both_inputs
@pytest.mark.parametrize("training", [False, True])
def test_no_leak(random, direction, first_input, training):
    # What step d of position t depends on, unit by unit.
    decoder = decoder_for(
        random, context_length=3, direction=direction, first_input=first_input
    )
    features, unit_ids = inputs_for(random)
    sign = 1 if direction == "forward" else -1
    before = values_of(decoder, features, unit_ids, training=training)
    for unit in range(LENGTH):
        changed = unit_ids.copy()
        changed[:, unit] = changed[:, unit] % (VOCABULARY - 1) + 1
        after = values_of(decoder, features, changed, training=training)
        moved = (after != before).any(0)
        for t, step in itertools.product(range(LENGTH), range(3)):
            target = t + sign * (step + 1)
            read = [t + sign * offset for offset in range(step + 1)]
            if first_input == "zeros":
                read = read[1:]
            exists = 0 <= target < LENGTH
            assert moved[t, step] == (exists and unit in (*read, target))


@both_directions
@pytest.mark.parametrize("two_level", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
def test_classes_equal_reference(precision, random, direction, two_level, mask):
    decoder = decoder_for(
        random,
        precision.dtype,
        direction=direction,
        chunk_size=3,
        unit_classes=CLASSES,
        two_level=two_level,
    )
    assert decoder.class_table.shape == (5, DIM)
    features, unit_ids = inputs_for(random, precision.dtype)
    values = decoder(features, unit_ids, features_mask=mask)
    precision.assert_close(values, expected_of(decoder, features, unit_ids, mask=mask))


def test_two_levels_are_a_distribution_of_units(random):
    decoder = decoder_for(random, unit_classes=CLASSES, two_level=True)
    features, unit_ids = inputs_for(random)
    total = 0.0
    for unit in range(VOCABULARY):
        unit_ids[:, 4] = unit
        total = total + np.exp(values_of(decoder, features, unit_ids)[:, 3, 0])
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)


def test_units_of_a_class_are_one_target(random):
    decoder = decoder_for(random, context_length=1, unit_classes=CLASSES)
    features, unit_ids = inputs_for(random)
    values = []
    for unit in (4, 9):  # of class 3
        unit_ids[:, 4] = unit
        values.append(values_of(decoder, features, unit_ids)[:, 3])
    np.testing.assert_array_equal(*values)


def test_samples_are_for_training_alone(random):
    arguments = {"context_length": 2, "num_sampled": 500, "seed": 3}
    decoder = decoder_for(random, **arguments)
    features, unit_ids = inputs_for(random)
    exact = values_of(decoder, features, unit_ids)
    np.testing.assert_allclose(
        exact, expected_of(decoder, features, unit_ids), rtol=1e-4, atol=1e-6
    )
    samples = [values_of(decoder, features, unit_ids, training=True) for _ in range(2)]
    assert (samples[0] != samples[1]).any()
    np.testing.assert_allclose(samples[0], exact, atol=0.5)


def test_features_of_other_positions_do_not_matter(random):
    decoder = decoder_for(random, context_length=2)
    features, unit_ids = inputs_for(random)
    before = values_of(decoder, features, unit_ids)
    changed = features.copy()
    changed[:, 3] += 1.0
    moved = (values_of(decoder, changed, unit_ids) != before).any(0)
    assert moved[3].all() and moved.sum() == 2


def test_directions_mirror_each_other(precision, random):
    forward = decoder_for(random, precision.dtype)
    backward = decoder_for(random, precision.dtype, direction="backward")
    backward.set_weights(forward.get_weights())
    features, unit_ids = inputs_for(random, precision.dtype)
    one = ops.convert_to_numpy(forward(features, unit_ids))
    other = backward(features[:, ::-1], unit_ids[:, ::-1])
    precision.assert_close(other, one[:, ::-1])


@pytest.mark.parametrize("chunk_size", [1, 5, 13, 100])
def test_chunks_do_not_matter(float64, random, chunk_size):
    decoder = decoder_for(random, "float64", chunk_size=chunk_size)
    features, unit_ids = inputs_for(random, "float64")
    expected = expected_of(decoder, features, unit_ids)
    float64.assert_close(decoder(features, unit_ids), expected)


def test_the_table_learns_as_input_and_as_output(float64, random):
    # The gradient by the shared table, against differences of the reference.
    decoder = decoder_for(random, "float64", context_length=2, chunk_size=5)
    features, unit_ids = inputs_for(random, "float64")
    found = gradients.by_weights(decoder, ops.sum, features, unit_ids)
    table = as_float64(decoder.embedding.embeddings)
    cells = [cell_of(cell) for cell in decoder.cells]

    def total(table):
        return reference.context_log_likelihoods(
            features, unit_ids, table, cells, 2, "forward"
        ).sum()

    slopes = gradients.by_differences(total, table)
    np.testing.assert_allclose(
        found[decoder.embedding.embeddings.path], slopes, rtol=1e-6, atol=1e-7
    )


def test_the_table_is_shared_and_saved_once(random):
    embedding = keras.layers.ReversibleEmbedding(VOCABULARY, DIM)
    decoders = [
        ContextDecoder(embedding, direction=direction)
        for direction in ("forward", "backward")
    ]
    features, unit_ids = inputs_for(random)
    for decoder in decoders:
        decoder(features, unit_ids)
        # One table; kernel, recurrent kernel and bias of one cell.
        assert len(decoder.trainable_weights) == 4
        assert decoder.embedding is embedding


def test_masks_travel_through_functional_models(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(VOCABULARY, DIM, mask_zero=True)
    decoder = ContextDecoder(table, context_length=2, direction="backward")
    values = decoder(table(inputs), inputs)
    assert getattr(values, "_keras_mask", None) is None
    actual = keras.Model(inputs, values).predict(unit_ids, verbose=0)
    assert (actual[1, 3:] == 0).all()
    assert (actual[1, 2] < 0).all() and (actual[0, 4] < 0).all()


def test_positions_may_have_any_number(random):
    decoder = decoder_for(random)
    features, unit_ids = inputs_for(random)
    for number in (1, 5):
        positions = np.arange(number, dtype="int32")
        values = values_of(decoder, features, unit_ids, positions)
        assert values.shape == (2, number, 3)
