"""What the layers that load an archive of this library share."""

import os

import keras
import tensorflow_text  # noqa: F401  (the operations of archives of strings)

from glomo_keras.export.archive_reading import check_is_archive
from glomo_keras.export.archive_reading import damage_is_a_value_error
from glomo_keras.export.archive_reading import read_signatures


class SavedModelLayer(keras.layers.TFSMLayer):
    """An archive as a layer, by its endpoint `serve`.

    A model that holds it stores the absolute path of the archive, not the archive, and
    is loaded with `safe_mode=False`, because a SavedModel is a program.

    A subclass says which archives it takes by the class attributes `exporter`, the
    name of the function that writes them, `endpoint_inputs`, sets of names, one of
    which `serve` must take, `endpoint_outputs`, names of what it must return, and
    `example`, a path for messages.

    Args:
        filepath: path of the archive, `DIRECTORY/NAME/VERSION`.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments.

    Raises:
        FileNotFoundError: if there is no archive at the path.
        ValueError: if it is another SavedModel or a damaged one, or when a model with
            the layer is loaded in safe mode.
    """

    exporter = None
    endpoint_inputs = ()
    endpoint_outputs = frozenset()
    example = None

    def __init__(self, filepath, trainable=False, **kwargs):
        filepath = os.path.abspath(filepath)
        check_is_archive(
            filepath,
            self.example,
            "A model that was saved with this layer looks for the archive where it was "
            "then: put it, or a link to it, there.",
        )
        signatures = read_signatures(filepath)
        inputs, outputs = signatures.get("serve", (set(), set()))
        if inputs not in self.endpoint_inputs or not self.endpoint_outputs <= outputs:
            raise ValueError(
                f"{filepath!r} is no archive of {self.exporter}: its `serve` takes "
                f"{sorted(inputs)} and returns {sorted(outputs)}. Use "
                "keras.layers.TFSMLayer for other SavedModels."
            )
        for name in ("call_endpoint", "call_training_endpoint"):
            kwargs.pop(name, None)  # of the configuration: they are fixed
        with damage_is_a_value_error(filepath):
            super().__init__(
                filepath, call_endpoint="serve", trainable=trainable, **kwargs
            )
        self.autocast = False  # 16 bits cannot hold the ids of a vocabulary
        self.call_endpoint_fn = self._reloaded_obj.signatures["serve"]
        self.takes_text = inputs == {"text"}
        self.takes_images = inputs == {"images"}

    def get_config(self):
        config = super().get_config()
        del config["call_endpoint"], config["call_training_endpoint"]
        return {**config, "filepath": _LoadedPath(self.filepath)}

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        if isinstance(config["filepath"], _LoadedPath):
            return cls(**config)
        try:
            return super().from_config(config, custom_objects, safe_mode)
        except ValueError as error:
            if "disallowed by default" not in str(error):
                raise
            raise ValueError(
                f"The model holds the SavedModel {config['filepath']!r}, which is a "
                "program that is run when the model is. If you trust where it comes "
                "from, load the model with safe_mode=False; where a function has no "
                "such argument, call keras.config.enable_unsafe_deserialization() "
                "before it."
            ) from error

    def _add_existing_weight(self, weight):
        # Keras takes the names as they are, and optimizers then refuse the ":0".
        variable = keras.Variable(
            initializer=weight,
            trainable=weight.trainable,
            dtype=weight.dtype,
            shape=weight.shape,
            name=weight.name.split(":")[0].replace("/", "_"),
        )
        self._track_variable(variable)


class _LoadedPath(str):
    """Path of a SavedModel that this process runs already.

    `keras.models.clone_model` makes a layer anew from the configuration of a living
    one. That is no loading of something unknown: a path that was read from a file is a
    plain string.
    """
