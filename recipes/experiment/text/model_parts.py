"""Parts of the downstream models that tasks on texts share."""

import keras
from keras import ops

from glomo_keras.distribution import DistributedModel
from glomo_keras.layers import ScalarMix


def make_inputs(texts, with_characters=False):
    """Make the inputs of a model of texts, of fixed lengths.

    Args:
        texts: `TaskTexts`.
        with_characters: bool, whether the model reads characters.

    Returns:
        Two dicts: the inputs by name, and by field the masks `(batch, length)`, `True`
        at real units. Graphs are not among the inputs: an arm adds them.
    """
    inputs, masks = {}, {}
    for name, field in texts.fields.items():
        inputs[name] = keras.Input((field.length,), dtype="int32", name=name)
        masks[name] = ops.not_equal(inputs[name], 0)
        if with_characters:
            shape = (field.length, texts.characters.shape[1])
            key = f"{name}_characters"
            inputs[key] = keras.Input(shape, dtype="uint8", name=key)
        if texts.elmo is not None:
            shape = (texts.elmo.num_layers, field.length, texts.elmo.dim)
            key = f"{name}_elmo"
            inputs[key] = keras.Input(shape, dtype="float16", name=key)
    return inputs, masks


def word_features(texts, inputs, masks):
    """Features of the units of all texts, by field.

    Word vectors or embeddings; a mix of the layers of a language model; or both, one
    beside the other.
    """
    embedding = make_embedding(texts) if texts.has_embedding else None
    # Without dropout: what reads the features has its own, for word vectors too.
    mix = ScalarMix(l2=1e-3, name="elmo_mix")
    features = {}
    for name in texts.fields:
        parts = [] if embedding is None else [embedding(inputs[name])]
        if texts.elmo is not None:
            layers = ops.cast(inputs[f"{name}_elmo"], "float32")
            parts.append(mix(layers, mask=masks[name]))
        features[name] = parts[0] if len(parts) == 1 else ops.concatenate(parts, -1)
    return features


def make_embedding(texts, dim=100):
    """Word vectors, frozen, or embeddings that train."""
    if texts.vectors is None:
        size = texts.task_vocabulary_size
        return keras.layers.Embedding(size, dim, name="embedding")
    layer = keras.layers.Embedding(
        *texts.vectors.shape, trainable=False, name="embedding"
    )
    layer.build()
    layer.set_weights([texts.vectors])
    return layer


def compile_model(model, loss, settings, clip_norm):
    """Compile with Adam and clipped gradients."""
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, global_clipnorm=clip_norm),
        loss,
        # On a CPU, XLA makes the recurrent layers of TensorFlow twice as slow.
        jit_compile="auto" if keras.backend.backend() == "tensorflow" else True,
    )


def compile_classifier(inputs, logits, settings, clip_norm):
    """Make the model that is trained by the cross-entropy of its logits."""
    model = DistributedModel(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_model(model, loss, settings, clip_norm)
    return model


def layer_mix(model):
    """Return how a model mixes the layers of a language model, `None` if it has none.

    Returns:
        Dict of `shares`, floats that sum to one, and `gamma`, a float.
    """
    for layer in model.layers:
        if layer.name == "elmo_mix":
            gamma = float(keras.ops.convert_to_numpy(layer.gamma))
            return {"shares": layer.normalized_weights().tolist(), "gamma": gamma}
    return None
