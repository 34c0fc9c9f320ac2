"""As `operations`: the operations that networks are built of and trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import Generator
from tinygrad_cv.optional import require
from tinygrad_cv.testing.samples import Sample, beside, calls, labelled, shapes
from tinygrad_cv.testing.strategies import arrays

if TYPE_CHECKING:
    from hypothesis import strategies as st

    from tinygrad_cv.testing.samples import Draw, Fn, Sampler
else:
    st = require("hypothesis.strategies", extra="test")

REDUCTION = {"reduction": st.sampled_from(["mean", "sum", "none"])}
PROBABILITY: dict[str, Any] = {"low": 0.1, "high": 0.9}


def probabilities(draw: Draw, fn: Fn) -> Sample:
    """Two arrays of numbers between 0 and 1."""
    inputs = tuple([draw(arrays((2, 3), **PROBABILITY)) for _ in range(2)])
    reduction = draw(REDUCTION["reduction"])
    return Sample(lambda x, t: fn(x, t, reduction=reduction), inputs)


def variances(draw: Draw, fn: Fn) -> Sample:
    """Means, numbers and variances."""
    inputs = draw(arrays((2, 2))), draw(arrays((2, 2))), draw(arrays((2, 2), low=0.5, high=3.0))
    return Sample(lambda x, t, v: fn(x, t, v, full=True), inputs)


def with_labels(**settings: Any) -> Sampler:
    """Scores (2, 3) in general position and labels."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        labels = draw(arrays((2,), dtype="int64", low=0, high=2))
        options = {name: draw(values) for name, values in settings.items()}
        scores = draw(arrays((2, 3), distinct=True, low=-3, high=3))
        return Sample(lambda x: fn(x, beside(x, labels), **options), (scores,))

    return sample


def with_signs(*sizes: Any, signs: Any) -> Sampler:
    """Arrays of these shapes, and targets 1 and -1."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        target = 2.0 * draw(arrays(signs, dtype="int64", low=0, high=1)) - 1
        inputs = tuple([draw(arrays(size, low=-3, high=3, distinct=True)) for size in sizes])
        reduction = draw(REDUCTION["reduction"])

        def call(*xs: Any) -> Any:
            return fn(*xs, beside(xs[0], target), reduction=reduction, margin=0.37)

        return Sample(call, inputs)

    return sample


def without_margin(draw: Draw, fn: Fn) -> Sample:
    """As `with_signs`, for a loss without a margin."""
    target = np.array([1.0, -1.0, 1.0])
    return Sample(lambda x: fn(x, beside(x, target)), (draw(arrays((3,))),))


def batches(draw: Draw, fn: Fn) -> Sample:
    """Images, running estimates, weights and biases; training or not."""
    inputs = draw(arrays((2, 2, 2))), *[draw(arrays((2,))) for _ in range(2)]
    training = draw(st.booleans())

    def call(x: Any, w: Any, b: Any) -> Any:
        mean, var = beside(x, (np.array([0.5, -1.0]), np.array([0.5, 2.0])))
        return fn(x, mean, var, w, b, training)

    return Sample(call, inputs)


def scaled(*args: Any) -> Sampler:
    """Images (2, 2, 3), arguments, a weight and a bias per channel or per element."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        size = args[0] if isinstance(args[0], tuple) else (2,)
        inputs = draw(arrays((2, 2, 3))), *[draw(arrays(size)) for _ in range(2)]
        return Sample(lambda x, w, b: fn(x, *args, w, b), inputs)

    return sample


def seeded(shape: Any) -> Sampler:
    """One array, and a seed for what is dropped."""

    def sample(draw: Draw, fn: Fn) -> Sample:
        seed = draw(st.integers(0, 9))
        x = draw(arrays(shape))
        return Sample(lambda x: fn(x, 0.3, True, generator=Generator(seed)), (x,))

    return sample


def unpooled(draw: Draw, fn: Fn) -> Sample:
    """Values and where they go: each place at most once."""
    order = draw(st.permutations(range(16)))
    indices = np.array(order[:4]).reshape(1, 1, 2, 2)
    return Sample(lambda x: fn(x, beside(x, indices), 2), (draw(arrays((1, 1, 2, 2))),))


def sampled(draw: Draw, fn: Fn) -> Sample:
    """An image, and places whose pixels' borders are not near."""
    mode, padding = (
        draw(st.sampled_from(["bilinear", "bicubic"])),
        draw(st.sampled_from(["zeros", "border", "reflection"])),
    )
    # the centres of 4 pixels are at -3/4, -1/4, 1/4 and 3/4; the edges at -1 and 1
    steps = draw(arrays((1, 2, 2, 2), dtype="int64", low=-6, high=5))
    grid = steps / 4 + 1 / 8 + draw(arrays((1, 2, 2, 2), low=-0.08, high=0.08))
    image = draw(arrays((1, 1, 4, 4), low=-3, high=3))
    return Sample(lambda x, g: fn(x, g, mode, padding), (image, grid))


def looked_up(draw: Draw, fn: Fn) -> Sample:
    """A table and indices. (The padding's row has a value and, by decree, no gradient.)"""
    indices = draw(arrays((2, 2), dtype="int64", low=0, high=2))
    return Sample(lambda w: fn(beside(w, indices), w), (draw(arrays((3, 2))),))


STRIDES = {"stride": st.sampled_from([1, 2]), "dilation": st.sampled_from([1, 2])}

SAMPLERS: dict[str, Sampler] = {
    # convolution and pooling
    "adaptive_avg_pool1d": calls((2, 5), (2,), (3,), (7,)),
    "adaptive_avg_pool2d": calls((1, 1, 4, 5), (2,), ((3, 5),), ((4, None),)),
    "adaptive_max_pool1d": calls((2, 5), (2,), (3,), distinct=True),
    "adaptive_max_pool2d": calls((1, 1, 3, 4), (2,), ((1, 3),), distinct=True),
    "affine_grid": calls((1, 2, 3), ((1, 1, 2, 3),), ((1, 1, 3, 1), True)),
    "avg_pool1d": calls((2, 5), (2,), (3, 1, 1), (2, 3, 0, True)),
    "conv1d": shapes(
        [(2, 2, 4), (3, 2, 2), (3,)],
        [(1, 5), (2, 1, 3)],
        settings={**STRIDES, "padding": st.sampled_from([0, 2, "valid"])},
    ),
    "conv_transpose1d": shapes(
        [(2, 2, 3), (2, 1, 2), (1,)], settings={**STRIDES, "padding": st.sampled_from([0, 1])}
    ),
    "conv_transpose2d": shapes(
        [(1, 2, 2, 2), (2, 1, 2, 2), (1,)],
        [(1, 2, 3), (1, 1, 1, 2)],
        settings={**STRIDES, "padding": st.sampled_from([0, (0, 1)])},
    ),
    "grid_sample": sampled,
    "interpolate": calls(
        (1, 1, 2, 3),
        (3,),
        ((3, 2), None, "bilinear"),
        (None, 2.5, "bicubic"),
        ((3, 4), None, "bilinear", True),
        ((2, 2), None, "area"),
        ((2, 2), None, "bilinear", None, None, True),
    ),
    "lp_pool1d": calls((2, 5), (2, 2), (3.0, 3, 1), low=0.3),
    "lp_pool2d": calls((1, 1, 3, 4), (2, 2), (3.0, (2, 1), 1), low=0.3),
    "max_pool1d": calls((2, 5), (2,), (3, 1, 1), (2, 1, 0, 2), distinct=True),
    "max_unpool2d": unpooled,
    "pixel_shuffle": calls((1, 4, 1, 2), (2,), (1,)),
    "pixel_unshuffle": calls((1, 1, 2, 4), (2,), (1,)),
    # attention and what trains
    "alpha_dropout": seeded((2, 3)),
    "dropout1d": seeded((2, 3, 2)),
    "dropout2d": seeded((2, 2, 1, 2)),
    "embedding": looked_up,
    "scaled_dot_product_attention": shapes(
        [(2, 3), (4, 3), (4, 2)],
        [(1, 2, 2, 1), (1, 2, 3, 1), (1, 2, 3, 2)],
        settings={"is_causal": st.booleans()},
    ),
    # normalisation
    "batch_norm": batches,
    "group_norm": scaled(2),
    "instance_norm": calls((2, 2, 3), ()),
    "layer_norm": scaled((2, 3)),
    "local_response_norm": calls((2, 3, 2), (2,), (3, 0.5), (5, 0.1, 0.5, 2.0)),
    "rms_norm": shapes([(2, 3)], settings={"normalized_shape": st.just((3,))}, low=0.5),
    # losses
    "binary_cross_entropy": probabilities,
    "binary_cross_entropy_with_logits": shapes([(2, 3), (2, 3)], settings=REDUCTION),
    "cosine_embedding_loss": with_signs((2, 3), (2, 3), signs=(2,)),
    "cosine_similarity": shapes([(2, 3), (2, 3)], [(2, 3), (1, 3)], low=0.5),
    "cross_entropy": labelled,
    "gaussian_nll_loss": variances,
    "hinge_embedding_loss": with_signs((2, 3), signs=(2, 3)),
    "huber_loss": shapes([(2, 3), (2, 3)], settings={"delta": st.sampled_from([1.0, 0.3])}),
    "kl_div": probabilities,
    "l1_loss": shapes([(2, 3), (2, 3)], settings=REDUCTION, distinct=True),
    "margin_ranking_loss": with_signs((4,), (4,), signs=(4,)),
    "mse_loss": shapes([(2, 3), (2, 3)], settings=REDUCTION),
    "multi_margin_loss": with_labels(p=st.sampled_from([1, 2]), margin=st.just(1.03)),
    "multiclass_svm_loss": with_labels(delta=st.sampled_from([1.03, 0.0])),
    "nll_loss": with_labels(**REDUCTION),
    "normalize": shapes([(2, 3)], settings={"p": st.sampled_from([1.0, 2.0, 3.0])}, low=0.5),
    "pairwise_distance": shapes([(2, 3), (2, 3)], [(2, 3), (1, 3)], distinct=True),
    "smooth_l1_loss": shapes([(2, 3), (2, 3)], settings={"beta": st.sampled_from([1.0, 0.3])}),
    "soft_margin_loss": without_margin,
    "triplet_margin_loss": shapes([(2, 3), (2, 3), (2, 3)], distinct=True),
}
