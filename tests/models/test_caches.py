"""What a frozen model gives is computed once, and held within the memory given."""

import threading
import types

import keras
import numpy as np
import pytest

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphCache
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import LanguageModelLayerCache
from glomo_keras.models import MessageCache
from glomo_keras.models import PackedGraphCache
from glomo_keras.models import ResultCache
from glomo_keras.ops import pack_graphs


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


def test_of_few_senders_these_alone_are_held(random):
    keras.utils.set_random_seed(5)
    predictor = GraphPredictor(
        13, embedding_dim=6, num_graph_layers=2, num_heads=3, top_k=2
    )
    size = 2 * (2 * 3) * 9 * 2 * (2 + 2)  # directions, heads, rows, senders, bytes
    cache = GraphCache(predictor, num_bytes=4 * size)
    unit_ids = random.integers(2, 13, (3, 9))
    unit_ids[1, 4:] = 0
    unit_ids[2] = 0
    exact = predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
    for _ in range(2):
        for direction, graphs in cache(unit_ids).items():
            assert graphs.dtype == np.float16
            expected = keras.ops.convert_to_numpy(exact[direction])
            np.testing.assert_allclose(graphs, expected, atol=1e-3)
    assert cache.results.free_bytes == size
    dense = cache(unit_ids[:, :4])["forward"]  # two of four are no fewer numbers
    assert dense.shape == (3, 2, 3, 4, 4)
    assert cache.results.free_bytes == size - 2 * (2 * (2 * 3) * 4 * 4 * 2)
    with_none = cache(unit_ids[:0])["forward"]
    assert with_none.shape == (0, 2, 3, 9, 9)


@pytest.mark.parametrize(("composed", "num_terms"), [(True, 3), (False, 2)])
def test_packed_graphs_are_held_with_their_products(
    predictor, random, composed, num_terms
):
    size = (num_terms * 3) * 5 * 5 * 2  # terms x heads, pairs, bytes
    cache = PackedGraphCache(predictor, composed, num_bytes=2 * size)
    assert not predictor.trainable and cache.graph_shape == (num_terms, 3)
    unit_ids = random.integers(2, 13, (3, 5))
    unit_ids[1, 3:] = 0
    first = cache(unit_ids)
    assert first.shape == (3, 5, num_terms, 3, 5) and first.dtype == np.float16
    exact = predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
    exact = keras.ops.convert_to_numpy(pack_graphs(exact, composed))
    # Products are rounded once, and not computed of rounded graphs.
    np.testing.assert_allclose(first, exact, rtol=5e-4, atol=1e-6)
    assert len(cache.results) == 2 and cache.results.free_bytes == 0
    cache.start_run()
    np.testing.assert_allclose(cache(unit_ids[[2, 0]]), first[[2, 0]], atol=1e-6)
    assert cache(unit_ids[:0]).shape == (0, 5, num_terms, 3, 5)


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


def test_threads_that_miss_the_same_hold_it_once():
    both = threading.Barrier(2, timeout=60)
    cache = ResultCache(3 * 8)

    def double(numbers):
        both.wait()  # until the other has missed them as well
        return 2 * numbers

    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(cache.results(np.array([3, 5]), double))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, [[6, 10]] * 2)
    assert len(cache) == 2 and cache.free_bytes == 8


def test_results_take_the_memory_of_those_that_make_room():
    cache = ResultCache(2 * 8)
    given = cache.results(np.array([3, 5]), np.negative)
    places = list(cache._results.values())
    cache.start_run()
    cache.results(np.array([7, 11]), np.negative)
    held = zip(places, cache._results.values(), strict=True)
    assert all(before is after for before, after in held)
    assert given.tolist() == [-3, -5]


def test_what_makes_room_while_others_compute_is_still_returned():
    cache = ResultCache(8)
    cache.results(np.array([3]), np.negative)

    def compute_while_another_run_starts(numbers):
        cache.start_run()
        cache.results(np.array([7]), np.negative)
        return -numbers

    found = cache.results(np.array([3, 5]), compute_while_another_run_starts)
    assert found.tolist() == [-3, -5]


def test_arrays_of_other_types_and_shapes_are_others():
    cache = ResultCache(1_000)
    for number, source in enumerate(
        (
            np.array([[2, 0]], np.int32),
            np.array([[2]], np.int64),
            np.array([[[2], [0]]], np.int32),
        )
    ):  # of the same bytes
        results = cache.results(source, lambda sources, n=number: np.array([n]))
        assert results.tolist() == [number]
    assert len(cache) == 3


@pytest.mark.parametrize("kind", [GraphCache, PackedGraphCache])
def test_ids_of_another_vocabulary_are_refused(predictor, kind):
    cache = kind(predictor)
    for unit_ids in ([[2, 99, 3]], [[2, -1, 3]]):
        with pytest.raises(ValueError, match=r"`unit_ids` must lie in \[0, 13\)"):
            cache(unit_ids)
    with pytest.raises(ValueError, match="must have shape .batch, length."):
        cache([2, 3])
    assert not len(cache.results)


def test_no_text_and_no_image_give_nothing(predictor):
    graphs = GraphCache(predictor)(np.zeros((0, 5), "int32"))
    assert graphs["backward"].shape == (0, 2, 3, 5, 5)
    images = ImageGraphPredictor(6, 2, 3, num_convolutions=1)
    cache = MessageCache(images)
    assert cache(np.zeros((0, 2, 3, 3), "uint8"))["forward"].shape == (0, 3, 3, 6, 3)
    with pytest.raises(TypeError, match="must be uint8.*Received: float32"):
        cache(np.zeros((1, 2, 3, 3), "float32"))


class Field:
    """Three texts of the units 1 to 5."""

    offsets = np.array([0, 2, 2, 5])
    units = np.array([1, 2, 3, 4, 5], np.int32)
    length = 3

    def padded(self, rows):
        padded = np.array([[1, 2, 0], [0, 0, 0], [3, 4, 5]])
        return padded[rows]


@pytest.mark.parametrize("make", [GraphCache, PackedGraphCache, MessageCache])
def test_what_is_no_predictor_is_refused(make):
    image = ImageGraphPredictor(6, 1, 2, num_convolutions=1)
    text = GraphPredictor(13, 6, 1, 2, num_convolutions=1)
    mine, other = (image, text) if make is MessageCache else (text, image)
    for wrong in ("glomo_text_small_en", other):
        with pytest.raises(TypeError, match="predictor"):
            make(wrong)
    assert other.trainable
    with pytest.raises(TypeError, match="`num_bytes` must be"):
        make(mine, num_bytes="4")
    with pytest.raises(ValueError, match="`num_bytes` must be"):
        make(mine, num_bytes=-1)


def test_layers_are_computed_once_by_whoever_is_first(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1, 2], filters=[3, 5],
        max_characters=11,
    ).save_to_preset(tmp_path / "preset")  # fmt: skip
    characters = np.random.default_rng(0).integers(1, 50, (6, 11))
    characters[0] = 0
    first, second = (
        LanguageModelLayerCache.from_preset(
            tmp_path / "preset", tmp_path / "cache", {"text": Field()}, characters
        )
        for _ in range(2)
    )
    layers = first.layers("text", np.array([2, 0]))
    assert layers.shape == (2, 3, 3, 6) and layers[0].any()
    assert not layers[1, :, 2].any()  # padding
    monkeypatch.setattr(second, "_compute", None)
    np.testing.assert_array_equal(second.layers("text", np.array([2, 0])), layers)
    usage = types.SimpleNamespace(free=1_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="too little free space"):
        first.layers("text", np.array([1]))
    np.testing.assert_array_equal(first.layers("text", np.array([2, 0])), layers)


def test_layers_of_a_model_are_those_of_its_preset(tmp_path):
    sizes = {"units": 5, "projection_dim": 3, "kernel_sizes": [1], "filters": [3]}
    model = BidirectionalLanguageModel(**sizes, max_characters=11)
    fingerprint = model.save_to_preset(tmp_path / "preset")
    arguments = tmp_path, {"text": Field()}, np.ones((6, 11), "int64")
    cache = LanguageModelLayerCache(model, *arguments)
    assert cache.directory.name.startswith(f"elmo-{fingerprint}-")
    assert not model.trainable
    # The preset is replaced: the folder is still that of the layers of each model.
    other = BidirectionalLanguageModel(**sizes, max_characters=11)
    other_fingerprint = other.save_to_preset(tmp_path / "preset")
    again = LanguageModelLayerCache.from_preset(tmp_path / "preset", *arguments)
    assert again.directory.name.startswith(f"elmo-{other_fingerprint}-")
    assert other_fingerprint != fingerprint


def test_packed_graphs_of_a_preset(predictor, tmp_path):
    predictor.save_to_preset(tmp_path)
    cache = PackedGraphCache.from_preset(tmp_path, composed=False, num_bytes=7)
    assert cache.graph_shape == (2, 3) and cache.results.free_bytes == 7
    unit_ids = np.array([[2, 3, 5, 0]])
    expected = PackedGraphCache(predictor, composed=False)(unit_ids)
    np.testing.assert_array_equal(cache(unit_ids), expected)


def test_messages_of_a_preset(tmp_path):
    predictor = ImageGraphPredictor(6, 2, 3, num_convolutions=1)
    predictor.save_to_preset(tmp_path)
    cache = MessageCache.from_preset(tmp_path, composed=False, num_bytes=7)
    assert cache.message_shape == (2, 3) and cache.results.free_bytes == 7
    images = np.arange(18, dtype="uint8").reshape((1, 2, 3, 3))
    expected = MessageCache(predictor, composed=False)(images)
    np.testing.assert_array_equal(cache(images)["forward"], expected["forward"])
