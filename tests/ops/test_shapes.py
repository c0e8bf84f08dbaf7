"""Ops name the tensor whose shape does not fit, before any product is tried."""

import keras
import numpy as np
import pytest

from glomo_keras import ops

GRAPHS = (2, 3, 5, 7, 7)
FEATURES = (2, 7, 11)


def zeros(*shape):
    return np.zeros(shape, "float32")


WRONG = [
    (ops.add_sentence_marks, [(2, 7)], "`character_ids` must .*rank 2"),
    (ops.add_sentence_marks, [(2, 7, 2)], "at least 3"),
    (ops.compose_graphs, [(2, 5, 7, 7)], "`graphs` must have .*rank 4"),
    (ops.context_targets, [(7,)], "`unit_ids` must have .*rank 1"),
    (ops.context_targets, [(2, 7), (2, 7)], "`positions` must have .*rank 2"),
    (ops.graph_counts, [(2, 7, 7), (7, 7)], "`graphs` must have .*rank 3"),
    (ops.graph_counts, [GRAPHS, (2, 1, 7, 7)], "`visible` must have .*rank 4"),
    (ops.graphs_over_pieces, [(2, 7, 7), (2, 9)], "`graphs` must have .*rank 3"),
    (ops.graphs_over_pieces, [GRAPHS, (9,)], "`words` must have .*rank 1"),
    (ops.graphs_over_words, [(2, 7, 7), (2, 7), 3], "`pieces` must have .*rank 3"),
    (ops.log_likelihood, [(2, 11), (13, 7), (2,)], r"`table` must .*\(None, 11\)"),
    (ops.log_likelihood, [(2, 3, 11), (13, 11), (3,)], r"`targets` must .*\(2, 3\)"),
    (ops.mix_graphs, [(2, 5, 7, 7), (1, 1, 1, 5, 5)], "`graphs` must have .*rank 4"),
    (ops.mix_graphs, [GRAPHS, (1, 5, 5)], "`weights` must have .*rank 3"),
    (
        ops.propagate_mixture,
        [(7, 11), GRAPHS, (1, 1, 1, 5, 5)],
        "`features` must have .*rank 2",
    ),
    (
        ops.propagate_mixture,
        [(2, 6, 11), GRAPHS, (1, 1, 1, 5, 5)],
        "`graphs` must be over the units of `features`.*7 x 7 and 6 x 6",
    ),
    (
        ops.propagate_packed,
        [FEATURES, (2, 5, 7, 7), (1, 1, 2, 5, 5)],
        "`graphs` must have .*rank 4",
    ),
    (
        ops.propagate_packed,
        [(2, 6, 11), (2, 7, 3, 5, 7), (1, 1, 2, 3, 5)],
        "`graphs` must be over the units of `features`.*7 x 7 and 6 x 6",
    ),
    (
        ops.propagate_packed,
        [FEATURES, (2, 7, 3, 5, 7), (1, 1, 2, 5, 5)],
        "`weights` must have shape .*3, 5",
    ),
    (
        ops.propagate_packed,
        [FEATURES, (2, 7, 3, 5, 7), (1, 1, 3, 3, 5)],
        "as many mixtures forward as backward.*3 mixtures",
    ),
    (ops.pixel_log_likelihood, [(2, 3), (2,)], "`parameters` must have .*rank 2"),
    (ops.pixel_log_likelihood, [(2, 3, 5, 3), (2, 5)], r"`pixels` must .*\(2, 3\)"),
    (
        ops.projected_lstm_step,
        [(2, 1, 12), (2, 5), (2, 3), (5, 12), (3, 5)],
        "`projected_inputs` must have .*rank 3",
    ),
    (
        ops.projected_lstm_step,
        [(2, 12), (2, 3), (2, 5), (5, 12), (3, 5)],
        r"`output` must .*\(None, 5\)",
    ),
    (ops.propagate, [(2, 3), (2, 1, 3, 3)], "`features` must have .*rank 2"),
    (ops.propagate, [FEATURES, (2, 7, 7)], "`graph` must have .*rank 3"),
    (ops.propagate, [FEATURES, GRAPHS], "`graph` must have .*rank 5.*one layer"),
    (ops.propagate, [FEATURES, (2, 5, 7, 7)], "heads=5, dim=11.*1, 11"),
    (ops.propagate, [FEATURES, (2, 1, 7, 6)], "`graph` must be over.*7 x 6 and 7 x 7"),
    (ops.raster_units, [(2, 7)], "`features` must have .*rank 2"),
    (ops.raster_units, [(2, 3, 5, 7), (2, 15)], "`mask` must have .*rank 2"),
    (ops.relation_counts, [(2, 7, 7), (7, 7)], "`graphs` must have .*rank 3"),
    (ops.relation_counts, [GRAPHS, (2, 1, 7, 7)], "`visible` must have .*rank 4"),
    (ops.sampled_log_likelihood, [(2, 11), (13, 7), (2,), 3], "`table` must have"),
    (ops.squared_relu_attention, [(7, 5)] * 3, "`queries` must have .*rank 2"),
    (ops.squared_relu_attention, [(2, 7, 5), (2, 7, 3), (2, 7, 11)], "`keys` must"),
    (ops.squared_relu_attention, [(2, 7, 5), (2, 7, 5), (2, 6, 11)], "`values` must"),
    (
        ops.squared_relu_attention,
        [(2, 7, 5), (2, 7, 5), (2, 7, 11), (2, 7, 1)],
        "`threshold` must",
    ),
    (
        lambda *arguments: ops.squared_relu_attention(
            *arguments[:-1], bias=arguments[-1]
        ),
        [(2, 7, 5), (2, 7, 5), (2, 7, 11), (2, 7, 7)],
        r"`bias` must have shape \(1, 7, 7\)",
    ),
    (ops.term_messages, [FEATURES, (2, 5, 7, 7)], "`graphs` must have .*rank 4"),
    (ops.term_messages, [(2, 11), GRAPHS], "`features` must have .*rank 2"),
    (ops.window_targets, [(2, 15, 3)], "`pixels` must have .*rank 3"),
    (ops.word_of_piece, [(9,), (9,), (2, 5), (2, 5)], "`piece_starts` must .*rank 1"),
    (
        ops.word_of_piece,
        [(2, 9), (2, 9), (2, 5), (2, 5, 1)],
        r"`word_limits` must have shape \(batch, num_words\).*rank 3",
    ),
]


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [pytest.param(*row, id=f"{row[0].__name__}-{n}") for n, row in enumerate(WRONG)],
)
def test_a_shape_that_does_not_fit_is_named(function, arguments, message):
    arguments = [zeros(*a) if isinstance(a, tuple) else a for a in arguments]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        function(*arguments)


@pytest.mark.parametrize("name", ["queries_mask", "keys_mask"])
def test_masks_of_another_rank_are_named(name):
    mask = {name: np.ones((2, 7, 1), bool)}
    with pytest.raises(ValueError, match=f"`{name}` must have .*rank 3"):
        ops.visible_pairs(7, **mask)
    units = zeros(2, 7, 5)
    with pytest.raises(ValueError, match="mask` must have .*rank 3"):
        ops.squared_relu_attention(units, units, units, **mask)


UNKNOWN = [
    (ops.propagate, 2, "features"),
    (ops.squared_relu_attention, 3, "queries"),
    (ops.mix_graphs, 2, "graphs"),
    (ops.propagate_mixture, 3, "features"),
    (ops.propagate_packed, 3, "features"),
    (ops.log_likelihood, 3, "table"),
    (ops.raster_units, 2, "features"),
]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="shapes of a function of TensorFlow"
)
@pytest.mark.parametrize(
    ("function", "number", "name"),
    [pytest.param(*row, id=row[0].__name__) for row in UNKNOWN],
)
def test_a_rank_that_is_not_known_is_named(function, number, name):
    import tensorflow as tf

    traced = tf.function(
        lambda *arguments: function(*arguments),
        input_signature=[tf.TensorSpec(None)] * number,
    )
    with pytest.raises(ValueError, match=f"`{name}` needs a known rank"):
        traced.get_concrete_function()


@pytest.mark.parametrize("number", [0, 2.5, True])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("context_length", lambda n: ops.context_targets(zeros(2, 7), None, n)),
        (
            "chunk_size",
            lambda n: ops.log_likelihood(zeros(2, 3), zeros(7, 3), zeros(2), n),
        ),
        (
            "num_sampled",
            lambda n: ops.sampled_log_likelihood(zeros(2, 3), zeros(7, 3), zeros(2), n),
        ),
        (r"context_window\[1\]", lambda n: ops.window_offsets((3, n))),
    ],
)
def test_numbers_are_positive_integers(name, function, number):
    error = ValueError if type(number) is int else TypeError
    with pytest.raises(error, match=f"`{name}` must be a positive integer.*={number}"):
        function(number)
