"""Elements by place: keys, gather and scatter, masks."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.functional.bounds import nan_where, within
from tinygrad_cv.functional.methods import dim_index, tensor_method
from tinygrad_cv.functional.shape import reshape
from tinygrad_cv.gates import indexing as gates


@tensor_method("__getitem__")
def index(input: Tensor, key: Any) -> Tensor:
    """input[key]: slices, ints, None and Ellipsis give views; arrays and masks copy.

    The gradient of an element that is named several times is the sum.

    Raises
    ------
    IndexError
        An index outside the tensor, or a key that is none. Ints on a GPU are not waited for: if one
        is outside, all that is taken is NaN.
    """
    try:
        key, outside = bounded(input.array, plain_key(key))
        return nan_where(outside, gates.Index(key)(input))
    except IndexError as error:
        raise IndexError(f"index: {error} (the tensor has shape {input.shape})") from None


del Tensor.index  # type: ignore[attr-defined]


def bounded(array: Any, key: Any) -> tuple[Any, Any]:
    """A key that names what a GPU's array has, and whether it did not before (see `bounds`).

    NumPy's arrays look themselves, CuPy's wrap. Raises IndexError.
    """
    if isinstance(array, np.ndarray):
        return key, None
    parts = list(key) if isinstance(key, tuple) else [key]
    spans = [_dimensions(part) for part in parts]
    axis, outside = 0, None
    for i, (part, span) in enumerate(zip(parts, spans, strict=True)):
        if part is Ellipsis:
            axis += array.ndim - sum(spans)
        elif hasattr(part, "dtype") and part.dtype != np.bool_ and axis < array.ndim:
            length = array.shape[axis]
            message = partial(_out_of_bounds, axis, length)
            parts[i], bad = within(part, -length, length, array.dtype, message)
            if bad is not None:
                outside = bad.any() if outside is None else outside | bad.any()
        axis += span
    return tuple(parts) if isinstance(key, tuple) else parts[0], outside


def _out_of_bounds(axis: int, length: int, index: int) -> str:
    return f"index {index} is out of bounds for axis {axis} with size {length}"


def _dimensions(part: Any) -> int:
    """How many dimensions of an array a part of a key is for."""
    if part is None or part is Ellipsis:
        return 0
    return int(part.ndim) if getattr(part, "dtype", None) == np.bool_ else 1


def plain_key(key: Any) -> Any:
    """The key with arrays in place of tensors and lists: copies, so that no write can change it."""
    if key.__class__ is int or key.__class__ is slice:
        return key
    if isinstance(key, tuple):
        return tuple([plain_key(k) for k in key])
    if isinstance(key, list):
        key = np.asarray(
            [k.tolist() if isinstance(k, Tensor) else k for k in key] or np.empty(0, int)
        )
    elif isinstance(key, Tensor):
        key = key.array
    if hasattr(key, "dtype"):
        if not key.ndim and key.dtype.kind in "iu":
            return int(key)
        if key.dtype.kind not in "iub":
            raise IndexError(f"an index array must hold ints or bools, got {key.dtype}")
        return key.copy()
    return key


@tensor_method()
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, input[i][index[i][j]] for dim 1, and so on.

    Parameters
    ----------
    input : Tensor
    index : Tensor of ints, as many dimensions as input
        No longer than input but along `dim`; 0 <= index < length.

    Raises
    ------
    IndexError
        An index outside the dimension; on a GPU the host does not wait to see it, and what it takes
        is NaN.
    ValueError
        Shapes that do not fit.
    """
    places, outside = _places("gather", input, dim, index)
    return nan_where(outside, gates.Take(places)(input))


@tensor_method()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with shapes broadcast against each other; without `dim` input is one row."""
    if dim is None:
        return take(input, indices)
    axis = dim_index("take_along_dim", dim, input.array.ndim)
    shape, shown = list(input.shape), list(indices.shape)
    if len(shape) != len(shown):
        raise ValueError(
            f"take_along_dim: indices {indices.shape} and input {input.shape} must have as many "
            "dimensions"
        )
    shape[axis] = shown[axis] = 1
    try:
        common = list(np.broadcast_shapes(shape, shown))
    except ValueError as error:
        raise ValueError(
            f"take_along_dim: indices {indices.shape} do not broadcast with input {input.shape}"
        ) from error
    full = input.expand(*common[:axis], input.shape[axis], *common[axis + 1 :])
    where = indices.expand(*common[:axis], indices.shape[axis], *common[axis + 1 :])
    return gather(full, axis, where)


@tensor_method()
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at places counted in row order, in the shape of `index`."""
    size = input.numel()
    found, outside = within(
        _ints("take", index), -size, size, input.dtype,
        lambda i: f"take: index {i} but input has {size} elements",
    )  # fmt: skip
    places = np.where(found < 0, found + size, found)
    return nan_where(outside, gates.Take(places)(input))


def _ints(where: str, index: Any) -> Any:
    array = index.array if isinstance(index, Tensor) else np.asarray(index)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{where}: index must hold ints, got {array.dtype}")
    return array


def _places(where: str, input: Tensor, dim: int, index: Any) -> tuple[Any, Any]:
    """The places in row order that gather takes, and which are outside (see `bounds`)."""
    found = _ints(where, index)
    axis = dim_index(where, dim, input.ndim)
    shape = input.shape or (1,)
    if found.ndim != len(shape):
        if found.size == 0:
            return found.astype(np.int64), None
        if found.ndim or len(shape) != 1:
            raise ValueError(
                f"{where}: index has shape {found.shape} but input {shape}: as many dimensions "
                "are needed"
            )
    grown = found if found.ndim else found.reshape(1)
    if any(i != axis and n > shape[i] for i, n in enumerate(grown.shape)):
        raise ValueError(
            f"{where}: index has shape {found.shape} but input {shape}: it must not be longer, "
            f"but for dimension {axis}"
        )
    grown, outside = within(
        grown, 0, shape[axis], input.dtype,
        lambda i: f"{where}: index {i} is outside dimension {axis} of length {shape[axis]}",
    )  # fmt: skip
    coordinates: list[Any] = [
        np.arange(n, like=grown).reshape([-1 if i == k else 1 for k in range(grown.ndim)])
        for i, n in enumerate(grown.shape)
    ]
    coordinates[axis] = grown
    flat: Any = np.zeros((), np.int64, like=grown)
    for length, coordinate in zip(shape, coordinates, strict=True):
        flat = flat * length + coordinate
    return flat.reshape(found.shape), None if outside is None else outside.reshape(found.shape)


@tensor_method()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `dim` that the ints of `index` name, in that order.

    Raises
    ------
    IndexError
        An index outside the dimension; on a GPU its slice is NaN, as with `gather`.
    ValueError
        An index of more than one dimension.
    """
    axis = dim_index("index_select", dim, input.array.ndim)
    found, outside = _slices("index_select", input, axis, index)
    if not input.array.ndim:
        return reshape(index_select(reshape(input, 1), 0, index), ())
    return nan_where(outside, gates.Index((slice(None),) * axis + (found,))(input))


def _slices(where: str, input: Tensor, axis: int, index: Any) -> tuple[Any, Any]:
    """The ints of a row, and which are outside the dimension (see `bounds`), in the slices' shape."""
    found = _ints(where, index)
    if found.ndim > 1:
        raise ValueError(f"{where}: index must have shape (n,), got {found.shape}")
    length = input.shape[axis] if input.array.ndim else 1
    found, outside = within(
        found.reshape(-1), 0, length, input.dtype,
        lambda i: f"{where}: index {i} is outside dimension {axis} of length {length}",
    )  # fmt: skip
    if outside is not None:
        outside = outside.reshape(-1, *[1] * (input.ndim - axis - 1))
    return found.astype(np.int64), outside


def _slice_places(shape: tuple[int, ...], axis: int, found: Any) -> Any:
    return gates.places((slice(None),) * axis + (found,), shape, found)


@tensor_method()
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """input with alpha times slice i of `source` added to slice index[i] along `dim`.

    Raises
    ------
    IndexError
        An index outside the dimension; on a GPU some slice becomes NaN, as with `gather`.
    ValueError
        A source of another shape than the slices.
    TypeError
        A source of another dtype.
    """
    axis = dim_index("index_add", dim, input.array.ndim)
    found, outside = _slices("index_add", input, axis, index)
    source = nan_where(outside, _fitting_source("index_add", input, axis, found, source))
    if alpha != 1:
        source = source * alpha
    return input + gates.AddAt(_slice_places(input.shape, axis, found), input.shape)(source)


@tensor_method()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with slice i of `source` in place of slice index[i] along `dim`.

    Raises as `index_add`.
    """
    axis = dim_index("index_copy", dim, input.array.ndim)
    found, outside = _slices("index_copy", input, axis, index)
    source = nan_where(outside, _fitting_source("index_copy", input, axis, found, source))
    return gates.Put((slice(None),) * axis + (found,))(input, source)


def _fitting_source(where: str, input: Tensor, axis: int, found: Any, source: Tensor) -> Tensor:
    shape = input.shape
    wanted = (*shape[:axis], len(found), *shape[axis + 1 :])
    if source.shape != wanted:
        raise ValueError(
            f"{where}: source has shape {source.shape} but input {shape} and {len(found)} indices "
            f"expect {wanted}"
        )
    if source.dtype != input.dtype:
        raise TypeError(f"{where}: source is {source.dtype} but input is {input.dtype}")
    return source


@tensor_method()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """input with `value` in the slices that `index` names along `dim`."""
    axis = dim_index("index_fill", dim, input.array.ndim)
    found, outside = _slices("index_fill", input, axis, index)
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value, input.dtype, like=input.array))
    return gates.Put((slice(None),) * axis + (found,))(input, nan_where(outside, value))


def _source(where: str, input: Tensor, index: Any, src: Any) -> Tensor:
    """The part of `src` that stands under the index, in the dtype of the input."""
    found = _ints(where, index)
    if not isinstance(src, Tensor):
        return wrap(np.full_like(input.array, src, shape=found.shape))
    if src.dtype != input.dtype:
        raise TypeError(f"{where}: src is {src.dtype} but input is {input.dtype}")
    if src.ndim != found.ndim or any(n > m for n, m in zip(found.shape, src.shape, strict=True)):
        raise ValueError(
            f"{where}: index has shape {found.shape} but src {src.shape}: it must not be longer"
        )
    return src[tuple([slice(n) for n in found.shape])]


@tensor_method()
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """A copy of input with the values of `src` (or one number) at the places that gather would read.

    Parameters
    ----------
    dim, index
        As `gather`.
    src : Tensor or number
        At least as long as index in every dimension.
    value : number
        In place of `src`.
    reduce : {"add", "multiply"}, optional
        Combine with what is there instead of replacing it.

    Raises
    ------
    IndexError, ValueError
        As `gather`.
    TypeError
        A src of another dtype, or not one of src and value.

    Notes
    -----
    Where `index` names a place twice the last one in row order stays, and the gradient goes to it.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: expected a tensor src or a number value, one of the two")
    places, outside = _places("scatter", input, dim, index)
    values = _source("scatter", input, index, value if src is None else src)
    values = nan_where(outside, values)
    if reduce is None:
        flat = gates.Put(places)(reshape(input, -1), values)
        return reshape(flat, input.shape)
    if reduce == "add":
        return input + gates.AddAt(places, input.shape)(values)
    if reduce == "multiply":
        if np.unique(places).size != places.size:
            raise ValueError("scatter: reduce='multiply' needs an index that names no place twice")
        ones = wrap(np.ones_like(input.array, shape=(input.numel(),)))
        return input * reshape(gates.Put(places)(ones, values), input.shape)
    raise ValueError(f"scatter: reduce must be 'add', 'multiply' or None, got {reduce!r}")


@tensor_method()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with the values of `src` added at the places that gather would read.

    Raises as `scatter`.
    """
    places, outside = _places("scatter_add", input, dim, index)
    values = nan_where(outside, _source("scatter_add", input, index, src))
    return input + gates.AddAt(places, input.shape)(values)


@tensor_method()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements of input where `mask` (bools, broadcast) is true, in row order.

    Raises
    ------
    TypeError
        A mask of another dtype than bool.
    ValueError
        Shapes that do not broadcast.
    """
    if mask.dtype != np.bool_:
        raise TypeError(f"masked_select: mask must be bool, got {mask.dtype}")
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError as error:
        raise ValueError(
            f"masked_select: mask {mask.shape} does not broadcast with input {input.shape}"
        ) from error
    chosen = np.broadcast_to(mask.array, shape).copy()
    return gates.Index(chosen)(input.expand(shape))


@tensor_method()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not 0: shape (count, ndim), or a tuple of rows."""
    if as_tuple:
        array = input.array if input.array.ndim else input.array.reshape(1)
        return tuple([wrap(found) for found in np.nonzero(array)])
    return wrap(np.argwhere(input.array))
