"""Optimizers for models whose vocabulary is large."""

from glomo_keras.optimizers.lazy_adam import LazyAdam

__all__ = ["LazyAdam"]
