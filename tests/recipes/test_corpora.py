"""The corpora of pretraining: what is trained on, and what is not."""

import types

import numpy as np
from experiment.pretraining.corpora import ArrayCorpus

from glomo_keras.data import prepare_corpus


def test_windows_are_of_the_split_that_they_are_named_after(tmp_path):
    train, valid = tmp_path / "train.txt", tmp_path / "valid.txt"
    train.write_text("\n\n".join(["one two three one"] * 9))
    valid.write_text("\n\n".join(["four four four"] * 5))
    # A word of validation alone would have no id.
    train.write_text(train.read_text() + "\n\nfour")
    prepared = tmp_path / "prepared"
    spec = f"files:{train}", prepared
    prepare_corpus(*spec, valid_spec=f"files:{valid}", vocabulary_size=9, log=str)
    sizes = {"window": 3, "min_units": 1, "batch_size": 4, "valid_windows": 5}
    settings = types.SimpleNamespace(prepared=prepared, seed=0, **sizes)
    corpus = ArrayCorpus(settings)
    four = corpus.units.index("four")

    def units(batches):
        return {unit for batch in batches for unit in np.unique(batch).tolist()}

    assert units([corpus.validation_windows()]) - {0} == {four}
    windows = corpus.training_windows(shift=3)
    seen = units(windows[step] for step in range(windows.steps_per_pass + 1))
    assert seen >= {corpus.units.index(unit) for unit in ("one", "two", "three")}
