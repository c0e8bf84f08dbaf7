"""Graph predictors with another score rule: the ablations and the controls."""

import keras
from keras import ops

from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor

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
