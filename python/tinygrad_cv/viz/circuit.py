"""Circuits: the graph of gates with the value and the gradient on every wire, as textbooks draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv.engine import recording
from tinygrad_cv.engine.gate import OUT, Gate, extra_of
from tinygrad_cv.engine.tensor import Leaf, Tensor

if TYPE_CHECKING:
    from contextvars import Token


class Wire:
    """What a gate or a leaf puts out.

    Attributes
    ----------
    name : str
        The gate's class, or the leaf's name where one was given.
    value, grad : array or None
        What went forward and what came back; None where it was not kept.
    inputs : list of Wire or None
        What the gate was made from; None for a constant.
    """

    __slots__ = ("grad", "inputs", "is_leaf", "name", "value")

    def __init__(self, name: str, value: Any, inputs: list[Wire | None], is_leaf: bool) -> None:
        self.name = name
        self.value = value
        self.grad: Any = None
        self.inputs = inputs
        self.is_leaf = is_leaf


class Circuit:
    """The wires of a graph, inputs before what uses them.

    Attributes
    ----------
    wires : list of Wire
    complete : bool
        Whether every value and gradient was recorded, rather than what a graph still held.
    """

    def __init__(self, complete: bool) -> None:
        self.wires: list[Wire] = []
        self.complete = complete
        self._of_node: dict[Any, Wire] = {}

    def wire(self, tensor: Tensor) -> Wire:
        """The wire that a tensor is on.

        Raises
        ------
        KeyError
            A tensor that is not part of this circuit.
        """
        found = self._of_node.get(tensor.node)
        if found is None:
            raise KeyError(f"circuit: no wire for a tensor of shape {tensor.shape}")
        return found

    def name(self, **tensors: Tensor) -> Circuit:
        """Give leaves the names that the drawing shows: ``circuit.name(x=x, y=y)``."""
        for name, tensor in tensors.items():
            self.wire(tensor).name = name
        return self

    def gate_made(self, gate: Gate, value: Any) -> None:
        """Record a gate, its value and, when a backward pass comes by, its gradient."""
        wire = self._add_gate(gate, value)
        extra_of(gate).hooks.append(_keeper(wire))

    def _add_gate(self, gate: Gate, value: Any) -> Wire:
        inputs = [None if p is None else self._input(p) for p in gate.parents]
        wire = Wire(type(gate).__name__, value, inputs, is_leaf=False)
        self._of_node[gate] = wire
        self.wires.append(wire)
        return wire

    def _input(self, node: Any) -> Wire:
        wire = self._of_node.get(node)
        if wire is None:
            # A leaf, or a gate that was made before the recording began.
            tensor = node.tensor() if isinstance(node, Leaf) else None
            wire = Wire("", None if tensor is None else tensor.array, [], is_leaf=True)
            if isinstance(node, Leaf):
                wire.grad = None if tensor is None or tensor.grad is None else tensor.grad.array
                if self.complete:
                    node.hooks.append(_keeper(wire))
            self._of_node[node] = wire
            self.wires.append(wire)
        return wire

    def _repr_svg_(self) -> str:
        from tinygrad_cv.viz.drawing import draw_circuit

        return draw_circuit(self).svg


def _keeper(wire: Wire) -> Any:
    def keep(grad: Tensor) -> None:
        wire.grad = grad.array if wire.grad is None else wire.grad + grad.array

    return keep


class record:
    """Keep every gate's value and gradient inside: ``with record() as circuit:``.

    The backward pass may come inside or afterwards.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> x, y, z = (tg.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> with record() as circuit:
    ...     f = (x + y) * z
    ...     f.backward()
    >>> [(wire.name, float(wire.value), float(wire.grad)) for wire in circuit.wires]
    [('', -2.0, -4.0), ('', 5.0, -4.0), ('Add', 3.0, -4.0), ('', -4.0, 3.0), ('Mul', -12.0, 1.0)]
    """

    def __init__(self) -> None:
        self.circuit = Circuit(complete=True)
        self._token: Token[Any] | None = None

    def __enter__(self) -> Circuit:
        self._token = recording.start(self.circuit)
        return self.circuit

    def __exit__(self, *error: object) -> None:
        assert self._token is not None
        recording.stop(self._token)


def circuit_of(tensor: Tensor) -> Circuit:
    """The graph behind a tensor, with the values that it still holds.

    Raises
    ------
    ValueError
        A tensor without a graph.
    """
    if tensor.gate is None:
        raise ValueError("circuit_of: no recorded gate made this tensor")
    circuit = Circuit(complete=False)
    gates: dict[Gate, None] = {}
    stack: list[Any] = [tensor.gate]
    while stack:
        node = stack.pop()
        if isinstance(node, Gate) and node not in gates:
            gates[node] = None
            stack.extend(parent for parent in node.parents if parent is not None)
    held = _held_values(gates)
    held[tensor.gate] = tensor.array
    for gate in sorted(gates, key=lambda g: g.seq):
        circuit._add_gate(gate, held.get(gate))
    return circuit


def _held_values(gates: dict[Gate, None]) -> dict[Any, Any]:
    """The outputs that the gates saved for their local gradients, by the gate that made them."""
    held: dict[Any, Any] = {}
    for gate in gates:
        for value, source in zip(gate.saved or (), gate.saved_from, strict=False):
            node = gate if source == OUT else gate.parents[source]
            if node is not None and hasattr(value, "dtype"):
                held[node] = value
    return held
