"""Check the saved models: files, and what they answer.

    python saved_models/verify.py
    python saved_models/verify.py --update     # after a model was changed on purpose

Compares every file with manifest.json, and the graphs of a few sentences, by the preset
and by the SavedModels that are made of it, with the expected.json of the model.
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

from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.ops.visibility import DIRECTIONS

FOLDER = Path(__file__).resolve().parent
SENTENCES = [
    "The old bridge was destroyed by the flood .",
    "She said that the children who had come first were given the books .",
    "In 1944 , the company's ships left Lisbon for New York .",
]
NUM_SENDERS = 3
TOLERANCE = 1e-4


def models():
    """Folders of the presets."""
    return sorted(path.parent for path in FOLDER.glob("*/metadata.json"))


def checksums():
    """Sums of all files of the models, by path."""
    return {
        str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in models()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


def answers(folder):
    """Graphs by source, the preset and its SavedModels, and by direction."""
    text_graphs = TextGraphs.from_preset(folder)
    found = {"preset": text_graphs(SENTENCES)}
    encoded = text_graphs.encode(SENTENCES)
    inputs = {name: encoded[name] for name in ("unit_ids", "padding_mask")}
    with tempfile.TemporaryDirectory() as output:
        paths = export_graph_predictor(
            text_graphs.predictor, output, text_graphs.vocabulary
        )
        of_ids = tf.saved_model.load(paths["ids"]).signatures["serve"]
        of_text = tf.saved_model.load(paths["text"]).signatures["serve"]
        found["ids archive"] = of_ids(**inputs)
        found["text archive"] = of_text(text=tf.constant(SENTENCES))
    return {
        source: {direction: graphs[direction].numpy() for direction in DIRECTIONS}
        for source, graphs in found.items()
    }


def strongest(graphs):
    """Indices and weights of the strongest senders of every receiver, as lists."""
    senders = np.argsort(-graphs, axis=-1, kind="stable")[..., :NUM_SENDERS]
    weights = np.take_along_axis(graphs, senders, axis=-1)
    return {"senders": senders.tolist(), "weights": np.round(weights, 6).tolist()}


def problems(asked=None):
    """Lines that say what is wrong; prints a line a model.

    Files of all models are compared, and answers of those that are asked: folders, or
    `None` for all.
    """
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    there = checksums()
    for path in sorted(manifest.keys() | there.keys()):
        if manifest.get(path) != there.get(path):
            state = "changed" if path in manifest.keys() & there.keys() else "missing"
            yield f"{path}: {state if path in manifest else 'not in the manifest'}"
    for folder in models() if asked is None else asked:
        expected = json.loads((folder / "expected.json").read_text())
        try:
            found = answers(folder)
        except (OSError, ValueError) as error:
            yield f"{folder.name}: {error}"
            continue
        for source, graphs in found.items():
            for direction, wanted in expected.items():
                # By index: senders of the same weight may come in any order.
                weights = np.take_along_axis(
                    graphs[direction], np.array(wanted["senders"]), axis=-1
                )
                error = np.abs(weights - np.array(wanted["weights"])).max()
                print(f"{folder.name}, {source}, {direction}: within {error:.1e}")
                if not error < TOLERANCE:
                    yield f"{folder.name}: {direction} graphs of the {source} differ"


def update():
    """Write what the models answer, and the manifest."""
    for folder in models():
        found = answers(folder)["preset"]
        expected = {direction: strongest(found[direction]) for direction in found}
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    (FOLDER / "manifest.json").write_text(json.dumps(checksums(), indent=2) + "\n")


def main(arguments=None):
    """Compare, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--update", action="store_true", help="write both anew")
    options = parser.parse_args(arguments)
    if options.update:
        update()
        return
    found = list(problems())
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
