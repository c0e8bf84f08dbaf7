"""Batch normalization whose statistics survive a batch without units."""

import keras
from keras import ops

from glomo_keras.ops.sizes import shortfall


# Keras stores the weights of layers in a list under the name of their class.
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which a batch without units leaves as it is.

    The mean of no units is NaN, or zero where a mask leaves none, and the moving
    statistics would keep it. Here such a batch counts as one with the moving
    statistics. All other batches give what they give with Keras's layer.

    Args:
        **kwargs: `keras.layers.BatchNormalization` arguments.

    Call arguments:
        inputs: float tensor `(batch, ..., dim)`.
        training: bool, whether to normalize by the statistics of the batch.
        mask: bool tensor `(batch, ...)`, `True` at real units, or `None`.

    Returns:
        Float tensor like `inputs`.

    Example:

    >>> layer = BatchNormalization()
    >>> tuple(layer(keras.ops.ones((0, 7, 3)), training=True).shape)
    (0, 7, 3)
    >>> keras.ops.convert_to_numpy(layer.moving_mean).tolist()
    [0.0, 0.0, 0.0]
    """

    def _moments(self, inputs, mask):  # a hook of Keras's layer, not a public one
        mean, variance = super()._moments(inputs, mask)
        if mask is None:
            missing = [shortfall(size, 1) for size in ops.shape(inputs)[:-1]]
            if all(isinstance(count, int) and count == 0 for count in missing):
                return mean, variance
            has_units = ops.equal(sum(missing), 0)
        else:
            has_units = ops.any(ops.cast(mask, "bool"))
        return (
            ops.where(has_units, mean, ops.cast(self.moving_mean, mean.dtype)),
            ops.where(
                has_units, variance, ops.cast(self.moving_variance, variance.dtype)
            ),
        )
