"""Rows whose threshold is solved for: 1.5-entmax, eq. 1 without a denominator."""

import keras
import numpy as np
from keras import ops

from glomo_keras.ops.precision import raise_precision

# Senders of a group, of which the largest score alone gives the first steps.
GROUP_SIZE = 8
NUM_FIRST_STEPS = 4
# More than scores of any kind take from there, or from a first guess of -1.
MOST_STEPS = 30


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
    return Entmax()(ops.where(visible, scores, lowest_score(scores)))


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
        Float tensor like `scores`, zeros in rows of `lowest_score` alone.

    Example:

    >>> roots = entmax_roots(keras.ops.array([[3.0, 3.0, -5.0]]))
    >>> keras.ops.convert_to_numpy(roots * roots).round(6).tolist()
    [[0.5, 0.5, 0.0]]
    """
    halves = scores / 2
    return roots_above(halves, *entmax_threshold(halves))


def entmax_threshold(halves):
    """Solve for the threshold of 1.5-entmax of the last axis.

    Newton's method on sqrt(sum_j relu(halves[j] - threshold)^2) - 1, which is convex
    and falls: from the left, steps never pass the solution. It starts from the solution
    for the largest of every group of senders, which is on the left, and near: with all
    senders the sum is 1 to `GROUP_SIZE` there. It ends when every row sums to one, to
    1e-6 in float32 and 1e-12 in float64.

    Args:
        halves: float tensor `(..., senders)`, halves of scores, of float32 or float64.

    Returns:
        Two float tensors `(..., 1)`: the threshold, relative to the largest half, from
        -1 to 0; and the largest half.

    Example:

    >>> threshold, largest = entmax_threshold(keras.ops.array([[1.5, 1.5, -2.5]]))
    >>> round(float(threshold[0, 0]), 3), float(largest[0, 0])
    (-0.707, 1.5)
    """
    lowest = lowest_score(halves)
    largest = ops.max(halves, axis=-1, keepdims=True, initial=lowest)
    # A row of which nothing is visible has nothing near its largest.
    largest = ops.where(largest > lowest / 2, largest, 0.0)
    relative = halves - largest
    threshold = -ops.ones_like(largest)
    of_groups = _largest_of_groups(relative)
    if of_groups is not None:
        for _ in range(NUM_FIRST_STEPS):
            threshold, _ = _newton_step(of_groups, threshold)

    def is_off(threshold, done):
        return ops.logical_not(ops.all(done))

    def improve(threshold, done):
        better, is_last = _newton_step(relative, threshold)
        # Rows that are done stay as they are, however many steps others take.
        return ops.where(done, threshold, better), ops.logical_or(done, is_last)

    done = ops.zeros_like(largest, dtype="bool")
    threshold, _ = ops.while_loop(
        is_off, improve, (threshold, done), maximum_iterations=MOST_STEPS
    )
    return threshold, largest


def _largest_of_groups(relative):
    """Return `(..., number of groups)`, or None where the length is unknown or short.

    The last senders may be in no group: fewer senders have a threshold that is lower.
    """
    length = relative.shape[-1]
    # Of no rows, not all backends return maxima of the same rank.
    if length is None or length < 4 * GROUP_SIZE or 0 in relative.shape:
        return None
    num_groups = length // GROUP_SIZE
    grouped = relative[..., : GROUP_SIZE * num_groups]
    shape = (*ops.shape(relative)[:-1], GROUP_SIZE, num_groups)
    return ops.max(ops.reshape(grouped, shape), axis=-2, initial=-1.0)


def _newton_step(relative, threshold):
    """Return the next threshold, and whether rows sum to one with it.

    With n roots that are positive, their squares then sum to at most

        1 + (distance - 1)^2 (n squares / total^2 - 1)
    """
    roots = ops.relu(relative - threshold)
    total = ops.sum(roots, axis=-1, keepdims=True)
    squares = ops.sum(ops.square(roots), axis=-1, keepdims=True)
    distance = ops.sqrt(squares)
    step = distance * (distance - 1.0) / ops.where(total > 0, total, 1.0)
    number = ops.cast(ops.shape(relative)[-1], relative.dtype)
    is_double = keras.backend.standardize_dtype(relative.dtype) == "float64"
    tolerance = (1e-12 if is_double else 1e-6) / number
    error = ops.square(distance - 1.0) * squares
    # A row of NaN is done as well.
    is_last = ops.logical_not(error > tolerance * ops.square(total))
    return threshold + step, is_last


def roots_above(halves, threshold, largest):
    """Return by how much halves of scores exceed a threshold, and zeros elsewhere.

    Args:
        halves: float tensor `(..., senders)`.
        threshold: float tensor `(..., 1)`, of `entmax_threshold`.
        largest: float tensor `(..., 1)`, of `entmax_threshold`.

    Returns:
        Float tensor like `halves`.

    Example:

    >>> roots = roots_above(keras.ops.array([1.5, -2.5]), -0.5, 1.5)
    >>> keras.ops.convert_to_numpy(roots).tolist()
    [0.5, 0.0]
    """
    return ops.relu((halves - largest) - threshold)


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
