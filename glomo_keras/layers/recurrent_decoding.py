"""GRU layers that start from the features of a position and read what follows it."""

import keras

from glomo_keras.layers.initializers import OrthogonalInitializer
from glomo_keras.layers.initializers import new_initializer


def make_cells(
    num_layers,
    dim,
    dtype,
    kernel_initializer="glorot_uniform",
    kernel_regularizer=None,
):
    """Make and build GRU cells, one a layer.

    Args:
        num_layers: int.
        dim: int, size of inputs and states.
        dtype: dtype policy.
        kernel_initializer: what `get_initializer` returned, of the kernels of inputs.
        kernel_regularizer: regularizer of the same kernels, or `None`.

    Returns:
        List of `keras.layers.GRUCell`.

    Example:

    >>> [cell.units for cell in make_cells(2, 5, "float32")]
    [5, 5]
    """
    cells = []
    for layer in range(num_layers):
        cell = keras.layers.GRUCell(
            dim,
            kernel_initializer=new_initializer(kernel_initializer),
            # The class: its seed is drawn after that of the kernel, as in Keras.
            recurrent_initializer=OrthogonalInitializer,
            kernel_regularizer=kernel_regularizer,
            dtype=dtype,
            name=f"cell_{layer}",
        )
        cell.build((None, dim))
        cells.append(cell)
    return cells


def decode(cells, features, inputs):
    """Run the cells over known inputs: eq. 3 with the truth fed in.

        h_d = GRU(inputs[d], h_{d-1}),  h_0 = features, in every layer

    Args:
        cells: list of `keras.layers.GRUCell`.
        features: float tensor `(rows, dim)`.
        inputs: iterable of float tensors `(rows, dim)`.

    Returns:
        List of the outputs of the last layer, float tensors `(rows, dim)`.

    Example:

    >>> rows = keras.ops.ones((2, 5))
    >>> len(decode(make_cells(1, 5, "float32"), rows, [rows, rows, rows]))
    3
    """
    states = [features] * len(cells)
    outputs = []
    for hidden in inputs:
        for layer, cell in enumerate(cells):
            hidden, state = cell(hidden, [states[layer]])
            states[layer] = state[0] if isinstance(state, (list, tuple)) else state
        outputs.append(hidden)
    return outputs
