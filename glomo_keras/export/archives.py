"""Archives in TF Serving's layout: where they go, and that they are written whole."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import keras
import tensorflow as tf

from glomo_keras.locking import locked
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.checks import check_model
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.presets import class_and_arguments
from glomo_keras.ops.visibility import DIRECTIONS

_UNFINISHED = ".writing-"  # servers look for numbers, so that they do not see it
_IDENTITY = pathlib.Path("assets.extra") / "glomo_keras.json"
_WRITERS = {
    GraphPredictor: "export_graph_predictor",
    ImageGraphPredictor: "export_image_graph_predictor",
    BidirectionalLanguageModel: "export_language_model",
}


def describe_archive(path):
    """Lines that name the signatures of a SavedModel, with dtypes and shapes."""
    import tensorflow_text  # noqa: F401  (the operations of archives of strings)

    lines = []
    for name, signature in sorted(tf.saved_model.load(path).signatures.items()):
        lines.append(name)
        for what, specs in (
            ("takes", signature.structured_input_signature[1]),
            ("returns", signature.structured_outputs),
        ):
            for key, spec in sorted(specs.items()):
                sizes = ["any" if size is None else str(size) for size in spec.shape]
                shape = f"({', '.join(sizes)})"
                lines.append(f"  {what:<7} {key}: {spec.dtype.name} {shape}")
    return lines


def strongest(graphs_of, num_senders):
    """The function that gives the strongest senders in place of the graphs."""
    if num_senders < 1:
        raise ValueError(
            "`num_senders` must be a positive integer. Received: "
            f"num_senders={num_senders}."
        )

    def top_senders(*inputs):
        found = graphs_of(*inputs)
        for direction in DIRECTIONS:
            graphs = found.pop(direction)
            missing = tf.maximum(num_senders - tf.shape(graphs)[-1], 0)
            graphs = tf.pad(graphs, [[0, 0]] * 4 + [[0, missing]])
            weights, senders = tf.math.top_k(graphs, num_senders)
            found[f"{direction}_senders"] = tf.where(weights > 0, senders, -1)
            found[f"{direction}_weights"] = weights
        return found

    return top_senders


def float32(found):
    """Outputs whose floats are float32, whatever the policy of the predictor."""
    return {
        name: tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor
        for name, tensor in found.items()
    }


def check_exported(name, model, kind):
    """Raise TypeError unless a model is of the class that a function exports."""
    found = [writer for other, writer in _WRITERS.items() if isinstance(model, other)]
    check_model(name, model, kind, f"Use {found[0]}." if found else None)


def identity(model, vocabulary=None):
    """What all versions of an archive have in common: all but the weights."""
    words = None
    if vocabulary is not None:
        words = hashlib.sha256(vocabulary.file_content()).hexdigest()[:16]
    return {**class_and_arguments(model), "vocabulary": words}


def model_folder(directory, name):
    """Path of a model's folder."""
    if pathlib.PurePath(name).name != name or name in ("", ".."):
        raise ValueError(
            f"`name` must be the name of a folder, without a path. Received: {name!r}."
        )
    return pathlib.Path(directory) / name


def free_version(folders, version, identity=None):
    """The version that all the folders get: the one asked for, or the next one.

    The next one is refused where the last one is of a model with another `identity`:
    clients would get other graphs than they ask for. One that is asked for is given.
    """
    there = {
        int(path.name)
        for folder in folders
        for path in folder.glob("*")
        if path.name.isdecimal()
    }
    following = max(there, default=0) + 1
    if version is None:
        for folder in folders:
            _check_identity(folder / str(following - 1), identity, following)
        return following
    if version < 1:
        raise ValueError(
            f"`version` must be a positive integer. Received: version={version}."
        )
    if version in there:
        raise ValueError(
            f"There is a version {version} already. Give another one, or none to write "
            f"version {following}."
        )
    return version


@contextlib.contextmanager
def one_writer(directory, folders):
    """Locks the directory; removes what killed writers left in the folders."""
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    with locked(directory):
        for folder in folders:
            for unfinished in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(unfinished, ignore_errors=True)
        yield


def write_archive(folder, version, track, check, endpoints, specs, identity=None):
    """Writes an archive as `folder/version`; returns its path, a string.

    `check` refuses bad inputs, and returns the others for the functions of `endpoints`.
    """
    folder.mkdir(exist_ok=True)
    archive = keras.export.ExportArchive()
    for resource in track:
        archive.track(resource)
    for endpoint, function in endpoints.items():
        archive.add_endpoint(
            endpoint, _never_empty(check, function), input_signature=specs
        )
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    temporary.chmod(0o755)  # a server may run as somebody else
    try:
        archive.write_out(temporary, verbose=False)
        if identity is not None:
            (temporary / _IDENTITY).parent.mkdir(exist_ok=True)
            (temporary / _IDENTITY).write_text(json.dumps(identity, indent=2) + "\n")
        os.rename(temporary, folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return str(folder / str(version))


def _check_identity(archive, identity, following):
    try:
        there = json.loads((archive / _IDENTITY).read_bytes())
    except FileNotFoundError:  # no version, or of a writer that left none
        return
    if identity in (None, there):
        return
    raise ValueError(
        f"{archive} is of another model: {_differences(there, identity)}. Give another "
        f"`name`, or ask for `version` {following} to have it served in place of that "
        "one."
    )


def _differences(there, identity):
    flat = [
        {**one["config"], "class": one["class"], "vocabulary": one["vocabulary"]}
        for one in (there, identity)
    ]
    names = sorted(flat[0].keys() | flat[1].keys())
    return ", ".join(
        f"{name}={flat[0].get(name)!r} there and {flat[1].get(name)!r} here"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    )


def _never_empty(check, function):
    """Runs a function on one row of zeros where a batch has none.

    Convolutions of TensorFlow that were fused with their padding give empty batches
    another length. The row comes after the check: an empty batch may claim rows of any
    size.
    """

    def run(*inputs):
        batch = tf.shape(inputs[0])[0]
        missing = tf.maximum(1 - batch, 0)
        filled = []
        for tensor in tf.nest.flatten(check(*inputs)):
            shape = tf.concat([[missing], tf.shape(tensor)[1:]], axis=0)
            filled.append(tf.concat([tensor, tf.zeros(shape, tensor.dtype)], axis=0))
        return {name: rows[:batch] for name, rows in function(*filled).items()}

    return run
