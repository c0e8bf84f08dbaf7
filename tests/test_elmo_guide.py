"""What the guide to ELMo shows runs."""

import pathlib
import re

import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]


def test_the_models_that_are_shown(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "elmo.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)  # where the last one writes
    names = {}
    for block in blocks:
        exec(compile(block, "elmo.md", "exec"), names)
    assert names["logits"].shape == (2, 2)
    nothing = np.zeros_like(names["ids"])  # texts without a word
    assert np.isfinite(names["model"](nothing)).all()
    np.testing.assert_allclose(names["shares"], [1 / 3] * 3, atol=1e-6)
    for name in ("words", "text"):
        assert (tmp_path / "models" / f"glomo_elmo_{name}" / "1").is_dir()
    model = names["keras"].Model(names["words"], names["x"])
    words = tf.constant([["The", "cat", "sat", "."], ["Yes", "!", "", ""]])
    mixed = model(words).numpy()
    layers = names["language_model"](names["ids"]).numpy()
    difference = np.abs(names["layers"].numpy() - layers).max(axis=(0, 2, 3))
    assert difference[0] == 0 and (difference[1:] > 0.01).all()  # of warmed states
    np.testing.assert_allclose(mixed, layers.mean(axis=1), atol=1e-5)
