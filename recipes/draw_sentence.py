"""Draw the learned graphs of a sentence.

    python recipes/draw_sentence.py "The cat sat on the mat ." --output runs/sentence

Writes OUTPUT_text_0_arcs.png (mean of the heads of the last layer, both directions)
and OUTPUT_text_0_grid.png (all layers and heads, forward).
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from graph_pictures import draw_graphs

from glomo_keras.data import Vocabulary

MODEL = Path(__file__).parents[1] / "saved_models" / "glomo_text_small_en"


def main(arguments=None):
    """Load, encode, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", help="a sentence")
    parser.add_argument(
        "--model",
        type=Path,
        default=MODEL,
        help="folder of predictor.keras and vocabulary.txt, such as the output of "
        "pretrain_text.py (default: the model of this repository)",
    )
    parser.add_argument("--output", required=True, help="path without suffix")
    options = parser.parse_args(arguments)
    predictor = keras.saving.load_model(options.model / "predictor.keras")
    vocabulary = Vocabulary.load(options.model / "vocabulary.txt")
    unit_ids = vocabulary.encode([options.text])["unit_ids"].numpy()
    for path in draw_graphs(predictor, unit_ids, vocabulary.units, options.output):
        print(path)


if __name__ == "__main__":
    main()
