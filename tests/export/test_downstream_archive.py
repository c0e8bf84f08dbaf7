"""A downstream model as a SavedModel: strings in, its predictions out."""

import keras
import numpy as np
import pytest
import registry
import tensorflow as tf

from glomo_keras.data import UnitIds
from glomo_keras.export import export_downstream
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GraphPredictor

TEXTS = ["The cat sat on a mat .", "", "a dog", "café \u4e2d zebra", "   "]


def test_a_downstream_model_takes_strings(text_graphs, random, tmp_path):
    inputs = {
        "unit_ids": keras.Input((None,), dtype="int32", name="unit_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    hidden = keras.layers.Embedding(11, 6)(inputs["unit_ids"])
    hidden = GraphTransfer(name="transfer")(
        hidden, text_graphs.predictor(inputs), features_mask=inputs["padding_mask"]
    )
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden[:, 0]))
    registry.randomize(model.get_layer("transfer"), random)  # or graphs say nothing

    def encode(text):
        batch = text_graphs.encode(text)
        return {name: batch[name] for name in inputs}

    paths = export_downstream(
        model, tmp_path, encode=encode, name="sentiment", track=[text_graphs.table]
    )
    assert paths == {"text": str(tmp_path / "sentiment" / "1")}
    found = tf.saved_model.load(paths["text"]).signatures["serve"](
        text=tf.constant(TEXTS)
    )
    expected = model(encode(tf.constant(TEXTS)))
    np.testing.assert_allclose(found["predictions"], expected, atol=1e-6)


def test_a_model_that_reads_strings_needs_no_function(text_preset, random, tmp_path):
    texts = keras.Input((), dtype="string")
    ids = UnitIds.from_preset(text_preset, max_units=4)(texts)
    hidden = keras.layers.Embedding(9, 5)(ids["unit_ids"])
    graphs = GraphPredictor.from_preset(text_preset)(ids)
    transfer = GraphTransfer()
    hidden = transfer(hidden, graphs, features_mask=ids["padding_mask"])
    registry.randomize(transfer, random)
    model = keras.Model(texts, keras.layers.Dense(2)(keras.ops.sum(hidden, axis=1)))
    paths = export_downstream(model, tmp_path, name="read")
    serve = tf.saved_model.load(paths["text"]).signatures["serve"]
    found = serve(text=tf.constant(TEXTS))["predictions"]
    np.testing.assert_allclose(found, model(tf.constant(TEXTS)), atol=1e-6)
    assert np.ptp(found, axis=0).min() > 0


def test_a_table_that_is_not_tracked_is_named(text_graphs, tmp_path):
    model = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(11, 2)])

    def encode(text):
        return text_graphs.encode(text)["unit_ids"]

    with pytest.raises(ValueError, match="`track` must hold.*does not hold: <tensor"):
        export_downstream(model, tmp_path, encode=encode, name="words")
    assert not list(tmp_path.iterdir())


class Tuple(keras.Model):
    def call(self, inputs):
        return inputs, 2 * inputs


def of_a_class():
    model = Tuple()
    model.build((None, 5))
    return model


def two_of_one_layer(named):
    ids = keras.Input((None,), dtype="int32")
    means = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(11, 2)(ids))
    head = keras.layers.Dense(1, name="head")
    outputs = [head(means), head(2 * means)]
    return keras.Model(ids, dict(zip("ab", outputs, strict=True)) if named else outputs)


@pytest.mark.parametrize("make", [of_a_class, lambda: two_of_one_layer(named=False)])
def test_outputs_without_names_of_their_own_are_refused(make, text_graphs, tmp_path):
    encode = text_graphs.encode
    with pytest.raises(ValueError, match="must have names that differ.*in a dict"):
        export_downstream(
            make(),
            tmp_path,
            encode=lambda text: encode(text)["unit_ids"],
            name="two",
            track=[text_graphs.table],
        )
    assert not list(tmp_path.iterdir())


def test_outputs_of_a_dict_keep_their_names(text_graphs, tmp_path):
    paths = export_downstream(
        two_of_one_layer(named=True),
        tmp_path,
        encode=lambda text: text_graphs.encode(text)["unit_ids"],
        name="two",
        track=[text_graphs.table],
    )
    signature = tf.saved_model.load(paths["text"]).signatures["serve"]
    assert set(signature(text=tf.constant(TEXTS))) == {"a", "b"}


def test_another_backend_is_refused(text_graphs, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="'jax'.*KERAS_BACKEND=tensorflow"):
        export_downstream(Tuple(), tmp_path / "models", encode=str, name="x")
    assert not list(tmp_path.iterdir())


def test_what_is_no_model(tmp_path):
    with pytest.raises(TypeError, match="must be of the class `Model`"):
        export_downstream("model.keras", tmp_path, encode=str, name="x")
    assert not list(tmp_path.iterdir())
