"""Graph predictors with another score rule: the ablations and the controls."""

import keras
from keras import ops

from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.ops.entmax import entmax_affinity

register = keras.saving.register_keras_serializable(package="glomo_keras")


class _WithoutThreshold(SquaredReLUAffinity):
    """Scores as they are, whatever threshold the predictor has."""

    def __init__(self, *args, threshold=None, **kwargs):
        super().__init__(*args, threshold=None, **kwargs)


@register
class SoftmaxAffinity(SquaredReLUAffinity):
    """Softmax over the visible senders: every sender has some weight.

    The threshold is always `"mean"`. It shifts all scores of a row, which a softmax
    does not see; but so one of them is positive, and the exponentials of a row cannot
    all vanish.
    """

    def __init__(self, *args, threshold="mean", **kwargs):
        super().__init__(*args, threshold="mean", **kwargs)

    def activate(self, scores):
        scores = scores * self.key_dim**-0.5  # unlike eq. 1, softmax has a scale
        highest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        return ops.exp(scores - highest)


@register
class SquareAffinity(_WithoutThreshold):
    """Squares without ReLU and threshold, the paper's "- sparse" ablation."""

    def activate(self, scores):
        return ops.square(scores)


@register
class UniformAffinity(_WithoutThreshold):
    """The same weight for every visible sender: a control, nothing is learned."""

    def activate(self, scores):
        return ops.ones_like(scores)


@register
class EmptyAffinity(_WithoutThreshold):
    """No weight for any sender: a control, messages are zeros."""

    def activate(self, scores):
        return ops.zeros_like(scores)


@register
class AbstainingAffinity(SquaredReLUAffinity):
    """1.5-entmax over the visible senders and nobody: rows may stay empty.

        nobody[i] = <q_i, w> + b
        graph[i, :], rest[i] = entmax([score[i, :], nobody[i]])

    Rows sum to one less what nobody gets, which has what `top_k` cuts as well. A
    receiver whose relations are all on the other side need not point at what is on
    this one. The threshold is always `"entmax"`, and there are no messages without
    graphs.
    """

    attends = False

    def __init__(self, *args, threshold="entmax", **kwargs):
        super().__init__(*args, threshold="entmax", **kwargs)

    def build(self, queries_shape, keys_shape):
        super().build(queries_shape, keys_shape)
        heads = (self.num_graph_layers, self.num_heads)
        self.nobody_kernel = self.add_weight(
            name="nobody_kernel", shape=(*heads, self.key_dim), initializer="zeros"
        )
        self.nobody_bias = self.add_weight(
            name="nobody_bias", shape=heads, initializer="zeros"
        )

    def scores(self, queries, keys, queries_mask=None, keys_mask=None):
        """Compute what the rows are the entmax of, to train them on known graphs.

        Args:
            queries: as in the call, and so are the others.

        Returns:
            Float tensor `(batch, num_graph_layers, num_heads, length, length + 1)`, the
            score of nobody last.
        """
        units = queries
        queries, keys, _, _ = self._project_both(queries, keys, queries_mask, keys_mask)
        return self._scores(queries, keys, self._bias_of_pairs(units, queries.dtype))

    def check_attention(self):
        raise ValueError(
            "There are no messages without graphs where rows may stay empty. Compute "
            "the graphs instead; in pretraining that is block_size=None."
        )

    def _activations(self, queries, keys, bias, visible):
        is_nobody = ops.ones_like(ops.any(visible, axis=-1, keepdims=True))
        visible = ops.concatenate([visible, is_nobody], axis=-1)
        return entmax_affinity(self._scores(queries, keys, bias), visible)[..., :-1]

    def _cut_rows(self, activations, visible):
        return self._keep_largest(activations, visible)

    def _scores(self, queries, keys, bias):
        kernel = ops.cast(self.nobody_kernel, queries.dtype)
        nobody = ops.matmul(queries, kernel[..., None])
        nobody = nobody + ops.cast(self.nobody_bias, queries.dtype)[..., None, None]
        return ops.concatenate([super()._scores(queries, keys, bias), nobody], axis=-1)


@register
class SoftmaxGraphPredictor(GraphPredictor):
    """Graph predictor with softmax graphs."""

    affinity_class = SoftmaxAffinity


@register
class SquareGraphPredictor(GraphPredictor):
    """Graph predictor with squares in place of squared ReLUs."""

    affinity_class = SquareAffinity


@register
class UniformGraphPredictor(GraphPredictor):
    """Graph predictor whose graphs are uniform over the visible senders."""

    affinity_class = UniformAffinity


@register
class EmptyGraphPredictor(GraphPredictor):
    """Graph predictor whose graphs are empty."""

    affinity_class = EmptyAffinity


@register
class AbstainingGraphPredictor(GraphPredictor):
    """Graph predictor whose rows may stay empty."""

    affinity_class = AbstainingAffinity


@register
class UniformImageGraphPredictor(ImageGraphPredictor):
    """Image graph predictor whose graphs are uniform over the visible senders."""

    affinity_class = UniformAffinity


@register
class EmptyImageGraphPredictor(ImageGraphPredictor):
    """Image graph predictor whose graphs are empty."""

    affinity_class = EmptyAffinity


def freeze_unused(predictor):
    """Freeze the networks of a predictor whose graphs do not depend on them.

    Without it, Keras warns of weights without gradients. The embeddings still train.

    Args:
        predictor: a `GraphPredictor` or `ImageGraphPredictor`.
    """
    if issubclass(predictor.affinity_class, UniformAffinity | EmptyAffinity):
        for layer in predictor.layers:
            if layer is not getattr(predictor, "embedding", None):
                layer.trainable = False
