"""What makes up for moments that start at 0: the factors of Adam's step."""

from __future__ import annotations

import math

__all__ = ["bias_correction"]


def bias_correction(
    lr: float, beta1: float, beta2: float, t: int, corrected: bool
) -> tuple[float, float]:
    """lr / (1 - beta1^t), sqrt(1 - beta2^t), or lr and 1: Kingma & Ba 2014, end of section 2."""
    if not corrected:
        return lr, 1.0
    return lr / (1 - beta1**t), math.sqrt(1 - beta2**t)
