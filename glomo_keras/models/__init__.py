"""The graph predictor, and the model that pretrains it."""

from glomo_keras.models import released
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.pretrainer import GLoMoPretrainer

__all__ = ["GLoMoPretrainer", "GraphPredictor", "released"]
