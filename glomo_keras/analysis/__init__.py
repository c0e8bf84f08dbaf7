"""Learned graphs under the lens: numbers, pictures, and ways to other libraries.

SciPy and NetworkX (extra `analysis`) and matplotlib (extra `plots`) are imported by
the functions that need them.
"""

from glomo_keras.analysis.arcs import plot_graph_arcs
from glomo_keras.analysis.bertviz import to_bertviz
from glomo_keras.analysis.converters import TopSenders
from glomo_keras.analysis.converters import to_networkx
from glomo_keras.analysis.converters import to_scipy
from glomo_keras.analysis.converters import top_senders
from glomo_keras.analysis.edge_lists import Edges
from glomo_keras.analysis.edge_lists import from_coo
from glomo_keras.analysis.edge_lists import to_coo
from glomo_keras.analysis.html_page import save_html
from glomo_keras.analysis.link_recovery import LinkRecovery
from glomo_keras.analysis.link_recovery import link_recovery
from glomo_keras.analysis.pixel_edges import plot_pixel_edges
from glomo_keras.analysis.pixel_page import save_image_html
from glomo_keras.analysis.plots import plot_graph_grid
from glomo_keras.analysis.plots import plot_graph_heatmap
from glomo_keras.analysis.predictor_pictures import plot_predicted_images
from glomo_keras.analysis.predictor_pictures import plot_predicted_texts
from glomo_keras.analysis.predictor_pictures import plot_text_graphs
from glomo_keras.analysis.statistics import graph_statistics
from glomo_keras.analysis.training_plots import plot_graph_statistics
from glomo_keras.analysis.training_plots import plot_history

__all__ = [
    "Edges",
    "LinkRecovery",
    "TopSenders",
    "from_coo",
    "graph_statistics",
    "link_recovery",
    "plot_graph_arcs",
    "plot_graph_grid",
    "plot_graph_heatmap",
    "plot_graph_statistics",
    "plot_history",
    "plot_pixel_edges",
    "plot_predicted_images",
    "plot_predicted_texts",
    "plot_text_graphs",
    "save_html",
    "save_image_html",
    "to_bertviz",
    "to_coo",
    "to_networkx",
    "to_scipy",
    "top_senders",
]
