"""The module: a layer or a network, as an object that knows its parameters, buffers and parts.

A module is a plain object. Its parameters are those of its attributes that are `Parameter`s, its
parts those that are `Module`s, in the order in which they were assigned; nothing is kept twice.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinygrad_cv.engine.device import placed, require_device
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.nn import hooks, states
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tinygrad_cv.nn.hooks import RemovableHandle
    from tinygrad_cv.nn.states import IncompatibleKeys

M = TypeVar("M", bound="Module")


class Module:
    """Base class of layers and networks: assign parameters and parts, define ``forward``.

    Attributes
    ----------
    training : bool
        What `train` and `eval` set; dropout and normalisation layers act by it.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> from tinygrad_cv import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 3)
    ...         self.scores = nn.Linear(3, 2)
    ...
    ...     def forward(self, x):
    ...         return self.scores(self.hidden(x).relu())
    >>> net = Net()
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'scores.weight', 'scores.bias']
    >>> net(tg.zeros(5, 4)).shape
    (5, 2)
    """

    training: bool = True
    _hooks: hooks.Hooks | None = None
    _buffers: Mapping[str, bool] = {}  # name: whether state_dict has it
    _warned: frozenset[str] = frozenset()  # attributes that were warned of

    def __init__(self) -> None:
        pass  # for subclasses, which call it as they are used to

    def forward(self, *inputs: Any) -> Any:
        """The value; subclasses define it. Call the module itself, which also runs hooks."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Tensor) and value is not None:
            self._check_keeps_kind(name, old, value)
        object.__setattr__(self, name, value)
        if isinstance(value, (list, tuple, dict)):
            self._warn_of_hidden_modules(name, value)

    def _check_keeps_kind(self, name: str, old: Tensor, value: Any) -> None:
        """A parameter stays a parameter, a buffer a tensor: else it would silently drop out."""
        wanted = Parameter if isinstance(old, Parameter) else Tensor
        if not isinstance(value, wanted) and (wanted is Parameter or name in self._buffers):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {'parameter' if wanted is Parameter else 'buffer'} "
                f"and cannot become {type(value).__name__}; assign a {wanted.__name__} or None, "
                "or change its values in place"
            )

    def _warn_of_hidden_modules(self, name: str, value: Any) -> None:
        for first in value.values() if isinstance(value, dict) else value:
            if isinstance(first, Module) and name not in self._warned:
                object.__setattr__(self, "_warned", self._warned | {name})
                plain = type(value).__name__
                warnings.warn(
                    f"{type(self).__name__}.{name} is a plain {plain} of modules: their parameters "
                    f"are not seen; use nn.Module{'Dict' if plain == 'dict' else 'List'}",
                    stacklevel=3,
                )
            break

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """As assigning the attribute; PyTorch's name for it."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name!r} must be a Parameter or None, got "
                f"{type(param).__name__}"
            )
        setattr(self, self._new_name("register_parameter", name), param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` an attribute that is saved and converted with the module, but not learned.

        Parameters
        ----------
        name : str
        tensor : Tensor or None
        persistent : bool
            Whether `state_dict` has it.

        Raises
        ------
        TypeError
            Neither a tensor nor None.
        KeyError
            The module already has an attribute of that name.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: {name!r} must be a Tensor or None, got {type(tensor).__name__}"
            )
        name = self._new_name("register_buffer", name)
        object.__setattr__(self, "_buffers", {**self._buffers, name: persistent})
        object.__setattr__(self, name, tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """As assigning the attribute; PyTorch's name for it."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module: {name!r} must be a Module or None, got {type(module).__name__}"
            )
        setattr(self, self._new_name("register_module", name), module)

    add_module = register_module

    def _new_name(self, where: str, name: Any) -> str:
        if not isinstance(name, str):
            raise TypeError(f"{where}: name must be a str, got {name!r}")
        if not name or "." in name:
            raise KeyError(f"{where}: name must not be empty or contain '.', got {name!r}")
        taken = name in self.__dict__ and not isinstance(self.__dict__[name], (Tensor, Module))
        if hasattr(type(self), name) or (taken and self.__dict__[name] is not None):
            raise KeyError(f"{where}: {type(self).__name__} already has an attribute {name!r}")
        return name

    # What the module is made of

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The parts assigned to this module, with their names."""
        seen = set()
        for name, value in self.__dict__.items():
            if isinstance(value, Module) and value not in seen:
                seen.add(value)
                yield name, value

    def children(self) -> Iterator[Module]:
        """The parts assigned to this module."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module, its parts, their parts and so on, with their paths such as ``block.0``."""
        seen = set() if memo is None else memo
        if remove_duplicate and self in seen:
            return
        seen.add(self)
        yield prefix, self
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Module):
                path = f"{prefix}.{name}" if prefix else name
                yield from value.named_modules(seen, path, remove_duplicate)
            elif isinstance(value, (list, tuple, dict)):
                self._warn_of_hidden_modules(name, value)

    def modules(self) -> Iterator[Module]:
        """This module, its parts, their parts and so on."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters, with names such as ``block.0.weight``; shared ones once."""
        yield from self._named(_parameters_of, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, as an optimizer takes them."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers, with their names."""
        yield from self._named(_buffers_of, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(
        self, members: Callable[[Module], Any], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        seen = set()
        for path, module in modules:
            for name, member in members(module):
                if remove_duplicate and id(member) in seen:
                    continue
                seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def get_submodule(self, target: str) -> Module:
        """The part at a path such as ``block.0``; "" is the module itself.

        Raises
        ------
        AttributeError
            No module is there.
        """
        found: Any = self
        for name in target.split(".") if target else ():
            found = found.__dict__.get(name)
            if not isinstance(found, Module):
                raise AttributeError(
                    f"get_submodule: {type(self).__name__} has no module {target!r}"
                )
        module: Module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``block.0.weight``; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        param = self.get_submodule(path).__dict__.get(name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"get_parameter: {type(self).__name__} has no {target!r}")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        for buffer_name, buffer in _buffers_of(self.get_submodule(path)):
            if buffer_name == name:
                return buffer
        raise AttributeError(f"get_buffer: {type(self).__name__} has no {target!r}")

    # What is done to all of it

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call `fn` on every part, innermost first, and on the module itself."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set training mode here and in every part: dropout drops, statistics are taken."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Set evaluation mode, as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Say whether the parameters want gradients; False freezes them."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for param in self.parameters():
            clear_grad(param, set_to_none)

    def to(self: M, *args: Any, dtype: Any = None, device: Any = None) -> M:
        """Convert parameters and buffers in place: ``to(tg.float64)``, ``to("cpu")``, ``to(tensor)``.

        Only floats change their dtype; optimizers keep the parameters they have.

        Raises
        ------
        TypeError
            A dtype that is no float.
        ValueError
            An unknown device.
        RuntimeError
            A GPU that cannot be used.
        """
        for given in args:
            if isinstance(given, Tensor):
                dtype, device = given.dtype, given.device
            elif _is_dtype(given):
                dtype = given
            else:
                device = given
        place = None if device is None else require_device(device)
        kind = None if dtype is None else np.dtype(dtype)
        if kind is not None and kind.kind != "f":
            raise TypeError(f"to: parameters are floats and cannot become {kind}")
        for tensor in (*self.parameters(), *self.buffers()):
            if place is not None:
                _apply(tensor, lambda array: placed(array, place))
            if kind is not None and tensor.array.dtype.kind == "f":
                _apply(tensor, lambda array: array.astype(kind, copy=False))
        return self

    def float(self: M) -> M:
        """Make parameters and buffers float32."""
        return self.to(np.float32)

    def double(self: M) -> M:
        """Make parameters and buffers float64."""
        return self.to(np.float64)

    def cpu(self: M) -> M:
        """Move parameters and buffers to the CPU."""
        return self.to(device="cpu")

    def cuda(self: M, device: Any = None) -> M:
        """Move parameters and buffers to a GPU.

        Raises
        ------
        RuntimeError
            No GPU that can be used.
        """
        return self.to(device="cuda" if device is None else device)

    # State

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers by name; the tensors share the module's memory.

        With `keep_vars` they are the parameters themselves, part of the graph.
        """
        return {
            f"{prefix}{name}": tensor if keep_vars else tensor.detach()
            for name, tensor in states.named_state(self)
        }

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Take over the values of a `state_dict`: all of them, or, if they do not fit, none.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
            Values are converted to the module's dtypes.
        strict : bool
            Whether the names must be the module's own, no more and no fewer.
        assign : bool
            Take over the tensors themselves, with their dtype and memory, instead of their values.

        Returns
        -------
        IncompatibleKeys
            The named tuple (missing_keys, unexpected_keys).

        Raises
        ------
        ValueError
            Missing, unexpected or wrongly shaped entries: one message lists them all.
        TypeError
            Something other than a mapping of names to tensors or arrays.
        """
        return states.load(self, state_dict, strict, assign)

    # Hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        With `with_kwargs`: ``hook(module, args, kwargs)``, which returns None or (args, kwargs).
        """
        return hooks.add(self._own_hooks().forward_pre, hook, with_kwargs, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        With `with_kwargs`: ``hook(module, args, kwargs, output)``.

        Examples
        --------
        >>> import tinygrad_cv as tg
        >>> from tinygrad_cv import nn
        >>> layer, shapes = nn.Flatten(), []
        >>> with layer.register_forward_hook(lambda m, args, out: shapes.append(out.shape)):
        ...     _ = layer(tg.zeros(2, 3, 4))
        >>> shapes
        [(2, 12)]
        """
        return hooks.add(self._own_hooks().forward, hook, with_kwargs, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of a call are known.

        Both are tuples, None where there is no gradient. What the hook returns replaces
        `grad_input`, for modules of one input.
        """
        return hooks.add(self._own_hooks().backward, hook, False, prepend)

    def _own_hooks(self) -> hooks.Hooks:
        if self._hooks is None:
            object.__setattr__(self, "_hooks", hooks.Hooks())
        assert self._hooks is not None
        return self._hooks

    # Printing

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's line; layers define it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        parts = [
            f"({name}): {_indented(repr(value))}"
            for name, value in self.__dict__.items()
            if isinstance(value, Module)
        ]
        if not parts:
            return f"{type(self).__name__}({extra})"
        lines = [extra, *parts] if extra else parts
        inside = "".join(f"\n  {line}" for line in lines)
        return f"{type(self).__name__}({inside}\n)"


def clear_grad(tensor: Tensor, set_to_none: bool) -> None:
    """Forget a gradient, or make it zeros."""
    if tensor.grad is None:
        return
    tensor.grad = None if set_to_none else wrap(np.zeros_like(tensor.grad.array))


def _parameters_of(module: Module) -> Iterator[tuple[str, Parameter]]:
    return ((n, v) for n, v in module.__dict__.items() if isinstance(v, Parameter))


def _buffers_of(module: Module) -> Iterator[tuple[str, Tensor]]:
    for name in module._buffers:
        value = module.__dict__.get(name)
        if value is not None and not isinstance(value, Parameter):
            yield name, value


def _is_dtype(given: Any) -> bool:
    if isinstance(given, np.dtype) or (isinstance(given, type) and issubclass(given, np.generic)):
        return True
    return isinstance(given, str) and given.startswith(("float", "int", "uint", "bool"))


def _apply(tensor: Tensor, change: Callable[[Any], Any]) -> None:
    """Change a tensor's array, and its gradient's."""
    tensor.array = change(tensor.array)
    if tensor.grad is not None:
        tensor.grad = wrap(change(tensor.grad.array))


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
