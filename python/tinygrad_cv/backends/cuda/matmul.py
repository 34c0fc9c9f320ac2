"""Matrix products on the GPU: operands of any strides are read in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cupy as cp
import numpy as np

from tinygrad_cv.backends.cuda.arrays import check_floats, dense
from tinygrad_cv.backends.cuda.launch import (
    has_tensor_cores,
    launch,
    processors,
    suffix,
    threads_for,
)
from tinygrad_cv.backends.cuda.precision import product_kind

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array

__all__ = ["matmul"]

_SHORTEST_PART = 256  # of a split sum: below, adding the parts costs what the split saves


class Plan(NamedTuple):
    """How a product of m x n results is cut: the tile's side, and parts of each sum.

    kind: of tensor cores ("tf32", "bf16", "f16"), or "" for plain arithmetic.
    """

    tile: int
    splits: int = 1
    kind: str = ""

    def kernel(self, operation: str, y: Array) -> str:
        """The name of the kernel that writes y."""
        return f"{operation}_{self.kind or suffix(y.dtype)}_t{self.tile}"

    def blocks(self, m: int, n: int) -> int:
        """Tiles of one product."""
        return -(-m // self.tile) * -(-n // self.tile)


def tensor_plan(itemsize: int) -> Plan | None:
    """The tile on tensor cores, if float32 may be rounded for them and the GPU has them."""
    kind = product_kind() if itemsize == 4 else ""
    return Plan(128, kind=kind) if kind and has_tensor_cores() else None


def plan_tile(m: int, n: int, products: int, itemsize: int, units: int) -> Plan:
    """The large tile where it fills all `units` multiprocessors, else the small one."""
    on_tensor_cores = tensor_plan(itemsize)
    if on_tensor_cores is not None:
        return on_tensor_cores
    large = Plan(128)
    return large if itemsize == 4 and products * large.blocks(m, n) >= units else Plan(64)


def plan_splits(blocks: int, depth: int, units: int) -> int:
    """In how many parts a sum of `depth` terms is cut so that `blocks` tiles fill the GPU twice."""
    return max(1, min(2 * units // max(1, blocks), depth // _SHORTEST_PART))


def matmul(a: Array, b: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """a (..., M, K) times b (..., K, N), plus bias (N,); `relu` clips the result at 0."""
    check_floats("matmul", a=a, b=b, bias=bias)
    (m, depth), n = a.shape[-2:], b.shape[-1]
    if b.shape[-2] != depth or (bias is not None and bias.shape != (n,)):
        shapes = f"a {a.shape}, b {b.shape}" + (f", bias {bias.shape}" if bias is not None else "")
        raise ValueError(f"matmul: shapes do not fit: {shapes}")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = cp.empty((*lead, m, n), a.dtype)
    if not y.size:
        return y
    sizes, a, b = _batches(lead, a, b)
    units = processors()
    plan = plan_tile(m, n, sizes[0] * sizes[1], y.itemsize, units)
    if not lead:
        plan = plan._replace(splits=plan_splits(plan.blocks(m, n), depth, units))
    bias = None if bias is None else dense(bias)
    run(plan, a, b, bias, relu, y.reshape(*sizes, m, n))
    return y


def run(plan: Plan, a: Array, b: Array, bias: Array | None, relu: bool, y: Array) -> None:
    """Write the product of a (outer, inner, M, K) and b (outer, inner, K, N) to the dense y."""
    outer, inner, m, n = y.shape
    depth, batch = a.shape[-1], outer * inner
    out = y if plan.splits == 1 else cp.empty((plan.splits, *y.shape), y.dtype)
    a_steps, b_steps = ([s // y.itemsize for s in x.strides] for x in (a, b))
    last = plan.splits == 1
    launch(
        "matmul", plan.kernel("matmul", y), plan.blocks(m, n) * batch * plan.splits,
        a, b, bias if last else None, out, m, n, depth, batch, inner, plan.splits,
        a_steps[2], a_steps[3], a_steps[0], a_steps[1],
        b_steps[2], b_steps[3], b_steps[0], b_steps[1], relu and last,
    )  # fmt: skip
    if not last:
        add_parts(out, y, bias, relu)


def add_parts(parts: Array, y: Array, bias: Array | None = None, relu: bool = False) -> None:
    """Write the sum of `parts` along their first dimension, in order, to the dense y."""
    launch(
        "matmul", f"sum_splits_{suffix(y.dtype)}", threads_for(y.size),
        parts, bias, y, len(parts), y.size, y.shape[-1], relu,
    )  # fmt: skip


def _batches(lead: tuple[int, ...], a: Array, b: Array) -> tuple[tuple[int, int], Array, Array]:
    """Both operands as (outer, inner, rows, columns): views where strides allow, else copies."""
    a, b = (cp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    if len(lead) > 2:
        inner = int(np.prod(lead[1:]))
        a, b = (dense(x).reshape(lead[0], inner, *x.shape[-2:]) for x in (a, b))
    else:
        fill = (1,) * (2 - len(lead))
        a, b = (x.reshape(*fill, *x.shape) for x in (a, b))
    return (a.shape[0], a.shape[1]), a, b
