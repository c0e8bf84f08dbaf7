"""An exported language model as a layer of a new model."""

import keras

from glomo_keras.export.saved_model_layer import SavedModelLayer


@keras.saving.register_keras_serializable(package="glomo_keras")
class ElmoFeatures(SavedModelLayer):
    """Layers of a language model that `export_language_model` wrote.

    Strings in, so that it can be the first layer of a model; mix its output by
    `glomo_keras.layers.ScalarMix`. The layer needs the archive and no code or weights
    of the language model. The limits of the archive hold here as well: a larger batch
    is refused.

    The model that holds the layer stores the absolute path of the archive, not the
    archive, and is loaded with `safe_mode=False`, because a SavedModel is a program.

    Args:
        filepath: path of the archive, `DIRECTORY/NAME/VERSION`.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`).

    Call arguments:
        inputs: string tensor `(batch, length)` of words, empty at padding, on the
            right; for an archive of texts `(batch,)`.

    Returns:
        Dict of `layers`, float32 tensor `(batch, 1 + num_layers, length, 2 *
        projection_dim)`, and `padding_mask`, bool `(batch, length)`. From texts also
        `units`, strings `(batch, length)`.

    Raises:
        FileNotFoundError: if there is no archive at the path.
        ValueError: if it is another SavedModel or a damaged one, or when a model with
            the layer is loaded in safe mode.

    Example:

    >>> import tempfile
    >>> from glomo_keras.export import export_language_model
    >>> from glomo_keras.models import BidirectionalLanguageModel
    >>> model = BidirectionalLanguageModel(
    ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layer = ElmoFeatures(export_language_model(model, folder)["text"])
    >>> outputs = layer(keras.ops.convert_to_tensor(["The cat sat.", "Yes"]))
    >>> tuple(glomo_keras.layers.ScalarMix()(outputs["layers"]).shape)
    (2, 4, 10)

    Reference: Peters et al., 2018 (arXiv 1802.05365), section 3.3.
    """

    exporter = "export_language_model"
    endpoint_inputs = ({"text"}, {"words", "lengths"})
    endpoint_outputs = frozenset({"layers"})
    example = "models/glomo_elmo_words/1"

    def call(self, inputs):
        if self.takes_text:
            return self.call_endpoint_fn(text=inputs)
        batch, length = keras.ops.shape(inputs)
        lengths = keras.ops.full((batch,), length, dtype="int32")  # "" is padding
        return self.call_endpoint_fn(words=inputs, lengths=lengths)
