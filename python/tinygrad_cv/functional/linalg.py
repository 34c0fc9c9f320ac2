"""Products of matrices and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import promotion
from tinygrad_cv.engine.tensor import Tensor, from_numpy, wrap
from tinygrad_cv.functional.arithmetic import add, mul
from tinygrad_cv.functional.methods import require_float, tensor_method
from tinygrad_cv.gates import matmul as gates

if TYPE_CHECKING:
    from tinygrad_cv.engine.gate import Gate


def _operands(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    a, b = (x if isinstance(x, Tensor) else from_numpy(x) for x in (a, b))
    if a.array.dtype != b.array.dtype:
        a, b = promotion.promote(a, b)
    return a, b


def _product(where: str, a: Tensor, b: Tensor) -> Tensor:
    """The product of (batches of) matrices of one dtype; kernels are for floats."""
    kind = a.array.dtype.kind
    if kind == "f":
        return gates.Matmul()(a, b)
    if kind == "b":
        raise TypeError(f"{where}: expected numbers, got bool; use .float() or .long() first")
    return wrap(np.matmul(a.array, b.array))


@tensor_method("__matmul__", ufunc="matmul")
def matmul(input: Any, other: Any) -> Tensor:
    """Matrix product; vectors count as a row on the left, a column on the right.

    Parameters
    ----------
    input : Tensor, shape (..., M, K) or (K,)
    other : Tensor, shape (..., K, N) or (K,)
        Leading dimensions broadcast. Integers give integers.

    Raises
    ------
    ValueError
        Inner lengths that differ, or a 0-d operand.
    TypeError
        Bools.
    """
    a, b = _operands(input, other)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: both need a dimension")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: input {a.shape} has {a.shape[-1]} columns but other {b.shape} has "
            f"{b.shape[-2 if b.ndim > 1 else 0]} rows"
        )
    left = a if a.ndim > 1 else a.reshape(1, -1)
    right = b if b.ndim > 1 else b.reshape(-1, 1)
    out = _product("matmul", left, right)
    if a.ndim > 1 and b.ndim > 1:
        return out
    shape = out.shape
    if a.ndim == 1:
        shape = (*shape[:-2], shape[-1])
    if b.ndim == 1:
        shape = shape[:-1]
    return out.reshape(shape)


Tensor.__rmatmul__ = lambda self, other: matmul(other, self)  # type: ignore[method-assign]


def _shapes(where: str, operands: dict[str, tuple[Any, str]]) -> None:
    """Refuse operands that have not as many dimensions as their letters, or not the same lengths.

    `operands` maps names to a tensor and the letters of its dimensions, as in "nk".
    """
    lengths: dict[str, tuple[int, str]] = {}
    for name, (x, letters) in operands.items():
        form = "(" + ", ".join(letters) + ("," if len(letters) == 1 else "") + ")"
        if not isinstance(x, Tensor):
            raise TypeError(f"{where}: {name} must be a Tensor, got {type(x).__name__}")
        if x.ndim != len(letters):
            raise ValueError(f"{where}: {name} must have shape {form}, got {x.shape}")
        for letter, length in zip(letters, x.shape, strict=True):
            expected, whose = lengths.setdefault(letter, (length, f"{name} {x.shape}"))
            if length != expected:
                raise ValueError(
                    f"{where}: {name} {x.shape} has {letter} = {length} but {whose} has {expected}"
                )


@tensor_method()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices: (N, K) and (K, M) give (N, M); nothing broadcasts.

    Raises
    ------
    ValueError
        Other shapes.
    """
    _shapes("mm", {"input": (input, "nk"), "mat2": (mat2, "km")})
    return _product("mm", *_operands(input, mat2))


@tensor_method()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two batches of matrices: (B, N, K) and (B, K, M) give (B, N, M).

    Raises
    ------
    ValueError
        Other shapes.
    """
    _shapes("bmm", {"input": (input, "bnk"), "mat2": (mat2, "bkm")})
    return _product("bmm", *_operands(input, mat2))


@tensor_method()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector: (N, M) and (M,) give (N,).

    Raises
    ------
    ValueError
        Other shapes.
    """
    _shapes("mv", {"input": (input, "nm"), "vec": (vec, "m")})
    return matmul(input, vec)


@tensor_method()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements.

    Raises
    ------
    ValueError
        Tensors that are no vectors, or of different lengths.
    """
    _shapes("dot", {"input": (input, "n"), "tensor": (tensor, "n")})
    return matmul(input, tensor)


@tensor_method("ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Each element of one vector times each of another: (N,) and (M,) give (N, M).

    Raises
    ------
    ValueError
        Tensors that are no vectors.
    """
    _shapes("outer", {"input": (input, "n"), "vec2": (vec2, "m")})
    return mul(input.reshape(-1, 1), vec2)


@tensor_method()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of `input` times the whole of `other`, laid out in blocks.

    Of tensors of different dimensions the one with fewer gets leading ones.
    """
    a, b = _operands(input, other)
    ndim = max(a.ndim, b.ndim)
    shape_a, shape_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    # Dimensions of a and b alternate: (a0, 1, a1, 1, …) times (b0 b1 …) as (1, b0, 1, b1, …).
    wide = a.reshape([n for side in shape_a for n in (side, 1)])
    tall = b.reshape([n for side in shape_b for n in (1, side)])
    out = [m * n for m, n in zip(shape_a, shape_b, strict=True)]
    return mul(wide, tall).reshape(out)


def _plus(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product; a beta of 0 leaves input out, NaN or not."""
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return add(input if beta == 1 else input * beta, product)


@tensor_method()
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2) for matrices; `input` broadcasts.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    _shapes("addmm", {"mat1": (mat1, "nk"), "mat2": (mat2, "km")})
    _fits("addmm", input, (mat1.shape[0], mat2.shape[1]))
    return _plus(input, mm(mat1, mat2), beta, alpha)


@tensor_method()
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2) for batches of matrices; `input` broadcasts.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    _shapes("baddbmm", {"batch1": (batch1, "bnk"), "batch2": (batch2, "bkm")})
    _fits("baddbmm", input, (*batch1.shape[:2], batch2.shape[2]))
    return _plus(input, bmm(batch1, batch2), beta, alpha)


def _fits(where: str, input: Tensor, shape: tuple[int, ...]) -> None:
    ends = zip(input.shape[::-1], shape[::-1], strict=False)
    if input.ndim > len(shape) or any(a not in (1, b) for a, b in ends):
        raise ValueError(f"{where}: input {input.shape} does not broadcast to the product {shape}")


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input W^T + b: the scores of a fully connected layer.

    Parameters
    ----------
    input : Tensor, shape (..., I)
    weight : Tensor, shape (O, I) or, for one score, (I,)
    bias : Tensor, shape (O,) or (), optional

    Returns
    -------
    Tensor, shape (..., O) or (...)

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    if weight.ndim == 1:
        return _one_output(input, weight, bias)
    return affine(input, weight, bias, gates.Linear())


def _one_output(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`linear` for a weight of shape (in,): one score a row."""
    _check_affine(input, weight, bias)
    input, weight = _operands(input, weight)
    require_float("linear", input)
    score = matmul(input, weight)
    return score if bias is None else add(score, bias)


def _check_affine(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if weight.ndim not in (1, 2):
        raise ValueError(f"linear: weight must have shape (out, in) or (in,), got {weight.shape}")
    if not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"linear: input {input.shape} has {input.shape[-1] if input.ndim else 'no'} features "
            f"but weight {weight.shape} expects {weight.shape[-1]}"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(
            f"linear: bias has shape {bias.shape} but weight {weight.shape} expects "
            f"{weight.shape[:-1]}"
        )


def affine(input: Tensor, weight: Tensor, bias: Tensor | None, gate: Gate) -> Tensor:
    """What `linear` checks, and the gate that computes it."""
    _check_affine(input, weight, bias)
    input, weight = _operands(input, weight)
    require_float("linear", input)
    rows = input if input.ndim == 2 else input.reshape(-1, input.shape[-1])
    if bias is None:
        out: Tensor = gate(rows, weight)
    else:
        if bias.array.dtype != rows.array.dtype:
            raise TypeError(f"linear: bias is {bias.dtype} but input {rows.dtype}")
        out = gate(rows, weight, bias)
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], weight.shape[0])
