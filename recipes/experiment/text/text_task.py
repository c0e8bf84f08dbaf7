"""Tasks on labelled texts, each of which has graphs of its own."""

import abc
import dataclasses
import math
import pathlib
import time

from experiment.comparison.arms import PREDICTED_ARMS
from experiment.comparison.arms import TEXT_ARMS
from experiment.comparison.plan import PLAN_STEPS
from experiment.comparison.settings import Settings
from experiment.comparison.task import Task
from experiment.process import UsageError
from experiment.text.computed_arms import ComputedTextArm
from experiment.text.graph_arms import TextArm
from experiment.text.graph_arms import preset_vocabulary
from experiment.text.graph_arms import shared_packed_cache
from experiment.text.labelled_files import tfds_version
from experiment.text.model_parts import layer_mix
from experiment.text.text_arrays import prepare_texts
from experiment.text.text_batches import TextBatches
from experiment.text.word_features import parse_features
from glomo_keras.checks import check_positive_integers
from glomo_keras.files import named_path
from glomo_keras.models import LanguageModelLayerCache


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSettings(Settings):
    """Settings of tasks on texts.

    Attributes:
        features: str, see `parse_features`.
        elmo_cache: path of the folder of the layers of language models, or `None` for
            the output.
        top_k: int or None, strongest senders that a row of a graph keeps.
        length: int, units of a text that are read.
        units: int, size of the recurrent states, each direction.
        num_examples: int or None, examples of the toy.
    """

    features: str
    elmo_cache: pathlib.Path | None
    top_k: int | None
    length: int
    units: int
    num_examples: int | None

    def recorded(self, arm_name):
        recorded = super().recorded(arm_name)
        del recorded["elmo_cache"]
        features = parse_features(self.features)
        if features.elmo:
            recorded["elmo"] = features.elmo_metadata()["fingerprint"]
        return recorded


class TextTask(Task):
    """A task on texts: a subclass loads the examples and builds the model.

    Attributes:
        keep_texts: tuple of str, fields whose texts are needed for scoring.
        with_characters: bool, whether the model reads characters.
    """

    settings_class = TextSettings
    arms = TEXT_ARMS
    extra_arms = ("learned+local",)
    sites = ("embeddings", "rnn_states")
    default_predictor = "glomo_text_base_en"
    trains_together = True
    keep_texts = ()
    with_characters = False

    @abc.abstractmethod
    def files(self, settings):
        """Return the files that examples are read from.

        Args:
            settings: `TextSettings`.

        Returns:
            Dict by split (`train`, `test`) of paths; empty where the data is no files:
            a toy, or a data set of tensorflow-datasets.
        """

    @abc.abstractmethod
    def load(self, settings):
        """Load the examples of all splits.

        Args:
            settings: `TextSettings`.

        Returns:
            Dict by split (`train`, `test`) of lists of dicts: an `id`, a string for
            each field of text, and what `targets` and `score` need.

        Raises:
            ValueError: if an example is malformed; names the file and the place.
        """

    @abc.abstractmethod
    def lengths(self, settings):
        """Return the units of a text at most, by field.

        Args:
            settings: `TextSettings`.

        Returns:
            Dict of ints, in the order in which models list the fields.
        """

    @abc.abstractmethod
    def targets(self, texts, split):
        """Return the targets of the examples, and which can be trained on.

        Args:
            texts: `TaskTexts`.
            split: str.

        Returns:
            Tuple of an array, or a dict of arrays, with an entry an example; and an int
            array of the numbers of the examples that have a target.
        """

    def add_options(self, parser):
        add = parser.add_argument
        add("--data", default="toy", help="tfds:NAME, a folder, or toy (default)")
        add(
            "--features",
            default="trainable",
            help="vectors:PATH (a file in GloVe's text format, frozen), trainable "
            "(embeddings of the 20,000 most frequent words of train; the default), "
            "elmo:PRESET (layers of a language model, mixed) or "
            "elmo:PRESET+vectors:PATH",
        )
        add(
            "--elmo-cache",
            type=named_path,
            help="folder of the layers of language models, computed once; comparisons "
            "of the same texts may share it (default: --output)",
        )
        add(
            "--top-k",
            type=int,
            help="strongest senders that a row keeps (default: all)",
        )
        add("--length", type=int, help="units of a text that are read")
        add("--units", type=int, help="size of the recurrent states, each direction")

    def check_settings(self, settings):
        super().check_settings(settings)
        check_positive_integers(length=settings.length, units=settings.units)
        check_positive_integers(or_none=True, top_k=settings.top_k)
        features = parse_features(settings.features)
        if features.elmo:
            features.elmo_metadata()

    def prepare(self, settings):
        vocabulary = preset_vocabulary(settings.predictor)
        texts = prepare_texts(
            lambda: self.load(settings),
            self.lengths(settings),
            settings.output / "arrays",
            vocabulary,
            settings.features,
            self.array_settings(settings),
            sources=self.files(settings).values(),
            keep_texts=self.keep_texts,
            strategy=settings.strategy,
        )
        elmo_preset = parse_features(settings.features).elmo
        if elmo_preset:
            texts.elmo = LanguageModelLayerCache.from_preset(
                elmo_preset,
                settings.elmo_cache or settings.output,
                texts.fields,
                texts.elmo_characters,
            )
        return texts

    def array_settings(self, settings):
        """Return what decides the examples, for the arrays to be used again.

        Args:
            settings: `TextSettings`.

        Returns:
            Dict that JSON can hold.
        """
        array_settings = {
            "task": self.name,
            "data": settings.data,
            "examples": settings.num_examples,
        }
        if settings.data.startswith("tfds:"):
            array_settings["version"] = tfds_version(settings.data)
        return array_settings

    def identify_data(self, texts):
        settings = texts.metadata["settings"]
        return [*settings["sources"], {"version": settings.get("version")}]

    def usable_examples(self, texts):
        return self.targets(texts, "train")[1]

    def num_test_examples(self, texts):
        return len(texts.examples["test"])

    def make_arm(self, name, seed, settings):
        if name not in PREDICTED_ARMS:
            return TextArm(name)
        graph_cache = shared_packed_cache(
            settings.predictor,
            settings.top_k,
            not settings.no_composed,
            settings.cache_bytes,
        )
        graph_cache.start_run()
        return TextArm(name, graph_cache, seed)

    def make_together_arm(self, name, seed, settings, num_examples):
        """Make an arm for models that train together; see `make_arm`.

        Where the graphs of `num_examples`, of all models, have room in --graph-memory,
        they are held on the device. Else models compute those of every batch anew.
        """
        lengths = self.lengths(settings).values()
        free_bytes = settings.cache_bytes
        features = parse_features(settings.features)
        if features.elmo:
            free_bytes -= 2 * sum(lengths) * features.elmo_dim() * num_examples
            if free_bytes < 0:
                needed = (settings.cache_bytes - free_bytes) / 2**30
                raise UsageError(
                    "Models that train --together hold the layers of the language "
                    f"model of all their examples, {needed:.1f} GiB, more than "
                    f"--graph-memory {settings.graph_memory:g}. Give that much, fewer "
                    "--seeds, or leave out --together."
                )
        arm = self.make_arm(name, seed, settings)
        if name in PREDICTED_ARMS and not arm.is_packed:
            raise UsageError(
                "--top-k does not go with --together, nor does a preset that keeps few "
                "senders of a row."
            )
        num_pairs = sum(length**2 for length in lengths)
        num_directions = 1 if arm.is_packed else 2
        num_graphs = num_directions * math.prod(arm.graph_shape)
        if 2 * num_graphs * num_pairs * num_examples <= free_bytes:  # float16
            return arm
        if name == "learned+local":
            raise UsageError(
                "Models of learned+local that train --together hold the graphs of all "
                f"their examples, more than --graph-memory {settings.graph_memory:g}. "
                "Give more, fewer --seeds, or leave out --together."
            )
        return ComputedTextArm(name, arm.graph_cache, seed)

    def batches(self, texts, split, arm, settings, examples, **training):
        targets = self.targets(texts, split)[0] if training else None
        return TextBatches(
            texts,
            split,
            arm,
            examples,
            settings.batch_size,
            targets,
            self.with_characters,
            **training,
        )

    def plan_once(self, texts, settings, num_seeds):
        if texts.elmo is None:
            return 0.0
        train, _, test = self.choose_examples(texts, settings, seed=0)
        drawn = set()  # each seed draws its own part of train
        for seed in range(num_seeds):
            for part in self.choose_examples(texts, settings, seed)[:2]:
                drawn.update(part.tolist())
        arm = self.make_arm("none", 0, settings)
        batches = self.batches(texts, "train", arm, settings, train, shuffle_seed=0)
        count = min(PLAN_STEPS, batches.steps_per_epoch)
        batches[0]  # compiles
        started = time.monotonic()
        for number in range(count):
            batches[number]
        step = (time.monotonic() - started) / max(1, count - 1)
        hours = step * (len(drawn) + len(test)) / settings.batch_size / 3600
        print(f"layers of the language model, computed once: {hours:.2f} h", flush=True)
        return hours

    def describe_run(self, model, texts, arm, settings, examples):
        mix = layer_mix(model)
        return {"elmo_mix": mix} if mix else {}
