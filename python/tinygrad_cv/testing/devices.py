"""One operation on two devices: its value, first and second derivatives must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.engine.backprop import grad
from tinygrad_cv.engine.tensor import Tensor, tensor
from tinygrad_cv.optional import require
from tinygrad_cv.testing import registry

if TYPE_CHECKING:
    import hypothesis
    from hypothesis import strategies as st

    from tinygrad_cv.testing.samples import Sample
else:
    hypothesis = require("hypothesis", extra="test")
    st = require("hypothesis.strategies", extra="test")

__all__ = ["OTHER_DRAWS", "check_devices", "derivatives"]

# A GPU draws by itself: other numbers for the same seed.
OTHER_DRAWS = frozenset(["alpha_dropout", "dropout", "dropout1d", "dropout2d"])


def derivatives(sample: Sample, seed: int, device: str) -> list[Any]:
    """The operation's value, its gradients along a random direction, and theirs along another.

    Computed on the device, all of it; NumPy arrays.
    """
    rng = np.random.default_rng(seed)

    def direction(like: Tensor) -> Tensor:
        return tensor(rng.standard_normal(like.shape), dtype=like.dtype, device=device)

    inputs = [tensor(x, device=device) for x in sample.inputs]
    wanted = [x.requires_grad_() for x in inputs if x.dtype.kind == "f"]
    out = sample.call(*inputs)
    outs = [o for o in (out if isinstance(out, (tuple, list)) else [out]) if o.requires_grad]
    along = [direction(o).requires_grad_() for o in outs]
    parts: Any = grad(outs, wanted, along, create_graph=True, allow_unused=True)
    first = [g for g in parts if g is not None and g.requires_grad]
    second: Any = ()
    if first:
        again = [direction(g) for g in first]
        second = grad(first, [*wanted, *along], again, allow_unused=True)
    found = [*outs, *first, *[g for g in second if g is not None]]
    for g in found:
        if g.device.type != device:
            raise AssertionError(f"a result is on {g.device}, not on {device}")
    return [g.detach().cpu().numpy() for g in found]


def check_devices(
    op: str, device: str, *, examples: int = 3, rtol: float = 1e-9, atol: float = 1e-9
) -> None:
    """Compare an operation on `device` with the CPU, in float64, on drawn samples.

    Parameters
    ----------
    op : str
        A name from `registry.OPS`.
    device : str
        Such as "cuda".
    examples : int
        Samples; the same ones every time.

    Raises
    ------
    AssertionError
        Values or derivatives that differ.

    Examples
    --------
    >>> check_devices("exp", "cpu", examples=2)
    """

    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(sample=registry.samples(op), seed=st.integers(0, 99))
    def compare(sample: Sample, seed: int) -> None:
        here, there = (derivatives(sample, seed, place) for place in ("cpu", device))
        if not 0 < len(here) == len(there):
            raise AssertionError(f"{len(here)} results on the CPU but {len(there)} on {device}")
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(b, a, rtol=rtol, atol=atol)

    compare()
