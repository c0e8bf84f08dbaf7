"""All seeds and learning rates of an arm, trained in one program of JAX.

A recurrent model of this size is too small for a GPU, which does all of them in the
same kernels. Each has the examples, their order, the initial weights and the dropout of
its own run, whose results it has but for rounding.
"""

import dataclasses
import functools
import time

import keras
import numpy as np

from experiment.folders import load_arrays
from experiment.folders import save_arrays
from experiment.process import UsageError


def check_together(task):
    """Raise UsageError where models of a task cannot be trained together."""
    if keras.backend.backend() != "jax":
        raise UsageError("--together is for JAX. Set KERAS_BACKEND=jax.")
    if not task.trains_together:
        raise UsageError(f"Models of {task.name} are not trained --together.")


@dataclasses.dataclass
class Progress:
    """Epochs of models that are trained together; arrays `(seeds, rates)`.

    Attributes:
        patience: int, epochs without a better one, after which a model stops.
        epochs: int array, epochs that count.
        best_epoch: int array.
        best_dev: float array; -inf of a model without a finite loss.
        stopped: bool array, models that have stopped.
    """

    patience: int
    epochs: np.ndarray
    best_epoch: np.ndarray
    best_dev: np.ndarray
    stopped: np.ndarray

    @classmethod
    def start(cls, shape, patience):
        """Return that of models of which none is trained."""
        return cls(
            patience,
            np.zeros(shape, int),
            np.zeros(shape, int),
            np.full(shape, -np.inf),
            np.zeros(shape, bool),
        )

    def arrays(self):
        """Return what changes from epoch to epoch: dict of arrays."""
        return {k: v for k, v in vars(self).items() if k != "patience"}

    def summary(self, *place):
        """Return the epochs and the score on dev of a model, for a record."""
        best_dev = float(self.best_dev[place])
        if best_dev == -np.inf:
            return {"best_dev": None}
        return {
            "epochs": int(self.epochs[place]),
            "best_epoch": int(self.best_epoch[place]),
            "best_dev": best_dev,
        }

    def update(self, epoch, dev, losses):
        """Take in the scores on dev after an epoch; return which models are better."""
        is_finite = np.isfinite(losses) & np.isfinite(dev)
        self.best_dev[~is_finite & ~self.stopped] = -np.inf
        self.stopped |= ~is_finite
        self.epochs[~self.stopped] = epoch
        is_better = ~self.stopped & (dev > self.best_dev)
        self.best_dev[is_better] = dev[is_better]
        self.best_epoch[is_better] = epoch
        self.stopped |= self.epochs - self.best_epoch >= self.patience
        return is_better


class Together:
    """An arm with several seeds, each at several learning rates.

    A training that was killed goes on after its last epoch.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        arm_name: str.
        seeds: list of ints.
        rates: list of floats.
        folder: path of the state of the training.

    Attributes:
        arms: list of `Arm`, one a seed.
        tests: list of int arrays, the examples to test on.
        num_train: int.
        progress: `Progress`.
        seconds: float, of the training of all.

    Raises:
        UsageError: if the folder is damaged.
    """

    def __init__(self, task, data, settings, arm_name, seeds, rates, folder):
        self.task, self.data, self.settings = task, data, settings
        self.rates = rates
        self._state_file = folder / "state.npz"
        chosen = [task.choose_examples(data, settings, seed) for seed in seeds]
        self.train_examples, self.dev_examples, self.tests = zip(*chosen, strict=True)
        self.num_train = len(self.train_examples[0])
        self.progress = Progress.start((len(seeds), len(rates)), settings.patience)
        self.arms, self.batches, starts = [], [], []
        # Test examples are loaded when those of train and dev are not needed any more.
        num_examples = max(
            sum(map(len, self.train_examples + self.dev_examples)),
            sum(map(len, self.tests)),
        )
        for seed, examples in zip(seeds, self.train_examples, strict=True):
            arm = task.make_together_arm(arm_name, seed, settings, num_examples)
            keras.utils.set_random_seed(seed)
            model = task.build(data, arm, settings)
            model.optimizer.build(model.trainable_variables)
            self.arms.append(arm)
            self.batches.append(
                task.batches(data, "train", arm, settings, examples, shuffle_seed=seed)
            )
            starts.append([])
            for rate in rates:
                model.optimizer.learning_rate = rate
                starts[-1].append(_values(_varying(model)))
        self.model = model
        # By variable, of all seeds and rates: after the last epoch, and after the best.
        self.state = self.best = keras.tree.map_structure(
            lambda *values: np.reshape(
                values, (len(seeds), len(rates), *values[0].shape)
            ),
            *[start for of_seed in starts for start in of_seed],
        )
        self.fixed = _values(_fixed(model))
        self.seconds = 0.0
        if self._state_file.exists():
            self._restore()
        self._compile()

    def train(self, clock):
        """Train until no model has patience left; keep the best weights of each.

        Args:
            clock: `RunClock` of the arms.
        """
        import jax

        first_epoch = self.progress.epochs.max() + 1
        if first_epoch > self.settings.epochs or self.progress.stopped.all():
            return
        started = time.monotonic() - self.seconds
        train = self._load("train", self.train_examples, with_targets=True)
        dev = self._load("train", self.dev_examples)
        state = jax.device_put(self.state)
        for epoch in range(first_epoch, self.settings.epochs + 1):
            epoch_started = time.monotonic()
            places = [_places(batches, epoch) for batches in self.batches]
            places = np.stack(places, axis=1)
            state, losses = self._run_steps(state, self.fixed, train, places)
            predictions = self._predict(state, dev, len(self.dev_examples[0]))
            scores = self._scores(predictions, "train", self.dev_examples)
            losses = np.asarray(losses)
            is_better = self.progress.update(epoch, scores, losses)
            self.best = self._keep_better(is_better, state, self.best)
            self.state = state
            seconds = time.monotonic() - epoch_started
            self.seconds = time.monotonic() - started
            self._save()
            print(
                f"  epoch {epoch}/{self.settings.epochs}: loss {losses.mean():.4f}, "
                f"dev {_by_rate(self.rates, scores)}; {seconds:.0f} s",
                flush=True,
            )
            if epoch == first_epoch:
                clock.estimate(seconds * (self.settings.epochs - epoch + 1))
            if self.progress.stopped.all():
                break

    def test(self, rate):
        """Return the predictions of the test examples at a rate, by seed."""
        test = self._load("test", self.tests)
        state = keras.tree.map_structure(
            lambda values: values[:, self.rates.index(rate)][:, None], self.best
        )
        predictions = self._predict(state, test, len(self.tests[0]))
        return [
            keras.tree.map_structure(lambda array, n=number: array[n, 0], predictions)
            for number in range(len(self.tests))
        ]

    def load(self, number, rate):
        """Return the model with the best weights of a seed, by its place, at a rate."""
        best = keras.tree.map_structure(
            lambda values: values[number, self.rates.index(rate)], self.best
        )
        for variable, value in zip(
            keras.tree.flatten(_varying(self.model)),
            keras.tree.flatten(best),
            strict=True,
        ):
            variable.assign(value)
        return self.model

    def _to_go_on_from(self):
        """Return all that an epoch changes: a tree of arrays."""
        return self.state, self.best, self.progress.arrays(), np.array(self.seconds)

    def _save(self):
        if self.settings.devices.writes:
            save_arrays(self._state_file, self._to_go_on_from())

    def _restore(self):
        saved = load_arrays(self._state_file, self._to_go_on_from())
        self.state, self.best, progress, seconds = saved
        self.progress = dataclasses.replace(self.progress, **progress)
        self.seconds = float(seconds)

    def _compile(self):
        import jax

        model = self.model
        metrics = _values(model.metrics_variables)

        def non_trainable(states, fixed):
            states, fixed = iter(states), iter(fixed)
            return [
                next(states if _is_state(variable) else fixed)
                for variable in model.non_trainable_variables
            ]

        def step(state, fixed, inputs, targets):
            trainable, states, optimizer = state
            logs, (trainable, updated, optimizer, _) = model.train_step(
                (trainable, non_trainable(states, fixed), optimizer, metrics),
                (inputs, targets),
            )
            states = [
                value
                for value, variable in zip(
                    updated, model.non_trainable_variables, strict=True
                )
                if _is_state(variable)
            ]
            return (trainable, states, optimizer), logs["loss"]

        def predict(state, fixed, inputs):
            trainable, states, _ = state
            return model.stateless_call(
                trainable, non_trainable(states, fixed), inputs, training=False
            )[0]

        def over_models(function):
            """Of arrays by seed and rate, and batches by seed."""

            def call(state, fixed, *batch):
                of_rates = jax.vmap(
                    lambda state, *batch: function(state, fixed, *batch),
                    in_axes=(0, *[None] * len(batch)),
                )
                return jax.vmap(of_rates)(state, *batch)

            return call

        def gathered(arrays, places):
            """Examples of each seed at their places."""
            return jax.tree.map(
                lambda array: jax.vmap(lambda of_seed, at: of_seed[at])(array, places),
                arrays,
            )

        @functools.partial(jax.jit, donate_argnums=0)
        def run_steps(state, fixed, arrays, places):
            def body(state, places):
                inputs, targets = gathered(arrays, places)
                return over_models(step)(state, fixed, inputs, targets)

            state, losses = jax.lax.scan(body, state, places)
            return state, losses.mean(axis=0)

        @jax.jit
        def predict_batches(state, fixed, arrays, places):
            return jax.lax.map(
                lambda at: over_models(predict)(state, fixed, gathered(arrays, at)),
                places,
            )

        @jax.jit
        def keep_better(is_better, state, best):
            def choose(value, kept):
                shape = *is_better.shape, *[1] * (value.ndim - 2)
                return jax.numpy.where(is_better.reshape(shape), value, kept)

            return jax.tree.map(choose, state, best)

        self._run_steps, self._predict_batches = run_steps, predict_batches
        self._keep_better = keep_better

    def _predict(self, state, arrays, num_examples):
        """Return predictions, arrays `(seeds, rates, examples, ...)`."""
        size = self.settings.batch_size
        places = np.arange(-(-num_examples // size) * size)
        places = np.minimum(places, num_examples - 1).reshape(-1, 1, size)
        places = np.repeat(places, len(self.tests), axis=1)
        predictions = self._predict_batches(state, self.fixed, arrays, places)

        def in_order(array):  # (batches, seeds, rates, batch, ...)
            array = np.moveaxis(np.asarray(array), 0, 2)
            shape = array.shape
            return array.reshape(*shape[:2], -1, *shape[4:])[:, :, :num_examples]

        return keras.tree.map_structure(in_order, predictions)

    def _scores(self, predictions, split, examples):
        """Return the mean scores of predictions, array `(seeds, rates)`.

        NaN where a prediction is not finite, of which a score might be.
        """
        scores = np.empty(self.progress.epochs.shape)
        for place in np.ndindex(scores.shape):
            of_model = keras.tree.map_structure(lambda a, p=place: a[p], predictions)
            if not all(np.isfinite(a).all() for a in keras.tree.flatten(of_model)):
                scores[place] = np.nan
                continue
            by_metric = self.task.score(of_model, self.data, split, examples[place[0]])
            scores[place] = by_metric[self.task.metric].mean()
        return scores

    def _load(self, split, examples, with_targets=False):
        """Load the inputs of examples of each seed, and their targets."""
        import jax

        shape = len(self.arms), len(examples[0])
        loaded = None
        for place, (arm, of_seed) in enumerate(zip(self.arms, examples, strict=True)):
            batches = self.task.batches(self.data, split, arm, self.settings, of_seed)
            for index in range(batches.num_batches):
                (inputs,) = batches[index]
                if loaded is None:
                    loaded = keras.tree.map_structure(
                        lambda array: np.empty(shape + array.shape[1:], array.dtype),
                        inputs,
                    )
                first = index * batches.batch_size
                for whole, batch in zip(
                    keras.tree.flatten(loaded), keras.tree.flatten(inputs), strict=True
                ):
                    rows = whole[place, first : first + len(batch)]
                    rows[...] = batch[: len(rows)]  # the last batch is filled up
        if with_targets:
            targets = self.task.targets(self.data, split)[0]
            loaded = (
                loaded,
                keras.tree.map_structure(
                    lambda array: np.stack([array[of_seed] for of_seed in examples]),
                    targets,
                ),
            )
        return jax.device_put(loaded)


def _is_state(variable):
    """Whether a variable that is not trained is that of a random generator.

    All others are constants, the same in all models: vectors, and the predictor.
    """
    return "int" in variable.dtype


def _varying(model):
    """Return the variables that differ between models or change: three lists."""
    states = [v for v in model.non_trainable_variables if _is_state(v)]
    return model.trainable_variables, states, model.optimizer.variables


def _fixed(model):
    return [v for v in model.non_trainable_variables if not _is_state(v)]


def _values(variables):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, variables)


def _places(batches, epoch):
    """Return where the examples of each batch of an epoch lie: `(batches, size)`."""
    steps = batches.steps_per_epoch
    indices = range((epoch - 1) * steps, epoch * steps)
    examples = np.stack([batches.examples_of(index) for index in indices])
    return np.searchsorted(batches.examples, examples)


def _by_rate(rates, scores):
    means = zip(rates, scores.mean(axis=0), strict=True)
    return ", ".join(f"{mean:.1%} at {rate:g}" for rate, mean in means)
