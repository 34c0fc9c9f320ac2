"""Time whole training steps beside PyTorch: forward, loss, backward, update, on fresh batches.

The same code builds and trains each network in both libraries; both start from the same weights and
their losses are compared before any time is taken. PyTorch runs in its default layout (NCHW), in
channels_last, and with --compile through torch.compile.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import _harness as harness
import numpy as np

import tinygrad_cv as tg

if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES = 4  # taken in turn, so that no step finds its input in cache


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


class Contestant:
    """One library's network, optimizer and batches: calling it runs one training step."""

    def __init__(self, library: Any, model: Any, optimizer: str, batches: list[Any]) -> None:
        self.package = library
        self.model = model
        self.optimizer = OPTIMIZERS[optimizer](library.optim, list(model.parameters()))
        self.batches = batches
        self.steps = 0

    def __call__(self) -> float:
        x, y = self.batches[self.steps % len(self.batches)]
        self.steps += 1
        loss = self.package.nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())


def contestants(net: Net, optimizer: str, torch: Any, compiled: bool) -> dict[str, Contestant]:
    rng = np.random.default_rng(0)
    tg.manual_seed(0)
    ours = net.build(tg.nn)
    arrays = [
        (rng.standard_normal((net.batch, *net.image), dtype=np.float32),
         rng.integers(0, 10, net.batch))
        for _ in range(BATCHES)
    ]  # fmt: skip
    found = {
        "ours": Contestant(
            tg, ours, optimizer, [tuple(tg.from_numpy(a) for a in pair) for pair in arrays]
        )
    }
    if torch is None:
        return found
    theirs = net.build(torch.nn)
    theirs.load_state_dict(
        {name: torch.from_numpy(np.array(v.array)) for name, v in ours.state_dict().items()}
    )
    batches = [tuple(torch.from_numpy(a) for a in pair) for pair in arrays]
    layouts = {"torch": torch.contiguous_format, "channels_last": torch.channels_last}
    for name, layout in layouts.items():
        found[name] = Contestant(
            torch,
            copy.deepcopy(theirs).to(memory_format=layout),
            optimizer,
            [(x.contiguous(memory_format=layout), y) for x, y in batches],
        )
    if compiled:
        model = torch.compile(copy.deepcopy(theirs))
        found["torch.compile"] = Contestant(torch, model, optimizer, batches)
    return found


def compare(sides: dict[str, Contestant]) -> None:
    """Run a few steps on each side; stop if their losses differ."""
    losses = {name: [side() for _ in range(3)] for name, side in sides.items()}
    for name, values in losses.items():
        if not np.allclose(values, losses["ours"], rtol=1e-3):
            raise SystemExit(f"losses differ: ours {losses['ours']}, {name} {values}")


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument(
        "--nets", nargs="+", choices=sorted({net.name for net in NETS}), help="networks (all)"
    )
    arguments.add_argument(
        "--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS), help="(both)"
    )
    arguments.add_argument("--compile", action="store_true", help="time torch.compile too")
    options = arguments.parse_args()
    if options.quick:
        options.rounds, options.optimizers = min(options.rounds, 5), options.optimizers[:1]
    torch = harness.start(options)
    harness.headline(options.rounds)
    rows = []
    for net in NETS:
        if options.nets and net.name not in options.nets:
            continue
        for optimizer in options.optimizers:
            sides = contestants(net, optimizer, torch, options.compile)
            compare(sides)
            row = harness.timed_row(
                sides, options.rounds, name=net.name, batch=net.batch, optimizer=optimizer
            )
            harness.show(row, f"{net.name}, batch {net.batch}, {optimizer}")
            rows.append(row)
    harness.show_means(rows, "training steps")
    if options.json:
        harness.write_json(options, "train", rows, torch)


if __name__ == "__main__":
    main()
