"""Times on a GPU, by its own clock (events), beside PyTorch with cuDNN and cuBLAS in turn."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import _harness as harness
import numpy as np
from _networks import lenet
from conv_bench import SHAPES, Shape
from train_bench import Contestant

import tinygrad_cv as tg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Sides = dict[str, "Callable[[], Any]"]
CONVOLUTIONS = ("lenet2-6-16", "vgg64-64@32", "vgg256-256@8", "rn7x7s2", "rn1x1-256-64@56", "rn3x3s2-128@56", "dw144@56")  # fmt: skip


class Event:
    """A moment on the GPU, in the current stream of our side or of PyTorch."""

    def __init__(self, torch: Any) -> None:
        import cupy

        self.torch, self.cuda = torch, cupy.cuda
        self.event = torch.cuda.Event(enable_timing=True) if torch else cupy.cuda.Event()
        self.event.record()

    def microseconds_since(self, start: Event) -> float:
        """Waits for this moment."""
        self.event.synchronize()
        if self.torch:
            return float(1e3 * start.event.elapsed_time(self.event))
        return float(1e3 * self.cuda.get_elapsed_time(start.event, self.event))


def times(sides: Sides, torch: Any, rounds: int, least_us: float = 2e4) -> dict[str, list[float]]:
    """Microseconds a call in every round; in each round all sides run in turn, `least_us` long."""

    def once(side: str, count: int) -> float:
        clock = torch if side != "ours" else None
        start = Event(clock)
        for _ in range(count):
            sides[side]()
        return Event(clock).microseconds_since(start) / count

    repeats = {}
    for side in sides:
        once(side, 2)  # compiles kernels, fills caches
        repeats[side] = max(1, min(1000, round(least_us / max(once(side, 1), 1.0))))
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, count in repeats.items():
            found[side].append(round(once(side, count), 2))
    return found


def rows(
    made: dict[str, Callable[[], Sides]], torch: Any, rounds: int, deadline: float
) -> Iterator[dict[str, Any]]:
    """A row for each benchmark until the deadline, with a side "torch" where PyTorch sees the GPU.

    One that fails says so in its row, and the next is timed.
    """
    for name, make in made.items():
        if time.monotonic() > deadline:
            print(f"no time left for {name}", flush=True)
            continue
        row: dict[str, Any] = {"name": name}
        try:
            for side, values in times(make(), torch, rounds).items():
                row[f"{side}_us"] = values
        except Exception as error:  # as out of memory; whatever it is, the table goes on
            row["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        yield row
        _free(torch)


def _free(torch: Any) -> None:
    """Give the memory of the last benchmark's arrays back: each library keeps a pool of its own."""
    gc.collect()
    tg.cuda.empty_cache()
    if torch is not None:
        torch.cuda.empty_cache()


def benchmarks(torch: Any, part: int = 1) -> dict[str, Callable[[], Sides]]:
    """What is timed, by name; a call makes the operands and what to call.

    `part` divides batches, channels and sides, for trying the program out where nothing is timed.
    """
    made: dict[str, Callable[[], Sides]] = {}
    n, side, products = 64 // part, 56 // part, [size // part for size in (256, 1024, 4096)]
    for shape in (_smaller(shape, part) for shape in SHAPES):
        if shape.name in CONVOLUTIONS:
            made[f"conv2d {shape.name}, both ways"] = lambda s=shape: _both_ways(
                torch, (s.n, s.c, s.side, s.side), (s.o, s.c // s.groups, s.k, s.k),
                lambda F, x, w: F.conv2d(x, w, stride=s.stride, padding=s.padding, groups=s.groups),
            )  # fmt: skip
    for name in ("max_pool2d", "avg_pool2d"):
        made[f"{name} 2 x 2, both ways"] = lambda name=name: _both_ways(
            torch, (n, n, side, side), None, lambda F, x, _: getattr(F, name)(x, 2)
        )
    made["batch_norm, both ways"] = lambda: _both_ways(
        torch, (n, n, side, side), (n,),
        lambda F, x, w: F.batch_norm(x, None, None, w, w, training=True),
    )  # fmt: skip
    for size in products:
        made[f"matmul {size} x {size} x {size}"] = lambda size=size: _sides(
            torch, [(size, size), (size, size)], lambda library, a, b: lambda: a @ b
        )
    for p in (1.0, 2.0):
        made[f"cdist p={p:g}, 1000 and 5000 rows of 3072"] = lambda p=p: _sides(
            torch,
            [(1000 // part, 3072 // part), (5000 // part, 3072 // part)],
            lambda library, a, b: lambda: library.cdist(a, b, p=p),
        )
    made["LeNet step, batch 256"] = lambda: _steps(torch, lenet, (256 // part, 1, 28, 28))
    made["ResNet-18 step, batch 32 of 64 x 64"] = lambda: _steps(
        torch, resnet18, (32 // part, 3, max(64 // part, 32), max(64 // part, 32))
    )
    return made


def _smaller(shape: Shape, part: int) -> Shape:
    """The convolution with a part of its images, channels and pixels."""
    return shape._replace(
        n=max(shape.n // part, 1), c=max(shape.c // part, 1), o=max(shape.o // part, 1),
        groups=max(shape.groups // part, 1), side=max(shape.side // part, shape.k),
    )  # fmt: skip


def _sides(torch: Any, shapes: list[Any], make: Callable[..., Any]) -> Sides:
    """`make` of each library and its float32 tensors of these shapes on the GPU."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    sides: Sides = {"ours": make(tg, *[tg.tensor(a, device="cuda") for a in arrays])}
    if torch is not None:
        sides["torch"] = make(torch, *[torch.tensor(a, device="cuda") for a in arrays])
    return sides


def _both_ways(torch: Any, x: Any, w: Any, function: Callable[..., Any]) -> Sides:
    """The function of an input and, unless None, a weight: value and gradients."""

    def make(library: Any, x: Any, w: Any = None) -> Callable[[], Any]:
        inputs = [t.requires_grad_() for t in (x, w) if t is not None]
        up = library.ones_like(function(library.nn.functional, x, w).detach())

        def run() -> None:
            for t in inputs:
                t.grad = None
            function(library.nn.functional, x, w).backward(up)

        return run

    return _sides(torch, [x] if w is None else [x, w], make)


def _steps(torch: Any, build: Callable[[Any], Any], shape: Any) -> Sides:
    """Whole training steps from the same weights; the host reads each loss, as a program does."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(shape, dtype=np.float32), rng.integers(0, 10, shape[0])
    tg.manual_seed(0)
    net = build(tg.nn)
    weights = {name: np.array(v.array) for name, v in net.state_dict().items()}
    batch = tg.tensor(x, device="cuda"), tg.tensor(y, device="cuda")
    sides: dict[str, Any] = {"ours": Contestant(tg, net.to("cuda"), "SGD", [batch])}
    if torch is not None:
        theirs = build(torch.nn)
        theirs.load_state_dict({name: torch.from_numpy(v) for name, v in weights.items()})
        there = torch.tensor(x, device="cuda"), torch.tensor(y, device="cuda")
        sides["torch"] = Contestant(torch, theirs.to("cuda"), "SGD", [there])
        losses = {side: step() for side, step in sides.items()}
        if not np.allclose(losses["ours"], losses["torch"], rtol=1e-3):
            raise AssertionError(f"losses differ: {losses}")
    return sides


def resnet18(nn: Any) -> Any:
    """He et al. 2015 with ten classes, by one code in both libraries."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
            )  # fmt: skip
            self.shortcut = nn.Identity()
            if stride != 1 or inputs != width:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    layers: list[Any] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    ]  # fmt: skip
    inputs = 64
    for width in (64, 128, 256, 512):
        layers += [Block(inputs, width, 1 if width == 64 else 2), Block(width, width, 1)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def show(row: dict[str, Any]) -> str:
    """A line of the table: our median, and PyTorch's time divided by it."""
    if "failed" in row:
        return f"{row['name']:44s} FAILED {row['failed']}"
    line = f"{row['name']:44s} {harness.median(row['ours_us']):10.1f} us"
    return line + (f"  torch {harness.ratio(row, 'torch'):6.2f}" if "torch_us" in row else "")
