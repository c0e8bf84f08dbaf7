"""A recipe on so many virtual devices: run in its own process.

python on_devices.py NUMBER FLOATX RECIPE ARGUMENT ...
"""

import importlib
import pathlib
import sys

import glomo_keras

sys.path.insert(0, str(pathlib.Path(glomo_keras.__file__).parents[1] / "recipes"))

import keras
import tensorflow as tf


def main(number, floatx, recipe, *arguments):
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * int(number)
    tf.config.set_logical_device_configuration(cpu, devices)
    keras.config.set_floatx(floatx)
    importlib.import_module(recipe).main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
