"""Crossentropy of the labels of words, smoothed, without words that have none."""

import keras
from keras import ops

from experiment.dependencies.tree_batches import NO_LABEL
from glomo_keras.distribution.replicas import sum_over_replicas


class LabelLoss(keras.losses.Loss):
    """Mean over labelled words of

        (1 - smoothing) * (-log p(label)) + smoothing * mean over labels of -log p

    Keras's own crossentropies have either smoothing or a class that is left out.

    Args:
        smoothing: float in [0, 1), share of the uniform distribution in the targets.
        **kwargs: `keras.losses.Loss` arguments (`name`, `dtype`).

    Call arguments:
        y_true: int tensor `(batch, length)`, labels; `NO_LABEL` is left out.
        y_pred: float tensor `(batch, length, num_labels)`, logits.
    """

    def __init__(self, smoothing, **kwargs):
        super().__init__(**kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        has_label = ops.not_equal(labels, NO_LABEL)
        log_p = ops.log_softmax(y_pred, axis=-1)
        chosen = ops.where(has_label, labels, 0)[..., None]
        of_label = ops.take_along_axis(log_p, chosen, axis=-1)[..., 0]
        smooth = (1 - self.smoothing) * of_label
        smooth = smooth + self.smoothing * ops.mean(log_p, axis=-1)
        is_labelled = ops.cast(has_label, log_p.dtype)
        # Of all devices, whose parts are equally large.
        num_labelled = sum_over_replicas(ops.sum(is_labelled))
        share = num_labelled / sum_over_replicas(ops.sum(ops.ones_like(is_labelled)))
        losses = ops.where(has_label, -smooth, ops.zeros_like(smooth))
        # The reduction is a mean over all words.
        return losses / ops.maximum(share, keras.config.epsilon())
