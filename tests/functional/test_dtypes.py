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


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]

# Operations of x and y, of which every pair of dtypes is tried.
OF_TWO = """
x + y; x * y; x / y; lib.maximum(x, y); lib.minimum(x, y); lib.atan2(x, y); lib.hypot(x, y)
lib.logaddexp(x, y); lib.where(m, x, y); x == y; x != y; x < y; x <= y; x > y; x >= y
lib.isclose(x, y); lib.logical_and(x, y); lib.logical_or(x, y); lib.logical_xor(x, y)
lib.cat([x, y]); lib.outer(x, y); lib.kron(x, y); lib.add(x, y, alpha=2)
lib.div(x, y, rounding_mode="floor"); lib.div(x, y, rounding_mode="trunc"); x // y; x % y
"""

# Operations of x, of which every dtype is tried.
OF_ONE = """
x.exp(); x.expm1(); x.log(); x.log2(); x.log10(); x.log1p(); x.sqrt(); x.rsqrt(); x.square()
x.reciprocal(); x.sin(); x.cos(); x.tan(); x.tanh(); x.sigmoid(); x.erf(); x.sign()
x.nan_to_num(); lib.isnan(x); lib.isinf(x); lib.isfinite(x); lib.logical_not(x); x.clamp(1, 2)
x.clamp(0.5, 2); x + 1; x + 1.5; x * True; x / 2; x ** 2; x ** 2.0; 2 ** x; 2.5 ** x; x // 2
x % 2; x == 1; x < 1.5; x.sum(); x.sum(0); x.prod(); x.prod(0); x.max(); x.min(); x.max(0)
x.min(0); x.amax(0); x.amin(); x.cumsum(0); x.cumprod(0); x.sort(); x.argsort(); x.all(); x.any()
x.all(0); x.any(0, True); x.logsumexp(0); lib.count_nonzero(x); lib.unique(x); lib.tril(x[None])
lib.diag(x); x.flip(0); x.roll(1); x.masked_fill(m, 1.5); lib.where(m, x, 1.5)
lib.where(m, 1, x); lib.full_like(x, 2); x.cumsum(0, dtype=lib.float32); x.sum(dtype=lib.float64)
x.mean(dtype=lib.float64); lib.softmax(x, 0, dtype=lib.float64); x * lib.tensor(1.5)
x + lib.tensor(2); lib.maximum(x, lib.tensor(1.5)); x.repeat(2); x.new_zeros(2)
"""


def _codes(text):
    return text.strip().replace("\n", "; ").split("; ")


def _agrees_or_torch_refuses(code, **arrays):
    """The same dtypes, shapes and values, wherever PyTorch computes something at all."""
    torch = pytest.importorskip("torch")
    results = []
    for lib in (torch, tg):
        names = {name: lib.tensor(a.copy()) for name, a in arrays.items()}
        try:
            out = eval(code, {"lib": lib, "m": lib.tensor([True, False, True, False]), **names})
        except (RuntimeError, NotImplementedError):
            if lib is tg:
                raise
            return
        results.append(out if isinstance(out, tuple) else (out,))
    for want, got in zip(*results, strict=True):
        assert str(got.dtype) == str(want.dtype).removeprefix("torch."), arrays
        tol = 1e-2 if got.dtype == "float16" else 1e-5
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=tol, atol=tol)


@pytest.mark.torch
@pytest.mark.parametrize("code", _codes(OF_TWO))
def test_every_pair_of_dtypes_gives_what_torch_gives(code):
    x, y = np.array([1, 2, 0, 3]), np.array([2, 1, 3, 1])
    for kind in DTYPES:
        for other in DTYPES:
            _agrees_or_torch_refuses(code, x=x.astype(kind), y=y.astype(other))


@pytest.mark.torch
@pytest.mark.parametrize("code", _codes(OF_ONE))
def test_every_dtype_gives_what_torch_gives(code):
    for kind in DTYPES:
        _agrees_or_torch_refuses(code, x=np.array([1, 2, 0, 3]).astype(kind))


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize(
    "code",
    ["x @ y", "lib.mm(x, y)", "lib.dot(x[0], y[:, 0])", "x[None].bmm(y[None])", "x.mv(y[:, 1])"],
)
def test_products_of_integers_are_integers(code, dtype):
    x, y = np.arange(6).reshape(2, 3).astype(dtype), np.arange(7, 13).reshape(3, 2).astype(dtype)
    _agrees_or_torch_refuses(code, x=x, y=y)


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
