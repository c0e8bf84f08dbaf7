"""Labels of relations: each word's to its head, predicted without seeing the head."""

import dataclasses
import pathlib

import keras
import numpy as np
from keras import ops

from experiment.comparison.arms import ARMS
from experiment.comparison.arms import PREDICTED_ARMS
from experiment.comparison.settings import Settings
from experiment.comparison.task import Task
from experiment.dependencies import toy_trees
from experiment.dependencies.attention_file import shared_attention_file
from experiment.dependencies.label_loss import LabelLoss
from experiment.dependencies.relations import found_relations
from experiment.dependencies.relations import mean_weights
from experiment.dependencies.relations import relation_table
from experiment.dependencies.relations import weight_lines
from experiment.dependencies.sentence_arrays import make_arrays
from experiment.dependencies.tree_arms import NEEDLE
from experiment.dependencies.tree_arms import SPLITS
from experiment.dependencies.tree_arms import AttentionArm
from experiment.dependencies.tree_arms import TreeArm
from experiment.dependencies.tree_batches import FIELD
from experiment.dependencies.tree_batches import TreeBatches
from experiment.dependencies.treebank import read_tfds_treebank
from experiment.dependencies.treebank import read_treebank
from experiment.precision import add_precision_option
from experiment.precision import precision
from experiment.process import UsageError
from experiment.text import model_parts
from experiment.text.graph_arms import preset_vocabulary
from experiment.text.graph_arms import shared_graph_cache
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import tfds_version
from experiment.text.word_features import parse_features
from glomo_keras.checks import check_positive_integers
from glomo_keras.data.text_files import describe_source
from glomo_keras.distribution import DistributedModel
from glomo_keras.files import named_path

EXTRA_ARMS = ("needle", "needle-alone", "attention")
LABEL_SMOOTHING = 0.1
AROUND_DIM = 16  # features of each word of a window
SIZES = {
    "smoke": {
        "length": 16,
        "num_dev": 20,
        "epochs": 2,
        "steps": 20,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "units": 16,
        "dropout": 0.0,
    },
    "small": {
        "length": 80,
        "num_train": 500,
        "num_dev": 500,
        "epochs": 5,
        "steps": 1_500,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 128,
        "dropout": 0.3,
    },
}
SIZES = {name: {"patience": 1_000, **values} for name, values in SIZES.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DependencySettings(Settings):
    """Settings of the task on trees.

    Attributes:
        features: str, see `parse_features`; no language model.
        window: int, words on either side that a word's label is predicted from, too.
        steps: int, batches of all epochs together.
        top_k: int or None, strongest senders that a row of a graph keeps.
        length: int, words of a sentence that are read.
        units: int, size of the hidden layer.
        num_examples: int or None, sentences of the toy.
        precision: str, one of `POLICIES`.
        attention: path of the file of the arm `attention`, or `None`.
    """

    features: str
    window: int
    steps: int
    top_k: int | None
    length: int
    units: int
    num_examples: int | None
    precision: str
    attention: pathlib.Path | None

    def recorded(self, arm_name):
        recorded = super().recorded(arm_name)
        del recorded["attention"]
        if arm_name == "attention":
            if self.attention is None:
                raise UsageError("The arm attention needs --attention FILE.npz.")
            recorded["attention"] = describe_source(self.attention)
        if self.precision == "float32":  # as runs have it that do not say it
            del recorded["precision"]
        return recorded


class DependencyTask(Task):
    """Words of sentences, and the labels of their relations to their heads."""

    name = "dependency_labels"
    has_arrays = False
    metric = "accuracy"
    sizes = SIZES
    settings_class = DependencySettings
    arms = tuple(name for name in ARMS if name not in EXTRA_ARMS)
    extra_arms = EXTRA_ARMS
    sites = ("embeddings",)
    default_predictor = "glomo_text_base_en"
    default_num_hops = 2
    default_num_mixtures = 4
    default_message_dim = 32
    default_graph_dropout = 0.5

    def add_options(self, parser):
        add = parser.add_argument
        add(
            "--data",
            default="toy",
            help="a folder with *-ud-train.conllu and *-ud-dev.conllu, plain or .gz, "
            "tfds:universal_dependencies/NAME, or toy (default)",
        )
        add(
            "--features",
            default="trainable",
            help="vectors:PATH (a file in GloVe's text format, frozen) or trainable "
            "(embeddings of the 20,000 most frequent words of train; the default)",
        )
        add(
            "--window",
            type=int,
            default=0,
            help="words on either side that a label is predicted from, too, each by "
            f"{AROUND_DIM} projected features (default: 0)",
        )
        add("--steps", type=int, help="batches of all epochs together")
        add(
            "--top-k",
            type=int,
            help="strongest senders that a row keeps (default: all)",
        )
        add("--length", type=int, help="words of a sentence that are read")
        add("--units", type=int, help="size of the hidden layer")
        add(
            "--attention",
            type=named_path,
            help=".npz file of the attention maps of a Transformer, for the arm of "
            "that name: train_7 and dev_7 of the eighth sentences, see probe.py",
        )
        add_precision_option(add)

    def check_settings(self, settings):
        super().check_settings(settings)
        names = ("steps", "length", "units")
        check_positive_integers(**{name: getattr(settings, name) for name in names})
        check_positive_integers(or_none=True, top_k=settings.top_k)
        if settings.window < 0:
            raise ValueError(
                f"--window must be 0 or more. Received: {settings.window}."
            )
        if settings.steps < settings.epochs:
            raise ValueError(
                f"--steps must be at least --epochs, {settings.epochs}. Received: "
                f"{settings.steps}."
            )
        if parse_features(settings.features).elmo:
            raise ValueError(
                "--features must be vectors:PATH or trainable for this task. Received: "
                f"{settings.features}."
            )

    def prepare(self, settings):
        vocabulary = preset_vocabulary(settings.predictor)
        sentences, sources = load_trees(settings.data, settings.num_examples)
        vectors_file = parse_features(settings.features).vectors_file
        if vectors_file:
            sources.append(describe_source(vectors_file))
        treebank = make_arrays(
            sentences, vocabulary, settings.features, settings.length
        )
        treebank.sources = sources
        return treebank

    def identify_data(self, treebank):
        return treebank.sources

    def usable_examples(self, treebank):
        return np.arange(len(treebank.splits["train"]))

    def num_test_examples(self, treebank):
        return len(treebank.splits["test"])

    def choose_examples(self, treebank, settings, seed):
        """Return the same sentences for all seeds; fewer are among more."""
        return super().choose_examples(treebank, settings, seed=0)

    def make_arm(self, name, seed, settings):
        if name == "attention":
            return AttentionArm(name, shared_attention_file(settings.attention))
        if name not in PREDICTED_ARMS:
            return TreeArm(name)
        graph_cache = shared_graph_cache(
            settings.predictor, settings.top_k, settings.cache_bytes
        )
        graph_cache.start_run()
        return TreeArm(name, graph_cache, seed)

    def build(self, treebank, arm, settings):
        """Build a perceptron for every word, on its features and messages."""
        with precision(settings.precision):
            return self._build(treebank, arm, settings)

    def _build(self, treebank, arm, settings):
        words = keras.Input((None,), dtype="int32", name=FIELD)
        inputs = {FIELD: words}
        embedding = model_parts.make_embedding(treebank)
        features = arm.connect({FIELD: embedding(words)}, inputs, settings)[FIELD]
        if settings.window:
            around = words_around(words, embedding, settings.window)
            features = ops.concatenate([features, around], axis=-1)
        hidden = keras.layers.Dropout(settings.dropout)(features)
        hidden = keras.layers.Dense(settings.units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
        logits = keras.layers.Dense(len(treebank.labels), name="logits")(hidden)
        model = DistributedModel(inputs, logits)
        loss = LabelLoss(LABEL_SMOOTHING)
        model_parts.compile_model(model, loss, settings, clip_norm=None)
        return model

    def batches(self, treebank, split, arm, settings, examples, **training):
        return TreeBatches(
            treebank.splits[split],
            arm.of_split(split, treebank.splits[split]),
            examples,
            settings.batch_size,
            -(-settings.steps // settings.epochs),
            settings.devices.number,
            **training,
        )

    def predict(self, model, batches, settings, num_examples):
        """Return the logits of each sentence, arrays `(words, labels)`."""
        logits = {}
        for index in range(batches.num_batches):
            predicted = model.predict_on_batch(batches[index][0])
            for example, row in zip(
                batches.examples_of(index).tolist(), predicted, strict=False
            ):
                logits[example] = row[: batches.sentences.lengths[example]]
        return [logits[example] for example in batches.examples.tolist()]

    def describe_run(self, model, treebank, arm, settings, examples):
        """Return mixture weights, and the relations that learned graphs find."""
        if arm.name == "none":
            return {}
        batches = self.batches(treebank, "test", arm, settings, examples)
        embedding = model.get_layer("embedding")
        transfer = model.get_layer("graph_transfer_1")  # whose features are words
        described = {"mixture_weights": mean_weights(transfer, embedding, batches)}
        if arm.name == "needle":
            described["needle"] = NEEDLE
        if arm.name in ("learned", "learned+local"):
            described["relations"] = found_relations(
                transfer, embedding, batches, treebank.labels
            )
        return described

    def table_notes(self, runs):
        """Return the relations that learned graphs find, and the largest weights."""
        lines, weights = [], []
        for name in (*self.arms, *self.extra_arms):
            arm_runs = [r for r in runs if r["arm"] == name and "mixture_weights" in r]
            with_relations = [run for run in arm_runs if "relations" in run]
            lines += relation_table(with_relations) if with_relations else []
            weights += weight_lines(arm_runs) if arm_runs else []
        return lines + weights

    def score(self, predictions, treebank, split, examples):
        """Score sentences by the words that are right; their mean is over all words.

        A sentence has the number of its right words, divided by the words of an average
        sentence, so that intervals draw sentences and not words.
        """
        sentences = treebank.splits[split]
        right = [
            np.sum(logits.argmax(axis=-1) == sentences.labels_of(example))
            for logits, example in zip(predictions, examples.tolist(), strict=True)
        ]
        num_words = sentences.whole_lengths[examples].mean()
        return {"accuracy": np.array(right) / num_words}


def load_trees(data, num_examples=None):
    """Load the sentences of a treebank.

    Args:
        data: str, `--data` of the task.
        num_examples: int or None, sentences of a split of the toy.

    Returns:
        Tuple of a dict by split of lists of `Sentence`, and a list of dicts that
        describe where they come from.
    """
    if data == "toy":
        count = num_examples or 240
        splits = {
            split: toy_trees.sentences(count, seed)
            for seed, split in enumerate(("train", "test"))
        }
        return splits, [{"toy": count}]
    if data.startswith("tfds:"):
        splits = {s: read_tfds_treebank(data, name) for s, name in SPLITS.items()}
        return splits, [{"version": tfds_version(data)}]
    hint = "tfds:universal_dependencies/en_ewt"
    paths = {
        split: data_file(data, (f"*-ud-{name}.conllu",), hint)
        for split, name in SPLITS.items()
    }
    splits = {split: read_treebank(path) for split, path in paths.items()}
    return splits, [describe_source(path) for path in paths.values()]


def words_around(words, embedding, window):
    """Features of the words around each word, fewer than those of a word.

    All of them through one projection: with the features as they are, a window of two
    words overfits a few hundred sentences so much that it takes from the graphs what
    they give.

    Args:
        words: int tensor `(batch, length)`, 0 at padding.
        embedding: layer of them.
        window: int, words on either side.

    Returns:
        Float tensor `(batch, length, 2 * window * AROUND_DIM)`, from left to right;
        beyond the ends of a sentence are the features of padding.
    """
    padded = ops.pad(words, [[0, 0], [window, window]])
    project = keras.layers.Dense(AROUND_DIM, use_bias=False, name="around")
    projected = project(embedding(padded))
    return ops.concatenate(
        [
            projected[:, start : (start - 2 * window) or None]
            for start in range(2 * window + 1)
            if start != window
        ],
        axis=-1,
    )
