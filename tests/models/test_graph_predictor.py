"""From unit ids to graphs in both directions."""

import keras
import numpy as np
import pytest
import reference
import reference_models
import registry
from keras import ops

import glomo_keras
from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.models import GraphPredictor

VOCABULARY, LENGTH = 29, 11
SIZES = {
    "embedding_dim": 15,
    "num_graph_layers": 2,
    "num_heads": 3,
    "key_dim": 5,
    "num_convolutions": 2,
    "position_bias": 3,
}
OTHER = {
    **SIZES,
    "kernel_size": 2,
    "threshold": "query",
    "normalization": None,
    "use_bias": True,
    "top_k": 4,
    "dropout": 0.2,
}
MEAN = {**SIZES, "threshold": "mean", "position_bias": None}


@keras.saving.register_keras_serializable(package="tests")
class SquareAffinity(SquaredReLUAffinity):
    def activate(self, scores):
        return ops.square(scores)


@keras.saving.register_keras_serializable(package="tests")
class SquarePredictor(GraphPredictor):
    affinity_class = SquareAffinity


def predictor_for(random, cls=GraphPredictor, **arguments):
    predictor = cls(VOCABULARY, **{**SIZES, **arguments})
    registry.randomize(predictor, random)
    return predictor


def units_for(random, lengths=(11, 7, 1)):
    mask = np.arange(LENGTH)[None] < np.array(lengths)[:, None]
    unit_ids = random.integers(1, VOCABULARY, size=mask.shape)
    return np.where(mask, unit_ids, 0).astype("int32"), mask


def graphs_of(predictor, unit_ids, mask, **options):
    graphs = predictor({"unit_ids": unit_ids, "padding_mask": mask}, **options)
    assert list(graphs) == ["forward", "backward"]
    return {key: ops.convert_to_numpy(value) for key, value in graphs.items()}


@pytest.mark.parametrize(
    "arguments", [SIZES, OTHER, MEAN], ids=["default", "other", "mean"]
)
def test_equals_reference(precision, random, arguments):
    predictor = predictor_for(random, **arguments, dtype=precision.dtype)
    unit_ids, mask = units_for(random)
    graphs = graphs_of(predictor, unit_ids, mask)
    expected = reference_models.graphs_of(predictor, unit_ids, mask)
    for direction, graph in graphs.items():
        assert graph.shape == (3, 2, 3, LENGTH, LENGTH)
        # Rows in float32 divide by sums that may be small.
        error = np.abs(graph - expected[direction])
        assert np.quantile(error, 0.99) < precision.tolerance
        assert error.max() < (1e-2 if precision.dtype == "float32" else 1e-9)
        assert (expected[direction] > 0).mean() > 0.02


def test_directions_have_networks_of_their_own_and_one_table(random):
    predictor = GraphPredictor(VOCABULARY, **SIZES)
    unit_ids, mask = units_for(random, (11, 11, 11))
    graphs = graphs_of(predictor, unit_ids, mask)
    mirrored = graphs["backward"][..., ::-1, ::-1]
    assert np.abs(graphs["forward"] - mirrored).max() > 0.1
    tables = [w for w in predictor.weights if tuple(w.shape) == (VOCABULARY, 15)]
    assert len(tables) == 1
    # 2 directions: 2 stacks of 2 (kernel, bias, gamma, beta); 2 projections, the scale
    # and the numbers of distances.
    assert len(predictor.trainable_weights) == 1 + 2 * (16 + 2 + 2)


def test_defaults_keep_every_row_alive(random):
    predictor = GraphPredictor(VOCABULARY)
    unit_ids, mask = units_for(random, (11, 7, 5))
    unit_ids[:, :4] = [2, 3, 5, 7]  # rows whose senders are not all the same unit
    for direction, graph in graphs_of(predictor, unit_ids, mask).items():
        assert graph.shape == (3, 3, 8, LENGTH, LENGTH)
        seen = reference.visible_pairs(LENGTH, direction, mask, mask)
        sums = np.moveaxis(graph.sum(-1), (1, 2), (2, 3))[seen.any(-1)]
        np.testing.assert_allclose(sums, 1.0, rtol=1e-5)
        assert (graph > 0).sum() > 0.7 * 24 * seen.sum()


def pretrained_direction(direction):
    return range(LENGTH) if direction == "forward" else range(LENGTH - 1, -1, -1)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "rule",
    [
        {"threshold": "mean"},
        {"threshold": "query"},
        {"threshold": "entmax", "position_bias": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("normalization", ["layer", None])
def test_no_leak(random, training, rule, normalization):
    predictor = predictor_for(random, **rule, normalization=normalization)
    unit_ids, mask = units_for(random, (11, 11, 11))
    moves = moved_rows(predictor, unit_ids, mask, training)
    for direction, moved in moves.items():
        order = list(pretrained_direction(direction))
        for place, row in enumerate(order):
            assert not moved[row, order[place + 1 :]].any()
            if place >= 2:
                assert moved[row, row] or moved[row, order[place - 1]]


def moved_rows(predictor, unit_ids, mask, training):
    """`[i, j]`: whether row i of some graph moves when unit j changes."""
    before = graphs_of(predictor, unit_ids, mask, training=training)
    moved = {direction: np.zeros((LENGTH, LENGTH), bool) for direction in before}
    for unit in range(LENGTH):
        changed = unit_ids.copy()
        changed[:, unit] = changed[:, unit] % (VOCABULARY - 1) + 1
        after = graphs_of(predictor, changed, mask, training=training)
        for direction in moved:
            difference = after[direction] != before[direction]
            moved[direction][:, unit] = difference.any((0, 1, 2, 4))
    return moved


def test_batch_normalization_leaks_in_training_alone(random):
    predictor = predictor_for(random, normalization="batch")
    unit_ids, mask = units_for(random, (11, 11, 11))
    later = np.triu(np.ones((LENGTH, LENGTH), bool), 1)
    still = moved_rows(predictor, unit_ids, mask, False)
    assert not still["forward"][later].any() and not still["backward"][later.T].any()
    leaks = moved_rows(predictor, unit_ids, mask, True)
    assert leaks["forward"][later].any() and leaks["backward"][later.T].any()


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(random, training):
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random)
    expected = graphs_of(predictor, unit_ids, mask, training=training)
    longer = np.pad(unit_ids, [(0, 0), (0, 6)], constant_values=3)
    longer_mask = np.pad(mask, [(0, 0), (0, 6)])
    graphs = graphs_of(predictor, longer, longer_mask, training=training)
    for direction, graph in graphs.items():
        np.testing.assert_allclose(
            graph[..., :LENGTH, :LENGTH], expected[direction], rtol=1e-4, atol=1e-5
        )
        assert (graph[..., LENGTH:, :] == 0).all()
        assert (graph[..., LENGTH:] == 0).all()
        assert (graph[1, ..., 7:, :] == 0).all() and (graph[1, ..., 7:] == 0).all()


def test_a_sample_alone_equals_the_sample_in_a_batch(random):
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random)
    together = graphs_of(predictor, unit_ids, mask)
    alone = graphs_of(predictor, unit_ids[1:2], mask[1:2])
    for direction in together:
        np.testing.assert_allclose(
            alone[direction], together[direction][1:2], rtol=1e-4, atol=1e-5
        )


def test_lengths_two_three_and_five_through_one_model(random):
    predictor = predictor_for(random)
    for length in (2, 3, 5):
        unit_ids = random.integers(1, VOCABULARY, size=(2, length)).astype("int32")
        mask = np.ones((2, length), bool)
        batch = {"unit_ids": unit_ids, "padding_mask": mask}
        graphs = predictor.predict(batch, verbose=0)
        expected = reference_models.graphs_of(predictor, unit_ids, mask)
        for direction, graph in graphs.items():
            assert graph.shape == (2, 2, 3, length, length)
            np.testing.assert_allclose(graph, expected[direction], atol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(random, policy):
    predictor = predictor_for(random)
    low = GraphPredictor(VOCABULARY, **SIZES, dtype=policy)
    low.set_weights(predictor.get_weights())
    unit_ids, mask = units_for(random)
    expected = graphs_of(predictor, unit_ids, mask)
    graphs = low({"unit_ids": unit_ids, "padding_mask": mask})
    for direction, graph in graphs.items():
        assert keras.backend.standardize_dtype(graph.dtype) == policy[6:]
        graph = ops.convert_to_numpy(ops.cast(graph, "float32"))
        assert np.isfinite(graph).all()
        # Weights at their threshold may flip; nearly all others stay.
        error = np.abs(graph - expected[direction])
        assert np.quantile(error, 0.9) < 0.02


def test_config_round_trip():
    predictor = GraphPredictor(
        VOCABULARY, **OTHER, name="given_name", dtype="mixed_bfloat16"
    )
    config = predictor.get_config()
    for argument, value in {"vocabulary_size": VOCABULARY, **OTHER}.items():
        assert config[argument] == value
    copy = GraphPredictor.from_config(config)
    assert copy.get_config() == config
    assert copy.name == "given_name"
    assert copy.get_layer("forward_network").compute_dtype == "bfloat16"


@pytest.mark.parametrize("cls", [GraphPredictor, SquarePredictor])
def test_save_and_load(random, tmp_path, cls):
    predictor = predictor_for(random, cls, **OTHER)
    unit_ids, mask = units_for(random)
    predictor.save(tmp_path / "predictor.keras")
    predictor.save_weights(tmp_path / "predictor.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "predictor.keras")
    assert type(loaded) is cls
    assert loaded.get_config() == predictor.get_config()
    fresh = cls(VOCABULARY, **OTHER)
    fresh.load_weights(tmp_path / "predictor.weights.h5")
    expected = graphs_of(predictor, unit_ids, mask)
    for other in (loaded, fresh):
        graphs = graphs_of(other, unit_ids, mask)
        for direction in graphs:
            np.testing.assert_array_equal(graphs[direction], expected[direction])


def test_another_score_rule(random):
    predictor = predictor_for(random, SquarePredictor, threshold=None)
    unit_ids, mask = units_for(random)
    for direction, graph in graphs_of(predictor, unit_ids, mask).items():
        seen = reference.visible_pairs(LENGTH, direction, mask, mask)
        seen = np.broadcast_to(seen[:, None, None], graph.shape)
        np.testing.assert_array_equal(graph > 0, seen)  # squares are never zero


def test_a_frozen_predictor_serves_a_model_that_trains(random):
    predictor = predictor_for(random)
    predictor.trainable = False
    kept = predictor.get_weights()
    inputs = {
        "unit_ids": keras.Input((None,), dtype="int32", name="unit_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    x = keras.layers.Embedding(VOCABULARY, 7)(inputs["unit_ids"])
    x = glomo_keras.layers.GraphTransfer()(
        x, predictor(inputs), features_mask=inputs["padding_mask"]
    )
    x = keras.layers.GlobalMaxPooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("adam", "mse")
    unit_ids, mask = units_for(random)
    batch = {"unit_ids": unit_ids, "padding_mask": mask}
    before = np.array(model.layers[-1].get_weights()[0])
    model.fit(batch, np.ones((3, 1)), verbose=0)
    assert (model.layers[-1].get_weights()[0] != before).any()
    for one, other in zip(kept, predictor.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 1}, "`vocabulary_size` must be at least 2.*=1"),
        ({"embedding_dim": 0}, "`embedding_dim` must be a positive.*=0"),
        ({"num_heads": 0}, "`num_heads` must be a positive.*=0"),
        ({"num_graph_layers": 0}, "`num_graph_layers` must be a positive.*=0"),
        ({"num_convolutions": 0}, "`num_.*` must be a positive.*=0"),
        ({"threshold": "median"}, "`threshold` must be .*'median'"),
        ({"normalization": "group"}, "`normalization` must be .*'group'"),
        ({"top_k": 0}, "`top_k` must be a positive.*=0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphPredictor(**{"vocabulary_size": VOCABULARY, **SIZES, **arguments})


@pytest.mark.parametrize(
    "kind",
    [
        GraphPredictor,
        glomo_keras.models.ImageGraphPredictor,
        glomo_keras.models.BidirectionalLanguageModel,
    ],
)
def test_a_preset_is_loaded_by_another_name(kind):
    message = f"an integer.*'my_preset'.*use {kind.__name__}.from_preset\\('my_preset'"
    with pytest.raises(TypeError, match=message):
        kind("my_preset")


@pytest.mark.parametrize("name", ["embedding_dims", "num_layers", "droput"])
def test_unknown_arguments_are_refused(name):
    with pytest.raises(TypeError, match=f"Unknown arguments: '{name}'. Arguments of"):
        GraphPredictor(13, **{name: 7})


def test_the_policy_is_that_of_the_layers():
    predictor = GraphPredictor(13, embedding_dim=16, dtype="mixed_float16")
    assert predictor.dtype_policy.name == "mixed_float16"
    assert predictor.compute_dtype == predictor.embedding.compute_dtype == "float16"
