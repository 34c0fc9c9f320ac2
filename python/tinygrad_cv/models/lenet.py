"""LeNet-5, the network that read cheques."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import nn
from tinygrad_cv.models.start import start_as_he

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator


class LeNet5(nn.Sequential):
    """Two convolutions with pooling, then three fully connected layers, for 28 x 28 images.

    Parameters
    ----------
    num_classes : int
    in_channels : int
        1 for grey images, 3 for colour.
    generator : Generator, optional
        Draws the starting values; default the one that `manual_seed` seeds.

    Notes
    -----
    INPUT -> CONV 6 @ 5x5, padding 2 -> RELU -> POOL -> CONV 16 @ 5x5 -> RELU -> POOL
    -> FC 120 -> RELU -> FC 84 -> RELU -> FC num_classes. Shapes: (N, in_channels, 28, 28) to
    (N, num_classes) scores. Weights start from He's normal distribution, biases from zero.

    References
    ----------
    LeCun et al. 1998, "Gradient-based learning applied to document recognition"; with ReLU and
    max-pooling in the place of tanh and trained averages.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> LeNet5()(tg.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int = 1, generator: Generator | None = None
    ) -> None:
        layers = {
            "conv1": nn.Conv2d(in_channels, 6, 5, padding=2, generator=generator),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(2),
            "conv2": nn.Conv2d(6, 16, 5, generator=generator),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(2),
            "flatten": nn.Flatten(),
            "fc1": nn.Linear(16 * 5 * 5, 120, generator=generator),
            "relu3": nn.ReLU(),
            "fc2": nn.Linear(120, 84, generator=generator),
            "relu4": nn.ReLU(),
            "fc3": nn.Linear(84, num_classes, generator=generator),
        }
        super().__init__(layers)
        start_as_he(self, generator)
