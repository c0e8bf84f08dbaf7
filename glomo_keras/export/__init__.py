"""What leaves the library: raw strings to graphs, SavedModels, and what loads them.

Everything here needs TensorFlow. Names are imported on first use.
"""

import importlib

_MODULE_OF = {
    "Limits": "limits",
    "SavedModelGraphs": "saved_model_graphs",
    "TextGraphs": "text_graphs",
    "export_downstream": "saved_model",
    "export_graph_predictor": "saved_model",
    "export_onnx": "onnx_model",
    "write_warm_up": "warm_up",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)


def __dir__():
    return sorted({*globals(), *__all__})
