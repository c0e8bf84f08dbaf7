"""Training on several devices and machines."""

from glomo_keras.distribution.distributed_training import DistributedModel
from glomo_keras.distribution.distributed_training import DistributedTraining
from glomo_keras.distribution.strategies import STRATEGIES
from glomo_keras.distribution.strategies import is_chief
from glomo_keras.distribution.strategies import make_strategy

__all__ = [
    "STRATEGIES",
    "DistributedModel",
    "DistributedTraining",
    "is_chief",
    "make_strategy",
]
