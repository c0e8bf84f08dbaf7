"""Runs a SavedModel through TensorFlow's C API: the loader that TF Serving uses.

A program of its own, in which Python's TensorFlow and Keras are never imported:

    python tests/c_api.py [--text-ops] MODEL SIGNATURE < inputs.json > outputs.npz

Inputs are JSON: nested lists of strings for a string input, otherwise a dict of a dtype
and nested lists.
"""

import ctypes
import importlib.util
import json
import pathlib
import sys

import numpy as np

FLOAT, INT32, STRING, INT64, BOOL = 1, 3, 7, 9, 10
DTYPES = {FLOAT: np.float32, INT32: np.int32, INT64: np.int64, BOOL: np.bool_}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
STRING_BYTES = 24  # sizeof(TF_TString)


class Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


def package_folder(name):
    """Folder of an installed package, which is not imported."""
    return pathlib.Path(importlib.util.find_spec(name).submodule_search_locations[0])


class Api:
    """The functions of the C API, by name."""

    def __init__(self):
        folder = package_folder("tensorflow")
        self.parts = [
            ctypes.CDLL(folder / name, mode=ctypes.RTLD_GLOBAL)
            for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
        ]
        self.status = self("TF_NewStatus", ctypes.c_void_p)()

    def __call__(self, name, returns=None, *arguments):
        for part in reversed(self.parts):
            function = getattr(part, name, None)
            if function is not None:
                function.restype, function.argtypes = returns, list(arguments)
                return function
        raise AttributeError(name)

    def check(self, what):
        if self("TF_GetCode", ctypes.c_int, ctypes.c_void_p)(self.status):
            message = self("TF_Message", ctypes.c_char_p, ctypes.c_void_p)(self.status)
            raise RuntimeError(f"{what}: {message.decode(errors='replace')[:500]}")

    def load_operations(self, path):
        load = self("TF_LoadLibrary", ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        load(str(path).encode(), self.status)
        self.check(path.name)


class Model:
    """A loaded SavedModel."""

    def __init__(self, api, path):
        pointer, string = ctypes.c_void_p, ctypes.c_char_p
        self.api = api
        self.graph = api("TF_NewGraph", pointer)()
        options = api("TF_NewSessionOptions", pointer)()
        meta_graph = Buffer()
        load = api(
            "TF_LoadSessionFromSavedModel",
            *[pointer, pointer, pointer, string, ctypes.POINTER(string), ctypes.c_int],
            *[pointer, ctypes.POINTER(Buffer), pointer],
        )
        self.session = load(
            *[options, None, str(path).encode(), (string * 1)(b"serve"), 1],
            *[self.graph, ctypes.byref(meta_graph), api.status],
        )
        api.check("load")
        content = ctypes.string_at(meta_graph.data, meta_graph.length)
        self.signatures = read_signatures(content)

    def run(self, signature, inputs):
        """Outputs by name, as arrays; those of strings are left out."""
        input_names, output_names = self.signatures[signature]
        wanted = {n: t for n, (t, code) in output_names.items() if code != STRING}
        pointer = ctypes.c_void_p
        fetched = (pointer * len(wanted))()
        run = self.api(
            "TF_SessionRun",
            *[None, pointer, pointer, ctypes.POINTER(Output), ctypes.POINTER(pointer)],
            *[ctypes.c_int, ctypes.POINTER(Output), ctypes.POINTER(pointer)],
            *[ctypes.c_int, pointer, ctypes.c_int, pointer, pointer],
        )
        feeds = [self._output(input_names[name][0]) for name in inputs]
        tensors = [self._to_tensor(value) for value in inputs.values()]
        fetches = [self._output(tensor) for tensor in wanted.values()]
        run(
            *[self.session, None],
            *[(Output * len(feeds))(*feeds), (pointer * len(tensors))(*tensors)],
            *[len(feeds), (Output * len(fetches))(*fetches), fetched, len(fetches)],
            *[None, 0, None, self.api.status],
        )
        self.api.check("run")
        return dict(zip(wanted, map(self._to_array, fetched), strict=True))

    def _output(self, tensor):
        name, index = tensor.split(":")
        find = self.api(
            "TF_GraphOperationByName",
            *[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p],
        )
        return Output(find(self.graph, name.encode()), int(index))

    def _allocate(self, code, shape, size):
        allocate = self.api(
            "TF_AllocateTensor",
            *[ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int64)],
            *[ctypes.c_int, ctypes.c_size_t],
        )
        tensor = allocate(code, (ctypes.c_int64 * len(shape))(*shape), len(shape), size)
        return tensor, self._data(tensor)

    def _data(self, tensor):
        return self.api("TF_TensorData", ctypes.c_void_p, ctypes.c_void_p)(tensor)

    def _to_tensor(self, value):
        if isinstance(value, np.ndarray):
            value = np.ascontiguousarray(value)
            tensor, data = self._allocate(CODES[value.dtype], value.shape, value.nbytes)
            ctypes.memmove(data, value.ctypes.data, value.nbytes)
            return tensor
        strings = np.array(value, object)
        size = strings.size * STRING_BYTES
        tensor, data = self._allocate(STRING, strings.shape, size)
        start = self.api("TF_StringInit", None, ctypes.c_void_p)
        copy = self.api(
            "TF_StringCopy",
            *[None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t],
        )
        for number, text in enumerate(strings.flat):
            text = text.encode()
            start(data + number * STRING_BYTES)
            copy(data + number * STRING_BYTES, text, len(text))
        return tensor

    def _to_array(self, tensor):
        pointer = ctypes.c_void_p
        rank = self.api("TF_NumDims", ctypes.c_int, pointer)(tensor)
        size = self.api("TF_Dim", ctypes.c_int64, pointer, ctypes.c_int)
        code = self.api("TF_TensorType", ctypes.c_int, pointer)(tensor)
        length = self.api("TF_TensorByteSize", ctypes.c_size_t, pointer)(tensor)
        content = ctypes.string_at(self._data(tensor), length)
        shape = [size(tensor, axis) for axis in range(rank)]
        return np.frombuffer(content, DTYPES[code]).reshape(shape)


def read_signatures(meta_graph):
    """Signatures of a serialized MetaGraphDef: dicts by name of (tensor, dtype).

    MetaGraphDef.signature_def = 5, a map; SignatureDef has inputs = 1 and outputs = 2,
    maps to TensorInfo, which has name = 1 and dtype = 2.
    """
    signatures = {}
    for field, entry in wire_fields(meta_graph):
        if field == 5:
            entry = dict(wire_fields(entry))
            sides = ({}, {})
            for side, item in wire_fields(entry[2]):
                if side in (1, 2):
                    item = dict(wire_fields(item))
                    info = dict(wire_fields(item[2]))
                    named = (info.get(1, b"").decode(), info.get(2))
                    sides[side - 1][item[1].decode()] = named
            signatures[entry[1].decode()] = sides
    return signatures


def wire_fields(content):
    """Numbers and values of the fields of a serialized protocol buffer."""
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = content[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(content):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
        else:
            length = {1: 8, 5: 4}.get(kind) or number()
            value = content[place : place + length]
            place += length
        yield key >> 3, value


def main():
    text_ops = "--text-ops" in sys.argv
    path, signature = [a for a in sys.argv[1:] if not a.startswith("--")]
    inputs = {
        name: value
        if isinstance(value, list)
        else np.array(value["values"], value["dtype"])
        for name, value in json.load(sys.stdin).items()
    }
    api = Api()
    if text_ops:
        folder = package_folder("tensorflow_text") / "python" / "ops"
        for operations in sorted(folder.glob("_*.so")):
            api.load_operations(operations)
    outputs = Model(api, path).run(signature, inputs)
    assert "tensorflow" not in sys.modules and "keras" not in sys.modules
    np.savez(sys.stdout.buffer, **outputs)


if __name__ == "__main__":
    main()
