"""Dropout layers: while training, some values are set to zero, so that no unit relies on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_cv import functional as F
from tinygrad_cv.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class Dropout(Module):
    """Set each value to 0 with probability `p`, divide the others by 1 - p; nothing in `eval`.

    Parameters
    ----------
    p : float, optional
        Probability to drop, as in PyTorch; default 0.5.
    inplace : bool
        Write the result over the input.
    keep : float, optional
        The same said the other way, as the classical text does: the probability to keep, 1 - p.
    generator : Generator, optional
        Draws what is dropped; default the one that `manual_seed` seeds.

    Raises
    ------
    ValueError
        A probability outside [0, 1], or both `p` and `keep`.

    References
    ----------
    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting";
    the division while training ("inverted dropout") is CS231n's.

    Examples
    --------
    >>> Dropout(keep=0.75)
    Dropout(p=0.25, inplace=False)
    """

    def __init__(
        self,
        p: float | None = None,
        inplace: bool = False,
        *,
        keep: float | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.p = drop_probability(type(self).__name__, p, keep)
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


def drop_probability(where: str, p: float | None, keep: float | None) -> float:
    """The probability to drop, from it or from its opposite."""
    if p is not None and keep is not None:
        raise ValueError(
            f"{where}: p={p} (to drop) and keep={keep} (to keep) say the same; give one of them"
        )
    for name, value in (("p", p), ("keep", keep)):
        if value is not None and not 0.0 <= value <= 1.0:
            raise ValueError(f"{where}: {name} is a probability, in [0, 1], got {value}")
    if keep is not None:
        return 1.0 - keep
    return 0.5 if p is None else p


class Dropout2d(Dropout):
    """`Dropout` of whole channels: neighbouring pixels tell too much of each other.

    Parameters as `Dropout`; shapes (N, C, H, W) or (C, H, W).

    References
    ----------
    Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace, generator=self.generator)


class Dropout1d(Dropout):
    """`Dropout2d` for rows (N, C, L) or (C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace, generator=self.generator)


class AlphaDropout(Dropout):
    """`Dropout` that keeps mean 0 and variance 1, for networks of SELU; parameters as `Dropout`.

    References
    ----------
    Klambauer et al. 2017, "Self-normalizing neural networks".
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace, generator=self.generator)
