"""Graph predictors with another score rule: the ablations and the controls."""

import keras
from keras import ops

from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor

register = keras.saving.register_keras_serializable(package="glomo_recipes")


@register
class SoftmaxAffinity(SquaredReLUAffinity):
    """Softmax over the visible senders: every sender has some weight."""

    def activate(self, scores):
        scores = scores * self.key_dim**-0.5  # unlike eq. 1, softmax has a scale
        highest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        return ops.exp(scores - highest)


@register
class SquareAffinity(SquaredReLUAffinity):
    """Squares without ReLU, the paper's "- sparse" ablation."""

    def activate(self, scores):
        return ops.square(scores)


@register
class UniformAffinity(SquaredReLUAffinity):
    """The same weight for every visible sender: a control, nothing is learned."""

    def activate(self, scores):
        return ops.ones_like(scores)


@register
class EmptyAffinity(SquaredReLUAffinity):
    """No weight for any sender: a control, messages are zeros."""

    def activate(self, scores):
        return ops.zeros_like(scores)


class _Softmax:
    def make_affinity(self, **arguments):
        # The mean shifts all scores of a row, which a softmax does not see; but so one
        # of them is positive, and none of the exponentials of a row can all vanish.
        return SoftmaxAffinity(**{**arguments, "threshold": "mean"})


class _Square:
    def make_affinity(self, **arguments):
        return SquareAffinity(**{**arguments, "threshold": None})


class _Uniform:
    def make_affinity(self, **arguments):
        return UniformAffinity(**{**arguments, "threshold": None})


class _Empty:
    def make_affinity(self, **arguments):
        return EmptyAffinity(**{**arguments, "threshold": None})


@register
class SoftmaxGraphPredictor(_Softmax, GraphPredictor):
    """Graph predictor with softmax graphs."""


@register
class SquareGraphPredictor(_Square, GraphPredictor):
    """Graph predictor with squares in place of squared ReLUs."""


@register
class UniformGraphPredictor(_Uniform, GraphPredictor):
    """Graph predictor whose graphs are uniform over the visible senders."""


@register
class EmptyGraphPredictor(_Empty, GraphPredictor):
    """Graph predictor whose graphs are empty."""


@register
class UniformImageGraphPredictor(_Uniform, ImageGraphPredictor):
    """Image graph predictor whose graphs are uniform over the visible senders."""


@register
class EmptyImageGraphPredictor(_Empty, ImageGraphPredictor):
    """Image graph predictor whose graphs are empty."""


PREDICTORS = {
    "learned": GraphPredictor,
    "softmax": SoftmaxGraphPredictor,
    "square": SquareGraphPredictor,
    "uniform": UniformGraphPredictor,
    "zeros": EmptyGraphPredictor,
}

IMAGE_PREDICTORS = {
    "learned": ImageGraphPredictor,
    "uniform": UniformImageGraphPredictor,
    "zeros": EmptyImageGraphPredictor,
}


def freeze_unused(predictor):
    """Freeze the networks of a predictor whose graphs do not depend on them.

    Without it, Keras warns of weights without gradients. The embeddings still train.
    """
    if isinstance(predictor, (_Uniform, _Empty)):
        for layer in predictor.layers:
            if layer is not getattr(predictor, "embedding", None):
                layer.trainable = False
