"""The precision that sums over units and over vocabularies are computed in."""

import keras
from keras import ops


def accumulation_dtype(dtype):
    """Return "float32" for the 16-bit types, else `dtype` itself.

    Args:
        dtype: dtype or its name.

    Returns:
        The name of a dtype.

    Example:

    >>> accumulation_dtype("float16"), accumulation_dtype("float64")
    ('float32', 'float64')
    """
    name = keras.backend.standardize_dtype(dtype)
    return "float32" if name in ("float16", "bfloat16") else name


def raise_precision(tensor):
    """Cast a 16-bit tensor to float32, leave any other as it is.

    Args:
        tensor: float tensor.

    Returns:
        Float tensor of the same shape.

    Example:

    >>> keras.backend.standardize_dtype(
    ...     raise_precision(keras.ops.ones((2,), dtype="bfloat16")).dtype)
    'float32'
    """
    tensor = ops.convert_to_tensor(tensor)
    return ops.cast(tensor, accumulation_dtype(tensor.dtype))
