"""ResNet-18 and ResNet-34 for small images (He et al., 2016).

keras.applications begins at ResNet-50 and shrinks images fourfold before the first
block, and so does the backbone of KerasHub: nothing would be left of 32 x 32 pixels.
Here a convolution of 3 x 3 without a stride comes first, as is usual for CIFAR.
"""

import keras

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def stem(images, width):
    """Apply the convolution before the blocks."""
    return _normalized(_convolution(images, width), "relu")


def stages(features, depth, width):
    """Apply blocks of two convolutions in four stages, each halving the size.

    Args:
        features: float tensor `(batch, height, width, channels)`, of `stem`.
        depth: int, 18 or 34.
        width: int, channels of the first stage.

    Returns:
        Float tensor `(batch, 8 * width)`, means over the pixels.
    """
    for stage, count in enumerate(BLOCKS[depth]):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            features = _block(features, width * 2**stage, stride)
    return keras.layers.GlobalAveragePooling2D(data_format="channels_last")(features)


def _block(features, filters, stride):
    hidden = _normalized(_convolution(features, filters, stride=stride), "relu")
    hidden = _normalized(_convolution(hidden, filters))
    if stride != 1 or features.shape[-1] != filters:
        features = _normalized(_convolution(features, filters, 1, stride))
    return keras.layers.Activation("relu")(keras.layers.Add()([hidden, features]))


def _convolution(features, filters, kernel_size=3, stride=1):
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same",
        data_format="channels_last",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(2.5e-4),
    )(features)


def _normalized(features, activation=None):
    features = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=_has_strategy()
    )(features)
    return keras.layers.Activation(activation)(features) if activation else features


def _has_strategy():
    """Whether several devices share a batch, of which all take the same moments."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy()
