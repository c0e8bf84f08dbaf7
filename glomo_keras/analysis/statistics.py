"""Numbers that tell sparse graphs from dense ones and living heads from dead ones."""

import collections

import numpy as np
from keras import ops

from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.models.graph_metrics import GRAPH_RATIOS
from glomo_keras.ops import graph_counts
from glomo_keras.ops import pixel_distances
from glomo_keras.ops import relation_counts
from glomo_keras.ops import unit_distances
from glomo_keras.ops import visible_pairs


def graph_statistics(graphs, padding_mask=None, direction="forward", image_shape=None):
    """Describe graphs by a few numbers for every head, and overall.

    - `"density"`: active weights by visible pairs. A weight is active above zero.
    - `"empty_rows"`: share of the receivers that read no sender although they see
      one. Receivers that see none (the first unit, padding) count nowhere.
    - `"one_sender_rows"`: share of the receivers that read exactly one sender.
    - `"dead_heads"`: 1 for a head without any active weight in these graphs, else 0.
      Overall it is the number of such heads.
    - `"link_distance"`: mean distance between receiver and sender in units, weighted
      by the graphs' weights.
    - `"specificity"`: how far a row is from what any receiver would read, 0 to 1, see
      `glomo_keras.ops.row_specificity`; on average over the rows that are not empty
      and see two senders or more. Each text is compared with itself.
    - `"effective_senders"`: 1 / sum_j share_j^2 of a row, on average over the rows that
      are not empty: 1 for a single sender, n for n equal ones.
    - `"effective_share"`: the same by the mean number of senders that these rows see.
    - `"within_1"`, `"within_4"`, `"within_16"`: share of a row's weight up to so many
      units away, on average over the rows that are not empty.

    Args:
        graphs: float array or tensor `(batch, layers, heads, length, length)`,
            receivers in rows, of one direction.
        padding_mask: bool array or tensor `(batch, length)`, `True` at real units,
            or `None` if all are.
        direction: `"forward"` or `"backward"`, that of the graphs.
        image_shape: pair of ints, height and width of the image whose pixels the units
            are; distances are then those of `glomo_keras.ops.pixel_distances`. `None`
            means a sequence.

    Returns:
        Dict of two dicts with the names above as keys: `"by_head"` of float arrays
        `(layers, heads)` and `"overall"` of floats, over all rows of all heads. They
        are NaN where there is no row or no weight to average over.

    Raises:
        ValueError: if a shape does not fit, `direction` is unknown or is not that of
            the graphs.

    Example:

    >>> graphs = np.array([[[[[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]]]])
    >>> overall = graph_statistics(graphs)["overall"]
    >>> overall["density"], overall["effective_senders"], overall["specificity"]
    (1.0, 1.5, 0.0)
    """
    graphs = graph_array(graphs)  # the predictor's 16-bit graphs are exact in float32
    if graphs.ndim != 5 or graphs.shape[-1] != graphs.shape[-2]:
        raise ValueError(
            "`graphs` must have shape (batch, layers, heads, length, length). "
            f"Received: shape {graphs.shape}. Pass the graphs of one direction."
        )
    if padding_mask is not None:
        padding_mask = np.asarray(ops.convert_to_numpy(padding_mask)).astype(bool)
        if padding_mask.shape != (graphs.shape[0], graphs.shape[-1]):
            raise ValueError(
                "`padding_mask` must have shape (batch, length) = "
                f"{(graphs.shape[0], graphs.shape[-1])}. "
                f"Received: shape {padding_mask.shape}."
            )
    _check_direction(graphs, padding_mask, direction)
    distances = _distances(graphs.shape[-1], image_shape)
    visible = visible_pairs(
        graphs.shape[-1], direction, queries_mask=padding_mask, keys_mask=padding_mask
    )
    zeros = np.zeros(graphs.shape[1:3])  # of a batch without samples
    totals = {name: zeros for ratio in GRAPH_RATIOS.values() for name in ratio}
    totals |= {
        name: ops.convert_to_numpy(count).astype("float64").sum(axis=0)
        for name, count in graph_counts(ops.convert_to_tensor(graphs), visible).items()
    }
    totals.update(_relation_totals(graphs, visible, distances))
    totals.update(
        _weight_totals(
            graphs, ops.convert_to_numpy(visible), ops.convert_to_numpy(distances)
        )
    )
    overall = {name: float(value) for name, value in _shares(totals, np.sum).items()}
    return {"by_head": _shares(totals, np.asarray), "overall": overall}


def _check_direction(graphs, padding_mask, direction):
    """Raise where a real unit reads one that its direction does not let it see."""
    hidden = ~ops.convert_to_numpy(visible_pairs(graphs.shape[-1], direction))
    for sample, graph in enumerate(graphs):  # one at a time, for the memory
        real = slice(None) if padding_mask is None else padding_mask[sample]
        if np.any(graph[..., real, :][..., real], where=hidden[real][:, real]):
            raise ValueError(
                f"`graphs` must be of the direction {direction!r}. Received: weights "
                "of units that it does not see. Pass the direction of the graphs."
            )


def _distances(length, image_shape):
    if image_shape is None:
        return unit_distances(length)
    height, width = image_shape
    if height * width != length:
        raise ValueError(
            "`image_shape` must be the height and width of the images. Received: "
            f"image_shape={image_shape} for graphs of {length} units."
        )
    return pixel_distances(height, width)


def _relation_totals(graphs, visible, distances):
    """Return sums over batch and rows: dict of float64 arrays `(layers, heads)`."""
    totals = collections.defaultdict(lambda: np.zeros(graphs.shape[1:3]))
    for sample in range(len(graphs)):  # one at a time, for the memory
        one = slice(sample, sample + 1)
        seen = visible if len(visible.shape) == 2 else visible[one]
        graph = ops.convert_to_tensor(graphs[one])
        for name, count in relation_counts(graph, seen, distances).items():
            totals[name] += ops.convert_to_numpy(count)[0]
    return totals


def _weight_totals(graphs, visible, distances):
    """Return sums over batch and rows, in float64: dict of arrays `(layers, heads)`."""
    shape = graphs.shape[1:3]
    totals = {"weight": np.zeros(shape), "distance": np.zeros(shape)}
    for sample, graph in enumerate(graphs):  # one at a time, for the memory
        seen = visible if visible.ndim == 2 else visible[sample]
        weights = np.where(seen, graph, 0.0).astype("float64")
        totals["weight"] += weights.sum(axis=(-2, -1))
        totals["distance"] += (weights * distances).sum(axis=(-2, -1))
    return totals


def _shares(totals, combine):
    """Divide the totals, each head for itself or all heads together."""

    def share(part, whole):
        part, whole = combine(part), combine(whole)
        # An empty share is NaN: a number would enter averages unseen.
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)

    ratios = {
        name: share(totals[part], totals[whole])
        for name, (part, whole) in GRAPH_RATIOS.items()
    }
    return {
        **ratios,
        "dead_heads": combine((totals["active"] == 0).astype("float64")),
        "link_distance": share(totals["distance"], totals["weight"]),
    }
