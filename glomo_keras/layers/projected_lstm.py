"""A long short-term memory whose output is projected and clipped."""

import keras
from keras import ops
from keras import tree

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_scale
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import OrthogonalInitializer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.projected_lstm import projected_lstm_step
from glomo_keras.ops.sizes import shortfall


@keras.saving.register_keras_serializable(package="glomo_keras")
class ProjectedLSTM(keras.layers.Layer):
    """LSTM with a projected, clipped output: the recurrent layer of ELMo.

        i, f, c, o = split(x W + output U + b)
        cell   = clip(sigmoid(f) * cell + sigmoid(i) * tanh(c), cell_clip)
        output = clip((sigmoid(o) * tanh(cell)) P, projection_clip)

    A large memory with a small output; `keras.layers.LSTM` has neither the projection
    nor the clipping. Otherwise it is called as that layer is, and stands in
    `keras.layers.Bidirectional`; it carries no state from one batch to the next.

    Masking: padded units come out as zeros and leave the state as it is.

    Args:
        units: int, size of the memory cell.
        projection_dim: int, size of the output.
        cell_clip: float or None, largest absolute value of the cell.
        projection_clip: float or None, largest absolute value of the output.
        return_sequences: bool, whether to return the outputs of all units, and not the
            last alone.
        return_state: bool, whether to return the last output and the last cell, too.
        go_backwards: bool, whether to start at the last unit. The outputs of all units
            then come in that order, as those of `keras.layers.LSTM` do.
        kernel_initializer: initializer of W and P, or its name.
        kernel_regularizer: regularizer of W and P, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`.
        initial_state: list of the output, float tensor `(batch, projection_dim)`, and
            the cell, `(batch, units)`, before the first unit, or `None` for zeros.
        mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, which changes nothing: there is no dropout.
        features_mask: bool tensor `(batch, length)`, in place of `mask` where none is
            given: the name by which Keras hands it over beside an `initial_state`.

    Returns:
        Float tensor `(batch, projection_dim)`, or with `return_sequences` `(batch,
        length, projection_dim)`, in the compute dtype; with `return_state`, a tuple of
        it, the last output and the last cell.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if an argument is of another type.

    Example:

    >>> lstm = ProjectedLSTM(units=11, projection_dim=3, return_sequences=True)
    >>> tuple(keras.layers.Bidirectional(lstm)(keras.ops.ones((2, 7, 5))).shape)
    (2, 7, 6)

    Reference: Peters et al., 2018 (arXiv 1802.05365), section 3.4; the projection:
    Sak et al., 2014 (arXiv 1402.1128).
    """

    def __init__(
        self,
        units,
        projection_dim,
        cell_clip=3.0,
        projection_clip=3.0,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.projection_dim = positive_integer("projection_dim", projection_dim)
        self.cell_clip = check_scale("cell_clip", cell_clip, or_none=True)
        self.projection_clip = check_scale(
            "projection_clip", projection_clip, or_none=True
        )
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        # What `keras.layers.Bidirectional` asks for.
        self.stateful, self.states = False, None
        self.supports_masking = True

    def build(self, features_shape):
        check_rank("features", features_shape, "batch, length, dim")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features_shape[-1], 4 * self.units),
            initializer=new_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
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
                new_initializer(self.kernel_initializer),
                self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="cell",
            ),
            return_sequences=True,
            return_state=True,
            go_backwards=self.go_backwards,
            zero_output_for_mask=True,
            dtype=self.dtype_policy,
            name="recurrence",
        )
        self.recurrence.build((*features_shape[:-1], 4 * self.units))
        freeze_parts(self)

    def call(
        self,
        features,
        initial_state=None,
        mask=None,
        training=None,
        features_mask=None,
    ):
        # By this name Keras hands over the mask where there are states.
        mask = features_mask if mask is None else mask
        features = zero_padding(features, mask)
        batch, length, _ = ops.shape(features)
        # Keras's loop needs a unit: where there is none, it gets a padded one.
        missing = shortfall(length, 1)
        is_certain = isinstance(missing, int) and missing == 0
        if not is_certain:
            mask = ops.ones_like(features[..., 0], "bool") if mask is None else mask
            mask = ops.pad(ops.cast(mask, "bool"), [(0, 0), (0, missing)])
            features = ops.pad(features, [(0, 0), (0, missing), (0, 0)])
        # Of all units at once: one large product in place of many small ones.
        projected = ops.matmul(features, self.kernel) + self.bias
        outputs, *states = self.recurrence(
            projected, initial_state=initial_state, mask=mask, training=training
        )
        if not is_certain:
            # Sizes that are known in a graph are lost in a slice of others.
            sizes = (batch, length, self.projection_dim)
            outputs = ops.reshape(outputs[:, :length], sizes)
        if not self.return_sequences:
            outputs = states[0]
        return (outputs, *states) if self.return_state else outputs

    def compute_mask(self, features, previous_mask=None):
        mask = previous_mask if self.return_sequences else None
        return [mask, None, None] if self.return_state else mask

    def compute_output_shape(self, features_shape, initial_state_shape=None):
        batch, length = features_shape[:2]
        outputs = last = (batch, self.projection_dim)
        if self.return_sequences:
            outputs = (batch, length, self.projection_dim)
        return (outputs, last, (batch, self.units)) if self.return_state else outputs

    def compute_output_spec(
        self,
        features,
        initial_state=None,
        mask=None,
        training=None,
        features_mask=None,
    ):
        return tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, dtype=self.compute_dtype),
            self.compute_output_shape(features.shape),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "projection_dim": self.projection_dim,
            "cell_clip": self.cell_clip,
            "projection_clip": self.projection_clip,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


class _Recurrence(keras.layers.Layer):
    """One step, for `keras.layers.RNN`, of inputs that are projected already."""

    def __init__(
        self,
        units,
        projection_dim,
        cell_clip,
        projection_clip,
        kernel_initializer,
        kernel_regularizer,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.state_size = [projection_dim, units]
        self.output_size = projection_dim
        self.cell_clip = cell_clip
        self.projection_clip = projection_clip

    def build(self, inputs_shape):
        projection_dim, units = self.state_size
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(projection_dim, 4 * units),
            initializer=OrthogonalInitializer(),
        )
        self.projection = self.add_weight(
            name="projection",
            shape=(units, projection_dim),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
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
    """Initialize biases by zeros, that of the forget gate by ones."""
    units = shape[0] // 4
    gates = [ops.zeros, ops.ones, ops.zeros, ops.zeros]
    return ops.concatenate([gate((units,), dtype=dtype) for gate in gates])
