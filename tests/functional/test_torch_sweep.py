"""Every operation of the registry that PyTorch has, on the arguments that gradcheck draws.

Values, shapes, dtypes and the gradients of every input, to second order, must agree to 1e-7.
A long run: HYPOTHESIS_PROFILE=thorough python -m pytest tests/functional/test_torch_sweep.py
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import registry
from tinygrad_cv.testing.operations import SAMPLERS

DRAWS = max(settings().max_examples // 8, 5)
OURS_ALONE = {"maxout", "multiclass_svm_loss"}
RANDOM = {"alpha_dropout", "dropout", "dropout1d", "dropout2d"}  # other numbers for one seed
FIRST_ORDER_ONLY = {"cdist", "hardsigmoid", "multi_margin_loss"}  # in PyTorch
TINY = 1e-9


class Both:
    """Calls our operation, and PyTorch's with the same arguments.

    The inputs of a sample, which require gradients, reach the operation in their order and with
    their values, in whatever layout.
    """

    def __init__(self, op, torch, dtype):
        self.op, self.torch, self.dtype = op, torch, dtype
        self.ours = registry.implementation(op)
        self.theirs = torchs(op, torch)
        self.want, self.leaves = None, []

    def __call__(self, *args, **options):
        if self.dtype == "float32":
            args, options = mapped((args, options), _in_float32)
        their_args, theirs = mapped((args, options), self.translated)
        if self.op in ("amax", "amin") and theirs["dim"] is None:
            theirs["dim"] = ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.want = self.theirs(*their_args, **theirs)
        return self.ours(*args, **options)

    def translated(self, x):
        if isinstance(x, np.dtype):
            return getattr(self.torch, x.name)
        if not isinstance(x, tg.Tensor):
            return x
        twin = self.torch.tensor(x.detach().numpy().copy())
        if x.requires_grad:
            self.leaves.append(twin.requires_grad_())
        return twin


def torchs(op, torch):
    """PyTorch's function for an operation; a method where that is nearer to ours."""
    if op == "__getitem__":
        return item
    if op == "Tensor.__setitem__":
        return written
    if op.startswith("linalg."):
        return getattr(torch.linalg, op.removeprefix("linalg."))
    if op in ("Tensor.T", "Tensor.mT"):
        return lambda x: getattr(x, op.removeprefix("Tensor."))
    name = op.removeprefix("Tensor.")
    places = [torch.nn.functional, torch.Tensor, torch]
    if op != name:
        places = [torch.Tensor]
    elif op == "where":  # the method has another order
        places = [torch]
    return next(getattr(place, name) for place in places if hasattr(place, name))


def mapped(value, change):
    if isinstance(value, (tuple, list)):
        return type(value)([mapped(x, change) for x in value])
    if isinstance(value, dict):
        return {name: mapped(x, change) for name, x in value.items()}
    return change(value)


def _in_float32(x):
    return x.float() if isinstance(x, tg.Tensor) and x.dtype == "float64" else x


def item(x, key):
    """x[key], also for steps of -n, which PyTorch refuses."""
    keys, dim = [], 0
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, slice) and (part.step or 1) < 0:
            assert part.start is part.stop is None
            x, part = x.flip(dim), slice(None, None, -part.step)
        keys.append(part)
        dim += part is not None
    return x[tuple(keys)]


def written(x, key, value):
    """A copy of x with x[key] = value, as the sample's call makes one of ours."""
    out = x.clone()
    out[key] = value
    return out


def tame(op, x):
    """Inputs without the tiny numbers that hypothesis likes to draw.

    PyTorch divides by them where it multiplies the others of a product, and takes the derivative of
    x^y by x at y = 0 for 0 everywhere.
    """
    return np.where(np.abs(x) < TINY, 0.5 if op == "pow" else 0.0, x)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", sorted(set(registry.OPS) - OURS_ALONE - RANDOM))
def test_operation_agrees_with_torch(agree, op, dtype):
    draws = DRAWS if dtype == "float64" else max(DRAWS // 10, 2)

    @settings(
        max_examples=draws, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(data=st.data())
    def check(data):
        both = Both(op, agree.torch, dtype)
        sample = SAMPLERS[op](data.draw, both)
        leaves = [tg.tensor(tame(op, x), requires_grad=True) for x in sample.inputs]
        if dtype == "float32":
            leaves = [x.float().detach().requires_grad_() for x in leaves]
        got = sample.call(*leaves)
        if dtype == "float32":
            agree.compare(got, both.want, leaves, both.leaves, order=1, rtol=1e-2, atol=1e-2)
        else:
            order = 1 if op in FIRST_ORDER_ONLY else 2
            agree.compare(got, both.want, leaves, both.leaves, order=order, rtol=1e-7, atol=1e-7)

    check()
