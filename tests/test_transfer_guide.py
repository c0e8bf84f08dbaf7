"""What the transfer guide shows runs, in the order in which it is shown."""

import pathlib
import re

import keras
import numpy as np
import pytest

from glomo_keras.layers import GraphTransfer

ROOT = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)


def small_transformer(vocabulary_size, length):
    """Return a model of ids with two layers of self-attention."""
    ids = keras.Input((length,), dtype="int32")
    hidden = keras.layers.Embedding(vocabulary_size, 6)(ids)
    for _ in range(2):
        attend = keras.layers.MultiHeadAttention(num_heads=3, key_dim=2)
        hidden = hidden + attend(hidden, hidden)
    return keras.Model(ids, hidden)


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    """The names that are left when all blocks have run."""
    import tensorflow_text

    path = tmp_path_factory.mktemp("pieces") / "vocabulary.txt"
    path.write_text("[UNK]\nan\nun\n##happi\n##ly\nlong\nword\nshort\n.\n", "utf-8")
    names = {
        "tokenizer": tensorflow_text.BertTokenizer(str(path), lower_case=True),
        "backbone": keras.Sequential([keras.layers.Embedding(9, 7)]),
        "transformer": small_transformer(9, 7),
        "word_features": np.ones((2, 5, 3), "float32"),
        "models": [],
    }
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "transfer.md").read_text("utf-8"), re.S
    )
    assert len(blocks) == 12
    folder = tmp_path_factory.mktemp("guide")  # where models are exported to
    names["folder"] = folder
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks:
            exec(compile(block, "transfer.md", "exec"), names)
            names["models"].append(names.get("model"))
    return names


def test_functional_and_subclassed_models_answer(namespace):
    functional, subclassed = namespace["models"][1], namespace["model"]
    assert any(isinstance(layer, GraphTransfer) for layer in functional.layers)
    assert tuple(namespace["logits"].shape) == (2, 2)
    assert subclassed.transfer.built
    ids = np.array([[2, 3], [0, 0]], "int32")  # a text without a word
    assert np.isfinite(functional([ids, ids > 0])).all()
    assert np.isfinite(subclassed({"unit_ids": ids, "padding_mask": ids > 0})).all()


def test_the_subclassed_model_is_exported(namespace):
    import tensorflow as tf

    model, vocabulary = namespace["model"], namespace["vocabulary"]
    loaded = tf.saved_model.load(str(namespace["folder"] / "classifier"))
    for texts in (["A warm and funny film.", "Dull."], ["One more, and longer."]):
        batch = vocabulary.encode(texts)
        inputs = {key: batch[key] for key in ("unit_ids", "padding_mask")}
        expected = model(inputs)
        np.testing.assert_allclose(loaded.serve(inputs), expected, atol=1e-6)
        (outputs,) = loaded.signatures["serve"](**inputs).values()
        np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_the_subclassed_model_is_exported_with_strings(namespace, tmp_path):
    import tensorflow as tf

    from glomo_keras.export import export_downstream

    vocabulary, texts = namespace["vocabulary"], ["A warm and funny film.", "Dull."]

    def encode(text):
        batch = vocabulary.encode(text, length=13)
        return {key: batch[key] for key in ("unit_ids", "padding_mask")}

    paths = export_downstream(
        namespace["model"],
        tmp_path,
        encode=encode,
        name="classifier",
        track=[vocabulary.table],
    )
    serve = tf.saved_model.load(paths["text"]).signatures["serve"]
    expected = namespace["model"](encode(tf.constant(texts)))
    outputs = serve(text=tf.constant(texts))["predictions"]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_the_built_model_keeps_its_layers_and_reads_along_the_graphs(namespace):
    trained, aware = namespace["trained"], namespace["aware"]
    assert aware.get_layer("embedding") is trained.get_layer("embedding")
    ids = np.array([[2, 3, 5, 7, 11, 0]], "int32")
    assert aware(ids).shape == trained(ids).shape == (1, 2)
    paths = {weight.path for weight in aware.trainable_weights}
    assert {weight.path for weight in trained.trainable_weights} < paths
    assert any("transfer" in path for path in paths)
    np.testing.assert_allclose(namespace["after"], namespace["before"], atol=1e-6)
    transfer = aware.get_layer("transfer")
    assert np.any(transfer.fusion.linear.kernel)  # it has been trained since


def test_features_of_pieces_get_messages(namespace):
    words = keras.ops.convert_to_numpy(namespace["words"])
    assert words[0].tolist() == [0, 1, 1, 1, 2, 3, 4]
    assert words[1].tolist() == [0, 1, -1, -1, -1, -1, -1]
    fused = keras.ops.convert_to_numpy(namespace["x"])
    assert fused.shape == (2, 7, 14)
    assert not fused[1, 2:].any()
    assert np.isfinite(fused).all()


def test_attention_of_pieces_is_graphs_of_words(namespace):
    assert tuple(namespace["attention"].shape) == (2, 2, 3, 7, 7)
    assert namespace["num_words"] == 5
    fused = keras.ops.convert_to_numpy(namespace["y"])
    assert fused.shape == (2, 5, 6)
    assert fused[0].any() and not fused[1, 2:].any()
