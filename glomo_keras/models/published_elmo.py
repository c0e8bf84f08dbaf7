"""Published ELMo weights, in the files of AllenNLP and bilm-tf."""

import json
import pathlib

import h5py
import numpy as np

from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.ops.characters import NUM_CHARACTERS


def load_published_elmo(options_file, weights_file, **kwargs):
    """Loads a language model from the files that ELMo models are published in.

    Args:
        options_file: path of the `options.json`.
        weights_file: path of the weights, HDF5.
        **kwargs: further arguments of `BidirectionalLanguageModel` (`name`, `dtype`,
            `dropout`).

    Returns:
        A `BidirectionalLanguageModel` with the published weights.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is none of a published ELMo, has an option that is not
            supported, or the two do not fit each other.

    Example:

    >>> load_published_elmo("missing.json", "missing.hdf5")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.json'

    Reference: Peters et al., 2018 (arXiv 1802.05365), the released program.
    """
    try:
        text = pathlib.Path(options_file).read_text(encoding="utf-8")
        arguments = _arguments(json.loads(text))
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{options_file} has not the options of a published ELMo: {error!r}. Give "
            "the options.json that came with the weights."
        ) from error
    given = sorted(set(kwargs) & set(arguments))
    if given:
        raise ValueError(
            f"{', '.join(given)} must be left out: {options_file} tells it."
        )
    model = BidirectionalLanguageModel(**arguments, **kwargs)
    if not h5py.is_hdf5(weights_file) and pathlib.Path(weights_file).exists():
        raise ValueError(
            f"{weights_file} must be an HDF5 file. Give the weights that came with the "
            "options."
        )
    try:
        with h5py.File(weights_file) as weights:
            pairs = list(_pairs(model, weights))
    except KeyError as error:
        raise ValueError(
            f"{weights_file} lacks weights that {options_file} asks for: {error}. Give "
            "the files of one model."
        ) from error
    for variable, array in pairs:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"{weights_file} does not fit {options_file}: {variable.path} has the "
                f"shape {tuple(variable.shape)}, the file has {array.shape}. Give the "
                "files of one model."
            )
    for variable, array in pairs:
        variable.assign(array)
    return model


def _arguments(options):
    lstm, characters = options["lstm"], options["char_cnn"]
    if characters["n_characters"] not in (NUM_CHARACTERS - 1, NUM_CHARACTERS):
        raise ValueError(
            f"Models of {NUM_CHARACTERS} characters are supported. Received: "
            f"n_characters={characters['n_characters']}."
        )
    return {
        "units": lstm["dim"],
        "projection_dim": lstm["projection_dim"],
        "num_layers": lstm["n_layers"],
        "cell_clip": lstm.get("cell_clip"),
        "projection_clip": lstm.get("proj_clip"),
        "skip_connections": lstm.get("use_skip_connections", False),
        "max_characters": characters["max_characters_per_token"],
        "embedding_dim": characters["embedding"]["dim"],
        "kernel_sizes": [size for size, _ in characters["filters"]],
        "filters": [filters for _, filters in characters["filters"]],
        "activation": characters.get("activation", "relu"),
        "num_highways": characters.get("n_highway") or 0,  # null: none
    }


def _pairs(model, weights):
    """Every variable with its published array."""
    encoder = model.character_encoder
    # Row 0, padding, is not published.
    yield encoder.embedding.embeddings, np.pad(weights["char_embed"], [(1, 0), (0, 0)])
    for number, convolution in enumerate(encoder.convolutions):
        yield convolution.kernel, weights[f"CNN/W_cnn_{number}"][0]
        yield convolution.bias, weights[f"CNN/b_cnn_{number}"][:]
    highways = zip(encoder.transforms, encoder.gates, strict=True)
    for number, (transform, gate) in enumerate(highways):
        group = weights[f"CNN_high_{number}"]
        yield transform.kernel, group["W_transform"][:]
        yield transform.bias, group["b_transform"][:]
        yield gate.kernel, group["W_carry"][:]
        yield gate.bias, group["b_carry"][:]
    yield encoder.projection.kernel, weights["CNN_proj/W_proj"][:]
    yield encoder.projection.bias, weights["CNN_proj/b_proj"][:]
    for side, direction in enumerate(("forward", "backward")):
        for number, lstm in enumerate(model.lstms[direction]):
            cell = weights[f"RNN_{side}/RNN/MultiRNNCell/Cell{number}/LSTMCell"]
            kernel, recurrent = np.split(
                _reorder(cell["W_0"][:]), [model.projection_dim]
            )
            yield lstm.kernel, kernel
            yield lstm.bias, _reorder(cell["B"][:], forget_bias=1.0)
            yield lstm.recurrence.cell.recurrent_kernel, recurrent
            yield lstm.recurrence.cell.projection, cell["W_P_0"][:]


def _reorder(gates, forget_bias=0.0):
    """The gates i, c, f, o of a TensorFlow cell as the i, f, c, o of Keras."""
    admit, candidate, keep, emit = np.split(gates, 4, axis=-1)
    return np.concatenate([admit, keep + forget_bias, candidate, emit], axis=-1)
