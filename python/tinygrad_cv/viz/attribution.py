"""Which pixels a score depends on: saliency, Grad-CAM, occlusion."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.engine import grad
from tinygrad_cv.engine.grad_mode import enable_grad, no_grad
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.training.evaluation import device_of
from tinygrad_cv.viz.figure import axes_grid, figure, overlay, show, write
from tinygrad_cv.viz.filters import find_conv

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.nn import Module

BATCH = 256  # covered images a forward pass


def saliency(model: Module, images: Tensor, labels: Any = None) -> NDArray[Any]:
    """How much each pixel moves the score of a class: the gradient's largest size over channels.

    Parameters
    ----------
    model : Module
        Used in evaluation mode, and put back into the mode it was in.
    images : Tensor, shape (N, C, H, W)
    labels : sequence of int, optional
        Whose scores; default the highest of each image.

    Returns
    -------
    ndarray, shape (N, H, W)

    References
    ----------
    Simonyan et al. 2014, "Deep inside convolutional networks", section 3.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> saliency(tg.models.LeNet5(), tg.rand(2, 1, 28, 28)).shape
    (2, 28, 28)
    """
    with _frozen(model), enable_grad():
        pixels = _leaf(model, images)
        (found,) = grad(_scores(model(pixels), labels), [pixels])
    return np.abs(found.cpu().numpy()).max(axis=1)


def grad_cam(
    model: Module, images: Tensor, labels: Any = None, layer: str | None = None
) -> NDArray[Any]:
    """Where a convolution sees what speaks for a class: relu(Σ_k a_k A_k), spread over the image.

    Parameters
    ----------
    model, images, labels
        As for `saliency`.
    layer : str, optional
        Name of a Conv2d; default the last one, which sees most of the image.

    Returns
    -------
    ndarray, shape (N, H, W)
        0 where nothing speaks for the class; a_k is the mean of the score's gradient over map A_k.

    References
    ----------
    Selvaraju et al. 2017, "Grad-CAM".
    """
    _, conv = find_conv("grad_cam", model, layer, last=True)
    kept: list[Tensor] = []
    with _frozen(model), enable_grad():
        with conv.register_forward_hook(lambda _m, _i, output: kept.append(output)):
            scores = model(_leaf(model, images))
        (found,) = grad(_scores(scores, labels), [kept[-1]])
    weights = found.cpu().numpy().mean(axis=(2, 3), keepdims=True)
    maps = kept[-1].detach().cpu().numpy()
    heat = np.maximum((weights * maps).sum(axis=1, keepdims=True), 0)
    spread = F.interpolate(wrap(heat), size=images.shape[2:], mode="bilinear", align_corners=False)
    return spread.numpy()[:, 0]


@no_grad()
def occlusion_map(
    model: Module,
    image: Tensor,
    label: int | None = None,
    size: int | None = None,
    stride: int | None = None,
) -> NDArray[Any]:
    """How far the probability of a class falls when a square of the image is covered by its mean.

    Parameters
    ----------
    model : Module
    image : Tensor, shape (1, C, H, W)
    label : int, optional
        Default the likeliest class.
    size, stride : int, optional
        The square's side, default a quarter of the smaller side; and its steps, default a quarter of
        that.

    Returns
    -------
    ndarray, shape (H, W)
        For each pixel the mean fall over the squares that covered it.

    Raises
    ------
    ValueError
        More than one image, or a square that does not fit.

    References
    ----------
    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
    """
    if len(image) != 1:
        raise ValueError(f"occlusion_map: expected one image (1, C, H, W), got {image.shape}")
    array = image.cpu().array
    height, width = array.shape[2:]
    size = max(1, min(height, width) // 4) if size is None else size
    stride = max(1, size // 4) if stride is None else stride
    if not 1 <= size <= min(height, width) or stride < 1:
        raise ValueError(
            f"occlusion_map: a square of {size} with steps of {stride} does not fit {height} x {width}"
        )
    tops, lefts = (_starts(side, size, stride) for side in (height, width))
    places = [(top, left) for top in tops for left in lefts]
    mean = array.mean(axis=(2, 3), keepdims=True)
    with _frozen(model):
        before = _chances(model, image)[0]
        label = int(before.argmax()) if label is None else label
        chances: list[float] = []
        for start in range(0, len(places), BATCH):
            part = places[start : start + BATCH]
            covered = np.repeat(array, len(part), axis=0)
            for one, (top, left) in zip(covered, part, strict=True):
                one[:, top : top + size, left : left + size] = mean[0]
            chances += _chances(model, wrap(covered))[:, label].tolist()
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), chance in zip(places, chances, strict=True):
        total[top : top + size, left : left + size] += before[label] - chance
        count[top : top + size, left : left + size] += 1
    return total / np.maximum(count, 1)


def draw_explanations(
    model: Module,
    images: Tensor,
    labels: Any,
    classes: Sequence[str],
    path: str | os.PathLike[str],
) -> None:
    """Draw for each image: itself, and saliency, Grad-CAM and occlusion map of its likeliest class.

    Parameters
    ----------
    model : Module
        With a Conv2d.
    images : Tensor, shape (N, C, H, W)
    labels : sequence of int
        The true ones.
    classes : sequence of str
    path : path-like
    """
    with no_grad(), _frozen(model):
        chances = _chances(model, images)
    heats = saliency(model, images), grad_cam(model, images)
    made = figure(6.4, 1.7 * len(images))
    every = axes_grid(made, 4 * len(images), 4)
    for i, label in enumerate(np.asarray(getattr(labels, "array", labels)).tolist()):
        found = int(chances[i].argmax())
        one = images[i : i + 1]
        row, pixels = every[4 * i : 4 * i + 4], one.cpu().numpy()[0]
        said = f"{classes[found]} ({100 * chances[i, found]:.0f} %)"
        show(row[0], pixels, f"true {classes[label]}, said {said}")
        overlay(row[1], pixels, heats[0][i], "saliency")
        overlay(row[2], pixels, heats[1][i], "Grad-CAM")
        overlay(row[3], pixels, np.maximum(occlusion_map(model, one), 0), "occlusion")
    write(made, path)


def _starts(side: int, size: int, stride: int) -> list[int]:
    """Where squares begin, so that the last one ends with the side."""
    return sorted({*range(0, side - size, stride), side - size})


def _leaf(model: Module, images: Tensor) -> Tensor:
    """The images where the model is, wanting gradients, so that what it makes of them is a graph."""
    return Tensor(images.to(device_of(model)).array, requires_grad=True)


def _chances(model: Module, images: Tensor) -> NDArray[Any]:
    """The classes' probabilities, (N, K)."""
    chances: NDArray[Any] = F.softmax(model(images.to(device_of(model))), dim=1).cpu().numpy()
    return chances


def _scores(scores: Tensor, labels: Any) -> Tensor:
    """The sum of the asked scores, one for each image."""
    if labels is None:
        labels = scores.detach().cpu().numpy().argmax(axis=1)
    rows = np.arange(len(scores))
    total: Tensor = scores[rows, np.asarray(getattr(labels, "array", labels))].sum()
    return total


@contextmanager
def _frozen(model: Module) -> Iterator[None]:
    """Evaluation mode, and back to each part's own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
