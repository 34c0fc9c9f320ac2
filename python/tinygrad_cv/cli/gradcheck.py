"""``tinygrad-cv gradcheck``: the built-in operations against central differences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tinygrad_cv.testing.registry import Row


def gradcheck(
    ops: Annotated[
        list[str] | None, typer.Argument(help="Operations, such as conv2d or exp; default: all.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Inputs drawn for each operation.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draws; another gives other inputs.")] = 0,
) -> None:
    """Check first and second derivatives of operations on inputs that hypothesis draws.

    Prints a line for each: inputs drawn, derivatives compared, kinks left out, and the worst
    relative error to first and to second order. Exits with 1 if one is wrong, fails, or has been
    checked at kinks alone.

    Example: tinygrad-cv gradcheck conv2d max_pool2d --examples 50 --seed 1
    """
    from tinygrad_cv.testing.registry import run

    start = time.perf_counter()
    rows = run(ops or (), examples=examples, seed=seed)
    typer.echo(
        f"{'operation':32s} {'inputs':>6s} {'compared':>9s} {'kinks':>6s} {'first':>9s} "
        f"{'second':>9s}"
    )
    checked = wrong = 0
    for row in rows:
        checked += 1
        wrong += row.error is not None
        typer.echo(_line(row))
        if row.error is not None:
            typer.echo(row.error)
    seconds = time.perf_counter() - start
    typer.echo(f"{checked - wrong} of {checked} operations pass, in {seconds:.0f} s")
    if wrong:
        raise typer.Exit(1)


def _line(row: Row) -> str:
    said = "" if row.error is None else "  WRONG"
    return (
        f"{row.op:32s} {row.samples:6d} {row.elements:9,d} {row.kinks:6d} {row.first:9.1e} "
        f"{row.second:9.1e}{said}"
    )
