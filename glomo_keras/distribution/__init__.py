"""Training on several devices and machines."""

from glomo_keras.distribution.strategies import STRATEGIES
from glomo_keras.distribution.strategies import is_chief
from glomo_keras.distribution.strategies import make_strategy
from glomo_keras.models.distributed_training import DistributedModel

__all__ = ["STRATEGIES", "DistributedModel", "is_chief", "make_strategy"]
