"""A published ELMo gives its published activations."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from keras import ops

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import load_published_elmo

MAX_CHARACTERS = 50


def characters_of(sentence):
    """Written from the format's description: no TensorFlow is needed."""
    rows = np.zeros((len(sentence), MAX_CHARACTERS), "int32")
    for row, word in zip(rows, sentence, strict=True):
        codes = [258, *word.encode()[: MAX_CHARACTERS - 2], 259]
        row[:] = 260 + 1
        row[: len(codes)] = np.array(codes) + 1
    return rows


def batch_of(sentences):
    length = max(len(sentence) for sentence in sentences)
    batch = np.zeros((len(sentences), length, MAX_CHARACTERS), "int32")
    for row, sentence in zip(batch, sentences, strict=True):
        row[: len(sentence)] = characters_of(sentence)
    return batch


@pytest.fixture(scope="module")
def folder(golden_path):
    if not (golden_path / "elmo" / "lm_weights.hdf5").is_file():
        pytest.skip(f"no published ELMo in {golden_path / 'elmo'}")
    return golden_path / "elmo"


@pytest.fixture(scope="module")
def model(folder):
    return load_published_elmo(folder / "options.json", folder / "lm_weights.hdf5")


@pytest.fixture(scope="module")
def streams(folder):
    """Three streams of ten sentences, each with the top layer that was published."""
    texts = json.loads((folder / "sentences.json").read_text())
    streams = []
    for number, sentences in enumerate(texts):
        with h5py.File(folder / f"lm_embeddings_{number}.hdf5") as file:
            expected = [file[str(index)][:] for index in range(len(sentences))]
        words = [sentence.split() for sentence in sentences]
        streams.append(list(zip(words, expected, strict=True)))
    return streams


def assert_top_layer(layers, row, expected):
    forward, backward = expected  # (length, 16) each
    found = ops.convert_to_numpy(layers)[row, -1]
    joined = np.concatenate([forward, backward], axis=-1)
    np.testing.assert_allclose(found[: len(joined)], joined, atol=1e-5)
    assert not found[len(joined) :].any()


def test_all_sentences_with_carried_states(model, streams):
    states = None
    for step in zip(*streams, strict=True):
        batch = batch_of([words for words, _ in step])
        layers, states = model(batch, initial_states=states, return_states=True)
        for row, (_, expected) in enumerate(step):
            assert_top_layer(layers, row, expected)


def test_first_sentences_without_states(model, streams):
    for _ in range(2):  # and again: nothing is carried unasked
        for (words, expected), *_ in streams:
            assert_top_layer(model(batch_of([words])), 0, expected)


def test_token_representations(folder, model):
    words = (folder / "vocab_test.txt").read_text().split()
    with h5py.File(folder / "elmo_token_embeddings.hdf5") as file:
        expected = file["embedding"][:]
    # The first lines of the list are the marks of a sentence and the unknown word.
    chosen = [number for number, word in enumerate(words) if word[0] != "<"]
    rows = batch_of([[words[number]] for number in chosen])
    found = ops.convert_to_numpy(model(rows))[:, 0, 0]
    forward, backward = np.split(found, 2, axis=-1)
    np.testing.assert_array_equal(forward, backward)
    offset = len(expected) - len(words)
    np.testing.assert_allclose(
        forward, expected[[number + offset for number in chosen]], atol=1e-5
    )


def test_what_does_not_fit_is_told(folder, tmp_path):
    options = json.loads((folder / "options.json").read_text())
    other = tmp_path / "options.json"

    def load(weights=folder / "lm_weights.hdf5"):
        return load_published_elmo(other, weights)

    other.write_text(json.dumps({**options, "lstm": {}}))
    with pytest.raises(ValueError, match="not the options of a published ELMo"):
        load()
    other.write_text(json.dumps({**options, "lstm": {**options["lstm"], "dim": 5}}))
    with pytest.raises(ValueError, match=r"W_0 of the shape \(32, 20\)"):
        load()
    other.write_text(
        json.dumps({**options, "lstm": {**options["lstm"], "n_layers": 3}})
    )
    with pytest.raises(ValueError, match="lacks weights"):
        load()
    options["char_cnn"]["n_characters"] = 100
    other.write_text(json.dumps(options))
    with pytest.raises(ValueError, match="262 characters"):
        load()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="broken is damaged: it is no JSON file"):
        load_published_elmo(broken, folder / "weights.hdf5")
    with pytest.raises(ValueError, match="broken must be an HDF5 file"):
        load_published_elmo(folder / "options.json", broken)
    with pytest.raises(ValueError, match="max_characters must be left out"):
        load_published_elmo(
            folder / "options.json", folder / "weights.hdf5", max_characters=20
        )


def test_the_model_is_saved_like_any_other(model, tmp_path):
    fingerprint = model.save_to_preset(tmp_path)
    again = BidirectionalLanguageModel.from_preset(tmp_path)
    assert again.save_to_preset(tmp_path / "copy") == fingerprint
    batch = batch_of([["a", "cat"]])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(again(batch)), ops.convert_to_numpy(model(batch))
    )


SMALL = {
    "lstm": {"dim": 4, "projection_dim": 3, "n_layers": 1},
    "char_cnn": {
        "n_characters": 261,
        "max_characters_per_token": 50,
        "embedding": {"dim": 4},
        "filters": [[1, 5]],
        "n_highway": 0,
    },
}


def write_small(folder, options=None, table=None):
    """The files of an ELMo of random numbers; `table` makes the embeddings."""
    random = np.random.default_rng(0)
    cell = "RNN/MultiRNNCell/Cell0/LSTMCell"
    shapes = {
        "char_embed": (261, 4),
        "CNN/W_cnn_0": (1, 1, 4, 5),
        "CNN/b_cnn_0": (5,),
        "CNN_proj/W_proj": (5, 3),
        "CNN_proj/b_proj": (3,),
    }
    for side in (0, 1):
        shapes[f"RNN_{side}/{cell}/W_0"] = (6, 16)
        shapes[f"RNN_{side}/{cell}/B"] = (16,)
        shapes[f"RNN_{side}/{cell}/W_P_0"] = (4, 3)
    (folder / "options.json").write_text(json.dumps(options or SMALL))
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, shape in shapes.items():
            file[name] = random.normal(size=shape).astype("float32")
        if table:
            del file["char_embed"]
            table(file)
    return folder / "options.json", folder / "weights.hdf5"


def test_a_small_one_loads(tmp_path):
    model = load_published_elmo(*write_small(tmp_path))
    assert model.units == 4 and model.kernel_sizes == (1,)
    with h5py.File(tmp_path / "weights.hdf5") as file:
        table = ops.convert_to_numpy(model.character_encoder.embedding.embeddings)
        np.testing.assert_array_equal(table[1:], file["char_embed"][:])
        assert not table[0].any()


@pytest.mark.parametrize("prefix", ["", "elmo_"])
def test_archives_and_folders_load_as_the_files_do(tmp_path, prefix):
    options, weights = write_small(tmp_path)
    expected = load_published_elmo(options, weights)
    archive = tmp_path / "144.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(options, f"144/{prefix}options.json")
        file.write(weights, f"144/{prefix}model.hdf5")
        file.writestr("144/meta.json", "{}")
        file.writestr("__MACOSX/144/._options.json", "what a Mac puts beside it")
    for path in (archive, str(archive), tmp_path):
        model = load_published_elmo(path, name="given")
        assert model.name == "given"
        for one, two in zip(model.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "names, message",
    [
        (["config.json", "encoder.pkl", "char.dic"], "a model of ELMoForManyLangs"),
        (["options.json"], r"must hold weights \(.hdf5\), one alone. .*options.json"),
        (["model.hdf5"], "must hold an options.json, one alone. .*model.hdf5"),
        (["a.hdf5", "b.hdf5", "options.json"], "one alone. Received: a.hdf5, b.hdf5"),
        ([], "must hold an options.json, one alone. Received: no file"),
    ],
)
def test_archives_of_other_things_are_named(tmp_path, names, message):
    archive, folder = tmp_path / "x.zip", tmp_path / "folder"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(name, "x")
            (folder / name).write_text("x")
    for path in (archive, folder):
        with pytest.raises(ValueError, match=message):
            load_published_elmo(path)


def test_damaged_archives_are_named(tmp_path):
    write_small(tmp_path)
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(tmp_path / "options.json", "options.json")
        file.write(tmp_path / "weights.hdf5", "weights.hdf5")
    content = bytearray(archive.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = b"\0" * 8
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="weights.hdf5, cannot be read"):
        load_published_elmo(archive)
    archive.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="must be a folder or a ZIP archive"):
        load_published_elmo(archive)
    with pytest.raises(FileNotFoundError):
        load_published_elmo(tmp_path / "missing.zip")


def external_data(file):
    source = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("char_embed", (261, 4), "f", external=source)


def external_link(file):
    file["char_embed"] = h5py.ExternalLink("other.hdf5", "secret")


def soft_link(file):
    file["char_embed"] = h5py.SoftLink("/CNN/b_cnn_0")


def virtual_data(file):
    layout = h5py.VirtualLayout((261, 4), "f")
    layout[:] = h5py.VirtualSource("other.hdf5", "secret", (261, 4))
    file.create_virtual_dataset("char_embed", layout)


def filled(value):
    return np.full((261, 4), value)


def linked_group(file):
    del file["CNN"]
    file["CNN"] = h5py.ExternalLink("other.hdf5", "/")


@pytest.mark.parametrize(
    "table, message",
    [
        (external_data, "'/char_embed' has external data"),
        (external_link, "'/char_embed' is an ExternalLink"),
        (soft_link, "'/char_embed' is a SoftLink"),
        (virtual_data, "'/char_embed' has virtual data"),
        (linked_group, "'/CNN' is an ExternalLink"),
        (
            lambda file: file.create_dataset("char_embed", (2**20, 2**18), "f"),
            "'/char_embed' would unpack from 0 bytes to 1,099",
        ),
        (
            lambda file: file.create_dataset("char_embed", (2**10, 2**8), "f"),
            r"char_embed of the shape \(261, 4\)",
        ),
        (lambda file: file.create_group("char_embed"), "lacks weights.*char_embed"),
        (
            lambda file: file.create_dataset("char_embed", (261, 4), "S3"),
            "must have numbers in char_embed",
        ),
        (
            lambda file: file.create_dataset("char_embed", data=filled(np.nan)),
            "must have finite numbers in char_embed",
        ),
        (
            lambda file: file.create_dataset("char_embed", data=filled(1e300)),
            "must have finite numbers in char_embed",
        ),
    ],
)
def test_weights_that_reach_outside_their_file_are_refused(tmp_path, table, message):
    files = write_small(tmp_path, table=table)
    with pytest.raises(ValueError, match=f"weights.hdf5.*{message}"):
        load_published_elmo(*files)


def changed(part, **changes):
    return {**SMALL, part: {**SMALL[part], **changes}}


@pytest.mark.parametrize(
    "options, message",
    [
        (changed("char_cnn", filters=[[1]]), "`char_cnn.filters` must be pairs"),
        (changed("char_cnn", filters=[1]), "`char_cnn.filters` must be pairs"),
        (changed("char_cnn", filters="many"), "`char_cnn.filters` is 'many'"),
        (changed("char_cnn", activation="nothing"), "`char_cnn.activation` is"),
        (changed("char_cnn", embedding=3), "`char_cnn.embedding.dim` is missing"),
        (changed("lstm", dim="8"), "`lstm.dim` is '8'"),
        (changed("lstm", dim=True), "`lstm.dim` is True"),
        (changed("lstm", n_layers=0), "the num_layers are 0"),
        (changed("lstm", cell_clip="a"), "`lstm.cell_clip` is 'a'"),
        (changed("lstm", cell_clip=float("nan")), "`lstm.cell_clip` is nan"),
        (changed("lstm", cell_clip=10**400), "`lstm.cell_clip` is 1000"),
        (changed("lstm", proj_clip=0), "`lstm.proj_clip` is 0"),
        (changed("lstm", proj_clip=float("inf")), "`lstm.proj_clip` is inf"),
        (changed("char_cnn", n_highway=-1), "`char_cnn.n_highway` is -1"),
        (changed("char_cnn", filters=[]), "`char_cnn.filters` has no filter"),
        (changed("char_cnn", filters=[[51, 5]]), "filters` has the width 51.* 50"),
        (
            changed("char_cnn", max_characters_per_token=2),
            "`char_cnn.max_characters_per_token` is 2",
        ),
        ([], "`char_cnn.n_characters` is missing"),
        (changed("lstm", dim=2**40), "W_0 of the shape"),
    ],
)
def test_options_of_wrong_types_are_named(tmp_path, options, message):
    files = write_small(tmp_path, options=options or [1])
    with pytest.raises(ValueError, match=f"(?s)(options.json|hdf5).*{message}"):
        load_published_elmo(*files)


def test_a_damaged_file_is_named(tmp_path):
    options, weights = write_small(tmp_path)
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(ValueError, match="weights.hdf5 is damaged"):
        load_published_elmo(options, weights)
    options.write_text("[" * 10**5)
    with pytest.raises(ValueError, match="options.json is damaged: it is no JSON"):
        load_published_elmo(options, weights)
