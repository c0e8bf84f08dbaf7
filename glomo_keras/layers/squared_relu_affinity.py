"""Sparse relational graphs from queries and keys: eq. 1."""

import math

import keras
import numpy as np
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_units
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.layers.messages_without_graphs import MessagesWithoutGraphs
from glomo_keras.layers.position_bias import PositionBias
from glomo_keras.ops.affinity import normalize_rows
from glomo_keras.ops.affinity import squared_relu
from glomo_keras.ops.affinity import subtract_mean_score
from glomo_keras.ops.blocks import split_into_blocks
from glomo_keras.ops.blocks import spread_senders
from glomo_keras.ops.entmax import entmax_affinity
from glomo_keras.ops.precision import raise_precision
from glomo_keras.ops.raster import raster_units
from glomo_keras.ops.visibility import check_direction
from glomo_keras.ops.visibility import visible_pairs

# Receivers of a block are so many at least, and blocks of a long text so many.
_BLOCK_SIZE, _NUM_BLOCKS = 32, 8
THRESHOLDS = ("mean", "scalar", "query", "entmax", None)


@keras.saving.register_keras_serializable(package="glomo_keras")
class SquaredReLUAffinity(MessagesWithoutGraphs, keras.layers.Layer):
    """Graphs of several layers and heads, one for each, from queries and keys.

        q = W_q query, k = W_k key                      (per layer and head)
        score[i, j] = exp(log_scale) <q_i, k_j> / sqrt(key_dim)
        graph[i, j] = relu(score[i, j] / 2 - threshold[i])^2

    over the senders j that receiver i may see, with the threshold for which the row
    sums to one: 1.5-entmax, `threshold="entmax"`. Many weights are exactly zero, no row
    is empty that sees a sender, and rows are the sharper the larger the scale, which is
    trained, one a layer and head. It starts at one, with which most visible senders are
    active.

    With every other threshold rows are normalized, as in the paper:

        score[i, j] = <q_i, k_j> - threshold
        graph[i, j] = relu(score[i, j])^2 / sum_j' relu(score[i, j'])^2

    A row is then exactly zero where no visible score exceeds the threshold, and as
    sharp at any scale of the scores. `"mean"`, the mean score of the receiver's visible
    senders, has no parameters and never empties a row whose visible scores differ: some
    score always exceeds their mean. A receiver with a single visible sender, or with
    equal scores, has an empty row. `"scalar"` is the paper's bias (threshold = -b), one
    a layer, starting at zero; `"query"` is linear in the projected query, the authors'
    program; `None` is zero. With these heads may die.

    Masking: padded senders have no weight, padded receivers have rows of zeros. The
    output carries no mask. Scores and sums are computed in float32 when the compute
    dtype is a 16-bit one.

    The units of images are their pixels in raster order. Where the graphs would be
    large and nobody looks at them, `project` and `attend` make messages without them.

    With `position_bias`, a number for the distance of receiver and sender is added to
    each score before the threshold, one a distance, layer and head, from zeros; in
    images one for each offset in rows and columns.

    For another score rule, override `activate` and take another threshold: `"entmax"`
    is a rule of its own.

    Args:
        num_graph_layers: int, number of graph layers.
        num_heads: int, number of heads of each.
        key_dim: int, size of a head's queries and keys.
        direction: `"forward"` (receivers read units before them) or `"backward"`.
        threshold: `"entmax"`, `"mean"`, `"scalar"`, `"query"` or `None`.
        use_bias: bool, whether the projections have biases.
        top_k: int or None. Keep the `top_k` largest activations of a row alone.
        position_bias: int or None. The greatest distance with a number of its own;
            greater ones share it. `None` means no numbers.
        kernel_initializer: initializer of W_k and W_q, or its name.
        kernel_regularizer: regularizer of W_k and W_q, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        queries: float tensor `(batch, length, dim)` or `(batch, height, width, dim)`.
        keys: float tensor like `queries`, but for `dim`.
        queries_mask: bool tensor like `queries` without `dim`, `True` at real units,
            or `None`.
        keys_mask: bool tensor likewise, or `None`.

    Returns:
        Float tensor `(batch, num_graph_layers, num_heads, length, length)` in the
        compute dtype, receivers in rows, senders in columns; `length` is `height *
        width` for images.

    Raises:
        ValueError: if an argument is out of its range, or the shapes do not fit.
        TypeError: if an argument is of another type.

    Example:

    >>> affinity = SquaredReLUAffinity(num_graph_layers=3, num_heads=2, key_dim=5)
    >>> units = keras.random.normal((2, 7, 11), seed=0)
    >>> tuple(affinity(units, units).shape)
    (2, 3, 2, 7, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1.
    """

    def __init__(
        self,
        num_graph_layers,
        num_heads,
        key_dim,
        direction="forward",
        threshold="entmax",
        use_bias=False,
        top_k=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        position_bias=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if threshold not in THRESHOLDS:
            raise ValueError(
                '`threshold` must be "mean", "scalar", "query", "entmax" or None. '
                f"Received: threshold={threshold!r}."
            )
        if threshold == "entmax" and self._has_own_rule:
            raise ValueError(
                '`threshold` must not be "entmax" where `activate` is overridden: it '
                f"is a score rule itself. Received: threshold={threshold!r}, for a "
                f"{type(self).__name__}. Take another threshold, or the class without "
                "`activate`."
            )
        self.num_graph_layers = positive_integer("num_graph_layers", num_graph_layers)
        self.num_heads = positive_integer("num_heads", num_heads)
        self.key_dim = positive_integer("key_dim", key_dim)
        self.direction = check_direction(direction)
        self.threshold = threshold
        self.use_bias = use_bias
        self.top_k = positive_integer("top_k", top_k, or_none=True)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.position_bias = positive_integer(
            "position_bias", position_bias, or_none=True
        )
        self.supports_masking = True

    def build(self, queries_shape, keys_shape):
        layouts = ("batch, length, dim", "batch, height, width, dim")
        check_rank("queries", queries_shape, *layouts)
        check_rank("keys", keys_shape, layouts[len(queries_shape) - 3])
        check_units("keys", keys_shape[1:-1], "queries", queries_shape[1:-1])
        heads = (self.num_graph_layers, self.num_heads, self.key_dim)
        for name, dim in (("key", keys_shape[-1]), ("query", queries_shape[-1])):
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(dim, int(np.prod(heads))),
                initializer=new_initializer(self.kernel_initializer),
                regularizer=self.kernel_regularizer,
            )
            bias = None
            if self.use_bias:
                bias = self.add_weight(
                    name=f"{name}_bias",
                    shape=(int(np.prod(heads)),),
                    initializer="zeros",
                )
            setattr(self, f"{name}_kernel", kernel)
            setattr(self, f"{name}_bias", bias)
        if self.threshold == "query":
            self.threshold_kernel = self.add_weight(
                name="threshold_kernel",
                shape=(self.num_graph_layers, self.key_dim),
                initializer="zeros",
            )
        if self._has_trained_threshold:
            self.threshold_bias = self.add_weight(
                name="threshold_bias",
                shape=(self.num_graph_layers,),
                initializer="zeros",
            )
        if self.threshold == "entmax":
            self.log_scale = self.add_weight(
                name="log_scale",
                shape=(self.num_graph_layers, self.num_heads),
                initializer="zeros",
                autocast=False,
            )
        if self.position_bias is not None:
            self.distances = PositionBias(
                self.num_graph_layers,
                self.num_heads,
                self.position_bias,
                self.direction,
                dtype=self.dtype_policy,
                name="distances",
            )
            self.distances.build(queries_shape)
        freeze_parts(self)

    def call(self, queries, keys, queries_mask=None, keys_mask=None):
        units = queries
        queries, keys, queries_mask, keys_mask = self._project_both(
            queries, keys, queries_mask, keys_mask
        )
        visible = visible_pairs(
            ops.shape(keys)[-2], self.direction, queries_mask, keys_mask
        )
        if len(visible.shape) == 3:
            visible = visible[:, None, None]  # layers and heads share it
        bias = self._bias_of_pairs(units, queries.dtype)
        activations = self._activations_in_blocks(queries, keys, bias, visible)
        if self.top_k is not None:
            activations = self._cut_rows(activations, visible)
        return ops.cast(activations, self.compute_dtype)

    def activate(self, scores):
        """Turn scores into activations that are not negative: the score rule.

        Args:
            scores: float tensor `(batch, num_graph_layers, num_heads, length,
                length)`, threshold subtracted, zero at invisible pairs.

        Returns:
            Float tensor of the same shape; every row is divided by its sum after.

        Example (softmax over the visible senders):

        >>> class SoftmaxAffinity(SquaredReLUAffinity):
        ...     def activate(self, scores):
        ...         highest = keras.ops.max(scores, axis=-1, keepdims=True)
        ...         return keras.ops.exp(scores - highest)
        """
        return squared_relu(scores)

    def compute_mask(self, queries, previous_mask=None):
        return None

    def compute_output_shape(self, queries_shape, keys_shape):
        length = queries_shape[1]
        if len(queries_shape) == 4:
            known = None not in queries_shape[1:3]
            length = queries_shape[1] * queries_shape[2] if known else None
        heads = (self.num_graph_layers, self.num_heads)
        return (queries_shape[0], *heads, length, length)

    def get_config(self):
        return {
            **super().get_config(),
            "num_graph_layers": self.num_graph_layers,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "direction": self.direction,
            "threshold": self.threshold,
            "use_bias": self.use_bias,
            "top_k": self.top_k,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "position_bias": self.position_bias,
        }

    @property
    def _has_own_rule(self):
        return type(self).activate is not SquaredReLUAffinity.activate

    @property
    def _has_trained_threshold(self):
        return self.threshold in ("scalar", "query")

    def _project_both(self, queries, keys, queries_mask, keys_mask):
        """Project queries and keys of sequences; return their masks as well."""
        queries, queries_mask = raster_units(
            zero_padding(queries, queries_mask), queries_mask
        )
        keys, keys_mask = raster_units(zero_padding(keys, keys_mask), keys_mask)
        queries = self._project(queries, self.query_kernel, self.query_bias)
        keys = self._project(keys, self.key_kernel, self.key_bias)
        if self.threshold == "entmax":
            scale = ops.exp(ops.cast(self.log_scale, queries.dtype))
            queries = queries * (scale * self.key_dim**-0.5)[..., None, None]
        return queries, keys, queries_mask, keys_mask

    def _project(self, features, kernel, bias):
        """Project to `(batch, layers, heads, length, key_dim)`."""
        projected = ops.matmul(features, kernel)
        if bias is not None:
            projected = projected + bias
        heads = (self.num_graph_layers, self.num_heads, self.key_dim)
        projected = ops.reshape(projected, (*ops.shape(features)[:2], *heads))
        # float16 overflows in the products that follow.
        return raise_precision(ops.transpose(projected, (0, 2, 3, 1, 4)))

    def _activations_in_blocks(self, queries, keys, bias, visible):
        """Compute rows block by block, each without the senders that it cannot see."""
        length = queries.shape[-2]
        size = max(_BLOCK_SIZE, math.ceil((length or 0) / _NUM_BLOCKS))
        blocks = split_into_blocks(length, size, self.direction)
        if len(blocks) == 1 or self._has_own_rule:  # which is promised whole rows
            return self._activations(queries, keys, bias, visible)
        # Not slices, whose gradients are slow on TensorFlow.
        stops = [block.own.stop for block in blocks[:-1]]
        own_queries = ops.split(queries, stops, axis=-2)
        own_keys = ops.split(keys, stops, axis=-2)
        is_forward = self.direction == "forward"
        rows = []
        for number, block in enumerate(blocks):
            seen = slice(number + 1) if is_forward else slice(number, None)
            pairs = (..., block.own, block.senders)
            part = self._activations(
                own_queries[number],
                ops.concatenate(own_keys[seen], axis=-2),
                None if bias is None else bias[pairs],
                visible[pairs],
            )
            rows.append(spread_senders(part, block.senders, length))
        return ops.concatenate(rows, axis=-2)

    def _activations(self, queries, keys, bias, visible):
        """Compute rows, which sum to one unless `top_k` will cut them."""
        scores = self._scores(queries, keys, bias)
        if self.threshold == "entmax":
            return entmax_affinity(scores, visible)
        scores = self._subtract_threshold(scores, queries, visible)
        # What must not be seen does not reach the score rule either.
        scores = ops.where(visible, scores, ops.zeros_like(scores))
        activations = self.activate(scores)
        if self.top_k is not None:
            return activations
        return normalize_rows(activations, visible)

    def _bias_of_pairs(self, units, dtype):
        """Return the numbers of distances by receiver and sender, `None` without."""
        if self.position_bias is None:
            return None
        return self.distances.spread(ops.cast(self.distances(units), dtype))

    def _scores(self, queries, keys, bias):
        scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
        return scores if bias is None else scores + bias

    def _subtract_threshold(self, scores, queries, visible):
        if self.threshold == "mean":
            return subtract_mean_score(scores, visible, for_any_rule=self._has_own_rule)
        return scores if self.threshold is None else scores - self._threshold(queries)

    def _threshold(self, queries):
        """Compute trained thresholds, which broadcast to `(..., receivers, 1)`."""
        threshold = ops.cast(self.threshold_bias, queries.dtype)
        threshold = threshold[:, None, None, None]  # (layers, heads, receivers, 1)
        if self.threshold == "query":
            kernel = ops.cast(self.threshold_kernel, queries.dtype)
            threshold = threshold + ops.matmul(queries, kernel[:, None, :, None])
        return threshold

    def _cut_rows(self, activations, visible):
        """Keep the largest activations of rows, which sum to one again."""
        return normalize_rows(self._keep_largest(activations, visible), visible)

    def _keep_largest(self, activations, visible):
        activations = ops.where(visible, activations, ops.zeros_like(activations))
        # Zeros appended, so that there are top_k values however short the text.
        padded = ops.pad(activations, ((0, 0),) * 4 + ((0, self.top_k),))
        # By place and not by value: XLA may compute activations twice, and round the
        # smallest of those that are kept to less than itself.
        senders = ops.top_k(padded, self.top_k)[1]
        places = ops.arange(ops.shape(activations)[-1], dtype=senders.dtype)
        is_kept = ops.equal(senders[..., :1], places)
        for number in range(1, self.top_k):
            is_this = ops.equal(senders[..., number : number + 1], places)
            is_kept = ops.logical_or(is_kept, is_this)
        return ops.where(is_kept, activations, ops.zeros_like(activations))
