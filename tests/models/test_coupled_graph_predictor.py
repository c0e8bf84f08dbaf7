"""Graphs of the features that travel along them."""

import keras
import numpy as np
import pytest
import reference
import reference_models
import registry
from keras import ops
from weights import affinity_of
from weights import cell_of
from weights import stack_of

from glomo_keras.models import CoupledGraphPredictor
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphMessages

VOCABULARY, LENGTH, LAYERS = 29, 7, 3
SIZES = {
    "embedding_dim": 15,
    "num_graph_layers": LAYERS,
    "num_heads": 3,
    "key_dim": 5,
    "num_convolutions": 2,
    "position_bias": 3,
}


def predictor_for(random, **arguments):
    predictor = CoupledGraphPredictor(VOCABULARY, **{**SIZES, **arguments})
    registry.randomize(predictor, random)
    return predictor


def units_for(random, lengths=(7, 5, 2)):
    mask = np.arange(LENGTH)[None] < np.array(lengths)[:, None]
    unit_ids = random.integers(1, VOCABULARY, size=mask.shape)
    return np.where(mask, unit_ids, 0).astype("int32"), mask


def reference_of(predictor, unit_ids, mask):
    """Graphs and features of both directions, by NumPy."""
    graphs, features = {}, {}
    for direction in ("forward", "backward"):
        visible = reference.visible_pairs(LENGTH, direction, mask, mask)
        network = predictor.get_layer(f"{direction}_network")
        cell = cell_of(predictor.propagations[direction].cell)
        state = reference_models.embed(predictor, unit_ids, mask)
        graphs[direction], features[direction] = [], [state]
        for layer in range(LAYERS):
            affinity = predictor.get_layer(f"{direction}_affinity_{layer}")
            queries, keys = (
                reference.convolution_stack(
                    state, stack_of(network, name), direction, mask
                )
                for name in ("queries", "keys")
            )
            graph = reference.key_query_graphs(
                queries, keys, visible, **affinity_of(affinity, queries)
            )[:, 0]
            state = reference.gru_propagation(state, graph, cell, mask=mask)
            graphs[direction].append(graph)
            features[direction].append(state)
    return graphs, features


@pytest.mark.parametrize("threshold", ["entmax", "mean"])
def test_graphs_and_features_equal_reference(precision, random, threshold):
    predictor = predictor_for(random, threshold=threshold, dtype=precision.dtype)
    pretrainer = GLoMoPretrainer(predictor)
    unit_ids, mask = units_for(random)
    features, graphs = pretrainer.feature_predictor(unit_ids, mask)
    expected_graphs, expected_features = reference_of(predictor, unit_ids, mask)
    for direction, layers in expected_graphs.items():
        assert tuple(graphs[direction].shape) == (3, LAYERS, 3, LENGTH, LENGTH)
        for layer, graph in enumerate(layers):
            precision.assert_close(graphs[direction][:, layer], graph)
        for one, other in zip(
            features[direction], expected_features[direction], strict=True
        ):
            precision.assert_close(one, other)


def test_graphs_depend_on_the_update_but_those_of_the_first_layer(random):
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random)
    inputs = {"unit_ids": unit_ids, "padding_mask": mask}
    before = ops.convert_to_numpy(predictor(inputs)["forward"])
    registry.randomize(predictor.propagations["forward"], random)
    after = ops.convert_to_numpy(predictor(inputs)["forward"])
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    for layer in range(1, LAYERS):
        assert np.abs(before[:, layer] - after[:, layer]).max() > 1e-2


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_no_leak(random, direction):
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random, (7, 7, 7))
    place = 3
    changed = unit_ids.copy()
    changed[:, place] = changed[:, place] % (VOCABULARY - 1) + 1
    one, two = (
        ops.convert_to_numpy(
            predictor({"unit_ids": ids, "padding_mask": mask})[direction]
        )
        for ids in (unit_ids, changed)
    )
    moved = np.abs(one - two).max(axis=(0, 1, 2, 4)) > 0
    unmoved, later = moved[:place], moved[place:]
    if direction == "backward":
        unmoved, later = moved[place + 1 :], moved[: place + 1]
    assert not unmoved.any() and later.any()


def test_padding_changes_nothing(random):
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random, (5, 5, 5))
    for direction in ("forward", "backward"):
        whole, short = (
            ops.convert_to_numpy(
                predictor({"unit_ids": ids, "padding_mask": ids != 0})[direction]
            )
            for ids in (unit_ids, unit_ids[:, :5])
        )
        np.testing.assert_allclose(whole[..., :5, :5], short, atol=1e-6)
        assert not whole[..., 5:, :].any()


def test_training_reaches_every_weight_and_the_update_is_one(random):
    predictor = predictor_for(random)
    pretrainer = GLoMoPretrainer(predictor)
    for direction, propagation in predictor.propagations.items():
        assert pretrainer.propagations[direction] == [propagation]
    before = pretrainer.get_weights()
    assert len(before) == len({id(w) for w in pretrainer.weights})
    pretrainer.compile(keras.optimizers.Adam(0.1))
    pretrainer.fit(units_for(random)[0], verbose=0)
    for weight, old in zip(pretrainer.weights, before, strict=True):
        if "seed" not in weight.path:
            assert np.abs(ops.convert_to_numpy(weight) - old).max() > 0, weight.path


def test_layers_with_a_seeded_initializer_are_not_copies(random):
    initializer = keras.initializers.GlorotUniform(seed=3)
    first, second = (
        predictor_for_seed(initializer).get_layer(f"forward_affinity_{layer}")
        for layer in (0, 1)
    )
    again = predictor_for_seed(initializer).get_layer("forward_affinity_1")
    one, two, three = (
        ops.convert_to_numpy(layer.key_kernel) for layer in (first, second, again)
    )
    assert np.abs(one - two).max() > 1e-3
    np.testing.assert_array_equal(two, three)


@keras.saving.register_keras_serializable(package="tests")
def halves(shape, dtype=None):
    return ops.full(shape, 0.5, dtype)


def test_a_function_can_be_the_initializer(tmp_path):
    predictor = predictor_for_seed(halves)
    predictor.save_to_preset(tmp_path)
    for model in (predictor, CoupledGraphPredictor.from_preset(tmp_path)):
        for layer in range(SIZES["num_graph_layers"]):
            kernel = model.get_layer(f"forward_affinity_{layer}").key_kernel
            assert (ops.convert_to_numpy(kernel) == 0.5).all()


def predictor_for_seed(initializer):
    return CoupledGraphPredictor(VOCABULARY, **SIZES, kernel_initializer=initializer)


@pytest.mark.parametrize(
    "arguments",
    [{"update": "residual"}, {"message": "product_concat"}, {"shared_update": False}],
    ids=str,
)
def test_another_update_is_refused(random, arguments):
    with pytest.raises(ValueError, match="a graph predictor that has updates"):
        GLoMoPretrainer(predictor_for(random), **arguments)


def test_one_layer_and_messages_without_graphs_are_refused(random):
    with pytest.raises(ValueError, match="`num_graph_layers` must be 2 or more"):
        CoupledGraphPredictor(VOCABULARY, **{**SIZES, "num_graph_layers": 1})
    predictor = predictor_for(random)
    unit_ids, mask = units_for(random)
    for make in (
        lambda: predictor.project({"unit_ids": unit_ids, "padding_mask": mask}),
        lambda: GraphMessages(predictor),
        lambda: predictor.affinity("forward"),
        lambda: GLoMoPretrainer(predictor, block_size=4),
    ):
        with pytest.raises(ValueError, match="graphs that do not depend on messages"):
            make()
