"""Unsupervised pretraining of an image graph predictor: context prediction in 2-D."""

import keras
from keras import ops

from glomo_keras.checks import positive_integer
from glomo_keras.layers.image_context_decoder import ImageContextDecoder
from glomo_keras.models.checks import check_images
from glomo_keras.models.checks import check_levels
from glomo_keras.models.checks import check_model
from glomo_keras.models.context_pretrainer import ContextPretrainer
from glomo_keras.models.graph_metrics import UnitMean
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.image_graph_predictor import ScalePixels
from glomo_keras.ops.pixels import bits_per_dimension
from glomo_keras.ops.raster import check_context_window
from glomo_keras.ops.raster import raster_units
from glomo_keras.ops.raster import window_targets
from glomo_keras.ops.relations import pixel_distances
from glomo_keras.ops.visibility import DIRECTIONS

_COUNTED = 16  # rows and columns whose graphs are counted where none are held


@keras.saving.register_keras_serializable(package="glomo_keras")
class ImageGLoMoPretrainer(ContextPretrainer):
    """Trains an image graph predictor on images alone.

    In each direction the pixels x, as features f^0 = W x, travel along the predicted
    graphs, f^l = update(f^(l-1), G^l) for l = 1 ... L, and a decoder predicts from f^L
    of every pixel the pixels of its context window. The loss is

        mean over the directions of
            mean over valid (pixel, cell) pairs of -log p    (nats a pixel)

    After training `pretrainer.graph_predictor` is what is kept.

    Metrics: `bits` (bits per dimension, of all cells), `forward_bits` and
    `backward_bits` (of the first cell), and those of the graphs: `density`,
    `empty_rows`, `one_sender_rows`, `dead_heads`, `specificity`, `effective_senders`,
    `effective_share`, `within_1`, `within_4`, `within_16`, see `GLoMoPretrainer`. The
    distance of two pixels is the larger one of rows and columns.

    In blocks of `block_size` receivers no graph is held, and the gradient computes
    again what lies between the layers: for a batch of 32 images of 32 x 32 the
    difference is one of gigabytes. The metrics of the graphs are then those of a corner
    of 16 x 16 of the first image of a batch.

    Args:
        graph_predictor: `ImageGraphPredictor`, what is trained.
        dim: int or None, size of the features. `None` means the filters of the
            predictor.
        context_window: pair of ints, rows and columns that are predicted.
        update: `"gru"` or `"residual"`, see `GraphPropagation`.
        message: `"plain"` or `"product_concat"`, see `GraphPropagation`.
        shared_update: bool, whether the graph layers of a direction share one update.
        num_decoder_layers: int, GRU layers of a decoder.
        num_logistics: int, components of the likelihood of a channel.
        num_positions: int or None. In training, pixels drawn each step, with
            replacement and the same for all images. `None` means every pixel.
            Evaluation always takes every pixel.
        block_size: int, `"auto"` or None, receivers of a block. `None` holds the
            graphs; `"auto"` does so too in evaluation, for less than 512 pixels, and
            where XLA compiles.
        seed: int or None, seed of the positions.
        **kwargs: `keras.Model` arguments (`name`, `dtype`).

    Call arguments:
        inputs: tensor `(batch, height, width, channels)` of levels, 0 to 255, of a
            known size.
        training: bool, whether to draw positions and apply dropout.

    Returns:
        Dict of, for each direction, `<direction>`: log-likelihoods `(batch,
        num_positions, cells)` in nats a pixel and `<direction>_valid`: bool tensor of
        the same shape; and `counts`: dict of float tensors `(batch or fewer, 2,
        num_graph_layers, num_heads)`, what `glomo_keras.ops.graph_counts` and
        `relation_counts` count, by their names.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if `graph_predictor` is of another class.

    Example:

    >>> predictor = glomo_keras.models.ImageGraphPredictor(filters=16)
    >>> pretrainer = ImageGLoMoPretrainer(predictor)
    >>> pretrainer.compile("adam")  # and then `pretrainer.fit(images)`
    >>> outputs = pretrainer(np.zeros((2, 5, 7, 3), "uint8"))
    >>> tuple(outputs["forward"].shape)  # (batch, pixels, cells of the window)
    (2, 35, 8)

    Reference: Yang et al., 2018 (arXiv 1806.05662), sections 2.2 and 3.5.
    """

    def __init__(
        self,
        graph_predictor,
        dim=None,
        context_window=(3, 3),
        update="gru",
        message="plain",
        shared_update=True,
        num_decoder_layers=1,
        num_logistics=5,
        num_positions=None,
        block_size="auto",
        seed=None,
        **kwargs,
    ):
        check_model("graph_predictor", graph_predictor, ImageGraphPredictor)
        context_window = check_context_window(context_window)
        kwargs.setdefault("dtype", graph_predictor.dtype_policy)
        dim = positive_integer("dim", dim, or_none=True) or graph_predictor.filters
        if dim % graph_predictor.num_heads:
            raise ValueError(
                "`num_heads` of the graph predictor must divide `dim`. Received: "
                f"num_heads={graph_predictor.num_heads}, dim={dim}."
            )
        super().__init__(
            graph_predictor,
            dim,
            update,
            message,
            shared_update,
            num_positions,
            block_size,
            seed,
            **kwargs,
        )
        self.context_window = context_window
        self.num_decoder_layers = positive_integer(
            "num_decoder_layers", num_decoder_layers
        )
        self.num_logistics = positive_integer("num_logistics", num_logistics)
        self.scaling = ScalePixels(dtype=self.dtype_policy, name="scaling")
        self.embedding = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="embedding"
        )
        self.decoders = {
            direction: ImageContextDecoder(
                self.context_window,
                self.num_decoder_layers,
                direction,
                self.num_logistics,
                dtype=self.dtype_policy,
                name=f"{direction}_decoder",
            )
            for direction in DIRECTIONS
        }
        self.bits = UnitMean(name="bits")
        self.first_bits = {
            direction: UnitMean(name=f"{direction}_bits") for direction in DIRECTIONS
        }

    def build(self, images_shape):
        check_images(keras.KerasTensor(images_shape), self.graph_predictor.channels)
        self.build_propagations()
        self.embedding.build((None, None, images_shape[-1]))
        for decoder in self.decoders.values():
            decoder.build((None, None, self.dim), images_shape)
        self.built = True

    def check_examples(self, x):
        check_levels(x)

    def call(self, inputs, training=None):
        check_images(inputs, self.graph_predictor.channels)
        features, graphs = self.feature_predictor(inputs, training=training)
        length = inputs.shape[1] * inputs.shape[2]
        outputs = {}
        for direction in DIRECTIONS:
            positions = self.draw_positions(length) if training else None
            values = self.decoders[direction](
                features[direction][-1], inputs, positions=positions
            )
            _, valid = window_targets(inputs, positions, self.context_window, direction)
            outputs[direction] = values
            outputs[f"{direction}_valid"] = ops.broadcast_to(valid, ops.shape(values))
        height, width = inputs.shape[1:3]
        if self.choose_block_size(length, training) is not None:
            height, width = min(height, _COUNTED), min(width, _COUNTED)
        distances = pixel_distances(height, width)
        outputs["counts"] = self.count_graphs(
            graphs, training=training, distances=distances
        )
        self.add_own_loss(inputs, outputs)
        return outputs

    def feature_predictor(self, images, training=None):
        """Return the features of every graph layer, and graphs that they travel along.

        Args:
            images: tensor `(batch, height, width, channels)` of levels.
            training: bool, whether to apply dropout.

        Returns:
            `(features, graphs)`: a dict of `forward` and `backward`, lists of f^0 ...
            f^L, float tensors `(batch, height * width, dim)`; and what the graph
            predictor returns, with blocks for a corner of the first image alone.
        """
        pixels, _ = raster_units(self.scaling(images))
        first = self.embedding(pixels)
        corner = images[:1, :_COUNTED, :_COUNTED]
        return self.features_and_graphs(first, images, corner, training=training)

    def update_likelihoods(self, direction, nats, valid):
        bits = bits_per_dimension(nats, self.graph_predictor.channels)
        self.bits.update_state(bits, sample_weight=valid)
        self.first_bits[direction].update_state(
            bits[..., 0], sample_weight=valid[..., 0]
        )

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "context_window": self.context_window,
            "num_decoder_layers": self.num_decoder_layers,
            "num_logistics": self.num_logistics,
        }
