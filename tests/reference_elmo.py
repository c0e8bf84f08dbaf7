"""ELMo in slow, obvious NumPy, written from its paper and its released program.

Nothing here imports the library. Peters et al., 2018, "Deep contextualized word
representations" (arXiv 1802.05365).
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def characters_of(word, max_characters):
    """Ids of the bytes of a word between its marks; all of them one more than there."""
    codes = [258, *word.encode()[: max_characters - 2], 259]
    codes += [260] * (max_characters - len(codes))
    return [code + 1 for code in codes]


def sentence_of(words, max_characters):
    """Rows of a sentence with its begin and its end."""
    ends = [
        [258 + 1, mark + 1, 259 + 1] + [260 + 1] * (max_characters - 3)
        for mark in (256, 257)
    ]
    inner = [characters_of(word, max_characters) for word in words]
    return np.array([ends[0], *inner, ends[1]])


def word_vector(characters, embedding, convolutions, highways, projection):
    """One word; convolutions, highways and projection are (kernel, bias) pairs."""
    rows = embedding[characters]
    found = []
    for kernel, bias in convolutions:
        width = len(kernel)
        values = []
        for start in range(len(rows) - width + 1):
            total = bias.copy()
            for offset in range(width):
                total += rows[start + offset] @ kernel[offset]
            values.append(total)
        found += list(np.maximum(np.max(values, axis=0), 0.0))
    vector = np.array(found)
    for (transform, transform_bias), (gate, gate_bias) in highways:
        share = sigmoid(vector @ gate + gate_bias)
        changed = np.maximum(vector @ transform + transform_bias, 0.0)
        vector = share * changed + (1 - share) * vector
    return vector @ projection[0] + projection[1]


def projected_lstm(
    features, kernel, bias, recurrent, projection, cell_clip, output_clip, state=None
):
    """Outputs of one sequence, from its first row on, and the last state."""
    units, dim = projection.shape
    output, cell = (np.zeros(dim), np.zeros(units)) if state is None else state
    outputs = []
    for row in features:
        gates = row @ kernel + bias + output @ recurrent
        admit, keep, candidate, emit = (
            gates[number * units : (number + 1) * units] for number in range(4)
        )
        cell = sigmoid(keep) * cell + sigmoid(admit) * np.tanh(candidate)
        if cell_clip is not None:
            cell = np.clip(cell, -cell_clip, cell_clip)
        output = (sigmoid(emit) * np.tanh(cell)) @ projection
        if output_clip is not None:
            output = np.clip(output, -output_clip, output_clip)
        outputs.append(output)
    return np.array(outputs), (output, cell)


def scalar_mix(layers, scores, gamma, normalize=False):
    """Layers `(num_layers, length, dim)` of one text without padding."""
    weights = np.exp(scores) / np.exp(scores).sum()
    mixed = 0.0
    for weight, layer in zip(weights, layers, strict=True):
        if normalize:
            layer = (layer - layer.mean()) / np.sqrt(layer.var() + 1e-12)
        mixed = mixed + weight * layer
    return gamma * mixed


def language_model_layers(words, weights, max_characters, clips, skip_connections=True):
    """All layers of one sentence, `(layers, length, 2 * dim)`, and those with marks.

    `weights` has `embedding`, `convolutions`, `highways`, `projection`, and for either
    direction a list of (kernel, bias, recurrent, projection).
    """
    encoder = (
        weights[name]
        for name in ("embedding", "convolutions", "highways", "projection")
    )
    encoder = list(encoder)
    rows = sentence_of(words, max_characters)
    vectors = np.array([word_vector(row, *encoder) for row in rows])
    sides = {}
    for direction in ("forward", "backward"):
        layers = [vectors]
        for number, lstm in enumerate(weights[direction]):
            inputs = layers[-1]
            if direction == "forward":
                outputs, _ = projected_lstm(inputs, *lstm, *clips)
            else:
                outputs, _ = projected_lstm(inputs[::-1], *lstm, *clips)
                outputs = outputs[::-1]
            if number and skip_connections:
                outputs = outputs + inputs
            layers.append(outputs)
        sides[direction] = layers
    joined = [
        np.concatenate([forward, backward], axis=-1)[1:-1]
        for forward, backward in zip(*sides.values(), strict=True)
    ]
    return np.array(joined), sides


def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())
