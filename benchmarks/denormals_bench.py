"""Time training steps of networks whose weights are denormal numbers beside the same with usual ones.

The weights of the first are 1e-40 times those of the second, and learning leaves them so: its rate
is 0. PyTorch, where it is installed, takes the same steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import _harness as harness
import numpy as np
from _networks import convnet, lenet, mlp

import tinygrad_cv as tg

if TYPE_CHECKING:
    from collections.abc import Callable

NETS = {
    "mlp": (mlp, 128, (3, 32, 32)),
    "lenet": (lenet, 250, (1, 28, 28)),
    "convnet": (convnet, 16, (3, 32, 32)),
}


def step(library: Any, build: Callable[[Any], Any], x: Any, y: Any, scale: float) -> Any:
    library.manual_seed(0)
    model = build(library.nn)
    with library.no_grad():
        for parameter in model.parameters():
            parameter *= scale
    sgd = library.optim.SGD(list(model.parameters()), lr=0.0, momentum=0.9)

    def call() -> Any:
        loss = library.nn.functional.cross_entropy(model(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    return call


def contestants(name: str, torch: Any) -> dict[str, Callable[[], Any]]:
    build, batch, shape = NETS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *shape), dtype=np.float32)
    y = rng.integers(0, 10, batch)
    found = {}
    for side, library in (("ours", tg), ("torch", torch)):
        if library is not None:
            data = library.from_numpy(x), library.from_numpy(y)
            found[side] = step(library, build, *data, 1.0)
            found[f"{side}_denormal"] = step(library, build, *data, 1e-40)
    return found


def main() -> None:
    options = harness.parser(__doc__ or "").parse_args()
    nets = list(NETS)
    if options.quick:
        options.rounds, nets = min(options.rounds, 5), nets[:1]
    torch = harness.start(options)
    rows = []
    for name in nets:
        row = harness.timed_row(contestants(name, torch), options.rounds, name=name)
        times = {side: harness.median(us) for side, us in row.items() if side.endswith("_us")}
        slower = {
            side: times[f"{side}_denormal_us"] / times[f"{side}_us"]
            for side in ("ours", "torch") if f"{side}_us" in times
        }  # fmt: skip
        said = ", ".join(f"{side} {ratio:.2f}" for side, ratio in slower.items())
        print(
            f"{name}: step {times['ours_us']:.0f} us; with denormal weights, times as long: {said}"
        )
        rows.append(row)
    if options.json:
        harness.write_json(options, "denormals", rows, torch)


if __name__ == "__main__":
    main()
