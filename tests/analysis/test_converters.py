"""Graphs as sparse arrays, as NetworkX graphs, and as lists of senders."""

import sys

import keras
import numpy as np
import pytest

from glomo_keras.analysis import to_networkx
from glomo_keras.analysis import to_scipy
from glomo_keras.analysis import top_senders

GRAPH = np.array([[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]], "float32")


def test_to_scipy_keeps_rows_as_receivers():
    pytest.importorskip("scipy")
    sparse = to_scipy(GRAPH)
    assert sparse.format == "csr" and sparse.nnz == 3
    np.testing.assert_array_equal(sparse.toarray(), GRAPH)
    assert sparse.dtype == np.float32
    # Messages are a product with the features of the senders.
    features = np.array([[1, 0], [0, 1], [1, 1]], "float32")
    np.testing.assert_allclose(sparse @ features, [[0, 0], [1, 0], [0.1, 0.9]])


def test_to_scipy_threshold():
    pytest.importorskip("scipy")
    sparse = to_scipy(GRAPH, threshold=0.5)
    np.testing.assert_array_equal(
        sparse.toarray(), np.where(GRAPH > 0.5, GRAPH, np.float32(0))
    )
    assert sparse.nnz == 2
    assert to_scipy(GRAPH, threshold=1.0).nnz == 0


def test_to_networkx_runs_from_sender_to_receiver():
    pytest.importorskip("networkx")
    converted = to_networkx(GRAPH, units=["the", "cat", "the"])
    assert converted.is_directed()
    assert list(converted.nodes(data="unit")) == [(0, "the"), (1, "cat"), (2, "the")]
    edges = {(a, b): weight for a, b, weight in converted.edges(data="weight")}
    assert edges == pytest.approx({(0, 1): 1.0, (0, 2): 0.1, (1, 2): 0.9})
    assert all(type(weight) is float for weight in edges.values())


def test_to_networkx_threshold_and_units_left_out():
    pytest.importorskip("networkx")
    converted = to_networkx(np.zeros((5, 5)))
    assert converted.number_of_nodes() == 5 and converted.number_of_edges() == 0
    assert converted.nodes[0] == {}
    assert list(to_networkx(GRAPH, threshold=0.5).edges) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_tensors(dtype):
    pytest.importorskip("scipy")
    tensor = keras.ops.convert_to_tensor(GRAPH, dtype=dtype)
    sparse = to_scipy(tensor)
    assert sparse.dtype == np.float32
    np.testing.assert_allclose(sparse.toarray(), GRAPH, atol=1e-2)
    assert top_senders(tensor, 1).indices[2].tolist() == [1]


@pytest.mark.parametrize(
    "convert, library", [(to_scipy, "scipy"), (to_networkx, "networkx")]
)
def test_missing_library(monkeypatch, convert, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "glomo_keras\[analysis\]"'):
        convert(GRAPH)


@pytest.mark.parametrize("convert", [to_scipy, to_networkx])
def test_wrong_graphs_and_thresholds(convert):
    with pytest.raises(ValueError, match=r"shape \(3, 5\)"):
        convert(np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"graphs\[b, layer, head\]"):
        convert(np.zeros((2, 3, 5, 7, 7)))
    with pytest.raises(ValueError, match="threshold=-0.5"):
        convert(GRAPH, threshold=-0.5)


def test_wrong_number_of_units():
    pytest.importorskip("networkx")
    with pytest.raises(ValueError, match="3 units of `graph`. Received: 2 units"):
        to_networkx(GRAPH, units=["the", "cat"])


def test_top_senders_by_pencil():
    found = top_senders(GRAPH, k=2)
    assert found.indices.tolist() == [[-1, -1], [0, -1], [1, 0]]
    np.testing.assert_allclose(found.weights, [[0, 0], [1, 0], [0.9, 0.1]])
    assert found.indices.dtype == np.int32


def test_top_senders_of_many_graphs(random):
    graphs = random.random((2, 3, 5, 7, 7))
    found = top_senders(graphs, k=3)
    assert found.indices.shape == found.weights.shape == (2, 3, 5, 7, 3)
    assert np.all(np.diff(found.weights, axis=-1) <= 0)
    np.testing.assert_array_equal(found.indices[..., 0], graphs.argmax(-1))
    np.testing.assert_array_equal(
        np.take_along_axis(graphs, found.indices, -1), found.weights
    )


def test_table_of_words():
    padded = np.pad(GRAPH, ((0, 1), (0, 1)))
    table = top_senders(padded, k=2).table([b"the", "caf\u00e9s".encode(), "sat", ""])
    assert table.splitlines() == [
        "receiver  unit   reads",
        "0         the",
        "1         caf\u00e9s  the 1.00",
        "2         sat    caf\u00e9s 0.90, the 0.10",
    ]


@pytest.mark.parametrize("graphs, units", [(GRAPH[None], 3), (GRAPH, 2)])
def test_table_of_what_is_no_single_graph(graphs, units):
    with pytest.raises(ValueError, match="Take one head or a mean"):
        top_senders(graphs, k=1).table(["unit"] * units)


def test_top_senders_ties_are_in_order():
    assert top_senders(np.ones((5, 5)), k=5).indices[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "k, message",
    [(0, "positive"), (-1, "positive"), (4, "the number of units")],
)
def test_top_senders_wrong_k(k, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: k={k}"):
        top_senders(GRAPH, k=k)


def test_top_senders_takes_sizes_of_numpy():
    assert top_senders(GRAPH, k=np.int64(1)).indices.tolist() == [[-1], [0], [1]]


def test_top_senders_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(3, 5\)"):
        top_senders(np.zeros((3, 5)), k=1)
