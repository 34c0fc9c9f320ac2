"""What a tensor says of itself under PyTorch's names, and tensors made in its likeness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine.tensor import Tensor, tensor
from tinygrad_cv.functional.casting import to
from tinygrad_cv.functional.creation import empty, full, ones, zeros
from tinygrad_cv.functional.methods import dim_index, tensor_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.engine.device import device as Device


def _property(read: Callable[[Tensor], Any]) -> None:
    """Make the function an attribute of `Tensor`."""
    setattr(Tensor, read.__name__, property(read))


@_property
def grad_fn(input: Tensor) -> Any:
    """The gate that made the tensor: PyTorch's name for ``gate``."""
    return input.gate


@_property
def is_cuda(input: Tensor) -> bool:
    """True for a tensor on a GPU."""
    return input.device.type == "cuda"


@_property
def itemsize(input: Tensor) -> int:
    """Bytes an element."""
    return input.element_size()


@_property
def nbytes(input: Tensor) -> int:
    """Bytes of all elements."""
    return input.numel() * input.element_size()


@tensor_method()
def ndimension(input: Tensor) -> int:
    """Number of dimensions."""
    return input.ndim


@tensor_method()
def nelement(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()


@tensor_method()
def stride(input: Tensor, dim: int | None = None) -> Any:
    """How many elements lie in memory from one to the next along each dimension, or along `dim`."""
    steps = tuple([n // input.element_size() for n in input.array.strides])
    return steps if dim is None else steps[dim_index("stride", dim, input.ndim)]


@tensor_method()
def type(input: Tensor, dtype: Any) -> Tensor:
    """The tensor in another dtype, as ``to(dtype)``."""
    return to(input, dtype=dtype)


@tensor_method()
def cpu(input: Tensor) -> Tensor:
    """The tensor in the computer's memory; itself if it is there already."""
    return to(input, device="cpu")


@tensor_method()
def cuda(input: Tensor, device: str | Device | None = None) -> Tensor:
    """The tensor on a GPU.

    Raises
    ------
    RuntimeError
        No GPU that can be used.
    """
    return to(input, device=device or "cuda")


@tensor_method()
def new_tensor(input: Tensor, data: Any, *, dtype: Any = None) -> Tensor:
    """A tensor of `data` in the dtype and on the device of `input`."""
    return tensor(data, dtype=dtype or input.dtype, device=input.device)


@tensor_method()
def new_zeros(input: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    """Zeros in the dtype and on the device of `input`."""
    return zeros(*size, dtype=dtype or input.dtype, device=input.device)


@tensor_method()
def new_ones(input: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    """Ones in the dtype and on the device of `input`."""
    return ones(*size, dtype=dtype or input.dtype, device=input.device)


@tensor_method()
def new_empty(input: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    """Memory of the dtype and on the device of `input`, whatever its values."""
    return empty(*size, dtype=dtype or input.dtype, device=input.device)


@tensor_method()
def new_full(input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None) -> Tensor:
    """`fill_value` everywhere, in the dtype and on the device of `input`."""
    return full(size, fill_value, dtype=dtype or input.dtype, device=input.device)
