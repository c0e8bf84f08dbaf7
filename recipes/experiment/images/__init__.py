"""Tasks on labelled images: `cifar10`, and what it is made of."""
