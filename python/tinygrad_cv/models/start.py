"""What the models' weights start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import nn

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator


def start_as_he(module: nn.Module, generator: Generator | None = None) -> None:
    """Draw the weights of Conv2d and Linear layers from He's normal distribution; zero biases.

    References
    ----------
    He et al. 2015, "Delving deep into rectifiers": variance 2 / fan_in, since ReLU halves it.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
