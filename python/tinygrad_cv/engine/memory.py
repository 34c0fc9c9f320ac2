"""Memory that a graph relies on: writes in place since a gate saved it, and arrays shared with NumPy.

Gates keep references, not copies, of what their local gradients use. Two things could falsify a
gradient behind their back, and both are errors here: a write in place through a tensor (each is
stamped with the same clock that numbers the gates, so that backprop sees which came later), and a
write to a NumPy array that shares the memory (such arrays are read-only while a graph holds it).
"""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from tinygrad_cv import _core
from tinygrad_cv.engine import watch

if TYPE_CHECKING:
    from tinygrad_cv.engine.gate import Gate

# Numbers gates and writes in one order; next() on a count is atomic.
clock = itertools.count(1)
next_seq = clock.__next__

last_write = 0
_writes: dict[int, tuple[weakref.ref[Any], list[int]]] = {}  # by id of the owner


def owner(array: Any) -> Any:
    """The array whose memory `array` is a view of: itself, if it is no view."""
    base = array.base
    while base is not None and base.__class__ is array.__class__:
        array, base = base, base.base
    return array


def writeable(array: Any) -> bool:
    """Whether the array may be written to: for CuPy's, whether it shows each element once."""
    allowed = getattr(array.flags, "writeable", None)
    if allowed is None:
        allowed = all(step or n < 2 for step, n in zip(array.strides, array.shape, strict=True))
    return bool(allowed)


def wrote(array: Any) -> None:
    """Say that the memory of `array` was written to in place."""
    global last_write
    base = owner(array)
    key = id(base)
    stamp = next_seq()
    write = _writes.get(key)
    if write is not None and write[0]() is base:  # a parameter is written to in every step
        write[1][0] = stamp
    else:
        _writes[key] = (weakref.ref(base, lambda _: _writes.pop(key, None)), [stamp])
    last_write = stamp


def written_after(array: Any, seq: int) -> bool:
    """True if the memory of `array` was written to in place after the gate or time `seq`."""
    write = _writes.get(id(owner(array)))
    return write is not None and write[1][0] > seq


def check_saved(gate: Gate) -> None:
    """Raise RuntimeError if a value that `gate` saved was changed in place afterwards."""
    for value, source in zip(gate.saved or (), gate.saved_from, strict=False):
        if not hasattr(value, "base"):
            continue
        write = _writes.get(id(owner(value)))
        if write is not None and write[1][0] > gate.seq:
            what = "its output" if source < 0 else f"its input {source}"
            made_at = gate.extra.made_at if gate.extra is not None else None
            raise RuntimeError(
                f"backward: {type(gate).__name__} saved {what}, of shape {tuple(value.shape)}"
                f"{_origin(gate, source)}, and it was changed in place afterwards (the gate is "
                f"number {gate.seq}, the write {write[1][0]}); change a clone() instead, or after "
                "backward" + (f"; the gate was made at {made_at}" if made_at else "")
            )


def _origin(gate: Gate, source: int) -> str:
    """Which tensor an input of the gate was, for the message above."""
    if source < 0:
        return ""
    parent = gate.parents[source]
    if parent is None:
        return ", a tensor without gradient"
    return f", the result of {type(parent).__name__}" if parent.seq else ", a leaf"


class _Shared:
    """Memory that NumPy arrays of the user share with tensors."""

    __slots__ = ("arrays", "locks", "made_read_only", "owner")

    def __init__(self, base: Any) -> None:
        self.owner = weakref.ref(base)
        self.arrays: list[weakref.ref[Any]] = []
        self.locks = 0
        self.made_read_only: list[weakref.ref[Any]] = []

    def lock(self) -> None:
        self.locks += 1
        if self.locks == 1:
            for ref in self.arrays:
                self._make_read_only(ref)

    def _make_read_only(self, ref: weakref.ref[Any]) -> None:
        array = ref()
        if array is not None and array.flags.writeable:
            array.flags.writeable = False
            self.made_read_only.append(ref)

    def unlock(self) -> None:
        self.locks -= 1
        if self.locks == 0:
            for ref in self.made_read_only:
                array = ref()
                if array is not None:
                    _core.restore_writeable(array)
            self.made_read_only.clear()


shared: dict[int, _Shared] = {}  # by id of the owner
_lock = threading.RLock()


def share(memory: Any, array: Any) -> None:
    """Say that the user holds `array`, which shares the memory of the tensor's array `memory`."""
    base = owner(memory)
    key = id(base)
    with _lock:
        entry = shared.get(key)
        if entry is None or entry.owner() is not base:
            entry = shared[key] = _Shared(base)
            watch.add()

        def forget(ref: weakref.ref[Any], entry: _Shared = entry, key: int = key) -> None:
            with _lock:
                entry.arrays.remove(ref)
                if not entry.arrays and shared.get(key) is entry:
                    del shared[key]
                    watch.remove()

        ref = weakref.ref(array, forget)
        entry.arrays.append(ref)
        if entry.locks:
            entry._make_read_only(ref)


class _Hold:
    """A graph's hold on shared memory; ends when the gate that carries it lets go."""

    __slots__ = ("entry",)

    def __init__(self, entry: _Shared) -> None:
        self.entry = entry
        with _lock:
            entry.lock()

    def __del__(self) -> None:
        with _lock:
            self.entry.unlock()


def hold(gate: Gate) -> tuple[_Hold, ...]:
    """Make the user's arrays that share what `gate` saved read-only, until the result dies."""
    holds = []
    for value in gate.saved or ():
        if hasattr(value, "base"):
            base = owner(value)
            entry = shared.get(id(base))
            if entry is not None and entry.owner() is base:
                holds.append(_Hold(entry))
    return tuple(holds)
