"""Convolution kernels against the reference room, and the reference against loops."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_cv import _core
from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.backends.cpp import conv as cpp
from tinygrad_cv.backends.reference import conv as reference

DTYPES = [np.float32, np.float64]
PASSES = ["forward", "backward_input", "backward_weight"]
WINOGRAD_KERNELS = {
    "winograd2": 3, "winograd4": 3, "winograd4x4": 4, "winograd5x5": 5, "winograd5x5_images": 5
}  # fmt: skip
ALGORITHMS = ["auto", "direct", "channels", "gemm", "depthwise", *WINOGRAD_KERNELS]
# Error of an algorithm in units of the plain sum's bound, at the place where that is largest: the
# tiles of Winograd mix the pixels around. Measured over 900 random convolutions: 0.3, 5.6 and 4.5; of
# 4 x 4 over 700: 5.4.
WINOGRAD_FACTOR = {name: 1 if name == "winograd2" else 8 for name in WINOGRAD_KERNELS}
FEW_PIXELS = 24  # for the weights of 5 x 5 from planes of fewer than 16, never chosen there: 18.4


class Case(NamedTuple):
    """Shapes of x and w, and how the kernel slides."""

    x: tuple[int, int, int, int]
    w: tuple[int, int, int, int]
    settings: Conv2dSettings

    @property
    def grad(self) -> tuple[int, int, int, int]:
        return (self.x[0], self.w[0], *self.settings.output_size(self.x[2:], self.w[2:]))


def case(n, c, size, k, kernel, stride=1, padding=0, dilation=1, groups=1) -> Case:
    """A case from ints or pairs."""
    two = lambda v: v if isinstance(v, tuple) else (v, v)  # noqa: E731
    how = Conv2dSettings(two(stride), two(padding), two(dilation), groups)
    return Case((n, c, *two(size)), (k, c // groups, *two(kernel)), how)


@st.composite
def cases(draw, most_columns=40, kernel=None, stride=None, images=(0, 1, 2, 3)) -> Case:
    """Kernel, stride, padding, dilation and output size first; then an input that gives them."""
    small = st.integers(1, 3)
    pair = lambda values: st.tuples(values, values)  # noqa: E731
    kernel = kernel or draw(pair(st.integers(1, 5)))
    if stride:
        dilation = (1, 1)
    else:
        stride, dilation = draw(pair(small)), draw(pair(small))
        if draw(st.booleans()):
            stride = dilation = (1, 1)
    padding = draw(pair(st.integers(0, 3)))
    out = draw(st.integers(1, 12)), draw(st.integers(1, most_columns))
    size = []
    for i in (0, 1):
        span = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1
        unread = draw(st.integers(0, stride[i] - 1))  # rows that no window reaches
        size.append(max(1, span - 2 * padding[i] + unread))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c, k = groups * draw(st.integers(1, 20)), groups * draw(st.integers(1, 30))
    how = Conv2dSettings(stride, padding, dilation, groups)
    return Case((draw(st.sampled_from(images)), c, *size), (k, c // groups, *kernel), how)


def arrays(case: Case, dtype, seed=0):
    """x, w, bias and grad."""
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal(shape).astype(dtype)
        for shape in (case.x, case.w, (case.w[0],), case.grad)
    ]


def integers(case: Case, what: str, dtype, seed=0):
    """x, w, bias and grad for which no algorithm may round: every sum is a small integer.

    Winograd for 3 x 3 divides one side by up to 24 in each direction, so that side is a multiple of
    576. For 5 x 5 that would take more digits than there are: see `assert_same_integers`.
    """
    rng = np.random.default_rng(seed)
    phases = [-(-k // s) for k, s in zip(case.w[2:], case.settings.stride, strict=True)]
    many = 1 if phases == [5, 5] else 576  # strides become phases, whose kernels count
    scale = {"w": 1, "grad": 1} | {"grad" if what == "backward_weight" else "w": many}
    shapes = {"x": case.x, "w": case.w, "bias": (case.w[0],), "grad": case.grad}
    return [
        (rng.integers(-2, 3, shape) * scale.get(name, 1)).astype(dtype)
        for name, shape in shapes.items()
    ]


def assert_same_integers(got, want, algorithm: str) -> None:
    """Equal; Winograd for 5 x 5 rounds inside, by far less than what one wrong index does."""
    if algorithm.startswith("winograd5x5"):
        assert abs(got - np.rint(got)).max() < 0.1
        got = np.rint(got)
    np.testing.assert_array_equal(got, want)


def run(room, what: str, case: Case, x, w, bias, grad):
    if what == "forward":
        return room.conv2d(x, w, bias, case.settings)
    if what == "backward_input":
        return room.conv2d_backward_input(grad, w, case.x[2:], case.settings)
    return room.conv2d_backward_weight(x, grad, case.w[2:], case.settings)


def error_bound(what: str, case: Case, x, w, bias, grad):
    """Elementwise: (number of terms + 2) * eps / 2 * the sum of their absolute values."""
    eps = np.finfo(x.dtype).eps
    n, k, p, q = case.grad
    taps = case.w[2] * case.w[3]
    terms = {
        "forward": case.w[1] * taps + 1,
        "backward_input": k // case.settings.groups * taps,
        "backward_weight": n * p * q,
    }
    wide = [abs(a).astype(np.float64) for a in (x, w, bias, grad)]
    return (terms[what] + 2) * eps / 2 * run(reference, what, case, *wide)


def plan(case: Case, what: str, itemsize=4, threads=2):
    return _core.conv2d_plan(case.x, case.w, case.settings, what, itemsize, threads)


def uses(case: Case, what: str, dtype) -> str:
    return plan(case, what, np.dtype(dtype).itemsize)["algorithm"]


# The reference


def loops(x, w, bias, how: Conv2dSettings):
    """The definition, one output at a time."""
    (sh, sw), (ph, pw), (dh, dw), groups = how
    n, _, height, width = x.shape
    k, c_group, kh, kw = w.shape
    p, q = how.output_size((height, width), (kh, kw))
    y = np.zeros((n, k, p, q))
    for b, o, i, j in product(range(n), range(k), range(p), range(q)):
        y[b, o, i, j] = bias[o]
        for ci, r, s in product(range(c_group), range(kh), range(kw)):
            row, column = i * sh - ph + r * dh, j * sw - pw + s * dw
            if 0 <= row < height and 0 <= column < width:
                channel = o // (k // groups) * c_group + ci
                y[b, o, i, j] += x[b, channel, row, column] * w[o, ci, r, s]
    return y


LOOP_CASES = [
    case(2, 3, (5, 6), 4, (3, 2), padding=1),
    case(1, 4, (7, 8), 6, (2, 3), stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2),
    case(1, 3, 6, 3, 3, stride=3, groups=3),
]


@pytest.mark.parametrize("case", LOOP_CASES, ids=str)
def test_reference_forward_is_the_definition(case):
    x, w, bias, _ = integers(case, "forward", np.float64)
    np.testing.assert_array_equal(
        reference.conv2d(x, w, bias, case.settings), loops(x, w, bias, case.settings)
    )


@pytest.mark.parametrize("case", LOOP_CASES, ids=str)
def test_reference_gradients_are_the_transposes_of_forward(case):
    # Forward is linear in x and in w, so <grad, y> = <gx, x> = <gw, w> for every grad.
    x, w, bias, grad = integers(case, "forward", np.float64)
    y = loops(x, w, 0 * bias, case.settings)
    gx = reference.conv2d_backward_input(grad, w, case.x[2:], case.settings)
    gw = reference.conv2d_backward_weight(x, grad, case.w[2:], case.settings)
    assert gx.shape == x.shape
    assert gw.shape == w.shape
    assert np.vdot(grad, y) == np.vdot(gx, x) == np.vdot(gw, w)


# The C++ room


@pytest.fixture(params=ALGORITHMS)
def algorithm(request, monkeypatch):
    monkeypatch.setenv("TINYGRAD_CV_CONV", request.param)
    return request.param


CASES = [
    case(2, 1, 28, 6, 5, padding=2),
    case(3, 6, 14, 16, 5),
    case(2, 3, 32, 16, 3, padding=1),
    case(2, 3, 40, 20, 7, stride=2, padding=3),
    case(1, 3, 59, 13, 11, stride=4, padding=2),
    case(3, 9, (14, 11), 18, 4, padding=(1, 2)),
    case(2, 40, 13, 70, 4, padding=3, groups=2),
    case(9, 20, 4, 31, 3, padding=1),  # panels cross images
    case(2, 200, 5, 70, 3, padding=1),  # Winograd by panels, its gradient together
    case(2, 70, 5, 200, 3, padding=1),
    case(1, 345, 5, 350, 3, padding=1),  # the gradient by blocks of channels
    case(2, 200, 5, 70, 5, padding=2),
    case(3, 20, 12, 50, 5),  # the transposed gradient of the input
    case(5, 18, (9, 15), 17, 3),
    case(2, 17, (13, 10), 35, 5, padding=1),
    case(2, 12, 9, 38, 5, padding=(0, 1), groups=2),
    case(19, 3, 13, 7, 5, padding=1),  # images in the lanes: more than one vector, some empty
    case(33, 4, (8, 11), 36, 5, padding=(2, 4), groups=2),
    case(2, 37, 9, 25, 1),
    case(2, 16, 13, 24, 1, stride=2),
    case(2, 16, 13, 24, 3, stride=2, padding=1),
    case(2, 24, 12, 24, 3, padding=1, groups=24),
    case(2, 6, 12, 18, 3, stride=2, padding=1, groups=6),
    case(3, 5, (11, 39), 5, 5, padding=2, groups=5),
    case(3, 5, (11, 38), 5, 3, stride=2, padding=1, groups=5),
    case(2, 3, (8, 75), 3, 5, stride=2, padding=(0, 4), groups=3),
    case(3, 5, (11, 70), 5, 3, stride=2, padding=1, groups=5),
    case(2, 3, (9, 77), 3, 5, stride=2, padding=(2, 3), groups=3),
    case(2, 3, 3, 3, 3, stride=2, padding=3, groups=3),
    case(2, 3, (3, 1), 3, 3, stride=2, padding=3, groups=3),  # wider than its input
    case(2, 8, (9, 31), 12, (1, 3), padding=(0, 1), groups=4),
    case(1, 4, (2, 3), 5, (2, 2), padding=3),  # more padding than kernel
    case(1, 2, 3, 2, 2, stride=5, padding=4),
    case(2, 5, 17, 7, 3, dilation=3, padding=2),
    case(1, 2, 300, 3, 3, stride=(1, 7), padding=(1, 3)),
    case(2, 4, (21, 37), 18, 5, stride=2, padding=2),  # phases of the strides
    case(1, 2, (30, 47), 17, (7, 9), stride=3, padding=(4, 1)),
    case(2, 4, (12, 90), 6, (3, 6), stride=(1, 2), padding=(1, 5), groups=2),
    case(1, 3, (9, 140), 16, (5, 12), stride=(2, 4), padding=(3, 2)),
    case(1, 2, (40, 22), 20, (9, 5), stride=(2, 1), padding=1),
    case(1, 1, 2, 3, 5, stride=2, padding=4),  # windows wholly in the padding
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_integers_are_exact(algorithm, case, what, dtype):
    inputs = integers(case, what, dtype)
    got = run(cpp, what, case, *inputs)
    assert got.dtype == dtype
    assert_same_integers(got, run(reference, what, case, *inputs), uses(case, what, dtype))


def test_gradients_of_large_kernels_by_blocks_of_channels():
    how = case(1, 345, 5, 350, 5, padding=1)
    inputs = integers(how, "backward_weight", np.float32)
    assert uses(how, "backward_weight", np.float32) == "gemm"  # too few pixels to pay
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_CV_CONV", "winograd5x5")
        got = run(cpp, "backward_weight", how, *inputs)
    assert_same_integers(got, run(reference, "backward_weight", how, *inputs), "winograd5x5")


@pytest.mark.parametrize("name", ALGORITHMS)
@given(data=st.data(), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_any_settings_are_within_the_bound(name, data, dtype, seed):
    side = WINOGRAD_KERNELS.get(name)
    kernel = (side, side) if side else None
    many = {"images": (1, 15, 16, 19)} if name == "winograd5x5_images" else {}
    case = data.draw(cases(kernel=kernel, **many))
    inputs = arrays(case, dtype, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_CV_CONV", name)
        for what in PASSES:
            got = run(cpp, what, case, *inputs)
            want = run(reference, what, case, *[a.astype(np.float64) for a in inputs])
            assert got.shape == want.shape
            bound = error_bound(what, case, *inputs)
            used = uses(case, what, dtype)
            if used.startswith("winograd"):
                p, q = case.grad[2:]
                few = used == "winograd5x5" and what == "backward_weight" and p * q < 16
                bound = (FEW_PIXELS if few else WINOGRAD_FACTOR[used]) * bound.max(initial=0)
            assert np.all(abs(got - want) <= bound)


@pytest.mark.parametrize("name", WINOGRAD_KERNELS)
@given(data=st.data(), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_phases_of_any_strides_are_within_the_bound(name, data, seed):
    stride = data.draw(st.sampled_from([s for s in product(range(1, 5), repeat=2) if s != (1, 1)]))
    side = WINOGRAD_KERNELS[name]
    kernel = tuple(data.draw(st.integers((side - 1) * s + 1, side * s)) for s in stride)
    case = data.draw(cases(14, kernel, stride, images=(1, 2)))
    # Sums of few pixels have bounds too small for what the tiles of Winograd mix.
    assume(case.grad[2] * case.grad[3] >= 16)
    inputs = arrays(case, np.float32, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_CV_CONV", name)
        for what in PASSES:
            if not (name == "winograd5x5_images" and what == "backward_weight"):
                assert uses(case, what, np.float32) == name
            got = run(cpp, what, case, *inputs)
            want = run(reference, what, case, *[a.astype(np.float64) for a in inputs])
            bound = WINOGRAD_FACTOR[name] * error_bound(what, case, *inputs).max(initial=0)
            assert np.all(abs(got - want) <= bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_relu_and_bias_in_the_last_write(algorithm, case, dtype):
    x, w, bias, _ = integers(case, "forward", dtype)
    name = uses(case, "forward", dtype)
    for b in (bias, None):
        got = cpp.conv2d(x, w, b, case.settings, relu=True)
        assert_same_integers(got, reference.conv2d(x, w, b, case.settings, relu=True), name)


def test_relu_keeps_nan(algorithm):
    small = case(1, 1, 3, 1, 1)
    x = np.array([-1, np.nan, 2, -3, 4, -np.inf, np.inf, 0, -0.0], np.float32).reshape(1, 1, 3, 3)
    y = cpp.conv2d(x, np.ones((1, 1, 1, 1), np.float32), None, small.settings, relu=True)
    np.testing.assert_array_equal(y.ravel(), [0, np.nan, 2, 0, 4, 0, np.inf, 0, 0])


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["direct", "channels", "gemm", "depthwise"])
@pytest.mark.parametrize("groups", [1, 2])
def test_infinity_reaches_what_reads_it_and_no_more(monkeypatch, groups, name, what, dtype):
    # Vectors end behind the rows' last pixel; what lies there must not leak into a sum. (Winograd
    # mixes a tile's pixels, so it spreads infinity over the tile.)
    monkeypatch.setenv("TINYGRAD_CV_CONV", name)
    how = case(1, 2, (4, 19), 2, 3, groups=groups)
    x, w, bias, grad = integers(how, what, dtype)
    x[0, 1, 1, 18] = grad[0, 1, 0, 16] = np.inf
    finite = np.isfinite(run(cpp, what, how, x, w, bias, grad))
    want = np.isfinite(run(reference, what, how, x, w, bias, grad))
    assert want.any()
    assert not want.all()
    np.testing.assert_array_equal(finite, want)


@pytest.mark.parametrize("what", PASSES)
def test_non_contiguous_and_misaligned_inputs(what):
    how = case(2, 5, (9, 11), 7, 3, padding=1)
    inputs = integers(how, what, np.float32)
    want = run(reference, what, how, *inputs)
    turned = [a.T.copy().T for a in inputs]
    reversed_ = [a[..., ::-1].copy()[..., ::-1] for a in inputs]
    misaligned = []
    for a in inputs:
        room = np.zeros(a.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(a.shape)
        room[...] = a
        misaligned.append(room)
    off_by_one = []
    for a in inputs:
        room = np.zeros(a.size + 1, np.float32)[1:].reshape(a.shape)
        room[...] = a
        off_by_one.append(room)
    for variant in (turned, reversed_, misaligned, off_by_one):
        np.testing.assert_array_equal(run(cpp, what, how, *variant), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_batch(algorithm, dtype):
    how = case(0, 4, 8, 6, 3, padding=1)
    x, w, bias, grad = arrays(how, dtype)
    assert cpp.conv2d(x, w, bias, how.settings).shape == (0, 6, 8, 8)
    assert cpp.conv2d_backward_input(grad, w, (8, 8), how.settings).shape == (0, 4, 8, 8)
    gw = cpp.conv2d_backward_weight(x, grad, (3, 3), how.settings)
    np.testing.assert_array_equal(gw, np.zeros((6, 4, 3, 3), dtype))


def test_rows_never_read_get_gradient_zero():
    how = case(1, 2, 8, 3, 2, stride=5)  # reads rows and columns 0, 1, 5, 6
    _, w, _, grad = arrays(how, np.float32)
    gx = cpp.conv2d_backward_input(abs(grad) + 1, abs(w) + 1, (8, 8), how.settings)
    read = np.isin(np.arange(8), (0, 1, 5, 6))
    np.testing.assert_array_equal(gx[0, 0] != 0, np.outer(read, read))


# A kernel as wide as its phases' kernels allow but for one row and column, and one row and column
# behind the last window.
UNREAD = case(1, 4, 18, 16, 5, stride=2)


def test_rows_behind_the_last_phase_get_gradient_zero(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CV_CONV", "winograd4")
    _, w, _, grad = arrays(UNREAD, np.float32)
    gx = cpp.conv2d_backward_input(abs(grad) + 1, abs(w) + 1, (18, 18), UNREAD.settings)
    read = np.arange(18) < 17
    np.testing.assert_array_equal(gx[0, 0] != 0, np.outer(read, read))


def test_infinity_behind_the_last_phase_reaches_nothing(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CV_CONV", "winograd4")
    x, w, bias, grad = arrays(UNREAD, np.float32)
    x[:, :, 17] = x[:, :, :, 17] = np.inf
    for what in ("forward", "backward_weight"):
        assert np.isfinite(run(cpp, what, UNREAD, x, w, bias, grad)).all()


@pytest.fixture
def threads():
    before = _core.get_num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


THREAD_CASES = [
    case(5, 16, 20, 24, 3, padding=1),
    case(4, 16, 14, 24, 5),
    case(37, 6, 14, 16, 5),
    case(3, 12, 21, 40, 3, stride=2, padding=1),
    case(4, 40, 13, 56, 1),
    case(1, 64, 14, 64, 3, padding=1),
    case(1, 345, 5, 350, 3, padding=1),
    case(3, 20, 12, 40, 5),
    case(8, 40, 14, 40, 3, padding=1, groups=40),
    case(3, 6, 29, 40, 5, stride=2, padding=2),
    case(5, 3, 38, 40, 7, stride=2, padding=3),
    case(4, 24, 15, 40, 4, padding=1),
    case(2, 3, 63, 48, 11, stride=4, padding=2),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("case", THREAD_CASES, ids=str)
def test_the_same_bits_for_any_number_of_threads(algorithm, threads, case, what, dtype):
    inputs = arrays(case, dtype)
    threads(1)
    want = run(cpp, what, case, *inputs)
    for count in (2, 3, 7):
        threads(count)
        np.testing.assert_array_equal(run(cpp, what, case, *inputs), want)


# The plan


PLANS = [
    (case(64, 3, 48, 64, 3, padding=1), "forward", "direct"),
    (case(8, 64, 14, 64, 5, padding=4, dilation=2), "forward", "channels"),
    (case(64, 20, 12, 50, 5), "forward", "winograd5x5_images"),
    (case(64, 20, 12, 50, 5), "backward_input", "winograd5x5_images"),
    (case(64, 20, 12, 50, 5), "backward_weight", "winograd5x5"),
    (case(250, 6, 14, 16, 5), "forward", "winograd5x5_images"),
    (case(250, 6, 14, 16, 5), "backward_input", "winograd5x5_images"),
    (case(250, 6, 14, 16, 5), "backward_weight", "winograd5x5"),
    (case(64, 6, 112, 16, 5), "forward", "winograd5x5"),  # planes that outgrow L2
    (case(32, 32, 14, 64, 5), "forward", "winograd5x5"),  # many channels
    (case(64, 12, 12, 64, 7), "backward_input", "gemm"),
    (case(8, 256, 56, 64, 1), "forward", "gemm"),
    (case(64, 64, 32, 64, 3, padding=1), "forward", "winograd4"),
    (case(64, 64, 32, 64, 3, padding=1), "backward_input", "winograd4"),
    (case(64, 64, 32, 64, 3, padding=1), "backward_weight", "winograd4"),
    (case(8, 64, 48, 64, 3, padding=2, dilation=2), "forward", "direct"),
    (case(8, 144, 56, 144, 3, padding=1, groups=144), "forward", "depthwise"),
    (case(8, 144, 56, 144, 3, stride=2, padding=1, groups=144), "backward_input", "depthwise"),
    (case(8, 144, 56, 144, 3, padding=1, groups=144), "backward_weight", "depthwise"),
    (case(8, 3, 227, 96, 11, stride=4), "forward", "winograd4"),  # its phases
    (case(8, 3, 227, 96, 11, stride=4), "backward_input", "winograd4"),
    (case(8, 3, 227, 96, 11, stride=4), "backward_weight", "winograd4"),
    (case(1, 3, 224, 64, 7, stride=2, padding=3), "forward", "winograd4x4"),
    (case(1, 3, 224, 64, 7, stride=2, padding=3), "backward_input", "winograd4x4"),
    (case(1, 3, 224, 64, 7, stride=2, padding=3), "backward_weight", "winograd4x4"),
    (case(8, 2, 64, 20, 7, stride=2, padding=3), "forward", "direct"),  # few phases
    (case(8, 8, 32, 16, 4), "forward", "winograd4x4"),
    (case(8, 128, 56, 128, 3, stride=2, padding=1), "backward_input", "gemm"),
    (case(8, 128, 56, 128, 3, stride=2, padding=1), "backward_weight", "gemm"),
]


@pytest.mark.parametrize(("case", "what", "algorithm"), PLANS, ids=str)
def test_the_plan_for_a_shape(monkeypatch, case, what, algorithm):
    monkeypatch.delenv("TINYGRAD_CV_CONV", raising=False)
    got = plan(case, what)
    assert got["algorithm"] == algorithm
    assert got["why"]
    assert got["threads"] == 2


@pytest.fixture
def exact():
    _core.set_float32_precision("exact")
    yield
    _core.set_float32_precision("fast")


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize(
    ("last", "side"), [("winograd2", 3), ("winograd4x4", 4), ("winograd5x5", 5)]
)
def test_winograd_is_ruled_out_where_it_is_not_allowed(monkeypatch, exact, last, side, what):
    large = case(64, 64, 32, 64, side, padding=1)
    for name in ("auto", "winograd4", last):
        monkeypatch.setenv("TINYGRAD_CV_CONV", name)
        assert not plan(large, what)["algorithm"].startswith("winograd")
    _core.set_float32_precision("fast")
    assert plan(large, what)["algorithm"] == last
    assert not plan(large, what, itemsize=8)["algorithm"].startswith("winograd")


@pytest.mark.parametrize(
    ("name", "what", "why"),
    [
        ("winograd4", "forward", "winograd serves 3 x 3"),
        ("winograd2", "backward_weight", "winograd serves 3 x 3"),
        ("winograd4x4", "forward", "winograd4x4 serves 4 x 4"),
        ("winograd5x5", "forward", "winograd5x5 serves 5 x 5"),
        ("winograd5x5_images", "forward", "winograd5x5 serves 5 x 5"),
        ("depthwise", "backward_input", "depthwise serves one kernel for each channel"),
        ("direct", "backward_weight", "direct and channels do not serve the gradient of weights"),
    ],
)
def test_a_forced_algorithm_that_cannot_serve_gives_way_and_says_so(monkeypatch, name, what, why):
    seven = case(64, 64, 32, 64, 7, padding=3)
    monkeypatch.setenv("TINYGRAD_CV_CONV", name)
    got = plan(seven, what)
    assert why in got["why"]
    monkeypatch.setenv("TINYGRAD_CV_CONV", "auto")
    assert got["algorithm"] == plan(seven, what)["algorithm"]


def test_images_that_fill_no_vector_are_not_its_lanes(monkeypatch):
    monkeypatch.delenv("TINYGRAD_CV_CONV", raising=False)
    assert plan(case(3, 6, 14, 16, 5), "forward")["algorithm"] != "winograd5x5_images"


def test_images_in_the_lanes_serve_no_gradient_of_weights(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CV_CONV", "winograd5x5_images")
    got = plan(case(250, 6, 14, 16, 5), "backward_weight")
    assert got["algorithm"] == "winograd5x5"
    assert "winograd5x5_images does not serve the gradient of weights" in got["why"]


@pytest.mark.parametrize("name", ["direct", "channels", "gemm", "winograd2", "winograd4"])
def test_a_forced_algorithm_is_taken(monkeypatch, name):
    monkeypatch.setenv("TINYGRAD_CV_CONV", name)
    got = plan(case(4, 16, 16, 16, 3, padding=1), "forward")
    assert (got["algorithm"], got["why"]) == (name, "forced")


def test_small_work_stays_on_one_thread():
    assert plan(case(1, 1, 28, 6, 5, padding=2), "forward")["threads"] == 1


def test_an_unknown_algorithm_is_refused(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CV_CONV", "magic")
    with pytest.raises(ValueError, match=r"TINYGRAD_CV_CONV must be one of auto, .*got 'magic'"):
        plan(PLANS[0][0], "forward")


def test_an_unknown_pass_or_size_is_refused():
    with pytest.raises(ValueError, match=r"pass must be forward, .* got 'sideways'"):
        plan(PLANS[0][0], "sideways")
    with pytest.raises(ValueError, match="itemsize must be 4 or 8, got 2"):
        plan(PLANS[0][0], "forward", itemsize=2)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision must be 'fast' or 'exact', got 'some'"):
        _core.set_float32_precision("some")


# Refused arguments


def how(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return Conv2dSettings(stride, padding, dilation, groups)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


REFUSED = [
    ((2, 4, 8, 8), (16, 3, 5, 5), how(), r"4 channels but weight \(16, 3, 5, 5\) expects 3 \(gro"),
    ((2, 4, 8, 8), (6, 2, 3, 3), how(groups=4), r"groups must divide .* \(6, 2, 3, 3\), got 4"),
    ((2, 4, 8, 8), (6, 4, 3, 3), how(groups=0), "groups must divide .* got 0"),
    ((2, 4, 4, 8), (6, 4, 5, 5), how(), r"kernel \(5, 5\) .* larger than input \(4, 8\)"),
    ((2, 4, 8, 8), (6, 4, 3, 3), how(stride=(0, 1)), r"stride must be 1 to .* got \(0, 1\)"),
    ((2, 4, 8, 8), (6, 4, 3, 3), how(padding=(0, -1)), r"padding must be 0 to .* got \(0, -1\)"),
    ((2, 4, 8, 8), (6, 4, 3, 3), how(dilation=(1, 0)), r"dilation must be 1 to .* got \(1, 0\)"),
    ((2, 0, 8, 8), (6, 0, 3, 3), how(), r"input \(2, 0, 8, 8\) must have channels"),
    ((2, 4, 8, 8), (6, 4, 0, 3), how(), r"weight \(6, 4, 0, 3\) must not be empty"),
    ((1, 1, 8, 8), (1, 1, 1, 1), how(padding=(2**31 - 1, 2**31 - 1)), "output is too large"),
]


@pytest.mark.parametrize(("x", "w", "settings", "message"), REFUSED, ids=str)
def test_sizes_that_do_not_fit_are_refused(x, w, settings, message):
    with pytest.raises(ValueError, match=message):
        cpp.conv2d(zeros(*x), zeros(*w), None, settings)


def test_a_bias_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"bias has 5 entries but weight \(6, 4, 3, 3\) has 6"):
        cpp.conv2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3), zeros(5), how())


def test_a_gradient_of_another_shape_is_refused():
    message = r"grad has shape \(1, 6, 7, 7\) but .* give \(1, 6, 6, 6\)"
    with pytest.raises(ValueError, match=message):
        cpp.conv2d_backward_input(zeros(1, 6, 7, 7), zeros(6, 4, 3, 3), (8, 8), how())
    with pytest.raises(ValueError, match=message):
        cpp.conv2d_backward_weight(zeros(1, 4, 8, 8), zeros(1, 6, 7, 7), (3, 3), how())


def test_types_that_differ_are_refused():
    with pytest.raises(TypeError, match=r"conv2d: weight must be a float32 array.*float64"):
        cpp.conv2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3, dtype=np.float64), None, how())
    with pytest.raises(TypeError, match=r"conv2d: input must be a float32 array.*int64"):
        cpp.conv2d(zeros(1, 4, 8, 8, dtype=np.int64), zeros(6, 4, 3, 3), None, how())


def test_ranks_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"conv2d: input must be .* 4 dimensions"):
        cpp.conv2d(zeros(4, 8, 8), zeros(6, 4, 3, 3), None, how())
    with pytest.raises(ValueError, match=r"settings must be \(stride, .* got 3 entries"):
        cpp.conv2d(zeros(1, 4, 8, 8), zeros(6, 4, 3, 3), None, how()[:3])
