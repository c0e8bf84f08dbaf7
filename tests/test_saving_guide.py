"""What the guide to saving shows runs, in the order in which it is shown."""

import pathlib
import re

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)
def test_python_blocks_run(tmp_path, monkeypatch):
    from glomo_keras.data import Vocabulary
    from glomo_keras.export import export_graph_predictor
    from glomo_keras.layers import GraphTransfer
    from glomo_keras.models import GraphPredictor

    vocabulary = Vocabulary(["the", "cat", "sat", "."], lowercase=True)
    predictor = GraphPredictor(
        6, embedding_dim=6, num_graph_layers=1, num_heads=2, num_convolutions=1
    )
    monkeypatch.chdir(tmp_path)
    export_graph_predictor(predictor, "models", vocabulary=vocabulary)
    unit_ids = keras.Input((None,), dtype="int32")
    names = {
        "predictor": predictor,
        "vocabulary": vocabulary,
        "GraphTransfer": GraphTransfer,
        "unit_ids": unit_ids,
        "mask": keras.ops.not_equal(unit_ids, 0),
        "x": keras.layers.Embedding(6, 3)(unit_ids),
    }
    guide = (ROOT / "docs" / "saving.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "saving.md", "exec"), names)
    assert names["outputs"]["forward"].shape == (1, 1, 2, 4, 4)
    assert names["x"].shape == (None, None, 6)
