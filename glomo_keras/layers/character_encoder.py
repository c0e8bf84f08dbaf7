"""Vectors of words, made of their characters alone."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import non_negative_integer
from glomo_keras.checks import positive_integer
from glomo_keras.checks import positive_integers
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.convolution import valid_convolution
from glomo_keras.ops.sizes import batch_size
from glomo_keras.ops.sizes import shortfall


@keras.saving.register_keras_serializable(package="glomo_keras")
class CharacterEncoder(keras.layers.Layer):
    """Convolutions over the characters of a word, highway layers, a projection.

        c = [activation(max over time (conv_k(characters) + b_k)) for every width k]
        c = g * relu(c W + b) + (1 - g) * c,  g = sigmoid(c V + d)  (each highway)
        word = c P + p

    Every word has a vector, one that was never seen too. What a word's vector is does
    not depend on the words around it.

    Masking: a word whose ids are all 0 is padding. It comes out as zeros, and is
    `False` in the mask that the layer returns.

    Args:
        projection_dim: int, size of the vectors.
        num_characters: int, number of character ids, padding (0) included; 262 for
            those of `glomo_keras.data.character_ids`.
        embedding_dim: int, size of the character embeddings.
        kernel_sizes: list of ints, the widths of the convolutions.
        filters: list of ints, the channels of each.
        activation: name or function, after the maximum.
        num_highways: int, number of highway layers.
        kernel_initializer: initializer of conv_k, W, V and P, or its name.
        kernel_regularizer: regularizer of conv_k, W, V and P, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        character_ids: int tensor `(batch, length, max_characters)`. Words that turn out
            to be shorter than a kernel in a graph are padded with 0.
        mask: bool tensor `(batch, length)`, `True` at real words, or `None`.

    Returns:
        Float tensor `(batch, length, projection_dim)` in the compute dtype.

    Raises:
        ValueError: if an argument is out of its range, or a kernel is wider than the
            words are long.
        TypeError: if an argument is of another type.

    Example:

    >>> encoder = CharacterEncoder(
    ...     projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7])
    >>> tuple(encoder(keras.ops.ones((2, 7, 11), "int32")).shape)
    (2, 7, 5)

    Reference: Peters et al., 2018 (arXiv 1802.05365), section 3.4; Kim et al., 2016
    (arXiv 1508.06615).
    """

    def __init__(
        self,
        projection_dim,
        num_characters=262,
        embedding_dim=16,
        kernel_sizes=(1, 2, 3, 4, 5, 6, 7),
        filters=(32, 32, 64, 128, 256, 512, 1024),
        activation="relu",
        num_highways=2,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        kernel_sizes = list(positive_integers("kernel_sizes", kernel_sizes))
        filters = list(positive_integers("filters", filters))
        if not filters or len(filters) != len(kernel_sizes):
            raise ValueError(
                "`filters` must have one number for each of `kernel_sizes`. Received: "
                f"filters={filters}, kernel_sizes={kernel_sizes}."
            )
        self.projection_dim = positive_integer("projection_dim", projection_dim)
        self.num_characters = positive_integer("num_characters", num_characters)
        self.embedding_dim = positive_integer("embedding_dim", embedding_dim)
        self.kernel_sizes = kernel_sizes
        self.filters = filters
        self.activation = keras.activations.get(activation)
        self.num_highways = non_negative_integer("num_highways", num_highways)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, character_ids_shape):
        check_rank(
            "character_ids", character_ids_shape, "batch, length, max_characters"
        )
        max_characters = character_ids_shape[-1]
        self._check_width(max_characters)
        self.embedding = keras.layers.Embedding(
            self.num_characters,
            self.embedding_dim,
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.embedding.build()
        self.convolutions = [
            keras.layers.Conv1D(
                filters,
                size,
                data_format="channels_last",
                name=f"convolution_{size}",
                **self._kernel_arguments(),
            )
            for size, filters in zip(self.kernel_sizes, self.filters, strict=True)
        ]
        for convolution in self.convolutions:
            convolution.build((None, max_characters, self.embedding_dim))
        total = sum(self.filters)
        self.transforms, self.gates = [], []
        for number in range(self.num_highways):
            self.transforms.append(
                keras.layers.Dense(
                    total,
                    activation="relu",
                    name=f"transform_{number}",
                    **self._kernel_arguments(),
                )
            )
            self.gates.append(
                keras.layers.Dense(
                    total,
                    activation="sigmoid",
                    # Starts near the identity.
                    bias_initializer=keras.initializers.Constant(-2.0),
                    name=f"gate_{number}",
                    **self._kernel_arguments(),
                )
            )
        self.projection = keras.layers.Dense(
            self.projection_dim, name="projection", **self._kernel_arguments()
        )
        for layer in [*self.transforms, *self.gates, self.projection]:
            layer.build((None, total))
        freeze_parts(self)

    def call(self, character_ids, mask=None):
        length, max_characters = ops.shape(character_ids)[1:]
        self._check_width(max_characters)
        words = ops.reshape(character_ids, (-1, max_characters))
        if not isinstance(max_characters, int):  # not known in a graph
            missing = shortfall(max_characters, max(self.kernel_sizes))
            words = ops.pad(words, [(0, 0), (0, missing)])
        characters = self.embedding(words)  # (words, characters, embedding_dim)
        maxima = []
        for layer in self.convolutions:
            # Not the layer's own call, which fails where there are no words.
            feature = valid_convolution(characters, layer.kernel) + layer.bias
            maxima.append(ops.max(feature, axis=1, initial=float("-inf")))
        features = self.activation(ops.concatenate(maxima, axis=-1))
        for transform, gate in zip(self.transforms, self.gates, strict=True):
            admitted = gate(features)
            features = admitted * transform(features) + (1 - admitted) * features
        vectors = self.projection(features)
        sizes = (batch_size(character_ids), length, self.projection_dim)
        vectors = ops.reshape(vectors, sizes)
        vectors = zero_padding(vectors, mask)
        return zero_padding(vectors, self.compute_mask(character_ids))

    def compute_mask(self, character_ids, previous_mask=None):
        real = ops.any(ops.not_equal(character_ids, 0), axis=-1)
        if previous_mask is not None:
            real = ops.logical_and(real, ops.cast(previous_mask, "bool"))
        return real

    def compute_output_shape(self, character_ids_shape):
        return (*character_ids_shape[:-1], self.projection_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "num_characters": self.num_characters,
            "embedding_dim": self.embedding_dim,
            "kernel_sizes": self.kernel_sizes,
            "filters": self.filters,
            "activation": keras.activations.serialize(self.activation),
            "num_highways": self.num_highways,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _check_width(self, max_characters):
        if isinstance(max_characters, int) and max_characters < max(self.kernel_sizes):
            raise ValueError(
                "`kernel_sizes` must not be larger than the number of characters of a "
                f"word. Received: kernel_sizes={self.kernel_sizes}, "
                f"max_characters={max_characters}. Pad the words with "
                f"{max(self.kernel_sizes) - max_characters} more."
            )

    def _kernel_arguments(self):
        return {
            "kernel_initializer": new_initializer(self.kernel_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "dtype": self.dtype_policy,
        }
