"""The bidirectional language model: reference, leaks, padding, training."""

import keras
import numpy as np
import pytest
import reference_elmo
from keras import ops

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import LanguageModelPretrainer
from glomo_keras.ops.characters import add_sentence_marks

MAX_CHARACTERS = 11
SMALL = {
    "units": 7,
    "projection_dim": 3,
    "cell_clip": 0.5,
    "projection_clip": 0.4,
    "max_characters": MAX_CHARACTERS,
    "embedding_dim": 5,
    "kernel_sizes": [1, 2, 3],
    "filters": [3, 5, 7],
}
TEXTS = [["the", "cat", "extraordinarily", "sat", "é"], ["a", "b"], []]
LENGTH = 5


def characters_of(texts, length=LENGTH):
    ids = np.zeros((len(texts), length, MAX_CHARACTERS), "int32")
    for row, words in zip(ids, texts, strict=True):
        for place, word in enumerate(words):
            if word:
                row[place] = reference_elmo.characters_of(word, MAX_CHARACTERS)
    return ids


def make(random, dtype="float32", **changes):
    model = BidirectionalLanguageModel(**{**SMALL, **changes}, dtype=dtype)
    for weight in model.weights:
        if "seed_generator" not in weight.path:
            weight.assign(random.normal(0, 0.5, weight.shape))
    return model


def as_float64(weight):
    return np.asarray(ops.convert_to_numpy(weight), "float64")


def weights_of(model):
    encoder = model.character_encoder

    def pair(layer):
        return as_float64(layer.kernel), as_float64(layer.bias)

    weights = {
        "embedding": as_float64(encoder.embedding.embeddings),
        "convolutions": [pair(layer) for layer in encoder.convolutions],
        "highways": [
            (pair(transform), pair(gate))
            for transform, gate in zip(encoder.transforms, encoder.gates, strict=True)
        ],
        "projection": pair(encoder.projection),
    }
    for direction, lstms in model.lstms.items():
        weights[direction] = [
            (
                as_float64(lstm.kernel),
                as_float64(lstm.bias),
                as_float64(lstm.recurrence.cell.recurrent_kernel),
                as_float64(lstm.recurrence.cell.projection),
            )
            for lstm in lstms
        ]
    return weights


@pytest.mark.parametrize("skip_connections", [True, False])
def test_layers_equal_reference(precision, random, skip_connections):
    model = make(random, precision.dtype, skip_connections=skip_connections)
    layers = model(characters_of(TEXTS))
    expected = np.zeros((3, 3, LENGTH, 6))
    for row, words in zip(expected, TEXTS, strict=True):
        row[:, : len(words)], _ = reference_elmo.language_model_layers(
            words, weights_of(model), MAX_CHARACTERS, (0.5, 0.4), skip_connections
        )
    precision.assert_close(layers, expected)


def test_marks_stand_around_the_words():
    marked = ops.convert_to_numpy(add_sentence_marks(characters_of(TEXTS)))
    for row, words in zip(marked, TEXTS, strict=True):
        expected = reference_elmo.sentence_of(words, MAX_CHARACTERS)
        np.testing.assert_array_equal(row[: len(expected)], expected)
        assert not row[len(expected) :].any()


def test_the_end_mark_stands_after_the_last_word(random):
    with_gap = characters_of([["one", "", "three", ""]])
    marked = ops.convert_to_numpy(add_sentence_marks(with_gap))[0]
    np.testing.assert_array_equal(marked[1:4], with_gap[0, :3])
    end = reference_elmo.sentence_of([], MAX_CHARACTERS)[-1]
    np.testing.assert_array_equal(marked[4], end)
    # A gap changes nothing of the words around it.
    model = make(random)
    found = ops.convert_to_numpy(model(with_gap))[:, :, [0, 2]]
    expected = model(characters_of([["one", "three"]], 2))
    np.testing.assert_allclose(found, ops.convert_to_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_texts_and_no_words(random, shape):
    layers = make(random)(np.zeros((*shape, MAX_CHARACTERS), "int32"))
    assert tuple(layers.shape) == (shape[0], 3, shape[1], 6)


def test_no_layer_of_a_direction_sees_ahead(random):
    model = make(random)
    texts = [["one", "two", "three", "four", "five"]]
    changed = [["one", "two", "other", "four", "five"]]
    before, _ = model.read(characters_of(texts))
    after, _ = model.read(characters_of(changed))
    for number in (1, 2):
        moved = {
            direction: [
                bool((a != b).any())
                for a, b in zip(
                    ops.convert_to_numpy(before[direction][number])[0],
                    ops.convert_to_numpy(after[direction][number])[0],
                    strict=True,
                )
            ]
            for direction in before
        }
        # Begin mark, five words, end mark; the third word was changed.
        assert moved["forward"] == [False, False, False, True, True, True, True]
        assert moved["backward"] == [True, True, True, True, False, False, False]


def test_padding_and_neighbours_change_nothing(random):
    model = make(random)
    together = ops.convert_to_numpy(model(characters_of(TEXTS, 8)))
    for row, words in zip(together[:2], TEXTS[:2], strict=True):
        alone = ops.convert_to_numpy(model(characters_of([words], len(words))))[0]
        np.testing.assert_allclose(row[:, : len(words)], alone, atol=1e-6)
        assert not row[:, len(words) :].any()
    assert not together[2].any()


def test_states_are_carried_only_when_asked_for(random):
    model = make(random)
    batch = characters_of([TEXTS[0]])
    first, states = model(batch, return_states=True)
    again = ops.convert_to_numpy(model(batch))
    np.testing.assert_array_equal(again, ops.convert_to_numpy(first))
    carried = ops.convert_to_numpy(model(batch, initial_states=states))
    assert (carried[:, 1:] != again[:, 1:]).any(axis=-1).all()
    np.testing.assert_array_equal(carried[:, 0], again[:, 0])
    # Marks are read, too, so a text in two parts is not the text in one.
    assert len(states["forward"]) == 2
    output, cell = states["backward"][1]
    assert tuple(output.shape) == (1, 3) and tuple(cell.shape) == (1, 7)


def test_warmed_states_are_those_behind_sentences(random):
    model = make(random)
    texts = characters_of(TEXTS)
    states = None
    for words in TEXTS[:2]:
        _, states = model(
            characters_of([words]), initial_states=states, return_states=True
        )
    warmed = model.warmed_states(texts[:2])  # padding leaves the states as they are
    for found, expected in zip(
        keras.tree.flatten(warmed), keras.tree.flatten(states), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    # Of one text, they are those of every text of a batch.
    together = ops.convert_to_numpy(model(texts, initial_states=warmed))
    for row, words in zip(together[:2], TEXTS[:2], strict=True):
        alone = model(characters_of([words], len(words)), initial_states=states)
        np.testing.assert_allclose(row[:, : len(words)], alone[0], atol=1e-6)
    inputs = keras.Input((None, MAX_CHARACTERS), dtype="int32")
    functional = keras.Model(inputs, model(inputs, initial_states=warmed))
    np.testing.assert_allclose(functional(texts), together, atol=1e-6)


def test_wrong_inputs_are_named(random):
    model, batch = make(random), characters_of(TEXTS[:1])
    _, states = model(batch, return_states=True)
    for inputs in (batch[0], batch[..., :-1], np.pad(batch, [(0, 0), (0, 0), (0, 1)])):
        with pytest.raises(ValueError, match=f"max_characters={MAX_CHARACTERS}"):
            model(inputs)
    for wrong in ({}, {"forward": None}, {**states, "backward": states["forward"][:1]}):
        with pytest.raises(ValueError, match="of 2 layers of either direction"):
            model(batch, initial_states=wrong)
    _, states = model(characters_of(TEXTS[:2]), return_states=True)
    with pytest.raises(ValueError, match="of as many texts.*Received: 2 and 3"):
        model(characters_of(TEXTS), initial_states=states)
    with pytest.raises(ValueError, match="must have a sentence"):
        model.warmed_states(batch[:0])


@pytest.mark.parametrize(
    "policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]
)
def test_low_precision_is_close(policy):
    model = BidirectionalLanguageModel(**SMALL)
    low = BidirectionalLanguageModel(**SMALL, dtype=policy)
    low.set_weights(model.get_weights())
    batch = characters_of(TEXTS)
    found = ops.convert_to_numpy(ops.cast(low(batch), "float32"))
    assert np.isfinite(found).all()
    expected = ops.convert_to_numpy(model(batch))
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_it_is_saved_with_all_its_arguments(random, tmp_path):
    model = make(
        random, num_layers=1, skip_connections=False, dropout=0.3, seed=5,
        activation="tanh", num_highways=1,
    )  # fmt: skip
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    assert again.get_config() == model.get_config()
    batch = characters_of(TEXTS)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(again(batch)), ops.convert_to_numpy(model(batch))
    )


def test_it_stands_in_a_functional_model(random):
    inputs = keras.Input((None, MAX_CHARACTERS), dtype="int32")
    model = make(random)
    outputs = model(inputs)
    assert outputs.shape == (None, 3, None, 6)
    whole = keras.Model(inputs, outputs)
    batch = characters_of(TEXTS)
    np.testing.assert_allclose(
        whole.predict(batch, verbose=0), ops.convert_to_numpy(model(batch)), atol=1e-6
    )


@pytest.mark.parametrize(
    ("argument", "value"), [("num_layers", 0), ("max_characters", 2), ("dropout", 1.0)]
)
def test_wrong_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` must be .*{argument}={value}"):
        BidirectionalLanguageModel(**{**SMALL, argument: value})


# Pretraining
def pretrainer_for(random, dtype="float32", **changes):
    pretrainer = LanguageModelPretrainer(make(random, dtype), 13, **changes)
    pretrainer.softmax.assign(random.normal(0, 0.5, (13, 4)))
    return pretrainer


def test_likelihoods_equal_reference(precision, random):
    pretrainer = pretrainer_for(random, precision.dtype, chunk_size=5)
    unit_ids = np.zeros((3, LENGTH), "int32")
    unit_ids[0], unit_ids[1, :2] = [2, 3, 1, 5, 12], [7, 11]
    found = pretrainer({"unit_ids": unit_ids, "character_ids": characters_of(TEXTS)})
    weights = weights_of(pretrainer.language_model)
    softmax = as_float64(pretrainer.softmax)
    expected = {name: np.zeros((3, LENGTH)) for name in ("forward", "backward")}
    for row, words in enumerate(TEXTS):
        _, sides = reference_elmo.language_model_layers(
            words, weights, MAX_CHARACTERS, (0.5, 0.4)
        )
        for place in range(len(words)):
            # The word before has the same number in the list with marks.
            for name, seen in (("forward", place), ("backward", place + 2)):
                logits = softmax[:, :3] @ sides[name][-1][seen] + softmax[:, 3]
                values = reference_elmo.log_softmax(logits)
                expected[name][row, place] = values[unit_ids[row, place]]
    for name, values in expected.items():
        precision.assert_close(found[name], values)
    (loss,) = pretrainer.losses
    total = expected["forward"].sum() + expected["backward"].sum()
    assert float(loss) == pytest.approx(-total / 14, rel=1e-4)


def test_it_learns_and_is_saved(random, tmp_path):
    keras.utils.set_random_seed(3)
    words = [f"w{number}" for number in range(7)]
    texts = [[words[(start + step) % 7] for step in range(5)] for start in range(7)]
    inputs = {
        "unit_ids": np.array([[2 + int(w[1:]) for w in text] for text in texts]),
        "character_ids": characters_of(texts),
    }
    larger = {"units": 16, "projection_dim": 8, "cell_clip": 3.0, "projection_clip": 3}
    model = BidirectionalLanguageModel(**{**SMALL, **larger})
    pretrainer = LanguageModelPretrainer(model, 9, num_sampled=5, seed=1)
    pretrainer.compile(keras.optimizers.Adam(0.03))
    rounds = {
        name: np.tile(array, (20, *[1] * (array.ndim - 1)))
        for name, array in inputs.items()
    }
    pretrainer.fit(rounds, epochs=6, batch_size=7, shuffle=False, verbose=0)
    found = pretrainer.evaluate(inputs, verbose=0, return_dict=True)
    # Without context it is 7. The first word of a direction cannot be known, the other
    # four can: 7^(1/5) = 1.48 is the end, which backends come near at their own pace.
    assert found["forward_perplexity"] < 3.0 and found["backward_perplexity"] < 3.0
    assert found["loss"] == pytest.approx(found["nats"], rel=1e-3)
    path = tmp_path / "pretrainer.keras"
    pretrainer.save(path)
    again = keras.models.load_model(path)
    assert again.evaluate(inputs, verbose=0, return_dict=True)["nats"] == pytest.approx(
        found["nats"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [("vocabulary_size", 1), ("num_sampled", 0), ("chunk_size", 0)],
)
def test_wrong_pretrainer_arguments_are_named(random, argument, value):
    arguments = {"vocabulary_size": 13, argument: value}
    with pytest.raises(ValueError, match=f"`{argument}` must be .*{argument}={value}"):
        LanguageModelPretrainer(make(random), **arguments)


def test_a_pretrainer_takes_a_language_model():
    with pytest.raises(TypeError, match="`language_model` must be of the class `Bi"):
        LanguageModelPretrainer("x", vocabulary_size=13)
