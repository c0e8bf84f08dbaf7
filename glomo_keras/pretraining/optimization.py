"""The optimizer of a run: a rate that rises to its highest and falls along a cosine."""

import keras

# The defaults of every program, of Adam.
LEARNING_RATE = 0.003
WARMUP = 200
CLIP_NORM = 1.0


def warmup_and_cosine(highest, steps, warmup):
    """Return a rate that rises to its highest, in a fifth of all steps at most.

    Example:

    >>> rate = warmup_and_cosine(0.5, steps=100, warmup=200)
    >>> [round(float(rate(step)), 3) for step in (0, 10, 20, 100)]
    [0.0, 0.25, 0.5, 0.025]
    """
    warmup = min(warmup, steps // 5)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - warmup),
        alpha=0.05,
        warmup_target=highest,
        warmup_steps=warmup,
    )


def compile_pretrainer(
    pretrainer, settings, make_optimizer=keras.optimizers.Adam, jit_compile=True
):
    """Compile a model for all steps of a run.

    Args:
        pretrainer: the model.
        settings: `RunSettings`.
        make_optimizer: function of the rate and of `global_clipnorm`.
        jit_compile: bool, whether XLA compiles it: batches have one shape.
    """
    steps = settings.epochs * settings.steps_per_epoch
    rate = warmup_and_cosine(settings.learning_rate, steps, settings.warmup)
    optimizer = make_optimizer(rate, global_clipnorm=settings.clip_norm)
    pretrainer.compile(optimizer, jit_compile=jit_compile)
    # Or else TensorFlow traces the first step twice, with and without making these.
    pretrainer.optimizer.build(pretrainer.trainable_variables)
