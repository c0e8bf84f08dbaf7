"""The smallest runs of the tasks."""

from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings

TINY = "--size smoke --epochs 2 --num-train 32 --num-dev 16 --num-test 16".split()


def settings_of(task, *arguments):
    """The settings that the command line of a task gives."""
    options = make_parser(task, task.name).parse_args([str(a) for a in arguments])
    return make_settings(task, options)
