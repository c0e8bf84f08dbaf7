"""Limits inside a served graph: what a client may send, whatever else it sends."""

import dataclasses

import tensorflow as tf

from glomo_keras.checks import check_positive_integers


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one request may hold.

    The graphs of a request take `2 * layers * heads * max_batch * max_units**2 * 4`
    bytes at most.

    Args:
        max_batch: int, texts or images of a request. More are refused.
        max_units: int, units of a text, or pixels of an image. Further units of a
            string are not read; longer ids and larger images are refused.
        max_bytes: int, bytes of a string that are read, before anything else is done
            with it.

    Raises:
        ValueError: if one is not positive.
        TypeError: if one is no integer.
    """

    max_batch: int = 64
    max_units: int = 256
    max_bytes: int = 4096

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            check_positive_integers(**{name: value})
            # TensorFlow's operations refuse sizes that are NumPy's.
            object.__setattr__(self, name, int(value))

    def texts(self, texts):
        """Return strings of at most `max_bytes` bytes; refuse a larger batch."""
        with tf.control_dependencies([self._batch_check(texts)]):
            return tf.strings.substr(texts, 0, self.max_bytes)

    def ids(self, unit_ids, padding_mask, vocabulary_size):
        """Return ids and mask; refuse those that are too many, too long or no ids."""
        checks = [
            self._batch_check(unit_ids),
            tf.debugging.assert_less_equal(
                tf.shape(unit_ids)[1],
                self.max_units,
                message=f"unit_ids hold more than {self.max_units} units a text: "
                "send shorter pieces",
            ),
            tf.debugging.assert_positive(
                tf.shape(unit_ids)[1],
                message="unit_ids must hold at least one unit a text: send padding",
            ),
            tf.debugging.assert_equal(
                tf.shape(unit_ids),
                tf.shape(padding_mask),
                message="unit_ids and padding_mask must have one shape",
            ),
            tf.debugging.Assert(
                tf.reduce_all((unit_ids >= 0) & (unit_ids < vocabulary_size)),
                [f"unit_ids must lie in [0, {vocabulary_size}): use the vocabulary of "
                 "this model"],
            ),
        ]  # fmt: skip
        with tf.control_dependencies(checks):
            return tf.identity(unit_ids), tf.identity(padding_mask)

    def words(self, words, lengths):
        """Return words, cut at `max_bytes` bytes, and none past the length of a text.

        Refuse texts that are too many, too long, or of another length than they say.
        Empty words are padding, wherever they stand.
        """
        checks = [
            self._batch_check(words),
            tf.debugging.assert_less_equal(
                tf.shape(words)[1],
                self.max_units,
                message=f"more than {self.max_units} words a text: send shorter pieces",
            ),
            tf.debugging.assert_equal(
                tf.shape(words)[:1],
                tf.shape(lengths),
                message="words and lengths must be of as many texts",
            ),
            tf.debugging.Assert(
                tf.reduce_all((lengths >= 0) & (lengths <= tf.shape(words)[1])),
                ["lengths must lie between 0 and the number of words that were sent"],
            ),
        ]
        with tf.control_dependencies(checks):
            words = tf.strings.substr(words, 0, self.max_bytes)
        real = tf.sequence_mask(lengths, tf.shape(words)[1])
        return tf.where(real, words, "")

    def images(self, images):
        """Return the images, refused where they are too many, too large or empty."""
        sizes = tf.shape(images, out_type=tf.int64)  # products of int32 may wrap
        pixels = sizes[1] * sizes[2]
        checks = [
            self._batch_check(images, "images"),
            tf.debugging.assert_less_equal(
                pixels,
                tf.constant(self.max_units, tf.int64),
                message=f"images of more than {self.max_units} pixels: shrink them",
            ),
            tf.debugging.assert_positive(
                pixels, message="images must have at least one pixel"
            ),
        ]
        with tf.control_dependencies(checks):
            return tf.identity(images)

    def _batch_check(self, tensor, what="texts"):
        return tf.debugging.assert_less_equal(
            tf.shape(tensor)[0],
            self.max_batch,
            message=f"more than {self.max_batch} {what} in a request: send them in "
            "several",
        )
