"""SavedModels in TF Serving's layout, `DIRECTORY/NAME/VERSION`, written whole."""

import contextlib
import dataclasses
import errno
import hashlib
import pathlib
import shutil
from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from glomo_keras.checks import check_positive_integers
from glomo_keras.export.archive_endpoints import checked_endpoint
from glomo_keras.export.archive_reading import missing_assets
from glomo_keras.files import atomic_folder
from glomo_keras.files import check_free_space
from glomo_keras.files import is_unfinished
from glomo_keras.files import read_json
from glomo_keras.files import write_json
from glomo_keras.locking import locked
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.checks import check_model
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.model_config import variable_bytes
from glomo_keras.models.presets import class_and_arguments

IDENTITY_FILE = pathlib.Path("assets.extra") / "glomo_keras.json"
_PUBLISHING = ".publishing"  # what is whole and on its way to its place
_PROGRAM_BYTES = 2**20  # of a SavedModel, beside its weights
_EXPORTERS = {
    GraphPredictor: "export_graph_predictor",
    ImageGraphPredictor: "export_image_graph_predictor",
    BidirectionalLanguageModel: "export_language_model",
}


@dataclasses.dataclass(frozen=True)
class Archive:
    """What one SavedModel holds.

    Args:
        name: string, of the model: the folder of its versions.
        inputs: list of `tf.TensorSpec`, with names, the batch in the first axis.
        check: function of the inputs that refuses bad ones and returns what the
            endpoints take.
        endpoints: dict from the name of a signature to a function that returns a dict
            of tensors, the batch in the first axis. The first one is the default.
        tracked: models and tables that the endpoints use.
    """

    name: str
    inputs: Sequence
    check: Callable
    endpoints: dict
    tracked: Sequence

    def __post_init__(self):
        check_name(self.name)


def check_backend(what):
    """Raise if Keras does not run on TensorFlow, which writes the files.

    Args:
        what: string, the files.

    Raises:
        ValueError: if it runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{what} are written by TensorFlow. Received: the backend "
            f"{keras.backend.backend()!r}. Save the model as a preset, and export it "
            "in a process with KERAS_BACKEND=tensorflow."
        )


def write_archives(directory, archives, version=None, identity=None):
    """Write the archives of one export, all under one version.

    All of them are written aside first and then renamed, one after the other. Where a
    process is killed between two renames, the next export to the directory does the
    rest. A second writer to the directory waits.

    Args:
        directory: path of the folder of models.
        archives: dict from a kind to an `Archive`.
        version: int or `None`. `None` takes the one after the highest that is there,
            and refuses where that is of another model.
        identity: dict, see `model_identity`, or `None` for no comparison.

    Returns:
        Dict from the kind to the path of the archive, a string.

    Raises:
        ValueError: if the version is there already, the last one is of another model,
            or Keras does not run on TensorFlow.
        FileNotFoundError: if a file that a table reads is gone; nothing is written
            then.
        OSError: if there is no room; nothing is written then.
    """
    check_positive_integers(or_none=True, version=version)
    check_backend("SavedModels")
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    folders = {kind: directory / archive.name for kind, archive in archives.items()}
    with locked(directory):
        _finish_publishing(directory)
        for path in directory.iterdir():
            if is_unfinished(path):
                shutil.rmtree(path, ignore_errors=True)
        version = _choose_version(folders.values(), version, identity)
        check_free_space(directory, _estimated_bytes(archives.values()))
        with atomic_folder(directory / _PUBLISHING) as aside:
            for archive in archives.values():
                folder = aside / archive.name / version
                with _full_disk_is_an_os_error(directory):
                    _write_archive(archive, folder, identity)
        _finish_publishing(directory)
    return {kind: str(folder / version) for kind, folder in folders.items()}


def check_name(name):
    """Raise ValueError where the name of a model is a path."""
    if pathlib.PurePath(name).name != name or name in ("", ".."):
        raise ValueError(
            "`name` must be the name of a folder or file, without a path. Received: "
            f"{name!r}."
        )


def check_exported_model(name, model, model_class):
    """Raise TypeError unless a model is of the class that a function exports."""
    others = [
        exporter
        for other_class, exporter in _EXPORTERS.items()
        if isinstance(model, other_class)
    ]
    check_model(name, model, model_class, f"Use {others[0]}." if others else None)


def model_identity(model, vocabulary=None):
    """Return what all versions of an archive have in common: all but the weights."""
    fingerprint = None
    if vocabulary is not None:
        fingerprint = hashlib.sha256(vocabulary.file_content()).hexdigest()[:16]
    return {**class_and_arguments(model), "vocabulary": fingerprint}


def _finish_publishing(directory):
    """Put archives that are whole, and still aside, in their places."""
    aside = directory / _PUBLISHING
    for source in sorted(aside.glob("*/*")):
        target = directory / source.relative_to(aside)
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            raise ValueError(
                f"{target} is there already, and {source} was to become it. Remove "
                "one of them."
            )
        source.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _choose_version(folders, version, identity):
    """Return the version that all the folders get, as a string."""
    versions = {
        int(path.name)
        for folder in folders
        for path in folder.glob("*")
        if path.name.isdecimal()
    }
    following = max(versions, default=0) + 1
    if version is None:
        for folder in folders:
            _check_identity(folder / str(following - 1), identity, following)
        return str(following)
    if version in versions:
        raise ValueError(
            f"There is a version {version} already. Give another one, or None to write "
            f"version {following}."
        )
    return str(int(version))


def _check_identity(archive, identity, following):
    """Raise where clients would get other graphs than they ask for."""
    path = archive / IDENTITY_FILE
    if identity is None or not path.exists():  # no version, or one without identity
        return
    advice = (
        f"Give another `name`, or ask for `version` {following} to have it served in "
        "place of that one."
    )
    try:
        differences = _differences(read_json(path), identity)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged, so that it cannot be seen whether {archive} is of the "
            f"same model. {advice}"
        ) from error
    if differences:
        raise ValueError(f"{archive} is of another model: {differences}. {advice}")


def _differences(present, identity):
    flat = [
        {**one["config"], "class": one["class"], "vocabulary": one["vocabulary"]}
        for one in (present, identity)
    ]
    names = sorted(flat[0].keys() | flat[1].keys())
    return ", ".join(
        f"{name}={flat[0].get(name)!r} there and {flat[1].get(name)!r} here"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    )


def _estimated_bytes(archives):
    """Return what the weights and programs of archives take on a disk."""
    num_bytes = 0
    for archive in archives:
        variables = {
            id(variable): variable
            for resource in archive.tracked
            for variable in getattr(resource, "variables", ())
        }
        num_bytes += _PROGRAM_BYTES + variable_bytes(variables.values())
    return num_bytes


@contextlib.contextmanager
def _full_disk_is_an_os_error(directory):
    try:
        yield
    except tf.errors.OpError as error:
        if "No space left" not in str(error):
            raise
        raise OSError(
            errno.ENOSPC,
            "There was too little free space. No archive was written, and those of "
            "before are as they were. Make room, or give another directory",
            str(directory),
        ) from error


def _write_archive(archive, folder, identity):
    saved_model = keras.export.ExportArchive()
    for resource in archive.tracked:
        saved_model.track(resource)
    for name, endpoint in archive.endpoints.items():
        saved_model.add_endpoint(
            name,
            checked_endpoint(archive.inputs, archive.check, endpoint),
            input_signature=list(archive.inputs),
        )
    folder.mkdir(parents=True)
    saved_model.write_out(folder, verbose=False)
    missing = missing_assets(folder)
    if missing:
        raise FileNotFoundError(
            f"The archive {archive.name!r} cannot be written: it reads the files "
            f"{missing} when it is loaded, and they are gone. Restore what its tables "
            "were made from, or make the tables of constants."
        )
    if identity is not None:
        (folder / IDENTITY_FILE).parent.mkdir(exist_ok=True)
        write_json(folder / IDENTITY_FILE, identity)
