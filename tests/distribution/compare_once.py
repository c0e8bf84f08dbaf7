"""`compare.py` in float64, on one device or virtual ones: run in its own process.

python compare_once.py NUMBER ARGUMENT ...
"""

import pathlib
import sys

import glomo_keras

sys.path.insert(0, str(pathlib.Path(glomo_keras.__file__).parents[1] / "recipes"))

import compare
import keras
import tensorflow as tf


def main(number, *arguments):
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * int(number)
    tf.config.set_logical_device_configuration(cpu, devices)
    keras.config.set_floatx("float64")
    compare.main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
