"""SavedModels read, and what is wrong with them in plain words."""

import contextlib
import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from glomo_keras.export.archive_endpoints import shape_text

PROGRAM_FILE = "saved_model.pb"


def load_archive(path):
    """Load a SavedModel.

    Args:
        path: path of the folder of a version.

    Returns:
        What `tf.saved_model.load` returns.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    import tensorflow_text  # noqa: F401  (the operations of archives of strings)

    check_is_archive(path)
    read_signatures(path)
    with damage_is_a_value_error(path):
        return tf.saved_model.load(str(path))


def check_is_archive(path, example="models/glomo_text_ids/1", advice=""):
    """Raise FileNotFoundError unless a folder is that of a SavedModel."""
    path = pathlib.Path(path).absolute()
    if not (path / PROGRAM_FILE).is_file():
        raise FileNotFoundError(
            f"There is no SavedModel at {str(path)!r}. Give the folder of a version, "
            f"such as {example}. {advice}".rstrip()
        )


def read_signatures(path):
    """Read what a SavedModel takes and returns, without loading it.

    Args:
        path: path of the folder of a version.

    Returns:
        Dict from the name of a signature to a pair of sets, the names of its inputs
        and of its outputs.

    Raises:
        ValueError: if the file is damaged.
    """
    return {
        name: (set(signature.inputs), set(signature.outputs))
        for name, signature in _read_graph(path).signature_def.items()
    }


def missing_assets(path):
    """Return the names of files that a SavedModel reads and does not hold.

    TensorFlow leaves an asset out without a word where its file is gone.

    Args:
        path: path of the folder of a version.

    Returns:
        List of strings.
    """
    names = [asset.filename for asset in _read_graph(path).asset_file_def]
    assets = pathlib.Path(path) / "assets"
    return [name for name in names if not (assets / name).is_file()]


def _read_graph(path):
    with damage_is_a_value_error(path):
        content = (pathlib.Path(path) / PROGRAM_FILE).read_bytes()
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        if len(graphs) != 1:
            raise DecodeError(f"{PROGRAM_FILE} holds {len(graphs)} graphs, not one.")
    return graphs[0]


@contextlib.contextmanager
def damage_is_a_value_error(path):
    """Turn what TensorFlow raises on a damaged SavedModel into one that says so."""
    try:
        yield
    except (tf.errors.OpError, DecodeError, OSError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"The SavedModel at {str(path)!r} cannot be loaded: a file of it is "
            "damaged or missing, or was written by a later TensorFlow. Export the "
            f"model again. The reason: {reason}"
        ) from error


def archive_versions(folder):
    """Find the versions of an archive.

    Args:
        folder: path of the folder of a model, `DIRECTORY/NAME`.

    Returns:
        Dict from the version, an int, to the path of its folder, the newest one last.

    Example:

    >>> archive_versions("models/of_nobody")
    {}
    """
    programs = pathlib.Path(folder).glob(f"*/{PROGRAM_FILE}")
    versions = {
        int(path.parent.name): path.parent
        for path in programs
        if path.parent.name.isdecimal()
    }
    return dict(sorted(versions.items()))


def describe_archive(path):
    """Return lines that name the signatures of a SavedModel, with dtypes and shapes."""
    lines = []
    for name, signature in sorted(load_archive(path).signatures.items()):
        lines.append(name)
        for verb, specs in (
            ("takes", signature.structured_input_signature[1]),
            ("returns", signature.structured_outputs),
        ):
            for key, spec in sorted(specs.items()):
                shape = shape_text(spec.shape)
                lines.append(f"  {verb:<7} {key}: {spec.dtype.name} {shape}")
    return lines
