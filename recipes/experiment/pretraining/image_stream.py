"""Batches of images in a fixed random order, from any step on."""

import keras
import numpy as np


class ImageSequence(keras.utils.PyDataset):
    """Endless batches: every image once, then all again in another order.

    Batch `n` depends on `seed` and `n` alone, so that a resumed run sees the same.

    Args:
        images: uint8 array `(num_images, height, width, channels)`, or a memory map.
        batch_size: int.
        seed: int.
        first_step: int, batches that were seen before.
        flip: bool, whether to mirror half of the images from left to right.
    """

    def __init__(self, images, batch_size, seed=0, first_step=0, flip=False):
        super().__init__()
        if len(images) < batch_size:
            raise ValueError(
                f"`batch_size` must not exceed the number of images. Received: "
                f"batch_size={batch_size} for {len(images)} images."
            )
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.first_step = first_step
        self.flip = flip
        self.rounds = {}

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        index += self.first_step
        batches_per_round = len(self.images) // self.batch_size
        number, place = divmod(index, batches_per_round)
        if number not in self.rounds:
            order = np.random.default_rng([self.seed, number]).permutation(
                len(self.images)
            )
            self.rounds = {number: order}
        chosen = self.rounds[number][place * self.batch_size :][: self.batch_size]
        batch = np.stack([self.images[i] for i in chosen])
        if self.flip:
            random = np.random.default_rng([self.seed, number, place])
            mirrored = random.random(len(batch)) < 0.5
            batch[mirrored] = batch[mirrored][:, :, ::-1]
        return batch
