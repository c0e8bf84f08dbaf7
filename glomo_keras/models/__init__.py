"""The graph predictor, and the model that pretrains it."""

from glomo_keras.models import released
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.image_pretrainer import ImageGLoMoPretrainer
from glomo_keras.models.pretrainer import GLoMoPretrainer

__all__ = [
    "GLoMoPretrainer",
    "GraphPredictor",
    "ImageGLoMoPretrainer",
    "ImageGraphPredictor",
    "released",
]
