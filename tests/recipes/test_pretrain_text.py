"""The text recipe: from a corpus to a predictor, and on after a stop."""

import argparse
import contextlib
import csv
import io
import json
import sys

import keras
import numpy as np
import pretrain_elmo
import pretrain_images
import pretrain_text
import pytest
import quickstart
from experiment.pretraining.score_rules import PREDICTORS

from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset

TINY = (
    "--vocabulary-size 101 --embedding-dim 12 --num-graph-layers 2 --num-heads 3 "
    "--num-positions 5 --batch-size 3 --steps-per-epoch 4 --window 23 --shift 11 "
    "--min-units 3 --valid-windows 5 --warmup 2 --no-jit"
).split()
QUICK = ["--num-graph-layers", "1", "--context-length", "1"]


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
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """Folder of an uninterrupted run, its log, and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        rows = run(corpus, folder, "--epochs", "3", "--pictures-every", "2", *QUICK)
    return folder, rows, printed.getvalue()


def test_a_run_leaves_all_that_it_promises(whole):
    folder, rows, printed = whole
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
    assert json.loads((folder / "settings.json").read_text())["window"] == 23
    assert any((folder / "logs").rglob("events*"))
    assert not list(folder.rglob(".writing-*"))


def test_resuming_gives_what_an_uninterrupted_run_gives(corpus, whole, tmp_path):
    common = ["--epochs", "3", "--pictures-every", "0", *QUICK]
    run(corpus, tmp_path, *common, "--stop-after", "1")
    parts = run(corpus, tmp_path, *common, "--resume")
    for one, other in zip(whole[1], parts, strict=True):
        for name in ("val_nats", "nats"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


def test_a_control_trains(corpus, tmp_path):
    common = ["--epochs", "1", "--pictures-every", "0", "--graphs", "uniform", *QUICK]
    (row,) = run(corpus, tmp_path, *common)
    assert float(row["val_density"]) == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(float(row["val_nats"]))


@pytest.mark.parametrize(
    ("graphs", "density"),
    [
        ("learned", 0.5),
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
        (["--corpus", "docs"], "spec: 'files:.*', not 'docs'"),
        (["--valid-corpus", "docs"], "valid_spec: None, not 'docs'"),
        (["--limit", "5"], "limit: None, not 5"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_arrays_of_other_settings_are_refused(corpus, whole, more, difference):
    folder, _, _ = whole
    settings = (folder / "settings.json").read_text()
    with pytest.raises(ValueError, match=f"{difference}.*Give another --prepared"):
        run(corpus, folder, "--prepare-only", *more)
    assert (folder / "settings.json").read_text() == settings


def test_arrays_are_used_without_tensorflow(
    corpus, whole, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "glomo_keras.data.prepare", None)
    places = ["--output", str(tmp_path), "--prepared", str(whole[0] / "prepared")]
    pretrain_text.main(["--corpus", corpus, *places, *TINY, "--prepare-only"])
    assert "Arrays of" in capsys.readouterr().out


def test_released_sets_the_choices_of_the_authors_program(corpus, tmp_path):
    options = pretrain_text.parse_arguments(["--output", str(tmp_path), "--released"])
    assert options.optimizer == "sgd"
    assert options.learning_rate == 8.0
    assert options.clip_norm == 0.25
    model = pretrain_text.build_pretrainer(options, vocabulary_size=101)
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
    options = pretrain_text.parse_arguments([*arguments, "--optimizer", "adam"])
    assert (options.optimizer, options.learning_rate) == ("adam", 0.003)
    assert options.clip_norm == 0.25
    more = "--learning-rate 0.5 --clip-norm 2 --threshold none --normalization layer"
    options = pretrain_text.parse_arguments([*arguments, *more.split()])
    assert (options.optimizer, options.learning_rate) == ("sgd", 0.5)
    assert options.clip_norm == 2.0
    model = pretrain_text.build_pretrainer(options, vocabulary_size=31)
    assert model.graph_predictor.get_layer("forward_affinity").threshold is None
    network = model.graph_predictor.get_layer("forward_network")
    assert network.normalization == "layer"


@pytest.mark.parametrize(
    "recipe", [pretrain_text, pretrain_elmo, pretrain_images, quickstart]
)
def test_help_shows_every_default(recipe, monkeypatch):
    class Parsed(Exception):
        pass

    def stop(self, arguments=None):
        raise Parsed(self)

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(Parsed) as parsed:
            recipe.main([])
    (parser,) = parsed.value.args
    for action in parser._actions:
        if action.default not in (None, False, argparse.SUPPRESS):
            assert "default" in action.help, action.option_strings
    if recipe is quickstart:
        return
    monkeypatch.setenv("COLUMNS", "200")
    shown = parser.format_help()
    told = (
        "default: adam; released: sgd" if recipe is pretrain_text else "default: adam"
    )
    assert f"({told})" in shown
    assert ("released: 0.25" in shown) == (recipe is pretrain_text)
    table = shown.partition("what --size decides:")[2].splitlines()
    assert table[0].split() == list(recipe.SIZES)
    rows = [line.split()[0] for line in table[1:]]
    assert rows == [f"--{n.replace('_', '-')}" for n in recipe.SIZES["small"]]
    epochs = next(line.split()[1:] for line in table if "--epochs" in line)
    assert epochs == [str(size["epochs"]) for size in recipe.SIZES.values()]


def test_the_spread_of_seeds_is_that_of_a_sample():
    line = quickstart.result_line("no graph", [0.1, 0.2, 0.3])
    assert line == "  no graph       20.0% +- 10.0%   (seeds: 10.0% 20.0% 30.0%)"


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such_file.txt"):
        run("files:no_such_file.txt", tmp_path)
