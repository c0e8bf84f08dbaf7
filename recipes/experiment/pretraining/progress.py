"""Plain lines about long work."""

import time

import keras


class EpochLine(keras.callbacks.Callback):
    """Print one line an epoch: how the training stands, and what is left.

    Args:
        epochs: int, how many there will be.
        describe: function of the logs that returns a string.
    """

    def __init__(self, epochs, describe):
        super().__init__()
        self.epochs = epochs
        self.describe = describe

    def on_train_begin(self, logs=None):
        self.started, self.done = time.monotonic(), 0

    def on_epoch_end(self, epoch, logs=None):
        self.done += 1
        seconds = (time.monotonic() - self.started) / self.done
        left = (self.epochs - epoch - 1) * seconds / 60
        print(
            f"epoch {epoch + 1}/{self.epochs}: {self.describe(logs)}; "
            f"{seconds:.0f} s an epoch, {left:.0f} min left",
            flush=True,
        )


def words_line(logs):
    """Return the likelihoods of an epoch of a model of words."""
    return (
        f"train {logs['nats']:.3f} nats, valid {logs['val_nats']:.3f}; "
        "next unit, perplexity forward "
        f"{logs['val_forward_perplexity']:.1f} backward "
        f"{logs['val_backward_perplexity']:.1f}"
    )


def text_line(logs):
    """Return the likelihoods and graphs of an epoch on text."""
    return f"{words_line(logs)}; {_graph_counts(logs)}"


def image_line(logs):
    """Return the likelihoods and graphs of an epoch on images."""
    return (
        f"bits per dimension train {logs['bits']:.3f}, valid {logs['val_bits']:.3f}; "
        f"of the first pixel forward {logs['val_forward_bits']:.3f} backward "
        f"{logs['val_backward_bits']:.3f}; {_graph_counts(logs)}"
    )


def _graph_counts(logs):
    return (
        f"graphs: density {logs['val_density']:.1%}, "
        f"empty rows {logs['val_empty_rows']:.1%}, rows of one sender "
        f"{logs['val_one_sender_rows']:.1%}, dead heads "
        f"{logs['val_dead_heads']:.0f}, specificity {logs['val_specificity']:.2f}, "
        f"effective senders {logs['val_effective_senders']:.1f} "
        f"({logs['val_effective_share']:.0%} of those seen), weight within 1/4/16 "
        f"{logs['val_within_1']:.0%}/{logs['val_within_4']:.0%}/"
        f"{logs['val_within_16']:.0%}"
    )
