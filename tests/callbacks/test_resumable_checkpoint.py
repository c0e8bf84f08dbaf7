"""What a checkpoint knows of a training that was stopped."""

import keras
import numpy as np

from glomo_keras.callbacks.resumable_checkpoint import ResumableCheckpoint


def test_early_stopping_outlives_the_process(tmp_path):
    def make():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.build((None, 2))
        model.compile("adam", "mse")
        return model, ResumableCheckpoint(tmp_path, "error", 2, on_best=print)

    model, checkpoint = make()
    checkpoint.set_model(model)
    model.optimizer.build(model.trainable_variables)
    for epoch, error in enumerate([0.5, 0.6, 0.7]):
        assert not checkpoint.is_out_of_patience
        checkpoint.on_epoch_end(epoch, {"error": np.float32(error)})
    assert model.stop_training
    later, again = make()
    assert not again.is_out_of_patience
    assert again.restore(later) == 3
    assert again.is_out_of_patience and again.state["best_epoch"] == 1
