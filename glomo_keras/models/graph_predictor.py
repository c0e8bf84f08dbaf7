"""The network that maps units to relational graphs, in both directions."""

import keras

from glomo_keras.layers.masked_key_query_cnn import MaskedKeyQueryCNN
from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity
from glomo_keras.models.presets import load_preset
from glomo_keras.models.presets import save_preset
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphPredictor(keras.Model):
    """Relational graphs of sequences of units: what pretraining learns.

        unit ids --embedding--> --MaskedKeyQueryCNN--> --SquaredReLUAffinity--> graphs

    A functional model with separate networks for the two directions and one
    embedding table for both. Any model can take its outputs as inputs of a
    `GraphTransfer` layer; set `trainable = False` to keep it as it was pretrained.

    For another score rule, override `make_affinity`.

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
        threshold: `"mean"`, `"scalar"`, `"query"` or `None`, of the scores.
        use_bias: bool, whether the key and query projections have biases.
        top_k: int or None, largest activations that a row keeps.
        dropout: float in [0, 1), in the convolutions.
        **kwargs: `keras.Model` arguments (`name`, `dtype`).

    Call arguments:
        inputs: dict of `unit_ids`, int tensor `(batch, length)`, and `padding_mask`,
            bool tensor `(batch, length)`, `True` at real units.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, num_graph_layers,
        num_heads, length, length)`, receivers in rows.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> predictor = GraphPredictor(vocabulary_size=13, embedding_dim=16)
    >>> unit_ids = keras.ops.array([[2, 3, 4, 5, 0]])
    >>> graphs = predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
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
        threshold="mean",
        use_bias=False,
        top_k=None,
        dropout=0.0,
        dtype=None,
        **kwargs,
    ):
        if vocabulary_size < 2:
            raise ValueError(
                "`vocabulary_size` must be at least 2 (padding and unknown). Received: "
                f"vocabulary_size={vocabulary_size}."
            )
        if embedding_dim < 1:
            raise ValueError(
                "`embedding_dim` must be a positive integer. Received: "
                f"embedding_dim={embedding_dim}."
            )
        config = {
            "vocabulary_size": vocabulary_size,
            "embedding_dim": embedding_dim,
            "num_graph_layers": num_graph_layers,
            "num_heads": num_heads,
            "key_dim": key_dim,
            "num_convolutions": num_convolutions,
            "kernel_size": kernel_size,
            "normalization": normalization,
            "threshold": threshold,
            "use_bias": use_bias,
            "top_k": top_k,
            "dropout": dropout,
        }
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
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
        unit_ids = keras.Input((None,), dtype="int32", name="unit_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        embedded = embedding(unit_ids)
        networks, affinities, graphs = {}, {}, {}
        for direction in DIRECTIONS:
            networks[direction] = MaskedKeyQueryCNN(
                embedding_dim,
                kernel_size,
                num_convolutions,
                direction,
                normalization=normalization,
                dropout=dropout,
                dtype=policy,
                name=f"{direction}_network",
            )
            affinities[direction] = self.make_affinity(
                direction=direction,
                num_graph_layers=num_graph_layers,
                num_heads=num_heads,
                key_dim=key_dim or max(1, embedding_dim // num_heads),
                threshold=threshold,
                use_bias=use_bias,
                top_k=top_k,
                dtype=policy,
                name=f"{direction}_affinity",
            )
            keys, queries = networks[direction](embedded, mask=padding_mask)
            graphs[direction] = affinities[direction](
                keys, queries, keys_mask=padding_mask, queries_mask=padding_mask
            )
        super().__init__(
            inputs={"unit_ids": unit_ids, "padding_mask": padding_mask},
            outputs=graphs,
            **kwargs,
        )
        self._config = config
        self._policy = policy
        self.embedding = embedding
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.num_graph_layers = num_graph_layers
        self.num_heads = num_heads

    def make_affinity(self, **arguments):
        """Make the layer that turns keys and queries into graphs.

        Args:
            **arguments: those of `SquaredReLUAffinity`.

        Returns:
            A layer, called as `SquaredReLUAffinity` is.
        """
        return SquaredReLUAffinity(**arguments)

    def save_to_preset(self, directory, vocabulary=None, training=None, card=None):
        """Writes the predictor as a preset folder, whole or not at all.

        Args:
            directory: path of the folder; made where it is missing.
            vocabulary: the `glomo_keras.data.Vocabulary` of the unit ids, or the path
                of its file, or `None` for units that are no words.
            training: dict that JSON can hold: what was trained on, and how.
            card: string, the model card in Markdown. `None` keeps the one that is
                there, or writes one from the rest.

        Returns:
            String, the fingerprint of configuration, weights and vocabulary.

        Raises:
            ValueError: if the vocabulary and the predictor differ in size.
        """
        return save_preset(self, directory, vocabulary, training, card)

    @classmethod
    def from_preset(cls, name_or_folder):
        """Loads a preset by its name or folder.

        Args:
            name_or_folder: path of a folder that `save_to_preset` wrote, or the name
                of a preset that comes with the library.

        Returns:
            A `GraphPredictor`.

        Raises:
            FileNotFoundError: if there is no such preset, or a file of it is missing.
            ValueError: if a file is damaged or does not fit, or the format is newer.
            TypeError: if the preset holds another class.
        """
        predictor = load_preset(name_or_folder)
        if not isinstance(predictor, cls):
            raise TypeError(
                f"The preset {str(name_or_folder)!r} holds a {type(predictor).__name__}"
                f", not a {cls.__name__}. Use {type(predictor).__name__}.from_preset."
            )
        return predictor

    def get_config(self):
        return {
            **self._config,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self._policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
