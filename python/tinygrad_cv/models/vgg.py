"""VGG and AlexNet: convolutions and pooling in a row, then large fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import nn
from tinygrad_cv.models.start import start_as_he

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor

POOL = 0  # among channels: a pooling layer
VGG11 = (64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
VGG16 = (
    64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 512, 512, 512, POOL, 512, 512, 512, POOL,
)  # fmt: skip


class VGG(nn.Module):
    """3x3 convolutions in five blocks with pooling between them, then three fully connected layers.

    Parameters
    ----------
    channels : sequence of int
        Output channels of the convolutions in order, 0 for a pooling layer.
    batch_norm : bool
        Whether each convolution is followed by batch normalisation.
    num_classes : int
    in_channels : int
    dropout : float
        Probability to drop after each of the first two fully connected layers.
    hidden : int
        Outputs of those two; for images of 32 x 32 a few hundred will do.
    pooled : int
        Rows and columns that the volume is brought to before them; 7 for images of 224 x 224, 1 for
        images of 32 x 32.
    generator : Generator, optional
        Draws the starting values: He's for weights; biases are zero.

    Notes
    -----
    Names of the parameters are torchvision's, whose weights it takes. Shapes: (N, in_channels, H, W),
    H and W at least 32, to (N, num_classes).

    References
    ----------
    Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition",
    table 1, configurations A and D.
    """

    def __init__(
        self,
        channels: Sequence[int],
        batch_norm: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        hidden: int = 4096,
        pooled: int = 7,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = in_channels
        for outputs in channels:
            if outputs == POOL:
                layers.append(nn.MaxPool2d(2))
                continue
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, generator=generator))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU())
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Linear(inputs * pooled * pooled, hidden, generator=generator),
            nn.ReLU(),
            nn.Dropout(dropout, generator=generator),
            nn.Linear(hidden, hidden, generator=generator),
            nn.ReLU(),
            nn.Dropout(dropout, generator=generator),
            nn.Linear(hidden, num_classes, generator=generator),
        )
        start_as_he(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = self.avgpool(self.features(input))
        return self.classifier(x.flatten(1))


def vgg11(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    hidden: int = 4096,
    pooled: int = 7,
    generator: Generator | None = None,
) -> VGG:
    """VGG-11, configuration A: 132.9 million parameters at 1000 classes; see `VGG`."""
    return VGG(
        VGG11,
        batch_norm,
        num_classes,
        in_channels,
        hidden=hidden,
        pooled=pooled,
        generator=generator,
    )


def vgg16(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    hidden: int = 4096,
    pooled: int = 7,
    generator: Generator | None = None,
) -> VGG:
    """VGG-16, configuration D: 138.4 million parameters at 1000 classes; see `VGG`."""
    return VGG(
        VGG16,
        batch_norm,
        num_classes,
        in_channels,
        hidden=hidden,
        pooled=pooled,
        generator=generator,
    )


class AlexNet(nn.Module):
    """Five convolutions, the first of 11x11 with stride 4, and three fully connected layers.

    Parameters
    ----------
    num_classes : int
    in_channels : int
    dropout : float
        Probability to drop before each of the first two fully connected layers.
    generator : Generator, optional
        Draws the starting values: He's for weights; biases are zero.

    Notes
    -----
    The one-tower form without local response normalisation, with torchvision's names of the
    parameters, whose weights it takes. Shapes: (N, in_channels, H, W), H and W at least 63, to
    (N, num_classes).

    References
    ----------
    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks";
    Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2, generator=generator),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2, generator=generator),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1, generator=generator),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1, generator=generator),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1, generator=generator),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, generator=generator),
            nn.Linear(256 * 6 * 6, 4096, generator=generator),
            nn.ReLU(),
            nn.Dropout(dropout, generator=generator),
            nn.Linear(4096, 4096, generator=generator),
            nn.ReLU(),
            nn.Linear(4096, num_classes, generator=generator),
        )
        start_as_he(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = self.avgpool(self.features(input))
        return self.classifier(x.flatten(1))


def alexnet(
    num_classes: int = 1000, in_channels: int = 3, generator: Generator | None = None
) -> AlexNet:
    """AlexNet: 61.1 million parameters at 1000 classes; see `AlexNet`."""
    return AlexNet(num_classes, in_channels, generator=generator)
