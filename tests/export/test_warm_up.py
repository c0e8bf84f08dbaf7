"""Warm-up records, read back as a server reads them and replayed."""

import pathlib
import re
import shutil

import pytest
import tensorflow as tf

from glomo_keras.export import write_warm_up

predict = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


@pytest.fixture
def copies(archives, tmp_path):
    """Paths of copies of the archives, which a test may change."""
    paths = {
        kind: tmp_path / "staging" / f"glomo_text_{kind}" / "1" for kind in archives
    }
    for kind, path in paths.items():
        shutil.copytree(archives[kind], path)
    return paths


def test_records_can_be_replayed(copies, tmp_path):
    texts = ["The cat sat .", "café"]
    path = write_warm_up(copies["text"], texts)
    assert path.name == "tf_serving_warmup_requests"
    assert path.parent.name == "assets.extra"
    loaded = tf.saved_model.load(str(copies["text"]))
    replayed = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = predict.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "glomo_text_text"
        sent = tf.constant(tf.make_ndarray(request.inputs["text"]))
        assert [text.decode() for text in sent.numpy()] == texts
        replayed.append(request.model_spec.signature_name)
        loaded.signatures[replayed[-1]](text=sent)
    assert replayed == ["serve", "top_senders"]
    with pytest.raises(ValueError, match="signature 'serve' that takes text"):
        write_warm_up(copies["ids"], texts)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be loaded"):
        write_warm_up(tmp_path / "damaged", texts)
    with pytest.raises(FileNotFoundError, match="no SavedModel"):
        write_warm_up(tmp_path / "nothing", texts)


def test_requests_of_other_lengths_are_added(copies):
    for texts in (["short ."], ["a longer text ."], ["short ."]):
        path = write_warm_up(copies["text"], texts, ["serve"])
    sent = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = predict.PredictionLog.FromString(record.numpy())
        sent += tf.make_ndarray(log.predict_log.request.inputs["text"]).tolist()
    assert sent == [b"short .", b"a longer text ."]


def test_the_guide_warms_a_version_up_before_a_server_sees_it(
    copies, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    guide = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
    (block,) = re.findall(
        r"```python\n((?:(?!```).)*write_warm_up.*?)```", guide.read_text("utf-8"), re.S
    )
    exec(compile(block, "serving.md", "exec"), {})
    assert pathlib.Path("models/glomo_text_ids/1/saved_model.pb").is_file()
    warmed = pathlib.Path("models/glomo_text_text/1")
    assert (warmed / "assets.extra" / "tf_serving_warmup_requests").is_file()
    assert not list(pathlib.Path("staging").glob("*/1"))
    # What tells the model is still there, so that the next version is compared.
    assert (warmed / "assets.extra" / "glomo_keras.json").is_file()


def test_one_string_is_no_list(archives):
    with pytest.raises(ValueError, match="`signatures` must be a list.*: 'serve'"):
        write_warm_up(archives["text"], ["a text"], signatures="serve")
    with pytest.raises(ValueError, match="`texts` must be a list.*: 'a text'"):
        write_warm_up(archives["text"], "a text")
    with pytest.raises(ValueError, match="`texts` must hold at least one"):
        write_warm_up(archives["text"], [])
