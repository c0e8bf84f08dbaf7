"""The one line that makes a model structure-aware."""

import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import as_float64
from weights import dense_of

from glomo_keras.layers import GraphTransfer

MASK = np.arange(7)[None] < np.array([[7], [4]])
KINDS = [
    {"num_mixtures": 2, "composed": True, "conditional": True},
    {"num_mixtures": 1, "composed": False, "conditional": True, "units": 3},
    {"num_mixtures": 3, "composed": True, "conditional": False},
    {"num_mixtures": 2, "composed": True, "conditional": False, "message_dim": 3},
]
each_kind = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: "-".join(str(value) for value in kind.values())
)
each_side = pytest.mark.parametrize(
    "directions",
    [("forward", "backward"), ("forward",), ("backward",)],
    ids=lambda directions: "-".join(directions),
)


def transfer_for(random, directions, dtype="float32", **arguments):
    transfer = GraphTransfer(**arguments, dtype=dtype)
    shape = (None, 3, 5, None, None)
    transfer.build((None, None, 11), dict.fromkeys(directions, shape))
    registry.randomize(transfer, random)
    return transfer


def inputs_for(random, directions, dtype="float32"):
    features = random.normal(size=(2, 7, 11)).astype(dtype)
    graphs = {
        direction: registry.graph_array(random, direction, 2, (3, 5), 7).astype(dtype)
        for direction in directions
    }
    return features, graphs


def expected_of(transfer, features, graphs, mask=None):
    features = features.astype(float)
    messages, mixed = [], {}
    for direction in ("forward", "backward"):
        if direction not in graphs:
            continue
        mixer = transfer.mixers[direction]
        logits = mixer.logit_scale * as_float64(mixer.bias)[None, None]
        if transfer.conditional:
            logits = features @ as_float64(mixer.kernel) + logits
        terms = 5 if transfer.composed else 3
        shape = (*logits.shape[:2], transfer.num_mixtures, terms, 5)
        weights = reference.mixture_weights(logits.reshape(shape))
        values = graphs[direction].astype(float)
        mixed[direction] = reference.mix_graphs(values, weights, transfer.composed)
        sent = features
        if transfer.message_dim:
            sent = features @ as_float64(transfer.projection.kernel)
        messages.append(reference.propagate_mixed(sent, mixed[direction]))
    linear, gate = dense_of(transfer.fusion.linear), dense_of(transfer.fusion.gate)
    messages = np.concatenate(messages, -1)
    return reference.gated_fusion(features, messages, linear, gate, mask), mixed


@each_kind
@each_side
def test_equals_reference(precision, random, kind, directions):
    transfer = transfer_for(random, directions, precision.dtype, **kind)
    features, graphs = inputs_for(random, directions, precision.dtype)
    expected, _ = expected_of(transfer, features, graphs)
    fused = transfer(features, graphs)
    assert tuple(fused.shape) == (2, 7, 11 + kind.get("units", 11))
    precision.assert_close(fused, expected)


@each_kind
@each_side
def test_mixed_graphs_can_be_asked_for(precision, random, kind, directions):
    transfer = transfer_for(random, directions, precision.dtype, **kind)
    features, graphs = inputs_for(random, directions, precision.dtype)
    fused, mixed = transfer(features, graphs, return_graphs=True)
    expected, expected_graphs = expected_of(transfer, features, graphs)
    precision.assert_close(fused, expected)
    assert list(mixed) == list(directions)
    for direction in directions:
        precision.assert_close(mixed[direction], expected_graphs[direction])


@each_kind
def test_masked_units_send_nothing_and_are_zeros(precision, random, kind):
    directions = ("forward", "backward")
    transfer = transfer_for(random, directions, precision.dtype, **kind)
    features, graphs = inputs_for(random, directions, precision.dtype)
    features[~MASK] = 0
    expected, _ = expected_of(transfer, features, graphs, MASK)
    features[~MASK] = np.nan
    precision.assert_close(transfer(features, graphs, features_mask=MASK), expected)


def test_order_of_the_keys_does_not_matter(random):
    features, graphs = inputs_for(random, ("forward", "backward"))
    transfer = transfer_for(random, ("forward", "backward"))
    swapped = {"backward": graphs["backward"], "forward": graphs["forward"]}
    np.testing.assert_array_equal(
        ops.convert_to_numpy(transfer(features, graphs)),
        ops.convert_to_numpy(transfer(features, swapped)),
    )
    other = GraphTransfer()
    other(features, swapped)
    other.set_weights(transfer.get_weights())
    np.testing.assert_array_equal(
        ops.convert_to_numpy(transfer(features, graphs)),
        ops.convert_to_numpy(other(features, swapped)),
    )


def test_each_direction_has_its_own_weights(random):
    features, graphs = inputs_for(random, ("forward", "backward"))
    both = GraphTransfer()
    both(features, graphs)
    one = GraphTransfer()
    one(features, {"forward": graphs["forward"]})
    # Kernel and bias of a mixer each; kernels and biases of the fusion.
    assert len(both.trainable_weights) == 8
    assert len(one.trainable_weights) == 6


@pytest.mark.parametrize("missing", ["forward", "backward"])
def test_a_direction_that_was_there_at_first_must_stay(random, missing):
    features, graphs = inputs_for(random, ("forward", "backward"))
    transfer = GraphTransfer()
    transfer(features, graphs)
    del graphs[missing]
    with pytest.raises(ValueError, match=missing):
        transfer(features, graphs)


def test_a_plain_model_becomes_structure_aware_by_one_line(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    graphs = {
        direction: keras.Input((3, 5, None, None), name=direction)
        for direction in ("forward", "backward")
    }
    x = keras.layers.Embedding(13, 11, mask_zero=True)(inputs)
    x = GraphTransfer()(x, graphs)
    assert x._keras_mask is not None
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model([inputs, graphs], keras.layers.Dense(1)(x))
    values = {
        direction: registry.graph_array(random, direction, 2, (3, 5), 5)
        for direction in graphs
    }
    model.compile("sgd", "mse")
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit([unit_ids, values], np.array([[1.0], [-1.0]]), epochs=2, verbose=0)
    after = model.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_mixed_graphs_are_symbolic_too(random):
    features, graphs = inputs_for(random, ("forward",))
    inputs = keras.Input((None, 11)), keras.Input((3, 5, None, None))
    fused, mixed = GraphTransfer(2)(
        inputs[0], {"forward": inputs[1]}, return_graphs=True
    )
    model = keras.Model(inputs, [fused, mixed["forward"]])
    fused, mixed = model.predict([features, graphs["forward"]], verbose=0)
    assert fused.shape == (2, 7, 22) and mixed.shape == (2, 2, 7, 7)


def test_masked_features_and_mixed_graphs_together(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    embedding = keras.layers.Embedding(13, 11, mask_zero=True)
    graphs = {"backward": registry.graph_array(random, "backward", 2, (3, 5), 5)}
    fused, mixed = GraphTransfer()(embedding(unit_ids), graphs, return_graphs=True)
    assert (ops.convert_to_numpy(fused)[1, 3:] == 0).all()
    assert (ops.convert_to_numpy(mixed["backward"])[1, :, 3:] == 0).all()
    assert (ops.convert_to_numpy(fused)[0, :, :11] != 0).all()


def test_shapes_of_mixed_graphs_are_computed_without_a_call():
    shape = (2, 3, 5, None, None)
    fused, mixed = GraphTransfer(3, units=13).compute_output_shape(
        (2, None, 11), {"forward": shape}, return_graphs=True
    )
    assert fused == (2, None, 24)
    assert mixed == {"forward": (2, 3, None, None)}


def text_graphs_of(graphs):
    """The graphs as `TextGraphs` returns them; strings are tensors of TensorFlow."""
    units = np.full((2, 7), "cat")
    if keras.backend.backend() == "tensorflow":
        units = ops.convert_to_tensor(units)
    return {**graphs, "units": units, "padding_mask": MASK}


def test_what_travels_beside_the_graphs_is_left_aside(random):
    features, graphs = inputs_for(random, ("forward", "backward"))
    transfer = GraphTransfer()
    found = transfer(features, text_graphs_of(graphs))  # which builds it
    np.testing.assert_array_equal(found, transfer(features, graphs))
    assert len(transfer.mixers) == 2
    fused, mixed = transfer(features, text_graphs_of(graphs), return_graphs=True)
    np.testing.assert_array_equal(found, fused)
    assert set(mixed) == {"forward", "backward"}
    shapes = {d: graph.shape for d, graph in text_graphs_of(graphs).items()}
    by_shapes = GraphTransfer()
    by_shapes.build(features.shape, shapes)
    assert by_shapes.count_params() == transfer.count_params()
    _, mixed = by_shapes.compute_output_shape(features.shape, shapes, True)
    assert set(mixed) == {"forward", "backward"}


@pytest.mark.parametrize("travels", [{}, {"units": MASK, "padding_mask": MASK}])
def test_a_dict_without_graphs_is_an_error(random, travels):
    features, _ = inputs_for(random, ())
    with pytest.raises(ValueError, match="`graphs` must be a dict"):
        GraphTransfer()(features, travels)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strings are of TensorFlow"
)
def test_a_functional_model_of_graphs_and_strings_is_saved(random, tmp_path):
    features, graphs = inputs_for(random, ("forward", "backward"))
    travels = text_graphs_of(graphs)
    inputs = {
        "features": keras.Input((None, 11), name="features"),
        "units": keras.Input((None,), dtype="string", name="units"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
        **{d: keras.Input((3, 5, None, None), name=d) for d in graphs},
    }
    travelling = {name: inputs[name] for name in travels}
    outputs = GraphTransfer()(
        inputs["features"], travelling, features_mask=inputs["padding_mask"]
    )
    model = keras.Model(inputs, {"fused": outputs, "units": inputs["units"]})
    values = keras.tree.map_structure(
        ops.convert_to_tensor, {"features": features, **travels}
    )
    expected = model(values)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")(values)
    np.testing.assert_array_equal(loaded["fused"], expected["fused"])
    assert loaded["units"][0, 0].numpy() == b"cat"


@pytest.mark.parametrize("size", [(2, 5), (3, 3)])
def test_graphs_of_another_predictor_are_refused(random, size):
    features = random.normal(size=(2, 7, 11)).astype("float32")

    def graphs(layers, heads):
        return {"forward": np.full((2, layers, heads, 7, 7), 0.1, "float32")}

    layer = GraphTransfer()
    layer(features, graphs(3, 5))
    message = f"heads: those of `graphs` of {size[0]} layers. Received: 5 terms and 5 h"
    with pytest.raises(ValueError, match=message):
        layer(features, graphs(*size))


def train_with_a_needle(random, **arguments):
    """Train labels that tell of one graph among 16, and return its weight."""
    units = random.normal(size=(256, 7, 5)).astype("float32")
    graphs = random.dirichlet(np.full(7, 0.3), size=(256, 1, 16, 7)).astype("float32")
    labels = (graphs[:, 0, 3] @ units).argmax(-1)
    inputs = keras.Input((7, 5)), keras.Input((1, 16, 7, 7))
    transfer = GraphTransfer(conditional=False, **arguments)
    x = transfer(inputs[0], {"forward": inputs[1]})
    model = keras.Model(inputs, keras.layers.Dense(5)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss)
    model.fit([units, graphs], labels, batch_size=32, epochs=50, verbose=0)  # 400 steps
    weights = transfer.mixers["forward"].mixture_weights(units)
    return ops.convert_to_numpy(weights)[0, 0, :, 0, 3]


def test_the_mixture_chooses_one_graph_of_many(random):
    keras.utils.set_random_seed(3)
    assert train_with_a_needle(random).min() > 0.9


def test_logits_without_a_scale_hardly_move(random):
    keras.utils.set_random_seed(3)
    assert train_with_a_needle(random, logit_scale=1.0).max() < 0.6


def test_models_saved_without_the_arguments_answer_as_before(random):
    features, graphs = inputs_for(random, ("forward", "backward"))
    transfer = transfer_for(random, ("forward", "backward"), num_mixtures=2)
    config = transfer.get_config()
    del config["logit_scale"], config["residual"]
    loaded = GraphTransfer.from_config(config)
    loaded(features, graphs)
    loaded.set_weights(transfer.get_weights())
    for mixer in transfer.mixers.values():
        mixer.logit_scale = 1.0
    expected, _ = expected_of(transfer, features, graphs)
    np.testing.assert_allclose(loaded(features, graphs), expected, atol=1e-5)


def test_the_residual_form_leaves_a_trained_model_as_it_was(random, tmp_path):
    features, graphs = inputs_for(random, ("forward", "backward"))
    labels = random.integers(2, size=(2, 7))
    inputs = keras.Input((None, 11))
    encoder, classifier = keras.layers.Dense(11), keras.layers.Dense(2)
    trained = keras.Model(inputs, classifier(encoder(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile("adam", loss)
    trained.fit(features, labels, epochs=3, verbose=0)
    expected = trained.predict(features, verbose=0)

    graph_inputs = {d: keras.Input((3, 5, None, None), name=d) for d in graphs}
    transfer = GraphTransfer(num_mixtures=2, residual=True)
    x = transfer(encoder(inputs), graph_inputs)
    aware = keras.Model([inputs, graph_inputs], classifier(x))
    values = [features, graphs]
    np.testing.assert_allclose(aware.predict(values, verbose=0), expected, atol=1e-6)
    encoder.trainable = classifier.trainable = False
    aware.compile("adam", loss)
    history = aware.fit(values, labels, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    outputs = aware.predict(values, verbose=0)
    assert np.abs(outputs - expected).max() > 1e-3
    aware.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(values, verbose=0), outputs, atol=1e-6)


def test_the_graphs_of_one_direction_without_its_name_are_refused():
    features = ops.ones((2, 7, 5))
    graph = ops.ones((2, 3, 2, 7, 7)) / 7
    layer = GraphTransfer()
    message = 'Received: one tensor. Graphs of one direction are {"forward": graphs}'
    with pytest.raises(ValueError, match=message):
        layer(features, graph)
    layer(features, {"forward": graph})
    with pytest.raises(ValueError, match=message):  # built by now
        layer(features, graph)
