"""Networks and optimizers of the training benchmarks, for any library with PyTorch's `nn` and `optim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def convnet(nn: Any, batch_norm: bool = False) -> Any:
    """INPUT -> [[CONV -> RELU]*2 -> POOL]*3 -> FC with 64, 128 and 256 filters."""
    layers: list[Any] = []
    channels = 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, 10))


def batch_norm_net(nn: Any) -> Any:
    """The same with batch normalisation after each convolution."""
    return convnet(nn, batch_norm=True)


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.ReLU(), nn.Linear(100, 10))


class Net(NamedTuple):
    """A network, its batch and the shape of one image."""

    name: str
    build: Callable[[Any], Any]
    batch: int
    image: tuple[int, int, int]


NETS = [
    Net("lenet", lenet, 250, (1, 28, 28)),
    Net("lenet", lenet, 32, (1, 28, 28)),
    Net("convnet", convnet, 64, (3, 32, 32)),
    Net("batch-norm net", batch_norm_net, 64, (3, 32, 32)),
    Net("mlp", mlp, 128, (3, 32, 32)),
]
OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda optim, parameters: optim.SGD(parameters, lr=1e-3, momentum=0.9),
    "Adam": lambda optim, parameters: optim.Adam(parameters, lr=1e-4),
}
