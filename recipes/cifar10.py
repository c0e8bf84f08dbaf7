r"""CIFAR-10 by ResNets, with and without graphs: the paper's image experiment.

    python recipes/cifar10.py --data tfds:cifar10 --graph learned \
        --predictor runs/images/preset --output runs/cifar10
    python recipes/compare.py cifar10 --data tfds:cifar10 --seeds 5 \
        --predictor runs/images/preset --output runs/cifar10

A ResNet-18 or ResNet-34; the features H, pixels or what the first convolution
makes of them, are augmented by messages H M through the gate, the predictor
being frozen. Images are mirrored from left to right in training, nothing else.
--data is tfds:cifar10, a path of packed images (see
`glomo_keras.data.read_images`), or `shapes`, drawn ones. Results are appended
to OUTPUT/runs.jsonl; `compare.py` makes tables of them.
"""

import experiment.process
from experiment.comparison import runner
from experiment.images.cifar10 import Cifar10Task


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(Cifar10Task(), __doc__, arguments)


if __name__ == "__main__":
    main()
