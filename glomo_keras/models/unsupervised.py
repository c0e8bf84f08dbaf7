"""Models that make their targets themselves: what `compile` and `fit` take."""

import keras

from glomo_keras.distribution.distributed_training import DistributedTraining
from glomo_keras.distribution.distributed_training import given_arguments
from glomo_keras.distribution.replicas import replica_context


class UnsupervisedModel(DistributedTraining):
    """Mixed into a `keras.Model` that is built before it is trained.

    Its loss and metrics are its own, of the inputs alone: others, targets, sample
    weights and class weights are refused, which would have no effect.
    """

    def fit(self, *args, **kwargs):
        self._check_compiled_alone()
        given = self._check_inputs_alone(keras.Model.fit, args, kwargs)
        validation_data = given.get("validation_data")
        if isinstance(validation_data, (tuple, list)):
            _, y, sample_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
            self.check_own_loss(y, sample_weight)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        self._check_compiled_alone()
        self._check_inputs_alone(keras.Model.evaluate, args, kwargs)
        return super().evaluate(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        self._check_inputs_alone(keras.Model.train_on_batch, args, kwargs)
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        self._check_inputs_alone(keras.Model.test_on_batch, args, kwargs)
        return super().test_on_batch(*args, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        self.check_own_loss(y, sample_weight)
        if replica_context() is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # In this order: replicas wait for each other in the second, after which the
        # model's list of losses is that of another of them.
        return self.added_losses() + self.share_of_loss(x, y_pred)

    def add_own_loss(self, x, y_pred):
        """Add the loss of the inputs, at the end of `call`.

        Under a strategy it waits for `compute_loss`.

        Args:
            x: inputs of `call`.
            y_pred: what it returns.
        """
        if replica_context() is None:
            self.add_loss(self.share_of_loss(x, y_pred))

    def share_of_loss(self, x, y_pred):
        """Return the loss of the inputs: of a replica, its share of that of the batch.

        The shares of all replicas add up. Keras logs their mean by number of examples,
        which is the loss only where all replicas have as many.

        Args:
            x: inputs of `call`.
            y_pred: what it returned.
        """
        raise NotImplementedError

    def check_own_loss(self, y=None, sample_weight=None, class_weight=None):
        """Raise ValueError where a loss, metrics, targets or weights were given.

        Args:
            y: targets, or `None`.
            sample_weight: weights of examples, or `None`.
            class_weight: weights of classes, or `None`.
        """
        given = {
            "a loss": self.loss,
            "targets": y,
            "sample weights": sample_weight,
            "class weights": class_weight,
        }
        self._refuse(given)

    def _check_compiled_alone(self):
        """Raise ValueError where `compile` was given what would have no effect."""
        compiled = self.get_compile_config() or {}
        self._refuse(
            {
                "loss weights": compiled.get("loss_weights"),
                "metrics": compiled.get("metrics"),
                "weighted metrics": compiled.get("weighted_metrics"),
            }
        )

    def _refuse(self, given):
        given = [name for name, value in given.items() if value is not None]
        if given:
            raise ValueError(
                f"{type(self).__name__} has a loss of its own, of the inputs alone. "
                f"Received: {' and '.join(given)}. Compile with an optimizer alone, "
                "and pass the inputs alone."
            )

    def _check_inputs_alone(self, method, args, kwargs):
        """Check the arguments of a method of Keras, which drops weights in silence."""
        given = given_arguments(method, self, args, kwargs)
        names = ("y", "sample_weight", "class_weight")
        self.check_own_loss(**{name: given.get(name) for name in names})
        self.check_examples(given.get("x"))
        return given

    def check_examples(self, x):
        """Raise ValueError where the numbers of `x` are of another kind than trained.

        Args:
            x: what `fit` or `evaluate` was given.
        """
