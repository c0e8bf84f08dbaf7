"""Metrics of pretraining: likelihood, and the state of the graphs."""

import keras
import numpy as np
from keras import ops

from glomo_keras.ops.relations import NEAR

# Metrics of graphs by name: sums of what, by sums of what, of `graph_counts` and
# `relation_counts`.
GRAPH_RATIOS = {
    "density": ("active", "visible"),
    "empty_rows": ("empty_rows", "receivers"),
    "one_sender_rows": ("one_sender_rows", "receivers"),
    "specificity": ("specificity", "choosing_rows"),
    "effective_senders": ("effective_senders", "reading_rows"),
    "effective_share": ("effective_senders", "visible_senders"),
    **{f"within_{limit}": (f"within_{limit}", "reading_rows") for limit in NEAR},
}


@keras.saving.register_keras_serializable(package="glomo_keras")
class UnitMean(keras.metrics.Mean):
    """Mean over units, in batches of texts of any length.

        mean = sum weight * value / sum weight

    `keras.metrics.Mean` takes the mean over the positions of a sample first: units of
    short texts would count more than others, and padding would count.

    Args:
        name: str, name of the metric.
        dtype: dtype of the result.

    Example:

    >>> mean = UnitMean()
    >>> mean.update_state(keras.ops.array([[1.0, 1.0, 1.0]]))
    >>> mean.update_state(keras.ops.array([[5.0]]))
    >>> float(mean.result())
    2.0
    """

    def __init__(self, name="unit_mean", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, values, sample_weight=None):
        """Add values of any shape, with weights of the same shape or `None`."""
        if sample_weight is not None:
            sample_weight = ops.reshape(sample_weight, (-1,))
        super().update_state(ops.reshape(values, (-1,)), sample_weight)


@keras.saving.register_keras_serializable(package="glomo_keras")
class Perplexity(UnitMean):
    """Exponential of the mean negative log-likelihood in nats.

        perplexity = exp(sum weight * nats / sum weight)

    Args:
        name: str, name of the metric.
        dtype: dtype of the result.

    Example:

    >>> perplexity = Perplexity()
    >>> perplexity.update_state(keras.ops.log([2.0, 8.0]))
    >>> round(float(perplexity.result()), 4)
    4.0
    """

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(package="glomo_keras")
class HeadRatio(keras.metrics.Metric):
    """Ratio of two sums, over all heads; `by_head` tells them apart.

        ratio = sum part / sum whole

    Args:
        shape: tuple of ints, `(directions, layers, heads)`.
        name: str, name of the metric.
        dtype: dtype of the result.

    Example:

    >>> density = HeadRatio((1, 1, 2))
    >>> density.update_state(
    ...     keras.ops.array([[[1.0, 3.0]]]), keras.ops.array([[[4.0, 4.0]]]))
    >>> float(density.result()), density.by_head()
    (0.5, [[[0.25, 0.75]]])
    """

    def __init__(self, shape, name="head_ratio", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.shape = tuple(shape)
        self.part = self.add_variable(self.shape, initializer="zeros", name="part")
        self.whole = self.add_variable(self.shape, initializer="zeros", name="whole")

    def update_state(self, part, whole):
        """Add sums of the heads, both of the shape of the metric."""
        self.part.assign_add(ops.cast(part, self.part.dtype))
        self.whole.assign_add(ops.cast(whole, self.whole.dtype))

    def result(self):
        whole = ops.sum(self.whole)
        return ops.sum(self.part) / ops.where(whole > 0, whole, 1.0)

    def by_head(self):
        """Return the ratios of the heads: nested lists, `None` where there is no whole.

        Four digits are kept: of a head with a single sender, too.
        """
        part, whole = map(ops.convert_to_numpy, (self.part, self.whole))
        ratios = np.full(self.shape, None)
        counted = whole > 0
        ratios[counted] = [
            float(f"{ratio:.4g}") for ratio in (part[counted] / whole[counted]).tolist()
        ]
        return ratios.tolist()

    def get_config(self):
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="glomo_keras")
class DeadHeads(keras.metrics.Metric):
    """Number of heads that had no active sender in any row since the last reset.

    Args:
        num_heads: int, how many heads are watched, of all layers and directions.
        name: str, name of the metric.
        dtype: dtype of the result.

    Example:

    >>> dead = DeadHeads(num_heads=3)
    >>> dead.update_state(keras.ops.array([0.0, 4.0, 0.0]))
    >>> float(dead.result())
    2.0
    """

    def __init__(self, num_heads, name="dead_heads", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_heads = num_heads
        self.active = self.add_variable(
            (num_heads,), initializer="zeros", name="active"
        )

    def update_state(self, active, sample_weight=None):
        """Add the numbers of active weights of the heads, `(num_heads,)`."""
        self.active.assign_add(ops.cast(active, self.active.dtype))

    def result(self):
        return ops.sum(ops.cast(self.active == 0, self.dtype))

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads}
