"""Requests that TF Serving replays before it says that a model is ready."""

import pathlib

import tensorflow as tf

from glomo_keras.export.archive_reading import load_archive
from glomo_keras.files import atomic_write
from glomo_keras.strings import check_string_list

FILE = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"


def write_warm_up(archive, texts, signatures=("serve", "top_senders")):
    """Add warm-up requests to an archive of strings, beside those that it has.

    The first request of a shape is slow, because memory is allocated and kernels are
    chosen; with warm-up requests no client waits for that. Texts of several lengths
    take a call each.

    Args:
        archive: path of an archive, `DIRECTORY/NAME/VERSION`, whose signatures take
            `text`.
        texts: list of strings, sent as one request to each signature.
        signatures: list of strings, names of signatures.

    Returns:
        Path of the file in the archive, a `pathlib.Path`.

    Raises:
        ImportError: if the packages of the extra `serving` are not installed.
        FileNotFoundError: if there is no archive.
        ValueError: if a signature is not there or takes no text, the archive is
            damaged, or one string is given in place of a list.
    """
    try:
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            'write_warm_up needs the extra "serving": pip install '
            '"glomo_keras[serving]"'
        ) from error
    check_string_list("texts", texts)
    check_string_list("signatures", signatures)
    if len(texts) == 0:
        raise ValueError("`texts` must hold at least one string. Received none.")
    known = load_archive(archive).signatures
    archive = pathlib.Path(archive)
    texts = tf.constant(list(texts), tf.string)
    for name in signatures:
        inputs = set()
        if name in known:
            inputs = set(known[name].structured_input_signature[1])
        if inputs != {"text"}:
            raise ValueError(
                f"{archive} must have a signature {name!r} that takes text. It has: "
                f"{sorted(known)}."
            )
        known[name](text=texts)  # a request that fails would stop the server
    path = archive / FILE
    path.parent.mkdir(exist_ok=True)
    records = []
    if path.exists():
        records = [*tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
    for name in signatures:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = archive.parent.name
        request.model_spec.signature_name = name
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts.numpy(), tf.string))
        log = prediction_log_pb2.PredictLog(request=request)
        record = prediction_log_pb2.PredictionLog(predict_log=log)
        records.append(record.SerializeToString(deterministic=True))
    with (
        atomic_write(path) as temporary,
        tf.io.TFRecordWriter(str(temporary)) as writer,
    ):
        for record in dict.fromkeys(records):
            writer.write(record)
    return path
