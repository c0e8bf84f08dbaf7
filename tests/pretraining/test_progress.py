"""Lines about long work, as an 80-column terminal shows them."""

import io
import types

import pytest

from glomo_keras.pretraining import progress
from glomo_keras.pretraining.progress import EpochLine
from glomo_keras.pretraining.progress import StepLine
from glomo_keras.pretraining.progress import image_line
from glomo_keras.pretraining.progress import text_line

LOGS = {
    "nats": 4.825,
    "val_nats": 4.458,
    "bits": 4.825,
    "val_bits": 4.458,
    "val_specificity": 0.31,
    "val_dead_heads": 0.0,
}


class Terminal(io.StringIO):
    """What is written, and what a terminal of 80 columns then shows."""

    def isatty(self):
        return True

    def screen(self):
        lines, column = [[]], 0
        for character in self.getvalue():
            if character == "\n":
                lines.append([])
                column = 0
            elif character == "\r":
                column = 0
            else:
                assert column < 79, "the line would wrap"
                lines[-1][column : column + 1] = character
                column += 1
        return ["".join(line).rstrip() for line in lines]


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def train(clock, stream, epochs=200, steps=40, stop_at=None):
    """Steps of half a second, validation of 100 seconds after every epoch."""
    line = StepLine(epochs, steps, (1024, "units"), stream)
    line.on_train_begin()
    for epoch in range(epochs):
        line.on_epoch_begin(epoch)
        for step in range(steps):
            clock[0] += 30.0 if epoch == step == 0 else 0.5  # the first one compiles
            line.on_train_batch_end(step, {"loss": 4.3214, "density": 0.5})
            if (epoch, step) == stop_at:
                return
        line.on_test_begin()
        clock[0] += 100.0
        line.on_epoch_end(epoch)


def test_a_terminal_has_one_line_that_moves(clock):
    terminal = Terminal()
    train(clock, terminal, stop_at=(1, 29))
    estimate, moving = terminal.screen()
    # 24 steps of the first epoch are done, 7,976 of 0.5 s are left.
    assert estimate == "2,048 units/s: about 66 min for what is to be trained."
    assert moving == ("epoch 2/200 step 30/40: loss 4.321, 2,048 units/s, 66 min left")


def test_steps_of_an_earlier_process_count(clock):
    terminal = Terminal()
    checkpoint = types.SimpleNamespace(steps_before=7)
    line = StepLine(3, 40, (1024, "units"), terminal, checkpoint)
    line.on_train_begin()
    line.on_epoch_begin(1)
    for step in range(33):
        clock[0] += 0.5
        line.on_train_batch_end(step, {"loss": 4.3214})
        if step == 23:  # 40 + 31 steps are done, 49 of 0.5 s are left
            assert terminal.screen()[0].endswith(
                "about 24 s for what is to be trained."
            )
    _, moving = terminal.screen()
    assert moving == "epoch 2/3 step 40/40: loss 4.321, 2,048 units/s, 20 s left"
    checkpoint.steps_before = 0  # as it sets it where an epoch begins
    line.on_epoch_begin(2)
    for step in range(5):
        clock[0] += 0.5
        line.on_train_batch_end(step, {"loss": 4.3214})
    assert "epoch 3/3 step 5/40:" in terminal.screen()[1]


def test_the_line_is_gone_where_an_epoch_ends(clock):
    terminal = Terminal()
    train(clock, terminal, epochs=2)
    assert terminal.screen()[1:] == [""]


def test_a_log_has_the_estimate_alone(clock):
    flushed = []
    log = io.StringIO()
    log.flush = lambda: flushed.append(log.getvalue())
    train(clock, log, epochs=2)
    assert flushed and log.getvalue() == flushed[0]
    assert log.getvalue() == "2,048 units/s: about 28 s for what is to be trained.\n"


@pytest.mark.parametrize("describe", [text_line, image_line])
def test_an_epoch_is_one_line_of_a_terminal(clock, capsys, describe):
    line = EpochLine(200, describe)
    line.on_train_begin()
    for epoch in range(100):
        clock[0] += 127.0 if epoch else 180.0  # the first one compiles
        line.on_epoch_end(epoch, LOGS)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[0].endswith("; 180 s, < 9.9 h left")
    assert shown[-1].endswith(", specificity 0.31; 127 s, 3.5 h left")
    line.on_epoch_end(199, {**LOGS, "val_dead_heads": 3.0})
    assert "3 dead heads" in capsys.readouterr().out


def test_what_is_left_counts_the_epoch_that_was_done_in_part(clock, capsys):
    checkpoint = types.SimpleNamespace(steps_before=480)
    line = EpochLine(20, text_line, checkpoint)
    line.set_params({"steps": 20})  # of 500
    line.on_train_begin()
    clock[0] += 3.0
    line.on_epoch_end(2, LOGS)
    assert "; 75 s, < 21 min left" in capsys.readouterr().out
