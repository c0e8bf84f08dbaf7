"""What the signatures of archives do beside calling a model."""

import tensorflow as tf

from glomo_keras.checks import check_positive_integers
from glomo_keras.ops.visibility import DIRECTIONS


def top_senders_endpoint(graphs_endpoint, num_senders):
    """Return the function that gives the strongest senders in place of the graphs."""
    check_positive_integers(num_senders=num_senders)
    num_senders = int(num_senders)

    def top_senders(*inputs):
        outputs = graphs_endpoint(*inputs)
        for direction in DIRECTIONS:
            graphs = outputs.pop(direction)
            missing = tf.maximum(num_senders - tf.shape(graphs)[-1], 0)
            graphs = tf.pad(graphs, [[0, 0]] * 4 + [[0, missing]])
            weights, senders = tf.math.top_k(graphs, num_senders)
            outputs[f"{direction}_senders"] = tf.where(weights > 0, senders, -1)
            outputs[f"{direction}_weights"] = weights
        return outputs

    return top_senders


def cast_outputs(outputs):
    """Return outputs whose floats are float32, whatever the policy of the model."""
    return {
        name: tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor
        for name, tensor in outputs.items()
    }


def checked_endpoint(inputs, check, endpoint):
    """Return an endpoint that refuses bad inputs and runs on one row at least.

    Convolutions of TensorFlow that were fused with their padding give empty batches
    another length: these get a row of zeros. It is added after the check, because an
    empty batch may claim rows of any size.

    Args:
        inputs: list of `tf.TensorSpec`, with names.
        check: function of the inputs that returns what `endpoint` takes.
        endpoint: function that returns a dict of tensors, the batch in the first axis.

    Returns:
        Function of the inputs.
    """

    def run(*tensors):
        tensors = [
            _with_checked_shape(tensor, spec)
            for tensor, spec in zip(tensors, inputs, strict=True)
        ]
        checked = tf.nest.flatten(check(*tensors))
        batch = tf.shape(checked[0])[0]
        missing = tf.maximum(1 - batch, 0)
        filled = []
        for tensor in checked:
            shape = tf.concat([[missing], tf.shape(tensor)[1:]], axis=0)
            filled.append(tf.concat([tensor, tf.zeros(shape, tensor.dtype)], axis=0))
        return {name: rows[:batch] for name, rows in endpoint(*filled).items()}

    return run


def shape_text(shape):
    """Return a shape as text, such as `(any, any, 3)`."""
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)})"


def _with_checked_shape(tensor, spec):
    """Return a tensor of a request, refused where it has another shape than its spec.

    A loaded SavedModel does not compare them, and TensorFlow takes them for granted: a
    check by `tf.rank`, or of a single size, would be optimized away.
    """
    message = (
        f"{spec.name} must have the shape {shape_text(spec.shape)}, the batch first: "
        "send a batch, also of one"
    )
    shape = tf.shape(tensor)
    # Counts the entries of a vector whose number is said to be known.
    rank = tf.reduce_sum(tf.sign(tf.concat([shape + 1, [0, 0]], axis=0)))
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.equal(rank, spec.shape.rank), [message])]
    ):
        tensor = tf.identity(tensor)
    known = [size is not None for size in spec.shape]
    if not any(known):
        return tensor
    sizes = [size or 0 for size in spec.shape]
    with tf.control_dependencies(
        [
            tf.debugging.Assert(
                tf.reduce_all(tf.equal(tf.where(known, tf.shape(tensor), 0), sizes)),
                [message],
            )
        ]
    ):
        return tf.identity(tensor)
