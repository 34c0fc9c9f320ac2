"""The bowl of a linear SVM beside a network's terrain: the loss on planes through the weights.

Both models learn the same digits. Then two random directions in the space of their weights are drawn,
each filter's part as long as the filter itself, and the loss is measured on the plane that they span.
The SVM's loss is convex: along any line it bends upwards, so there is one bottom. A network's is not.
Prints the share of the grid's lines along which the loss bends downwards somewhere.

    python examples/loss_landscape.py --out loss-landscape.png
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import tinygrad_cv as tg
import tinygrad_cv.functional as F
from tinygrad_cv import nn
from tinygrad_cv.viz.figure import figure, write

WIDTH, DEPTH = 32, 12  # of the network's hidden layers
L2 = nn.regularizers.L2(1e-3)


def models(seed: int) -> dict[str, tuple[nn.Module, Any]]:
    """Each model with its loss, by name; the deep network has no short cuts, its terrain is rough."""
    tg.manual_seed(seed)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    network = tg.models.mlp([784, *[WIDTH] * DEPTH, 10], activation=nn.Tanh)
    return {
        "linear SVM": (linear, F.multiclass_svm_loss),
        f"network of {DEPTH + 1} layers": (network, F.cross_entropy),
    }


def learn(model: nn.Module, loss: Any, data: Any, steps: int) -> None:
    """Follow the gradient of loss and regularization for so many steps."""
    adam = tg.optim.Adam(model.parameters(), lr=0.003)
    images, labels = data
    for _ in range(steps):
        adam.zero_grad()
        (loss(model(images), labels) + L2(model)).backward()
        adam.step()


def bends_down(losses: np.ndarray) -> float:
    """The share of rows and columns along which a second difference is clearly below 0."""
    tolerance = 1e-4 * np.ptp(losses)
    lines = [*losses, *losses.T]
    return float(np.mean([np.diff(line, 2).min() < -tolerance for line in lines]))


def draw(seen: dict[str, tg.viz.Landscape], path: str) -> None:
    """For each model the surface, and the same from above."""
    made = figure(4.4 * len(seen), 7.2)
    for column, (name, (steps, losses)) in enumerate(seen.items(), 1):
        surface = made.add_subplot(2, len(seen), column, projection="3d")
        surface.plot_surface(*np.meshgrid(steps, steps), losses, cmap="viridis", linewidth=0)
        surface.set_title(name)
        flat = made.add_subplot(2, len(seen), len(seen) + column)
        contours = flat.contourf(steps, steps, losses, 24, cmap="viridis")
        flat.plot(0, 0, "x", color="white")
        flat.set_aspect("equal")
        flat.set_xlabel("first direction")
        flat.set_ylabel("second direction")
        made.colorbar(contours, ax=flat, label="loss", shrink=0.8)
    write(made, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="loss-landscape.png", help="picture to write")
    parser.add_argument("--images", type=int, default=200, help="digits to learn (200)")
    parser.add_argument("--steps", type=int, default=150, help="steps of training (150)")
    parser.add_argument("--points", type=int, default=31, help="side of the grid, odd (31)")
    parser.add_argument("--radius", type=float, default=1.5, help="1: as far as weights are long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = tg.data.digits(train=True)[: options.images]
    seen = {}
    for name, (model, loss) in models(options.seed).items():
        learn(model, loss, data, options.steps)
        seen[name] = tg.viz.loss_landscape(
            model,
            data,
            loss,
            regularizer=L2,
            radius=options.radius,
            points=options.points,
            seed=options.seed,
        )
        share = bends_down(seen[name].losses)
        print(f"{name}: loss {seen[name].losses.min():.3f}, {100 * share:.0f} % of lines bend down")
    draw(seen, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
