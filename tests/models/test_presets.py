"""Presets: written whole, found by name, refused where they are not right."""

import json
import pathlib
import threading

import keras
import numpy as np
import pytest

from glomo_keras.locking import locked
from glomo_keras.models import GraphPredictor
from glomo_keras.models import presets

SETTINGS = {
    "embedding_dim": 10,
    "num_graph_layers": 2,
    "num_heads": 5,
    "key_dim": 3,
    "num_convolutions": 2,
    "threshold": "query",
    "use_bias": True,
    "top_k": 3,
}
WORDS = b"[PAD]\n[UNK]\n" + b"".join(b"word%d\n" % i for i in range(11))


def make(seed=1, vocabulary_size=13):
    keras.utils.set_random_seed(seed)
    return GraphPredictor(vocabulary_size, **SETTINGS, name="predictor")


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(WORDS)
    return path


@pytest.fixture
def folder(tmp_path, words):
    folder = tmp_path / "preset"
    make().save_to_preset(folder, words, {"corpus": "a corpus"})
    return folder


def assert_same(actual, expected):
    assert actual.get_config() == expected.get_config()
    for one, other in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


def data_files(folder):
    return sorted(p.name for p in folder.iterdir() if presets._OWN_FILE.match(p.name))


def test_a_reloaded_predictor_is_the_same(folder):
    assert_same(GraphPredictor.from_preset(folder), make())
    assert_same(GraphPredictor.from_preset(str(folder)), make())


def test_the_folder_says_what_it_is(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["format"] == presets.FORMAT
    assert metadata["versions"]["keras"] == keras.__version__
    assert metadata["training"] == {"corpus": "a corpus"}
    fingerprint = metadata["fingerprint"]
    names = [f"{fingerprint}.vocabulary.txt", f"{fingerprint}.weights.h5"]
    assert data_files(folder) == names
    assert (folder / names[0]).read_bytes() == WORDS
    assert json.loads((folder / "config.json").read_text()) == metadata["config"]
    card = (folder / "README.md").read_text()
    assert fingerprint in card and "a corpus" in card


def test_fingerprint_is_of_content_alone(tmp_path, words):
    first = make().save_to_preset(tmp_path / "a", words)
    named = GraphPredictor(13, **SETTINGS, name="another_name")
    named.set_weights(make().get_weights())
    assert named.save_to_preset(tmp_path / "b", words) == first
    reloaded = GraphPredictor.from_preset(tmp_path / "b")
    reloaded.compile("adam")
    assert reloaded.save_to_preset(tmp_path / "b2", words) == first
    others = [
        make(seed=2).save_to_preset(tmp_path / "c", words),
        make().save_to_preset(tmp_path / "d"),
        GraphPredictor(13, **{**SETTINGS, "top_k": 4}).save_to_preset(tmp_path / "e"),
    ]
    assert len({first, *others}) == 4


def test_a_newer_save_replaces_an_older_one(folder, words):
    (folder / "my_notes.txt").write_text("mine")
    (folder / "README.md").write_text("my card")
    before = data_files(folder)
    make(seed=2).save_to_preset(folder, words)
    assert_same(GraphPredictor.from_preset(folder), make(seed=2))
    assert len(data_files(folder)) == 2 and not set(data_files(folder)) & set(before)
    assert (folder / "my_notes.txt").read_text() == "mine"
    assert (folder / "README.md").read_text() == "my card"
    make(seed=2).save_to_preset(folder, words, card="a new card")
    assert (folder / "README.md").read_text() == "a new card"


def test_an_automatic_card_is_kept_up_to_date(folder, words, monkeypatch):
    first = json.loads((folder / "metadata.json").read_text())["fingerprint"]
    monkeypatch.chdir(folder)
    second = make(seed=2).save_to_preset(".", words)
    card = (folder / "README.md").read_text()
    assert card.startswith("# preset\n")
    assert second in card and first not in card


@pytest.mark.parametrize("shared", [False, True])
def test_writers_wait_for_others(folder, words, shared):
    writer = threading.Thread(target=lambda: make(seed=2).save_to_preset(folder, words))
    before = data_files(folder)
    with locked(folder, shared):
        writer.start()
        writer.join(0.5)
        assert data_files(folder) == before
    writer.join()
    assert not set(data_files(folder)) & set(before)


def test_readers_wait_for_writers_only(folder):
    read = []
    reader = threading.Thread(
        target=lambda: read.append(GraphPredictor.from_preset(folder))
    )
    with locked(folder):
        reader.start()
        reader.join(0.5)
        assert not read
    reader.join()
    with locked(folder, shared=True):
        read.append(GraphPredictor.from_preset(folder))
    assert len(read) == 2


def test_a_save_that_fails_leaves_the_older_one(folder, words, monkeypatch):
    def fail(path, value):
        if path.name == "metadata.json":
            raise OSError("disk full")

    monkeypatch.setattr(presets, "_replace_json", fail)
    with pytest.raises(OSError, match="disk full"):
        make(seed=2).save_to_preset(folder, words)
    assert_same(GraphPredictor.from_preset(folder), make())
    monkeypatch.undo()
    make(seed=2).save_to_preset(folder, words)
    assert_same(GraphPredictor.from_preset(folder), make(seed=2))


def test_names_are_looked_up_in_saved_models(folder, monkeypatch):
    monkeypatch.setattr(presets, "preset_folders", lambda: [folder.parent])
    assert_same(GraphPredictor.from_preset("preset"), make())
    with pytest.raises(FileNotFoundError, match="no preset 'other'.*'preset'"):
        GraphPredictor.from_preset("other")


def test_a_subclass_comes_back_as_itself(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Other(GraphPredictor):
        pass

    Other(13, **SETTINGS).save_to_preset(tmp_path / "other")
    assert type(GraphPredictor.from_preset(tmp_path / "other")) is Other
    make().save_to_preset(tmp_path / "plain")
    with pytest.raises(TypeError, match="GraphPredictor, not a Other"):
        Other.from_preset(tmp_path / "plain")


def test_a_class_that_nobody_registered_is_told(folder):
    config = json.loads((folder / "config.json").read_text())
    config.update(module="of_somebody", registered_name="theirs>Other")
    change_metadata(folder, config={**config, "class_name": "Other"})
    with pytest.raises(TypeError, match="'theirs>Other' of the module 'of_somebody'"):
        GraphPredictor.from_preset(folder)


def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path, words):
    with pytest.raises(ValueError, match="13 units, .* made for 17"):
        make(vocabulary_size=17).save_to_preset(tmp_path / "preset", words)
    assert not (tmp_path / "preset" / "metadata.json").exists()


def change_metadata(folder, **changes):
    path = folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def weights_of(folder):
    (path,) = folder.glob("*.weights.h5")
    return path


def truncate(folder):
    path = weights_of(folder)
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(folder):
    path = weights_of(folder)
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage, error, message",
    [
        (truncate, ValueError, "weights.h5 is truncated.*bytes were expected"),
        (flip_a_bit, ValueError, "weights.h5 is damaged.*Copy or save"),
        (lambda f: weights_of(f).unlink(), FileNotFoundError, "weights.h5 is missing"),
        (lambda f: (f / "metadata.json").unlink(), FileNotFoundError, "no metadata.js"),
        (
            lambda f: (f / "metadata.json").write_text('{"format": 1'),
            ValueError,
            "metadata.json is damaged",
        ),
        (
            lambda f: (f / "metadata.json").write_text("[]"),
            ValueError,
            "has no format number",
        ),
        (lambda f: change_metadata(f, files=[1]), ValueError, "is not complete"),
        (lambda f: change_metadata(f, config=None), ValueError, "is not complete"),
        (
            lambda f: change_metadata(f, format=99, versions={"glomo_keras": "9.9"}),
            ValueError,
            "format 99.*Upgrade glomo_keras.*9.9",
        ),
        (
            lambda f: change_metadata(
                f,
                files={"weights": {"name": "../words.txt", "bytes": 1, "sha256": ""}},
            ),
            FileNotFoundError,
            "words.txt is missing",
        ),
    ],
)
def test_what_is_wrong_is_told(folder, damage, error, message):
    damage(folder)
    with pytest.raises(error, match=message):
        GraphPredictor.from_preset(folder)


def test_a_folder_that_is_no_preset_is_told(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(FileNotFoundError, match="no metadata.json.*cat.png"):
        GraphPredictor.from_preset(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match="There is no preset"):
        GraphPredictor.from_preset(pathlib.Path("..") / "no_such_folder")


def test_a_preset_computes_in_the_precision_asked_for(folder):
    predictor = GraphPredictor.from_preset(folder, dtype="mixed_bfloat16")
    assert predictor.affinity("forward").compute_dtype == "bfloat16"
    for one, other in zip(predictor.weights, make().weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    assert GraphPredictor.from_preset(folder).compute_dtype == "float32"
