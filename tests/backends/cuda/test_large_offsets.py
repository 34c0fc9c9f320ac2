"""Offsets past 2^31: the last block of a launch on arrays of which only the end is ever mapped."""

from __future__ import annotations

import mmap

import emulator
import numpy as np
import pytest

from tinygrad_cv.backends.cuda import sources

PAST = 2**32 + 300  # elements: past the unsigned numbers of threads and blocks too
MAP_NORESERVE = 0x4000
pytestmark = pytest.mark.usefixtures("cupy")


def reserved(*shape, dtype=np.float32):
    """Zeros that take memory where they are touched, and nowhere else."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    return np.frombuffer(mmap.mmap(-1, size, flags=flags), dtype).reshape(shape)


def ending(values, *shape, dtype=np.float32):
    """Reserved memory whose last elements are `values`."""
    array = reserved(*shape, dtype=dtype)
    array.reshape(-1)[-np.size(values) :] = np.ravel(values)
    return array


def blocks_for(threads):
    return -(-threads // 256)


def run_last(stem, name, blocks, *arguments):
    """The last block of a launch of `blocks`."""
    kernel = emulator.build(sources.source(stem))[name]
    parameters = sources.kernels(stem)[name].parameters
    values = [
        np.uint64(0 if given is None else given.ctypes.data)
        if p.is_pointer
        else p.dtype.type(given)
        for given, p in zip(arguments, parameters, strict=True)
    ]
    kernel((blocks,), (256,), tuple(values), blocks=(blocks - 1, blocks))


END = np.array([-2, 3, 0.5, 4], np.float32)


def test_offsets_of_activations():
    x, y, grad, gx = ending(END, PAST), reserved(PAST), ending(2 * END, PAST), reserved(PAST)
    blocks, relu = blocks_for(PAST), 0
    run_last("elementwise", "activation_f32", blocks, x, y, PAST, relu, 0)
    np.testing.assert_array_equal(y[-4:], [0, 3, 0.5, 4])
    run_last("elementwise", "activation_backward_f32", blocks, grad, y, gx, PAST, relu, 0)
    np.testing.assert_array_equal(gx[-4:], [0, 6, 1, 8])
    run_last("elementwise", "add_relu_f32", blocks, x, grad, y, PAST)
    np.testing.assert_array_equal(y[-4:], [0, 9, 1.5, 12])


def test_offsets_of_dropout():
    x, draws, y = ending(END, PAST), ending([0.1, 0.6, 0.5, 0.4], PAST), reserved(PAST)
    run_last("elementwise", "dropout_f32", blocks_for(PAST // 4), x, draws, y, PAST, 0, 0.5, 2)
    np.testing.assert_array_equal(y[-4:], [0, 6, 1, 0])


def test_offsets_of_optimizers():
    w, grad, velocity = ending(END, PAST), ending(2 * END, PAST), ending(4 * END, PAST)
    how = (0.5, 0.5, 1, 0, 0, 0, None)  # lr, momentum, keep, decay, nesterov, maximize, skip
    run_last("optim", "sgd_step_f32", blocks_for(PAST), w, grad, velocity, PAST, *how)
    np.testing.assert_array_equal(velocity[-4:], 4 * END)
    np.testing.assert_array_equal(w[-4:], -END)
    m, v, top = reserved(PAST), reserved(PAST), reserved(PAST)
    how = (0.5, 0, 1, 2, 1, 0, 0, 1, 0)  # rest1, beta2, rest2, step, divisor, eps, decay, shrink
    run_last("optim", "adam_step_f32", blocks_for(PAST), w, grad, m, v, top, PAST, *how)
    for square in (v, top):
        np.testing.assert_array_equal(square[-4:], 4 * END**2)
    np.testing.assert_array_equal(m[-4:], END)
    np.testing.assert_array_equal(w[-4:], -END - np.sign(END))
    taken, now = np.array([2**32 + 5]), np.zeros(1, np.int64)
    how = (0.5, 0, 0, 0, 0, 1, 0, 0)  # lr, beta1, beta2, eps, decay, shrink, corrected, maximize
    run_last("optim", "adam_step_counted_f32", blocks_for(PAST), w, grad, m, v, None,
             np.zeros(1, np.int32), taken, now, PAST, *how)  # fmt: skip
    np.testing.assert_array_equal(w[-4:], -END - 1.5 * np.sign(END))
    w, grad = w[-4:].copy(), grad[-4:].copy()
    run_last("optim", "adam_step_counted_f32", 1, w, grad, grad.copy(), grad.copy(), None,
             np.zeros(1, np.int32), taken, now, 4, *how)  # fmt: skip
    assert now == taken + 1
    scale, found = np.array([4], np.float32), np.zeros(1, np.int32)
    grad = ending(2 * END, PAST)
    run_last("optim", "unscale_f32", blocks_for(PAST), grad, scale, found, PAST)
    np.testing.assert_array_equal(grad[-4:], END / 2)


def test_offsets_of_softmax():
    classes = 1024
    rows = PAST // classes + 1
    x, y, grad, gx, p = (reserved(rows, classes) for _ in range(5))
    run_last("loss", "log_softmax_f32", blocks_for(rows), x, y, rows, classes)
    np.testing.assert_allclose(y[-1], -np.log(classes), rtol=1e-6)
    grad[-1, -1] = 1
    run_last("loss", "log_softmax_backward_f32", blocks_for(rows), grad, y, gx, rows, classes)
    np.testing.assert_allclose(gx[-1], grad[-1] - 1 / classes, rtol=1e-5)
    label = ending([classes - 1], rows, dtype=np.int64)
    loss, factor = reserved(rows), reserved(rows)
    run_last(
        "loss", "cross_entropy_f32", blocks_for(rows),
        x, label, None, loss, factor, p, rows, classes, -100,
    )  # fmt: skip
    np.testing.assert_allclose(loss[-1], np.log(classes), rtol=1e-6)
    np.testing.assert_allclose(p[-1], 1 / classes, rtol=1e-6)
    run_last(
        "loss", "cross_entropy_backward_f32", blocks_for(rows * classes),
        np.ones(1, np.float32), p, label, factor, gx, rows, classes, -100, 0,
    )  # fmt: skip
    np.testing.assert_allclose(gx[-1, -256:], p[-1, -256:] - grad[-1, -256:], rtol=1e-5)


def test_offsets_of_sums_over_channels():
    """The last part of the last channel: two elements."""
    images, c, plane, parts = 4, 3, 2**28, 2**29
    sizes, blocks = (images, c, plane, parts, 1), c * parts
    x, grad = ending([2, 6], images, c, plane), ending([3, -1], images, c, plane)
    partial, ones, zeros = reserved(parts, 2, c), np.ones(c, np.float32), np.zeros(c, np.float32)
    run_last("norm", "channel_moments_f32", blocks, x, partial, *sizes)
    np.testing.assert_array_equal(partial[-1, :, -1], [4, 8])
    channels = None, None, zeros, ones  # weight, bias, mean, root
    run_last("norm", "normalize_sums_f32", blocks, grad, x, *channels, 0, partial, *sizes)
    np.testing.assert_array_equal(partial[-1, :, -1], [2, 0])
    gx, sums = reserved(images, c, plane), reserved(parts, c)
    run_last("norm", "channel_sum_f32", blocks, grad, x, gx, sums, *sizes)
    np.testing.assert_array_equal(gx[-1, -1, -2:], [3, -1])
    assert sums[-1, -1] == 2


def test_offsets_of_merged_moments():
    c, parts = 2**31 - 2**16, 3
    partial, (mean, variance, root) = reserved(parts, 2, c), (reserved(c) for _ in range(3))
    partial[:, 0, -1], partial[:, 1, -1] = [1, 2, 3], 1  # of 3 elements each
    run_last("norm", "merge_moments_f32", blocks_for(c),
             partial, mean, variance, root, c, 9, parts, 0)  # fmt: skip
    np.testing.assert_allclose([mean[-1], variance[-1], root[-1]], [2, 1, 1], rtol=1e-6)


def test_offsets_of_layer_norm():
    rows, length, parts = 2**26, 33, 2**24
    values = np.arange(length, dtype=np.float32)
    mean, root, gx, y = reserved(rows), reserved(rows), *(reserved(rows, length) for _ in range(2))
    x, grad = ending(values, rows, length), ending(values % 3, rows, length)
    run_last("norm", "layer_norm_f32", rows, x, None, None, y, mean, root, rows, length, 0)
    want = (values - 16) / values.std()
    np.testing.assert_allclose(y[-1], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([mean[-1], root[-1]], [16, 1 / values.std()], rtol=1e-6)
    run_last("norm", "layer_norm_input_f32", rows, grad, x, None, mean, root, gx, rows, length)
    g = values % 3
    want = (g - g.mean() - want * (g * want).mean()) / values.std()
    np.testing.assert_allclose(gx[-1], want, rtol=1e-4, atol=1e-6)
    partial = reserved(parts, 2, length)
    sizes = rows, length, 1, parts, 32
    run_last("norm", "layer_norm_sums_f32", 2 * parts, grad, x, mean, root, partial, *sizes)
    np.testing.assert_allclose(partial[-1, :, -1], [g[-1], g[-1] * y[-1, -1]], rtol=1e-6)


def test_offsets_of_normalisation():
    """A launch counts fewer than 2^31 elements, but its loop steps past them."""
    c, plane = 2, 2**30 - 2**15
    count = c * plane
    x, y = ending(END, c, plane), reserved(c, plane)
    blocks, sizes = blocks_for(count), (count, c, plane)
    mean, root = np.array([[0, 1], [0, 2]], np.float32)
    run_last("norm", "normalize_f32", blocks, x, mean, root, None, None, y, *sizes, 0)
    np.testing.assert_array_equal(y[-1, -4:], 2 * (END - 1))
    run_last("norm", "channel_affine_f32", blocks, x, root, mean, y, *sizes, 1)
    np.testing.assert_array_equal(y[-1, -4:], np.maximum(2 * END + 1, 0))
    grad, sums = ending([1, 2, 3, 4], c, plane), np.array([[0, 8], [0, 4]], np.float32)
    run_last("norm", "normalize_input_f32", blocks, grad, x, None, None, mean, root, sums, y,
             *sizes, 4, 0)  # fmt: skip
    np.testing.assert_array_equal(y[-1, -4:], 2 * (np.arange(1, 5) - 2 - 2 * (END - 1)))


# Convolutions of x (2, 36, 2^14, 2^13), 9.7e9 elements, in two groups by a kernel of one tap: images,
# the groups of one, and the channels of a group lie more than 2^31 elements apart.
IMAGES, CHANNELS, SIZE = 2, 36, (2**14, 2**13)
PIXELS = IMAGES * SIZE[0] * SIZE[1]
WEIGHT = (np.arange(2 * 18 * 18, dtype=np.float32) % 7 - 3).reshape(2, 18, 18)  # of each group


def convolution(
    images=IMAGES, c=CHANNELS, size=SIZE, o=CHANNELS, kernel=1, out=SIZE, stride=(1, 1), padding=0,
    groups=2,
):  # fmt: skip
    return (images, c, *size, o, 1, kernel, *out, *stride, 0, padding, 1, 1, groups)


def last_pixels(rng, count=64):
    """Images whose last pixels of the last group are not zero, and these (18, count)."""
    images = reserved(IMAGES, CHANNELS, *SIZE)
    part = images[-1, -18:, -1, -count:]
    part[...] = rng.integers(-9, 10, part.shape)
    return images, part


def test_offsets_of_convolutions(rng):
    """The last tile: 64 pixels of the last group."""
    x, pixels = last_pixels(rng)
    y, blocks = reserved(*x.shape), 2 * PIXELS // 64
    run_last("conv", "conv2d_f32_t64", blocks, x, WEIGHT, None, y, 0, *convolution())
    np.testing.assert_array_equal(y[-1, -18:, -1, -64:], WEIGHT[1] @ pixels)
    run_last("conv", "conv2d_backward_input_f32_t64", blocks, x, WEIGHT, y, *convolution())
    np.testing.assert_array_equal(y[-1, -18:, -1, -64:], WEIGHT[1].T @ pixels)
    splits = 2**22  # the last sums the last 64 pixels
    grad, others = last_pixels(rng)
    gw = reserved(splits, 2, 18, 18)
    run_last("conv", "conv2d_backward_weight_f32_t64", 2 * splits, x, grad, gw, splits,
             *convolution())  # fmt: skip
    np.testing.assert_array_equal(gw[-1, 1], others @ pixels.T)


def test_offsets_of_weights(rng):
    """An image of one pixel, more than 2^31 weights."""
    rows, taps = 2**25, 65
    w, y, gx = reserved(rows, taps), reserved(rows), reserved(rows)
    w[-64:] = rng.integers(-9, 10, (64, taps))
    x = rng.integers(-9, 10, taps).astype(np.float32)
    point = (1, 1)
    sizes = convolution(1, taps, point, rows, 1, point, groups=1)
    run_last("conv", "conv2d_f32_t64", rows // 64, x, w, None, y, 0, *sizes)
    np.testing.assert_array_equal(y[-64:], w[-64:] @ x)
    gw = reserved(rows, taps)
    blocks = rows // 64 * -(-taps // 64)
    run_last("conv", "conv2d_backward_weight_f32_t64", blocks, x, y, gw, 1, *sizes)
    np.testing.assert_array_equal(gw[-64:, -1], y[-64:] * x[-1])
    sizes = convolution(1, rows, point, rows, taps, point, padding=taps // 2, groups=rows)
    ones = ending(np.ones(64), rows)
    run_last("conv_direct", "conv2d_direct_f32", blocks_for(rows), ones, w, None, y, 0, *sizes)
    np.testing.assert_array_equal(y[-64:], w[-64:, taps // 2])
    run_last("conv_direct", "conv2d_direct_backward_input_f32", blocks_for(rows), ones, w, gx,
             *sizes)  # fmt: skip
    np.testing.assert_array_equal(gx[-64:], w[-64:, taps // 2])
    w = reserved(2, rows, taps)  # two outputs
    w[1, -64:] = rng.integers(-9, 10, (64, taps))
    sizes = convolution(1, rows, point, 2, taps, point, padding=taps // 2, groups=1)
    grad = np.array([1, 2], np.float32)
    run_last("conv", "conv2d_backward_input_f32_t64", rows // 64, grad, w, gx, *sizes)
    np.testing.assert_array_equal(gx[-64:], 2 * w[1, -64:, taps // 2])


def test_offsets_of_direct_convolutions(rng):
    x, pixels = last_pixels(rng)
    x[-1, -18:, -2, -64:] = pixels  # the row that a stride of 2 meets
    out = SIZE[0] // 2, SIZE[1] // 4
    y, sizes = reserved(IMAGES, CHANNELS, *out), convolution(out=out, stride=(2, 4))
    run_last("conv_direct", "conv2d_direct_f32", blocks_for(y.size), x, WEIGHT, None, y, 0, *sizes)
    np.testing.assert_array_equal(y[-1, -1, -1, -16:], WEIGHT[1, -1] @ pixels[:, ::4])
    gx = reserved(IMAGES, 6, *SIZE)  # three channels a group
    w = np.ascontiguousarray(WEIGHT[:, :, :3])
    run_last("conv_direct", "conv2d_direct_backward_input_f32", blocks_for(gx.size), x, w, gx,
             *convolution(c=6))  # fmt: skip
    np.testing.assert_array_equal(gx[-1, -1, -1, -64:], w[1, :, -1] @ pixels)
    c, size = 2**25 + 4, (8, 8)  # depthwise: a block sums the pixels of one channel
    values = rng.integers(-9, 10, (2, 64))
    x, grad = (ending(v, c, *size) for v in values)
    gw = reserved(c)
    run_last("conv_direct", "conv2d_direct_backward_weight_f32", c, x, grad, gw,
             *convolution(1, c, size, c, 1, size, groups=c))  # fmt: skip
    assert gw[-1] == values[0] @ values[1]


def test_offsets_of_pooling():
    """A launch counts fewer than 2^31 elements, but its loop steps past them."""
    planes, side = 3, 26_754
    shape, sizes = (planes, side, side), (planes, *[side] * 4, 1, 1, 1, 1, 0, 0, 1, 1)
    blocks = blocks_for(np.prod(shape))
    values = np.arange(9)
    x, argmax = ending(values, *shape), reserved(*shape, dtype=np.uint8)
    y = reserved(*shape)
    for name, arrays in [
        ("max_pool2d_f32_u8", (x, y, argmax)),
        ("max_pool2d_backward_f32_u8", (x, argmax, y)),
        ("max_pool2d_gather_f32_u8", (x, argmax, y)),
        ("avg_pool2d_f32", (x, y, 1, 0)),
        ("avg_pool2d_backward_f32", (x, y, 1, 0)),
        ("lp_pool2d_f32", (x, y, 1)),
        ("lp_pool2d_backward_f32", (x, x, x, y, 1)),
    ]:
        y[-1, -1, -9:] = -1
        run_last("pool", name, blocks, *arrays, *sizes)
        np.testing.assert_array_equal(y[-1, -1, -9:], values, err_msg=name)
    places, sizes = reserved(*shape, dtype=np.int32), (planes, *[side] * 4)
    for name, arrays in [
        ("adaptive_max_pool2d_f32", (x, y, places)),
        ("adaptive_max_pool2d_backward_f32", (x, places, y)),
        ("adaptive_max_pool2d_gather_f32", (x, places, y)),
        ("adaptive_avg_pool2d_f32", (x, y)),
        ("adaptive_avg_pool2d_backward_f32", (x, y)),
    ]:
        y[-1, -1, -9:] = -1
        run_last("adaptive_pool", name, blocks, *arrays, *sizes)
        np.testing.assert_array_equal(y[-1, -1, -9:], values, err_msg=name)
    assert places[-1, -1, -1] == side * side - 1


def test_windows_of_long_planes():
    """Where a window begins is a product of two sides."""
    side = 70_000
    x, y = np.arange(side, dtype=np.float32), np.zeros(side, np.float32)
    run_last(
        "adaptive_pool", "adaptive_avg_pool2d_f32", blocks_for(side), x, y, 1, side, 1, side, 1
    )
    np.testing.assert_array_equal(y[-100:], x[-100:])


@pytest.mark.parametrize("metric", ["l1", "sqeuclidean"])
def test_offsets_of_distances(metric):
    n, m = 2**27, 17
    x, y, d = ending(np.ones(m), n, m), np.full((m, m), 3, np.float32), reserved(n, m)
    run_last("distance", f"distance_{metric}_f32", n // 64, x, y, d, n, m, m)
    np.testing.assert_array_equal(d[-1], m * (2 if metric == "l1" else 4))
    np.testing.assert_array_equal(d[-2], m * (3 if metric == "l1" else 9))


def test_offsets_of_nearest_rows():
    n, depth, m = 2**27, 17, 20
    k, rows = m, np.arange(m)
    x, y = ending(np.ones(depth), n, depth), np.zeros((m, depth), np.float32)
    y[:, 0] = 1 + rows
    distance, row = reserved(k, n), reserved(k, n, dtype=np.int32)
    run_last("nearest", "nearest_l1_f32", n // 64, x, y, distance, row, n, m, depth, k, 1)
    np.testing.assert_array_equal(row[:, -1], rows)
    np.testing.assert_array_equal(distance[:, -1], depth - 1 + rows)
    merged, merged_row = reserved(k, n), reserved(k, n, dtype=np.int32)
    nearest, index = reserved(n, k), reserved(n, k, dtype=np.int64)
    run_last("nearest", "merge_nearest_f32", blocks_for(n),
             distance, row, merged, merged_row, nearest, index, n, k, 1)  # fmt: skip
    np.testing.assert_array_equal(index[-1], rows)
    np.testing.assert_array_equal(nearest[-1], distance[:, -1])


def test_offsets_of_rows_searched():
    """The last of 2^21 parts of y: 64 rows of it."""
    m, depth, parts = 2**27, 17, 2**21
    x, y = np.ones((1, depth), np.float32), ending(np.ones(depth), m, depth)
    distance, row = reserved(1, parts), reserved(1, parts, dtype=np.int32)
    run_last("nearest", "nearest_l1_f32", parts, x, y, distance, row, 1, m, depth, 1, parts)
    assert (row[0, -1], distance[0, -1]) == (m - 1, 0)


def test_offsets_of_products():
    m, n, k = 2**27, 17, 18
    a, b, y = ending(np.arange(k), m, k), np.ones((k, n), np.float32), reserved(m, n)
    steps = k, 1, 0, 0, n, 1, 0, 0
    run_last("matmul", "matmul_f32_t64", m // 64, a, b, None, y, m, n, k, 1, 1, 1, *steps, 0)
    np.testing.assert_array_equal(y[-1], sum(range(k)))
    a, y = a.reshape(-1, 16, k), y.reshape(-1, 16, n)  # the same as a stack
    y[-1] = 0
    steps = k, 1, 16 * k, 0, n, 1, 0, 0
    run_last("matmul", "matmul_f32_t64", len(a), a, b, None, y, 16, n, k, len(a), 1, 1, *steps, 0)
    np.testing.assert_array_equal(y[-1, -1], sum(range(k)))


def test_offsets_of_parts_of_a_sum():
    parts, y = reserved(2, PAST), reserved(PAST)
    parts[:, -4:] = END, 2 * END
    run_last("matmul", "sum_splits_f32", blocks_for(PAST), parts, None, y, 2, PAST, 1, 0)
    np.testing.assert_array_equal(y[-4:], 3 * END)
