"""What the graph predictors of text and of images share."""

import keras

from glomo_keras.layers.masked_key_query_cnn import MaskedKeyQueryCNN
from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity
from glomo_keras.models.presets import load_preset_of
from glomo_keras.models.presets import save_preset
from glomo_keras.ops.visibility import DIRECTIONS


class BaseGraphPredictor(keras.Model):
    """A functional model from units to the graphs of both directions.

    A subclass makes its inputs and features, calls `directed_graphs`, and gives the
    result and its own arguments to `__init__`.

    Frozen (`trainable = False`), it runs as in inference, without dropout.

    Args:
        inputs: inputs of the functional model.
        outputs: dict of `forward` and `backward`, graphs.
        config: dict, the arguments that make the model anew.
        dtype: dtype policy.
        trainable: bool, whether its weights are trained.
        name: string.
        **unknown: refused; a functional model would take them without a word.
    """

    def __init__(
        self, inputs, outputs, config, dtype, trainable=True, name=None, **unknown
    ):
        if unknown:
            raise TypeError(
                f"Unknown arguments: {', '.join(map(repr, unknown))}. Arguments of "
                f"{type(self).__name__} are {', '.join(config)}, dtype, name, "
                "trainable."
            )
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = dtype
        self._config = config
        self.num_graph_layers = config["num_graph_layers"]
        self.num_heads = config["num_heads"]
        # Last: Keras hands it on to the layers that are there.
        self.trainable = trainable

    def call(self, inputs, training=None, mask=None):
        training = training if self.trainable else False
        return super().call(inputs, training=training, mask=mask)

    def directed_graphs(
        self,
        features,
        mask=None,
        *,
        filters,
        num_graph_layers,
        num_heads,
        key_dim,
        num_convolutions,
        kernel_size,
        normalization,
        threshold,
        use_bias,
        top_k,
        dropout,
        dtype,
    ):
        """Graphs of features, by a network and an affinity for each direction.

        Args:
            features: float tensor `(batch, length, dim)` or of an image.
            mask: bool tensor, `True` at real units, or `None`.
            filters: int, channels of the convolutions.
            num_graph_layers: int, and so on: see `GraphPredictor`.

        Returns:
            Dict of `forward` and `backward`, graphs.
        """
        graphs = {}
        for direction in DIRECTIONS:
            network = MaskedKeyQueryCNN(
                filters,
                kernel_size,
                num_convolutions,
                direction,
                normalization=normalization,
                dropout=dropout,
                dtype=dtype,
                name=f"{direction}_network",
            )
            affinity = self.make_affinity(
                direction=direction,
                num_graph_layers=num_graph_layers,
                num_heads=num_heads,
                key_dim=max(1, filters // max(1, num_heads))
                if key_dim is None
                else key_dim,
                threshold=threshold,
                use_bias=use_bias,
                top_k=top_k,
                dtype=dtype,
                name=f"{direction}_affinity",
            )
            queries, keys = network(features, mask=mask)
            graphs[direction] = affinity(
                queries, keys, queries_mask=mask, keys_mask=mask
            )
        return graphs

    def make_affinity(self, **arguments):
        """Make the layer that turns queries and keys into graphs.

        Args:
            **arguments: those of `SquaredReLUAffinity`.

        Returns:
            A layer, called as `SquaredReLUAffinity` is.
        """
        return SquaredReLUAffinity(**arguments)

    def units(self, inputs):
        """What the networks read: `(features, mask)`, the mask perhaps `None`."""
        raise NotImplementedError

    def project(self, inputs, training=None, recompute=False):
        """What the graphs are computed from; see `SquaredReLUAffinity.project`.

        Args:
            inputs: as in the call.
            training: bool, whether to apply dropout.
            recompute: bool, whether a gradient runs the networks again instead of
                keeping what they computed. Networks with dropout or batch
                normalization are never run twice: each run changes their state.

        Returns:
            Dict of `forward` and `backward`, dicts of `queries`, `keys` and, where it
            is trained, `threshold`, float tensors of all graph layers and heads.

        Raises:
            ValueError: if the graphs have another score rule, or rows cut at `top_k`.
        """
        recompute = (
            recompute
            and not self._config["dropout"]
            and self._config["normalization"] != "batch"
        )
        training = training if self.trainable else False
        features, mask = self.units(inputs)
        factors = {}
        for direction in DIRECTIONS:
            network = self.get_layer(f"{direction}_network")
            affinity = self.affinity(direction)

            def run(features, network=network, affinity=affinity):
                queries, keys = network(features, mask=mask, training=training)
                return affinity.project(queries, keys, mask, mask)

            factors[direction] = (keras.remat(run) if recompute else run)(features)
        return factors

    def affinity(self, direction):
        """The layer that turns queries and keys of a direction into graphs."""
        return self.get_layer(f"{direction}_affinity")

    def save_to_preset(self, directory, vocabulary=None, training=None, card=None):
        """Writes the predictor as a preset folder, whole or not at all.

        Args:
            directory: path of the folder; made where it is missing.
            vocabulary: the `glomo_keras.data.Vocabulary` of the unit ids, or the path
                of its file, or `None` for units that are no words.
            training: dict that JSON can hold: what was trained on, and how.
            card: string, the model card in Markdown. `None` keeps one that somebody
                wrote, or writes one from the rest.

        Returns:
            String, the fingerprint of configuration, weights and vocabulary.

        Raises:
            ValueError: if the vocabulary and the predictor differ in size.
        """
        return save_preset(self, directory, vocabulary, training, card)

    @classmethod
    def from_preset(cls, name_or_folder, dtype=None):
        """Loads a preset by its name or folder.

        Args:
            name_or_folder: path of a folder that `save_to_preset` wrote, or the name
                of a preset that comes with the library.
            dtype: name or dtype policy to compute in. `None` means the one that was
                saved.

        Returns:
            A predictor of this class.

        Raises:
            FileNotFoundError: if there is no such preset, or a file of it is missing.
            ValueError: if a file is damaged or does not fit, or the format is newer.
            TypeError: if the preset holds another class.
        """
        return load_preset_of(cls, name_or_folder, dtype)

    def get_config(self):
        return {
            **self._config,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
