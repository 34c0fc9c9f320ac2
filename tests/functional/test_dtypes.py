"""dtypes of results: integers, bools, small floats and numbers beside tensors, as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg

OPERANDS = {
    "i": np.array([7, -7, 3, 0, 1]),
    "j": np.array([2, 2, -3, 5, -1]),
    "s": np.array([1, 2, 3, 4, 5], np.int32),
    "u": np.array([1, 2, 255, 0, 3], np.uint8),
    "p": np.array([True, False, True, False, True]),
    "q": np.array([True, True, False, False, True]),
    "h": np.array([0.5, 1.5, -2.5, 3.0, 0.0], np.float16),
    "f": np.array([0.5, 1.5, -2.5, 3.0, 0.25], np.float32),
    "d": np.array([0.5, 1.5, -2.5, 3.0, 0.25]),
    "z": np.array(2),
    "y": np.array(1.5),
}

CODES = """
i + j; i + s; i + u; i + p; i + f; i + d; f + d; i + 1; i + 1.5; f + 1.5; p + 1; p + p; z + f
y + i; y + f; i - j; u - 4; i * f; p * f; i * p; i / j; i / 2; i / 2.0; u / u; p / 2; f / i; 2 / i
i // j; i // 2; i // 2.0; f // 2; 7 // j; i % j; i % 3; f % 2; 7 % j; i ** 2; i ** 2.0; f ** i
2 ** f; 2.0 ** s; -i; abs(i); lib.abs(h); lib.div(i, j, rounding_mode='floor')
lib.div(i, j, rounding_mode='trunc'); lib.div(f, 0.4, rounding_mode='trunc')
lib.div(f, 0.4, rounding_mode='floor'); lib.div(i, 2.0, rounding_mode='floor')
lib.floor_divide(i, j); i.exp(); i.log1p(); p.exp(); i.sqrt(); p.sqrt(); i.rsqrt(); i.reciprocal()
i.square(); i.sin(); i.erf(); i.tanh(); i.sigmoid(); h.exp(); h.erf(); h.tanh(); i.sign()
p.sign(); u.sign(); f.sign(); i.floor(); i.ceil(); i.trunc(); i.round(); lib.maximum(i, f)
lib.minimum(i, s); lib.maximum(p, q); i.clamp(0, 2); i.clamp(0.5); u.clamp(max=3); f.clamp(0)
s.clamp(0); lib.where(p, i, f); lib.where(p, f, 0); lib.where(p, i, 0.5); lib.where(p, 1.0, 0.0)
lib.where(p, 1, 0); lib.where(p, d, f); lib.where(p, True, False); f.masked_fill(p, 2)
i.masked_fill(p, 2); lib.atan2(i, j); lib.atan2(i, f); i.nan_to_num(); i == j; i == 1.5; f == 1.5
p == q; i < f; u >= 2; f != d; s > i; p <= 1; lib.eq(i, 3); lib.ne(i, j); i.lt(2); i.ge(j)
i.gt(0); i.le(z); lib.isnan(i); lib.isinf(f); f.isfinite(); lib.logical_and(i, f)
lib.logical_or(p, i); lib.logical_xor(p, q); lib.logical_not(f); p & q; p | q; p ^ q; ~p; i & 3
i | j; i ^ j; ~i; u & u; True & p; 1 | i; p & 1; i & s; i.sum(); u.sum(); p.sum(); s.sum(0)
f.sum(dtype=lib.float64); i.prod(); s.prod(0); p.prod(); i.cumsum(0); s.cumprod(0); p.cumsum(0)
f.mean(dtype=lib.float64); i.logsumexp(0); p.all(); u.all(); u.any(); f.any(); i.all(0)
lib.count_nonzero(f); i.max(); u.min(); p.max(); i.amax(0); u.amin(); i.argmax(); i.median()
h.sum(); h.max(); i.max(0); s.sort(descending=True); u.topk(2); i.argsort(); i.float(); i.double()
d.half(); f.long(); f.int(); d.bool(); i.short(); f.byte(); f.char(); f.to(lib.float64)
i.type_as(f); lib.softmax(i.float(), 0); i.diag(); lib.outer(f, f); f.lerp(f, 0.5); f.norm()
f.norm(dtype=lib.float64); f.std(); f.var(0)
"""


@pytest.mark.torch
@pytest.mark.parametrize("code", CODES.strip().replace("\n", "; ").split("; "))
@pytest.mark.filterwarnings("ignore:.*where.*:UserWarning")
def test_dtype_and_value_agree_with_torch(agree, code):
    names = compile(code, "code", "eval").co_names
    agree(code, order=0, rtol=1e-6, **{k: a for k, a in OPERANDS.items() if k in names})


@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        ("half", "float16"),
        ("float", "float32"),
        ("double", "float64"),
        ("bool", "bool"),
        ("byte", "uint8"),
        ("char", "int8"),
        ("short", "int16"),
        ("int", "int32"),
        ("long", "int64"),
    ],
)
def test_casts(method, dtype):
    x = tg.tensor([0.0, 1.5, 2.75])
    got = getattr(x, method)()
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), np.array([0.0, 1.5, 2.75]).astype(dtype))
    assert getattr(got, method)() is got


@pytest.mark.parametrize("name", ["half", "float", "double", "short", "int", "long"])
def test_dtypes_have_their_short_names(name):
    assert getattr(tg, name) == getattr(tg.zeros(1), name)().dtype


def test_a_gradient_comes_back_in_the_operands_own_dtype():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = tg.tensor(np.array([3.0, 4.0]), requires_grad=True)
    (x * y.half()).double().sum().backward()
    assert x.grad.dtype == tg.float32
    assert y.grad.dtype == tg.float64
    assert x.grad.tolist() == [3.0, 4.0]
    assert y.grad.tolist() == [1.0, 2.0]
