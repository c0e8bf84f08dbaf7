"""Archives in processes without this library: few processes, for each takes seconds."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from glomo_keras.data import character_ids

TEXTS = ["The cat sat on a mat .", "", "a dog", "café \u4e2d zebra", "   "]
WORDS = [["The", "cat", "sat", "."], ["Café", "\U0001f600", "", ""], ["", "", "", ""]]
SPLIT_WORDS = ["The cat sat.", "Café \U0001f600", ""]
PROGRAM = """
import json
import numpy as np
import tensorflow as tf

with open(sys.argv[1], encoding="utf-8") as file:
    requests = json.load(file)
for name, request in requests.items():
    inputs = {
        key: tf.constant(values, getattr(tf, dtype))
        for key, (dtype, values) in request["inputs"].items()
    }
    loaded = tf.saved_model.load(request["archive"])
    outputs = loaded.signatures[request["signature"]](**inputs)
    outputs = {key: value.numpy() for key, value in outputs.items()}
    np.savez(sys.argv[2] + "/" + name + ".npz", **outputs)
"""


def run(folder, program, requests, *blocked):
    """Run requests in a process in which some packages cannot be imported."""
    path = folder / "requests.json"
    path.write_text(json.dumps(requests), "utf-8")
    block = f"import sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", block + program, str(path), str(folder)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def assert_outputs(path, expected):
    with np.load(path, allow_pickle=True) as outputs:
        assert set(outputs) == set(expected)
        for name, values in expected.items():
            if name == "units":
                assert outputs[name].tolist() == np.asarray(values).tolist()
            else:
                np.testing.assert_allclose(outputs[name], values, atol=1e-6)


@pytest.fixture(scope="module")
def graphs_of_texts(text_graphs):
    return {name: tensor.numpy() for name, tensor in text_graphs(TEXTS).items()}


@pytest.fixture(scope="module")
def layers_of_words(language_model):
    ids = character_ids(WORDS, language_model.max_characters)
    padding_mask = np.array(WORDS) != ""
    return {"layers": language_model(ids).numpy(), "padding_mask": padding_mask}


def test_without_keras_the_library_or_text_operations(
    text_graphs,
    archives,
    image_predictor,
    image_archive,
    language_archives,
    graphs_of_texts,
    layers_of_words,
    random,
    tmp_path,
):
    ids = text_graphs.encode(TEXTS)["unit_ids"].numpy()
    images = random.integers(0, 256, (2, 5, 7, 3)).astype("uint8")
    lengths = layers_of_words["padding_mask"].sum(axis=1)
    requests = {
        "ids": {
            "archive": archives["ids"],
            "signature": "serve",
            "inputs": {
                "unit_ids": ("int32", ids.tolist()),
                "padding_mask": ("bool", (ids != 0).tolist()),
            },
        },
        "images": {
            "archive": image_archive,
            "signature": "serving_default",
            "inputs": {"images": ("uint8", images.tolist())},
        },
        "words": {
            "archive": language_archives["words"],
            "signature": "serve",
            "inputs": {
                "words": ("string", WORDS),
                "lengths": ("int32", lengths.tolist()),
            },
        },
        # Last, because it ends the process.
        "text": {
            "archive": archives["text"],
            "signature": "serve",
            "inputs": {"text": ("string", TEXTS)},
        },
    }
    blocked = ("keras", "glomo_keras", "tensorflow_text")
    result = run(tmp_path, PROGRAM, requests, *blocked)
    assert "Op type not registered" in result.stderr, result.stderr
    del graphs_of_texts["units"]
    assert_outputs(tmp_path / "ids.npz", graphs_of_texts)
    assert_outputs(tmp_path / "images.npz", image_predictor(images))
    assert_outputs(tmp_path / "words.npz", layers_of_words)
    assert not (tmp_path / "text.npz").exists()


def test_text_needs_the_text_operations_alone(
    text_graphs, archives, language_archives, layers_of_words, tmp_path
):
    requests = {
        "graphs": {
            "archive": archives["text"],
            "signature": "serve",
            "inputs": {"text": ("string", TEXTS)},
        },
        "layers": {
            "archive": language_archives["text"],
            "signature": "serve",
            "inputs": {"text": ("string", SPLIT_WORDS)},
        },
    }
    program = "import tensorflow_text\n" + PROGRAM
    result = run(tmp_path, program, requests, "glomo_keras")
    assert result.returncode == 0, result.stderr
    assert_outputs(tmp_path / "graphs.npz", text_graphs(TEXTS))
    units = [[word.encode() for word in row] for row in WORDS]
    assert_outputs(tmp_path / "layers.npz", {**layers_of_words, "units": units})
