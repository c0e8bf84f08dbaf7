"""Ops on batches of no sample and on texts of no unit, eager and in a graph."""

import keras
import numpy as np
import pytest

from glomo_keras import ops

KINDS = {"i": "int32", "b": "bool", "f": "float32"}


def arrays_of(layouts, batch, length):
    """Ones of the layouts: a kind, then sizes, `B` and `N` being batch and length."""
    sizes = {"B": batch, "N": length}
    arrays = []
    for layout in layouts.split():
        kind, *axes = layout.split(",")
        shape = [sizes[axis] if axis in sizes else int(axis) for axis in axes]
        arrays.append(np.ones(shape, KINDS[kind]))
    return arrays


def visible(queries_mask, keys_mask):
    length = keras.ops.shape(keys_mask)[1]
    return ops.visible_pairs(length, "backward", queries_mask, keys_mask)


def over_words(pieces, words):
    return ops.graphs_over_words(pieces, words, num_words=2)


# Function, its arguments, and the shapes of its outputs.
CASES = [
    (ops.add_sentence_marks, "i,B,N,5", [("B", "N+2", 5)]),
    (ops.compose_graphs, "f,B,3,2,N,N", [("B", 3, 2, "N", "N")]),
    (ops.context_targets, "i,B,N", [("B", "N", 3), ("B", "N", 3)]),
    (
        lambda ids, mask: ops.context_targets(ids, mask=mask),
        "i,B,N b,B,N",
        [("B", "N", 3), ("B", "N", 3)],
    ),
    (ops.entmax_affinity, "f,B,N,N b,B,N,N", [("B", "N", "N")]),
    (ops.graph_counts, "f,B,3,2,N,N b,B,N,N", [("B", 3, 2)] * 5),
    (ops.graphs_over_pieces, "f,B,3,2,N,N i,B,7", [("B", 3, 2, 7, 7)]),
    (over_words, "f,B,3,2,N,N i,B,N", [("B", 3, 2, 2, 2)]),
    (ops.log_likelihood, "f,B,N,5 f,7,5 i,B,N", [("B", "N")]),
    (ops.mix_graphs, "f,B,3,2,N,N f,B,N,4,5,2", [("B", 4, "N", "N")]),
    (ops.propagate_mixture, "f,B,N,5 f,B,3,2,N,N f,B,N,4,5,2", [("B", "N", 20)]),
    (
        lambda forward, backward: ops.pack_graphs(
            {"forward": forward, "backward": backward}
        ),
        "f,B,3,2,N,N f,B,3,2,N,N",
        [("B", "N", 5, 2, "N")],
    ),
    (ops.propagate_packed, "f,B,N,5 f,B,N,3,2,N f,B,N,4,3,2", [("B", "N", 20)]),
    (ops.mix_messages, "f,B,3,2,N,5 f,B,N,4,3,2", [("B", "N", 20)]),
    (ops.normalize_rows, "f,B,N,N b,B,N,N", [("B", "N", "N")]),
    (ops.pixel_log_likelihood, "f,B,N,3,2,3 f,B,N,3", [("B", "N")]),
    (ops.propagate, "f,B,N,6 f,B,2,N,N", [("B", "N", 6)]),
    (ops.raster_units, "f,B,N,3,5 b,B,N,3", [("B", "3N", 5), ("B", "3N")]),
    (ops.relation_counts, "f,B,3,2,N,N b,B,N,N", [("B", 3, 2)] * 8),
    (ops.row_specificity, "f,B,N,N b,B,N,N", [("B", "N")]),
    (ops.scale_pixels, "i,B,N,3", [("B", "N", 3)]),
    (ops.squared_relu, "f,B,N,N", [("B", "N", "N")]),
    (ops.squared_relu_affinity, "f,B,N,N b,B,N,N", [("B", "N", "N")]),
    (ops.squared_relu_attention, "f,B,2,N,5 f,B,2,N,5 f,B,2,N,3", [("B", 2, "N", 3)]),
    (ops.subtract_mean_score, "f,B,N,N b,B,N,N", [("B", "N", "N")]),
    (ops.term_messages, "f,B,N,5 f,B,3,2,N,N", [("B", 5, 2, "N", 5)]),
    (visible, "b,B,N b,B,N", [("B", "N", "N")]),
    (ops.word_of_piece, "i,B,N i,B,N i,B,4 i,B,4", [("B", "N")]),
    (
        lambda *tensors: ops.sampled_log_likelihood(*tensors, 3, seed=1),
        "f,B,N,5 f,7,5 i,B,N",
        [("B", "N")],
    ),
    (
        lambda *tensors: ops.projected_lstm_step(*tensors),
        "f,B,12 f,B,5 f,B,3 f,5,12 f,3,5",
        [("B", 5), ("B", 3)],
    ),
]


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("sizes", [(0, 7), (3, 0), (0, 0)], ids=str)
@pytest.mark.parametrize(
    ("function", "layouts", "expected"),
    [
        pytest.param(*case, id=f"{case[0].__name__}-{number}")
        for number, case in enumerate(CASES)
    ],
)
def test_nothing_gives_nothing(function, layouts, expected, sizes, in_graph):
    arrays = arrays_of(layouts, *sizes)
    if in_graph:
        if keras.backend.backend() != "tensorflow":
            pytest.skip("other backends know all sizes in a graph")
        import tensorflow as tf

        signature = [
            tf.TensorSpec(
                [None if axis in "BN" else int(axis) for axis in layout.split(",")[1:]],
                array.dtype,
            )
            for layout, array in zip(layouts.split(), arrays, strict=True)
        ]
        function = tf.function(function, input_signature=signature)
    outputs = keras.tree.flatten(function(*arrays))
    batch, length = sizes
    values = {"B": batch, "N": length, "N+2": length + 2, "3N": 3 * length}
    shapes = [tuple(values.get(axis, axis) for axis in shape) for shape in expected]
    outputs = [keras.ops.convert_to_numpy(output) for output in outputs]
    assert [output.shape for output in outputs] == shapes
    for output in outputs:
        assert np.isfinite(output).all()


@pytest.mark.parametrize("positions", [None, []])
def test_targets_in_images_of_no_sample(positions):
    pixels = np.ones((0, 3, 5, 2), "uint8")
    if positions is not None:
        positions = np.array(positions, "int32")
    targets, valid = ops.window_targets(pixels, positions)
    number = 15 if positions is None else 0
    assert tuple(targets.shape) == (0, number, 8, 2)
    assert tuple(valid.shape) == (number, 8)
