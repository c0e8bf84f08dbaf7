"""Layers of a language model as features of the tasks."""

import json
import re

import compare
import imdb
import keras
import numpy as np
import pytest
from experiment.text.graph_arms import TextArm
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask
from experiment.text.squad import SquadTask
from experiment.text.word_features import parse_features
from tiny_tasks import TINY
from tiny_tasks import settings_of

from glomo_keras.data import character_ids
from glomo_keras.models import BidirectionalLanguageModel


def test_layers_of_texts_are_computed_once_and_kept(
    elmo_folder, predictor_folder, tmp_path, monkeypatch
):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += ["--features", f"elmo:{elmo_folder}", *TINY]
    texts = NliTask().prepare(settings_of(NliTask(), *arguments))
    field = texts.fields["premise"]
    rows = np.array([3, 0, 3, 20])
    found = texts.elmo.layers("premise", rows)
    assert found.dtype == np.float16 and found.shape == (4, 3, field.length, 6)
    words = [[texts.units[unit] for unit in row] for row in field.padded(rows)]
    model = BidirectionalLanguageModel.from_preset(elmo_folder)
    expected = keras.ops.convert_to_numpy(model(character_ids(words, 11)))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    # Another process finds them on disk.
    again = NliTask().prepare(settings_of(NliTask(), *arguments)).elmo
    monkeypatch.setattr(again, "_compute", None)
    np.testing.assert_array_equal(again.layers("premise", rows), found)
    with pytest.raises(TypeError):  # of texts that were never asked for
        again.layers("premise", np.array([4]))


def test_a_task_trains_on_layers_of_a_language_model(
    elmo_folder, predictor_folder, tmp_path, capsys
):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("the 1 2\nplot 3 4\n")
    arguments = ["--predictor", str(predictor_folder), *TINY]
    arguments += ["--elmo-cache", str(tmp_path / "cache")]
    features = {
        "vectors": f"vectors:{vectors}",
        "elmo": f"elmo:{elmo_folder}",
        "both": f"elmo:{elmo_folder}+vectors:{vectors}",
    }
    # Two of the vectors, six of the language model, and as many of messages.
    for name, width in (("elmo", 6), ("both", 8)):
        output = ["--output", str(tmp_path / name), "--features", features[name]]
        settings = settings_of(ImdbTask(), *output, *arguments)
        texts = ImdbTask().prepare(settings)
        model = ImdbTask().build(texts, TextArm("uniform"), settings)
        assert model.get_layer("graph_transfer_1").output.shape[-1] == 2 * width
    imdb.main([*output, *arguments, "--graph", "none"])
    (kept,) = (tmp_path / "cache").iterdir()  # both outputs share it
    assert kept.name.startswith("elmo-")
    record = json.loads((tmp_path / "both" / "runs.jsonl").read_text())
    assert sum(record["elmo_mix"]["shares"]) == pytest.approx(1.0, abs=1e-5)
    assert record["elmo_mix"]["gamma"] != 1.0
    assert record["settings"]["elmo"] in kept.name

    # As if the vectors alone had got the first test example right, and no other.
    (tmp_path / "vectors" / "scores").mkdir(parents=True)
    examples = np.load(tmp_path / "both" / record["scores"])["examples"]
    right = np.eye(1, len(examples))[0]
    np.savez(tmp_path / "vectors" / record["scores"], examples=examples, accuracy=right)
    del record["settings"]["elmo"], record["elmo_mix"]
    record["settings"]["features"] = features["vectors"]
    other = {**record, "test": {"accuracy": right.mean()}}
    (tmp_path / "vectors" / "runs.jsonl").write_text(json.dumps(other))
    capsys.readouterr()
    both = ["--table", "--against", str(tmp_path / "both")]
    compare.main(["imdb", "--output", str(tmp_path / "vectors"), *both])
    shown = capsys.readouterr().out.splitlines()[2:]  # after the legend
    assert shown[0] == "| accuracy | runs | mean | sd | seeds | to vectors |"
    rows = [line.split(" | ") for line in shown[2:4]]
    assert [row[1] for row in rows] == ["vectors", "both"]
    results = [float(row[2]) for row in rows]
    mean, low, high = map(float, re.findall(r"[-+.0-9]+", rows[1][5]))
    assert mean == pytest.approx(results[1] - results[0], abs=0.011) != 0
    assert low <= mean <= high
    assert shown[-1].startswith("both, none: layers 0.") and "gamma" in shown[-1]


def test_graphs_on_layers_of_a_language_model(elmo_folder, predictor_folder, tmp_path):
    task = SquadTask()
    settings = settings_of(
        task, "--predictor", predictor_folder, "--output", tmp_path,
        "--features", f"elmo:{elmo_folder}", *TINY,
    )  # fmt: skip
    texts = task.prepare(settings)
    arm = task.make_arm("uniform", 0, settings)
    model = task.build(texts, arm, settings)
    examples = task.usable_examples(texts)[:2]
    batches = task.batches(texts, "train", arm, settings, examples)
    outputs = keras.tree.flatten(model(batches[0][0]))
    assert all(np.isfinite(keras.ops.convert_to_numpy(x)).all() for x in outputs)


def test_features_are_taken_apart(elmo_folder):
    assert parse_features("trainable") == (None, "trainable")
    assert parse_features("elmo:a") == ("a", None)
    assert parse_features("vectors:b+elmo:a") == ("a", "vectors:b")


@pytest.mark.parametrize(
    "features", ["glove", "vectors:", "elmo:", "trainable+vectors:a", "elmo:a+elmo:b"]
)
def test_unknown_features_are_named(features, predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    with pytest.raises(ValueError, match="--features must be"):
        settings_of(ImdbTask(), *arguments, "--features", features, *TINY)


def test_a_preset_that_is_no_language_model_is_named(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), "--features", f"elmo:{predictor_folder}"]
    with pytest.raises(ValueError, match="Received one of GraphPredictor"):
        settings_of(ImdbTask(), *arguments, *TINY)
