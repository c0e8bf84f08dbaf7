"""An exported graph predictor as a layer of a new model."""

import keras

from glomo_keras.export.saved_model_layer import SavedModelLayer


@keras.saving.register_keras_serializable(package="glomo_keras")
class SavedModelGraphs(SavedModelLayer):
    """Graphs of an archive of `export_graph_predictor` or of that of images.

    The layer needs the archive and no code or weights of the predictor. Of an archive
    of ids or of images it returns what `GraphPredictor` or `ImageGraphPredictor` does,
    so that one stands in for the other. An archive of strings takes those, and returns
    `units` and `padding_mask` along with the graphs, which `GraphTransfer` leaves
    aside. The limits of the archive hold here as well: a larger batch is refused.

    The model that holds the layer stores the path of the archive, not the archive, and
    is loaded with `safe_mode=False`, because a SavedModel is a program.

    Args:
        filepath: path of the archive, `DIRECTORY/NAME/VERSION`.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`).

    Call arguments:
        inputs: int32 tensor `(batch, length)` of unit ids, 0 at padding; for an
            archive of strings a string tensor `(batch,)`; for one of images a tensor
            `(batch, height, width, channels)` of levels, 0 to 255.
        padding_mask: bool tensor `(batch, length)`, `True` at real units. `None` takes
            all ids but 0. For ids alone.

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
        super().__init__(
            filepath,
            "export_graph_predictor",
            ({"text"}, {"unit_ids", "padding_mask"}, {"images"}),
            trainable=trainable,
            **kwargs,
        )

    def call(self, inputs, padding_mask=None):
        if self.takes_text or self.takes_images:
            if padding_mask is not None:
                raise ValueError(
                    "`padding_mask` is for archives of ids; one of strings makes the "
                    "mask itself, and images have none. Leave it out."
                )
            if self.takes_text:
                return self.call_endpoint_fn(text=inputs)
            return self.call_endpoint_fn(images=keras.ops.cast(inputs, "uint8"))
        if padding_mask is None:
            padding_mask = keras.ops.not_equal(inputs, 0)
        found = self.call_endpoint_fn(
            unit_ids=keras.ops.cast(inputs, "int32"),
            padding_mask=keras.ops.cast(padding_mask, "bool"),
        )
        return {direction: found[direction] for direction in ("forward", "backward")}
