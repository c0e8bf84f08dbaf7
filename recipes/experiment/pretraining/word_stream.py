"""Windows of word numbers as what a language model over characters takes."""

import keras
import numpy as np

from experiment.endless_dataset import endless_dataset


def word_inputs(ids, characters, num_words):
    """Return inputs of `LanguageModelPretrainer` from word numbers.

    Words are numbered by frequency: those from `num_words` on are unknown (1) to the
    softmax, but their characters are read.

    Args:
        ids: int array `(batch, length)`, 0 at padding.
        characters: int array `(words, max_characters)`.
        num_words: int.

    Returns:
        Dict of `unit_ids` and `character_ids`, int32 arrays.
    """
    return {
        "unit_ids": np.where(ids < num_words, ids, 1).astype("int32"),
        "character_ids": characters[ids].astype("int32"),
    }


class WordBatches(keras.utils.PyDataset):
    """The batches of a `WindowSequence` with the characters of their words."""

    def __init__(self, windows, characters, num_words):
        super().__init__()  # no `workers`, as for the windows
        self.windows = windows
        self.characters = characters
        self.num_words = num_words

    @property
    def num_batches(self):
        """`None`: endless, like the windows."""
        return None

    @property
    def first_step(self):
        """Number of the batch that `fit` gets first."""
        return self.windows.first_step

    @first_step.setter
    def first_step(self, step):
        self.windows.first_step = step

    @property
    def error(self):
        """Why a batch could not be read, or `None`."""
        return getattr(self.windows, "error", None)

    def tf_dataset(self):
        """Return the batches as a `tf.data.Dataset`, of all lengths that they have."""
        _, length = self.windows.batch_shape
        return endless_dataset(self, lambda shape: (None, length, *shape[2:]))

    def documents(self, step):
        """Return the numbers of the documents of batch `step`."""
        return self.windows.documents(step)

    def __getitem__(self, index):
        return (word_inputs(self.windows[index], self.characters, self.num_words),)
