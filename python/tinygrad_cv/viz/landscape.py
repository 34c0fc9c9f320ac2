"""The loss around a model's parameters, on a plane through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.engine.device import to_host
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.training.evaluation import device_of
from tinygrad_cv.viz.figure import figure, write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module


class Landscape(NamedTuple):
    """Losses (n, n) at steps along two directions; row i is step i along the second."""

    steps: NDArray[Any]
    losses: NDArray[Any]

    def draw(self, path: str | os.PathLike[str], title: str = "") -> None:
        """Draw contours from above, and the surface beside them."""
        made = figure(9, 4)
        from matplotlib.ticker import MaxNLocator

        flat = made.add_subplot(1, 2, 1)
        contours = flat.contourf(self.steps, self.steps, self.losses, 20, cmap="viridis")
        flat.plot(0, 0, "x", color="white")
        flat.set_aspect("equal")
        flat.set_xlabel("first direction")
        flat.set_ylabel("second direction")
        flat.set_xticks(np.linspace(self.steps[0], self.steps[-1], 5))
        made.colorbar(contours, ax=flat, label="loss")
        surface = made.add_subplot(1, 2, 2, projection="3d")
        x, y = np.meshgrid(self.steps, self.steps)
        surface.plot_surface(x, y, self.losses, cmap="viridis", linewidth=0)
        for axis in (surface.xaxis, surface.yaxis, surface.zaxis):  # the colours say the loss
            axis.set_major_locator(MaxNLocator(5))
        surface.set_box_aspect(None, zoom=0.9)  # else the labels are cut
        if title:
            made.suptitle(title)
        write(made, path)


@no_grad()
def loss_landscape(
    model: Module,
    data: Any,
    loss: Callable[..., Tensor] = F.cross_entropy,
    *,
    regularizer: Callable[[Module], Tensor] | None = None,
    radius: float = 1.0,
    points: int = 21,
    seed: int = 0,
) -> Landscape:
    """The loss on a plane through the parameters, spanned by two random directions.

    Parameters
    ----------
    model : Module
        Its parameters come back as they were.
    data : (images, labels)
        One batch, which all points are measured on.
    loss : callable
    regularizer : callable, optional
        Its penalty is part of the landscape.
    radius : float
        How far to go along each direction, both ways; 1 is as far as the parameters are long.
    points : int
        A side of the grid has so many; odd, so that the middle is the model itself.
    seed : int
        Draws the directions.

    Returns
    -------
    Landscape

    Raises
    ------
    ValueError
        A number of points that is even or below 3, or a radius not above 0.

    Notes
    -----
    Each filter (row) of a direction is scaled to the length of the model's own; biases and the
    parameters of normalisation stay where they are. Otherwise networks whose weights differ in scale
    alone would have different landscapes.

    References
    ----------
    Li et al. 2018, "Visualizing the loss landscape of neural nets".

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> seen = loss_landscape(tg.nn.Linear(4, 3), (tg.rand(8, 4), tg.randint(3, (8,))), points=3)
    >>> seen.losses.shape
    (3, 3)
    """
    if points < 3 or points % 2 == 0:
        raise ValueError(f"loss_landscape: points must be odd and at least 3, got {points}")
    if not radius > 0:
        raise ValueError(f"loss_landscape: radius must be above 0, got {radius}")
    place = device_of(model)
    images, labels = (part.to(place) for part in data)
    weights = [p for p in model.parameters() if p.ndim > 1]
    start = [p.array for p in weights]
    rng = np.random.default_rng(seed)
    first, second = ([_direction(w, rng) for w in start] for _ in range(2))
    steps = np.linspace(-radius, radius, points)
    losses = np.empty((points, points))
    training = model.training
    model.eval()
    try:
        for (row, column), _ in np.ndenumerate(losses):
            for p, w, a, b in zip(weights, start, first, second, strict=True):
                p.array = (w + steps[column] * a + steps[row] * b).astype(w.dtype)
            value = loss(model(images), labels)
            if regularizer is not None:
                value = value + regularizer(model)
            losses[row, column] = value.item()
    finally:
        for p, w in zip(weights, start, strict=True):
            p.array = w
        model.train(training)
    return Landscape(steps, losses)


def _direction(weight: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A random direction whose filters are as long as the weight's."""
    drawn = rng.standard_normal(weight.shape)
    axes = tuple(range(1, weight.ndim))
    both = to_host(weight), drawn
    own, length = (np.sqrt((a**2).sum(axis=axes, keepdims=True)) for a in both)
    scaled: NDArray[Any] = np.asarray(drawn * own / length, like=weight)
    return scaled
