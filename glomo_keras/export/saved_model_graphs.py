"""An exported graph predictor as a layer of a new model."""

import pathlib

import keras
import tensorflow_text  # noqa: F401  (the operations of archives of strings)


@keras.saving.register_keras_serializable(package="glomo_keras")
class SavedModelGraphs(keras.layers.TFSMLayer):
    """Graphs of an archive that `export_graph_predictor` wrote.

    The layer needs the archive and no code or weights of the predictor. Of an archive
    of ids it returns what `GraphPredictor` does, so that one stands in for the other;
    an archive of strings takes those. The limits of the archive hold here as well: a
    larger batch is refused.

    The model that holds the layer stores the path of the archive, not the archive, and
    is loaded with `safe_mode=False`, because a SavedModel is a program.

    Args:
        filepath: path of the archive, `DIRECTORY/NAME/VERSION`.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`).

    Call arguments:
        inputs: int32 tensor `(batch, length)` of unit ids, 0 at padding; for an
            archive of strings a string tensor `(batch,)`.
        padding_mask: bool tensor `(batch, length)`, `True` at real units. `None` takes
            all ids but 0. Not for strings.

    Returns:
        Dict of `forward` and `backward`, float32 tensors `(batch, layers, heads,
        length, length)`, receivers in rows. From strings also `units` and
        `padding_mask`, both `(batch, length)`.

    Raises:
        FileNotFoundError: if there is no archive at the path.
        ValueError: if it is another SavedModel, or when a model with the layer is
            loaded in safe mode.

    Example:

    >>> import tempfile
    >>> from glomo_keras.export import export_graph_predictor
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(13, embedding_dim=16, num_graph_layers=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layer = SavedModelGraphs(export_graph_predictor(predictor, folder)["ids"])
    >>> tuple(layer(keras.ops.array([[2, 3, 5, 0]]))["backward"].shape)
    (1, 1, 8, 4, 4)
    """

    def __init__(self, filepath, trainable=False, **kwargs):
        filepath = str(filepath)
        if not (pathlib.Path(filepath) / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"There is no SavedModel at {filepath!r}. Give the folder of a "
                "version, such as models/glomo_text_ids/1. A model that was saved with "
                "this layer looks for it where it was."
            )
        for name in ("call_endpoint", "call_training_endpoint"):
            kwargs.pop(name, None)  # of the configuration: they are fixed
        super().__init__(filepath, call_endpoint="serve", trainable=trainable, **kwargs)
        signature = self._reloaded_obj.signatures["serve"]
        inputs = set(signature.structured_input_signature[1])
        if inputs not in ({"text"}, {"unit_ids", "padding_mask"}):
            raise ValueError(
                f"{filepath!r} is no archive of export_graph_predictor: `serve` takes "
                f"{sorted(inputs)}. Use keras.layers.TFSMLayer for other SavedModels."
            )
        self._takes_text = inputs == {"text"}
        self.call_endpoint_fn = signature

    def call(self, inputs, padding_mask=None):
        if self._takes_text:
            if padding_mask is not None:
                raise ValueError(
                    "`padding_mask` is for archives of ids; this one takes strings and "
                    "makes the mask itself. Leave it out."
                )
            return self.call_endpoint_fn(text=inputs)
        if padding_mask is None:
            padding_mask = keras.ops.not_equal(inputs, 0)
        found = self.call_endpoint_fn(
            unit_ids=keras.ops.cast(inputs, "int32"),
            padding_mask=keras.ops.cast(padding_mask, "bool"),
        )
        return {direction: found[direction] for direction in ("forward", "backward")}

    def get_config(self):
        config = super().get_config()
        del config["call_endpoint"], config["call_training_endpoint"]
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        try:
            return super().from_config(config, custom_objects, safe_mode)
        except ValueError as error:
            if "disallowed by default" not in str(error):
                raise
            raise ValueError(
                f"The model holds the SavedModel {config['filepath']!r}, which is a "
                "program that is run when the model is. If you trust where it comes "
                "from, load the model with safe_mode=False."
            ) from error

    def _add_existing_weight(self, weight):
        # Keras takes the names as they are, and optimizers then refuse the ":0".
        variable = keras.Variable(
            initializer=weight,
            trainable=weight.trainable,
            dtype=weight.dtype,
            shape=weight.shape,
            name=weight.name.split(":")[0].replace("/", "_"),
        )
        self._track_variable(variable)
