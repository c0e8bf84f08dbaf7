"""The command `graphs`: texts, one a line, to their graphs as JSON or as a table."""

import codecs
import itertools
import json
import sys

import keras
import numpy as np

from glomo_keras.analysis import top_senders
from glomo_keras.analysis.graph_arrays import unit_strings
from glomo_keras.ops import DIRECTIONS
from glomo_keras.start_up import without_machine_lines

HELP_ON_LINES = """\
Every line is an object in JSON:
  {"units": ["the", "cat"],
   "forward": [[], [[0, 1.0]]], "backward": [[[1, 1.0]], []]}
  units     the words of the text, as the preset reads them
  forward   receivers in rows: forward[i] is what units[i] reads of the units
            before it, [sender, weight], the strongest first; sender is an
            index of units, from 0
  backward  the same of the units after it
In each head the weights of all senders of a unit sum to one, or there are none
(to one at most where the preset lets rows stay empty):
the first unit reads nothing forward, the last nothing backward. With
--all-heads, forward[layer][head][i] is what units[i] reads.

With --words, after the names of the columns, every line is a receiver, and tabs
are between its columns:
  text      number of the text, a line of the input, from 0
  receiver  index of the unit in its text, from 0
  unit      the word
  forward   what it reads of the units before it, the strongest first:
            INDEX:UNIT WEIGHT, INDEX:UNIT WEIGHT, ...
  backward  the same of the units after it
"""
_TABLE_HEAD = "text\treceiver\tunit\tforward\tbackward"


def write_graphs(options):
    """Run the command."""
    with without_machine_lines():
        from glomo_keras.export import TextGraphs

    for path in options.files:  # a missing one is an error before hours of others
        if not path.is_fifo():  # one that is closed again has lost its writer
            path.open("rb").close()
    text_graphs = TextGraphs.from_preset(options.preset, options.max_units)
    _check_heads(text_graphs.predictor, options)
    lines = read_lines(options.files, options.max_bytes, options.replace_invalid)
    number = 0
    for batch in _batches(lines, options.batch_size):
        if options.words and number == 0:
            print(_TABLE_HEAD)
        for units, graphs in _units_and_graphs(text_graphs(batch), options):
            if options.words:
                for row in table_rows(number, units, graphs, options.top):
                    print(row)
            else:
                print(json_line(units, graphs, options.top))
            number += 1
        sys.stdout.flush()


def _batches(lines, size):
    """Yield lists of lines; an error of reading comes after the lines before it."""
    failure = None
    while failure is None:
        batch = []
        try:
            for line in itertools.islice(lines, size):
                batch.append(line)
        except (OSError, ValueError) as error:
            failure = error
        if batch:
            yield batch
        elif failure is None:
            return
    raise failure


def _check_heads(predictor, options):
    """Raise unless the layers and heads that were asked for are there."""
    heads = {f"--{name}-head": _head(options, name) for name in DIRECTIONS}
    heads = {name: head for name, head in heads.items() if head is not None}
    if options.all_heads:
        others = [*heads]
        others += ["--layer"] * (options.layer is not None)
        others += ["--words"] * options.words
        if others:
            raise ValueError(f"--all-heads does not go with {', '.join(others)}.")
    num_layers, num_heads = predictor.num_graph_layers, predictor.num_heads
    if options.layer is not None and not 0 <= options.layer < num_layers:
        raise ValueError(
            f"--layer must be one of {num_layers} layers, from 0. Received: "
            f"{options.layer}."
        )
    for name, (layer, head) in heads.items():
        if not (0 <= layer < num_layers and 0 <= head < num_heads):
            raise ValueError(
                f"{name} must be one of {num_layers} layers and one of {num_heads} "
                f"heads, from 0. Received: {layer} {head}."
            )


def _head(options, direction):
    return getattr(options, f"{direction}_head")


def _units_and_graphs(outputs, options):
    """Yield the units of every text, and its graphs by direction, without padding."""
    lengths = outputs["padding_mask"].numpy().sum(axis=1).tolist()
    for number, length in enumerate(lengths):
        graphs = {}
        for direction in DIRECTIONS:
            array = outputs[direction][number, ..., :length, :length]
            array = keras.ops.convert_to_numpy(array)
            if not options.all_heads:
                array = choose_heads(array, options.layer, _head(options, direction))
            graphs[direction] = array
        yield unit_strings(outputs["units"][number, :length]), graphs


def read_lines(files, max_bytes, replace_invalid=False):
    r"""Read lines, never more than `max_bytes` of a file at once.

    Args:
        files: list of `pathlib.Path`; none means standard input.
        max_bytes: int. The rest of a longer line is left out.
        replace_invalid: bool, whether lines that are not UTF-8, or hold a NUL byte,
            are returned too.

    Yields:
        Bytes, a line without its end.

    Raises:
        ValueError: if there is no line, or one that is not UTF-8 or holds a NUL byte.

    Example:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "texts"
    ...     _ = path.write_bytes(b"the cat\r\n\nsat")
    ...     lines = list(read_lines([path], max_bytes=6))
    >>> lines
    [b'the ca', b'', b'sat']
    """
    if not files and sys.stdin is None:
        raise ValueError("Standard input is closed. Name files, or send it texts.")
    is_empty = True
    for path in files or [None]:
        name = "standard input" if path is None else str(path)
        file = sys.stdin.buffer if path is None else path.open("rb")
        with file:
            for number, (line, is_cut) in enumerate(_cut_lines(file, max_bytes), 1):
                is_empty = False
                if not replace_invalid:
                    _check_text(line, is_cut, f"{name}, line {number}")
                yield line
    if is_empty:
        place = ", ".join(map(str, files)) if files else "standard input"
        raise ValueError(f"There is no text in {place}. Give one a line.")


def _cut_lines(file, max_bytes):
    """Yield lines without their ends, and whether something else was left out."""
    while line := file.readline(max_bytes):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(max_bytes)
        is_cut = len(line) == max_bytes and not line.endswith(b"\n")
        yield line.rstrip(b"\r\n"), is_cut


def _check_text(line, is_cut, place):
    try:
        # Half a character may stand where a line was cut.
        codecs.getincrementaldecoder("utf-8")().decode(line, final=not is_cut)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}, is not UTF-8: byte {error.start + 1} of it is "
            f"0x{line[error.start]:02x}. Convert the text, or give --replace-invalid."
        ) from error
    if b"\0" in line:  # which is UTF-8, but of no text
        raise ValueError(
            f"{place}, holds a NUL byte: it must be UTF-8 text, and is binary, UTF-16 "
            "or UTF-32. Convert the text, or give --replace-invalid."
        )


def choose_heads(graphs, layer=None, head=None):
    """Return one graph of the graphs of a direction.

    Args:
        graphs: float array `(layers, heads, length, length)`.
        layer: int, the layer whose mean is taken; `None` means that of all.
        head: pair of ints, a layer and a head of it in place of a mean, or `None`.

    Returns:
        Float array `(length, length)`.

    Example:

    >>> graphs = np.arange(6.0).reshape(2, 3, 1, 1)
    >>> [choose_heads(graphs, *of).item() for of in ((), (1,), (None, (0, 2)))]
    [2.5, 4.0, 2.0]
    """
    if head is not None:
        return graphs[*head]
    return graphs.mean(axis=(0, 1)) if layer is None else graphs[layer].mean(axis=0)


def json_line(units, graphs, num_senders):
    """Return a text and its graphs as JSON.

    Args:
        units: list of strings.
        graphs: dict from a direction to a float array `(..., length, length)`.
        num_senders: int, how many of every unit's senders, the strongest first.

    Returns:
        String: an object of `units` and, by direction, lists that are nested as the
        arrays are, a list of `[sender, weight]` for every receiver.

    Example:

    >>> json_line(["the", "cat"], {"forward": np.array([[0, 0], [1, 0]])}, 1)
    '{"units": ["the", "cat"], "forward": [[], [[0, 1.0]]]}'
    """
    senders = {name: _strongest(array, num_senders) for name, array in graphs.items()}
    return json.dumps({"units": units, **senders}, ensure_ascii=False)


def table_rows(number, units, graphs, num_senders):
    r"""Return the rows of a table of a text, one a receiver.

    Args:
        number: int, the number of the text.
        units: list of strings.
        graphs: dict from a direction to a float array `(length, length)`.
        num_senders: int, how many of every unit's senders, the strongest first.

    Returns:
        List of strings, cells between tabs: number of the text, index of the receiver,
        its unit, and in a cell a direction the senders, each with its index and weight.

    Example:

    >>> graphs = {"forward": np.array([[0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]])}
    >>> table_rows(0, ["the", "cat", "sat"], graphs, 2)[2].split("\t")
    ['0', '2', 'sat', '1:cat 0.750, 0:the 0.250']
    """
    cells = [[str(number), str(index), unit] for index, unit in enumerate(units)]
    for array in graphs.values():
        for row, pairs in zip(cells, _strongest(array, num_senders), strict=True):
            senders = [
                f"{index}:{units[index]} {weight:.3f}" for index, weight in pairs
            ]
            row.append(", ".join(senders))
    return ["\t".join(row) for row in cells]


def _strongest(array, num_senders):
    """Nested lists of the senders of every receiver."""
    if not array.shape[-1]:
        return np.empty(array.shape[:-1]).tolist()
    best = top_senders(array, min(num_senders, array.shape[-1]))
    return _pairs(best.indices, best.weights)


def _pairs(senders, weights):
    """Nested lists whose innermost ones are `[sender, weight]`, weights above zero."""
    if senders.ndim > 1:
        return [_pairs(s, w) for s, w in zip(senders, weights, strict=True)]
    return [
        [int(sender), round(float(weight), 4)]
        for sender, weight in zip(senders, weights, strict=True)
        if weight > 0
    ]
