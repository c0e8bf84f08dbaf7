"""Every example in a docstring is run, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import glomo_keras

MODULES = [
    module.name
    for module in pkgutil.walk_packages(glomo_keras.__path__, "glomo_keras.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    scope = {"keras": keras, "np": np, "glomo_keras": glomo_keras}
    results = doctest.testmod(
        module,
        extraglobs=scope,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
        report=True,
    )
    assert results.failed == 0


def public_members():
    for part in ("ops", "layers", "models"):
        module = getattr(glomo_keras, part)
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):  # no module, and no constant
                yield pytest.param(value, id=f"{part}.{name}")
    for name in ("pretrainer_from_released", "transfer_from_released"):
        value = getattr(glomo_keras.models.released, name)
        yield pytest.param(value, id=f"models.released.{name}")


@pytest.mark.parametrize("value", list(public_members()))
def test_public_docstrings_are_complete(value):
    text = inspect.getdoc(value)
    parts = ["Args:", ">>> "]
    if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
        parts += ["Call arguments:", "Returns:", "Raises:"]
    elif inspect.isfunction(value):
        parts += ["Returns:"]
    helpers = ("graph_counts", "log_likelihood", "mean_visible_score", "squared_relu")
    helpers += ("graphs_over_pieces", "graphs_over_words", "word_of_piece")
    helpers += ("attention_maps", "graphs_from_attention")
    helpers += ("bits_per_dimension", "pixel_log_likelihood", "scale_pixels")
    helpers += ("relation_counts", "row_specificity")
    helpers += ("pixel_distances", "unit_distances")
    helpers += ("raster_units", "subtract_mean_score", "term_messages")
    helpers += ("find_preset", "load_preset", "GraphCache", "MessageCache")
    helpers += ("PackedGraphCache", "LanguageModelLayerCache", "ResultCache")
    for part in parts:
        assert part in text, f"{value.__name__} lacks {part!r}"
    if value.__name__ not in helpers:  # those are no formulas of a paper
        sources = "arXiv 1806.05662", "1802.05365"  # a line may end within the name
        assert any(source in text for source in sources), value.__name__


@pytest.mark.parametrize("value", list(public_members()))
def test_every_argument_is_documented(value):
    text = inspect.getdoc(value)
    names = list(inspect.signature(value).parameters)
    if inspect.isclass(value) and "call" in vars(value):
        call = inspect.signature(value.call).parameters
        names += [name for name in call if name not in ("self", "mask")]
    for name in names:
        plain = "**kwargs" if name == "kwargs" else name
        assert f"{plain}: " in text or f"`{plain}`" in text, f"lacks {name}"
