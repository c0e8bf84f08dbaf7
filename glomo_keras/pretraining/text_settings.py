"""Settings of a run on texts of one's own, of the command line or as it was begun."""

import dataclasses

from glomo_keras.pretraining import optimization
from glomo_keras.pretraining import run_folder
from glomo_keras.pretraining import settings
from glomo_keras.pretraining.text_sizes import SIZES

OF_THIS_MACHINE = ("output", "prepared", "resume", "texts")
_CHANGEABLE = ("patience",)  # from one start of a run to the next


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSettings(settings.RunSettings):
    """Settings of a run on texts of one's own.

    Attributes:
        texts: tuple of strings, absolute paths.
        keep_case: bool, whether units are looked up as they are written.
        vocabulary_size: int, ids at most.
        embedding_dim, num_graph_layers, num_heads, key_dim, threshold, position_bias:
            see `GraphPredictor`.
        num_classes: int, of units, which are predicted.
        num_positions: int, drawn each step; 0 is every one.
        context_length: see `GLoMoPretrainer`.
        window, shift: ints, see `window_starts`.
    """

    texts: tuple
    keep_case: bool
    vocabulary_size: int
    embedding_dim: int
    num_graph_layers: int
    num_heads: int
    key_dim: int
    threshold: str
    position_bias: int
    num_classes: int
    num_positions: int
    window: int
    shift: int
    context_length: int


def choose_settings(options, paths, sources):
    """Return the settings of a run, and what identifies its texts.

    Those of a run that goes on are its own, which the options must not contradict.

    Args:
        options: dict of the options of the command line, `None` where not given.
        paths: list of strings, the texts; may be empty where a run goes on.
        sources: list of dicts, what identifies them.

    Raises:
        ValueError: if the folder holds a run that the options do not go together with.
    """
    output = options["output"]
    places = {"output": output, "prepared": output / "prepared"}
    names = {field.name for field in dataclasses.fields(TextSettings)}
    given = {
        name: value
        for name, value in options.items()
        if name in names - {*OF_THIS_MACHINE} and value is not None
    }
    path = output / run_folder.SETTINGS_FILE
    is_begun = path.exists() or run_folder.is_used(output)
    if is_begun:
        saved = run_folder.read_object(path)
        lacking = (names | {"sources"}) - saved.keys()
        if lacking:
            raise ValueError(
                f"{path} is not that of this command: it lacks "
                f"{', '.join(sorted(lacking))}. Give another --output."
            )
    if not (is_begun and options["resume"]):
        run_folder.check_unused(output)
        if options["resume"]:
            print(f"{output} holds no run to resume: one is begun.", flush=True)
        values = _defaults(given.get("size", "small")) | given | places
        return TextSettings(**values, texts=tuple(paths), resume=False), sources
    fixed = {k: v for k, v in given.items() if k not in _CHANGEABLE}
    run_folder.check_same_settings(output, saved, fixed)
    if paths and sources != saved["sources"]:
        raise ValueError(
            f"{output} holds a run on other texts than those given: on "
            f"{', '.join(source['name'] for source in saved['sources'])}, or they have "
            "changed. Leave them out to go on with the texts as they were, or give "
            "another --output."
        )
    values = {name: saved[name] for name in names} | given | places
    values |= {"texts": tuple(paths or saved["texts"]), "resume": True}
    return TextSettings(**values), saved["sources"]


def _defaults(size):
    return {
        **SIZES[size],
        "size": size,
        "seed": 0,
        "keep_case": False,
        "context_length": 3,
        "learning_rate": optimization.LEARNING_RATE,
        "warmup": optimization.WARMUP,
        "clip_norm": optimization.CLIP_NORM,
        "patience": settings.PATIENCE,
        "save_every": settings.SAVE_EVERY,
    }
