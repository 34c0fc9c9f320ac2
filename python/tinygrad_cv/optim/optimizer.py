"""What all optimizers share: parameter groups, state, saving. A subclass states its formula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends import backend_for
from tinygrad_cv.backends.reference import room as reference
from tinygrad_cv.engine import memory
from tinygrad_cv.engine.device import placed, to_host
from tinygrad_cv.engine.grad_mode import enable_grad
from tinygrad_cv.engine.tensor import Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.backends.contract import Backend

Array = Any  # numpy.ndarray
Group = dict[str, Any]  # "params" and the options that hold for them
State = dict[str, Any]  # arrays and numbers kept for one parameter

# What a group may hold beside options; "name" is for the user, "initial_lr" for schedules.
_BESIDE_OPTIONS = ("params", "name", "initial_lr")


class Optimizer:
    """Base class: ``update`` changes one parameter in place, given its gradient.

    Parameters
    ----------
    params : iterable of Tensor, or of groups
        A group is a dict of "params" and the options in which it differs.
    defaults : dict
        Options for groups that do not set them.

    Attributes
    ----------
    param_groups : list of dict
        Options may be changed between steps: ``optimizer.param_groups[0]["lr"] = 0.01``.
    state : dict
        Arrays and numbers kept for each parameter, from its first update on.

    Raises
    ------
    ValueError
        No parameters, one that appears twice, one that is no leaf, or an option out of range.
    TypeError
        Something that is no tensor.
    """

    # A `GradScaler`'s flag during its step, for updates that heed it: where it is not 0 they change nothing.
    skip: Array | None = None

    def __init__(self, params: Any, defaults: Group) -> None:
        self.defaults = defaults
        self.state: dict[Tensor, State] = {}
        self._scratch: dict[tuple[int, Any, type], Array] = {}
        self.param_groups: list[Group] = []
        groups = self._listed(params)
        if not groups:
            raise ValueError(
                f"{type(self).__name__}: the list of parameters is empty; pass model.parameters()"
            )
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            if not isinstance(group, Mapping):
                raise TypeError(
                    f"{type(self).__name__}: params must be all tensors or all dicts, got "
                    f"{type(group).__name__} among dicts"
                )
            self.add_param_group(group)

    def update(self, w: Array, g: Array, state: State, group: Group) -> None:
        """Change the parameter `w` in place, given its gradient `g`, which stays as it is.

        `state` is empty at the first call.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(w, g, state, group)")

    def heeds_skip(self) -> bool:
        """Whether `update` itself heeds `skip`, so that the host need not wait for the flag."""
        return False

    def check(self, group: Group) -> None:
        """Raise ValueError if an option of the group is out of range."""
        raise NotImplementedError(f"{type(self).__name__} must define check(group)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Parameters
        ----------
        closure : function, optional
            Computes the loss and its gradients anew; called first.

        Returns
        -------
        What `closure` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        states = self.state
        for group in self.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    state = states.get(param)
                    if state is None:
                        state = states[param] = {}
                    self.update(param.array, grad.array, state, group)
                    memory.wrote(param.array)
        return loss

    def scratch(self, like: Array, number: int = 0) -> Array:
        """Memory of the shape and dtype of `like` for the steps in between, used again each time.

        Fresh arrays of this size would come from the operating system page by page, which costs
        more than the arithmetic. Numbers tell several apart; 1 holds what `descent` gives.
        """
        key = number, like.dtype, like.__class__
        buffer = self._scratch.get(key)
        if buffer is None or buffer.size < like.size:
            buffer = self._scratch[key] = np.empty(like.size, like.dtype, like=like)
        out: Array = buffer[: like.size].reshape(like.shape)
        return out

    def descent(self, w: Array, g: Array, group: Group) -> Array:
        """The gradient to go down along: with weight decay, and turned round to go up."""
        decay, up = group["weight_decay"], group["maximize"]
        if not decay and not up:
            return g
        out = self.scratch(w, 1)
        if not decay:
            return np.negative(g, out=out)
        np.multiply(w, decay, out=out)
        if up:
            out -= g
        else:
            out += g
        return out

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none or param.grad is None:
                    param.grad = None
                else:
                    param.grad = wrap(np.zeros_like(param.grad.array))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own, such as the layers that are thawed later.

        Parameters
        ----------
        param_group : dict
            "params" (a tensor or an iterable of them), and options; the others are the defaults.
        """
        where = type(self).__name__
        if "params" not in param_group:
            raise ValueError(f"{where}: a group needs 'params', got only {sorted(param_group)}")
        group = {**self.defaults, **param_group}
        for name in param_group:
            if name not in self.defaults and name not in _BESIDE_OPTIONS:
                known = ", ".join(sorted(self.defaults))
                raise ValueError(f"{where}: unknown option {name!r}; the options are {known}")
        group["params"] = self._listed(param_group["params"])
        taken = {id(p) for other in self.param_groups for p in other["params"]}
        for i, param in enumerate(group["params"]):
            self._check_param(i, param)
            if id(param) in taken:
                raise ValueError(f"{where}: parameter {i} of the group is there already")
            taken.add(id(param))
        self.check(group)
        self.param_groups.append(group)

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, Tensor):
            return [params]
        if isinstance(params, (Mapping, str)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of tensors or dicts, got "
                f"{type(params).__name__}"
            )
        return list(params)

    def _check_param(self, i: int, param: Any) -> None:
        where = type(self).__name__
        if not isinstance(param, Tensor):
            raise TypeError(f"{where}: parameter {i} must be a Tensor, got {type(param).__name__}")
        if not param.is_leaf:
            raise ValueError(
                f"{where}: parameter {i} was made by {type(param.gate).__name__}; only leaves, "
                "such as a module's parameters, can be optimized"
            )

    # State

    def state_dict(self) -> dict[str, Any]:
        """Options and state as plain dicts, lists, numbers and arrays; parameters by number."""
        numbers = {
            id(p): i
            for i, p in enumerate(p for group in self.param_groups for p in group["params"])
        }
        return {
            "state": {numbers[id(p)]: dict(state) for p, state in self.state.items()},
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state, for the same parameters in the same order.

        Arrays are copied, in the parameters' dtypes.

        Raises
        ------
        ValueError
            Another number of groups or parameters, or state of another shape.
        """
        where = f"{type(self).__name__}.load_state_dict"
        given = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in given]
        own_sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != own_sizes:
            raise ValueError(
                f"{where}: groups of {sizes} parameters but this optimizer's are of {own_sizes}"
            )
        numbers = [number for group in given for number in group["params"]]
        params = dict(
            zip(numbers, (p for group in self.param_groups for p in group["params"]), strict=True)
        )
        groups = [
            {**group, **new, "params": group["params"]}
            for group, new in zip(self.param_groups, given, strict=True)
        ]
        for group in groups:
            self.check(group)
        state = {
            params[int(number)]: {
                name: _taken_over(f"{where}: {name}", value, params[int(number)])
                for name, value in values.items()
            }
            for number, values in state_dict["state"].items()
        }
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update(new)
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scratch": {}}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _taken_over(where: str, value: Any, param: Tensor) -> Any:
    """A copy of a state's array, in the parameter's dtype; numbers stay numbers."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Tensor):
        value = value.array
    elif hasattr(value, "detach"):  # another library's tensor
        value = value.detach()
    array = np.asarray(to_host(value))
    if not array.ndim and (param.ndim or where.endswith(" step")):
        return array.item()
    if array.shape != param.shape:
        raise ValueError(f"{where} has shape {array.shape} but the parameter's is {param.shape}")
    return placed(array.astype(param.dtype), param.device)


def room_of(w: Array) -> Backend:
    """The room that steps this parameter: NumPy's where its dtype is none of the kernels'."""
    return backend_for(w) if w.dtype.char in "fd" else reference


def check_range(
    where: str, group: Group, at_least_zero: tuple[str, ...], below_one: tuple[str, ...] = ()
) -> None:
    """The named options must be numbers >= 0, and those of `below_one` also < 1.

    Raises
    ------
    TypeError
        An option that is no number.
    ValueError
        One out of range.
    """
    for name in (*at_least_zero, *below_one):
        value = group[name]
        if isinstance(value, Tensor) or not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{where}: {name} must be a number, got {value!r}")
        if not value >= 0:
            raise ValueError(f"{where}: {name} must be at least 0, got {value}")
        if name in below_one and not value < 1:
            raise ValueError(f"{where}: {name} must be below 1, got {value}")


def check_betas(where: str, group: Group) -> None:
    """Both betas must lie in [0, 1)."""
    betas = group["betas"]
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"{where}: betas must be a pair of numbers, got {betas!r}")
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{where}: betas must be in [0, 1), got {tuple(betas)}")


def zeros_once(state: State, like: Array, *names: str) -> None:
    """Make the named arrays at the first update."""
    for name in names:
        if name not in state:
            state[name] = np.zeros_like(like)
