"""NumPy's functions on tensors give what they give on arrays, recorded; methods know NumPy's keywords."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv.testing import gradcheck

X = np.random.default_rng(0).standard_normal((2, 3, 4))

# Of an array x and a matrix m, with a gradient
SMOOTH = """
np.sum(x); np.sum(x, axis=0); np.sum(x, (0, 2), keepdims=True); np.mean(x, -1); np.mean(x)
np.prod(x, 1); np.std(x); np.std(x, axis=0, ddof=1); np.var(x, (1, 2), keepdims=True)
np.max(x); np.max(x, axis=1, keepdims=True); np.amax(x, 0); np.min(x, -1); np.amin(x)
np.cumsum(x); np.cumsum(x, axis=1); np.cumprod(x, 2); np.clip(x, -0.5, 0.5); np.clip(x, 0.1, None)
np.concatenate([x, x], axis=1); np.concatenate((x, np.ones((1, 3, 4)))); np.stack([x, x], -1)
np.hstack([m, m]); np.vstack([m, m[0]]); np.reshape(x, (4, 6)); np.reshape(x, -1); np.ravel(x)
np.transpose(x); np.transpose(x, (1, 0, 2)); np.swapaxes(x, 0, 2); np.moveaxis(x, 0, -1)
np.squeeze(x[:1]); np.squeeze(x[:, :1], axis=1); np.expand_dims(x, 1); np.flip(x); np.flip(x, 1)
np.flip(x, axis=(0, 2)); np.roll(x, 2); np.roll(x, 1, axis=1); np.tile(m, (2, 1)); np.tile(m, 3)
np.repeat(m, 2); np.repeat(m, 3, axis=0); np.broadcast_to(m, (2, 3, 4)); np.copy(x)
np.where(c, x, 0.0); np.where(x > 0, x, -x); np.einsum('ijk,lk->il', x, m); np.outer(m, m[0])
np.diagonal(m, 1); np.trace(m); np.tril(m); np.triu(m, k=1); np.sum(np.exp(x), axis=0)
"""
# Without one
OTHERS = """
np.all(x > 0, axis=0); np.any(x > 1); np.argmax(x); np.argmin(x, axis=1, keepdims=True); np.round(x)
np.round(x, 2); np.zeros_like(x); np.ones_like(x); np.full_like(x, 7)
"""


def codes(text):
    return [code.strip() for line in text.strip().splitlines() for code in line.split("; ")]


def evaluated(code, x):
    return eval(code, {"np": np, "x": x, "m": x[0], "c": np.arange(4) > 1})


@pytest.mark.parametrize("code", codes(SMOOTH) + codes(OTHERS))
def test_numpy_functions_give_tensors_of_the_same_values(code):
    got, want = evaluated(code, tg.tensor(X)), evaluated(code, X)
    assert isinstance(got, tg.Tensor)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, strict=True)


@pytest.mark.parametrize("code", codes(SMOOTH))
def test_numpy_functions_are_recorded(code):
    gradcheck(lambda x: evaluated(code, x), (X,))


def test_numpy_asks_for_shapes():
    x = tg.tensor(X, requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3, 4), 3, 24, 3)


def test_other_numpy_functions_get_arrays_or_an_error():
    x = tg.tensor(X)
    assert isinstance(np.median(x), np.floating)
    assert np.isclose([x[0, 0, 0]], X[0, 0, 0]).all()
    with pytest.raises(TypeError, match="NumPy cannot record this operation"):
        np.median(x.requires_grad_())


def test_arguments_that_are_not_recorded():
    with pytest.raises(
        TypeError, match=r"np\.sum is not recorded for tensors with these arguments"
    ):
        np.sum(tg.ones(2), where=[True, False])
    with pytest.raises(TypeError, match=r"np\.cumsum is not recorded"):
        np.cumsum(tg.ones(2), out=np.empty(2))


@pytest.mark.parametrize(
    "code",
    [
        "x.sum({axis}=1)",
        "x.mean({axis}=(0, 2), {keepdims}=True)",
        "x.max({axis}=-1).values",
        "x.argmin({axis}=0, {keepdims}=True)",
        "x.std({axis}=1, unbiased=False)",
        "x.softmax({axis}=2)",
        "x.cumsum({axis}=0)",
        "x.unsqueeze({axis}=1)",
        "x.sort({axis}=0).indices",
    ],
)
def test_methods_know_axis_and_keepdims(code):
    x = tg.tensor(X)
    got = eval(code.format(axis="axis", keepdims="keepdims"), {"x": x})
    want = eval(code.format(axis="dim", keepdims="keepdim"), {"x": x})
    np.testing.assert_array_equal(got.numpy(), want.numpy(), strict=True)
