"""ONNX: the same numbers in another runtime."""

import numpy as np
import pytest

from glomo_keras.export import export_onnx

runtime = pytest.importorskip("onnxruntime")


def test_equal_for_any_batch_and_length(text_graphs, tmp_path):
    pytest.importorskip("tf2onnx")
    path = export_onnx(text_graphs.predictor, tmp_path / "made" / "graphs.onnx")
    assert [file.name for file in path.parent.iterdir()] == ["graphs.onnx"]
    session = runtime.InferenceSession(path)
    random = np.random.default_rng(3)
    for shape in ((1, 1), (2, 7), (5, 23)):
        ids = random.integers(2, 11, shape).astype("int32")
        ids[0, shape[1] // 2 + 1 :] = 0
        inputs = {"unit_ids": ids, "padding_mask": ids != 0}
        found = session.run(["forward", "backward"], inputs)
        expected = text_graphs.predictor(inputs)
        # Scores less their mean, squared and normalized, amplify the rounding of
        # another runtime's sums.
        np.testing.assert_allclose(found[0], expected["forward"], atol=1e-4)
        np.testing.assert_allclose(found[1], expected["backward"], atol=1e-4)
