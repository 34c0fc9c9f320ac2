"""What a network's last layer sees, brought to a plane: whether classes lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.optional import require
from tinygrad_cv.training.evaluation import device_of
from tinygrad_cv.viz.figure import figure, write

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.engine.tensor import Tensor
    from tinygrad_cv.nn import Module


@no_grad()
def last_features(model: Module, images: Tensor) -> NDArray[Any]:
    """What goes into the last fully connected layer, (N, features), in evaluation mode.

    Raises
    ------
    ValueError
        No fully connected layer.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> last_features(tg.models.LeNet5(), tg.zeros(2, 1, 28, 28)).shape
    (2, 84)
    """
    layers = [m for m in model.modules() if getattr(getattr(m, "weight", None), "ndim", 0) == 2]
    if not layers:
        raise ValueError(f"last_features: {type(model).__name__} has no fully connected layer")
    kept: list[Any] = []
    training = model.training
    model.eval()
    try:
        with layers[-1].register_forward_pre_hook(lambda _m, given: kept.append(given[0])):
            model(images.to(device_of(model)))
    finally:
        model.train(training)
    features: NDArray[Any] = kept[-1].cpu().numpy()
    return features


def draw_embedding(
    features: NDArray[Any],
    labels: Any,
    classes: Sequence[str],
    path: str | os.PathLike[str],
    method: str = "pca",
    seed: int = 0,
) -> NDArray[Any]:
    """Draw features in two dimensions, a colour for each class.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        Such as `last_features`.
    labels : sequence of int
    classes : sequence of str
    path : path-like
    method : {"pca", "tsne"}
        The two directions of largest variance, or t-SNE, which keeps neighbours together and distorts
        the rest.
    seed : int
        Of t-SNE.

    Returns
    -------
    ndarray, shape (N, 2)

    Raises
    ------
    ValueError
        Another method.

    References
    ----------
    van der Maaten & Hinton 2008, "Visualizing data using t-SNE".
    """
    if method not in ("pca", "tsne"):
        raise ValueError(f"draw_embedding: method must be 'pca' or 'tsne', got {method!r}")
    if method == "pca":
        pca = require("sklearn.decomposition", extra="train").PCA(2, svd_solver="full")
        flat: NDArray[Any] = pca.fit_transform(features)
    else:
        manifold = require("sklearn.manifold", extra="train")
        near = min(30.0, (len(features) - 1) / 3)
        flat = manifold.TSNE(2, perplexity=near, random_state=seed).fit_transform(features)
    given = np.asarray(getattr(labels, "array", labels))
    made = figure(6.4, 5)
    axis = made.subplots()
    for number, name in enumerate(classes):
        points = flat[given == number]
        axis.scatter(*points.T, s=8, color=f"C{number % 10}", marker="o^sD"[number % 4], label=name)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(
        "PCA of the last layer" if method == "pca" else "t-SNE of the last layer", fontsize=10
    )
    made.legend(loc="outside right upper", frameon=False, fontsize=8)
    write(made, path)
    return flat
