"""A whole downstream model as a SavedModel: strings in, predictions out."""

import re

import keras
import tensorflow as tf

from glomo_keras.export.archives import Archive
from glomo_keras.export.archives import write_archives
from glomo_keras.export.limits import Limits
from glomo_keras.models.checks import check_model


def export_downstream(
    model, directory, *, encode=None, name, version=None, track=(), limits=None
):
    """Write a whole downstream model, with its graphs: strings in, predictions out.

    The archive is `DIRECTORY/NAME/VERSION`, with the signature `serve`: `text`, strings
    `(batch,)`, to the outputs of the model by their names, or `predictions` where it
    has one output.

    Args:
        model: a Keras model; of several outputs, a dict of them, or outputs of layers
            whose names differ.
        directory: path of the folder of models.
        encode: function of a string tensor `(batch,)` that returns the model's inputs
            and runs in a graph, such as one that calls `Vocabulary.encode` with a
            length. It gets strings that are cut at `limits.max_bytes`, and must limit
            the units itself: a byte may be one. `None` means that the model reads
            strings, as with `UnitIds(max_units=...)` inside.
        name: string, of the model.
        version: int or `None`. `None` takes the one after the highest that is there.
        track: what `encode` looks up in, such as `[vocabulary.table]`.
        limits: `Limits` of a request, of which those of texts and bytes hold here.
            `None` means the default ones.

    Returns:
        Dict of `text`, the path of the archive, a string.

    Raises:
        ValueError: if the version is there already, `name` is a path, `encode` uses a
            table or variable that is not in `track`, or outputs have no names of their
            own; nothing is written then.
        TypeError: if it is no Keras model.
        OSError: if there is no room for the archive; nothing is written then.

    Example:

    >>> import tempfile
    >>> from glomo_keras.data import Vocabulary
    >>> vocabulary = Vocabulary(["the", "cat", "sat"])
    >>> ids = keras.Input((None,), dtype="int32")
    >>> mean = keras.layers.GlobalAveragePooling1D()
    >>> model = keras.Model(ids, mean(keras.layers.Embedding(5, 3)(ids)))
    >>> def encode(text):
    ...     return vocabulary.encode(text, length=7)["unit_ids"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = export_downstream(
    ...         model, folder, encode=encode, name="means", track=[vocabulary.table]
    ...     )
    ...     serve = tf.saved_model.load(paths["text"]).signatures["serve"]
    ...     means = serve(text=tf.constant(["the cat", "sat"]))["predictions"]
    >>> means.shape.as_list()
    [2, 3]
    """
    check_model("model", model, keras.Model, "Give the model itself, or load it first.")
    limits = limits or Limits()

    def serve(text):
        inputs = text if encode is None else encode(text)
        outputs = model(inputs, training=False)
        if isinstance(outputs, dict):
            return outputs
        if isinstance(outputs, (list, tuple)):
            return dict(zip(_output_names(model), outputs, strict=True))
        return {"predictions": outputs}

    archive = Archive(
        name=name,
        inputs=[tf.TensorSpec((None,), tf.string, name="text")],
        check=limits.texts,
        endpoints={"serve": serve},
        tracked=[model, *track],
    )
    try:
        return write_archives(directory, {"text": archive}, version)
    except AssertionError as error:  # of TensorFlow, in words of its own
        if "untracked" not in str(error):
            raise
        used = re.search(r"Trackable referencing this tensor = (.*)", str(error))
        raise ValueError(
            "`track` must hold every table, variable and layer that `encode` uses, "
            "such as track=[vocabulary.table]. Received one that it does not hold: "
            f"{used[1] if used else error}."
        ) from error


def _output_names(model):
    """Return the names of the outputs of a model that returns a sequence of them."""
    names = getattr(model, "output_names", None)  # models of a class have none
    if names is None or len(set(names)) < len(names):
        raise ValueError(
            "Several outputs of a model must have names that differ. Received outputs "
            f"named {names}. Give them names in a dict, such as "
            "keras.Model(inputs, {'label': ..., 'score': ...})."
        )
    return names
