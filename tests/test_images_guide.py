"""What the guide to images shows runs."""

import pathlib
import re

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]


def test_the_model_that_is_shown():
    text = (ROOT / "docs" / "images.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec(compile(block, "images.md", "exec"), names)
    assert tuple(names["features"].shape) == (None, 16, 16, 6)
    outputs = names["model"].predict(np.zeros((2, 16, 16, 3), "uint8"), verbose=0)
    assert outputs.shape == (2, 32) and np.isfinite(outputs).all()
    assert not names["predictor"].trainable_weights
