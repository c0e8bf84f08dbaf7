"""A graph predictor of images as a SavedModel in TF Serving's layout."""

import tensorflow as tf

from glomo_keras.export.archive_endpoints import cast_outputs
from glomo_keras.export.archive_endpoints import top_senders_endpoint
from glomo_keras.export.archives import Archive
from glomo_keras.export.archives import check_exported_model
from glomo_keras.export.archives import model_identity
from glomo_keras.export.archives import write_archives
from glomo_keras.export.limits import Limits
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor


def export_image_graph_predictor(
    predictor,
    directory,
    *,
    name="glomo_image",
    version=None,
    num_senders=4,
    limits=None,
):
    """Write an image graph predictor as a SavedModel that needs TensorFlow alone.

    The archive is `DIRECTORY/NAME/VERSION`. Its signatures take `images`, uint8
    `(batch, height, width, channels)`, batch and size free:

    - `serve` (and `serving_default`): `forward` and `backward`, float32
      `(batch, layers, heads, height * width, height * width)`.
    - `top_senders`: the strongest senders of every pixel: `forward_senders`,
      `backward_senders`, int32 `(batch, layers, heads, height * width, num_senders)`,
      pixels in raster order, -1 where there are fewer, and `forward_weights`,
      `backward_weights`, float32.

    Args:
        predictor: an `ImageGraphPredictor`.
        directory: path of the folder of models.
        name: string, of the model.
        version: int or `None`. `None` takes the one after the highest that is there,
            which must be of a predictor with the same arguments.
        num_senders: int, senders that `top_senders` returns.
        limits: `Limits` of a request, of which those of the batch and of the units,
            the pixels, hold here. `None` means the default ones: 64 images of 256.

    Returns:
        Dict of `images`, the path of the archive, a string.

    Raises:
        ValueError: if an argument is out of its range, or the version is there
            already or of another predictor.
        TypeError: if it is no `ImageGraphPredictor`, or a number is no integer.
        OSError: if there is no room for the archive; nothing is written then.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import ImageGraphPredictor
    >>> predictor = ImageGraphPredictor(16, num_graph_layers=1, num_convolutions=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = export_image_graph_predictor(predictor, folder)
    ...     serve = tf.saved_model.load(paths["images"]).signatures["serve"]
    ...     graphs = serve(images=tf.zeros((2, 3, 5, 3), tf.uint8))
    >>> graphs["forward"].shape.as_list()
    [2, 1, 8, 15, 15]
    """
    check_exported_model("predictor", predictor, ImageGraphPredictor)
    limits = limits or Limits()

    def serve(images):
        return cast_outputs(predictor(images, training=False))

    shape = (None, None, None, predictor.channels)
    archive = Archive(
        name=name,
        inputs=[tf.TensorSpec(shape, tf.uint8, name="images")],
        check=limits.images,
        endpoints={
            "serve": serve,
            "top_senders": top_senders_endpoint(serve, num_senders),
        },
        tracked=[predictor],
    )
    identity = model_identity(predictor)
    return write_archives(directory, {"images": archive}, version, identity)
