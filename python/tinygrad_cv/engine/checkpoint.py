"""Checkpoints: part of a graph whose values are computed again in the backward pass, not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine import memory
from tinygrad_cv.engine.gate import Gate, extra_of
from tinygrad_cv.engine.grad_mode import enable_grad
from tinygrad_cv.engine.random import default_generator
from tinygrad_cv.engine.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEPT = frozenset(("parents", "seq", "extra", "saved", "__dict__", "__weakref__"))


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, but what its gates saved is dropped at once.

    The backward pass calls the function a second time to get it back: less memory, more time.

    Parameters
    ----------
    function : callable
        Does the same both times: what it gives depends on its arguments, on tensors that are not
        written to meanwhile, and on the default generator.
    use_reentrant : bool, optional
        For code that comes from PyTorch; there is one way here, which has no such restrictions.
    preserve_rng_state : bool
        Let the second call draw the same random numbers (dropout) as the first.

    Returns
    -------
    what the function gives: a tensor, or tensors in tuples, lists and dicts

    Raises
    ------
    RuntimeError
        In the backward pass: the function made other gates the second time, or an argument was
        written to.

    Examples
    --------
    >>> from tinygrad_cv.engine import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x * x).sum(), x).backward()
    >>> x.grad
    tensor([ 3., 12.])
    """
    del use_reentrant
    state = default_generator.get_state() if preserve_rng_state else None
    start = memory.next_seq()
    out = function(*args, **kwargs)
    gates = _gates(_tensors(out), start)
    if gates:
        segment = _Segment(function, args, kwargs, gates, start, state)
        for gate in gates:
            _drop(gate)
            extra_of(gate).restore = segment.restore
    return out


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Functions one after the other, in `segments` checkpoints of about equal length.

    Parameters
    ----------
    functions : sequence of callables, as ``nn.Sequential``
    segments : int
        The last one is not dropped: the backward pass begins with it.
    input
        What the first function takes.

    Raises
    ------
    ValueError
        Fewer than one segment, or more than there are functions.
    """
    steps = list(functions)
    if not 1 <= segments <= len(steps):
        raise ValueError(
            f"checkpoint_sequential: segments must be 1 to {len(steps)}, got {segments}"
        )
    size = len(steps) // segments
    for first in range(0, size * (segments - 1), size):
        chain = _chain(steps[first : first + size])
        input = checkpoint(chain, input, use_reentrant=use_reentrant, **kwargs)
    return _chain(steps[size * (segments - 1) :])(input)


def _chain(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return run


class _Segment:
    """The gates of one checkpoint, and how to compute again what they saved."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        gates: list[Gate],
        start: int,
        state: dict[str, Any] | None,
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.gates, self.start, self.state = gates, start, state

    def restore(self) -> None:
        """Give every gate of the segment back what it saved."""
        gates, self.gates = self.gates, []
        for gate in gates:
            if gate.extra is not None:
                gate.extra.restore = None
        for x in _tensors((self.args, self.kwargs)):
            if memory.written_after(x.array, self.start):
                raise RuntimeError(
                    f"checkpoint: an argument of shape {x.shape} was changed in place, so its "
                    "values cannot be computed again; change a clone() instead, or after backward"
                )
        twins = self._again()
        if [type(g) for g in gates] != [type(g) for g in twins]:
            raise RuntimeError(
                f"checkpoint: the function made other gates when it was called again ({len(twins)}, "
                f"not {len(gates)} as before); it must do the same both times"
            )
        for gate, twin in zip(gates, twins, strict=True):
            _take_over(gate, twin)
        self.function, self.args, self.kwargs = _chain(()), (), {}

    def _again(self) -> list[Gate]:
        """The gates that a second call makes, in order."""
        args, kwargs = _stand_ins((self.args, self.kwargs))
        now = default_generator.get_state()
        if self.state is not None:
            default_generator.set_state(self.state)
        start = memory.next_seq()
        try:
            with enable_grad():
                out = self.function(*args, **kwargs)
        finally:
            if self.state is not None:
                default_generator.set_state(now)
        return _gates(_tensors(out), start)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [x for part in value for x in _tensors(part)]


def _stand_ins(value: Any) -> Any:
    """The same arguments cut off from their graph."""
    if isinstance(value, Tensor):
        return value.detach().requires_grad_() if value.requires_grad else value
    if isinstance(value, dict):
        return {key: _stand_ins(part) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)([_stand_ins(part) for part in value])
    return value


def _gates(outputs: list[Tensor], start: int) -> list[Gate]:
    """The gates made after `start` that lead to the outputs, in order of making."""
    found: set[Gate] = set()
    stack: list[Any] = [x.gate for x in outputs]
    while stack:
        gate = stack.pop()
        if gate is None or gate.seq < start or gate in found:
            continue
        found.add(gate)
        stack.extend(parent for parent in gate.parents if isinstance(parent, Gate))
    return sorted(found, key=lambda gate: gate.seq)


def _values(gate: Gate) -> dict[str, Any]:
    """What a gate holds beyond its place in the graph."""
    held = dict(getattr(gate, "__dict__", {}))
    for kind in type(gate).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if name not in _KEPT and hasattr(gate, name):
                held[name] = getattr(gate, name)
    return held


def _drop(gate: Gate) -> None:
    gate.saved = ()
    for name, value in _values(gate).items():
        if hasattr(value, "dtype"):
            delattr(gate, name)


def _take_over(gate: Gate, twin: Gate) -> None:
    if gate.saved is None:  # freed meanwhile
        return
    if twin.extra is not None and twin.extra.restore is not None:
        twin.extra.restore()  # of a checkpoint inside this one
    gate.saved = twin.saved
    for name, value in _values(twin).items():
        if not hasattr(gate, name):
            setattr(gate, name, value)
