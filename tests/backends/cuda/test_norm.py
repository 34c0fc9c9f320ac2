"""Normalisation and sums over channels on the emulated GPU against the reference room."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv.backends.reference import room as reference

# Planes of one pixel (channels side by side) and of few, below and above a block of threads; one
# part, several, and more than there is work for; numbers of channels on both sides of 32.
SHAPES = [(5, 3), (90, 33), (4, 3, 5), (3, 64, 2, 2), (3, 2, 13, 11), (17, 1, 9, 4)]


def drawn(rng, dtype, *shapes):
    return [None if s is None else rng.standard_normal(s).astype(dtype) for s in shapes]


@pytest.fixture
def dtype(schedule):
    """Each of the two under two orders of threads."""
    return [np.float32, np.float64][schedule % 2]


@pytest.fixture(autouse=True)
def short_parts(gpu, monkeypatch):
    """Small arrays are summed in several parts, as large ones are."""
    from tinygrad_cv.backends.cuda import norm

    monkeypatch.setattr(norm, "_SHORTEST_PART", 64)


def wide(args):
    return [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in args]


@pytest.fixture
def call(gpu):
    """A function of the room on arrays that go up and come down; sees that nothing waits meanwhile."""
    from standin import Cuda

    def run(name, *args):
        there = [gpu.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
        before = Cuda.synchronizations
        got = getattr(gpu.room, name)(*there)
        assert Cuda.synchronizations == before
        return [part.get() for part in (got if isinstance(got, tuple) else (got,))]

    return run


def close(got, want, dtype, scale=100):
    """Every element within `scale` rounding errors of the largest."""
    want = want if isinstance(want, tuple) else (want,)
    for ours, theirs in zip(got, want, strict=True):
        assert ours.dtype == dtype
        atol = scale * np.finfo(dtype).eps * np.abs(theirs).max(initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("relu", [False, True])
def test_batch_norm(call, rng, dtype, relu):
    for number, shape in enumerate(SHAPES):
        c = shape[1] if number % 3 else None  # with and without weight and bias
        x, grad, w, b = drawn(rng, dtype, shape, shape, c, c)
        x = x * 2 + 3
        got = call("batch_norm", x, w, b, 1e-3, relu)
        close(got, reference.batch_norm(*wide((x, w, b)), 1e-3, relu), dtype)
        # From the statistics that the kernel found: what is clipped depends on them.
        args = grad, x, w, b, got[1], got[3]
        y = reference.batch_norm(*wide((x, w, b)), 1e-3)[0]
        grad[np.abs(y) < 1e-4] = 0  # next to the kink either side is right
        want = reference.batch_norm_backward(*wide(args), relu)
        close(call("batch_norm_backward", *args, relu), want, dtype)


def test_variances_survive_a_large_mean(call, rng):
    x = (rng.standard_normal((8, 2, 32, 32)) + 1000).astype(np.float32)
    _, _, variance, _ = call("batch_norm", x, None, None, 0.0)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=(0, 2, 3)), rtol=1e-4)
    rows = x.reshape(16, -1)
    _, _, root = call("layer_norm", rows, None, None, 0.0)
    np.testing.assert_allclose(root, 1 / rows.astype(np.float64).std(axis=1), rtol=1e-4)


def test_sums_over_channels_are_exact_on_integers(call, rng, dtype):
    for shape in [*SHAPES, (0, 3, 4), (2, 3, 0), (2, 0, 4)]:
        x, y = rng.integers(-9, 10, (2, *shape)).astype(dtype)
        np.testing.assert_array_equal(call("channel_sum", x)[0], reference.channel_sum(x))
        y = np.maximum(y, 0)
        for ours, theirs in zip(
            call("relu_channel_sum", x, y), reference.relu_channel_sum(x, y), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("relu", [False, True])
def test_affine_maps_are_exact_on_integers(call, rng, dtype, relu):
    for shape in SHAPES:
        x = rng.integers(-9, 10, shape).astype(dtype)
        scale, shift = rng.integers(-4, 5, (2, shape[1])).astype(dtype)
        got = call("channel_affine", x, scale, shift, relu)[0]
        np.testing.assert_array_equal(got, reference.channel_affine(x, scale, shift, relu))


def test_layer_norm(call, rng, dtype):
    # Rows shorter and longer than a block; more rows than a launch has blocks.
    for number, shape in enumerate([(3, 7), (150, 40), (3, 300)]):
        length = shape[1] if number % 3 else None
        x, grad, w, b = drawn(rng, dtype, shape, shape, length, length)
        x = x * 2 + 3
        got = call("layer_norm", x, w, b, 1e-3)
        close(got, reference.layer_norm(*wide((x, w, b)), 1e-3), dtype)
        args = grad, x, w, got[1], got[2]
        want = reference.layer_norm_backward(*wide(args))
        close(call("layer_norm_backward", *args), want, dtype)


def test_special_values(call):
    x = np.ones((2, 3, 2, 2))
    x[0, 0, 0, 0], x[0, 1, 0, 0] = np.nan, np.inf
    y, *statistics = call("batch_norm", x, None, None, 1e-5, True)
    want, *others = reference.batch_norm(x, None, None, 1e-5, True)
    np.testing.assert_array_equal(y, want)
    for ours, theirs in zip(statistics, others, strict=True):  # NaN or infinite, as parts merge
        np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs))
    grad = np.ones_like(x)
    gx, total = call("relu_channel_sum", grad, np.array(x))
    np.testing.assert_array_equal(gx, 1)  # NaN lets the gradient through
    np.testing.assert_array_equal(total, [8, 8, 8])


def test_images_too_many_for_one_launch_are_cut(call, rng, monkeypatch):
    from tinygrad_cv.backends.cuda import arrays

    x, scale, shift = drawn(rng, np.float64, (5, 3, 4), 3, 3)
    want = call("channel_affine", x, scale, shift)[0]
    monkeypatch.setattr(arrays, "MOST_ELEMENTS", 25)  # 2 images a launch
    np.testing.assert_array_equal(call("channel_affine", x, scale, shift)[0], want)
    monkeypatch.setattr(arrays, "MOST_ELEMENTS", 11)
    with pytest.raises(ValueError, match="channel_affine: an image has 12 elements"):
        call("channel_affine", x, scale, shift)
    with pytest.raises(ValueError, match="channel_moments: a channel has 20 elements"):
        call("batch_norm", x, None, None, 1e-3)


def test_parts_fill_the_gpu_twice(monkeypatch):
    from tinygrad_cv.backends.cuda import norm as border

    monkeypatch.setattr(border, "_SHORTEST_PART", 1024)
    # 4 multiprocessors: 8 blocks.
    assert border._parts(100, 3, 1000) == (2, 1)
    assert border._parts(1, 3, 1000) == (1, 1)  # a part has at least 1,024 elements
    assert border._parts(4096, 64, 1) == (4, 32)  # two blocks of 32 channels
    assert border._parts(4096, 6400, 1) == (1, 32)
    assert border._parts(0, 0, 1) == (1, 32)


def test_shapes_that_do_not_fit_are_refused(gpu):
    x, c = gpu.zeros((2, 3, 4)), gpu.zeros(4)
    with pytest.raises(ValueError, match=r"batch_norm: weight is \(4,\) but must be \(3,\)"):
        gpu.room.batch_norm(x, c, None, 1e-5)
    with pytest.raises(ValueError, match=r"batch_norm_backward: grad is \(2, 3, 5\) but x is"):
        gpu.room.batch_norm_backward(gpu.zeros((2, 3, 5)), x, None, None, c[:3], c[:3])
    with pytest.raises(ValueError, match=r"layer_norm_backward: mean is \(4,\)"):
        gpu.room.layer_norm_backward(x[0], x[0], None, c, c)
    with pytest.raises(TypeError, match="channel_affine: scale must be a float64 array"):
        gpu.room.channel_affine(x, c[:3].astype(np.float32), c[:3])
