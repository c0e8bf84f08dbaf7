r"""Natural language inference, with and without graphs: the paper's MNLI.

    python recipes/nli.py --data tfds:glue/mnli --graph learned \
        --output runs/mnli
    python recipes/nli.py --data mnli --features vectors:vectors.txt.gz \
        --num-train 20000 --graph none --seeds 5 --output runs/mnli

The baseline is ESIM (Chen et al., 2017, arXiv 1609.06038) with a
self-attention layer after the inference composition. --data is tfds:glue/mnli
or tfds:snli; a folder with train.jsonl and the file that --test names, plain
or .gz, or with the files that MultiNLI and SNLI are published as (fields
`premise`, `hypothesis`, `label`, or `sentence1`, `sentence2`, `gold_label`);
or `toy`: made from templates, for trying the recipe.
"""

import experiment.process
from experiment.comparison import runner
from experiment.text.nli import NliTask


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(NliTask(), __doc__, arguments)


if __name__ == "__main__":
    main()
