"""What models that can be presets offer: saving, loading and a list."""

from glomo_keras.models.presets import describe_presets
from glomo_keras.models.presets import load_preset_of
from glomo_keras.models.presets import save_preset


class _Presets:
    """The presets of a class, as an attribute of the class."""

    def __get__(self, model, cls):
        return describe_presets(cls)


class PresetModel:
    """Mixed into a `keras.Model` that is saved to, and loaded from, preset folders.

    Attributes:
        presets: dict from the names of the presets of this class that come with the
            library to descriptions of one line.
    """

    presets = _Presets()

    def save_to_preset(self, directory, vocabulary=None, training=None, card=None):
        """Write the model as a preset folder, whole or not at all.

        The folder holds the weights and the vocabulary, with the preset's fingerprint
        in their names; `config.json`; `README.md`, the model card; and
        `metadata.json`, which names weights and vocabulary and is replaced after them.
        So a process that is killed leaves the old preset or the new one. What could
        not be loaded again is refused, and leaves the folder as it is.

        Args:
            directory: path of the folder; made where it is missing.
            vocabulary: the `glomo_keras.data.Vocabulary` of the unit ids, or the path
                of its file, or `None` for models that do not read ids of units.
            training: dict that JSON can hold: what was trained on, and how.
            card: string, the model card in Markdown. `None` keeps one that somebody
                wrote, or writes one from the rest.

        Returns:
            String, the fingerprint of configuration, weights and vocabulary.

        Raises:
            ValueError: if the vocabulary is damaged or of another size, a weight is not
                finite, or the configuration does not make the model.
            TypeError: if the class is not registered, or JSON cannot hold its
                arguments or `training`.
            OSError: if there is too little space.
        """
        return save_preset(self, directory, vocabulary, training, card)

    @classmethod
    def from_preset(cls, preset, load_weights=True, trainable=True, **overrides):
        """Load a preset by its name or folder.

        Args:
            preset: name of a preset that comes with the library (see `presets`), path
                of a folder that `save_to_preset` wrote, or address of such a folder on
                the Hugging Face Hub: `hf://user/name`, better
                `hf://user/name@revision`.
            load_weights: bool, whether to load the weights. `False` starts from new
                ones.
            trainable: bool. `False` freezes the model; `True` leaves it as it was
                saved.
            **overrides: arguments of the class in place of those that were saved
                (`dtype`, `dropout`, `name`, ...).

        Returns:
            A model of this class.

        Raises:
            FileNotFoundError: if there is no such preset, or a file of it is missing.
            ValueError: if a file is damaged or does not fit, the format is newer, or
                the weights do not fit the arguments given.
            TypeError: if the preset holds another class, or the class has no such
                argument.
        """
        return load_preset_of(cls, preset, load_weights, trainable, **overrides)
