"""Hooks: functions that a module calls before and after its forward pass, and on its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.nn.module import Module

Hook = Any  # a function, as the method that registers it describes


class RemovableHandle:
    """What a ``register_*_hook`` returns: ``remove()``, or the end of a with block, removes it."""

    __slots__ = ("_entry", "_hooks")

    def __init__(self, hooks: list[Any], entry: Any) -> None:
        self._hooks, self._entry = hooks, entry

    def remove(self) -> None:
        """Remove the hook; doing so twice does no harm."""
        if self._entry in self._hooks:
            self._hooks.remove(self._entry)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one module; made when the first is registered."""

    __slots__ = ("backward", "forward", "forward_pre")

    def __init__(self) -> None:
        self.forward_pre: list[tuple[Hook, bool]] = []  # hook, with_kwargs
        self.forward: list[tuple[Hook, bool]] = []
        self.backward: list[tuple[Hook, bool]] = []

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's forward pass with its hooks around it."""
        for hook, with_kwargs in list(self.forward_pre):
            args, kwargs = _before(module, hook, with_kwargs, args, kwargs)
        if not self.backward:
            return self._forward(module, args, kwargs)
        watched = _Gradients(module, [hook for hook, _ in self.backward])
        return watched.outputs(self._forward(module, watched.inputs(args), kwargs))

    def _forward(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = module.forward(*args, **kwargs)
        for hook, with_kwargs in list(self.forward):
            given = (module, args, kwargs, result) if with_kwargs else (module, args, result)
            replaced = hook(*given)
            if replaced is not None:
                result = replaced
        return result


def add(hooks: list[Any], hook: Callable[..., Any], with_kwargs: bool, first: bool) -> Any:
    """Add a hook to the list, at its head if `first`."""
    if not callable(hook):
        raise TypeError(f"hook: expected a function, got {hook!r}")
    entry = (hook, with_kwargs)
    hooks.insert(0 if first else len(hooks), entry)
    return RemovableHandle(hooks, entry)


def _before(
    module: Module, hook: Hook, with_kwargs: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments after a forward-pre hook saw them, and perhaps replaced them."""
    if not with_kwargs:
        replaced = hook(module, args)
        if replaced is None:
            return args, kwargs
        return (replaced if isinstance(replaced, tuple) else (replaced,)), kwargs
    replaced = hook(module, args, kwargs)
    if replaced is None:
        return args, kwargs
    if not isinstance(replaced, tuple) or len(replaced) != 2:
        raise RuntimeError(
            "forward-pre hook: with_kwargs=True, so it must return None or (args, kwargs), "
            f"got {replaced!r}"
        )
    return replaced


class _Gradients:
    """Catches the gradients of one call, and runs the hooks once all of them are known.

    A gate has one output, so each input and output stands behind a gate of its own that does
    nothing but report. What a hook returns can replace the gradient of a single input only: where
    there are several, the earlier ones have gone down the graph before the last is known.
    """

    def __init__(self, module: Module, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.grad_input: list[Any] = []
        self.grad_output: list[Any] = []
        self.watched_inputs: set[int] = set()
        self.pending: set[int] = set()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments behind gates that report their gradients."""
        self.grad_input = [None] * len(args)
        self.watched_inputs = {i for i, x in enumerate(args) if _has_gradient(x)}
        self.pending = set(self.watched_inputs)
        return tuple(
            self._reporting(x, self._input_arrived, i) if _has_gradient(x) else x
            for i, x in enumerate(args)
        )

    def outputs(self, result: Any) -> Any:
        """The result behind gates that report their gradients."""
        if isinstance(result, Tensor):
            return self.outputs((result,))[0]
        if not isinstance(result, (tuple, list)):
            return result
        self.grad_output = [None] * len(result)
        return type(result)(
            self._reporting(y, self._output_arrived, i) if _has_gradient(y) else y
            for i, y in enumerate(result)
        )

    def _reporting(self, tensor: Tensor, arrived: Callable[[int, Tensor], Any], i: int) -> Tensor:
        out: Tensor = tensor.reshape(tensor.shape)
        out.register_hook(lambda grad: arrived(i, grad))
        return out

    def _output_arrived(self, i: int, grad: Tensor) -> None:
        self.grad_output[i] = grad
        if not self.watched_inputs:
            self._run()

    def _input_arrived(self, i: int, grad: Tensor) -> Tensor | None:
        self.grad_input[i] = grad
        self.pending.discard(i)
        if self.pending:
            return None
        self.pending = set(self.watched_inputs)  # the graph may be gone through again
        return self._run()

    def _run(self) -> Tensor | None:
        """Call the hooks; returns the gradient that replaces the only input's, if any."""
        grads, changed = tuple(self.grad_input), None
        for hook in self.hooks:
            given = hook(self.module, grads, tuple(self.grad_output))
            if given is None:
                continue
            given = given if isinstance(given, tuple) else (given,)
            if len(grads) != 1 or len(given) != 1 or not self.watched_inputs:
                raise RuntimeError(
                    f"backward hook of {type(self.module).__name__}: {len(given)} gradients "
                    "returned; only that of a single input that needs one can be replaced"
                )
            grads = given
            changed = given[0]
        return changed


def _has_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
