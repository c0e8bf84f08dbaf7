"""One entry or more for every public layer: what the conformance suite runs over.

Over the entries of a layer every argument takes a value that is not its default.
Dimensions are distinct primes (and products of them where heads divide features),
so that a swapped axis cannot pass.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import reference
from keras import tree

from glomo_keras import layers

BATCH, LENGTH = 3, 7
VOCABULARY = 23


@dataclasses.dataclass(frozen=True)
class Entry:
    """How one layer is made, called and checked.

    Args:
        layer: the class.
        arguments: its arguments.
        inputs: function `(random, batch, length)` -> dict of NumPy arrays (or of
            dicts of them), in the order of the call signature.
        unit_axes: for every name in `inputs`, the axes that run over units.
        output_axes: the axes of every output that run over units.
        mask_names: call arguments that take the padding mask; none for images, whose
            masks have another shape and tests of their own.
        label: tells entries of one layer apart.
        factories: arguments that are made anew for each layer, from a dtype.
        options: further call arguments.
        jumps: whether rounding can flip a weight (a score at its threshold), so that
            in 16 bits most weights are close and not all.
        output_dtype: the outputs' dtype in 16-bit policies; None: the compute dtype.
        wrong_arguments: `(arguments, exception, message)` that `__init__` refuses.
        wrong_inputs: `(shape changes, exception, message)` that `build` refuses.
    """

    layer: type
    arguments: dict
    inputs: Callable
    unit_axes: dict
    output_axes: tuple
    mask_names: tuple
    label: str = ""
    factories: dict = dataclasses.field(default_factory=dict)
    options: dict = dataclasses.field(default_factory=dict)
    jumps: bool = False
    output_dtype: str | None = None
    wrong_arguments: tuple = ()
    wrong_inputs: tuple = ()

    @property
    def name(self):
        return self.layer.__name__ + (f"-{self.label}" if self.label else "")

    def make(self, dtype="float32", **changes):
        made = {name: factory(dtype) for name, factory in self.factories.items()}
        return self.layer(**{**self.arguments, **made, "dtype": dtype, **changes})

    def make_random(self, random, dtype="float32"):
        """A built layer whose weights are all random, those that start at 0 too."""
        layer = self.make(dtype)
        self.call(layer, self.inputs(random, BATCH, LENGTH))
        randomize(layer, random)
        return layer

    def call(self, layer, inputs, mask=None, **options):
        masks = {} if mask is None else dict.fromkeys(self.mask_names, mask)
        return layer(*inputs.values(), **masks, **self.options, **options)

    def model(self, layer):
        """A Functional model of the layer: flat inputs, the mask among them."""
        example = self.inputs(np.random.default_rng(0), BATCH, LENGTH)
        tensors, flat = {}, {}
        for name, value in example.items():
            if isinstance(value, dict):
                tensors[name] = {}
                for key, array in value.items():
                    tensor = self._symbolic(name, array, f"{name}_{key}")
                    tensors[name][key] = flat[tensor.name] = tensor
            else:
                tensors[name] = flat[name] = self._symbolic(name, value, name)
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        outputs = self.call(layer, tensors, mask)
        return keras.Model({**flat, "padding_mask": mask}, outputs)

    def _symbolic(self, name, array, label):
        # Dtypes as given: Keras casts to the compute dtype inside the layer.
        if array.ndim == 1:
            return keras.Input(batch_shape=(None,), dtype=str(array.dtype), name=label)
        shape = [
            None if axis in self.unit_axes[name] else size
            for axis, size in enumerate(array.shape)
        ]
        return keras.Input(shape[1:], dtype=str(array.dtype), name=label)

    @staticmethod
    def flatten(inputs, mask):
        """Arrays under the names of `model`'s inputs."""
        flat = {"padding_mask": mask}
        for name, value in inputs.items():
            if isinstance(value, dict):
                flat.update({f"{name}_{key}": array for key, array in value.items()})
            else:
                flat[name] = value
        return flat

    def spoil(self, inputs, mask, value=np.nan):
        """`value` for features at padding; graphs have zeros there, as predicted."""

        def spoil_array(array, axes):
            if array.dtype.kind != "f":
                return array
            if len(axes) == 1:
                (axis,) = axes
                between = (1,) * (axis - 1), (1,) * (array.ndim - axis - 1)
                real = mask.reshape(len(mask), *between[0], -1, *between[1])
                return np.where(real, array, np.float32(value))
            pairs = mask[:, :, None] & mask[:, None, :]
            sizes = [
                size if axis in (0, *axes) else 1
                for axis, size in enumerate(array.shape)
            ]
            return np.where(pairs.reshape(sizes), array, 0)

        return {
            name: tree.map_structure(
                lambda array, axes=self.unit_axes[name]: spoil_array(array, axes), value
            )
            for name, value in inputs.items()
        }

    def pad(self, inputs, count):
        """Append `count` units of zeros."""

        def pad_array(array, axes):
            widths = [(0, count if axis in axes else 0) for axis in range(array.ndim)]
            return np.pad(array, widths)

        return {
            name: tree.map_structure(
                lambda array, axes=self.unit_axes[name]: pad_array(array, axes), value
            )
            for name, value in inputs.items()
        }

    def select(self, inputs, sample):
        """The inputs of one sample, as a batch of one."""
        return {
            name: tree.map_structure(lambda a: a[sample : sample + 1], value)
            if self.unit_axes[name]
            else value
            for name, value in inputs.items()
        }


def randomize(layer, random):
    for weight in layer.weights:
        if "seed_generator" in weight.path:
            continue
        value = keras.ops.convert_to_numpy(weight)
        if "moving_variance" in weight.path:
            weight.assign(random.uniform(0.5, 1.5, value.shape))
        else:
            weight.assign(value + random.normal(0, 0.2, value.shape))


def float_array(random, *shape):
    return random.normal(size=shape).astype("float32")


def graph_array(random, direction, batch, layers_and_heads, length):
    """Sparse graphs as the predictor makes them; every row but one can be full."""
    scores = random.normal(0.3, 1.0, size=(batch, *layers_and_heads, length, length))
    visible = reference.visible_pairs(length, direction)
    return reference.affinity_graph(scores, visible).astype("float32")


def _features(random, batch, length):
    return {"features": float_array(random, batch, length, 11)}


def _queries_and_keys(random, batch, length):
    return {
        "queries": float_array(random, batch, length, 13),
        "keys": float_array(random, batch, length, 11),
    }


def _features_and_graph(random, batch, length):
    return {
        "features": float_array(random, batch, length, 10),
        "graph": graph_array(random, "forward", batch, (5,), length),
    }


def _features_and_ids(random, batch, length):
    ids = random.integers(1, VOCABULARY, size=(batch, length))
    return {
        "features": float_array(random, batch, length, 11),
        "unit_ids": ids.astype("int32"),
    }


def _features_ids_and_positions(random, batch, length):
    positions = np.array([5, 0, 3, 5, 2] if length else [], "int32")
    return {**_features_and_ids(random, batch, length), "positions": positions}


def _image_features(random, batch, length):
    return {"features": float_array(random, batch, 3, length, 11)}


def _image_queries_and_keys(random, batch, length):
    return {
        "queries": float_array(random, batch, 3, length, 13),
        "keys": float_array(random, batch, 3, length, 11),
    }


def _features_and_pixels(random, batch, length):
    pixels = random.integers(0, 256, size=(batch, 3, length, 2))
    return {
        "features": float_array(random, batch, 3 * length, 11),
        "pixels": pixels.astype("uint8"),
    }


def _features_pixels_and_positions(random, batch, length):
    positions = np.array([5, 0, 3, 5, 20] if length else [], "int32")
    return {**_features_and_pixels(random, batch, length), "positions": positions}


def _character_ids(random, batch, length):
    ids = random.integers(1, 19, size=(batch, length, 5))
    return {"character_ids": ids.astype("int32")}


def _layers_of_units(random, batch, length):
    return {"layers": float_array(random, batch, 2, length, 11)}


def _features_and_graphs(random, batch, length):
    return {
        "features": float_array(random, batch, length, 11),
        "graphs": graph_array(random, "backward", batch, (2, 5), length),
    }


def _features_and_messages(random, batch, length):
    return {
        "features": float_array(random, batch, length, 11),
        "messages": float_array(random, batch, length, 17),
    }


def _features_and_message_dict(*directions):
    def inputs(random, batch, length):
        messages = {
            direction: float_array(random, batch, 2, 5, length, 13)
            for direction in directions
        }
        return {
            "features": float_array(random, batch, length, 11),
            "messages": messages,
        }

    return inputs


def _features_and_graph_dict(*directions):
    def inputs(random, batch, length):
        graphs = {
            direction: graph_array(random, direction, batch, (2, 5), length)
            for direction in directions
        }
        return {"features": float_array(random, batch, length, 11), "graphs": graphs}

    return inputs


def _features_and_packed_graphs(random, batch, length):
    inputs = _features_and_graph_dict("forward", "backward")(random, batch, length)
    forward, backward = inputs["graphs"].values()
    packed = (forward + backward).transpose(0, 3, 1, 2, 4)
    return {"features": inputs["features"], "graphs": np.ascontiguousarray(packed)}


def _embedding(dtype):
    return keras.layers.ReversibleEmbedding(VOCABULARY, 11, dtype=dtype)


def _untied_embedding():
    return keras.layers.ReversibleEmbedding(VOCABULARY, 11, tie_weights=False)


_KERNELS = {"kernel_initializer": "he_normal", "kernel_regularizer": "l2"}
_DROPOUT = tuple(
    ({"dropout": rate}, ValueError, rf"`dropout` must be in \[0, 1\).*dropout={rate}")
    for rate in (-0.1, 1.0)
)
_SCALE = tuple(
    ({"logit_scale": scale}, error, f"`logit_scale` must be a positive.*={scale!r}")
    for scale, error in ((0, ValueError), (float("inf"), ValueError), ("3", TypeError))
)
_DIRECTION = ({"direction": "left"}, ValueError, "`direction` must be .*'left'")


def _positive(*names):
    return tuple(
        ({name: 0}, ValueError, f"`{name}` must be a positive integer.*{name}=0")
        for name in names
    )


CNN = Entry(
    layers.MaskedKeyQueryCNN,
    {
        "filters": 13,
        "kernel_size": 2,
        "num_layers": 3,
        "direction": "backward",
        "normalization": None,
        "activation": "gelu",
        "dropout": 0.3,
        "seed": 5,
        **_KERNELS,
    },
    _features,
    {"features": (1,)},
    (1,),
    ("mask",),
    wrong_arguments=(
        _DIRECTION,
        *_DROPOUT,
        *_positive("filters", "kernel_size", "num_layers"),
        ({"normalization": "group"}, ValueError, "`normalization` must be .*'group'"),
    ),
    wrong_inputs=(
        ({"features": (3, 7)}, ValueError, "rank 2"),
        ({"features": (3, 2, 5, 7, 11)}, ValueError, "rank 5"),
    ),
)

AFFINITY = Entry(
    layers.SquaredReLUAffinity,
    {
        "num_graph_layers": 2,
        "num_heads": 5,
        "key_dim": 3,
        "direction": "backward",
        "threshold": "query",
        "use_bias": True,
        "top_k": 3,
        "position_bias": 3,
        **_KERNELS,
    },
    _queries_and_keys,
    {"queries": (1,), "keys": (1,)},
    (3, 4),
    ("queries_mask", "keys_mask"),
    jumps=True,
    wrong_arguments=(
        _DIRECTION,
        *_positive("num_graph_layers", "num_heads", "key_dim"),
        *_positive("top_k", "position_bias"),
        ({"threshold": "median"}, ValueError, "`threshold` must be .*'median'"),
    ),
    wrong_inputs=(
        ({"queries": (3, 7)}, ValueError, "`queries` must have shape .*rank 2"),
        ({"keys": (3, 7, 2, 11)}, ValueError, "`keys` must have shape .*rank 4"),
        ({"keys": (3, 6, 11)}, ValueError, "`keys` must be over.*6 and 7 units"),
        (
            {"queries": (3, 2, 7, 13), "keys": (3, 2, 5, 11)},
            ValueError,
            "`keys` must be over the units of `queries`.*2 x 5 and 2 x 7 units",
        ),
    ),
)

PROPAGATION = Entry(
    layers.GraphPropagation,
    {"update": "residual", "use_bias": False, **_KERNELS},
    _features_and_graph,
    {"features": (1,), "graph": (2, 3)},
    (1,),
    ("features_mask",),
    label="residual",
    wrong_arguments=(
        ({"update": "lstm"}, ValueError, "`update` must be .*'lstm'"),
        ({"message": "product"}, ValueError, "`message` must be .*'product'"),
        ({"message": "product_concat"}, ValueError, '`message` must be "plain"'),
    ),
    wrong_inputs=(
        ({"features": (3, 10)}, ValueError, "`features` must have shape .*rank 2"),
        ({"graph": (3, 2, 5, 7, 7)}, ValueError, "`graph` must have shape .*rank 5"),
        ({"graph": (3, 3, 7, 7)}, ValueError, "heads=3, dim=10.*1, 2, 5, 10"),
        ({"graph": (3, 5, 6, 6)}, ValueError, "`graph` must be .*6 x 6 and 7 x 7"),
    ),
)

DECODER = Entry(
    layers.ContextDecoder,
    {
        "context_length": 5,
        "num_layers": 2,
        "direction": "backward",
        "first_input": "zeros",
        "chunk_size": 10,
        "num_sampled": 9,
        "seed": 7,
        **_KERNELS,
    },
    _features_and_ids,
    {"features": (1,), "unit_ids": (1,)},
    (1,),
    ("features_mask",),
    factories={"embedding": _embedding},
    output_dtype="float32",
    wrong_arguments=(
        _DIRECTION,
        *_positive("context_length", "num_layers", "chunk_size", "num_sampled"),
        ({"first_input": "mean"}, ValueError, "`first_input` must be .*'mean'"),
        (
            {"embedding": keras.layers.Embedding(VOCABULARY, 11)},
            TypeError,
            "`embedding` must be a `keras.layers.ReversibleEmbedding`",
        ),
        ({"embedding": _untied_embedding()}, TypeError, "tied weights"),
        ({"two_level": True}, ValueError, "`two_level` needs `unit_classes`"),
        ({"unit_classes": [0, 1]}, ValueError, r"`unit_classes` must .*shape \(2,\)"),
        ({"unit_classes": [0.0] * VOCABULARY}, TypeError, "`unit_classes` .*float64"),
        (
            {"unit_classes": [0] * VOCABULARY, "num_sampled": 3},
            ValueError,
            "`num_sampled` .*beside `unit_classes`",
        ),
    ),
    wrong_inputs=(
        ({"features": (3, 7, 13)}, ValueError, "`features` must have .*dim=11"),
        ({"features": (3, 11)}, ValueError, "`features` must have shape"),
    ),
)

CLASS_DECODER = Entry(
    layers.ContextDecoder,
    {"unit_classes": [n // 3 for n in range(VOCABULARY)], "two_level": True},
    _features_and_ids,
    {"features": (1,), "unit_ids": (1,)},
    (1,),
    ("features_mask",),
    label="classes",
    factories={"embedding": _embedding},
    output_dtype="float32",
)

IMAGE_DECODER = Entry(
    layers.ImageContextDecoder,
    {
        "context_window": (2, 3),
        "num_layers": 2,
        "direction": "backward",
        "num_logistics": 3,
        **_KERNELS,
    },
    _features_and_pixels,
    {"features": (1,), "pixels": (0,)},  # images of a known size
    (),
    (),
    output_dtype="float32",
    wrong_arguments=(
        _DIRECTION,
        *_positive("num_layers", "num_logistics"),
        ({"context_window": (1, 1)}, ValueError, "more than one pixel.*(1, 1)"),
        ({"context_window": (1, 1)}, ValueError, "more than one pixel.*(1, 1)"),
        ({"context_window": (0, 3)}, ValueError, r"`context_window\[0\]` must .*=0"),
        ({"context_window": (3.7, 3)}, TypeError, r"`context_window\[0\]` must .*=3.7"),
    ),
    wrong_inputs=(
        ({"pixels": (3, 21, 2)}, ValueError, "`pixels` must have shape"),
        ({"features": (3, 20, 11)}, ValueError, "`features` must have .*21 pixels"),
    ),
)

MIXER = Entry(
    layers.GraphMixer,
    {
        "num_mixtures": 3,
        "composed": False,
        "conditional": False,
        "logit_scale": 3.0,
        "bias_initializer": "ones",
        **_KERNELS,
    },
    _features_and_graphs,
    {"features": (1,), "graphs": (3, 4)},
    (2, 3),
    ("features_mask",),
    label="free",
    wrong_arguments=(*_positive("num_mixtures"), *_SCALE),
    wrong_inputs=(
        ({"features": (3, 11)}, ValueError, "`features` must have shape .*rank 2"),
        ({"graphs": (3, 5, 7, 7)}, ValueError, "`graphs` must have shape .*rank 4"),
        (
            {"graphs": (3, 2, 5, 7, 6)},
            ValueError,
            "over the units of `features`.*7 x 6 and 7 x 7 units.*graphs_over_pieces",
        ),
    ),
)

FUSION = Entry(
    layers.GatedGraphFusion,
    {
        "units": 5,
        "use_bias": False,
        "dropout": 0.3,
        "seed": 5,
        "linear_initializer": "ones",
        **_KERNELS,
    },
    _features_and_messages,
    {"features": (1,), "messages": (1,)},
    (1,),
    ("features_mask",),
    wrong_arguments=(*_positive("units"), *_DROPOUT),
    wrong_inputs=(
        ({"features": (3, 11)}, ValueError, "`features` must have shape .*rank 2"),
        ({"messages": (3, 7, 1, 17)}, ValueError, "`messages` must have .*rank 4"),
        ({"messages": (3, 6, 17)}, ValueError, "`messages` must be .*6 and 7 units"),
    ),
)

TRANSFER = Entry(
    layers.GraphTransfer,
    {
        "num_mixtures": 3,
        "composed": False,
        "conditional": False,
        "logit_scale": 3.0,
        "units": 5,
        "message_dim": 3,
        "dropout": 0.3,
        "seed": 5,
        **_KERNELS,
    },
    _features_and_graph_dict("forward", "backward"),
    {"features": (1,), "graphs": (3, 4)},
    (1,),
    ("features_mask",),
    label="free",
    wrong_arguments=(
        *_positive("num_mixtures", "units", "message_dim"),
        *_DROPOUT,
        *_SCALE,
    ),
    wrong_inputs=(
        ({"graphs": (3, 2, 5, 7, 7)}, ValueError, "`graphs` must be a dict"),
        ({"graphs": {"left": (3, 2, 5, 7, 7)}}, ValueError, "`graphs` must .*'left'"),
        ({"graphs": {"forward": (3, 5, 7, 7)}}, ValueError, "`graphs` must .*rank 4"),
        (
            {"graphs": {"forward": (3, 2, 5, 6, 6)}},
            ValueError,
            "`graphs` must be over the units of `features`.*6 x 6 and 7 x 7 units",
        ),
        (
            {"graphs": {"forward": (3, 2, 5, 7, 7), "labels": (3, 7)}},
            ValueError,
            "Leave out 'labels'",
        ),
    ),
)


MESSAGE_TRANSFER = Entry(
    layers.MessageTransfer,
    {
        "num_mixtures": 3,
        "conditional": False,
        "logit_scale": 3.0,
        "units": 5,
        "message_dim": 3,
        "dropout": 0.3,
        "seed": 5,
        **_KERNELS,
    },
    _features_and_message_dict("forward", "backward"),
    {"features": (1,), "messages": (3,)},
    (1,),
    ("features_mask",),
    label="free",
    wrong_arguments=(
        *_positive("num_mixtures", "units", "message_dim"),
        *_DROPOUT,
        *_SCALE,
    ),
    wrong_inputs=(
        ({"messages": (3, 2, 5, 7, 13)}, ValueError, "`messages` must be a dict"),
        ({"messages": {"left": (3, 2, 5, 7, 13)}}, ValueError, "`messages` .*'left'"),
        ({"messages": {"forward": (3, 5, 7, 13)}}, ValueError, "`messages` .*rank 4"),
        (
            {"messages": {"forward": (3, 2, 5, 6, 13)}},
            ValueError,
            "`messages` must be over the units of `features`.*6 and 7 units",
        ),
    ),
)


PACKED_TRANSFER = Entry(
    layers.PackedGraphTransfer,
    {
        "num_mixtures": 3,
        "conditional": False,
        "logit_scale": 3.0,
        "units": 5,
        "message_dim": 3,
        "dropout": 0.3,
        "seed": 5,
        **_KERNELS,
    },
    _features_and_packed_graphs,
    {"features": (1,), "graphs": (1, 4)},
    (1,),
    ("features_mask",),
    label="free",
    wrong_arguments=(
        *_positive("num_mixtures", "units", "message_dim"),
        *_DROPOUT,
        *_SCALE,
    ),
    wrong_inputs=(
        ({"graphs": (3, 7, 5, 7)}, ValueError, "`graphs` must .*rank 4.*pack_graphs"),
        (
            {"graphs": (3, 6, 2, 5, 6)},
            ValueError,
            "`graphs` must be over the units of `features`.*6 x 6 and 7 x 7 units",
        ),
    ),
)


def _variant(entry, label, arguments, **changes):
    return dataclasses.replace(
        entry,
        label=label,
        arguments=arguments,
        wrong_arguments=(),
        wrong_inputs=(),
        **changes,
    )


CHARACTERS = Entry(
    layers.CharacterEncoder,
    {
        "projection_dim": 7,
        "num_characters": 19,
        "embedding_dim": 3,
        "kernel_sizes": [1, 3],
        "filters": [5, 11],
        "activation": "gelu",
        "num_highways": 1,
        **_KERNELS,
    },
    _character_ids,
    {"character_ids": (1,)},
    (1,),
    ("mask",),
    wrong_arguments=(
        ({"filters": [5]}, ValueError, "one number for each"),
        ({"kernel_sizes": [], "filters": []}, ValueError, "one number for each"),
        (
            {"filters": [5, 0]},
            ValueError,
            r"`filters\[1\]` must be a positive int.*=0",
        ),
        ({"projection_dim": 0}, ValueError, "`projection_dim` must be a positive"),
        ({"num_highways": -1}, ValueError, "`num_highways` must be a non-neg.*=-1"),
        ({"num_highways": 1.5}, TypeError, "`num_highways` must be a non-neg.*=1.5"),
        ({"kernel_sizes": [2, 3.5]}, TypeError, r"`kernel_sizes\[1\]` must .*=3.5"),
        ({"kernel_sizes": 3}, TypeError, "`kernel_sizes` must be a list or tuple"),
    ),
    wrong_inputs=(
        ({"character_ids": (3, 7)}, ValueError, "rank 2"),
        ({"character_ids": (3, 7, 2)}, ValueError, "max_characters=2"),
    ),
)

PROJECTED_LSTM = Entry(
    layers.ProjectedLSTM,
    {
        "units": 5,
        "projection_dim": 3,
        "cell_clip": 0.7,
        "projection_clip": None,
        "return_state": True,
        "go_backwards": True,
        **_KERNELS,
    },
    _features,
    {"features": (1,)},
    (),
    ("mask",),
    label="states",
    wrong_arguments=(
        *_positive("units", "projection_dim"),
        ({"cell_clip": 0.0}, ValueError, "a positive number or None.*cell_clip=0"),
        ({"cell_clip": float("nan")}, ValueError, "a positive number .*cell_clip=nan"),
        ({"cell_clip": "3"}, TypeError, "a positive number or None.*cell_clip='3'"),
        ({"projection_clip": -1.0}, ValueError, "`projection_clip` must be a positive"),
    ),
    wrong_inputs=(({"features": (3, 7)}, ValueError, "rank 2"),),
)

SCALAR_MIX = Entry(
    layers.ScalarMix,
    {"normalize": True, "l2": 0.1, "dropout": 0.3, "seed": 5},
    _layers_of_units,
    {"layers": (2,)},
    (1,),
    ("mask",),
    wrong_arguments=(
        ({"l2": -1.0}, ValueError, "`l2` must be a number, 0 or more.*-1"),
        ({"l2": float("nan")}, ValueError, "`l2` must be .*l2=nan"),
        ({"l2": None}, TypeError, "`l2` must be .*l2=None"),
        *_DROPOUT,
    ),
    wrong_inputs=(({"layers": (3, 7, 11)}, ValueError, "rank 3"),),
)

ENTRIES = [
    CHARACTERS,
    PROJECTED_LSTM,
    _variant(PROJECTED_LSTM, "default", {"units": 5, "projection_dim": 3}),
    _variant(
        PROJECTED_LSTM,
        "sequences",
        {"units": 5, "projection_dim": 3, "return_sequences": True},
        output_axes=(1,),
    ),
    SCALAR_MIX,
    _variant(SCALAR_MIX, "default", {}),
    CNN,
    _variant(CNN, "default", {"filters": 13}),
    _variant(CNN, "batch", {"filters": 13, "normalization": "batch"}),
    _variant(
        CNN,
        "images",
        {"filters": 13, "direction": "backward"},
        inputs=_image_features,
        unit_axes={"features": (1, 2)},
        output_axes=(1, 2),
        mask_names=(),
    ),
    AFFINITY,
    _variant(
        AFFINITY,
        "images",
        {"num_graph_layers": 2, "num_heads": 5, "key_dim": 3, "position_bias": 2},
        inputs=_image_queries_and_keys,
        unit_axes={"queries": (1, 2), "keys": (1, 2)},
        mask_names=(),
    ),
    _variant(
        AFFINITY, "default", {"num_graph_layers": 2, "num_heads": 5, "key_dim": 3}
    ),
    _variant(
        AFFINITY,
        "scalar",
        {"num_graph_layers": 2, "num_heads": 5, "key_dim": 3, "threshold": "scalar"},
    ),
    _variant(
        AFFINITY,
        "entmax",
        {"num_graph_layers": 2, "num_heads": 5, "key_dim": 3, "threshold": "entmax"},
    ),
    PROPAGATION,
    _variant(PROPAGATION, "default", {}),
    _variant(PROPAGATION, "product", {"message": "product_concat"}),
    DECODER,
    CLASS_DECODER,
    _variant(
        DECODER,
        "positions",
        {"context_length": 2},
        inputs=_features_ids_and_positions,
        unit_axes={"features": (1,), "unit_ids": (1,), "positions": ()},
        output_axes=(),
    ),
    IMAGE_DECODER,
    _variant(
        IMAGE_DECODER,
        "positions",
        {},
        inputs=_features_pixels_and_positions,
        unit_axes={"features": (1,), "pixels": (0,), "positions": ()},
    ),
    MIXER,
    _variant(MIXER, "default", {}),
    FUSION,
    _variant(FUSION, "default", {}),
    _variant(FUSION, "residual", {"residual": True}),
    MESSAGE_TRANSFER,
    _variant(
        MESSAGE_TRANSFER,
        "default",
        {},
        inputs=_features_and_message_dict("backward"),
    ),
    _variant(MESSAGE_TRANSFER, "residual", {"residual": True}),
    PACKED_TRANSFER,
    _variant(PACKED_TRANSFER, "default", {}),
    _variant(PACKED_TRANSFER, "residual", {"residual": True, "num_mixtures": 2}),
    TRANSFER,
    _variant(TRANSFER, "default", {}),
    _variant(TRANSFER, "residual", {"residual": True}),
    _variant(
        TRANSFER,
        "forward",
        {"num_mixtures": 2},
        inputs=_features_and_graph_dict("forward"),
    ),
]
