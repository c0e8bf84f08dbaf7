"""Batches of a labelled task on images, with what its arm adds."""

import numpy as np

from experiment.comparison.example_batches import ExampleBatches


class ImageBatches(ExampleBatches):
    """Batches of one split: images and what the arm adds, and labels in training.

    In training half of the images are mirrored from left to right.

    Args:
        data: dict of `images` and `labels`.
        arm: `PixelMessages` or `PixelGraphs`.
        examples: int array, the images that take part.
        batch_size: int.
        **training: `shuffle_seed` and `first_epoch` of `ExampleBatches`.
    """

    def __init__(self, data, arm, examples, batch_size, **training):
        self.data, self.arm = data, arm
        super().__init__(examples, batch_size, **training)

    def __getitem__(self, index):
        examples = self.examples_of(index)
        images = self.data["images"][examples]
        is_mirrored = np.zeros(len(examples), bool)
        if self.training:
            is_mirrored = self.draw(*self.place_of(index)).random(len(examples)) < 0.5
        images[is_mirrored] = images[is_mirrored][:, :, ::-1]
        inputs = {"images": images, **self.arm.batch_inputs(images)}
        return (inputs, self.data["labels"][examples]) if self.training else (inputs,)
