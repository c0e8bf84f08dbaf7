"""Batches of shards: which windows are in them, in what order, and training on them."""

import collections
import shutil
import sys

import keras
import numpy as np
import pretrain_text
import pytest
from experiment.pretraining.word_stream import WordBatches
from sharded_corpus import SETTINGS
from sharded_corpus import prepare

from glomo_keras.data import ShardedWindows
from glomo_keras.data import fixed_shard_windows
from glomo_keras.data import load_shards
from glomo_keras.data.shards import batches
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor


@pytest.fixture
def corpus(shards):
    return load_shards(shards)


def rows(batches):
    """How often every window is in batches, its padding left out."""
    return collections.Counter(
        tuple(row[row != 0].tolist()) for batch in batches for row in batch
    )


def test_a_pass_has_every_window_once(corpus):
    windows = ShardedWindows(corpus, batch_size=1, seed=3)
    assert windows.num_windows == sum(corpus.metadata["windows"]["train"])
    number = windows.steps_per_pass
    first = [windows[step] for step in range(number)]
    second = [windows[step] for step in range(number, 2 * number)]
    # A batch of one full window has two of the shortest, of which one may be left.
    left_out = windows.num_windows - sum(map(len, first))
    assert 0 <= left_out <= 1
    once, again = rows(first), rows(second)
    assert sum((once - again).values()) <= left_out
    assert [len(b) for b in first] != [len(b) for b in second]


def test_batches_have_windows_of_one_length_and_about_as_many_units(corpus):
    windows = ShardedWindows(corpus, batch_size=2)
    padded = corpus.metadata["lengths"]
    assert len(padded) > 2 and padded[-1] == 13
    sizes = {length: 26 // length for length in padded}
    padding = units = 0
    seen = set()
    for step in range(windows.steps_per_pass):
        batch = windows[step]
        assert batch.dtype == np.int32
        assert len(batch) == sizes[batch.shape[1]]
        lengths = (batch != 0).sum(axis=1)
        shorter = [0, *padded][padded.index(batch.shape[1])]
        assert (lengths > shorter).all()
        padding, units = padding + (batch == 0).sum(), units + batch.size
        seen.add(batch.shape[1])
    assert seen == set(padded)
    assert 0 < padding / units < 0.02  # 0.005 of all windows, the last batches too


def test_a_batch_depends_on_seed_and_step_alone(corpus):
    first = ShardedWindows(corpus, 3, seed=5)
    later = ShardedWindows(corpus, 3, seed=5, first_step=17)
    other = ShardedWindows(corpus, 3, seed=6)
    for step in (40, 2, 0):
        np.testing.assert_array_equal(first[17 + step], later[step])
        np.testing.assert_array_equal(first.batch(17 + step), first[17 + step])
    assert any(not np.array_equal(first[step], other[step]) for step in range(3))
    later.first_step = 0
    np.testing.assert_array_equal(first[1], later[1])


def test_batches_of_large_corpora_are_the_same(corpus, monkeypatch):
    small = ShardedWindows(corpus, 3)
    monkeypatch.setattr(batches, "_MAX_IN_MEMORY", 10)
    large = ShardedWindows(corpus, 3)
    for step in range(9):
        np.testing.assert_array_equal(small[step], large[step])


def test_documents_of_a_batch_are_named(documents, corpus):
    ids = {unit: place for place, unit in enumerate(corpus.units)}
    windows = ShardedWindows(corpus, batch_size=2, seed=1)
    for step in range(20):
        texts = []
        for name in windows.documents(step):
            spec, number = name.rsplit(" ", 1)
            source = int(spec.removesuffix(".txt")[-1])
            text = documents[source][int(number)].lower().replace(".", " .")
            texts.append([ids.get(unit, 1) for unit in text.split()])
        for row in windows[step]:
            units = row[row != 0].tolist()
            assert any(
                units == text[start : start + len(units)]
                for text in texts
                for start in range(len(text))
            )


def test_validation_windows_stay_the_same(corpus):
    every = fixed_shard_windows(corpus)
    assert len(every) == sum(corpus.metadata["windows"]["valid"])
    assert every.shape[1] == 13 and every.dtype == np.int32
    some = fixed_shard_windows(corpus, 7, seed=2)
    assert len(some) == 7
    assert not rows([some]) - rows([every])
    np.testing.assert_array_equal(some, fixed_shard_windows(corpus, 7, seed=2))
    assert not np.array_equal(some, fixed_shard_windows(corpus, 7, seed=3))
    np.testing.assert_array_equal(every, fixed_shard_windows(corpus, 10_000))


@pytest.mark.parametrize("through", ["windows", "dataset"])
def test_a_model_trains_on_them(corpus, through):
    """`fit` takes what Keras calls a PyDataset, and what Grain calls a dataset."""
    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(len(corpus.units), 6, 1, 2, num_convolutions=1)
    pretrainer = GLoMoPretrainer(predictor)
    pretrainer.compile("adam", jit_compile=False)
    windows = ShardedWindows(corpus, 4)
    source = windows if through == "windows" else windows.dataset
    history = pretrainer.fit(
        source, steps_per_epoch=5, epochs=2, shuffle=False, verbose=0
    )
    assert len(history.history["loss"]) == 2
    assert np.isfinite(history.history["loss"]).all()


def test_lengths_may_differ_after_the_first_two_batches(corpus):
    """From a step on where Keras would take the length of all from the first two."""
    windows = ShardedWindows(corpus, 2)
    lengths = [windows.batch(step).shape[1] for step in range(200)]
    triples = zip(lengths, lengths[1:], lengths[2:], strict=False)
    windows.first_step = next(n for n, (a, b, c) in enumerate(triples) if a == b != c)
    predictor = GraphPredictor(len(corpus.units), 6, 1, 2, num_convolutions=1)
    pretrainer = GLoMoPretrainer(predictor)
    pretrainer.compile("adam", jit_compile=False)
    history = pretrainer.fit(
        windows,
        steps_per_epoch=4,
        verbose=0,
        validation_data=windows,
        validation_steps=4,
    )
    assert np.isfinite(history.history["val_loss"]).all()
    assert np.isfinite(pretrainer.evaluate(windows, steps=4, verbose=0)[0])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_words_of_windows_have_any_length(corpus):
    windows = ShardedWindows(corpus, 2, first_step=3)
    characters = np.arange(len(corpus.units) * 5).reshape(-1, 5)
    batches = WordBatches(windows, characters, num_words=9)
    (spec,) = batches.tf_dataset().element_spec
    assert spec["unit_ids"].shape.as_list() == [None, None]
    assert spec["character_ids"].shape.as_list() == [None, None, 5]
    for number, (batch,) in enumerate(batches.tf_dataset().take(9)):
        np.testing.assert_array_equal(batch["unit_ids"], batches[number][0]["unit_ids"])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_a_tf_dataset_has_the_batches(corpus):
    windows = ShardedWindows(corpus, 2, first_step=3)
    batches = windows.tf_dataset().take(4).as_numpy_iterator()
    for step, batch in enumerate(batches):
        np.testing.assert_array_equal(batch, windows[step])


def test_what_cannot_be_read_is_named(spec, corpus, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="There is no batch of batch_size=100000"):
        ShardedWindows(corpus, 100_000)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        ShardedWindows(corpus, 0)
    copy = shutil.copytree(corpus.directory, tmp_path / "copy")
    windows = ShardedWindows(load_shards(copy), 4)
    for path in copy.glob("train-*"):
        path.unlink()
    with pytest.raises(OSError, match="a file has gone or is damaged"):
        windows[0]
    prepare(spec, tmp_path / "none", **(SETTINGS | dict(valid_fraction=0)))
    with pytest.raises(ValueError, match="has no windows for validation"):
        fixed_shard_windows(load_shards(tmp_path / "none"))
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(ImportError, match=r'pip install "glomo_keras\[shards\]"'):
        ShardedWindows(corpus, 4)


TINY = (
    "--embedding-dim 12 --num-graph-layers 1 --num-heads 3 --context-length 1 "
    "--batch-size 4 --steps-per-epoch 4 --epochs 3 --key-dim 4 --window 13 "
    "--num-classes 11 --position-bias 3 --valid-windows 5 --warmup 2 --no-jit "
    "--save-every 3 --pictures-every 0"
).split()


def test_the_program_trains_on_shards_and_goes_on(shards, tmp_path, monkeypatch):
    """Stopped in the midst of an epoch by shards that have gone."""
    copy = shutil.copytree(shards, tmp_path / "shards")
    arguments = ["--shards", str(copy), *TINY]
    pretrain_text.main([*arguments, "--output", str(tmp_path / "whole")])
    assert not (tmp_path / "whole" / "prepared").exists()

    read = ShardedWindows.batch

    def lose(self, step):
        if step == 7:
            copy.rename(tmp_path / "moved")
            self._files._records.__exit__(None, None, None)  # which closes them
        return read(self, step)

    stopped = [*arguments, "--output", str(tmp_path / "stopped")]
    with monkeypatch.context() as patched:
        patched.setattr(ShardedWindows, "batch", lose)
        message = "a file has gone.*The last good checkpoint, of epoch 2, step 3,"
        with pytest.raises(SystemExit, match=message):
            pretrain_text.main(stopped)
    moved = tmp_path / "moved"
    stopped[1] = str(moved)
    pretrain_text.main([*stopped, "--resume"])
    logs = [
        (tmp_path / name / "log.csv").read_text().splitlines()
        for name in ("whole", "stopped")
    ]
    assert len(logs[0]) == 4
    values = [np.genfromtxt(log, delimiter=",", names=True) for log in logs]
    for name in ("loss", "val_nats"):
        np.testing.assert_allclose(*(value[name] for value in values), rtol=1e-6)


def test_windows_of_another_length_are_refused(shards, tmp_path):
    with pytest.raises(SystemExit, match="has windows of 13 units. Give --window 13"):
        pretrain_text.main(
            ["--shards", str(shards), "--output", str(tmp_path), "--window", "64"]
        )
