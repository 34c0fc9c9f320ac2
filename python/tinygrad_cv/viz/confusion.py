"""Which classes a network takes for which, and the mistakes that it is surest of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.training.evaluation import on_device_of
from tinygrad_cv.viz.figure import axes_grid, figure, show, write

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.nn import Module


class Predictions(NamedTuple):
    """Probabilities (N, K) and true labels (N,) of all images of some batches."""

    chances: NDArray[Any]
    labels: NDArray[np.int64]

    def confusion(self) -> NDArray[np.int64]:
        """Counts (K, K): a row for each true class, a column for each predicted one."""
        classes = self.chances.shape[1]
        pairs = self.labels * classes + self.chances.argmax(axis=1)
        counts: NDArray[np.int64] = np.bincount(pairs, minlength=classes**2).reshape(
            classes, classes
        )
        return counts

    def mistakes(self) -> NDArray[np.int64]:
        """Numbers of the images that are taken for another class, the surest first."""
        found = self.chances.argmax(axis=1)
        wrong = np.flatnonzero(found != self.labels)
        order: NDArray[np.int64] = wrong[
            np.argsort(-self.chances[wrong, found[wrong]], kind="stable")
        ]
        return order


@no_grad()
def predictions(model: Module, batches: Iterable[Any]) -> Predictions:
    """What a network says of all images of some batches, in evaluation mode.

    Raises
    ------
    ValueError
        No images.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> said = predictions(tg.nn.Linear(4, 3), [(tg.zeros(5, 4), tg.tensor([0, 1, 2, 1, 0]))])
    >>> said.chances.shape, said.confusion().sum(axis=1).tolist()
    ((5, 3), [2, 2, 1])
    """
    training = model.training
    model.eval()
    chances, labels = [], []
    try:
        for images, given in on_device_of(model, batches):
            chances.append(F.softmax(model(images), dim=1).cpu().numpy())
            labels.append(given.cpu().numpy())
    finally:
        model.train(training)
    if not chances:
        raise ValueError("predictions: no images")
    return Predictions(np.concatenate(chances), np.concatenate(labels).astype(np.int64))


def draw_confusion(
    counts: NDArray[Any], classes: Sequence[str], path: str | os.PathLike[str]
) -> None:
    """Draw a confusion matrix: colours are shares of the true class, numbers are images.

    Parameters
    ----------
    counts : ndarray, shape (K, K)
        A row for each true class, such as ``predictions(…).confusion()``.
    classes : sequence of str
    path : path-like

    Raises
    ------
    ValueError
        Other than one name for each class.
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"draw_confusion: counts {counts.shape} but {len(classes)} class names")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.55 * len(classes) + 1.5)
    made = figure(side + 0.8, side)
    axis = made.subplots()
    picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 20:
        for (row, column), share in np.ndenumerate(shares):
            if counts[row, column]:
                colour = "white" if share > 0.5 else "black"
                axis.text(
                    column,
                    row,
                    counts[row, column],
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=7,
                )
        turned = {"rotation": 45, "ha": "right"} if max(map(len, classes)) > 3 else {}
        axis.set_xticks(range(len(classes)), classes, **turned)
        axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    made.colorbar(picture, ax=axis, label="share of the true class", shrink=0.8)
    write(made, path)


def draw_mistakes(
    said: Predictions,
    images: Any,
    classes: Sequence[str],
    path: str | os.PathLike[str],
    count: int = 24,
) -> NDArray[np.int64]:
    """Draw a contact sheet of the mistakes that the network is surest of.

    Parameters
    ----------
    said : Predictions
        Of `images`, in their order.
    images : data set or array, shape (N, C, H, W)
    classes : sequence of str
    path : path-like
    count : int
        At most so many.

    Returns
    -------
    ndarray
        Numbers of the images drawn; none where there is no mistake, and then no file is written.
    """
    worst = said.mistakes()[:count]
    if not len(worst):
        return worst
    columns = min(8, len(worst))
    made = figure(columns * 1.15, -(-len(worst) // columns) * 1.35)
    for axis, number in zip(axes_grid(made, len(worst), columns), worst.tolist(), strict=True):
        chances = said.chances[number]
        found = int(chances.argmax())
        true = classes[said.labels[number]]
        show(
            axis,
            _image(images, number),
            f"{true}, not {classes[found]}\n{100 * chances[found]:.1f} %",
        )
    write(made, path)
    return worst


def _image(images: Any, number: int) -> NDArray[Any]:
    one = images[number]
    one = one[0] if isinstance(one, tuple) else one
    return np.asarray(getattr(one, "array", one))
