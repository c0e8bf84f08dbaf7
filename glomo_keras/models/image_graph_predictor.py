"""The network that maps the pixels of an image to relational graphs."""

import keras

from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.models.base_graph_predictor import BaseGraphPredictor
from glomo_keras.models.checks import check_images
from glomo_keras.models.checks import check_no_preset
from glomo_keras.ops.pixels import scale_pixels
from glomo_keras.ops.precision import accumulation_dtype


@keras.saving.register_keras_serializable(package="glomo_keras")
class ScalePixels(keras.layers.Layer):
    """Pixels of 0 to 255 as numbers from -1 to 1, whatever the dtype policy.

    Args:
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        pixels: tensor of any dtype.

    Returns:
        Float tensor of the same shape in the compute dtype.

    Example:

    >>> ScalePixels()(keras.ops.array([0, 255], "uint8")).shape == (2,)
    True
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)  # bfloat16 has no 255 and 254

    def call(self, pixels):
        scaled = scale_pixels(pixels, accumulation_dtype(self.compute_dtype))
        return keras.ops.cast(scaled, self.compute_dtype)

    def compute_output_spec(self, pixels):
        return keras.KerasTensor(pixels.shape, dtype=self.compute_dtype)

    def get_config(self):
        # Not Keras's own, which records arguments that JSON cannot hold, and fails.
        return super().get_config()


@keras.saving.register_keras_serializable(package="glomo_keras")
class ImageGraphPredictor(BaseGraphPredictor):
    """Relational graphs over the pixels of images: no embeddings, no labels.

        pixels --MaskedKeyQueryCNN--> --SquaredReLUAffinity--> graphs

    with separate networks for the two directions of the raster order. The size of
    images is free.

    A graph of `height * width` units has their square of weights: 1,024 pixels and 24
    heads are 100 MB an image and direction. `project` gives what
    `glomo_keras.ops.squared_relu_attention` needs in their place.

    Args:
        filters: int, channels of the convolutions.
        num_graph_layers: int, number of graph layers.
        num_heads: int, heads of each graph layer.
        key_dim: int or None, size of a head's keys. `None` means
            `filters // num_heads`.
        num_convolutions: int, convolutions in each of the key and query networks.
        kernel_size: int, odd, rows and columns that a convolution spans.
        normalization: `"layer"`, `"batch"` or `None`, in the convolutions.
        threshold: `"entmax"`, `"mean"`, `"scalar"`, `"query"` or `None`, of the scores.
        use_bias: bool, whether the key and query projections have biases.
        top_k: int or None, largest activations that a row keeps.
        dropout: float in [0, 1), in the convolutions.
        channels: int, of the images.
        seed: int or `None`, seed of the dropout; every convolution has its own.
        kernel_initializer: initializer of the convolutions and projections, its name,
            or `None`, which means those of the layers.
        kernel_regularizer: regularizer of the same kernels, its name, or `None`.
        position_bias: int or None, rows and columns up to which each offset has a
            number of its own, added to the scores. `None` means no numbers.
        **kwargs: `keras.Model` arguments (`name`, `dtype`, `trainable`).

    Call arguments:
        images: tensor `(batch, height, width, channels)` of levels, 0 to 255 (not of
            shares of one), of any dtype.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, num_graph_layers,
        num_heads, height * width, height * width)`, receivers in rows, pixels in
        raster order.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if the first one is the name of a preset, or an argument is unknown.

    Example:

    >>> predictor = ImageGraphPredictor(filters=16, num_graph_layers=1)
    >>> images = np.zeros((2, 5, 7, 3), "uint8")
    >>> tuple(predictor(images)["forward"].shape)
    (2, 1, 8, 35, 35)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 3.5.
    """

    def __init__(
        self,
        filters=64,
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
        channels=3,
        seed=None,
        kernel_initializer=None,
        kernel_regularizer=None,
        position_bias=8,
        dtype=None,
        **kwargs,
    ):
        check_no_preset("filters", filters, ImageGraphPredictor)
        filters = positive_integer("filters", filters)
        num_graph_layers = positive_integer("num_graph_layers", num_graph_layers)
        num_heads = positive_integer("num_heads", num_heads)
        key_dim = positive_integer("key_dim", key_dim, or_none=True)
        num_convolutions = positive_integer("num_convolutions", num_convolutions)
        kernel_size = positive_integer("kernel_size", kernel_size)
        top_k = positive_integer("top_k", top_k, or_none=True)
        channels = positive_integer("channels", channels)
        seed = plain_integer(seed)
        position_bias = positive_integer("position_bias", position_bias, or_none=True)
        kernel_initializer = get_initializer(kernel_initializer)
        kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Layers ===
        scaling = ScalePixels(dtype=policy, name="pixels")
        layers = self.make_layers(
            filters=filters,
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
        images = keras.Input((None, None, channels), dtype="float32", name="images")
        graphs = self.connect(layers, scaling(images))
        super().__init__(images, graphs, policy, **kwargs)

        # === Config ===
        self.filters = filters
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
        self.channels = channels
        self.seed = seed
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.position_bias = position_bias

    def check_inputs(self, images):
        check_images(images, self.channels)

    def embed(self, images):
        return self.get_layer("pixels")(images), None

    def get_config(self):
        return {
            "filters": self.filters,
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
            "channels": self.channels,
            "seed": self.seed,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "position_bias": self.position_bias,
            **super().get_config(),
        }
