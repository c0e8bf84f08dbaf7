"""A graph predictor as an ONNX model."""

import os
import pathlib

import tensorflow as tf


def export_onnx(predictor, path):
    """Writes a graph predictor as ONNX: ids in, batch and length free.

    Inputs are `unit_ids`, int32 `(batch, length)`, and `padding_mask`, bool; outputs
    `forward` and `backward`, `(batch, layers, heads, length, length)`, in the
    predictor's compute dtype. There are no limits inside, as SavedModels have them.

    Args:
        predictor: a `GraphPredictor`.
        path: path of the file, which appears complete or not at all.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        ImportError: if the packages of the extra `onnx` are not installed.
    """
    try:
        import onnx  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'export_onnx needs the extra "onnx": pip install "glomo_keras[onnx]"'
        ) from error
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.stem}.onnx")
    inputs = {
        "unit_ids": tf.TensorSpec((None, None), tf.int32, name="unit_ids"),
        "padding_mask": tf.TensorSpec((None, None), tf.bool, name="padding_mask"),
    }
    try:
        predictor.export(
            temporary, format="onnx", input_signature=[inputs], verbose=False
        )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
