"""Keras still has the private hooks that `distributed_training.py` builds on."""

import inspect

import keras
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the hooks are TensorFlow's"
)

HOOKS = {
    # who has it, and the arguments that are passed
    "_maybe_symbolic_build": (keras.Model, ["iterator", "data_batch"]),
    "_symbolic_build": (keras.Model, ["iterator", "data_batch"]),
    "_aggregate_additional_loss": (keras.Model, ["loss"]),
    "_clip_gradients": (keras.optimizers.Optimizer, ["grads"]),
    "_get_variable_index": (keras.optimizers.Optimizer, ["variable"]),
}


@pytest.mark.parametrize("name", HOOKS)
def test_keras_has_the_hook(name):
    owner, arguments = HOOKS[name]
    changed = (
        f"Keras {keras.__version__} has changed {owner.__name__}.{name}: see "
        "glomo_keras/distribution/distributed_training.py."
    )
    assert hasattr(owner, name), changed
    signature = inspect.signature(getattr(owner, name))
    assert list(signature.parameters)[1:] == arguments, changed


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (keras.Sequential, "_distribute_strategy"),
        (keras.optimizers.Adam, "_distribution_strategy"),
    ],
)
def test_keras_has_the_attribute(owner, name):
    assert hasattr(owner(), name), f"{owner.__name__}.{name} has gone"


def test_adam_keeps_its_moments_where_lazy_adam_finds_them():
    optimizer, variable = keras.optimizers.Adam(), keras.Variable([0.0])
    optimizer.build([variable])
    assert len(optimizer._momentums) == len(optimizer._velocities) == 1


def test_strategies_tell_whether_there_are_workers():
    import tensorflow as tf

    extended = tf.distribute.get_strategy().extended
    assert extended._in_multi_worker_mode() is False
