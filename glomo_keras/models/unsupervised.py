"""Models that make their targets themselves: what `compile` and `fit` take."""


class UnsupervisedModel:
    """Mixed into a `keras.Model` that is built before it is trained.

    Its loss is its own, of the inputs alone: other losses, targets and sample weights
    are refused, which would have no effect.
    """

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        self.check_own_loss(y, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def check_own_loss(self, y=None, sample_weight=None):
        """Raises ValueError where a loss, targets or sample weights were given."""
        given = {"a loss": self.loss, "targets": y, "sample weights": sample_weight}
        given = [name for name, value in given.items() if value is not None]
        if given:
            raise ValueError(
                f"{type(self).__name__} has a loss of its own, of the inputs alone. "
                f"Received: {' and '.join(given)}. Compile with an optimizer alone, "
                "and pass the inputs alone."
            )

    def make_train_function(self, force=False):
        # Or else TensorFlow traces the first step twice, with and without making the
        # optimizer's variables.
        if self.built and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)
