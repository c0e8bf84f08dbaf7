"""Likelihood under a softmax whose normalizer is estimated from a sample."""

import keras
import numpy as np
from keras import ops

from glomo_keras.checks import check_shape
from glomo_keras.checks import positive_integer
from glomo_keras.ops.precision import raise_precision


def sampled_log_likelihood(outputs, table, targets, num_sampled, seed=None):
    """Estimate the log-probability of targets by a sample of the vocabulary.

        logit(v) = table[v] . output
        log p    = logit(target) - log(exp logit(target)
                   + sum_{v in sample, not target} exp logit(v) / (num_sampled * q(v)))

    One sample, with replacement, serves all outputs. q falls with the rank of a unit,
    q(v) = log((v + 2) / (v + 1)) / log(vocabulary_size + 1): ids must be sorted by
    frequency, as those of `glomo_keras.data.Vocabulary` are. The target is counted
    exactly, and the others by a sum whose expectation is theirs, so that the value
    tends to that of the full softmax as the sample grows.

    For training; `log_likelihood` is exact, and what evaluation needs.

    Args:
        outputs: float tensor `(..., dim)`.
        table: float tensor `(vocabulary_size, dim)`.
        targets: int tensor `(...)`, ids in the vocabulary.
        num_sampled: int, size of the sample.
        seed: int, `keras.random.SeedGenerator` or `None`.

    Returns:
        Float tensor `(...)`, in float32 for 16-bit inputs.

    Raises:
        ValueError: if the shapes do not fit or `num_sampled` is not positive.

    Example:

    >>> outputs, table = keras.ops.ones((2, 3, 5)), keras.ops.ones((7, 5))
    >>> targets = keras.ops.zeros((2, 3), "int32")
    >>> tuple(sampled_log_likelihood(outputs, table, targets, 4, seed=1).shape)
    (2, 3)

    Reference: Jean et al., 2015 (arXiv 1412.2007); Peters et al., 2018 (arXiv
    1802.05365) train so.
    """
    num_sampled = positive_integer("num_sampled", num_sampled)
    outputs, table = raise_precision(outputs), raise_precision(table)
    targets = ops.cast(targets, "int32")
    check_shape("table", table, "outputs", (None, outputs.shape[-1]))
    check_shape("targets", targets, "outputs", outputs.shape[:-1])
    size = table.shape[0]
    span = float(np.log(size + 1.0))
    # Uniform numbers of float32 are 2^-23 apart, and high ids would be stepped over.
    coarse, fine = ops.unstack(
        keras.random.uniform((2, num_sampled), seed=seed, dtype="float32")
    )
    sampled = ops.exp(coarse * span) * (1.0 + fine * (span * 2.0**-23)) - 1.0
    sampled = ops.clip(ops.cast(ops.floor(sampled), "int32"), 0, size - 1)

    def log_expected(ids):
        ranks = ops.cast(ids, outputs.dtype)
        share = ops.log1p(1.0 / (ranks + 1.0)) / span
        return ops.log(num_sampled * share)

    true = ops.sum(outputs * ops.take(table, targets, axis=0), axis=-1)
    others = ops.matmul(outputs, ops.transpose(ops.take(table, sampled, axis=0)))
    others = others - log_expected(sampled)
    others = ops.where(targets[..., None] == sampled, float("-inf"), others)
    logits = ops.concatenate([true[..., None], others], axis=-1)
    return true - ops.logsumexp(logits, axis=-1)
