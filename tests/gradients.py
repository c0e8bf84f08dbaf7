"""Gradients by one call on every backend that the suite runs on."""

import keras
import numpy as np
from keras import ops
from keras import tree


def to_numpy(structure):
    return tree.map_structure(
        lambda x: None if x is None else ops.convert_to_numpy(x), structure
    )


def _unsupported():
    return NotImplementedError(
        f"The tests take gradients on TensorFlow, JAX and PyTorch, not on "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND to one of these."
    )


def by_arrays(function, *arrays):
    """Gradients of a scalar function by its float arrays, as NumPy."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            value = function(*tensors)
        found = tape.gradient(
            value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    elif keras.backend.backend() == "jax":
        import jax

        arrays = [jax.numpy.asarray(array) for array in arrays]
        found = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    elif keras.backend.backend() == "torch":
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        found = torch.autograd.grad(
            function(*tensors), tensors, allow_unused=True, materialize_grads=True
        )
    else:
        raise _unsupported()
    return [ops.convert_to_numpy(ops.convert_to_tensor(g)) for g in found]


def compiled(function, *arrays):
    """A compiled step: a scalar function of arrays, and its gradients by them."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(array) for array in arrays]

        @tf.function
        def step(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            return value, tape.gradient(value, tensors)

        return lambda: step(*tensors)
    if keras.backend.backend() == "jax":
        import jax

        step = jax.jit(jax.value_and_grad(function, tuple(range(len(arrays)))))
        step = step.lower(*arrays).compile()
        return lambda: jax.block_until_ready(step(*arrays))
    raise _unsupported()


def by_weights(layer, reduce, *args, **kwargs):
    """Gradients of `reduce(layer(...))` by the layer's trainable weights.

    Returns:
        Dict from the weight's path to a NumPy array; None for a weight that is not
        connected to the output (JAX alone gives zeros).
    """
    paths = [weight.path for weight in layer.trainable_weights]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variables = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            value = reduce(layer(*args, **kwargs))
        found = [
            g if g is None else tf.convert_to_tensor(g)
            for g in tape.gradient(value, variables)
        ]
    elif keras.backend.backend() == "jax":
        import jax

        def value(trainable):
            outputs, _ = layer.stateless_call(
                trainable,
                [weight.value for weight in layer.non_trainable_variables],
                *args,
                **kwargs,
            )
            return reduce(outputs)

        found = jax.grad(value)([weight.value for weight in layer.trainable_weights])
    elif keras.backend.backend() == "torch":
        import torch

        value = reduce(layer(*args, **kwargs))
        variables = [weight.value for weight in layer.trainable_weights]
        found = torch.autograd.grad(value, variables, allow_unused=True)
    else:
        raise _unsupported()
    return dict(zip(paths, to_numpy(list(found)), strict=True))


def by_differences(function, array, step=1e-6):
    """Central differences of a scalar NumPy function, entry by entry."""
    slopes = np.zeros(array.shape)
    for index in np.ndindex(array.shape):
        ahead, behind = array.copy(), array.copy()
        ahead[index] += step
        behind[index] -= step
        slopes[index] = (function(ahead) - function(behind)) / (2 * step)
    return slopes
