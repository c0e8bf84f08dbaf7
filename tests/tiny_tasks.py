"""The smallest runs of the language tasks."""

from experiment.comparison.options import finish_options

TINY = "--size smoke --epochs 2 --num-train 32 --num-dev 16 --num-test 16".split()


def options_of(module, *arguments):
    options = module.make_parser().parse_args(arguments)
    return finish_options(module.TASK, options)
