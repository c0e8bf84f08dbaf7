"""SavedModels: the same numbers without the library, within limits."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.data import Vocabulary
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.export import export_image_graph_predictor
from glomo_keras.export import export_language_model
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import ImageGraphPredictor

TESTS = pathlib.Path(__file__).parents[1]
TEXTS = ["The cat sat on a mat .", "", "a dog", "café \u4e2d zebra", "   "]
DIRECTIONS = ("forward", "backward")


@pytest.fixture(scope="module")
def expected(text_graphs):
    """What the library itself makes of `TEXTS`, and the ids."""
    batch = text_graphs.encode(TEXTS)
    return {
        **{name: tensor.numpy() for name, tensor in text_graphs(TEXTS).items()},
        "unit_ids": batch["unit_ids"].numpy(),
    }


def run_c_api(path, signature, inputs, *flags):
    result = subprocess.run(
        [sys.executable, TESTS / "c_api.py", *flags, path, signature],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        input=json.dumps(inputs).encode(),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return np.load(io.BytesIO(result.stdout))


def test_ids_through_the_c_api(archives, expected):
    ids = expected["unit_ids"]
    inputs = {
        "unit_ids": {"dtype": "int32", "values": ids.tolist()},
        "padding_mask": {"dtype": "bool", "values": (ids != 0).tolist()},
    }
    found = run_c_api(archives["ids"], "serving_default", inputs)
    for name in (*DIRECTIONS, "padding_mask"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


def test_text_through_the_c_api(archives, expected):
    found = run_c_api(archives["text"], "serve", {"text": TEXTS}, "--text-ops")
    for name in (*DIRECTIONS, "padding_mask"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
    found = run_c_api(archives["text"], "top_senders", {"text": TEXTS}, "--text-ops")
    assert found["forward_senders"].dtype == np.int32
    order = np.argsort(-expected["forward"], axis=-1, kind="stable")[..., :3]
    weights = np.take_along_axis(expected["forward"], order, -1)
    np.testing.assert_allclose(found["forward_weights"], weights, atol=1e-6)
    senders = np.where(weights > 0, order, -1)
    np.testing.assert_array_equal(found["forward_senders"], senders)


@pytest.fixture(scope="module")
def loaded(archives, load_once):
    return {kind: load_once(path) for kind, path in archives.items()}


def test_top_senders_are_the_largest_weights(loaded, expected):
    found = loaded["text"].signatures["top_senders"](text=tf.constant(TEXTS))
    np.testing.assert_array_equal(found["units"], expected["units"])
    for direction in DIRECTIONS:
        graphs = expected[direction]
        order = np.argsort(-graphs, axis=-1, kind="stable")[..., :3]
        weights = np.take_along_axis(graphs, order, -1)
        np.testing.assert_allclose(found[f"{direction}_weights"], weights, atol=1e-6)
        senders = np.where(weights > 0, order, -1)
        np.testing.assert_array_equal(found[f"{direction}_senders"], senders)


def test_fewer_units_than_senders(loaded):
    found = loaded["text"].signatures["top_senders"](text=tf.constant(["cat", ""]))
    assert found["backward_senders"].shape == (2, 2, 5, 1, 3)
    assert np.all(found["backward_senders"].numpy() == -1)


def test_batches_and_lengths_are_free(loaded, text_graphs):
    serve = loaded["text"].signatures["serve"]
    whole = serve(text=tf.constant(TEXTS))["forward"].numpy()
    for number, text in enumerate(TEXTS):
        alone = serve(text=tf.constant([text]))["forward"].numpy()[0]
        length = alone.shape[-1]
        np.testing.assert_allclose(
            whole[number, ..., :length, :length], alone, atol=1e-5
        )
        assert np.all(whole[number, ..., length:, :] == 0)
    nothing = serve(text=tf.constant([], tf.string))["forward"]
    assert nothing.shape == (0, 2, 5, 1, 1)


def test_text_is_cut_and_broken_text_is_read(loaded):
    serve = loaded["text"].signatures["serve"]
    found = serve(text=tf.constant(["cat " * 100_000, b"cat \xff\xc3", "\x00\x1f"]))
    assert found["forward"].shape[-1] == 11
    units = [[unit for unit in row if unit] for row in found["units"].numpy()]
    replacement = "\ufffd".encode()
    assert units == [[b"cat"] * 11, [b"cat", replacement, replacement], []]
    for direction in DIRECTIONS:
        assert np.isfinite(found[direction].numpy()).all()
    # 97 bytes are read: words beyond them do not count, however few there are.
    found = serve(text=tf.constant(["x" * 96 + " cat", "x" * 90 + " cat"]))
    assert found["padding_mask"].numpy().sum(-1).tolist() == [1, 2]


@pytest.mark.parametrize(
    "ids, mask, message",
    [
        ([[2]] * 8, None, "more than 7 texts in a request"),
        ([[2] * 12], None, "more than 11 units a text"),
        ([[]], None, "at least one unit a text"),
        ([[2, 11]], None, r"must lie in \[0, 11\)"),
        ([[2, -1]], None, r"must lie in \[0, 11\)"),
        ([[2, 3]], [[True]], "must have one shape"),
    ],
)
def test_ids_over_the_limits_are_refused(loaded, ids, mask, message):
    ids = tf.constant(ids, tf.int32)
    mask = tf.ones_like(ids, tf.bool) if mask is None else tf.constant(mask)
    serve = loaded["ids"].signatures["serve"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(unit_ids=ids, padding_mask=mask)
    good = tf.constant([[2, 3]])
    assert serve(unit_ids=good, padding_mask=good != 0)["forward"].shape[0] == 1


def test_no_texts_at_all(loaded):
    nothing = tf.zeros((0, 3), tf.int32)
    found = loaded["ids"].signatures["top_senders"](
        unit_ids=nothing, padding_mask=nothing != 0
    )
    assert found["forward_senders"].shape == (0, 2, 5, 3, 3)


def test_a_mask_with_holes(loaded, text_graphs):
    ids = tf.constant([[2, 3, 4, 5, 6]])
    mask = tf.constant([[True, False, True, True, False]])
    found = loaded["ids"].signatures["serve"](unit_ids=ids, padding_mask=mask)
    expected = text_graphs.predictor({"unit_ids": ids, "padding_mask": mask})
    holes = ~mask.numpy()[0]
    for direction in DIRECTIONS:
        graphs = found[direction].numpy()
        np.testing.assert_allclose(graphs, expected[direction], atol=1e-6)
        assert not graphs[..., holes].any() and not graphs[..., holes, :].any()


def test_a_batch_of_texts_over_the_limit_is_refused(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 7 texts"):
        loaded["text"].signatures["serve"](text=tf.constant(["cat"] * 8))


def test_signatures_are_what_the_command_line_shows(archives):
    outputs = "backward forward padding_mask".split()
    senders = [f"{d}_{k}" for d in DIRECTIONS for k in ("senders", "weights")]
    program = """
import contextlib
import sys
from tensorflow.python.tools import saved_model_cli

for path in sys.argv[1:]:
    sys.argv = ["saved_model_cli", "show", "--all", "--dir", path]
    with contextlib.suppress(SystemExit):
        saved_model_cli.main()
    print("end of an archive")
"""
    shown = subprocess.run(
        [sys.executable, "-c", program, archives["ids"], archives["text"]],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=True,
    ).stdout
    shown = dict(zip(("ids", "text"), shown.split("end of an archive"), strict=False))
    for kind, inputs, also in (
        ("ids", {"unit_ids": "DT_INT32", "padding_mask": "DT_BOOL"}, []),
        ("text", {"text": "DT_STRING"}, ["units"]),
    ):
        parts = shown[kind].split("signature_def['")
        signatures = {part.partition("'")[0]: part for part in parts[1:]}
        assert set(signatures) - {"__saved_model_init_op"} == {
            *("serve", "serving_default", "top_senders")
        }
        for name, listed in signatures.items():
            if name == "__saved_model_init_op":
                continue
            wanted = senders + ["padding_mask"] if name == "top_senders" else outputs
            for output in wanted + also:
                assert f"outputs['{output}']" in listed
            assert listed.count("outputs['") == len(wanted + also)
            assert listed.count("inputs['") == len(inputs)
            for argument, dtype in inputs.items():
                tail = listed.partition(f"inputs['{argument}']")[2]
                assert tail.split("dtype: ")[1].startswith(dtype)


def test_the_guide_names_all_inputs_and_outputs(loaded):
    guide = (TESTS.parent / "docs" / "serving.md").read_text("utf-8")
    table = guide.partition("| archive |")[2].partition("\n\n")[0]
    for archive in loaded.values():
        for signature in archive.signatures.values():
            names = {*signature.structured_outputs}
            names |= {*signature.structured_input_signature[1]}
            assert all(f"`{name}`" in table for name in names)


def test_wrong_vocabularies(text_graphs, tmp_path):
    with pytest.raises(ValueError, match="`vocabulary` has 4 units.*made for 11"):
        export_graph_predictor(
            text_graphs.predictor, tmp_path, vocabulary=Vocabulary(["one", "two"])
        )
    assert not list(tmp_path.iterdir())


def test_other_models_have_exporters_of_their_own(text_graphs, tmp_path):
    images = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    words = BidirectionalLanguageModel(5, 3, kernel_sizes=[1], filters=[3])
    for function, model, message in (
        (export_graph_predictor, images, "Use export_image_graph_predictor"),
        (export_graph_predictor, words, "Use export_language_model"),
        (export_image_graph_predictor, text_graphs.predictor, "export_graph_predictor"),
        (export_language_model, images, "Use export_image_graph_predictor"),
        (export_graph_predictor, "glomo", "use GraphPredictor.from_preset"),
    ):
        with pytest.raises(TypeError, match=message):
            function(model, tmp_path)
    with pytest.raises(TypeError, match="use TextGraphs.from_preset"):
        TextGraphs("glomo", text_graphs.vocabulary)
    assert not list(tmp_path.iterdir())
