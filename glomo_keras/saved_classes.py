"""Classes of saved models that are imported when a model that has them is loaded.

Keras loads a model by the classes that are registered. Those of layers and models are,
once the library is imported; these stand in modules that are imported by those who need
them, as of the strings that tensorflow-text cuts.
"""

import importlib

import keras

_MODULES = {
    "ElmoFeatures": "glomo_keras.export.elmo_features",
    "LazyAdam": "glomo_keras.optimizers.lazy_adam",
    "SavedModelGraphs": "glomo_keras.export.saved_model_graphs",
    "UnitIds": "glomo_keras.data.unit_ids",
}


class _LaterClass:
    """What Keras finds of a class until its module is imported, to load a model by.

    The import registers the class in its place.
    """

    def __init__(self, name, module):
        self._name, self._module = name, module

    def from_config(self, config):
        """Return the layer or optimizer of a config, of the class itself."""
        module = importlib.import_module(self._module)
        return getattr(module, self._name).from_config(config)


def register_later_classes():
    """Register every class that is not imported yet by its module's name."""
    registered = keras.saving.get_custom_objects()
    for name, module in _MODULES.items():
        registered.setdefault(f"glomo_keras>{name}", _LaterClass(name, module))
