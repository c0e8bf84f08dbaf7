"""The command `pretrain`: texts of one's own to a preset."""

import argparse
import importlib.util
import shlex
import sys
import textwrap

from glomo_keras import start_up
from glomo_keras.files import named_path
from glomo_keras.pretraining.settings import list_sizes
from glomo_keras.pretraining.settings import seed_int
from glomo_keras.pretraining.text_sizes import SIZES

DESCRIPTION = "Pretrain a graph predictor on texts of your own."
HELP_ON_RUNS = """\
In OUTPUT:
  preset/           the graph predictor of the best epoch, with its vocabulary
  prepared/         the texts as arrays
  log.csv           a line an epoch
  checkpoints/, settings.json   for --resume

"""
_OPTIONS = ("vocabulary_size", "batch_size", "steps_per_epoch", "epochs")
_SIZES = {
    name: {option: SIZES[name][option] for option in _OPTIONS}
    for name in ("smoke", "small", "base")
}
_MONITOR = "val_nats"
_WIDTH = 79


def add_options(add, positive):
    """Add the options of the command.

    Args:
        add: the `add_argument` of its parser.
        positive: type of integers above zero.
    """
    add("texts", nargs="*", default=[], metavar="TEXT", help="text files, UTF-8, plain "
        "or gzip; a blank line, or a line = Title =, ends a document")  # fmt: skip
    add("--output", type=named_path, required=True, help="folder of the run")
    add("--size", choices=_SIZES, help="of the predictor and of its training: smoke is "
        "a try of minutes (default: small)")  # fmt: skip
    add("--vocabulary-size", type=positive, help="units, at most, that have an id of "
        "their own; the most frequent ones")  # fmt: skip
    add("--epochs", type=positive, help="epochs that the schedule spans")
    add("--steps-per-epoch", type=positive, help="steps an epoch")
    add("--batch-size", type=positive, help="windows of 64 units a step")
    add("--keep-case", action="store_true", default=None, help="The and the are two "
        "units (default: one, in lower case)")  # fmt: skip
    add("--seed", type=seed_int, help="of all that is drawn (default: 0)")
    add("--patience", type=positive, help="epochs without a new best after which the "
        "run ends (default: 10)")  # fmt: skip
    add("--resume", action="store_true", help="go on where the run in OUTPUT was "
        "stopped; its texts and settings need not be given again, and only --patience "
        "may be another")  # fmt: skip


def parser_options():
    """Return what the parser of the command is made with."""
    return {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": HELP_ON_RUNS + list_sizes(_SIZES),
    }


def pretrain(options):
    """Run the command."""
    with start_up.without_machine_lines():
        from glomo_keras.pretraining import own_texts
        from glomo_keras.pretraining import run_folder
        from glomo_keras.pretraining.process_memory import keep_freed_memory
        from glomo_keras.pretraining.text_settings import choose_settings

    is_begun = (options.output / run_folder.SETTINGS_FILE).exists()
    if not options.texts and not (options.resume and is_begun):
        raise ValueError(
            "Name one or more files of text; without them --resume goes on with the "
            f"run that {options.output} holds."
        )
    if options.output.is_file():
        raise ValueError(
            f"--output must be a folder. Received a file: {options.output}."
        )
    paths = own_texts.find_texts(options.texts)
    given_sources = own_texts.describe_texts(paths)
    keep_freed_memory()
    with run_folder.hold(options.output):
        settings, sources = choose_settings(vars(options), paths, given_sources)
        texts, classes = _prepare(settings, sources)
        _train(settings, texts, classes)
    preset = settings.output / "preset"
    command, rest = "view", "--text 'A text .' --output page.html"
    if importlib.util.find_spec("matplotlib"):
        command, rest = "plot", "'A text .' --output picture.png"
    print(f"The preset of the best epoch is in {preset}. To look at its graphs:")
    print(f"  {start_up.program_name()} {command} {shlex.quote(str(preset))} {rest}")


def _prepare(settings, sources):
    """Return the `OwnTexts` of the run and the classes of their units."""
    with start_up.without_machine_lines():
        from glomo_keras.data.classes import prepared_classes
        from glomo_keras.files import write_json
        from glomo_keras.pretraining import own_texts
        from glomo_keras.pretraining import run_folder

    made_by = settings.vocabulary_size, not settings.keep_case

    def are_prepared():
        return own_texts.are_prepared(settings.prepared, sources, *made_by)

    if not settings.resume or not are_prepared():
        own_texts.prepare_texts(settings.texts, settings.prepared, *made_by, _say)
        if not are_prepared():
            raise ValueError(
                "The texts have changed since the run was begun, or while they were "
                "read. Restore them, or give another --output."
            )
    texts = own_texts.OwnTexts(settings)
    classes = prepared_classes(settings.prepared, settings.num_classes, _say)
    write_json(
        settings.output / run_folder.SETTINGS_FILE,
        {**settings.to_json(), "sources": sources},
    )
    return texts, classes


def _train(settings, texts, classes):
    import keras

    from glomo_keras.pretraining import training
    from glomo_keras.pretraining.epoch_log import csv_logger
    from glomo_keras.pretraining.progress import text_line
    from glomo_keras.pretraining.text_settings import OF_THIS_MACHINE

    keras.utils.set_random_seed(settings.seed)
    pretrainer = _build_pretrainer(settings, texts, classes)
    notes = {"program": "glomo-keras pretrain", **settings.to_json()}
    notes["sources"] = texts.corpus.metadata["settings"]["sources"]["train"]
    for place in OF_THIS_MACHINE:
        del notes[place]
    checkpoint = training.restore_checkpoint(
        settings, pretrainer, _MONITOR, notes, texts.vocabulary
    )
    if training.is_finished(settings, checkpoint):
        return
    _announce(settings, texts, pretrainer, checkpoint)
    first_epoch = checkpoint.state["epochs"]
    try:
        training.fit(
            pretrainer,
            texts.windows,
            texts.valid,
            settings,
            checkpoint,
            text_line,
            (settings.batch_size * settings.window, "units"),
            [csv_logger(settings.output / "log.csv", first_epoch)],
        )
    except KeyboardInterrupt:
        if sys.stdout.isatty():  # where a line may be moving
            print()
        saved = training.describe_saved(checkpoint)
        raise KeyboardInterrupt(
            f"The training was stopped. {saved} --resume goes on with its settings."
        ) from None


def _build_pretrainer(settings, texts, classes):
    from glomo_keras.models import GLoMoPretrainer
    from glomo_keras.models import GraphPredictor
    from glomo_keras.pretraining.optimization import compile_pretrainer

    predictor = GraphPredictor(
        len(texts.corpus.units),
        embedding_dim=settings.embedding_dim,
        num_graph_layers=settings.num_graph_layers,
        num_heads=settings.num_heads,
        key_dim=settings.key_dim,
        threshold=settings.threshold,
        position_bias=settings.position_bias,
    )
    pretrainer = GLoMoPretrainer(
        predictor,
        context_length=settings.context_length,
        num_positions=settings.num_positions or None,
        unit_classes=classes,
        seed=settings.seed,
    )
    compile_pretrainer(pretrainer, settings)
    return pretrainer


def _announce(settings, texts, pretrainer, checkpoint):
    """Say how much there is to train."""
    epochs, steps = checkpoint.state["epochs"], checkpoint.state["steps"]
    units_a_step = settings.batch_size * settings.window
    num_units = len(texts.corpus.train_ids)
    passes = settings.epochs * settings.steps_per_epoch / texts.windows.steps_per_pass
    parameters = pretrainer.graph_predictor.count_params(), pretrainer.count_params()
    done = f", {epochs} of them finished" if epochs else ""
    if steps:
        done += f", and {steps} steps of the next"
    _say(
        f"{settings.epochs} epochs of {settings.steps_per_epoch} steps of "
        f"{units_a_step:,} units{done}: {passes:.1f} passes over the {num_units:,} "
        f"units to train on. {parameters[1]:,} parameters, of which {parameters[0]:,} "
        "are kept."
    )
    _say(
        "How long it takes is said after the first steps, of which the very first "
        "compiles the training."
    )


def _say(text):
    lines = textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    print(lines, flush=True)
