"""An archive as a layer: the same numbers, frozen or trained, saved and reloaded."""

import os
import pathlib
import shutil
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
from glomo_keras.models import GraphPredictor

IDS = np.array([[2, 3, 4, 5, 0], [6, 7, 0, 0, 0], [8, 9, 10, 2, 3]], "int32")
TARGETS = np.array([0, 1, 1])


def downstream(predictor, run_eagerly=True):
    """A small classifier over graphs of its own input; tracing it takes seconds."""
    keras.utils.set_random_seed(5)
    unit_ids = keras.Input((None,), dtype="int32", name="unit_ids")
    mask = keras.ops.not_equal(unit_ids, 0)
    hidden = keras.layers.Embedding(11, 6, name="embedding")(unit_ids)
    graphs = predictor({"unit_ids": unit_ids, "padding_mask": mask})
    hidden = GraphTransfer(name="transfer")(hidden, graphs, features_mask=mask)
    hidden = keras.layers.GlobalAveragePooling1D(name="mean")(hidden)
    model = keras.Model(unit_ids, keras.layers.Dense(2, name="logits")(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, run_eagerly=run_eagerly)
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


@pytest.fixture(scope="module")
def layer(archives):
    return SavedModelGraphs(archives["ids"], name="graphs")


def test_ids_that_come_as_floats_are_whole(archives):
    exact = SavedModelGraphs(archives["ids"])
    layer = SavedModelGraphs(archives["ids"], dtype="mixed_bfloat16")
    assert not layer.autocast
    ids = IDS.astype("float32")
    for direction, graphs in layer(ids).items():
        np.testing.assert_array_equal(graphs, exact(IDS)[direction])


def test_it_stands_in_for_the_predictor(layer, text_graphs):
    model, inside = downstream(layer), downstream(text_graphs.predictor)
    np.testing.assert_allclose(
        model.predict(IDS, verbose=0), inside.predict(IDS, verbose=0), atol=1e-6
    )
    mask = IDS != 0
    mask[0, 1] = False  # a hole, which ids do not show
    inputs = {"unit_ids": IDS, "padding_mask": mask}
    expected = text_graphs.predictor(inputs, training=False)
    for outputs in (layer(inputs, training=False), layer(IDS, padding_mask=mask)):
        assert set(outputs) == set(expected)
        for direction, graphs in outputs.items():
            np.testing.assert_allclose(graphs, expected[direction], atol=1e-6)
    expected = text_graphs.predictor({"unit_ids": IDS, "padding_mask": IDS != 0})
    for ids in (IDS, {"unit_ids": IDS}):
        forward = layer(ids)["forward"]
        np.testing.assert_allclose(forward, expected["forward"], atol=1e-6)


def test_it_takes_the_place_of_a_predictor_in_a_saved_model(
    text_graphs, archives, tmp_path
):
    downstream(text_graphs.predictor).save(tmp_path / "with_predictor.keras")
    original = keras.saving.load_model(tmp_path / "with_predictor.keras")
    graphs = SavedModelGraphs(archives["ids"], trainable=True, name="graphs")

    def swap(layer):
        return graphs if isinstance(layer, GraphPredictor) else layer

    swapped = keras.models.clone_model(original, clone_function=swap)
    assert not any(isinstance(layer, GraphPredictor) for layer in swapped.layers)
    swapped.save(tmp_path / "with_archive.keras")
    reloaded = keras.saving.load_model(tmp_path / "with_archive.keras", safe_mode=False)
    expected = original.predict(IDS, verbose=0)
    for model in (swapped, reloaded):
        np.testing.assert_allclose(model.predict(IDS, verbose=0), expected, atol=1e-6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    reloaded.compile(keras.optimizers.Adam(0.05), loss, run_eagerly=True)
    before = reloaded.get_layer("graphs").get_weights()
    losses = reloaded.fit(IDS, TARGETS, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    after = reloaded.get_layer("graphs").get_weights()
    assert not all(map(np.array_equal, before, after))


def test_it_is_cloned_with_its_model(layer):
    model = downstream(layer)
    for copy in (
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
    ):
        copy.set_weights(model.get_weights())
        np.testing.assert_allclose(
            copy.predict(IDS, verbose=0), model.predict(IDS, verbose=0), atol=1e-6
        )


def test_another_working_directory(archives, tmp_path, monkeypatch):
    archive = pathlib.Path(archives["ids"])
    shutil.copytree(archive, tmp_path / "models" / "1")
    monkeypatch.chdir(tmp_path)
    model = downstream(SavedModelGraphs("models/1", name="graphs"))
    expected = model.predict(IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    reloaded = keras.saving.load_model("../model.keras", safe_mode=False)
    np.testing.assert_allclose(reloaded.predict(IDS, verbose=0), expected, atol=1e-6)
    (tmp_path / "models").rename(tmp_path / "moved")
    message = f"no SavedModel at '{tmp_path}/models/1'.*put it, or a link to it, there"
    with pytest.raises((FileNotFoundError, TypeError), match=message):
        keras.saving.load_model("../model.keras", safe_mode=False)
    (tmp_path / "models").symlink_to(tmp_path / "moved")
    keras.saving.load_model("../model.keras", safe_mode=False)


@pytest.mark.parametrize(
    "kind, inputs, message",
    [
        ("ids", {"padding_mask": IDS != 0}, "must hold `unit_ids`"),
        ("ids", {"unit_ids": IDS, "text": IDS}, r"Received: \['text', 'unit_ids'\]"),
        ("text", {"unit_ids": IDS, "padding_mask": IDS != 0}, "text alone.*a dict"),
    ],
)
def test_inputs_of_another_archive(archives, kind, inputs, message):
    with pytest.raises(ValueError, match=message):
        SavedModelGraphs(archives[kind])(inputs)


def test_two_masks_are_refused(layer):
    inputs = {"unit_ids": IDS, "padding_mask": IDS != 0}
    with pytest.raises(ValueError, match="and a `padding_mask`"):
        layer(inputs, padding_mask=IDS != 0)


@pytest.mark.parametrize("trainable", [False, True])
def test_it_trains_and_is_reloaded(archives, trainable, tmp_path):
    layer = SavedModelGraphs(archives["ids"], trainable=trainable, name="graphs")
    before = [np.array(weight) for weight in layer.weights]
    model = downstream(layer, run_eagerly=not trainable)
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
    for load, source in (
        (keras.saving.load_model, tmp_path / "model.keras"),
        (keras.models.model_from_json, downstream(layer).to_json()),
    ):
        message = "is a program.*safe_mode=False.*enable_unsafe_deserialization"
        with pytest.raises(ValueError, match=message):
            load(source)


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
    # All that comes from strings goes straight into the layer.
    for outputs in (found, expected):
        assert GraphTransfer()(tf.ones((3, 3, 5)), outputs).shape == (3, 3, 10)


def test_it_is_exported_with_its_model(archives, layer, tmp_path):
    model = downstream(layer)
    vocabulary = Vocabulary(["a", "cat", "sat"])

    def encode(text):
        return vocabulary.encode(text, length=5)["unit_ids"]

    paths = export_downstream(
        model, tmp_path, encode=encode, name="m", track=[vocabulary.table]
    )
    serve = tf.saved_model.load(paths["text"]).signatures["serve"]
    texts = tf.constant(["a cat", "sat", ""])
    np.testing.assert_allclose(
        serve(text=texts)["predictions"], model(encode(texts)), atol=1e-6
    )


def test_what_is_no_archive_of_graphs(language_archives, tmp_path):
    with pytest.raises(FileNotFoundError, match="no SavedModel at.*nothing"):
        SavedModelGraphs(tmp_path / "nothing")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.export(tmp_path / "other", verbose=False)
    with pytest.raises(ValueError, match="no archive of export_graph_predictor"):
        SavedModelGraphs(tmp_path / "other")
    with pytest.raises(ValueError, match="returns .*'layers'"):
        SavedModelGraphs(language_archives["text"])  # strings, but no graphs


def test_keras_still_has_the_hook_that_names_weights():
    # Without the override, optimizers with slots refuse the variables' names.
    assert "_add_existing_weight" in vars(keras.layers.TFSMLayer)


def test_strings_and_a_mirrored_strategy_in_a_fresh_process(
    archives, text_graphs, tmp_path
):
    texts = keras.Input((), dtype="string", name="texts")
    found = SavedModelGraphs(archives["text"])(texts)
    keras.Model(texts, found["forward"]).save(tmp_path / "model.keras")
    program = textwrap.dedent("""
        import sys
        import keras
        import numpy as np
        import tensorflow as tf
        import glomo_keras.export

        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        archive, tests, folder = sys.argv[1:]
        model = keras.saving.load_model(folder + "/model.keras", safe_mode=False)
        graphs = model(tf.constant(["The cat sat", "", "a dog"]))
        np.save(folder + "/graphs.npy", graphs)

        sys.path.insert(0, tests)
        from test_saved_model_graphs import IDS, TARGETS, SavedModelGraphs, downstream

        ids, targets = np.tile(IDS, (2, 1)), np.tile(TARGETS, 2)

        def losses():
            graphs = SavedModelGraphs(archive, name="graphs")
            model = downstream(graphs, run_eagerly=False)
            fit = model.fit(ids, targets, batch_size=6, epochs=3, verbose=0)
            return fit.history["loss"]

        alone = losses()
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            graphs = SavedModelGraphs(archive, name="graphs")
            model = downstream(graphs, run_eagerly=False)
        fit = model.fit(ids, targets, batch_size=6, epochs=3, verbose=0)
        np.testing.assert_allclose(fit.history["loss"], alone, rtol=1e-4)
    """)
    tests = os.path.dirname(__file__)
    run_in_fresh_process(program, archives["ids"], tests, tmp_path)
    expected = text_graphs(["The cat sat", "", "a dog"])["forward"]
    np.testing.assert_allclose(np.load(tmp_path / "graphs.npy"), expected, atol=1e-6)
