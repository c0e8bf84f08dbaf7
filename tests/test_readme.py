"""What the README shows runs, in the order in which it is shown."""

import pathlib
import re

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)
def test_python_blocks_run(monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 3
    monkeypatch.chdir(ROOT)
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    assert namespace["model"].output_shape == (None, 2)
    assert namespace["graphs"]["forward"].shape[0] == 2
    assert isinstance(namespace["graph_predictor"], keras.Model)
