"""The folder of a run: who holds it, and whether a run in it may go on."""

import contextlib

from glomo_keras import files
from glomo_keras.locking import held_alone
from glomo_keras.pretraining.epoch_log import has_rows

SETTINGS_FILE = "settings.json"


@contextlib.contextmanager
def hold(folder):
    """Make a folder and hold it, so that no other process works in it.

    Args:
        folder: `pathlib.Path`.

    Raises:
        ValueError: if another process holds it; names that process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held_alone(folder))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        files.remove_unfinished(folder)
        yield


def is_used(folder):
    """Return whether a folder holds a run: a checkpoint, or a finished epoch."""
    return (folder / "checkpoints" / "CURRENT").exists() or has_rows(folder / "log.csv")


def check_unused(folder):
    """Raise ValueError where a folder holds a run."""
    if is_used(folder):
        raise ValueError(
            f"{folder} holds a run already. Give --resume to go on with it, another "
            "--output to train another, or remove the folder."
        )


def check_same_settings(folder, saved, given):
    """Raise ValueError where a run has other settings than those of the command line.

    Args:
        folder: path of the run.
        saved: dict, its settings.
        given: dict, the settings that must be the same.
    """
    other = differences(saved, given)
    if other:
        raise ValueError(
            f"{folder} holds a run with other settings ({other}). Resume it with its "
            "own settings, or give another --output."
        )


def read_object(path):
    """Return the dict in a JSON file.

    Raises:
        ValueError: if the file is missing or damaged.
    """
    try:
        value = files.read_json(path)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(
            f"{path} is missing or damaged ({error}). Restore it, or give another "
            "folder."
        ) from error
    return value


def differences(saved, given):
    """Return in words what differs between two dicts of settings; "" if nothing does.

    Args:
        saved: dict, those on disk.
        given: dict, those of the command line; what only `saved` has is not compared.

    Example:

    >>> differences({"seed": 0, "epochs": 3}, {"seed": 7})
    'seed: 0, not 7'
    """
    return ", ".join(
        f"{name}: {saved.get(name)!r}, not {value!r}"
        for name, value in given.items()
        if saved.get(name) != value
    )
