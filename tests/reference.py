"""The method in slow, obvious NumPy, written from the paper's text.

Nothing here imports the library: loops over units, heads and steps, in float64,
so that a shared mistake is unlikely. Equations are those of Yang et al., 2018,
"GLoMo: Unsupervisedly Learned Relational Graphs as Transferable
Representations" (arXiv 1806.05662). Graphs are `[i, j]` = how much receiver i
reads from sender j, the transpose of the paper's.
"""

import numpy as np


# Graphs (eq. 1)
def visible_pairs(length, direction, queries_mask=None, keys_mask=None):
    """`[i, j]` is True where receiver i may read sender j; batched with a mask."""
    masks = [mask for mask in (queries_mask, keys_mask) if mask is not None]
    batch = len(masks[0]) if masks else 1
    visible = np.zeros((batch, length, length), bool)
    for b in range(batch):
        for i in range(length):
            for j in range(length):
                earlier = j < i if direction == "forward" else j > i
                sender = keys_mask is None or keys_mask[b][j]
                receiver = queries_mask is None or queries_mask[b][i]
                visible[b, i, j] = earlier and sender and receiver
    return visible if masks else visible[0]


def mean_visible_score(scores, visible):
    """Mean score of the visible senders of each receiver; zero without any."""
    visible = np.broadcast_to(visible, scores.shape)
    means = np.zeros(scores.shape[:-1] + (1,))
    for row in np.ndindex(scores.shape[:-1]):
        seen = [scores[row][j] for j in np.flatnonzero(visible[row])]
        means[row] = sum(seen) / len(seen) if seen else 0.0
    return means


def square_relu(score):
    return max(score, 0.0) ** 2


def entmax(scores, visible=None):
    """1.5-entmax of one row by halving an interval that holds the threshold."""
    weights = np.zeros(len(scores))
    seen = np.ones(len(scores), bool) if visible is None else np.asarray(visible)
    if not seen.any():
        return weights
    halves = scores[seen] / 2
    low, high = halves.max() - 1, halves.max()
    for _ in range(100):
        middle = (low + high) / 2
        if np.sum(np.maximum(halves - middle, 0) ** 2) > 1:
            low = middle
        else:
            high = middle
    weights[seen] = np.maximum(halves - low, 0) ** 2
    return weights


def affinity_graph(scores, visible, rule=square_relu, top_k=None):
    """Rule of every visible score, divided by the row's sum (or zeros)."""
    visible = np.broadcast_to(visible, scores.shape)
    graph = np.zeros(scores.shape)
    for row in np.ndindex(scores.shape[:-1]):
        senders = np.flatnonzero(visible[row])
        activations = {j: rule(float(scores[row][j])) for j in senders}
        if top_k is not None:
            kept = sorted(activations, key=activations.get, reverse=True)[:top_k]
            activations = {j: activations[j] for j in kept}
        total = sum(activations.values())
        for j, activation in activations.items():
            graph[row][j] = activation / total if total > 0 else 0.0
    return graph


def key_query_graphs(
    queries,
    keys,
    visible,
    query_kernels,
    key_kernels,
    query_biases=None,
    key_biases=None,
    thresholds="mean",
    rule=square_relu,
    top_k=None,
    scales=None,
    position_biases=None,
):
    """Graphs of every layer and head.

    Args:
        queries, keys: `(batch, length, dim)`.
        visible: `(batch, length, length)`.
        query_kernels, key_kernels: `(layers, dim, heads, key_dim)`.
        query_biases, key_biases: `(layers, heads, key_dim)` or None.
        thresholds: `"mean"`, `"entmax"`, None, or `(layers, batch, heads, receivers)`
            values that are subtracted from the scores.
        scales: `(layers, heads)`, by which scores are multiplied, or None.
        position_biases: function of layer, head, receiver and sender, or None.
    """
    num_layers, _, heads, key_dim = key_kernels.shape
    batch, length, _ = keys.shape
    graphs = np.zeros((batch, num_layers, heads, length, length))
    for b, layer, k in np.ndindex(batch, num_layers, heads):
        scores = np.zeros((length, length))
        for i in range(length):
            query = queries[b, i] @ query_kernels[layer, :, k]
            if query_biases is not None:
                query = query + query_biases[layer, k]
            for j in range(length):
                key = keys[b, j] @ key_kernels[layer, :, k]
                if key_biases is not None:
                    key = key + key_biases[layer, k]
                scores[i, j] = np.dot(query, key)
        if scales is not None:
            scores *= scales[layer, k]
        if position_biases is not None:
            for i, j in np.ndindex(length, length):
                scores[i, j] += position_biases(layer, k, i, j)
        seen = visible[b] if visible.ndim == 3 else visible
        if isinstance(thresholds, str) and thresholds == "entmax":
            rows = [entmax(scores[i], seen[i]) for i in range(length)]
            # The squares are what the rule gives, and their sum is one already.
            scores, rule = np.array(rows), float
        elif isinstance(thresholds, str):
            excess = scores - mean_visible_score(scores, seen)
            # One sender is its own mean: its row is empty by definition.
            alone = seen.sum(-1, keepdims=True) == 1
            scores = np.where(alone, 0.0, excess)
        elif thresholds is not None:
            scores = scores - thresholds[layer, b, k][:, None]
        graphs[b, layer, k] = affinity_graph(scores, seen, rule, top_k)
    return graphs


# Masked convolutions
def layer_normalization(features, gamma, beta, epsilon):
    result = np.zeros_like(features)
    for row in np.ndindex(features.shape[:-1]):
        mean = features[row].mean()
        variance = ((features[row] - mean) ** 2).mean()
        result[row] = (features[row] - mean) / np.sqrt(variance + epsilon)
    return result * gamma + beta


def masked_convolution(features, kernel, bias, direction):
    """Unit i sees itself and the `kernel_size - 1` units before (after) it.

    The last tap of the kernel is at the unit itself in both directions' own
    order of reading.
    """
    batch, length, _ = features.shape
    taps, _, filters = kernel.shape
    step = 1 if direction == "forward" else -1
    result = np.zeros((batch, length, filters))
    for b, i, tap in np.ndindex(batch, length, taps):
        source = i - step * (taps - 1 - tap)
        if 0 <= source < length:
            result[b, i] += features[b, source] @ kernel[tap]
    return result + bias


def convolution_stack(features, layers, direction, mask=None):
    """Layers of convolution, normalization and ReLU, zero at padding.

    `layers` holds dicts with `kernel` `(taps, in, out)`, `bias`, and, where
    there is a normalization, `gamma`, `beta`, `epsilon`, and for a stored
    (batch) normalization also `mean` and `variance`.
    """
    real = np.ones(features.shape[:-1], bool) if mask is None else np.asarray(mask)
    hidden = np.where(real[..., None], features, 0.0)
    for number, layer in enumerate(layers):
        kernel, bias = layer["kernel"], layer["bias"]
        if hidden.ndim == 4:
            above = kernel.shape[-2] // 2 if number else 0
            hidden = raster_convolution(hidden, kernel, bias, direction, above)
        else:
            hidden = masked_convolution(hidden, kernel, bias, direction)
        if "mean" in layer:
            scale = np.sqrt(layer["variance"] + layer["epsilon"])
            hidden = (hidden - layer["mean"]) / scale * layer["gamma"] + layer["beta"]
        elif "gamma" in layer:
            dim = hidden.shape[-1]
            # The channels of the rows above an image's pixel by themselves.
            border = dim - dim // 2 if hidden.ndim == 4 else dim
            hidden = np.concatenate(
                [
                    layer_normalization(
                        hidden[..., part],
                        layer["gamma"][part],
                        layer["beta"][part],
                        layer["epsilon"],
                    )
                    for part in (slice(0, border), slice(border, dim))
                    if part.stop > part.start
                ],
                axis=-1,
            )
        hidden = np.where(real[..., None], np.maximum(hidden, 0.0), 0.0)
    return hidden


def raster_convolution(features, kernel, bias, direction, num_above):
    """Convolution over the pixels before each one, itself included.

    Channels are of two kinds: of the current pixel, and, the last `num_above` of the
    features and the last half of the output, of the rows above alone.
    """
    if direction == "backward":
        turned = raster_convolution(
            features[:, ::-1, ::-1], kernel, bias, "forward", num_above
        )
        return turned[:, ::-1, ::-1]
    batch, height, width, dim = features.shape
    rows, columns, _, filters = kernel.shape
    output = np.zeros((batch, height, width, filters)) + bias
    for i, j, row, column, source, target in np.ndindex(
        height, width, rows, columns, dim, filters
    ):
        up, right = rows - 1 - row, column - columns // 2
        if not (0 <= i - up and 0 <= j + right < width):
            continue
        to_above = target >= filters - filters // 2
        if source < dim - num_above and up == 0 and (to_above or right > 0):
            continue
        value = features[:, i - up, j + right, source]
        output[:, i, j, target] += value * kernel[row, column, source, target]
    return output


# Composition and messages
def compose_graphs(graphs):
    """Index l is `G^{l+1} @ ... @ G^1`, head by head."""
    composed = np.zeros(graphs.shape)
    for b, k in np.ndindex(graphs.shape[0], graphs.shape[2]):
        product = np.eye(graphs.shape[-1])
        for layer in range(graphs.shape[1]):
            product = graphs[b, layer, k] @ product
            composed[b, layer, k] = product
    return composed


def propagate(features, graph):
    """Head k reads slice k of the features."""
    batch, length, dim = features.shape
    heads = graph.shape[1]
    size = dim // heads
    messages = np.zeros(features.shape)
    for b, k, i, j in np.ndindex(batch, heads, length, length):
        part = slice(k * size, (k + 1) * size)
        messages[b, i, part] += graph[b, k, i, j] * features[b, j, part]
    return messages


# Feature predictor (eq. 2)
def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def gru_cell(inputs, state, kernel, recurrent_kernel, bias):
    """Keras's GRU (`reset_after=True`): gates z, r, h; bias `(2, 3 * units)`."""
    units = state.shape[-1]
    from_inputs = inputs @ kernel + bias[0]
    from_state = state @ recurrent_kernel + bias[1]
    z, r, h = (slice(g * units, (g + 1) * units) for g in range(3))
    update = sigmoid(from_inputs[..., z] + from_state[..., z])
    reset = sigmoid(from_inputs[..., r] + from_state[..., r])
    candidate = np.tanh(from_inputs[..., h] + reset * from_state[..., h])
    return update * state + (1.0 - update) * candidate


def gru_propagation(features, graph, cell, message="plain", mask=None):
    """`f_{l+1} = GRU(message, f_l)`; `cell` is (kernel, recurrent, bias)."""
    messages = propagate(features, graph)
    if message == "product_concat":
        messages = np.concatenate([messages * features, messages], -1)
    updated = gru_cell(messages, features, *cell)
    return updated if mask is None else np.where(mask[..., None], updated, 0.0)


def residual_propagation(features, graph, kernel, bias, mask=None):
    """`f + concat over heads of G_k (W f)_k`."""
    updated = features + propagate(features @ kernel + bias, graph)
    return updated if mask is None else np.where(mask[..., None], updated, 0.0)


# Objective (eq. 3)
def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def context_targets(unit_ids, positions, context_length, direction, mask=None):
    """Ids of the next units of every position, nearest first, and which count."""
    batch, length = unit_ids.shape
    targets = np.zeros((batch, len(positions), context_length), int)
    valid = np.zeros(targets.shape, bool)
    for b, p, d in np.ndindex(targets.shape):
        t = positions[p]
        u = t + d + 1 if direction == "forward" else t - d - 1
        if 0 <= u < length and (mask is None or (mask[b, t] and mask[b, u])):
            targets[b, p, d], valid[b, p, d] = unit_ids[b, u], True
    return targets, valid


def context_log_likelihoods(
    features,
    unit_ids,
    table,
    cells,
    context_length,
    direction,
    first_input="unit",
    positions=None,
    mask=None,
    class_table=None,
    classes=None,
    two_level=False,
):
    """Log-likelihood of each of the next units of each position; 0 where none.

    An RNN of `len(cells)` GRU layers, all started from `f_t`, reads x_t (or
    zeros), x_{t+1}, ... and its top layer's output is scored against the table; or
    its class against the table of classes, and then with `two_level` the unit against
    the others of its class.
    """
    batch, length = unit_ids.shape
    positions = range(length) if positions is None else list(positions)
    targets, valid = context_targets(
        unit_ids, positions, context_length, direction, mask
    )
    result = np.zeros(targets.shape)
    for b, p in np.ndindex(batch, len(positions)):
        t = positions[p]
        states = [features[b, t] for _ in cells]
        entry = table[unit_ids[b, t]]
        if first_input == "zeros":
            entry = np.zeros(table.shape[-1])
        for d in range(context_length):
            if not valid[b, p, d]:
                break
            hidden = entry
            for layer, cell in enumerate(cells):
                hidden = states[layer] = gru_cell(hidden, states[layer], *cell)
            target = targets[b, p, d]
            if classes is None:
                result[b, p, d] = log_softmax(table @ hidden)[target]
            else:
                result[b, p, d] = log_softmax(class_table @ hidden)[classes[target]]
            if two_level:
                members = [
                    u for u in range(len(table)) if classes[u] == classes[target]
                ]
                result[b, p, d] += log_softmax(table[members] @ hidden)[
                    members.index(target)
                ]
            entry = table[targets[b, p, d]]
    return result


def pretraining_loss(log_likelihoods, valid):
    """Mean over directions of the mean over valid (position, step) pairs."""
    losses = [
        -log_likelihoods[direction][valid[direction]].sum() / valid[direction].sum()
        for direction in ("forward", "backward")
    ]
    return sum(losses) / 2


# Transfer
# Images
def scaled(levels):
    return np.asarray(levels, float) / 255 * 2 - 1


def window_cells(rows, columns, direction):
    """Cells of a context window: rows down and columns to the right, in order."""
    cells = []
    for row in range(rows):
        for column in range(columns):
            if (row, column) != (0, 0):
                cells.append((row, column))
    if direction == "backward":
        cells = [(-row, -column) for row, column in cells]
    return cells


def level_probability(parameters, level):
    """Of one channel: `parameters` are rows of weight logit, mean, log scale."""
    logits, means, log_scales = np.asarray(parameters, float).T
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    scales = np.exp(np.maximum(log_scales, -7.0))
    total = 0.0
    for weight, mean, scale in zip(weights, means, scales, strict=True):
        upper = (
            1.0 if level == 255 else sigmoid((scaled(level) + 1 / 255 - mean) / scale)
        )
        lower = 0.0 if level == 0 else sigmoid((scaled(level) - 1 / 255 - mean) / scale)
        total += weight * (upper - lower)
    return total


def window_log_likelihoods(
    features, pixels, cells_of_gru, reading, prediction, window, direction
):
    """Sums over channels of log p, `(batch, pixels, cells)`, 0 outside of the image.

    `features` `(batch, height * width, dim)`; `reading` and `prediction` are kernels
    and biases.
    """
    batch, height, width, channels = pixels.shape
    cells = window_cells(*window, direction)
    values = np.zeros((batch, height * width, len(cells)))
    valid = np.zeros((height * width, len(cells)), bool)
    for b, i, j in np.ndindex(batch, height, width):
        states = [features[b, i * width + j]] * len(cells_of_gru)
        previous = (i, j)
        for number, (down, right) in enumerate(cells):
            # A cell outside was read as some pixel: what follows it is conditioned on
            # the nearest pixel of the image.
            hidden = (
                scaled(pixels[b, previous[0], previous[1]]) @ reading[0] + reading[1]
            )
            for layer, cell in enumerate(cells_of_gru):
                states[layer] = gru_cell(hidden, states[layer], *cell)
                hidden = states[layer]
            row, column = i + down, j + right
            previous = (
                min(max(row, 0), height - 1),
                min(max(column, 0), width - 1),
            )
            if (row, column) != previous:
                continue
            parameters = (hidden @ prediction[0] + prediction[1]).reshape(
                channels, -1, 3
            )
            valid[i * width + j, number] = True
            values[b, i * width + j, number] = sum(
                np.log(level_probability(parameters[c], pixels[b, row, column, c]))
                for c in range(channels)
            )
    return values, valid


def mixture_terms(graphs, composed):
    """`G^1..G^L`, then `Lambda^2..Lambda^L`: `(batch, terms, heads, n, n)`."""
    if not composed:
        return graphs
    return np.concatenate([graphs, compose_graphs(graphs)[:, 1:]], axis=1)


def mixture_weights(logits):
    """One softmax over all terms and heads of each mixture.

    `logits` `(..., mixtures, terms, heads)`.
    """
    weights = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape[:-2]):
        flat = np.exp(logits[index] - logits[index].max())
        weights[index] = flat / flat.sum()
    return weights


def mix_graphs(graphs, weights, composed):
    """`M[m, i, j]` = sum over terms and heads of `weights[i, m] * term[i, j]`."""
    terms = mixture_terms(graphs, composed)
    batch, num_terms, heads, length, _ = terms.shape
    mixtures = weights.shape[2]
    weights = np.broadcast_to(weights, (batch, length, mixtures, num_terms, heads))
    mixed = np.zeros((batch, mixtures, length, length))
    for b, m, i, t, k in np.ndindex(batch, mixtures, length, num_terms, heads):
        mixed[b, m, i] += weights[b, i, m, t, k] * terms[b, t, k, i]
    return mixed


def propagate_mixed(features, mixed):
    """Messages of every mixture, one beside the other."""
    batch, mixtures, _, _ = mixed.shape
    return np.stack(
        [
            np.concatenate([mixed[b, m] @ features[b] for m in range(mixtures)], -1)
            for b in range(batch)
        ]
    )


def gated_fusion(features, messages, linear, gate, mask=None):
    """`concat[H, W1 [H; m] * sigmoid(W2 [H; m])]`; each W is (kernel, bias)."""
    both = np.concatenate([features, messages], -1)
    change = (both @ linear[0] + linear[1]) * sigmoid(both @ gate[0] + gate[1])
    fused = np.concatenate([features, change], -1)
    return fused if mask is None else np.where(mask[..., None], fused, 0.0)


def row_specificity(graph, visible):
    """Distance of each row to what the other rows read of the senders it sees."""
    length = len(graph)
    seen = [[j for j in range(length) if visible[i, j]] for i in range(length)]
    shares = {}
    for i in range(length):
        total = sum(graph[i, j] for j in seen[i])
        if total > 0:
            shares[i] = {j: graph[i, j] / total for j in seen[i]}
    distances = np.zeros(length)
    for i in shares:
        salience = {}
        for j in seen[i]:
            lifts = [
                shares[k][j] * len(seen[k]) for k in shares if k != i and j in shares[k]
            ]
            salience[j] = np.mean(lifts) if lifts else shares[i][j] * len(seen[i])
        total = sum(salience.values())
        for j in seen[i]:
            expected = salience[j] / total if total else 1 / len(seen[i])
            distances[i] += abs(shares[i][j] - expected) / 2
    return distances


def relation_counts(graphs, visible, distances=None):
    """Sums over rows, by name: arrays `(batch, layers, heads)`."""
    length = graphs.shape[-1]
    sums = {}
    for place in np.ndindex(graphs.shape[:3]):
        graph = graphs[place]
        pairs = visible[place[0]] if visible.ndim == 3 else visible
        specificity = row_specificity(graph, pairs)
        for i in range(length):
            senders = np.flatnonzero(pairs[i])
            if not graph[i, senders].sum() > 0:
                continue
            shares = graph[i, senders] / graph[i, senders].sum()
            away = abs(i - senders) if distances is None else distances[i, senders]
            row = {
                "specificity": specificity[i] if len(senders) > 1 else 0.0,
                "choosing_rows": len(senders) > 1,
                "effective_senders": 1 / (shares**2).sum(),
                "visible_senders": len(senders),
                "reading_rows": 1,
                **{f"within_{n}": shares[away <= n].sum() for n in (1, 4, 16)},
            }
            for name, value in row.items():
                sums.setdefault(name, np.zeros(graphs.shape[:3]))[place] += value
    return sums
