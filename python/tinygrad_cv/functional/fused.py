"""Functions that are several in one, for `nn.fusion`: the same results in fewer passes over memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.functional.conv import convolved
from tinygrad_cv.functional.linalg import affine
from tinygrad_cv.functional.pool import pool_settings
from tinygrad_cv.gates.fused import AddRelu, Conv2dRelu, Conv2dReluPool, LinearRelu

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Conv2dSettings, Pair
    from tinygrad_cv.engine.gate import Gate
    from tinygrad_cv.engine.tensor import Tensor


def conv2d_relu(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    pool: tuple[Any, ...] | None = None,
) -> Tensor:
    """relu of `conv2d`, and `max_pool2d` of that if `pool` has its other arguments."""

    def gate_of(settings: Conv2dSettings, size: Pair) -> Gate:
        if pool is None:
            return Conv2dRelu(settings)
        return Conv2dReluPool(settings, pool_settings("max_pool2d", 2, size, *pool))

    return convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, gate_of)


def linear_relu(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """relu of `linear`."""
    return affine(input, weight, bias, LinearRelu())


def add_relu(a: Tensor, b: Tensor) -> Tensor:
    """relu of the sum of float tensors of one shape and dtype."""
    out: Tensor = AddRelu()(a, b)
    return out
