"""Attention maps of a Transformer as graphs of words."""

import keras
import numpy as np
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.ops.affinity import normalize_rows
from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.visibility import DIRECTIONS
from glomo_keras.ops.visibility import visible_pairs
from glomo_keras.ops.word_pieces import graphs_over_words


def graphs_from_attention(attention, word_ids=None, num_words=None):
    """Turn attention maps into the graphs that `GraphTransfer` takes.

        words[i, j]   = mean over tokens p of i of the sum over tokens q of j of
                        attention[p, q]
        forward[i, j] = words[i, j] / sum of words[i, j'] over j' < i,    0 unless j < i
        backward      = the same of the words after i

    A word that is split into pieces sends what all of them send, and reads what they
    read on average. Tokens of no word, such as marks of begin and end, which take much
    of the attention, are left out, as is what a word reads of itself. What is left is
    split into the words before and after, and the rows of either sum to one, or to zero
    where there is nothing to read. Of a causal Transformer all backward graphs are
    zeros.

    Args:
        attention: float tensor `(batch, layers, heads, num_tokens, num_tokens)`,
            receivers in rows; or a sequence of such `(batch, heads, num_tokens,
            num_tokens)`, one a layer, as Transformers return them.
        word_ids: int tensor `(batch, num_tokens)`, the word of every token, from 0 on,
            and -1 for tokens of no word; or lists, in which that may be `None`. See
            `word_of_piece` for tokenizers that know places in the text alone. `None`
            means that every token is a word.
        num_words: int, words of a text with its padding: the length of the features.
            `None` takes as many as there are tokens.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, layers, heads,
        num_words, num_words)`; 16-bit types come back as float32.

    Raises:
        ValueError: if a shape does not fit, or there are no layers.

    Example: "[CLS] un ##happy cat", of the words "unhappy" and "cat":

    >>> attention = keras.ops.ones((1, 2, 3, 4, 4)) / 4
    >>> graphs = graphs_from_attention(attention, [[None, 0, 0, 1]], num_words=2)
    >>> keras.ops.convert_to_numpy(graphs["forward"][0, 0, 0]).tolist()
    [[0.0, 0.0], [1.0, 0.0]]

    Reference: Clark et al., 2019 (arXiv 1906.04341), section 4.1, the words of pieces.
    """
    if isinstance(attention, (list, tuple)):
        attention = _stack(attention)
    attention = ops.convert_to_tensor(attention)
    check_rank("attention", attention, "batch, layers, heads, num_tokens, num_tokens")
    if attention.shape[-1] != attention.shape[-2]:
        raise ValueError(
            "`attention` must be square: tokens that read themselves. Received: shape "
            f"{tuple(attention.shape)}. Take self-attention, without keys of a cache."
        )
    if word_ids is not None:
        word_ids = _word_ids(word_ids, attention)
    return GraphsFromAttention(num_words)(attention, word_ids)


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphsFromAttention(keras.Operation):
    """`graphs_from_attention` as an operation, which functional models can hold.

    The number of tokens may be unknown there.

    Args:
        num_words: int, words of a text, or `None`, as many as tokens.
        name: str or None.
    """

    def __init__(self, num_words=None, name=None):
        super().__init__(name=name)
        self.num_words = num_words

    def call(self, attention, word_ids=None):
        num_tokens = ops.shape(attention)[-1]
        if word_ids is None:
            word_ids = ops.broadcast_to(
                ops.arange(num_tokens, dtype="int32"),
                (ops.shape(attention)[0], num_tokens),
            )
        num_words = num_tokens if self.num_words is None else self.num_words
        words = graphs_over_words(attention, word_ids, num_words)
        return {
            direction: normalize_rows(words, visible_pairs(num_words, direction))
            for direction in DIRECTIONS
        }

    def compute_output_spec(self, attention, word_ids=None):
        size = attention.shape[-1] if self.num_words is None else self.num_words
        shape, dtype = (*attention.shape[:-2], size, size), attention.dtype
        return {
            direction: keras.KerasTensor(shape, dtype=accumulation_dtype(dtype))
            for direction in DIRECTIONS
        }

    def get_config(self):
        return {"num_words": self.num_words, "name": self.name}


def _stack(layers):
    if not layers:
        raise ValueError(
            "`attention` must hold the maps of one layer at least. Received: none. "
            "Hugging Face's models return them with output_attentions=True."
        )
    for layer in layers:
        check_rank("attention", layer, "batch, heads, num_tokens, num_tokens")
    return ops.stack([ops.convert_to_tensor(layer) for layer in layers], axis=1)


def _word_ids(word_ids, attention):
    if isinstance(word_ids, (list, tuple)):
        if not all(hasattr(text, "__len__") for text in word_ids):
            raise ValueError(
                "`word_ids` must have shape (batch, num_tokens), a list for every "
                f"text. Received: {word_ids!r}."
            )
        if len({len(text) for text in word_ids}) > 1:
            raise ValueError(
                "`word_ids` must be of one length, with -1 or `None` at padding. "
                f"Received: {[len(text) for text in word_ids]} tokens."
            )
        word_ids = np.array(
            [[-1 if word is None else word for word in text] for text in word_ids]
        )
    word_ids = ops.cast(word_ids, "int32")
    check_rank("word_ids", word_ids, "batch, num_tokens")
    if word_ids.shape[-1] != attention.shape[-1]:
        raise ValueError(
            "`word_ids` must name the word of every token. Received: shapes "
            f"{tuple(word_ids.shape)} and {tuple(attention.shape)} of `attention`. "
            "Give those of padding and of marks of begin and end too, as -1."
        )
    batches = word_ids.shape[0], attention.shape[0]
    if None not in batches and batches[0] != batches[1]:
        raise ValueError(
            f"`word_ids` must be of every text of `attention`. Received: {batches[0]} "
            f"and {batches[1]} texts."
        )
    return word_ids
