"""Archives hold the files that their tables read, or are refused."""

import pytest
import tensorflow as tf

from glomo_keras.data import Vocabulary
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.export.archives import Archive
from glomo_keras.export.archives import write_archives
from glomo_keras.models import GraphPredictor


def test_a_preset_that_was_saved_again_is_exported_with_its_vocabulary(tmp_path):
    sizes = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}
    predictor = GraphPredictor(4, embedding_dim=4, **sizes)
    predictor.save_to_preset(tmp_path / "preset", Vocabulary(["one", "two"]))
    text_graphs = TextGraphs.from_preset(tmp_path / "preset", max_units=3)
    predictor = text_graphs.predictor
    predictor.set_weights([weight + 1 for weight in predictor.get_weights()])
    # The vocabulary's file of before has the fingerprint of before in its name.
    predictor.save_to_preset(tmp_path / "preset", text_graphs.vocabulary)
    paths = export_graph_predictor(
        predictor, tmp_path / "models", vocabulary=text_graphs.vocabulary
    )
    loaded = tf.saved_model.load(paths["text"])
    graphs = loaded.signatures["serve"](text=tf.constant(["two one"]))
    tf.debugging.assert_near(graphs["forward"], text_graphs(["two one"])["forward"])


def test_an_archive_whose_file_is_gone_is_refused(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("one\ntwo\n")
    index = tf.lookup.TextFileIndex
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(path), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        ),
        default_value=-1,
    )
    archive = Archive(
        name="words",
        inputs=[tf.TensorSpec((None,), tf.string, name="text")],
        check=lambda text: text,
        endpoints={"serve": lambda text: {"ids": table.lookup(text)}},
        tracked=[table],
    )
    first = write_archives(tmp_path / "models", {"text": archive})
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"'words'.*\['words.txt'\].*gone"):
        write_archives(tmp_path / "models", {"text": archive})
    loaded = tf.saved_model.load(first["text"])
    ids = loaded.signatures["serve"](text=tf.constant(["two"]))["ids"]
    assert ids.numpy().tolist() == [1]
    assert [p.name for p in (tmp_path / "models" / "words").iterdir()] == ["1"]
