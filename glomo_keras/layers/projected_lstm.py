"""A long short-term memory whose output is projected and clipped."""

import keras
from keras import ops
from keras import tree

from glomo_keras.checks import check_positive_integers
from glomo_keras.checks import check_rank
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.projected_lstm import projected_lstm_step
from glomo_keras.ops.visibility import check_direction


@keras.saving.register_keras_serializable(package="glomo_keras")
class ProjectedLSTM(keras.layers.Layer):
    """LSTM with a projected, clipped output: the recurrent layer of ELMo.

        i, f, c, o = split(x W + output U + b)
        cell   = clip(sigmoid(f) * cell + sigmoid(i) * tanh(c), cell_clip)
        output = clip((sigmoid(o) * tanh(cell)) P, projection_clip)

    A large memory with a small output; `keras.layers.LSTM` has neither the projection
    nor the clipping. `"backward"` starts at the last real unit; outputs stay in the
    places of their units.

    Masking: padded units come out as zeros and leave the state as it is.

    Args:
        units: int, size of the memory cell.
        projection_dim: int, size of the output.
        direction: `"forward"` or `"backward"`.
        cell_clip: float or None, largest absolute value of the cell.
        projection_clip: float or None, largest absolute value of the output.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`.
        mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        initial_state: list of the output, float tensor `(batch, projection_dim)`, and
            the cell, `(batch, units)`, before the first unit, or `None` for zeros.
        return_state: bool, whether to return the states after the last unit, too.

    Returns:
        Float tensor `(batch, length, projection_dim)` in the compute dtype; with
        `return_state`, a tuple of it, the last output and the last cell.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> lstm = ProjectedLSTM(units=11, projection_dim=3, direction="backward")
    >>> tuple(lstm(keras.ops.ones((2, 7, 5))).shape)
    (2, 7, 3)

    Reference: Peters et al., 2018 (arXiv 1802.05365), section 3.4; the projection:
    Sak et al., 2014 (arXiv 1402.1128).
    """

    def __init__(
        self,
        units,
        projection_dim,
        direction="forward",
        cell_clip=3.0,
        projection_clip=3.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_integers(units=units, projection_dim=projection_dim)
        for name, limit in (
            ("cell_clip", cell_clip),
            ("projection_clip", projection_clip),
        ):
            if limit is not None and limit <= 0:
                raise ValueError(
                    f"`{name}` must be positive, or None for no limit. "
                    f"Received: {name}={limit}."
                )
        self.units = units
        self.projection_dim = projection_dim
        self.direction = check_direction(direction)
        self.cell_clip = cell_clip
        self.projection_clip = projection_clip
        self.supports_masking = True

    def build(self, features_shape):
        check_rank("features", features_shape, "batch, length, dim")
        self.kernel = self.add_weight(
            name="kernel", shape=(features_shape[-1], 4 * self.units)
        )
        self.bias = self.add_weight(
            name="bias", shape=(4 * self.units,), initializer=_open_forget_gates
        )
        self.recurrence = keras.layers.RNN(
            _Recurrence(
                self.units,
                self.projection_dim,
                self.cell_clip,
                self.projection_clip,
                dtype=self.dtype_policy,
                name="cell",
            ),
            return_sequences=True,
            return_state=True,
            go_backwards=self.direction == "backward",
            zero_output_for_mask=True,
            dtype=self.dtype_policy,
            name="recurrence",
        )
        self.recurrence.build((*features_shape[:-1], 4 * self.units))

    def call(self, features, mask=None, initial_state=None, return_state=False):
        features = zero_padding(features, mask)
        # Of all units at once: one large product in place of many small ones.
        projected = ops.matmul(features, self.kernel) + self.bias
        outputs, *states = self.recurrence(
            projected, initial_state=initial_state, mask=mask
        )
        if self.direction == "backward":  # as computed, so from the end
            outputs = ops.flip(outputs, axis=1)
        return (outputs, *states) if return_state else outputs

    def compute_mask(self, features, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, features_shape, return_state=False):
        batch, length = features_shape[:2]
        outputs = (batch, length, self.projection_dim)
        if not return_state:
            return outputs
        return outputs, (batch, self.projection_dim), (batch, self.units)

    def compute_output_spec(
        self, features, mask=None, initial_state=None, return_state=False
    ):
        return tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, dtype=self.compute_dtype),
            self.compute_output_shape(features.shape, return_state),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "projection_dim": self.projection_dim,
            "direction": self.direction,
            "cell_clip": self.cell_clip,
            "projection_clip": self.projection_clip,
        }


class _Recurrence(keras.layers.Layer):
    """One step, for `keras.layers.RNN`, of inputs that are projected already."""

    def __init__(self, units, projection_dim, cell_clip, projection_clip, **kwargs):
        super().__init__(**kwargs)
        self.state_size = [projection_dim, units]
        self.output_size = projection_dim
        self.cell_clip = cell_clip
        self.projection_clip = projection_clip

    def build(self, inputs_shape):
        projection_dim, units = self.state_size
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(projection_dim, 4 * units),
            initializer="orthogonal",
        )
        self.projection = self.add_weight(
            name="projection", shape=(units, projection_dim)
        )

    def call(self, inputs, states):
        states = projected_lstm_step(
            inputs,
            *states,
            self.recurrent_kernel,
            self.projection,
            self.cell_clip,
            self.projection_clip,
        )
        return states[0], list(states)


def _open_forget_gates(shape, dtype=None):
    """Biases of zero, and of one for the forget gate."""
    units = shape[0] // 4
    gates = [ops.zeros, ops.ones, ops.zeros, ops.zeros]
    return ops.concatenate([gate((units,), dtype=dtype) for gate in gates])
