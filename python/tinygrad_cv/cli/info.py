"""``tinygrad-cv info``: what this build and machine have, and which kernel a convolution takes."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

SHAPE = re.compile(r"\d+x\d+x\d+x\d+:\d+x\d+x\d+(,\w+=\w+)*")
FORM = "NxCxHxW:KxRxS[,stride=1][,padding=0][,dilation=1][,groups=1][,dtype=float32]"


def info(
    conv: Annotated[
        str | None,
        typer.Option(metavar="SHAPE", help="Show which algorithm a convolution takes."),
    ] = None,
) -> None:
    """Show versions, the instruction set in use, threads, and whether CuPy and a GPU are there.

    With --conv: which algorithm each pass of that convolution takes on this machine, and why.
    SHAPE is NxCxHxW:KxRxS, N images of C channels and H x W pixels under K filters of R x S,
    and then, with commas, what differs from stride=1, padding=0, dilation=1, groups=1,
    dtype=float32.

    Example: tinygrad-cv info --conv 64x3x32x32:64x3x3,padding=1
    """
    from tinygrad_cv.config import config

    if conv is not None:
        typer.echo(_plans(conv))
        return
    for name, value in config().items():
        typer.echo(f"{name:16s} {value}")


def _plans(text: str) -> str:
    """The plan of each pass, a line each."""
    from tinygrad_cv import _core

    x, w, settings, itemsize = _parse(text)
    lines = [f"{'pass':16s} {'algorithm':12s} {'threads':>7s} {'scratch':>12s}  why"]
    for name in ("forward", "backward_input", "backward_weight"):
        plan = _core.conv2d_plan(x, w, settings, name, itemsize)
        lines.append(
            f"{name:16s} {plan['algorithm']:12s} {plan['threads']:7d} "
            f"{plan['scratch_bytes'] / 1024:9,.0f} KB  {plan['why']}"
        )
    return "\n".join(lines)


def _parse(text: str) -> tuple[list[int], list[int], tuple[Any, ...], int]:
    """Shapes of input and weight, how the kernel slides, and the bytes of a value."""
    if not SHAPE.fullmatch(text):
        raise ValueError(f"--conv: expected {FORM}, got {text!r}")
    shapes, *words = text.split(",")
    image, filters = shapes.split(":")
    x = [int(size) for size in image.split("x")]
    k, r, s = (int(size) for size in filters.split("x"))
    chosen: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    itemsize = 4
    for word in words:
        name, _, value = word.partition("=")
        if name == "dtype" and value in ("float32", "float64"):
            itemsize = 4 if value == "float32" else 8
        elif name in chosen and value.isdecimal():
            chosen[name] = int(value)
        else:
            raise ValueError(f"--conv: {word!r} is not a setting; expected {FORM}")
    groups = chosen.pop("groups")
    if groups < 1 or x[1] % groups:
        raise ValueError(f"--conv: {x[1]} channels do not divide into {groups} groups")
    pairs = tuple((size, size) for size in chosen.values())
    return x, [k, x[1] // groups, r, s], (*pairs, groups), itemsize
