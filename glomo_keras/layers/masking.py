"""Zeros at padded units."""

from keras import ops

from glomo_keras.checks import check_rank


def zero_padding(features, mask):
    """Set the features of padded units to zero, whatever they were, NaN included.

    Args:
        features: float tensor `(batch, ..., dim)`.
        mask: bool tensor `(batch, ...)`, `True` at real units, or `None`.

    Returns:
        Float tensor like `features`.

    Raises:
        ValueError: if the mask is over other units than the features, as far as is
            known, or a rank is not known.

    Example:

    >>> features = keras.ops.array([[[1.0], [float("nan")]]])
    >>> zeroed = zero_padding(features, keras.ops.array([[True, False]]))
    >>> keras.ops.convert_to_numpy(zeroed).tolist()
    [[[1.0], [0.0]]]
    """
    if mask is None:
        return features
    real = ops.cast(mask, "bool")
    _check_mask(real, features)
    return ops.where(real[..., None], features, ops.zeros_like(features))


def _check_mask(mask, features):
    shape = check_rank("mask", mask, "batch, ...")
    wanted = check_rank("features", features, "batch, ..., dim")[:-1]
    pairs = zip(shape, wanted, strict=False)
    if len(shape) != len(wanted) or any(
        None not in pair and pair[0] not in (1, pair[1]) for pair in pairs
    ):
        raise ValueError(
            "A mask must have the shape of what it masks, without the last dimension. "
            f"Received: a mask of shape {shape} for features of shape "
            f"{tuple(features.shape)}. Cut or pad both to one length."
        )
