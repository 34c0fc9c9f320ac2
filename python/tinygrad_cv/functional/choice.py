"""Choices between values, elementwise and broadcast; what is not chosen gets no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cv.engine.promotion import result_type
from tinygrad_cv.engine.tensor import Tensor, is_tensor, wrap
from tinygrad_cv.functional.methods import tensor_method
from tinygrad_cv.functional.operands import is_operand, same_dtype
from tinygrad_cv.gates import choice as gates


@tensor_method(ufunc="maximum")
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair, NaN if either is; equals share the gradient half and half."""
    return gates.Maximum()(input, other)


@tensor_method(ufunc="minimum")
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair, NaN if either is; equals share the gradient half and half."""
    return gates.Minimum()(input, other)


@tensor_method("clip", ufunc="clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """`input` limited to [min, max].

    Parameters
    ----------
    min, max : number or Tensor, optional
        Limits; tensors broadcast. Where min is above max the result is max.

    Raises
    ------
    ValueError
        No limit at all.

    Notes
    -----
    The gradient is 1 where min <= input <= max, ends included, else 0. A limit that is a tensor
    gets the gradient where it is the result.
    """
    if min is None and max is None:
        raise ValueError("clamp: min or max must be given")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        given = same_dtype("clamp", *[x for x in (input, min, max) if x is not None])
        limits = iter(given[1:])
        low, high = (None if x is None else next(limits) for x in (min, max))
        return gates.ClampBetween()(given[0], low, high)
    numbers = [x for x in (min, max) if x is not None]
    for x in numbers:
        if not is_operand(x):
            raise TypeError(f"clamp: min and max must be numbers, got {type(x).__name__}")
    if input.array.dtype.kind != "f":
        input = input.to(result_type(input, *numbers))
    return gates.Clamp(min, max)(input)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition is true, `other` elsewhere.

    Parameters
    ----------
    condition : Tensor of bools
    input, other : Tensor or number, optional
        Broadcast. Without them the result is the tuple of indices of the true elements, one tensor
        per dimension.

    Raises
    ------
    TypeError
        A condition that is not of bools, or one value without the other.

    Notes
    -----
    The value that is not chosen gets no gradient: not a 0 that is then multiplied by what may be
    NaN, but none. ``where(x > 0, x.log(), 0)`` has the gradient 0 at x = 0.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> x = tg.tensor([4.0, 0.0, -1.0], requires_grad=True)
    >>> tg.where(x > 0, x.sqrt(), 0.0).sum().backward()
    >>> x.grad
    tensor([0.2500, 0.0000, 0.0000])
    """
    chosen: Any = condition.array if is_tensor(condition) else condition
    if getattr(chosen, "dtype", None) != np.bool_:
        kind = getattr(chosen, "dtype", type(condition).__name__)
        raise TypeError(f"where: condition must be a tensor of bools, got {kind}")
    if input is None and other is None:
        return tuple([wrap(index) for index in np.nonzero(chosen)])
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        pair = same_dtype("where", input, other)
        input, other = [wrap(np.asarray(x.array, like=chosen)) for x in pair]
    return gates.Where(chosen.copy())(input, other)  # the graph's own, should it be written to


def _tensor_where(self: Tensor, condition: Tensor, other: Any) -> Any:
    """The tensor where the condition is true, `other` elsewhere; see the function `where`."""
    return where(condition, self, other)


setattr(Tensor, "where", _tensor_where)  # noqa: B010


@tensor_method()
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with `value` where the mask is true; no gradient flows there.

    Parameters
    ----------
    mask : Tensor of bools
        Broadcasts with `input`.
    value : number or Tensor, shape ()
        Takes the dtype of `input`.

    Raises
    ------
    TypeError
        A mask that is not of bools.
    ValueError
        A value of more than one element.
    """
    if mask.array.dtype != bool:
        raise TypeError(f"masked_fill: mask must be a tensor of bools, got {mask.dtype}")
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(np.asarray(value).astype(input.dtype), like=input.array))
    if value.ndim:
        raise ValueError(f"masked_fill: value must be one number, got shape {value.shape}")
    return gates.Where(mask.array.copy())(value.to(input.dtype), input)
