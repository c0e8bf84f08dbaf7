"""Plain lines about long work."""

import time

import keras


class EpochLine(keras.callbacks.Callback):
    """Prints one line an epoch: likelihoods, the state of the graphs, what is left.

    Args:
        epochs: int, how many there will be.
        likelihoods: function of the logs that returns a string.
    """

    def __init__(self, epochs, likelihoods):
        super().__init__()
        self.epochs = epochs
        self.likelihoods = likelihoods

    def on_train_begin(self, logs=None):
        self.started, self.done = time.monotonic(), 0

    def on_epoch_end(self, epoch, logs=None):
        self.done += 1
        seconds = (time.monotonic() - self.started) / self.done
        left = (self.epochs - epoch - 1) * seconds / 60
        print(
            f"epoch {epoch + 1}/{self.epochs}: "
            f"{self.likelihoods(logs)}; graphs: density {logs['val_density']:.1%}, "
            f"empty rows {logs['val_empty_rows']:.1%}, rows of one sender "
            f"{logs['val_one_sender_rows']:.1%}, dead heads "
            f"{logs['val_dead_heads']:.0f}; {seconds:.0f} s an epoch, "
            f"{left:.0f} min left",
            flush=True,
        )


def text_likelihoods(logs):
    """The likelihoods of an epoch on text, as a line has them."""
    return (
        f"train {logs['nats']:.3f} nats, valid {logs['val_nats']:.3f}; "
        "next unit, perplexity forward "
        f"{logs['val_forward_perplexity']:.1f} backward "
        f"{logs['val_backward_perplexity']:.1f}"
    )


def image_likelihoods(logs):
    """The likelihoods of an epoch on images, as a line has them."""
    return (
        f"bits per dimension train {logs['bits']:.3f}, valid {logs['val_bits']:.3f}; "
        f"of the first pixel forward {logs['val_forward_bits']:.3f} backward "
        f"{logs['val_backward_bits']:.3f}"
    )
