"""The decoder that predicts the units around a position: eq. 3."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_unit_classes
from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.layers.recurrent_decoding import decode
from glomo_keras.layers.recurrent_decoding import make_cells
from glomo_keras.ops.context import context_targets
from glomo_keras.ops.context import log_likelihood
from glomo_keras.ops.context import take_units
from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.sampled_softmax import sampled_log_likelihood
from glomo_keras.ops.visibility import check_direction

FIRST_INPUTS = ("unit", "zeros")


@keras.saving.register_keras_serializable(package="glomo_keras")
class ContextDecoder(keras.layers.Layer):
    """Log-likelihoods of the next units of given positions, from their features.

    For every position t a GRU, all of whose layers start from the features f_t,
    reads the units and predicts the next:

        h_1 = GRU(E[x_t], f_t),  h_d = GRU(E[x_{t+d-1}], h_{d-1})
        log p(x_{t+d} | x_{<t+d}, f_t) = log softmax(E h_d)[x_{t+d}]

    for d = 1 ... `context_length`, with t-d in place of t+d when
    `direction="backward"`. Input and output share the table E. The softmax is exact
    and is computed in chunks of the vocabulary; with `num_sampled` that of training is
    estimated from a sample.

    With `unit_classes` the classes of the units are predicted, of a table C of their
    own, and with `two_level` the units in them as well:

        log p(class(x_{t+d})) = log softmax(C h_d)[class(x_{t+d})]
        log p(x_{t+d}) = log p(class(x_{t+d})) + log p(x_{t+d} | class(x_{t+d}))

    where the second term is a softmax of E h_d over the units of the class.

    Masking: a step counts if position and predicted unit are real units inside the
    sequence; elsewhere the log-likelihood is 0, and no gradient comes from it.
    `glomo_keras.ops.context_targets` tells which steps count.

    Args:
        embedding: `keras.layers.ReversibleEmbedding`, the table E. Saving keeps it
            shared with the model around; `keras.models.clone_model` makes two of it.
        context_length: int, how many units are predicted (the paper's D).
        num_layers: int, number of GRU layers.
        direction: `"forward"` (predicts t+1, t+2, ...) or `"backward"`.
        first_input: `"unit"` (the embedding of x_t, as above) or `"zeros"` (the
            authors' program: x_t is known through f_t alone).
        chunk_size: int, how many units of the vocabulary are treated at once.
        unit_classes: int array `(vocabulary_size,)`, the class of every unit, as
            `glomo_keras.data.unit_classes` makes them, or `None`.
        two_level: bool, whether the units of the classes are predicted too.
        num_sampled: int or None, units that a training step's softmax over the
            vocabulary is estimated from. `None` means all of them.
        seed: int or None, seed of the sample.
        kernel_initializer: initializer of the GRU's kernels of inputs, or its name.
        kernel_regularizer: regularizer of the same kernels, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, `dim` that of the embedding.
        unit_ids: int tensor `(batch, length)`.
        positions: int tensor `(num_positions,)`, the positions t, or `None` for
            every position.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, whether the softmax may be estimated.

    Returns:
        Float tensor `(batch, num_positions, context_length)` in nats, nearest unit
        first; float32 when the compute dtype is a 16-bit one.

    Raises:
        ValueError: if an argument is out of its range or the shapes do not fit.
        TypeError: if `embedding` is not a `ReversibleEmbedding` with tied weights.

    Example:

    >>> embedding = keras.layers.ReversibleEmbedding(13, 5)
    >>> decoder = ContextDecoder(embedding, context_length=3)
    >>> unit_ids = keras.ops.array([[2, 3, 4, 5, 6, 7, 8]])
    >>> tuple(decoder(embedding(unit_ids), unit_ids).shape)
    (1, 7, 3)

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 3.
    """

    def __init__(
        self,
        embedding,
        context_length=3,
        num_layers=1,
        direction="forward",
        first_input="unit",
        chunk_size=2048,
        unit_classes=None,
        two_level=False,
        num_sampled=None,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(embedding, keras.layers.ReversibleEmbedding):
            raise TypeError(
                "`embedding` must be a `keras.layers.ReversibleEmbedding`. Received: "
                f"{embedding!r} of type {type(embedding).__name__}."
            )
        if not embedding.tie_weights:
            raise TypeError(
                "`embedding` must have tied weights: one table for input and output. "
                "Received: tie_weights=False."
            )
        if first_input not in FIRST_INPUTS:
            raise ValueError(
                '`first_input` must be "unit" or "zeros". Received: '
                f"first_input={first_input!r}."
            )
        self.embedding = embedding
        self.context_length = positive_integer("context_length", context_length)
        self.num_layers = positive_integer("num_layers", num_layers)
        self.direction = check_direction(direction)
        self.first_input = first_input
        self.chunk_size = positive_integer("chunk_size", chunk_size)
        self.unit_classes = check_unit_classes(unit_classes, embedding.input_dim)
        self.two_level = two_level
        self.num_sampled = positive_integer("num_sampled", num_sampled, or_none=True)
        self._check_targets()
        self.seed = plain_integer(seed)
        if self.num_sampled:
            self._sample_seed = keras.random.SeedGenerator(self.seed)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, features_shape, unit_ids_shape):
        dim = self.embedding.output_dim
        check_rank("features", features_shape, "batch, length, dim")
        check_rank("unit_ids", unit_ids_shape, "batch, length")
        if features_shape[-1] != dim:
            raise ValueError(
                "`features` must have the dimension of the embedding, "
                f"dim={dim}. Received a shape: {features_shape}."
            )
        if not self.embedding.built:
            self.embedding.build(unit_ids_shape)
        self.cells = make_cells(
            self.num_layers,
            dim,
            self.dtype_policy,
            self.kernel_initializer,
            self.kernel_regularizer,
        )
        if self.unit_classes is not None:
            self.class_table = self.add_weight(
                name="class_table",
                shape=(max(self.unit_classes) + 1, dim),
                initializer=keras.initializers.RandomNormal(stddev=dim**-0.5),
            )
        freeze_parts(self)

    def call(
        self, features, unit_ids, positions=None, features_mask=None, training=None
    ):
        if getattr(self.embedding, "quantization_mode", None) is not None:
            raise ValueError(
                "The embedding of a decoder must hold floats. Received one that was "
                f"quantized to {self.embedding.quantization_mode}. Quantize the "
                "`graph_predictor` of a model that is trained, and only that."
            )
        features = zero_padding(features, features_mask)
        target_ids, valid = context_targets(
            unit_ids, positions, self.context_length, self.direction, features_mask
        )
        if positions is not None:
            features = take_units(features, positions)
        shape = ops.shape(features)
        dim = self.embedding.output_dim
        table = ops.convert_to_tensor(self.embedding.embeddings)
        # Once for all steps: the gradient of each lookup is as large as the table.
        embedded = ops.take(table, ops.reshape(unit_ids, (-1,)), axis=0)
        embedded = ops.reshape(embedded, (*ops.shape(unit_ids), dim))
        embedded = ops.cast(embedded, self.compute_dtype)
        inputs = [
            self._inputs(embedded, positions, step)
            for step in range(self.context_length)
        ]
        outputs = decode(self.cells, ops.reshape(features, (-1, dim)), inputs)
        outputs = [ops.reshape(hidden, shape) for hidden in outputs]
        values = self._log_likelihood(
            ops.stack(outputs, axis=2), table, target_ids, training
        )
        return ops.where(valid, values, ops.zeros_like(values))

    def compute_mask(self, features, previous_mask=None):
        return None

    def compute_output_shape(
        self, features_shape, unit_ids_shape, positions_shape=None
    ):
        num_positions = (positions_shape or features_shape[1:])[0]
        return (features_shape[0], num_positions, self.context_length)

    def compute_output_spec(
        self, features, unit_ids, positions=None, features_mask=None, training=None
    ):
        shape = self.compute_output_shape(
            features.shape,
            unit_ids.shape,
            None if positions is None else positions.shape,
        )
        return keras.KerasTensor(shape, dtype=accumulation_dtype(self.compute_dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "embedding": keras.saving.serialize_keras_object(self.embedding),
            "context_length": self.context_length,
            "num_layers": self.num_layers,
            "direction": self.direction,
            "first_input": self.first_input,
            "chunk_size": self.chunk_size,
            "unit_classes": self.unit_classes,
            "two_level": self.two_level,
            "num_sampled": self.num_sampled,
            "seed": self.seed,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    @classmethod
    def from_config(cls, config):
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})

    def _inputs(self, embedded, positions, step):
        """Return what a step reads, `(batch * num_positions, dim)`."""
        # Zeros beyond the ends, where no step counts.
        if self.direction == "forward":
            moved = ops.pad(embedded, ((0, 0), (0, step), (0, 0)))[:, step:]
        else:
            length = ops.shape(embedded)[1]
            moved = ops.pad(embedded, ((0, 0), (step, 0), (0, 0)))[:, :length]
        rows = moved if positions is None else take_units(moved, positions)
        rows = ops.reshape(rows, (-1, self.embedding.output_dim))
        if step == 0 and self.first_input == "zeros":
            return ops.zeros_like(rows)
        return rows

    def _log_likelihood(self, outputs, table, target_ids, training):
        if self.unit_classes is None:
            if training and self.num_sampled:
                return sampled_log_likelihood(
                    outputs, table, target_ids, self.num_sampled, self._sample_seed
                )
            return log_likelihood(outputs, table, target_ids, self.chunk_size)
        classes = ops.convert_to_tensor(self.unit_classes, "int32")
        values = log_likelihood(
            outputs,
            ops.convert_to_tensor(self.class_table),
            ops.take(classes, target_ids, axis=0),
            self.chunk_size,
        )
        if self.two_level:
            values = values + log_likelihood(
                outputs, table, target_ids, self.chunk_size, classes
            )
        return values

    def _check_targets(self):
        if self.unit_classes is None and self.two_level:
            raise ValueError(
                "`two_level` needs `unit_classes`. Received: two_level=True, "
                "unit_classes=None. Make classes by `glomo_keras.data.unit_classes`."
            )
        if self.unit_classes is not None and self.num_sampled:
            raise ValueError(
                "`num_sampled` estimates the softmax over all units, which is not "
                f"computed with `unit_classes`. Received: num_sampled="
                f"{self.num_sampled} beside `unit_classes`. Leave one of them out."
            )
