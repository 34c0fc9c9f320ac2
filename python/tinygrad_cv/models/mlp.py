"""Fully connected networks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tinygrad_cv import nn
from tinygrad_cv.models.start import start_as_he

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_cv.engine.random import Generator


def mlp(
    sizes: Sequence[int],
    *,
    dropout: float = 0.0,
    activation: type[nn.Module] = nn.ReLU,
    generator: Generator | None = None,
) -> nn.Sequential:
    """A network of fully connected layers: ``mlp([3072, 100, 10])`` has two.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, of each hidden layer's neurons, and of outputs. A network of k layers
        has k + 1 sizes; the input is not counted among the layers.
    dropout : float
        Probability to drop after each hidden layer; 0 leaves the layers out.
    activation : class
        Made anew after each hidden layer.
    generator : Generator, optional
        Draws the starting values: He's normal distribution for weights; biases are zero.

    Returns
    -------
    Sequential
        flatten, fc1, act1, …; takes images or rows.

    Raises
    ------
    ValueError
        Fewer than two sizes.

    References
    ----------
    CS231n notes, "Neural networks part 1", section on architectures.

    Examples
    --------
    >>> net = mlp([3072, 100, 10])
    >>> sum(p.numel() for p in net.parameters())
    308310
    """
    sizes = list(sizes)
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes needs inputs and outputs at least, got {sizes}")
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for i, (inputs, outputs) in enumerate(pairwise(sizes), 1):
        layers[f"fc{i}"] = nn.Linear(inputs, outputs, generator=generator)
        if i < len(sizes) - 1:
            layers[f"act{i}"] = activation()
            if dropout:
                layers[f"dropout{i}"] = nn.Dropout(dropout, generator=generator)
    net = nn.Sequential(layers)
    start_as_he(net, generator)
    return net
