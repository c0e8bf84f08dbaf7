"""Layers of the downstream models: attention within a text and between two."""

import keras
from keras import ops

register = keras.saving.register_keras_serializable(package="glomo_recipes")
FAR_BELOW = -1e9  # a score that no softmax or maximum chooses


def masked_softmax(scores, mask):
    """Softmax over the last axis, of real units alone; zeros where there is none."""
    weights = ops.softmax(ops.where(mask, scores, FAR_BELOW), axis=-1)
    return ops.where(mask, weights, 0.0)


def masked_pooling(features, mask):
    """Mean and maximum over the real units: `(batch, 2 * dim)`; zeros for no unit."""
    mask = mask[:, :, None]
    size = ops.maximum(ops.sum(ops.cast(mask, features.dtype), axis=1), 1.0)
    mean = ops.sum(ops.where(mask, features, 0.0), axis=1) / size
    highest = ops.max(ops.where(mask, features, FAR_BELOW), axis=1)
    highest = ops.where(ops.any(mask, axis=1), highest, 0.0)
    return ops.concatenate([mean, highest], axis=-1)


@register
class TrilinearScores(keras.layers.Layer):
    """Scores of all pairs of units.

        scores_ij = u . a_i + v . b_j + (w * a_i) . b_j

    w starts at ones: pairs of the same word stand out from the first step on. From
    weights around zero a reader takes a thousand steps to find them.

    Call arguments:
        first: float tensor `(batch, length, dim)`, the a.
        second: float tensor `(batch, other_length, dim)`, the b.

    Returns:
        Float tensor `(batch, length, other_length)`.

    Reference: Clark and Gardner, 2017 (arXiv 1710.10723), section 3.1.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, first_shape, second_shape):
        dim = first_shape[-1]
        self.first_kernel = self.add_weight((dim, 1), name="first")
        self.second_kernel = self.add_weight((dim, 1), name="second")
        self.product_kernel = self.add_weight(
            (dim, 1), initializer="ones", name="product"
        )

    def call(self, first, second):
        left = ops.matmul(first, self.first_kernel)  # (batch, length, 1)
        right = ops.matmul(second, self.second_kernel)
        product = first * ops.reshape(self.product_kernel, (-1,))
        product = ops.matmul(product, ops.swapaxes(second, 1, 2))
        return product + left + ops.swapaxes(right, 1, 2)

    def compute_mask(self, first, previous_mask=None):
        return None

    def compute_output_shape(self, first_shape, second_shape):
        return (*first_shape[:-1], second_shape[-2])


@register
class SelfAttention(keras.layers.Layer):
    """Attention of a text on itself; what it gives is to be added to a residual.

        relu(W [h_i; c_i; h_i * c_i]),   c_i = sum_j a_ij h_j, a_ii = 0

    Call arguments:
        features: float tensor `(batch, length, dim)`.
        mask: bool tensor `(batch, length)`.

    Returns:
        Float tensor of the shape of `features`.

    Reference: Clark and Gardner, 2017 (arXiv 1710.10723), section 3.1.
    """

    def build(self, features_shape):
        dim = features_shape[-1]
        self.scores = TrilinearScores(name="scores")
        self.scores.build(features_shape, features_shape)
        self.dense = keras.layers.Dense(dim, activation="relu", name="dense")
        self.dense.build((*features_shape[:-1], 3 * dim))

    def call(self, features, mask):
        length = ops.shape(features)[1]
        others = ops.logical_not(ops.eye(length, dtype="bool"))
        visible = ops.logical_and(mask[:, None, :], others[None])
        weights = masked_softmax(self.scores(features, features), visible)
        context = ops.matmul(weights, features)
        joined = ops.concatenate([features, context, features * context], axis=-1)
        return self.dense(joined)

    def compute_mask(self, features, mask=None):
        return mask

    def compute_output_shape(self, features_shape):
        return features_shape


@register
class BidirectionalAttention(keras.layers.Layer):
    """Bi-attention of a context and a question.

        relu(W [h_i; c_i; h_i * c_i; q * c_i]): `c_i` the question as unit i of the
        context sees it, `q` the context as the whole question sees it

    Args:
        units: int, size of the result.
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        context: float tensor `(batch, length, dim)`.
        question: float tensor `(batch, question_length, dim)`.
        context_mask: bool tensor `(batch, length)`.
        question_mask: bool tensor `(batch, question_length)`.

    Returns:
        Float tensor `(batch, length, units)`.

    Reference: Seo et al., 2016 (arXiv 1611.01603), as in Clark and Gardner, 2017
    (arXiv 1710.10723), section 3.1.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, context_shape, question_shape, **unused):
        self.scores = TrilinearScores(name="scores")
        self.scores.build(context_shape, question_shape)
        self.dense = keras.layers.Dense(self.units, activation="relu", name="dense")
        self.dense.build((*context_shape[:-1], 4 * context_shape[-1]))

    def call(self, context, question, context_mask=None, question_mask=None):
        scores = self.scores(context, question)
        visible = question_mask[:, None, :]
        to_question = ops.matmul(masked_softmax(scores, visible), question)
        highest = ops.max(ops.where(visible, scores, FAR_BELOW), axis=-1)
        weights = masked_softmax(highest, context_mask)
        to_context = ops.matmul(weights[:, None, :], context)  # (batch, 1, dim)
        return self.dense(
            ops.concatenate(
                [context, to_question, context * to_question, to_context * to_question],
                axis=-1,
            )
        )

    def compute_mask(self, context, question, context_mask=None, question_mask=None):
        return context_mask

    def compute_output_shape(self, context_shape, question_shape):
        return (*context_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@register
class CharacterNetwork(keras.layers.Layer):
    """Features of units by their bytes: a convolution and the maximum over places.

    Args:
        filters: int, size of the features.
        kernel_size: int, bytes that the convolution sees.
        dim: int, size of the embeddings of bytes.
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        characters: int tensor `(batch, length, num_characters)`, bytes.

    Returns:
        Float tensor `(batch, length, filters)`.
    """

    def __init__(self, filters=50, kernel_size=5, dim=20, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dim = dim

    def build(self, characters_shape):
        self.embedding = keras.layers.Embedding(256, self.dim, name="embedding")
        self.embedding.build()
        self.convolution = keras.layers.Dense(self.filters, name="convolution")
        self.convolution.build((*characters_shape, self.kernel_size * self.dim))

    def call(self, characters):
        letters = self.embedding(characters)
        num_places = letters.shape[2] - self.kernel_size + 1
        windows = [letters[:, :, n : n + num_places] for n in range(self.kernel_size)]
        # Of products and not of a convolution, which XLA computes slowly within loops.
        places = self.convolution(ops.concatenate(windows, axis=-1))
        return ops.relu(ops.max(places, axis=2))

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dim": self.dim,
        }
