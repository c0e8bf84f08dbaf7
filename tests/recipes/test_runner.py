"""Runs of the tasks on toys: training, resuming, records."""

import dataclasses
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
from experiment.comparison import training
from experiment.comparison.settings import Settings
from experiment.comparison.task import Task
from experiment.process import UsageError
from experiment.text.imdb import ImdbTask
from experiment.text.text_batches import TextBatches
from tiny_tasks import TINY
from tiny_tasks import settings_of

from glomo_keras.locking import held_alone


@pytest.mark.parametrize(
    "module, site",
    [
        (nli, "rnn_states"),
        (squad, "embeddings"),
    ],
)
def test_a_task_trains_and_leaves_a_record(module, site, predictor_folder, tmp_path):
    arguments = ["--predictor", str(predictor_folder), "--graph-on", site]
    arguments += [*TINY, "--graph", "learned"]
    module.main([*arguments, "--output", str(tmp_path)])
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["arm"] == "learned" and record["graph_on"] == site
    assert record["num_train"] == 32 and record["epochs"] == 2
    with np.load(tmp_path / record["scores"]) as scores:
        assert len(scores["examples"]) == 16
        for metric, value in record["test"].items():
            assert scores[metric].mean() == pytest.approx(value)
    assert not any((tmp_path / "runs").iterdir())


def test_padding_and_batch_do_not_change_predictions(predictor_folder, tmp_path):
    """What a text gets does not depend on the length that its batch is padded to."""
    predictions = []
    for length in ("24", "32"):
        task = ImdbTask()
        settings = settings_of(
            task,
            *["--output", tmp_path / length, "--length", length, *TINY],
            *["--predictor", predictor_folder],
        )
        texts = task.prepare(settings)
        keras.utils.set_random_seed(0)
        arm = task.make_arm("learned", 0, settings)
        model = task.build(texts, arm, settings)
        batches = TextBatches(texts, "test", arm, np.arange(16), batch_size=7)
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
        # Where the paper has nothing there is no column of it.
        assert row.endswith(f"| {paper} |" if paper else " of 2 |")
    with pytest.raises(SystemExit, match="epochs: 2, not 3"):
        compare.main([*arguments, "--epochs", "3"])
    compare.main([*arguments, "--plan"])
    assert "h a run" in capsys.readouterr().out


def test_a_recipe_does_not_repeat_a_run(predictor_folder, tmp_path, capsys):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += [*TINY, "--graph", "none", "--epochs", "1"]
    imdb.main(arguments)
    imdb.main(arguments)
    assert " is a line of" in capsys.readouterr().out
    assert len(records.read_runs(tmp_path)) == 1
    with pytest.raises(SystemExit, match="learning_rate: 0.003, not 0.1"):
        imdb.main([*arguments, "--learning-rate", "0.1"])


def test_another_predictor_is_refused_where_it_was_used(predictor_folder, tmp_path):
    settings = settings_of(
        ImdbTask(), "--output", tmp_path, "--predictor", predictor_folder
    )
    none, learned = (
        {"arm": arm, "settings": settings.recorded(arm)} for arm in ("none", "learned")
    )
    other = dataclasses.replace(settings, predictor="glomo_text_small_en")
    records.check_settings([none], other)
    with pytest.raises(ValueError, match="predictor: .* not 'glomo_text_small_en"):
        records.check_settings([learned], other)


def test_an_option_that_is_not_given_any_more_is_refused(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    settings = settings_of(ImdbTask(), *arguments, "--residual")
    other = dataclasses.replace(settings, residual=False)
    run = {"arm": "none", "settings": settings.recorded("none")}
    records.check_settings([run], settings)
    with pytest.raises(ValueError, match="residual: True, not None"):
        records.check_settings([run], other)
    folder = tmp_path / "run"
    training.start_or_go_on(folder, settings.recorded("none"), writes=True)
    with pytest.raises(ValueError, match="residual: True, not None"):
        training.start_or_go_on(folder, other.recorded("none"), writes=True)


def test_an_arm_that_is_named_twice_runs_once():
    arguments = ["imdb", "--output", "runs", "--arms", "none", "matched", "none"]
    assert compare.parse_arguments(arguments).arms == ("none", "matched")


def test_a_killed_run_goes_on_and_ends_as_it_would_have(
    predictor_folder, tmp_path, monkeypatch
):
    def record(folder, stop_after=None):
        task = ImdbTask()
        settings = settings_of(
            task,
            *["--output", folder, *TINY, "--epochs", "3", "--dropout", "0.3"],
            *["--predictor", predictor_folder],
        )
        texts = task.prepare(settings)
        if stop_after:

            class Killed(Exception):
                pass

            def kill(self, epoch, logs=None):
                if epoch + 1 == stop_after:
                    raise Killed

            with monkeypatch.context() as patched:
                # The last of the callbacks: the checkpoint is written.
                patched.setattr(training.SpentSeconds, "on_epoch_end", kill)
                with pytest.raises(Killed):
                    runner.run(task, texts, settings, "uniform", 1)
            other = dataclasses.replace(settings, dropout=0.0)
            with pytest.raises(ValueError, match="begun with other settings .dropout"):
                runner.run(task, texts, other, "uniform", 1)
        return runner.run(task, texts, settings, "uniform", 1)

    whole = record(tmp_path / "whole")
    parts = record(tmp_path / "parts", stop_after=2)
    for name in ("epochs", "best_epoch", "best_dev", "test"):
        assert parts[name] == pytest.approx(whole[name]), name


class Numbers(Task):
    """A task without texts: a hundred examples to train on, seventy to test on."""

    add_options = prepare = identify_data = make_arm = build = batches = score = None

    def usable_examples(self, data):
        return np.arange(100)

    def num_test_examples(self, data):
        return 70


def test_examples_are_drawn_by_the_seed_and_kept_apart():
    names = [field.name for field in dataclasses.fields(Settings)]
    settings = Settings(
        **dict.fromkeys(names) | {"num_train": 50, "num_dev": 20, "num_test": 30}
    )
    train, dev, test = Numbers().choose_examples(None, settings, seed=0)
    assert (len(train), len(dev), len(test)) == (50, 20, 30)
    assert not set(train) & set(dev)
    other_train, _, other_test = Numbers().choose_examples(None, settings, seed=1)
    assert other_train.tolist() != train.tolist()
    assert other_test.tolist() == test.tolist()


def test_a_task_without_a_method_cannot_be_made():
    class Unscored(Task):
        add_options = prepare = identify_data = make_arm = build = batches = None
        usable_examples = num_test_examples = None

    with pytest.raises(TypeError, match="score"):
        Unscored()


def test_a_loss_that_is_not_finite_is_no_result(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), *TINY, "--graph", "none"]
    arguments += ["--predictor", str(predictor_folder), "--learning-rate", "1e30"]
    with pytest.raises(SystemExit, match="epoch 1, step"):
        imdb.main(arguments)
    assert records.read_runs(tmp_path) == []
    assert not (tmp_path / "scores").exists()


def test_predictions_that_are_not_finite_are_no_result():
    training.check_finite({"start": np.zeros(3), "end": np.ones(3)}, "a run")
    with pytest.raises(FloatingPointError, match="a run: a prediction is not finite"):
        training.check_finite(
            {"start": np.zeros(3), "end": np.array([np.inf])}, "a run"
        )


def test_two_processes_do_not_share_an_output(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), *TINY]
    arguments += ["--predictor", str(predictor_folder)]
    with held_alone(tmp_path):
        with pytest.raises(SystemExit, match="is in use by process"):
            imdb.main([*arguments, "--graph", "none"])
        with pytest.raises(SystemExit, match="is in use by process"):
            compare.main(["imdb", *arguments])


def test_settings_that_cannot_be_run_are_named(tmp_path):
    for option, value in (("--epochs", 0), ("--batch-size", -1), ("--top-k", 0)):
        with pytest.raises(UsageError, match="must be a positive integer"):
            settings_of(ImdbTask(), "--output", tmp_path, option, value)
    with pytest.raises(SystemExit):
        imdb.main(["--output", str(tmp_path), "--seeds", "0"])


def test_what_the_library_says_of_files_is_one_line(predictor_folder, tmp_path):
    (tmp_path / "train.jsonl").write_bytes("{}".encode("utf-16"))
    (tmp_path / "test.jsonl").write_text("{}", encoding="utf-8")
    arguments = ["--output", str(tmp_path / "runs"), "--data", str(tmp_path)]
    with pytest.raises(SystemExit, match="error: .*must be UTF-8"):
        imdb.main([*arguments, "--predictor", str(predictor_folder)])
    with pytest.raises(SystemExit, match="error: The graph predictor must be a preset"):
        imdb.main([*arguments, "--predictor", "glomo_image_small"])


def write_reviews(folder, num_train):
    for name, count in (("train", num_train), ("test", 4)):
        rows = [{"text": f"a film {n}", "label": n % 2} for n in range(count)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def test_runs_on_other_data_are_refused(predictor_folder, tmp_path):
    arguments = ["imdb", "--output", str(tmp_path / "runs"), "--data", str(tmp_path)]
    arguments += ["--predictor", str(predictor_folder), *TINY, "--epochs", "1"]
    arguments += ["--arms", "none"]
    write_reviews(tmp_path, 24)
    compare.main([*arguments, "--seeds", "1", "--prepare-only"])
    assert records.read_runs(tmp_path / "runs") == []
    compare.main([*arguments, "--seeds", "1"])
    (run,) = records.read_runs(tmp_path / "runs")
    assert [source.get("name") for source in run["data"]] == [
        "train.jsonl",
        "test.jsonl",
        None,
    ]
    write_reviews(tmp_path, 30)
    with pytest.raises(SystemExit, match="holds runs on other data"):
        compare.main([*arguments, "--seeds", "2"])
    assert len(records.read_runs(tmp_path / "runs")) == 1


def test_data_without_enough_examples_are_named(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path / "runs"), "--data", str(tmp_path)]
    arguments += ["--predictor", str(predictor_folder), *TINY, "--graph", "none"]
    write_reviews(tmp_path, 2)
    with pytest.raises(SystemExit, match="no example to choose the epoch by: of train"):
        imdb.main(arguments)
