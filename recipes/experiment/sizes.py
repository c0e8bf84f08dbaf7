"""What `--size` decides of a program: the defaults of other options."""

from glomo_keras.data.prepare import prepare_corpus


def add_size_option(parser, sizes):
    """Add `--size`.

    Args:
        parser: `argparse.ArgumentParser`.
        sizes: dict by size, `smoke` and `small`, of dicts by option of defaults.
    """
    parser.add_argument(
        "--size",
        choices=sizes,
        default="small",
        help="what is left out below; smoke, in about a minute and without data, tries "
        "the program (default: small)",
    )


def defaults_of(sizes, name):
    """Return what the help of an option says of its defaults.

    Args:
        sizes: see `add_size_option`.
        name: str, of the option, with underscores.
    """
    small, smoke = (_words(sizes[size][name]) for size in ("small", "smoke"))
    return f"(default: {small}; smoke: {smoke})"


def _words(value):
    if value is None:
        return "all"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def fill_in(options, sizes):
    """Give options that were left out the defaults of their size.

    Args:
        options: `argparse.Namespace`, which is changed.
        sizes: see `add_size_option`.
    """
    for name, value in sizes[options.size].items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)


def smoke_arrays(output):
    """Write the arrays of a small corpus of planted links, for want of a real one.

    Args:
        output: `pathlib.Path` of the folder of a program.

    Returns:
        Path of the arrays.
    """
    folder = output / "prepared"
    prepare_corpus("planted", folder, vocabulary_size=100, limit=4_000)
    return folder
