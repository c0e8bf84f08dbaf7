"""What differs between the settings of a run and those that were given."""

from glomo_keras.pretraining import run_folder


def test_differences_are_named():
    saved = {"seed": 0, "size": "small", "more": 1}
    assert run_folder.differences(saved, {"seed": 0, "size": "small"}) == ""
    told = run_folder.differences(saved, {"seed": 1, "other": 2, "size": "small"})
    assert told == "seed: 0, not 1, other: None, not 2"
