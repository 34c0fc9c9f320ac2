"""NumPy's words for tensors: np.sum(x) and its like, recorded, and `axis` for `dim` in methods."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, array_functions
from tinygrad_cv.functional import creation, extremes, joining, reduction, rounding, scan, shape
from tinygrad_cv.functional.choice import clamp, where
from tinygrad_cv.functional.diagonals import diagonal, trace, tril, triu
from tinygrad_cv.functional.einsum import einsum
from tinygrad_cv.functional.linalg import outer


def _reducer(function: Any) -> Any:
    def reduce(a: Tensor, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        settings = {} if dtype is None else {"dtype": dtype}
        return function(a, axis, keepdims, **settings)

    return reduce


def _moment(function: Any) -> Any:
    def moment(
        a: Tensor, axis: Any = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Any:  # NumPy divides by n where PyTorch divides by n - 1
        return function(a, axis, keepdim=keepdims, correction=ddof)

    return moment


def _scan(function: Any) -> Any:
    def scanned(a: Tensor, axis: int | None = None) -> Any:
        return function(a.reshape(-1), 0) if axis is None else function(a, axis)

    return scanned


def _joiner(function: Any) -> Any:
    return lambda arrays, axis=0: function(_tensors(arrays), axis)


def _tensors(arrays: Any) -> list[Tensor]:
    return [creation.as_tensor(x) for x in arrays]


def _size(a: Tensor, axis: int | None = None) -> int:
    return a.numel() if axis is None else a.shape[axis]


def _where(condition: Any, *values: Any) -> Any:
    return where(creation.as_tensor(condition), *values)


def _transpose(a: Tensor, axes: Any = None) -> Tensor:
    return shape.permute(a, range(a.ndim)[::-1] if axes is None else axes)


array_functions.update(
    {
        np.all: _reducer(reduction.all),
        np.amax: _reducer(extremes.amax),
        np.amin: _reducer(extremes.amin),
        np.any: _reducer(reduction.any),
        np.argmax: lambda a, axis=None, *, keepdims=False: extremes.argmax(a, axis, keepdims),
        np.argmin: lambda a, axis=None, *, keepdims=False: extremes.argmin(a, axis, keepdims),
        np.broadcast_to: lambda array, shape: array.broadcast_to(shape),
        np.clip: lambda a, a_min=None, a_max=None: clamp(a, a_min, a_max),
        np.concatenate: _joiner(joining.cat),
        np.copy: lambda a: a.clone(),
        np.cumprod: _scan(scan.cumprod),
        np.cumsum: _scan(scan.cumsum),
        np.diagonal: lambda a, offset=0, axis1=0, axis2=1: diagonal(a, offset, axis1, axis2),
        np.einsum: lambda subscripts, *operands: einsum(subscripts, *_tensors(operands)),
        np.expand_dims: lambda a, axis: shape.unsqueeze(a, axis),
        np.flip: lambda m, axis=None: joining.flip(m, range(m.ndim) if axis is None else axis),
        np.full_like: lambda a, fill_value: creation.full_like(a, fill_value),
        np.hstack: lambda tup: joining.hstack(_tensors(tup)),
        np.max: _reducer(extremes.amax),
        np.mean: _reducer(reduction.mean),
        np.min: _reducer(extremes.amin),
        np.moveaxis: lambda a, source, destination: shape.movedim(a, source, destination),
        np.ndim: lambda a: a.ndim,
        np.ones_like: lambda a: creation.ones_like(a),
        np.outer: lambda a, b: outer(*[x.reshape(-1) for x in _tensors((a, b))]),
        np.prod: _reducer(reduction.prod),
        np.ravel: lambda a: shape.ravel(a),
        np.repeat: lambda a, repeats, axis=None: joining.repeat_interleave(a, repeats, axis),
        np.reshape: lambda a, shape: a.reshape(shape),
        np.roll: lambda a, shift, axis=None: joining.roll(a, shift, axis),
        np.round: lambda a, decimals=0: rounding.round(a, decimals=decimals),
        np.shape: lambda a: a.shape,
        np.size: _size,
        np.squeeze: lambda a, axis=None: shape.squeeze(a, axis),
        np.stack: _joiner(joining.stack),
        np.std: _moment(reduction.std),
        np.sum: _reducer(reduction.sum),
        np.swapaxes: lambda a, axis1, axis2: shape.transpose(a, axis1, axis2),
        np.tile: lambda A, reps: joining.tile(A, reps),
        np.trace: lambda a: trace(a),
        np.transpose: _transpose,
        np.tril: lambda m, k=0: tril(m, k),
        np.triu: lambda m, k=0: triu(m, k),
        np.var: _moment(reduction.var),
        np.vstack: lambda tup: joining.vstack(_tensors(tup)),
        np.where: _where,
        np.zeros_like: lambda a: creation.zeros_like(a),
    }
)

_WITH_DIM = (
    "all amax amin any argmax argmin argsort chunk cumprod cumsum log_softmax logsumexp max mean "
    "median min norm prod softmax sort split squeeze std sum unsqueeze var"
)


def _with_axis(method: Any) -> Any:
    @functools.wraps(method)
    def call(*args: Any, **settings: Any) -> Any:
        if settings:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in settings:
                    settings[ours] = settings.pop(theirs)
        return method(*args, **settings)

    return call


def attach() -> None:
    """Let the methods of `Tensor` take `axis` for `dim` and `keepdims` for `keepdim`."""
    for name in _WITH_DIM.split():
        setattr(Tensor, name, _with_axis(getattr(Tensor, name)))
