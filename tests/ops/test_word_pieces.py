"""Word graphs on word pieces: by pencil, back again, and from real offsets."""

import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import graphs_over_pieces
from glomo_keras.ops import graphs_over_words
from glomo_keras.ops import word_of_piece

# Pieces of three words: begin mark, word 0 in two pieces, word 1, word 2 in three, pad.
WORDS = np.array([[-1, 0, 0, 1, 2, 2, 2, -1]], "int32")


def test_pieces_by_pencil(precision):
    graph = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    graphs = precision.cast(np.array(graph)[None, None, None])
    pieces = graphs_over_pieces(graphs, ops.convert_to_tensor(WORDS))
    third = [0, 0.05, 0.05, 0.9, 0, 0, 0, 0]  # a tenth, shared by two pieces
    expected = np.zeros((8, 8))
    expected[3, 1:3] = 0.5
    expected[4:7] = third
    precision.assert_close(pieces[0, 0, 0], expected)


def random_graphs(random):
    scores = random.normal(size=(1, 2, 5, 3, 3))
    return reference.affinity_graph(scores, reference.visible_pairs(3, "backward"))


def test_rows_keep_their_sums(precision, random):
    graphs = random_graphs(random)
    words = ops.convert_to_tensor(WORDS)
    pieces = graphs_over_pieces(precision.cast(graphs), words)
    sums = graphs.sum(-1)[..., np.maximum(WORDS[0], 0)] * (WORDS[0] >= 0)
    precision.assert_close(ops.sum(pieces, axis=-1), sums)


def test_back_again(precision, random):
    graphs = precision.cast(random_graphs(random))
    words = ops.convert_to_tensor(WORDS)
    again = graphs_over_words(graphs_over_pieces(graphs, words), words, 3)
    precision.assert_close(again, graphs)


def test_pieces_in_a_functional_model_of_any_length(random, tmp_path):
    inputs = [keras.Input((2, 5, None, None)), keras.Input((None,), dtype="int32")]
    pieces = graphs_over_pieces(*inputs)
    assert pieces.shape == (None, 2, 5, None, None)
    keras.Model(inputs, pieces).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    for words in (WORDS, WORDS[:, :4]):
        arrays = [random_graphs(random).astype("float32"), words]
        found = model.predict(arrays, verbose=0)
        expected = graphs_over_pieces(*map(ops.convert_to_tensor, arrays))
        np.testing.assert_allclose(
            found, ops.convert_to_numpy(expected), rtol=1e-5, atol=1e-6
        )


def test_a_word_without_pieces_reads_and_sends_nothing():
    graphs = np.full((1, 1, 1, 3, 3), 1 / 3, "float32")
    words = ops.convert_to_tensor(np.array([[0, 2]], "int32"))
    again = graphs_over_words(graphs_over_pieces(graphs, words), words, 3)
    again = ops.convert_to_numpy(again)[0, 0, 0]
    assert not again[1].any() and not again[:, 1].any()
    assert np.isfinite(again).all()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)
def test_words_of_real_pieces(tmp_path):
    import tensorflow_text

    from glomo_keras.data import split_units

    text = "unhappy cats don't purr, naïve café!"
    pieces = "un ##happy cat ##s don ' t purr , naïve café !".split()
    vocabulary = ["[UNK]", *pieces]
    (tmp_path / "vocabulary.txt").write_text("\n".join(vocabulary))
    tokenizer = tensorflow_text.BertTokenizer(str(tmp_path / "vocabulary.txt"))
    ids, starts, limits = (
        value.merge_dims(1, 2) for value in tokenizer.tokenize_with_offsets([text])
    )
    units, unit_starts, unit_limits = split_units([text])
    words = word_of_piece(
        *(x.to_tensor() for x in (starts, limits, unit_starts, unit_limits))
    )
    names = [unit.decode() for unit in units[0].numpy()]
    found = [
        (vocabulary[piece], names[word])
        for piece, word in zip(
            ids[0].numpy(), ops.convert_to_numpy(words)[0], strict=True
        )
    ]
    assert found == [
        ("un", "unhappy"),
        ("##happy", "unhappy"),
        ("cat", "cats"),
        ("##s", "cats"),
        ("don", "don't"),
        ("'", "don't"),
        ("t", "don't"),
        ("purr", "purr"),
        (",", ","),
        ("naïve", "naïve"),
        ("café", "café"),
        ("!", "!"),
    ]


@pytest.mark.parametrize(("num_pieces", "num_words"), [(5, 0), (0, 0), (0, 3)])
def test_texts_without_words_or_pieces(num_pieces, num_words):
    pieces = np.tile(np.arange(num_pieces), (2, 1))
    spans = np.zeros((2, num_words), "int32")
    words = word_of_piece(pieces, pieces + 1, spans, spans)
    np.testing.assert_array_equal(words, np.full((2, num_pieces), -1))
    # Graphs of a vocabulary are padded to one unit.
    for length in (num_words, max(num_words, 1)):
        graphs = ops.ones((2, 3, 1, length, length))
        over_pieces = graphs_over_pieces(graphs, words)
        assert tuple(over_pieces.shape) == (2, 3, 1, num_pieces, num_pieces)
        again = graphs_over_words(over_pieces, words, length)
        assert tuple(again.shape) == (2, 3, 1, length, length)
        for tensor in (over_pieces, again):
            assert not ops.convert_to_numpy(tensor).any()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)
def test_pieces_of_empty_strings():
    from glomo_keras.data import split_units

    units = split_units(["", " "])
    pieces = np.zeros((2, 1), "int32")
    words = word_of_piece(
        pieces, pieces, units.starts.to_tensor(), units.limits.to_tensor()
    )
    np.testing.assert_array_equal(words, [[-1], [-1]])
