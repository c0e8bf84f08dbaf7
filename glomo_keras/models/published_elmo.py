"""Published ELMo weights, in the files of AllenNLP and bilm-tf."""

import numpy as np

from glomo_keras.files import read_json
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.published_files import find_published_files
from glomo_keras.models.safe_hdf5 import open_hdf5
from glomo_keras.models.safe_hdf5 import read_array
from glomo_keras.ops.characters import NUM_CHARACTERS
from glomo_keras.ops.visibility import DIRECTIONS

_REQUIRED = object()


def load_published_elmo(options_file, weights_file=None, **kwargs):
    """Load a language model from the files that ELMo models are published in.

    Args:
        options_file: path of the `options.json`; or, without `weights_file`, of a
            folder or ZIP archive that holds both files.
        weights_file: path of the weights, HDF5.
        **kwargs: further arguments of `BidirectionalLanguageModel` (`name`, `dtype`,
            `dropout`).

    Returns:
        A `BidirectionalLanguageModel` with the published weights.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is not one of a published ELMo, has an option that is not
            supported, names other files, or the two do not fit each other.

    Example:

    >>> load_published_elmo("missing.json", "missing.hdf5")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.json'

    Reference: Peters et al., 2018 (arXiv 1802.05365), the released program.
    """
    if weights_file is None:
        with find_published_files(options_file) as files:
            return load_published_elmo(*files, **kwargs)
    arguments = _read_options(options_file)
    given = sorted(set(kwargs) & set(arguments))
    if given:
        raise ValueError(
            f"{', '.join(given)} must be left out: {options_file} has the value."
        )
    with open_hdf5(weights_file) as weights:
        try:
            arrays = list(_arrays(arguments, weights))
        except KeyError as error:
            raise ValueError(
                f"{weights_file} lacks weights that {options_file} asks for: {error}. "
                "Give the files of one model."
            ) from error
    # Once the file was seen to have all arrays: options can ask for any size.
    model = BidirectionalLanguageModel(**arguments, **kwargs)
    for variable, array in zip(_variables(model), arrays, strict=True):
        variable.assign(array)
    return model


def _read_options(path):
    """Return the arguments of the model that the options describe."""
    options = read_json(path)
    try:
        return _arguments(options)
    except _OptionError as error:
        raise ValueError(
            f"{path} has not the options of a published ELMo: {error}. Give the "
            "options.json that came with the weights."
        ) from error


class _OptionError(Exception):
    """An option that is missing or of a wrong type."""


def _option(options, name, kind, default=_REQUIRED):
    """Return the value of an option such as `"lstm.dim"`, of a given type."""
    value = options
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        if default is _REQUIRED:
            raise _OptionError(f"`{name}` is missing")
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _OptionError(f"`{name}` is {value!r:.60}")
    return value


def _clip(options, name):
    """Return the largest absolute value that an option allows, or `None`."""
    value = _option(options, name, int | float, None)
    if value is not None and not 0 < value <= float(np.finfo("float32").max):
        raise _OptionError(f"`{name}` is {value!r:.60}, and must be above 0 and finite")
    return value


def _arguments(options):
    number_of_characters = _option(options, "char_cnn.n_characters", int)
    if number_of_characters not in (NUM_CHARACTERS - 1, NUM_CHARACTERS):
        raise _OptionError(
            f"models of {NUM_CHARACTERS} characters are supported, and "
            f"n_characters={number_of_characters}"
        )
    max_characters = _option(options, "char_cnn.max_characters_per_token", int)
    if max_characters < 3:
        raise _OptionError(
            f"`char_cnn.max_characters_per_token` is {max_characters}, and words have "
            "two marks and a character at least"
        )
    filters = _option(options, "char_cnn.filters", list)
    if not filters:
        raise _OptionError("`char_cnn.filters` has no filter")
    for pair in filters:
        numbers = pair if isinstance(pair, list) and len(pair) == 2 else [None]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise _OptionError(
                "`char_cnn.filters` must be pairs of a width and a number of filters, "
                f"and one is {pair!r:.60}"
            )
        if pair[0] > max_characters:
            raise _OptionError(
                f"`char_cnn.filters` has the width {pair[0]}, and words have "
                f"{max_characters} characters"
            )
    num_highways = _option(options, "char_cnn.n_highway", int, 0)
    if num_highways < 0:
        raise _OptionError(f"`char_cnn.n_highway` is {num_highways}")
    arguments = {
        "units": _option(options, "lstm.dim", int),
        "projection_dim": _option(options, "lstm.projection_dim", int),
        "num_layers": _option(options, "lstm.n_layers", int),
        "cell_clip": _clip(options, "lstm.cell_clip"),
        "projection_clip": _clip(options, "lstm.proj_clip"),
        "skip_connections": _option(
            options, "lstm.use_skip_connections", bool, default=False
        ),
        "max_characters": max_characters,
        "embedding_dim": _option(options, "char_cnn.embedding.dim", int),
        "kernel_sizes": [size for size, _ in filters],
        "filters": [channels for _, channels in filters],
        "activation": _option(options, "char_cnn.activation", str, "relu"),
        "num_highways": num_highways,
    }
    if arguments["activation"] not in ("relu", "tanh"):
        raise _OptionError(f"`char_cnn.activation` is {arguments['activation']!r}")
    for name in ("units", "projection_dim", "num_layers", "embedding_dim"):
        if arguments[name] < 1:
            raise _OptionError(f"the {name} are {arguments[name]}")
    return arguments


def _arrays(arguments, weights):
    """Yield the published arrays as the variables hold them, in their order."""
    projection_dim, units = arguments["projection_dim"], arguments["units"]
    embedding_dim = arguments["embedding_dim"]

    def read(name, *shape):
        return read_array(weights, name, shape)

    # Row 0, padding, is not published.
    characters = read("char_embed", NUM_CHARACTERS - 1, embedding_dim)
    yield np.pad(characters, [(1, 0), (0, 0)])
    sizes = zip(arguments["kernel_sizes"], arguments["filters"], strict=True)
    for number, (size, filters) in enumerate(sizes):
        yield read(f"CNN/W_cnn_{number}", 1, size, embedding_dim, filters)[0]
        yield read(f"CNN/b_cnn_{number}", filters)
    dim = sum(arguments["filters"])
    for number in range(arguments["num_highways"]):
        for gate in ("transform", "carry"):
            yield read(f"CNN_high_{number}/W_{gate}", dim, dim)
            yield read(f"CNN_high_{number}/b_{gate}", dim)
    yield read("CNN_proj/W_proj", dim, projection_dim)
    yield read("CNN_proj/b_proj", projection_dim)
    for side, _ in enumerate(DIRECTIONS):
        for number in range(arguments["num_layers"]):
            cell = f"RNN_{side}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
            kernels = read(f"{cell}/W_0", 2 * projection_dim, 4 * units)
            yield from np.split(_reorder(kernels), 2)
            yield _reorder(read(f"{cell}/B", 4 * units), forget_bias=1.0)
            yield read(f"{cell}/W_P_0", units, projection_dim)


def _variables(model):
    """Yield the variables of a model, in the order of the published arrays."""
    encoder = model.character_encoder
    yield encoder.embedding.embeddings
    for convolution in encoder.convolutions:
        yield from (convolution.kernel, convolution.bias)
    for transform, gate in zip(encoder.transforms, encoder.gates, strict=True):
        yield from (transform.kernel, transform.bias, gate.kernel, gate.bias)
    yield from (encoder.projection.kernel, encoder.projection.bias)
    for direction in DIRECTIONS:
        for lstm in model.lstms[direction]:
            cell = lstm.recurrence.cell
            yield from (lstm.kernel, cell.recurrent_kernel, lstm.bias, cell.projection)


def _reorder(gates, forget_bias=0.0):
    """Turn the gates i, c, f, o of a TensorFlow cell into the i, f, c, o of Keras."""
    admit, candidate, keep, emit = np.split(gates, 4, axis=-1)
    return np.concatenate([admit, keep + forget_bias, candidate, emit], axis=-1)
