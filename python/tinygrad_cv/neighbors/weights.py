"""How much each neighbour counts."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_weights(estimator: Any) -> None:
    """Refuses what is no way of weighting.

    Raises
    ------
    ValueError
        Something else than "uniform", "distance", None or a callable; or "distance" with the metric
        "dot", whose distances are no lengths.
    """
    weights = estimator.weights
    if not (weights is None or callable(weights) or weights in ("uniform", "distance")):
        raise ValueError(
            f"The 'weights' parameter of {type(estimator).__name__} must be 'uniform', 'distance', "
            f"a callable or None. Got {weights!r} instead."
        )
    if weights == "distance" and estimator.metric == "dot":
        raise ValueError(
            f"The 'weights' parameter of {type(estimator).__name__} cannot be 'distance' with "
            "metric 'dot', whose distances may be negative"
        )


def weights_of(distances: Any, weights: Any) -> Any:
    """Weights for the neighbours at these distances; None where all count the same.

    "distance" is 1 / distance; where a neighbour is at distance 0, those count 1 and the others 0.
    """
    if weights in (None, "uniform"):
        return None
    if callable(weights):
        return weights(distances)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / distances
    infinite = np.isinf(inverse)
    at_zero = infinite.any(axis=1)
    inverse[at_zero] = infinite[at_zero]
    return inverse
