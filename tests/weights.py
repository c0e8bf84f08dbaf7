"""Weights of Keras layers, in the form in which the reference takes them."""

import numpy as np
from keras import ops


def as_float64(variable):
    return np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(variable)), float)


def stack_of(network, name):
    """`"queries"` or `"keys"` of a MaskedKeyQueryCNN."""
    stack = network.key_stack if name == "keys" else network.query_stack
    layers = []
    for convolution, normalization, _ in stack:
        layer = {
            "kernel": as_float64(convolution.kernel),
            "bias": as_float64(convolution.bias),
        }
        if hasattr(normalization, "parts"):  # of images: two kinds of channels
            for weight in ("gamma", "beta"):
                of_parts = [getattr(p, weight) for p in normalization.parts.values()]
                layer[weight] = np.concatenate([as_float64(w) for w in of_parts])
            layer["epsilon"] = normalization.epsilon
        elif normalization is not None:
            layer["gamma"] = as_float64(normalization.gamma)
            layer["beta"] = as_float64(normalization.beta)
            layer["epsilon"] = normalization.epsilon
        if network.normalization == "batch":
            layer["mean"] = as_float64(normalization.moving_mean)
            layer["variance"] = as_float64(normalization.moving_variance)
        layers.append(layer)
    return layers


def cell_of(cell):
    """Kernel, recurrent kernel and bias of a GRUCell."""
    bias = cell.bias
    if bias is None:
        bias = np.zeros((2, 3 * cell.units))
    return as_float64(cell.kernel), as_float64(cell.recurrent_kernel), as_float64(bias)


def dense_of(dense):
    """Kernel and bias of a Dense layer; a bias of zero where there is none."""
    bias = np.zeros(1) if dense.bias is None else as_float64(dense.bias)
    return as_float64(dense.kernel), bias


def affinity_of(affinity, queries, width=None):
    """Arguments of `reference.key_query_graphs` for a SquaredReLUAffinity.

    `queries` are those that the layer will see: a threshold may depend on them. The
    `width` is that of images.
    """
    layers, heads = affinity.num_graph_layers, affinity.num_heads
    size = affinity.key_dim
    arguments = {}
    for name in ("query", "key"):
        kernel = as_float64(getattr(affinity, f"{name}_kernel"))
        kernel = kernel.reshape(len(kernel), layers, heads, size)
        arguments[f"{name}_kernels"] = kernel.transpose(1, 0, 2, 3)
        bias = getattr(affinity, f"{name}_bias")
        if bias is not None:
            bias = as_float64(bias).reshape(layers, heads, size)
        arguments[f"{name}_biases"] = bias
    if affinity.threshold in ("mean", "entmax", None):
        thresholds = affinity.threshold
    else:
        batch, length, _ = queries.shape
        thresholds = np.zeros((layers, batch, heads, length))
        for layer, b, k, i in np.ndindex(thresholds.shape):
            threshold = as_float64(affinity.threshold_bias)[layer]
            if affinity.threshold == "query":
                query = queries[b, i] @ arguments["query_kernels"][layer, :, k]
                if arguments["query_biases"] is not None:
                    query = query + arguments["query_biases"][layer, k]
                threshold += query @ as_float64(affinity.threshold_kernel)[layer]
            thresholds[layer, b, k, i] = threshold
    if affinity.threshold == "entmax":
        arguments["scales"] = np.exp(as_float64(affinity.log_scale)) / np.sqrt(size)
    if affinity.position_bias is not None:
        arguments["position_biases"] = _biases_of(affinity, width)
    return {**arguments, "thresholds": thresholds, "top_k": affinity.top_k}


def _biases_of(affinity, width):
    """Function of layer, head, receiver and sender."""
    table = as_float64(affinity.distances.table)
    furthest = affinity.position_bias
    if width is None:
        return lambda layer, head, i, j: table[
            layer, head, min(max(abs(i - j), 1), furthest) - 1
        ]
    sign = 1 if affinity.direction == "forward" else -1

    def bias(layer, head, i, j):
        rows = min(abs(i // width - j // width), furthest)
        columns = sign * (i % width - j % width)
        columns = min(max(columns, -furthest), furthest)
        return table[layer, head, rows, furthest + columns]

    return bias
