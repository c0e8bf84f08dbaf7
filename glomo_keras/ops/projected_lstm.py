"""One step of a long short-term memory whose output is projected and clipped."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape


def projected_lstm_step(
    projected_inputs,
    output,
    cell,
    recurrent_kernel,
    projection,
    cell_clip=None,
    projection_clip=None,
):
    """Take one step of an LSTM with a projected output.

        i, f, c, o = split(projected_inputs + output @ recurrent_kernel)
        cell   = clip(sigmoid(f) * cell + sigmoid(i) * tanh(c), cell_clip)
        output = clip((sigmoid(o) * tanh(cell)) @ projection, projection_clip)

    Gates are in the order of `keras.layers.LSTM`.

    Args:
        projected_inputs: float tensor `(batch, 4 * units)`, inputs times their kernel,
            plus the bias.
        output: float tensor `(batch, projection_dim)`, of the step before.
        cell: float tensor `(batch, units)`, of the step before.
        recurrent_kernel: float tensor `(projection_dim, 4 * units)`.
        projection: float tensor `(units, projection_dim)`.
        cell_clip: float or None, largest absolute value of the cell.
        projection_clip: float or None, largest absolute value of the output.

    Returns:
        The next `output` and `cell`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> ones = keras.ops.ones
    >>> output, cell = projected_lstm_step(
    ...     ones((2, 12)), ones((2, 5)), ones((2, 3)), ones((5, 12)), ones((3, 5)))
    >>> tuple(output.shape), tuple(cell.shape)
    ((2, 5), (2, 3))

    Reference: Sak et al., 2014 (arXiv 1402.1128), without peepholes; clipped as in the
    language models of Peters et al., 2018 (arXiv 1802.05365).
    """
    check_rank("projected_inputs", projected_inputs, "batch, 4 * units")
    check_shape("output", output, "projection", (None, projection.shape[-1]))
    check_shape("cell", cell, "projection", (None, projection.shape[0]))
    gates = projected_inputs + ops.matmul(output, recurrent_kernel)
    admit, keep, candidate, emit = ops.split(gates, 4, axis=-1)
    cell = ops.sigmoid(keep) * cell + ops.sigmoid(admit) * ops.tanh(candidate)
    cell = clip(cell, cell_clip)
    output = ops.matmul(ops.sigmoid(emit) * ops.tanh(cell), projection)
    return clip(output, projection_clip), cell


def clip(tensor, limit):
    """Limit `tensor` to `-limit` to `limit`, or not at all where that is `None`."""
    return tensor if limit is None else ops.clip(tensor, -limit, limit)
