"""A pretraining run: its folder, its arrays, its optimizer and `fit`."""

import contextlib
import json

import keras

from experiment.devices import check_prepares_alone
from experiment.folders import differences
from experiment.folders import hold
from experiment.folders import identify_arrays
from experiment.folders import read_array_settings
from experiment.folders import read_json
from experiment.pretraining.epoch_log import cut_log
from experiment.pretraining.epoch_log import has_rows
from experiment.pretraining.progress import EpochLine
from experiment.pretraining.progress import StepLine
from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.callbacks import ResumableCheckpoint
from glomo_keras.files import write_json

# What may change from one start of a run to the next: where things lie, what is drawn,
# when the run ends, and the devices, which train the same but for dropout. Everything
# else changes the epochs themselves.
CHANGEABLE = (
    "output",
    "prepared",
    "shards",
    "prepare_only",
    "resume",
    "patience",
    "save_every",
    "stop_after",
    "pictures_every",
    "strategy",
)
# What runs did before there was the setting.
EARLIER = {"precision": "float32", "objective": "units"}


@contextlib.contextmanager
def held_run(settings, devices):
    """Hold the folder of a run, which must be unused or one to go on with.

    Of several workers the one that writes holds it, for all.

    Raises:
        UsageError: if another process holds the folder; if it has a run and --resume
            was not given; or if that run has other settings, which are named.
    """
    with contextlib.ExitStack() as stack:
        if devices.writes:
            stack.enter_context(hold(settings.output))
        if _is_used(settings.output):
            _check_resumable(settings)
        elif settings.resume:
            print(f"{settings.output} holds no run to resume: one is begun.")
        yield


def _is_used(folder):
    return (folder / "checkpoints" / "CURRENT").exists() or has_rows(folder / "log.csv")


def _check_resumable(settings):
    if not settings.resume:
        raise UsageError(
            f"{settings.output} holds a run already. Give --resume to go on with it, "
            "another --output to train another, or remove the folder."
        )
    given = {k: v for k, v in settings.to_json().items() if k not in CHANGEABLE}
    earlier = read_json(settings.output / "settings.json")
    for name in EARLIER.keys() & given.keys():
        earlier.setdefault(name, EARLIER[name])
    other = differences(earlier, given)
    if other:
        raise UsageError(
            f"{settings.output} holds a run with other settings ({other}). Resume it "
            "with its own settings, or give another --output."
        )


def write_settings(settings):
    """Write settings.json of the run, with what identifies its arrays.

    Raises:
        UsageError: if the run was begun with other arrays.
    """
    path = settings.output / "settings.json"
    arrays = identify_arrays(settings.prepared)
    if _is_used(settings.output):
        earlier = read_json(path).get("arrays", arrays)
        if earlier != arrays:
            raise UsageError(
                f"{settings.output} holds a run on other arrays than those of "
                f"{settings.prepared}. Give the --prepared or the data of that run, or "
                "another --output."
            )
    write_json(path, {**settings.to_json(), "arrays": arrays})


def prepare_once(settings, description, write):
    """Have the arrays written, unless they are there.

    Args:
        settings: `PretrainingSettings`.
        description: dict, what decides the arrays: `metadata.json` beside them holds it
            under `settings`, or more than it. The entry `sources` identifies the
            data, and is `None` where they are not at hand.
        write: function without arguments, that writes the arrays.

    Raises:
        UsageError: if the folder holds arrays of other settings or of other data, if
            the data cannot be read, or if another process writes the arrays.
    """
    if not _has_arrays(settings, description):
        check_prepares_alone(settings.strategy, settings.prepared)
        with hold_prepared(settings):
            if not _has_arrays(settings, description):
                with usage_errors():
                    write()


def _has_arrays(settings, description):
    folder = settings.prepared
    try:
        array_settings = read_array_settings(folder)
    except UsageError:  # written last: the arrays are not whole, and written again
        return False
    description = json.loads(json.dumps(description))
    note = ""
    if settings.resume and _is_used(settings.output):
        # Such a run goes on with its own arrays, whatever has become of the data.
        del description["sources"]
    elif description["sources"] is None:
        del description["sources"]
        note = (
            " The data are not here: whether they still are the same was not checked."
        )
    other = differences(array_settings, description)
    if other:
        raise UsageError(
            f"{folder} holds arrays of other settings ({other}). Give another "
            "--prepared or --output, or the options and data of those arrays."
        )
    print(f"Arrays of {folder} are used.{note}")
    return True


def hold_prepared(settings):
    """Return a context that holds the folder of the arrays, where it is another one."""
    if settings.prepared.resolve() == settings.output.resolve():
        return contextlib.nullcontext()
    return hold(settings.prepared)


def warmup_and_cosine(highest, steps, warmup):
    """Return a rate that rises to its highest, in a fifth of all steps at most."""
    warmup = min(warmup, steps // 5)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - warmup),
        alpha=0.05,
        warmup_target=highest,
        warmup_steps=warmup,
    )


def compile_pretrainer(pretrainer, settings):
    """Compile with a rate that rises to its highest and falls along a cosine."""
    steps = settings.epochs * settings.steps_per_epoch
    rate = warmup_and_cosine(settings.learning_rate, steps, settings.warmup)
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=0.2, global_clipnorm=settings.clip_norm
        )
    else:
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=settings.clip_norm)
    # Batches have one shape, so that XLA compiles once. It knows but one device.
    jit_compile = not settings.no_jit and settings.strategy == "none"
    pretrainer.compile(optimizer, jit_compile=jit_compile)
    # Or else TensorFlow traces the first step twice, with and without making these.
    pretrainer.optimizer.build(pretrainer.trainable_variables)


def restore_checkpoint(
    settings,
    pretrainer,
    monitor,
    program,
    devices,
    vocabulary=None,
    part="graph_predictor",
):
    """Return the callback that saves the run's state, after loading what it saved.

    It saves the preset of the best epoch as well. `state["epochs"]` of it is the number
    of epochs that are finished.

    Args:
        settings: `PretrainingSettings`.
        pretrainer: a compiled model.
        monitor: str, the logged value that should fall.
        program: str, for the preset's metadata.
        devices: `Devices`.
        vocabulary: path of the preset's vocabulary, or `None`.
        part: str, the attribute of the pretrainer that becomes the preset, or `None`
            for no preset.

    Raises:
        UsageError: if the checkpoint is damaged.
    """
    training = {"program": program, **settings.to_json()}
    for place in ("output", "prepared", "shards", "resume"):  # of this machine alone
        training.pop(place, None)

    def save_preset(model):
        if part is None:
            return
        # The epoch that ends: `state` counts it once it is saved.
        notes = {**training, "best_epoch": checkpoint.state["epochs"] + 1}
        if hasattr(model, "describe_heads"):  # as the validation has left them
            notes["heads"] = model.describe_heads()  # sums over all workers
        if not devices.writes:
            return
        getattr(model, part).save_to_preset(
            settings.output / "preset", vocabulary, training=notes
        )

    checkpoint = ResumableCheckpoint(
        settings.output / "checkpoints",
        monitor,
        settings.patience,
        on_best=save_preset,
        save_every=settings.save_every,
        writes=devices.writes,
    )
    try:
        checkpoint.restore(pretrainer)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return checkpoint


def fit(
    pretrainer,
    batches,
    valid,
    settings,
    checkpoint,
    devices,
    describe,
    step_size,
    callbacks=(),
):
    """Train the epochs that are left, with a line an epoch, logs and checkpoints.

    Of several workers one writes; all print.

    Args:
        pretrainer: a compiled model.
        batches: endless `keras.utils.PyDataset` that shuffles itself and has a
            `first_step`.
        valid: array or dict of arrays, for validation.
        settings: `PretrainingSettings`.
        checkpoint: callback of `restore_checkpoint`.
        devices: `Devices`.
        describe: function of the logs, for the line of an epoch.
        step_size: pair of an int and a string: how many of what a step reads.
        callbacks: more of them, such as pictures.

    Raises:
        FloatingPointError: if the training diverges. The last good checkpoint stays.
        UsageError: if a file cannot be read or written. It tells what is saved.
    """
    first_epoch = checkpoint.state["epochs"]
    if checkpoint.is_out_of_patience:
        print(
            f"The run has stopped early, after epoch {first_epoch}: no better "
            f"{checkpoint.monitor} for {settings.patience} epochs. Nothing is trained."
        )
        return
    if first_epoch >= settings.last_epoch:
        print(f"The run has finished its {first_epoch} epochs. Nothing is trained.")
        return

    def describe_step(epoch, step):
        number = (epoch - 1) * settings.steps_per_epoch + step - 1
        number += checkpoint.steps_before
        return _describe_batch(batches, number, settings) + _describe_saved(checkpoint)

    nan = RaiseOnNaN(describe_step)
    steps = StepLine(settings.epochs, settings.steps_per_epoch, step_size)
    run_callbacks = [nan, steps, EpochLine(settings.epochs, describe), checkpoint]
    if devices.writes:
        run_callbacks[1:1] = _logs(settings, first_epoch)
    if not devices.has_workers:  # which would have to draw together
        run_callbacks += callbacks
    with _file_errors(batches, checkpoint):
        checkpoint.fit(
            pretrainer,
            batches,
            settings.last_epoch,
            settings.steps_per_epoch,
            run_callbacks,
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
        raise UsageError(
            f"{reason}. The training stops. {_describe_saved(checkpoint)} What is "
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


def _describe_saved(checkpoint):
    """Say what a training that has diverged leaves."""
    epochs, steps = checkpoint.state["epochs"], checkpoint.state["steps"]
    if not epochs and not steps:
        return "There is no checkpoint yet."
    place = f"epoch {epochs + 1}, step {steps}" if steps else f"epoch {epochs}"
    return f"The last good checkpoint, of {place}, is in {checkpoint.directory}."


def _logs(settings, first_epoch):
    """Return the callbacks that write log.csv and what TensorBoard shows."""
    log = settings.output / "log.csv"
    cut_log(log, first_epoch)
    logs = [keras.callbacks.CSVLogger(log, append=True)]
    if keras.backend.backend() == "tensorflow":
        folder = settings.output / "logs"
        logs.append(keras.callbacks.TensorBoard(folder, write_graph=False))
    return logs
