"""Graph predictors with another score rule: the ablations and the controls."""

import keras
from keras import ops

from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.models import GraphPredictor

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


@register
class SoftmaxGraphPredictor(GraphPredictor):
    """Graph predictor with softmax graphs."""

    def make_affinity(self, **arguments):
        # The mean shifts all scores of a row, which a softmax does not see; but so one
        # of them is positive, and none of the exponentials of a row can all vanish.
        return SoftmaxAffinity(**{**arguments, "threshold": "mean"})


@register
class SquareGraphPredictor(GraphPredictor):
    """Graph predictor with squares in place of squared ReLUs."""

    def make_affinity(self, **arguments):
        return SquareAffinity(**{**arguments, "threshold": None})


@register
class UniformGraphPredictor(GraphPredictor):
    """Graph predictor whose graphs are uniform over the visible senders."""

    def make_affinity(self, **arguments):
        return UniformAffinity(**{**arguments, "threshold": None})


@register
class EmptyGraphPredictor(GraphPredictor):
    """Graph predictor whose graphs are empty."""

    def make_affinity(self, **arguments):
        return EmptyAffinity(**{**arguments, "threshold": None})


PREDICTORS = {
    "learned": GraphPredictor,
    "softmax": SoftmaxGraphPredictor,
    "square": SquareGraphPredictor,
    "uniform": UniformGraphPredictor,
    "zeros": EmptyGraphPredictor,
}


def freeze_unused(predictor):
    """Freeze the networks of a predictor whose graphs do not depend on them.

    Without it, Keras warns of weights without gradients. The embeddings still train.
    """
    if isinstance(predictor, (UniformGraphPredictor, EmptyGraphPredictor)):
        for layer in predictor.layers:
            if layer is not predictor.embedding:
                layer.trainable = False
