"""Check the saved models: files, and what they answer.

    python saved_models/verify.py
    python saved_models/verify.py --update glomo_text_small_en   # changed on purpose

Compares every file with manifest.json, and what each preset and the SavedModels that
are made of it answer to a few sentences or images, with the expected.json of the model.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from glomo_keras.data import character_ids
from glomo_keras.data import draw_shapes
from glomo_keras.data import shrink
from glomo_keras.data import split_units
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.export import export_image_graph_predictor
from glomo_keras.export import export_language_model
from glomo_keras.files import write_text
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import load_preset
from glomo_keras.ops import DIRECTIONS

FOLDER = Path(__file__).resolve().parent
SENTENCES = [
    "The old bridge was destroyed by the flood .",
    "She said that the children who had come first were given the books .",
    "In 1944 , the company's ships left Lisbon for New York .",
]
NAMES = (*DIRECTIONS, "layers")
NUM_COMPARED = 3
TOLERANCE = 1e-4


def models():
    """Folders of the presets."""
    return sorted(path.parent for path in FOLDER.glob("*/metadata.json"))


def checksums():
    """Return the sums of all files of the models, by path."""
    return {
        str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in models()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


def answers(folder):
    """Return what a model answers, by source (preset, SavedModels) and by name."""
    model = load_preset(folder)
    with tempfile.TemporaryDirectory() as output:
        if isinstance(model, ImageGraphPredictor):
            by_source = image_answers(model, output)
        elif isinstance(model, BidirectionalLanguageModel):
            by_source = language_model_answers(model, output)
        else:
            by_source = text_answers(folder, output)
    return {
        source: {name: outputs[name].numpy() for name in NAMES if name in outputs}
        for source, outputs in by_source.items()
    }


def text_answers(folder, output):
    """Graphs of sentences."""
    text_graphs = TextGraphs.from_preset(folder)
    encoded = text_graphs.encode(SENTENCES)
    paths = export_graph_predictor(
        text_graphs.predictor, output, vocabulary=text_graphs.vocabulary
    )
    inputs = {name: encoded[name] for name in ("unit_ids", "padding_mask")}
    return {
        "preset": text_graphs(SENTENCES),
        "ids archive": _serve(paths["ids"])(**inputs),
        "text archive": _serve(paths["text"])(text=tf.constant(SENTENCES)),
    }


def image_answers(model, output):
    """Graphs of drawn images."""
    images = tf.constant(shrink(draw_shapes(2)[0], 8))
    paths = export_image_graph_predictor(model, output)
    served = _serve(paths["images"])(images=images)
    return {"preset": model(images), "archive": served}


def language_model_answers(model, output):
    """Layers of sentences, of strings and of their units."""
    words = split_units(SENTENCES).units
    characters = character_ids(words, model.max_characters)
    paths = export_language_model(model, output)
    lengths = tf.cast(words.row_lengths(), tf.int32)
    return {
        "preset": {"layers": model(characters)},
        "words archive": _serve(paths["words"])(
            words=words.to_tensor(""), lengths=lengths
        ),
        "text archive": _serve(paths["text"])(text=tf.constant(SENTENCES)),
    }


def _serve(path):
    return tf.saved_model.load(path).signatures["serve"]


def excerpt(name, array):
    """Return what is compared of an answer: strongest senders, or some numbers."""
    if name == "layers":
        return {"values": np.round(array[..., :NUM_COMPARED], 6).tolist()}
    senders = np.argsort(-array, axis=-1, kind="stable")[..., :NUM_COMPARED]
    weights = np.take_along_axis(array, senders, axis=-1)
    return {"senders": senders.tolist(), "values": np.round(weights, 6).tolist()}


def largest_difference(array, expected):
    """Between an answer and the excerpt of an expected one."""
    if "senders" in expected:
        # By index: senders of the same weight may come in any order.
        array = np.take_along_axis(array, np.array(expected["senders"]), axis=-1)
    else:
        array = array[..., :NUM_COMPARED]
    return np.abs(array - np.array(expected["values"])).max()


def problems(folders=None):
    """Lines that say what is wrong; prints a line a model.

    Files of all models are compared, and the answers of `folders`; of all where that is
    `None`.
    """
    manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    there = checksums()
    for path in sorted(manifest.keys() | there.keys()):
        if manifest.get(path) != there.get(path):
            state = "changed" if path in manifest.keys() & there.keys() else "missing"
            yield f"{path}: {state if path in manifest else 'not in the manifest'}"
    for folder in models() if folders is None else folders:
        expected = json.loads((folder / "expected.json").read_text("utf-8"))
        try:
            model_answers = answers(folder)
        except (OSError, ValueError) as error:
            yield f"{folder.name}: {error}"
            continue
        for source, outputs in model_answers.items():
            for name, expected_excerpt in expected.items():
                try:
                    error = largest_difference(outputs[name], expected_excerpt)
                except (IndexError, KeyError, ValueError):  # of another shape, or none
                    error = np.inf
                print(f"{folder.name}, {source}, {name}: within {error:.1e}")
                if not error < TOLERANCE:
                    yield f"{folder.name}: {name} of the {source} differs"


def update(names):
    """Write the manifest, and what the models of these names answer where it differs.

    Another computer rounds otherwise, which is no other answer. Of models that are not
    named the manifest keeps what it has.
    """
    for folder in [FOLDER / name for name in names] or models():
        outputs = answers(folder)["preset"]
        path = folder / "expected.json"
        if path.exists() and _are_expected(
            outputs, json.loads(path.read_text("utf-8"))
        ):
            continue
        expected = {name: excerpt(name, array) for name, array in outputs.items()}
        write_text(path, json.dumps(expected) + "\n")
    path, manifest = FOLDER / "manifest.json", checksums()
    if names:
        before = json.loads(path.read_text("utf-8"))
        named = {f: s for f, s in manifest.items() if f.split("/")[0] in names}
        others = {f: s for f, s in before.items() if f.split("/")[0] not in names}
        manifest = dict(sorted((others | named).items()))
    write_text(path, json.dumps(manifest, indent=2) + "\n")


def _are_expected(outputs, expected):
    """Return whether answers are those that are expected, of models of any shape."""
    try:
        return outputs.keys() == expected.keys() and all(
            largest_difference(outputs[name], expected[name]) < TOLERANCE
            for name in expected
        )
    except (IndexError, ValueError):  # of another shape
        return False


def main(arguments=None):
    """Compare, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--update",
        nargs="*",
        choices=[folder.name for folder in models()],
        metavar="MODEL",
        help="write the manifest anew, and what these models answer (default: all)",
    )
    options = parser.parse_args(arguments)
    if options.update is not None:
        update(options.update)
        return
    lines = list(problems())
    if lines:
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main()
