"""Presets: a trained model as a folder that others load by name."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import re

import keras
import numpy as np

from glomo_keras.locking import locked

FORMAT = 1
_PACKAGES = ("glomo_keras", "keras", "numpy")
# What a preset may remove from its folder: data of older presets, unfinished files.
_OWN_FILE = re.compile(
    r"(\.\d+\.)?[0-9a-f]{16}\.(weights\.h5|vocabulary\.txt)"
    r"|\.\d+\.(config\.json|metadata\.json|README\.md)"
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset that was found whole: its files have the sizes and sums they had.

    Attributes:
        folder: `pathlib.Path`.
        metadata: dict, the content of `metadata.json`.
        weights: path of the weights.
        vocabulary: path of the vocabulary, or `None`.
    """

    folder: pathlib.Path
    metadata: dict
    weights: pathlib.Path
    vocabulary: pathlib.Path | None


def save_preset(predictor, directory, vocabulary=None, training=None, card=None):
    """Writes a graph predictor as a preset folder.

    The folder holds the weights and the vocabulary, with the preset's fingerprint in
    their names; `config.json`; `README.md`, the model card; and `metadata.json`,
    which names the others and is replaced last. So a process that is killed leaves
    the old preset or the new one. Files of older presets are removed at the end. A
    second writer waits, and so do readers.

    For the arguments see `GraphPredictor.save_to_preset`.

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
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = _serialized(predictor)
    words = None if vocabulary is None else _vocabulary_bytes(vocabulary)
    if words is not None:
        _check_vocabulary(predictor, words, vocabulary)
    fingerprint = _fingerprint(config, predictor.weights, words)

    files = {"weights": directory / f"{fingerprint}.weights.h5"}
    if words is not None:
        files["vocabulary"] = directory / f"{fingerprint}.vocabulary.txt"
    with locked(directory):
        older = _metadata_or_none(directory)
        if older is None or older["fingerprint"] != fingerprint:  # else leave them
            _replace(files["weights"], predictor.save_weights)
            if words is not None:
                _replace(files["vocabulary"], lambda path: path.write_bytes(words))
        metadata = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "config": config,
            "files": {kind: _described(path) for kind, path in files.items()},
            "versions": _versions(),
            "training": training or {},
        }
        _replace_json(directory / "config.json", config)
        readme = directory / "README.md"
        if card is None and _is_written_by_hand(readme, older):
            metadata["card"] = None
        else:
            text = card or _card(directory.resolve().name, metadata, predictor)
            _replace(readme, lambda path: path.write_text(text, encoding="utf-8"))
            # So that the next preset here knows whether somebody has written one.
            metadata["card"] = None if card else _sha256(readme)
        _replace_json(directory / "metadata.json", metadata)
        _remove_others(directory, files.values())
    return fingerprint


def load_preset(name_or_folder, dtype=None):
    """Loads the graph predictor of a preset.

    Args:
        name_or_folder: path of a preset folder, or the name of one in the
            `saved_models` of the checkout or of the installed package; or a `Preset`
            that `find_preset` found.
        dtype: name or dtype policy to compute in. `None` means the one that was saved.

    Returns:
        The predictor, of the class that was saved.

    Raises:
        FileNotFoundError: if there is no such preset, or a file of it is missing.
        TypeError: if its class is one that nobody has registered.
        ValueError: if a file is damaged or does not fit, or the format is newer.
    """
    if not isinstance(name_or_folder, Preset):
        with open_preset(name_or_folder) as preset:
            return load_preset(preset, dtype)
    preset = name_or_folder
    config = preset.metadata["config"]
    if dtype is not None:
        policy = keras.dtype_policies.serialize(keras.dtype_policies.get(dtype))
        config = {**config, "config": {**config["config"], "dtype": policy}}
    try:
        predictor = keras.saving.deserialize_keras_object(config)
    except TypeError as error:
        raise TypeError(
            f"{preset.folder} is of the class {config.get('registered_name')!r} of "
            f"the module {config.get('module')!r}, which is not known here. Import "
            "the module that defines and registers it, then load the preset."
        ) from error
    predictor.load_weights(preset.weights)
    return predictor


def load_preset_of(cls, name_or_folder, dtype=None):
    """Loads a preset that must hold a model of the class; see `load_preset`.

    Raises:
        TypeError: if it holds another one.
    """
    model = load_preset(name_or_folder, dtype)
    if not isinstance(model, cls):
        held = type(model).__name__
        raise TypeError(
            f"The preset {str(name_or_folder)!r} holds a {held}, not a {cls.__name__}. "
            f"Use {held}.from_preset."
        )
    return model


@contextlib.contextmanager
def open_preset(name_or_folder):
    """Finds a preset, whose files stay as they are until the context is left.

    Yields:
        A `Preset`; see `find_preset`.
    """
    folder = _resolve(name_or_folder)
    with locked(folder, shared=True):
        yield find_preset(folder)


def find_preset(name_or_folder):
    """Finds a preset and checks its files; see `load_preset`.

    Returns:
        A `Preset`.
    """
    folder = _resolve(name_or_folder)
    path = folder / "metadata.json"
    try:
        metadata = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}). Copy or save the preset again."
        ) from error
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if not isinstance(version, int):
        raise ValueError(
            f"{path} is not the metadata of a preset: it has no format number. Give "
            "a folder that `save_to_preset` wrote."
        )
    if version > FORMAT:
        raise ValueError(
            f"{folder} has format {version}, and this version of glomo_keras reads "
            f"formats up to {FORMAT}. Upgrade glomo_keras (the preset was written by "
            f"{metadata.get('versions', {}).get('glomo_keras', 'a newer one')})."
        )
    try:
        metadata["config"]["class_name"], metadata["fingerprint"]
        paths = {
            kind: _checked(folder, described)
            for kind, described in metadata["files"].items()
        }
        return Preset(folder, metadata, paths["weights"], paths.get("vocabulary"))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not complete. Copy or save the preset again."
        ) from error


def preset_folders():
    """Folders where names of presets are looked up: the package's, a checkout's."""
    package = pathlib.Path(__file__).resolve().parents[1]
    return [package / "saved_models", package.parent / "saved_models"]


def _resolve(name_or_folder):
    folder = pathlib.Path(name_or_folder)
    if (folder / "metadata.json").is_file():
        return folder
    known = []
    for parent in preset_folders():
        if len(folder.parts) == 1 and (parent / folder / "metadata.json").is_file():
            return parent / folder
        known += [path.parent.name for path in parent.glob("*/metadata.json")]
    if folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no preset: it has no metadata.json. Give a folder that "
            f"`save_to_preset` wrote. It holds: {sorted(os.listdir(folder))[:10]}."
        )
    raise FileNotFoundError(
        f"There is no preset {str(name_or_folder)!r}: it is neither a folder nor one "
        f"of {sorted(set(known))}."
    )


def _checked(folder, described):
    path = folder / described["name"]
    if path.parent != folder or not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, which metadata.json names. Copy the preset again."
        )
    size = path.stat().st_size
    if size != described["bytes"]:
        raise ValueError(
            f"{path} is truncated or of another preset: {described['bytes']:,} bytes "
            f"were expected, found {size:,}. Copy or save the preset again."
        )
    if _sha256(path) != described["sha256"]:
        raise ValueError(
            f"{path} is damaged: its checksum is not that of metadata.json. Copy or "
            "save the preset again."
        )
    return path


def _vocabulary_bytes(vocabulary):
    if isinstance(vocabulary, str | os.PathLike):
        return pathlib.Path(vocabulary).read_bytes()
    return vocabulary.file_content()


def _check_vocabulary(predictor, words, vocabulary):
    lines = words.removesuffix(b"\n").split(b"\n")
    if not lines[0].startswith(b"[PAD]") or lines[1:2] != [b"[UNK]"]:
        raise ValueError(
            f"`vocabulary` ({vocabulary}) is no vocabulary: its first lines must be "
            "[PAD] and [UNK]. Give a file that `Vocabulary.save` wrote."
        )
    size = len(lines)
    if predictor.vocabulary_size != size:
        source = f" ({vocabulary})" if isinstance(vocabulary, str | os.PathLike) else ""
        raise ValueError(
            f"`vocabulary`{source} does not fit the predictor: it has {size:,} units, "
            f"and the predictor was made for {predictor.vocabulary_size:,}. Give the "
            "vocabulary that the predictor was trained with."
        )


def _fingerprint(config, weights, words):
    """Of the content alone: two savings of one predictor have the same."""
    digest = hashlib.sha256(json.dumps(_nameless(config), sort_keys=True).encode())
    for weight in weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(words or b"")
    return digest.hexdigest()[:16]


def class_and_arguments(model):
    """What a model is, apart from its weights: a dict that JSON can hold."""
    return _nameless(_serialized(model))


def _serialized(model):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    config.pop("compile_config", None)  # how it was trained is no part of it
    return config


def _nameless(config):
    """Class and arguments, but for the name, which Keras counts up, and `trainable`."""
    left_out = ("name", "trainable")
    inner = {k: v for k, v in config["config"].items() if k not in left_out}
    return {"class": config["registered_name"], "config": inner}


def _described(path):
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
    }


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions():
    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in _PACKAGES:
        found[package] = importlib.metadata.version(package)
    return found


def _card(name, metadata, predictor):
    rows = {
        "class": metadata["config"]["registered_name"],
        "parameters": f"{predictor.count_params():,}",
        "fingerprint": metadata["fingerprint"],
        "made with": ", ".join(f"{k} {v}" for k, v in metadata["versions"].items()),
        **metadata["training"],
    }
    made = type(predictor).__name__
    lines = [f"# {name}", "", f"A `{made}`.", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += [
        "",
        "```python",
        f"from glomo_keras.models import {made}",
        "",
        f'model = {made}.from_preset("{name}")',
        "```",
        "",
    ]
    return "\n".join(lines)


def _replace_json(path, value):
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    _replace(path, lambda path: path.write_text(text, encoding="utf-8"))


def _replace(path, write):
    """Has a file written beside its place, and moves it there when it is on disk."""
    # Keras wants the suffix of weights.
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _metadata_or_none(directory):
    """Metadata of the preset in the directory, if a whole one is there."""
    try:
        return find_preset(directory).metadata
    except (OSError, ValueError):
        return None


def _is_written_by_hand(readme, older):
    if not readme.exists():
        return False
    return older is None or older.get("card") != _sha256(readme)


def _remove_others(directory, keep):
    """Removes weights and vocabularies of older presets, and what kills left."""
    keep = {path.name for path in keep}
    for path in directory.iterdir():
        if _OWN_FILE.fullmatch(path.name) and path.name not in keep:
            path.unlink(missing_ok=True)
