"""Steps of functions on every backend: results, or results and gradients."""

import os


def forward_step(function, arrays, jit=False):
    """Return a step that computes a Keras function of arrays.

    Args:
        function: function of tensors that returns a tensor or a dict of them.
        arrays: list of NumPy arrays.
        jit: bool, whether TensorFlow compiles it with XLA, as JAX always does.

    Returns:
        Function that returns a dict of results.
    """
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        tensors = [jax.numpy.asarray(array) for array in arrays]
        compiled = jax.jit(function)
        return lambda: _named(jax.block_until_ready(compiled(*tensors)))
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    compiled = tf.function(function, jit_compile=jit)
    return lambda: _named(compiled(*tensors))


def gradient_step(function, arrays, num_trained, jit=False):
    """Return a step that computes a scalar Keras function of arrays, and gradients.

    Args:
        function: function of tensors that returns a scalar.
        arrays: list of NumPy arrays.
        num_trained: int, how many of the first of them get a gradient.
        jit: bool, whether TensorFlow compiles it with XLA, as JAX always does.

    Returns:
        Function that returns a dict of the value and the gradients.
    """
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        tensors = [jax.numpy.asarray(array) for array in arrays]
        compiled = jax.jit(jax.value_and_grad(function, tuple(range(num_trained))))
        return lambda: _gradients(*jax.block_until_ready(compiled(*tensors)))
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]

    @tf.function(jit_compile=jit)
    def compiled(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors[:num_trained])
            value = function(*tensors)
        return value, tape.gradient(value, tensors[:num_trained])

    return lambda: _gradients(*compiled(*tensors))


def torch_step(function, arrays, num_trained=0):
    """Return a step of a PyTorch function of arrays, with gradients if any are wanted.

    Args:
        function: function of tensors; it returns a scalar where `num_trained` is not 0.
        arrays: list of NumPy arrays.
        num_trained: int, how many of the first of them get a gradient.

    With `TORCH_COMPILE` in the environment the function is compiled.

    Returns:
        Function that returns a dict of results.
    """
    import torch

    device = torch.get_default_device()
    tensors = [torch.from_numpy(array).to(device) for array in arrays]
    if os.environ.get("TORCH_COMPILE"):
        function = torch.compile(function)
    for tensor in tensors[:num_trained]:
        tensor.requires_grad_()

    def step():
        if not num_trained:
            with torch.no_grad():
                return _named(function(*tensors))
        value = function(*tensors)
        gradients = torch.autograd.grad(value, tensors[:num_trained])
        return _gradients(value.detach(), gradients)

    return step


def _named(results):
    return results if isinstance(results, dict) else {"result": results}


def _gradients(value, gradients):
    return {"value": value} | {f"gradient_{i}": g for i, g in enumerate(gradients)}


def layer_step(layer, arrays, num_trained, jit=False):
    """Return a step of a built Keras layer, and gradients of inputs and weights.

    Args:
        layer: built `keras.layers.Layer`.
        arrays: list of NumPy arrays, its inputs.
        num_trained: int, how many of the first of them get a gradient.
        jit: bool, whether TensorFlow compiles it with XLA, as JAX always does.

    Returns:
        Function that returns a dict of the sum of the outputs.
    """
    from keras import ops
    from keras import tree

    def total(outputs):
        return sum(ops.sum(output) for output in tree.flatten(outputs))

    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        tensors = [jax.numpy.asarray(array) for array in arrays]
        state = [variable.value for variable in layer.non_trainable_variables]

        def compute(trained, weights, rest):
            outputs, _ = layer.stateless_call(weights, state, *trained, *rest)
            return total(outputs)

        weights = [variable.value for variable in layer.trainable_variables]
        compiled = jax.jit(jax.value_and_grad(compute, (0, 1)))
        given = tensors[:num_trained], weights, tensors[num_trained:]
        return lambda: {"value": jax.block_until_ready(compiled(*given))[0]}
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]

    @tf.function(jit_compile=jit)
    def compiled(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors[:num_trained])
            value = total(layer(*tensors))
        weights = [variable.value for variable in layer.trainable_variables]
        return value, tape.gradient(value, [*tensors[:num_trained], *weights])

    return lambda: {"value": compiled(*tensors)[0]}
