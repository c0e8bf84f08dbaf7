"""Batches without examples, texts without units, images without pixels."""

import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from model_registry import IMAGE
from model_registry import LANGUAGE_MODEL
from model_registry import TEXT

import glomo_keras
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import LanguageModelPretrainer

SIZES = {"num_graph_layers": 2, "num_heads": 3, "num_convolutions": 2}
KINDS = {
    "default": {},
    "batch": {"normalization": "batch", "threshold": "query", "top_k": 3},
    "none": {"normalization": None, "threshold": None},
}
each_kind = pytest.mark.parametrize("kind", KINDS)
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="functions of TensorFlow"
)


def predictor_for(kind="default"):
    return GraphPredictor(13, embedding_dim=12, **SIZES, **KINDS[kind])


def image_predictor_for(kind="default"):
    return ImageGraphPredictor(12, **SIZES, **KINDS[kind])


def ids_of(*shape):
    ids = np.zeros(shape, "int32")
    return {"unit_ids": ids, "padding_mask": ids != 0}


def shapes(outputs):
    return [tuple(output.shape) for output in keras.tree.flatten(outputs)]


@each_kind
@pytest.mark.parametrize("shape", [(2, 0), (0, 4), (0, 0)])
def test_graphs_of_nothing_are_empty(kind, shape):
    predictor = predictor_for(kind)
    batch, length = shape
    expected = [(batch, 2, 3, length, length)] * 2
    assert shapes(predictor(ids_of(*shape))) == expected
    assert shapes(predictor.predict_on_batch(ids_of(*shape))) == expected
    if predictor.top_k is None:
        factors = predictor.project(ids_of(*shape))["forward"]
        assert shapes(factors["queries"]) == [(batch, 2, 3, length, 4)]


@tensorflow_only
@each_kind
@pytest.mark.parametrize("known", [False, True])
def test_graphs_of_nothing_in_a_function_of_tensorflow(kind, known):
    import tensorflow as tf

    predictor = predictor_for(kind)
    signature = {
        "unit_ids": tf.TensorSpec((None, None), tf.int32),
        "padding_mask": tf.TensorSpec((None, None), tf.bool),
    }
    function = tf.function(
        lambda inputs: predictor(inputs),
        input_signature=None if known else [signature],
    )
    for batch, length in ((2, 0), (0, 4), (0, 0), (2, 4)):
        inputs = {k: tf.constant(v) for k, v in ids_of(batch, length).items()}
        assert shapes(function(inputs)) == [(batch, 2, 3, length, length)] * 2


@each_kind
@pytest.mark.parametrize("shape", [(0, 5, 7), (2, 0, 7), (2, 5, 0), (2, 0, 0)])
def test_graphs_of_images_without_pixels(kind, shape):
    predictor = image_predictor_for(kind)
    pixels = shape[1] * shape[2]
    graphs = predictor(np.zeros((*shape, 3), "uint8"))
    assert shapes(graphs) == [(shape[0], 2, 3, pixels, pixels)] * 2


@pytest.mark.parametrize("shape", [(2, 0), (0, 5), (0, 0)])
def test_layers_of_texts_without_words(shape):
    model = LANGUAGE_MODEL.make()
    characters = np.zeros((*shape, 11), "int32")
    assert shapes(model(characters)) == [(shape[0], 4, shape[1], 10)]


@tensorflow_only
def test_a_pipeline_that_filters_inside_its_batches():
    import tensorflow as tf

    ids = np.array([[2, 3, 4], [5, 6, 0], [1, 1, 1], [1, 7, 8], [9, 1, 1]], "int32")

    def keep(batch):
        kept = tf.boolean_mask(batch, batch[:, 0] != 1)
        return {"unit_ids": kept, "padding_mask": kept != 0}

    data = tf.data.Dataset.from_tensor_slices(ids).batch(2).map(keep)
    assert [len(batch["unit_ids"]) for batch in data] == [2, 0, 1]
    predictor = predictor_for()
    graphs = predictor.predict(data, verbose=0)
    expected = predictor(ids_of(3, 3) | keep(tf.constant(ids)))
    for direction in expected:
        np.testing.assert_allclose(graphs[direction], expected[direction], atol=1e-5)
    nothing = data.map(lambda batch: {name: batch[name][:0] for name in batch})
    assert shapes(predictor.predict(nothing, verbose=0)) == [(0, 2, 3, 3, 3)] * 2
    pretrainer = GLoMoPretrainer(predictor, context_length=1, num_positions=3)
    pretrainer.compile("adam")
    history = pretrainer.fit(data.map(lambda batch: batch["unit_ids"]), verbose=0)
    assert all(np.isfinite(values).all() for values in history.history.values())


def pretrainers():
    """Pretrainers, functions of sizes that make inputs, and arguments of `compile`.

    One of texts is compiled, for that takes seconds for each shape.
    """
    text = {"context_length": 2, "num_positions": 3, "seed": 0}
    small = {"num_graph_layers": 1, "num_heads": 3, "num_convolutions": 1}
    eager = {"run_eagerly": keras.backend.backend() == "tensorflow"}
    for block_size, options in ((None, {}), (2, eager)):
        predictor = GraphPredictor(13, embedding_dim=6, **small)
        pretrainer = GLoMoPretrainer(predictor, **text, block_size=block_size)
        yield pretrainer, ids_of, options
    language_model = LANGUAGE_MODEL.make(num_layers=1)
    yield (
        LanguageModelPretrainer(language_model, 13, num_sampled=5),
        lambda b, n: {
            "unit_ids": np.zeros((b, n), "int32"),
            "character_ids": np.zeros((b, n, 11), "int32"),
        },
        {},
    )


def test_training_on_nothing_leaves_everything_finite():
    for pretrainer, inputs, options in pretrainers():
        pretrainer.compile("adam", **options)
        for shape in ((2, 0), (0, 4), (2, 3)):
            logs = pretrainer.train_on_batch(inputs(*shape), return_dict=True)
            assert all(np.isfinite(value) for value in logs.values()), logs
        logs = pretrainer.evaluate(inputs(2, 0), verbose=0, return_dict=True)
        assert all(np.isfinite(value) for value in logs.values()), logs
        for weight in pretrainer.get_weights():
            assert np.isfinite(weight).all()


@each_kind
def test_training_on_no_images_leaves_everything_finite(kind):
    pretrainer = ImageGLoMoPretrainer(image_predictor_for(kind), seed=0)
    pretrainer.compile("adam")
    images = np.zeros((2, 3, 3, 3), "uint8")
    pretrainer.train_on_batch(images)
    statistics = [np.array(w) for w in pretrainer.graph_predictor.non_trainable_weights]
    for batch in (images[:0], images[:1]):
        logs = pretrainer.train_on_batch(batch, return_dict=True)
        assert all(np.isfinite(value) for value in logs.values()), logs
        for weight in pretrainer.get_weights():
            assert np.isfinite(weight).all()
        if not len(batch):
            weights = pretrainer.graph_predictor.non_trainable_weights
            for one, other in zip(statistics, weights, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-6)


MIRRORED = """
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    from glomo_keras.models import GLoMoPretrainer, GraphPredictor

    sizes = {"num_graph_layers": 1, "num_heads": 3, "num_convolutions": 1}
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        predictor = GraphPredictor(13, embedding_dim=12, **sizes)
        pretrainer = GLoMoPretrainer(predictor, context_length=1, num_positions=3)
        pretrainer.compile("adam")
    ids = np.array([[2, 3, 4, 5], [6, 7, 8, 0], [9, 10, 0, 0]], "int32")
    history = pretrainer.fit(ids, batch_size=2, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values()), history
    assert all(np.isfinite(weight).all() for weight in pretrainer.get_weights())
    batch = {"unit_ids": ids, "padding_mask": ids != 0}
    graphs = predictor.predict(batch, batch_size=2, verbose=0)
    assert graphs["forward"].shape == (3, 1, 3, 4, 4), graphs["forward"].shape
"""


@tensorflow_only
def test_the_last_batch_leaves_a_device_without_examples():
    package = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MIRRORED)],
        env={**os.environ, "PYTHONPATH": str(package), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@tensorflow_only
def test_ragged_ids_are_refused_in_words():
    import tensorflow as tf

    ids = tf.ragged.constant([[2, 3], [5]], dtype=tf.int32)
    message = "`unit_ids` must be of one length.*to_tensor"
    predictor = TEXT.make()
    for inputs in (ids, {"unit_ids": ids}):
        with pytest.raises(TypeError, match=f"(?s){message}"):
            GLoMoPretrainer(predictor)(inputs)
    inputs = {"unit_ids": ids, "padding_mask": ids != 0}
    with pytest.raises(TypeError, match=f"(?s){message}"):
        predictor(inputs)
    with pytest.raises(TypeError, match=f"(?s){message}"):
        predictor.predict(inputs, verbose=0)
    words = tf.ragged.constant([[[1] * 11], [[1] * 11] * 2], ragged_rank=1)
    with pytest.raises(TypeError, match="(?s)`character_ids` must be of one length"):
        LANGUAGE_MODEL.make()(words)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((2, 5, 7, 1), r"Received: .*5, 7, 1\). Grayscale images need one channel"),
        ((2, 5, 7), r"Received: .*5, 7\). Grayscale images need one channel"),
    ],
)
def test_grayscale_images_are_refused_in_words(shape, message):
    images = np.zeros(shape, "uint8")
    predictor = IMAGE.make()
    pretrainer = ImageGLoMoPretrainer(predictor)
    pretrainer.compile("adam")
    for call in (
        predictor,
        predictor.project,
        lambda images: predictor.predict(images, verbose=0),
        pretrainer,
        lambda images: pretrainer.fit(images, verbose=0),
    ):
        with pytest.raises(ValueError, match=f"(?s)`images` must have .*{message}"):
            call(images)
