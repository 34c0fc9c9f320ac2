"""Backprop: the chain rule, gate after gate, from the last made to the first.

Gates carry sequence numbers; a gate's inputs were all made before it, so taking the highest number
first is a reverse topological order. No recursion: a graph of a million gates is as good as one of
ten. Where paths meet, gradients add up before the gate is entered.
"""

from __future__ import annotations

import copy
import sys
from contextlib import nullcontext
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.backends import cpu_room
from tinygrad_cv.engine import anomaly, exposure, memory, watch
from tinygrad_cv.engine.gate import (
    Gate,
    check_gradient,
    finish_watched,
    release,
    saved_as_tensors,
    zero_dim,
)
from tinygrad_cv.engine.grad_mode import enable_grad, is_grad_enabled
from tinygrad_cv.engine.masking import below_mask, whole_pass
from tinygrad_cv.engine.shortcuts import connect, shortcut
from tinygrad_cv.engine.tensor import Leaf, Tensor, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Node = Any  # Gate or Leaf

_probe = {0: object()}
_SOLE = sys.getrefcount(_probe[0])  # what getrefcount says of a value that only a dict refers to


def backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add d(tensor)/d(leaf) to ``.grad`` of every leaf; see `Tensor.backward`."""
    with _recording(create_graph):
        node, grad = _root(tensor, gradient, create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        grads = _run({node: grad}, retain, create_graph, {})
        del grad
        for leaf in list(grads):
            _accumulate(leaf, grads, create_graph)
    if exposure.waiting:
        exposure.release_waiting()


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """Gradients of the sum of `outputs` with respect to `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What to differentiate.
    inputs : Tensor or sequence of Tensor
        With respect to what: leaves, or results of gates that `outputs` were made from.
    grad_outputs : Tensor or sequence of Tensor, optional
        Gradient of the final output with respect to each of `outputs`; may be left out (or None)
        for those of one element.
    retain_graph : bool, optional
        Keep what the graph saved, to differentiate it again. Default: `create_graph`.
    create_graph : bool
        Record the backward pass itself, for second derivatives.
    allow_unused : bool
        Give None, not an error, for an input that the outputs do not depend on.

    Returns
    -------
    tuple of Tensor
        One gradient per input.

    Raises
    ------
    RuntimeError
        As `Tensor.backward`, or an input that is not part of the graph.

    Examples
    --------
    >>> from tinygrad_cv.engine import grad, tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (dx,) = grad(x * x, x, create_graph=True)
    >>> grad(dx, x)[0].item()
    2.0
    """
    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        upstream: tuple[Tensor | None, ...] = (grad_outputs,) * len(outs)
    else:
        upstream = tuple(grad_outputs)
    if len(upstream) != len(outs):
        raise ValueError(f"grad: {len(outs)} outputs but {len(upstream)} grad_outputs")
    for position, x in enumerate(ins):
        if x.node is None:
            raise RuntimeError(f"grad: input {position} does not require a gradient")
    roots: dict[Node, Any] = {}
    with _recording(create_graph):
        for out, given in zip(outs, upstream, strict=True):
            node, part = _root(out, given, create_graph)
            roots[node] = part if node not in roots else roots[node] + part
        wanted: dict[Node, Any] = {x.node: None for x in ins}
        needed, freed = _leading_to(wanted, roots)
        retain = create_graph if retain_graph is None else retain_graph
        grads = _run(
            {n: g for n, g in roots.items() if n in needed}, retain, create_graph, wanted, needed
        )
        for node in wanted:
            if isinstance(node, Leaf):
                wanted[node] = grads.pop(node, None)
                if node.hooks and wanted[node] is not None:
                    wanted[node] = _hooked(node.hooks, wanted[node])
    del roots, grads
    results: list[Tensor | None] = []
    for position, x in enumerate(ins):
        if wanted[x.node] is None:
            if freed is not None:
                raise _freed(freed)
            if not allow_unused:
                raise RuntimeError(
                    f"grad: the outputs do not depend on input {position}, of shape {x.shape}; "
                    "allow_unused=True gives None for it"
                )
            results.append(None)
        elif create_graph:
            results.append(wanted[x.node])
        else:
            results.append(wrap(_own(wanted, x.node, x.array.dtype)))
    if exposure.waiting:
        exposure.release_waiting()
    return tuple(results)  # type: ignore[arg-type]


def _recording(create_graph: bool) -> AbstractContextManager[None]:
    """What a backward pass with `create_graph` runs in: it records itself even under no_grad."""
    return enable_grad() if create_graph and not is_grad_enabled() else nullcontext()


def _root(tensor: Tensor, gradient: Tensor | None, create_graph: bool) -> tuple[Node, Any]:
    """The node where a backward pass starts, and the gradient it starts with."""
    node = tensor.node
    if node is None:
        raise RuntimeError(
            "backward: this tensor does not require a gradient and no recorded gate made it"
        )
    if gradient is None:
        if tensor.array.size != 1:
            raise RuntimeError(
                "backward: without a gradient it must be called on a tensor of one element, "
                f"got shape {tensor.shape}; pass gradient= or take .sum() or .mean()"
            )
        ones = np.empty_like(tensor.array)
        ones.fill(1)
        return node, wrap(ones) if create_graph else ones
    if not isinstance(gradient, Tensor):
        raise TypeError(f"backward: gradient must be a tensor, got {type(gradient).__name__}")
    if gradient.shape != tensor.shape:
        raise ValueError(
            f"backward: gradient has shape {gradient.shape} but the tensor {tensor.shape}"
        )
    if gradient.array.dtype != tensor.array.dtype:
        gradient = wrap(gradient.array.astype(tensor.array.dtype), gradient.node)
    return node, gradient if create_graph else gradient.array


def _leading_to(wanted: dict[Node, Any], roots: dict[Node, Any]) -> tuple[set[Node], Gate | None]:
    """The nodes from which a path down the graph reaches a wanted one, and a freed gate if any."""
    freed: Gate | None = None
    seen: set[Node] = set()
    gates: list[Gate] = []
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Gate):
            gates.append(node)
            if node.saved is None:
                freed = node
            stack.extend(parent for parent in node.parents if parent is not None)
    needed = set(wanted)
    for gate in sorted(gates, key=lambda g: g.seq):  # inputs come before what uses them
        if any(parent in needed for parent in gate.parents):
            needed.add(gate)
    return needed, freed


@whole_pass
def _run(
    grads: dict[Node, Any],
    retain_graph: bool,
    create_graph: bool,
    wanted: dict[Node, Any],
    needed: set[Node] | None = None,
) -> dict[Node, Any]:
    """Go through the graph; returns the gradients of the leaves, and fills those wanted of gates.

    `grads` maps nodes to their gradients and starts with the roots.
    """
    if create_graph or wanted or needed is not None or anomaly.enabled():
        _walk(grads, retain_graph, create_graph, wanted, needed)
    else:
        walk(grads, retain_graph)
    return grads


@shortcut
def walk(grads: dict[Node, Any], retain_graph: bool) -> None:
    """From gate to gate, in a pass that records nothing and goes everywhere: the usual one."""
    _walk(grads, retain_graph, False, {}, None)


def _walk(
    grads: dict[Node, Any],
    retain_graph: bool,
    create_graph: bool,
    wanted: dict[Node, Any],
    needed: set[Node] | None,
) -> None:
    """From gate to gate, the one made last first, until only leaves have a gradient in `grads`.

    Arrays in it may be shared (an addition hands the same one to both inputs), so they are added to
    in place only once they are known to be this run's own.
    """
    heap = [(-node.seq, node) for node in grads if node.seq]
    heapify(heap)
    owned: set[Node] = set()
    while heap:
        gate = heappop(heap)[1]
        grad = grads.pop(gate)
        if gate.extra is not None:
            grad = _observe(gate, grad)
        if gate in wanted:
            wanted[gate] = grad
            if needed is not None and needed.isdisjoint(gate.parents):
                continue
        parts = _local_gradients(gate, grad, create_graph, needed)
        for parent, part in zip(gate.parents, parts, strict=True):
            if parent is None or part is None or (needed is not None and parent not in needed):
                continue
            if parent not in grads:
                grads[parent] = part
                if parent.seq:
                    heappush(heap, (-parent.seq, parent))
            elif create_graph or parent not in owned:
                grads[parent] = grads[parent] + part
                owned.add(parent)
            else:
                grads[parent] += part
        if not retain_graph:
            release(gate)


def step(gate: Gate, grad: Any) -> tuple[Any, ...]:
    """What a gate with hooks, of a user's class or of changed values gives in the usual pass."""
    if gate.extra is not None:
        grad = _observe(gate, grad)
    return _local_gradients(gate, grad, False, None)


def _local_gradients(
    gate: Gate, grad: Any, create_graph: bool, needed: set[Node] | None
) -> tuple[Any, ...]:
    """What the gate's backward returns, with the checks that its state asks for."""
    if gate.saved is None:
        raise _freed(gate)
    if gate.seq < memory.last_write:
        memory.check_saved(gate)
    if create_graph or (needed is not None and _partly_needed(gate, needed)):
        # A copy, so that other threads and later passes see the gate as it was.
        recorded, gate = gate, copy.copy(gate)
        if create_graph:
            gate.saved = saved_as_tensors(recorded)
        if needed is not None:
            gate.parents = tuple([p if p in needed else None for p in recorded.parents])
    parts: tuple[Any, ...] = gate.backward(grad)
    if not gate.trusted:
        parts = _checked(gate, parts)
    if anomaly.enabled():
        anomaly.check_gradients(gate, parts)
    return parts


def _freed(gate: Gate) -> RuntimeError:
    return RuntimeError(
        f"backward: the graph below {type(gate).__name__} was freed by an earlier backward "
        "pass; call that one with retain_graph=True to go through it twice"
    )


def _partly_needed(gate: Gate, needed: set[Node]) -> bool:
    return any(parent is not None and parent not in needed for parent in gate.parents)


def _checked(gate: Gate, parts: Any) -> tuple[Any, ...]:
    """The gradients that a user's gate returned, or what is wrong with them."""
    name = type(gate).__name__
    if not isinstance(parts, (tuple, list)):
        parts = (parts,)
    if len(parts) != len(gate.parents):
        raise RuntimeError(
            f"{name}.backward returned {len(parts)} gradients but the gate has "
            f"{len(gate.parents)} inputs; return one for each, None where there is none"
        )
    shapes = gate.extra.shapes if gate.extra is not None else None
    for position, (parent, part) in enumerate(zip(gate.parents, parts, strict=True)):
        if shapes is not None and parent is not None and part is not None:
            check_gradient(f"{name}.backward", position, part, shapes[position])
    return tuple(parts)


def _observe(gate: Gate, grad: Any) -> Any:
    """Run the gate's hooks on its gradient and keep it for tensors that asked for it."""
    extra = gate.extra
    assert extra is not None
    if extra.restore is not None:
        extra.restore()
    grad = _hooked(extra.hooks, grad)
    for ref in extra.retained:
        tensor = ref()
        if tensor is not None:
            part = grad if isinstance(grad, Tensor) else wrap(zero_dim(grad.copy()))
            tensor.grad = part if tensor.grad is None else tensor.grad + part
    return grad


def _hooked(hooks: list[Any], grad: Any) -> Any:
    for hook in list(hooks):
        given = grad if isinstance(grad, Tensor) else wrap(zero_dim(grad))
        replaced = hook(given)
        if replaced is not None:
            if not isinstance(replaced, Tensor) or replaced.shape != given.shape:
                raise RuntimeError(
                    f"hook: expected None or a tensor of shape {given.shape}, got {replaced!r}"
                )
            grad = replaced if isinstance(grad, Tensor) else replaced.array
    return grad


def _own(grads: dict[Node, Any], node: Node, dtype: Any) -> Any:
    """A node's gradient as a dense array that nobody else has.

    Two nodes may have been handed one array, and a gate may return what it saved.
    """
    alone = sys.getrefcount(grads[node]) <= _SOLE
    array = grads[node]
    if array.dtype != dtype:
        return zero_dim(array.astype(dtype, order="C"))
    if isinstance(array, np.generic):
        return zero_dim(array)
    whole = array.base is None or array.base.__class__ is not array.__class__
    return array if alone and whole and array.flags.c_contiguous else array.copy()


@shortcut
def _accumulate(leaf: Leaf, grads: dict[Node, Any], create_graph: bool) -> None:
    """Add a leaf's gradient to its tensor's ``.grad``."""
    tensor = leaf.tensor()
    if tensor is None:
        return
    if leaf.hooks:
        grads[leaf] = _hooked(leaf.hooks, grads[leaf])
    if create_graph:
        part = grads[leaf]
        if tensor.grad is None:
            # Gates may hand one tensor to several leaves, and its memory is written to later.
            tensor.grad = wrap(part.array.copy(), part.node)
        else:
            tensor.grad = tensor.grad + part
        return
    if grads[leaf].shape != tensor.array.shape:
        raise RuntimeError(
            f"backward: a gate gave a gradient of shape {grads[leaf].shape} for a tensor of "
            f"shape {tensor.shape}"
        )
    if tensor.grad is None:
        tensor.grad = wrap(_own(grads, leaf, tensor.array.dtype))
    elif tensor.grad.node is None and memory.writeable(tensor.grad.array):
        tensor.grad.array += grads[leaf]
        memory.wrote(tensor.grad.array)
    else:
        tensor.grad = wrap(tensor.grad.array + grads[leaf])


connect(
    Tensor=Tensor,
    Gate=Gate,
    clock=memory.clock,
    watch=vars(watch),
    memory=vars(memory),
    shared=memory.shared,
    below_mask=below_mask,
    cpu_room=cpu_room,
    Leaf=Leaf,
    finish_watched=finish_watched,
    zero_dim=zero_dim,
    step=step,
)
