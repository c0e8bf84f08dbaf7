"""Attention maps as graphs of words: by pencil, of several shapes, and in a model."""

import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.ops import graphs_from_attention

# "[CLS] un ##happy black cat [SEP]": the words "unhappy", "black" and "cat".
WORD_IDS = [[None, 0, 0, 1, 2, None]]
ATTENTION = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.5, 0.1, 0.1, 0.2, 0.1, 0.0],
        [0.2, 0.1, 0.1, 0.0, 0.1, 0.5],
        [0.4, 0.2, 0.1, 0.1, 0.1, 0.1],
        [0.3, 0.1, 0.2, 0.1, 0.0, 0.3],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)
# "unhappy" reads, as the mean of its pieces, 0.1 of "black" and 0.1 of "cat"; "black"
# 0.3 of "unhappy" and 0.1 of "cat"; "cat" 0.3 of "unhappy" and 0.1 of "black".
FORWARD = [[0, 0, 0], [1, 0, 0], [0.75, 0.25, 0]]
BACKWARD = [[0, 0.5, 0.5], [0, 0, 1], [0, 0, 0]]


def test_words_of_pieces_by_pencil(precision):
    attention = precision.cast(ATTENTION[None, None, None])
    graphs = graphs_from_attention(attention, WORD_IDS, num_words=3)
    precision.assert_close(graphs["forward"][0, 0, 0], np.array(FORWARD))
    precision.assert_close(graphs["backward"][0, 0, 0], np.array(BACKWARD))


def test_layers_in_a_list_are_those_in_an_array(random):
    layers = [random.random((2, 3, 5, 5)).astype("float32") for _ in range(7)]
    word_ids = np.array([[-1, 0, 0, 1, -1], [-1, 0, 1, 2, 3]])
    of_list = graphs_from_attention(layers, word_ids)
    of_array = graphs_from_attention(np.stack(layers, axis=1), word_ids.tolist())
    for direction, graph in of_list.items():
        assert tuple(graph.shape) == (2, 7, 3, 5, 5)
        np.testing.assert_array_equal(graph, of_array[direction])


def test_rows_sum_to_one_or_zero_and_padding_is_zero(random):
    attention = random.random((2, 2, 3, 6, 6))
    word_ids = np.array([[-1, 0, 1, 1, 2, -1], [-1, 0, -1, -1, -1, -1]])
    graphs = graphs_from_attention(attention, word_ids, num_words=4)
    sums = {d: ops.convert_to_numpy(ops.sum(g, axis=-1)) for d, g in graphs.items()}
    expected = {"forward": [[0, 1, 1, 0], [0] * 4], "backward": [[1, 1, 0, 0], [0] * 4]}
    for direction, rows in expected.items():
        for text, row in enumerate(rows):
            shape = sums[direction][text].shape
            np.testing.assert_allclose(
                sums[direction][text], np.broadcast_to(row, shape), atol=1e-6
            )


def test_causal_attention_has_no_backward_graphs(random):
    attention = np.tril(random.random((1, 1, 2, 5, 5)))
    graphs = graphs_from_attention(attention)
    assert not ops.convert_to_numpy(graphs["backward"]).any()
    forward = ops.convert_to_numpy(graphs["forward"])
    assert not np.triu(forward).any()
    # What the first word reads of itself is left out, not handed to others.
    np.testing.assert_allclose(forward.sum(-1)[..., 1:], 1, atol=1e-6)


def test_a_model_transfers_attention(random):
    attention, word_ids = keras.Input((2, 3, 7, 7)), keras.Input((7,), dtype="int32")
    features = keras.Input((5, 11))
    graphs = graphs_from_attention(attention, word_ids, num_words=5)
    model = keras.Model(
        [attention, word_ids, features], GraphTransfer()(features, graphs)
    )
    arrays = [random.random((2, 2, 3, 7, 7)), np.arange(14).reshape(2, 7) % 5]
    output = model.predict_on_batch([*arrays, random.random((2, 5, 11))])
    assert output.shape == (2, 5, 22) and np.isfinite(output).all()


@pytest.mark.parametrize("num_words", [None, 3])
@pytest.mark.parametrize("has_words", [False, True])
def test_a_functional_model_of_any_length(random, tmp_path, num_words, has_words):
    inputs = [keras.Input((2, 5, None, None)), keras.Input((None,), dtype="int32")]
    inputs = inputs[: 1 + has_words]
    graphs = graphs_from_attention(*inputs, num_words=num_words)
    assert graphs["backward"].shape == (None, 2, 5, num_words, num_words)
    keras.Model(inputs, graphs).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    for length in (6, 4):
        attention = random.uniform(size=(2, 2, 5, length, length)).astype("float32")
        word_ids = np.array([[-1, 0, 0, 1, 2, -1]] * 2, "int32")[:, :length]
        arrays = [attention, word_ids][: 1 + has_words]
        found = model.predict(arrays, verbose=0)
        expected = graphs_from_attention(*arrays, num_words=num_words)
        for direction, graph in expected.items():
            graph = ops.convert_to_numpy(graph)
            np.testing.assert_allclose(found[direction], graph, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("attention", "word_ids", "message"),
    [
        ([], None, "one layer at least"),
        (np.ones((1, 2, 3, 3)), None, "must have shape"),
        ([np.ones((1, 2, 3, 4, 4))], None, "must have shape"),
        (np.ones((1, 1, 2, 3, 4)), None, "must be square"),
        (np.ones((1, 1, 2, 3, 3)), [[0, 1]], "the word of every token"),
        (np.ones((1, 1, 2, 3, 3)), [0, 1, 2], "a list for every text"),
        (np.ones((2, 1, 2, 3, 3)), [[0, 1, 2], [0]], "of one length"),
        (np.ones((2, 1, 2, 3, 3)), [[0, 1, 2]], "1 and 2 texts"),
    ],
)
def test_other_shapes_are_refused(attention, word_ids, message):
    with pytest.raises(ValueError, match=message):
        graphs_from_attention(attention, word_ids)
