"""Messages that were computed before, in place of graphs."""

import keras
import numpy as np
import pytest
import registry
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
from glomo_keras.ops import term_messages

MASK = np.arange(7)[None] < np.array([[7], [4]])


def test_by_pencil():
    # Two terms of one head, mixed half and half; W1 and W2 pass the mixed message on.
    layer = MessageTransfer(units=1)
    features = np.array([[[5.0], [7.0]]], "float32")
    messages = np.array([[[[[1.0], [0.0]]], [[[3.0], [8.0]]]]], "float32")
    layer.build(features.shape, {"forward": messages.shape})
    weights = [[[0.0], [1.0]], [0.0], [[0.0], [0.0]], [0.0]]
    layer.fusion.set_weights([np.array(weight) for weight in weights])
    found = layer(features, {"forward": messages})
    # Mixed: 2 and 4; the gate is open by half.
    np.testing.assert_allclose(found, [[[5.0, 1.0], [7.0, 2.0]]], rtol=1e-6)


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("message_dim", [None, 5])
@pytest.mark.parametrize("directions", [("forward", "backward"), ("backward",)])
def test_it_gives_what_graph_transfer_gives(
    precision, random, composed, conditional, residual, message_dim, directions
):
    features = precision.cast(random.normal(size=(2, 7, 11)))
    graphs = {
        direction: precision.cast(registry.graph_array(random, direction, 2, (3, 5), 7))
        for direction in directions
    }
    arguments = {"num_mixtures": 2, "conditional": conditional}
    arguments["message_dim"] = message_dim
    arguments |= {"residual": True} if residual else {"units": 3}
    transfer = GraphTransfer(composed=composed, dtype=precision.dtype, **arguments)
    transfer(features, graphs)
    registry.randomize(transfer, random)
    expected = transfer(features, graphs, features_mask=MASK)
    layer = MessageTransfer(dtype=precision.dtype, **arguments)
    messages = {
        direction: term_messages(
            np.where(MASK[..., None], features, 0), graph, composed
        )
        for direction, graph in graphs.items()
    }
    layer(features, messages)
    layer.set_weights(transfer.get_weights())
    found = layer(features, messages, features_mask=MASK)
    precision.assert_close(found, ops.convert_to_numpy(expected))


def test_messages_may_be_of_other_features(random):
    layer = MessageTransfer(num_mixtures=2)
    features = random.normal(size=(2, 7, 11)).astype("float32")
    messages = {
        direction: random.normal(size=(2, 5, 3, 7, dim)).astype("float32")
        for direction, dim in (("forward", 13), ("backward", 2))
    }
    assert layer(features, messages).shape == (2, 7, 22)
    assert layer.fusion.linear.kernel.shape == (11 + 2 * (13 + 2), 11)


def test_messages_of_two_sizes_have_no_projection_in_common():
    layer = MessageTransfer(message_dim=3)
    messages = {"forward": (2, 5, 3, 7, 13), "backward": (2, 5, 3, 7, 2)}
    with pytest.raises(ValueError, match="of one size. Received: 13 and 2"):
        layer.build((2, 7, 11), messages)


def test_a_direction_that_was_there_at_first_must_stay(random):
    layer = MessageTransfer()
    features = ops.ones((2, 7, 11))
    messages = ops.ones((2, 5, 3, 7, 13))
    layer(features, {"forward": messages, "backward": messages})
    with pytest.raises(ValueError, match="`messages` must hold the directions"):
        layer(features, {"forward": messages})


def test_messages_of_other_graphs_are_refused():
    layer = MessageTransfer()
    layer(ops.ones((2, 7, 11)), {"forward": ops.ones((2, 5, 3, 7, 13))})
    with pytest.raises(ValueError, match="`weights` must have shape .*4, 3.*5, 3"):
        layer(ops.ones((2, 7, 11)), {"forward": ops.ones((2, 4, 3, 7, 13))})


def test_what_travels_beside_the_messages_is_left_aside():
    inputs = keras.Input((None, 11)), keras.Input((5, 3, None, 13))
    mask = keras.Input((None,), dtype="bool")
    found = MessageTransfer()(inputs[0], {"forward": inputs[1], "padding_mask": mask})
    assert found.shape == (None, None, 22)
