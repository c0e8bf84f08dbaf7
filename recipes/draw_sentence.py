"""Draw the learned graphs of a sentence.

    python recipes/draw_sentence.py "The cat sat on the mat ." --output runs/sentence

Writes OUTPUT_text_0_arcs.png (mean of the heads of the last layer, both directions)
and OUTPUT_text_0_grid.png (all layers and heads, forward).
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from glomo_keras.callbacks.graph_pictures import draw_graphs
from glomo_keras.export import TextGraphs


def main(arguments=None):
    """Load, encode, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", help="a sentence")
    parser.add_argument(
        "--preset",
        default="glomo_text_small_en",
        help="name or folder, such as OUTPUT/preset of pretrain_text.py (default: "
        "glomo_text_small_en)",
    )
    parser.add_argument("--output", required=True, help="path without suffix")
    options = parser.parse_args(arguments)
    text_graphs = TextGraphs.from_preset(options.preset)
    unit_ids = text_graphs.encode([options.text])["unit_ids"].numpy()
    units = text_graphs.vocabulary.units
    for path in draw_graphs(text_graphs.predictor, unit_ids, units, options.output):
        print(path)


if __name__ == "__main__":
    main()
