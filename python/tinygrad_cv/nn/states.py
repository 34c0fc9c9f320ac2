"""A module's values by name, and taking them over from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import placed
from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.nn.module import Module


class IncompatibleKeys(NamedTuple):
    """The names that a `state_dict` lacked, and those that the module does not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


def named_state(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and persistent buffers in PyTorch's order: module by module, parameters first."""
    for path, part in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, param in part.named_parameters(recurse=False, remove_duplicate=False):
            yield prefix + name, param
        for name, buffer in part.named_buffers(recurse=False, remove_duplicate=False):
            if part._buffers[name]:
                yield prefix + name, buffer


def load(module: Module, given: Any, strict: bool, assign: bool) -> IncompatibleKeys:
    """Copy the given values into the module; see `Module.load_state_dict`."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"load_state_dict: expected a mapping of names to tensors, got {type(given).__name__}"
        )
    own = dict(named_state(module))
    arrays = {name: _array(name, value) for name, value in given.items()}
    keys = IncompatibleKeys(
        [name for name in own if name not in arrays], [name for name in arrays if name not in own]
    )
    misfits = [
        f"{name!r} has shape {arrays[name].shape} but the module's is {tensor.shape}"
        for name, tensor in own.items()
        if name in arrays and arrays[name].shape != tensor.shape
    ]
    faults = [*_key_faults(keys), *misfits] if strict else misfits
    if faults:
        raise ValueError(
            f"load_state_dict: the entries do not fit {type(module).__name__}: {'; '.join(faults)}"
        )
    taken = [(tensor, arrays[name]) for name, tensor in own.items() if name in arrays]
    if assign:
        _assign(taken)
    else:
        for tensor, array in taken:
            np.copyto(tensor.array, placed(array, tensor.device), casting="unsafe")
            memory.wrote(tensor.array)
    return keys


def _assign(taken: list[tuple[Tensor, Any]]) -> None:
    """Let the tensors refer to the arrays, once all of them can."""
    for tensor, array in taken:
        if isinstance(tensor, Parameter) and array.dtype.kind != "f":
            raise TypeError(
                f"load_state_dict: a parameter cannot be {array.dtype}; without assign=True it is "
                "converted"
            )
    for tensor, array in taken:
        tensor.array = array.view()


def _key_faults(keys: IncompatibleKeys) -> list[str]:
    faults = []
    if keys.missing_keys:
        faults.append(f"missing {', '.join(map(repr, keys.missing_keys))}")
    if keys.unexpected_keys:
        faults.append(f"unexpected {', '.join(map(repr, keys.unexpected_keys))}")
    return faults


def _array(name: Any, value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.array
    if hasattr(value, "detach"):  # another library's tensor
        value = value.detach()
    known = isinstance(value, (np.ndarray, np.generic, int, float)) or hasattr(value, "__array__")
    array = np.asarray(value) if known else None
    if array is None or array.dtype.kind not in "fiub":
        what = type(value).__name__ if array is None else f"an array of {array.dtype}"
        raise TypeError(f"load_state_dict: {name!r} must be a tensor or an array, got {what}")
    return array
