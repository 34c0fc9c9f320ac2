"""`Function`: gates written the way PyTorch users write them, on tensors, with a context."""

from __future__ import annotations

from typing import Any, ClassVar

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

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or the output for the backward pass; with others use attributes."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved


class _FunctionGate(Gate):
    """The gate of one `Function.apply`."""

    __slots__ = ("ctx", "function", "places", "saved_from", "shapes")

    # places: of tensors among the arguments; shapes: theirs
    def __init__(
        self, function: type[Function], ctx: Context, places: list[int], shapes: list[Any]
    ) -> None:
        self.function, self.ctx, self.places, self.shapes = function, ctx, places, shapes

    def backward(self, grad: Any) -> tuple[Any, ...]:
        recording = isinstance(grad, Tensor)
        self.ctx._saved = tuple(
            [x if x is None or isinstance(x, Tensor) else wrap(x) for x in self.saved]
        )
        found = self.function.backward(self.ctx, grad if recording else wrap(grad))
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


class Function:
    """A gate in PyTorch's form: static ``forward(ctx, *args)`` and ``backward(ctx, grad)``.

    `Gate` is this library's own form, which computes on plain arrays and costs less. A Function
    computes on tensors; its backward is recorded under ``create_graph=True``, so that it can be
    differentiated again. It gives one tensor; inputs and output are to be kept with
    ``ctx.save_for_backward``.

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
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The value; nothing that it does is recorded."""
        raise NotImplementedError("a Function must define a static forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """One gradient for each argument of forward; None where there is none."""
        raise NotImplementedError("a Function must define a static backward(ctx, grad)")

    @classmethod
    def apply(cls, *args: Any) -> Tensor:
        """The function's value, recorded.

        Raises
        ------
        TypeError
            A forward that does not give one tensor, or a saved tensor that is neither input nor
            output.
        """
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx = Context()
        ctx.needs_input_grad = tuple([isinstance(x, Tensor) and x.requires_grad for x in args])
        with no_grad():
            out = cls.forward(ctx, *args)
        if not isinstance(out, Tensor):
            raise TypeError(
                f"{cls.__name__}.forward must give one tensor, got {type(out).__name__}"
            )
        inputs = [args[place] for place in places]
        gate = cls._gate(cls, ctx, places, [x.shape for x in inputs])  # type: ignore[call-arg]
        kept = ctx._saved
        gate.saved = tuple([None if x is None else x.array for x in kept])
        gate.saved_from = tuple([_source(cls.__name__, x, inputs, out) for x in kept])  # type: ignore[misc]
        ctx._saved = ()
        value = out.array if not any(out is x for x in inputs) else out.array.copy()
        return finish(gate, value, tuple([x.node for x in inputs]))


def _source(name: str, kept: Any, inputs: list[Tensor], out: Tensor) -> int:
    """Where a saved tensor came from: the place of an input, or `OUT`."""
    if kept is None or kept is out:
        return OUT
    for place, x in enumerate(inputs):
        if x is kept:
            return place
    raise TypeError(
        f"{name}: save_for_backward takes inputs and the output, got another tensor of shape "
        f"{kept.shape}; set it as an attribute of ctx"
    )
