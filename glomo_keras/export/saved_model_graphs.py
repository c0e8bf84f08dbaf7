"""An exported graph predictor as a layer of a new model."""

import keras

from glomo_keras.export.saved_model_layer import SavedModelLayer
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class SavedModelGraphs(SavedModelLayer):
    """The graphs of an archive that a function of this library wrote.

    The layer needs the archive and no code or weights of the predictor. Of an archive
    of ids or of images it takes and returns what `GraphPredictor` or
    `ImageGraphPredictor` does, so that one stands in for the other. An archive of
    strings takes those, and returns `units` and `padding_mask` along with the graphs,
    as `TextGraphs` does. The limits of the archive hold here as well: a larger batch
    is refused.

    The model that holds the layer stores the absolute path of the archive, not the
    archive, and is loaded with `safe_mode=False`, because a SavedModel is a program.

    Args:
        filepath: path of an archive of `export_graph_predictor` or
            `export_image_graph_predictor`, `DIRECTORY/NAME/VERSION`.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`).

    Call arguments:
        inputs: dict of `unit_ids`, int tensor `(batch, length)`, and `padding_mask`,
            bool tensor `(batch, length)`, `True` at real units, as of
            `GraphPredictor`; or the ids alone, in a dict or not, 0 at padding. For an
            archive of strings a string tensor `(batch,)`; for one of images a tensor
            `(batch, height, width, channels)` of levels, 0 to 255, which are rounded:
            such an archive takes whole ones.
        padding_mask: bool tensor `(batch, length)` where `inputs` are ids alone.
            `None` takes all ids but 0.
        training: ignored, as is `mask`: an archive has no dropout.

    Returns:
        Dict of `forward` and `backward`, float32 tensors `(batch, layers, heads,
        length, length)`, receivers in rows. From strings also `units` and
        `padding_mask`, both `(batch, length)`.

    Raises:
        FileNotFoundError: if there is no archive at the path.
        ValueError: if it is another SavedModel or a damaged one, if the inputs are
            those of another archive, or when a model with the layer is loaded in safe
            mode.

    Example:

    >>> import tempfile
    >>> from glomo_keras.export import export_graph_predictor
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=1, num_convolutions=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layer = SavedModelGraphs(export_graph_predictor(predictor, folder)["ids"])
    >>> unit_ids = keras.ops.array([[2, 3, 5, 0]])
    >>> graphs = layer({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
    >>> tuple(graphs["backward"].shape)
    (1, 1, 8, 4, 4)
    """

    exporter = "export_graph_predictor or export_image_graph_predictor"
    endpoint_inputs = ({"text"}, {"unit_ids", "padding_mask"}, {"images"})
    endpoint_outputs = frozenset({"forward", "backward"})
    example = "models/glomo_text_ids/1"

    # Models are called with the last two, so that a layer in the place of one must be.
    def call(self, inputs, padding_mask=None, training=None, mask=None):
        if self.takes_text or self.takes_images:
            name = "text" if self.takes_text else "images"
            if padding_mask is not None or isinstance(inputs, dict):
                raise ValueError(
                    f"This archive takes {name} alone, one tensor: a dict or a "
                    "`padding_mask` is for archives of ids. Received: "
                    f"{'a dict' if isinstance(inputs, dict) else 'a `padding_mask`'}."
                )
            if self.takes_images:
                if keras.backend.standardize_dtype(inputs.dtype) != "uint8":
                    levels = keras.ops.clip(keras.ops.cast(inputs, "float32"), 0, 255)
                    inputs = keras.ops.cast(keras.ops.round(levels), "uint8")
            return self.call_endpoint_fn(**{name: inputs})
        if isinstance(inputs, dict):
            known = {"unit_ids"}, {"unit_ids", "padding_mask"}
            if padding_mask is not None or set(inputs) not in known:
                raise ValueError(
                    "`inputs` must hold `unit_ids`, and may hold `padding_mask`, which "
                    f"must stand nowhere else. Received: {sorted(inputs)}"
                    f"{'' if padding_mask is None else ', and a `padding_mask`'}."
                )
            unit_ids, padding_mask = inputs["unit_ids"], inputs.get("padding_mask")
        else:
            unit_ids = inputs
        if padding_mask is None:
            padding_mask = keras.ops.not_equal(unit_ids, 0)
        outputs = self.call_endpoint_fn(
            unit_ids=keras.ops.cast(unit_ids, "int32"),
            padding_mask=keras.ops.cast(padding_mask, "bool"),
        )
        return {direction: outputs[direction] for direction in DIRECTIONS}
