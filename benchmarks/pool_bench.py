"""Time pooling and batch normalisation beside PyTorch, forward plus backward through the autograd.

Per row: our median time for one forward and backward pass, and PyTorch's time divided by it, for its
default layout (NCHW) and for channels_last. Results are compared before any time is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import _harness as harness
import numpy as np

import tinygrad_cv as tg

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = [
    (250, 6, 28, 28),
    (250, 20, 24, 24),
    (64, 64, 32, 32),
    (64, 128, 16, 16),
    (64, 256, 8, 8),
    (8, 64, 112, 112),
]


def batch_norm(F: Any, x: Any) -> Any:
    """Training mode, without weight and bias: its statistics are what costs."""
    return F.batch_norm(x, None, None, training=True)


OPS: dict[str, Callable[[Any, Any], Any]] = {
    "max pool 2x2": lambda F, x: F.max_pool2d(x, 2),
    "max pool 3x3, stride 2": lambda F, x: F.max_pool2d(x, 3, 2, 1),
    "average pool 2x2": lambda F, x: F.avg_pool2d(x, 2),
    "global average": lambda F, x: F.adaptive_avg_pool2d(x, 1),
    "batch norm": batch_norm,
}


def both_ways(F: Any, op: Callable[[Any, Any], Any], x: Any, grad: Any) -> Callable[[], Any]:
    def call() -> Any:
        x.grad = None
        op(F, x).backward(grad)
        return x.grad

    return call


def contestants(
    op: Callable[[Any, Any], Any], shape: tuple[int, ...], torch: Any
) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, dtype=np.float32)
    with tg.no_grad():
        out = op(tg.functional, tg.from_numpy(x)).shape
    grad = rng.standard_normal(out, dtype=np.float32)
    ours = tg.tensor(x, requires_grad=True)
    found = {"ours": both_ways(tg.functional, op, ours, tg.from_numpy(grad))}
    if torch is not None:
        layouts = {"torch": torch.contiguous_format, "channels_last": torch.channels_last}
        for name, layout in layouts.items():
            a, g = (torch.from_numpy(v).contiguous(memory_format=layout) for v in (x, grad))
            found[name] = both_ways(torch.nn.functional, op, a.requires_grad_(), g)
    return found


def compare(sides: dict[str, Callable[[], Any]], label: str) -> None:
    grads = {name: np.asarray(call().numpy()) for name, call in sides.items()}
    for name, grad in grads.items():
        error = harness.relative_error(grads["ours"], grad)
        if not error < 1e-4:
            raise SystemExit(f"{label}: ours and {name} differ by {error:.1e}")


def main() -> None:
    options = harness.parser(__doc__ or "").parse_args()
    shapes = SHAPES
    if options.quick:
        options.rounds, shapes = min(options.rounds, 5), SHAPES[2:3]
    torch = harness.start(options)
    harness.headline(options.rounds)
    rows = []
    for name, op in OPS.items():
        chosen = []
        for shape in shapes:
            label = f"{name} {'x'.join(map(str, shape))}"
            sides = contestants(op, shape, torch)
            compare(sides, label)
            row = harness.timed_row(sides, options.rounds, name=name, shape=list(shape))
            harness.show(row, label)
            chosen.append(row)
        harness.show_means(chosen, name)
        rows += chosen
    if options.json:
        harness.write_json(options, "pool", rows, torch)


if __name__ == "__main__":
    main()
