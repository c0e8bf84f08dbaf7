"""The score rules that programs choose by name: predictors of texts and of images."""

from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import ablations

PREDICTORS = {
    "learned": GraphPredictor,
    "softmax": ablations.SoftmaxGraphPredictor,
    "square": ablations.SquareGraphPredictor,
    "uniform": ablations.UniformGraphPredictor,
    "zeros": ablations.EmptyGraphPredictor,
}

IMAGE_PREDICTORS = {
    "learned": ImageGraphPredictor,
    "uniform": ablations.UniformImageGraphPredictor,
    "zeros": ablations.EmptyImageGraphPredictor,
}
