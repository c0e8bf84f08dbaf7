"""What the README shows runs, each block alone."""

import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
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
    for block in blocks:  # each as it is copied, without the others
        alone = {}
        exec(compile(block, "README.md", "exec"), alone)
        namespace |= alone
    assert namespace["model"].output_shape == (None, 2)
    assert namespace["graphs"]["forward"].shape[0] == 2
    assert isinstance(namespace["graph_predictor"], keras.Model)
    # Texts without a word do no harm.
    model = namespace["model"]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)  # tracing takes seconds
    texts = keras.ops.convert_to_tensor(["A warm film.", ""])
    model.fit(texts, np.array([1, 0]), verbose=0)
    assert np.isfinite(model.predict(texts, verbose=0)).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_long_description_links_to_no_file_of_the_checkout():
    command = [sys.executable, "setup.py", "--long-description"]
    shown = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert "Keras 3 layers that learn" in shown.stdout
    links = re.findall(r"\]\(([^)]*)\)", shown.stdout)
    assert all(link.startswith(("http", "#")) for link in links), links
    assert re.findall(r"\]\((?!http)[^)]*\)", (ROOT / "README.md").read_text("utf-8"))
