"""The files of a preset folder: written whole, and checked before they are used."""

import dataclasses
import hashlib
import pathlib
import re

from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.files import is_unfinished
from glomo_keras.files import read_json
from glomo_keras.files import write_json
from glomo_keras.files import write_text
from glomo_keras.locking import locked

FORMAT = 1
METADATA = "metadata.json"
_CARD = "README.md"
# Weights and vocabularies, which a preset that replaces another one removes.
_DATA_FILE = re.compile(r"[0-9a-f]{16}\.(weights\.h5|vocabulary\.txt)")


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset whose files have the sizes and checksums that they were written with.

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


def write_preset(
    directory, metadata, save_weights, weights_size, vocabulary=None, card=None
):
    """Write the files of a preset.

    The weights and the vocabulary have the fingerprint in their names, and
    `metadata.json`, which names them, is replaced after them: a process that is killed
    leaves the old preset or the new one. The card follows, and data of older presets
    are removed at the end. A second writer waits, and so do readers.

    Args:
        directory: path of the folder; made where it is missing.
        metadata: dict that JSON can hold, with `fingerprint` and `config`; what is
            said of the files is added.
        save_weights: function of a path, which writes the weights there.
        weights_size: int, size of the weights, in bytes.
        vocabulary: bytes, or `None`.
        card: function of the name of the preset, which returns the model card; or a
            string, the card that somebody wrote.

    Raises:
        OSError: if there is too little space; nothing is written then.
    """
    directory = pathlib.Path(directory).resolve()
    size = weights_size + len(vocabulary or b"")
    existing = next(p for p in (directory, *directory.parents) if p.exists())
    check_free_space(existing, size)
    directory.mkdir(parents=True, exist_ok=True)
    fingerprint = metadata["fingerprint"]
    files = {"weights": directory / f"{fingerprint}.weights.h5"}
    if vocabulary is not None:
        files["vocabulary"] = directory / f"{fingerprint}.vocabulary.txt"
    with locked(directory):
        older = _metadata_or_none(directory)
        card_text, card_sums = _choose_card(directory, card, older)  # which may fail
        if older is None or older["fingerprint"] != fingerprint:
            with atomic_write(files["weights"]) as temporary:
                save_weights(temporary)
            if vocabulary is not None:
                with atomic_write(files["vocabulary"]) as temporary:
                    temporary.write_bytes(vocabulary)
        write_json(directory / "config.json", metadata["config"])
        described = {kind: _describe(path) for kind, path in files.items()}
        metadata = {**metadata, "files": described, "automatic_cards": card_sums}
        write_json(directory / METADATA, metadata)
        if card_text is not None:
            write_text(directory / _CARD, card_text)
        _remove_other_data(directory, files.values())


def read_metadata(folder):
    """Return the metadata of a preset folder, with the types that they must have.

    Args:
        folder: `pathlib.Path`.

    Returns:
        Dict.

    Raises:
        FileNotFoundError: if the folder has none.
        ValueError: if they are damaged, or of a newer format.
    """
    path = folder / METADATA
    metadata = read_json(path)
    version = metadata.get("format") if isinstance(metadata, dict) else None
    if not _is_integer(version) or version < 1:
        raise ValueError(
            f"{path} is not the metadata of a preset: it has no format number. Give "
            "a folder that `save_to_preset` wrote."
        )
    if version > FORMAT:
        versions = metadata.get("versions")
        writer = versions.get("glomo_keras") if isinstance(versions, dict) else None
        raise ValueError(
            f"{folder} has format {version}, and this version of glomo_keras reads "
            f"formats up to {FORMAT}. Upgrade glomo_keras (the preset was written by "
            f"{writer or 'a newer one'})."
        )
    problem = _problem(metadata)
    if problem:
        raise ValueError(
            f"{path} is damaged: {problem}. Copy or save the preset again."
        )
    return metadata


def read_preset(folder):
    """Return the preset of a folder, all of whose files are checked.

    Args:
        folder: `pathlib.Path`.

    Returns:
        A `Preset`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, or the format is newer.
    """
    metadata = read_metadata(folder)
    paths = {
        kind: _checked(folder, described)
        for kind, described in metadata["files"].items()
    }
    return Preset(folder, metadata, paths["weights"], paths.get("vocabulary"))


def read_card(folder):
    """Return the card of a preset folder, empty if it has none."""
    path = folder / _CARD
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _problem(metadata):
    """Say what is wrong with metadata of a known format; `None` if nothing is."""
    if not isinstance(metadata.get("fingerprint"), str):
        return "`fingerprint` must be a string"
    config = metadata.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        return "`config` must be a class with its arguments"
    for name in ("class_name", "registered_name"):
        if not isinstance(config.get(name), str):
            return f"`{name}` of `config` must be a string"
    files = metadata.get("files")
    if not isinstance(files, dict) or "weights" not in files:
        return "`files` must name the weights"
    for kind, described in files.items():
        if not (
            isinstance(described, dict)
            and isinstance(described.get("name"), str)
            and _is_integer(described.get("bytes"))
            and isinstance(described.get("sha256"), str)
        ):
            return f"`files` must have name, bytes and sha256 of the {kind}"
    return None


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _checked(folder, described):
    name = described["name"]
    path = folder / name
    if pathlib.PurePath(name).name != name or "\0" in name or not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, which {METADATA} names. Copy the preset again."
        )
    size = path.stat().st_size
    if size != described["bytes"]:
        raise ValueError(
            f"{path} is truncated or of another preset: {described['bytes']:,} bytes "
            f"were expected, and it has {size:,}. Copy or save the preset again."
        )
    if _sha256(path) != described["sha256"]:
        raise ValueError(
            f"{path} is damaged: its checksum is not that of {METADATA}. Copy or "
            "save the preset again."
        )
    return path


def _describe(path):
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _metadata_or_none(directory):
    """Return the metadata of the preset in the directory, if all of it is intact."""
    try:
        return read_preset(directory).metadata
    except (OSError, ValueError):
        return None


def _choose_card(directory, card, older):
    """Return the card to write, or `None`, and the checksums of automatic cards.

    These are cards that the next preset may replace: the one to write, and the one
    that stays where the process is killed before it is written.
    """
    path = directory / _CARD
    sums = []
    if path.exists():
        sums = [_sha256(path)]
        known = older.get("automatic_cards") if older else None
        if not isinstance(known, list) or sums[0] not in known:
            return (card if isinstance(card, str) else None), []  # somebody wrote one
    if isinstance(card, str):
        return card, sums
    text = card(directory.name)
    return text, [hashlib.sha256(text.encode()).hexdigest(), *sums]


def _remove_other_data(directory, paths):
    """Remove weights and vocabularies of older presets, and what kills left."""
    names = {path.name for path in paths}
    for path in directory.iterdir():
        is_data = _DATA_FILE.fullmatch(path.name) or is_unfinished(path)
        if is_data and path.name not in names and path.is_file():
            path.unlink(missing_ok=True)
