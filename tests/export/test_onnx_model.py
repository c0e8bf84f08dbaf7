"""ONNX: the same numbers in another runtime."""

import os

import keras
import numpy as np
import pytest

from glomo_keras.export import SavedModelGraphs
from glomo_keras.export import export_onnx
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GraphPredictor

runtime = pytest.importorskip("onnxruntime")


def test_equal_for_any_batch_and_length(text_graphs, tmp_path):
    pytest.importorskip("tf2onnx")
    paths = export_onnx(text_graphs.predictor, tmp_path / "made", name="graphs")
    assert paths == {"onnx": str(tmp_path / "made" / "graphs.onnx")}
    assert os.listdir(tmp_path / "made") == ["graphs.onnx"]
    session = runtime.InferenceSession(paths["onnx"])
    random = np.random.default_rng(3)
    for shape in ((1, 1), (2, 7), (5, 23), (0, 3)):
        ids = random.integers(2, 11, shape).astype("int32")
        ids[:1, shape[1] // 2 + 1 :] = 0
        inputs = {"unit_ids": ids, "padding_mask": ids != 0}
        found = session.run(["forward", "backward"], inputs)
        expected = text_graphs.predictor(inputs)
        # Scores less their mean, squared and normalized, amplify the rounding of
        # another runtime's sums.
        np.testing.assert_allclose(found[0], expected["forward"], atol=1e-4)
        np.testing.assert_allclose(found[1], expected["backward"], atol=1e-4)


def test_16_bits_are_refused(tmp_path):
    pytest.importorskip("tf2onnx")
    predictor = GraphPredictor(13, embedding_dim=16, dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match='one of mixed_bfloat16.*dtype="float32"'):
        export_onnx(predictor, tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_another_backend_is_refused(text_graphs, tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="'jax'.*KERAS_BACKEND=tensorflow"):
        export_onnx(text_graphs.predictor, tmp_path / "made")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["predictor", "archive"])
def test_a_downstream_model(text_graphs, archives, source, tmp_path):
    pytest.importorskip("tf2onnx")
    unit_ids = keras.Input((None,), dtype="int32", name="unit_ids")
    mask = keras.ops.not_equal(unit_ids, 0)
    if source == "predictor":
        graphs = text_graphs.predictor({"unit_ids": unit_ids, "padding_mask": mask})
    else:
        graphs = SavedModelGraphs(archives["ids"])(unit_ids, mask)
    hidden = keras.layers.Embedding(11, 6)(unit_ids)
    hidden = GraphTransfer()(hidden, graphs, features_mask=mask)
    model = keras.Model(unit_ids, keras.layers.Dense(2)(hidden))
    ids = np.array([[2, 3, 4, 5, 0], [6, 7, 0, 0, 0]], "int32")
    expected = model(ids)  # a model that was never called is not exported
    path = tmp_path / "downstream.onnx"
    model.export(path, format="onnx", verbose=False)
    (found,) = runtime.InferenceSession(path).run(None, {"unit_ids": ids})
    np.testing.assert_allclose(found, expected, atol=1e-4)
