"""Loads all that `test_conformance.py` saved and runs it: a program of its own.

Usage: python load_saved.py FOLDER

SavedModels come first, before the package is imported: they need none of its code.
"""

import json
import pathlib
import sys

import keras
import numpy as np
from keras import tree


def main(folder):
    names = json.loads((folder / "manifest.json").read_text())
    inputs = {}
    for name in names:
        with np.load(folder / f"{name}.inputs.npz") as arrays:
            inputs[name] = dict(arrays)

    def write(name, kind, outputs):
        arrays = [keras.ops.convert_to_numpy(output) for output in outputs]
        numbered = {f"{index:02d}": array for index, array in enumerate(arrays)}
        np.savez(folder / f"{name}.{kind}.outputs.npz", **numbered)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for name in names:
            loaded = tf.saved_model.load(folder / f"{name}.saved_model")
            tensors = tree.map_structure(tf.constant, inputs[name])
            write(name, "saved_model", tree.flatten(loaded.serve(tensors)))
    assert "glomo_keras" not in sys.modules
    import glomo_keras  # noqa: F401 (registers the layers)

    for name in names:
        model = keras.saving.load_model(folder / f"{name}.keras")
        write(name, "keras", tree.flatten(model(inputs[name])))
        text = (folder / f"{name}.json").read_text()
        model = keras.models.model_from_json(text)
        model.load_weights(folder / f"{name}.weights.h5")
        write(name, "weights", tree.flatten(model(inputs[name])))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
