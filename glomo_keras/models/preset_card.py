"""The model card of a preset: the README.md of its folder."""


def make_card(name, metadata, num_parameters):
    """Return the card of a preset for which nobody has written one.

    Args:
        name: string, name of the preset.
        metadata: dict, the content of `metadata.json`.
        num_parameters: int.

    Returns:
        String, Markdown.

    Example:

    >>> config = {"class_name": "GraphPredictor", "registered_name": "glomo_keras>x"}
    >>> metadata = {"config": config, "fingerprint": "0123", "versions": {},
    ...             "training": {"corpus": "a corpus"}}
    >>> card = make_card("my_preset", metadata, 1234)
    >>> card.splitlines()[:3]
    ['# my_preset', '', 'A `GraphPredictor`.']
    """
    class_name = metadata["config"]["class_name"]
    rows = {
        "class": metadata["config"]["registered_name"],
        "parameters": f"{num_parameters:,}",
        "fingerprint": metadata["fingerprint"],
        "made with": ", ".join(f"{k} {v}" for k, v in metadata["versions"].items()),
    }
    arguments = dict(metadata["config"].get("config", {}))
    for key in ("name", "trainable", "dtype"):  # of the object, not of what is saved
        arguments.pop(key, None)
    training = dict(metadata["training"])
    try:
        head_table = _head_table(training["heads"])
        del training["heads"]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        head_table = []  # none, or something else of that name
    # The arguments say what the model is; what a program was asked for may be less.
    notes = {
        key: value
        for key, value in training.items()
        # The seed of a model is that of its dropout.
        if value is not None and (key == "seed" or key not in arguments)
    }
    lines = [f"# {name}", "", f"A `{class_name}`.", "", *_table(rows)]
    if arguments:
        lines += ["", "## Arguments", "", *_table(arguments)]
    if notes:
        lines += ["", "## Training", "", *_table(notes)]
    if head_table:
        lines += ["", *head_table]
    lines += [
        "",
        "```python",
        f"from glomo_keras.models import {class_name}",
        "",
        f'model = {class_name}.from_preset("{name}")',
        "```",
        "",
    ]
    return "\n".join(lines)


def _table(rows):
    """Return the lines of a table of two columns without titles."""
    cells = [f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items()]
    return ["| | |", "|---|---|", *cells]


def _head_table(heads):
    """Return the lines of a table: metrics in columns, directions to heads in rows."""
    names = list(heads)
    lines = [
        "## Graphs",
        "By head, on the validation data of the best epoch.",
        "",
        f"| direction, layer, head | {' | '.join(map(_cell, names))} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for direction, layers in heads[names[0]].items():
        for layer, row in enumerate(layers):
            for head in range(len(row)):
                values = [heads[name][direction][layer][head] for name in names]
                cells = ["" if v is None else f"{v:.3g}" for v in values]
                lines.append(f"| {direction} {layer} {head} | {' | '.join(cells)} |")
    return lines


def _cell(value):
    """Return a value as text that stays in its cell of a table."""
    return " ".join(str(value).split()).replace("|", r"\|")


def card_description(card):
    r"""Return the first sentence below the title of a card.

    Args:
        card: string, Markdown.

    Returns:
        String of one line, empty for a card without text.

    Example:

    >>> card_description("# my_preset\n\nWords in,\ngraphs out. Small.\n\n## Use")
    'Words in, graphs out.'
    """
    paragraphs = [text.strip() for text in card.split("\n\n")]
    texts = [text for text in paragraphs if text and text[0] not in "#|`"]
    paragraph = " ".join(texts[0].split()) if texts else ""
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + stop.strip()
