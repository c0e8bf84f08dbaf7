"""SavedModels in TF Serving's layout: graph predictors and downstream models."""

import tensorflow as tf

from glomo_keras.export.archives import check_exported
from glomo_keras.export.archives import float32
from glomo_keras.export.archives import free_version
from glomo_keras.export.archives import identity
from glomo_keras.export.archives import model_folder
from glomo_keras.export.archives import one_writer
from glomo_keras.export.archives import strongest
from glomo_keras.export.archives import write_archive
from glomo_keras.export.limits import Limits
from glomo_keras.export.text_graphs import TextGraphs
from glomo_keras.models.graph_predictor import GraphPredictor


def export_graph_predictor(
    predictor,
    directory,
    vocabulary=None,
    name="glomo_text",
    version=None,
    num_senders=4,
    limits=None,
):
    """Writes a graph predictor as SavedModels that need no line of this library.

    - `DIRECTORY/NAME_ids/VERSION`: ids in. Needs TensorFlow alone.
    - `DIRECTORY/NAME_text/VERSION`: strings in; written where a vocabulary is given.
      Needs the operations of tensorflow-text, and is an archive of its own because
      they would make the other one unloadable without them.

    Signatures of both, batch and length free:

    - `serve` (and `serving_default`): `forward` and `backward`, float32
      `(batch, layers, heads, length, length)`.
    - `top_senders`: the strongest senders of every receiver, small enough to send:
      `forward_senders`, `backward_senders`, int32 `(batch, layers, heads, length,
      num_senders)`, -1 where there are fewer, and `forward_weights`,
      `backward_weights`, float32.

    Both return `padding_mask`, bool `(batch, length)`, and from strings `units`,
    strings `(batch, length)`. Ids come as `unit_ids`, int32, and `padding_mask`, bool;
    strings as `text`, `(batch,)`. Empty strings have no real unit; bytes that are not
    UTF-8 become the replacement character.

    An archive is written beside its place and then renamed: one that can be seen is
    whole. A second writer to the directory waits.

    Args:
        predictor: a `GraphPredictor`.
        directory: path of the folder of models.
        vocabulary: the `glomo_keras.data.Vocabulary` that it was trained with, or
            `None`.
        name: string, the beginning of the models' names.
        version: int or None. `None` takes the one after the highest that is there,
            which must be of a predictor with the same arguments and vocabulary.
        num_senders: int, senders that `top_senders` returns.
        limits: `Limits` of a request. `None` means the default ones.

    Returns:
        Dict of `ids` and `text`, paths of the archives that were written.

    Raises:
        ValueError: if the vocabulary does not fit, an argument is out of its range, or
            the version is there already or of another predictor.
        TypeError: if it is no `GraphPredictor`.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(13, embedding_dim=16, num_graph_layers=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = export_graph_predictor(predictor, folder)
    ...     loaded = tf.saved_model.load(paths["ids"])
    ...     ids = tf.constant([[2, 3, 5, 0]])
    ...     graphs = loaded.signatures["serve"](unit_ids=ids, padding_mask=ids != 0)
    >>> graphs["forward"].shape.as_list()
    [1, 1, 8, 4, 4]
    """
    check_exported("predictor", predictor, GraphPredictor)
    limits = limits or Limits()
    text_graphs = None
    if vocabulary is not None:
        text_graphs = TextGraphs(predictor, vocabulary, limits.max_units)

    def checked_ids(unit_ids, padding_mask):
        return limits.ids(unit_ids, padding_mask, predictor.vocabulary_size)

    def of_ids(unit_ids, padding_mask):
        found = predictor({"unit_ids": unit_ids, "padding_mask": padding_mask})
        return {**float32(found), "padding_mask": tf.identity(padding_mask)}

    def of_text(text):
        return float32(text_graphs(text))

    folders = {"ids": model_folder(directory, f"{name}_ids")}
    if text_graphs is not None:
        folders["text"] = model_folder(directory, f"{name}_text")
    specs = [
        tf.TensorSpec((None, None), tf.int32, name="unit_ids"),
        tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
    ]
    held = identity(predictor, vocabulary)
    paths = {}
    with one_writer(directory, folders.values()):
        version = free_version(folders.values(), version, held)
        paths["ids"] = write_archive(
            folders["ids"],
            version,
            [predictor],
            checked_ids,
            {"serve": of_ids, "top_senders": strongest(of_ids, num_senders)},
            specs,
            held,
        )
        if text_graphs is not None:
            paths["text"] = write_archive(
                folders["text"],
                version,
                [predictor, vocabulary.table],
                limits.texts,
                {"serve": of_text, "top_senders": strongest(of_text, num_senders)},
                [tf.TensorSpec((None,), tf.string, name="text")],
                held,
            )
    return paths


def export_downstream(
    model, directory, encode, name, version=None, track=(), limits=None
):
    """Writes a whole downstream model, with its graphs: strings in, predictions out.

    The archive is `DIRECTORY/NAME/VERSION`, with the signature `serve`: `text`, strings
    `(batch,)`, to the outputs of the model by their names, or `predictions` where it
    has one output.

    Args:
        model: a Keras model.
        directory: path of the folder of models.
        encode: function of a string tensor `(batch,)` that returns the model's inputs
            and runs in a graph, such as one that calls `Vocabulary.encode` with a
            length. It gets strings that are cut at `limits.max_bytes`, and must limit
            the units itself: a byte may be one.
        name: string, of the model.
        version: int or None. `None` takes the one after the highest that is there.
        track: what `encode` looks up in, such as `[vocabulary.table]`.
        limits: `Limits` of a request, of which those of texts and bytes hold here.
            `None` means the default ones.

    Returns:
        String, the path of the archive.

    Raises:
        ValueError: if the version is there already.

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
    ...     path = export_downstream(
    ...         model, folder, encode, "means", track=[vocabulary.table]
    ...     )
    ...     serve = tf.saved_model.load(path).signatures["serve"]
    ...     found = serve(text=tf.constant(["the cat", "sat"]))
    >>> found["predictions"].shape.as_list()
    [2, 3]
    """
    limits = limits or Limits()

    def predictions(text):
        outputs = model(encode(text), training=False)
        if isinstance(outputs, dict):
            return outputs
        if isinstance(outputs, (list, tuple)):
            return dict(zip(model.output_names, outputs, strict=True))
        return {"predictions": outputs}

    specs = [tf.TensorSpec((None,), tf.string, name="text")]
    folder = model_folder(directory, name)
    with one_writer(directory, [folder]):
        version = free_version([folder], version)
        return write_archive(
            folder,
            version,
            [model, *track],
            limits.texts,
            {"serve": predictions},
            specs,
        )
