"""Attention maps of sentences, in a file that any program can write."""

import functools
import zipfile

import numpy as np
from keras import ops

from experiment.process import UsageError
from glomo_keras.ops import DIRECTIONS
from glomo_keras.ops import graphs_from_attention


class AttentionFile:
    """Graphs of the sentences of a treebank, of a Transformer's attention.

    Of sentence 7 of the split `dev`, counted from 0 as it stands in its file, the .npz
    holds `dev_7`, attention `(layers, heads, tokens, tokens)` with receivers in rows,
    and `dev_7_words`, the word of every token, from 0 on, and -1 for tokens of no word.
    Without the latter every token is a word.

    Args:
        path: path of the .npz file.

    Raises:
        UsageError: if it is none.
    """

    def __init__(self, path):
        self.path = path
        try:
            self.arrays = np.load(path, allow_pickle=False)
        except (EOFError, ValueError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path} is no .npz file of arrays: {error}.") from error
        if not isinstance(self.arrays, np.lib.npyio.NpzFile):
            raise UsageError(f"{path} is one array. Give an .npz file of sentences.")
        self._graphs = {}
        names = [n for n in self.arrays.files if not n.endswith("_words")]
        if not names:
            raise UsageError(f"{path} holds no attention of a sentence.")
        self.graph_shape = self.arrays[names[0]].shape[:2]  # (layers, heads)

    def graphs(self, split, number, num_words, num_read=None):
        """Return the graphs of one sentence.

        Args:
            split: str.
            number: int, of the sentence.
            num_words: int, its words.
            num_read: int, those that are read, the first ones; the maps of the others
                are left out. `None` is all of them.

        Returns:
            Dict by direction of float16 arrays `(layers, heads, num_read, num_read)`.

        Raises:
            UsageError: if the file has no maps of the sentence, or they do not fit.
        """
        name = f"{split}_{number}"
        sizes = num_words, num_words if num_read is None else num_read
        if (name, sizes) not in self._graphs:
            self._graphs[name, sizes] = self._compute(name, *sizes)
        return self._graphs[name, sizes]

    def _compute(self, name, num_words, num_read):
        if name not in self.arrays:
            raise UsageError(
                f"{self.path} holds no attention of {name}. It must have that of all "
                "sentences."
            )
        words = self.arrays.get(f"{name}_words")
        if self.arrays[name].dtype.kind not in "fiu":
            raise UsageError(f"{self.path}: {name} holds no numbers.")
        attention = self.arrays[name].astype(np.float32)[None]
        if attention.shape[1:3] != self.graph_shape:
            raise UsageError(
                f"{self.path}: {name} has {attention.shape[1:3]} layers and heads, and "
                f"other sentences have {self.graph_shape}."
            )
        if words is None and attention.shape[-1] != num_words:
            raise UsageError(
                f"{self.path}: {name} has {attention.shape[-1]} tokens and the "
                f"sentence {num_words} words. Say whose words they are, {name}_words."
            )
        if words is not None and not (0 in words and words.max() >= num_words - 1):
            raise UsageError(
                f"{self.path}: {name}_words must count the words of the sentence from "
                f"0 to {num_words - 1}. Received: from "
                f"{words[words >= 0].min(initial=words.max())} to {words.max()}."
            )
        word_ids = (np.arange(num_words) if words is None else words)[None]
        try:
            graphs = graphs_from_attention(attention, word_ids, num_read)
        except ValueError as error:
            raise UsageError(f"{self.path}, {name}: {error}") from error
        return {
            direction: ops.convert_to_numpy(graphs[direction])[0].astype(np.float16)
            for direction in DIRECTIONS
        }


@functools.cache
def shared_attention_file(path):
    """Return the `AttentionFile` of a path, shared by all runs of a process."""
    return AttentionFile(path)
