"""What TensorBoard gets to see of graphs, read back from its files."""

import keras
import numpy as np
import pytest

from glomo_keras.analysis import graph_statistics
from glomo_keras.callbacks import GraphTensorBoard
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor

pytest.importorskip("matplotlib")
accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator"
)
UNITS = ["", "?", *"abcdefghi"]
UNIT_IDS = np.array([[2, 3, 4, 5, 6, 7, 8], [9, 2, 4, 3, 0, 0, 0]])


def make_pretrainer():
    predictor = GraphPredictor(
        11, embedding_dim=6, num_graph_layers=2, num_heads=3, num_convolutions=1
    )
    pretrainer = GLoMoPretrainer(predictor, context_length=1)
    pretrainer.compile("adam")
    return pretrainer


def events_of(folder):
    """The values of all tags, by name: lists of pairs of a step and a tensor."""
    import tensorflow as tf

    events = accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: [(e.step, tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def test_numbers_and_pictures_of_every_epoch(tmp_path):
    pretrainer = make_pretrainer()
    callback = GraphTensorBoard(tmp_path, UNIT_IDS, UNITS, every=2)
    pretrainer.fit(UNIT_IDS, epochs=4, callbacks=[callback], verbose=0)
    events = events_of(tmp_path / "graphs")
    assert [step for step, _ in events["forward/specificity"]] == [1, 3]
    mask = UNIT_IDS != 0
    graphs = pretrainer.graph_predictor.predict_on_batch(
        {"unit_ids": UNIT_IDS, "padding_mask": mask}
    )
    for direction in ("forward", "backward"):
        found = graph_statistics(graphs[direction], mask, direction)["overall"]
        for name in ("specificity", "effective_senders", "dead_heads", "density"):
            _, value = events[f"{direction}/{name}"][-1]
            assert value == pytest.approx(found[name], abs=1e-5)
        histogram = events[f"{direction}_heads/specificity"][-1][1]
        assert histogram[:, 2].sum() == 6  # heads
        for text in (0, 1):
            (_, picture), _ = events[f"{direction}/text_{text}"]
            width, height, *encoded = picture
            assert int(width) > 100 and int(height) > 100
            assert encoded[0].startswith(b"\x89PNG")


def test_the_predictor_of_another_model(tmp_path):
    predictor = make_pretrainer().graph_predictor
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = GraphTensorBoard(
        tmp_path, UNIT_IDS[:1], UNITS, graph_predictor=predictor
    )
    model.fit(np.ones((3, 2)), np.ones((3, 1)), callbacks=[callback], verbose=0)
    assert "backward/text_0" in events_of(tmp_path / "graphs")


def test_a_model_without_graphs_is_refused_before_it_trains(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = GraphTensorBoard(tmp_path, UNIT_IDS, UNITS)
    with pytest.raises(ValueError, match="`graph_predictor` must be an attribute of"):
        model.fit(np.ones((3, 2)), np.ones((3, 1)), callbacks=[callback], verbose=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((UNIT_IDS[0], UNITS), ValueError, "num_texts, length"),
        ((UNIT_IDS, UNITS[:9]), ValueError, "from 0 to 8"),
        ((UNIT_IDS / 2, UNITS), ValueError, "must be integers"),
        ((UNIT_IDS, UNITS, 0), ValueError, "every"),
        ((UNIT_IDS, UNITS, 1.5), TypeError, "every"),
    ],
)
def test_other_arguments_are_refused(arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        GraphTensorBoard(tmp_path, *arguments)
