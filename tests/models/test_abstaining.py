"""Graphs whose rows may stay empty."""

import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models.ablations import AbstainingAffinity
from glomo_keras.models.ablations import AbstainingGraphPredictor

LENGTH = 70  # several blocks of rows


def make(direction="forward", nobody=None, **arguments):
    """Return an affinity with random weights, queries, keys and a mask."""
    draw = np.random.default_rng(0)
    affinity = AbstainingAffinity(
        2, 3, 5, direction=direction, position_bias=4, **arguments
    )
    queries, keys = draw.normal(size=(2, 2, LENGTH, 7)).astype("float32")
    affinity.build(queries.shape, keys.shape)
    for weight in affinity.weights:
        weight.assign(draw.normal(size=weight.shape))
    if nobody is not None:
        affinity.nobody_bias.assign(np.full((2, 3), nobody))
    mask = np.arange(LENGTH) < np.array([[LENGTH], [9]])
    return affinity, queries, keys, mask


def side(direction, mask):
    ones = np.tril(np.ones((LENGTH, LENGTH), bool), -1)
    ones = ones if direction == "forward" else ones.T
    return (ones & mask[:, None, :] & mask[:, :, None])[:, None, None]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_rows_are_the_entmax_of_senders_and_nobody(direction):
    affinity, queries, keys, mask = make(direction)
    graphs = ops.convert_to_numpy(affinity(queries, keys, mask, mask))
    scores = ops.convert_to_numpy(affinity.scores(queries, keys, mask, mask))
    visible = side(direction, mask)
    is_nobody = np.ones((*visible.shape[:-1], 1), bool)
    visible_or_nobody = np.broadcast_to(
        np.concatenate([visible, is_nobody], axis=-1), scores.shape
    )
    rows = np.stack(
        [
            reference.entmax(row, seen)
            for row, seen in zip(
                scores.reshape(-1, LENGTH + 1).astype("float64"),
                visible_or_nobody.reshape(-1, LENGTH + 1),
                strict=True,
            )
        ]
    ).reshape(scores.shape)
    np.testing.assert_allclose(graphs, rows[..., :-1], atol=1e-5)
    sums = graphs.sum(axis=-1)
    assert (graphs[~np.broadcast_to(visible, graphs.shape)] == 0).all()
    assert sums.max() < 1 + 1e-5 and ((sums > 0.01) & (sums < 0.99)).any()


def test_the_score_of_nobody_is_linear_in_the_query():
    affinity, queries, keys, _ = make()
    scores = ops.convert_to_numpy(affinity.scores(queries, keys))
    kernel, nobody, bias, log_scale = map(
        ops.convert_to_numpy,
        (
            affinity.query_kernel,
            affinity.nobody_kernel,
            affinity.nobody_bias,
            affinity.log_scale,
        ),
    )
    projected = (queries @ kernel).reshape(2, LENGTH, 2, 3, 5)
    expected = np.einsum("btlhd,lhd->blht", projected, nobody)
    scale = np.exp(log_scale) / 5**0.5
    expected = expected * scale[:, :, None] + bias[:, :, None]
    np.testing.assert_allclose(scores[..., -1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("nobody, total", [(-1e4, 1), (1e4, 0)])
def test_nobody_may_get_all_or_nothing(nobody, total):
    affinity, queries, keys, _ = make(nobody=nobody)
    sums = ops.convert_to_numpy(affinity(queries, keys)).sum(axis=-1)
    np.testing.assert_allclose(sums[..., 1:], total, atol=1e-5)


def test_what_top_k_cuts_is_not_given_to_others():
    affinity, queries, keys, mask = make()
    whole = ops.convert_to_numpy(affinity(queries, keys, mask, mask))
    cut = AbstainingAffinity.from_config({**affinity.get_config(), "top_k": 1})
    cut.build(queries.shape, keys.shape)
    cut.set_weights(affinity.get_weights())
    graphs = ops.convert_to_numpy(cut(queries, keys, mask, mask))
    np.testing.assert_allclose(graphs.max(axis=-1), whole.max(axis=-1), atol=1e-6)
    np.testing.assert_allclose(graphs.sum(axis=-1), whole.max(axis=-1), atol=1e-6)


def test_messages_without_graphs_are_refused():
    predictor = AbstainingGraphPredictor(13, embedding_dim=6, num_heads=2)
    assert not predictor.attends
    with pytest.raises(ValueError, match="rows may stay empty. Compute the graphs"):
        predictor.project(np.array([[2, 3, 4]]))


def test_pretraining_trains_the_score_of_nobody():
    keras.utils.set_random_seed(0)
    predictor = AbstainingGraphPredictor(13, embedding_dim=6, num_heads=2)
    pretrainer = GLoMoPretrainer(predictor, context_length=1, seed=0)
    pretrainer.compile("adam")
    pretrainer.fit(np.random.default_rng(0).integers(2, 13, (4, 16)), verbose=0)
    for direction in ("forward", "backward"):
        affinity = predictor.affinity(direction)
        assert ops.any(affinity.nobody_kernel != 0) and ops.any(
            affinity.nobody_bias != 0
        )
