"""What a task must offer to be run and compared."""

import abc

import keras
import numpy as np

from experiment.comparison.arms import ARMS
from experiment.comparison.settings import Settings
from experiment.process import UsageError
from glomo_keras.checks import check_positive_integers


class Task(abc.ABC):
    """A task: its examples, its model, and how predictions are scored.

    The runner calls the methods in this order: `prepare` once a process, then for
    every arm and seed `make_arm`, `build`, `batches` to train on, and after every epoch
    `batches` and `score` of the examples that select it; at the end those of test.

    Attributes:
        name: str, of the task.
        metric: str, the first metric that `score` returns, which selects the epoch.
        sizes: dict by name of dicts of settings: what `--size` decides.
        settings_class: subclass of `Settings`, whose fields the options fill.
        arms: tuple of str, what may stand in for the graphs.
        extra_arms: tuple of str, more of them, which are run where they are named.
        sites: tuple of str, the features that messages may be computed of.
        default_predictor: str, name of the preset that gives the graphs.
        default_num_hops: int, transfers one after the other.
        default_num_mixtures: int, mixed graphs a direction.
        default_message_dim: int, size of the messages; 0 is that of the features.
        default_graph_dropout: float, rate of the dropout before the gate.
        has_arrays: bool, whether `prepare` writes arrays.
        trains_together: bool, whether models of several seeds can be trained in one
            program: all batches have one shape, and what is not trained never
            changes. It needs `make_together_arm`.
    """

    name: str
    metric: str
    sizes: dict
    settings_class: type = Settings
    arms: tuple = tuple(ARMS)
    extra_arms: tuple = ()
    sites: tuple
    default_predictor: str
    default_num_hops: int = 1
    default_num_mixtures: int = 1
    default_message_dim: int = 0
    default_graph_dropout: float = 0.0
    has_arrays: bool = True
    trains_together: bool = False

    @abc.abstractmethod
    def add_options(self, parser):
        """Add the options of the task's own settings, beside those of all tasks.

        Args:
            parser: `argparse.ArgumentParser`. What it leaves `None` a size may decide.
        """

    def check_settings(self, settings):
        """Raise ValueError or TypeError for settings that cannot be run.

        It comes before data is read. A subclass adds checks of its own settings.

        Args:
            settings: `Settings`.
        """
        names = ("num_hops", "num_mixtures", "num_dev")
        names += ("epochs", "patience", "batch_size")
        check_positive_integers(**{name: getattr(settings, name) for name in names})
        check_positive_integers(
            or_none=True, num_train=settings.num_train, num_test=settings.num_test
        )
        if settings.message_dim < 0:
            raise ValueError(
                f"--message-dim must be 0 or more. Received: {settings.message_dim}."
            )
        for name in ("graph_dropout", "dropout"):
            if not 0.0 <= getattr(settings, name) < 1.0:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be in [0, 1). Received: "
                    f"{getattr(settings, name)}."
                )
        if settings.batch_size % settings.devices.number:
            raise ValueError(
                "--batch-size is that of all devices together, of which each takes an "
                f"equal part. Received: {settings.batch_size} for "
                f"{settings.devices.number} devices."
            )
        for rate in settings.learning_rates or [settings.learning_rate]:
            if not 0.0 < rate < float("inf"):
                raise ValueError(f"A learning rate must be positive. Received: {rate}.")

    @abc.abstractmethod
    def prepare(self, settings):
        """Write the examples as arrays on disk, unless they are there.

        Args:
            settings: `Settings`. Arrays lie in `settings.output / "arrays"`, and are
                used again where settings and sources are those they were made of.

        Returns:
            The data, as the other methods take it.

        Raises:
            ValueError: if an example is malformed; names the file and the place.
            FileNotFoundError: if a file is missing; says where it was looked for.
        """

    @abc.abstractmethod
    def identify_data(self, data):
        """Return what identifies the sources of the data, wherever they lie.

        Runs on other data are not resumed, nor put into one table.

        Args:
            data: what `prepare` returned.

        Returns:
            List of dicts that JSON can hold; see `glomo_keras.data.describe_source`.
        """

    @abc.abstractmethod
    def usable_examples(self, data):
        """Return the numbers of the examples of train that can be trained on.

        Args:
            data: what `prepare` returned.

        Returns:
            Int array.
        """

    @abc.abstractmethod
    def num_test_examples(self, data):
        """Return the number of test examples.

        Args:
            data: what `prepare` returned.

        Returns:
            Int.
        """

    @abc.abstractmethod
    def make_arm(self, name, seed, settings):
        """Make what stands in for the graphs in one run.

        Args:
            name: str, one of `arms`.
            seed: int, of what the arm draws.
            settings: `Settings`.

        Returns:
            `Arm`. Those of one process share what they have computed.
        """

    @abc.abstractmethod
    def build(self, data, arm, settings):
        """Build and compile the model of a run.

        Args:
            data: what `prepare` returned.
            arm: `Arm`, which is connected to the model at `settings.graph_on`.
            settings: `Settings`.

        Returns:
            A compiled Keras model, without metrics: its predictions are scored.
        """

    @abc.abstractmethod
    def batches(self, data, split, arm, settings, examples, **training):
        """Return the batches of some examples.

        Args:
            data: what `prepare` returned.
            split: str, `train` or `test`.
            arm: `Arm`.
            settings: `Settings`.
            examples: int array, numbers of the examples.
            **training: with `shuffle_seed` and `first_epoch` the batches are to train
                on: shuffled, and with targets. See `ExampleBatches`.

        Returns:
            `ExampleBatches`.
        """

    @abc.abstractmethod
    def score(self, predictions, data, split, examples):
        """Score predictions, example by example.

        Args:
            predictions: what the model predicts: an array, or a dict of arrays, with a
                row for every example.
            data: what `prepare` returned.
            split: str, `train` or `test`.
            examples: int array, numbers of the examples.

        Returns:
            Dict by metric of float arrays `(len(examples),)`, `metric` first.
        """

    def predict(self, model, batches, settings, num_examples):
        """Return what a model predicts of examples, in their order.

        Args:
            model: the model.
            batches: what `batches` returned, without targets.
            settings: `Settings`.
            num_examples: int, how many of them are no repetition.

        Returns:
            What `score` takes.
        """
        if settings.devices.has_workers:  # `predict` would share the batches out
            parts = [
                keras.tree.map_structure(
                    lambda array: array[: batches.batch_size],
                    model.predict_on_batch(batches[index][0]),
                )
                for index in range(batches.num_batches)
            ]
            predicted = keras.tree.map_structure(lambda *a: np.concatenate(a), *parts)
        else:
            predicted = model.predict(batches, verbose=0)
        return keras.tree.map_structure(lambda array: array[:num_examples], predicted)

    def plan_once(self, data, settings, num_seeds):
        """Print and return the hours of what is computed once for all runs.

        Args:
            data: what `prepare` returned.
            settings: `Settings`.
            num_seeds: int, runs of each arm.

        Returns:
            Float, 0 where there is nothing to compute.
        """
        return 0.0

    def describe_run(self, model, data, arm, settings, examples):
        """Return what a record says of a trained model, beside its scores.

        Args:
            model: the model of the best epoch.
            data: what `prepare` returned.
            arm: `Arm`.
            settings: `Settings`.
            examples: int array, numbers of the test examples.

        Returns:
            Dict that JSON can hold, added to the record.
        """
        return {}

    def table_notes(self, runs):
        """Return lines of Markdown that stand under the table of finished runs.

        Args:
            runs: list of dicts, with what `describe_run` said of them.

        Returns:
            List of str.
        """
        return []

    def choose_examples(self, data, settings, seed):
        """Return the numbers of the examples to train on, to select by, to test on.

        The first two are drawn from `train` by the seed; the last are the same for all.

        Args:
            data: what `prepare` returned.
            settings: `Settings`.
            seed: int.

        Returns:
            Three sorted int arrays.

        Raises:
            UsageError: if one of them would be empty.
        """
        usable = self.usable_examples(data)
        num_train, num_dev = settings.split_sizes(len(usable))
        usable = np.random.default_rng([seed, 1]).permutation(usable)
        train = usable[num_dev : num_dev + num_train]
        num_test = self.num_test_examples(data)
        test = np.random.default_rng(0).permutation(num_test)[: settings.num_test]
        parts = {"train on": train, "choose the epoch by": usable[:num_dev]}
        for purpose, examples in {**parts, "test on": test}.items():
            if not len(examples):
                raise UsageError(
                    f"There is no example to {purpose}: of train {len(usable):,} can "
                    f"be used, of test {num_test:,}. Give more data, or read longer "
                    "texts (--length)."
                )
        return np.sort(train), np.sort(usable[:num_dev]), np.sort(test)
