"""What the graph predictors of text and of images share."""

import inspect

import keras

from glomo_keras.layers.masked_key_query_cnn import MaskedKeyQueryCNN
from glomo_keras.layers.squared_relu_affinity import SquaredReLUAffinity
from glomo_keras.models.frozen_layers import freeze_layers
from glomo_keras.models.frozen_layers import frozen_layers
from glomo_keras.models.preset_model import PresetModel
from glomo_keras.ops.visibility import DIRECTIONS


class BaseGraphPredictor(PresetModel, keras.Model):
    """A functional model from units to the graphs of both directions.

    A subclass makes its layers (`make_layers`), connects them (`connect`), and stores
    its arguments. Frozen (`trainable = False`), it runs as in inference, without
    dropout. Layers that are frozen one by one are frozen in saved copies as well.

    Args:
        inputs: inputs of the functional model.
        outputs: dict of `forward` and `backward`, graphs.
        dtype: dtype policy.
        trainable: bool, whether its weights are trained.
        name: string.
        **unknown: refused; a functional model would take them without a word.

    Attributes:
        affinity_class: class of the layers that turn queries and keys into graphs, with
            the arguments of `SquaredReLUAffinity`: the score rule.
        propagations: updates of the features that the graphs depend on, by direction,
            or `None` where they depend on none.
        attends: bool, whether there are messages without graphs, see `project`.
    """

    affinity_class = SquaredReLUAffinity
    propagations = None

    def __init__(self, inputs, outputs, dtype, trainable=True, name=None, **unknown):
        if unknown:
            known = inspect.signature(type(self)).parameters.values()
            names = [p.name for p in known if p.kind is p.POSITIONAL_OR_KEYWORD]
            raise TypeError(
                f"Unknown arguments: {', '.join(map(repr, unknown))}. Arguments of "
                f"{type(self).__name__} are {', '.join(names)}, name, trainable."
            )
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = dtype
        # Last: Keras hands it on to the layers that are there.
        self.trainable = trainable

    def call(self, inputs, training=None, mask=None):
        self.check_inputs(inputs)
        training = training if self.trainable else False
        return super().call(inputs, training=training, mask=mask)

    @classmethod
    def make_layers(
        cls,
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
        seed,
        kernel_initializer,
        kernel_regularizer,
        position_bias,
        dtype,
    ):
        """Make a network and an affinity for each direction.

        Args:
            filters: int, channels of the convolutions.
            num_graph_layers: int, and so on: see `GraphPredictor`.

        Returns:
            Dict of `forward` and `backward`, pairs of layers.
        """
        if key_dim is None:
            key_dim = max(1, filters // num_heads)
        layers = {}
        for number, direction in enumerate(DIRECTIONS):
            network = MaskedKeyQueryCNN(
                filters,
                kernel_size,
                num_convolutions,
                direction,
                normalization=normalization,
                dropout=dropout,
                # A network uses one seed for each of its two stacks' convolutions.
                seed=None if seed is None else seed + 2 * num_convolutions * number,
                kernel_initializer=kernel_initializer,
                kernel_regularizer=kernel_regularizer,
                dtype=dtype,
                name=f"{direction}_network",
            )
            affinity = cls.affinity_class(
                num_graph_layers=num_graph_layers,
                num_heads=num_heads,
                key_dim=key_dim,
                direction=direction,
                threshold=threshold,
                use_bias=use_bias,
                top_k=top_k,
                kernel_initializer=kernel_initializer or "glorot_uniform",
                kernel_regularizer=kernel_regularizer,
                position_bias=position_bias,
                dtype=dtype,
                name=f"{direction}_affinity",
            )
            layers[direction] = network, affinity
        return layers

    @staticmethod
    def connect(layers, features, mask=None):
        """Return the graphs of features.

        Args:
            layers: dict that `make_layers` returned.
            features: float tensor `(batch, length, dim)` or of an image.
            mask: bool tensor, `True` at real units, or `None`.

        Returns:
            Dict of `forward` and `backward`, graphs.
        """
        graphs = {}
        for direction, (network, affinity) in layers.items():
            queries, keys = network(features, mask=mask)
            graphs[direction] = affinity(
                queries, keys, queries_mask=mask, keys_mask=mask
            )
        return graphs

    def check_inputs(self, inputs):
        """Raise ValueError where inputs have another shape than the model takes."""
        raise NotImplementedError

    def embed(self, inputs):
        """Return what the networks read.

        Args:
            inputs: as in the call.

        Returns:
            `(features, mask)`, float and bool tensors; the mask may be `None`.
        """
        raise NotImplementedError

    def project(self, inputs, training=None, recompute=False):
        """Return what graphs are computed from; see `SquaredReLUAffinity.project`.

        Args:
            inputs: as in the call.
            training: bool, whether to apply dropout.
            recompute: bool, whether a gradient runs the networks again instead of
                keeping what they computed. Networks with dropout or batch
                normalization are never run twice: each run changes their state.

        Returns:
            Dict of `forward` and `backward`, dicts of `queries`, `keys` and, where they
            are trained, `threshold` and `bias`, float tensors of all graph layers and
            heads.

        Raises:
            ValueError: if the graphs have another score rule, or rows cut at `top_k`.
        """
        self.check_inputs(inputs)
        self.check_attention()
        recompute = recompute and not self.dropout and self.normalization != "batch"
        training = training if self.trainable else False
        features, mask = self.embed(inputs)
        factors = {}
        for direction in DIRECTIONS:
            network = self.get_layer(f"{direction}_network")
            affinity = self.affinity(direction)

            def run(features, network=network, affinity=affinity):
                queries, keys = network(features, mask=mask, training=training)
                return affinity.project(queries, keys, mask, mask)

            factors[direction] = (keras.remat(run) if recompute else run)(features)
        return factors

    @property
    def attends(self):
        return self.affinity("forward").attends

    def check_attention(self):
        """Raise ValueError where there are no messages without graphs."""
        self.affinity("forward").check_attention()

    def affinity(self, direction):
        """Return the layer that turns queries and keys of a direction into graphs."""
        return self.get_layer(f"{direction}_affinity")

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **frozen_layers(self),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Predictors that were saved before there was the argument had no numbers.
        config = {"position_bias": None, **config}
        frozen = config.pop("frozen_layers", ())
        predictor = cls(**config)
        freeze_layers(predictor, frozen)
        return predictor
