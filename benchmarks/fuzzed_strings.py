"""What a client may send: fuzzed strings through an archive of strings.

    python benchmarks/fuzzed_strings.py --preset glomo_text_small_en
    python benchmarks/fuzzed_strings.py --preset glomo_elmo_small_en

Random Unicode, control characters, bytes that are not UTF-8, empty strings, only
spaces, real words, and a hundred lines of 1 MB, in batches of random sizes; to a
language model also as words, of any length and number. Checks every answer (no NaN,
rows of graphs that sum to one or zero, nothing at padding), prints the time a text and
how the memory of the process grew, and ends with an error where that is more than 50 MB
after the first tenth.
"""

import argparse
import ctypes
import os
import random
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from glomo_keras.data import Vocabulary
from glomo_keras.export import export_graph_predictor
from glomo_keras.export import export_language_model
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import find_preset
from glomo_keras.models import load_preset

MOST_GROWTH = 50  # MB
WORDS = "glomo_text_small_en"  # whose vocabulary real words are drawn from
# Marks, joiners, scripts without spaces, text from right to left.
PIECES = ("e\u0301", "\u200d", "\U0001f469\u200d\U0001f4bb", "漢字", "かな", "שלום")


def fuzzed(draw, words):
    """One string, as bytes, of one of the kinds."""
    kind = draw.randrange(8)
    length = int(2 ** draw.uniform(0, 8))
    if kind == 0:  # any code points but surrogates, which are no characters
        points = (draw.randrange(0x110000) for _ in range(length))
        return "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000).encode()
    if kind == 1:
        return bytes(draw.randrange(256) for _ in range(length))
    if kind == 2:
        return bytes(draw.choice([*range(32), 127]) for _ in range(length))
    if kind == 3:
        return b""
    if kind == 4:
        return " \t\n\u3000\u200b".encode() * draw.randrange(1, 50)
    if kind == 5:  # marks, joiners, scripts without spaces, text from right to left
        return "".join(draw.choice(PIECES) for _ in range(length)).encode()
    if kind == 6:  # words, cut in the middle of a character
        text = " ".join(draw.choice(words) for _ in range(length // 4 + 1)) + " café"
        return text.encode()[: draw.randrange(1, len(text) + 1)]
    return " ".join(draw.choice(words) for _ in range(length // 4 + 1)).encode()


def words_of(draw, texts):
    """Return the texts as words that a client sends: some empty, some unreadable."""
    rows = [text.split(b" ")[: draw.randrange(1, 65)] for text in texts]
    width = max(map(len, rows))
    lengths = [draw.randrange(len(row) + 1) for row in rows]
    padded = [row + [draw.choice((b"", b"x"))] * (width - len(row)) for row in rows]
    return {"words": tf.constant(padded), "lengths": tf.constant(lengths, tf.int32)}


def check(outputs):
    """Raise where an answer is not what is promised."""
    mask = outputs["padding_mask"].numpy()
    if "layers" in outputs:
        layers = outputs["layers"].numpy()
        if not np.isfinite(layers).all():
            raise ValueError("layers: not finite")
        if layers.transpose(0, 2, 1, 3)[~mask].any():
            raise ValueError("layers: something at padding")
        return
    for direction in ("forward", "backward"):
        graphs = outputs[direction].numpy()
        if not np.isfinite(graphs).all():
            raise ValueError(f"{direction}: not finite")
        sums = graphs.sum(axis=-1)
        if not np.all((np.abs(sums - 1) < 1e-4) | (sums == 0)):
            raise ValueError(f"{direction}: rows that sum to neither one nor zero")
        padding = np.broadcast_to(~mask[:, None, None], sums.shape)
        if sums[padding].any():
            raise ValueError(f"{direction}: padded receivers read something")
        senders = np.broadcast_to(~mask[:, None, None, None], graphs.shape)
        if graphs[senders].any():
            raise ValueError(f"{direction}: padded senders are read")


def resident_megabytes():
    """Memory of this process now, less what is free in its allocator."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(arguments=None):
    """Export, send, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default="glomo_text_small_en", help="name or folder")
    add("--count", type=int, default=100_000, help="strings (default: 100000)")
    add("--large", type=int, default=100, help="of them, of 1 MB (default: 100)")
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    draw = random.Random(options.seed)
    words = Vocabulary.load(find_preset(WORDS).vocabulary).units[2:]
    with tempfile.TemporaryDirectory() as folder:
        model = load_preset(options.preset)
        if isinstance(model, BidirectionalLanguageModel):
            paths = export_language_model(model, folder)
        else:
            vocabulary = Vocabulary.load(find_preset(options.preset).vocabulary)
            paths = export_graph_predictor(model, folder, vocabulary=vocabulary)
        serve, of_words = (
            tf.saved_model.load(paths[kind]).signatures["serve"]
            if kind in paths
            else None
            for kind in ("text", "words")
        )
    every = max(1, options.count // max(1, options.large))
    sent, slowest, spent, start = 0, 0.0, 0.0, None
    next_line = step = max(1, options.count // 10)
    while sent < options.count:
        size = min(draw.randrange(1, 9), options.count - sent)
        texts = [fuzzed(draw, words) for _ in range(size)]
        for number in range(size):
            if options.large and (sent + number) % every == 0:
                piece = texts[number] or b"a"
                texts[number] = (piece * (2**20 // len(piece) + 1))[: 2**20]
        begin = time.perf_counter()
        outputs = serve(text=tf.constant(texts))
        seconds = time.perf_counter() - begin
        check(outputs)
        del outputs
        if of_words is not None:
            check(of_words(**words_of(draw, texts)))
        spent += seconds
        slowest = max(slowest, seconds / size)
        sent += size
        if sent >= next_line:
            next_line += step
            memory = resident_megabytes()
            start = memory if start is None else start
            print(
                f"{sent:,} strings: {1000 * spent / sent:.1f} ms a text, slowest "
                f"{1000 * slowest:.0f} ms; {memory:.0f} MB, {memory - start:+.0f} MB "
                "since the first tenth",
                flush=True,
            )
    if memory - start > MOST_GROWTH:
        sys.exit(f"The memory grew by {memory - start:.0f} MB.")


if __name__ == "__main__":
    main()
