"""The network that maps units to relational graphs, in both directions."""

import keras
from keras import ops

from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.models.base_graph_predictor import BaseGraphPredictor
from glomo_keras.models.checks import check_named_inputs
from glomo_keras.models.checks import check_no_preset
from glomo_keras.models.checks import check_unit_ids


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphPredictor(BaseGraphPredictor):
    """Relational graphs of sequences of units: what pretraining learns.

        unit ids --embedding--> --MaskedKeyQueryCNN--> --SquaredReLUAffinity--> graphs

    A functional model with separate networks for the two directions and one
    embedding table for both. Any model can take its outputs as inputs of a
    `GraphTransfer` layer; set `trainable = False` to keep it as it was pretrained, and
    without dropout.

    For another score rule, set `affinity_class` in a subclass; `models.ablations` has
    some.

    Args:
        vocabulary_size: int, number of unit ids, padding (0) and unknown (1)
            included.
        embedding_dim: int, size of embeddings and of the convolutions.
        num_graph_layers: int, number of graph layers.
        num_heads: int, heads of each graph layer.
        key_dim: int or None, size of a head's keys. `None` means
            `embedding_dim // num_heads`.
        num_convolutions: int, convolutions in each of the key and query networks.
        kernel_size: int, units that a convolution sees.
        normalization: `"layer"`, `"batch"` or `None`, in the convolutions.
        threshold: `"entmax"`, `"mean"`, `"scalar"`, `"query"` or `None`, of the scores.
        use_bias: bool, whether the key and query projections have biases.
        top_k: int or None, largest activations that a row keeps.
        dropout: float in [0, 1), in the convolutions.
        seed: int or `None`, seed of the dropout; every convolution has its own.
        kernel_initializer: initializer of the convolutions and projections, its name,
            or `None`, which means those of the layers.
        kernel_regularizer: regularizer of the same kernels, its name, or `None`.
        position_bias: int or None, greatest distance with a number of its own, added to
            the scores. `None` means no numbers.
        **kwargs: `keras.Model` arguments (`name`, `dtype`, `trainable`).

    Call arguments:
        inputs: int tensor `(batch, length)` of unit ids, 0 at padding; or a dict of
            `unit_ids` and, optionally, of `padding_mask`, bool tensor `(batch,
            length)`, `True` at real units.
        training: bool, whether to apply dropout.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, num_graph_layers,
        num_heads, length, length)`, receivers in rows.

    Raises:
        ValueError: if an argument is out of its range, `unit_ids` are missing, or ids
            are not of the vocabulary.
        TypeError: if the first one is the name of a preset, or an argument is unknown.

    Example:

    >>> predictor = GraphPredictor(vocabulary_size=13, embedding_dim=16)
    >>> unit_ids = keras.ops.array([[2, 3, 4, 5, 0]])
    >>> graphs = predictor(unit_ids)
    >>> tuple(graphs["forward"].shape)
    (1, 3, 8, 5, 5)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.1.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim=128,
        num_graph_layers=3,
        num_heads=8,
        key_dim=None,
        num_convolutions=4,
        kernel_size=3,
        normalization="layer",
        threshold="entmax",
        use_bias=False,
        top_k=None,
        dropout=0.0,
        seed=None,
        kernel_initializer=None,
        kernel_regularizer=None,
        position_bias=32,
        dtype=None,
        **kwargs,
    ):
        check_no_preset("vocabulary_size", vocabulary_size, GraphPredictor)
        vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        if vocabulary_size < 2:
            raise ValueError(
                "`vocabulary_size` must be at least 2 (padding and unknown). Received: "
                f"vocabulary_size={vocabulary_size}."
            )
        embedding_dim = positive_integer("embedding_dim", embedding_dim)
        num_graph_layers = positive_integer("num_graph_layers", num_graph_layers)
        num_heads = positive_integer("num_heads", num_heads)
        key_dim = positive_integer("key_dim", key_dim, or_none=True)
        num_convolutions = positive_integer("num_convolutions", num_convolutions)
        kernel_size = positive_integer("kernel_size", kernel_size)
        top_k = positive_integer("top_k", top_k, or_none=True)
        seed = plain_integer(seed)
        position_bias = positive_integer("position_bias", position_bias, or_none=True)
        kernel_initializer = get_initializer(kernel_initializer)
        kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        # Rows of length one: features and messages start at a scale that the updates
        # of the features and the tied softmax respond to.
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=embedding_dim**-0.5
            ),
            dtype=policy,
            name="embedding",
        )
        layers = self.make_layers(
            filters=embedding_dim,
            num_graph_layers=num_graph_layers,
            num_heads=num_heads,
            key_dim=key_dim,
            num_convolutions=num_convolutions,
            kernel_size=kernel_size,
            normalization=normalization,
            threshold=threshold,
            use_bias=use_bias,
            top_k=top_k,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            position_bias=position_bias,
            dtype=policy,
        )

        # === Functional model ===
        unit_ids = keras.Input((None,), dtype="int32", name="unit_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        graphs = self.connect(layers, embedding(unit_ids), padding_mask)
        super().__init__(
            {"unit_ids": unit_ids, "padding_mask": padding_mask},
            graphs,
            policy,
            **kwargs,
        )

        # === Config ===
        self.embedding = embedding
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.num_graph_layers = num_graph_layers
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.num_convolutions = num_convolutions
        self.kernel_size = kernel_size
        self.normalization = normalization
        self.threshold = threshold
        self.use_bias = use_bias
        self.top_k = top_k
        self.dropout = dropout
        self.seed = seed
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.position_bias = position_bias

    def __call__(self, inputs, *args, **kwargs):
        # Before Keras compares them with the inputs of the functional model.
        return super().__call__(_with_mask(inputs), *args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        # What `predict` calls on JAX.
        return super().call(_with_mask(inputs), training, mask)

    def check_inputs(self, inputs):
        check_named_inputs(inputs, "unit_ids", "padding_mask")
        check_unit_ids(inputs["unit_ids"], self.vocabulary_size)

    def project(self, inputs, training=None, recompute=False):
        return super().project(_with_mask(inputs), training, recompute)

    def embed(self, inputs):
        inputs = _with_mask(inputs)
        mask = ops.cast(inputs["padding_mask"], "bool")
        return self.embedding(inputs["unit_ids"]), mask

    def get_config(self):
        return {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "num_graph_layers": self.num_graph_layers,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "num_convolutions": self.num_convolutions,
            "kernel_size": self.kernel_size,
            "normalization": self.normalization,
            "threshold": self.threshold,
            "use_bias": self.use_bias,
            "top_k": self.top_k,
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "position_bias": self.position_bias,
            **super().get_config(),
        }


def _with_mask(inputs):
    """Return unit ids, alone or in a dict, with the mask of those that are not 0."""
    if not isinstance(inputs, dict):
        if isinstance(inputs, list | tuple) and any(
            hasattr(i, "shape") for i in inputs
        ):
            check_named_inputs(inputs, "unit_ids", "padding_mask")
        inputs = {"unit_ids": inputs}
    if "unit_ids" in inputs and "padding_mask" not in inputs:
        check_unit_ids(inputs["unit_ids"])
        mask = ops.not_equal(_as_tensor(inputs["unit_ids"]), 0)
        inputs = {**inputs, "padding_mask": mask}
    return {name: _as_tensor(value) for name, value in inputs.items()}


def _as_tensor(value):
    """Return an array, or a tensor of TensorFlow, as one of the backend.

    Keras refuses arrays beside tensors, and those of TensorFlow elsewhere.
    """
    if keras.backend.is_keras_tensor(value) or not hasattr(value, "__array__"):
        return value
    return ops.convert_to_tensor(value)
