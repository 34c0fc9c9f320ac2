"""Draws circuits: gates as nodes, values above the wires in green, gradients below in red.

Graphviz's `dot` places the nodes where it is installed; a layered layout of a screenful does it
where not. Either way the result is one SVG text.
"""

from __future__ import annotations

import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor
from tinygrad_cv.files import atomic_write
from tinygrad_cv.viz.circuit import Circuit, Wire, circuit_of

if TYPE_CHECKING:
    import os

VALUE, GRADIENT, INK = "#1a7f37", "#cf222e", "#24292f"
GROUND = "#ffffff"  # drawn too: the page around it may be dark
# What textbooks write into the circle of a gate.
SYMBOLS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Neg": "* -1", "Maximum": "max"}
_STEP_Y, _RADIUS, _LETTER = 92, 20, 8


class Drawing:
    """A drawn circuit; notebooks show it.

    Attributes
    ----------
    svg : str
        The picture as SVG text.
    dot : str
        The graph in Graphviz's language.
    """

    def __init__(self, svg: str, dot: str) -> None:
        self.svg = svg
        self.dot = dot

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the suffix says the format: .svg, .dot, or with Graphviz .png or .pdf.

        Raises
        ------
        ValueError
            Another suffix.
        RuntimeError
            A .png or .pdf without Graphviz.
        """
        suffix = Path(path).suffix
        if suffix in (".svg", ".dot"):
            with atomic_write(path) as temporary:
                temporary.write_text(self.svg if suffix == ".svg" else self.dot, encoding="utf-8")
        elif suffix in (".png", ".pdf"):
            content = _graphviz(self.dot, suffix[1:])
            if content is None:
                raise RuntimeError(
                    f"draw_circuit: {suffix} needs Graphviz's dot (apt install graphviz); "
                    ".svg does not"
                )
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
        else:
            raise ValueError(f"draw_circuit: expected .svg, .png, .pdf or .dot, got {str(path)!r}")


def draw_circuit(
    circuit: Circuit | Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    names: dict[str, Tensor] | None = None,
) -> Drawing:
    """Draw a circuit, with the value and the gradient on every wire.

    Parameters
    ----------
    circuit : Circuit or Tensor
        What `record` kept; or a tensor, whose graph is drawn with the values that it still holds
        (a note in the picture says so).
    path : path-like, optional
        File to write: .svg, or with Graphviz .png or .pdf.
    names : dict of str to Tensor, optional
        What to call the leaves.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        A tensor without a graph, an empty circuit, or a suffix that is no picture.
    """
    if isinstance(circuit, Tensor):
        circuit = circuit_of(circuit)
    if names:
        circuit.name(**names)
    if not circuit.wires:
        raise ValueError("draw_circuit: no gate was recorded")
    dot = to_dot(circuit)
    drawn = _graphviz(dot, "svg")
    drawing = Drawing(plain_svg(circuit) if drawn is None else drawn.decode(), dot)
    if path is not None:
        drawing.save(path)
    return drawing


def summary(array: Any) -> str:
    """A value as a wire shows it: the number, or shape and norm of many."""
    if array is None:
        return ""
    array = np.asarray(array.get() if hasattr(array, "get") else array)
    if array.size == 1:
        return f"{array.item():.4g}"
    if array.size <= 4:
        return str([float(f"{x:.3g}") for x in array.ravel()])
    norm = np.sqrt(np.square(array, dtype=np.float64).sum())
    return f"{' x '.join(map(str, array.shape))}, norm {norm:.3g}"


def _label(wire: Wire) -> str:
    return SYMBOLS.get(wire.name, wire.name)


def _note(circuit: Circuit) -> str:
    return "" if circuit.complete else "values that the graph still holds; record() keeps all"


def _users(circuit: Circuit) -> dict[Wire, list[Wire]]:
    users: dict[Wire, list[Wire]] = {wire: [] for wire in circuit.wires}
    for wire in circuit.wires:
        for source in wire.inputs:
            if source is not None:
                users[source].append(wire)
    return users


def to_dot(circuit: Circuit) -> str:
    """The circuit in Graphviz's language."""
    number = {wire: i for i, wire in enumerate(circuit.wires)}
    lines = [
        "digraph circuit {",
        f'  rankdir=LR; label="{_note(circuit)}"; fontname="Helvetica"; bgcolor="{GROUND}";',
        '  node [fontname="Helvetica", shape=circle]; edge [fontname="Helvetica", fontsize=11];',
    ]
    users = _users(circuit)
    for wire, i in number.items():
        shape = "plaintext" if wire.is_leaf else "circle"
        lines.append(f"  n{i} [label=<{escape(_label(wire)) or ' '}>, shape={shape}];")
        lines.extend(
            f"  n{i} -> n{number[user]} [label={_dot_text(wire)}];" for user in users[wire]
        )
        if not users[wire]:
            lines.append(f'  o{i} [label="", shape=none, width=0.1];')
            lines.append(f"  n{i} -> o{i} [label={_dot_text(wire)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(wire: Wire) -> str:
    parts = [
        f'<font color="{colour}">{escape(text)}</font>'
        for text, colour in ((summary(wire.value), VALUE), (summary(wire.grad), GRADIENT))
        if text
    ]
    return f"<{'<br/>'.join(parts)}>"


def _graphviz(dot: str, form: str) -> bytes | None:
    """The graph as Graphviz draws it; None where that is not installed."""
    program = shutil.which("dot")
    if program is None:
        return None
    done = subprocess.run(
        [program, f"-T{form}"], input=dot.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"draw_circuit: dot failed: {done.stderr.decode().strip()}")
    return done.stdout


def _step_x(circuit: Circuit) -> int:
    """From one column to the next: two gates' halves, and the longest text between them."""
    texts = (summary(array) for wire in circuit.wires for array in (wire.value, wire.grad))
    return max(120, 2 * _RADIUS + 36 + _LETTER * max(map(len, texts)))


def _places(circuit: Circuit) -> dict[Wire, tuple[float, float]]:
    """Columns by the longest way from a leaf; in a column, near the mean of what is joined."""
    users = _users(circuit)
    column: dict[Wire, int] = {}
    for wire in circuit.wires:
        column[wire] = max((column[s] + 1 for s in wire.inputs if s is not None), default=0)
    for wire in circuit.wires:  # a leaf stands beside the gate that uses it first
        if wire.is_leaf and users[wire]:
            column[wire] = min(column[user] for user in users[wire]) - 1
    columns: list[list[Wire]] = [[] for _ in range(max(column.values()) + 1)]
    for wire in circuit.wires:
        columns[column[wire]].append(wire)
    tallest = max(len(members) for members in columns)
    row: dict[Wire, float] = {}
    for members in columns:
        rank = {
            wire: float(np.mean([row[s] for s in wire.inputs if s in row] or [i]))
            for i, wire in enumerate(members)
        }
        members.sort(key=rank.__getitem__)
        offset = (tallest - len(members)) / 2
        for i, wire in enumerate(members):
            row[wire] = offset + i
    step = _step_x(circuit)
    return {wire: (60 + step * column[wire], 50 + _STEP_Y * row[wire]) for wire in circuit.wires}


def plain_svg(circuit: Circuit) -> str:
    """The circuit in our own layout, whether or not Graphviz is installed."""
    places = _places(circuit)
    users = _users(circuit)
    step = _step_x(circuit)
    width = max(x for x, _ in places.values()) + step
    note = _note(circuit)
    height = max(y for _, y in places.values()) + (60 if note else 44)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="Helvetica, sans-serif" '
        f'font-size="14" role="img"><title>circuit</title>'
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
    ]
    labels = []  # go on top of all lines
    for wire, (x, y) in places.items():
        ends = [(places[user][0] - _RADIUS, places[user][1]) for user in users[wire]]
        ends = ends or [(x + step - 30, y)]
        parts += [_line(x + _RADIUS, y, *end) for end in ends]
        labels.append(_wire_text(wire, x + _RADIUS, y, *ends[0]))
    parts += labels
    for wire, (x, y) in places.items():
        if not wire.is_leaf:
            parts.append(
                f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS}" fill="{GROUND}" stroke="{INK}"/>'
            )
        parts.append(
            f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" fill="{INK}" '
            f'font-size="{14 if len(_label(wire)) < 5 else 8}">{escape(_label(wire))}</text>'
        )
    if note:
        parts.append(f'<text x="10" y="{height - 8:g}" fill="{INK}" font-size="10">{note}</text>')
    return "".join(parts) + "</svg>\n"


def _line(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" stroke="{INK}"/>'


def _wire_text(wire: Wire, x: float, y: float, end_x: float, end_y: float) -> str:
    """The value above and the gradient below the wire, before its middle: at a gate wires meet."""
    at_x, at_y = x + 0.45 * (end_x - x), y + 0.45 * (end_y - y)
    return "".join(
        f'<text x="{at_x:g}" y="{at_y + dy:g}" text-anchor="middle" fill="{colour}" '
        f'stroke="{GROUND}" stroke-width="4" paint-order="stroke">{escape(text)}</text>'
        for text, colour, dy in (
            (summary(wire.value), VALUE, -5),
            (summary(wire.grad), GRADIENT, 16),
        )
        if text
    )
