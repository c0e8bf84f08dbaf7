"""LazyAdam: rows that were looked up as by Adam, others as they were."""

import keras
import numpy as np
import pytest

from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.optimizers import LazyAdam

RATE, BETA_1, BETA_2, EPSILON = 0.01, 0.9, 0.999, 1e-7
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients of rows are TensorFlow's"
)


def lookups(optimizer, jit_compile=False, seed=0):
    """Return a model of an embedding of 7 rows and a dense layer, compiled."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Embedding(7, 4), keras.layers.Dense(1)])
    model.build((None, None))
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    return model


def rows_after(table, gradients, clip_norm=None):
    """Return a table after steps of the formulas, row by row, in float64."""
    table = table.astype(float)
    momentum, velocity = np.zeros_like(table), np.zeros_like(table)
    for step, (rows, values) in enumerate(gradients, start=1):
        of_row = {}
        for row, value in zip(rows, values.astype(float), strict=True):
            of_row[row] = of_row.get(row, 0.0) + value
        if clip_norm is not None:
            norm = np.sqrt(sum(np.sum(value**2) for value in of_row.values()))
            of_row = {
                row: value * min(1.0, clip_norm / norm) for row, value in of_row.items()
            }
        rate = RATE * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        for row, value in of_row.items():
            momentum[row] = BETA_1 * momentum[row] + (1 - BETA_1) * value
            velocity[row] = BETA_2 * velocity[row] + (1 - BETA_2) * value**2
            table[row] -= rate * momentum[row] / (np.sqrt(velocity[row]) + EPSILON)
    return table


@on_tensorflow
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("compiled", [False, True])
def test_is_the_formula_row_by_row(clip_norm, compiled):
    import tensorflow as tf

    random = np.random.default_rng(0)
    table = random.normal(size=(6, 3)).astype("float32")
    gradients = [
        ([4, 1, 4, 4], random.normal(size=(4, 3)).astype("float32")),
        ([0, 1, 5, 0], random.normal(size=(4, 3)).astype("float32")),
        ([4, 4, 0, 1], random.normal(size=(4, 3)).astype("float32")),
    ]
    variable = keras.Variable(table)
    optimizer = LazyAdam(RATE, global_clipnorm=clip_norm)
    optimizer.build([variable])

    @tf.function(jit_compile=compiled)
    def apply(rows, values):
        slices = tf.IndexedSlices(values, rows, tf.constant([6, 3]))
        optimizer.apply([slices], [variable])

    for rows, values in gradients:
        apply(tf.constant(rows), tf.constant(values))
    expected = rows_after(table, gradients, clip_norm)
    np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(variable.numpy()[2:4], table[2:4])


@on_tensorflow
@pytest.mark.parametrize("row", [(), (2,), (2, 3)], ids=str)
def test_rows_may_have_any_rank(row):
    import tensorflow as tf

    random = np.random.default_rng(0)
    table = random.normal(size=(5, *row)).astype("float32")
    steps = [[0, 1, 2], *[[3, 3, 4, 3]] * 3]
    gradients = [
        (rows, random.normal(size=(len(rows), *row)).astype("float32"))
        for rows in steps
    ]
    gradients[0][1][0].flat[1:] = 0  # a row is looked up where any of it is
    variable = keras.Variable(table)
    optimizer = LazyAdam(RATE)
    optimizer.build([variable])
    for rows, values in gradients:
        slices = tf.IndexedSlices(values, tf.constant(rows), tf.constant(table.shape))
        optimizer.apply([slices], [variable])
    expected = rows_after(table, gradients)
    np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_is_adam_where_every_row_is_looked_up(jit_compile):
    # Each once: the norm that Keras clips by has the squares of a repeated row's parts.
    unit_ids, targets = np.array([[0, 1, 2, 3, 4, 5, 6]]), np.ones((1, 7, 1))
    trained = []
    for optimizer in (keras.optimizers.Adam, LazyAdam):
        model = lookups(optimizer(RATE, global_clipnorm=0.1), jit_compile)
        model.fit(unit_ids, targets, epochs=5, verbose=0)
        trained.append(model.get_weights())
    for lazy, plain in zip(*trained, strict=True):
        np.testing.assert_allclose(lazy, plain, atol=1e-6)


@on_tensorflow
def test_rows_keep_their_weights_where_adam_moves_them_on():
    both, few = np.array([[1, 2, 3]]), np.array([[1, 1, 1]])
    moved = {}
    for optimizer in (keras.optimizers.Adam, LazyAdam):
        model = lookups(optimizer(RATE))
        model.fit(both, np.ones((1, 3, 1)), verbose=0)
        before = model.get_weights()[0]
        model.fit(few, np.ones((1, 3, 1)), verbose=0)
        moved[optimizer] = np.abs(model.get_weights()[0] - before).max(axis=1)
    assert moved[keras.optimizers.Adam][2] > 1e-3
    assert moved[LazyAdam][1] > 1e-3 and not moved[LazyAdam][2:].any()


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_pretrainer_hands_over_the_rows_of_a_batch(jit_compile):
    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(50, 8, num_graph_layers=1, num_heads=2)
    pretrainer = GLoMoPretrainer(predictor, unit_classes=np.arange(50) % 5)
    unit_ids = np.random.default_rng(0).integers(2, 20, (4, 12), dtype="int32")
    pretrainer(unit_ids)
    pretrainer.compile(LazyAdam(RATE, global_clipnorm=1.0), jit_compile=jit_compile)
    tables = [w for w in pretrainer.trainable_weights if w.shape[0] == 50]
    before = [table.numpy() for table in tables]
    pretrainer.fit(unit_ids, epochs=2, verbose=0)
    assert tables
    for table, old in zip(tables, before, strict=True):
        moved = np.abs(table.numpy() - old).max(axis=1) > 0
        assert moved[np.unique(unit_ids)].all() and not moved[20:].any()
    # Those of rows, which Adam would have multiplied by `beta_1` all the same.
    optimizer = pretrainer.optimizer
    momentum = optimizer._momentums[optimizer._get_variable_index(tables[0])]
    assert not momentum.numpy()[20:].any() and momentum.numpy()[:20].any()


@on_tensorflow
def test_scaled_losses_of_16_bits():
    model = lookups(keras.optimizers.LossScaleOptimizer(LazyAdam(RATE), 8.0))
    plain = lookups(LazyAdam(RATE))
    unit_ids, targets = np.array([[1, 2, 2]]), np.ones((1, 3, 1))
    for each in (model, plain):
        each.fit(unit_ids, targets, epochs=3, verbose=0)
    weights = zip(model.get_weights(), plain.get_weights(), strict=True)
    for scaled, expected in weights:
        np.testing.assert_allclose(scaled, expected, atol=1e-6)


def test_dense_gradients_are_adams():
    x, y = np.random.default_rng(0).normal(size=(2, 8, 4)).astype("float32")
    trained = []
    for optimizer in (keras.optimizers.Adam, LazyAdam):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(4)])
        model.compile(optimizer(RATE, clipnorm=0.1), "mse")
        model.fit(x, y, epochs=3, verbose=0)
        trained.append(model.get_weights())
    for lazy, plain in zip(*trained, strict=True):
        np.testing.assert_allclose(lazy, plain, atol=1e-7)


def test_config_round_trip():
    optimizer = LazyAdam(0.003, beta_1=0.8, global_clipnorm=2.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is LazyAdam and again.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="has no `amsgrad`"):
        LazyAdam(amsgrad=True)


def test_accumulated_gradients_are_refused():
    with pytest.raises(ValueError, match="no `gradient_accumulation_steps`.*_steps=2"):
        LazyAdam(gradient_accumulation_steps=2)
    # What such a one was, saved by an earlier version.
    config = {**LazyAdam(0.003).get_config(), "gradient_accumulation_steps": 2}
    optimizer = LazyAdam.from_config(config)
    assert type(optimizer) is keras.optimizers.Adam
    assert optimizer.gradient_accumulation_steps == 2
