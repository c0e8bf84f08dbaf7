"""The text recipe: from a corpus to a predictor, on after a stop; what is refused."""

import contextlib
import csv
import dataclasses
import io
import json
import re
import shutil
import sys

import keras
import numpy as np
import pretrain_text
import pytest
from experiment.pretraining import run as run_parts
from experiment.pretraining.score_rules import PREDICTORS
from experiment.process import UsageError

from glomo_keras.callbacks import resumable_checkpoint
from glomo_keras.locking import held_alone
from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.models import load_preset

TINY = (
    "--vocabulary-size 101 --embedding-dim 12 --num-graph-layers 1 --num-heads 3 "
    "--context-length 1 --num-positions 5 --batch-size 3 --steps-per-epoch 4 "
    "--key-dim 4 --threshold mean --position-bias 0 --num-classes 0 "
    "--window 23 --shift 11 --min-units 3 --valid-windows 5 --warmup 2 --no-jit"
).split()
THREE_EPOCHS = ["--epochs", "3", "--pictures-every", "2"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Forty short documents of a small language."""
    words = np.array([f"w{i}" for i in range(60)])
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(words, 40)) + "." for _ in range(40)]
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join(documents))
    return f"files:{path}"


def run(corpus, output, *more):
    arguments = ["--corpus", corpus, "--output", str(output), *TINY, *more]
    pretrain_text.main(arguments)


def read_log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(corpus, tmp_path_factory):
    """Folders of an uninterrupted run and of a killed one, and what the first printed.

    The killed one is a copy of the other between the second row of the log and its
    checkpoint: what a kill, or a full disk, at that moment leaves.
    """
    whole = tmp_path_factory.mktemp("whole")
    killed = whole.parent / "killed"
    num_bytes = []

    def copy_at_second_checkpoint(folder, number):
        num_bytes.append(number)
        if len(num_bytes) == 2:
            shutil.copytree(whole, killed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            resumable_checkpoint, "check_free_space", copy_at_second_checkpoint
        )
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            run(corpus, whole, *THREE_EPOCHS)
    predictor = GraphPredictor.from_preset(whole / "preset")
    assert num_bytes[0] > 3 * 4 * predictor.count_params()  # with Adam's moments
    return whole, killed, printed.getvalue()


@pytest.fixture(scope="module")
def whole(runs):
    return runs[0]


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the uninterrupted run, to go on with."""
    return shutil.copytree(whole, tmp_path / "copy")


def contents(folder):
    """What is in the files of a run that must not change."""
    files = [folder / "settings.json", folder / "log.csv"]
    files += sorted((folder / "checkpoints").iterdir())
    return {path: path.read_bytes() for path in files}


def test_a_run_leaves_all_that_it_promises(runs):
    folder, _, printed = runs
    rows = read_log(folder)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[2]["val_nats"]) < np.log(101)
    assert sum(line.startswith("epoch ") for line in printed.splitlines()) == 3
    predictor = GraphPredictor.from_preset(folder / "preset")
    ids = np.array([[2, 3, 5, 7, 0]], "int32")
    graphs = predictor({"unit_ids": ids, "padding_mask": ids != 0})
    assert tuple(graphs["forward"].shape) == (1, 1, 3, 5, 5)
    assert len(list((folder / "pictures").glob("epoch_002_text_*.png"))) == 4
    preset = find_preset(folder / "preset")
    assert preset.vocabulary.read_text().startswith("[PAD]")
    assert preset.metadata["training"]["window"] == 23
    # The heads of the preset are described as the validation of its epoch found them.
    best = min(rows, key=lambda row: float(row["val_nats"]))
    density = preset.metadata["training"]["heads"]["density"]
    density = np.array([density["forward"], density["backward"]])
    assert density.shape == (2, 1, 3)
    assert density.mean() == pytest.approx(float(best["val_density"]), abs=1e-4)
    assert "| backward 0 2 | " in (folder / "preset" / "README.md").read_text()
    assert 0 < float(best["val_specificity"]) < 1 and "specificity 0." in printed
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["window"] == 23 and settings["output"] == str(folder)
    assert any((folder / "logs").rglob("events*"))
    assert not list(folder.rglob(".writing-*"))


def test_a_killed_run_goes_on_as_if_it_had_not_been(corpus, runs):
    whole, killed, _ = runs
    assert [row["epoch"] for row in read_log(killed)] == ["0", "1"]
    with (killed / "log.csv").open("a") as file:
        file.write("2,0.5,1.")  # a row that was not written to its end
    run(corpus, killed, "--epochs", "3", "--pictures-every", "0", "--resume")
    for one, other in zip(read_log(whole), read_log(killed), strict=True):
        assert one["epoch"] == other["epoch"]
        for name in ("val_nats", "nats"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


def test_a_stopped_run_has_pictures(corpus, tmp_path, eagerly, capsys):
    run(corpus, tmp_path, "--epochs", "2", "--stop-after", "1", "--pictures-every", "2")
    assert len(list((tmp_path / "pictures").glob("epoch_001_text_*.png"))) == 4
    printed = capsys.readouterr().out
    assert "epoch 1/1: " in printed and printed.count(" 0 s left") == 1


def test_a_diverged_run_ends_and_keeps_nothing(corpus, tmp_path, eagerly):
    steep = "--optimizer sgd --learning-rate 1e38 --clip-norm 1e9 --pictures-every 0"
    message = (
        r"^error: `loss` is (nan|inf) in epoch 1, step [1-4]\..* batch [0-3]: "
        r"documents \d.*, counted from 0, of .*prepared. There is no checkpoint yet\.$"
    )
    with pytest.raises(SystemExit, match=message):
        run(corpus, tmp_path, *steep.split(), "--epochs", "1")
    assert not read_log(tmp_path)
    assert not list((tmp_path / "checkpoints").iterdir())
    assert not (tmp_path / "preset").exists()


def test_a_finished_run_trains_no_more(corpus, copy, capsys):
    rows = read_log(copy)
    run(corpus, copy, *THREE_EPOCHS, "--resume")
    assert "has finished its 3 epochs. Nothing is trained." in capsys.readouterr().out
    changed = ["--patience", "9", "--stop-after", "2", "--epochs", "3"]
    run(corpus, copy, *changed, "--pictures-every", "0", "--resume")  # which may change
    assert "Nothing is trained." in capsys.readouterr().out
    assert read_log(copy) == rows
    assert json.loads((copy / "settings.json").read_text())["patience"] == 9


def test_a_run_that_stopped_early_stays_so(corpus, copy, capsys):
    current = copy / "checkpoints" / "CURRENT"
    current.write_text(json.dumps({"epochs": 3, "best": 0.5, "best_epoch": 1}))
    run(corpus, copy, "--epochs", "3", "--patience", "2", "--resume")
    assert "has stopped early, after epoch 3: no better val_nats for 2 epochs" in (
        capsys.readouterr().out
    )
    assert len(read_log(copy)) == 3


@pytest.mark.parametrize(
    "more, difference",
    [
        ("--seed 7", "seed: 0, not 7"),
        ("--batch-size 5", "batch_size: 3, not 5"),
        ("--learning-rate 0.5", "learning_rate: 0.003, not 0.5"),
        ("--optimizer sgd", "rate: 0.003, not 8.0, optimizer: 'adam', not 'sgd'"),
        ("--epochs 4", "epochs: 3, not 4"),
        ("--embedding-dim 6", "embedding_dim: 12, not 6"),
        ("--size base", "size: 'small', not 'base'"),
        ("--graphs zeros", "graphs: 'learned', not 'zeros'"),
        ("--corpus docs", "corpus: 'files:.*', not 'docs'"),
        ("--limit 5", "limit: None, not 5"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(corpus, whole, more, difference):
    before = contents(whole)
    with pytest.raises(SystemExit) as refused:
        run(corpus, whole, *THREE_EPOCHS, "--resume", *more.split())
    assert re.search(
        f"holds a run with other settings .*{difference}", str(refused.value)
    )
    assert contents(whole) == before


@pytest.mark.parametrize("more", [[], ["--prepare-only"]])
def test_a_used_folder_is_refused_without_resume(corpus, whole, more):
    before = contents(whole)
    with pytest.raises(SystemExit, match="holds a run already. Give --resume"):
        run(corpus, whole, *THREE_EPOCHS, *more)
    assert contents(whole) == before


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("settings.json", b'{"seed": 0', "settings.json is missing or damaged"),
        ("settings.json", b"[]", "it holds a list, not an object"),
        ("settings.json", None, "settings.json is missing or damaged"),
        ("checkpoints/CURRENT", b"{}", "checkpoints cannot be loaded: it is damaged"),
        ("checkpoints/epoch_0003.npz", b"PK", "cannot be loaded: it is damaged"),
    ],
)
def test_damaged_files_are_named(corpus, copy, name, content, message):
    path = copy / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(SystemExit, match=message):
        run(corpus, copy, *THREE_EPOCHS, "--resume")


@pytest.mark.parametrize("place", ["output", "prepared"])
def test_one_process_works_in_a_folder(corpus, tmp_path, place):
    folders = {name: tmp_path / name for name in ("output", "prepared")}
    folders[place].mkdir()
    arguments = ["--prepared", str(folders["prepared"]), "--prepare-only"]
    with held_alone(folders[place]):
        with pytest.raises(SystemExit, match=f"{place} is in use by process"):
            run(corpus, folders["output"], *arguments)
    assert not (folders["output"] / "settings.json").exists()
    run(corpus, folders["output"], *arguments)
    with held_alone(folders["prepared"]):  # nothing is written there any more
        run(corpus, folders["output"], *arguments)


def test_arrays_may_lie_in_the_folder_of_the_run(corpus, tmp_path):
    run(corpus, tmp_path, "--prepared", str(tmp_path), "--prepare-only")
    assert (tmp_path / "train_ids.npy").exists()


def test_a_control_trains(corpus, whole, tmp_path, eagerly):
    common = ["--epochs", "1", "--pictures-every", "0", "--graphs", "uniform"]
    run(corpus, tmp_path, *common, "--prepared", str(whole / "prepared"))
    (row,) = read_log(tmp_path)
    assert float(row["val_density"]) == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(float(row["val_nats"]))


@pytest.mark.parametrize(
    "more, context_length",
    [
        (["--graphs", "coupled", "--num-graph-layers", "2"], 1),
        (["--objective", "sentences", "--num-positions", "0"], 5),
    ],
    ids=["coupled", "sentences"],
)
def test_an_ablation_trains(tmp_path, more, context_length, eagerly):
    document = "A short one. Is it? The third one is longer than those. It ends! "
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join([document * 3] * 9))
    common = ["--epochs", "1", "--pictures-every", "0", *more]
    common += ["--context-length", str(context_length)]
    run(f"files:{text}", tmp_path, *common)
    (row,) = read_log(tmp_path)
    assert np.isfinite(float(row["val_nats"])) and float(row["val_nats"]) > 0
    predictor = load_preset(tmp_path / "preset")
    is_coupled = "coupled" in more
    assert type(predictor).__name__ == "Coupled" * is_coupled + "GraphPredictor"


def test_sentences_have_their_own_length_and_need_ends(corpus, whole, tmp_path):
    sentences = ["--output", str(tmp_path), "--objective", "sentences"]
    settings = pretrain_text.parse_settings(sentences)
    assert settings.context_length == 24
    assert pretrain_text.parse_settings(sentences[:2]).context_length == 3
    with pytest.raises(UsageError, match="needs a vocabulary with one of"):
        pretrain_text.build_pretrainer(settings, ["", "[unk]", "w1"])
    with pytest.raises(SystemExit, match="`num_positions` has no effect"):
        places = "--prepared", str(whole / "prepared")
        run(corpus, tmp_path, *places, "--objective", "sentences", "--epochs", "1")


def test_classes_are_made_once_and_predicted(corpus, whole, tmp_path, capsys, eagerly):
    prepared = shutil.copytree(whole / "prepared", tmp_path / "prepared")
    common = "--epochs 1 --pictures-every 0 --num-classes 12 --two-level".split()
    common += "--threshold entmax --position-bias 5 --num-convolutions 2".split()
    common += ["--update", "residual", "--prepared", str(prepared)]
    run(corpus, tmp_path / "one", *common)
    assert "Units are grouped into 12 classes" in capsys.readouterr().out
    classes = np.load(prepared / "classes_12.npy")
    assert set(classes) == set(range(12))
    run(corpus, tmp_path / "two", *common)
    assert "Units are grouped" not in capsys.readouterr().out
    logs = [read_log(tmp_path / name) for name in ("one", "two")]
    assert logs[0] == logs[1]
    predictor = GraphPredictor.from_preset(tmp_path / "one" / "preset")
    assert (predictor.threshold, predictor.position_bias) == ("entmax", 5)
    assert predictor.num_convolutions == 2


def test_classes_of_another_vocabulary_are_refused(corpus, whole, tmp_path):
    prepared = shutil.copytree(whole / "prepared", tmp_path / "prepared")
    np.save(prepared / "classes_12.npy", np.zeros(7, "int32"))
    common = ["--epochs", "1", "--num-classes", "12", "--prepared", str(prepared)]
    with pytest.raises(
        SystemExit,
        match="classes_12.npy must have a class for each of the 63.*It has 7",
    ):
        run(corpus, tmp_path / "run", *common)


@pytest.mark.parametrize(
    ("graphs", "density"),
    [
        ("learned", 1.0),
        ("abstaining", 1.0),
        ("coupled", 1.0),
        ("softmax", 1.0),
        ("square", 1.0),
        ("uniform", 1.0),
        ("zeros", 0),
    ],
)
def test_what_stands_in_for_the_learned_graphs(graphs, density):
    predictor = PREDICTORS[graphs](31, embedding_dim=12, num_heads=3)
    ids = np.arange(1, 24, dtype="int32")[None]
    found = predictor({"unit_ids": ids, "padding_mask": ids != 0})["forward"]
    visible = np.tril(np.ones((23, 23)), -1).astype(bool)
    weights = keras.ops.convert_to_numpy(found)[..., visible]
    assert (weights > 0).mean() == pytest.approx(density, abs=0.25 * density)
    if graphs == "uniform":
        np.testing.assert_allclose(found[0, 0, 0, 4, :4], 0.25, atol=1e-6)


@pytest.mark.parametrize(
    "more, difference",
    [
        (["--vocabulary-size", "77"], "vocabulary_size: 101, not 77"),
        (["--keep-case"], "lowercase: True, not False"),
        (["--corpus", "docs"], "spec: 'files:.*', not 'docs'.*sources: "),
        (["--valid-corpus", "docs"], "valid_spec: None, not 'docs'"),
        (["--limit", "5"], "limit: None, not 5"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_arrays_of_other_settings_are_refused(
    corpus, whole, tmp_path, more, difference
):
    arrays = ["--prepared", str(whole / "prepared"), "--prepare-only"]
    with pytest.raises(SystemExit, match=f"{difference}.*Give another --prepared"):
        run(corpus, tmp_path, *arrays, *more)
    assert not (tmp_path / "settings.json").exists()


def test_a_corpus_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "text.txt").write_bytes("one two three".encode("utf-16"))
    with pytest.raises(SystemExit, match="^error: .*text.txt must be UTF-8"):
        run(f"files:{tmp_path / 'text.txt'}", tmp_path / "run", "--prepare-only")


def test_arrays_of_other_texts_are_refused(tmp_path, capsys):
    text, output = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("\n\n".join(["one two three"] * 9))
    prepare = (f"files:{text}", output, "--prepare-only")
    run(*prepare)
    run(*prepare)
    assert "Arrays of" in capsys.readouterr().out
    content = text.read_text()
    text.write_text(content.replace("two", "six", 1) + "more")
    with pytest.raises(SystemExit, match="other settings .sources: "):
        run(*prepare)
    text.unlink()  # the arrays are enough for a machine that only trains
    run(*prepare)
    assert "Arrays of" in capsys.readouterr().out


def test_a_run_does_not_go_on_with_arrays_of_other_texts(copy, tmp_path):
    settings = json.loads((copy / "prepared" / "metadata.json").read_text("utf-8"))
    spec = settings["settings"]["spec"]
    elsewhere = shutil.copytree(copy / "prepared", tmp_path / "elsewhere")
    settings["settings"]["sources"] = {"train": [{"name": "other.txt"}]}
    (elsewhere / "metadata.json").write_text(json.dumps(settings), "utf-8")
    before = contents(copy)
    with pytest.raises(SystemExit, match="holds a run on other arrays than those of"):
        run(spec, copy, *THREE_EPOCHS, "--resume", "--prepared", str(elsewhere))
    assert contents(copy) == before


def test_a_run_goes_on_with_its_arrays_when_the_texts_have_changed(
    corpus, copy, monkeypatch, capsys
):
    path = corpus.removeprefix("files:")
    with open(path) as file:
        text = file.read()
    try:
        with open(path, "a") as file:
            file.write(" more")
        run(corpus, copy, *THREE_EPOCHS, "--resume", "--prepare-only")
    finally:
        with open(path, "w") as file:
            file.write(text)
    assert "Arrays of" in capsys.readouterr().out


def test_without_tensorboard_its_logs_are_left_out(
    corpus, whole, tmp_path, monkeypatch, eagerly
):
    monkeypatch.setattr(run_parts.importlib.util, "find_spec", lambda name: None)
    places = ["--prepared", str(whole / "prepared"), "--pictures-every", "0"]
    run(corpus, tmp_path, *places, "--epochs", "1")
    assert (tmp_path / "preset").exists() and not (tmp_path / "logs").exists()


def test_arrays_are_used_without_tensorflow(
    corpus, whole, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "glomo_keras.data.prepare", None)
    places = ["--output", str(tmp_path), "--prepared", str(whole / "prepared")]
    pretrain_text.main(["--corpus", corpus, *places, *TINY, "--prepare-only"])
    assert "Arrays of" in capsys.readouterr().out


def test_graphs_of_a_preset_stay_as_they_are(corpus, whole, tmp_path, capsys, eagerly):
    preset = whole / "preset"
    places = "--prepared", str(whole / "prepared"), "--graphs-of", str(preset)
    run(corpus, tmp_path, *places, "--epochs", "2", "--pictures-every", "0")
    printed = capsys.readouterr().out
    assert not (tmp_path / "preset").exists() and "graph predictor is in" not in printed
    rows = read_log(tmp_path)
    assert rows[1]["val_density"] == rows[0]["val_density"] != "1.0"

    settings = pretrain_text.parse_settings(["--output", str(tmp_path), *TINY, *places])
    pretrainer = pretrain_text.build_pretrainer(settings, [str(n) for n in range(101)])
    ids = np.array([[2, 3, 5, 7, 0]], "int32")
    inputs = {"unit_ids": ids, "padding_mask": ids != 0}
    before = GraphPredictor.from_preset(preset)
    after = pretrainer.graph_predictor
    for direction, graph in before(inputs).items():
        np.testing.assert_allclose(after(inputs)[direction], graph, atol=1e-6)
    trained = {id(weight) for weight in pretrainer.trainable_variables}
    assert not trained & {id(weight) for weight in after.predictor.variables}
    assert id(after.embedding.embeddings) in trained


def test_graphs_of_a_preset_need_its_vocabulary(corpus, whole, tmp_path):
    places = "--graphs-of", str(whole / "preset"), "--vocabulary-size", "31"
    with pytest.raises(SystemExit, match="must name a preset with the vocabulary"):
        run(corpus, tmp_path, *places)


def test_released_sets_the_choices_of_the_authors_program(corpus, tmp_path):
    settings = pretrain_text.parse_settings(["--output", str(tmp_path), "--released"])
    assert settings.optimizer == "sgd"
    assert settings.learning_rate == 8.0
    assert settings.clip_norm == 0.25
    model = pretrain_text.build_pretrainer(settings, [str(n) for n in range(101)])
    assert model.message == "product_concat"
    assert model.first_input == "zeros"
    assert model.num_decoder_layers == 2
    affinity = model.graph_predictor.get_layer("forward_affinity")
    assert affinity.threshold == "query"
    assert affinity.use_bias
    network = model.graph_predictor.get_layer("backward_network")
    assert network.normalization == "batch"


def test_what_is_given_stands_against_released(tmp_path):
    arguments = ["--output", str(tmp_path), "--released", "--vocabulary-size", "31"]
    settings = pretrain_text.parse_settings([*arguments, "--optimizer", "adam"])
    assert (settings.optimizer, settings.learning_rate) == ("adam", 0.003)
    assert settings.clip_norm == 0.25
    more = "--learning-rate 0.5 --clip-norm 2 --threshold none --normalization layer"
    settings = pretrain_text.parse_settings([*arguments, *more.split()])
    assert (settings.optimizer, settings.learning_rate) == ("sgd", 0.5)
    assert settings.clip_norm == 2.0
    model = pretrain_text.build_pretrainer(settings, [str(n) for n in range(31)])
    assert model.graph_predictor.get_layer("forward_affinity").threshold is None
    network = model.graph_predictor.get_layer("forward_network")
    assert network.normalization == "layer"
    settings = pretrain_text.parse_settings([*arguments, "--update", "residual"])
    with pytest.raises(ValueError, match='"plain" when update="residual"'):
        pretrain_text.build_pretrainer(settings, [str(n) for n in range(31)])


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(SystemExit, match="error: No file matches 'no_such_file.txt'"):
        run("files:no_such_file.txt", tmp_path)


def test_settings_cannot_be_changed_and_are_those_of_settings_json(tmp_path):
    settings = pretrain_text.parse_settings(["--output", str(tmp_path), *TINY])
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 3
    values = settings.to_json()
    assert values["prepared"] == str(tmp_path / "prepared")
    assert set(values) == set(dataclasses.asdict(settings))
    assert (values["epochs"], values["steps_per_epoch"]) == (20, 4)  # size, given


@pytest.mark.parametrize("option", ["--epochs", "--patience", "--batch-size"])
def test_counts_are_positive(option, tmp_path, capsys):
    with pytest.raises(SystemExit):
        pretrain_text.parse_settings(["--output", str(tmp_path), option, "0"])
    message = f"argument {option}: must be a positive integer. Received: '0'"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_run_in_half_precision_goes_on_with_its_loss_scale(
    corpus, tmp_path, name, eagerly
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    more = ["--epochs", "2", "--pictures-every", "0", "--precision", name]
    run(corpus, whole, *more)
    run(corpus, stopped, *more, "--stop-after", "1")
    run(corpus, stopped, *more, "--resume")
    for one, other in zip(read_log(whole), read_log(stopped), strict=True):
        for column in ("nats", "val_nats"):
            assert float(one[column]) == pytest.approx(float(other[column]), abs=1e-3)
    predictor = GraphPredictor.from_preset(whole / "preset")
    assert predictor.dtype_policy.compute_dtype == name
    assert predictor.dtype_policy.variable_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # as before
    with pytest.raises(SystemExit, match=f"precision: '{name}', not 'float32'"):
        run(corpus, whole, *more[:-1], "float32", "--resume")


def test_a_run_that_does_not_say_its_precision_is_of_float32(corpus, copy, capsys):
    path = copy / "settings.json"
    settings = json.loads(path.read_text())
    del settings["precision"]
    path.write_text(json.dumps(settings))
    run(corpus, copy, *THREE_EPOCHS, "--resume")
    assert "Nothing is trained." in capsys.readouterr().out
