r"""Sentiment of film reviews, with and without graphs: the paper's IMDB.

    python recipes/imdb.py --data tfds:imdb_reviews --graph learned \
        --output runs/imdb
    python recipes/imdb.py --data imdb --features vectors:vectors.txt.gz \
        --num-train 250 --graph none --seeds 5 --output runs/imdb_250

A baseline of recurrent layers, linear layers and self-attention over word
vectors. --data is tfds:imdb_reviews, a folder with train.jsonl and test.jsonl
(fields `text` and `label`, 0 or 1; plain or .gz), or `toy`: made from
templates, for trying the recipe. Results are appended to OUTPUT/runs.jsonl;
`compare.py` makes tables of them.
"""

import experiment.process
from experiment.comparison import runner
from experiment.text.imdb import ImdbTask


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(ImdbTask(), __doc__, arguments)


if __name__ == "__main__":
    main()
