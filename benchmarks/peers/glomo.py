"""The authors' program in plain PyTorch: dense graphs, parameters by its names.

Written from the same mathematics as the library's released choices, the way a PyTorch
user would: every graph is a tensor, logits are of the whole vocabulary. `state_dict()`
goes into `glomo_keras.models.released.pretrainer_from_released`.
"""

import torch
from torch import nn
from torch.nn import functional

SUFFIXES = ("fw", "bw")
CONTEXT_LENGTH = 3


class StructurePredictor(nn.Module):
    """Graphs of one direction, and the GRU cell that features are updated by."""

    def __init__(self, dim, num_layers, num_heads, backward):
        super().__init__()
        self.num_heads, self.backward = num_heads, backward
        self.key_cnn, self.query_cnn = (
            nn.ModuleList(
                nn.ModuleList([nn.Conv1d(dim, dim, 3), nn.BatchNorm1d(dim)])
                for _ in range(4)
            )
            for _ in range(2)
        )
        # Keys and queries of half the features, divided among the heads.
        size = dim // 2
        self.key_dot_trans, self.query_dot_trans = (
            nn.ModuleList(nn.Linear(dim, size) for _ in range(num_layers))
            for _ in range(2)
        )
        self.sparse_trans = nn.ModuleList(
            nn.Linear(size // num_heads, 1) for _ in range(num_layers)
        )
        self.gru_cell = nn.GRUCell(2 * dim, dim)

    def forward(self, embedded):
        keys = self.convolve(self.key_cnn, embedded)
        queries = self.convolve(self.query_cnn, embedded)
        length = embedded.shape[1]
        visible = torch.ones(length, length, dtype=torch.bool)
        visible = visible.triu(1) if self.backward else visible.tril(-1)
        graphs = []
        for to_keys, to_queries, to_threshold in zip(
            self.key_dot_trans, self.query_dot_trans, self.sparse_trans, strict=True
        ):
            heads_of_queries = self.split(to_queries(queries))
            scores = heads_of_queries @ self.split(to_keys(keys)).transpose(-1, -2)
            scores = scores - to_threshold(heads_of_queries)
            squares = torch.relu(scores) ** 2 * visible
            graphs.append(squares / (squares.sum(-1, keepdim=True) + 1e-16))
        return graphs

    def convolve(self, stack, embedded):
        hidden = embedded.transpose(1, 2)
        for convolution, normalization in stack:
            weight, padding = convolution.weight, (2, 0)
            if self.backward:
                weight, padding = weight.flip(2), (0, 2)
            hidden = functional.pad(hidden, padding)
            hidden = functional.conv1d(hidden, weight, convolution.bias)
            hidden = torch.relu(normalization(hidden))
        return hidden.transpose(1, 2)

    def split(self, units):
        batch, length, _ = units.shape
        return units.view(batch, length, self.num_heads, -1).transpose(1, 2)

    def propagate(self, features, graphs):
        for graph in graphs:
            messages = (graph @ self.split(features)).transpose(1, 2)
            messages = messages.reshape(features.shape)
            inputs = torch.cat([messages * features, messages], -1)
            dim = features.shape[-1]
            updated = self.gru_cell(inputs.view(-1, 2 * dim), features.reshape(-1, dim))
            features = updated.view(features.shape)
        return features


class Decoder(nn.Module):
    """The GRU that reads the units around a position."""

    def __init__(self, dim):
        super().__init__()
        self.rnn_fw = nn.GRU(dim, dim, num_layers=2, batch_first=True)


class GLoMo(nn.Module):
    """Embeddings, graphs, features and decoders of both directions."""

    def __init__(self, vocabulary_size, dim, num_layers=3, num_heads=8):
        super().__init__()
        self.enc_emb = nn.Embedding(vocabulary_size, dim)
        nn.init.normal_(self.enc_emb.weight, std=dim**-0.5)
        for suffix in SUFFIXES:
            predictor = StructurePredictor(dim, num_layers, num_heads, suffix == "bw")
            self.add_module(f"st_predictor_{suffix}", predictor)
            self.add_module(f"dec_net_{suffix}", Decoder(dim))

    def graphs(self, unit_ids):
        """Return the graphs of both directions."""
        embedded = self.enc_emb(unit_ids)
        return [
            getattr(self, f"st_predictor_{suffix}")(embedded) for suffix in SUFFIXES
        ]

    def features(self, unit_ids, graphs):
        """Return the features of both directions."""
        embedded = self.enc_emb(unit_ids)
        return [
            getattr(self, f"st_predictor_{suffix}").propagate(embedded, graph)
            for suffix, graph in zip(SUFFIXES, graphs, strict=True)
        ]

    def loss(self, unit_ids, positions):
        """Return the mean of -log p over the units around the positions."""
        features = self.features(unit_ids, self.graphs(unit_ids))
        losses = [
            self.decode(unit_ids, positions, of_direction, suffix)
            for suffix, of_direction in zip(SUFFIXES, features, strict=True)
        ]
        return sum(losses) / 2

    def decode(self, unit_ids, positions, features, suffix):
        """Return the mean of -log p of a direction."""
        batch, length = unit_ids.shape
        steps = torch.arange(1, CONTEXT_LENGTH + 1)
        steps = steps if suffix == "fw" else -steps
        places = positions[:, None] + steps
        valid = (places >= 0) & (places < length)
        targets = unit_ids[:, places.clamp(0, length - 1)].reshape(-1, CONTEXT_LENGTH)
        first = features[:, positions].reshape(-1, features.shape[-1])
        read = functional.pad(self.enc_emb(targets[:, :-1]), (0, 0, 1, 0))
        rnn = getattr(self, f"dec_net_{suffix}").rnn_fw
        outputs, _ = rnn(read, first.expand(2, *first.shape).contiguous())
        logits = outputs @ self.enc_emb.weight.T
        targets = torch.where(valid.repeat(batch, 1), targets, -100)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
