"""Draws the pictures of the documentation: python docs/img/make.py"""

from __future__ import annotations

from pathlib import Path

import tinygrad_cv as tg
from tinygrad_cv.viz import drawing, record

HERE = Path(__file__).parent


def circuit() -> str:
    """The textbook's circuit f = (x + y) z at x = -2, y = 5, z = -4."""
    x, y, z = (tg.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    with record() as kept:
        f = (x + y) * z
        f.backward()
    return drawing.plain_svg(kept.name(x=x, y=y, z=z))


if __name__ == "__main__":
    (HERE / "circuit.svg").write_text(circuit(), encoding="utf-8")
