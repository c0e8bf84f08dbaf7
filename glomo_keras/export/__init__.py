"""What leaves the library: raw strings to graphs, SavedModels, and what loads them.

Everything here needs TensorFlow and tensorflow-text.
"""

from glomo_keras.export.downstream_archive import export_downstream
from glomo_keras.export.elmo_features import ElmoFeatures
from glomo_keras.export.graph_predictor_archive import export_graph_predictor
from glomo_keras.export.image_graph_predictor_archive import (
    export_image_graph_predictor,
)
from glomo_keras.export.language_model_archive import export_language_model
from glomo_keras.export.limits import Limits
from glomo_keras.export.onnx_model import export_onnx
from glomo_keras.export.saved_model_graphs import SavedModelGraphs
from glomo_keras.export.text_graphs import TextGraphs
from glomo_keras.export.warm_up import write_warm_up

__all__ = [
    "ElmoFeatures",
    "Limits",
    "SavedModelGraphs",
    "TextGraphs",
    "export_downstream",
    "export_graph_predictor",
    "export_image_graph_predictor",
    "export_language_model",
    "export_onnx",
    "write_warm_up",
]
