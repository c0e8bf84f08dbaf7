"""Lower case: the same wherever a process runs."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from glomo_keras.data.lower_case import lower

# Pairs and characters that some language lowers in a way of its own.
UNITS = [first + mark for first in "IJĮÌÍĨİijΣ" for mark in ("", "\u0300", "\u0307")]
UNITS += ["ISTANBUL", "İZMİR", "ÍNDICE", "ΟΔΟΣ", "Straße", "日本", "", "I'M"]
PRINT = """
import sys, tensorflow as tf
from glomo_keras.data.lower_case import lower
sys.stdout.buffer.write(b"|".join(lower(tf.constant(sys.argv[1].split("|"))).numpy()))
"""


def test_it_is_that_of_unicode():
    lowered = [unit.decode() for unit in lower(tf.constant(UNITS)).numpy()]
    assert lowered == [unit.lower() for unit in UNITS]


def test_shapes_are_kept_in_a_graph():
    texts = tf.constant([["A", "b"], ["A", ""]])
    lowered = tf.function(lower)(texts)
    assert lowered.numpy().tolist() == [[b"a", b"b"], [b"a", b""]]
    assert lower(tf.zeros((0,), tf.string)).shape == (0,)


@pytest.mark.parametrize("language", ["tr_TR.UTF-8", "lt_LT.UTF-8"])
def test_the_language_of_the_process_changes_nothing(language):
    """Of Turkish "I" is a capital dotless i; Lithuanian keeps dots below accents."""
    # The language need not be installed: it is looked up by name.
    environment = os.environ | {"LC_ALL": language, "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", PRINT, "|".join(UNITS)]
    output = subprocess.run(command, env=environment, capture_output=True, check=True)
    expected = b"|".join(lower(tf.constant(UNITS)).numpy())
    assert output.stdout == expected
