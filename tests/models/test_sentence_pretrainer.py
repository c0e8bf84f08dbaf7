"""Pretraining by the sentences that follow."""

import keras
import numpy as np
import pytest
import reference
import reference_models
import registry
from keras import ops
from weights import as_float64
from weights import cell_of

from glomo_keras.models import GraphPredictor
from glomo_keras.models import SentencePretrainer

VOCABULARY = 29
# "a b . c d e . f" and ". g ! h"
IDS = np.array([[5, 6, 2, 7, 8, 9, 2, 10], [2, 11, 3, 12, 0, 0, 0, 0]], "int32")
# By direction and sequence: the sentence that is followed, where it ends, and how many
# units of the next one there are, of 3 at most.
NEXT = {
    "forward": [[((0, 3), 2, 3), ((3, 7), 6, 1)], [((0, 1), 0, 2), ((1, 3), 2, 1)]],
    "backward": [[((7, 8), 7, 3), ((3, 7), 3, 3)], [((3, 4), 3, 2), ((1, 3), 1, 1)]],
}


def pretrainer_for(random, dtype="float32", **arguments):
    predictor = GraphPredictor(
        VOCABULARY,
        embedding_dim=15,
        num_graph_layers=2,
        num_heads=3,
        num_convolutions=2,
        dtype=dtype,
    )
    arguments = {"context_length": 3, "num_sentences": 5, **arguments}
    pretrainer = SentencePretrainer(predictor, [2, 3], **arguments)
    registry.randomize(pretrainer, random)
    return pretrainer


def expected_of(pretrainer, direction):
    """The log-likelihoods of next sentences, by NumPy, `[sequence][sentence]`."""
    features = reference_models.features_of(pretrainer, IDS, IDS != 0)[direction][-1]
    decoder = pretrainer.decoders[direction]
    values = []
    for row, sentences in enumerate(NEXT[direction]):
        values.append([])
        for (start, stop), place, steps in sentences:
            states = np.zeros_like(features[row : row + 1])
            states[0, place] = features[row, start:stop].mean(axis=0)
            likelihoods = reference.context_log_likelihoods(
                states,
                IDS[row : row + 1],
                as_float64(pretrainer.graph_predictor.embedding.embeddings),
                [cell_of(cell) for cell in decoder.cells],
                3,
                direction,
                pretrainer.first_input,
                mask=IDS[row : row + 1] != 0,
                **reference_models.classes_of(decoder),
            )
            values[-1].append(likelihoods[0, place, :steps])
    return values


@pytest.mark.parametrize(
    "arguments",
    [{}, {"unit_classes": [n // 3 for n in range(VOCABULARY)]}],
    ids=["units", "classes"],
)
def test_equals_reference(precision, random, arguments):
    pretrainer = pretrainer_for(random, precision.dtype, **arguments)
    outputs = pretrainer(IDS)
    means = []
    for direction in NEXT:
        values = ops.convert_to_numpy(outputs[direction])
        valid = ops.convert_to_numpy(outputs[f"{direction}_valid"])
        assert values.shape == valid.shape == (2, 5, 3)
        expected = expected_of(pretrainer, direction)
        for row, sentences in enumerate(expected):
            for number, likelihoods in enumerate(sentences):
                assert valid[row, number].sum() == len(likelihoods)
                assert valid[row, number, : len(likelihoods)].all()
                precision.assert_close(
                    values[row, number, : len(likelihoods)], likelihoods
                )
            assert not valid[row, len(sentences) :].any()
        assert not values[~valid].any()
        means.append(-np.concatenate(sum(expected, [])).mean())
    pretrainer.compile("sgd")
    logs = pretrainer.evaluate(IDS, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(np.mean(means), rel=1e-4)


def test_nothing_leaks_from_what_is_predicted(random):
    pretrainer = pretrainer_for(random)
    changed = IDS.copy()
    changed[0, 5] = 13  # the third unit of what follows the first sentence: "e"
    one, two = (
        ops.convert_to_numpy(pretrainer(ids)["forward"]) for ids in (IDS, changed)
    )
    np.testing.assert_allclose(one[0, 0, :2], two[0, 0, :2], atol=1e-6)
    assert abs(one[0, 0, 2] - two[0, 0, 2]) > 1e-4


def test_padding_and_company_change_nothing(random):
    pretrainer = pretrainer_for(random)
    together, alone = pretrainer(IDS), pretrainer(IDS[1:, :4])
    for direction in NEXT:
        np.testing.assert_allclose(
            ops.convert_to_numpy(together[direction])[1, :2],
            ops.convert_to_numpy(alone[direction])[0, :2],
            atol=1e-5,
        )


def test_it_trains_every_weight_and_texts_of_one_sentence_are_no_loss(random):
    pretrainer = pretrainer_for(random)
    before = pretrainer.get_weights()
    pretrainer.compile(keras.optimizers.Adam(0.1))
    history = pretrainer.fit(IDS, verbose=0, epochs=5).history["loss"]
    assert history[-1] < history[0]
    for weight, old in zip(pretrainer.weights, before, strict=True):
        if "seed" not in weight.path:
            assert np.abs(ops.convert_to_numpy(weight) - old).max() > 0, weight.path
    one_sentence = np.array([[5, 6, 7, 2], [0, 0, 0, 0]], "int32")
    assert pretrainer.evaluate(one_sentence, verbose=0, return_dict=True)["loss"] == 0
    pretrainer.fit(one_sentence, verbose=0)
    assert all(np.isfinite(weight).all() for weight in pretrainer.get_weights())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"end_ids": []}, "`end_ids` must be unit ids"),
        ({"end_ids": [0]}, "`end_ids` must be unit ids"),
        ({"end_ids": [VOCABULARY]}, "`end_ids` must be unit ids"),
        ({"end_ids": [2.5]}, "`end_ids` must be unit ids"),
        ({"end_ids": ["."]}, "`end_ids` must be unit ids"),
        ({"num_sentences": 0}, "`num_sentences` must be"),
        ({"num_positions": 3}, "`num_positions` has no effect"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    predictor = GraphPredictor(VOCABULARY, embedding_dim=16, num_convolutions=1)
    with pytest.raises(ValueError, match=message):
        SentencePretrainer(predictor, **{"end_ids": [2], **arguments})
