"""Products, diagonals, triangles, einsum and distances: gradients, PyTorch's answers, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cv as tg
from tinygrad_cv.testing import arrays, gradcheck, gradgradcheck

# Expression and the shapes of its operands, as letters; lengths are drawn.
CODES = {
    "lib.mm(x, y)": ("nk", "km"),
    "x.bmm(y)": ("bnk", "bkm"),
    "x.mv(y)": ("nk", "k"),
    "lib.dot(x, y)": ("n", "n"),
    "lib.outer(x, y)": ("n", "m"),
    "lib.kron(x, y)": ("nm", "mk"),
    "x.kron(y)": ("n", "bnm"),
    "lib.addmm(x, y, z)": ("nm", "nk", "km"),
    "lib.addmm(x, y, z, beta=0.5, alpha=-2)": ("m", "nk", "km"),
    "lib.addmm(x, y, z, beta=0)": ("nm", "nk", "km"),
    "x.baddbmm(y, z, alpha=3)": ("bnm", "bnk", "bkm"),
    "x.baddbmm(y, z)": ("nm", "bnk", "bkm"),
    "x @ y": ("bnk", "km"),
    "lib.matmul(x, y)": ("k", "bkm"),
    "lib.trace(x)": ("nm",),
    "x.diag()": ("nm",),
    "x.diag(1)": ("n",),
    "lib.diag(x, -1)": ("nn",),
    "x.diagonal(1, 0, 2)": ("nbm",),
    "lib.diagonal(x, -1)": ("nm",),
    "lib.diag_embed(x)": ("bn",),
    "lib.diag_embed(x, 1, 0, 2)": ("bn",),
    "x.tril()": ("nm",),
    "lib.tril(x, 1)": ("bnm",),
    "x.triu(-1)": ("nm",),
    "lib.einsum('ij,jk->ik', x, y)": ("nk", "km"),
    "lib.einsum('bik,bkj', x, y)": ("bnk", "bkm"),
    "lib.einsum('ii', x)": ("nn",),
    "lib.einsum('ii->i', x)": ("nn",),
    "lib.einsum('ij->ji', x)": ("nm",),
    "lib.einsum('ij->', x)": ("nm",),
    "lib.einsum('i,j->ij', x, y)": ("n", "m"),
    "lib.einsum('bij,bij->b', x, y)": ("bnm", "bnm"),
    "lib.einsum('...ij,jk->...ik', x, y)": ("bnk", "km"),
    "lib.einsum('...,...', x, y)": ("bn", "n"),
    "lib.einsum('ij,jk,kl->il', x, y, z)": ("nk", "km", "mb"),
    "lib.einsum('b i j, c k i -> c j', x, y)": ("bnm", "mkn"),
    "lib.einsum('iij,jk->ik', x, y)": ("nnm", "mk"),
    "lib.einsum('bhqd,bhkd->bhqk', x, y)": ("bnmk", "bnkk"),
    "lib.einsum('Ab,bA', x, y)": ("nm", "mn"),
    "lib.cdist(x, y)": ("nk", "mk"),
    "lib.cdist(x, y, p=1)": ("nk", "mk"),
    "lib.cdist(x, y, 3)": ("nk", "mk"),
    "lib.cdist(x, y, p=float('inf'))": ("nk", "mk"),
    "lib.cdist(x, y, 1)": ("bnk", "mk"),
    "lib.cdist(x, y, 2)": ("bnk", "bmk"),
}


def drawn(data, code, longest):
    """Operands in general position: no two rows or elements, and no two differences, are equal."""
    letters = CODES[code]
    lengths = {c: data.draw(st.integers(1, longest), c) for c in sorted(set("".join(letters)))}
    shapes = [tuple(lengths[c] for c in form) for form in letters]
    if code == "lib.einsum('bhqd,bhkd->bhqk', x, y)":
        shapes[1] = (*shapes[1][:2], 2, shapes[0][3])
    total = sum(math.prod(shape) for shape in shapes)
    values = data.draw(arrays(total, low=-3, high=3, distinct=True))
    values = values + 0.01 * np.sin(np.arange(total) ** 2)
    parts = np.split(values, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
    return {name: a.reshape(s) for name, a, s in zip("xyz", parts, shapes, strict=False)}


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=min(5, settings.default.max_examples))
@given(data=st.data())
def test_gradients(code, data):
    operands = drawn(data, code, 3)
    function = eval(f"lambda {', '.join(operands)}: {code}", {"lib": tg})
    gradcheck(function, tuple(operands.values()))
    gradgradcheck(function, tuple(operands.values()))


@pytest.mark.torch
@pytest.mark.parametrize("code", CODES)
@given(data=st.data())
def test_agrees_with_torch(agree, code, data):
    order = 1 if "cdist" in code else 2  # PyTorch cannot differentiate those twice
    agree(code, **drawn(data, code, 5), order=order)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("code", "shapes"),
    [
        ("lib.mm(x, y)", [(0, 3), (3, 2)]),
        ("lib.mm(x, y)", [(2, 0), (0, 3)]),
        ("x.bmm(y)", [(0, 2, 3), (0, 3, 4)]),
        ("lib.dot(x, y)", [(0,), (0,)]),
        ("lib.outer(x, y)", [(0,), (3,)]),
        ("x.diag()", [(0,)]),
        ("x.diagonal(5)", [(2, 3)]),
        ("x.tril()", [(0, 3)]),
        ("lib.einsum('ij,jk->ik', x, y)", [(2, 0), (0, 3)]),
        ("lib.einsum('ij,ij->ij', x, y)", [(1, 3), (4, 3)]),
        ("lib.einsum('ij,jk->ik', x, y)", [(2, 1), (4, 3)]),
        ("lib.einsum(',i->i', x, y)", [(), (3,)]),
        ("lib.einsum('...i,...i->...', x, y)", [(2, 1, 3), (4, 3)]),
        ("lib.cdist(x, y)", [(0, 3), (2, 3)]),
        ("lib.cdist(x, y)", [(2, 0), (3, 0)]),
        ("lib.cdist(x, y, 1)", [(4, 1, 2, 3), (1, 5, 2, 3)]),
    ],
)
def test_edges_agree_with_torch(agree, code, shapes):
    rng = np.random.default_rng(3)
    operands = {n: rng.standard_normal(s) for n, s in zip("xy", shapes, strict=False)}
    agree(code, **operands, order=1)


def test_many_einsum_operands_are_contracted_pair_by_pair():
    rng = np.random.default_rng(4)
    shapes = [(30, 2), (2, 40), (40, 3), (3, 30), (2,)]
    operands = [rng.standard_normal(s) for s in shapes]
    got = tg.einsum("ab,bc,cd,da,b->b", [tg.tensor(a) for a in operands])
    want = np.einsum("ab,bc,cd,da,b->b", *operands, optimize=True)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_a_beta_of_zero_leaves_the_input_out():
    bad = tg.full((2, 2), math.nan)
    assert tg.addmm(bad, tg.ones(2, 3), tg.ones(3, 2), beta=0).tolist() == [[3.0, 3.0]] * 2


def test_diagonal_is_a_view_that_can_be_written_to():
    x = tg.zeros(2, 3)
    with tg.no_grad():
        x.diagonal()[:] = 5.0
    assert x.tolist() == [[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf])
def test_distances_are_those_of_the_definition(p):
    rng = np.random.default_rng(6)
    x, y = rng.integers(-2, 3, (4, 3)).astype(float), rng.integers(-2, 3, (5, 3)).astype(float)
    want = [[np.linalg.norm(a - b, p) for b in y] for a in x]
    np.testing.assert_allclose(tg.cdist(tg.tensor(x), tg.tensor(y), p).numpy(), want, rtol=1e-12)


@pytest.mark.torch
def test_linear_with_one_row_of_weights_agrees_with_torch(agree):
    x, w = np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5])
    agree("F.linear(x, w)", x=x, w=w)
    agree("F.linear(x[0], w)", x=x, w=w)
    with_bias = tg.functional.linear(tg.tensor(x), tg.tensor(w), tg.tensor(10.0))
    assert with_bias.tolist() == [9.0, 7.5]


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, math.inf])
def test_equal_rows_get_no_gradient(p):
    x = tg.tensor(np.array([[1.0, 2.0], [3.0, 5.0]]), requires_grad=True)
    tg.cdist(x, x.detach().clone(), p)[0, 0].backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_near_rows_far_from_zero_have_the_right_gradient():
    x = tg.tensor(np.array([[1e6, 1e6 + 3e-3]]), requires_grad=True)
    y = tg.tensor(np.array([[1e6, 1e6]]))
    tg.cdist(x, y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.0, 1.0]], atol=1e-7)


@pytest.mark.parametrize("p", [1, 2])
def test_distances_of_one_gradient_and_backend_agree(p):
    rng = np.random.default_rng(7)
    x, y, g = (rng.standard_normal(s) for s in [(4, 6), (5, 6), (4, 5)])
    grads = []
    for room in ("cpp", "reference"):
        with tg.use_backend(room):
            a, b = (tg.tensor(v, requires_grad=True) for v in (x, y))
            tg.cdist(a, b, p).backward(tg.tensor(g))
            grads.append((a.grad.numpy(), b.grad.numpy()))
    np.testing.assert_allclose(grads[0][0], grads[1][0], rtol=1e-12)
    np.testing.assert_allclose(grads[0][1], grads[1][1], rtol=1e-12)


A, B, V = tg.zeros(2, 3), tg.zeros(4, 5), tg.zeros(3)

REFUSED = {
    "mm": (lambda: A.mm(B), ValueError, r"mm: mat2 \(4, 5\) has k = 4 but input \(2, 3\) has 3"),
    "mm of a vector": (lambda: A.mm(V), ValueError, r"mm: mat2 must have shape \(k, m\), got \(3,"),
    "bmm": (lambda: A.bmm(B), ValueError, r"bmm: input must have shape \(b, n, k\), got \(2, 3\)"),
    "mv": (lambda: B.mv(V), ValueError, r"mv: vec \(3,\) has m = 3 but input \(4, 5\) has 5"),
    "dot": (
        lambda: V.dot(V[:2]),
        ValueError,
        r"dot: tensor \(2,\) has n = 2 but input \(3,\) has 3",
    ),
    "outer": (lambda: tg.outer(A, V), ValueError, r"outer: input must have shape \(n,\), got \(2"),
    "dtype": (lambda: tg.mm(A, 3), TypeError, r"mm: mat2 must be a Tensor, got int"),
    "bools": (lambda: A.bool().mm(A.bool().T), TypeError, r"mm: expected numbers, got bool"),
    "integers": (lambda: tg.functional.linear(V.long(), V.long()), TypeError, r"floats, got int64"),
    "weight": (lambda: tg.functional.linear(V, A[0, :2]), ValueError, r"\(2,\) expects 2"),
    "addmm": (
        lambda: tg.addmm(V, A, A.T),
        ValueError,
        r"input \(3,\) does not broadcast to the pro",
    ),
    "trace": (lambda: V.trace(), ValueError, r"trace: input must be a matrix, got shape \(3,\)"),
    "diag": (lambda: A[None].diag(), ValueError, r"diag: input must be a vector or a matrix, got"),
    "diagonal": (lambda: A.diagonal(0, 1, -1), ValueError, r"dim1 1 and dim2 -1 are the same dim"),
    "diag_embed": (lambda: V.diag_embed(0, 1, 1), ValueError, r"dim1 1 and dim2 1 are the same"),
    "tril": (
        lambda: V.tril(),
        ValueError,
        r"tril: input must have shape \(..., M, N\), got \(3,\)",
    ),
    "count": (lambda: tg.einsum("ij,jk", A), ValueError, r"'ij,jk' names 2 operands, got 1"),
    "letters": (
        lambda: tg.einsum("ijk", A),
        ValueError,
        r"'ijk' names 3 dimensions but the operand",
    ),
    "signs": (
        lambda: tg.einsum("i1", A),
        ValueError,
        r"'i1' must be letters and at most one '...'",
    ),
    "lengths": (
        lambda: tg.einsum("ij,jk", A, B),
        ValueError,
        r"'j' has length 4 in \(4, 5\) but 3",
    ),
    "unknown": (lambda: tg.einsum("ij->ik", A), ValueError, r"output letter 'k' is in no operand"),
    "twice": (lambda: tg.einsum("ij->ii", A), ValueError, r"output letter 'i' occurs twice"),
    "rows": (
        lambda: tg.cdist(A, B),
        ValueError,
        r"rows of x1 \(2, 3\) have 3 elements but those of",
    ),
    "vectors": (lambda: tg.cdist(V, V), ValueError, r"x1 and x2 must be matrices, got \(3,\) and"),
    "p": (lambda: tg.cdist(A, A, -1), ValueError, r"cdist: p must be >= 0, got -1"),
    "mode": (lambda: tg.cdist(A, A, 2, "fast"), ValueError, r"compute_mode must be one of"),
    "two dtypes": (lambda: tg.cdist(A, A.double()), TypeError, r"x1 is float32 but x2 float64"),
    "batches": (
        lambda: tg.cdist(tg.zeros(2, 1, 3), tg.zeros(4, 1, 3)),
        ValueError,
        r"x1 \(2, 1, 3\) and x2 \(4, 1, 3\) do not broadcast",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_refused(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()
