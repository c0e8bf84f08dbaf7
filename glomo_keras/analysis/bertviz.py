"""Learned graphs in the form that BertViz draws."""

from glomo_keras.analysis.graph_arrays import graphs_and_units


def to_bertviz(graphs, units):
    """Convert the graphs of one text to what BertViz takes for attention.

    BertViz wants tensors of PyTorch: `[torch.from_numpy(layer) for layer in attention]`
    and the tokens are then the arguments of its `head_view` and `model_view`. The other
    way, attention that it draws goes into `glomo_keras.ops.graphs_from_attention` as it
    is.

    Args:
        graphs: float array or tensor `(layers, heads, length, length)`, one text's.
        units: as `plot_graph_arcs` takes them. Empty ones at the end are padding, and
            left out.

    Returns:
        Tuple of a list by layer of float32 arrays `(1, heads, length, length)`, and a
        list of strings.

    Raises:
        ValueError: if they do not fit, or a weight is negative or not finite.

    Example:

    >>> attention, tokens = to_bertviz([[[[0.0, 0], [1, 0]]]], ["the", "cat"])
    >>> attention[0].shape, tokens
    ((1, 1, 2, 2), ['the', 'cat'])
    """
    graphs, units = graphs_and_units("graphs", graphs, units, 4)
    return [layer[None].astype("float32") for layer in graphs], units
