"""SavedModels of the bidirectional language model: words or strings in, layers out."""

import tensorflow as tf

from glomo_keras.data.characters import character_ids
from glomo_keras.data.units import split_units
from glomo_keras.export.archive_endpoints import cast_outputs
from glomo_keras.export.archives import Archive
from glomo_keras.export.archives import check_exported_model
from glomo_keras.export.archives import model_identity
from glomo_keras.export.archives import write_archives
from glomo_keras.export.limits import Limits
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel


def export_language_model(
    model, directory, *, name="glomo_elmo", version=None, limits=None
):
    """Write a language model as SavedModels that need no line of this library.

    - `DIRECTORY/NAME_words/VERSION`: `words`, strings `(batch, length)`, padded with
      whatever, and `lengths`, int32 `(batch,)`. Needs TensorFlow alone.
    - `DIRECTORY/NAME_text/VERSION`: `text`, strings `(batch,)`, which it splits into
      units itself. Needs the operations of tensorflow-text.

    Both have the signature `serve` (and `serving_default`), which returns `layers`,
    float32 `(batch, 1 + num_layers, length, 2 * projection_dim)`, and `padding_mask`,
    bool `(batch, length)`; from strings also `units`, strings `(batch, length)`. Every
    request starts from states of zeros.

    Args:
        model: a `BidirectionalLanguageModel`.
        directory: path of the folder of models.
        name: string, the beginning of the models' names.
        version: int or `None`. `None` takes the one after the highest that is there,
            which must be of a model with the same arguments.
        limits: `Limits` of a request. `None` means the default ones.

    Returns:
        Dict of `words` and `text`, the paths of the archives, strings.

    Raises:
        ValueError: if the version is there already or of another model, or an argument
            is out of its range.
        TypeError: if it is no `BidirectionalLanguageModel`, or a number is no integer.
        OSError: if there is no room for the archives; nothing is written then.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import BidirectionalLanguageModel
    >>> model = BidirectionalLanguageModel(
    ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_language_model(model, folder)["words"]
    ...     serve = tf.saved_model.load(path).signatures["serve"]
    ...     words = tf.constant([["The", "cat", "sat"], ["Yes", "", ""]])
    ...     outputs = serve(words=words, lengths=tf.constant([3, 1]))
    >>> outputs["layers"].shape.as_list()
    [2, 3, 3, 10]
    >>> outputs["padding_mask"].numpy().tolist()
    [[True, True, True], [True, False, False]]
    """
    check_exported_model("model", model, BidirectionalLanguageModel)
    limits = limits or Limits()

    def serve_words(words):
        characters = character_ids(words, model.max_characters)
        return cast_outputs({"layers": model(characters), "padding_mask": words != ""})

    def serve_text(text):
        units = split_units(text).units
        units = units[:, : limits.max_units].to_tensor("")
        return {**serve_words(units), "units": units}

    archives = {
        "words": Archive(
            name=f"{name}_words",
            inputs=[
                tf.TensorSpec((None, None), tf.string, name="words"),
                tf.TensorSpec((None,), tf.int32, name="lengths"),
            ],
            check=limits.words,
            endpoints={"serve": serve_words},
            tracked=[model],
        ),
        "text": Archive(
            name=f"{name}_text",
            inputs=[tf.TensorSpec((None,), tf.string, name="text")],
            check=limits.texts,
            endpoints={"serve": serve_text},
            tracked=[model],
        ),
    }
    return write_archives(directory, archives, version, model_identity(model))
