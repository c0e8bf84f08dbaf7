"""A word in context: sentences with it, and the nearest of them."""

import numpy as np
import pytest
import word_senses

from glomo_keras.models import BidirectionalLanguageModel


def test_sentences_with_a_word():
    documents = ["We play . They played . A play ends!", "No such. Do play on?"]
    found = word_senses.sentences_with("play", documents, 5)
    assert found == [
        ["We", "play", "."],
        ["A", "play", "ends", "!"],
        ["Do", "play", "on", "?"],
    ]
    assert len(word_senses.sentences_with("play", documents, 2)) == 2
    assert not word_senses.sentences_with("play", documents, 5, max_units=2)


def test_the_nearest_sentence_is_the_same_one(elmo_folder, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("We play here.\n\nA play ends well. They saw the play of light.")
    arguments = ["--preset", str(elmo_folder), "--corpus", f"files:{path}"]
    arguments += ["--word", "play", "--num-neighbours", "1", "--queries"]
    word_senses.main([*arguments, "A play ends well.", "We play here."])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 sentences with 'play'")
    assert lines[2:4] == ["A play ends well .", "  1.00  A play ends well ."]
    assert lines[5:7] == ["We play here .", "  1.00  We play here ."]
    shares = [float(value) for value in lines[8].split(": ")[1].split(", ")]
    assert len(shares) == 3 and shares[0] == 1.0
    for queries in (["No such word."], ["I play. You play.", "We play here."]):
        with pytest.raises(SystemExit):
            word_senses.main([*arguments, *queries])
        assert "one sentence with the word 'play'" in capsys.readouterr().err


def test_vectors_are_those_of_the_word(elmo_folder):
    model = BidirectionalLanguageModel.from_preset(elmo_folder)
    sentences = [["a", "cat"], ["the", "big", "cat"]]
    vectors = word_senses.vectors_of("cat", sentences, model)
    assert vectors.shape == (2, 3, 6)
    np.testing.assert_allclose(vectors[0, 0], vectors[1, 0], atol=1e-6)
    assert np.abs(vectors[0, 1] - vectors[1, 1]).max() > 1e-4
