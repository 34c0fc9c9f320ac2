"""A network layer by layer: the volumes that flow through it, its parameters, its work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.nn.conv import Convolution
from tinygrad_cv.nn.linear import Linear
from tinygrad_cv.nn.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d

if TYPE_CHECKING:
    from tinygrad_cv.nn.module import Module


class Row(NamedTuple):
    """One call of one layer."""

    name: str  # path such as "block.0"
    kind: str
    output_shape: tuple[int, ...]  # without the batch
    parameters: int  # 0 at a second call of the same layer
    multiply_adds: int  # of one image, forward
    bytes: int  # of the output of one image
    note: str


class Summary:
    """What `summary` found; prints as a table.

    Attributes
    ----------
    rows : list of Row
    parameters, trainable_parameters, multiply_adds : int
        Totals; shared parameters count once.
    bytes : int
        Of all outputs for one image, which training keeps, and of the parameters.
    """

    def __init__(self, rows: list[Row], model: Module) -> None:
        params = list(model.parameters())
        self.rows = rows
        self.parameters = sum(p.numel() for p in params)
        self.trainable_parameters = sum(p.numel() for p in params if p.requires_grad)
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.activation_bytes = sum(row.bytes for row in rows)
        self.parameter_bytes = sum(p.numel() * p.element_size() for p in params)

    @property
    def bytes(self) -> int:
        """Memory of the outputs and the parameters."""
        return self.activation_bytes + self.parameter_bytes

    def __repr__(self) -> str:
        head = ("layer", "output shape", "parameters", "multiply-adds", "memory", "")
        body = [
            (
                f"{row.name} ({row.kind})" if row.name else row.kind,
                " x ".join(map(str, row.output_shape)) or "()",
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
                _size(row.bytes),
                row.note,
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        lines = [_line(head, widths), "-" * (sum(widths) + 2 * (len(widths) - 1))]
        lines += [_line(line, widths) for line in body]
        lines.append(lines[1])
        lines.append(
            f"parameters: {self.parameters:,} ({self.trainable_parameters:,} learned), "
            f"{_size(self.parameter_bytes)}; multiply-adds an image: {self.multiply_adds:,}; "
            f"outputs an image: {_size(self.activation_bytes)}"
        )
        return "\n".join(lines)


def summary(model: Module, input_shape: tuple[int, ...]) -> Summary:
    """A table of a network: layer, output shape, parameters, multiply-adds, memory.

    Parameters
    ----------
    model : Module
        Is run once on zeros, in evaluation mode; nothing about it changes.
    input_shape : tuple of int
        Of one input, without the batch: (channels, rows, columns).

    Returns
    -------
    Summary
        Its `repr` is the table; its `rows` hold the numbers.

    Notes
    -----
    Multiply-adds are those of convolutions and fully connected layers; memory is that of the
    outputs for one image. The last column says how many weights a neuron has, and what share of
    the values a pooling layer drops.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> table = summary(tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(3072, 100)), (3, 32, 32))
    >>> table.rows[1].note, table.parameters
    ('3,072 weights a neuron', 307300)
    """
    rows: list[Row] = []
    handles = []
    seen: set[Any] = set()
    for name, module in model.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if own or not any(True for _ in module.children()):
            hook = _recorder(name, rows, seen)
            handles.append(module.register_forward_hook(hook))
    modes = [(module, module.training) for module in model.modules()]
    param = next(iter(model.parameters()), None)
    zeros = np.zeros((1, *input_shape), np.float32 if param is None else param.dtype)
    try:
        model.eval()
        with no_grad():
            model(wrap(zeros if param is None else np.asarray(zeros, like=param.array)))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return Summary(rows, model)


def _recorder(name: str, rows: list[Row], seen: set[Any]) -> Any:
    def record(module: Module, args: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or not args or not isinstance(args[0], Tensor):
            return
        new = [p for p in module.parameters(recurse=False) if p not in seen]
        seen.update(new)
        shape = output.shape[1:]
        rows.append(
            Row(
                name,
                type(module).__name__,
                shape,
                sum(p.numel() for p in new),
                _multiply_adds(module, math.prod(args[0].shape[1:]), math.prod(shape)),
                math.prod(shape) * output.element_size(),
                _note(module, math.prod(args[0].shape[1:]), math.prod(shape)),
            )
        )

    return record


def _multiply_adds(module: Module, inputs: int, outputs: int) -> int:
    """Every output is a sum over its incoming weights; transposed, every input is spread by its own."""
    if not isinstance(module, (Linear, Convolution)):
        return 0
    transposed = isinstance(module, Convolution) and module.transposed
    return (inputs if transposed else outputs) * math.prod(module.weight.shape[1:])


def _note(module: Module, inputs: int, outputs: int) -> str:
    if isinstance(module, Linear) or (isinstance(module, Convolution) and not module.transposed):
        return f"{math.prod(module.weight.shape[1:]):,} weights a neuron"
    if isinstance(module, (MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d)) and inputs:
        return f"drops {100 * (1 - outputs / inputs):.3g} %"
    return ""


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    aligned = [
        cell.rjust(width) if 2 <= i <= 4 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
