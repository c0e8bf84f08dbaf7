"""Adam that touches the rows of an embedding that a batch looked up, and no others."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glomo_keras")
class LazyAdam(keras.optimizers.Adam):
    """Adam whose moments of an embedding's row wait until the row is looked up again.

    For a row r that the step looked up, with a gradient g_r other than zero, as
    `keras.optimizers.Adam`:

        m_r <- beta_1 m_r + (1 - beta_1) g_r
        v_r <- beta_2 v_r + (1 - beta_2) g_r^2
        w_r <- w_r - rate_t m_r / (sqrt(v_r) + epsilon)

    Other rows keep their weights and moments, where Adam lets the moments decay and
    moves the weights on. This is another optimizer, not a faster way to the same
    numbers: rare units move less. With a vocabulary of 100,000 units a step of Adam
    passes over all of them nine times, though a batch has looked up two thousand.

    Rows are known on TensorFlow, where the gradient of a lookup is sparse. Weights with
    a dense gradient, and all weights on other backends, are updated as by Adam, and so
    is an embedding that is used as a matrix as well (the tied weights of a softmax).

    Args:
        *args: arguments of `keras.optimizers.Adam`.
        **kwargs: likewise. Weight decay and moving averages of weights are of all
            rows, and take as long as they do there.

    Raises:
        ValueError: if `amsgrad` or `gradient_accumulation_steps` is set.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.layers.Embedding(100_000, 8)])
    >>> model.compile(LazyAdam(global_clipnorm=1.0), "mse")
    >>> unit_ids, targets = np.array([[3, 5, 3]]), np.ones((1, 3, 8))
    >>> _ = model.fit(unit_ids, targets, verbose=0)

    Source: Kingma and Ba, Adam (2015), algorithm 1; eq. 3's units are looked up in an
    embedding (GLoMo, section 3.1).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError(
                "LazyAdam has no `amsgrad`: it keeps no maximum of velocities. Use "
                "`keras.optimizers.Adam(amsgrad=True)`."
            )
        if self.gradient_accumulation_steps:
            raise ValueError(
                "LazyAdam has no `gradient_accumulation_steps`: sums of gradients are "
                "of all rows, also of those that no batch looked up. Received: "
                f"gradient_accumulation_steps={self.gradient_accumulation_steps}. Use "
                "`keras.optimizers.Adam`, or larger batches."
            )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Saved models may have one that accumulated gradients, which made it an Adam.
        accumulates = config.get("gradient_accumulation_steps")
        kind = keras.optimizers.Adam if accumulates else super()
        return kind.from_config(config, custom_objects)

    def update_step(self, gradient, variable, learning_rate):
        """Update a variable: its looked-up rows where the gradient is sparse."""
        if not _is_sparse(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        # Again after `_clip_gradients`: two replicas may have looked up the same row.
        gradient = _with_every_row_once(gradient)
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        dtype = variable.dtype
        values = ops.cast(gradient.values, dtype)
        # The rows that filled up the places of repeated ones: they may not decay.
        looked_up = values != 0
        if len(values.shape) > 1:
            axes = tuple(range(1, len(values.shape)))
            looked_up = ops.any(looked_up, axis=axes, keepdims=True)
        looked_up = ops.cast(looked_up, dtype)
        old_momentum = _rows(momentum, gradient.indices)
        old_velocity = _rows(velocity, gradient.indices)
        change_of_momentum = looked_up * (1 - self.beta_1) * (values - old_momentum)
        change_of_velocity = (
            looked_up * (1 - self.beta_2) * (ops.square(values) - old_velocity)
        )
        step = ops.cast(self.iterations + 1, dtype)
        rate = (
            ops.cast(learning_rate, dtype)
            * ops.sqrt(1 - ops.power(ops.cast(self.beta_2, dtype), step))
            / (1 - ops.power(ops.cast(self.beta_1, dtype), step))
        )
        change = (
            looked_up
            * rate
            * (old_momentum + change_of_momentum)
            / (ops.sqrt(old_velocity + change_of_velocity) + self.epsilon)
        )
        self.assign_add(momentum, _with_values(gradient, change_of_momentum))
        self.assign_add(velocity, _with_values(gradient, change_of_velocity))
        self.assign_sub(variable, _with_values(gradient, change))

    def _clip_gradients(self, grads):
        # Keras's own makes sparse gradients dense. A row's norm is that of the sum of
        # what its units gave, so that rows are joined first.
        grads = [_with_every_row_once(g) if _is_sparse(g) else g for g in grads]
        clipped = super()._clip_gradients(
            [g.values if _is_sparse(g) else g for g in grads]
        )
        return [
            _with_values(g, values) if _is_sparse(g) else values
            for g, values in zip(grads, clipped, strict=True)
        ]


def _is_sparse(gradient):
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)


def _rows(variable, indices):
    """Return rows of a variable without a copy of all of it."""
    import tensorflow as tf

    return tf.gather(getattr(variable, "value", variable), indices)


def _with_values(gradient, values):
    import tensorflow as tf

    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def _with_every_row_once(gradient):
    """Return the same gradient, equal indices joined, as many as before.

    XLA knows no number of different indices. The places that become free hold zeros
    for row 0.
    """
    import tensorflow as tf

    order = tf.argsort(gradient.indices)
    indices = tf.gather(gradient.indices, order)
    is_new = tf.concat([indices[:1] >= 0, indices[1:] != indices[:-1]], axis=0)
    places = tf.cumsum(tf.cast(is_new, tf.int32)) - 1
    num_places = tf.size(indices)
    values = tf.math.unsorted_segment_sum(
        tf.gather(gradient.values, order), places, num_places
    )
    indices = tf.math.unsorted_segment_max(indices, places, num_places)
    return tf.IndexedSlices(values, tf.maximum(indices, 0), gradient.dense_shape)
