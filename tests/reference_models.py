"""Whole models in NumPy: weights of the Keras models, mathematics of `reference`."""

import numpy as np
import reference
from weights import affinity_of
from weights import as_float64
from weights import cell_of
from weights import dense_of
from weights import stack_of

DIRECTIONS = ("forward", "backward")


def image_graphs_of(predictor, images):
    """What an ImageGraphPredictor returns."""
    batch, height, width, _ = images.shape
    graphs = {}
    for direction in DIRECTIONS:
        network = predictor.get_layer(f"{direction}_network")
        affinity = predictor.get_layer(f"{direction}_affinity")
        queries, keys = (
            reference.convolution_stack(
                reference.scaled(images), stack_of(network, name), direction
            ).reshape(batch, height * width, -1)
            for name in ("queries", "keys")
        )
        graphs[direction] = reference.key_query_graphs(
            queries,
            keys,
            reference.visible_pairs(height * width, direction),
            **affinity_of(affinity, queries, width),
        )
    return graphs


def image_log_likelihoods_of(pretrainer, images):
    """Log-likelihoods and which of them count, by direction."""
    graphs = image_graphs_of(pretrainer.graph_predictor, images)
    kernel, bias = dense_of(pretrainer.embedding)
    batch, height, width, channels = images.shape
    units = reference.scaled(images).reshape(batch, height * width, channels)
    values, valid = {}, {}
    for direction in DIRECTIONS:
        features = units @ kernel + bias
        for layer in range(pretrainer.graph_predictor.num_graph_layers):
            (propagation,) = pretrainer.propagations[direction]
            features = reference.gru_propagation(
                features, graphs[direction][:, layer], cell_of(propagation.cell)
            )
        decoder = pretrainer.decoders[direction]
        values[direction], valid[direction] = reference.window_log_likelihoods(
            features,
            images,
            [cell_of(cell) for cell in decoder.cells],
            dense_of(decoder.reading),
            dense_of(decoder.prediction),
            pretrainer.context_window,
            direction,
        )
    return values, valid


def embed(predictor, unit_ids, mask):
    table = as_float64(predictor.embedding.embeddings)
    return np.where(mask[..., None], table[unit_ids], 0.0)


def graphs_of(predictor, unit_ids, mask):
    """What a GraphPredictor returns."""
    embedded, graphs = embed(predictor, unit_ids, mask), {}
    for direction in DIRECTIONS:
        network = predictor.get_layer(f"{direction}_network")
        affinity = predictor.get_layer(f"{direction}_affinity")
        queries, keys = (
            reference.convolution_stack(
                embedded, stack_of(network, name), direction, mask
            )
            for name in ("queries", "keys")
        )
        graphs[direction] = reference.key_query_graphs(
            queries,
            keys,
            reference.visible_pairs(unit_ids.shape[1], direction, mask, mask),
            **affinity_of(affinity, queries),
        )
    return graphs


def features_of(pretrainer, unit_ids, mask):
    """f^0 ... f^L of both directions."""
    predictor = pretrainer.graph_predictor
    graphs, features = graphs_of(predictor, unit_ids, mask), {}
    for direction in DIRECTIONS:
        layers = [embed(predictor, unit_ids, mask)]
        for layer in range(predictor.num_graph_layers):
            shared = 0 if pretrainer.shared_update else layer
            propagation = pretrainer.propagations[direction][shared]
            graph = graphs[direction][:, layer]
            if pretrainer.update == "gru":
                updated = reference.gru_propagation(
                    layers[-1],
                    graph,
                    cell_of(propagation.cell),
                    pretrainer.message,
                    mask,
                )
            else:
                kernel, bias = dense_of(propagation.projection)
                updated = reference.residual_propagation(
                    layers[-1], graph, kernel, bias, mask
                )
            layers.append(updated)
        features[direction] = layers
    return features


def classes_of(decoder):
    """What the reference takes of a decoder's classes."""
    if decoder.unit_classes is None:
        return {}
    return {
        "class_table": as_float64(decoder.class_table),
        "classes": decoder.unit_classes,
        "two_level": decoder.two_level,
    }


def log_likelihoods_of(pretrainer, unit_ids, mask):
    """Log-likelihoods and which of them count, by direction."""
    features = features_of(pretrainer, unit_ids, mask)
    values, valid = {}, {}
    for direction in DIRECTIONS:
        decoder = pretrainer.decoders[direction]
        values[direction] = reference.context_log_likelihoods(
            features[direction][-1],
            unit_ids,
            as_float64(pretrainer.graph_predictor.embedding.embeddings),
            [cell_of(cell) for cell in decoder.cells],
            pretrainer.context_length,
            direction,
            pretrainer.first_input,
            mask=mask,
            **classes_of(decoder),
        )
        _, valid[direction] = reference.context_targets(
            unit_ids,
            range(unit_ids.shape[1]),
            pretrainer.context_length,
            direction,
            mask,
        )
    return values, valid
