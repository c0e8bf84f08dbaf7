"""The training of a run: what it saves, and `fit` from there on."""

import contextlib

from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.callbacks import ResumableCheckpoint
from glomo_keras.pretraining.progress import EpochLine
from glomo_keras.pretraining.progress import StepLine


def restore_checkpoint(
    settings,
    pretrainer,
    monitor,
    notes,
    vocabulary=None,
    part="graph_predictor",
    writes=True,
):
    """Return the callback that saves the run's state, after loading what it saved.

    It saves the preset of the best epoch as well. `state["epochs"]` of it is the number
    of epochs that are finished.

    Args:
        settings: `RunSettings`.
        pretrainer: a compiled model.
        monitor: str, the logged value that should fall.
        notes: dict for JSON, what the preset's metadata say of the training.
        vocabulary: path of the preset's vocabulary, or `None`.
        part: str, the attribute of the pretrainer that becomes the preset, or `None`
            for no preset.
        writes: bool, whether this process writes: of several workers, one does.

    Raises:
        ValueError: if the checkpoint is damaged.
    """

    def save_preset(model):
        if part is None:
            return
        # The epoch that ends: `state` counts it once it is saved.
        training = {**notes, "best_epoch": checkpoint.state["epochs"] + 1}
        if hasattr(model, "describe_heads"):  # as the validation has left them
            training["heads"] = model.describe_heads()  # sums over all workers
        if not writes:
            return
        getattr(model, part).save_to_preset(
            settings.output / "preset", vocabulary, training=training
        )

    checkpoint = ResumableCheckpoint(
        settings.output / "checkpoints",
        monitor,
        settings.patience,
        on_best=save_preset,
        save_every=settings.save_every,
        writes=writes,
    )
    checkpoint.restore(pretrainer)
    return checkpoint


def is_finished(settings, checkpoint):
    """Return whether nothing is left to train, and say so.

    Args:
        settings: `RunSettings`.
        checkpoint: callback of `restore_checkpoint`.
    """
    first_epoch = checkpoint.state["epochs"]
    if checkpoint.is_out_of_patience:
        print(
            f"The run has stopped early, after epoch {first_epoch}: no better "
            f"{checkpoint.monitor} for {settings.patience} epochs. Nothing is trained."
        )
        return True
    if first_epoch >= settings.last_epoch:
        print(f"The run has finished its {first_epoch} epochs. Nothing is trained.")
        return True
    return False


def fit(
    pretrainer,
    batches,
    valid,
    settings,
    checkpoint,
    describe,
    step_size,
    logs=(),
    callbacks=(),
):
    """Train the epochs that are left, with a line an epoch, logs and checkpoints.

    Args:
        pretrainer: a compiled model.
        batches: endless `keras.utils.PyDataset` that shuffles itself and has a
            `first_step`.
        valid: array or dict of arrays, for validation.
        settings: `RunSettings`.
        checkpoint: callback of `restore_checkpoint`.
        describe: function of the logs, for the line of an epoch.
        step_size: pair of an int and a string: how many of what a step reads.
        logs: callbacks that write what an epoch was like, before it is saved.
        callbacks: more of them, for after that.

    Raises:
        FloatingPointError: if the training diverges. The last good checkpoint stays.
        OSError: if a file cannot be read or written. It tells what is saved.
    """

    def describe_step(epoch, step):
        number = (epoch - 1) * settings.steps_per_epoch + step - 1
        return _describe_batch(batches, number, settings) + describe_saved(checkpoint)

    with _file_errors(batches, checkpoint):
        checkpoint.fit(
            pretrainer,
            batches,
            settings.last_epoch,
            settings.steps_per_epoch,
            [
                RaiseOnNaN(describe_step, checkpoint),
                *logs,
                StepLine(
                    settings.last_epoch,
                    settings.steps_per_epoch,
                    step_size,
                    checkpoint=checkpoint,
                ),
                EpochLine(settings.last_epoch, describe, checkpoint),
                checkpoint,
                *callbacks,
            ],
            validation_data=valid,
            validation_batch_size=settings.batch_size,
            verbose=0,
        )


@contextlib.contextmanager
def _file_errors(batches, checkpoint):
    """Say of a file that failed what is saved; TensorFlow hides which it was."""
    try:
        yield
    except FloatingPointError:
        raise
    except Exception as error:
        reason = getattr(batches, "error", None) or error
        if not isinstance(reason, OSError):
            raise
        raise OSError(
            f"{reason}. The training stops. {describe_saved(checkpoint)} What is "
            "saved is whole: --resume goes on from there."
        ) from error


def _describe_batch(batches, number, settings):
    """Say where the examples of a batch come from, for an error."""
    if not hasattr(batches, "documents"):
        return f"The step read batch {number} of {settings.prepared}. "
    documents = batches.documents(number)
    named = ", ".join(map(str, documents[:10].tolist()))
    more = f" and {len(documents) - 10} more" if len(documents) > 10 else ""
    return (
        f"The step read batch {number}: documents {named}{more}, counted from 0, of "
        f"{settings.prepared}. "
    )


def describe_saved(checkpoint):
    """Say what a training that does not come to its end leaves."""
    epochs, steps = checkpoint.state["epochs"], checkpoint.state["steps"]
    if not epochs and not steps:
        return "There is no checkpoint yet."
    place = f"epoch {epochs + 1}, step {steps}" if steps else f"epoch {epochs}"
    return f"The last good checkpoint, of {place}, is in {checkpoint.directory}."
