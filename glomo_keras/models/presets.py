"""Presets: a trained model as a folder that others load by name."""

import collections
import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform

import keras
import numpy as np

from glomo_keras.locking import locked
from glomo_keras.models.hub_presets import download_preset
from glomo_keras.models.hub_presets import is_hub_address
from glomo_keras.models.model_config import build_model
from glomo_keras.models.model_config import check_finite
from glomo_keras.models.model_config import check_rebuild
from glomo_keras.models.model_config import class_and_arguments
from glomo_keras.models.model_config import fixed_random_state
from glomo_keras.models.model_config import serialize_model
from glomo_keras.models.model_config import variable_bytes
from glomo_keras.models.model_config import weight_differences
from glomo_keras.models.preset_card import card_description
from glomo_keras.models.preset_card import make_card
from glomo_keras.models.preset_files import FORMAT
from glomo_keras.models.preset_files import METADATA
from glomo_keras.models.preset_files import Preset
from glomo_keras.models.preset_files import read_card
from glomo_keras.models.preset_files import read_metadata
from glomo_keras.models.preset_files import read_preset
from glomo_keras.models.preset_files import write_preset
from glomo_keras.models.safe_hdf5 import array_shapes
from glomo_keras.models.safe_hdf5 import open_hdf5
from glomo_keras.vocabulary_file import parse_vocabulary

_PACKAGES = ("glomo_keras", "keras", "numpy")


def save_preset(model, directory, vocabulary=None, training=None, card=None):
    """Write a model as a preset folder: see `GraphPredictor.save_to_preset`.

    All that loading asks for is checked before anything is written.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(vocabulary_size=13, embedding_dim=16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fingerprint = predictor.save_to_preset(folder)
    ...     reloaded = GraphPredictor.from_preset(folder)
    >>> reloaded.count_params() == predictor.count_params()
    True
    """
    config = serialize_model(model)
    training = _training(training)
    words = _vocabulary_bytes(model, vocabulary)
    check_finite(model)
    check_rebuild(model, config)
    metadata = {
        "format": FORMAT,
        "fingerprint": model_fingerprint(model, words),
        "config": config,
        "versions": _versions(),
        "training": training,
    }
    write_preset(
        directory,
        metadata,
        model.save_weights,
        variable_bytes(_saved_variables(model)),
        words,
        card or (lambda name: make_card(name, metadata, model.count_params())),
    )
    return metadata["fingerprint"]


def load_preset(preset, load_weights=True, trainable=True, **overrides):
    """Load the model of a preset, of whatever class it is.

    Args:
        preset: name of a preset that comes with the library, path of a folder that
            `save_to_preset` wrote, address of one on the Hugging Face Hub
            (`hf://user/name`, better `hf://user/name@revision`), or a `Preset` that
            `find_preset` returned.
        load_weights: bool, whether to load the weights. `False` starts from new ones.
        trainable: bool. `False` freezes the model; `True` leaves it as it was saved.
        **overrides: arguments of the class in place of those that were saved
            (`dtype`, `dropout`, `name`, ...).

    Returns:
        The model, of the class that was saved.

    Raises:
        FileNotFoundError: if there is no such preset, or a file of it is missing.
        TypeError: if its class is one that nobody has registered, or has no such
            argument.
        ValueError: if a file is damaged or does not fit, the format is newer, or the
            weights do not fit the arguments given.

    Example:

    >>> type(load_preset("glomo_image_small", dtype="bfloat16")).__name__
    'ImageGraphPredictor'
    """
    if not isinstance(preset, Preset):
        with open_preset(preset) as preset:
            return load_preset(preset, load_weights, trainable, **overrides)
    config = preset.metadata["config"]
    with fixed_random_state() if overrides else contextlib.nullcontext():
        model = build_model(config, preset.folder / METADATA)
    if overrides:
        saved = model
        model = type(saved).from_config({**config["config"], **overrides})
        if load_weights:
            _check_fit(model, saved, preset, overrides)
    if load_weights:
        _load_weights(model, preset.weights)
    if not trainable:
        model.trainable = False
    return model


def load_preset_of(cls, preset, load_weights=True, trainable=True, **overrides):
    """Load a preset that must hold a model of a class; see `load_preset`.

    Raises:
        TypeError: if it holds another one.
    """
    if not isinstance(preset, Preset):
        with open_preset(preset) as preset:
            return load_preset_of(cls, preset, load_weights, trainable, **overrides)
    config = preset.metadata["config"]
    kind = keras.saving.get_registered_object(config["registered_name"])
    if isinstance(kind, type) and not issubclass(kind, cls):
        raise TypeError(
            f"The preset {str(preset.folder)!r} holds a model of the class "
            f"{kind.__name__}, not {cls.__name__}. Use {kind.__name__}.from_preset."
        )
    model = load_preset(preset, load_weights, trainable, **overrides)
    if not isinstance(model, cls):  # of Keras's own, which are not registered
        raise TypeError(
            f"The preset {str(preset.folder)!r} holds a model of the class "
            f"{type(model).__name__}, not {cls.__name__}. Use `load_preset`."
        )
    return model


def _saved_variables(model):
    """Return what Keras saves as weights: the state of an optimizer, too."""
    optimizer = getattr(model, "optimizer", None)
    return model.weights + (optimizer.variables if optimizer is not None else [])


@contextlib.contextmanager
def open_preset(preset):
    """Find a preset, whose files stay as they are until the context is left.

    Yields:
        A `Preset`; see `find_preset`.
    """
    folder = _resolve(preset)
    with locked(folder, shared=True):
        yield read_preset(folder)


def find_preset(preset):
    """Find a preset and check its files.

    Args:
        preset: name of a preset that comes with the library, or path of a folder that
            `save_to_preset` wrote.

    Returns:
        A `Preset`: its folder, metadata, and the paths of weights and vocabulary.

    Raises:
        FileNotFoundError: if there is no such preset, or a file of it is missing.
        ValueError: if a file is damaged, or the format is newer.

    Example:

    >>> find_preset("glomo_text_small_en").metadata["fingerprint"]
    '4260b07fa95b3637'
    """
    return read_preset(_resolve(preset))


def preset_folders():
    """Return the folders where names of presets are looked up.

    Those of the installed package and of a checkout.
    """
    package = pathlib.Path(__file__).resolve().parents[1]
    return [package / "saved_models", package.parent / "saved_models"]


@dataclasses.dataclass(frozen=True)
class PresetSummary:
    """What a list of presets says of one.

    Attributes:
        name: string, the name of its folder.
        class_name: string, of its model.
        description: string of one line, the first sentence of its card.
        weights_bytes: int, size of the file of its weights.
    """

    name: str
    class_name: str
    description: str
    weights_bytes: int


def summarize_presets():
    """Return a `PresetSummary` of every preset that comes with the library, by name.

    Example:

    >>> [preset.name for preset in summarize_presets() if "small" in preset.name]
    ['glomo_elmo_small_en', 'glomo_image_small', 'glomo_text_small_en']
    """
    return [
        PresetSummary(
            folder.name,
            metadata["config"]["class_name"],
            card_description(read_card(folder)),
            metadata["files"]["weights"]["bytes"],
        )
        for folder, metadata in _presets_and_metadata()
    ]


def describe_presets(cls):
    """Return the presets of a class that come with the library.

    Args:
        cls: a class of models.

    Returns:
        Dict from names to descriptions of one line.
    """
    descriptions = {}
    for folder, metadata in _presets_and_metadata():
        name = metadata["config"]["registered_name"]
        kind = keras.saving.get_registered_object(name)
        if isinstance(kind, type) and issubclass(kind, cls):
            descriptions[folder.name] = card_description(read_card(folder))
    return descriptions


def model_fingerprint(model, vocabulary=None):
    """Return the fingerprint of a model: two savings of one model have the same.

    Args:
        model: a `keras.Model`.
        vocabulary: bytes, the content of its vocabulary's file, or `None`.

    Returns:
        String, of configuration, weights and vocabulary.
    """
    content = json.dumps(class_and_arguments(model), sort_keys=True)
    digest = hashlib.sha256(content.encode())
    for weight in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(vocabulary or b"")
    return digest.hexdigest()[:16]


def _preset_paths():
    """Folders of all presets that come with the library, the package's first."""
    return [
        path.parent
        for parent in preset_folders()
        for path in sorted(parent.glob(f"*/{METADATA}"))
    ]


def _presets_and_metadata():
    """Folder and metadata of the presets that come with the library, by name."""
    presets = {}
    for folder in _preset_paths():
        with contextlib.suppress(ValueError):  # `from_preset` says what is damaged
            presets.setdefault(folder.name, (folder, read_metadata(folder)))
    return [presets[name] for name in sorted(presets)]


def _resolve(preset):
    if is_hub_address(preset):
        preset = download_preset(preset)
    if not isinstance(preset, str | os.PathLike):
        raise TypeError(
            "`preset` must be the name of a preset or the path of a folder. Received: "
            f"{preset!r} of type {type(preset).__name__}."
        )
    folder = pathlib.Path(preset)
    if (folder / METADATA).is_file():
        return folder
    paths = _preset_paths()
    for path in paths:
        if len(folder.parts) == 1 and path.name == folder.name:
            return path
    if folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no preset: it has no {METADATA}. Give a folder that "
            f"`save_to_preset` wrote. It holds: {sorted(os.listdir(folder))[:10]}."
        )
    raise FileNotFoundError(
        f"There is no preset {str(preset)!r}: it is neither a folder nor one of "
        f"{sorted({path.name for path in paths})}."
    )


def _check_fit(model, saved, preset, overrides):
    """Raise ValueError where arguments make a model that the weights do not fit."""
    differences = weight_differences(model, saved, dtypes=False)
    if differences:
        given = ", ".join(f"{name}={value!r}" for name, value in overrides.items())
        raise ValueError(
            f"The weights of the preset {str(preset.folder)!r} do not fit {given}: "
            f"{'; '.join(differences[:3])}. Leave out what changes the weights, or "
            "start from new ones with `load_weights=False`."
        )


def _load_weights(model, path):
    with open_hdf5(path) as file:
        _check_arrays(model, array_shapes(file), path)
    try:
        model.load_weights(path)
    except Exception as error:  # Keras and h5py raise many
        raise ValueError(
            f"{path} does not fit the configuration of the preset: {error}. Copy or "
            "save the preset again."
        ) from error


def _check_arrays(model, arrays, path):
    """Raise ValueError where a file lacks arrays, or has much larger ones.

    Keras leaves some of the weights that a file lacks as they are, with a warning.
    """
    problem = None
    shapes = [tuple(weight.shape) for weight in model.weights]
    missing = collections.Counter(shapes) - collections.Counter(arrays.values())
    largest = max(map(math.prod, shapes))
    for name, shape in arrays.items():
        if math.prod(shape) > largest:
            problem = (
                f"{name} has {math.prod(shape):,} numbers, and the largest weight "
                f"{largest:,}"
            )
    for shape, number in missing.items():
        problem = f"it lacks {number} array{'s' * (number > 1)} of the shape {shape}"
    if problem:
        raise ValueError(
            f"{path} does not fit the configuration of the preset: {problem}. Copy or "
            "save the preset again."
        )


def _vocabulary_bytes(model, vocabulary):
    """Content of the vocabulary's file, once `Vocabulary.load` would take it."""
    if vocabulary is None:
        return None
    if isinstance(vocabulary, str | os.PathLike):
        words, source = pathlib.Path(vocabulary).read_bytes(), f" ({vocabulary})"
    elif hasattr(vocabulary, "file_content"):
        words, source = vocabulary.file_content(), ""
    else:
        raise TypeError(
            "`vocabulary` must be a `glomo_keras.data.Vocabulary` or the path of its "
            f"file. Received: {vocabulary!r:.60} of type {type(vocabulary).__name__}."
        )
    size = len(parse_vocabulary(words, f"`vocabulary`{source}").units)
    expected = getattr(model, "vocabulary_size", None)
    if expected is None:
        raise ValueError(
            f"`vocabulary`{source} must be left out: a {type(model).__name__} does not "
            "read units by their ids."
        )
    if size != expected:
        raise ValueError(
            f"`vocabulary`{source} does not fit the predictor: it has {size:,} units, "
            f"and the predictor was made for {expected:,}. Give the vocabulary that "
            "the predictor was trained with."
        )
    return words


def _training(training):
    """Return the notes on the training, checked to be what JSON gives back."""
    try:
        if not isinstance(training, dict | None):
            raise TypeError(f"it is of type {type(training).__name__}")
        return json.loads(json.dumps(training or {}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"`training` must be a dict that JSON can hold: {error}. Give Python's own "
            "numbers and strings, such as `float(loss)`."
        ) from error


def _versions():
    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in _PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return versions
