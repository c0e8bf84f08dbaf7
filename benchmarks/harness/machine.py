"""What the machine can do, measured beside the contenders, and what it is."""

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from harness.frameworks import forward_step
from harness.work import Contender

SIZE = 2048  # rows and columns of the matrices
NUMBERS = 2**26  # of the array that is copied
PACKAGES = ("tensorflow", "keras", "jax", "torch", "numpy")


def make_product(**sizes):
    """Return a step that multiplies two matrices of float32."""
    import tensorflow as tf

    matrix = np.random.default_rng(0).standard_normal((SIZE, SIZE), "float32")
    return forward_step(tf.matmul, [matrix, matrix])


def make_copy(**sizes):
    """Return a step that reads an array and writes another, of float32."""
    return forward_step(lambda array: -array, [np.ones(NUMBERS, "float32")])


YARDSTICKS = {
    "matrix product": Contender(make_product, "tensorflow", same_results=False),
    "copy": Contender(make_copy, "tensorflow", same_results=False),
}


def measure_rates(samples):
    """Return operations and bytes a second, of samples of the yardsticks.

    Args:
        samples: dict by name of `YARDSTICKS` of lists of seconds.

    Returns:
        Two floats.
    """
    product = float(np.median(samples["matrix product"]["seconds"]))
    copy = float(np.median(samples["copy"]["seconds"]))
    return 2 * SIZE**3 / product, 2 * 4 * NUMBERS / copy


def describe_machine(threads):
    """Return a dict of processor, threads, load and versions."""
    cpu_info = Path("/proc/cpuinfo").read_text()
    model = cpu_info.partition("model name")[2].partition("\n")[0].strip("\t :")
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }
