"""Convolution on the emulated GPU against the reference room: products, splits, direct kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.backends.reference import conv as reference

DTYPES = [np.float32, np.float64]
PASSES = ["forward", "backward_input", "backward_weight"]
# (tile, splits) as plans; None: what the room chooses, the direct kernels for few channels.
PLANS = {
    "forward": [None, (64,), (128,)],
    "backward_input": [None, (64,), (128,)],
    "backward_weight": [None, (64,), (64, 3)],
}
quick = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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


FORMS = [
    case(2, 3, (5, 6), 4, (3, 2), padding=1),
    case(1, 4, (7, 8), 6, (2, 3), stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2),
    case(2, 5, 7, 5, 3, stride=2, padding=1, groups=5),  # depthwise
    case(1, 3, 6, 9, 3, stride=3, groups=3),  # depthwise with a multiplier
    case(2, 16, 9, 24, 3, padding=1),  # a ragged tile of rows and of columns
    case(1, 70, 3, 66, 1),  # more channels than a tile has rows
    case(3, 17, (1, 67), 16, (1, 4), padding=(0, 2), dilation=(1, 5)),
    case(2, 18, 8, 18, 3, stride=2, padding=1, groups=2),
    case(2, 4, (9, 10), 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2),
    case(0, 3, 4, 9, 3),
]


@st.composite
def cases(draw) -> Case:
    """Kernel, stride, padding, dilation and output size first; then an input that gives them."""
    small = st.integers(1, 3)
    pair = lambda values: st.tuples(values, values)  # noqa: E731
    kernel, stride, dilation = (draw(pair(st.integers(1, most))) for most in (4, 3, 3))
    padding, out = draw(pair(st.integers(0, 3))), draw(pair(st.integers(1, 9)))
    size = []
    for i in (0, 1):
        span = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1
        unread = draw(st.integers(0, stride[i] - 1))  # rows that no window reaches
        size.append(max(1, span - 2 * padding[i] + unread))
    groups = draw(small)
    c, k = groups * draw(st.integers(1, 20)), groups * draw(st.integers(1, 20))
    how = Conv2dSettings(stride, padding, dilation, groups)
    return Case((draw(st.integers(1, 2)), c, *size), (k, c // groups, *kernel), how)


def arrays(case: Case, dtype, draw):
    """x, w, bias and grad."""
    return [draw(shape).astype(dtype) for shape in (case.x, case.w, (case.w[0],), case.grad)]


def run(gpu, what, case, plan, x, w, bias, grad):
    """One pass by a plan of the test's choice, on the device."""
    from tinygrad_cv.backends.cuda import conv
    from tinygrad_cv.backends.cuda.matmul import Plan

    plan = None if plan is None else Plan(*plan)
    x, w, bias, grad = map(gpu.asarray, (x, w, bias, grad))
    if what == "forward":
        out = gpu.empty(case.grad, x.dtype)
        conv.forward(plan, x, w, bias, case.settings, False, out)
    elif what == "backward_input":
        out = gpu.empty(case.x, x.dtype)
        conv.backward_input(plan, grad, w, case.settings, out)
    else:
        out = gpu.empty(case.w, x.dtype)
        conv.backward_weight(plan, x, grad, case.settings, out)
    return out.get()


def expected(what, case, x, w, bias, grad):
    """The reference room's result."""
    if what == "forward":
        return reference.conv2d(x, w, bias, case.settings)
    if what == "backward_input":
        return reference.conv2d_backward_input(grad, w, case.x[2:], case.settings)
    return reference.conv2d_backward_weight(x, grad, case.w[2:], case.settings)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", PASSES)
def test_every_kernel_is_exact_on_integers(gpu, schedule, rng, what, dtype):
    for case in FORMS:
        values = arrays(case, dtype, lambda shape: rng.integers(-3, 4, shape))
        want = expected(what, case, *values)
        for plan in PLANS[what]:
            if plan == (128,) and dtype == np.float64:
                continue
            if not want.size or not case.x[0]:
                continue
            got = run(gpu, what, case, plan, *values)
            np.testing.assert_array_equal(got, want, err_msg=f"{case} {plan}")


@quick
@pytest.mark.parametrize("what", PASSES)
@given(
    case=cases(), dtype=st.sampled_from(DTYPES), schedule=st.integers(0, 3),
    which=st.integers(0, 2), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@example(case=FORMS[4], dtype=np.float32, schedule=2, which=2, seed=0)
def test_convolutions_are_within_their_bound(gpu, what, case, dtype, schedule, which, seed):
    from standin import Cuda

    Cuda.schedule = schedule
    plan = PLANS[what][which]
    if plan == (128,) and dtype == np.float64:
        plan = (64,)
    values = arrays(case, dtype, np.random.default_rng(seed).standard_normal)
    got = run(gpu, what, case, plan, *values)
    wide = [a.astype(np.longdouble) for a in values]
    terms = {
        "forward": case.w[1] * case.w[2] * case.w[3] + 1,
        "backward_input": case.w[0] // case.settings.groups * case.w[2] * case.w[3],
        "backward_weight": case.grad[0] * case.grad[2] * case.grad[3],
    }[what]
    bound = (terms + 2) * np.finfo(dtype).eps / 2 * expected(what, case, *map(abs, wide))
    assert (abs(got - expected(what, case, *wide)) <= bound).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_room_adds_bias_and_clips(gpu, rng, dtype):
    for case in (FORMS[4], FORMS[2]):  # an implicit product, a direct kernel
        x, w, bias, _ = arrays(case, dtype, lambda shape: rng.integers(-3, 4, shape))
        up = [gpu.asarray(a) for a in (x, w, bias)]
        want = reference.conv2d(x, w, None, case.settings)
        np.testing.assert_array_equal(gpu.room.conv2d(*up[:2], None, case.settings).get(), want)
        want = np.maximum(reference.conv2d(x, w, bias, case.settings), 0)
        np.testing.assert_array_equal(gpu.room.conv2d(*up, case.settings, True).get(), want)


def test_layouts_that_are_not_dense_are_copied(gpu, rng):
    case = FORMS[4]
    x, w, _, grad = arrays(case, np.float32, lambda shape: rng.integers(-3, 4, shape))
    flipped = [gpu.asarray(a[..., ::-1].copy())[..., ::-1] for a in (x, w, grad)]
    assert not any(a.flags.c_contiguous for a in flipped)
    for what in PASSES:
        want = expected(what, case, x, w, np.zeros(case.w[0], np.float32), grad)
        args = {
            "forward": (flipped[0], flipped[1], None, case.settings),
            "backward_input": (flipped[2], flipped[1], case.x[2:], case.settings),
            "backward_weight": (flipped[0], flipped[2], case.w[2:], case.settings),
        }[what]
        name = "conv2d" if what == "forward" else f"conv2d_{what}"
        np.testing.assert_array_equal(getattr(gpu.room, name)(*args).get(), want)


@pytest.mark.parametrize("what", PASSES)
def test_batches_too_large_for_one_launch_are_cut(gpu, rng, monkeypatch, what):
    from standin import Cuda

    from tinygrad_cv.backends.cuda import arrays as border

    case = FORMS[0]._replace(x=(5, 3, 5, 6))
    values = arrays(case, np.float32, lambda shape: rng.integers(-3, 4, shape))
    x, w, bias, grad = map(gpu.asarray, values)
    how = case.settings
    call = {
        "forward": lambda: gpu.room.conv2d(x, w, bias, how),
        "backward_input": lambda: gpu.room.conv2d_backward_input(grad, w, case.x[2:], how),
        "backward_weight": lambda: gpu.room.conv2d_backward_weight(x, grad, case.w[2:], how),
    }[what]
    each = 3 * 5 * 6 if what == "backward_input" else 4 * 5 * 7
    monkeypatch.setattr(border, "MOST_ELEMENTS", 2 * each + 3)  # 2 images a launch
    before = Cuda.launches
    np.testing.assert_array_equal(call().get(), expected(what, case, *values))
    assert Cuda.launches - before == 3
    monkeypatch.setattr(border, "MOST_ELEMENTS", each - 1)
    with pytest.raises(ValueError, match=f"an image has {each} elements, but a kernel counts at"):
        call()


def test_an_empty_batch_has_no_gradient(gpu):
    x, grad = gpu.zeros((0, 3, 4, 4), np.float32), gpu.zeros((0, 9, 2, 2), np.float32)
    how = FORMS[-1].settings
    assert not gpu.room.conv2d_backward_weight(x, grad, (3, 3), how).get().any()
    weight = gpu.zeros((9, 3, 3, 3), np.float32)
    assert gpu.room.conv2d(x, weight, None, how).shape == (0, 9, 2, 2)
    assert gpu.room.conv2d_backward_input(grad, weight, (4, 4), how).shape == x.shape


def test_shapes_that_do_not_fit_are_refused(gpu):
    how = Conv2dSettings((1, 1), (0, 0), (1, 1), 1)
    x, w = gpu.zeros((1, 4, 5, 5), np.float32), gpu.zeros((2, 3, 3, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"conv2d: x has 4 channels but w \(2, 3, 3, 3\) expects 3"
    ):
        gpu.room.conv2d(x, w, None, how)
    with pytest.raises(ValueError, match=r"bias is \(3,\) but w .* has 2 outputs"):
        gpu.room.conv2d(x[:, :3], w, gpu.zeros(3, np.float32), how)
    with pytest.raises(
        ValueError, match=r"grad is \(1, 2, 3, 3\) but the result .* \(1, 2, 4, 4\)"
    ):
        gpu.room.conv2d_backward_input(gpu.zeros((1, 2, 3, 3), np.float32), w, (6, 6), how)
    with pytest.raises(ValueError, match=r"backward_weight: grad is \(1, 2, 3, 3\)"):
        gpu.room.conv2d_backward_weight(x, gpu.zeros((1, 2, 3, 3), np.float32), (2, 2), how)
