"""Initial weights that let the first steps of training see what matters."""

import keras
import numpy as np
from keras import ops

from glomo_keras.ops.precision import accumulation_dtype


def get_initializer(initializer):
    """Return what `kernel_initializer` stands for; a name stays a name.

    An initializer without a seed draws one when it is made. Made of a name by the
    weight that needs it, and not before, layers draw as Keras's own do.

    Args:
        initializer: name, `keras.initializers.Initializer`, its configuration,
            function, or `None`.

    Returns:
        The name, `None`, or the initializer.

    Example:

    >>> get_initializer("zeros")
    'zeros'
    """
    if initializer is None or isinstance(initializer, str):
        return initializer
    return keras.initializers.get(initializer)


def new_initializer(initializer):
    """Return the initializer for one more kernel.

    One and the same initializer fills kernels of a shape with the same numbers.

    Args:
        initializer: what `get_initializer` returned.

    Returns:
        A copy of it, or what cannot be copied itself: a name, a function, `None`.

    Example:

    >>> one = keras.initializers.GlorotUniform()
    >>> new_initializer(one) is one
    False
    """
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer


def serialize_initializer(initializer):
    """Return the entry of an initializer in a layer's configuration.

    Args:
        initializer: what `get_initializer` returned.

    Returns:
        A string, `None`, or a dict that JSON can hold.

    Example:

    >>> serialize_initializer("zeros")
    'zeros'
    """
    if initializer is None or isinstance(initializer, str):
        return initializer
    return keras.initializers.serialize(initializer)


@keras.saving.register_keras_serializable(package="glomo_keras")
class CurrentUnitInitializer(keras.initializers.Initializer):
    """Glorot-uniform kernels of a masked convolution, strongest at the current unit.

    With equal weights, a stack of four convolutions of three units sees mostly the
    unit four before the current one, which has one path of 81. Here the weights of
    the units before the current one are `decay` times as large. The variance of the
    output is that of the Glorot initialization.

    Args:
        decay: float in [0, 1], size of the weights before the current unit relative
            to those of the current unit, which stands last in the kernel of a
            sequence, and in the middle of the last row in that of an image.
        seed: int or None.

    Example:

    >>> kernel = CurrentUnitInitializer(decay=0.0)((3, 5, 7))
    >>> float(keras.ops.max(keras.ops.abs(kernel[:-1])))
    0.0
    """

    def __init__(self, decay=0.4, seed=None):
        self.decay = decay
        self.seed = seed
        self._glorot = keras.initializers.GlorotUniform(seed=seed)

    def __call__(self, shape, dtype=None):
        kernel = self._glorot(shape, dtype=dtype)
        scales = np.full(shape[:-2], self.decay)
        current = (-1,) if len(shape) == 3 else (-1, shape[1] // 2)
        scales[current] = 1.0
        scales *= np.sqrt(scales.size / np.sum(scales**2))
        scales = scales[..., None, None]
        return kernel * ops.convert_to_tensor(scales, dtype=kernel.dtype)

    def get_config(self):
        return {"decay": self.decay, "seed": self.seed}


@keras.saving.register_keras_serializable(package="glomo_keras")
class MessageInitializer(keras.initializers.Initializer):
    """Glorot-uniform kernel of a GRU whose candidate starts near its messages.

    The identity is added to the block that maps messages to the candidate state, so
    that from the first step on what a unit reads stands in the basis of the
    embeddings, where the tied softmax looks for it.

    Args:
        seed: int or None.

    Example:

    >>> kernel = MessageInitializer()((5, 15))
    >>> tuple(kernel.shape)
    (5, 15)
    """

    def __init__(self, seed=None):
        self.seed = seed
        self._glorot = keras.initializers.GlorotUniform(seed=seed)

    def __call__(self, shape, dtype=None):
        rows, columns = shape
        units = columns // 3
        kernel = self._glorot(shape, dtype=dtype)
        # Messages are the last `units` inputs, candidates the last gate.
        identity = np.zeros(shape)
        identity[rows - units :, columns - units :] = np.eye(units)
        return kernel + ops.convert_to_tensor(identity, dtype=kernel.dtype)

    def get_config(self):
        return {"seed": self.seed}


@keras.saving.register_keras_serializable(package="glomo_keras")
class OrthogonalInitializer(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal` of any dtype: TensorFlow has no QR of bfloat16.

    In float32 and float64 the numbers are those of Keras.

    Args:
        gain: float, factor of the matrix.
        seed: int or None.

    Example:

    >>> tuple(OrthogonalInitializer()((3, 5), "bfloat16").shape)
    (3, 5)
    """

    def __call__(self, shape, dtype=None):
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.cast(super().__call__(shape, accumulation_dtype(dtype)), dtype)
