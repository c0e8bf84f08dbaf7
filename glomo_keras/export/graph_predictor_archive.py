"""A graph predictor of texts as SavedModels in TF Serving's layout."""

import tensorflow as tf

from glomo_keras.export.archive_endpoints import cast_outputs
from glomo_keras.export.archive_endpoints import top_senders_endpoint
from glomo_keras.export.archives import Archive
from glomo_keras.export.archives import check_exported_model
from glomo_keras.export.archives import model_identity
from glomo_keras.export.archives import write_archives
from glomo_keras.export.limits import Limits
from glomo_keras.export.text_graphs import TextGraphs
from glomo_keras.models.graph_predictor import GraphPredictor


def export_graph_predictor(
    predictor,
    directory,
    *,
    vocabulary=None,
    name="glomo_text",
    version=None,
    num_senders=4,
    limits=None,
):
    """Write a graph predictor as SavedModels that need no line of this library.

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

    Both are written aside and then renamed: an archive that can be seen is whole.
    Where the process is killed between the two renames, the next export to the
    directory does the second one. A second writer to the directory waits.

    Args:
        predictor: a `GraphPredictor`.
        directory: path of the folder of models.
        vocabulary: the `glomo_keras.data.Vocabulary` that it was trained with, or
            `None`.
        name: string, the beginning of the models' names.
        version: int or `None`. `None` takes the one after the highest that is there,
            which must be of a predictor with the same arguments and vocabulary.
        num_senders: int, senders that `top_senders` returns.
        limits: `Limits` of a request. `None` means the default ones.

    Returns:
        Dict of `ids` and, with a vocabulary, `text`: paths of the archives, strings.

    Raises:
        ValueError: if the vocabulary does not fit, an argument is out of its range, or
            the version is there already or of another predictor.
        TypeError: if it is no `GraphPredictor`, or a number is no integer.
        OSError: if there is no room for the archives; nothing is written then.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=1, num_convolutions=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = export_graph_predictor(predictor, folder)
    ...     loaded = tf.saved_model.load(paths["ids"])
    ...     ids = tf.constant([[2, 3, 5, 0]])
    ...     graphs = loaded.signatures["serve"](unit_ids=ids, padding_mask=ids != 0)
    >>> graphs["forward"].shape.as_list()
    [1, 1, 8, 4, 4]
    """
    check_exported_model("predictor", predictor, GraphPredictor)
    limits = limits or Limits()

    def check_ids(unit_ids, padding_mask):
        return limits.ids(unit_ids, padding_mask, predictor.vocabulary_size)

    def serve_ids(unit_ids, padding_mask):
        graphs = predictor({"unit_ids": unit_ids, "padding_mask": padding_mask})
        return {**cast_outputs(graphs), "padding_mask": tf.identity(padding_mask)}

    archives = {
        "ids": Archive(
            name=f"{name}_ids",
            inputs=[
                tf.TensorSpec((None, None), tf.int32, name="unit_ids"),
                tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
            ],
            check=check_ids,
            endpoints={
                "serve": serve_ids,
                "top_senders": top_senders_endpoint(serve_ids, num_senders),
            },
            tracked=[predictor],
        )
    }
    if vocabulary is not None:
        text_graphs = TextGraphs(predictor, vocabulary, limits.max_units)

        def serve_text(text):
            return cast_outputs(text_graphs(text))

        archives["text"] = Archive(
            name=f"{name}_text",
            inputs=[tf.TensorSpec((None,), tf.string, name="text")],
            check=limits.texts,
            endpoints={
                "serve": serve_text,
                "top_senders": top_senders_endpoint(serve_text, num_senders),
            },
            tracked=[predictor, vocabulary.table],
        )
    identity = model_identity(predictor, vocabulary)
    return write_archives(directory, archives, version, identity)
