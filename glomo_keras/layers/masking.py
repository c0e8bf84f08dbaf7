"""Zeros at padded units."""

from keras import ops


def zero_padding(features, mask):
    """Set the features of padded units to zero, whatever they were, NaN included.

    Args:
        features: float tensor `(batch, ..., dim)`.
        mask: bool tensor `(batch, ...)`, `True` at real units, or `None`.

    Returns:
        Float tensor like `features`.

    Example:

    >>> features = keras.ops.array([[[1.0], [float("nan")]]])
    >>> zeroed = zero_padding(features, keras.ops.array([[True, False]]))
    >>> keras.ops.convert_to_numpy(zeroed).tolist()
    [[[1.0], [0.0]]]
    """
    if mask is None:
        return features
    real = ops.cast(mask, "bool")[..., None]
    return ops.where(real, features, ops.zeros_like(features))
