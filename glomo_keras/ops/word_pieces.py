"""Graphs over words carried over to the word pieces of another tokenizer, and back."""

import keras
from keras import ops

from glomo_keras.checks import check_rank


def word_of_piece(piece_starts, piece_limits, word_starts, word_limits):
    """Find the word that each word piece lies in.

    A piece belongs to the first word that it shares a character (or byte) with: both
    must count in the same text. (`BertTokenizer` of tensorflow-text, when it lowers the
    case, strips accents and counts in what is left: give the units that text.) Pieces
    without one, such as marks of begin and end, which tokenizers give empty spans, and
    padding, get -1.

    Args:
        piece_starts: int tensor `(batch, num_pieces)`, first character of each piece.
        piece_limits: int tensor `(batch, num_pieces)`, the character after it.
        word_starts: int tensor `(batch, num_words)`, padded with zeros.
        word_limits: int tensor `(batch, num_words)`, padded with zeros.

    Returns:
        Int tensor `(batch, num_pieces)`.

    Raises:
        ValueError: if a rank is another.

    Example: "[CLS] un ##happy cat", of the words "unhappy" and "cat":

    >>> words = word_of_piece([[0, 0, 2, 8]], [[0, 2, 7, 11]], [[0, 8]], [[7, 11]])
    >>> keras.ops.convert_to_numpy(words).tolist()
    [[-1, 0, 0, 1]]
    """
    spans = {
        "piece_starts": piece_starts,
        "piece_limits": piece_limits,
        "word_starts": word_starts,
        "word_limits": word_limits,
    }
    for name, span in spans.items():
        spans[name] = ops.cast(span, "int32")  # lists come as well
        check_rank(name, spans[name], f"batch, num_{name.split('_')[0]}s")
    start, limit, word_start, word_limit = spans.values()
    # One more word, empty: there is no largest of texts without words.
    word_start, word_limit = (
        ops.pad(span, ((0, 0), (0, 1))) for span in (word_start, word_limit)
    )
    start, limit = start[:, :, None], limit[:, :, None]
    word_start, word_limit = word_start[:, None], word_limit[:, None]
    shared = ops.minimum(limit, word_limit) > ops.maximum(start, word_start)
    word = ops.cast(ops.argmax(ops.cast(shared, "int32"), axis=-1), "int32")
    return ops.where(ops.any(shared, axis=-1), word, -1)


def graphs_over_pieces(graphs, words):
    """Carry graphs over words to their word pieces.

        pieces[p, q] = graphs[word(p), word(q)] / number of pieces of word(q)

    A piece reads what its word reads; what a word sends is shared by its pieces, so
    that rows keep their sums. Pieces of no word read and send nothing.

    Args:
        graphs: float tensor `(batch, layers, heads, num_words, num_words)`.
        words: int tensor `(batch, num_pieces)`, see `word_of_piece`.

    Returns:
        Float tensor `(batch, layers, heads, num_pieces, num_pieces)`.

    Raises:
        ValueError: if a rank is another.

    Example:

    >>> graphs = keras.ops.array([[[[[0.0, 0], [1, 0]]]]])
    >>> pieces = graphs_over_pieces(graphs, keras.ops.array([[0, 0, 1]]))
    >>> keras.ops.convert_to_numpy(pieces[0, 0, 0]).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """
    check_rank("graphs", graphs, "batch, layers, heads, num_words, num_words")
    check_rank("words", words, "batch, num_pieces")
    return GraphsOverPieces()(graphs, words)


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphsOverPieces(keras.Operation):
    """`graphs_over_pieces` as an operation, which functional models can hold.

    The number of words may be unknown there.

    Args:
        name: str or None.
    """

    def call(self, graphs, words):
        members, shares = _assignment(words, ops.shape(graphs)[-1], graphs.dtype)
        read = ops.matmul(members, graphs)  # (batch, layers, heads, pieces, words)
        return ops.matmul(read, ops.swapaxes(shares, -1, -2))

    def compute_output_spec(self, graphs, words):
        shape = (*graphs.shape[:-2], words.shape[-1], words.shape[-1])
        return keras.KerasTensor(shape, dtype=graphs.dtype)

    def get_config(self):
        return {"name": self.name}


def graphs_over_words(pieces, words, num_words):
    """Carry graphs over word pieces back to their words.

        graphs[i, j] = mean over pieces p of i of the sum over pieces q of j of
                       pieces[p, q]

    Args:
        pieces: float tensor `(batch, layers, heads, num_pieces, num_pieces)`.
        words: int tensor `(batch, num_pieces)`, see `word_of_piece`.
        num_words: int.

    Returns:
        Float tensor `(batch, layers, heads, num_words, num_words)`; rows of words
        without pieces are zeros.

    Raises:
        ValueError: if a rank is another.

    Example:

    >>> graphs = keras.ops.array([[[[[0.0, 0], [1, 0]]]]])
    >>> words = keras.ops.array([[0, 0, 1]])
    >>> pieces = graphs_over_pieces(graphs, words)
    >>> keras.ops.convert_to_numpy(graphs_over_words(pieces, words, 2)).tolist()
    [[[[[0.0, 0.0], [1.0, 0.0]]]]]
    """
    check_rank("pieces", pieces, "batch, layers, heads, num_pieces, num_pieces")
    members, shares = _assignment(words, num_words, pieces.dtype)
    sent = ops.matmul(pieces, members)  # (batch, layers, heads, pieces, words)
    return ops.matmul(ops.swapaxes(shares, -1, -2), sent)


def _assignment(words, num_words, dtype):
    """Return pieces x words: 1 for pieces of a word, and 1 / their number.

    Returns:
        Two float tensors `(batch, 1, 1, num_pieces, num_words)`.
    """
    check_rank("words", words, "batch, num_pieces")
    words = ops.expand_dims(words, -1)
    members = ops.cast(ops.equal(words, ops.arange(num_words, dtype="int32")), dtype)
    members = members[:, None, None]
    number = ops.sum(members, axis=-2, keepdims=True)
    return members, members / ops.maximum(number, 1)
