"""`Function`: gates written the way PyTorch users write them, on tensors, with a context."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinygrad_cv.engine.gate import OUT, Gate, check_gradient, finish
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.tensor import Tensor, wrap


class Context:
    """What `Function.forward` leaves for `Function.backward`; any attribute may be set on it.

    Attributes
    ----------
    saved_tensors : tuple
        What `save_for_backward` was given.
    needs_input_grad : tuple of bool
        For each argument of forward, whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._constant: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs and outputs for the backward pass, or what was computed on the way.

        A float that is neither input nor output makes a function that has first derivatives only.
        """
        self._saved = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say which outputs have no gradient; integers never have one."""
        self._constant = outputs

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved


class _Output(NamedTuple):
    """One of several outputs."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int | None  # its place in the gate's value; None: it has no gradient


class _Saved(NamedTuple):
    """Where a saved tensor is found in the backward pass."""

    position: int  # in the gate's `saved`
    output: int | None  # which of several outputs; None: an input, or the one output


class _FunctionGate(Gate):
    """The gate of one `Function.apply`. Several outputs lie in its value one after the other."""

    __slots__ = ("ctx", "function", "kept", "outputs", "places", "saved_from", "shapes")

    kept: list[_Saved | Tensor | None]  # for each saved tensor; a Tensor is a constant
    outputs: list[_Output]  # of several; empty for one

    def __init__(
        self, function: type[Function], ctx: Context, places: list[int], shapes: list[Any]
    ) -> None:
        self.function, self.ctx = function, ctx
        self.places, self.shapes = places, shapes  # of tensors among the arguments
        self.outputs = []

    def piece(self, whole: Tensor, output: _Output) -> Tensor:
        """One output's part of the gate's value or gradient; zeros where it has none."""
        if output.start is None:
            return wrap(np.zeros(output.shape, output.dtype))
        part: Tensor = whole[output.start : output.start + math.prod(output.shape)]
        return part.reshape(output.shape)

    def backward(self, grad: Any) -> tuple[Any, ...]:
        recording = isinstance(grad, Tensor)
        whole = grad if recording else wrap(grad)
        grads = [self.piece(whole, output) for output in self.outputs] or [whole]
        self.ctx._saved = tuple([self.found(kept, recording) for kept in self.kept])
        found = self.function.backward(self.ctx, *grads)
        self.ctx._saved = ()
        parts = found if isinstance(found, tuple) else (found,)
        count = len(self.ctx.needs_input_grad)
        if len(parts) != count:
            raise RuntimeError(
                f"{self.function.__name__}.backward returned {len(parts)} gradients but forward "
                f"takes {count} arguments; return one for each, None where there is none"
            )
        chosen = [parts[place] for place in self.places]
        for place, part, shape in zip(self.places, chosen, self.shapes, strict=True):
            if part is not None:
                check_gradient(f"{self.function.__name__}.backward", place, part, shape)
        return tuple([part if part is None or recording else part.array for part in chosen])

    def found(self, kept: _Saved | Tensor | None, recording: bool) -> Tensor | None:
        """A saved tensor, in the graph if the backward pass is recorded."""
        if kept is None:
            return None
        if isinstance(kept, Tensor):
            if recording and kept.dtype.kind == "f":
                raise RuntimeError(
                    f"{self.function.__name__} saved a tensor of shape {kept.shape} that is "
                    "neither input nor output, so that it cannot be differentiated twice; return "
                    "it as an output too"
                )
            return kept
        value = self.saved[kept.position]
        tensor = value if isinstance(value, Tensor) else wrap(value)
        return tensor if kept.output is None else self.piece(tensor, self.outputs[kept.output])


class Function:
    """A gate in PyTorch's form: static ``forward(ctx, *args)`` and ``backward(ctx, *grads)``.

    `Gate` is this library's own form, which computes on plain arrays and costs less. A Function
    computes on tensors; its backward is recorded under ``create_graph=True``, so that it can be
    differentiated again. It gives one tensor or a tuple of them, whose gradients backward gets, zeros
    for those that nothing depends on. Instead of ``forward(ctx, *args)`` it may define
    ``forward(*args)`` and ``setup_context(ctx, inputs, output)``.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * 3 * x * x
    >>> x = tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad.item()
    12.0
    """

    _gate: ClassVar[type[Gate]] = _FunctionGate

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A gate class of its own, so that errors, drawings and reprs show the function's name.
        cls._gate = type(
            cls.__name__, (_FunctionGate,), {"__slots__": (), "__module__": cls.__module__}
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The value; nothing that it does is recorded."""
        raise NotImplementedError("a Function must define a static forward(ctx, *args)")

    setup_context: ClassVar[Any] = None

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """One gradient for each argument of forward; None where there is none."""
        raise NotImplementedError("a Function must define a static backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The function's value, recorded: a tensor, or a tuple of them.

        Raises
        ------
        TypeError
            A forward that does not give tensors, or floats of several dtypes.
        """
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx = Context()
        ctx.needs_input_grad = tuple([isinstance(x, Tensor) and x.requires_grad for x in args])
        with no_grad():
            if cls.setup_context is None:
                out = cls.forward(ctx, *args)
            else:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
        inputs = [args[place] for place in places]
        gate: Any = cls._gate(cls, ctx, places, [x.shape for x in inputs])  # type: ignore[call-arg]
        several = isinstance(out, (tuple, list))
        outs = list(out) if several else [out]
        value = _joined(gate, outs, ctx._constant) if several else _alone(cls.__name__, out, inputs)
        _keep(gate, ctx._saved, inputs, outs, value)
        ctx._saved = ctx._constant = ()
        whole = finish(gate, value, tuple([x.node for x in inputs]))
        if not several:
            return whole
        return tuple(
            [
                wrap(x.array) if output.start is None else gate.piece(whole, output)
                for x, output in zip(outs, gate.outputs, strict=True)
            ]
        )


def _alone(name: str, out: Any, inputs: list[Tensor]) -> Any:
    """The array of a single output, which must not be an input's."""
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}.forward must give tensors, got {type(out).__name__}")
    return out.array.copy() if any(out is x for x in inputs) else out.array


def _joined(gate: _FunctionGate, outs: list[Any], constant: tuple[Tensor, ...]) -> Any:
    """The arrays of the outputs that have gradients, in one row; the gate notes their places."""
    name = gate.function.__name__
    rows: list[Any] = []
    start = 0
    for x in outs:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}.forward must give tensors, got {type(x).__name__} among them")
        has_gradient = x.dtype.kind == "f" and not any(x is y for y in constant)
        gate.outputs.append(_Output(x.shape, x.dtype, start if has_gradient else None))
        if has_gradient:
            rows.append(x.array.reshape(-1))
            start += x.array.size
    if len({row.dtype for row in rows}) > 1:
        raise TypeError(
            f"{name}.forward must give floats of one dtype, got {[str(row.dtype) for row in rows]}"
        )
    return np.concatenate(rows) if rows else np.zeros(0)


def _keep(
    gate: Any, saved: tuple[Any, ...], inputs: list[Tensor], outs: list[Any], value: Any
) -> None:
    """Put what is to be saved into the gate, and note where it came from."""
    arrays: list[Any] = []
    sources: list[int] = []
    gate.kept = []
    for x in saved:
        place = next((i for i, y in enumerate(inputs) if x is y), None)
        number = next((i for i, y in enumerate(outs) if x is y), None)
        if x is None or (place is None and number is None):
            gate.kept.append(x)
        elif number is None or place is not None:
            gate.kept.append(_Saved(len(arrays), None))
            arrays.append(x.array)
            sources.append(place)  # type: ignore[arg-type]
        elif gate.outputs and gate.outputs[number].start is None:
            gate.kept.append(wrap(x.array))
        else:
            gate.kept.append(_Saved(len(arrays), number if gate.outputs else None))
            arrays.append(value)
            sources.append(OUT)
    gate.saved, gate.saved_from = tuple(arrays), tuple(sources)
