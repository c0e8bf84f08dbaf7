"""What downstream models predict: from their graphs, at their best epoch."""

import keras
import numpy as np
import pytest
from experiment.comparison import runner
from experiment.comparison import training
from experiment.images.cifar10 import Cifar10Task
from experiment.images.pixel_arms import frozen_predictor
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask
from experiment.text.squad import SquadTask
from keras import ops
from tiny_tasks import TINY
from tiny_tasks import settings_of

from glomo_keras.models import ImageGraphPredictor


def moved_model(task, settings, random):
    """A model with graphs, and inputs: messages enter through weights that are zero."""
    data = task.prepare(settings)
    arm = task.make_arm("learned", 0, settings)
    model = task.build(data, arm, settings)
    moved = [w + 0.1 * random.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(moved)
    (inputs,) = task.batches(data, "test", arm, settings, np.arange(4))[0]
    return model, inputs


def assert_all_differ(outputs, others):
    pairs = zip(keras.tree.flatten(outputs), keras.tree.flatten(others), strict=True)
    for one, other in pairs:
        assert abs(ops.convert_to_numpy(one - other)).max() > 1e-5


@pytest.mark.parametrize("site", ["embeddings", "rnn_states"])
@pytest.mark.parametrize("task_class", [ImdbTask, NliTask, SquadTask])
def test_a_reader_reads_the_graphs(
    task_class, site, random, predictor_folder, tmp_path
):
    task = task_class()
    where = ["--output", tmp_path, "--predictor", predictor_folder, "--graph-on", site]
    model, inputs = moved_model(task, settings_of(task, *where, *TINY), random)
    without = {n: 0 * a if n.endswith("_graphs") else a for n, a in inputs.items()}
    assert_all_differ(model(inputs), model(without))


@pytest.mark.parametrize("site", ["pixels", "stem"])
def test_an_image_model_reads_the_graphs(site, random, tmp_path):
    ImageGraphPredictor(6, 2, 3, num_convolutions=1).save_to_preset(tmp_path / "preset")
    task = Cifar10Task()
    where = ["--output", tmp_path, "--predictor", tmp_path / "preset"]
    size = ["--size", "smoke", "--image-size", 4, "--graph-on", site]
    model, inputs = moved_model(task, settings_of(task, *where, *size), random)
    expected = model(inputs)
    if site == "pixels":  # messages are inputs
        inputs = {n: a if n == "images" else 0 * a for n, a in inputs.items()}
    else:
        predictor = frozen_predictor(str(tmp_path / "preset"))
        predictor.set_weights([2 * w for w in predictor.get_weights()])
    assert_all_differ(expected, model(inputs))


def test_a_run_is_tested_at_its_best_epoch_on_other_examples(
    predictor_folder, tmp_path, monkeypatch
):
    task, seen = ImdbTask(), []
    where = ["--output", tmp_path, "--predictor", predictor_folder]
    settings = settings_of(task, *where, *TINY)
    texts = task.prepare(settings)
    _, dev, test = task.choose_examples(texts, settings, 0)

    def score_dev(task, data, split, arm, settings, model, examples):
        assert split == "train" and examples.tolist() == dev.tolist()
        seen.append(model.get_weights())
        return {"accuracy": np.array([1.0 / len(seen)])}

    def score_test(task, data, split, arm, settings, model, examples):
        assert split == "test" and examples.tolist() == test.tolist()
        for one, other in zip(model.get_weights(), seen[0], strict=True):
            np.testing.assert_array_equal(one, other)
        return {"accuracy": np.linspace(0, 1, len(test))}

    monkeypatch.setattr(training, "score", score_dev)
    monkeypatch.setattr(runner, "score", score_test)
    record = runner.run(task, texts, settings, "none", 0)
    assert (record["best_epoch"], record["epochs"], len(seen)) == (1, 2, 2)
    assert record["test"]["accuracy"] == pytest.approx(0.5)


def test_accuracy_counts_the_labels_that_are_highest(monkeypatch):
    task = ImdbTask()
    labels = np.array([1, 0, 1, 1]), None
    monkeypatch.setattr(task, "targets", lambda texts, split: labels)
    logits = np.array([[0.1, 0.9], [0.2, 0.7], [0.3, 0.1]])
    scores = task.score(logits, None, "test", np.array([0, 1, 3]))
    assert scores["accuracy"].tolist() == [1.0, 0.0, 0.0]


def test_options_reach_the_transfer(tmp_path):
    flags = "--num-mixtures 3 --message-dim 5 --no-composed --residual --unconditional"
    arguments = [*flags.split(), "--graph-dropout", 0.25]
    settings = settings_of(ImdbTask(), "--output", tmp_path, *arguments)
    assert settings.transfer_arguments() == {
        "num_mixtures": 3,
        "message_dim": 5,
        "composed": False,
        "residual": True,
        "conditional": False,
        "dropout": 0.25,
    }
