"""Tasks on labelled texts, each of which has graphs of its own."""

import dataclasses
import functools
import typing

from experiment.text.graph_arms import ARMS
from experiment.text.graph_arms import PREDICTED_ARMS
from experiment.text.graph_arms import GraphArm
from experiment.text.graph_arms import load_predictor
from experiment.text.text_arrays import prepare_texts
from experiment.text.text_batches import TaskBatches
from experiment.text.word_features import parse_features
from glomo_keras.models.layer_cache import LanguageModelLayerCache
from glomo_keras.models.presets import find_preset
from glomo_keras.models.result_cache import ResultCache


@dataclasses.dataclass(frozen=True)
class LanguageTask:
    """What makes one task on text.

    Attributes:
        name: str.
        metric: str, the first metric of `score`, by which models are selected.
        sizes: dict by name of dicts of options.
        load: function of the options that returns a dict by split (`train`, `test`)
            of lists of examples: dicts with an `id`, the texts and what `targets` and
            `score` need.
        lengths: function of the options: units at most by field of text.
        targets: function of `TaskTexts` and a split: targets of each example, and
            which examples can be trained on.
        build: function of `TaskTexts`, the graphs' `(layers, heads)` or `None`, and
            the options, that returns a compiled model.
        score: function of predictions, `TaskTexts`, a split and the examples' numbers:
            dict by metric of float arrays `(examples,)`.
        keep_texts: fields whose texts are needed for scoring.
        with_characters: bool, whether the model reads characters.
        arms: tuple of str, what may stand in for the graphs.
    """

    name: str
    metric: str
    sizes: dict
    load: typing.Callable
    lengths: typing.Callable
    targets: typing.Callable
    build: typing.Callable
    score: typing.Callable
    keep_texts: tuple = ()
    with_characters: bool = False
    arms: tuple = tuple(ARMS)

    def prepare(self, options):
        """Text to arrays on disk; returns `TaskTexts`."""
        directory = options.output / "arrays"
        vocabulary = find_preset(options.predictor).vocabulary
        if vocabulary is None:
            raise ValueError(
                "--predictor must name a preset with a vocabulary, as "
                f"`pretrain_text.py` leaves it. Received: {options.predictor}."
            )
        texts = prepare_texts(
            lambda: self.load(options),
            self.lengths(options),
            directory,
            vocabulary,
            options.features,
            {
                "task": self.name,
                "data": options.data,
                "test": getattr(options, "test", None),
                "examples": options.num_examples,
            },
            keep_texts=self.keep_texts,
        )
        preset = parse_features(options.features).elmo
        if preset:
            texts.elmo = LanguageModelLayerCache(
                options.elmo_cache or options.output,
                preset,
                texts.fields,
                texts.elmo_characters,
            )
        return texts

    def usable(self, texts):
        """Numbers of the examples of train that can be trained on."""
        return self.targets(texts, "train")[1]

    def num_test(self, texts):
        """Number of test examples."""
        return len(texts.examples["test"])

    def make_arm(self, arm, seed, options):
        """`GraphArm` with the predictor of the command line, where it needs one."""
        if arm not in PREDICTED_ARMS:
            return GraphArm(arm)
        preset = options.predictor, options.top_k
        kept = _kept_graphs(*preset, int(options.graph_memory * 2**30))
        kept.start_run()
        return GraphArm(arm, load_predictor(*preset), seed, kept)

    def batches(self, texts, split, graphs, options, chosen, **training):
        """`TaskBatches`; with a `shuffle_seed` those to train on."""
        targets = None
        if training:
            targets, _ = self.targets(texts, split)
        return TaskBatches(
            texts,
            split,
            graphs,
            options.batch_size,
            targets,
            chosen,
            with_characters=self.with_characters,
            **training,
        )


@functools.cache
def _kept_graphs(preset, top_k, memory):
    """Graphs of a predictor, the same for all runs of a process."""
    return ResultCache(memory)
