"""Every public model, with a value for each of its arguments that is no default."""

import dataclasses
import typing

import keras
import numpy as np

from glomo_keras import models
from glomo_keras.models import ablations

PREDICTOR = {
    "num_graph_layers": 2,
    "num_heads": 5,
    "key_dim": 3,
    "num_convolutions": 2,
    "kernel_size": 2,
    "normalization": None,
    "threshold": "query",
    "use_bias": True,
    "top_k": 3,
    "position_bias": 2,
    "dropout": 0.3,
    "seed": 7,
    "kernel_initializer": "he_normal",
    "kernel_regularizer": "l2",
}
IDS = np.array([[2, 3, 5, 7, 11], [4, 6, 1, 0, 0]], "int32")
CHARACTERS = np.random.default_rng(0).integers(1, 50, (2, 5, 11)).astype("int32")
CHARACTERS[1, 3:] = 0
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 2)).astype("uint8")


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A public model, and how the tests make and call it.

    Attributes:
        model: the class.
        arguments: dict of all arguments, none of them at its default.
        inputs: what it is called on, NumPy arrays.
        parts: dict of arguments that are models: functions that make them.
        is_preset: bool, whether it can be saved as a preset.
    """

    model: type
    arguments: dict
    inputs: typing.Any
    parts: dict = dataclasses.field(default_factory=dict)
    is_preset: bool = True

    @property
    def name(self):
        return self.model.__name__

    def make(self, **changes):
        parts = {name: make() for name, make in self.parts.items()}
        return self.model(**{**self.arguments, **parts, **changes})

    def outputs(self, model, **options):
        """Outputs of a call as a flat list of NumPy arrays."""
        found = keras.tree.flatten(model(self.inputs, **options))
        return [
            keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
            for output in found
        ]


TEXT = ModelEntry(
    models.GraphPredictor,
    {"vocabulary_size": 13, "embedding_dim": 10, **PREDICTOR},
    {"unit_ids": IDS, "padding_mask": IDS != 0},
)
IMAGE = ModelEntry(
    models.ImageGraphPredictor,
    {"filters": 10, **PREDICTOR, "kernel_size": 5, "channels": 2},
    IMAGES,
)
LANGUAGE_MODEL = ModelEntry(
    models.BidirectionalLanguageModel,
    {
        "units": 7,
        "projection_dim": 5,
        "num_layers": 3,
        "cell_clip": 0.7,
        "projection_clip": None,
        "skip_connections": False,
        "dropout": 0.3,
        "max_characters": 11,
        "embedding_dim": 3,
        "kernel_sizes": (1, 2),
        "filters": (3, 5),
        "activation": "gelu",
        "num_highways": 1,
        "seed": 7,
    },
    CHARACTERS,
)
PRETRAINING = {
    "update": "residual",
    "shared_update": False,
    "num_decoder_layers": 2,
    "num_positions": 3,
    "seed": 7,
}


def _predictor(entry):
    # Blocks are of whole rows.
    return lambda: entry.make(top_k=None)


MODELS = [
    TEXT,
    IMAGE,
    LANGUAGE_MODEL,
    ModelEntry(
        models.GLoMoPretrainer,
        {
            **PRETRAINING,
            "context_length": 2,
            "first_input": "zeros",
            "chunk_size": 5,
            "num_sampled": 7,
            "block_size": 2,
        },
        IDS,
        {"graph_predictor": _predictor(TEXT)},
        is_preset=False,
    ),
    ModelEntry(
        models.GLoMoPretrainer,
        {"unit_classes": [n // 3 for n in range(13)], "two_level": True},
        IDS,
        {"graph_predictor": _predictor(TEXT)},
        is_preset=False,
    ),
    ModelEntry(
        models.GLoMoPretrainer,
        {"message": "product_concat"},
        IDS,
        {"graph_predictor": _predictor(TEXT)},
        is_preset=False,
    ),
    ModelEntry(
        models.SentencePretrainer,
        {"end_ids": [3, 7], "context_length": 2, "num_sentences": 3},
        IDS,
        {"graph_predictor": _predictor(TEXT)},
        is_preset=False,
    ),
    ModelEntry(
        models.ImageGLoMoPretrainer,
        {
            **PRETRAINING,
            "dim": 15,
            "context_window": (2, 3),
            "num_logistics": 3,
            "block_size": 2,
        },
        IMAGES,
        {"graph_predictor": _predictor(IMAGE)},
        is_preset=False,
    ),
    ModelEntry(
        models.ImageGLoMoPretrainer,
        {"message": "product_concat"},
        IMAGES,
        {"graph_predictor": _predictor(IMAGE)},
        is_preset=False,
    ),
    ModelEntry(
        models.LanguageModelPretrainer,
        {"vocabulary_size": 13, "num_sampled": 5, "chunk_size": 7, "seed": 7},
        {"unit_ids": IDS, "character_ids": CHARACTERS},
        {"language_model": LANGUAGE_MODEL.make},
        is_preset=False,
    ),
    dataclasses.replace(TEXT, model=models.CoupledGraphPredictor),
    *(
        dataclasses.replace(TEXT, model=getattr(ablations, f"{name}GraphPredictor"))
        for name in ("Abstaining", "Softmax", "Square", "Uniform", "Empty")
    ),
    *(
        dataclasses.replace(
            IMAGE, model=getattr(ablations, f"{name}ImageGraphPredictor")
        )
        for name in ("Uniform", "Empty")
    ),
]
