"""What a frozen model gives is computed once, and held within the memory given."""

import keras
import numpy as np
import pytest

from glomo_keras.models import GraphCache
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ResultCache


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(3)
    return GraphPredictor(13, embedding_dim=6, num_graph_layers=2, num_heads=3)


def test_graphs_are_held_within_the_memory_given(predictor, random):
    size = 2 * (2 * 3) * 5 * 5 * 2  # directions, layers x heads, pairs, bytes
    cache = GraphCache(predictor, num_bytes=2 * size)
    assert not predictor.trainable and cache.graph_shape == (2, 3)
    unit_ids = random.integers(2, 13, (3, 5))
    unit_ids[1, 3:] = 0
    first = cache(unit_ids)
    assert first["forward"].dtype == np.float16
    exact = predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
    for direction, graphs in exact.items():
        graphs = keras.ops.convert_to_numpy(graphs)
        np.testing.assert_allclose(first[direction], graphs, atol=1e-3)
    assert len(cache.results) == 2 and cache.results.free_bytes == 0
    second = cache(unit_ids[[2, 0, 0]])
    expected = first["forward"][[2, 0, 0]]
    np.testing.assert_allclose(second["forward"], expected, atol=1e-6)
    np.testing.assert_array_equal(second["forward"][1:], expected[1:])


def test_what_earlier_runs_left_makes_room():
    computed = []

    def double(numbers):
        computed.extend(numbers.tolist())
        return 2 * numbers

    cache = ResultCache(3 * 8)
    for run, new in (([1, 2, 3], [1, 2, 3]), ([3, 4, 5, 5], [4, 5]), ([3, 1, 5], [1])):
        cache.start_run()
        for _ in range(2):  # epochs
            results = cache.results(np.array(run), double)
            np.testing.assert_array_equal(results, 2 * np.array(run))
        assert computed == new and len(cache) == 3 and cache.free_bytes == 0
        computed.clear()
