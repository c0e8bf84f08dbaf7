"""Layers that are frozen before they are built."""


def freeze_parts(layer):
    """Freeze the sublayers that a frozen layer has made or built in its `build`.

    Keras hands `trainable` on to those that are there when it is set, and a model
    trains every variable that is not frozen itself, whatever its layer says.

    Args:
        layer: `keras.Layer`, at the end of its `build`.
    """
    if layer.trainable:
        return
    for part in layer._flatten_layers(include_self=False):
        part.trainable = False
