"""What the size of the starting weights does to a deep network: activations layer by layer.

Random inputs go through ten fully connected layers of 500 units. With weights that are too small the
activations shrink to nothing, and with them the gradients. With weights that are too large nearly
every unit stands at -1 or 1, where tanh has no slope, and what comes back through the few others
grows from layer to layer. Xavier's variance, 1 / fan_in, keeps both; ReLU halves it, so that it takes
He's 2 / fan_in. Prints mean and standard deviation of each layer's activations, and that of the
gradient which reaches them, and draws the histograms of the activations.

    python examples/initialization.py --out initialization.png
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

import tinygrad_cv as tg
from tinygrad_cv import nn

DEPTH, UNITS, INPUTS = 10, 500, 1000
CASES = {
    "tanh, std 0.01: too small": (nn.Tanh, lambda w: nn.init.normal_(w, std=0.01)),
    "tanh, std 1: too large": (nn.Tanh, lambda w: nn.init.normal_(w, std=1.0)),
    "tanh, Xavier: 1 / fan_in": (nn.Tanh, lambda w: nn.init.xavier_normal_(w, fan="in")),
    "ReLU, Xavier: 1 / fan_in": (nn.ReLU, lambda w: nn.init.xavier_normal_(w, fan="in")),
    "ReLU, He: 2 / fan_in": (
        nn.ReLU,
        lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    ),
}


class Layer(NamedTuple):
    """What one layer does: its activations, and the deviation of the gradient that reaches them."""

    activations: np.ndarray
    gradient: float

    @property
    def mean(self) -> float:
        return float(self.activations.mean())

    @property
    def std(self) -> float:
        return float(self.activations.std())


def layers_of(activation, start, seed: int = 0) -> list[Layer]:
    """Forward and backward through a network whose weights `start` draws."""
    tg.manual_seed(seed)
    x = tg.randn(INPUTS, UNITS)
    outputs = []
    for _ in range(DEPTH):
        layer = nn.Linear(UNITS, UNITS, bias=False)
        start(layer.weight)
        x = activation()(layer(x))
        outputs.append(x)
    grads = tg.grad(x, outputs, grad_outputs=tg.randn(INPUTS, UNITS))
    return [
        Layer(out.detach().numpy(), float(grad.numpy().std()))
        for out, grad in zip(outputs, grads, strict=True)
    ]


def table(name: str, layers: list[Layer]) -> str:
    """Mean and deviation of the activations, deviation of the gradient, by depth."""
    rows = [name, " layer       mean        std   gradient"]
    rows += [
        f"{i:6d} {layer.mean:10.2e} {layer.std:10.2e} {layer.gradient:10.2e}"
        for i, layer in enumerate(layers, 1)
    ]
    return "\n".join(rows)


def draw(results: dict[str, list[Layer]], path: str) -> None:
    """A histogram for each layer, a row for each way to start."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(results), DEPTH)
    for (name, layers), axes in zip(results.items(), grid, strict=True):
        tanh = name.startswith("tanh")
        edges = np.linspace(-1, 1, 41) if tanh else np.linspace(0, 3, 41)
        for i, (layer, axis) in enumerate(zip(layers, axes, strict=True), 1):
            counts, _ = np.histogram(layer.activations, edges)
            axis.stairs(counts / layer.activations.size, edges, fill=True, color="#0b5394")
            axis.set_ylim(0, 0.2)  # a bar that reaches the top holds more than a fifth
            axis.set_yticks([])
            axis.set_xticks([-1, 0, 1] if tanh else [0, 1, 2, 3])
            axis.tick_params(labelsize=7)
            axis.set_title(f"layer {i}\nstd {layer.std:.2g}", fontsize=8)
        axes[0].set_ylabel(name.replace(", ", "\n").replace(": ", "\n"), fontsize=9)
    figure.suptitle("Activations by depth, for five ways to draw the starting weights")
    figure.savefig(path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--out", default="initialization.png", help="picture to write")
    options = arguments.parse_args()
    results = {name: layers_of(*case) for name, case in CASES.items()}
    for name, layers in results.items():
        print(table(name, layers), end="\n\n")
    draw(results, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
