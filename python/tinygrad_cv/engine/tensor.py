"""The tensor: an array, its gradient, and the gate that made it. Operations hang themselves on it."""

from __future__ import annotations

import inspect
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import CPU, in_default_place, placed
from tinygrad_cv.engine.device import device as Device
from tinygrad_cv.engine.exposure import expose
from tinygrad_cv.engine.printing import tensor_repr
from tinygrad_cv.engine.views import note_detached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tinygrad_cv.engine.gate import Gate

_new = object.__new__
_PYTHON_FLOAT = np.dtype(np.float32)


class Leaf:
    """Where the graph ends: a tensor that the user made and wants the gradient of."""

    __slots__ = ("hooks", "tensor")

    seq = 0  # before every gate

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)
        self.hooks: list[Any] = []


class HookHandle:
    """What `Tensor.register_hook` returns: ``remove()`` takes the hook away again."""

    __slots__ = ("_hook", "_hooks")

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; does nothing the second time."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
        self._hooks = []


class Tensor:
    """An n-dimensional array that remembers how it was made.

    Parameters
    ----------
    data : array_like
        Copied. Arrays keep their dtype; Python floats become float32, ints int64.
    requires_grad : bool
        Whether ``backward`` computes the gradient with respect to this tensor. Floats only.

    Attributes
    ----------
    array : numpy.ndarray or cupy.ndarray
        The values.
    grad : Tensor or None
        The gradient that ``backward`` accumulated.

    Raises
    ------
    TypeError
        Values that are not numbers, or integers with ``requires_grad=True``.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "array", "detached", "family", "grad", "node", "source")

    array: Any
    detached: list[weakref.ref[Tensor]]  # what was detached from it; unset for most
    family: Any  # tensors that share the memory, see `views`; unset for most
    grad: Tensor | None
    node: Gate | Leaf | None  # what the gradient goes to; None: nowhere
    source: weakref.ref[Tensor]  # what it was detached from; unset for most

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.array = _settled(data, _new_array(data))
        self.grad = None
        self.node = None
        if requires_grad:
            self.requires_grad_()

    # The graph

    @property
    def gate(self) -> Gate | None:
        """The gate that made this tensor; None for one that the user made."""
        node = self.node
        return None if node.__class__ is Leaf else node  # type: ignore[return-value]

    @property
    def is_leaf(self) -> bool:
        """True if no gate made this tensor, or if none was recorded."""
        return self.node is None or self.node.__class__ is Leaf

    @property
    def requires_grad(self) -> bool:
        """True if a backward pass goes through or ends at this tensor."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether this leaf wants a gradient.

        Raises
        ------
        TypeError
            A tensor of integers or bools.
        RuntimeError
            Switching it off for the result of a gate: use `detach`.
        """
        if requires_grad:
            if self.node is None:
                if self.array.dtype.kind != "f":
                    raise TypeError(
                        f"requires_grad: only float tensors have gradients, got {self.dtype}"
                    )
                self.node = Leaf(self)
                if self.array.base is None:  # so that `exposure` sees when a graph lets go of it
                    self.array = self.array.view()
        elif self.is_leaf:
            self.node = None
        else:
            raise RuntimeError(
                f"requires_grad: this tensor was made by {type(self.node).__name__}; "
                "use detach() for one without a graph"
            )
        return self

    def detach(self) -> Tensor:
        """The same values outside the graph, sharing memory."""
        out = wrap(self.array.view())
        note_detached(self, out)
        return out

    @property
    def data(self) -> Tensor:
        """As `detach`; writes through it are not seen by the checks of the graph."""
        return self.detach()

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add d(self)/d(leaf) to ``.grad`` of every leaf that this tensor depends on.

        Parameters
        ----------
        gradient : Tensor, shape of self, optional
            The gradient of the final output with respect to this tensor; may be left out for a
            tensor of one element.
        retain_graph : bool, optional
            Keep what the graph saved, to differentiate it again. Default: `create_graph`.
        create_graph : bool
            Record the backward pass itself, for second derivatives.

        Raises
        ------
        RuntimeError
            No graph; more than one element and no `gradient`; a graph that was freed; a saved
            value that was changed in place.
        """
        from tinygrad_cv.engine.backprop import backward

        backward(self, gradient, retain_graph, create_graph)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call ``hook(grad)`` when this tensor's gradient is known; what it returns replaces it.

        Returns a handle whose ``remove()`` takes the hook away again.

        Raises
        ------
        RuntimeError
            A tensor that does not require a gradient.

        Examples
        --------
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda grad: 10 * grad)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        """
        from tinygrad_cv.engine.gate import extra_of

        if self.node is None:
            raise RuntimeError("register_hook: this tensor does not require a gradient")
        hooks = self.node.hooks if isinstance(self.node, Leaf) else extra_of(self.node).hooks
        hooks.append(hook)
        return HookHandle(hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in ``.grad`` although it is no leaf."""
        from tinygrad_cv.engine.gate import extra_of

        if self.node is None:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        if not isinstance(self.node, Leaf):
            extra_of(self.node).retained.append(weakref.ref(self))

    # Values and shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        shape: tuple[int, ...] = self.array.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements, such as ``tg.float32``."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        ndim: int = self.array.ndim
        return ndim

    @property
    def device(self) -> Device:
        """Where the values are."""
        if isinstance(self.array, np.ndarray):
            return CPU
        return Device(f"cuda:{self.array.device.id}")

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension."""
        if dim is None:
            return self.shape
        if not -self.ndim <= dim < self.ndim:
            raise IndexError(f"size: dim {dim} but the tensor has {self.ndim} dimensions")
        return self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """Number of elements."""
        return int(self.array.size)

    def element_size(self) -> int:
        """Bytes an element."""
        return int(self.array.itemsize)

    def is_floating_point(self) -> bool:
        """True for float dtypes."""
        return bool(self.array.dtype.kind == "f")

    def is_contiguous(self) -> bool:
        """True if the elements lie in memory in row order without gaps."""
        return bool(self.array.flags.c_contiguous)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that shares this tensor's memory.

        The array is read-only exactly while a graph holds the memory (a gate saved it, and no
        backward pass went through that gate yet), so that a gradient cannot be falsified by a
        write. When the graph is gone the array is writeable again: at once if it was taken before
        the graph was made or from a leaf, else with the next backward pass or call of this method.

        Raises
        ------
        TypeError
            A tensor on the GPU: use ``.cpu()`` first.
        """
        if not isinstance(self.array, np.ndarray):
            raise TypeError(f"numpy: this tensor is on {self.device}; use .cpu().numpy()")
        out: np.ndarray[Any, Any] = expose(self)
        return out

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise ValueError(f"item: only a tensor of one element has one, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.array.tolist()

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        if self.requires_grad:  # cut so that the gradients of many rows stay cheap
            return iter(self.unbind(0))
        return (self[i] for i in range(len(self.array)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; use .any() or .all()"
            )
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor of one element is an index, got {self.dtype}")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self.array.ndim else str(self)

    def __repr__(self) -> str:
        return tensor_repr(self)

    __hash__ = object.__hash__

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; use detach() or clone()")
        copy = _new(type(self))
        copy.array, copy.grad, copy.node = self.array.copy(), None, None
        if self.node is not None:
            copy.node = Leaf(copy)
        if self.grad is not None:
            copy.grad = wrap(self.grad.array.copy())
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaf tensors can be pickled; use detach()")
        return _rebuild, (type(self), self.array, self.requires_grad)

    # NumPy and others

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise TypeError(
                "NumPy cannot record this operation: the tensor requires a gradient; use "
                "tinygrad_cv's function, or .detach() (.numpy() shares the values as they are)"
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = ufuncs.get(ufunc.__name__)
        if method != "__call__" or kwargs or function is None:
            raise TypeError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} is not "
                "recorded for tensors (with these arguments); use tinygrad_cv's own function or "
                ".detach().numpy()"
            )
        return function(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = array_functions.get(function)
        if ours is not None:
            try:
                inspect.signature(ours).bind(*args, **kwargs)
            except TypeError:
                raise TypeError(
                    f"np.{function.__name__} is not recorded for tensors with these arguments; use "
                    "tinygrad_cv's own function or .detach().numpy()"
                ) from None
            return ours(*args, **kwargs)
        return function(*_arrays(args), **_arrays(kwargs))

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError("__dlpack__: the tensor requires a gradient; use detach()")
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    if TYPE_CHECKING:
        # Hung on by `functional`, op by op.
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...


# NumPy's ufuncs by name, and the function that does and records the same; filled by `functional`.
ufuncs: dict[str, Callable[..., Any]] = {}
# The same for NumPy's other functions; those that are missing here get arrays, see `__array__`.
array_functions: dict[Any, Callable[..., Any]] = {}


def _arrays(given: Any) -> Any:
    """Arguments of a NumPy function with arrays in the place of tensors."""
    if isinstance(given, Tensor):
        return np.asarray(given)
    if type(given) in (list, tuple):
        return type(given)(_arrays(x) for x in given)
    if isinstance(given, dict):
        return {name: _arrays(x) for name, x in given.items()}
    return given


def wrap(array: Any, node: Gate | Leaf | None = None) -> Tensor:
    """A tensor around an array, without copy or check."""
    out: Tensor = _new(Tensor)
    out.array = array
    out.grad = None
    out.node = node
    return out


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    out = _new(cls)
    out.array, out.grad, out.node = array, None, None
    if requires_grad:
        out.node = Leaf(out)
    return out


def _new_array(data: Any, dtype: Any = None) -> Any:
    """A fresh dense array of what the user gave."""
    if isinstance(data, Tensor):
        data = data.array
    if not hasattr(data, "dtype"):
        if isinstance(data, (list, tuple)) and _holds_tensors(data):
            data = _plain(data)
        array = np.array(data)
        if array.dtype == np.float64:
            array = array.astype(_PYTHON_FLOAT) if dtype is None else array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data, order="C")
    else:  # a CuPy array
        array = data.copy()
    if not array.dtype.isnative:  # kernels read the machine's byte order
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got {type(data).__name__} of {array.dtype}")
    # A view, so that `memory` can tell who holds it: NumPy has views refer to the owner.
    return (array if dtype is None else array.astype(dtype, copy=False)).view()


def _settled(data: Any, array: Any) -> Any:
    """The array made of `data`, on the default device unless a tensor or a GPU's array was given."""
    mine = isinstance(array, np.ndarray) and not isinstance(data, Tensor)
    return in_default_place(array) if mine else array


def _holds_tensors(items: Any) -> bool:
    return any(
        isinstance(x, Tensor) or (isinstance(x, (list, tuple)) and _holds_tensors(x)) for x in items
    )


def _plain(items: Any) -> Any:
    if isinstance(items, Tensor):
        return items.tolist()
    if isinstance(items, (list, tuple)):
        return [_plain(x) for x in items]
    return items


def tensor(
    data: Any,
    dtype: Any = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor from a copy of `data`.

    Parameters
    ----------
    data : array_like
        Numbers, nested lists, an array or a tensor. Arrays keep their dtype; Python floats become
        float32, ints int64.
    dtype : dtype, optional
        Type to convert to, such as ``tg.float64`` or ``"float64"``.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"cuda:<number>"``; by default where the tensor `data` is, all else
        on the default device (see `set_default_device`).
    requires_grad : bool
        Whether a gradient is wanted. Floats only.

    Raises
    ------
    TypeError
        Values that are not numbers, or integers that should require a gradient.
    ValueError
        Ragged lists, or an unknown device.
    RuntimeError
        A GPU that cannot be used.

    Examples
    --------
    >>> tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    """
    array = _new_array(data, dtype)
    out = wrap(_settled(data, array) if device is None else placed(array, device))
    return out.requires_grad_() if requires_grad else out


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor that shares the memory of `array`, whatever its strides.

    While a graph holds the memory the array is read-only, so that a gradient cannot be falsified
    by a write; it is writeable again once the graph is freed.

    Raises
    ------
    TypeError
        Anything but a NumPy array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 5
    >>> t.tolist()
    [5.0, 0.0]
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"from_numpy: expected numbers, got dtype {array.dtype}")
    if not array.dtype.isnative:
        raise TypeError(
            f"from_numpy: dtype {array.dtype.str!r} has another byte order than this machine; "
            "tg.tensor(array) makes a copy in the right one"
        )
    out = wrap(array.view(np.ndarray))
    base = memory.owner(array)
    if base is not array:
        memory.share(array, base)
    memory.share(array, array)
    return out


def is_tensor(value: object) -> bool:
    """True for a tensor."""
    return isinstance(value, Tensor)
