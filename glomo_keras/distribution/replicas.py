"""Numbers that the replicas of a `tf.distribute` strategy share."""

import keras


def replica_context():
    """Return the context of the replica that calls, or `None` of a single one."""
    if keras.backend.backend() != "tensorflow":
        return None  # arrays of JAX are global
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def sum_over_replicas(values):
    """Return the sums of tensors over all replicas.

    Args:
        values: tensor, or a list of them.
    """
    context = replica_context()
    if context is None:
        return values
    import tensorflow as tf

    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)
