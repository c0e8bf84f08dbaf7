"""Parts of the downstream models that the language tasks share."""

import keras
import numpy as np
from keras import ops

from experiment.comparison.options import transfer_arguments
from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import ScalarMix


def fuse_graphs(features, masks, inputs, options):
    """`GraphTransfer`, one for all texts of an example.

    Args:
        features: dict by field of float tensors `(batch, length, dim)`.
        masks: dict by field of bool tensors `(batch, length)`.
        inputs: dict of the model's inputs; graphs are those that end in the name of a
            direction. Without any, the features are returned.
        options: the command line.
    """
    transfer = GraphTransfer(**transfer_arguments(options))
    fused = {}
    for field, of_field in features.items():
        graphs = {
            direction: inputs[f"{field}_{direction}"]
            for direction in ("forward", "backward")
            if f"{field}_{direction}" in inputs
        }
        if graphs:
            of_field = transfer(of_field, graphs, features_mask=masks[field])
        fused[field] = of_field
    return fused


def make_inputs(texts, graph_shape, with_characters=False):
    """Inputs of a downstream model, of fixed lengths, and the masks of its texts."""
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
        if graph_shape is not None:
            shape = (*graph_shape, field.length, field.length)
            for direction in ("forward", "backward"):
                key = f"{name}_{direction}"
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


def compile_model(model, loss, options, clip_norm):
    """Adam with clipped gradients."""
    model.compile(
        keras.optimizers.Adam(options.learning_rate, global_clipnorm=clip_norm),
        loss,
        # On a CPU, XLA makes the recurrent layers of TensorFlow twice as slow.
        jit_compile="auto" if keras.backend.backend() == "tensorflow" else True,
    )


def label_targets(texts, split):
    """Labels, and the numbers of all examples."""
    labels = np.array([example["label"] for example in texts.examples[split]], np.int32)
    return labels, np.arange(len(labels))


def label_score(predictions, texts, split, chosen):
    """Whether each example was classified correctly."""
    labels, _ = label_targets(texts, split)
    return {"accuracy": (predictions.argmax(axis=-1) == labels[chosen]).astype(float)}


def compile_classifier(inputs, logits, options, clip_norm):
    """Model that is trained by the cross-entropy of its logits."""
    model = keras.Model(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_model(model, loss, options, clip_norm)
    return model


def mix_weights(model):
    """Shares of the layers and gamma, where a model mixes any: for the record."""
    for layer in model.layers:
        if layer.name == "elmo_mix":
            gamma = float(keras.ops.convert_to_numpy(layer.gamma))
            return {"shares": layer.normalized_weights().tolist(), "gamma": gamma}
    return None
