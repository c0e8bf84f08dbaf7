r"""Which head reads which relation? Graphs beside the trees of a treebank.

    python recipes/probe.py --data ud_english_ewt --output runs/probe
    python recipes/probe.py --size smoke --output runs/probe_smoke
    python recipes/probe.py --data ud_english_ewt \
        --presets runs/wikipedia/preset \
        --attention bert.npz --output runs/probe

A head finds an arc of a tree where the one of its two words that may read the
other reads it most: the later word in forward graphs, the earlier one in
backward graphs. The head of a relation is chosen on the sentences with even
numbers and counted on those with odd ones, as are the fixed offset and the
head of an untrained predictor beside it; intervals (95%) are over sentences.
--attention takes an .npz of the maps of any Transformer: `dev_7`, an array
(layers, heads, tokens, tokens) of the sentence that stands eighth in the file,
and `dev_7_words`, the word of every token, or -1.

Written are OUTPUT/NAME.json with the shares of every head, the tables as
NAME.md and a picture of all heads, NAME.png; what is there of the same data is
not computed anew.
"""

import argparse
from pathlib import Path

import experiment.process
from experiment.dependencies import toy_trees
from experiment.dependencies.attention_file import AttentionFile
from experiment.dependencies.treebank import read_tfds_treebank
from experiment.dependencies.treebank import read_treebank
from experiment.folders import hold
from experiment.folders import read_json
from experiment.probing import sources
from experiment.probing.picture import draw
from experiment.probing.probe import Readings
from experiment.probing.probe import probe
from experiment.probing.report import tables
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import tfds_version

from glomo_keras.data.text_files import describe_source
from glomo_keras.files import named_path
from glomo_keras.files import write_json
from glomo_keras.files import write_text
from glomo_keras.models import find_preset

SIZES = {
    "smoke": {"presets": ["glomo_text_small_en"], "limit": 100},
    "small": {"presets": ["glomo_text_base_en", "glomo_text_small_en"], "limit": None},
}
TOY_SENTENCES = 400


def read_sentences(options):
    """Return the sentences, and what identifies the data."""
    if options.data == "toy":
        sentences = toy_trees.sentences(TOY_SENTENCES, seed=0)
        described = {"name": "toy"}
    elif options.data.startswith("tfds:"):
        sentences = read_tfds_treebank(options.data, options.split)
        described = {"name": options.data, "split": options.split}
        described["version"] = tfds_version(options.data)
    else:
        names = (f"*-ud-{options.split}.conllu",)
        path = data_file(options.data, names, "tfds:universal_dependencies/en_ewt")
        sentences, described = read_treebank(path), describe_source(path)
    return sentences[: options.limit], described


def result_name(preset):
    """Return what the result of a preset is called, which may be a run's folder."""
    folder = Path(preset).absolute()
    return folder.parent.name if folder.name == "preset" else folder.name


def fingerprint_of(preset):
    """Return what identifies the weights of a preset."""
    with usage_errors():
        return find_preset(preset).metadata["fingerprint"]


def probe_preset(name, sentences, clock):
    """Return the result for a preset, beside the same predictor with random weights."""
    with usage_errors():
        predictor, untrained, vocabulary = sources.load_predictor(name)
    readings = []
    for label, model in ((name, predictor), ("untrained", untrained)):
        clock.begin(f"{label}: graphs of {len(sentences):,} sentences")
        source = sources.predicted_graphs(model, vocabulary, sentences)
        readings.append(Readings.of(source, sentences, clock))
        clock.end()
    return probe(*readings, sentences)


def probe_attention(path, split, sentences, clock):
    """Return the result for a file of attention."""
    clock.begin(f"{path}: graphs of {len(sentences):,} sentences")
    source = sources.attention_graphs(AttentionFile(path), split, sentences)
    result = probe(Readings.of(source, sentences, clock), None, sentences)
    clock.end()
    return result


def probe_once(name, described, output, compute):
    """Compute and write a result, unless it is there; return it."""
    path = output / f"{name}.json"
    if path.exists():
        earlier = read_json(path).get("described")
        if earlier != described:
            raise UsageError(
                f"{path} is of other data or of another source ({earlier}). Give "
                "another --output."
            )
        print(f"{path} is used.")
    else:
        write_json(path, {"described": described, **compute()})
    result = read_json(path)
    write_text(output / f"{name}.md", "\n".join(tables(name, result)) + "\n")
    draw(result, output / f"{name}.png")
    return result


@experiment.process.one_line_errors()
def main(arguments=None):
    """Probe every source, and print its tables."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", required=True, type=named_path, help="folder of the results")
    add(
        "--data",
        default="toy",
        help="a folder with *-ud-dev.conllu, plain or .gz, "
        "tfds:universal_dependencies/NAME, or toy: made from templates (default)",
    )
    add("--split", choices=("train", "dev", "test"), default="dev", help="of the data "
        "(default: dev)")  # fmt: skip
    add_size_option(parser, SIZES)
    add("--limit", type=positive_int, help=f"sentences {defaults_of(SIZES, 'limit')}")
    add(
        "--presets",
        nargs="*",
        help=f"names or folders of presets {defaults_of(SIZES, 'presets')}",
    )
    add(
        "--attention", nargs="*", type=named_path, default=(), help=".npz files of maps"
    )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    if not options.presets and not options.attention:
        parser.error("give --presets or --attention")
    with usage_errors():
        sentences, data = read_sentences(options)
    described = {"data": data, "sentences": len(sentences)}
    with hold(options.output):
        names = [result_name(preset) for preset in options.presets]
        names = 2 * names + [path.stem for path in options.attention]
        is_there = [(options.output / f"{name}.json").exists() for name in names]
        clock = RunClock(is_there.count(False))
        for preset in options.presets:
            name, fingerprint = result_name(preset), fingerprint_of(preset)
            result = probe_once(
                name,
                {**described, "fingerprint": fingerprint},
                options.output,
                lambda preset=preset: probe_preset(preset, sentences, clock),
            )
            print("\n" + "\n".join(tables(name, result)))
        for path in options.attention:
            result = probe_once(
                path.stem,
                {**described, "attention": describe_source(path)},
                options.output,
                lambda path=path: probe_attention(
                    path, options.split, sentences, clock
                ),
            )
            print("\n" + "\n".join(tables(path.stem, result)))


if __name__ == "__main__":
    main()
