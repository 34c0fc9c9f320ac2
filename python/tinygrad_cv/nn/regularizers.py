"""Penalties on weights: what is added to the data loss, so that simple solutions are preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable


class Regularizer:
    """Base class: called on a network or on parameters, it gives a tensor to add to the loss.

    Parameters
    ----------
    biases : bool
        Whether parameters of one dimension count too: biases, and the scales and shifts of
        normalisation layers. They are left out by default, since they cannot overfit by much and
        pulling them to zero distorts what they do.
    """

    def __init__(self, *, biases: bool = False) -> None:
        self.biases = biases

    def penalty(self, weight: Tensor) -> Tensor:
        """The penalty on one parameter, of shape ()."""
        raise NotImplementedError(f"{type(self).__name__} must define penalty(weight)")

    def __call__(self, of: Module | Tensor | Iterable[Tensor]) -> Tensor:
        """The penalty on all of a network's weights, or on those in the iterable.

        Raises
        ------
        TypeError
            Something that is no tensor among the parameters.
        """
        params = self._parameters(of)
        total: Tensor | None = None
        for param in params:
            if param.ndim > 1 or self.biases:
                part = self.penalty(param)
                total = part if total is None else total + part
        if total is None:
            return wrap(np.zeros((), params[0].dtype if params else np.float32))
        return total

    def _parameters(self, of: Any) -> list[Tensor]:
        if isinstance(of, Module):
            return list(of.parameters())
        params = [of] if isinstance(of, Tensor) else list(of)
        for i, param in enumerate(params):
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: parameter {i} must be a Tensor, got "
                    f"{type(param).__name__}"
                )
        return params


class L2(Regularizer):
    """lam / 2 Σ w²: large weights are pulled down, diffuse ones preferred. Its gradient is lam w.

    Parameters
    ----------
    lam : float
        The strength.
    half : bool
        False: lam Σ w², the other convention.
    biases : bool
        Whether biases and the parameters of normalisation layers count too.

    Raises
    ------
    ValueError
        A strength below 0.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> w = tg.tensor([[3.0, 4.0]], requires_grad=True)
    >>> L2(0.1)(w).item(), L2(0.1, half=False)(w).item()
    (1.25, 2.5)
    """

    def __init__(self, lam: float, *, half: bool = True, biases: bool = False) -> None:
        super().__init__(biases=biases)
        self.lam, self.half = _strength("L2", "lam", lam), half

    def penalty(self, weight: Tensor) -> Tensor:
        return (weight * weight).sum() * (self.lam / 2 if self.half else self.lam)

    def __repr__(self) -> str:
        return f"L2(lam={self.lam}, half={self.half})"


class L1(Regularizer):
    """lam Σ |w|: weights that are not needed become zero. The gradient at 0 is 0.

    Parameters
    ----------
    lam : float
        The strength.
    biases : bool
        Whether biases and the parameters of normalisation layers count too.

    Raises
    ------
    ValueError
        A strength below 0.
    """

    def __init__(self, lam: float, *, biases: bool = False) -> None:
        super().__init__(biases=biases)
        self.lam = _strength("L1", "lam", lam)

    def penalty(self, weight: Tensor) -> Tensor:
        total: Tensor = weight.abs().sum() * self.lam
        return total

    def __repr__(self) -> str:
        return f"L1(lam={self.lam})"


class ElasticNet(Regularizer):
    """l1 Σ |w| + l2 Σ w²: sparse and diffuse at once (Zou & Hastie 2005).

    Parameters
    ----------
    l1, l2 : float
        The strengths.
    biases : bool
        Whether biases and the parameters of normalisation layers count too.

    Raises
    ------
    ValueError
        A strength below 0.
    """

    def __init__(self, l1: float, l2: float, *, biases: bool = False) -> None:
        super().__init__(biases=biases)
        self.l1 = _strength("ElasticNet", "l1", l1)
        self.l2 = _strength("ElasticNet", "l2", l2)

    def penalty(self, weight: Tensor) -> Tensor:
        return weight.abs().sum() * self.l1 + (weight * weight).sum() * self.l2

    def __repr__(self) -> str:
        return f"ElasticNet(l1={self.l1}, l2={self.l2})"


def _strength(where: str, name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{where}: {name} must be at least 0, got {value}")
    return value
