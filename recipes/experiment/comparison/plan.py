"""The hours of a comparison, from a few measured steps, before anything is trained."""

import time

from experiment.process import usage_errors

PLAN_STEPS = 5
# An example that is only read costs about a third of one that is trained on.
READING_SHARE = 1 / 3


def print_plan(task, data, settings, arm_names, num_seeds):
    """Print the hours of a comparison, from a few measured steps of each arm.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        arm_names: list of str.
        num_seeds: int, runs of each arm.
    """
    train, *others = task.choose_examples(data, settings, seed=0)
    hours = task.plan_once(data, settings, num_seeds)
    for name in arm_names:
        with usage_errors():  # of a preset that is damaged
            arm = task.make_arm(name, 0, settings)
        model = task.build(data, arm, settings)
        batches = task.batches(data, "train", arm, settings, train, shuffle_seed=0)
        model.train_on_batch(*batches[0])  # compiles
        count = min(PLAN_STEPS, batches.steps_per_epoch)
        started = time.monotonic()
        for number in range(count):
            model.train_on_batch(*batches[number])
        step = (time.monotonic() - started) / count
        steps = batches.steps_per_epoch * settings.epochs
        all_steps = count_steps(settings, batches, settings.epochs, *others)
        run_hours = step * all_steps / 3600
        num_rates = len(settings.learning_rates or [])
        arm_hours = run_hours * (num_seeds + max(num_rates - 1, 0))
        hours += arm_hours
        rates = f" and {num_rates} learning rates" if num_rates > 1 else ""
        print(
            f"{name:<13} {1000 * step:7.0f} ms a step, at most {steps:,} steps a run: "
            f"{run_hours:.2f} h a run, {arm_hours:.2f} h for {num_seeds} seeds{rates}",
            flush=True,
        )
    print(
        f"{'all':<13} at most {hours:.1f} h (early stopping and cached graphs lower it)"
    )


def count_steps(settings, batches, epochs, dev, test):
    """Return the steps of a run at most, with what its reading of examples takes.

    Args:
        settings: `Settings`.
        batches: `ExampleBatches` to train on.
        epochs: int.
        dev: int array, examples that are read after every epoch.
        test: int array, examples that are read at the end.

    Returns:
        Float, in steps of training.
    """
    num_read = len(dev) * epochs + len(test)
    num_steps = batches.steps_per_epoch * epochs
    return num_steps + READING_SHARE * num_read / settings.batch_size
