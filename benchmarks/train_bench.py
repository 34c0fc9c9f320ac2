"""Time whole training steps beside PyTorch: forward, loss, backward, update, on fresh batches.

The same code builds and trains each network in both libraries; both start from the same weights and
their losses are compared before any time is taken. PyTorch runs in its default layout (NCHW), in
channels_last, and with --compile through torch.compile; JAX, where it is installed, as one jitted
step in a process of its own.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import _harness as harness
import numpy as np
from _compilers import Compiler, installed
from _networks import NETS, OPTIMIZERS

import tinygrad_cv as tg

if TYPE_CHECKING:
    from _networks import Net

BATCHES = 4  # taken in turn, so that no step finds its input in cache


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


def contestants(
    net: Net, optimizer: str, torch: Any, compiled: bool, others: list[Compiler]
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    tg.manual_seed(0)
    ours = net.build(tg.nn)
    arrays = [
        (rng.standard_normal((net.batch, *net.image), dtype=np.float32),
         rng.integers(0, 10, net.batch))
        for _ in range(BATCHES)
    ]  # fmt: skip
    found: dict[str, Any] = {
        "ours": Contestant(
            tg, ours, optimizer, [tuple(tg.from_numpy(a) for a in pair) for pair in arrays]
        )
    }
    start = {name: np.array(v.array) for name, v in ours.state_dict().items()}
    if torch is not None:
        found.update(torch_contestants(net, optimizer, torch, compiled, start, arrays))
    for other in others:
        found[other.name] = other.training(NETS.index(net), optimizer, start, arrays)
    return found


def torch_contestants(
    net: Net, optimizer: str, torch: Any, compiled: bool, start: dict[str, Any], arrays: list[Any]
) -> dict[str, Contestant]:
    found = {}
    theirs = net.build(torch.nn)
    theirs.load_state_dict({name: torch.from_numpy(values) for name, values in start.items()})
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


# Seconds of a turn: in training a step follows a step, not whoever emptied the caches before.
TURN = 0.2


def compare(sides: dict[str, Any]) -> None:
    """Run a few steps on each side; stop if their losses differ."""
    losses = {name: [float(side()) for _ in range(3)] for name, side in sides.items()}
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
    harness.add_against(arguments, ["jax"])
    options = arguments.parse_args()
    if options.quick:
        options.rounds, options.optimizers = min(options.rounds, 5), options.optimizers[:1]
    torch = harness.start(options)
    others = [
        Compiler(name, tg.get_num_threads())
        for name in installed(["jax"] if options.against is None else options.against)
    ]
    harness.headline(options.rounds)
    rows = []
    for net in NETS:
        if options.nets and net.name not in options.nets:
            continue
        for optimizer in options.optimizers:
            sides = contestants(net, optimizer, torch, options.compile, others)
            compare(sides)
            row = harness.timed_row(
                sides, options.rounds, least=TURN,
                name=net.name, batch=net.batch, optimizer=optimizer,
            )  # fmt: skip
            harness.show(row, f"{net.name}, batch {net.batch}, {optimizer}")
            rows.append(row)
    harness.show_means(rows, "training steps")
    for other in others:
        other.close()
    if options.json:
        versions = {other.name: other.version for other in others}
        harness.write_json(options, "train", rows, torch, versions)


if __name__ == "__main__":
    main()
