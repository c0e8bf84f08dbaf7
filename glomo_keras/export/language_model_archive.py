"""SavedModels of the bidirectional language model: words or strings in, layers out."""

import tensorflow as tf

from glomo_keras.data.characters import character_ids
from glomo_keras.data.units import split_units
from glomo_keras.export.archives import check_exported
from glomo_keras.export.archives import float32
from glomo_keras.export.archives import free_version
from glomo_keras.export.archives import identity
from glomo_keras.export.archives import model_folder
from glomo_keras.export.archives import one_writer
from glomo_keras.export.archives import write_archive
from glomo_keras.export.limits import Limits
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel


def export_language_model(
    model, directory, name="glomo_elmo", version=None, limits=None
):
    """Writes a language model as SavedModels that need no line of this library.

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
        version: int or None. `None` takes the one after the highest that is there,
            which must be of a model with the same arguments.
        limits: `Limits` of a request. `None` means the default ones.

    Returns:
        Dict of `words` and `text`, paths of the archives that were written.

    Raises:
        ValueError: if the version is there already or of another model, or an argument
            is out of its range.
        TypeError: if it is no `BidirectionalLanguageModel`.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import BidirectionalLanguageModel
    >>> model = BidirectionalLanguageModel(
    ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_language_model(model, folder)["words"]
    ...     serve = tf.saved_model.load(path).signatures["serve"]
    ...     words = tf.constant([["The", "cat", "sat"], ["Yes", "", ""]])
    ...     found = serve(words=words, lengths=tf.constant([3, 1]))
    >>> found["layers"].shape.as_list(), int(found["padding_mask"].numpy().sum())
    ([2, 3, 3, 10], 4)
    """
    check_exported("model", model, BidirectionalLanguageModel)
    limits = limits or Limits()

    def layers_of(words):
        characters = character_ids(words, model.max_characters)
        return float32({"layers": model(characters), "padding_mask": words != ""})

    def of_text(text):
        units = split_units(text).units
        units = units[:, : limits.max_units].to_tensor("")
        return {**layers_of(units), "units": units}

    endpoints = {
        "words": (
            limits.words,
            layers_of,
            [
                tf.TensorSpec((None, None), tf.string, name="words"),
                tf.TensorSpec((None,), tf.int32, name="lengths"),
            ],
        ),
        "text": (
            limits.texts,
            of_text,
            [tf.TensorSpec((None,), tf.string, name="text")],
        ),
    }
    folders = {kind: model_folder(directory, f"{name}_{kind}") for kind in endpoints}
    held = identity(model)
    with one_writer(directory, folders.values()):
        version = free_version(folders.values(), version, held)
        return {
            kind: write_archive(
                folders[kind], version, [model], check, {"serve": function}, specs, held
            )
            for kind, (check, function, specs) in endpoints.items()
        }
