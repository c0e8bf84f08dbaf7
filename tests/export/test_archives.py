"""How archives are written and read: versions, kills, full disks, damage, requests."""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras import files
from glomo_keras.data import Vocabulary
from glomo_keras.export import Limits
from glomo_keras.export import SavedModelGraphs
from glomo_keras.export import export_downstream
from glomo_keras.export import export_graph_predictor
from glomo_keras.export.archive_reading import describe_archive
from glomo_keras.export.archive_reading import load_archive
from glomo_keras.locking import locked
from glomo_keras.models import GraphPredictor

SIZES = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}


@pytest.fixture(scope="module")
def predictor():
    return GraphPredictor(4, embedding_dim=4, **SIZES)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(["one", "two"])


def versions(directory, kinds=("ids", "text")):
    return [sorted(os.listdir(directory / f"glomo_text_{kind}")) for kind in kinds]


def test_versions_count_up_and_are_never_written_over(
    predictor, empty_archives, tmp_path
):
    paths = [export_graph_predictor(predictor, tmp_path) for _ in range(2)]
    assert paths[1] == {"ids": str(tmp_path / "glomo_text_ids" / "2")}
    with pytest.raises(ValueError, match="version 2 already.*None to write version 3"):
        export_graph_predictor(predictor, tmp_path, version=2)
    assert versions(tmp_path, ["ids"]) == [["1", "2"]]
    assert os.listdir(tmp_path) == ["glomo_text_ids"]


def test_a_version_of_another_predictor_must_be_asked_for(
    predictor, vocabulary, empty_archives, tmp_path
):
    export_graph_predictor(predictor, tmp_path, vocabulary=vocabulary)
    # The same arguments, trained anew, are a next version.
    again = GraphPredictor(4, embedding_dim=4, **SIZES)
    paths = export_graph_predictor(again, tmp_path, vocabulary=vocabulary)
    assert paths["ids"].endswith("/2")
    other = GraphPredictor(4, embedding_dim=6, **SIZES)
    message = "glomo_text_ids/2 is of another model: {}.*another `name`.*`version` 3"
    with pytest.raises(ValueError, match=message.format("embedding_dim=4 there and 6")):
        export_graph_predictor(other, tmp_path, vocabulary=vocabulary)
    french = Vocabulary(["un", "deux"])
    with pytest.raises(ValueError, match=message.format("vocabulary=")):
        export_graph_predictor(predictor, tmp_path, vocabulary=french)
    paths = export_graph_predictor(
        other, tmp_path, vocabulary=vocabulary, version=np.int64(3)
    )
    assert paths["text"].endswith("/3")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"config": 1}', b"\xff"])
def test_a_damaged_identity_is_named(predictor, tmp_path, content):
    archive = tmp_path / "glomo_text_ids" / "4"
    (archive / "assets.extra").mkdir(parents=True)
    (archive / "assets.extra" / "glomo_keras.json").write_bytes(content)
    with pytest.raises(ValueError, match="glomo_keras.json is damaged.*`version` 5"):
        export_graph_predictor(predictor, tmp_path)
    assert versions(tmp_path, ["ids"]) == [["4"]]


def test_both_archives_get_one_version(predictor, vocabulary, empty_archives, tmp_path):
    (tmp_path / "glomo_text_ids" / "4").mkdir(parents=True)
    paths = export_graph_predictor(predictor, tmp_path, vocabulary=vocabulary)
    assert [path[-2:] for path in paths.values()] == ["/5", "/5"]


def test_writers_do_not_get_in_each_others_way(predictor, empty_archives, tmp_path):
    killed = tmp_path / ".writing-of-one-who-was-killed"
    killed.mkdir()
    made = []
    with locked(tmp_path):
        writer = threading.Thread(
            target=lambda: made.append(export_graph_predictor(predictor, tmp_path))
        )
        writer.start()
        writer.join(1.0)
        assert killed.exists() and not made  # it waits
        (tmp_path / "glomo_text_ids" / "1").mkdir(parents=True)
    writer.join()
    assert not killed.exists()
    assert made[0]["ids"].endswith("/2")
    assert versions(tmp_path, ["ids"]) == [["1", "2"]]


KILLED_WRITER = textwrap.dedent("""
    import os
    import pathlib
    import signal
    import sys

    from glomo_keras.data import Vocabulary
    from glomo_keras.export import export_graph_predictor
    from glomo_keras.models import GraphPredictor

    survived = int(sys.argv[2])
    rename = pathlib.Path.rename

    def rename_or_die(path, target):
        global survived
        if not survived:
            os.kill(os.getpid(), signal.SIGKILL)
        survived -= 1
        return rename(path, target)

    pathlib.Path.rename = rename_or_die
    predictor = GraphPredictor(
        4, embedding_dim=4, num_graph_layers=1, num_heads=2, num_convolutions=1
    )
    vocabulary = Vocabulary(["one", "two"])
    export_graph_predictor(predictor, sys.argv[1], vocabulary=vocabulary)
""")


@pytest.mark.parametrize(
    "survived, before, after",
    [
        (1, [[], []], [["1", "2"], ["1", "2"]]),  # when both were whole
        (2, [["1"], []], [["1", "2"], ["1", "2"]]),  # between the two renames
    ],
)
def test_the_next_export_repairs_what_a_kill_left(
    predictor, vocabulary, survived, before, after, empty_archives, tmp_path
):
    process = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(tmp_path), str(survived)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=300,
        check=False,
    )
    assert process.returncode == -9
    for kind in ("ids", "text"):
        (tmp_path / f"glomo_text_{kind}").mkdir(exist_ok=True)
    assert versions(tmp_path) == before
    paths = export_graph_predictor(predictor, tmp_path, vocabulary=vocabulary)
    assert versions(tmp_path) == after
    assert {path.rpartition("/")[2] for path in paths.values()} == {after[0][-1]}
    assert not list(tmp_path.glob(".*"))
    for kind, (first, *_) in zip(("ids", "text"), after, strict=True):
        load_archive(tmp_path / f"glomo_text_{kind}" / first)


def test_too_little_space_is_seen_before_anything_is_written(
    predictor, empty_archives, monkeypatch, tmp_path
):
    export_graph_predictor(predictor, tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="too little free space") as error:
        export_graph_predictor(predictor, tmp_path)
    assert error.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["glomo_text_ids"]
    assert versions(tmp_path, ["ids"]) == [["1"]]


def test_a_disk_that_fills_up_leaves_the_old_version(predictor, monkeypatch, tmp_path):
    export_graph_predictor(predictor, tmp_path)

    def save(module, path, *arguments, **keywords):
        (pathlib.Path(path) / "saved_model.pb").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(OSError, match="No archive was written") as error:
        export_graph_predictor(predictor, tmp_path)
    assert error.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["glomo_text_ids"]
    assert versions(tmp_path, ["ids"]) == [["1"]]


DATA = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize(
    "name, content",
    [
        ("saved_model.pb", b"not a program"),
        ("saved_model.pb", b""),
        ("variables/variables.index", b"not an index"),
        ("variables/variables.index", None),
        (DATA, b""),
        (DATA, None),
    ],
)
def test_a_damaged_archive_is_named(archives, tmp_path, name, content):
    damaged = tmp_path / "1"
    shutil.copytree(archives["ids"], damaged)
    (damaged / name).unlink()
    if content is not None:
        (damaged / name).write_bytes(content)
    message = f"{damaged}' cannot be loaded.*damaged or missing.*Export the model again"
    for reader in (load_archive, describe_archive, SavedModelGraphs):
        with pytest.raises(ValueError, match=message):
            reader(damaged)


@pytest.mark.parametrize(
    "kind, inputs, message",
    [
        ("text", {"text": ()}, r"text must have the shape \(any\)"),
        ("text", {"text": (2, 3)}, r"text must have the shape \(any\)"),
        ("ids", {"unit_ids": (3,), "padding_mask": (3,)}, r"shape \(any, any\)"),
        ("ids", {"unit_ids": (2, 3), "padding_mask": ()}, "padding_mask must have"),
        ("images", {"images": (2, 3, 3)}, r"shape \(any, any, any, 3\)"),
        ("images", {"images": (1, 2, 3, 1)}, r"shape \(any, any, any, 3\)"),
        ("words", {"words": (3,), "lengths": (3,)}, r"words must have the shape"),
        ("words", {"words": (2, 3), "lengths": (2, 1)}, "lengths must have the shape"),
    ],
)
def test_requests_of_another_shape_are_refused(
    archives, image_archive, language_archives, load_once, kind, inputs, message
):
    path = {**language_archives, **archives, "images": image_archive}[kind]
    serve = load_once(path).signatures["serve"]
    specs = serve.structured_input_signature[1]
    request = {
        name: tf.zeros(shape, specs[name].dtype) for name, shape in inputs.items()
    }
    expected = f"{message}.*send a batch, also of one"
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        serve(**request)


def test_empty_batches_in_every_endpoint(
    text_graphs, archives, image_archive, language_archives, load_once, tmp_path
):
    inputs = keras.Input((None,), dtype="int32", name="unit_ids")
    features = keras.layers.Embedding(11, 3)(inputs)
    convolved = keras.layers.Conv1D(5, 3, padding="same")(features)
    model = keras.Model({"unit_ids": inputs}, convolved[:, 0])
    downstream = export_downstream(
        model,
        tmp_path,
        encode=lambda text: {"unit_ids": text_graphs.encode(text)["unit_ids"]},
        name="model",
        track=[text_graphs.table],
    )
    paths = [*archives.values(), image_archive, *language_archives.values()]
    for path in [*paths, *downstream.values()]:
        for name, signature in load_once(path).signatures.items():
            request = {
                key: tf.zeros([0, *(size or 3 for size in spec.shape[1:])], spec.dtype)
                for key, spec in signature.structured_input_signature[1].items()
            }
            for key, output in signature(**request).items():
                assert output.shape[0] == 0, (path, name, key)


@pytest.mark.parametrize("name", ["../other", "/tmp/other", "..", ""])
def test_names_are_no_paths(text_graphs, tmp_path, name):
    with pytest.raises(ValueError, match="without a path"):
        export_downstream(
            text_graphs.predictor, tmp_path, encode=text_graphs.encode, name=name
        )


def test_sizes_of_numpy(predictor, vocabulary, tmp_path):
    sizes = [np.int64(size) for size in (3, 5, 97)]
    paths = export_graph_predictor(
        predictor,
        tmp_path,
        vocabulary=vocabulary,
        num_senders=np.int64(2),
        version=np.int32(3),
        limits=Limits(*sizes),
    )
    top_senders = load_archive(paths["text"]).signatures["top_senders"]
    outputs = top_senders(text=tf.constant(["one two " * 9]))
    assert outputs["forward_senders"].shape == (1, 1, 2, 5, 2)
    identity = pathlib.Path(paths["ids"], "assets.extra", "glomo_keras.json")
    assert json.loads(identity.read_text("utf-8"))["config"]["embedding_dim"] == 4


@pytest.mark.parametrize(
    "keywords, error",
    [
        ({"num_senders": 0}, ValueError),
        ({"num_senders": 2.5}, TypeError),
        ({"version": 0}, ValueError),
        ({"version": "3"}, TypeError),
    ],
)
def test_wrong_numbers(predictor, tmp_path, keywords, error):
    ((name, value),) = keywords.items()
    with pytest.raises(error, match=f"`{name}`.*{name}={value!r}"):
        export_graph_predictor(predictor, tmp_path / "models", **keywords)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["max_batch", "max_units", "max_bytes"])
@pytest.mark.parametrize("value, error", [(0, ValueError), ("7", TypeError)])
def test_wrong_limits(name, value, error):
    with pytest.raises(error, match=f"{name}={value!r}"):
        Limits(**{name: value})


def test_arguments_after_the_directory_are_keywords(predictor, vocabulary, tmp_path):
    with pytest.raises(TypeError, match="positional"):
        export_graph_predictor(predictor, tmp_path, vocabulary)
