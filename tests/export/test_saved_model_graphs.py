"""An archive as a layer: the same numbers, frozen or trained, saved and reloaded."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.data import Vocabulary
from glomo_keras.export import SavedModelGraphs
from glomo_keras.export import export_downstream
from glomo_keras.layers import GraphTransfer

IDS = np.array([[2, 3, 4, 5, 0], [6, 7, 0, 0, 0], [8, 9, 10, 2, 3]], "int32")
TARGETS = np.array([0, 1, 1])


def downstream(graphs_of):
    """A small classifier over graphs of its own input."""
    keras.utils.set_random_seed(5)
    unit_ids = keras.Input((None,), dtype="int32", name="unit_ids")
    mask = keras.ops.not_equal(unit_ids, 0)
    hidden = keras.layers.Embedding(11, 6, name="embedding")(unit_ids)
    hidden = GraphTransfer(name="transfer")(
        hidden, graphs_of(unit_ids, mask), features_mask=mask
    )
    hidden = keras.layers.GlobalAveragePooling1D(name="mean")(hidden)
    model = keras.Model(unit_ids, keras.layers.Dense(2, name="logits")(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    model.optimizer.build(model.trainable_variables)  # so that `fit` traces once
    return model


def run_in_fresh_process(program, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture
def layer(archives):
    return SavedModelGraphs(archives["ids"], name="graphs")


def test_it_stands_in_for_the_predictor(layer, text_graphs):
    model = downstream(layer)
    inside = downstream(
        lambda ids, mask: text_graphs.predictor({"unit_ids": ids, "padding_mask": mask})
    )
    np.testing.assert_allclose(
        model.predict(IDS, verbose=0), inside.predict(IDS, verbose=0), atol=1e-6
    )
    direct = text_graphs.predictor({"unit_ids": IDS, "padding_mask": IDS != 0})
    for direction, graphs in layer(IDS).items():
        np.testing.assert_allclose(graphs, direct[direction], atol=1e-6)


@pytest.mark.parametrize("trainable", [False, True])
def test_it_trains_and_is_reloaded(archives, trainable, tmp_path):
    layer = SavedModelGraphs(archives["ids"], trainable=trainable, name="graphs")
    before = [np.array(weight) for weight in layer.weights]
    model = downstream(layer)
    losses = model.fit(IDS, TARGETS, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, layer.weights, strict=True)
    ]
    assert any(moved) == trainable
    assert bool(layer.trainable_weights) == trainable
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_allclose(
        reloaded.predict(IDS, verbose=0), model.predict(IDS, verbose=0), atol=1e-6
    )
    assert reloaded.get_layer("graphs").trainable == trainable


def test_safe_mode_says_why(layer, tmp_path):
    downstream(layer).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="is a program.*safe_mode=False"):
        keras.saving.load_model(tmp_path / "model.keras")


def test_it_runs_in_a_tf_function(layer):
    @tf.function
    def graphs_of(ids):
        return layer(ids)["forward"]

    np.testing.assert_allclose(graphs_of(IDS), layer(IDS)["forward"], atol=1e-6)


def test_strings(archives, text_graphs):
    texts = tf.constant(["The cat sat", "", "a dog"])
    found = SavedModelGraphs(archives["text"])(texts)
    expected = text_graphs(texts)
    assert set(found) == set(expected)
    np.testing.assert_allclose(found["backward"], expected["backward"], atol=1e-6)
    features = tf.ones((3, 3, 5))
    assert GraphTransfer()(features, found).shape == (3, 3, 10)


def test_strings_in_a_fresh_process(archives, text_graphs, tmp_path):
    texts = keras.Input((), dtype="string", name="texts")
    found = SavedModelGraphs(archives["text"])(texts)
    keras.Model(texts, found["forward"]).save(tmp_path / "model.keras")
    program = textwrap.dedent("""
        import sys
        import keras
        import numpy as np
        import tensorflow as tf
        import glomo_keras.export

        model = keras.saving.load_model(sys.argv[1] + "/model.keras", safe_mode=False)
        graphs = model(tf.constant(["The cat sat", "", "a dog"]))
        np.save(sys.argv[1] + "/graphs.npy", graphs)
    """)
    run_in_fresh_process(program, tmp_path)
    expected = text_graphs(["The cat sat", "", "a dog"])["forward"]
    np.testing.assert_allclose(np.load(tmp_path / "graphs.npy"), expected, atol=1e-6)


def test_it_is_exported_with_its_model(archives, layer, tmp_path):
    model = downstream(layer)
    vocabulary = Vocabulary(["a", "cat", "sat"])

    def encode(text):
        return vocabulary.encode(text, length=5)["unit_ids"]

    path = export_downstream(model, tmp_path, encode, "m", track=[vocabulary.table])
    serve = tf.saved_model.load(path).signatures["serve"]
    texts = tf.constant(["a cat", "sat", ""])
    np.testing.assert_allclose(
        serve(text=texts)["predictions"], model(encode(texts)), atol=1e-6
    )


def test_what_is_no_archive_of_graphs(tmp_path):
    with pytest.raises(FileNotFoundError, match="no SavedModel at.*nothing"):
        SavedModelGraphs(tmp_path / "nothing")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.export(tmp_path / "other", verbose=False)
    with pytest.raises(ValueError, match="no archive of export_graph_predictor"):
        SavedModelGraphs(tmp_path / "other")


def test_keras_still_has_the_hook_that_names_weights():
    # Without the override, optimizers with slots refuse the variables' names.
    assert "_add_existing_weight" in vars(keras.layers.TFSMLayer)


def test_mirrored_strategy(archives):
    program = textwrap.dedent("""
        import sys
        import numpy as np
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        sys.path.insert(0, sys.argv[2])
        from test_saved_model_graphs import IDS, TARGETS, SavedModelGraphs, downstream

        ids, targets = np.tile(IDS, (2, 1)), np.tile(TARGETS, 2)

        def losses():
            model = downstream(SavedModelGraphs(sys.argv[1], name="graphs"))
            fit = model.fit(ids, targets, batch_size=6, epochs=3, verbose=0)
            return fit.history["loss"]

        alone = losses()
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            model = downstream(SavedModelGraphs(sys.argv[1], name="graphs"))
        fit = model.fit(ids, targets, batch_size=6, epochs=3, verbose=0)
        np.testing.assert_allclose(fit.history["loss"], alone, rtol=1e-4)
    """)
    run_in_fresh_process(program, archives["ids"], os.path.dirname(__file__))
