"""What a checkpoint holds of a training that was stopped, and what can befall it."""

import errno
import json
import shutil
import types

import keras
import numpy as np
import pytest

from glomo_keras.callbacks import ResumableCheckpoint


def make(folder, optimizer="adam", units=1, patience=2):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    checkpoint = ResumableCheckpoint(folder, "error", patience, on_best=print)
    checkpoint.set_model(model)
    return model, checkpoint


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoint of one epoch, its model, and the callback."""
    model, checkpoint = make(tmp_path / "checkpoints")
    checkpoint.on_epoch_end(0, {"error": np.float32(0.5)})
    return tmp_path / "checkpoints", model, checkpoint


def test_early_stopping_outlives_the_process(tmp_path):
    model, checkpoint = make(tmp_path)
    for epoch, error in enumerate([0.5, 0.6, 0.7]):
        assert not checkpoint.is_out_of_patience
        checkpoint.on_epoch_end(epoch, {"error": np.float32(error)})
    assert model.stop_training
    later, again = make(tmp_path)
    assert not again.is_out_of_patience
    assert again.restore(later) == 3
    assert again.is_out_of_patience and again.state["best_epoch"] == 1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"CURRENT", "epoch_0003.npz", "epoch_0003.weights.h5"}


def test_an_error_that_stays_the_same_is_no_better_one(tmp_path):
    model, checkpoint = make(tmp_path)
    for epoch in range(3):
        checkpoint.on_epoch_end(epoch, {"error": np.float32(0.5)})
    assert checkpoint.state["best_epoch"] == 1 and model.stop_training


def assert_first_epoch_is_there(folder, model):
    other, checkpoint = make(folder)
    assert checkpoint.restore(other) == 1
    for one, two in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_full_disk_leaves_the_last_checkpoint(saved, monkeypatch):
    folder, model, checkpoint = saved
    with monkeypatch.context() as patched:
        full = types.SimpleNamespace(free=1_000)
        patched.setattr(shutil, "disk_usage", lambda path: full)
        with pytest.raises(OSError, match="too little free space") as raised:
            checkpoint.on_epoch_end(1, {"error": 0.4})
    assert raised.value.errno == errno.ENOSPC
    assert_first_epoch_is_there(folder, model)


@pytest.mark.parametrize("step", ["save_weights", "savez", "CURRENT"])
def test_an_interrupted_save_leaves_the_last_checkpoint(saved, monkeypatch, step):
    folder, model, checkpoint = saved

    def interrupt(path, *_, **__):
        path.write_text("half")
        (folder / ".writing-1-archives").mkdir()  # what `on_best` may be writing
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if step == "save_weights":
            patched.setattr(model, "save_weights", interrupt)
        elif step == "savez":
            patched.setattr(np, "savez", interrupt)
        else:
            module = "glomo_keras.callbacks.resumable_checkpoint.write_json"
            patched.setattr(module, lambda *_: interrupt(folder / ".writing-1-CURRENT"))
        checkpoint.on_epoch_end(1, {"error": 0.4})
    assert_first_epoch_is_there(folder, model)
    checkpoint.on_epoch_end(1, {"error": 0.4})  # clears away what was left
    assert sorted(path.name for path in folder.iterdir()) == [
        "CURRENT",
        "epoch_0002.npz",
        "epoch_0002.weights.h5",
    ]


def test_other_files_of_the_folder_stay(saved):
    folder, _, checkpoint = saved
    (folder / "epoch_pictures").mkdir()
    others = ["epoch_001_layer_0.png", "epoch_0001.png", "epoch_0001_step_7.npz"]
    for name in others:
        (folder / name).write_text("mine")
    own = ["epoch_0001_step_000007.npz", "epoch_12345.weights.h5"]
    for name in own:
        (folder / name).write_text("old")
    checkpoint.on_epoch_end(1, {"error": 0.4})
    assert {path.name for path in folder.iterdir()} == {
        *("CURRENT", "epoch_0002.npz", "epoch_0002.weights.h5", "epoch_pictures"),
        *others,
    }


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_epoch_that_is_not_finite_is_not_saved(saved, value):
    folder, model, checkpoint = saved
    with pytest.raises(FloatingPointError, match="`error` is (nan|inf) after epoch 2"):
        checkpoint.on_epoch_end(1, {"error": value})
    assert_first_epoch_is_there(folder, model)


@pytest.mark.parametrize("step", [None, 4])
def test_weights_that_are_not_finite_are_not_saved(saved, step):
    """Those that the last update broke: no loss is computed from them yet."""
    folder, model, checkpoint = saved
    good = [weight.copy() for weight in model.get_weights()]
    checkpoint.save_every = step
    checkpoint.set_params({"steps": 9})
    checkpoint.on_epoch_begin(1)
    model.layers[-1].bias.assign([np.inf])
    with pytest.raises(FloatingPointError, match="weight .*bias is not finite after"):
        if step is None:
            checkpoint.on_epoch_end(1, {"error": 0.4})
        else:
            checkpoint.on_train_batch_end(step - 1)
    model.set_weights(good)
    assert_first_epoch_is_there(folder, model)


def objects(path):
    np.savez(path, state_0=np.array([{"a": 1}], dtype=object))


@pytest.mark.parametrize(
    "name, damage",
    [
        ("CURRENT", lambda path: path.write_text('{"epochs": 1, "be')),
        ("CURRENT", lambda path: path.write_text("[1]")),
        ("CURRENT", lambda path: path.write_text('{"epochs": "1"}')),
        ("CURRENT", lambda path: path.write_bytes(b"\xff\xfe\x00")),
        ("CURRENT", lambda path: path.write_text(json.dumps({"epochs": 7}))),
        ("epoch_0001.weights.h5", lambda path: path.write_bytes(b"half")),
        ("epoch_0001.weights.h5", lambda path: path.unlink()),
        ("epoch_0001.npz", lambda path: path.write_bytes(path.read_bytes()[:50])),
        ("epoch_0001.npz", lambda path: np.savez(path)),
        ("epoch_0001.npz", objects),  # which only pickle could read
    ],
)
def test_damaged_files_are_named(saved, name, damage):
    folder, _, _ = saved
    damage(folder / name)
    model, checkpoint = make(folder)
    with pytest.raises(
        ValueError, match=r"checkpoints cannot be loaded: it is damaged"
    ):
        checkpoint.restore(model)
    assert checkpoint.state["epochs"] == 0


@pytest.mark.parametrize("other", [{"units": 3}, {"optimizer": "sgd"}])
def test_the_checkpoint_of_another_model_is_refused(saved, other):
    folder, _, _ = saved
    model, checkpoint = make(folder, **other)
    with pytest.raises(ValueError, match="or that of another model"):
        checkpoint.restore(model)


@pytest.mark.parametrize(
    "patience, error", [(0, ValueError), (-1, ValueError), ("2", TypeError)]
)
def test_patience_is_at_least_one_epoch(tmp_path, patience, error):
    with pytest.raises(error, match=f"`patience` must be.*patience={patience!r}"):
        make(tmp_path / "checkpoints", patience=patience)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("logs", [{"loss": 1.0}, {}, None])
def test_a_monitored_value_that_is_not_logged_is_named(tmp_path, logs):
    _, checkpoint = make(tmp_path)
    with pytest.raises(ValueError, match="monitor='error', and logged are .*`val_...`"):
        checkpoint.on_epoch_end(0, logs)
    assert not list(tmp_path.iterdir())


class Batches(keras.utils.PyDataset):
    """Endless batches that depend on their number alone."""

    first_step = 0
    num_batches = None

    def __getitem__(self, index):
        random = np.random.default_rng(self.first_step + index)
        return random.random((4, 2)), random.random((4, 1))


class Stop(keras.callbacks.Callback):
    """End the process, as it were, before a step of the whole training."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_begin(self, batch, logs=None):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


def train(folder, stop_at=None, epochs=3):
    """Train from the checkpoint on; return the losses and what is left in the end."""
    keras.utils.set_random_seed(3)
    model, _ = make(folder)
    checkpoint = ResumableCheckpoint(
        folder, "loss", 9, on_best=lambda model: None, save_every=3
    )
    first_epoch = checkpoint.restore(model)
    history = keras.callbacks.History()
    callbacks = [checkpoint, history] + [Stop(stop_at)] * (stop_at is not None)
    losses = {}

    class Losses(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            losses[epoch] = logs["loss"] + logs["mae"]

    try:
        checkpoint.fit(model, Batches(), epochs, 7, [*callbacks, Losses()], verbose=0)
    except KeyboardInterrupt:
        assert stop_at is not None
    return first_epoch, losses, checkpoint.state, model


@pytest.mark.parametrize("stop_at", [0, 2, 3, 6, 7, 8, 13, 14, 19])
def test_a_training_goes_on_from_any_step(tmp_path, stop_at):
    """Dropout and the means of the epoch go on, too; a step between is done again."""
    _, losses, state, whole = train(tmp_path / "whole")
    assert state["epochs"] == 3 and state["steps"] == 0
    _, _, left, _ = train(tmp_path / "stopped", stop_at)
    epoch, step = divmod(stop_at, 7)
    assert (left["epochs"], left["steps"]) == (epoch, step // 3 * 3)
    first_epoch, later, state, model = train(tmp_path / "stopped")
    assert first_epoch == epoch and sorted(later) == list(range(epoch, 3))
    assert later == pytest.approx({e: losses[e] for e in later}, abs=1e-6)
    assert int(model.optimizer.iterations) == 21
    for one, other in zip(
        whole.get_weights() + [v.numpy() for v in whole.optimizer.variables],
        model.get_weights() + [v.numpy() for v in model.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(list((tmp_path / "stopped").iterdir())) == 3  # of the last state alone


def test_a_step_beyond_the_epochs_is_left_as_it_is(tmp_path):
    _, _, state, _ = train(tmp_path, stop_at=2 * 7 + 4, epochs=5)
    assert (state["epochs"], state["steps"]) == (2, 3)
    _, losses, state, _ = train(tmp_path, epochs=2)
    assert not losses and (state["epochs"], state["steps"]) == (2, 3)


def test_a_training_that_has_stopped_early_does_not_go_on(tmp_path):
    class Errors(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["error"] = [1.0, 2.0, 3.0, 0.5][epoch]

    best = []
    for _ in range(2):  # the second would be better in its fourth epoch
        model, _ = make(tmp_path)
        checkpoint = ResumableCheckpoint(tmp_path, "error", 2, on_best=best.append)
        checkpoint.restore(model)
        checkpoint.fit(model, Batches(), 4, 2, [Errors(), checkpoint], verbose=0)
        assert (checkpoint.state["epochs"], checkpoint.state["best_epoch"]) == (3, 1)
    assert len(best) == 1


def test_steps_of_one_execution_cannot_be_saved_one_by_one(tmp_path):
    model, _ = make(tmp_path)
    model.compile("adam", "mse", steps_per_execution=4)
    checkpoint = ResumableCheckpoint(tmp_path, "loss", 2, print, save_every=3)
    with pytest.raises(ValueError, match="single steps.*steps_per_execution=4"):
        checkpoint.fit(model, Batches(), 1, 8, [checkpoint], verbose=0)
    checkpoint = ResumableCheckpoint(tmp_path, "loss", 2, on_best=lambda model: None)
    checkpoint.fit(model, Batches(), 1, 8, [checkpoint], verbose=0)
    assert checkpoint.state["epochs"] == 1
