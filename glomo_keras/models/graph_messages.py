"""Messages along the graphs of a predictor, which are never computed."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.masking import zero_padding
from glomo_keras.models.base_graph_predictor import BaseGraphPredictor
from glomo_keras.models.checks import check_model
from glomo_keras.ops.sizes import batch_size


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphMessages(keras.layers.Layer):
    """Send features along the graphs of a predictor, straight from queries and keys.

        messages_{t, k} = N_{t, k} H

    with the terms N: G^1 ... G^L and, if `composed`, the products of two to L layers.
    These are the messages of `glomo_keras.ops.term_messages`, which `MessageTransfer`
    mixes: together they do what the predictor and `GraphTransfer` do. The rows of
    `block_size` receivers exist at a time, forward and backward, so that the memory
    grows with the length of a text and not with its square.

    It is for texts whose graphs do not fit.

    Args:
        graph_predictor: `GraphPredictor` or `ImageGraphPredictor`. Freeze it, or this
            layer (`trainable=False`), to keep it as it was pretrained.
        composed: bool, whether the products are among the terms.
        block_size: int or None, receivers of a block: see
            `glomo_keras.ops.squared_relu_attention`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, H.
        inputs: what the predictor takes, of the same units.
        training: bool, whether to apply the dropout of a predictor that is trained.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, terms, heads, length,
        dim)` in the compute dtype, zeros at padding.

    Raises:
        ValueError: if the predictor has another score rule than its layers offer, or
            rows cut at `top_k`, or the shapes do not fit.
        TypeError: if `graph_predictor` is of another class.

    Example:

    >>> predictor = glomo_keras.models.GraphPredictor(13, embedding_dim=16)
    >>> unit_ids = keras.ops.array([[2, 3, 5, 0]])
    >>> inputs = {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}
    >>> messages = GraphMessages(predictor)(keras.ops.ones((1, 4, 7)), inputs)
    >>> tuple(messages["forward"].shape)
    (1, 5, 8, 4, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3.
    """

    def __init__(self, graph_predictor, composed=True, block_size=None, **kwargs):
        super().__init__(**kwargs)
        check_model("graph_predictor", graph_predictor, BaseGraphPredictor)
        graph_predictor.check_attention()
        self.graph_predictor = graph_predictor
        self.composed = composed
        self.block_size = positive_integer("block_size", block_size, or_none=True)

    def build(self, features_shape, inputs_shape):
        check_rank("features", features_shape, "batch, length, dim")
        freeze_parts(self)

    def call(self, features, inputs, training=None):
        _, mask = self.graph_predictor.embed(inputs)
        features = zero_padding(features, mask)
        factors = self.graph_predictor.project(inputs, training=training)
        return {
            direction: self._send(features, direction, of_direction, mask)
            for direction, of_direction in factors.items()
        }

    def compute_mask(self, features, previous_mask=None):
        return None

    def compute_output_spec(self, features, inputs, training=None):
        predictor = self.graph_predictor
        num_layers = predictor.num_graph_layers
        num_terms = 2 * num_layers - 1 if self.composed else num_layers
        batch, *units_and_dim = features.shape
        shape = (batch, num_terms, predictor.num_heads, *units_and_dim)
        return {
            direction: keras.KerasTensor(shape, dtype=self.compute_dtype)
            for direction in predictor.output
        }

    def get_config(self):
        return {
            **super().get_config(),
            "graph_predictor": keras.saving.serialize_keras_object(
                self.graph_predictor
            ),
            "composed": self.composed,
            "block_size": self.block_size,
        }

    @classmethod
    def from_config(cls, config):
        predictor = keras.saving.deserialize_keras_object(config["graph_predictor"])
        return cls(**{**config, "graph_predictor": predictor})

    def _send(self, features, direction, factors, mask):
        """Return the messages of a direction."""
        affinity = self.graph_predictor.affinity(direction)
        length, dim = ops.shape(features)[1], features.shape[-1]
        heads = (batch_size(features), self.graph_predictor.num_heads, length, dim)
        features = ops.broadcast_to(features[:, None], heads)
        terms, products = [], []
        for layer in range(self.graph_predictor.num_graph_layers):
            of_layer = {name: factor[:, layer] for name, factor in factors.items()}
            # Two for the scores of one: features, and what the last layer has brought.
            values = [features]
            if self.composed and layer:
                values.append(products[-1] if products else terms[0])
            messages = affinity.attend(
                values=ops.concatenate(values, axis=-1),
                **of_layer,
                queries_mask=mask,
                keys_mask=mask,
                block_size=self.block_size,
            )
            messages = ops.cast(messages, self.compute_dtype)
            terms.append(messages[..., :dim])
            if len(values) == 2:
                products.append(messages[..., dim:])
        return ops.stack([*terms, *products], axis=1)
