"""Frozen models inside others: they stay frozen, and run as in inference."""

import keras
import numpy as np
import pytest

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import ScalarMix
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor

IDS = np.array([[2, 3, 5, 7], [4, 6, 0, 0]], "int32")
CHARACTERS = np.random.default_rng(0).integers(1, 50, (2, 5, 11)).astype("int32")
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype("float32")
SIZES = {"num_graph_layers": 2, "num_heads": 3, "num_convolutions": 1}


def make_predictor(dropout=0.0):
    return GraphPredictor(11, embedding_dim=6, **SIZES, dropout=dropout)


def make_image_predictor(dropout=0.0):
    return ImageGraphPredictor(6, **SIZES, dropout=dropout)


def make_language_model(dropout=0.0):
    return BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1, 2], filters=[3, 5],
        max_characters=11, dropout=dropout,
    )  # fmt: skip


def inputs_of(model):
    if isinstance(model, GraphPredictor):
        return {"unit_ids": IDS, "padding_mask": IDS != 0}
    return IMAGES if isinstance(model, ImageGraphPredictor) else CHARACTERS


# One step of training is enough, and tracing one takes seconds. JAX is fast only when
# compiled.
EAGER = {"run_eagerly": keras.backend.backend() == "tensorflow"}
MAKERS = [make_predictor, make_image_predictor, make_language_model]


def downstream(frozen):
    """A model that trains on what the frozen one gives."""
    if isinstance(frozen, BidirectionalLanguageModel):
        inputs = keras.Input((5, 11), dtype="int32")
        features = ScalarMix()(frozen(inputs))
    elif isinstance(frozen, GraphPredictor):
        inputs = {
            "unit_ids": keras.Input((4,), dtype="int32", name="unit_ids"),
            "padding_mask": keras.Input((4,), dtype="bool", name="padding_mask"),
        }
        features = keras.layers.Embedding(11, 5)(inputs["unit_ids"])
        features = GraphTransfer()(features, frozen(inputs))
    else:
        inputs = keras.Input((3, 4, 3))
        features = keras.layers.Reshape((12, 3))(inputs)
        features = GraphTransfer()(features, frozen(inputs))
    outputs = keras.layers.GlobalAveragePooling1D()(features)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("adam", "mse", **EAGER)
    return model


def frozen_part(model):
    kinds = GraphPredictor | ImageGraphPredictor | BidirectionalLanguageModel
    (part,) = (layer for layer in model.layers if isinstance(layer, kinds))
    return part


def trained_paths(model):
    paths = [weight.path for weight in model.trainable_variables]
    return [path.removeprefix(f"{model.name}/") for path in paths]


@pytest.mark.parametrize("make", MAKERS)
def test_a_frozen_part_stays_frozen(make, tmp_path):
    part = make()
    part.trainable = False
    model = downstream(part)
    inputs, targets = inputs_of(part), np.ones((2, 1))
    model.fit(inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    trained = len(model.trainable_variables)
    assert trained < len(part.weights)
    copies = {"reloaded": keras.saving.load_model(tmp_path / "model.keras")}
    copies["cloned"] = keras.models.clone_model(model)
    for name, copy in copies.items():
        assert len(copy.trainable_variables) == trained, name
        assert not frozen_part(copy).trainable_variables
    reloaded = copies["reloaded"]
    assert int(reloaded.optimizer.iterations) == 1  # its state fits
    before = [keras.ops.convert_to_numpy(w) for w in frozen_part(reloaded).weights]
    reloaded.fit(inputs, targets, verbose=0)
    for old, weight in zip(before, frozen_part(reloaded).weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), old)
    frozen_part(reloaded).trainable = True
    assert len(frozen_part(reloaded).trainable_variables) > 0


@pytest.mark.parametrize("make", MAKERS)
def test_layers_that_are_frozen_stay_frozen(make, tmp_path):
    part = make()
    fingerprint = part.save_to_preset(tmp_path / "all")
    assert "frozen_layers" not in part.get_config()
    for layer in part.layers[-3:]:
        layer.trainable = False
    assert part.save_to_preset(tmp_path / "part") == fingerprint
    model = downstream(part)
    model.fit(inputs_of(part), np.ones((2, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    copies = [
        frozen_part(reloaded),
        frozen_part(keras.models.clone_model(model)),
        type(part).from_preset(tmp_path / "part"),
        type(part).from_preset(tmp_path / "part", name="other", dropout=0.1),
    ]
    for copy in copies:
        assert 0 < len(copy.trainable_variables) < len(copy.weights)
        assert trained_paths(copy) == trained_paths(part)
    assert int(reloaded.optimizer.iterations) == 1  # its state fits
    part.trainable = False
    assert "frozen_layers" not in part.get_config()
    part.trainable = True
    assert part.trainable_variables == part.weights


@pytest.mark.parametrize("make", MAKERS)
def test_a_preset_of_a_frozen_model_is_frozen(make, tmp_path):
    part = make()
    part.trainable = False
    part.save_to_preset(tmp_path)
    reloaded = type(part).from_preset(tmp_path)
    assert not reloaded.trainable and not reloaded.trainable_variables
    assert len(downstream(reloaded).trainable_variables) == len(
        downstream(part).trainable_variables
    )


@pytest.mark.parametrize("make", MAKERS)
def test_a_frozen_model_drops_nothing(make):
    part = make(dropout=0.5)

    def outputs(training):
        found = keras.tree.flatten(part(inputs_of(part), training=training))
        return [keras.ops.convert_to_numpy(output) for output in found]

    def same():
        pairs = zip(outputs(True), outputs(False), strict=True)
        return all(np.array_equal(*pair) for pair in pairs)

    assert not same()
    part.trainable = False
    assert same()
    part.trainable = True
    assert not same()
