"""Products and convolutions on emulated tensor cores: exact on integers, within their bound on floats."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.backends.contract import Conv2dSettings
from tinygrad_cv.backends.cuda.precision import product_kind
from tinygrad_cv.backends.reference import conv as reference

ROUNDING = {"tf32": 2.0**-11, "bf16": 2.0**-8, "f16": 2.0**-11}
KINDS = list(ROUNDING)
EPSILON = 2.0**-23  # of a float32 sum, which the cores may cut off instead of rounding
SLIDE = Conv2dSettings((2, 1), (1, 2), (1, 2), 2)  # every setting differs in its two directions


@pytest.fixture
def products(gpu):
    """Products and the three passes of convolution by a plan of the test's choice."""
    from tinygrad_cv.backends.cuda import conv
    from tinygrad_cv.backends.cuda.matmul import Plan, run

    class Products:
        plan = Plan

        @staticmethod
        def matmul(plan, a, b, bias=None, relu=False):
            y = gpu.empty((1, 1, a.shape[0], b.shape[1]), a.dtype)
            up = [None if x is None else gpu.asarray(x) for x in (a, b, bias)]
            run(plan, up[0][None, None], up[1][None, None], up[2], relu, y)
            return y.get()[0, 0]

        @staticmethod
        def conv(name, plan, result, *arrays):
            out = gpu.empty(result, np.float32)
            up = [gpu.asarray(x) for x in arrays]
            extra = (None, SLIDE, True) if name == "forward" else (SLIDE,)
            getattr(conv, name)(plan, *up, *extra, out)
            return out.get()

    return Products


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("splits", [1, 3])
def test_products_are_exact_on_integers(products, schedule, rng, kind, splits):
    """Every factor has few bits, every sum stays below 2^24: one wrong lane is seen."""
    plan = products.plan(128, splits, kind)
    for m, n, k in [(1, 1, 1), (129, 35, 48), (5, 130, 9)]:
        a, b, bias = (rng.integers(-8, 9, s).astype(np.float32) for s in ((m, k), (k, n), n))
        np.testing.assert_array_equal(products.matmul(plan, a, b), a @ b)
        got = products.matmul(plan, a, b, bias, True)
        np.testing.assert_array_equal(got, np.maximum(a @ b + bias, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_within_their_bound(products, rng, kind):
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((70, 90), (90, 130)))
    got = products.matmul(products.plan(128, 1, kind), a, b)
    u = ROUNDING[kind]
    terms = np.abs(a).astype(np.float64) @ np.abs(b)
    error = np.abs(got - a.astype(np.float64) @ b)
    assert (error <= (2 * u + u * u + 2 * 90 * EPSILON) * terms).all()
    assert error.max() > 2.0**-20 * terms.max()  # it is rounded: these are not the plain kernels


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_rounded_to_the_nearest(products, kind):
    """One product at a time shows a factor's rounding, ties included (TF32 away, others to even)."""
    bits = {"tf32": 10, "bf16": 7, "f16": 10}[kind]
    ulp = 2.0**-bits
    x = np.array([1 + ulp / 2, 1 + 3 * ulp / 2, 1 + ulp / 4, -1 - ulp * 0.75], np.float32)
    away = [1 + ulp, 1 + 2 * ulp, 1, -1 - ulp]
    want = away if kind == "tf32" else [1, *away[1:]]
    got = products.matmul(products.plan(128, 1, kind), x[:, None], np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(got[:, 0], want)


def test_float16_factors_leave_its_range_as_numpys_do(products, rng):
    """Beyond 65504 lies infinity, below 2^-14 places of 2^-24, below half of one zero."""
    edges = [65504, 65519.99, 65520, 1e5, 3e38, 2**-14, 2**-15 * 1.999, 2**-24, 2**-25, 2**-26, 0]
    spread = rng.uniform(0.5, 2, 300) * 2.0 ** rng.integers(-28, 18, 300)
    x = np.array([*edges, *spread], np.float32)
    x = np.concatenate([x, -x, np.nextafter(x, np.float32(1))])
    with np.errstate(over="ignore"):
        want = x.astype(np.float16).astype(np.float32)
    got = products.matmul(products.plan(128, 1, "f16"), x[:, None], np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(got[:, 0], want)
    assert np.isinf(want).any()


def test_float16_products_are_those_of_rounded_factors(products, rng):
    """Each product of two float16 is exact in float32: only the sum errs."""
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((70, 90), (90, 130)))
    rounded = [m.astype(np.float16).astype(np.float64) for m in (a, b)]
    got = products.matmul(products.plan(128, 1, "f16"), a, b)
    error = np.abs(got - rounded[0] @ rounded[1])
    assert (error <= 2 * 90 * EPSILON * (np.abs(rounded[0]) @ np.abs(rounded[1]))).all()


def test_float16_convolutions_are_those_of_rounded_factors(products, rng):
    plan = products.plan(128, 1, "f16")
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((2, 20, 6, 7), (18, 10, 3, 2)))
    rounded = [m.astype(np.float16).astype(np.float64) for m in (x, w)]
    grad = rng.standard_normal(reference.conv2d(x, w, None, SLIDE).shape).astype(np.float32)
    half = grad.astype(np.float16).astype(np.float64)

    def check(got, room, *arrays, terms):
        error = np.abs(got - room(*arrays))
        assert (error <= 2 * terms * EPSILON * room(*map(_magnitude, arrays))).all()

    gx = products.conv("backward_input", plan, x.shape, grad, w)
    check(gx, reference.conv2d_backward_input, half, rounded[1], (6, 7), SLIDE, terms=9 * 6)
    gw = products.conv("backward_weight", plan, w.shape, x, grad)
    depth = grad[:, 0].size
    check(gw, reference.conv2d_backward_weight, rounded[0], half, (3, 2), SLIDE, terms=depth)
    y = products.conv("forward", plan, grad.shape, x, w)  # with relu
    exact = reference.conv2d(*rounded, None, SLIDE)
    bound = 2 * 60 * EPSILON * reference.conv2d(*map(np.abs, rounded), None, SLIDE)
    assert (np.abs(y - np.maximum(exact, 0)) <= bound).all()


def _magnitude(given):
    return np.abs(given) if isinstance(given, np.ndarray) else given


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinity_go_through(products, kind):
    a = np.array([[np.nan, 1], [np.inf, 1], [np.inf, -np.inf]], np.float32)
    got = products.matmul(products.plan(128, 1, kind), a, np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(got[:, 0], [np.nan, np.inf, np.nan])


@pytest.mark.parametrize("kind", KINDS)
def test_convolutions_are_exact_on_integers(products, schedule, rng, kind):
    x, w = (rng.integers(-3, 4, s).astype(np.float32) for s in ((2, 20, 6, 7), (18, 10, 3, 2)))
    y = reference.conv2d(x, w, None, SLIDE, True)
    grad = rng.integers(-3, 4, y.shape).astype(np.float32)
    plan, split = products.plan(128, 1, kind), products.plan(128, 2, kind)
    np.testing.assert_array_equal(products.conv("forward", plan, y.shape, x, w), y)
    gx = products.conv("backward_input", plan, x.shape, grad, w)
    np.testing.assert_array_equal(gx, reference.conv2d_backward_input(grad, w, (6, 7), SLIDE))
    want = reference.conv2d_backward_weight(x, grad, (3, 2), SLIDE)
    for how in (plan, split):
        gw = products.conv("backward_weight", how, w.shape, x, grad)
        np.testing.assert_array_equal(gw, want)


@pytest.fixture
def precision():
    """Sets the precision, and puts it back."""
    yield tg.cuda.set_float32_matmul_precision
    tg.cuda.set_float32_matmul_precision("highest")


def test_the_precision_chooses_the_kernels(gpu, rng, precision, monkeypatch):
    from tinygrad_cv.backends.cuda import conv, launch, matmul

    names = []
    for module in (conv, matmul):
        run = module.launch

        def recorded(file, name, *args, run=run):
            names.append(name)
            run(file, name, *args)

        monkeypatch.setattr(module, "launch", recorded)
    monkeypatch.setattr(launch, "_major", lambda device: 8)
    x = tg.tensor(rng.standard_normal((2, 9, 4, 4)).astype(np.float32)).to("cuda").requires_grad_()
    w = tg.tensor(rng.standard_normal((8, 9, 3, 3)).astype(np.float32)).to("cuda").requires_grad_()

    def step():
        names.clear()
        sums = tg.functional.conv2d(x, w).sum((2, 3))
        (sums @ tg.ones(8, 2, device="cuda")).sum().backward()
        return set(names) - {"sum_splits_f32"}

    used = ["matmul", "conv2d", "conv2d_backward_input", "conv2d_backward_weight"]
    assert step() == {f"{name}_f32_t64" for name in used}
    for setting, kind in (("high", "tf32"), ("medium", "bf16")):
        precision(setting)
        assert step() == {f"{name}_{kind}_t128" for name in used}
    for dtype, kind in ((None, "f16"), ("bfloat16", "bf16"), (tg.float16, "f16")):
        with tg.autocast("cuda", dtype):
            assert step() == {f"{name}_{kind}_t128" for name in used}
    assert matmul.plan_tile(9, 9, 1, 8, 4) == matmul.Plan(64)  # float64 is never rounded
    monkeypatch.setattr(launch, "_major", lambda device: 7)
    assert step() == {f"{name}_f32_t64" for name in used}


def test_a_precision_that_there_is_not(precision):
    with pytest.raises(ValueError, match="must be one of highest, high, medium, got 'low'"):
        precision("low")
    assert tg.cuda.get_float32_matmul_precision() == "highest"


def test_autocast_nests_and_decorates(precision):
    with tg.autocast("cuda"):
        assert product_kind() == "f16"
        with tg.autocast("cuda:0", enabled=False):
            assert product_kind() == ""
            precision("high")
            assert product_kind() == "tf32"
        with pytest.raises(ZeroDivisionError), tg.amp.autocast("cuda", "bfloat16"):
            raise ZeroDivisionError
        assert product_kind() == "f16"
    assert product_kind() == "tf32"
    assert tg.autocast("cuda", dtype="bfloat16")(product_kind)() == "bf16"


def test_autocast_refuses_what_it_cannot_do():
    with pytest.raises(RuntimeError, match="the CPU computes float32 in float32"):
        tg.autocast("cpu")
    with pytest.raises(ValueError, match=r"must be 'float16' or 'bfloat16', got .*float64"):
        tg.autocast("cuda", dtype=tg.float64)
    with pytest.raises(ValueError, match="expected 'cpu', 'cuda'"):
        tg.autocast("tpu")
