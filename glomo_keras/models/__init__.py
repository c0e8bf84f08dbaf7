"""The models: graph predictors, the language model of ELMo, and what trains them."""

from glomo_keras.models import ablations
from glomo_keras.models import released
from glomo_keras.models.attention_maps import attention_maps
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.coupled_graph_predictor import CoupledGraphPredictor
from glomo_keras.models.graph_cache import GraphCache
from glomo_keras.models.graph_messages import GraphMessages
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.image_pretrainer import ImageGLoMoPretrainer
from glomo_keras.models.language_model_pretrainer import LanguageModelPretrainer
from glomo_keras.models.layer_cache import LanguageModelLayerCache
from glomo_keras.models.message_cache import MessageCache
from glomo_keras.models.packed_graph_cache import PackedGraphCache
from glomo_keras.models.presets import find_preset
from glomo_keras.models.presets import load_preset
from glomo_keras.models.pretrainer import GLoMoPretrainer
from glomo_keras.models.published_elmo import load_published_elmo
from glomo_keras.models.result_cache import ResultCache
from glomo_keras.models.sentence_pretrainer import SentencePretrainer

__all__ = [
    "BidirectionalLanguageModel",
    "CoupledGraphPredictor",
    "GLoMoPretrainer",
    "GraphCache",
    "GraphMessages",
    "GraphPredictor",
    "ImageGLoMoPretrainer",
    "ImageGraphPredictor",
    "LanguageModelLayerCache",
    "LanguageModelPretrainer",
    "MessageCache",
    "PackedGraphCache",
    "ResultCache",
    "SentencePretrainer",
    "ablations",
    "attention_maps",
    "find_preset",
    "load_preset",
    "load_published_elmo",
    "released",
]
