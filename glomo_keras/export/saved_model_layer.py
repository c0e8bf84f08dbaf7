"""What the layers that load an archive of this library share."""

import pathlib

import keras
import tensorflow_text  # noqa: F401  (the operations of archives of strings)


class SavedModelLayer(keras.layers.TFSMLayer):
    """An archive as a layer, by its endpoint `serve`.

    A model that holds it stores the path of the archive, not the archive, and is
    loaded with `safe_mode=False`, because a SavedModel is a program.

    Args:
        filepath: path of the archive, `DIRECTORY/NAME/VERSION`.
        writer: name of the function that writes such archives.
        endpoint_inputs: sets of names, one of which `serve` must take.
        trainable: bool, whether the weights of the archive train along.
        **kwargs: `keras.layers.Layer` arguments.

    Raises:
        FileNotFoundError: if there is no archive at the path.
        ValueError: if it is another SavedModel, or when a model with the layer is
            loaded in safe mode.
    """

    def __init__(self, filepath, writer, endpoint_inputs, trainable=False, **kwargs):
        filepath = str(filepath)
        if not (pathlib.Path(filepath) / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"There is no SavedModel at {filepath!r}. Give the folder of a "
                "version, such as models/glomo_text_ids/1. A model that was saved with "
                "this layer looks for it where it was."
            )
        for name in ("call_endpoint", "call_training_endpoint"):
            kwargs.pop(name, None)  # of the configuration: they are fixed
        super().__init__(filepath, call_endpoint="serve", trainable=trainable, **kwargs)
        self.call_endpoint_fn = self._reloaded_obj.signatures["serve"]
        inputs = set(self.call_endpoint_fn.structured_input_signature[1])
        if inputs not in endpoint_inputs:
            raise ValueError(
                f"{filepath!r} is no archive of {writer}: `serve` takes "
                f"{sorted(inputs)}. Use keras.layers.TFSMLayer for other SavedModels."
            )
        self.takes_text = inputs == {"text"}
        self.takes_images = inputs == {"images"}

    def get_config(self):
        config = super().get_config()
        del config["call_endpoint"], config["call_training_endpoint"]
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        try:
            return super().from_config(config, custom_objects, safe_mode)
        except ValueError as error:
            if "disallowed by default" not in str(error):
                raise
            raise ValueError(
                f"The model holds the SavedModel {config['filepath']!r}, which is a "
                "program that is run when the model is. If you trust where it comes "
                "from, load the model with safe_mode=False."
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
