"""A graph predictor as an ONNX model."""

import pathlib

import tensorflow as tf

from glomo_keras.export.archives import check_backend
from glomo_keras.export.archives import check_exported_model
from glomo_keras.export.archives import check_name
from glomo_keras.files import atomic_write
from glomo_keras.models.graph_predictor import GraphPredictor


def export_onnx(predictor, directory, *, name="glomo_text"):
    """Write a graph predictor as ONNX: ids in, batch and length free.

    Inputs are `unit_ids`, int32 `(batch, length)`, and `padding_mask`, bool; outputs
    `forward` and `backward`, float32 `(batch, layers, heads, length, length)`. There
    are no limits inside, as SavedModels have them.

    Args:
        predictor: a `GraphPredictor`.
        directory: path of the folder of the file, which is made where it is missing.
        name: string, the file is `DIRECTORY/NAME.onnx`. It appears complete or not at
            all, in place of one that is there.

    Returns:
        Dict of `onnx`, the path of the file, a string.

    Raises:
        ImportError: if the packages of the extra `onnx` are not installed.
        ValueError: if `name` is a path, the predictor does not compute in float32, or
            Keras does not run on TensorFlow.
        TypeError: if it is no `GraphPredictor`.
    """
    try:
        import onnx  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'export_onnx needs the extra "onnx": pip install "glomo_keras[onnx]"'
        ) from error
    check_backend("ONNX models")
    check_exported_model("predictor", predictor, GraphPredictor)
    check_name(name)
    if predictor.dtype_policy.name != "float32":
        raise ValueError(
            "ONNX models are made of predictors of float32. Received: one of "
            f"{predictor.dtype_policy.name}. Save it as a preset, and load that with "
            'GraphPredictor.from_preset(preset, dtype="float32").'
        )
    path = pathlib.Path(directory) / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = {
        "unit_ids": tf.TensorSpec((None, None), tf.int32, name="unit_ids"),
        "padding_mask": tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
    }
    with atomic_write(path) as temporary:
        predictor.export(
            temporary, format="onnx", input_signature=[inputs], verbose=False
        )
    return {"onnx": str(path)}
