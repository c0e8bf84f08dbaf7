"""A downstream model as a SavedModel: strings in, its predictions out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.export import export_downstream
from glomo_keras.layers import GraphTransfer

TEXTS = ["The cat sat on a mat .", "", "a dog", "café \u4e2d zebra", "   "]


def test_a_downstream_model_takes_strings(text_graphs, tmp_path):
    inputs = {
        "unit_ids": keras.Input((None,), dtype="int32", name="unit_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    hidden = keras.layers.Embedding(11, 6)(inputs["unit_ids"])
    hidden = GraphTransfer()(
        hidden, text_graphs.predictor(inputs), features_mask=inputs["padding_mask"]
    )
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden[:, 0]))

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


def test_a_table_that_is_not_tracked_is_named(text_graphs, tmp_path):
    model = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(11, 2)])

    def encode(text):
        return text_graphs.encode(text)["unit_ids"]

    with pytest.raises(ValueError, match="`track` must hold.*does not hold: <tensor"):
        export_downstream(model, tmp_path, encode=encode, name="words")
    assert not list(tmp_path.iterdir())


def test_what_is_no_model(tmp_path):
    with pytest.raises(TypeError, match="must be of the class `Model`"):
        export_downstream("model.keras", tmp_path, encode=str, name="x")
    assert not list(tmp_path.iterdir())
