r"""Labels of relations between words, with and without graphs: a judge of graphs.

    python recipes/dependency_labels.py --data ud_english_ewt --graph learned \
        --features vectors:vectors.txt.gz --output runs/labels

The label of every word's relation to its head is predicted from the features
of the word and the messages along mixtures of graphs, by a perceptron.
--data is a folder with *-ud-train.conllu and *-ud-dev.conllu, plain or .gz, as
Universal Dependencies publishes treebanks; tfds:universal_dependencies/en_ewt;
or `toy`: made from templates, for trying the recipe. Trained on sentences of
train, the same ones for all seeds, tested on all of dev; labels have their
subtypes (nmod:poss).
"""

import experiment.process
from experiment.comparison import runner
from experiment.dependencies.task import DependencyTask


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(DependencyTask(), __doc__, arguments)


if __name__ == "__main__":
    main()
