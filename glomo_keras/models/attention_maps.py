"""The attention maps of a Keras model, whatever it returns."""

import contextlib
import inspect

import keras
from keras import ops

ATTENTION_LAYERS = (
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


def attention_maps(model, inputs):
    """Return what every self-attention layer of a model attends to.

    The model is called twice, not in training. Layers come in the order in which they
    are called; attention between two sequences is left out.

    Args:
        model: `keras.Model` or `keras.Layer` with `keras.layers.MultiHeadAttention` or
            `GroupQueryAttention` in it, a backbone of KerasHub for instance.
        inputs: what the model takes.

    Returns:
        Float tensor `(batch, layers, heads, num_tokens, num_tokens)`, receivers in
        rows: see `glomo_keras.ops.graphs_from_attention`.

    Raises:
        ValueError: if the model has no self-attention that can be seen, or its layers
            have different numbers of heads.

    Example:

    >>> inputs = keras.Input((7, 8))
    >>> states = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4)(inputs, inputs)
    >>> model = keras.Model(inputs, states)
    >>> tuple(attention_maps(model, keras.ops.ones((3, 7, 8))).shape)
    (3, 1, 2, 7, 7)
    """
    model(inputs, training=False)  # one that is not built yet gets its layers here
    layers = [
        layer
        for layer in model._flatten_layers()  # Keras has no public way to all of them
        if isinstance(layer, ATTENTION_LAYERS) and _shows_scores(layer)
    ]
    maps = []
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_recorded(layer, maps))
        model(inputs, training=False)
    if not maps:
        raise ValueError(
            "`model` must have self-attention by keras.layers.MultiHeadAttention or "
            f"GroupQueryAttention. Received: {type(model).__name__} "
            f"{model.name!r}, which calls none that returns its scores. Give its maps "
            "to `graphs_from_attention` as arrays."
        )
    heads = {scores.shape[1] for scores in maps}
    if len(heads) > 1:
        raise ValueError(
            "All layers of `model` must have as many heads. Received: "
            f"{[scores.shape[1] for scores in maps]} heads."
        )
    return ops.stack(maps, axis=1)


def _shows_scores(layer):
    """Whether a layer returns its scores: those with a cache do not."""
    return "return_attention_scores" in inspect.signature(layer.call).parameters


def _is_one_sequence(query, value):
    """Whether a layer attends to what it asks for, which Keras may have cast apart."""
    return query is value or (
        query.shape == value.shape and bool(ops.all(ops.equal(query, value)))
    )


@contextlib.contextmanager
def _recorded(layer, maps):
    """Append the scores of each call of a layer on one sequence."""
    call = layer.call

    def recorded_call(query, value, *arguments, return_attention_scores=False, **more):
        outputs, scores = call(
            query, value, *arguments, return_attention_scores=True, **more
        )
        if _is_one_sequence(query, value):
            maps.append(scores)
        return (outputs, scores) if return_attention_scores else outputs

    layer.call = recorded_call
    try:
        yield
    finally:
        del layer.call
