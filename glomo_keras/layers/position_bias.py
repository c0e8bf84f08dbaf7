"""A trained number for how far apart two units are."""

import keras
from keras import ops

from glomo_keras.checks import positive_integer
from glomo_keras.ops.position_bias import distance_numbers
from glomo_keras.ops.position_bias import matrix_of_offsets
from glomo_keras.ops.position_bias import pixel_offset_matrix
from glomo_keras.ops.position_bias import pixel_offset_numbers
from glomo_keras.ops.visibility import check_direction


@keras.saving.register_keras_serializable(package="glomo_keras")
class PositionBias(keras.layers.Layer):
    """A number for each distance of two units, of every graph layer and head.

    Distances above `max_distance` share the number of the greatest. The offsets of
    pixels have two sides: rows from 0 to `max_distance`, in the order of reading, and
    columns from `-max_distance` to `max_distance`. All numbers start at zero.

    A part of `SquaredReLUAffinity`.

    Args:
        num_graph_layers: int, number of graph layers.
        num_heads: int, number of heads of each.
        max_distance: int.
        direction: `"forward"` or `"backward"`: in which order pixels are read.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: tensor `(batch, length, dim)` or `(batch, height, width, dim)`, of
            which only the size counts.

    Returns:
        Float tensor `(1, num_graph_layers, num_heads, 2 * length + 1)`, or `(1,
        num_graph_layers, num_heads, 2 * height + 1, 2 * width + 1)`: a number for each
        offset, of which `spread` makes one for each pair of units.

    Example:

    >>> bias = PositionBias(num_graph_layers=3, num_heads=2, max_distance=5)
    >>> numbers = bias(keras.ops.ones((7, 11, 13)))
    >>> tuple(numbers.shape), tuple(bias.spread(numbers).shape)
    ((1, 3, 2, 23), (1, 3, 2, 11, 11))
    """

    def __init__(
        self, num_graph_layers, num_heads, max_distance, direction="forward", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_graph_layers = positive_integer("num_graph_layers", num_graph_layers)
        self.num_heads = positive_integer("num_heads", num_heads)
        self.max_distance = positive_integer("max_distance", max_distance)
        self.direction = check_direction(direction)
        self.supports_masking = True

    def build(self, features_shape):
        distances = (self.max_distance,)
        if len(features_shape) == 4:
            distances = (self.max_distance + 1, 2 * self.max_distance + 1)
        self.table = self.add_weight(
            name="table",
            shape=(self.num_graph_layers, self.num_heads, *distances),
            initializer="zeros",
            autocast=False,  # the scores that it is added to are of float32 as well
        )

    def call(self, features):
        table = ops.convert_to_tensor(self.table)[None]
        sizes = ops.shape(features)[1:-1]
        if len(sizes) == 1:
            return distance_numbers(table, *sizes)
        return pixel_offset_numbers(table, *sizes, self.direction)

    def spread(self, numbers):
        """Return a number for each pair of units.

        Args:
            numbers: what the call returns, or one graph layer of it.

        Returns:
            Float tensor `(1, ..., length, length)`, receivers in rows.
        """
        if len(self.table.shape) == 3:
            return matrix_of_offsets(numbers, (ops.shape(numbers)[-1] - 1) // 2)
        height, width = ((size - 1) // 2 for size in ops.shape(numbers)[-2:])
        return pixel_offset_matrix(numbers, height, width)

    def compute_mask(self, features, previous_mask=None):
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "num_graph_layers": self.num_graph_layers,
            "num_heads": self.num_heads,
            "max_distance": self.max_distance,
            "direction": self.direction,
        }
