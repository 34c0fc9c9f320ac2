"""Views: which tensors show one memory, so that a write through one changes the graph of all.

A tensor that a `ViewGate` made remembers the tensor it is part of (its base) and the gates that lead
there; a base knows its views, weakly. `functional.inplace` asks here what a write concerns.
"""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine import grad_mode
from tinygrad_cv.engine.memory import owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinygrad_cv.engine.tensor import Tensor


class View:
    """How a tensor shows its base: by these gates, one after the other."""

    __slots__ = ("base", "gates", "recorded")

    def __init__(self, base: Tensor, gates: tuple[Any, ...], recorded: bool) -> None:
        self.base, self.gates = base, gates
        self.recorded = recorded  # False: made inside no_grad

    def positions(self) -> Any:
        """For each element of the view, its place in the base, counted in row order."""
        array = self.base.array
        positions = np.arange(array.size, like=array).reshape(array.shape)
        for gate in self.gates:
            positions = copy.copy(gate).forward(positions)
        return positions

    def node(self) -> Any:
        """Where the view's gradient goes, given the base's present node."""
        shown: Any = self.base
        for gate in self.gates:
            shown = copy.copy(gate).record(shown)
        return shown.node


def link(base: Tensor, out: Tensor, gate: Any) -> None:
    """Remember that `gate` made `out` of `base`, if they share memory."""
    array = out.array
    if array.base is None or owner(array) is not owner(base.array):
        return
    recorded = grad_mode.is_grad_enabled()
    family = getattr(base, "family", None)
    if family.__class__ is View:
        view = View(family.base, (*family.gates, gate), recorded and family.recorded)
    else:
        view = View(base, (gate,), recorded)
    members = getattr(view.base, "family", None)
    if members is None:
        members = view.base.family = set()
    members.add(weakref.ref(out, members.discard))
    out.family = view


def view_of(tensor: Tensor) -> View | None:
    """How the tensor shows its base; None if it is no view."""
    family = getattr(tensor, "family", None)
    return family if family.__class__ is View else None


def views_of(base: Tensor) -> list[Tensor]:
    """The living tensors that show parts of `base`."""
    family = getattr(base, "family", None)
    if not isinstance(family, set):
        return []
    return [tensor for ref in list(family) if (tensor := ref()) is not None]


def note_detached(tensor: Tensor, out: Tensor) -> None:
    """Remember that `out` shows the memory of `tensor` without its graph."""
    root = tensor  # tensors in between may die
    while True:
        view = view_of(root)
        source = getattr(root, "source", None)
        above = view.base if view is not None else source and source()
        if above is None:
            break
        root = above
    members = getattr(root, "detached", None)
    if members is None:
        members = root.detached = []
    members.append(weakref.ref(out, members.remove))
    out.source = weakref.ref(root)


def showing(tensor: Tensor) -> list[Tensor]:
    """The living tensors that are known to show the memory of `tensor`, itself among them."""
    base = owner(tensor.array)
    found = {id(tensor): tensor}
    todo = [tensor]
    while todo:
        for other in _neighbours(todo.pop()):
            if id(other) not in found and owner(other.array) is base:
                found[id(other)] = other
                todo.append(other)
    return list(found.values())


def _neighbours(tensor: Tensor) -> Iterator[Tensor]:
    """Tensors that were cut or detached from this one, and what it was cut or detached from."""
    source = getattr(tensor, "source", None)
    for ref in [*getattr(tensor, "detached", ()), *([source] if source is not None else [])]:
        other = ref()
        if other is not None:
            yield other
    view = view_of(tensor)
    if view is not None:
        yield view.base
    yield from views_of(tensor)
