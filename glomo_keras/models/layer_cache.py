"""Layers of a frozen language model for the texts of a data set: computed once."""

import hashlib
import pathlib

import numpy as np

from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.locking import locked
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.presets import model_fingerprint
from glomo_keras.models.result_cache import JIT_COMPILE

_TEXTS_AT_ONCE = 16


class LanguageModelLayerCache:
    """All layers of a language model for the texts of every field, on disk in float16.

    A text's layers are computed when it is first asked for, and never again: files of
    the folder `elmo-FINGERPRINT-TEXTS` hold those of all texts, a place for every unit,
    and which texts are done. What nobody asked for takes no room on disk. Comparisons
    of the same texts may share the directory: one process computes at a time.

    Args:
        language_model: a `BidirectionalLanguageModel`. It is frozen.
        directory: path.
        fields: dict by name of texts as units: objects with `offsets`, int array
            `(num_texts + 1,)`, where each text begins in `units`, int array of indices
            of units, text after text; `length`, int, units of a text at most; and
            `padded(rows)`, int array `(len(rows), length)`, the units of some texts,
            padded with 0.
        character_ids: int array `(num_units, max_characters)`, characters by unit.

    Raises:
        ValueError: if files of the directory do not fit: they are of another use.

    Example:

    >>> import tempfile
    >>> import types
    >>> rows = np.array([[1, 2], [1, 0]])  # two texts, of two units and of one
    >>> texts = types.SimpleNamespace(
    ...     units=np.array([1, 2, 1]), offsets=np.array([0, 2, 3]), length=2,
    ...     padded=lambda numbers: rows[numbers])
    >>> character_ids = np.array([[0] * 20, [1] * 20, [2] * 20])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = LanguageModelLayerCache.from_preset(
    ...         "glomo_elmo_small_en", folder, {"text": texts}, character_ids)
    ...     cache.layers("text", np.array([1])).shape  # (texts, layers, length, dim)
    (1, 3, 2, 128)
    """

    def __init__(self, language_model, directory, fields, character_ids):
        language_model.trainable = False
        language_model.compile(jit_compile=JIT_COMPILE)
        self.language_model = language_model
        self.fields = fields
        self.character_ids = character_ids
        self.num_layers = 1 + language_model.num_layers
        self.dim = 2 * language_model.projection_dim
        fingerprint = model_fingerprint(language_model)
        texts = hashlib.sha256(character_ids.tobytes())
        for field in fields.values():
            texts.update(field.units.tobytes() + field.offsets.tobytes())
        name = f"elmo-{fingerprint}-{texts.hexdigest()[:16]}"
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self._files = {}

    @classmethod
    def from_preset(cls, preset, directory, fields, character_ids):
        """Make the cache of a preset.

        Args:
            preset: name or folder of a preset of a `BidirectionalLanguageModel`.
            directory, fields, character_ids: as for the class.

        Returns:
            A `LanguageModelLayerCache`.
        """
        language_model = BidirectionalLanguageModel.from_preset(preset)
        return cls(language_model, directory, fields, character_ids)

    def layers(self, name, rows):
        """Return the layers of some texts of a field.

        Args:
            name: str, the field.
            rows: int array, the texts' numbers.

        Returns:
            Float16 array `(len(rows), num_layers, length, dim)`, zeros at padding.
        """
        field = self.fields[name]
        with locked(self.directory):
            stored, is_done = self._open(name)
            missing = np.unique(rows)[~is_done[np.unique(rows)]]
            sizes = field.offsets[missing + 1] - field.offsets[missing]
            if len(missing):  # a map of a file on a full disk ends the process
                check_free_space(self.directory, int(sizes.sum()) * stored[:1].nbytes)
            for first in range(0, len(missing), _TEXTS_AT_ONCE):
                part = missing[first : first + _TEXTS_AT_ONCE]
                self._compute(field, stored, is_done, part)
        layers = np.zeros((len(rows), field.length, self.num_layers, self.dim), "f2")
        for place, row in zip(layers, rows, strict=True):
            start, end = field.offsets[row], field.offsets[row + 1]
            place[: end - start] = stored[start:end]
        return layers.swapaxes(1, 2)

    def _compute(self, field, stored, is_done, rows):
        units = np.zeros((_TEXTS_AT_ONCE, field.length), np.int32)  # of one shape
        units[: len(rows)] = field.padded(rows)
        characters = self.character_ids[units].astype("int32")
        layers = self.language_model.predict_on_batch(characters)
        layers = np.asarray(layers).swapaxes(1, 2).astype("float16")
        for row, text_layers in zip(rows, layers, strict=False):
            start, end = field.offsets[row], field.offsets[row + 1]
            stored[start:end] = text_layers[: end - start]
            is_done[row] = True  # after what it promises

    def _open(self, name):
        if name not in self._files:
            field = self.fields[name]
            num_texts = len(field.offsets) - 1
            shapes = {
                "layers": ((len(field.units), self.num_layers, self.dim), "float16"),
                "done": ((num_texts,), "bool"),
            }
            self._files[name] = [
                _open_array(self.directory / f"{name}_{kind}.npy", *shape)
                for kind, shape in shapes.items()
            ]
        return self._files[name]


def _open_array(path, shape, dtype):
    """Return the memory map of a file, which is made where it is missing."""
    if not path.exists():
        with atomic_write(path) as temporary:
            np.lib.format.open_memmap(temporary, "w+", dtype, shape=shape).flush()
    array = np.lib.format.open_memmap(path, "r+")
    if (array.shape, array.dtype) != (shape, np.dtype(dtype)):
        raise ValueError(
            f"{path} is damaged: it must hold {dtype} of the shape {shape}. Received: "
            f"{array.dtype} of {array.shape}. Remove its folder; it is computed again."
        )
    return array
