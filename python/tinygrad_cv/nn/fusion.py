"""Neighbours that run as one, where nobody looks at what lies between them.

A convolution or linear layer followed by relu clips in its last write, and a max pooling behind that
keeps only what it chose; batch normalisation clips in its last write too, and so does the sum at the
end of a residual block (`add_relu`). In evaluation, under
`no_grad`, a batch normalisation is folded into the convolution before it. Parameters, names,
`state_dict` and gradients are the same. Layers with hooks, subclasses, recorded circuits and anomaly
detection run one by one: they want to see every value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.engine import anomaly, recording
from tinygrad_cv.engine.grad_mode import is_grad_enabled
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional import fused
from tinygrad_cv.functional.fused import conv2d_relu, linear_relu
from tinygrad_cv.nn.activation import ReLU
from tinygrad_cv.nn.conv import Conv2d
from tinygrad_cv.nn.linear import Linear
from tinygrad_cv.nn.norm import BatchNorm1d, BatchNorm2d
from tinygrad_cv.nn.pooling import MaxPool2d

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tinygrad_cv.nn.module import Module

    Fuse = Callable[[Sequence[Module], int, Tensor], tuple[Any, int]]


def run(parts: Sequence[Module], input: Any) -> Any:
    """The modules one after the other; each takes what the one before gives."""
    watched = _watched()
    place, count = 0, len(parts)
    while place < count:
        part = parts[place]
        fuse = _FUSES.get(part.__class__)
        used = 0
        if fuse is not None and not watched and input.__class__ is Tensor:
            out, used = fuse(parts, place, input)
        if used:
            input, place = out, place + used
        else:
            input, place = part(input), place + 1
    return input


def add_relu(a: Any, b: Any, relu: Module) -> Any:
    """The layer `relu` of a + b, in one pass over memory if it is a `ReLU`: a residual block's end."""
    alike = (
        a.__class__ is Tensor
        and b.__class__ is Tensor
        and a.array.shape == b.array.shape
        and a.array.dtype == b.array.dtype
        and a.array.dtype.char in "fd"
        and a.array.__class__ is b.array.__class__
    )
    if alike and _is(ReLU, (relu,), 0) and not _watched():
        return fused.add_relu(a, b)
    return relu(a + b)


def _watched() -> bool:
    """Whether somebody wants to see every value."""
    return anomaly.enabled() or recording.active() is not None


def _is(kind: type[Module], parts: Sequence[Module], place: int) -> bool:
    """Whether the part there is just this kind of layer, with nobody watching it."""
    if place >= len(parts) or parts[place].__class__ is not kind:
        return False
    part = parts[place]
    hooks = part._hooks
    alone = hooks is None or not (hooks.forward or hooks.forward_pre or hooks.backward)
    return alone and "forward" not in part.__dict__


def _convolution(parts: Sequence[Module], place: int, input: Tensor) -> tuple[Any, int]:
    if not _is(Conv2d, parts, place):
        return None, 0
    conv: Any = parts[place]
    if conv.padding_mode != "zeros":
        return None, 0
    used = 1
    weight, bias = conv.weight, conv.bias
    if input.ndim == 4 and _is(BatchNorm2d, parts, place + 1) and _folds(conv, parts[place + 1]):
        weight, bias = _folded(conv, parts[place + 1])
        used = 2
    settings = conv.stride, conv.padding, conv.dilation, conv.groups
    if not _is(ReLU, parts, place + used):
        return (F.conv2d(input, weight, bias, *settings), used) if used > 1 else (None, 0)
    used += 1
    pool = None
    if _is(MaxPool2d, parts, place + used):
        p: Any = parts[place + used]
        if not p.return_indices:
            pool = p.kernel_size, p.stride, p.padding, p.dilation, p.ceil_mode
            used += 1
    return conv2d_relu(input, weight, bias, *settings, pool), used


def _folds(conv: Any, norm: Any) -> bool:
    """Whether the statistics are known and no gradient is wanted."""
    return (
        not norm.training
        and norm.running_mean is not None
        and norm.num_features == conv.out_channels
        and norm.running_mean.dtype == conv.weight.dtype
        and not is_grad_enabled()
    )


def _folded(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that normalises what it gives."""
    scale = (norm.running_var.array + norm.eps) ** -0.5
    if norm.weight is not None:
        scale = scale * norm.weight.array
    shift = (
        norm.running_mean.array if conv.bias is None else norm.running_mean.array - conv.bias.array
    )
    bias = -shift * scale
    if norm.bias is not None:
        bias = bias + norm.bias.array
    return wrap(conv.weight.array * scale.reshape(-1, 1, 1, 1)), wrap(bias)


def _linear(parts: Sequence[Module], place: int, input: Tensor) -> tuple[Any, int]:
    if not (_is(Linear, parts, place) and _is(ReLU, parts, place + 1)):
        return None, 0
    layer: Any = parts[place]
    return linear_relu(input, layer.weight, layer.bias), 2


def _batch_norm(parts: Sequence[Module], place: int, input: Tensor) -> tuple[Any, int]:
    layer: Any = parts[place]
    if not (_is(layer.__class__, parts, place) and _is(ReLU, parts, place + 1)):
        return None, 0
    return layer.normalize(input, True), 2


_FUSES: dict[type[Module], Fuse] = {
    Conv2d: _convolution,
    Linear: _linear,
    BatchNorm1d: _batch_norm,
    BatchNorm2d: _batch_norm,
}
