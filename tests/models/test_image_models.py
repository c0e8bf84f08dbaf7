"""Graph predictor and pretrainer of images."""

import keras
import numpy as np
import pytest
import reference_models
import registry
from keras import ops

from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ImageGraphPredictor

PREDICTOR = {
    "filters": 15,
    "num_graph_layers": 2,
    "num_heads": 3,
    "key_dim": 5,
    "num_convolutions": 2,
    "position_bias": 2,
}
MEAN = {"threshold": "mean", "position_bias": None}
RULES = {"default": {}, "mean": MEAN, "query": {"threshold": "query"}}
DIRECTIONS = ("forward", "backward")
EAGER = {"run_eagerly": keras.backend.backend() == "tensorflow"}


def predictor_for(random, **arguments):
    predictor = ImageGraphPredictor(**{**PREDICTOR, **arguments})
    registry.randomize(predictor, random)
    return predictor


def pretrainer_for(random, dtype="float32", size=(5, 7), **arguments):
    predictor = ImageGraphPredictor(**PREDICTOR, dtype=dtype)
    pretrainer = ImageGLoMoPretrainer(predictor, dtype=dtype, **arguments)
    pretrainer.build((None, *size, 3))
    registry.randomize(pretrainer, random)
    return pretrainer


def images_for(random, height=5, width=7, count=2):
    return random.integers(0, 256, (count, height, width, 3)).astype("uint8")


def arrays(outputs):
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def test_pencil_on_two_by_two():
    # No convolution beyond the pixel, identity weights: key and query of a pixel are
    # relu of its three channels from -1 to 1, here 0 or 1.
    predictor = ImageGraphPredictor(
        3,
        1,
        1,
        3,
        num_convolutions=1,
        kernel_size=1,
        normalization=None,
        threshold=None,
        position_bias=None,
    )
    # The second channel of the convolution is of the current pixel; the third knows
    # of rows above alone, of which a kernel of one pixel sees none.
    kernel = np.eye(3)[None, None]
    for direction in DIRECTIONS:
        network = predictor.get_layer(f"{direction}_network")
        network.set_weights([kernel, np.zeros(3)] * 2)
        affinity = predictor.get_layer(f"{direction}_affinity")
        affinity.set_weights([np.eye(3), np.eye(3)])
    red, green, both, black = (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 0)
    image = np.array([[[red, both], [green, both]]], "uint8")
    # Scores of both with red, both, green: 1, 2, 1; of green with red, both: 0, 1.
    # Squares: 1, 4, 1.
    forward = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1 / 6, 4 / 6, 1 / 6, 0]]
    backward = [[0, 0.5, 0, 0.5], [0, 0, 0.2, 0.8], [0, 0, 0, 1], [0, 0, 0, 0]]
    graphs = arrays(predictor(image))
    np.testing.assert_allclose(graphs["forward"][0, 0, 0], forward, atol=1e-6)
    np.testing.assert_allclose(graphs["backward"][0, 0, 0], backward, atol=1e-6)
    nothing = predictor(np.array([[[black] * 2] * 2], "uint8"))
    assert not arrays(nothing)["forward"].any()


@pytest.mark.parametrize("rule", RULES)
def test_graphs_equal_reference(precision, random, rule):
    predictor = predictor_for(random, **RULES[rule], dtype=precision.dtype)
    images = images_for(random)
    expected = reference_models.image_graphs_of(predictor, images)
    for direction, graphs in predictor(images).items():
        graphs = ops.convert_to_numpy(graphs)
        assert graphs.dtype == precision.dtype
        # Rounding of keys is amplified where a score is near its threshold.
        np.testing.assert_allclose(
            graphs, expected[direction], atol=20 * precision.tolerance
        )


@pytest.mark.parametrize("block_size", [None, 4])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rule", [{}, MEAN], ids=["default", "mean"])
def test_no_leak(random, training, block_size, rule):
    size = tuple(int(n) for n in random.integers(3, 6, 2))
    predictor = ImageGraphPredictor(**{**PREDICTOR, **rule}, dropout=0.2)
    pretrainer = ImageGLoMoPretrainer(predictor, block_size=block_size)
    pretrainer.build((None, *size, 3))
    registry.randomize(pretrainer, random)
    images = images_for(random, *size, count=1)
    states = [(v, v.numpy()) for v in pretrainer.non_trainable_variables]

    def rows(images):
        """Graphs and features, by direction: arrays `(pixels, ...)`."""
        for variable, value in states:  # the same units are dropped
            variable.assign(value)
        features, graphs = pretrainer.feature_predictor(images, training=training)
        for direction in DIRECTIONS:
            rows = np.moveaxis(ops.convert_to_numpy(graphs[direction])[0], 2, 0)
            layers = [ops.convert_to_numpy(f)[0] for f in features[direction]]
            yield direction, [rows, *layers]

    before = dict(rows(images))
    later_rows = {direction: 0 for direction in DIRECTIONS}
    for number, place in enumerate(np.ndindex(*size)):
        changed = images.copy()
        changed[(0, *place)] ^= 128
        for direction, after in rows(changed):
            for one, other in zip(before[direction], after, strict=True):
                moved = (one != other).reshape(len(one), -1).any(axis=1)
                earlier, later = moved[:number], moved[number + 1 :]
                if direction == "backward":
                    earlier, later = later, earlier
                assert not earlier.any()
                if one is before[direction][0]:
                    later_rows[direction] += later.sum()
    assert min(later_rows.values()) > size[0] * size[1]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_levels_are_read_whatever_their_dtype(random, dtype):
    predictor, images = predictor_for(random), images_for(random)
    expected = arrays(predictor(images))
    levels = images.astype(dtype)
    affinity = predictor.affinity("forward")
    projected = predictor.project(levels)["forward"]
    identity = np.eye(35, dtype="float32")[None, None, None]
    identity = np.broadcast_to(identity, (2, 2, 3, 35, 35))
    for found in (
        predictor(levels)["forward"],
        affinity.attend(values=identity, **projected),
    ):
        found = ops.convert_to_numpy(found)
        np.testing.assert_allclose(found, expected["forward"], atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 5, 7, 3), (2, 1, 1, 3)])
@pytest.mark.parametrize("block_size", [None, 4])
def test_empty_batches_and_single_pixels(random, shape, block_size):
    pretrainer = pretrainer_for(random, size=shape[1:3], block_size=block_size)
    outputs = pretrainer(np.zeros(shape, "uint8"))
    assert outputs["forward"].shape == (shape[0], shape[1] * shape[2], 8)
    for count in arrays(outputs["counts"]).values():
        assert np.isfinite(count).all()


def test_rows_sum_to_one_or_zero(random):
    for graphs in arrays(predictor_for(random)(images_for(random, 8, 8))).values():
        sums = graphs.sum(axis=-1)
        assert np.all((np.abs(sums - 1) < 1e-5) | (sums == 0))
        assert (sums == 0).mean() < 0.1


@pytest.mark.parametrize("block_size", [None, 4])
def test_likelihoods_equal_reference(precision, random, block_size):
    pretrainer = pretrainer_for(
        random,
        precision.dtype,
        context_window=(2, 3),
        num_decoder_layers=2,
        num_logistics=2,
        block_size=block_size,
    )
    images = images_for(random)
    values, valid = reference_models.image_log_likelihoods_of(pretrainer, images)
    outputs = arrays(pretrainer(images))
    for direction in DIRECTIONS:
        np.testing.assert_array_equal(
            outputs[f"{direction}_valid"][0], valid[direction]
        )
        found = outputs[direction]
        assert found.dtype == precision.dtype
        np.testing.assert_allclose(
            found, values[direction], rtol=1e3 * precision.tolerance
        )
    loss = -np.mean(
        [values[d].sum() / (len(images) * valid[d].sum()) for d in DIRECTIONS]
    )
    found = pretrainer.compute_loss(x=images, y_pred=outputs)
    assert float(found) == pytest.approx(loss, rel=1e3 * precision.tolerance)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"position_bias": None},
        {"normalization": "batch"},
        MEAN,
        {"threshold": "mean"},
        {"threshold": "scalar"},
    ],
    ids=str,
)
def test_blocks_train_as_whole_graphs_do(random, arguments):
    images, weights, trained = images_for(random, 3, 4), None, []
    small = {**PREDICTOR, "num_graph_layers": 1, "num_convolutions": 1, **arguments}
    for block_size in (None, 6):
        predictor = ImageGraphPredictor(**small)
        pretrainer = ImageGLoMoPretrainer(predictor, block_size=block_size)
        pretrainer.build((None, *images.shape[1:]))
        if weights is None:
            registry.randomize(pretrainer, random)
            weights = pretrainer.get_weights()
        pretrainer.set_weights(weights)
        pretrainer.compile(keras.optimizers.SGD(0.1), **EAGER)
        pretrainer.train_on_batch(images)
        trained.append(pretrainer.get_weights())
    for whole, blocks in zip(*trained, strict=True):
        np.testing.assert_allclose(blocks, whole, atol=1e-5)
    pairs = zip(trained[0], weights, strict=True)
    moved = [not np.allclose(*pair, atol=1e-4) for pair in pairs]
    assert np.mean(moved) > 0.5


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_it_learns_and_reports_bits(random, policy):
    images = np.repeat(images_for(random, 4, 6, count=1), 4, axis=0)
    pretrainer = pretrainer_for(random, policy, (4, 6), block_size=12, num_positions=9)
    pretrainer.compile(keras.optimizers.Adam(0.02), **EAGER)
    logs = pretrainer.fit(images, epochs=3, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())
    assert logs["bits"][-1] < logs["bits"][0]
    evaluated = pretrainer.evaluate(images, verbose=0, return_dict=True)
    # The loss is in nats a pixel of three channels.
    bits = evaluated["loss"] / (3 * np.log(2))
    assert evaluated["bits"] == pytest.approx(bits, rel=1e-3)
    assert evaluated["dead_heads"] == 0


def test_it_is_saved_with_its_optimizer(random, tmp_path):
    images = images_for(random, 4, 6)
    pretrainer = pretrainer_for(random, size=(4, 6), context_window=(2, 2))
    pretrainer.compile("adam", **EAGER)
    pretrainer.fit(images, verbose=0)
    pretrainer.save(tmp_path / "pretrainer.keras")
    reloaded = keras.saving.load_model(tmp_path / "pretrainer.keras")
    assert reloaded.get_config() == pretrainer.get_config()
    found, expected = arrays(reloaded(images)), arrays(pretrainer(images))
    for direction in DIRECTIONS:
        np.testing.assert_allclose(found[direction], expected[direction], rtol=1e-5)
    pairs = zip(
        reloaded.optimizer.variables, pretrainer.optimizer.variables, strict=True
    )
    moments = [
        np.abs(found.numpy() - expected.numpy()).max() for found, expected in pairs
    ]
    assert len(moments) > 2 * len(pretrainer.trainable_variables)
    assert max(moments) == 0


def test_the_predictor_is_a_preset(random, tmp_path):
    predictor = predictor_for(random)
    predictor.save_to_preset(tmp_path / "pixels")
    reloaded = ImageGraphPredictor.from_preset(tmp_path / "pixels")
    images = images_for(random)
    expected = arrays(predictor(images))
    for direction, graphs in arrays(reloaded(images)).items():
        np.testing.assert_array_equal(graphs, expected[direction])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"block_size": 0}, ValueError, "`block_size` must be a positive integer"),
        ({"block_size": 2.5}, TypeError, "`block_size` must be a positive integer"),
        ({"block_size": 4, "top_k": 3}, ValueError, "block_size=None"),
    ],
)
def test_blocks_that_cannot_be(arguments, error, message):
    predictor = ImageGraphPredictor(**PREDICTOR, top_k=arguments.pop("top_k", None))
    with pytest.raises(error, match=message):
        ImageGLoMoPretrainer(predictor, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0}, "`num_heads` must be a positive integer"),
        ({"channels": 0}, "`channels` must be a positive integer"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"filters": 3, "num_heads": 1}, "leaves nothing of less than 4 `filters`"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageGraphPredictor(**{**PREDICTOR, **arguments})


def test_a_pretrainer_takes_a_predictor_of_images():
    with pytest.raises(TypeError, match="of the class `ImageGraphPredictor`.*'x' of"):
        ImageGLoMoPretrainer("x")


@pytest.mark.parametrize("context_window", [3, (3,), (1, 1)])
def test_a_window_is_rows_and_columns(context_window):
    with pytest.raises(ValueError, match="`context_window` must be rows and columns"):
        ImageGLoMoPretrainer(
            ImageGraphPredictor(**PREDICTOR), context_window=context_window
        )


def test_heads_must_divide_the_features(random):
    with pytest.raises(ValueError, match="must divide `dim`.*num_heads=3, dim=16"):
        ImageGLoMoPretrainer(ImageGraphPredictor(**PREDICTOR), dim=16)


def test_the_pretrainer_takes_the_policy_of_the_predictor():
    predictor = ImageGraphPredictor(filters=12, num_heads=3, dtype="mixed_float16")
    pretrainer = ImageGLoMoPretrainer(predictor)
    assert pretrainer.dtype_policy.name == "mixed_float16"
    pretrainer.compile("adam")
    assert isinstance(pretrainer.optimizer, keras.optimizers.LossScaleOptimizer)
