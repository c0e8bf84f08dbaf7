"""Exact values of the authors' program: our mathematics against theirs."""

import gradients
import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.models import GraphPredictor
from glomo_keras.models.released import pretrainer_from_released
from glomo_keras.models.released import transfer_from_released

HEADS, LAYERS, LENGTH, CONTEXT = 2, 3, 12, 3
DIRECTIONS = {"forward": "fw", "backward": "bw"}


class SquareAffinity(SquaredReLUAffinity):
    def activate(self, scores):
        return ops.square(scores)


class SquarePredictor(GraphPredictor):
    affinity_class = SquareAffinity


def parameters(released, prefix):
    """Arrays under a prefix, by the names that the authors' program gives them."""
    return {
        name.removeprefix(prefix): value
        for name, value in released.items()
        if name.startswith(prefix)
    }


@pytest.fixture(scope="module")
def pretrainer(released):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("float64 is promised on the TensorFlow backend")
    arrays = parameters(released, "pre/w/")
    return pretrainer_from_released(arrays, HEADS, dtype="float64")


def assert_close(actual, expected):
    actual = ops.convert_to_numpy(actual)
    assert actual.dtype == "float64" and actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def units(released, case):
    unit_ids = released["pre/x"].astype("int32")
    mask = released["pre/mask"] > 0
    return unit_ids, mask if case == "mask" else np.ones_like(mask)


def joined_graphs(graphs):
    """Both directions in the order of the stored array."""
    both = [ops.convert_to_numpy(graphs[direction]) for direction in DIRECTIONS]
    return np.concatenate(both, axis=1)


def real_pairs(mask, shape):
    pairs = (mask[:, :, None] & mask[:, None, :])[:, None, None]
    return np.broadcast_to(pairs, shape)


def test_the_masked_case_has_padding(released):
    assert (released["pre/mask"].sum(-1) == [12, 8]).all()


@pytest.mark.parametrize("case", ["eval", "mask"])
def test_graphs(pretrainer, released, case):
    unit_ids, mask = units(released, case)
    graphs = pretrainer.graph_predictor({"unit_ids": unit_ids, "padding_mask": mask})
    graphs, expected = joined_graphs(graphs), released[f"pre/{case}/graphs"]
    real = real_pairs(mask, expected.shape)
    assert_close(graphs[real], expected[real])
    assert (graphs[~real] == 0).all()
    assert (expected[real] > 0.01).sum() > 1000 // LENGTH


@pytest.mark.parametrize("case", ["eval", "mask"])
def test_features(pretrainer, released, case):
    unit_ids, mask = units(released, case)
    features, _ = pretrainer.feature_predictor(unit_ids, mask)
    # Embeddings, then L layers forward, then L layers backward.
    ours = [*features["forward"], *features["backward"][1:]]
    expected = released[f"pre/{case}/outputs"]
    assert len(ours) == len(expected) == 1 + 2 * LAYERS
    for one, other in zip(ours, expected, strict=True):
        one = ops.convert_to_numpy(one)
        assert_close(one[mask], other[mask])
        assert (one[~mask] == 0).all()


def direction_losses(pretrainer, released):
    """Loss of either direction at the positions that the program drew."""
    unit_ids, mask = units(released, "eval")
    features, _ = pretrainer.feature_predictor(unit_ids, mask)
    losses = {}
    for direction, suffix in DIRECTIONS.items():
        positions = released[f"pre/sampled_{suffix}"].astype("int32")
        if direction == "backward":  # they count from the end
            positions = LENGTH - 1 - positions
        values = pretrainer.decoders[direction](
            features[direction][-1], unit_ids, positions, features_mask=mask
        )
        assert tuple(values.shape) == (2, 5, CONTEXT)
        assert (ops.convert_to_numpy(values) < 0).all()  # none is outside
        losses[direction] = -ops.mean(values)
    return losses


def test_losses(pretrainer, released):
    losses = direction_losses(pretrainer, released)
    for direction, suffix in DIRECTIONS.items():
        assert_close(losses[direction], released[f"pre/eval/loss_{suffix}"])
    total = (losses["forward"] + losses["backward"]) / 2
    assert_close(total, released["pre/eval/loss"])


def gates(array):
    """Rows r, z, n of the stored GRU to columns z, r, h of Keras's."""
    reset, update, candidate = np.split(array, 3)
    return np.concatenate([update, reset, candidate]).T


def cell_pairs(cell, arrays, name, suffix=""):
    return [
        (cell.kernel, gates(arrays[f"{name}.weight_ih{suffix}"])),
        (cell.recurrent_kernel, gates(arrays[f"{name}.weight_hh{suffix}"])),
        (
            cell.bias,
            np.stack(
                [gates(arrays[f"{name}.bias_{part}{suffix}"]) for part in ("ih", "hh")]
            ),
        ),
    ]


def pairs(pretrainer, arrays):
    """Every trainable weight with what the program has in its place."""
    predictor = pretrainer.graph_predictor
    found = [(predictor.embedding.embeddings, arrays["enc_emb.weight"])]
    for direction, suffix in DIRECTIONS.items():
        name = f"st_predictor_{suffix}"
        network = predictor.get_layer(f"{direction}_network")
        affinity = predictor.get_layer(f"{direction}_affinity")
        for stack, side in (
            (network.key_stack, "key_cnn"),
            (network.query_stack, "query_cnn"),
        ):
            for layer, (convolution, normalization, _) in enumerate(stack):
                prefix = f"{name}.{side}.{layer}"
                kernel = np.einsum("oit->tio", arrays[f"{prefix}.0.weight"])
                found += [
                    (convolution.kernel, kernel),
                    (convolution.bias, arrays[f"{prefix}.0.bias"]),
                    (normalization.gamma, arrays[f"{prefix}.1.weight"]),
                    (normalization.beta, arrays[f"{prefix}.1.bias"]),
                ]

        def stacked(part, name=name):
            return [arrays[f"{name}.{part.format(layer)}"] for layer in range(LAYERS)]

        found += [
            (affinity.key_kernel, np.vstack(stacked("key_dot_trans.{}.weight")).T),
            (affinity.key_bias, np.hstack(stacked("key_dot_trans.{}.bias"))),
            (affinity.query_kernel, np.vstack(stacked("query_dot_trans.{}.weight")).T),
            (affinity.query_bias, np.hstack(stacked("query_dot_trans.{}.bias"))),
            (affinity.threshold_kernel, np.vstack(stacked("sparse_trans.{}.weight"))),
            (affinity.threshold_bias, np.hstack(stacked("sparse_trans.{}.bias"))),
        ]
        (propagation,) = pretrainer.propagations[direction]
        found += cell_pairs(propagation.cell, arrays, f"{name}.gru_cell")
        for layer, cell in enumerate(pretrainer.decoders[direction].cells):
            decoder = f"dec_net_{suffix}.rnn_fw"
            found += cell_pairs(cell, arrays, decoder, f"_l{layer}")
    return found


def test_every_parameter_is_brought_over(pretrainer, released):
    weights = pairs(pretrainer, parameters(released, "pre/w/"))
    assert {weight.path for weight, _ in weights} == {
        weight.path for weight in pretrainer.trainable_weights
    }
    for weight, value in weights:
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_gradients(pretrainer, released):
    import tensorflow as tf

    expected = pairs(pretrainer, parameters(released, "pre/eval/grad/"))
    with tf.GradientTape() as tape:
        losses = direction_losses(pretrainer, released)
        loss = (losses["forward"] + losses["backward"]) / 2
    found = tape.gradient(loss, [weight.value for weight, _ in expected])
    for gradient, (_, value) in zip(found, expected, strict=True):
        assert_close(tf.convert_to_tensor(gradient), value)
    largest = [np.abs(value).max() for _, value in expected]
    assert min(largest) > 1e-7 and max(largest) > 1e-2


RULES = {
    0: {"predictor_class": SquarePredictor, "threshold": None},
    1: {"threshold": None},
    2: {"threshold": "scalar"},
    3: {"predictor_class": SquarePredictor, "threshold": None, "top_k": 3},
}


@pytest.mark.parametrize("case", ["eval", "mask"])
@pytest.mark.parametrize("rule", RULES)
def test_score_rules(float64, released, rule, case):
    arrays = parameters(released, "pre/w/")
    built = pretrainer_from_released(arrays, HEADS, dtype="float64", **RULES[rule])
    predictor = built.graph_predictor
    if rule == 2:
        for direction in DIRECTIONS:
            bias = predictor.get_layer(f"{direction}_affinity").threshold_bias
            bias.assign(released["pre/mode2_sparse_bias"])
    unit_ids, mask = units(released, case)
    graphs = joined_graphs(predictor({"unit_ids": unit_ids, "padding_mask": mask}))
    expected = released[f"pre/{case}/graphs_sparse_mode{rule}"]
    real = real_pairs(mask, expected.shape)
    float64.assert_close(graphs[real], expected[real])
    assert (graphs[~real] == 0).all()


def released_graphs(released):
    graphs = released["tr/graphs"]
    return {"forward": graphs[:, :LAYERS], "backward": graphs[:, LAYERS:]}


@pytest.fixture(params=["cond", "uncond"])
def transfer(request, released):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("float64 is promised on the TensorFlow backend")
    arrays = parameters(released, f"tr/{request.param}/w/")
    layer = transfer_from_released(arrays, HEADS, dtype="float64")
    return layer, parameters(released, f"tr/{request.param}/")


def test_transfer(transfer, released):
    layer, expected = transfer
    fused = layer(released["tr/H"], released_graphs(released))
    assert_close(fused, expected["out"])
    assert_close(fused[..., 6:], expected["gate_out"])


def test_transfer_mixed_graphs(transfer, released):
    layer, expected = transfer
    fused, mixed = layer(
        released["tr/H"], released_graphs(released), return_graphs=True
    )
    assert_close(fused, expected["out"])
    for direction, suffix in DIRECTIONS.items():
        for mixture in range(2):
            graph = mixed[direction][:, mixture]
            assert_close(graph, expected[f"M_{suffix}_{mixture}"])


# Stored terms G1, G2, P2, G3, P3; ours G1, G2, G3, P2, P3; two heads each.
TERMS = np.array([[0, 1], [2, 3], [6, 7], [4, 5], [8, 9]]).ravel()


def test_transfer_mixture_weights(transfer, released):
    layer, expected = transfer
    for direction, suffix in DIRECTIONS.items():
        weights = layer.mixers[direction].mixture_weights(
            ops.convert_to_tensor(released["tr/H"])
        )
        flat = ops.convert_to_numpy(weights).reshape(*weights.shape[:2], 2, 10)
        for mixture in range(2):
            wanted = expected[f"w_{suffix}_{mixture}"][..., TERMS]
            ours = flat[:, :, mixture] if wanted.ndim == 3 else flat[0, 0, mixture]
            assert_close(ours, wanted)


def test_transfer_gradient_by_features(transfer, released):
    layer, expected = transfer
    graphs = released_graphs(released)
    (found,) = gradients.by_arrays(
        lambda features: ops.sum(layer(features, graphs) * released["tr/R"]),
        released["tr/H"],
    )
    assert_close(found, expected["grad_H"])


def test_transfer_gradients_by_weights(transfer, released):
    layer, expected = transfer
    weights = parameters(expected, "w/")
    wanted = parameters(expected, "grad/")
    found = gradients.by_weights(
        layer,
        lambda fused: ops.sum(fused * released["tr/R"]),
        released["tr/H"],
        released_graphs(released),
    )
    for direction, suffix in DIRECTIONS.items():
        mixer = layer.mixers[direction]
        bias = found[mixer.bias.path].reshape(2, 10)
        if layer.conditional:
            kernel = found[mixer.kernel.path].reshape(6, 2, 10)
            for mixture in range(2):
                name = f"mixt_logits_{suffix}.{mixture}.1"
                assert_close(bias[mixture], wanted[f"{name}.bias"][TERMS])
                assert_close(
                    kernel[:, mixture], wanted[f"{name}.weight"][TERMS].T.copy()
                )
        else:
            assert_close(bias, wanted[f"mixt_logits_{suffix}"][:, TERMS])
    # A kernel row that reads messages is scale * stored row: the chain rule gives
    # the stored gradients of both.
    scale_gradient = np.zeros((2, 2))
    for name, dense in (
        ("linear", layer.fusion.linear),
        ("gate", layer.fusion.gate),
    ):
        kernel = found[dense.kernel.path]
        stored = weights[f"gate_layer.{name}.weight"].T
        stored_gradient = wanted[f"gate_layer.{name}.weight"].T
        assert_close(found[dense.bias.path], wanted[f"gate_layer.{name}.bias"])
        assert_close(kernel[:6], stored_gradient[:6].copy())
        for side, mixture in np.ndindex(2, 2):
            ours = 6 + 6 * (2 * side + mixture)
            theirs = 6 + 6 * (2 * mixture + side)
            gradient = kernel[ours : ours + 6]
            scale = weights["scales"][side, mixture]
            block = slice(theirs, theirs + 6)
            assert_close(gradient * scale, stored_gradient[block].copy())
            scale_gradient[side, mixture] += (gradient * stored[block]).sum()
    assert_close(scale_gradient, wanted["scales"])


def test_bundle_of_choices(pretrainer):
    config = pretrainer.get_config()
    assert config["update"] == "gru" and config["message"] == "product_concat"
    assert config["shared_update"] and config["first_input"] == "zeros"
    assert config["num_decoder_layers"] == 2 and config["context_length"] == 3
    predictor = pretrainer.graph_predictor.get_config()
    assert predictor["normalization"] == "batch" and predictor["use_bias"]
    assert predictor["threshold"] == "query"


@pytest.mark.parametrize(
    "missing",
    [
        "st_predictor_bw.sparse_trans.1.weight",
        "enc_emb.weight",
        "dec_net_bw.rnn_fw.bias_hh_l1",
    ],
)
def test_a_missing_parameter_is_named(released, missing):
    arrays = parameters(released, "pre/w/")
    del arrays[missing]
    with pytest.raises(ValueError, match=missing):
        pretrainer_from_released(arrays, HEADS)


def test_a_missing_transfer_parameter_is_named(released):
    arrays = parameters(released, "tr/cond/w/")
    del arrays["gate_layer.gate.bias"]
    with pytest.raises(ValueError, match="gate_layer.gate.bias"):
        transfer_from_released(arrays, HEADS)


def test_float32_agrees(released):
    arrays = parameters(released, "pre/w/")
    built = pretrainer_from_released(arrays, HEADS)
    unit_ids, mask = units(released, "eval")
    graphs = built.graph_predictor({"unit_ids": unit_ids, "padding_mask": mask})
    graphs = joined_graphs(graphs)
    assert graphs.dtype == "float32"
    np.testing.assert_allclose(graphs, released["pre/eval/graphs"], atol=1e-4)
