"""Runs of the language tasks on embedded data: training, resuming, records."""

import argparse
import json

import compare
import imdb
import keras
import nli
import numpy as np
import pytest
import squad
from experiment.comparison import records
from experiment.comparison import runner
from experiment.comparison import tables
from experiment.comparison.options import run_settings
from experiment.text import text_batches
from tiny_tasks import TINY
from tiny_tasks import options_of


@pytest.mark.parametrize(
    "module, site",
    [
        (nli, "rnn_states"),
        (squad, "embeddings"),
    ],
)
def test_a_task_trains_and_leaves_a_record(module, site, predictor_folder, tmp_path):
    arguments = ["--predictor", str(predictor_folder), "--graph-on", site]
    arguments += ["--size", "smoke", "--graph", "learned"]
    module.main([*arguments, "--output", str(tmp_path)])
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["arm"] == "learned" and record["graph_on"] == site
    assert record["num_train"] == 180 and record["epochs"] == 2
    with np.load(tmp_path / record["scores"]) as scores:
        assert len(scores["examples"]) == 240
        for metric, value in record["test"].items():
            assert scores[metric].mean() == pytest.approx(value)
    assert not any((tmp_path / "runs").iterdir())


def test_padding_and_batch_do_not_change_predictions(predictor_folder, tmp_path):
    """What a text gets does not depend on the length that its batch is padded to."""
    predictions = []
    for length in ("24", "32"):
        options = options_of(
            imdb,
            *["--output", str(tmp_path / length), "--length", length, *TINY],
            *["--predictor", str(predictor_folder)],
        )
        arrays = imdb.TASK.prepare(options)
        keras.utils.set_random_seed(0)
        graphs = imdb.TASK.make_arm("learned", 0, options)
        model = imdb.build(arrays, graphs.shape, options)
        batches = text_batches.TaskBatches(arrays, "test", graphs, 7)
        predictions.append(model.predict(batches, verbose=0)[:16])
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-5)


def test_compare_runs_each_arm_once_and_resumes(predictor_folder, tmp_path, capsys):
    arguments = ["imdb", "--output", str(tmp_path), "--seeds", "1", *TINY]
    arguments += ["--predictor", str(predictor_folder), "--arms", "none"]
    compare.main(arguments)
    compare.main([*arguments, "matched"])
    runs = records.read_runs(tmp_path)
    assert [(run["arm"], run["seed"]) for run in runs] == [("none", 0), ("matched", 0)]
    capsys.readouterr()
    compare.main([*arguments, "matched", "--table"])
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("| matched"))
    assert f"| {100 * runs[1]['test']['accuracy']:.2f} |" in row
    assert "[" in row
    assert "88.51" not in "".join(lines)  # the paper's, of IMDB
    for features, paper in (("vectors:a.txt", "88.51"), ("elmo:a", "")):
        for run in runs:
            run["settings"] |= {"data": "tfds:imdb_reviews", "features": features}
        (row,) = (r for r in tables.table(tmp_path, runs) if r.startswith("| none"))
        assert row.endswith(f"| {paper} |")
    with pytest.raises(ValueError, match="epochs: 2, not 3"):
        compare.main([*arguments, "--epochs", "3"])
    compare.main([*arguments, "--plan"])
    assert "h a run" in capsys.readouterr().out


def test_a_recipe_does_not_repeat_a_run(predictor_folder, tmp_path, capsys):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += [*TINY, "--graph", "none", "--epochs", "1"]
    imdb.main(arguments)
    imdb.main(arguments)
    assert "  is a line of" in capsys.readouterr().out
    assert len(records.read_runs(tmp_path)) == 1
    with pytest.raises(ValueError, match="learning_rate: 0.003, not 0.1"):
        imdb.main([*arguments, "--learning-rate", "0.1"])


def test_another_predictor_is_refused_where_it_was_used(predictor_folder, tmp_path):
    options = options_of(
        imdb, "--output", str(tmp_path), "--predictor", str(predictor_folder)
    )
    none, learned = (
        {"arm": arm, "settings": run_settings(options, arm)}
        for arm in ("none", "learned")
    )
    options.predictor = "glomo_text_small_en"
    records.check_settings([none], options)
    with pytest.raises(ValueError, match="predictor: .* not 'glomo_text_small_en"):
        records.check_settings([learned], options)


def test_a_killed_run_goes_on_and_ends_as_it_would_have(
    predictor_folder, tmp_path, monkeypatch
):
    def record(folder, stop_after=None):
        options = options_of(
            imdb,
            *["--output", str(folder), *TINY, "--epochs", "3", "--dropout", "0.3"],
            *["--predictor", str(predictor_folder)],
        )
        arrays = imdb.TASK.prepare(options)
        if stop_after:

            class Killed(Exception):
                pass

            def kill(self, epoch, logs=None):
                if epoch + 1 == stop_after:
                    raise Killed

            with monkeypatch.context() as patched:
                # The last of the callbacks: the checkpoint is written.
                patched.setattr(runner._Seconds, "on_epoch_end", kill)
                with pytest.raises(Killed):
                    runner.run(imdb.TASK, arrays, options, "uniform", 1)
            other = argparse.Namespace(**{**vars(options), "dropout": 0.0})
            with pytest.raises(ValueError, match="begun with other settings .dropout"):
                runner.run(imdb.TASK, arrays, other, "uniform", 1)
        return runner.run(imdb.TASK, arrays, options, "uniform", 1)

    whole = record(tmp_path / "whole")
    parts = record(tmp_path / "parts", stop_after=2)
    for name in ("epochs", "best_epoch", "best_dev", "test"):
        assert parts[name] == pytest.approx(whole[name]), name


def test_examples_are_drawn_by_the_seed_and_kept_apart(texts):
    options = argparse.Namespace(num_train=50, num_dev=20, num_test=30)

    class Task:
        usable = staticmethod(lambda data: np.arange(100))
        num_test = staticmethod(lambda data: 70)

    train, dev, test = runner.choose_examples(Task, None, options, seed=0)
    assert (len(train), len(dev), len(test)) == (50, 20, 30)
    assert not set(train) & set(dev)
    other_train, _, other_test = runner.choose_examples(Task, None, options, 1)
    assert other_train.tolist() != train.tolist()
    assert other_test.tolist() == test.tolist()
