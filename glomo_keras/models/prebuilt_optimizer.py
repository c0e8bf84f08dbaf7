"""An optimizer whose variables are made before the first training step is traced."""


class PrebuiltOptimizer:
    """Mixed into a `keras.Model` that is built before it is trained.

    Or else TensorFlow traces the first step twice, with and without making the
    optimizer's variables.
    """

    def make_train_function(self, force=False):
        if self.built and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)
