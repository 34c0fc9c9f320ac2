"""The gate: one operation of the graph, its value forward and its local gradient backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tinygrad_cv.engine import anomaly, grad_mode, memory, recording, views, watch
from tinygrad_cv.engine.device import check_one_device
from tinygrad_cv.engine.memory import next_seq
from tinygrad_cv.engine.promotion import promote, scalar_operand
from tinygrad_cv.engine.shortcuts import shortcut
from tinygrad_cv.engine.tensor import Leaf, Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OUT = -1  # in `saved_from`: the gate's own output

_new = object.__new__


class Extra:
    """What few gates have: hooks, holds on shared memory, where the user's code made them."""

    __slots__ = ("holds", "hooks", "made_at", "restore", "retained", "shapes")

    def __init__(self) -> None:
        self.hooks: list[Any] = []
        self.holds: tuple[Any, ...] = ()
        self.retained: list[Any] = []  # weak references to tensors that keep their gradient
        self.made_at: str | None = None
        self.restore: Callable[[], None] | None = None  # of a checkpoint: gets back what was saved
        self.shapes: tuple[Any, ...] | None = None  # of the inputs, for gates of users' classes


class Gate:
    """Base class of every operation; subclass it to write your own.

    ``forward(*arrays)`` computes the value from plain arrays and keeps in ``self.saved`` what the
    local gradient needs; ``backward(grad)`` takes the gradient of the final output with respect to
    this gate's output and returns one gradient per input (None where there is none).

    ``backward`` is written once, with operators, methods and gates: in an ordinary backward pass it
    runs on plain arrays, with ``create_graph=True`` on tensors, so that it records itself and can be
    differentiated again. For that, ``saved_from`` says where each saved value came from: the index
    of an input, or `OUT` for the output. What does not vary with the inputs (a mask, a shape, a
    setting) is an attribute of its own, not part of ``saved``.

    Neither method may write into its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_cv.engine import Gate, tensor
    >>> class Cube(Gate):
    ...     saved_from = (0,)
    ...
    ...     def forward(self, x):
    ...         self.saved = (x,)
    ...         return x * x * x
    ...
    ...     def backward(self, grad):
    ...         (x,) = self.saved
    ...         return (grad * 3 * x * x,)
    >>> x = tensor(2.0, requires_grad=True)
    >>> Cube()(x).backward()
    >>> x.grad.item()
    12.0
    """

    __slots__ = ("extra", "parents", "saved", "seq")

    saved_from: ClassVar[tuple[int, ...]] = ()
    trusted: ClassVar[bool] = False  # whether backprop may skip looking at what backward returns

    parents: tuple[Gate | Leaf | None, ...]  # where each input came from; None: needs no gradient
    seq: int  # later gates have higher numbers
    saved: Any  # a tuple of values; None: freed by a backward pass, see `release`
    extra: Extra | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.trusted = cls.__module__.startswith("tinygrad_cv.gates")

    def forward(self, *inputs: Any) -> Any:
        """The value, from plain arrays."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, *inputs)")

    def backward(self, grad: Any) -> tuple[Any, ...]:
        """The gradient for each input, given that of the output."""
        raise NotImplementedError(f"{type(self).__name__} must define backward(self, grad)")

    @property
    def needs_grad(self) -> tuple[bool, ...]:
        """For each input, whether its gradient is wanted: the others may be None."""
        return tuple([parent is not None for parent in self.parents])

    @shortcut
    def __call__(self, *inputs: Any) -> Any:
        arrays = []
        parents = []
        any_tensor = False
        for x in inputs:
            if isinstance(x, Tensor):
                any_tensor = True
                arrays.append(x.array)
                parents.append(x.node)
            else:
                arrays.append(x)
                parents.append(None)
        if not any_tensor:
            return _forward_alone(self, arrays)
        return _call(self, arrays, tuple(parents))


def _forward_alone(gate: Gate, arrays: list[Any]) -> Any:
    """The value for plain arrays: nothing is recorded."""
    gate.parents = (None,) * len(arrays)
    return gate.forward(*arrays)


def _call(gate: Gate, arrays: Sequence[Any], parents: tuple[Gate | Leaf | None, ...]) -> Tensor:
    """The tensor of a gate's value; what a user's class gives is looked at."""
    if gate.trusted:
        try:
            value = gate.forward(*arrays)
        except (TypeError, AttributeError) as error:
            check_one_device(type(gate).__name__, arrays, error)
            raise
        return finish(gate, value, parents)
    gate.saved = ()
    out = finish(gate, check_value(gate, gate.forward(*arrays)), parents)
    if out.node is gate:
        extra_of(gate).shapes = tuple([getattr(x, "shape", ()) for x in arrays])
    return out


def finish(gate: Gate, value: Any, parents: tuple[Gate | Leaf | None, ...]) -> Tensor:
    """Make the tensor that a gate's call returns, and record the gate if a parent needs it."""
    out: Tensor = _new(Tensor)
    out.array = value if value.ndim else zero_dim(value)
    out.grad = None
    if watch.reasons:
        return finish_watched(gate, out, parents)
    for parent in parents:
        if parent is not None:
            gate.parents = parents
            gate.seq = next_seq()
            gate.extra = None
            out.node = gate
            return out
    out.node = None
    return out


def finish_watched(gate: Gate, out: Tensor, parents: tuple[Gate | Leaf | None, ...]) -> Tensor:
    if anomaly.enabled():
        anomaly.check_value(gate, out.array)
    if not grad_mode.is_grad_enabled() or all(parent is None for parent in parents):
        out.node = None
        return out
    gate.parents = parents
    gate.seq = next_seq()
    gate.extra = None
    out.node = gate
    if memory.shared:
        holds = memory.hold(gate)
        if holds:
            extra_of(gate).holds = holds
    if anomaly.enabled():
        extra_of(gate).made_at = anomaly.user_line()
    recorder = recording.active()
    if recorder is not None:
        recorder.gate_made(gate, out.array)
    return out


def zero_dim(value: Any) -> Any:
    """A 0-d result as an array: NumPy gives a scalar, which cannot be written to or referred to."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def extra_of(gate: Gate) -> Extra:
    """The gate's `Extra`, made on first use."""
    if gate.extra is None:
        gate.extra = Extra()
    return gate.extra


@shortcut
def release(gate: Gate) -> None:
    """Let go of the arrays that the gate's local gradient needs, after a backward pass.

    It cannot be entered again then. One that keeps none (a sum, a reshape) can, as in PyTorch. What
    a user's class keeps beside `saved` is its own affair.
    """
    held = gate.saved.__class__ is not tuple or len(gate.saved) > 0
    if gate.trusted:
        for kind in type(gate).__mro__[: -len(Gate.__mro__)]:
            for name in getattr(kind, "__slots__", ()):
                if _has_arrays(getattr(gate, name, None)):
                    delattr(gate, name)
                    held = True
    if held:
        gate.saved = None
        gate.parents = ()
        gate.extra = None


def _has_arrays(value: Any) -> bool:
    """True for an array, such as a mask, and for a tuple or list of some."""
    if isinstance(value, (tuple, list)):
        return any(_has_arrays(part) for part in value)
    return hasattr(value, "__array_ufunc__") and not isinstance(value, (type, np.generic))


class UnaryGate(Gate):
    """A gate of one array: the same as `Gate`, with less to do in a call."""

    __slots__ = ()

    @shortcut
    def __call__(self, x: Any) -> Any:
        if not isinstance(x, Tensor):
            self.parents = (None,)
            return self.forward(x)
        return _call(self, (x.array,), (x.node,))


class ViewGate(UnaryGate):
    """A gate whose value shows (part of) its input's memory, where the layout allows it.

    The result and its input know of each other, so that a write in place through either is a change
    of both.
    """

    __slots__ = ()

    def __call__(self, x: Any) -> Any:
        out = UnaryGate.__call__(self, x)
        if out.__class__ is Tensor:
            views.link(x, out, self)
        return out

    record = UnaryGate.__call__  # the same without taking note of the shared memory


class BinaryGate(Gate):
    """A gate of two arrays that broadcast, either of which may be a number.

    dtypes follow PyTorch: a Python number takes the array's dtype (a float makes integers float32).
    """

    __slots__ = ("shapes",)

    shapes: tuple[Any, Any]  # of the inputs, for gates that save neither; None for a number

    @shortcut
    def __call__(self, a: Any, b: Any) -> Any:
        if isinstance(a, Tensor):
            x, node_a = a.array, a.node
            if isinstance(b, Tensor):
                y, node_b = b.array, b.node
                if x.dtype is not y.dtype and x.dtype != y.dtype:
                    return self(*promote(a, b))
            else:
                y, node_b = b, None
                if (b.__class__ is not float or x.dtype.kind != "f") and b.__class__ is not int:
                    a, y = scalar_operand(a, b)
                    if isinstance(y, Tensor):
                        return self(a, y)
                    x, node_a = a.array, a.node
        elif isinstance(b, Tensor):
            y, node_b = b.array, b.node
            x, node_a = a, None
            if (a.__class__ is not float or y.dtype.kind != "f") and a.__class__ is not int:
                b, x = scalar_operand(b, a)
                if isinstance(x, Tensor):
                    return self(x, b)
                y, node_b = b.array, b.node
        else:
            self.parents = (None, None)
            return self.forward(a, b)
        return _call(self, (x, y), (node_a, node_b))


def check_value(gate: Gate, value: Any) -> Any:
    """What a user's forward returned, as an array."""
    if isinstance(value, Tensor):
        raise TypeError(
            f"{type(gate).__name__}.forward must return a plain array, got a Tensor; forward "
            "computes on arrays, so that it is not recorded a second time"
        )
    if isinstance(value, (np.generic, int, float)):
        return np.asarray(value)
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise TypeError(
            f"{type(gate).__name__}.forward must return one array, got {type(value).__name__}"
        )
    return value


def check_gradient(where: str, position: int, part: Any, shape: tuple[int, ...]) -> None:
    """Raise if a gradient that a user's backward returned does not fit the input that it is for."""
    if not hasattr(part, "shape"):
        raise TypeError(
            f"{where} returned {type(part).__name__} as the gradient for input {position}; it must "
            "be an array, or None where there is none"
        )
    if tuple(part.shape) != tuple(shape):
        raise RuntimeError(
            f"{where} returned a gradient of shape {tuple(part.shape)} for input {position}, which "
            f"has shape {tuple(shape)}"
        )


def saved_as_tensors(gate: Gate) -> tuple[Any, ...]:
    """The saved values as tensors of the graph, so that arithmetic on them is recorded."""
    if len(gate.saved) != len(gate.saved_from):
        raise TypeError(
            f"{type(gate).__name__}: {len(gate.saved)} saved values but saved_from names "
            f"{len(gate.saved_from)}; it must say which input (or OUT) each one is"
        )
    return tuple(
        wrap(value, gate if source == OUT else gate.parents[source])
        if hasattr(value, "dtype")
        else value
        for value, source in zip(gate.saved, gate.saved_from, strict=True)
    )
