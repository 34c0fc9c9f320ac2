"""Convolution on the GPU: implicit products, and one output a thread for groups of few channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cupy as cp

from tinygrad_cv.backends.cuda.arrays import check_floats, dense, runs
from tinygrad_cv.backends.cuda.launch import launch, processors, suffix, threads_for
from tinygrad_cv.backends.cuda.matmul import Plan, add_parts, plan_splits, plan_tile, tensor_plan

if TYPE_CHECKING:
    from tinygrad_cv.backends.contract import Array, Conv2dSettings, Pair

__all__ = ["conv2d", "conv2d_backward_input", "conv2d_backward_weight"]

_FEW_CHANNELS = 8  # a tile of 64 rows with fewer is mostly zeros

Numbers = tuple[int, ...]


def conv2d(
    x: Array, w: Array, bias: Array | None, settings: Conv2dSettings, relu: bool = False
) -> Array:
    """y = x cross-correlated with w, plus bias; relu: negative values become 0 in the last write."""
    check_floats("conv2d", x=x, w=w, bias=bias)
    groups, outputs = settings.groups, w.shape[0]
    _check_channels("conv2d", x.shape[1], w, groups)
    if bias is not None:
        if bias.shape != (outputs,):
            raise ValueError(f"conv2d: bias is {bias.shape} but w {w.shape} has {outputs} outputs")
        bias = dense(bias)
    x, w = dense(x), dense(w)
    size = settings.output_size(x.shape[2:], w.shape[2:])
    y = cp.empty((x.shape[0], outputs, *size), x.dtype)
    if y.size:
        each = max(outputs * size[0] * size[1], x.shape[2] * x.shape[3])
        for part in runs("conv2d", "an image", len(x), each):
            forward(None, x[part], w, bias, settings, relu, y[part])
    return y


def forward(
    plan: Plan | None, x: Array, w: Array, bias: Array | None, settings: Conv2dSettings,
    relu: bool, y: Array,
) -> None:  # fmt: skip
    """Write the convolution to the dense y; by the implicit product if there is a `plan`."""
    numbers, name = _numbers(x.shape, w.shape, y.shape, settings), suffix(y.dtype)
    rows, columns = w.shape[0] // settings.groups, len(y) * y.shape[2] * y.shape[3]
    if plan is None and rows < _FEW_CHANNELS:
        kernel, blocks = f"conv2d_direct_{name}", threads_for(y.size)
        launch("conv_direct", kernel, blocks, x, w, bias, y, relu, *numbers)
        return
    plan = plan or plan_tile(rows, columns, settings.groups, y.itemsize, processors())
    blocks = plan.blocks(rows, columns) * settings.groups
    launch("conv", plan.kernel("conv2d", y), blocks, x, w, bias, y, relu, *numbers)


def conv2d_backward_input(grad: Array, w: Array, size: Pair, settings: Conv2dSettings) -> Array:
    """Gradient with respect to x, of rows and columns `size`."""
    check_floats("conv2d_backward_input", grad=grad, w=w)
    grad, w = dense(grad), dense(w)
    channels = w.shape[1] * settings.groups
    shape = (len(grad), channels, *size)
    _check_grad("conv2d_backward_input", grad, shape, w.shape[0], w.shape[2:], settings)
    gx = cp.empty(shape, grad.dtype)
    if gx.size:
        each = max(channels * size[0] * size[1], grad.shape[2] * grad.shape[3])
        for part in runs("conv2d_backward_input", "an image", len(grad), each):
            backward_input(None, grad[part], w, settings, gx[part])
    return gx


def backward_input(
    plan: Plan | None, grad: Array, w: Array, settings: Conv2dSettings, gx: Array
) -> None:
    """Write the input's gradient to the dense gx; by the implicit product if there is a `plan`."""
    numbers, name = _numbers(gx.shape, w.shape, grad.shape, settings), suffix(gx.dtype)
    rows, columns = w.shape[1], len(gx) * gx.shape[2] * gx.shape[3]
    if plan is None and rows < _FEW_CHANNELS:
        kernel, blocks = f"conv2d_direct_backward_input_{name}", threads_for(gx.size)
        launch("conv_direct", kernel, blocks, grad, w, gx, *numbers)
        return
    plan = plan or plan_tile(rows, columns, settings.groups, gx.itemsize, processors())
    blocks = plan.blocks(rows, columns) * settings.groups
    launch("conv", plan.kernel("conv2d_backward_input", gx), blocks, grad, w, gx, *numbers)


def conv2d_backward_weight(x: Array, grad: Array, kernel: Pair, settings: Conv2dSettings) -> Array:
    """Gradient with respect to w, whose kernel has rows and columns `kernel`."""
    check_floats("conv2d_backward_weight", x=x, grad=grad)
    x, grad = dense(x), dense(grad)
    outputs = grad.shape[1]
    _check_grad("conv2d_backward_weight", grad, x.shape, outputs, kernel, settings)
    gw = cp.zeros((outputs, x.shape[1] // settings.groups, *kernel), grad.dtype)
    if not gw.size or not grad.size:
        return gw
    each = max(grad[0].size, x.shape[2] * x.shape[3])
    cut = runs("conv2d_backward_weight", "an image", len(x), each)
    for number, part in enumerate(cut):
        sums = gw if number == 0 else cp.empty_like(gw)
        backward_weight(None, x[part], grad[part], settings, sums)
        if number:
            gw += sums
    return gw


def backward_weight(
    plan: Plan | None, x: Array, grad: Array, settings: Conv2dSettings, gw: Array
) -> None:
    """Write the weight's gradient to the dense gw; by the implicit product if there is a `plan`."""
    numbers, name = _numbers(x.shape, gw.shape, grad.shape, settings), suffix(gw.dtype)
    rows, columns = gw.shape[0] // settings.groups, gw[0].size
    if plan is None and rows < _FEW_CHANNELS and gw.shape[1] < _FEW_CHANNELS:
        kernel = f"conv2d_direct_backward_weight_{name}"
        launch("conv_direct", kernel, gw.size, x, grad, gw, *numbers)
        return
    if plan is None:
        plan = tensor_plan(gw.itemsize) or Plan(64)
        tiles = plan.blocks(rows, columns) * settings.groups
        depth = len(grad) * grad.shape[2] * grad.shape[3]
        plan = plan._replace(splits=plan_splits(tiles, depth, processors()))
    out = gw if plan.splits == 1 else cp.empty((plan.splits, *gw.shape), gw.dtype)
    blocks = plan.blocks(rows, columns) * settings.groups * plan.splits
    kernel = plan.kernel("conv2d_backward_weight", gw)
    launch("conv", kernel, blocks, x, grad, out, plan.splits, *numbers)
    if plan.splits > 1:
        add_parts(out, gw)


def _numbers(x: Any, w: Any, y: Any, settings: Conv2dSettings) -> Numbers:
    """The shapes of x, w and y and the settings, in the order of the kernels' CONV_PARAMS."""
    (n, c, *size), (outputs, _, *kernel), out = x, w, y[2:]
    stride, padding, dilation, groups = settings
    return (n, c, *size, outputs, *kernel, *out, *stride, *padding, *dilation, groups)


def _check_channels(where: str, channels: int, w: Array, groups: int) -> None:
    if channels != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(
            f"{where}: x has {channels} channels but w {w.shape} expects {w.shape[1] * groups} "
            f"(groups={groups})"
        )


def _check_grad(
    where: str, grad: Array, x: Any, outputs: int, kernel: Any, settings: Conv2dSettings
) -> None:
    """The kernels read by the shapes that they are told, so these must fit."""
    want = (x[0], outputs, *settings.output_size(x[2:], kernel))
    if grad.shape != want or x[1] % settings.groups or outputs % settings.groups:
        raise ValueError(
            f"{where}: grad is {grad.shape} but the result of x {tuple(x)} is {want} "
            f"(groups={settings.groups})"
        )
