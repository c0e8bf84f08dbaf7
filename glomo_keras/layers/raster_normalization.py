"""Layer normalization that keeps the two kinds of channels of an image apart."""

import keras
from keras import ops


class RasterNormalization(keras.layers.Layer):
    """Layer normalization of each kind of channel of a `MaskedConvolution` of images.

    The last half of the channels knows of the rows above alone. A mean over all
    channels would tell it of the current pixel, which pixels to the left may then
    read: a leak.

    Args:
        epsilon: float, added to the variance.
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        features: float tensor `(batch, height, width, dim)`.

    Returns:
        Float tensor like `features`.

    Example:

    >>> normalized = RasterNormalization()(keras.random.normal((2, 3, 5, 7), seed=0))
    >>> means = keras.ops.mean(normalized[..., 4:], axis=-1)
    >>> bool(keras.ops.all(keras.ops.abs(means) < 1e-3))
    True
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, features_shape):
        dim = features_shape[-1]
        self.parts = {}
        for name, size in (("current", dim - dim // 2), ("above", dim // 2)):
            if size:
                part = keras.layers.LayerNormalization(
                    epsilon=self.epsilon, dtype=self.dtype_policy, name=name
                )
                part.build((*features_shape[:-1], size))
                self.parts[name] = part

    def call(self, features):
        border = features.shape[-1] - features.shape[-1] // 2
        halves = {"current": features[..., :border], "above": features[..., border:]}
        return ops.concatenate(
            [part(halves[name]) for name, part in self.parts.items()], axis=-1
        )

    def compute_output_shape(self, features_shape):
        return features_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
