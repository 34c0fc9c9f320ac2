"""How a metric's name becomes a kernel's, and its sums become distances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNELS = {
    "l1": "l1",
    "manhattan": "l1",
    "cityblock": "l1",
    "l2": "sqeuclidean",
    "euclidean": "sqeuclidean",
    "sqeuclidean": "sqeuclidean",
    "cosine": "cosine",
    "dot": "dot",
    "chebyshev": "chebyshev",
    "infinity": "chebyshev",
    "hamming": "hamming",
}
ROOTS = ("l2", "euclidean")


class Metric(NamedTuple):
    """What the kernel computes, and which root of its sums is the distance (1: none)."""

    kernel: str
    p: float
    root: float

    def distances(self, sums: NDArray[Any]) -> NDArray[Any]:
        """Distances from the kernel's sums, in their dtype."""
        if self.root == 1:
            return sums
        if self.root == 2:
            return np.sqrt(sums)
        rooted: NDArray[Any] = (sums ** (1 / self.root)).astype(sums.dtype)
        return rooted


def metric_of(estimator: Any) -> Metric:
    """The metric that an estimator's `metric` and `p` ask for.

    Raises
    ------
    ValueError
        A metric that there is not, or p that is no number above 0.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> metric_of(SimpleNamespace(metric="minkowski", p=1))
    Metric(kernel='l1', p=1.0, root=1)
    """
    name, p = estimator.metric, estimator.p
    if not isinstance(name, str) or name not in {*KERNELS, "minkowski"}:
        known = sorted({*KERNELS, "minkowski"})
        raise ValueError(
            f"The 'metric' parameter of {type(estimator).__name__} must be one of {known}. "
            f"Got {name!r} instead."
        )
    if name != "minkowski":
        return Metric(KERNELS[name], 2.0, 2 if name in ROOTS else 1)
    if not isinstance(p, (int, float, np.number)) or not p > 0:
        raise ValueError(
            f"The 'p' parameter of {type(estimator).__name__} must be a number above 0. "
            f"Got {p!r} instead."
        )
    if math.isinf(p):
        return Metric("chebyshev", 2.0, 1)
    named = {1: Metric("l1", 1.0, 1), 2: Metric("sqeuclidean", 2.0, 2)}
    return named.get(float(p), Metric("minkowski", float(p), float(p)))  # type: ignore[call-overload]
