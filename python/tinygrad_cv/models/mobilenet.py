"""MobileNetV2: inverted residual blocks of depthwise convolutions, for little work an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import nn
from tinygrad_cv.models.start import start_as_he

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor

# The paper's table 2: expansion t, output channels c, repetitions n, stride s of the first.
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class InvertedResidual(nn.Module):
    """1x1 up, 3x3 depthwise, 1x1 down without activation; a shortcut where the shape stays."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, expand: int, generator: Generator | None
    ) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(_unit(inputs, hidden, 1, 1, 1, generator))
        layers.append(_unit(hidden, hidden, 3, stride, hidden, generator))
        layers.append(nn.Conv2d(hidden, outputs, 1, bias=False, generator=generator))
        layers.append(nn.BatchNorm2d(outputs))
        self.conv = nn.Sequential(*layers)
        self.keeps_shape = stride == 1 and inputs == outputs

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self.conv(input)
        return input + out if self.keeps_shape else out


class MobileNetV2(nn.Module):
    """Seventeen inverted residual blocks: 3.5 million parameters at 1000 classes.

    Parameters
    ----------
    num_classes : int
    width_mult : float
        Factor on the channels, which are rounded to multiples of 8.
    in_channels : int
    dropout : float
        Probability to drop before the last layer.
    generator : Generator, optional
        Draws the starting values: He's for convolutions; biases are zero.

    Notes
    -----
    Names of the parameters are torchvision's, whose weights it takes. Shapes: (N, in_channels, H, W)
    to (N, num_classes); the image is halved five times.

    References
    ----------
    Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks".
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        in_channels: int = 3,
        dropout: float = 0.2,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        inputs = multiple_of_8(32 * width_mult)
        last = multiple_of_8(1280 * max(1.0, width_mult))
        blocks: list[nn.Module] = [_unit(in_channels, inputs, 3, 2, 1, generator)]
        for expand, channels, count, first_stride in STAGES:
            outputs = multiple_of_8(channels * width_mult)
            for i in range(count):
                stride = first_stride if i == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, stride, expand, generator))
                inputs = outputs
        blocks.append(_unit(inputs, last, 1, 1, 1, generator))
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, generator=generator),
            nn.Linear(last, num_classes, generator=generator),
        )
        start_as_he(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = self.features(input)
        return self.classifier(x.mean((2, 3)))


def mobilenet_v2(
    num_classes: int = 1000, in_channels: int = 3, generator: Generator | None = None
) -> MobileNetV2:
    """MobileNetV2 of the paper's width; see `MobileNetV2`."""
    return MobileNetV2(num_classes, 1.0, in_channels, generator=generator)


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and no more than a tenth below."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _unit(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int, generator: Generator | None
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    conv = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        bias=False,
        generator=generator,
    )
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())
