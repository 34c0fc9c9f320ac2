"""Activation layers: elementwise nonlinearities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import functional as F
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


class ReLU(Module):
    """max(0, x).

    Parameters
    ----------
    inplace : bool
        Accepted as in PyTorch; the result is a new tensor either way.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""
