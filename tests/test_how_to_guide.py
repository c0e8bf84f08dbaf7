"""Every answer of the guide of short answers runs, copied alone, and is right."""

import pathlib
import re

import keras
import numpy as np
import pytest

GUIDE = pathlib.Path(__file__).parents[1] / "docs" / "how_to.md"
# Heading to program; a section has one.
PROGRAMS = dict(
    re.findall(
        r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```",
        GUIDE.read_text("utf-8"),
        re.S | re.M,
    )
)
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the program under a heading in an empty folder; return its names."""
    monkeypatch.chdir(tmp_path)

    def run_program(heading):
        names = {"__name__": "__main__"}
        exec(compile(PROGRAMS[heading], f"how_to.md: {heading}", "exec"), names)
        return names

    return run_program


def as_array(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def let_messages_in(transfer, random):
    """Give random weights to W1, which is zero where nothing was trained."""
    kernel = transfer.fusion.linear.kernel
    kernel.assign(random.normal(size=kernel.shape))


def graphs_of_ids(predictor, unit_ids):
    return predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})


def test_every_program_of_the_guide_is_one_of_a_section():
    text = GUIDE.read_text("utf-8")
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert list(PROGRAMS) == headings
    assert text.count("```python") == len(headings) == 10
    links = re.findall(r"^- \[(.*)\]\(#(.*)\)$", text, re.M)
    assert [title for title, _ in links] == headings
    assert [anchor for _, anchor in links] == [
        re.sub("[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    ]


def test_fine_tuning_changes_the_predictor_in_the_second_stage_alone():
    program = PROGRAMS["Fine-tune the predictor as well"]
    first, second = program.split("predictor.trainable = True")
    names = {}
    exec(compile(first, "how_to.md: first stage", "exec"), names)
    predictor, model = names["predictor"], names["model"]
    assert not predictor.trainable_weights
    kernel = next(w for w in model.trainable_weights if "linear/kernel" in w.path)
    assert np.any(kernel)  # zeros before the first stage
    frozen = {weight.path: weight.numpy() for weight in predictor.weights}
    second = "predictor.trainable = True" + second
    exec(compile(second, "how_to.md: second stage", "exec"), names)
    assert len(predictor.trainable_weights) == len(frozen)
    changes = {
        weight.path: np.abs(weight.numpy() - frozen[weight.path]).max()
        for weight in predictor.weights
    }
    for direction in ("forward", "backward"):
        assert changes[f"{direction}_affinity/key_kernel"] > 0
    assert changes["embedding/embeddings"] > 0
    assert max(changes.values()) < 4e-4  # three steps of Adam, of about 1e-4 each


def test_bfloat16_graphs_are_those_of_float32(run):
    from glomo_keras.export import TextGraphs

    names = run("Compute in bfloat16")
    outputs, text_graphs = names["outputs"], names["text_graphs"]
    dtypes = [names[name].dtype for name in ("x", "logits")]
    assert [keras.backend.standardize_dtype(dtype) for dtype in dtypes] == [
        "bfloat16",
        "float32",
    ]
    assert names["logits"].shape == (1, 7, 2)
    assert {weight.dtype for weight in text_graphs.predictor.weights} == {"float32"}
    # The preset keeps its own policy under the global one.
    kept = TextGraphs.from_preset("glomo_text_small_en")
    expected = kept(["The cat sat on the mat ."])
    for direction in ("forward", "backward"):
        assert keras.backend.standardize_dtype(outputs[direction].dtype) == "bfloat16"
        assert keras.backend.standardize_dtype(expected[direction].dtype) == "float32"
        np.testing.assert_allclose(
            as_array(outputs[direction]), expected[direction], atol=2e-2
        )


def test_forward_graphs_alone_read_no_later_unit(run, random):
    names = run("Use one direction only")
    transfer, features = names["transfer"], as_array(names["features"])
    assert names["x"].shape == (1, 7, 128)
    assert set(transfer.mixers) == {"forward"}
    let_messages_in(transfer, random)

    def read(text, features):
        graphs = names["text_graphs"]([text])
        return as_array(transfer(features, {"forward": graphs["forward"]}))[0]

    before = read("The cat sat on the mat .", features)
    changed = features.copy()
    changed[:, 5] += 1
    after = read("The cat sat on the river .", changed)
    np.testing.assert_allclose(after[:5], before[:5], atol=1e-5)
    assert np.abs(after[5:] - before[5:]).max(axis=1).min() > 1e-3
    with pytest.raises(ValueError, match="directions that the layer was built with"):
        transfer(features, names["outputs"])


def test_own_score_rule_is_the_one_of_the_graphs_and_is_saved(run, random):
    names = run("Write my own score rule")
    predictor, own_class = names["predictor"], names["ReLUGraphPredictor"]
    squared = own_class.__base__(50, threshold="mean")
    squared.set_weights(predictor.get_weights())
    unit_ids = random.integers(2, 50, (2, 7))
    expected = graphs_of_ids(squared, unit_ids)
    graphs = graphs_of_ids(predictor, unit_ids)
    loaded = graphs_of_ids(keras.models.load_model("relu.keras"), unit_ids)
    for direction in graphs:
        # Rows of relu(s)^2 / sum have roots that are those of relu(s), up to a scale.
        roots = np.sqrt(as_array(expected[direction]))
        sums = roots.sum(axis=-1, keepdims=True)
        rows = np.divide(roots, sums, out=np.zeros_like(roots), where=sums > 0)
        np.testing.assert_allclose(graphs[direction], rows, atol=1e-5)
        np.testing.assert_allclose(loaded[direction], graphs[direction], atol=1e-6)
    with pytest.raises(ValueError, match='must not be "entmax"'):
        own_class(50)


def test_own_vocabulary_is_trained_on_and_kept_in_the_preset(run):
    from glomo_keras.data import Vocabulary
    from glomo_keras.export import TextGraphs

    names = run("Pretrain on a vocabulary of my own")
    vocabulary, predictor = names["vocabulary"], names["predictor"]
    assert vocabulary.units[:3] == ("[PAD]", "[UNK]", "the")
    assert Vocabulary.load("vocabulary.txt").units == vocabulary.units
    losses = names["history"].history["loss"]
    assert losses[-1] < losses[0]
    assert len(list(pathlib.Path("my_preset").glob("*.vocabulary.txt"))) == 1
    expected = TextGraphs(predictor, vocabulary)(["The dog sat on the cat."])
    graphs = names["graphs"]
    assert graphs["forward"].shape == (1, 1, 8, 7, 7)
    for direction in ("forward", "backward"):
        np.testing.assert_allclose(graphs[direction], expected[direction], atol=1e-6)


def test_both_texts_of_a_pair_are_read_by_the_same_weights(run, random):
    names = run("Read pairs of texts")
    model, transfer = names["model"], names["transfer"]
    let_messages_in(transfer, random)
    transfers = [layer for layer in model.layers if layer is transfer]
    assert len(transfers) == 1
    readings = keras.Model(model.inputs, [names["p"], names["h"]])
    long, short = random.integers(2, 50, (3, 7)), random.integers(2, 50, (3, 5))
    premise, hypothesis = readings([long, short])
    swapped = readings([short, long])
    np.testing.assert_allclose(swapped[0], hypothesis, atol=1e-5)
    np.testing.assert_allclose(swapped[1], premise, atol=1e-5)
    padded = np.pad(short, [(0, 0), (0, 2)])
    logits = model([long, short])
    assert logits.shape == (3, 3)
    np.testing.assert_allclose(model([long, padded]), logits, atol=1e-5)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = transfer.get_weights()
    model.fit([long, short], np.array([0, 1, 2]), verbose=0)
    changed = zip(before, transfer.get_weights(), strict=True)
    assert all(np.any(old != new) for old, new in changed)


def test_the_served_archive_answers_as_the_model(run):
    import tensorflow as tf

    names = run("Serve a text model, from strings to TF Serving")
    assert names["paths"] == {"text": "models/films/1"}
    assert (pathlib.Path("models/films/1") / "saved_model.pb").is_file()
    expected = names["model"](names["encode"](names["texts"]))
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-6)
    others = tf.constant(
        ["", "A film that nobody needs , and " + 20 * "very " + "dull ."]
    )
    expected = names["model"](names["encode"](others))
    answers = names["serve"](text=others)["predictions"]
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    np.testing.assert_allclose(np.sum(answers, axis=1), 1, atol=1e-5)


def test_other_libraries_get_the_same_edges(run, random):
    pytest.importorskip("networkx")
    pytest.importorskip("scipy")
    names = run("Give graphs to another library")
    graph = as_array(names["graph"])
    edges, network = names["edges"], names["network"]
    assert names["edge_index"].shape == (2, np.sum(graph > 0.05))
    assert names["edge_index"].dtype == "int64"
    rows = np.zeros_like(graph)
    senders, receivers = names["edge_index"]
    rows[receivers, senders] = names["edge_weight"]
    np.testing.assert_array_equal(rows, np.where(graph > 0.05, graph, 0))
    restored = names["analysis"].from_coo(edges, length=7)
    np.testing.assert_array_equal(restored, rows)
    features = random.normal(size=(7, 3)).astype("float32")
    np.testing.assert_allclose(names["sparse"] @ features, graph @ features, atol=1e-6)
    assert network.nodes[1]["unit"] == "cat"
    assert network.number_of_edges() == np.sum(graph > 0)
    for sender, receiver, weight in network.edges(data="weight"):
        assert weight == pytest.approx(graph[receiver, sender])
    assert sum(names["importance"].values()) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_the_model_of_a_phone_answers_as_the_model(run, random):
    import tensorflow as tf

    names = run("Run a model on a phone, by LiteRT")
    model = names["model"]
    expected = model(names["unit_ids"])
    np.testing.assert_allclose(names["logits"], expected, atol=1e-4)

    transfer = next(layer for layer in model.layers if hasattr(layer, "fusion"))
    let_messages_in(transfer, random)
    options = {
        "format": "litert",
        "input_signature": names["signature"],
        "verbose": False,
    }
    model.export("whole.tflite", **options)
    model.export("quarter.tflite", optimizations=[tf.lite.Optimize.DEFAULT], **options)
    whole = tf.lite.Interpreter("whole.tflite").get_signature_runner()
    quarter = tf.lite.Interpreter("quarter.tflite").get_signature_runner()
    for length in (32, 2, 1, 0):
        unit_ids = np.zeros((1, 32), "int32")
        unit_ids[:, :length] = random.integers(2, 16_000, length)
        expected = model(unit_ids)
        answers = whole(unit_ids=unit_ids)["output_0"]
        np.testing.assert_allclose(answers, expected, atol=1e-4)
        answers = quarter(unit_ids=unit_ids)["output_0"]
        np.testing.assert_allclose(answers, expected, atol=5e-2)
    sizes = [
        pathlib.Path(f"{name}.tflite").stat().st_size for name in ("quarter", "whole")
    ]
    assert sizes[0] / sizes[1] < 0.35


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize(
    ("length", "shape"), [(8, None), (None, (1, None))], ids=["batch", "length"]
)
def test_a_phone_runs_no_free_batch_and_no_free_length(length, shape, tmp_path):
    """Fails when the limits that the guide speaks of are gone."""
    import tensorflow as tf

    from glomo_keras.models import GraphPredictor

    predictor = GraphPredictor(
        50, embedding_dim=16, num_graph_layers=1, num_convolutions=1
    )
    ids = keras.Input((length,), dtype="int32", name="unit_ids")
    model = keras.Model(ids, graphs_of_ids(predictor, ids)["forward"])
    signature = None
    if shape is not None:
        signature = [keras.InputSpec("int32", shape=shape, name="unit_ids")]
    path = str(tmp_path / "free.tflite")
    model.export(path, format="litert", input_signature=signature, verbose=False)
    runner = tf.lite.Interpreter(path).get_signature_runner()
    with pytest.raises(RuntimeError, match=r"(?s)Select TensorFlow op.*FlexConv2D"):
        runner(unit_ids=np.full((1, 8), 2, "int32"))


def test_what_is_said_of_reading_a_graph(run):
    from glomo_keras.models import GraphPredictor

    names = run("Read a graph")
    graphs, outputs = names["graphs"], names["outputs"]
    backward = outputs["backward"].numpy()
    assert graphs.shape == (2, 2, 8, 7, 7)
    sums = graphs.sum(axis=-1)
    np.testing.assert_allclose(sums[0, ..., 1:], 1, atol=1e-5)
    assert not graphs[..., 0, :].any()
    np.testing.assert_array_equal(
        graphs[..., 1, :], np.broadcast_to(np.eye(7)[0], (2, 2, 8, 7))
    )
    assert np.all(graphs[0, ..., 2, 2:] == 0)
    assert not backward[0, ..., 6, :].any() and not backward[1, ..., 2, :].any()
    assert np.all(backward[0, ..., 5, 6] == 1)
    assert not graphs[1, ..., 3:, :].any() and not backward[1, ..., 3:, :].any()
    specificity = names["statistics"]["by_head"]["specificity"]
    assert specificity.shape == (2, 8)
    assert np.all((specificity > 0) & (specificity < 1))

    mean = GraphPredictor(50, embedding_dim=16, num_graph_layers=1, threshold="mean")
    forward = as_array(graphs_of_ids(mean, np.array([[2, 3, 5, 7, 11]]))["forward"])
    assert not forward[..., :2, :].any()
    assert forward[..., 2:, :].any(axis=-1).all()


def test_what_is_said_of_specificity():
    from glomo_keras.analysis import graph_statistics

    previous = np.eye(64, k=-1)  # everybody reads the word before
    salience = np.zeros((64, 64))
    salience[1:, 0] = 1  # everybody reads the first word
    for graph, specificity in ((previous, 1), (salience, 0)):
        overall = graph_statistics(graph[None, None, None])["overall"]
        assert overall["specificity"] == pytest.approx(specificity, abs=0.02)
        if graph is previous:
            assert overall["within_1"] == 1
