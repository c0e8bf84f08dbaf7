"""Rows whose threshold is solved for: 1.5-entmax, eq. 1 without a denominator."""

import keras
import numpy as np
from keras import ops

from glomo_keras.ops.precision import raise_precision

# Steps of Newton's method after which no row of up to so many senders, of scores of any
# kind, was off by more than 1e-6 in sum; one more makes that 1e-12.
STEPS_BY_LENGTH = {128: 5, 2048: 6}
MOST_STEPS = 7


def entmax_affinity(scores, visible):
    """Turn scores into a sparse graph of rows that sum to one.

        graph[i, j] = relu(scores[i, j] / 2 - threshold[i])^2

    with j over the visible senders of receiver i, and the one threshold with which they
    sum to one: eq. 1, whose denominator is one then. The larger the differences of
    scores, the fewer senders a row has; equal scores share it.

    A row with one visible sender is exactly one there, a row without any exactly zero.

    Args:
        scores: float tensor `(..., receivers, senders)`, finite.
        visible: bool tensor that broadcasts against `scores`, `True` where the
            receiver may read the sender.

    Returns:
        Float tensor like `scores`; 16-bit types come back as float32.

    Example:

    >>> scores = keras.ops.array([[0.0, 0, 0], [7, 0, 0], [1, 1, 9]])
    >>> graph = entmax_affinity(scores, glomo_keras.ops.visible_pairs(3))
    >>> keras.ops.convert_to_numpy(graph).round(6).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1; Peters et al., 2019 (arXiv
    1905.05702), 1.5-entmax; Correia et al., 2019 (arXiv 1909.00015).
    """
    scores = raise_precision(scores)
    # Invisible senders are too far below the others to be read, where there are any.
    rows = Entmax()(ops.where(visible, scores, lowest_score(scores)))
    return ops.where(visible, rows, ops.zeros_like(rows))


def lowest_score(scores):
    """Return the lowest finite number of the dtype of scores, float32 or float64."""
    dtype = keras.backend.standardize_dtype(scores.dtype)
    lowest = -float(np.finfo(dtype).max)
    return ops.convert_to_tensor(lowest, dtype=scores.dtype)


def entmax_roots(scores):
    """Return the square roots of 1.5-entmax of the last axis.

    Args:
        scores: float tensor `(..., senders)`, of float32 or float64.

    Returns:
        Float tensor like `scores`.

    Example:

    >>> roots = entmax_roots(keras.ops.array([[3.0, 3.0, -5.0]]))
    >>> keras.ops.convert_to_numpy(roots * roots).round(6).tolist()
    [[0.5, 0.5, 0.0]]
    """
    return roots_above(scores, *entmax_threshold(scores))


def entmax_threshold(scores):
    """Solve for the threshold of 1.5-entmax of the last axis.

    Newton's method on sqrt(sum_j relu(scores[j] / 2 - threshold)^2) - 1, which is
    convex and falls: from the left, steps never pass the solution.

    Args:
        scores: float tensor `(..., senders)`, of float32 or float64.

    Returns:
        Two float tensors `(..., 1)`: the threshold, relative to half of the largest
        score, from -1 to 0; and the largest score.

    Example:

    >>> threshold, largest = entmax_threshold(keras.ops.array([[3.0, 3.0, -5.0]]))
    >>> round(float(threshold[0, 0]), 3), float(largest[0, 0])
    (-0.707, 3.0)
    """
    largest = ops.max(scores, axis=-1, keepdims=True, initial=lowest_score(scores))
    relative = _relative_halves(scores, largest)
    threshold = -ops.ones_like(largest)
    for _ in range(_num_steps(scores)):
        roots = ops.relu(relative - threshold)
        squares = ops.sum(ops.square(roots), axis=-1, keepdims=True)
        step = (squares - ops.sqrt(squares)) / ops.sum(roots, axis=-1, keepdims=True)
        threshold = threshold + step
    return threshold, largest


def roots_above(scores, threshold, largest):
    """Return by how much half of the scores exceed a threshold, and zeros elsewhere.

    Args:
        scores: float tensor `(..., senders)`.
        threshold: float tensor `(..., 1)`, of `entmax_threshold`.
        largest: float tensor `(..., 1)`, of `entmax_threshold`.

    Returns:
        Float tensor like `scores`.

    Example:

    >>> roots = roots_above(keras.ops.array([3.0, -5.0]), -0.5, 3.0)
    >>> keras.ops.convert_to_numpy(roots).tolist()
    [0.5, 0.0]
    """
    return ops.relu(_relative_halves(scores, largest) - threshold)


def _relative_halves(scores, largest):
    # The threshold is at most one below the largest: what is lower has no weight.
    return ops.maximum((scores - largest) / 2, -1.0)


def _num_steps(scores):
    length = scores.shape[-1]
    enough = [
        num_steps
        for longest, num_steps in STEPS_BY_LENGTH.items()
        if length is not None and length <= longest
    ]
    is_double = keras.backend.standardize_dtype(scores.dtype) == "float64"
    return min(enough, default=MOST_STEPS) + is_double


@keras.saving.register_keras_serializable(package="glomo_keras")
class Entmax(keras.Operation):
    """1.5-entmax of the last axis as an operation, with its gradient in closed form."""

    def call(self, scores):
        return _entmax(scores)

    def compute_output_spec(self, scores):
        return keras.KerasTensor(scores.shape, dtype=scores.dtype)


@ops.custom_gradient
def _entmax(scores):
    roots = entmax_roots(scores)

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return entmax_gradient(roots, upstream)

    return ops.square(roots), gradient


def entmax_gradient(roots, upstream):
    """Return the gradient of scores, given that of their 1.5-entmax.

        mean = sum_k roots[k] upstream[k] / sum_k roots[k]
        d_scores[j] = roots[j] (upstream[j] - mean)

    Args:
        roots: float tensor `(..., senders)`, square roots of the 1.5-entmax; zeros in
            place of a whole row give zeros.
        upstream: float tensor of the same shape.

    Returns:
        Float tensor of the same shape.

    Example:

    >>> roots = keras.ops.array([[0.6, 0.8, 0.0]])
    >>> gradient = entmax_gradient(roots, keras.ops.array([[7.0, 0.0, 5.0]]))
    >>> [round(float(slope), 3) for slope in gradient[0]]
    [2.4, -2.4, 0.0]

    Reference: Peters et al., 2019 (arXiv 1905.05702), proposition 2.
    """
    total = ops.sum(roots, axis=-1, keepdims=True)
    weighted = ops.sum(roots * upstream, axis=-1, keepdims=True)
    mean = weighted / ops.where(total > 0, total, ops.ones_like(total))
    return roots * (upstream - mean)
