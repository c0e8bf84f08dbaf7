"""Layers of a model that are frozen, in its configuration: Keras keeps none of them."""


def frozen_layers(model):
    """Return the entry of a model's configuration that names its frozen layers.

    Args:
        model: a `keras.Model`, whose layers' names differ.

    Returns:
        Dict of `frozen_layers`, a list of names; empty where there are none, or all are
        frozen with the model.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="a")])
    >>> model.get_layer("a").trainable = False
    >>> frozen_layers(model)
    {'frozen_layers': ['a']}
    """
    names = [
        layer.name for layer in model.layers if layer.weights and not layer.trainable
    ]
    return {"frozen_layers": names} if model.trainable and names else {}


def freeze_layers(model, names):
    """Freeze the layers of a model that have these names.

    Args:
        model: a `keras.Model`.
        names: list of str, as `frozen_layers` gives them.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="a")])
    >>> freeze_layers(model, ["a"])
    >>> model.get_layer("a").trainable
    False
    """
    for layer in model.layers:
        if layer.name in names:
            layer.trainable = False
