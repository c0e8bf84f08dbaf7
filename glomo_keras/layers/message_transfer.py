"""Transfer of messages that were computed before."""

import keras
from keras import ops

from glomo_keras.layers.graph_transfer import GraphTransfer


@keras.saving.register_keras_serializable(package="glomo_keras")
class MessageTransfer(GraphTransfer):
    """`GraphTransfer` that is given the messages of all terms in place of the graphs.

    `graphs` are dicts of float tensors `(batch, terms, heads, length, dim)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "composed": False})  # products are terms

    def build(self, features_shape, graphs_shape=None):
        # What a mixer is made by: the graphs that the messages went along.
        shapes = {d: (*shape[:-1], shape[-2]) for d, shape in graphs_shape.items()}
        super().build(features_shape, shapes)

    def messages(self, features, graphs, weights):
        _, length, num_mixtures, terms, heads = ops.shape(weights)
        count, (_, _, _, num_units, dim) = terms * heads, graphs.shape
        rows = ops.reshape(graphs, (-1, count, num_units, dim))
        rows = ops.transpose(rows, (0, 2, 1, 3))  # (batch, length, terms, dim)
        mixed = ops.matmul(
            ops.reshape(weights, (-1, length, num_mixtures, count)), rows
        )
        return ops.reshape(mixed, (-1, num_units, num_mixtures * dim))
