"""Presets: written whole, found by name, refused where they are not right."""

import errno
import json
import pathlib
import random
import shutil
import threading

import h5py
import keras
import numpy as np
import pytest

from glomo_keras import files
from glomo_keras.data import Vocabulary
from glomo_keras.locking import locked
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import load_preset
from glomo_keras.models import preset_files
from glomo_keras.models import presets
from glomo_keras.models.presets import save_preset

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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    (folder / "words.txt").write_bytes(WORDS)
    training = {"corpus": "a corpus"}
    make().save_to_preset(folder / "preset", folder / "words.txt", training)
    return folder / "preset"


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of one preset, which a test may change."""
    return shutil.copytree(saved, tmp_path / "preset")


def assert_same(actual, expected):
    assert actual.get_config() == expected.get_config()
    for one, other in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


def data_files(folder):
    return sorted(p.name for p in folder.glob("????????????????.*"))


def test_a_reloaded_predictor_is_the_same(folder):
    assert_same(GraphPredictor.from_preset(folder), make())
    assert_same(GraphPredictor.from_preset(str(folder)), make())


def test_the_folder_says_what_it_is(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["format"] == preset_files.FORMAT
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

    monkeypatch.setattr(preset_files, "write_json", fail)
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
    with pytest.raises(TypeError, match="GraphPredictor, not Other"):
        Other.from_preset(tmp_path / "plain")


def test_a_model_of_keras_is_no_predictor(tmp_path):
    layers = [keras.Input((3,)), keras.layers.Dense(2)]
    save_preset(keras.Sequential(layers), tmp_path / "plain")
    path = tmp_path / "plain" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["config"]["registered_name"] = "Sequential"  # which Keras leaves empty
    path.write_text(json.dumps(metadata))
    with pytest.raises(TypeError, match="of the class Sequential, not GraphPredictor"):
        GraphPredictor.from_preset(tmp_path / "plain")


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


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    change_metadata(folder, config={**config, **changes})


def change_arguments(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, config={**config["config"], **changes})


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
        (lambda f: change_metadata(f, files=[1]), ValueError, "`files` must name"),
        (lambda f: change_metadata(f, files={}), ValueError, "`files` must name"),
        (
            lambda f: change_metadata(f, files={"weights": {"name": 3}}),
            ValueError,
            "`files` must have name, bytes and sha256 of the weights",
        ),
        (lambda f: change_metadata(f, config=None), ValueError, "`config` must be a c"),
        (
            lambda f: change_metadata(f, config={"config": {}}),
            ValueError,
            "`class_name` of `config` must be a string",
        ),
        (
            lambda f: change_metadata(f, fingerprint=[1]),
            ValueError,
            "`fingerprint` must be a string",
        ),
        (lambda f: change_metadata(f, format=-1), ValueError, "no format number"),
        (lambda f: change_metadata(f, format=True), ValueError, "no format number"),
        (lambda f: change_metadata(f, format="1"), ValueError, "no format number"),
        (
            lambda f: change_metadata(f, format=99, versions=3),
            ValueError,
            "format 99.*Upgrade glomo_keras",
        ),
        (
            lambda f: (f / "metadata.json").write_text("[" * 10**5 + "]" * 10**5),
            ValueError,
            "metadata.json is damaged",
        ),
        (
            lambda f: (f / "metadata.json").write_bytes(b"\xff\xfe"),
            ValueError,
            "metadata.json is damaged",
        ),
        (
            lambda f: change_arguments(f, top_k="three"),
            ValueError,
            "makes no GraphPredictor: `top_k` must be.*Copy or save",
        ),
        (
            lambda f: change_arguments(f, colour="red"),
            ValueError,
            "makes no GraphPredictor: Unknown arguments: 'colour'",
        ),
        (
            lambda f: change_arguments(f, dtype=3),
            ValueError,
            "makes no GraphPredictor",
        ),
        (
            lambda f: change_arguments(f, embedding_dim=15),
            ValueError,
            "weights.h5 does not fit the configuration.*lacks",
        ),
        (
            lambda f: change_config(
                f,
                registered_name="Dense",
                module="keras.layers",
                class_name="Dense",
                config={"units": 3},
            ),
            ValueError,
            "must have the configuration of a model|makes no Dense",
        ),
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


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Unregistered(GraphPredictor):
    pass


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(GraphPredictor):
    """Its configuration lacks an argument that decides on its weights."""

    def get_config(self):
        config = super().get_config()
        del config["use_bias"]
        return config


@keras.saving.register_keras_serializable(package="tests")
class Unserializable(GraphPredictor):
    def get_config(self):
        return {**super().get_config(), "name": {1, 2}}


def quantized():
    predictor = make()
    predictor.quantize("int8")
    return predictor


def not_finite(value):
    predictor = make()
    weight = predictor.get_layer("backward_affinity").key_kernel
    array = np.array(weight)
    array[1, 2] = value
    weight.assign(array)
    return predictor


REFUSED = {
    "quantized": (quantized, {}, ValueError, "could not be loaded again.*quantized"),
    "unregistered": (
        lambda: Unregistered(13, **SETTINGS),
        {},
        TypeError,
        "Unregistered'.* is not registered.*register_keras_serializable",
    ),
    "forgetful": (
        lambda: Forgetful(13, **SETTINGS),
        {},
        ValueError,
        "one with other weights.*have `get_config` return all arguments",
    ),
    "unserializable": (
        lambda: Unserializable(13, **SETTINGS),
        {},
        TypeError,
        "`Unserializable.get_config` must return what JSON can hold",
    ),
    "nan": (
        lambda: not_finite(np.nan),
        {},
        ValueError,
        "must be finite. 1 of .* numbers of backward_affinity/key_kernel",
    ),
    "infinite": (lambda: not_finite(-np.inf), {}, ValueError, "must be finite"),
    "numpy number": (
        make,
        {"training": {"loss": np.float32(1)}},
        TypeError,
        "`training` must be a dict that JSON can hold.*float32.*`float",
    ),
    "nan in training": (
        make,
        {"training": {"loss": float("nan")}},
        TypeError,
        "`training` must be a dict that JSON can hold",
    ),
    "list": (make, {"training": [1]}, TypeError, "`training` must be a dict"),
    "vocabulary of a wrong type": (
        make,
        {"vocabulary": ["the"]},
        TypeError,
        "`vocabulary` must be a `glomo_keras.data.Vocabulary` or the path",
    ),
}


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_be_loaded_is_refused_before_anything_is_written(
    case, folder, tmp_path
):
    made, arguments, error, message = REFUSED[case]
    before = content(folder)
    model = made()
    for directory in (folder, tmp_path / "another"):
        with pytest.raises(error, match=f"(?s){message}"):
            model.save_to_preset(directory, **arguments)
    assert content(folder) == before
    assert not (tmp_path / "another").exists()
    assert_same(GraphPredictor.from_preset(folder), make())


WORDLESS = b"[PAD]\n[UNK]\n" + b"".join(b"word%d\n" % i for i in range(10))


@pytest.mark.parametrize(
    "written, message",
    [
        (WORDLESS + b"word3\n", "line 13 repeats the unit 'word3'"),
        (WORDLESS + b"\xff\n", "is not UTF-8"),
        (WORDLESS + b"\n", "line 13 must be a unit without white space"),
        (WORDLESS + b"two words\n", "line 13 must be a unit without white space"),
        (WORDLESS + b"word\r\n", "line 13 must be a unit without white space"),
        (WORDLESS + b"[PAD]\n", r"line 13 repeats the unit '\[PAD\]'"),
        (WORDS[6:], "line 1 must be"),
        (b"", "line 1 must be"),
        (WORDS.decode().encode("utf-16"), "is not a vocabulary"),
    ],
    ids=range(9),
)
def test_a_vocabulary_is_checked_as_loading_does(folder, tmp_path, written, message):
    path = tmp_path / "other.txt"
    path.write_bytes(written)
    with pytest.raises(ValueError, match=message):
        Vocabulary.load(path)
    before = content(folder)
    with pytest.raises(ValueError, match=f"`vocabulary`.*other.txt.*{message}"):
        make(seed=2).save_to_preset(folder, path)
    assert content(folder) == before


def test_a_model_without_ids_takes_no_vocabulary(tmp_path, words):
    model = ImageGraphPredictor(6, num_graph_layers=1, num_heads=2, num_convolutions=1)
    with pytest.raises(ValueError, match="must be left out: a ImageGraphPredictor"):
        model.save_to_preset(tmp_path / "preset", words)
    assert not (tmp_path / "preset").exists()


def test_a_full_disk_is_told_before_anything_is_written(folder, tmp_path, monkeypatch):
    before = content(folder)
    usage = files.shutil.disk_usage(folder)._replace(free=2**20)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage)
    for directory in (folder, tmp_path / "not" / "there"):
        with pytest.raises(OSError, match="too little free space") as caught:
            make(seed=2).save_to_preset(directory)
        assert caught.value.errno == errno.ENOSPC
    assert content(folder) == before
    assert not (tmp_path / "not").exists()


def test_saving_and_loading_draw_no_seeds(tmp_path):
    predictor = make()
    state = random.getstate()
    predictor.save_to_preset(tmp_path)
    assert random.getstate() == state
    GraphPredictor.from_preset(tmp_path)
    drawn = random.getstate()
    random.setstate(state)
    GraphPredictor.from_preset(tmp_path, top_k=2)
    assert random.getstate() == drawn


def test_new_weights_and_frozen_ones(folder):
    fresh = GraphPredictor.from_preset(folder, load_weights=False)
    assert fresh.get_config() == make().get_config()
    table = keras.ops.convert_to_numpy(fresh.embedding.embeddings)
    assert (table != keras.ops.convert_to_numpy(make().embedding.embeddings)).any()
    frozen = GraphPredictor.from_preset(folder, trainable=False)
    assert not frozen.trainable_weights
    assert GraphPredictor.from_preset(folder).trainable_weights


def test_arguments_in_place_of_those_that_were_saved(folder):
    changes = {"top_k": 2, "dropout": 0.3, "seed": 5, "name": "other"}
    predictor = GraphPredictor.from_preset(folder, **changes)
    assert predictor.get_config() == {**make().get_config(), **changes}
    for one, other in zip(predictor.weights, make().weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    with pytest.raises(ValueError, match="do not fit key_dim=4: .*load_weights=False"):
        GraphPredictor.from_preset(folder, key_dim=4)
    with pytest.raises(ValueError, match="do not fit num_convolutions=3: .* against"):
        GraphPredictor.from_preset(folder, num_convolutions=3)
    other = GraphPredictor.from_preset(folder, load_weights=False, key_dim=4)
    assert other.key_dim == 4
    with pytest.raises(TypeError, match="Unknown arguments: 'colour'"):
        GraphPredictor.from_preset(folder, colour="red")
    with pytest.raises(ValueError, match="`dropout` must be"):
        GraphPredictor.from_preset(folder, dropout=2.0)


class MakesPredictor(keras.layers.Layer):
    def build(self, unit_ids_shape):
        self.predictor = make()

    def call(self, unit_ids):
        return self.predictor(unit_ids)


def test_where_a_predictor_was_made_does_not_matter(folder, tmp_path):
    with keras.name_scope("encoder"):
        scoped = make()
        named = GraphPredictor.from_preset(folder, name="other", top_k=2)
    layer = MakesPredictor()
    layer(np.array([[2, 3, 4]]))
    for number, predictor in enumerate((scoped, named, layer.predictor)):
        assert predictor.weights[0].path != make().weights[0].path
        predictor.save_to_preset(tmp_path / str(number))
        assert_same(GraphPredictor.from_preset(tmp_path / str(number)), predictor)


def test_a_language_model_may_get_another_name():
    model = BidirectionalLanguageModel.from_preset("glomo_elmo_small_en", name="elmo")
    assert model.name == "elmo"
    with pytest.raises(ValueError, match="do not fit name='elmo', units=3: .*lstm"):
        BidirectionalLanguageModel.from_preset(
            "glomo_elmo_small_en", name="elmo", units=3
        )


def test_presets_of_a_class_are_listed():
    texts, images = GraphPredictor.presets, ImageGraphPredictor.presets
    assert {"glomo_text_base_en", "glomo_text_small_en"} <= set(texts)
    assert "glomo_image_small" in images and not set(texts) & set(images)
    assert list(BidirectionalLanguageModel.presets) == ["glomo_elmo_small_en"]
    assert texts["glomo_text_small_en"] == (
        "A graph predictor of English text: words in, forward and backward relational "
        "graphs out."
    )
    for descriptions in (texts, images):
        assert all(text and "\n" not in text for text in descriptions.values())
    assert Unregistered.presets == {}


@pytest.mark.parametrize(
    "kind", [GraphPredictor, ImageGraphPredictor, BidirectionalLanguageModel]
)
def test_presets_of_the_library_load(kind):
    for name in kind.presets:
        assert type(kind.from_preset(name)) is kind
        assert type(load_preset(name, load_weights=False)) is kind


def test_a_name_of_a_wrong_type_is_told():
    with pytest.raises(TypeError, match="`preset` must be the name of a preset.*7"):
        GraphPredictor.from_preset(7)


def replace_weights(folder, change):
    """Change the weights, and the metadata so that the sums fit: a hostile preset."""
    path = weights_of(folder)
    with h5py.File(path, "r+") as file:
        change(file)
    change_metadata(folder, files={"weights": preset_files._describe(path)})


TABLE = "layers/reversible_embedding/vars/0"


def external_link(file):
    del file[TABLE]
    file[TABLE] = h5py.ExternalLink("other.h5", "/secret")


def soft_link(file):
    del file[TABLE]
    file[TABLE] = h5py.SoftLink("/somewhere")


def external_data(file):
    del file[TABLE]
    file.create_dataset(
        TABLE, (13, 10), "f", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    )


def virtual_data(file):
    del file[TABLE]
    layout = h5py.VirtualLayout((13, 10), "f")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (13, 10))
    file.create_virtual_dataset(TABLE, layout)


def huge_array(file):
    file.create_dataset("huge", (2**20, 2**18), "f", chunks=(2**10, 2**8))


def large_array(file):
    file.create_dataset("large", data=np.zeros(2000, "float32"))


@pytest.mark.parametrize(
    "change, message",
    [
        (external_link, "is an ExternalLink"),
        (soft_link, "is a SoftLink"),
        (external_data, "has external data"),
        (virtual_data, "has virtual data"),
        (huge_array, "would unpack from 0 bytes"),
        (large_array, "large has 2,000 numbers, and the largest weight"),
        (lambda file: file.pop(TABLE), r"lacks 1 array of the shape \(13, 10\)"),
        (
            lambda file: file.pop("layers/masked_key_query_cnn/key_stack/container"),
            r"lacks 3 arrays of the shape",
        ),
    ],
)
def test_weights_that_reach_outside_their_file_are_refused(folder, change, message):
    replace_weights(folder, change)
    with pytest.raises(ValueError, match=f"(?s)weights.h5.*{message}"):
        GraphPredictor.from_preset(folder)
