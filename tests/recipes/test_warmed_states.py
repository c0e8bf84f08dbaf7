"""States before a sentence, and what they do to its vectors."""

import keras
import numpy as np
import pytest
import warmed_states

from glomo_keras.models import BidirectionalLanguageModel


@pytest.fixture
def preset(tmp_path):
    keras.utils.set_random_seed(0)
    BidirectionalLanguageModel(
        units=5, projection_dim=4, kernel_sizes=[1, 2], filters=[3, 5],
        max_characters=11,
    ).save_to_preset(tmp_path / "elmo")  # fmt: skip
    return str(tmp_path / "elmo")


def test_sentences_end_with_their_mark():
    documents = ["We play here now . They ? The cat sat on it ! And then", "A . B ."]
    assert warmed_states.read_sentences(documents, 2) == [
        "We play here now .".split(),
        "The cat sat on it !".split(),
    ]
    with pytest.raises(ValueError, match="has 2 sentences .* and 3 are needed"):
        warmed_states.read_sentences(documents, 3)


def test_cosines_by_pencil():
    vectors = np.zeros((1, 6, 4))
    vectors[..., 0] = vectors[..., 2] = 1
    other = vectors.copy()
    other[0, 2] = [3, 4, 0, 2]  # the third word: 3/5 forward, 0 backward
    found = warmed_states.cosines_by_place([vectors, vectors], [vectors, other])
    assert found.shape == (5, 1, 2)
    np.testing.assert_allclose(found[:4, 0, 0], [1, 1, 1 - 0.4 / 6, 1])
    np.testing.assert_allclose(found[:4, 0, 1], [1, 1, 1 - 1 / 6, 1])


def test_program(preset, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("The dog saw a cat there .\n\nA play ends well today .\n\n" * 6)
    arguments = ["--preset", preset, "--corpus", f"files:{path}"]
    warmed_states.main([*arguments, "--warm", "2", "--count", "4"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("| 1 |")]
    assert len(rows) == 2 and all("1.000 / 1.000" in row for row in rows)
    # The last layer depends on the states; all the warm-ups here are of two sentences.
    assert not rows[0].endswith("| 1.000 / 1.000 |")
    with pytest.raises(SystemExit, match="12 sentences .* and 204 are needed"):
        warmed_states.main([*arguments, "--warm", "2"])
