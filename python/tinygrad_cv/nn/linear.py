"""Fully connected layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.nn import init
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class Identity(Module):
    """Gives what it gets; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """Every output sees every input: y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
        Lengths of the last dimension of x and y.
    bias : bool
        Whether to add b.
    device, dtype : optional
        Of the parameters; default CPU, float32.
    generator : Generator, optional
        Draws the starting values.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Notes
    -----
    Shapes: x (..., in_features), y (..., out_features). Starting values are PyTorch's: both
    uniform within 1 / sqrt(in_features).

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> Linear(20, 30)(tg.zeros(128, 20)).shape
    (128, 30)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_at_least("Linear", 0, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(F.empty(out_features, in_features, dtype=dtype, device=device))
        self.bias = Parameter(F.empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new starting values."""
        reset_as_pytorch(self.weight, self.bias, generator)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def reset_as_pytorch(
    weight: Parameter, bias: Parameter | None, generator: Generator | None
) -> None:
    """PyTorch's starting values of Linear and Conv: uniform within 1 / sqrt(fan_in).

    He's uniform form with negative slope sqrt(5) comes to just that bound: sqrt(3) gain = 1.
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    fan_in, _ = init.fans("reset_parameters", weight)
    if bias is not None:
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init.uniform_(bias, -bound, bound, generator)
