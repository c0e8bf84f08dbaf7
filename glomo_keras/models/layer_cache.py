"""ELMo layers of the texts of a task: computed once, kept on disk in float16."""

import hashlib
from pathlib import Path

import numpy as np

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models.presets import find_preset

_BATCH = 16  # texts that are computed at once


class LanguageModelLayerCache:
    """All layers of a frozen language model for the texts of every field.

    A text's layers are computed when it is first asked for, and never again: files of
    the folder `elmo-FINGERPRINT-TEXTS` hold those of all texts, a place for every unit,
    and which texts are done. What nobody asked for takes no room on disk. Comparisons
    of the same texts may share the directory, one after the other.

    Args:
        directory: path.
        preset: name or folder of the language model.
        fields: dict of `FieldTexts`.
        characters: int array `(num_units, max_characters)`, characters by unit.
    """

    def __init__(self, directory, preset, fields, characters):
        model = BidirectionalLanguageModel.from_preset(preset)
        model.trainable = False
        model.compile(jit_compile=True)
        self.model = model
        self.fields = fields
        self.characters = characters
        self.num_layers, self.dim = 1 + model.num_layers, 2 * model.projection_dim
        fingerprint = find_preset(preset).metadata["fingerprint"]
        texts = hashlib.sha256(characters.tobytes())
        for field in fields.values():
            texts.update(field.units.tobytes() + field.offsets.tobytes())
        name = f"elmo-{fingerprint}-{texts.hexdigest()[:16]}"
        self.directory = Path(directory) / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self._files = {}

    def layers(self, name, rows):
        """Layers of some texts of a field.

        Args:
            name: str, the field.
            rows: int array, the texts' numbers.

        Returns:
            Float16 array `(len(rows), num_layers, length, dim)`, zeros at padding.
        """
        field = self.fields[name]
        kept, done = self._open(name)
        missing = np.unique(rows)[~done[np.unique(rows)]]
        for first in range(0, len(missing), _BATCH):
            self._compute(field, kept, done, missing[first : first + _BATCH])
        found = np.zeros((len(rows), field.length, self.num_layers, self.dim), "f2")
        for place, row in zip(found, rows, strict=True):
            start, end = field.offsets[row], field.offsets[row + 1]
            place[: end - start] = kept[start:end]
        return found.swapaxes(1, 2)

    def _compute(self, field, kept, done, rows):
        units = np.zeros((_BATCH, field.length), np.int32)  # of one shape: one program
        units[: len(rows)] = field.padded(rows)
        layers = self.model.predict_on_batch(self.characters[units].astype("int32"))
        layers = np.asarray(layers).swapaxes(1, 2).astype("float16")
        for row, of_text in zip(rows, layers, strict=False):
            start, end = field.offsets[row], field.offsets[row + 1]
            kept[start:end] = of_text[: end - start]
            done[row] = True  # after what it promises

    def _open(self, name):
        if name not in self._files:
            field = self.fields[name]
            shapes = {
                "layers": ((len(field.units), self.num_layers, self.dim), "float16"),
                "done": ((len(field),), "bool"),
            }
            self._files[name] = [
                self._map(self.directory / f"{name}_{kind}.npy", *shape)
                for kind, shape in shapes.items()
            ]
        return self._files[name]

    @staticmethod
    def _map(path, shape, dtype):
        if not path.exists():
            temporary = path.with_name(f".writing-{path.name}")
            np.lib.format.open_memmap(temporary, "w+", dtype, shape=shape).flush()
            temporary.replace(path)
        return np.lib.format.open_memmap(path, "r+")
