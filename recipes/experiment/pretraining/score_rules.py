"""The predictors that programs choose by name, of texts and of images."""

from glomo_keras.models import CoupledGraphPredictor
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import ablations

PREDICTORS = {
    "learned": GraphPredictor,
    "coupled": CoupledGraphPredictor,
    "abstaining": ablations.AbstainingGraphPredictor,
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
