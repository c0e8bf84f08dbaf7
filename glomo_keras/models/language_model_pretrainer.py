"""Training of the bidirectional language model."""

import keras
from keras import ops

from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.distribution.replicas import sum_over_replicas
from glomo_keras.models.bidirectional_language_model import BidirectionalLanguageModel
from glomo_keras.models.bidirectional_language_model import check_character_ids
from glomo_keras.models.checks import check_model
from glomo_keras.models.checks import check_named_inputs
from glomo_keras.models.checks import check_range_of_ids
from glomo_keras.models.checks import check_unit_ids
from glomo_keras.models.graph_metrics import Perplexity
from glomo_keras.models.graph_metrics import UnitMean
from glomo_keras.models.unsupervised import UnsupervisedModel
from glomo_keras.ops.context import log_likelihood
from glomo_keras.ops.sampled_softmax import sampled_log_likelihood
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class LanguageModelPretrainer(UnsupervisedModel, keras.Model):
    """Trains a bidirectional language model to predict the next and the last word.

        loss = -mean over directions and words of log softmax(S h_L + b)[word]

    h_L is the top layer of the forward direction at the word before, or of the backward
    direction at the word after; both share the softmax (S, b). The first word is
    predicted from the begin mark, the last one from the end mark; marks themselves are
    not predicted, because texts may be cut anywhere. After training
    `pretrainer.language_model` is what is kept.

    Metrics: `nats` (exact, of every word, when evaluated; in training an estimate where
    `num_sampled` is given), `forward_perplexity` and `backward_perplexity`.

    Args:
        language_model: `BidirectionalLanguageModel`, what is trained.
        vocabulary_size: int, number of words that are told apart by the softmax,
            padding (0) and unknown (1) included.
        num_sampled: int or None, words that a training step's softmax is estimated
            from, see `glomo_keras.ops.sampled_log_likelihood`. `None` means the exact
            one.
        chunk_size: int, words of the vocabulary that the exact softmax treats at once.
        seed: int or None, seed of the sample.
        **kwargs: `keras.Model` arguments (`name`, `dtype`).

    Call arguments:
        inputs: dict of `unit_ids`, int tensor `(batch, length)`, the words by the
            softmax's vocabulary, 0 at padding; and `character_ids`, int tensor `(batch,
            length, max_characters)`, the same words by their characters.
        training: bool, whether to apply dropout, and to sample.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, length)` of
        log-likelihoods, zeros at padding.

    Raises:
        ValueError: if an argument is out of its range, an input is missing, or ids are
            none of words or characters.
        TypeError: if `language_model` is of another class, or the inputs are no dict.

    Example:

    >>> model = glomo_keras.models.BidirectionalLanguageModel(
    ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7],
    ...     max_characters=13)
    >>> pretrainer = LanguageModelPretrainer(model, vocabulary_size=17)
    >>> inputs = {"unit_ids": keras.ops.ones((2, 7), "int32"),
    ...           "character_ids": keras.ops.ones((2, 7, 13), "int32")}
    >>> tuple(pretrainer(inputs)["forward"].shape)
    (2, 7)

    Reference: Peters et al., 2018 (arXiv 1802.05365), section 3.1.
    """

    def __init__(
        self,
        language_model,
        vocabulary_size,
        num_sampled=None,
        chunk_size=2048,
        seed=None,
        **kwargs,
    ):
        check_model("language_model", language_model, BidirectionalLanguageModel)
        kwargs.setdefault("dtype", language_model.dtype_policy)
        super().__init__(**kwargs)
        vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        if vocabulary_size < 2:
            raise ValueError(
                "`vocabulary_size` must be at least 2 (padding and unknown). Received: "
                f"vocabulary_size={vocabulary_size}."
            )
        self.language_model = language_model
        self.vocabulary_size = vocabulary_size
        self.num_sampled = positive_integer("num_sampled", num_sampled, or_none=True)
        self.chunk_size = positive_integer("chunk_size", chunk_size)
        self.seed = seed = plain_integer(seed)
        self._sample_seed = keras.random.SeedGenerator(seed)
        self.nats = UnitMean(name="nats")
        self.perplexities = {
            direction: Perplexity(name=f"{direction}_perplexity")
            for direction in DIRECTIONS
        }
        self.build()

    def build(self, inputs_shape=None):
        dim = self.language_model.projection_dim
        # The bias is a column of the table.
        self.softmax = self.add_weight(
            name="softmax",
            shape=(self.vocabulary_size, dim + 1),
            initializer=keras.initializers.RandomNormal(stddev=dim**-0.5),
        )
        self.built = True

    def call(self, inputs, training=None):
        check_named_inputs(inputs, "unit_ids", "character_ids")
        unit_ids = inputs["unit_ids"]
        check_unit_ids(unit_ids)
        self._check_words(unit_ids)
        layers, _ = self.language_model.read(inputs["character_ids"], training=training)
        # A text of n words has the marks at 0 and n + 1.
        seen = {
            "forward": layers["forward"][-1][:, :-2],
            "backward": layers["backward"][-1][:, 2:],
        }
        outputs = {}
        for direction, features in seen.items():
            ones = ops.ones_like(features[..., :1])
            features = ops.concatenate([features, ones], axis=-1)
            table = ops.convert_to_tensor(self.softmax)
            if training and self.num_sampled:
                likelihoods = sampled_log_likelihood(
                    features, table, unit_ids, self.num_sampled, self._sample_seed
                )
            else:
                likelihoods = log_likelihood(features, table, unit_ids, self.chunk_size)
            outputs[direction] = ops.where(
                unit_ids != 0, likelihoods, ops.zeros_like(likelihoods)
            )
        self.add_own_loss(inputs, outputs)
        return outputs

    def check_examples(self, x):
        if isinstance(x, dict):
            self._check_words(x.get("unit_ids"))
            check_character_ids(x.get("character_ids"))

    def _check_words(self, unit_ids):
        check_range_of_ids(
            "unit_ids",
            unit_ids,
            self.vocabulary_size,
            "the words that the softmax tells apart",
            "Look the words up in a vocabulary of `vocabulary_size` units.",
        )

    def share_of_loss(self, x, y_pred):
        real = ops.cast(x["unit_ids"] != 0, y_pred["forward"].dtype)
        number = ops.maximum(sum_over_replicas(ops.sum(real)), 1.0)
        total = ops.sum(y_pred["forward"]) + ops.sum(y_pred["backward"])
        return -total / (2.0 * number)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        real = ops.cast(x["unit_ids"] != 0, "float32")
        for direction in DIRECTIONS:
            nats = -y_pred[direction]
            self.nats.update_state(nats, sample_weight=real)
            self.perplexities[direction].update_state(nats, sample_weight=real)
        return self.get_metrics_result()

    def get_config(self):
        return {
            **super().get_config(),
            "language_model": keras.saving.serialize_keras_object(self.language_model),
            "vocabulary_size": self.vocabulary_size,
            "num_sampled": self.num_sampled,
            "chunk_size": self.chunk_size,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        language_model = keras.saving.deserialize_keras_object(
            config["language_model"], custom_objects=custom_objects
        )
        return cls(**{**config, "language_model": language_model})
