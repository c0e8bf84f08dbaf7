"""The mathematics of GLoMo: pure functions of tensors, on every Keras backend."""

from glomo_keras.ops.affinity import mean_visible_score
from glomo_keras.ops.affinity import normalize_rows
from glomo_keras.ops.affinity import squared_relu
from glomo_keras.ops.affinity import squared_relu_affinity
from glomo_keras.ops.affinity import subtract_mean_score
from glomo_keras.ops.attention import squared_relu_attention
from glomo_keras.ops.attention_graphs import graphs_from_attention
from glomo_keras.ops.characters import add_sentence_marks
from glomo_keras.ops.composition import compose_graphs
from glomo_keras.ops.composition import propagate
from glomo_keras.ops.context import context_targets
from glomo_keras.ops.context import log_likelihood
from glomo_keras.ops.counts import graph_counts
from glomo_keras.ops.entmax import entmax_affinity
from glomo_keras.ops.mixture import mix_graphs
from glomo_keras.ops.mixture import mix_messages
from glomo_keras.ops.mixture import propagate_mixture
from glomo_keras.ops.mixture import term_messages
from glomo_keras.ops.packed_graphs import pack_graphs
from glomo_keras.ops.packed_graphs import propagate_packed
from glomo_keras.ops.pixels import bits_per_dimension
from glomo_keras.ops.pixels import pixel_log_likelihood
from glomo_keras.ops.pixels import scale_pixels
from glomo_keras.ops.projected_lstm import projected_lstm_step
from glomo_keras.ops.raster import raster_units
from glomo_keras.ops.raster import window_offsets
from glomo_keras.ops.raster import window_targets
from glomo_keras.ops.relations import pixel_distances
from glomo_keras.ops.relations import relation_counts
from glomo_keras.ops.relations import row_specificity
from glomo_keras.ops.relations import unit_distances
from glomo_keras.ops.sampled_softmax import sampled_log_likelihood
from glomo_keras.ops.visibility import DIRECTIONS
from glomo_keras.ops.visibility import visible_pairs
from glomo_keras.ops.word_pieces import graphs_over_pieces
from glomo_keras.ops.word_pieces import graphs_over_words
from glomo_keras.ops.word_pieces import word_of_piece

__all__ = [
    "DIRECTIONS",
    "add_sentence_marks",
    "bits_per_dimension",
    "compose_graphs",
    "context_targets",
    "entmax_affinity",
    "graph_counts",
    "graphs_from_attention",
    "graphs_over_pieces",
    "graphs_over_words",
    "log_likelihood",
    "mean_visible_score",
    "mix_graphs",
    "mix_messages",
    "normalize_rows",
    "pack_graphs",
    "pixel_distances",
    "pixel_log_likelihood",
    "projected_lstm_step",
    "propagate",
    "propagate_mixture",
    "propagate_packed",
    "raster_units",
    "relation_counts",
    "row_specificity",
    "sampled_log_likelihood",
    "scale_pixels",
    "squared_relu",
    "squared_relu_affinity",
    "squared_relu_attention",
    "subtract_mean_score",
    "term_messages",
    "unit_distances",
    "visible_pairs",
    "window_offsets",
    "window_targets",
    "word_of_piece",
]
