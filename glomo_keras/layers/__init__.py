"""The layers that compose into graph predictors and into downstream models."""

from glomo_keras.layers.character_encoder import CharacterEncoder
from glomo_keras.layers.context_decoder import ContextDecoder
from glomo_keras.layers.gated_graph_fusion import GatedGraphFusion
from glomo_keras.layers.graph_mixer import GraphMixer
from glomo_keras.layers.graph_propagation import GraphPropagation
from glomo_keras.layers.graph_transfer import GraphTransfer
from glomo_keras.layers.image_context_decoder import ImageContextDecoder
from glomo_keras.layers.masked_key_query_cnn import MaskedKeyQueryCNN
from glomo_keras.layers.message_transfer import MessageTransfer
from glomo_keras.layers.packed_graph_transfer import PackedGraphTransfer
from glomo_keras.layers.projected_lstm import ProjectedLSTM
from glomo_keras.layers.scalar_mix import ScalarMix
from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity

__all__ = [
    "CharacterEncoder",
    "ContextDecoder",
    "GatedGraphFusion",
    "GraphMixer",
    "GraphPropagation",
    "GraphTransfer",
    "ImageContextDecoder",
    "MaskedKeyQueryCNN",
    "MessageTransfer",
    "PackedGraphTransfer",
    "ProjectedLSTM",
    "ScalarMix",
    "SquaredReLUAffinity",
]
