"""Pretraining on unit ids alone."""

import json

import keras
import numpy as np
import pytest
import reference
import reference_models
import registry
from keras import ops

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import LanguageModelPretrainer
from glomo_keras.models import context_pretrainer
from glomo_keras.models.graph_metrics import GRAPH_RATIOS
from glomo_keras.models.graph_metrics import HeadRatio
from glomo_keras.models.graph_metrics import Perplexity

VOCABULARY, LENGTH = 29, 11
PREDICTOR = {
    "embedding_dim": 15,
    "num_graph_layers": 2,
    "num_heads": 3,
    "key_dim": 5,
    "num_convolutions": 2,
}
KINDS = {
    "default": {},
    "released": {
        "message": "product_concat",
        "num_decoder_layers": 2,
        "first_input": "zeros",
    },
    "residual": {"update": "residual", "shared_update": False, "context_length": 2},
    "blocks": {"block_size": 4},
    "entmax": {"predictor": {"threshold": "entmax", "position_bias": 3}},
    "entmax in blocks": {
        "predictor": {"threshold": "entmax", "position_bias": 3},
        "block_size": 4,
    },
}
# Tracing a train step takes seconds: where one step is enough, it runs eagerly. JAX
# is fast only when compiled.
EAGER = {"run_eagerly": keras.backend.backend() == "tensorflow"}
each_kind = pytest.mark.parametrize("kind", KINDS)


def pretrainer_for(random, predictor=None, dtype="float32", **arguments):
    graphs = GraphPredictor(
        VOCABULARY, **{**PREDICTOR, **(predictor or {})}, dtype=dtype
    )
    pretrainer = GLoMoPretrainer(graphs, **{"chunk_size": 10, **arguments})
    registry.randomize(pretrainer, random)
    return pretrainer


def units_for(random, lengths=(11, 7, 5)):
    mask = np.arange(LENGTH)[None] < np.array(lengths)[:, None]
    unit_ids = random.integers(1, VOCABULARY, size=mask.shape)
    return np.where(mask, unit_ids, 0).astype("int32"), mask


def loss_of(pretrainer, inputs, **options):
    """The loss that a step minimizes, in the model's own precision."""
    outputs = pretrainer(inputs, **options)
    return float(pretrainer.compute_loss(x=inputs, y_pred=outputs))


@each_kind
def test_loss_equals_reference(precision, random, kind):
    pretrainer = pretrainer_for(random, dtype=precision.dtype, **KINDS[kind])
    unit_ids, mask = units_for(random)
    values, valid = reference_models.log_likelihoods_of(pretrainer, unit_ids, mask)
    outputs = pretrainer(unit_ids)
    for direction in values:
        precision.assert_close(outputs[direction], values[direction])
        np.testing.assert_array_equal(
            ops.convert_to_numpy(outputs[f"{direction}_valid"]), valid[direction]
        )
    expected = reference.pretraining_loss(values, valid)
    pretrainer.compile("sgd")
    loss = loss_of(pretrainer, unit_ids)
    assert loss == pytest.approx(expected, rel=precision.tolerance)
    # Pairs: 10 + 9 + 8 of the first sequence, and so on.
    pairs = 27 + 15 + 9 if pretrainer.context_length == 3 else 19 + 11 + 7
    assert valid["forward"].sum() == valid["backward"].sum() == pairs


@each_kind
def test_features_equal_reference(precision, random, kind):
    pretrainer = pretrainer_for(random, dtype=precision.dtype, **KINDS[kind])
    unit_ids, mask = units_for(random)
    features, _ = pretrainer.feature_predictor(unit_ids, mask)
    expected = reference_models.features_of(pretrainer, unit_ids, mask)
    for direction, layers in expected.items():
        assert len(features[direction]) == len(layers) == 3
        for one, other in zip(features[direction], layers, strict=True):
            precision.assert_close(one, other)


def test_evaluate_equals_reference(random):
    pretrainer = pretrainer_for(random)
    unit_ids, mask = units_for(random)
    pretrainer.compile("sgd")
    logs = pretrainer.evaluate(unit_ids, verbose=0, return_dict=True)
    values, valid = reference_models.log_likelihoods_of(pretrainer, unit_ids, mask)
    assert logs["loss"] == pytest.approx(
        reference.pretraining_loss(values, valid), rel=1e-5
    )
    total = sum(-values[d][valid[d]].sum() for d in values)
    number = sum(valid[d].sum() for d in values)
    assert logs["nats"] == pytest.approx(total / number, rel=1e-5)
    for direction in values:
        first = values[direction][..., 0][valid[direction][..., 0]]
        assert logs[f"{direction}_perplexity"] == pytest.approx(
            np.exp(-first.mean()), rel=1e-4
        )


def test_graph_statistics_equal_reference(random):
    pretrainer = pretrainer_for(random, predictor={"threshold": "scalar"})
    predictor = pretrainer.graph_predictor
    for direction, layer in (("forward", 0), ("backward", 1)):
        bias = predictor.get_layer(f"{direction}_affinity").threshold_bias
        levels = np.zeros(2)
        levels[layer] = 1e6  # nothing exceeds it: 3 dead heads each
        bias.assign(levels)
    pretrainer.compile("sgd", **EAGER)
    unit_ids, mask = units_for(random)
    logs = pretrainer.evaluate(unit_ids, verbose=0, return_dict=True, batch_size=2)
    graphs = reference_models.graphs_of(predictor, unit_ids, mask)
    active = rows = seen_pairs = empty = single = 0
    for direction, graph in graphs.items():
        seen = reference.visible_pairs(LENGTH, direction, mask, mask)
        number = (graph > 0).sum(-1)
        reads = np.broadcast_to(seen.any(-1)[:, None, None], number.shape)
        active += number.sum()
        seen_pairs += seen.sum() * 6
        rows += reads.sum()
        empty += (number[reads] == 0).sum()
        single += (number[reads] == 1).sum()
    assert logs["density"] == pytest.approx(active / seen_pairs, rel=1e-5)
    assert logs["empty_rows"] == pytest.approx(empty / rows, rel=1e-5)
    assert logs["one_sender_rows"] == pytest.approx(single / rows, rel=1e-5)
    assert logs["dead_heads"] == 6
    assert 0.4 < logs["empty_rows"] < 0.9 and 0 < logs["one_sender_rows"] < 0.4


def test_long_texts_train_in_blocks(random, monkeypatch):
    monkeypatch.setattr(context_pretrainer, "_LONG", LENGTH)
    monkeypatch.setattr(context_pretrainer, "_BLOCK_SIZE", 4)
    unit_ids, _ = units_for(random)
    trained, weights = {}, None
    for block_size in ("auto", 4, None):
        pretrainer = pretrainer_for(random, block_size=block_size)
        weights = weights or pretrainer.get_weights()
        pretrainer.set_weights(weights)
        pretrainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        outputs = pretrainer(unit_ids, training=True)
        counted = outputs["counts"]["active"].shape[0]
        assert counted == (len(unit_ids) if block_size is None else 1)
        pretrainer.train_on_batch(unit_ids)
        trained[block_size] = pretrainer.get_weights()
        if block_size == "auto":  # not in evaluation, nor for less than that
            evaluated = pretrainer(unit_ids)
            shorter = pretrainer(unit_ids[:, 1:], training=True)
            for outputs in evaluated, shorter:
                assert outputs["counts"]["active"].shape[0] == len(unit_ids)
    for auto, blocks, whole in zip(*trained.values(), strict=True):
        np.testing.assert_array_equal(auto, blocks)
        np.testing.assert_allclose(auto, whole, atol=1e-5)


def test_models_that_xla_compiles_hold_graphs(random, monkeypatch):
    monkeypatch.setattr(context_pretrainer, "_LONG", LENGTH)
    pretrainer = pretrainer_for(random)
    for jit_compile in (True, False):
        pretrainer.compile("sgd", jit_compile=jit_compile)
        block_size = pretrainer.choose_block_size(LENGTH, training=True)
        assert (block_size is None) == jit_compile


def test_graphs_that_cannot_be_done_without_are_held(random, monkeypatch):
    monkeypatch.setattr(context_pretrainer, "_LONG", LENGTH)
    pretrainer = pretrainer_for(random, {"top_k": 2})
    assert pretrainer.block_size == "auto"
    assert pretrainer.choose_block_size(LENGTH, training=True) is None


@pytest.mark.parametrize("block_size", [None, 4])
def test_relations_equal_reference(random, block_size):
    pretrainer = pretrainer_for(random, block_size=block_size)
    pretrainer.compile("sgd", **EAGER)
    unit_ids, mask = units_for(random)
    logs = pretrainer.evaluate(unit_ids, verbose=0, return_dict=True, batch_size=2)
    graphs = reference_models.graphs_of(pretrainer.graph_predictor, unit_ids, mask)
    # Those of every sequence, or of the first one of each batch.
    watched = slice(None, None, None if block_size is None else 2)
    sums, expected = {}, {}
    for direction, graph in graphs.items():
        visible = reference.visible_pairs(LENGTH, direction, mask, mask)
        counts = reference.relation_counts(graph[watched], visible[watched])
        for name, values in counts.items():
            sums[name] = sums.get(name, 0.0) + values.sum()
            expected[name, direction] = values.sum(0)
    heads = pretrainer.describe_heads()
    for name, (part, whole) in GRAPH_RATIOS.items():
        if part in sums:
            assert logs[name] == pytest.approx(sums[part] / sums[whole], rel=1e-4)
            for direction in graphs:
                np.testing.assert_allclose(
                    heads[name][direction],
                    expected[part, direction] / expected[whole, direction],
                    atol=1e-3,
                )
    assert 0.05 < logs["specificity"] < 0.95


def test_heads_are_those_of_the_last_evaluation(random):
    pretrainer = pretrainer_for(random)
    pretrainer.compile("sgd", **EAGER)
    unit_ids, _ = units_for(random)
    pretrainer.fit(unit_ids, validation_data=(unit_ids[:1],), verbose=0)
    heads = pretrainer.describe_heads()
    pretrainer.evaluate(unit_ids[:1], verbose=0)
    assert heads == pretrainer.describe_heads()
    json.dumps(heads, allow_nan=False)


@pytest.mark.parametrize("training", [False, True])
@each_kind
def test_no_leak(random, kind, training):
    # Features and graphs of both directions; predictions are in the decoder's test.
    pretrainer = pretrainer_for(random, **KINDS[kind])
    unit_ids, mask = units_for(random, (11, 11))
    before, _ = pretrainer.feature_predictor(unit_ids, mask, training=training)
    moved = {d: np.zeros((LENGTH, LENGTH), bool) for d in ("forward", "backward")}
    for unit in range(LENGTH):
        changed = unit_ids.copy()
        changed[:, unit] = changed[:, unit] % (VOCABULARY - 1) + 1
        after, _ = pretrainer.feature_predictor(changed, mask, training=training)
        for direction in moved:
            for one, other in zip(before[direction], after[direction], strict=True):
                difference = ops.convert_to_numpy(one) != ops.convert_to_numpy(other)
                moved[direction][:, unit] |= difference.any((0, 2))
    for direction in moved:
        order = list(range(LENGTH))[:: 1 if direction == "forward" else -1]
        for place, row in enumerate(order):
            assert not moved[direction][row, order[place + 1 :]].any()
            assert moved[direction][row, row]
            if place >= 2:  # what was read before arrives along the graphs
                assert moved[direction][row, order[:place]].any()


def test_a_predicted_unit_does_not_predict_itself(random):
    # Probabilities of all values of unit 7, given those before (after) it.
    pretrainer = pretrainer_for(random)
    unit_ids, _ = units_for(random, (11, 11))
    totals = {"forward": 0.0, "backward": 0.0}
    for unit in range(1, VOCABULARY):
        unit_ids[:, 7] = unit
        outputs = pretrainer({"unit_ids": unit_ids})
        for direction, position in (("forward", 6), ("backward", 8)):
            value = ops.convert_to_numpy(outputs[direction])[:, position, 0]
            totals[direction] = totals[direction] + np.exp(value)
    unit_ids[:, 7] = 0
    everything = np.ones_like(unit_ids, bool)
    outputs = pretrainer({"unit_ids": unit_ids, "padding_mask": everything})
    for direction, position in (("forward", 6), ("backward", 8)):
        value = ops.convert_to_numpy(outputs[direction])[:, position, 0]
        np.testing.assert_allclose(totals[direction] + np.exp(value), 1.0, rtol=1e-4)


def test_padding_changes_no_loss(random):
    pretrainer = pretrainer_for(random)
    pretrainer.compile("sgd")
    unit_ids, _ = units_for(random)
    longer = np.pad(unit_ids, [(0, 0), (0, 6)])
    for training in (False, True):
        assert loss_of(pretrainer, longer, training=training) == pytest.approx(
            loss_of(pretrainer, unit_ids, training=training), rel=1e-5
        )


def test_a_sample_alone_has_the_same_likelihoods(random):
    pretrainer = pretrainer_for(random)
    unit_ids, _ = units_for(random)
    together, alone = pretrainer(unit_ids), pretrainer(unit_ids[1:2])
    for direction in ("forward", "backward"):
        np.testing.assert_allclose(
            ops.convert_to_numpy(alone[direction])[0],
            ops.convert_to_numpy(together[direction])[1],
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_given_mask_stands_above_the_ids(random):
    pretrainer = pretrainer_for(random)
    pretrainer.compile("sgd")
    unit_ids, mask = units_for(random)
    filled = np.where(mask, unit_ids, 3)
    given = {"unit_ids": filled, "padding_mask": mask}
    assert loss_of(pretrainer, given) == pytest.approx(
        loss_of(pretrainer, unit_ids), rel=1e-5
    )


def test_pair_weight_shares_one_global_mean(random):
    # Two devices with 2 and 1 sequences: their losses add up to the mean of all.
    pretrainer = pretrainer_for(random)
    pretrainer.compile("sgd")
    unit_ids, mask = units_for(random)
    _, valid = reference_models.log_likelihoods_of(pretrainer, unit_ids, mask)
    scale = np.full(3, 1 / valid["forward"].sum(), "float32")
    parts = [
        loss_of(pretrainer, {"unit_ids": unit_ids[part], "pair_weight": scale[part]})
        for part in (slice(0, 2), slice(2, 3))
    ]
    assert sum(parts) == pytest.approx(loss_of(pretrainer, unit_ids), rel=1e-5)
    assert min(parts) > 0.1


def test_pair_weight_weighs_each_sequence(random):
    pretrainer = pretrainer_for(random)
    pretrainer.compile("sgd")
    unit_ids, mask = units_for(random)
    values, _ = reference_models.log_likelihoods_of(pretrainer, unit_ids, mask)
    scale = np.array([0.5, 0.0, 2.0], "float32")
    sums = -(values["forward"] + values["backward"]).sum((1, 2)) / 2
    inputs = {"unit_ids": unit_ids, "pair_weight": scale}
    assert loss_of(pretrainer, inputs) == pytest.approx((sums * scale).sum(), rel=1e-5)


def test_steps_with_a_pair_weight_equal_steps_without(random):
    unit_ids, mask = units_for(random)
    start = pretrainer_for(random)
    pairs = sum(max(0, n - d) for n in mask.sum(-1) for d in (1, 2, 3))
    scale = np.full(3, 1 / pairs, "float32")
    weights = []
    for inputs in (unit_ids, {"unit_ids": unit_ids, "pair_weight": scale}):
        pretrainer = pretrainer_for(random)
        pretrainer.set_weights(start.get_weights())
        pretrainer.compile(keras.optimizers.SGD(1.0), **EAGER)
        logs = pretrainer.train_on_batch(inputs, return_dict=True)
        weights.append(pretrainer.get_weights())
        assert logs["loss"] == pytest.approx(logs["nats"], rel=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    changed = [
        (a != b).any() for a, b in zip(weights[0], start.get_weights(), strict=True)
    ]
    assert sum(changed) > 40


def test_arrays_are_taken_where_nothing_is_compiled(random):
    unit_ids, _ = units_for(random)
    pretrainer = pretrainer_for(random)
    pretrainer.compile("adam", run_eagerly=True)
    assert np.isfinite(pretrainer.train_on_batch(unit_ids)[0])


def test_fit_learns_from_unit_ids_alone(random):
    # After a unit comes its successor: 4 cycles of 7 units.
    starts = random.integers(0, 28, size=(64, 1))
    steps = np.arange(LENGTH)[None]
    unit_ids = (starts // 7) * 7 + (starts + steps) % 7 + 1
    predictor = GraphPredictor(VOCABULARY, **PREDICTOR)
    pretrainer = GLoMoPretrainer(predictor)
    pretrainer.compile(keras.optimizers.Adam(0.02))
    before = predictor.get_weights()
    history = pretrainer.fit(
        unit_ids.astype("int32"), epochs=8, batch_size=16, verbose=0
    ).history
    assert set(history) == {
        "loss",
        "nats",
        "forward_perplexity",
        "backward_perplexity",
        "density",
        "empty_rows",
        "one_sender_rows",
        "dead_heads",
        "specificity",
        "effective_senders",
        "effective_share",
        "within_1",
        "within_4",
        "within_16",
    }
    assert history["loss"][0] > 2.0 and history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["forward_perplexity"][-1] < 2.0
    assert history["backward_perplexity"][-1] < 2.0
    assert history["dead_heads"][-1] == 0
    moved = [
        (a != b).any() for a, b in zip(before, predictor.get_weights(), strict=True)
    ]
    assert all(moved)


def test_same_seed_same_training(random):
    unit_ids, _ = units_for(random)
    histories = []
    for seed in (3, 3, 5):
        keras.utils.set_random_seed(seed)
        small = {**PREDICTOR, "num_graph_layers": 1, "num_convolutions": 1}
        predictor = GraphPredictor(VOCABULARY, **small, dropout=0.2)
        pretrainer = GLoMoPretrainer(predictor, context_length=1, num_positions=4)
        pretrainer.compile("adam", **EAGER)
        history = pretrainer.fit(unit_ids, epochs=2, verbose=0).history
        histories.append(history["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-6)
    assert histories[0] != pytest.approx(histories[2], rel=1e-3)


def test_drawn_positions(random):
    pretrainer = pretrainer_for(random, num_positions=5, seed=3)
    unit_ids, _ = units_for(random)
    everything = pretrainer(unit_ids)
    drawn = [pretrainer(unit_ids, training=True) for _ in range(2)]
    places = []
    for outputs in drawn:
        for direction in ("forward", "backward"):
            full = ops.convert_to_numpy(everything[direction])
            some = ops.convert_to_numpy(outputs[direction])
            assert full.shape == (3, LENGTH, 3) and some.shape == (3, 5, 3)
            # One position for all sequences: every column is a column of the whole.
            for column in range(5):
                equal = np.isclose(full, some[:, column : column + 1], atol=1e-5)
                (found,) = np.nonzero(equal.all((0, 2)))
                assert len(found)
                places.append(found[0])
    assert len(set(places)) > 5 and places[:10] != places[10:]


def test_evaluation_takes_every_position(random):
    pretrainer = pretrainer_for(random, num_positions=2)
    unit_ids, mask = units_for(random)
    pretrainer.compile("sgd", **EAGER)
    values, valid = reference_models.log_likelihoods_of(pretrainer, unit_ids, mask)
    expected = reference.pretraining_loss(values, valid)
    loss = pretrainer.evaluate(unit_ids, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(expected, rel=1e-5)


@each_kind
def test_every_weight_gets_a_gradient(random, kind):
    pretrainer = pretrainer_for(random, **KINDS[kind])
    unit_ids, _ = units_for(random)
    pretrainer.compile(keras.optimizers.SGD(1.0), **EAGER)
    before = {w.path: ops.convert_to_numpy(w) for w in pretrainer.trainable_weights}
    pretrainer.train_on_batch(unit_ids)
    for weight in pretrainer.trainable_weights:
        after = ops.convert_to_numpy(weight)
        assert np.isfinite(after).all(), weight.path
        assert (after != before[weight.path]).any(), weight.path


@pytest.mark.parametrize("length", [1, 2])
def test_padding_alone_and_short_texts_train_without_nan(random, length):
    pretrainer = pretrainer_for(random)
    pretrainer.compile(keras.optimizers.SGD(0.1), **EAGER)
    for unit_ids in (
        np.zeros((2, length), "int32"),
        np.array([[3] * length, [0] * length], "int32"),
    ):
        logs = pretrainer.train_on_batch(unit_ids, return_dict=True)
        assert np.isfinite(logs["loss"])
        assert all(np.isfinite(weight).all() for weight in pretrainer.get_weights())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_low_precision_trains(random, policy):
    pretrainer = pretrainer_for(random)
    low = pretrainer_for(random, dtype=policy)
    low.set_weights(pretrainer.get_weights())
    unit_ids, _ = units_for(random)
    for model in (pretrainer, low):
        model.compile(keras.optimizers.SGD(0.01), **EAGER)
    loss, low_loss = (loss_of(model, unit_ids) for model in (pretrainer, low))
    assert low_loss == pytest.approx(loss, rel=0.02)
    logs = low.train_on_batch(unit_ids, return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(weight).all() for weight in low.get_weights())


@each_kind
def test_save_and_load(random, tmp_path, kind):
    pretrainer = pretrainer_for(random, **KINDS[kind])
    unit_ids, mask = units_for(random)
    pretrainer.compile("adam", **EAGER)
    pretrainer.train_on_batch(unit_ids)
    pretrainer.save(tmp_path / "pretrainer.keras")
    loaded = keras.saving.load_model(tmp_path / "pretrainer.keras")
    assert loaded.get_config() == pretrainer.get_config()
    assert len(loaded.weights) == len(pretrainer.weights)
    for one, other in zip(pretrainer.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(loaded.optimizer.iterations) == 1
    assert loss_of(loaded, unit_ids) == pytest.approx(loss_of(pretrainer, unit_ids))
    # One table still, shared by the predictor and both decoders.
    table = loaded.graph_predictor.embedding
    assert all(decoder.embedding is table for decoder in loaded.decoders.values())
    # Training goes on as if nothing had happened: the optimizer came along.
    for model in (pretrainer, loaded):
        model.train_on_batch(unit_ids)
    for one, other in zip(pretrainer.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_config_holds_every_argument(random):
    arguments = {
        "context_length": 5,
        "update": "residual",
        "message": "plain",
        "shared_update": False,
        "num_decoder_layers": 2,
        "first_input": "zeros",
        "num_positions": 7,
        "chunk_size": 11,
        "seed": 13,
    }
    predictor = GraphPredictor(VOCABULARY, **PREDICTOR)
    pretrainer = GLoMoPretrainer(predictor, **arguments, name="given_name")
    config = pretrainer.get_config()
    for argument, value in arguments.items():
        assert config[argument] == value
    copy = GLoMoPretrainer.from_config(config)
    assert copy.get_config() == config and copy.name == "given_name"
    assert copy.graph_predictor.get_config() == predictor.get_config()


def test_weights_cross_into_a_fresh_pretrainer(random, tmp_path):
    pretrainer = pretrainer_for(random)
    pretrainer.save_weights(tmp_path / "all.weights.h5")
    other = pretrainer_for(random)
    other.load_weights(tmp_path / "all.weights.h5")
    unit_ids, _ = units_for(random)
    for model in (pretrainer, other):
        model.compile("sgd")
    assert loss_of(other, unit_ids) == loss_of(pretrainer, unit_ids)


def test_shared_and_separate_updates(random):
    shared = pretrainer_for(random)
    separate = pretrainer_for(random, shared_update=False)
    # Kernel, recurrent kernel and bias more, for one layer more in 2 directions.
    difference = len(separate.trainable_weights) - len(shared.trainable_weights)
    assert difference == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_positions": 0}, "`num_positions` must be a positive.*=0"),
        ({"context_length": 0}, "`context_length` must be a positive.*=0"),
        ({"update": "lstm"}, "`update` must be .*'lstm'"),
        ({"message": "product"}, "`message` must be .*'product'"),
        ({"first_input": "mean"}, "`first_input` must be .*'mean'"),
        ({"num_decoder_layers": 0}, "`num_.*layers` must be a positive.*=0"),
        ({"chunk_size": 0}, "`chunk_size` must be a positive.*=0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    predictor = GraphPredictor(VOCABULARY, **PREDICTOR)
    with pytest.raises(ValueError, match=message):
        GLoMoPretrainer(predictor, **arguments)


def test_a_pretrainer_takes_a_predictor():
    message = "must be of the class `GraphPredictor`.*'x' of type str.*from_preset"
    with pytest.raises(TypeError, match=message):
        GLoMoPretrainer("x")


def test_heads_must_divide_the_embedding():
    predictor = GraphPredictor(VOCABULARY, **{**PREDICTOR, "num_heads": 4})
    with pytest.raises(ValueError, match="num_heads=4, embedding_dim=15"):
        GLoMoPretrainer(predictor)


def test_unknown_inputs_are_named(random):
    pretrainer = pretrainer_for(random)
    with pytest.raises(ValueError, match="`inputs` must be unit ids.*'words'"):
        pretrainer({"words": np.ones((1, 3), "int32")})


SMALL = {"num_heads": 2, "num_graph_layers": 1, "num_convolutions": 1}
METHODS = ["fit", "evaluate", "train_on_batch", "test_on_batch"]


@pytest.mark.parametrize(
    "loss, given, received",
    [
        ("mse", {}, "a loss"),
        (None, {"y": np.ones(2)}, "targets"),
        (None, {"y": np.ones(2), "sample_weight": np.ones(2)}, "targets and sample w"),
        (None, {"sample_weight": np.zeros(2)}, "sample weights"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_effect_is_refused(loss, given, received, method):
    ids = np.full((2, 5), 3)
    weighted = {"unit_ids": ids, "pair_weight": np.ones(2, "float32")}
    for inputs in (ids, weighted):
        pretrainer = GLoMoPretrainer(GraphPredictor(13, embedding_dim=4, **SMALL))
        pretrainer.compile("adam", loss=loss)
        before = pretrainer.get_weights()
        with pytest.raises(ValueError, match=f"of its own.*Received: {received}"):
            getattr(pretrainer, method)(inputs, **given)
        for one, other in zip(before, pretrainer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "compiled, received",
    [
        ({"loss_weights": [0.1]}, "loss weights"),
        ({"metrics": ["accuracy"]}, "metrics"),
        ({"weighted_metrics": ["accuracy"]}, "weighted metrics"),
    ],
)
def test_what_has_no_effect_is_refused_in_compile(compiled, received):
    pretrainer = GLoMoPretrainer(GraphPredictor(13, embedding_dim=4, **SMALL))
    pretrainer.compile("adam", **compiled)
    with pytest.raises(ValueError, match=f"of its own.*Received: {received}"):
        pretrainer.fit(np.full((2, 5), 3), verbose=0)


def pretrainers():
    """A small one of every class, with what it is trained on."""
    ids = np.full((2, 5), 3)
    yield GLoMoPretrainer(GraphPredictor(13, embedding_dim=4, **SMALL)), ids
    pretrainer = ImageGLoMoPretrainer(
        ImageGraphPredictor(6, **SMALL), context_window=(2, 2), num_logistics=2
    )
    yield pretrainer, np.zeros((2, 3, 3, 3), "uint8")
    language_model = BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1], filters=[5], max_characters=7
    )
    inputs = {"unit_ids": ids, "character_ids": np.ones((2, 5, 7), "int32")}
    yield LanguageModelPretrainer(language_model, 7), inputs


def test_weights_are_refused_wherever_keras_takes_them():
    zeros, classes = np.zeros(2), {0: 1.0}
    for pretrainer, inputs in pretrainers():
        # Those of texts and of language models are compiled where they learn.
        compiled = isinstance(pretrainer, ImageGLoMoPretrainer)
        pretrainer.compile("adam", **({} if compiled else EAGER))
        for call in (
            lambda p, x: p.fit(x, sample_weight=zeros),
            lambda p, x: p.fit(x, class_weight=classes),
            lambda p, x: p.fit(x, None, 2, 1, 0, class_weight=classes),
            lambda p, x: p.fit(x, validation_data=(x, None, zeros)),
            lambda p, x: p.fit(x, validation_data=(x, zeros)),
            lambda p, x: p.fit(x, validation_data=[x, zeros]),
            lambda p, x: p.evaluate(x, sample_weight=zeros),
            lambda p, x: p.evaluate(x, None, 2, 0, zeros),
            lambda p, x: p.train_on_batch(x, sample_weight=zeros),
            lambda p, x: p.train_on_batch(x, None, zeros),
            lambda p, x: p.train_on_batch(x, class_weight=classes),
            lambda p, x: p.test_on_batch(x, sample_weight=zeros),
        ):
            with pytest.raises(ValueError, match="of its own.*Received: .*"):
                call(pretrainer, inputs)
        with pytest.raises(TypeError, match="colour"):
            pretrainer.fit(inputs, colour="red")
        history = pretrainer.fit(inputs, validation_data=(inputs,), verbose=0).history
        assert np.isfinite(history["val_loss"]).all()


def test_weights_of_a_list_are_refused_before_training():
    pretrainer, inputs = next(pretrainers())
    pretrainer.compile("adam", **EAGER)
    before = pretrainer.get_weights()
    with pytest.raises(ValueError, match="targets"):
        pretrainer.fit(inputs, validation_data=[inputs, np.zeros(2)], verbose=0)
    for one, other in zip(before, pretrainer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_means_are_over_units_in_batches_of_any_length(random):
    """Of two batches, of which the second has more texts, units, and padding."""
    (text, _), _, (words, of_words) = pretrainers()
    ids = random.integers(2, 7, (2, 5))
    of_words["unit_ids"] = ids
    for pretrainer, inputs in ((text, ids), (words, of_words)):
        pretrainer(inputs)
        registry.randomize(pretrainer, random)
        logs = []
        for padding in (0, 11):
            pretrainer.reset_metrics()
            for number in (1, 2):
                batch = keras.tree.map_structure(
                    lambda array, n=number, p=padding * (number - 1): np.pad(
                        array[:n], [(0, 0), (0, p)] + [(0, 0)] * (array.ndim - 2)
                    ),
                    inputs,
                )
                outputs = pretrainer(batch)
                logs.append(pretrainer.compute_metrics(batch, None, outputs))
        _, plain, _, padded = logs
        for name in ("nats", "forward_perplexity", "backward_perplexity"):
            assert float(padded[name]) == pytest.approx(float(plain[name]), rel=1e-5)


def test_a_head_with_few_senders_is_not_without():
    density = HeadRatio((1, 1, 2))
    density.update_state(np.array([[[5.0, 0.0]]]), np.array([[[129_024.0] * 2]]))
    assert density.by_head() == [[[3.875e-05, 0.0]]]


def test_perplexity_by_pencil():
    perplexity = Perplexity()
    perplexity.update_state(np.log([[2.0, 2.0]]), [[1.0, 1.0]])
    perplexity.update_state(np.log([[8.0, 99.0, 99.0]]), [[1.0, 0.0, 0.0]])
    assert float(perplexity.result()) == pytest.approx((2 * 2 * 8) ** (1 / 3))


def test_a_scaled_loss_keeps_the_other_losses():
    predictor = GraphPredictor(13, embedding_dim=4, **SMALL)
    pretrainer = GLoMoPretrainer(predictor)
    predictor.embedding.embeddings.regularizer = keras.regularizers.L2(0.5)
    pretrainer.compile("adam", **EAGER)
    ids = np.array([[3, 4, 5, 6], [7, 8, 0, 0]])
    plain = pretrainer.evaluate(ids, verbose=0, return_dict=True)["loss"]
    valid = (
        (3 + 3 + 2 + 1) - 3 + 1
    )  # 3, 2 and 1 pairs of the first text, 1 of the other
    scaled = {"unit_ids": ids, "pair_weight": np.full(2, 1 / valid, "float32")}
    scaled = pretrainer.evaluate(scaled, verbose=0, return_dict=True)["loss"]
    assert scaled == pytest.approx(plain, rel=1e-5)


def test_the_decoders_draw_units_of_their_own():
    predictor = GraphPredictor(VOCABULARY, **PREDICTOR)
    pretrainer = GLoMoPretrainer(predictor, num_sampled=7, seed=3)
    seeds = {decoder.seed for decoder in pretrainer.decoders.values()}
    assert len(seeds) == len(pretrainer.decoders) == 2


def test_quantized_embeddings_are_refused_in_words():
    predictor = GraphPredictor(VOCABULARY, **PREDICTOR)
    pretrainer = GLoMoPretrainer(predictor, context_length=1)
    unit_ids = np.array([[2, 3, 4, 5]], "int32")
    pretrainer(unit_ids)
    pretrainer.quantize("int8")
    with pytest.raises(ValueError, match="quantized to int8. Quantize the"):
        pretrainer(unit_ids)
