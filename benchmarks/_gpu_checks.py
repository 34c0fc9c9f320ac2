"""What `gpu_check.py` holds a GPU to: kernels to the reference room, operations and training to the CPU."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import tinygrad_cv as tg
from tinygrad_cv import functional as F
from tinygrad_cv.backends import backend_for
from tinygrad_cv.backends.contract import Conv2dSettings, Pool2dSettings
from tinygrad_cv.backends.reference import room as reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Outcome(NamedTuple):
    """One check: what, whether it held, its largest relative error or message, and its seconds."""

    check: str
    name: str
    passed: bool
    found: str
    seconds: float


class Case(NamedTuple):
    """A function of the contract and its arguments; `exact` where every sum is one of small integers.

    rounding: of the factors, one of `ROUNDING`.
    """

    name: str
    function: str
    arguments: tuple[Any, ...]
    exact: bool
    rounding: str = ""


class Tf32:
    """A block with TF32 products."""

    def __enter__(self) -> None:
        tg.cuda.set_float32_matmul_precision("high")

    def __exit__(self, *error: object) -> None:
        tg.cuda.set_float32_matmul_precision("highest")


# Blocks that round factors for tensor cores; small integers stay what they are.
ROUNDING: dict[str, Callable[[], Any]] = {
    "": nullcontext,
    "TF32": Tf32,
    "float16": lambda: tg.autocast("cuda", "float16"),
    "bfloat16": lambda: tg.autocast("cuda", "bfloat16"),
}


def outcome(check: str, name: str, run: Callable[[], float]) -> Outcome:
    """Run a check: it returns an error, or raises what is wrong."""
    start = time.perf_counter()
    try:
        found, passed = f"{run():.1e}", True
    except Exception as error:  # whatever it is, it is what was to be found out
        found, passed = f"{type(error).__name__}: {error}".strip().splitlines()[0][:200], False
    return Outcome(check, name, passed, found, time.perf_counter() - start)


# ---- kernels ----


def kernels() -> Iterator[Outcome]:
    """Each kernel on shapes around its tiles' edges, against the reference room."""
    for case in cases():
        yield outcome("kernel", case.name, lambda case=case: kernel_error(case))


def kernel_error(case: Case) -> float:
    """The largest error of a kernel, its results and what it changes in place; raises if too large."""
    import cupy

    here = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arguments]
    there = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in here]
    room = backend_for(next(a for a in there if isinstance(a, cupy.ndarray)))
    want = _arrays(getattr(reference, case.function)(*here), here)
    with ROUNDING[case.rounding]():
        got = _arrays(getattr(room, case.function)(*there), there)
    worst = 0.0
    for ours, theirs in zip(got, want, strict=True):
        ours = cupy.asnumpy(ours)
        if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
            raise AssertionError(
                f"{ours.dtype} {ours.shape} in the place of {theirs.dtype} {theirs.shape}"
            )
        scale = max(float(np.abs(theirs).max(initial=0)), 1e-30)
        worst = max(worst, float(np.abs(ours - theirs).max(initial=0)) / scale)
        if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
            raise AssertionError("NaN at other places")
    floats = [a.dtype for a in here if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    eps = max((float(np.finfo(dtype).eps) for dtype in floats), default=0.0)
    if not worst <= (0 if case.exact else 32 * eps):
        raise AssertionError(f"relative error {worst:.1e}")
    return worst


def _arrays(result: Any, arguments: list[Any]) -> list[Any]:
    """What a kernel returned; of one that returns nothing, what it may have changed."""
    if result is None:
        return [a for a in arguments if hasattr(a, "dtype")]
    return list(result) if isinstance(result, tuple) else [result]


def cases() -> list[Case]:
    """Every family, in float32 and float64; distances of bytes and rounded factors as well."""
    made: list[Case] = []
    for dtype in (np.float32, np.float64):
        for family in (_products, _convolutions, _pools, _distances, _rest):
            made += family(np.dtype(dtype))
    plain = [*_products(np.dtype(np.float32)), *_convolutions(np.dtype(np.float32))]
    for kind in filter(None, ROUNDING):
        made += [case._replace(name=f"{case.name} in {kind}", rounding=kind) for case in plain]
    return made + _distances(np.dtype(np.uint8))


def _integers(dtype: Any, *shape: int) -> Any:
    low = 0 if dtype == np.uint8 else -4
    return np.random.default_rng(shape).integers(low, 5, shape).astype(dtype)


def _floats(dtype: Any, *shape: int) -> Any:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


PRODUCTS = [(1, 1, 1), (63, 5, 65), (64, 64, 64), (129, 17, 130), (3, 2000, 2), (260, 33, 250)]


def _products(dtype: Any) -> list[Case]:
    made = []
    for m, k, n in PRODUCTS:
        a, b, bias = _integers(dtype, m, k), _integers(dtype, k, n), _integers(dtype, n)
        name = f"matmul {m} x {k} x {n} {dtype}"
        made.append(Case(name, "matmul", (a, b, None, False), True))
        made.append(
            Case(
                f"{name} transposed + bias, relu",
                "matmul",
                (b.T, a.T, _integers(dtype, m), True),
                True,
            )
        )
        made.append(Case(f"{name} in a batch", "matmul", (np.stack([a, -a]), b, bias, False), True))
    return made


# x (N, C, H, W), outputs, kernel, stride, padding, dilation, groups
CONVOLUTIONS = [
    ((2, 3, 5, 6), 4, (3, 2), (1, 1), (1, 1), (1, 1), 1),
    ((1, 4, 7, 8), 6, (2, 3), (2, 3), (1, 2), (2, 1), 2),
    ((2, 5, 7, 7), 5, (3, 3), (2, 2), (1, 1), (1, 1), 5),
    ((2, 16, 9, 9), 24, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 70, 3, 3), 66, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 17, 1, 67), 16, (1, 4), (1, 1), (0, 2), (1, 5), 1),
    ((4, 8, 20, 20), 130, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((0, 3, 4, 4), 9, (3, 3), (1, 1), (0, 0), (1, 1), 1),
]


def _convolutions(dtype: Any) -> list[Case]:
    made = []
    for shape, outputs, kernel, stride, padding, dilation, groups in CONVOLUTIONS:
        how = Conv2dSettings(stride, padding, dilation, groups)
        x, w = _integers(dtype, *shape), _integers(dtype, outputs, shape[1] // groups, *kernel)
        grad = _integers(dtype, shape[0], outputs, *how.output_size(shape[2:], kernel))
        name = f"{shape} to {outputs}, {kernel}, {tuple(how)} {dtype}"
        calls = {
            "conv2d": (x, w, _integers(dtype, outputs), how, True),
            "conv2d_backward_input": (grad, w, shape[2:], how),
            "conv2d_backward_weight": (x, grad, kernel, how),
        }
        made += [Case(f"{call} {name}", call, given, True) for call, given in calls.items()]
    return made


def _pools(dtype: Any) -> list[Case]:
    made = []
    for how, size in [
        (Pool2dSettings((2, 2), (2, 2), (0, 0)), (8, 10)),
        (Pool2dSettings((3, 2), (2, 1), (1, 1), (1, 2)), (7, 6)),
        (Pool2dSettings((3, 3), (2, 2), (1, 1), ceil_mode=True), (8, 9)),
        (Pool2dSettings((17, 17), (17, 17), (0, 0)), (34, 34)),
    ]:
        x = _floats(dtype, 2, 3, *size)
        y, argmax = reference.max_pool2d(x, how)
        grad, name = _integers(dtype, *y.shape), f"{size} by {how.kernel} {dtype}"
        made += [
            Case(f"max_pool2d {name}", "max_pool2d", (x, how), True),
            Case(f"max_pool2d_gather {name}", "max_pool2d_gather", (x, argmax, how), True),
            Case(
                f"max_pool2d_backward {name}",
                "max_pool2d_backward",
                (grad, argmax, size, how),
                True,
            ),
        ]
        if how.dilation == (1, 1):
            made += [
                Case(f"avg_pool2d {name}", "avg_pool2d", (x, how), False),
                Case(
                    f"avg_pool2d_backward {name}", "avg_pool2d_backward", (grad, size, how), False
                ),
            ]
    return made + _pools_of_a_size(dtype) + _norm_pools(dtype)


def _pools_of_a_size(dtype: Any) -> list[Case]:
    made = []
    for size, count in [((7, 9), (3, 2)), ((3, 2), (5, 7)), ((34, 40), (13, 40))]:
        x = _floats(dtype, 2, 3, *size)
        _, places = reference.adaptive_max_pool2d(x, count)
        grad = _integers(dtype, *places.shape)
        calls = {
            "adaptive_avg_pool2d": (x, count),
            "adaptive_avg_pool2d_backward": (grad, size),
            "adaptive_max_pool2d": (x, count),
            "adaptive_max_pool2d_backward": (grad, places, size),
            "adaptive_max_pool2d_gather": (x, places),
        }
        made += [
            Case(f"{f} {size} to {count} {dtype}", f, given, True) for f, given in calls.items()
        ]
    return made


def _norm_pools(dtype: Any) -> list[Case]:
    made = []
    how, x = Pool2dSettings((3, 2), (2, 1), (0, 0), ceil_mode=True), abs(_floats(dtype, 2, 3, 8, 9))
    for p in (1, 2, 3.5):
        y = reference.lp_pool2d(x, p, how)
        grad = abs(_floats(dtype, *y.shape))
        made += [
            Case(f"lp_pool2d p = {p} {dtype}", "lp_pool2d", (x, p, how), False),
            Case(
                f"lp_pool2d_backward p = {p} {dtype}",
                "lp_pool2d_backward",
                (grad, x, y, p, how),
                False,
            ),
        ]
    return made


def _distances(dtype: Any) -> list[Case]:
    made = []
    for n, m, depth in [(1, 1, 1), (65, 63, 17), (130, 70, 100)]:
        x, y = _integers(dtype, n, depth), _integers(dtype, m, depth)
        name = f"{n} and {m} rows of {depth} {dtype}"
        made += [
            Case(f"{metric} of {name}", "pairwise_distance", (x, y, metric), True)
            for metric in ("l1", "sqeuclidean")
        ]
    return made


def _rest(dtype: Any) -> list[Case]:
    """Cross-entropy, batch normalisation and the optimizers' steps."""
    x, labels = _floats(dtype, 300, 10), np.arange(300) % 11 - 1
    loss = (x, labels, np.abs(_floats(dtype, 10)), -1)
    _, factor, p = reference.cross_entropy(*loss)
    images, (scale, shift) = _floats(dtype, 4, 5, 6, 7), _floats(dtype, 2, 5)
    _, mean, _, root = reference.batch_norm(images, scale, shift, 1e-5)
    w, g, v, s = _floats(dtype, 4, 1000)
    return [
        Case(f"cross_entropy {dtype}", "cross_entropy", loss, False),
        Case(
            f"cross_entropy_backward {dtype}", "cross_entropy_backward",
            (_floats(dtype, 300), p, labels, -1, factor), False,
        ),
        Case(f"batch_norm {dtype}", "batch_norm", (images, scale, shift, 1e-5, True), False),
        Case(
            f"batch_norm_backward {dtype}", "batch_norm_backward",
            (_floats(dtype, 4, 5, 7, 6).swapaxes(2, 3), images, scale, shift, mean, root), False,
        ),
        Case(f"unscale {dtype}", "unscale", (g, np.array(3, np.float32), np.zeros((), np.int32)), True),
        Case(f"sgd_step {dtype}", "sgd_step", (w, g, v, 0.1, 0.9, 1.0, 1e-3, True, False), False),
        Case(
            f"adam_step {dtype}", "adam_step",
            (w, g, v, s**2, s**2, 0.9, 0.999, 0.01, 0.5, 1e-8, 1e-3, 0.999, False), False,
        ),
    ]  # fmt: skip


# ---- operations and training ----


def operations(examples: int) -> Iterator[Outcome]:
    """Each differentiable operation: value, first and second derivative as on the CPU, in float64."""
    from tinygrad_cv.testing import registry
    from tinygrad_cv.testing.devices import OTHER_DRAWS, check_devices

    def agree(op: str) -> float:
        check_devices(op, "cuda", examples=examples)
        return 1e-9  # the tolerance that they kept

    for op in (op for op in registry.OPS if op not in OTHER_DRAWS):
        yield outcome("operation", op, lambda op=op: agree(op))


def training(steps: int, batch: int) -> Iterator[Outcome]:
    """LeNet on the packed digits: the same losses as on the CPU, step by step."""
    for name in ("SGD", "Adam"):
        yield outcome(
            "training",
            f"LeNet, {name}, {steps} steps",
            lambda name=name: curves(name, steps, batch),
        )
        yield outcome(
            "training",
            f"LeNet in float16, {name}, {steps} steps",
            lambda name=name: curves(name, steps, batch, half=True),
        )


def curves(optimizer: str, steps: int, batch: int, half: bool = False) -> float:
    """How far the losses of CPU and GPU are apart; raises if they are, or if nothing was learned."""
    data = tg.data.digits()
    chosen = np.arange(batch) * 7 % len(data)
    images, labels = data.images[chosen] / np.float32(255), data.labels[chosen]
    tg.manual_seed(0)
    start = tg.models.LeNet5().state_dict()
    losses = {
        device: _losses(start, images, labels, optimizer, steps, device, half and device == "cuda")
        for device in ("cpu", "cuda")
    }
    apart = np.abs(np.array(losses["cuda"]) / np.array(losses["cpu"]) - 1).max()
    if not apart < 1e-2 or not losses["cuda"][-1] < losses["cuda"][0]:
        raise AssertionError(f"losses {losses}")
    return float(apart)


def _losses(
    start: Any, images: Any, labels: Any, optimizer: str, steps: int, device: str, half: bool
) -> list[float]:
    net = tg.models.LeNet5()
    net.load_state_dict(start)
    net.to(device)
    settings = {"lr": 0.02, "momentum": 0.9} if optimizer == "SGD" else {"lr": 1e-3}
    step = getattr(tg.optim, optimizer)(net.parameters(), **settings)
    x, y = tg.tensor(images, device=device), tg.tensor(labels, device=device).long()
    scaler = tg.amp.GradScaler(device, enabled=half)
    losses = []
    for _ in range(steps):
        step.zero_grad()
        with tg.autocast("cuda", enabled=half):
            loss = F.cross_entropy(net(x), y)
            scaler.scale(loss).backward()
        scaler.step(step)
        scaler.update()
        losses.append(loss)
    return [loss.item() for loss in losses]
