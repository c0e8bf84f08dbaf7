"""What `--features` names: a language model, word features, or both."""

import typing

from glomo_keras.models import find_preset


class Features(typing.NamedTuple):
    """The two parts of `--features`.

    Attributes:
        elmo: name or folder of a language model's preset, or `None`.
        words: "vectors:PATH", "trainable" or `None`.
    """

    elmo: str | None
    words: str | None

    @property
    def vectors_file(self):
        """Path of the file of word vectors, or `None`."""
        kind, _, path = (self.words or "").partition(":")
        return path if kind == "vectors" else None

    def elmo_metadata(self):
        """Return the metadata of the preset of the language model."""
        metadata = find_preset(self.elmo).metadata
        held = metadata["config"]["class_name"]
        if held != "BidirectionalLanguageModel":
            raise ValueError(
                f"--features elmo:{self.elmo} must name a preset of a "
                f"BidirectionalLanguageModel. Received one of {held}."
            )
        return metadata

    def elmo_dim(self):
        """Return the numbers that all layers of the language model give a unit."""
        config = self.elmo_metadata()["config"]["config"]
        return (1 + config["num_layers"]) * 2 * config["projection_dim"]


def parse_features(features):
    """Take `--features` apart.

    Args:
        features: str.

    Returns:
        `Features`.

    Raises:
        ValueError: if a part is empty, unknown or given twice.
    """
    parts = {"elmo": None, "words": None}
    for part in features.split("+"):
        kind, _, name = part.partition(":")
        place = "elmo" if kind == "elmo" else "words"
        known = part == "trainable" or (kind in ("elmo", "vectors") and name)
        if not known or parts[place] is not None:
            raise ValueError(
                "--features must be vectors:PATH, trainable, elmo:PRESET, or "
                "elmo:PRESET+ and one of the others. Received: "
                f"{features!r}."
            )
        parts[place] = name if place == "elmo" else part
    return Features(**parts)
