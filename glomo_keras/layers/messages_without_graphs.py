"""Messages along the graphs of a layer that never computes them."""

from keras import ops

from glomo_keras.ops.attention import squared_relu_attention


class MessagesWithoutGraphs:
    """What `SquaredReLUAffinity` offers where its graphs would be too large to hold."""

    def project(self, queries, keys, queries_mask=None, keys_mask=None):
        """Compute what the graphs come from, for messages without graphs.

        `attend` makes the messages of them that the graphs would give.

        Args:
            queries: as in the call, and so are the others.
            keys: float tensor.
            queries_mask: bool tensor or `None`.
            keys_mask: bool tensor or `None`.

        Returns:
            Dict of `queries` and `keys`, float tensors `(batch, num_graph_layers,
            num_heads, length, key_dim)`; and, if the threshold is `"scalar"` or
            `"query"`, of `threshold`, `(batch, num_graph_layers, num_heads, length)`;
            and with `position_bias`, of `bias`, numbers of all samples for each offset,
            `(1, num_graph_layers, num_heads, ...)`.

        Raises:
            ValueError: if the score rule is another one, or rows are cut at `top_k`.
        """
        self.check_attention()
        units = queries
        queries, keys, _, _ = self._project_both(queries, keys, queries_mask, keys_mask)
        factors = {"queries": queries, "keys": keys}
        if self._has_trained_threshold:
            zeros = ops.zeros_like(queries[..., 0])
            factors["threshold"] = zeros + self._threshold(queries)[..., 0]
        if self.position_bias is not None:
            factors["bias"] = ops.cast(self.distances(units), queries.dtype)
        return factors

    def attend(
        self,
        queries,
        keys,
        values,
        threshold=None,
        queries_mask=None,
        keys_mask=None,
        block_size=None,
        bias=None,
    ):
        """Compute messages along the graphs, without the graphs.

            messages[i] = sum_j graph[i, j] values[j]

        Args:
            queries: float tensor `(batch, ..., length, key_dim)`: what `project`
                returns, or one layer of it, and so are `keys`, `threshold` and `bias`.
            keys: float tensor of the same shape.
            values: float tensor `(batch, ..., length, value_dim)`.
            threshold: float tensor `(batch, ..., length)` if `project` returns one,
                and else `None`.
            queries_mask: bool tensor `(batch, length)`, `True` at real units, or
                `None`.
            keys_mask: bool tensor likewise, or `None`.
            block_size: int or None, receivers whose rows exist at a time: see
                `glomo_keras.ops.squared_relu_attention`.
            bias: float tensor `(1, ...)` if `project` returns one, and else `None`.

        Returns:
            Float tensor like `values`; 16-bit types come back as float32.

        Raises:
            ValueError: if `threshold` or `bias` is missing, or given where the layer
                trains none.

        Example:

        >>> affinity = glomo_keras.layers.SquaredReLUAffinity(1, num_heads=2, key_dim=5)
        >>> units = keras.random.normal((3, 7, 11), seed=0)
        >>> _ = affinity(units, units)  # which builds it
        >>> values = keras.ops.ones((3, 1, 2, 7, 13))
        >>> factors = affinity.project(units, units)
        >>> tuple(affinity.attend(values=values, **factors).shape)
        (3, 1, 2, 7, 13)
        """
        self._check_factor("threshold", threshold, self._has_trained_threshold)
        self._check_factor("bias", bias, self.position_bias is not None)
        return squared_relu_attention(
            queries,
            keys,
            values,
            self.threshold if self.threshold in ("mean", "entmax") else threshold,
            self.direction,
            queries_mask,
            keys_mask,
            block_size,
            None if bias is None else self.distances.spread(bias),
        )

    @property
    def attends(self):
        """Whether messages can be had without graphs."""
        return self.top_k is None and not self._has_own_rule

    def check_attention(self):
        """Raise ValueError where only the graphs themselves give the messages."""
        if not self.attends:
            raise ValueError(
                "Messages without graphs need the squared ReLU of whole rows. "
                f"Received: top_k={self.top_k}, and {type(self).__name__}.activate. "
                "Compute the graphs instead; in pretraining that is block_size=None."
            )

    def _check_factor(self, name, factor, is_trained):
        """Raise where `attend` does not get what `project` returns."""
        if is_trained != (factor is not None):
            expected = "be what `project` returns"
            if not is_trained:
                expected = "be None, since the layer trains none"
            raise ValueError(
                f"`{name}` must {expected}. Received: {name}="
                f"{'None' if factor is None else 'a tensor'}, for a layer with "
                f"threshold={self.threshold!r}, position_bias={self.position_bias}. "
                "Pass all that `project` returns."
            )
