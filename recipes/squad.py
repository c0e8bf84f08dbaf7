r"""Reading comprehension, with and without graphs: the paper's SQuAD experiment.

    python recipes/squad.py --data tfds:squad --graph learned \
        --output runs/squad
    python recipes/squad.py --data squad --features vectors:vectors.txt.gz \
        --num-train 5000 --graph none --seeds 3 --output runs/squad

The baseline is the reader of Clark and Gardner (2017, arXiv 1710.10723)
without weight averaging: word vectors and a character CNN, bidirectional GRU,
bi-attention, self-attention with a residual, pointer layers. --data is
tfds:squad, a folder with train-v1.1.json and dev-v1.1.json (plain or .gz), or
`toy`: made from templates, for trying the recipe.

All questions of the test split count: where the answer lies behind the units
that are read, the question is answered wrongly. In training such questions are
left out.
"""

import experiment.process
from experiment.comparison import runner
from experiment.text.squad import SquadTask


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(SquadTask(), __doc__, arguments)


if __name__ == "__main__":
    main()
