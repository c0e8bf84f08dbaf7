"""Lower case that does not depend on where a process runs."""

import tensorflow as tf

# Where a process says (LC_ALL, LC_MESSAGES, LANG) that it runs in Turkish, Azeri or
# Lithuanian, `tf.strings.lower` has other lower cases of these, and of I and J.
_BY_LOCALE = {"İ": "i\u0307", "Į": "į", "Ì": "ì", "Í": "í", "Ĩ": "ĩ"}


def lower(units):
    """Return units in lower case, as Unicode has it where no language is known.

    Args:
        units: string tensor, UTF-8.

    Returns:
        String tensor of the same shape.
    """
    distinct, places = tf.unique(tf.reshape(units, [-1]))  # each is lowered once
    distinct = tf.strings.lower(distinct)  # ASCII, with the letters I and J
    for upper, lowered in _BY_LOCALE.items():
        distinct = tf.strings.regex_replace(distinct, upper, lowered)
    distinct = tf.strings.lower(distinct, encoding="utf-8")
    return tf.reshape(tf.gather(distinct, places), tf.shape(units))
