"""What a network holds and gives inside: its filters and its activations, as images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import nn
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.training.evaluation import device_of
from tinygrad_cv.viz.figure import axes_grid, figure, show, write

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module

MOST = 64  # pictures in one drawing


def draw_filters(
    model: Module, path: str | os.PathLike[str], layer: str | None = None
) -> NDArray[Any]:
    """Draw the filters of a convolution, each scaled from its smallest weight to its largest.

    Parameters
    ----------
    model : Module
    path : path-like
        Image file; at most 64 filters are drawn.
    layer : str, optional
        Name of a Conv2d; default the first. Of filters with other than 1 or 3 channels each channel
        is a picture of its own.

    Returns
    -------
    ndarray, shape (n, C, KH, KW), C 1 or 3
        What was drawn, in [0, 1].

    Raises
    ------
    ValueError
        No such convolution.
    """
    weight = find_conv("draw_filters", model, layer, last=False)[1].weight.cpu().numpy()
    if weight.shape[1] not in (1, 3):
        weight = weight.reshape(-1, 1, *weight.shape[2:])
    weight = weight[:MOST]
    low, high = (f(weight, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    scaled: NDArray[Any] = (weight - low) / np.where(high > low, high - low, 1)
    columns = min(len(scaled), max(8, math.ceil(math.sqrt(len(scaled)))))
    made = figure(columns * 0.7, -(-len(scaled) // columns) * 0.7)
    for axis, image in zip(axes_grid(made, len(scaled), columns), scaled, strict=True):
        show(axis, image)
    write(made, path)
    return scaled


@no_grad()
def activation_maps(model: Module, images: Tensor, layer: str | None = None) -> NDArray[Any]:
    """What a layer gives for images.

    Parameters
    ----------
    model : Module
        Used in evaluation mode, and put back into the mode it was in.
    images : Tensor, shape (N, C, H, W)
    layer : str, optional
        Name of any module; default the first Conv2d.

    Returns
    -------
    ndarray
        The layer's output, for a convolution (N, channels, rows, columns).

    Raises
    ------
    ValueError
        No such layer, or one that the images do not go through.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> activation_maps(tg.models.LeNet5(), tg.zeros(2, 1, 28, 28), "pool1").shape
    (2, 6, 14, 14)
    """
    if layer is None:
        module: Module = find_conv("activation_maps", model, None, last=False)[1]
    else:
        module = _named("activation_maps", model, layer)
    kept: list[Any] = []
    training = model.training
    model.eval()
    try:
        with module.register_forward_hook(lambda _m, _i, output: kept.append(output)):
            model(images.to(device_of(model)))
    finally:
        model.train(training)
    if not kept:
        raise ValueError(f"activation_maps: the images do not go through layer {layer!r}")
    array: NDArray[Any] = kept[-1].cpu().numpy()
    return array


def draw_activations(
    model: Module, image: Tensor, path: str | os.PathLike[str], layer: str | None = None
) -> None:
    """Draw an image (1, C, H, W) and the maps that a layer makes of it, all on one scale."""
    maps = activation_maps(model, image, layer)
    if maps.ndim != 4:
        raise ValueError(f"draw_activations: the layer gives {maps.shape}, no maps")
    maps = maps[0, : MOST - 1]
    most = float(np.abs(maps).max()) or 1.0
    columns = min(8, len(maps) + 1)
    made = figure(columns * 0.9, -(-(len(maps) + 1) // columns) * 0.9)
    first, *rest = axes_grid(made, len(maps) + 1, columns)
    show(first, image.cpu().numpy()[0])
    for axis, one in zip(rest, maps, strict=True):
        axis.imshow(one, cmap="viridis", vmin=min(0.0, float(maps.min())), vmax=most)
    write(made, path)


def find_conv(where: str, model: Module, layer: str | None, *, last: bool) -> tuple[str, Any]:
    """A Conv2d by name, or else the first or last one."""
    if layer is not None:
        module = _named(where, model, layer)
        if not isinstance(module, nn.Conv2d):
            raise ValueError(f"{where}: layer {layer!r} is a {type(module).__name__}, not a Conv2d")
        return layer, module
    found = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    if not found:
        raise ValueError(f"{where}: {type(model).__name__} has no Conv2d")
    return found[-1 if last else 0]


def _named(where: str, model: Module, layer: str) -> Module:
    try:
        return model.get_submodule(layer)
    except AttributeError:
        names = ", ".join(name for name, _ in model.named_modules() if name)
        raise ValueError(f"{where}: no layer {layer!r}; there are {names}") from None
