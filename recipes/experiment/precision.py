"""The precision that models compute in; their weights are float32 in all of them."""

import contextlib

import keras

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


@contextlib.contextmanager
def precision(name):
    """Let layers that are made in the context compute in a precision.

    Keras scales the loss of models in float16 when they are compiled. Graphs are
    normalized in float32 in any.

    Args:
        name: str, one of `POLICIES`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def add_precision_option(add):
    """Add --precision, by the `add_argument` of a parser or group."""
    add(
        "--precision",
        choices=POLICIES,
        default="float32",
        help="of what layers compute; weights stay float32, and with float16 the loss "
        "is scaled (default: float32)",
    )
