"""Pretrainings of 50 steps, alone or as one of several: run in a process of its own.

    python train_once.py STRATEGY OUTPUT [TRAINING ...]

STRATEGY is one of `make_strategy`; `two_devices`: `mirrored` over two virtual devices;
or `data_parallel`, of JAX, over all devices that it sees. TRAINING is one of
`TRAININGS`, by default all of them.
"""

import contextlib
import sys

import keras
import numpy as np

from glomo_keras.distribution import DistributedModel
from glomo_keras.distribution import make_strategy
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import LanguageModelPretrainer
from glomo_keras.optimizers import LazyAdam

STEPS, BATCH = 50, 8


def text_pretrainer():
    predictor = GraphPredictor(
        23, embedding_dim=8, num_graph_layers=2, num_heads=2, num_convolutions=1
    )
    # Classes, so that gradients of embeddings are sparse on TensorFlow.
    return GLoMoPretrainer(predictor, context_length=2, unit_classes=np.arange(23) % 5)


def image_pretrainer():
    predictor = ImageGraphPredictor(
        filters=8, num_graph_layers=1, num_heads=2, num_convolutions=1
    )
    pretrainer = ImageGLoMoPretrainer(predictor)
    pretrainer.build((None, 5, 5, 3))
    return pretrainer


def language_model_pretrainer():
    model = BidirectionalLanguageModel(
        units=7, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 4], max_characters=6
    )
    return LanguageModelPretrainer(model, vocabulary_size=23)


def classifier():
    """Return a functional model of strings: a model that is no pretrainer."""
    texts = keras.Input((4,), dtype="string")
    unit_ids = keras.layers.StringLookup(vocabulary=WORDS, dtype="string")(texts)
    embeddings = keras.layers.Embedding(len(WORDS) + 1, 3)(unit_ids)
    pooled = keras.layers.GlobalAveragePooling1D()(embeddings)
    return DistributedModel(texts, keras.layers.Dense(2)(pooled))


WORDS = list("abcdefg")
MAKERS = {
    "classifier": classifier,
    "text": text_pretrainer,
    "images": image_pretrainer,
    "language_model": language_model_pretrainer,
}
# Both clip: what is clipped has to be the sum over replicas.
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.3, momentum=0.9, global_clipnorm=0.1),
    "lazy_adam": lambda: LazyAdam(0.003, global_clipnorm=0.5),
    "adam": lambda: keras.optimizers.Adam(0.003, global_clipnorm=0.5),
}
TRAININGS = {
    "text_sgd": ("text", "sgd"),
    "images_sgd": ("images", "sgd"),
    "language_model_sgd": ("language_model", "sgd"),
    "text_adam": ("text", "adam"),
    "text_lazy_adam": ("text", "lazy_adam"),
    "classifier_sgd": ("classifier", "sgd"),
}


class Batches(keras.utils.PyDataset):
    """Endless batches, half of whose sequences are short: ragged over replicas."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    @property
    def num_batches(self):
        return None

    def __getitem__(self, step):
        return examples(self.kind, step, BATCH)


def examples(kind, step, number):
    """Return what `fit` takes, the same wherever it is drawn."""
    random = np.random.default_rng([step, 3])
    if kind == "classifier":
        weights = random.random(number)  # shares of the whole batch
        texts = keras.ops.convert_to_tensor(random.choice(WORDS, (number, 4)).tolist())
        return texts, random.integers(0, 2, number), weights / weights.sum()
    return (_inputs(kind, random, number),)


def _inputs(kind, random, number):
    if kind == "images":
        return random.integers(0, 256, (number, 5, 5, 3)).astype("uint8")
    unit_ids = random.integers(2, 23, (number, 9)).astype("int32")
    for row, length in enumerate(random.integers(0, 10, number // 2)):
        unit_ids[number // 2 + row, length:] = 0
    if kind == "text":
        return unit_ids
    characters = random.integers(1, 20, (number, 9, 6)).astype("int32")
    return {"unit_ids": unit_ids, "character_ids": characters}


def distribute(name):
    """Return the strategy, or that of JAX set and `None`."""
    if name == "data_parallel":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return None
    if name == "two_devices":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        name = "mirrored"
    return make_strategy(name)


def train(kind, optimizer, strategy):
    """Return arrays of a training: weights, logs, and those of an evaluation."""
    keras.config.set_dtype_policy("float64" if optimizer == "sgd" else "float32")
    keras.utils.set_random_seed(0)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        pretrainer = MAKERS[kind]()
        loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="sum")
        loss = loss if kind == "classifier" else None
        pretrainer.compile(OPTIMIZERS[optimizer](), loss, jit_compile=False)
    settings = {"steps_per_epoch": STEPS // 2, "epochs": 2, "shuffle": False}
    history = pretrainer.fit(Batches(kind), verbose=0, **settings).history
    # Of text a batch, and one that the devices cannot share alike.
    held_out = examples(kind, 10**6, BATCH + (BATCH // 2 if kind == "text" else 0))
    logs = pretrainer.evaluate(
        *held_out[:1],
        batch_size=BATCH,
        verbose=0,
        return_dict=True,
        **dict(zip(("y", "sample_weight"), held_out[1:], strict=False)),
    )
    arrays = {f"weight_{i}": w for i, w in enumerate(pretrainer.get_weights())}
    arrays |= {f"trained_{name}": values for name, values in history.items()}
    return arrays | {f"evaluated_{name}": value for name, value in logs.items()}


def main(strategy, output, *trainings):
    strategy = distribute(strategy)
    arrays = {}
    for training in trainings or TRAININGS:
        for name, array in train(*TRAININGS[training], strategy).items():
            arrays[f"{training}_{name}"] = array
    np.savez(output, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
