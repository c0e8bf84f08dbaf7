"""Messages along graphs that are never computed, beside those along graphs."""

import keras
import model_registry
import numpy as np
import pytest
import registry
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
from glomo_keras.models import GraphMessages
from glomo_keras.models import GraphPredictor
from glomo_keras.ops import term_messages

PREDICTORS = {"text": model_registry.TEXT, "image": model_registry.IMAGE}


def make(kind, random, **changes):
    entry = PREDICTORS[kind]
    predictor = entry.make(top_k=None, dropout=0.0, **changes)
    registry.randomize(predictor, random)
    return predictor, entry.inputs


def features_of(kind, random):
    length = 5 if kind == "text" else 12
    return random.normal(size=(2, length, 7)).astype("float32")


@pytest.mark.parametrize("kind", PREDICTORS)
@pytest.mark.parametrize("threshold", ["entmax", "mean", "query", None])
@pytest.mark.parametrize("composed", [True, False])
def test_they_are_those_along_the_graphs(random, kind, threshold, composed):
    predictor, inputs = make(kind, random, threshold=threshold, num_graph_layers=3)
    features = features_of(kind, random)
    layer = GraphMessages(predictor, composed, block_size=2)
    found = layer(features, inputs)
    graphs = predictor(inputs)
    if kind == "text":
        features = np.where(inputs["padding_mask"][..., None], features, 0.0)
    specification = layer.compute_output_spec(keras.KerasTensor(features.shape), None)
    for direction, graph in graphs.items():
        expected = term_messages(features, graph, composed)
        assert tuple(specification[direction].shape) == tuple(expected.shape)
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[direction]),
            ops.convert_to_numpy(expected),
            atol=1e-5,
        )


def test_a_model_of_them_is_the_model_of_graphs(random, tmp_path):
    predictor, inputs = make("text", random, threshold="entmax")
    predictor.trainable = False
    features = features_of("text", random)
    symbols = {
        "unit_ids": keras.Input((None,), dtype="int32", name="unit_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    units = keras.Input((None, 7), name="features")
    mask = symbols["padding_mask"]
    arguments = {"num_mixtures": 2, "message_dim": 3, "name": "transfer"}
    without = MessageTransfer(**arguments)(
        units, GraphMessages(predictor)(units, symbols), features_mask=mask
    )
    along = GraphTransfer(**arguments)(units, predictor(symbols), features_mask=mask)
    model = keras.Model({"features": units, **symbols}, without)
    reference = keras.Model({"features": units, **symbols}, along)
    registry.randomize(model.get_layer("transfer"), random)
    transfer = reference.get_layer("transfer")
    transfer.set_weights(model.get_layer("transfer").get_weights())
    data = {"features": features, **inputs}
    expected = ops.convert_to_numpy(reference(data))
    np.testing.assert_allclose(ops.convert_to_numpy(model(data)), expected, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(ops.convert_to_numpy(loaded(data)), expected, atol=1e-5)
    # The predictor is frozen in both.
    names = [weight.path for weight in loaded.trainable_variables]
    assert names
    assert all("transfer" in name for name in names)


def test_a_predictor_that_is_trained_gets_gradients(random):
    predictor, inputs = make("text", random)
    symbols = {
        name: keras.Input(array.shape[1:], dtype=array.dtype.name, name=name)
        for name, array in inputs.items()
    }
    units = keras.Input((5, 7), name="features")
    outputs = GraphMessages(predictor)(units, symbols)
    model = keras.Model({"features": units, **symbols}, outputs)
    model.compile("sgd", "mse")
    before = [ops.convert_to_numpy(w).copy() for w in predictor.trainable_variables]
    data = {"features": features_of("text", random), **inputs}
    targets = {name: np.ones((2, 3, 5, 5, 7), "float32") for name in outputs}
    model.fit(data, targets, verbose=0)
    changed = [
        np.abs(ops.convert_to_numpy(w) - old).max() > 0
        for w, old in zip(predictor.trainable_variables, before, strict=True)
    ]
    assert all(changed)


def test_a_frozen_layer_freezes_its_predictor(random):
    predictor, inputs = make("text", random)
    layer = GraphMessages(predictor, trainable=False)
    layer(features_of("text", random), inputs)
    assert predictor.weights and not predictor.trainable_variables


def test_rows_that_are_cut_are_refused(random):
    predictor = GraphPredictor(13, embedding_dim=16, top_k=2)
    with pytest.raises(ValueError, match="top_k=2"):
        GraphMessages(predictor)


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="graph_predictor"):
        GraphMessages(keras.layers.Dense(3))
