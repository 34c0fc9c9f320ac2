"""Residual networks: blocks that learn what to add to their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import nn
from tinygrad_cv.models.start import start_as_he
from tinygrad_cv.nn.fusion import add_relu, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, generator: Generator | None) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride, generator)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = _conv(width, width, 3, 1, generator)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride, generator)

    def forward(self, input: Tensor) -> Tensor:
        out = run((self.conv1, self.bn1, self.relu), input)
        out = run((self.conv2, self.bn2), out)
        kept = input if self.downsample is None else self.downsample(input)
        return add_relu(out, kept, self.relu)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the middle one of a quarter of the channels, and a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, generator: Generator | None) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 1, 1, generator)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride, generator)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, 1, 1, generator)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(inputs, 4 * width, stride, generator)

    def forward(self, input: Tensor) -> Tensor:
        out = run((self.conv1, self.bn1, self.relu), input)
        out = run((self.conv2, self.bn2, self.relu), out)
        out = run((self.conv3, self.bn3), out)
        kept = input if self.downsample is None else self.downsample(input)
        return add_relu(out, kept, self.relu)


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over the image, one fully connected layer.

    Parameters
    ----------
    block : class
        `BasicBlock` or `Bottleneck`.
    layers : sequence of int
        Blocks in each stage; the first block of each but the first halves the image.
    num_classes : int
    in_channels : int
    generator : Generator, optional
        Draws the starting values: He's for weights; the last normalisation of each block starts
        from zero scale, so that each begins as its shortcut alone.

    Notes
    -----
    Names of the parameters are torchvision's, whose weights it takes. Shapes: (N, in_channels, H, W)
    to (N, num_classes); H and W 224 in the paper, any from 32 on will do.

    References
    ----------
    He et al. 2016, "Deep residual learning for image recognition". The zero scale is Goyal et al.
    2017's, the stride in the bottleneck's middle torchvision's.
    """

    def __init__(
        self,
        block: type[Any],
        layers: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, 64, 7, stride=2, padding=3, bias=False, generator=generator
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = 64
        for i, count in enumerate(layers):
            stage, inputs = _stage(block, inputs, 64 * 2**i, count, 1 if i == 0 else 2, generator)
            self.register_module(f"layer{i + 1}", stage)
        self.stages = len(layers)
        self.fc = nn.Linear(inputs, num_classes, generator=generator)
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = run((self.conv1, self.bn1, self.relu, self.maxpool), input)
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


class CifarResNet(nn.Module):
    """The residual network for 32 x 32 images: a 3x3 stem and three stages of 16, 32, 64 channels.

    Parameters
    ----------
    depth : int
        6 n + 2: 20, 32, 44, 56, 110.
    num_classes : int
    in_channels : int
    generator : Generator, optional
        As `ResNet`.

    Raises
    ------
    ValueError
        Another depth.

    References
    ----------
    He et al. 2016, "Deep residual learning for image recognition", section 4.2. Shortcuts that
    change the shape are 1x1 convolutions (the paper's option B).
    """

    def __init__(
        self,
        depth: int = 20,
        num_classes: int = 10,
        in_channels: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"CifarResNet: depth must be 6 n + 2 (8, 14, 20, …), got {depth}")
        self.conv1 = _conv(in_channels, 16, 3, 1, generator)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        count, inputs = (depth - 2) // 6, 16
        self.layer1, inputs = _stage(BasicBlock, inputs, 16, count, 1, generator)
        self.layer2, inputs = _stage(BasicBlock, inputs, 32, count, 2, generator)
        self.layer3, inputs = _stage(BasicBlock, inputs, 64, count, 2, generator)
        self.fc = nn.Linear(inputs, num_classes, generator=generator)
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = run((self.conv1, self.bn1, self.relu), input)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def resnet18(
    num_classes: int = 1000, in_channels: int = 3, generator: Generator | None = None
) -> ResNet:
    """ResNet-18: 11.7 million parameters at 1000 classes; see `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, generator)


def resnet34(
    num_classes: int = 1000, in_channels: int = 3, generator: Generator | None = None
) -> ResNet:
    """ResNet-34: 21.8 million parameters at 1000 classes; see `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels, generator)


def resnet50(
    num_classes: int = 1000, in_channels: int = 3, generator: Generator | None = None
) -> ResNet:
    """ResNet-50: 25.6 million parameters at 1000 classes; see `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels, generator)


def resnet20(
    num_classes: int = 10, in_channels: int = 3, generator: Generator | None = None
) -> CifarResNet:
    """ResNet-20 for 32 x 32 images: 0.27 million parameters; see `CifarResNet`."""
    return CifarResNet(20, num_classes, in_channels, generator)


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int, generator: Generator | None
) -> nn.Conv2d:
    """Without bias: the normalisation that follows has one."""
    return nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=kernel // 2,
        bias=False,
        generator=generator,
    )


def _shortcut(
    inputs: int, outputs: int, stride: int, generator: Generator | None
) -> nn.Sequential | None:
    """None where input and output have one shape, else a 1x1 convolution."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride, generator), nn.BatchNorm2d(outputs))


def _stage(
    block: type[Any], inputs: int, width: int, count: int, stride: int, generator: Generator | None
) -> tuple[nn.Sequential, int]:
    """Blocks of one width, the first with a stride; and the channels that come out."""
    outputs = block.expansion * width
    first = block(inputs, width, stride, generator)
    rest = [block(outputs, width, 1, generator) for _ in range(count - 1)]
    return nn.Sequential(first, *rest), outputs


def _start(net: nn.Module, generator: Generator | None) -> None:
    start_as_he(net, generator)
    for part in net.modules():
        if isinstance(part, (BasicBlock, Bottleneck)):
            last = part.bn2 if isinstance(part, BasicBlock) else part.bn3
            assert last.weight is not None
            nn.init.zeros_(last.weight)
