"""States before a sentence, and what they do to its vectors."""

import numpy as np
import pytest
import warmed_states

from glomo_keras.data import character_ids
from glomo_keras.models import BidirectionalLanguageModel


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
    cosines = [warmed_states.word_cosines(vectors, of) for of in (vectors, other)]
    assert cosines[0].shape == (2, 1, 6)
    found = warmed_states.means_by_place(cosines)
    assert found.shape == (5, 1, 2)
    np.testing.assert_allclose(found[:4, 0, 0], [1, 1, 1 - 0.4 / 6, 1])
    np.testing.assert_allclose(found[:4, 0, 1], [1, 1, 1 - 1 / 6, 1])


def test_program(elmo_folder, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("The dog saw a cat there .\n\nA play ends well today .\n\n" * 6)
    arguments = ["--preset", str(elmo_folder), "--corpus", f"files:{path}"]
    warmed_states.main([*arguments, "--warm", "2", "--count", "4"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("| 1 |")]
    assert len(rows) == 2 and all("1.000 / 1.000" in row for row in rows)
    # The last layer depends on the states; all the warm-ups here are of two sentences.
    assert not rows[0].endswith("| 1.000 / 1.000 |")
    with pytest.raises(SystemExit, match="12 sentences .* and 204 are needed"):
        warmed_states.main([*arguments, "--warm", "2"])


def test_sentences_are_read_a_few_at_a_time(elmo_folder, monkeypatch):
    model = BidirectionalLanguageModel.from_preset(elmo_folder)
    words = [["We", "play"] + (n % 3) * ["here"] + (2 - n % 3) * [""] for n in range(7)]
    ids = np.asarray(character_ids(words, model.max_characters))
    states = model.warmed_states(ids[:1]), model.warmed_states(ids[1:3])
    arguments = (ids, [2 + n % 3 for n in range(7)], *states)
    at_once = warmed_states.compare_states(model, *arguments)
    sizes = []

    def read(ids, initial_states):
        sizes.append(len(ids))
        return model(ids, initial_states=initial_states)

    monkeypatch.setattr(warmed_states, "_BATCH_SIZE", 3)
    in_parts = warmed_states.compare_states(read, *arguments)
    assert sizes == [3] * 6 + [1] * 3
    for one, other in zip(at_once, in_parts, strict=True):
        assert [c.shape for c in one] == [(2, 3, 2 + n % 3) for n in range(7)]
        for cosines, same in zip(one, other, strict=True):
            np.testing.assert_allclose(cosines, same, atol=1e-5)
    assert np.abs(at_once[0][0][:, 1:] - at_once[1][0][:, 1:]).max() > 1e-4
