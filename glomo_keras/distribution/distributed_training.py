"""The private hooks of Keras that training under `tf.distribute` needs.

They are those of Keras 3.15: `tests/distribution/test_hooks.py` fails, naming the
hook, where another version has changed one.
"""

import inspect

import keras

from glomo_keras.distribution.replicas import replica_context
from glomo_keras.distribution.replicas import sum_over_replicas

_KERAS_CLIP = keras.optimizers.Optimizer._clip_gradients


class DistributedTraining:
    """Mixed into a `keras.Model`, before it: `fit` under `tf.distribute`.

    On TensorFlow gradients are summed over the lookups of an embedding's row, and over
    replicas, before they are clipped or squared. Keras takes the parts of such sums, so
    that other backends, or more devices, would be another training. And data that have
    a method `tf_dataset`, such as `glomo_keras.data.ShardedWindows`, go into `fit` and
    `evaluate` as what it returns: of other data Keras takes the lengths of all batches
    from the first two. Under a strategy,

    - what Keras cannot do there is refused by name;
    - `fit` and `evaluate` work under `MultiWorkerMirroredStrategy`, and with strings
      under `MirroredStrategy`, which Keras by itself fails at.
    """

    def fit(self, *args, **kwargs):
        args, kwargs = _with_tf_datasets(keras.Model.fit, self, args, kwargs)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        args, kwargs = _with_tf_datasets(keras.Model.evaluate, self, args, kwargs)
        return super().evaluate(*args, **kwargs)

    def make_train_function(self, force=False):
        if keras.backend.backend() == "tensorflow" and self.optimizer is not None:
            _check_strategy(self)
            _clip_by_sums(self.optimizer)
            # Or else TensorFlow traces the first step twice, with and without making
            # the optimizer's variables.
            if self.built and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def train_step(self, *arguments):
        return self._of_one_step(super().train_step(*arguments))

    def test_step(self, *arguments):
        return self._of_one_step(super().test_step(*arguments))

    def added_losses(self):
        """Return the sum of what layers and regularizers added: a replica's share."""
        if not self.losses:
            return 0.0
        return sum(self._aggregate_additional_loss(loss) for loss in self.losses)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes the mean over replicas of the batch that it builds with, which
        # strings have not, nor what several workers hold.
        strategy = getattr(self, "_distribute_strategy", None)
        if strategy is None:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
            return
        if getattr(self, "optimizer", None) is not None:
            _check_strategy(self)
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda value: strategy.experimental_local_results(value)[0],
                next(batches),
            )
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def _of_one_step(self, logs):
        # With several workers Keras takes means along an axis of the logs.
        if not _has_workers(self):
            return logs
        return keras.tree.map_structure(lambda value: value[None], logs)


@keras.saving.register_keras_serializable(package="glomo_keras")
class DistributedModel(DistributedTraining, keras.Model):
    """A functional `keras.Model` that trains under `tf.distribute`.

    See `DistributedTraining` for what `keras.Model` cannot do there. Losses are means
    over a replica's part of the batch, as in Keras: with parts of unequal size or
    weight they are not those of one device. A loss with `reduction="sum"`, of examples
    whose weights add up to one over the whole batch, is.

    Args:
        *args: arguments of `keras.Model`.
        **kwargs: likewise.

    Example:

    >>> inputs = keras.Input((4,))
    >>> model = DistributedModel(inputs, keras.layers.Dense(1)(inputs))
    >>> model.compile("adam", "mse")
    """


def given_arguments(method, model, args, kwargs):
    """Return arguments by name; `{}` where they fit the method badly, which says so.

    Args:
        method: function of the model and what else is given.
        model: the model.
        args: tuple.
        kwargs: dict.
    """
    try:
        given = inspect.signature(method).bind(model, *args, **kwargs).arguments
    except TypeError:
        return {}
    more = given.pop("kwargs", {})
    return {name: value for name, value in given.items() if name != "self"} | more


def _with_tf_datasets(method, model, args, kwargs):
    """Return arguments in which data of several lengths are a `tf.data.Dataset`."""
    if keras.backend.backend() != "tensorflow":
        return args, kwargs
    given = given_arguments(method, model, args, kwargs)
    changed = {
        name: given[name].tf_dataset()
        for name in ("x", "validation_data")
        if hasattr(given.get(name), "tf_dataset")
    }
    if "x" in changed and method is keras.Model.fit:
        changed["shuffle"] = False  # they are, and Keras would warn that it does not
    return ((), given | changed) if changed else (args, kwargs)


def _has_workers(model):
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy is not None and strategy.extended._in_multi_worker_mode()


def _check_strategy(model):
    """Raise ValueError, by name, for what Keras cannot do under a strategy."""
    import tensorflow as tf

    own = getattr(model, "_distribute_strategy", None)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    # Outside of all scopes TensorFlow has a strategy too, that of one device.
    alone = tf.distribute.get_strategy() if not tf.distribute.has_strategy() else None
    if optimizer._distribution_strategy is not (own or alone):
        raise ValueError(
            f"{type(model).__name__} and its optimizer must be made in the scope of "
            "the same strategy, and compiled there. Do all of it inside of one `with "
            "strategy.scope():`."
        )
    if own is None:
        return
    if isinstance(own, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "Keras has no `fit` under ParameterServerStrategy. Use "
            "MultiWorkerMirroredStrategy: `make_strategy('multiworker')`."
        )
    wrong = {
        "jit_compile=True": (
            model.jit_compile is True,
            "XLA does not find the variables of the other replicas. Leave it out",
        ),
        "steps_per_execution": (
            model.steps_per_execution != 1,
            "Keras reduces the logs of single steps. Use 1",
        ),
        "gradient_accumulation_steps": (
            optimizer.gradient_accumulation_steps is not None,
            "Keras accumulates in replicas what it should not. Use larger batches, or "
            "more replicas",
        ),
        "LossScaleOptimizer": (
            isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
            and own.num_replicas_in_sync > 1,
            "Keras looks for overflows on the first replica alone. Use bfloat16 in "
            "place of float16",
        ),
    }
    for name, (is_given, advice) in wrong.items():
        if is_given:
            raise ValueError(f"`{name}` does not work under a strategy. {advice}.")


def _clip_by_sums(optimizer):
    """Let an optimizer clip by the norm of what its step will be of, and square that.

    Those are sums over the replicas, and over the lookups of a row of an embedding.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    names = ("clipnorm", "global_clipnorm", "clipvalue")
    clip = optimizer._clip_gradients
    is_keras = type(optimizer)._clip_gradients is _KERAS_CLIP
    clips = any(getattr(optimizer, name, None) is not None for name in names)
    # Steps of SGD are of sums anyway. What has a clip of its own joins rows itself.
    squares = is_keras and not isinstance(optimizer, keras.optimizers.SGD)
    if getattr(clip, "is_by_sums", False) or not (clips or squares):
        return

    def clip_sums(gradients):
        import tensorflow as tf

        context = replica_context()
        gradients = sum_over_replicas(gradients)
        if is_keras:  # it squares the parts of a row that was looked up more than once
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        gradients = clip(gradients)
        if context is None:
            return gradients
        # What follows sums them once more, over as many replicas.
        return [keras.ops.divide(g, context.num_replicas_in_sync) for g in gradients]

    clip_sums.is_by_sums = True
    optimizer._clip_gradients = clip_sums
