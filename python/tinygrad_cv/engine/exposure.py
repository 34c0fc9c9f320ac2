"""Arrays that `Tensor.numpy` gives out: read-only exactly while a graph holds their memory.

Gates keep references to the arrays that they saved and tell nobody. So an array is held if it has
more references than can be told: its tensors (all that are known to show the memory: views and
detached ones), views of it, and arrays given out. What is given out while the memory is held waits
here; it becomes writeable when the graph is gone, at once if the array that the graph holds dies
with it (that of a leaf), else with the next backward pass or call of `numpy`.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.memory import owner, share, shared
from tinygrad_cv.engine.views import showing

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

_probe = {0: np.empty(0)}
_ALONE = sys.getrefcount(_probe[0])  # what getrefcount says of an array that only a dict refers to
_lock = threading.RLock()


class _Waiting:
    """Arrays given out read-only, and what is needed to see that their memory is free again."""

    __slots__ = ("outs", "replaced", "tensors")

    def __init__(self) -> None:
        self.tensors: list[weakref.ref[Tensor]] = []
        self.outs: list[weakref.ref[Any]] = []
        self.replaced: list[weakref.ref[Any]] = []  # arrays of tensors that only graphs hold now


waiting: dict[int, _Waiting] = {}  # by id of the owner, which the arrays keep alive


def expose(tensor: Tensor) -> Any:
    """A NumPy array that shares the memory of `tensor`, read-only while a graph holds that."""
    if waiting:
        release_waiting()
    tensors = showing(tensor)
    out = tensor.array.view()
    held = out.flags.writeable and _held(tensors, out, 1)
    if held:
        out.flags.writeable = False
        _wait(tensor, tensors, out)
    share(tensor.array, out)
    return out


def release_waiting(dying: int | None = None) -> None:
    """Make arrays writeable again whose graph has gone meanwhile.

    `dying` is the id of the owner of a view that dies in this moment and still refers to it.
    """
    with _lock:
        for key, entry in list(waiting.items()):
            tensors: dict[int, Tensor] = {}
            for ref in entry.tensors:
                tensor = ref()
                if tensor is not None:
                    tensors.update((id(t), t) for t in showing(tensor))
            outs = [out for given in entry.outs if (out := given()) is not None]
            if outs and not _held(list(tensors.values()), outs[0], int(key == dying)):
                for out in outs:
                    out.flags.writeable = True
                waiting.pop(key, None)


def _wait(tensor: Tensor, tensors: list[Tensor], out: Any) -> None:
    key = id(owner(out))
    with _lock:
        entry = waiting.setdefault(key, _Waiting())
        entry.tensors.extend(weakref.ref(t) for t in tensors)

        def forget(ref: weakref.ref[Any]) -> None:
            with _lock:
                if ref in entry.outs:
                    entry.outs.remove(ref)
                if not entry.outs and waiting.get(key) is entry:
                    del waiting[key]

        entry.outs.append(weakref.ref(out, forget))
        if tensor.array.base.__class__ is np.ndarray:
            # The graph alone has the old one then, and its death is the end of the graph.
            old, tensor.array = tensor.array, tensor.array.view()
            entry.replaced.append(weakref.ref(old, lambda _: release_waiting(key)))


def _held(tensors: list[Tensor], view: Any, more: int) -> bool:
    """Whether somebody has the memory of `view` beside the tensors and the arrays given out.

    `more` references to its owner are explained as well. The view itself must be none of a tensor.
    """
    base = owner(view)
    key = id(base)
    arrays = {id(t.array): t.array for t in tensors if owner(t.array) is base}
    explained = dict.fromkeys(arrays, 0)
    for t in tensors:
        if id(t.array) in explained:
            explained[id(t.array)] += 1
    arrays[key] = base
    explained[key] = explained.get(key, 0) + more
    entry = shared.get(key)
    if entry is not None and entry.owner() is base:
        if entry.locks:
            return True
        given = [ref() for ref in entry.arrays]
        if any(array is base for array in given):
            del arrays[key]  # the user's own: who refers to it says nothing
        explained[key] += sum(1 for array in given if getattr(array, "base", None) is base)
        del given
    explained[key] += sum(1 for array in arrays.values() if array.base is base)
    del base
    return any(sys.getrefcount(arrays[k]) - _ALONE > explained[k] for k in arrays)
