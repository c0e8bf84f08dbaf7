"""A pretraining run: its folder, its arrays, its optimizer and `fit`."""

import contextlib
import functools
import importlib.util
import json

import keras

from experiment.devices import check_prepares_alone
from experiment.folders import hold
from experiment.folders import identify_arrays
from experiment.folders import read_array_settings
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.files import write_json
from glomo_keras.pretraining import optimization
from glomo_keras.pretraining import run_folder
from glomo_keras.pretraining import training
from glomo_keras.pretraining.epoch_log import csv_logger
from glomo_keras.pretraining.run_folder import differences

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
        if run_folder.is_used(settings.output):
            with usage_errors():
                _check_resumable(settings)
        elif settings.resume:
            print(f"{settings.output} holds no run to resume: one is begun.")
        yield


def _check_resumable(settings):
    if not settings.resume:
        run_folder.check_unused(settings.output)
    given = {k: v for k, v in settings.to_json().items() if k not in CHANGEABLE}
    earlier = read_json(settings.output / "settings.json")
    for name in EARLIER.keys() & given.keys():
        earlier.setdefault(name, EARLIER[name])
    run_folder.check_same_settings(settings.output, earlier, given)


def write_settings(settings):
    """Write settings.json of the run, with what identifies its arrays.

    Raises:
        UsageError: if the run was begun with other arrays.
    """
    path = settings.output / "settings.json"
    arrays = identify_arrays(settings.prepared)
    if run_folder.is_used(settings.output):
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
    if settings.resume and run_folder.is_used(settings.output):
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


def compile_pretrainer(pretrainer, settings):
    """Compile with a rate that rises to its highest and falls along a cosine."""
    make_optimizer = keras.optimizers.Adam
    if settings.optimizer == "sgd":
        make_optimizer = functools.partial(keras.optimizers.SGD, momentum=0.2)
    # XLA knows but one device.
    jit_compile = not settings.no_jit and settings.strategy == "none"
    optimization.compile_pretrainer(pretrainer, settings, make_optimizer, jit_compile)


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

    See `glomo_keras.pretraining.training.restore_checkpoint`.

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
    notes = {"program": program, **settings.to_json()}
    for place in ("output", "prepared", "shards", "resume"):  # of this machine alone
        notes.pop(place, None)
    with usage_errors():
        return training.restore_checkpoint(
            settings, pretrainer, monitor, notes, vocabulary, part, devices.writes
        )


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
    """Train the epochs that are left; see `glomo_keras.pretraining.training.fit`.

    Of several workers one writes; all print.

    Args:
        pretrainer, batches, valid, settings, checkpoint, describe, step_size,
            callbacks: see there.
        devices: `Devices`.
    """
    if training.is_finished(settings, checkpoint):
        return
    logs = _logs(settings, checkpoint.state["epochs"]) if devices.writes else ()
    if devices.has_workers:  # which would have to draw together
        callbacks = ()
    training.fit(
        pretrainer,
        batches,
        valid,
        settings,
        checkpoint,
        describe,
        step_size,
        logs,
        callbacks,
    )


def _logs(settings, first_epoch):
    """Return the callbacks that write log.csv and, where it can, for TensorBoard."""
    logs = [csv_logger(settings.output / "log.csv", first_epoch)]
    is_tensorflow = keras.backend.backend() == "tensorflow"
    if is_tensorflow and importlib.util.find_spec("tensorboard"):
        folder = settings.output / "logs"
        logs.append(keras.callbacks.TensorBoard(folder, write_graph=False))
    return logs
