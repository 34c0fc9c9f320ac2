"""Time conv2d, forward and backward, beside PyTorch.

Per row: the shape, the pass, our median time, GFLOP/s and share of the machine's measured peak, and
PyTorch's time divided by ours, for its default layout (NCHW) and for channels_last. Above 1 we are
faster. Both sides allocate their results as a user's program does; results are compared first.
JAX (jitted, NCHW) and onnxruntime (forward alone), where they are installed, run in processes of their
own, in turn with ours.
"""

from __future__ import annotations

import fnmatch
from typing import Any, NamedTuple

import _harness as harness
import numpy as np
from _compilers import Compiler, installed

import tinygrad_cv as tg
from tinygrad_cv import functional as F
from tinygrad_cv.backends import backend_for
from tinygrad_cv.backends.contract import Conv2dSettings


class Shape(NamedTuple):
    """One convolution: batch, channels in and out, image side, kernel side and how it slides."""

    name: str
    n: int
    c: int
    side: int
    o: int
    k: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def out(self) -> int:
        return (self.side + 2 * self.padding - self.k) // self.stride + 1

    @property
    def flop(self) -> float:
        taps = self.c // self.groups * self.k * self.k
        return 2.0 * self.n * self.o * self.out * self.out * taps

    @property
    def settings(self) -> Conv2dSettings:
        s, p = self.stride, self.padding
        return Conv2dSettings((s, s), (p, p), (1, 1), self.groups)


SHAPES = [
    Shape("lenet1-6", 250, 1, 28, 6, 5, 1, 2),
    Shape("lenet1-20", 250, 1, 28, 20, 5),
    Shape("lenet2-6-16", 250, 6, 14, 16, 5),
    Shape("lenet2-20-50", 250, 20, 12, 50, 5),
    Shape("vgg3-64@32", 128, 3, 32, 64, 3, 1, 1),
    Shape("vgg64-64@32", 64, 64, 32, 64, 3, 1, 1),
    Shape("vgg64-128@16", 64, 64, 16, 128, 3, 1, 1),
    Shape("vgg128-128@16", 64, 128, 16, 128, 3, 1, 1),
    Shape("vgg256-256@8", 64, 256, 8, 256, 3, 1, 1),
    Shape("vgg512-512@4", 64, 512, 4, 512, 3, 1, 1),
    Shape("rn7x7s2", 8, 3, 224, 64, 7, 2, 3),
    Shape("rn1x1-256-64@56", 8, 256, 56, 64, 1),
    Shape("rn1x1-64-256@56", 8, 64, 56, 256, 1),
    Shape("rn64-64@56", 8, 64, 56, 64, 3, 1, 1),
    Shape("rn128-128@28", 8, 128, 28, 128, 3, 1, 1),
    Shape("rn256-256@14", 8, 256, 14, 256, 3, 1, 1),
    Shape("rn512-512@7", 8, 512, 7, 512, 3, 1, 1),
    Shape("rn3x3s2-128@56", 8, 128, 56, 128, 3, 2, 1),
    Shape("alexnet11x11s4", 8, 3, 227, 96, 11, 4),
    Shape("grouped-128@28", 8, 128, 28, 128, 3, 1, 1, 4),
    Shape("dw32@112", 8, 32, 112, 32, 3, 1, 1, 32),
    Shape("dw144@56", 8, 144, 56, 144, 3, 1, 1, 144),
    Shape("dw144s2@56", 8, 144, 56, 144, 3, 2, 1, 144),
    Shape("n1-lenet1-6", 1, 1, 28, 6, 5, 1, 2),
    Shape("n1-vgg64-64@32", 1, 64, 32, 64, 3, 1, 1),
    Shape("n1-rn64-64@56", 1, 64, 56, 64, 3, 1, 1),
    Shape("n1-rn256-256@14", 1, 256, 14, 256, 3, 1, 1),
    Shape("n1-rn7x7s2", 1, 3, 224, 64, 7, 2, 3),
]
QUICK = ("lenet*", "vgg64-64@32", "rn1x1-256*", "rn3x3s2*", "dw144@56", "n1-rn64*")
PASSES = ("forward", "input grad", "weight grad", "both ways")
COMPILED = {"jax": ("forward", "both ways"), "onnxruntime": ("forward",)}  # what each runs


def arrays(shape: Shape) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)

    def draw(*size: int) -> Any:
        return rng.standard_normal(size, dtype=np.float32)

    x = draw(shape.n, shape.c, shape.side, shape.side)
    w = draw(shape.o, shape.c // shape.groups, shape.k, shape.k)
    return (
        x,
        w / np.float32(w[0].size ** 0.5),
        draw(shape.o),
        draw(shape.n, shape.o, *[shape.out] * 2),
    )


def ours(shape: Shape, data: tuple[Any, Any, Any, Any]) -> dict[str, Any]:
    """Our calls, by pass; "both ways" goes through the autograd."""
    x, w, b, g = data
    room, settings = backend_for(x), shape.settings
    tx, tw, tb = (tg.tensor(a, requires_grad=True) for a in (x, w, b))
    tgrad = tg.from_numpy(g)

    def both() -> Any:
        tx.grad = tw.grad = tb.grad = None
        y = F.conv2d(tx, tw, tb, shape.stride, shape.padding, 1, shape.groups)
        y.backward(tgrad)
        return tw.grad.array

    return {
        "forward": lambda: room.conv2d(x, w, b, settings),
        "input grad": lambda: room.conv2d_backward_input(g, w, x.shape[2:], settings),
        "weight grad": lambda: room.conv2d_backward_weight(x, g, w.shape[2:], settings),
        "both ways": both,
    }


def theirs(torch: Any, shape: Shape, data: Any, channels_last: bool) -> dict[str, Any]:
    """PyTorch's calls, by pass, in one of its two layouts."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, w, g = (torch.from_numpy(data[i]).contiguous(memory_format=layout) for i in (0, 1, 3))
    b = torch.from_numpy(data[2])
    s, p = [shape.stride] * 2, [shape.padding] * 2
    lx, lw, lb = (a.clone().requires_grad_() for a in (x, w, b))

    def backward(mask: list[bool]) -> Any:
        return torch.ops.aten.convolution_backward(
            g, x, w, [shape.o], s, p, [1, 1], False, [0, 0], shape.groups, mask
        )

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(x, w, b, s, p, 1, shape.groups)

    def both() -> Any:
        lx.grad = lw.grad = lb.grad = None
        torch.nn.functional.conv2d(lx, lw, lb, s, p, 1, shape.groups).backward(g)
        return lw.grad

    return {
        "forward": forward,
        "input grad": lambda: backward([True, False, False])[0],
        "weight grad": lambda: backward([False, True, False])[1],
        "both ways": both,
    }


def compare(ours_: dict[str, Any], torch_: dict[str, Any], shape: Shape) -> dict[str, float]:
    """Relative errors by pass; stops if the two sides do not compute the same."""
    errors = {}
    for name in PASSES:
        error = harness.relative_error(ours_[name](), torch_[name]().numpy())
        if not error < 1e-3:
            raise SystemExit(f"{shape.name}, {name}: results differ by {error:.1e}")
        errors[name] = error
    return errors


def compiled(
    others: list[Compiler], name: str, shape: Shape, data: Any, want: Any
) -> dict[str, Any]:
    """The other libraries' calls for one pass; stops if they do not compute the same."""
    calls = {}
    for other in others:
        if name in COMPILED[other.name]:
            call = other.convolution(name, shape._asdict(), data)
            error = harness.relative_error(want, call())
            if not error < 1e-3:
                raise SystemExit(f"{shape.name}, {name}: {other.name} differs by {error:.1e}")
            calls[other.name] = call
    return calls


def bench(shape: Shape, torch: Any, others: list[Compiler], rounds: int) -> list[dict[str, Any]]:
    data = arrays(shape)
    sides = {"ours": ours(shape, data)}
    errors = dict.fromkeys(PASSES, float("nan"))
    if torch is not None:
        sides["torch"] = theirs(torch, shape, data, channels_last=False)
        sides["channels_last"] = theirs(torch, shape, data, channels_last=True)
        errors = compare(sides["ours"], sides["torch"], shape)
    rows = []
    for name in PASSES:
        contestants = {side: calls[name] for side, calls in sides.items()}
        contestants |= compiled(others, name, shape, data, sides["ours"][name]())
        times = harness.interleave(contestants, rounds)
        row = {"name": shape.name, "op": name, "shape": shape._asdict(), "dtype": "float32"}
        row["flop"] = shape.flop * (3 if name == "both ways" else 1)
        row["max_rel_err"] = errors[name]
        for side, seconds in times.items():
            row[f"{side}_us"] = [round(1e6 * t, 2) for t in seconds]
        rows.append(row)
    return rows


def show(row: dict[str, Any], peak: float, sides: list[str]) -> None:
    us = harness.median(row["ours_us"])
    gflops = row["flop"] / us / 1e3
    line = (
        f"{row['name']:18s} {row['op']:12s} {us:10.1f} {gflops:9.1f} {100 * gflops / peak:6.1f} %"
    )
    for side in sides:
        line += f" {harness.ratio(row, side):13.2f}" if f"{side}_us" in row else f" {'':13s}"
    print(line, flush=True)


def summary(rows: list[dict[str, Any]]) -> None:
    for name in PASSES:
        chosen = [row for row in rows if row["op"] == name and "torch_us" in row]
        if chosen:
            first = harness.geometric_mean([harness.ratio(r, "torch") for r in chosen])
            better = harness.geometric_mean(
                [min(harness.ratio(r, side) for side in ("torch", "channels_last")) for r in chosen]
            )
            print(f"geometric mean, {name}: {first:.2f} (NCHW), {better:.2f} (the better of both)")
        for side in COMPILED:
            chosen = [row for row in rows if row["op"] == name and f"{side}_us" in row]
            if chosen:
                mean = harness.geometric_mean([harness.ratio(r, side) for r in chosen])
                print(f"geometric mean, {name}: {mean:.2f} ({side})")


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument(
        "--shapes", nargs="+", default=["*"], metavar="NAME", help="names or patterns (all)"
    )
    harness.add_against(arguments, list(COMPILED))
    options = arguments.parse_args()
    patterns = QUICK if options.quick else options.shapes
    chosen = [s for s in SHAPES if any(fnmatch.fnmatch(s.name, p) for p in patterns)]
    if not chosen:
        arguments.error(f"no shape matches; there are {', '.join(s.name for s in SHAPES)}")
    if options.quick:
        options.rounds = min(options.rounds, 5)
    torch = harness.start(options)
    asked = list(COMPILED) if options.against is None else options.against
    if options.isa is not None:  # nothing holds it to an instruction set
        asked = [name for name in asked if name != "onnxruntime"]
    others = [Compiler(name, tg.get_num_threads()) for name in installed(asked)]
    info = harness.machine()
    peak = info["peak_gflops_f32"]
    print(
        f"{info['cpu']}, {tg.get_num_threads()} threads, {info['isa']}, peak {peak:.0f} GFLOP/s, "
        f"medians of {options.rounds} rounds"
    )
    print(f"{'shape':18s} {'pass':12s} {'us':>10s} {'GFLOP/s':>9s} {'of peak':>8s}", end="")
    sides = ([] if torch is None else ["torch", "channels_last"]) + [o.name for o in others]
    print("".join(f" {side:>13s}" for side in sides))
    rows = []
    for shape in chosen:
        for row in bench(shape, torch, others, options.rounds):
            show(row, peak, sides)
            rows.append(row)
    summary(rows)
    for other in others:
        other.close()
    if options.json:
        versions = {other.name: other.version for other in others}
        harness.write_json(options, "conv2d", rows, torch, versions)


if __name__ == "__main__":
    main()
