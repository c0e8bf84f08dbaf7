"""GLoMo for Keras: relational graphs learned from unlabelled data, transferred.

`glomo_keras.ops`, `glomo_keras.layers` and `glomo_keras.models` run on every
Keras backend. `glomo_keras.data`, `glomo_keras.export` and `glomo_keras.analysis`
are imported by those who need them.
"""

from glomo_keras import start_up
from glomo_keras.version import __version__

# Not on first use: Keras loads a saved model by the classes that are registered.
with start_up.quiet_command_line():
    from glomo_keras import layers
    from glomo_keras import models
    from glomo_keras import ops
    from glomo_keras.saved_classes import register_later_classes

register_later_classes()

__all__ = ["__version__", "layers", "models", "ops"]
