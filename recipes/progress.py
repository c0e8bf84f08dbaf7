"""Plain lines about long work."""

import time

import keras


class EpochLine(keras.callbacks.Callback):
    """Prints one line an epoch: likelihoods, the state of the graphs, what is left.

    Args:
        epochs: int, how many there will be.
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_begin(self, logs=None):
        self.started, self.done = time.monotonic(), 0

    def on_epoch_end(self, epoch, logs=None):
        self.done += 1
        seconds = (time.monotonic() - self.started) / self.done
        left = (self.epochs - epoch - 1) * seconds / 60
        print(
            f"epoch {epoch + 1}/{self.epochs}: "
            f"train {logs['nats']:.3f} nats, valid {logs['val_nats']:.3f}; "
            "next unit, perplexity forward "
            f"{logs['val_forward_perplexity']:.1f} backward "
            f"{logs['val_backward_perplexity']:.1f}; graphs: density "
            f"{logs['val_density']:.1%}, empty rows {logs['val_empty_rows']:.1%}, "
            f"rows of one sender {logs['val_one_sender_rows']:.1%}, dead heads "
            f"{logs['val_dead_heads']:.0f}; {seconds:.0f} s an epoch, "
            f"{left:.0f} min left",
            flush=True,
        )
