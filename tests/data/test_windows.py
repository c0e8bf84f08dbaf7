"""Windows: which units they hold, and that training can resume at any step."""

import functools
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from glomo_keras.data import WindowSequence
from glomo_keras.data import fixed_windows
from glomo_keras.data import window_starts

LENGTHS = [1, 2, 23, 11, 5, 4, 97, 12, 13]
WINDOW, SHIFT, MIN_UNITS = 11, 5, 3


def corpus(lengths=LENGTHS):
    """Ids tell where they come from: 1000 * document + position + 2."""
    ids = [
        1000 * document + position + 2
        for document, length in enumerate(lengths)
        for position in range(length)
    ]
    return np.array(ids), np.concatenate([[0], np.cumsum(lengths)])


def sequence(**arguments):
    defaults = dict(batch_size=7, window=WINDOW, shift=SHIFT, min_units=MIN_UNITS)
    return WindowSequence(*corpus(), **{**defaults, "seed": 17, **arguments})


def test_windows_by_pencil():
    # lengths 3 (dropped), 12, 5: at 0, 3, 6, and the tail 9..12; then 0..5
    windows = window_starts([3, 12, 5], window=5, shift=3, jitter=0, min_units=4)
    assert windows.starts.tolist() == [3, 6, 9, 12, 15]
    assert windows.limits.tolist() == [8, 11, 14, 15, 20]
    assert windows.num_dropped == 1


@pytest.mark.parametrize("jitter", [0, 1, 2, None])
@pytest.mark.parametrize("epoch", range(5))
def test_windows_cover_every_unit_and_stay_in_their_document(jitter, epoch):
    windows = window_starts(
        LENGTHS, WINDOW, SHIFT, jitter, MIN_UNITS, seed=3, epoch=epoch
    )
    assert windows.num_dropped == 2
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    covered = np.zeros(offsets[-1], bool)
    for start, limit in zip(windows.starts, windows.limits, strict=True):
        assert 0 < limit - start <= WINDOW
        document = np.searchsorted(offsets, start, side="right") - 1
        assert limit <= offsets[document + 1]
        # Only the end of a document makes a window short.
        assert limit - start == WINDOW or limit == offsets[document + 1]
        covered[start:limit] = True
    is_long_enough = np.repeat(np.array(LENGTHS) >= MIN_UNITS, LENGTHS)
    np.testing.assert_array_equal(covered, is_long_enough)


def test_jitter_moves_windows_but_keeps_their_number():
    place = functools.partial(window_starts, LENGTHS, WINDOW, SHIFT, None, MIN_UNITS)
    plain = window_starts(LENGTHS, WINDOW, SHIFT, 0, MIN_UNITS)
    moves = [place(seed=3, epoch=epoch).starts - plain.starts for epoch in range(40)]
    assert {-2, -1, 0, 1, 2} == set(np.concatenate(moves).tolist())
    np.testing.assert_array_equal(
        place(seed=3, epoch=5).starts - plain.starts, moves[5]
    )
    assert (place(seed=5, epoch=5).starts != place(seed=3, epoch=5).starts).any()
    first_of_document = np.isin(plain.starts, np.cumsum(LENGTHS)[1:-1])
    assert not np.stack(moves)[:, first_of_document].any()


def test_defaults_are_200_by_100():
    windows = window_starts([200, 201, 19, 20])
    assert windows.limits[0] - windows.starts[0] == 200
    assert len(windows.starts) == 1 + 2 + 1 and windows.num_dropped == 1
    many = window_starts([100_003])
    shifts = np.diff(many.starts)
    assert len(many.starts) == 1000 and abs(shifts.mean() - 100) < 1
    assert 0 < shifts.min() < 50 and 150 < shifts.max() <= 200


def test_batches_are_int32_and_padded():
    batch = sequence(shuffle=False, jitter=0)[0]
    assert batch.dtype == np.int32 and batch.shape == (7, WINDOW)
    assert batch[0].tolist() == list(range(2002, 2013))
    # 23 units: 0..11, 5..16, 10..21 and the tail 15..23
    assert batch[3].tolist() == [*range(2017, 2025), 0, 0, 0]
    assert batch[4].tolist() == list(range(3002, 3013))  # exactly one window
    assert batch[5].tolist() == [*range(4002, 4007), *[0] * 6]


def test_every_window_once_a_pass_and_no_partial_batch():
    windows = sequence(jitter=0)
    number = windows.num_windows
    assert windows.num_dropped_documents == 2
    assert number % 7 != 0 and windows.steps_per_pass == number // 7
    stream = np.concatenate([windows[step] for step in range(2 * number)])
    in_order = sequence(jitter=0, shuffle=False)
    expected = np.concatenate([in_order[step] for step in range(number)])[:number]
    passes = stream[: 14 * number].reshape(14, number, WINDOW)
    for one in passes:
        assert sorted(map(tuple, one)) == sorted(map(tuple, expected))
    assert not (passes[0] == passes[1]).all()


def test_a_batch_names_its_documents():
    """One of them is empty, and one has two windows."""
    sequence = WindowSequence(
        np.arange(2, 22), [0, 4, 4, 13, 20], 2, window=5, shift=5, min_units=1,
        shuffle=False, first_step=7,
    )  # fmt: skip
    assert sequence.num_windows == 5  # of documents 0, 2, 2, 3, 3
    documents = [sequence.documents(step).tolist() for step in range(3)]
    assert documents == [[0, 2], [2, 3], [0, 3]]


def test_a_batch_depends_on_seed_and_step_alone():
    windows, again = sequence(), sequence()
    batches = [windows[step] for step in range(29)]
    for step in (28, 0, 13, 12, 27):
        np.testing.assert_array_equal(again[step], batches[step])
    later = sequence(first_step=19)
    np.testing.assert_array_equal(later[0], batches[19])
    np.testing.assert_array_equal(later.batch(3), batches[3])
    assert any((sequence(seed=19)[step] != batches[step]).any() for step in range(3))
    assert any((batches[step] != batches[step + 1]).any() for step in range(3))


class Recorder(keras.callbacks.Callback):
    """Sums of the inputs of every step, which identify the batches here."""

    def __init__(self):
        super().__init__()
        self.sums = []

    def on_train_batch_end(self, batch, logs=None):
        self.sums.append(round(logs["loss"] * (batch + 1)))


@keras.saving.register_keras_serializable(package="glomo_keras_tests")
class SumModel(keras.Model):
    """Its loss is the sum of the unit ids."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="zeros")

    def call(self, inputs):
        return self.scale * keras.ops.cast(inputs, "float32")

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        total = keras.ops.sum(keras.ops.cast(x, "float32"))
        return total + keras.ops.sum(y_pred) * 0.0


def test_fit_sees_the_batches_in_order_and_resumes_exactly():
    expected = [int(sequence()[step].sum()) for step in range(15)]

    def fit(first_epoch, last_epoch):
        model = SumModel()
        model.compile(optimizer=keras.optimizers.SGD(0.0))
        recorder = Recorder()
        model.fit(
            sequence(first_step=5 * first_epoch),
            steps_per_epoch=5,
            initial_epoch=first_epoch,
            epochs=last_epoch,
            shuffle=False,
            callbacks=[recorder],
            verbose=0,
        )
        # The logged loss is a mean over the epoch: undo it.
        totals = np.reshape(recorder.sums, (-1, 5))
        return np.diff(totals, axis=1, prepend=0).ravel()

    np.testing.assert_allclose(fit(0, 3), expected, rtol=1e-5)
    np.testing.assert_allclose(fit(2, 3), expected[10:], rtol=1e-5)


def test_memory_maps_and_small_types(tmp_path):
    ids, offsets = corpus()
    np.save(tmp_path / "ids.npy", ids.astype(np.uint16))
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    windows = WindowSequence(
        mapped, offsets, 7, WINDOW, SHIFT, None, MIN_UNITS, seed=17
    )
    assert type(windows[3]) is np.ndarray and windows[3].dtype == np.int32
    np.testing.assert_array_equal(windows[3], sequence()[3])


def test_fixed_windows():
    ids, offsets = corpus()
    every = fixed_windows(ids, offsets, window=WINDOW, min_units=MIN_UNITS)
    assert every.dtype == np.int32
    real = every[every > 0]
    long_enough = np.repeat(np.array(LENGTHS) >= MIN_UNITS, LENGTHS)
    np.testing.assert_array_equal(real, ids[long_enough])  # each unit once, in order
    draw = fixed_windows(ids, offsets, 5, WINDOW, MIN_UNITS, seed=3)
    assert draw.shape == (5, WINDOW)
    assert [tuple(row) for row in every if (row == draw).all(1).any()] == [
        tuple(row) for row in draw
    ]
    np.testing.assert_array_equal(
        fixed_windows(ids, offsets, 5, WINDOW, MIN_UNITS, seed=3), draw
    )
    assert (fixed_windows(ids, offsets, 5, WINDOW, MIN_UNITS, seed=5) != draw).any()
    assert len(fixed_windows(ids, offsets, 997, WINDOW, MIN_UNITS)) == len(every)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(window=5, shift=7), "`shift` must be from 1 to `window`"),
        (dict(shift=0), "`shift` must be a positive integer"),
        (dict(window=11, shift=5, jitter=3), "`jitter` must be from 0 to 2"),
        (dict(window=11, shift=11, jitter=1), "`jitter` must be from 0 to 0"),
        (dict(jitter=-1), "`jitter` must be from 0"),
        (dict(min_units=0), "`min_units` must be a positive integer"),
        (dict(min_units=101), r"All 9 documents are shorter than `min_units` \(101\)"),
        (dict(batch_size=0), "`batch_size` must be a positive integer"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sequence(**arguments)


def test_integers_of_numpy_are_sizes():
    numbers = dict(batch_size=7, window=WINDOW, shift=SHIFT, jitter=2, seed=17)
    numbers |= dict(min_units=MIN_UNITS, first_step=3)
    wrapped = {name: np.int64(value) for name, value in numbers.items()}
    np.testing.assert_array_equal(sequence(**wrapped)[2], sequence(**numbers)[2])
    ids, offsets = corpus()
    draws = [fixed_windows(ids, offsets, kind(5), kind(11)) for kind in (int, np.int64)]
    np.testing.assert_array_equal(*draws)
    for name in ("batch_size", "window", "shift", "min_units"):
        with pytest.raises(TypeError, match=f"`{name}` must be a positive integer"):
            sequence(**{name: 5.0})


def test_ids_and_offsets_must_agree():
    ids, offsets = corpus()
    with pytest.raises(ValueError, match=r"document_offsets\[-1\]=168, len\(ids\)=167"):
        WindowSequence(ids[:-1], offsets, 7)
    for wrong in (offsets[1:], offsets[::-1], [0], [offsets]):
        with pytest.raises(ValueError, match="`document_offsets` must be a rising"):
            fixed_windows(ids, wrong)
    with pytest.raises(ValueError, match="All 9 documents are shorter"):
        fixed_windows(ids, offsets, min_units=98)


def test_works_without_tensorflow(tmp_path):
    program = """
import json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_text"):
            raise ImportError("blocked " + name)
sys.meta_path.insert(0, Blocker())
import numpy as np
from glomo_keras.data import WindowSequence, fixed_windows, load_prepared
import glomo_keras.data.planted
batch = WindowSequence(np.arange(2, 25), [0, 23], 3, 5, 5, min_units=1)[0]
try:
    load_prepared("nowhere")
except FileNotFoundError as error:
    print(json.dumps([batch.tolist(), str(error)]))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    pytest.importorskip("jax")
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    batch, message = json.loads(result.stdout)
    assert np.shape(batch) == (3, 5) and "no finished preparation" in message
