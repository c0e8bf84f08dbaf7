"""Strategies of `tf.distribute` by name."""

import json
import os

import keras

STRATEGIES = ("none", "mirrored", "multiworker")
"""What `make_strategy` makes: no strategy, one of a machine, one of several."""


def make_strategy(name):
    """Return a strategy of `tf.distribute`, once a process, before its first model.

    Models are made and compiled inside of `with strategy.scope():`, and everything else
    outside of it. Batch sizes stay those of all devices together.

    Args:
        name: `"none"`: one device; `"mirrored"`: all devices of the machine, or all
            that TensorFlow was told to see; `"multiworker"`: the machines that the
            environment variable TF_CONFIG names, all running the same program.

    Returns:
        A `tf.distribute.Strategy`, or `None` for `"none"`.

    Raises:
        ValueError: if the name is another, if Keras runs on another backend than
            TensorFlow, or if TF_CONFIG names no workers.

    Example:

    >>> make_strategy("none") is None
    True
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"`name` must be one of {', '.join(STRATEGIES)}. Received: name={name!r}."
        )
    if name == "none":
        return None
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"The strategy {name!r} is one of TensorFlow. Keras runs on "
            f"{keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow, or on JAX use "
            "`keras.distribution.DataParallel`."
        )
    import tensorflow as tf

    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    _check_cluster(os.environ.get("TF_CONFIG"))
    return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy):
    """Return whether this process writes what all would write.

    Args:
        strategy: what `make_strategy` returned. The first of several workers is the
            chief, and a process without others is.

    Example:

    >>> is_chief(make_strategy("none"))
    True
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    is_first_worker = resolver.task_type == "worker" and resolver.task_id == 0
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (is_first_worker and not has_chief)


def _check_cluster(text):
    """Raise ValueError unless TF_CONFIG names workers, and which of them this is."""
    example = (
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        config = json.loads(text or "")
        tasks = config["cluster"].get("chief", []) + config["cluster"]["worker"]
        kind, index = config["task"]["type"], config["task"]["index"]
        address = config["cluster"][kind][index]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "The strategy 'multiworker' needs the environment variable TF_CONFIG, JSON "
            f"that names all workers and tells which of them this is: {example}. "
            f"Received: {text!r} ({type(error).__name__}: {error})."
        ) from error
    if len(tasks) < 2:
        raise ValueError(
            f"TF_CONFIG names a single worker, {address}. Use the strategy 'mirrored' "
            "on one machine."
        )
