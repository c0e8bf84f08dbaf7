"""Training steps of pretraining on text."""

import itertools

import numpy as np
from harness.work import Contender
from harness.work import Work

NUM_LAYERS, NUM_HEADS, CONTEXT_LENGTH, NUM_CONVOLUTIONS = 3, 8, 3, 4
LEARNING_RATE = 1e-3


def make_inputs(vocabulary_size, batch, length, num_positions):
    """Return unit ids, and positions that are predicted from, of numpy."""
    random = np.random.default_rng(0)
    unit_ids = random.integers(2, vocabulary_size, (batch, length), dtype="int64")
    if num_positions is None:
        return unit_ids, np.arange(length)
    return unit_ids, random.integers(0, length, num_positions, dtype="int64")


def make_torch(vocabulary_size, dim, batch, length, num_positions):
    """Return a step of the authors' program in plain PyTorch."""
    import torch

    model = make_torch_model(vocabulary_size, dim)
    inputs = make_inputs(vocabulary_size, batch, length, num_positions)
    device = torch.get_default_device()
    unit_ids, positions = (torch.from_numpy(array).to(device) for array in inputs)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=1e-7)

    def step():
        optimizer.zero_grad()
        loss = model.loss(unit_ids, positions)
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach()}

    return step


def make_torch_model(vocabulary_size, dim):
    """Return the PyTorch model, the same in every process."""
    import torch
    from peers.glomo import GLoMo

    torch.manual_seed(0)
    return GLoMo(vocabulary_size, dim, NUM_LAYERS, NUM_HEADS)


def make_keras(vocabulary_size, dim, batch, length, num_positions, jit):
    """Return a step of the library, with the choices and weights of PyTorch's model."""
    from glomo_keras.models import released

    arrays = {
        name: parameter.cpu().numpy()
        for name, parameter in make_torch_model(vocabulary_size, dim)
        .state_dict()
        .items()
    }
    pretrainer = released.pretrainer_from_released(arrays, NUM_HEADS)
    unit_ids, positions = make_inputs(vocabulary_size, batch, length, num_positions)
    if num_positions is not None:
        # The positions of PyTorch's step, in place of some of its own.
        pretrainer.draw_positions = lambda length: positions.astype("int32")
    return make_keras_step(pretrainer, unit_ids, jit)


def make_keras_step(pretrainer, unit_ids, jit, lazy=False):
    """Return a training step of a pretrainer, `lazy` updating looked-up rows alone."""
    import keras

    from glomo_keras.optimizers import LazyAdam

    optimizer = (LazyAdam if lazy else keras.optimizers.Adam)(LEARNING_RATE)
    pretrainer.compile(optimizer, jit_compile=jit)
    unit_ids = unit_ids.astype("int32")

    def step():
        pretrainer.reset_metrics()
        logs = pretrainer.train_on_batch(unit_ids, return_dict=True)
        return {"loss": np.float32(logs["loss"])}

    return step


def make_pretrainer(
    vocabulary_size,
    dim,
    num_layers,
    key_dim,
    batch,
    length,
    num_classes,
    block_size="auto",
):
    """Return the recipe's pretrainer, 1.5-entmax, distances, classes, and unit ids."""
    import keras

    from glomo_keras.models import GLoMoPretrainer
    from glomo_keras.models import GraphPredictor

    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(
        vocabulary_size, dim, num_layers, NUM_HEADS, key_dim=key_dim
    )
    classes = np.arange(vocabulary_size) % num_classes
    pretrainer = GLoMoPretrainer(predictor, unit_classes=classes, block_size=block_size)
    unit_ids, _ = make_inputs(vocabulary_size, batch, length, None)
    pretrainer(unit_ids[:1])  # which builds it
    return pretrainer, unit_ids


def make_recipe(jit, lazy=False, **sizes):
    """Return a training step of the recipe."""
    return make_keras_step(*make_pretrainer(**sizes), jit, lazy)


def make_batches(vocabulary_size, batch, length, **sizes):
    """Return a step that cuts the batch of a step out of the ids of a corpus."""
    from glomo_keras.data.windows import WindowSequence

    random = np.random.default_rng(0)
    ids = random.integers(2, vocabulary_size, 10**7, dtype="int32")
    offsets = np.arange(0, len(ids) + 1, 1_000)
    windows = WindowSequence(ids, offsets, batch, window=length, shift=length // 2)
    steps = itertools.count()
    return lambda: {"unit_ids": windows[next(steps)]}


def count_operations(
    dim,
    batch,
    length,
    num_positions,
    num_outputs,
    num_layers,
    key_dim,
    message_dim,
    num_decoders,
):
    """Count those of products of matrices in a training step, both directions.

    A gradient takes twice the operations of its product. Pairs that are not visible are
    left out.
    """
    units, pairs = batch * length, batch * length * (length - 1) / 2
    width = NUM_HEADS * key_dim
    convolutions = 2 * NUM_CONVOLUTIONS * units * 3 * dim * dim
    graphs = num_layers * (2 * units * dim * width + pairs * width)
    updates = num_layers * (pairs * dim + units * 3 * dim * (message_dim + dim))
    rows = batch * (length if num_positions is None else num_positions) * CONTEXT_LENGTH
    decoder = rows * (num_decoders * 6 * dim * dim + num_outputs * dim)
    return 2 * 2 * 3 * (convolutions + graphs + updates + decoder)


def make_work(vocabulary_size, dim, batch, length, num_positions):
    """Return the work of a step of the authors' program."""
    sizes = {
        "vocabulary_size": vocabulary_size,
        "dim": dim,
        "batch": batch,
        "length": length,
        "num_positions": num_positions,
    }
    predicted = (
        "every position" if num_positions is None else f"{num_positions} positions"
    )
    return Work(
        title=(
            f"A pretraining step of the authors' program, {predicted}; dimension "
            f"{dim}, {vocabulary_size:,} units, {batch} windows of {length}"
        ),
        sizes=sizes,
        contenders={
            "PyTorch dense, tuned": Contender(
                make_torch, "torch", tuned=True, is_peer=True
            ),
            "PyTorch dense": Contender(make_torch, "torch", is_peer=True),
            "TensorFlow": Contender(make_keras, "tensorflow", options={"jit": False}),
            "TensorFlow, tuned": Contender(
                make_keras, "tensorflow", tuned=True, options={"jit": False}
            ),
            "TensorFlow, XLA": Contender(
                make_keras, "tensorflow", options={"jit": True}
            ),
            "JAX": Contender(make_keras, "jax", options={"jit": True}),
        },
        operations=count_operations(
            dim,
            batch,
            length,
            num_positions,
            num_outputs=vocabulary_size,
            num_layers=NUM_LAYERS,
            key_dim=dim // 2 // NUM_HEADS,
            message_dim=2 * dim,
            num_decoders=2,
        ),
    )


RECIPE = {
    "vocabulary_size": 30_000,
    "dim": 96,
    "num_layers": 2,
    "key_dim": 32,
    "batch": 32,
    "length": 64,
    "num_classes": 500,
}
RECIPE_OPERATIONS = count_operations(
    96,
    32,
    64,
    None,
    num_outputs=500,
    num_layers=2,
    key_dim=32,
    message_dim=96,
    num_decoders=1,
)
WORKS = {
    "pretraining_128": make_work(10_000, 128, 16, 128, 20),
    "pretraining_256": make_work(30_000, 256, 16, 200, 20),
    "pretraining_128_every_position": make_work(10_000, 128, 16, 128, None),
    "pretraining_recipe": Work(
        title=(
            "A pretraining step of the recipe's size `base`: classes, every position; "
            "dimension 96, 32 windows of 64"
        ),
        sizes=RECIPE,
        # Every backend draws initial weights of its own.
        contenders={
            "TensorFlow": Contender(
                make_recipe, "tensorflow", options={"jit": False}, same_results=False
            ),
            "TensorFlow, XLA": Contender(
                make_recipe, "tensorflow", options={"jit": True}, same_results=False
            ),
            "JAX": Contender(
                make_recipe, "jax", options={"jit": True}, same_results=False
            ),
        },
        operations=RECIPE_OPERATIONS,
    ),
    "pretraining_large_vocabulary": Work(
        title="The same of a vocabulary of 100,000 units, by the optimizer",
        sizes=RECIPE | {"vocabulary_size": 100_000},
        contenders={
            f"{optimizer}{', XLA' if jit else ''}": Contender(
                make_recipe,
                "tensorflow",
                options={"jit": jit, "lazy": optimizer == "LazyAdam"},
                same_results=False,  # a lazy Adam is another optimizer
            )
            for jit in (False, True)
            for optimizer in ("Adam", "LazyAdam")
        },
        operations=RECIPE_OPERATIONS,
    ),
    **{
        f"pretraining_blocks_{length}": Work(
            title=(
                f"A step of the recipe on {2_048 // length} windows of {length} units, "
                "without XLA"
            ),
            sizes=RECIPE | {"batch": 2_048 // length, "length": length},
            contenders={
                name: Contender(
                    make_recipe,
                    "tensorflow",
                    options={"jit": False, "block_size": block_size},
                )
                for name, block_size in (("whole graphs", None), ("in blocks", 64))
            },
            operations=0.0,
            tolerance=1e-3,
        )
        for length in (256, 512)
    },
    "pretraining_batch": Work(
        title="The batch of such a step, cut out of the ids of a corpus",
        sizes=RECIPE,
        contenders={"NumPy": Contender(make_batches, "jax")},
        operations=0.0,
    ),
}
