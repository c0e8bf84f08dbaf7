"""The bidirectional language model of ELMo: contextual vectors of words."""

import keras
from keras import ops

from glomo_keras.checks import check_dropout
from glomo_keras.checks import non_negative_integer
from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.checks import positive_integers
from glomo_keras.layers.character_encoder import CharacterEncoder
from glomo_keras.layers.masking import zero_padding
from glomo_keras.layers.projected_lstm import ProjectedLSTM
from glomo_keras.models.checks import check_is_tensor
from glomo_keras.models.checks import check_no_preset
from glomo_keras.models.checks import check_range_of_ids
from glomo_keras.models.frozen_layers import freeze_layers
from glomo_keras.models.frozen_layers import frozen_layers
from glomo_keras.models.preset_model import PresetModel
from glomo_keras.ops.characters import NUM_CHARACTERS
from glomo_keras.ops.characters import add_sentence_marks
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class BidirectionalLanguageModel(PresetModel, keras.Model):
    """ELMo: all layers of a forward and a backward language model over characters.

        x      = CharacterEncoder(characters)
        h_1    = ProjectedLSTM(x),  h_l = ProjectedLSTM(h_(l-1)) + h_(l-1)
        layers = [x; x], [forward h_1; backward h_1], [forward h_2; backward h_2], ...

    Five representations of a word with two LSTM layers, three after the directions are
    joined. The two directions share the character encoder.

    Marks of a sentence's begin and end are put around it, and taken away from the
    output. Every sentence starts from states of zeros, so that the same sentence has
    the same vectors whenever it comes; states are carried from one text to the next
    where they are asked for and given.

    To train it, see `LanguageModelPretrainer`; for trained ones `from_preset` and
    `load_published_elmo`. In a downstream model, set `trainable = False`, which turns
    its dropout off as well, and mix its layers by `glomo_keras.layers.ScalarMix`.

    Args:
        units: int, size of the LSTMs' cells.
        projection_dim: int, size of the vectors of one direction.
        num_layers: int, LSTM layers of a direction.
        cell_clip: float or None, see `ProjectedLSTM`.
        projection_clip: float or None, see `ProjectedLSTM`.
        skip_connections: bool, whether the LSTM layers after the first add their inputs
            to their outputs.
        dropout: float in [0, 1), on the inputs of the LSTMs in training.
        max_characters: int, ids of a word, its marks included.
        embedding_dim: int, size of the character embeddings.
        kernel_sizes: list of ints, the widths of the convolutions over characters.
        filters: list of ints, the channels of each.
        activation: name or function, of the convolutions.
        num_highways: int, number of highway layers, see `CharacterEncoder`.
        seed: int or None, seed of the dropout.
        **kwargs: `keras.Model` arguments (`name`, `dtype`).

    Call arguments:
        character_ids: int tensor `(batch, length, max_characters)`, as
            `glomo_keras.data.character_ids` makes them; words of zeros, on the right,
            are padding.
        initial_states: dict of `forward` and `backward`, lists of `[output, cell]` for
            every layer, or `None` for zeros. States of one text are taken for all.
        return_states: bool, whether to return the states after the text, too.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, 1 + num_layers, length, 2 * projection_dim)`, zeros at
        padding; with `return_states`, a tuple of it and the states, a dict.

    Raises:
        ValueError: if an argument is out of its range, the words have another number
            of characters, ids are none of characters, or the states are of another
            model or number of texts.
        TypeError: if the first argument is the name of a preset.

    Example:

    >>> model = BidirectionalLanguageModel(
    ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7],
    ...     max_characters=13)
    >>> tuple(model(keras.ops.ones((2, 7, 13), "int32")).shape)
    (2, 3, 7, 10)

    Reference: Peters et al., 2018 (arXiv 1802.05365), sections 3.1 to 3.4. GLoMo
    transfers graphs onto these features: Yang et al., 2018 (arXiv 1806.05662), Table 1.
    """

    def __init__(
        self,
        units=4096,
        projection_dim=512,
        num_layers=2,
        cell_clip=3.0,
        projection_clip=3.0,
        skip_connections=True,
        dropout=0.0,
        max_characters=50,
        embedding_dim=16,
        kernel_sizes=(1, 2, 3, 4, 5, 6, 7),
        filters=(32, 32, 64, 128, 256, 512, 1024),
        activation="relu",
        num_highways=2,
        seed=None,
        **kwargs,
    ):
        trainable = kwargs.pop("trainable", True)
        super().__init__(**kwargs)
        check_no_preset("units", units, BidirectionalLanguageModel)
        self.units = positive_integer("units", units)
        self.projection_dim = positive_integer("projection_dim", projection_dim)
        self.num_layers = positive_integer("num_layers", num_layers)
        self.cell_clip = cell_clip
        self.projection_clip = projection_clip
        self.skip_connections = skip_connections
        self.dropout = check_dropout(dropout)
        self.max_characters = positive_integer("max_characters", max_characters)
        if max_characters < 3:
            raise ValueError(
                "`max_characters` must be at least 3: two marks and one character. "
                f"Received: max_characters={max_characters}."
            )
        self.embedding_dim = positive_integer("embedding_dim", embedding_dim)
        self.kernel_sizes = positive_integers("kernel_sizes", kernel_sizes)
        self.filters = positive_integers("filters", filters)
        self.activation = keras.activations.get(activation)
        self.num_highways = non_negative_integer("num_highways", num_highways)
        self.seed = seed = plain_integer(seed)
        self.character_encoder = CharacterEncoder(
            self.projection_dim,
            NUM_CHARACTERS,
            self.embedding_dim,
            self.kernel_sizes,
            self.filters,
            self.activation,
            self.num_highways,
            dtype=self.dtype_policy,
            name="character_encoder",
        )
        self.lstms = {
            direction: [
                ProjectedLSTM(
                    self.units,
                    self.projection_dim,
                    cell_clip,
                    projection_clip,
                    return_sequences=True,
                    return_state=True,
                    go_backwards=direction == "backward",
                    dtype=self.dtype_policy,
                    name=f"{direction}_lstm_{number}",
                )
                for number in range(self.num_layers)
            ]
            for direction in DIRECTIONS
        }
        self._dropout = keras.layers.Dropout(
            dropout, seed=seed, dtype=self.dtype_policy
        )
        self.build()
        # Last: Keras hands it on to the layers that are there.
        self.trainable = trainable

    def build(self, character_ids_shape=None):
        self.character_encoder.build((None, None, self.max_characters))
        for lstm in sum(self.lstms.values(), []):
            lstm.build((None, None, self.projection_dim))
        self.built = True

    def call(
        self, character_ids, initial_states=None, return_states=False, training=None
    ):
        outputs, states = self.read(character_ids, initial_states, training)
        joined = [
            ops.concatenate([forward, backward], axis=-1)
            for forward, backward in zip(*outputs.values(), strict=True)
        ]
        layers = ops.stack(joined, axis=1)[:, :, 1:-1]  # without the marks
        real = ops.any(ops.not_equal(character_ids, 0), axis=-1)
        layers = zero_padding(layers, real[:, None])
        return (layers, states) if return_states else layers

    def read(self, character_ids, initial_states=None, training=None):
        """Return the layers of each direction, marks included.

        Args:
            character_ids: int tensor `(batch, length, max_characters)`.
            initial_states: as for the call.
            training: bool, whether to apply dropout.

        Returns:
            Two dicts of `forward` and `backward`: lists of `1 + num_layers` float
            tensors `(batch, length + 2, projection_dim)`, and the states.
        """
        self._check(character_ids, initial_states)
        training = training if self.trainable else False
        if initial_states is not None:
            batch = ops.shape(character_ids)[0]
            initial_states = keras.tree.map_structure(
                lambda state: ops.broadcast_to(state, (batch, state.shape[-1])),
                initial_states,
            )
        marked = add_sentence_marks(character_ids)
        real = ops.any(ops.not_equal(marked, 0), axis=-1)
        words = self.character_encoder(marked)
        outputs, states = {}, {}
        for direction in DIRECTIONS:
            outputs[direction], states[direction] = [words], []
            for number, lstm in enumerate(self.lstms[direction]):
                inputs = self._dropout(outputs[direction][-1], training=training)
                given = initial_states and initial_states[direction][number]
                features, *state = lstm(inputs, mask=real, initial_state=given)
                if direction == "backward":  # as computed, so from the end
                    features = ops.flip(features, axis=1)
                if number and self.skip_connections:
                    features = features + inputs
                outputs[direction].append(features)
                states[direction].append(state)
        return outputs, states

    def warmed_states(self, character_ids):
        """Read sentences one after the other; return the states behind the last.

        For `initial_states`, so that sentences start where a text goes on, and not at
        zeros. The same states give a sentence the same vectors, too.

        Args:
            character_ids: int array `(sentences, length, max_characters)`, padded on
                the right.

        Returns:
            Dict of `forward` and `backward`, as `initial_states`, of one text.

        Raises:
            ValueError: if there is no sentence, or words have another number of
                characters.

        Example:

        >>> model = BidirectionalLanguageModel(
        ...     units=11, projection_dim=5, kernel_sizes=[1, 2], filters=[3, 7],
        ...     max_characters=13)
        >>> states = model.warmed_states(keras.ops.ones((3, 7, 13), "int32"))
        >>> texts = keras.ops.ones((2, 7, 13), "int32")
        >>> tuple(model(texts, initial_states=states).shape)
        (2, 3, 7, 10)
        """
        self._check(character_ids, None)
        if character_ids.shape[0] == 0:
            raise ValueError("`character_ids` must have a sentence. Received none.")
        states = None
        for number in range(character_ids.shape[0]):
            sentence = character_ids[number : number + 1]
            _, states = self.read(sentence, states, training=False)
        return states

    def _check(self, character_ids, initial_states):
        if hasattr(character_ids, "row_splits"):
            raise TypeError(
                "`character_ids` must be of one length, words of zeros on the right. "
                "Received a ragged tensor. Use `glomo_keras.data.character_ids` of "
                "ragged words."
            )
        check_is_tensor("character_ids", character_ids)
        shape = tuple(character_ids.shape)
        if len(shape) != 3 or shape[-1] not in (None, self.max_characters):
            raise ValueError(
                "`character_ids` must have shape (batch, length, "
                f"{self.max_characters}), such as those of `glomo_keras.data."
                f"character_ids(words, max_characters={self.max_characters})`. "
                f"Received a shape: {shape}."
            )
        check_character_ids(character_ids)
        if initial_states is None:
            return
        if not isinstance(initial_states, dict):
            raise TypeError(
                "`initial_states` must be the dict that a call with "
                "`return_states=True` returned. Received an object of type "
                f"{type(initial_states).__name__}."
            )
        for direction in DIRECTIONS:
            given = initial_states.get(direction)
            if not _are_states(given, self.num_layers):
                raise ValueError(
                    "`initial_states` must be what a call with `return_states=True` "
                    f"returned: of {self.num_layers} layers of either direction. "
                    f"Received for {direction!r}: {given!r:.200}."
                )
            for tensor in keras.tree.flatten(given):
                if None not in (tensor.shape[0], shape[0]) and (
                    tensor.shape[0] not in (1, shape[0])
                ):
                    raise ValueError(
                        "`initial_states` must be of as many texts as "
                        "`character_ids`, or of one. Received: "
                        f"{tensor.shape[0]} and {shape[0]}."
                    )

    def get_config(self):
        return {
            **super().get_config(),
            **frozen_layers(self),
            "units": self.units,
            "projection_dim": self.projection_dim,
            "num_layers": self.num_layers,
            "cell_clip": self.cell_clip,
            "projection_clip": self.projection_clip,
            "skip_connections": self.skip_connections,
            "dropout": self.dropout,
            "max_characters": self.max_characters,
            "embedding_dim": self.embedding_dim,
            "kernel_sizes": list(self.kernel_sizes),
            "filters": list(self.filters),
            "activation": keras.activations.serialize(self.activation),
            "num_highways": self.num_highways,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        frozen = config.pop("frozen_layers", ())
        model = cls(**config)
        freeze_layers(model, frozen)
        return model


def check_character_ids(character_ids):
    """Raise ValueError where numbers, if there are any, are no ids of characters."""
    check_range_of_ids(
        "character_ids",
        character_ids,
        NUM_CHARACTERS,
        "bytes and marks",
        "Make them by `glomo_keras.data.character_ids`.",
    )


def _are_states(states, num_layers):
    """Return whether there are pairs `[output, cell]` of tensors of every layer."""
    return (
        isinstance(states, list | tuple)
        and len(states) == num_layers
        and all(
            isinstance(state, list | tuple)
            and len(state) == 2
            and all(hasattr(tensor, "shape") for tensor in state)
            for state in states
        )
    )
