"""The reference itself, by pencil: the other tests lean on it."""

import numpy as np
import reference

SCORES = np.array([[0.0, 0, 0], [2, -1, 0], [1, 3, -2]])
FORWARD = np.array([[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]])


def test_affinity_by_pencil():
    visible = reference.visible_pairs(3, "forward")
    np.testing.assert_allclose(reference.affinity_graph(SCORES, visible), FORWARD)


def test_composition_by_pencil():
    second = np.array([[0.0, 0, 0], [1, 0, 0], [0.8, 0.2, 0]])
    graphs = np.stack([FORWARD, second])[None, :, None]
    composed = reference.compose_graphs(graphs)[0, :, 0]
    expected = np.zeros((3, 3))
    expected[2, 0] = 0.2  # 0.2 of what unit 1 read from unit 0
    np.testing.assert_allclose(composed, [FORWARD, expected])


def test_convolution_reads_backwards_in_time():
    # Kernel taps 1, 10, 100: the last one is the unit itself.
    features = np.array([[[1.0], [2.0], [3.0]]])
    kernel = np.array([1.0, 10.0, 100.0])[:, None, None]
    forward = reference.masked_convolution(features, kernel, 0.0, "forward")
    backward = reference.masked_convolution(features, kernel, 0.0, "backward")
    np.testing.assert_allclose(forward[0, :, 0], [100, 210, 321])
    np.testing.assert_allclose(backward[0, :, 0], [123, 230, 300])


def test_gru_keeps_its_state_when_the_update_gate_is_open():
    state, units = np.array([0.5, -0.25]), 2
    bias = np.zeros((2, 3 * units))
    bias[0, :units] = 50.0  # z = 1
    cell = np.zeros((3, 3 * units)), np.zeros((units, 3 * units)), bias
    np.testing.assert_allclose(reference.gru_cell(np.ones(3), state, *cell), state)
    bias[0, :units] = -50.0  # z = 0: the candidate, tanh(1)
    bias[0, 2 * units :] = 1.0
    updated = reference.gru_cell(np.ones(3), state, *cell)
    np.testing.assert_allclose(updated, np.tanh([1.0, 1.0]))


def test_decoder_with_zero_weights_is_uniform():
    # A GRU of zeros halves its state; with zero features every logit is zero.
    cell = np.zeros((5, 15)), np.zeros((5, 15)), np.zeros((2, 15))
    table = np.random.default_rng(0).normal(size=(7, 5))
    unit_ids = np.array([[2, 3, 4]])
    values = reference.context_log_likelihoods(
        np.zeros((1, 3, 5)), unit_ids, table, [cell], 2, "backward"
    )
    uniform = np.log(1 / 7)
    np.testing.assert_allclose(values[0], [[0, 0], [uniform, 0], [uniform, uniform]])
