"""The authors' released program: its choices, and its parameters brought over.

The program is in PyTorch; its parameters come as a mapping from their names to
arrays, as a state dict converted to NumPy. `docs/paper_versus_code.md` lists where
its mathematics differs from the paper's text.
"""

import numpy as np

from glomo_keras.checks import positive_integer
from glomo_keras.layers.graph_transfer import GraphTransfer
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.pretrainer import GLoMoPretrainer
from glomo_keras.ops.visibility import DIRECTIONS

PREDICTOR_CHOICES = {
    "normalization": "batch",
    "threshold": "query",
    "use_bias": True,
    "position_bias": None,
}
PRETRAINER_CHOICES = {
    "update": "gru",
    "message": "product_concat",
    "shared_update": True,
    "num_decoder_layers": 2,
    "first_input": "zeros",
}
SUFFIXES = {"forward": "fw", "backward": "bw"}


def pretrainer_from_released(
    arrays,
    num_heads,
    dtype="float32",
    predictor_class=GraphPredictor,
    context_length=3,
    **predictor_arguments,
):
    """Build the pretrainer of the released program from its parameters.

    Sizes are read off the arrays; only the number of heads is not in them.

    Args:
        arrays: mapping from the program's parameter names (`enc_emb.weight`,
            `st_predictor_fw.key_cnn.0.0.weight`, ...) to arrays.
        num_heads: int, number of heads (8 in the released program).
        dtype: dtype or policy of the model.
        predictor_class: `GraphPredictor` or a subclass with another score rule.
        context_length: int, number of predicted units (3 in the released program).
        **predictor_arguments: arguments of the predictor that differ from the
            released choices (`threshold`, `top_k`, ...).

    Returns:
        `GLoMoPretrainer`, built, with these parameters.

    Raises:
        ValueError: if a parameter is missing or its shape does not fit.

    Example:

    >>> from glomo_keras.models import released
    >>> released.pretrainer_from_released({}, num_heads=8)
    Traceback (most recent call last):
      ...
    ValueError: `arrays` must hold "enc_emb.weight". Received 0 arrays.

    Reference: Yang et al., 2018 (arXiv 1806.05662), the authors' program.
    """
    arrays = _Parameters(arrays)
    vocabulary_size, dim = arrays["enc_emb.weight"].shape
    predictor = predictor_class(
        vocabulary_size,
        embedding_dim=dim,
        num_heads=num_heads,
        num_graph_layers=arrays.count("st_predictor_fw.key_dot_trans.{}.weight"),
        key_dim=arrays["st_predictor_fw.key_dot_trans.0.weight"].shape[0] // num_heads,
        num_convolutions=arrays.count("st_predictor_fw.key_cnn.{}.0.weight"),
        kernel_size=arrays["st_predictor_fw.key_cnn.0.0.weight"].shape[2],
        dtype=dtype,
        **{**PREDICTOR_CHOICES, **predictor_arguments},
    )
    choices = {
        **PRETRAINER_CHOICES,
        "num_decoder_layers": arrays.count("dec_net_fw.rnn_fw.weight_ih_l{}"),
    }
    pretrainer = GLoMoPretrainer(
        predictor, context_length=context_length, dtype=dtype, **choices
    )
    predictor.embedding.set_weights([arrays["enc_emb.weight"]])
    for direction, suffix in SUFFIXES.items():
        name = f"st_predictor_{suffix}"
        _load_network(predictor, direction, arrays, name)
        _load_affinity(predictor, direction, arrays, name)
        (propagation,) = pretrainer.propagations[direction]
        propagation.cell.set_weights(_gru_weights(arrays, f"{name}.gru_cell", ""))
        for layer, cell in enumerate(pretrainer.decoders[direction].cells):
            decoder = f"dec_net_{suffix}.rnn_fw"
            cell.set_weights(_gru_weights(arrays, decoder, f"_l{layer}"))
    return pretrainer


def transfer_from_released(arrays, num_heads, dtype="float32"):
    """Build the transfer part of the released program from its parameters.

    The learned scale of every mixture multiplies its messages before the fusion; it
    is folded into the rows of the fusion's matrices that read those messages.

    Args:
        arrays: mapping from the program's parameter names (`mixt_logits_fw`,
            `scales`, `gate_layer.linear.weight`, ...) to arrays.
        num_heads: int, number of heads of the graphs.
        dtype: dtype or policy of the layer.

    Returns:
        `GraphTransfer`, built, with these parameters.

    Raises:
        ValueError: if a parameter is missing or its shape does not fit.

    Example:

    >>> from glomo_keras.models import released
    >>> released.transfer_from_released({}, num_heads=8)
    Traceback (most recent call last):
      ...
    ValueError: `arrays` must hold "scales". Received 0 arrays.

    Reference: Yang et al., 2018 (arXiv 1806.05662), the authors' program.
    """
    arrays = _Parameters(arrays)
    scales = arrays["scales"]  # (directions, mixtures)
    num_mixtures = scales.shape[1]
    units, joined = arrays["gate_layer.linear.weight"].shape
    dim = joined // (1 + scales.size)
    conditional = "mixt_logits_fw" not in arrays
    if conditional:
        num_graphs = arrays["mixt_logits_fw.0.1.bias"].shape[0]
    else:
        num_graphs = arrays["mixt_logits_fw"].shape[1]
    positive_integer("num_heads", num_heads)
    if num_graphs % num_heads:
        raise ValueError(
            f"`num_heads` must divide the {num_graphs} graphs that `arrays` mix. "
            f"Received: num_heads={num_heads}. Give that of the graphs' network."
        )
    num_layers = (num_graphs // num_heads + 1) // 2
    transfer = GraphTransfer(
        num_mixtures=num_mixtures,
        conditional=conditional,
        units=units,
        logit_scale=1.0,
        dtype=dtype,
    )
    graphs = (None, num_layers, num_heads, None, None)
    transfer.build((None, None, dim), dict.fromkeys(DIRECTIONS, graphs))

    # Released order of terms: G1, G2, P2, G3, P3, ...; here G1, G2, ..., P2, P3, ...
    terms = [0, *range(1, 2 * num_layers - 1, 2), *range(2, 2 * num_layers - 1, 2)]
    order = [term * num_heads + head for term in terms for head in range(num_heads)]
    for direction, suffix in SUFFIXES.items():
        name, mixtures = f"mixt_logits_{suffix}", range(num_mixtures)
        if conditional:
            kernels = [arrays[f"{name}.{m}.1.weight"][order].T for m in mixtures]
            biases = [arrays[f"{name}.{m}.1.bias"][order] for m in mixtures]
            weights = [np.concatenate(kernels, axis=1), np.concatenate(biases)]
        else:
            weights = [arrays[name][:, order].reshape(-1)]
        transfer.mixers[direction].set_weights(weights)

    # Released order of messages: mixture by mixture; here direction by direction.
    for released_name, dense in (
        ("linear", transfer.fusion.linear),
        ("gate", transfer.fusion.gate),
    ):
        kernel = arrays[f"gate_layer.{released_name}.weight"].T  # (joined, units)
        own, messages = kernel[:dim], kernel[dim:]
        messages = messages.reshape(num_mixtures, len(DIRECTIONS), dim, units)
        messages = messages.transpose(1, 0, 2, 3) * scales[:, :, None, None]
        kernel = np.concatenate([own, messages.reshape(-1, units)])
        dense.set_weights([kernel, arrays[f"gate_layer.{released_name}.bias"]])
    return transfer


class _Parameters(dict):
    """A mapping of released parameters that says what is missing."""

    def __missing__(self, name):
        raise ValueError(
            f'`arrays` must hold "{name}". Received {len(self)} arrays'
            + (f", such as {sorted(self)[:3]}." if self else ".")
        )

    def count(self, pattern):
        number = 0
        while pattern.format(number) in self:
            number += 1
        return number


def _load_network(predictor, direction, arrays, name):
    network = predictor.get_layer(f"{direction}_network")
    for stack, released_name in (
        (network.key_stack, "key_cnn"),
        (network.query_stack, "query_cnn"),
    ):
        for layer, (convolution, normalization, _) in enumerate(stack):
            prefix = f"{name}.{released_name}.{layer}"
            kernel = arrays[f"{prefix}.0.weight"].transpose(2, 1, 0)
            convolution.set_weights([kernel, arrays[f"{prefix}.0.bias"]])
            parts = ("weight", "bias", "running_mean", "running_var")
            normalization.set_weights([arrays[f"{prefix}.1.{part}"] for part in parts])


def _load_affinity(predictor, direction, arrays, name):
    affinity = predictor.get_layer(f"{direction}_affinity")
    layers = range(predictor.num_graph_layers)

    def join(released_name):
        prefix = f"{name}.{released_name}"
        kernel = [arrays[f"{prefix}.{layer}.weight"].T for layer in layers]
        bias = [arrays[f"{prefix}.{layer}.bias"] for layer in layers]
        return np.concatenate(kernel, axis=1), np.concatenate(bias)

    key_kernel, key_bias = join("key_dot_trans")
    query_kernel, query_bias = join("query_dot_trans")
    affinity.key_kernel.assign(key_kernel)
    affinity.query_kernel.assign(query_kernel)
    affinity.key_bias.assign(key_bias)
    affinity.query_bias.assign(query_bias)
    if affinity.threshold == "query":
        threshold_kernel, threshold_bias = join("sparse_trans")
        affinity.threshold_kernel.assign(threshold_kernel.T)
        affinity.threshold_bias.assign(threshold_bias)


def _gru_weights(arrays, name, suffix):
    """Kernel, recurrent kernel and biases: gates r, z, n there; z, r, h in Keras."""

    def reorder(part):
        reset, update, candidate = np.split(arrays[f"{name}.{part}{suffix}"], 3)
        return np.concatenate([update, reset, candidate])

    bias = np.stack([reorder("bias_ih"), reorder("bias_hh")])
    return [reorder("weight_ih").T, reorder("weight_hh").T, bias]
