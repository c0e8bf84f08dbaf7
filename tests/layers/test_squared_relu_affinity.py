"""Graphs of all layers and heads from queries and keys."""

import gradients
import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import affinity_of

from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.layers import squared_relu_affinity
from glomo_keras.models.ablations import SoftmaxAffinity

SCORES = np.array([[0.0, 0, 0], [2, -1, 0], [1, 3, -2]])
THRESHOLDS = ["mean", "scalar", "query", "entmax", None]
MASK = np.arange(7)[None] < np.array([[7], [4]])


class Square(SquaredReLUAffinity):
    """Squares without ReLU: a score rule in three lines."""

    def activate(self, scores):
        return ops.square(scores)


class Softmax(SquaredReLUAffinity):
    def activate(self, scores):
        return ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))


def affinity_for(random, dtype="float32", cls=SquaredReLUAffinity, **arguments):
    sizes = {"num_graph_layers": 2, "num_heads": 3, "key_dim": 5}
    affinity = cls(**{**sizes, **arguments}, dtype=dtype)
    affinity.build((None, None, 13), (None, None, 11))
    registry.randomize(affinity, random)
    return affinity


def image_affinity_for(random, **arguments):
    affinity = SquaredReLUAffinity(2, 3, 5, **arguments)
    affinity.build((None, None, None, 13), (None, None, None, 11))
    registry.randomize(affinity, random)
    return affinity


def inputs_for(random, dtype="float32", length=7):
    queries = random.normal(size=(2, length, 13)).astype(dtype)
    return queries, random.normal(size=(2, length, 11)).astype(dtype)


def pencil_graph(scores, **arguments):
    """The graph of given scores: queries are rows of scores, keys unit vectors."""
    weights = arguments.pop("weights", [])
    affinity = SquaredReLUAffinity(1, 1, 3, **arguments)
    scores = np.asarray(scores, "float32")[None]
    keys = np.eye(3, dtype="float32")[None]
    affinity.build(scores.shape, keys.shape)
    affinity.set_weights([np.eye(3), np.eye(3), *weights])
    return ops.convert_to_numpy(affinity(scores, keys))[0, 0, 0]


def test_without_threshold_by_pencil():
    graph = pencil_graph(SCORES, threshold=None)
    expected = [[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    np.testing.assert_allclose(graph, expected, rtol=1e-6)


def test_backward_by_pencil():
    # Row 0 sees 0 and 0 of its scores; with 1 and 3: 1/10 and 9/10. Row 1 sees 0.
    graph = pencil_graph(
        [[5, 1, 3], [5, 5, 0], [5, 5, 5]], threshold=None, direction="backward"
    )
    expected = [[0, 0.1, 0.9], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(graph, expected, rtol=1e-6)


def test_scalar_threshold_by_pencil():
    # 1 and 3 less 0.5: 0.25 and 6.25 of 6.5.
    graph = pencil_graph(SCORES, threshold="scalar", weights=[np.array([0.5])])
    expected = [[0, 0, 0], [1, 0, 0], [0.25 / 6.5, 6.25 / 6.5, 0]]
    np.testing.assert_allclose(graph, expected, rtol=1e-6)


def test_query_threshold_by_pencil():
    # w = (1, 0, 0): the threshold is the score of unit 0 itself, less 0.5.
    # Row 1: 2 - 1.5 = 0.5. Row 2: 1 - 0.5 = 0.5 and 3 - 0.5 = 2.5.
    weights = [np.array([[1.0, 0, 0]]), np.array([-0.5])]
    graph = pencil_graph(SCORES, threshold="query", weights=weights)
    expected = [[0, 0, 0], [1, 0, 0], [0.25 / 6.5, 6.25 / 6.5, 0]]
    np.testing.assert_allclose(graph, expected, rtol=1e-6)


def test_mean_threshold_by_pencil():
    # Row 1 has one visible sender: empty. Row 2: mean 2, only 3 exceeds it.
    graph = pencil_graph(SCORES, threshold="mean")
    np.testing.assert_allclose(graph, [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


def test_entmax_is_the_default_threshold():
    affinity = SquaredReLUAffinity(1, 1, 3)
    assert affinity.threshold == "entmax" and affinity.position_bias is None
    assert not affinity.use_bias


@pytest.mark.parametrize("level", [0.1, -1e4, 1e-8, 3e7, 0.0])
def test_equal_scores_have_no_row_above_their_mean(level):
    affinity = SquaredReLUAffinity(1, 1, 3, threshold="mean")
    affinity.build((1, 29, 3), (1, 29, 3))
    affinity.set_weights([np.eye(3), np.eye(3)])
    keys = np.full((1, 29, 3), 0.7, "float32")
    queries = np.full((1, 29, 3), level, "float32")
    assert (ops.convert_to_numpy(affinity(queries, keys)) == 0).all()


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("position_bias", [None, 3])
def test_equals_reference(
    precision, random, direction, threshold, use_bias, position_bias
):
    affinity = affinity_for(
        random,
        precision.dtype,
        direction=direction,
        threshold=threshold,
        use_bias=use_bias,
        position_bias=position_bias,
    )
    queries, keys = inputs_for(random, precision.dtype)
    for mask in (None, MASK):
        graphs = affinity(queries, keys, queries_mask=mask, keys_mask=mask)
        visible = reference.visible_pairs(7, direction, mask, mask)
        expected = reference.key_query_graphs(
            queries.astype(float),
            keys.astype(float),
            visible,
            **affinity_of(affinity, queries.astype(float)),
        )
        precision.assert_close(graphs, expected)
        assert 0.1 < (expected > 0).mean() < 0.4


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("top_k", [None, 2])
def test_rows_in_blocks_equal_whole_ones(
    precision, random, monkeypatch, direction, threshold, top_k
):
    monkeypatch.setattr(squared_relu_affinity, "_BLOCK_SIZE", 3)
    arguments = {"direction": direction, "threshold": threshold, "top_k": top_k}
    arguments["position_bias"] = 3 if threshold == "entmax" else None
    affinity = affinity_for(random, precision.dtype, **arguments)
    queries, keys = inputs_for(
        random, precision.dtype, length=8
    )  # blocks of 3, 3 and 2
    mask = np.arange(8) < np.array([[8], [4]])
    weights = precision.cast(random.normal(size=(2, 2, 3, 8, 8)))

    def total(queries, keys):
        return ops.sum(affinity(queries, keys, mask, mask) * weights)

    graph = ops.convert_to_numpy(affinity(queries, keys, mask, mask))
    by_arrays = gradients.by_arrays(total, queries, keys)
    monkeypatch.setattr(squared_relu_affinity, "_BLOCK_SIZE", 8)
    whole = ops.convert_to_numpy(affinity(queries, keys, mask, mask))
    precision.assert_close(graph, whole)
    expected = gradients.by_arrays(total, queries, keys)
    for gradient, wanted in zip(by_arrays, expected, strict=True):
        assert np.abs(wanted).max() > 0.01
        precision.assert_close(gradient, wanted)


@pytest.mark.parametrize("cls", [SquaredReLUAffinity, Square])
@pytest.mark.parametrize("top_k", [1, 2, 3, 17])
def test_top_k_equals_reference(float64, random, cls, top_k):
    affinity = affinity_for(random, "float64", cls, threshold="scalar", top_k=top_k)
    queries, keys = inputs_for(random, "float64")
    graphs = affinity(queries, keys, queries_mask=MASK, keys_mask=MASK)
    visible = reference.visible_pairs(7, "forward", MASK, MASK)
    rule = np.square if cls is Square else reference.square_relu
    expected = reference.key_query_graphs(
        queries, keys, visible, rule=rule, **affinity_of(affinity, queries)
    )
    float64.assert_close(graphs, expected)
    most = (ops.convert_to_numpy(graphs) > 0).sum(-1).max()
    assert most == min(top_k, 6) if cls is Square else most <= top_k


def test_top_one_is_the_strongest_sender(random):
    everyone = affinity_for(random)
    strongest = affinity_for(random, top_k=1)
    strongest.set_weights(everyone.get_weights())
    inputs = inputs_for(random)
    full = ops.convert_to_numpy(everyone(*inputs))
    one = ops.convert_to_numpy(strongest(*inputs))
    rows = full.sum(-1) > 0
    assert rows.any()
    np.testing.assert_array_equal(one[rows].argmax(-1), full[rows].argmax(-1))
    np.testing.assert_allclose(one[rows].max(-1), 1.0, rtol=1e-6)
    assert (one[~rows] == 0).all()


@pytest.mark.parametrize("masks", ["keys", "queries"])
def test_either_mask_may_come_alone(float64, random, masks):
    affinity = affinity_for(random, "float64")
    queries, keys = inputs_for(random, "float64")
    given = {f"{masks}_mask": MASK}
    visible = reference.visible_pairs(7, "forward", **given)
    expected = reference.key_query_graphs(
        queries, keys, visible, **affinity_of(affinity, queries)
    )
    float64.assert_close(affinity(queries, keys, **given), expected)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_rows_sum_to_one_or_are_exact_zeros(random, threshold):
    affinity = affinity_for(random, threshold=threshold)
    queries, keys = inputs_for(random)
    graphs = affinity(queries, keys, queries_mask=MASK, keys_mask=MASK)
    sums = ops.convert_to_numpy(graphs).sum(-1)
    full = sums != 0
    np.testing.assert_allclose(sums[full], 1.0, rtol=1e-6)
    assert not full[..., 0].any() and not full[1, ..., 4:].any()
    assert full[0].any() and full[1].any()
    if threshold == "entmax":  # wherever a sender is seen
        assert full[0, ..., 1:].all() and full[1, ..., 1:4].all()
    if threshold == "mean":  # alive wherever two senders are seen
        assert full[0, ..., 2:].all() and full[1, ..., 2:4].all()
        assert not full[..., 1].any()


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("position_bias", [None, 2])
def test_no_leak(random, direction, threshold, training, position_bias):
    affinity = affinity_for(
        random,
        direction=direction,
        threshold=threshold,
        use_bias=True,
        position_bias=position_bias,
    )
    length = 7
    queries, keys = inputs_for(random, length=length)
    before = ops.convert_to_numpy(affinity(queries, keys))
    # In the order of reading.
    order = range(length) if direction == "forward" else range(length - 1, -1, -1)
    order = list(order)
    moves = np.zeros((length, length), bool)
    for unit in range(length):
        changed = queries.copy(), keys.copy()
        changed[0][:, unit] += 2.0
        changed[1][:, unit] += 2.0
        after = ops.convert_to_numpy(affinity(*changed, training=training))
        moves[:, unit] = (after != before).any((0, 1, 2, 4))
    for place, row in enumerate(order):
        assert not moves[row, order[place + 1 :]].any()  # nothing read later
        # With some thresholds, the row of a single sender is always the same.
        if place >= (2 if threshold in ("mean", "entmax") else 1):
            assert moves[row, row] or moves[row, order[place - 1]]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("position_bias", [None, 3])
def test_directions_mirror_each_other(precision, random, threshold, position_bias):
    arguments = {"threshold": threshold, "position_bias": position_bias}
    forward = affinity_for(random, precision.dtype, **arguments)
    backward = affinity_for(random, precision.dtype, **arguments, direction="backward")
    backward.set_weights(forward.get_weights())
    queries, keys = inputs_for(random, precision.dtype)
    one = ops.convert_to_numpy(forward(queries, keys))
    other = backward(queries[:, ::-1], keys[:, ::-1])
    precision.assert_close(one[..., ::-1, ::-1], ops.convert_to_numpy(other))


def test_the_score_rule_can_be_replaced(float64, random):
    affinity = affinity_for(random, "float64", Softmax, threshold=None)
    queries, keys = inputs_for(random, "float64")
    graphs = affinity(queries, keys, queries_mask=MASK, keys_mask=MASK)
    visible = reference.visible_pairs(7, "forward", MASK, MASK)
    expected = reference.key_query_graphs(
        queries, keys, visible, rule=np.exp, **affinity_of(affinity, queries)
    )
    float64.assert_close(graphs, expected)
    assert (expected[0, ..., 1:, :].sum(-1) > 0.99).all()


def test_another_rule_sees_scores_at_their_mean_by_pencil():
    # The receiver's scores are 0, 1 and 2, the second of which is their mean.
    keys = np.array([[[0.0], [1], [2], [0]]], "float32")
    queries = np.ones((1, 4, 1), "float32")
    affinity = SoftmaxAffinity(1, 1, 1)
    affinity.build(queries.shape, keys.shape)
    affinity.set_weights([np.ones((1, 1))] * 2)
    row = ops.convert_to_numpy(affinity(queries, keys))[0, 0, 0, 3]
    expected = np.exp([0.0, 1, 2]) / np.exp([0.0, 1, 2]).sum()
    np.testing.assert_allclose(row, [*expected, 0], rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_scores_beyond_float16_make_whole_rows(random, policy, threshold):
    # Queries and keys of a few hundred: their products are about a million.
    affinity = affinity_for(random, policy, threshold=threshold, position_bias=3)
    queries, keys = (300 * array for array in inputs_for(random))
    graphs = affinity(queries, keys)
    assert keras.backend.standardize_dtype(graphs.dtype) == policy[6:]
    sums = ops.convert_to_numpy(ops.cast(graphs, "float32")).sum(-1)
    assert np.isfinite(sums).all()
    assert (np.isclose(sums, 1.0, atol=0.02) | (sums == 0)).all()
    assert (sums != 0).mean() > 0.5


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e20])
def test_graphs_do_not_depend_on_the_scale_of_keys(random, scale):
    affinity = affinity_for(random, threshold="mean")
    queries, keys = inputs_for(random)
    graphs = ops.convert_to_numpy(affinity(queries, keys))
    scaled = ops.convert_to_numpy(affinity(queries, keys * np.float32(scale)))
    np.testing.assert_allclose(scaled, graphs, rtol=1e-3, atol=1e-3)


def test_masks_travel_through_functional_models(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(13, 11, mask_zero=True)
    affinity = SquaredReLUAffinity(2, 3, 5)
    embedded = embedding(inputs)
    graphs = affinity(embedded, embedded)
    assert getattr(graphs, "_keras_mask", None) is None
    for weight in (*embedding.weights, *affinity.weights):
        weight.assign(random.normal(size=weight.shape))
    actual = keras.Model(inputs, graphs).predict(unit_ids, verbose=0)
    embedded, mask = embedding(unit_ids), unit_ids > 0
    expected = affinity(embedded, embedded, queries_mask=mask, keys_mask=mask)
    np.testing.assert_allclose(actual, ops.convert_to_numpy(expected), atol=1e-6)
    assert (actual[1, ..., 3:, :] == 0).all() and (actual[1, ..., 3:] == 0).all()
    assert (actual[1, ..., 2, :2] > 0).any()


def test_layers_and_heads_differ(random):
    graphs = ops.convert_to_numpy(affinity_for(random)(*inputs_for(random)))
    flat = graphs.transpose(1, 2, 0, 3, 4).reshape(6, -1)
    for one in range(6):
        for other in range(one):
            assert np.abs(flat[one] - flat[other]).max() > 0.01


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("position_bias", [None, 3])
@pytest.mark.parametrize("is_image", [False, True])
def test_projections_give_the_messages_of_the_graphs(
    random, direction, threshold, position_bias, is_image
):
    affinity = image_affinity_for if is_image else affinity_for
    affinity = affinity(
        random,
        direction=direction,
        threshold=threshold,
        use_bias=True,
        position_bias=position_bias,
    )
    queries, keys = inputs_for(random)
    mask = MASK
    if is_image:
        queries, keys, mask = (x.reshape(2, 1, 7, -1) for x in (queries, keys, MASK))
        mask = mask[..., 0]
    graphs = affinity(queries, keys, queries_mask=mask, keys_mask=mask)
    values = random.normal(size=(2, 2, 3, 7, 5)).astype("float32")
    messages = affinity.attend(
        values=values,
        **affinity.project(queries, keys, mask, mask),
        queries_mask=MASK,
        keys_mask=MASK,
        block_size=3,
    )
    expected = ops.convert_to_numpy(ops.matmul(graphs, values))
    np.testing.assert_allclose(messages, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize(
    "arguments", [{"top_k": 2}, {"cls": Softmax, "threshold": "mean"}]
)
def test_other_rules_have_no_projections(random, arguments):
    affinity = affinity_for(random, **arguments)
    with pytest.raises(ValueError, match="need the squared ReLU of whole rows"):
        affinity.project(*inputs_for(random))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_units_of_images_are_their_pixels_in_raster_order(random, direction):
    affinity = affinity_for(random, direction=direction)
    queries = random.normal(size=(2, 3, 5, 13)).astype("float32")
    keys = random.normal(size=(2, 3, 5, 11)).astype("float32")
    mask = random.random(size=(2, 3, 5)) < 0.8
    found = affinity(queries, keys, queries_mask=mask, keys_mask=mask)
    sequences = [x.reshape(2, 15, *x.shape[3:]) for x in (queries, keys, mask)]
    expected = affinity(
        *sequences[:2], queries_mask=sequences[2], keys_mask=sequences[2]
    )
    np.testing.assert_array_equal(found, expected)
    assert affinity.compute_output_shape(queries.shape, keys.shape) == found.shape
    shape = affinity.compute_output_shape((None, None, 5, 13), (None, None, 5, 11))
    assert shape == (None, 2, 3, None, None)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_threshold_of_messages_is_the_trained_one(random, threshold):
    affinity = affinity_for(random, threshold=threshold)
    queries, keys = inputs_for(random)
    factors = affinity.project(queries, keys)
    values = ops.ones((2, 2, 3, 7, 5))
    affinity.attend(values=values, **factors)
    has_threshold = threshold in ("scalar", "query")
    assert has_threshold == ("threshold" in factors)
    other = None if has_threshold else ops.zeros((2, 2, 3, 7))
    message = "be what `project` returns" if has_threshold else "be None"
    with pytest.raises(ValueError, match=f"`threshold` must {message}"):
        affinity.attend(values=values, **{**factors, "threshold": other})


def test_the_bias_of_messages_is_the_one_of_the_layer(random):
    inputs = inputs_for(random)
    values = ops.ones((2, 2, 3, 7, 5))
    with_bias, without = affinity_for(random, position_bias=3), affinity_for(random)
    factors = with_bias.project(*inputs)
    with_bias.attend(values=values, **factors)
    with pytest.raises(ValueError, match="`bias` must be None"):
        without.attend(values=values, **factors)
    with pytest.raises(ValueError, match="`bias` must be what `project` returns"):
        with_bias.attend(values=values, **without.project(*inputs))


def test_entmax_by_pencil():
    # Scores of key_dim 3 are divided by sqrt(3). Row 1 has one sender. In row 2 they
    # differ by 0.8: 0.771 and 0.229, as tests/ops/test_entmax.py says.
    scores = [[0, 0, 0], [-5, 0, 0], [0.8 * 3**0.5, 0, 9]]
    graph = pencil_graph(scores, threshold="entmax", weights=[np.zeros((1, 1))])
    np.testing.assert_allclose(
        graph, [[0, 0, 0], [1, 0, 0], [0.771, 0.229, 0]], atol=1e-3
    )
    # Three times the scale: they differ by 2.4, and from 2 on there is one sender.
    graph = pencil_graph(
        scores, threshold="entmax", weights=[np.full((1, 1), np.log(3))]
    )
    np.testing.assert_allclose(graph, [[0, 0, 0], [1, 0, 0], [1, 0, 0]], atol=1e-6)


def test_position_bias_by_pencil():
    # The scores are zeros; numbers of the distances 1 and 2 are 1 and 3.
    graph = pencil_graph(
        np.zeros((3, 3)),
        threshold=None,
        position_bias=2,
        weights=[np.array([[[1.0, 3.0]]])],
    )
    np.testing.assert_allclose(graph, [[0, 0, 0], [1, 0, 0], [0.9, 0.1, 0]], rtol=1e-6)
    # All distances share one number.
    graph = pencil_graph(
        np.zeros((3, 3)), threshold=None, position_bias=1, weights=[np.ones((1, 1, 1))]
    )
    np.testing.assert_allclose(graph, [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]])


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_position_bias_starts_as_none(random, threshold):
    without = affinity_for(random, threshold=threshold)
    affinity = SquaredReLUAffinity(2, 3, 5, threshold=threshold, position_bias=3)
    affinity.build((None, None, 13), (None, None, 11))
    *weights, table = affinity.get_weights()
    assert not table.any()
    affinity.set_weights([*without.get_weights(), table])
    inputs = inputs_for(random)
    np.testing.assert_array_equal(affinity(*inputs), without(*inputs))


def test_configurations_without_a_position_bias_load():
    config = SquaredReLUAffinity(1, 1, 3).get_config()
    assert config.pop("position_bias") is None
    assert SquaredReLUAffinity.from_config(config).position_bias is None


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_images_have_a_number_for_each_offset(random, direction):
    affinity = image_affinity_for(random, direction=direction, position_bias=2)
    affinity.threshold = None
    affinity.query_kernel.assign(np.zeros(affinity.query_kernel.shape))
    table = np.square(random.normal(size=affinity.distances.table.shape))
    affinity.distances.table.assign(table)
    units = np.ones((1, 3, 4, 13)), np.ones((1, 3, 4, 11))
    graph = ops.convert_to_numpy(affinity(*units))
    sign = 1 if direction == "forward" else -1
    expected = np.zeros(graph.shape)
    for i, j in np.ndindex(12, 12):
        if sign * (i - j) > 0:
            rows, columns = sign * (i // 4 - j // 4), sign * (i % 4 - j % 4)
            number = table[:, :, min(rows, 2), min(max(columns, -2), 2) + 2]
            expected[0, :, :, i, j] = number**2
    expected /= np.maximum(expected.sum(-1, keepdims=True), 1e-30)
    np.testing.assert_allclose(graph, expected, rtol=1e-4)


@pytest.mark.parametrize("threshold", ["mean", "entmax"])
def test_distances_are_learned(random, threshold):
    affinity = affinity_for(random, threshold=threshold, position_bias=3)
    upstream = random.normal(size=(2, 2, 3, 7, 7)).astype("float32")
    found = gradients.by_weights(
        affinity, lambda graph: ops.sum(graph * upstream), *inputs_for(random)
    )
    names = ["table"] + ["log_scale"] * (threshold == "entmax")
    for name in names:
        (gradient,) = [g for path, g in found.items() if path.endswith(name)]
        assert (np.abs(gradient) > 1e-6).all()


def test_entmax_refuses_another_rule():
    with pytest.raises(ValueError, match='must not be "entmax" where `activate`'):
        Softmax(1, 1, 3, threshold="entmax")
