"""From scores to sparse graphs: eq. 1."""

import numpy as np
from keras import ops

from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.precision import raise_precision


def normalize_rows(activations, visible):
    """Divide the visible activations of every receiver by their sum.

        graph[i, j] = activations[i, j] / sum_j' activations[i, j']

    The sums run over the visible senders alone. A row without any activation is
    exactly zero, and so are its gradients.

    Args:
        activations: float tensor `(..., receivers, senders)`, not negative.
        visible: bool tensor that broadcasts against it, `True` where the receiver
            may read the sender.

    Returns:
        Float tensor like `activations`; 16-bit types come back as float32.

    Example:

    >>> rows = normalize_rows(
    ...     keras.ops.array([[1.0, 3.0, 9.0]]), keras.ops.array([[True, True, False]]))
    >>> keras.ops.convert_to_numpy(rows).tolist()
    [[0.25, 0.75, 0.0]]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1, the denominator.
    """
    activations = raise_precision(activations)
    activations = ops.where(visible, activations, ops.zeros_like(activations))
    total = ops.sum(activations, axis=-1, keepdims=True)
    # The reciprocal of a subnormal number overflows, so such a row is empty as well.
    tiny = float(np.finfo(accumulation_dtype(activations.dtype)).tiny)
    empty = total < tiny
    divisor = ops.where(empty, ops.ones_like(total), total)
    return ops.where(empty, ops.zeros_like(activations), activations / divisor)


def squared_relu_affinity(scores, visible):
    """Turn scores into a sparse graph.

        graph[i, j] = relu(scores[i, j])^2 / sum_j' relu(scores[i, j'])^2

    with j, j' over the visible senders of receiver i. A row sums to one, or is
    exactly zero if none of its visible scores is positive.

    Args:
        scores: float tensor `(..., receivers, senders)`, threshold subtracted.
        visible: bool tensor that broadcasts against `scores`, `True` where the
            receiver may read the sender.

    Returns:
        Float tensor like `scores`; 16-bit types come back as float32.

    Example:

    >>> scores = keras.ops.array([[0.0, 0, 0], [2, -1, 0], [1, 3, -2]])
    >>> graph = squared_relu_affinity(scores, glomo_keras.ops.visible_pairs(3))
    >>> [round(float(weight), 3) for weight in graph[2]]
    [0.1, 0.9, 0.0]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1 (rows here are its
    columns).
    """
    scores = raise_precision(scores)
    scores = ops.where(visible, scores, ops.zeros_like(scores))
    return normalize_rows(squared_relu(scores), visible)


def squared_relu(scores):
    """Square the positive parts, relative to the largest of the row.

        activations[i, j] = (relu(scores[i, j]) / max_j' relu(scores[i, j']))^2

    Eq. 1 divides every row by its sum, so the scale of a row is free; this one keeps
    the squares of very large and very small scores inside the range of the dtype.
    It counts as a constant, which leaves the gradients of eq. 1 as they are.

    Args:
        scores: float tensor `(..., receivers, senders)`, finite.

    Returns:
        Float tensor like `scores`, from 0 to 1.

    Example:

    >>> activations = squared_relu(keras.ops.array([[-1.0, 2e30, 4e30]]))
    >>> keras.ops.convert_to_numpy(activations).tolist()
    [[0.0, 0.25, 1.0]]
    """
    positive = ops.relu(scores)
    largest = ops.max(positive, axis=-1, keepdims=True, initial=0.0)
    largest = ops.stop_gradient(largest)
    divisor = ops.where(largest > 0, largest, ops.ones_like(largest))
    return ops.square(positive / divisor)


def mean_visible_score(scores, visible):
    """Compute the mean score of every receiver's visible senders.

        mean[i] = sum_{j visible to i} scores[i, j] / number of visible j

    Args:
        scores: float tensor `(..., receivers, senders)`.
        visible: bool tensor that broadcasts against `scores`.

    Returns:
        Float tensor `(..., receivers, 1)`, zero where nothing is visible; 16-bit
        types come back as float32.

    Example:

    >>> mean = mean_visible_score(
    ...     keras.ops.array([[1.0, 3.0, 9.0]]), keras.ops.array([[True, True, False]]))
    >>> keras.ops.convert_to_numpy(mean).tolist()
    [[2.0]]
    """
    scores = raise_precision(scores)
    total = ops.sum(
        ops.where(visible, scores, ops.zeros_like(scores)), axis=-1, keepdims=True
    )
    count = ops.sum(ops.cast(visible, scores.dtype), axis=-1, keepdims=True)
    return total / ops.maximum(count, 1.0)


def subtract_mean_score(scores, visible, for_any_rule=False):
    """Subtract from scores the mean of every receiver's visible senders.

        centered[i, j] = scores[i, j] - mean of scores[i, j'] over visible j'

    Equal scores differ from their mean by rounding alone, and what is left would be
    scaled up to a full row; such differences become -1, below the threshold.

    Args:
        scores: float tensor `(..., receivers, senders)`.
        visible: bool tensor that broadcasts against `scores`.
        for_any_rule: bool, whether they become 0 instead, and keep their gradients: for
            rules that give weight below the threshold, too.

    Returns:
        Float tensor like `scores`; 16-bit types come back as float32.

    Example:

    >>> centered = subtract_mean_score(
    ...     keras.ops.array([[1.0, 3.0, 9.0]]), keras.ops.array([[True, True, False]]))
    >>> keras.ops.convert_to_numpy(centered)[0, :2].tolist()
    [-1.0, 1.0]
    """
    scores, mean = raise_precision(scores), mean_visible_score(scores, visible)
    if not for_any_rule:
        return center_scores(scores, mean)
    centered = scores - mean
    rounding = ops.where(
        _is_rounding(centered, scores), centered, ops.zeros_like(centered)
    )
    return centered - ops.stop_gradient(rounding)


def center_scores(scores, mean):
    """Subtract the mean of a row; what differs from it by rounding alone becomes -1.

    Args:
        scores: float tensor `(..., receivers, senders)`, of float32 or float64.
        mean: float tensor `(..., receivers, 1)`, of `mean_visible_score`.

    Returns:
        Float tensor like `scores`.

    Example:

    >>> centered = center_scores(keras.ops.array([[1.0, 2.0, 5.0]]), 2.0)
    >>> keras.ops.convert_to_numpy(centered).tolist()
    [[-1.0, -1.0, 3.0]]
    """
    centered = scores - mean
    return ops.where(_is_rounding(centered, scores), -1.0, centered)


def _is_rounding(centered, scores):
    epsilon = 64 * float(np.finfo(accumulation_dtype(scores.dtype)).eps)
    return ops.abs(centered) <= epsilon * ops.abs(scores)
