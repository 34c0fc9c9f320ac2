"""Jacobians, Hessians and products with vectors, against formulas and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cv as tg

RNG = np.random.default_rng(7)
A = RNG.standard_normal((3, 4))


def tensor(array):
    return tg.tensor(np.asarray(array, dtype=float))


def curved(x):
    """Three numbers from four, neither linear nor elementwise."""
    return (tensor(A) * x.tanh()).sum(1) * x[:3].exp()


def central_jacobian(function, x, step=1e-6):
    columns = []
    for i in range(x.size):
        e = np.zeros_like(x)
        e.reshape(-1)[i] = step
        up, down = (function(tensor(x + s * e)).numpy() for s in (1, -1))
        columns.append((up - down).reshape(-1) / (2 * step))
    return np.stack(columns, 1)


@given(st.integers(0, 2**32 - 1))
def test_products_with_the_jacobian_agree_with_differences(seed):
    rng = np.random.default_rng(seed)
    x, u, v = rng.standard_normal(4), rng.standard_normal(3), rng.standard_normal(4)
    want = central_jacobian(curved, x)
    np.testing.assert_allclose(tg.jacobian(curved, tensor(x)).numpy(), want, 1e-6, 1e-7)
    value, left = tg.vjp(curved, tensor(x), tensor(u))
    np.testing.assert_allclose(value.numpy(), curved(tensor(x)).numpy())
    np.testing.assert_allclose(left.numpy(), u @ want, 1e-6, 1e-7)
    value, right = tg.jvp(curved, tensor(x), tensor(v))
    np.testing.assert_allclose(value.numpy(), curved(tensor(x)).numpy())
    np.testing.assert_allclose(right.numpy(), want @ v, 1e-6, 1e-7)


@given(st.integers(0, 2**32 - 1))
def test_hessian_and_its_product_agree_with_differences(seed):
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal(4), rng.standard_normal(4)

    def energy(x):
        return (curved(x) ** 2).sum()

    def slope(x):
        return tg.value_and_grad(energy)(x)[1]

    want = central_jacobian(slope, x)
    np.testing.assert_allclose(tg.hessian(energy, tensor(x)).numpy(), want, 1e-5, 1e-5)
    value, product = tg.hvp(energy, tensor(x), tensor(v))
    np.testing.assert_allclose(value.item(), energy(tensor(x)).item())
    np.testing.assert_allclose(product.numpy(), want @ v, 1e-5, 1e-5)


def test_jacobian_of_several_inputs_and_outputs():
    x, y = tensor([1.0, 2.0]), tensor([[3.0], [4.0]])
    blocks = tg.jacobian(lambda x, y: (x * y[:, 0], y.sum()), (x, y))
    assert [[b.shape for b in row] for row in blocks] == [[(2, 2), (2, 2, 1)], [(2,), (2, 1)]]
    assert blocks[0][0].tolist() == [[3.0, 0.0], [0.0, 4.0]]
    assert blocks[0][1].tolist() == [[[1.0], [0.0]], [[0.0], [2.0]]]
    assert blocks[1][0].tolist() == [0.0, 0.0]
    assert blocks[1][1].tolist() == [[1.0], [1.0]]


def test_value_and_grad_leaves_tensors_alone():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    value, (dx, dw) = tg.value_and_grad(lambda x, w, k=1: k * (x * w * w).sum(), (0, 1))(
        tg.tensor([3.0, 4.0]), w, k=2
    )
    assert value.item() == 38.0
    assert not value.requires_grad
    assert dx.tolist() == [2.0, 8.0]
    assert dw.tolist() == [12.0, 32.0]
    assert w.grad is None


def test_derivatives_of_derivatives():
    def cube(x):
        return x * x * x

    def slope(x):
        return tg.value_and_grad(cube, create_graph=True)(x)[1]

    assert tg.value_and_grad(slope)(tensor(2.0))[1].item() == 12.0
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    tg.jacobian(lambda x: x * x, x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_no_influence_is_zero_or_an_error():
    x = tensor([1.0, 2.0])
    assert tg.vjp(lambda x: tensor(5.0), x)[1].tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match=r"do not depend on input 0, of shape \(2,\)"):
        tg.vjp(lambda x: tensor(5.0), x, strict=True)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: tg.vjp(lambda x: x, x), ValueError, "v may be left out for one tensor of one"),
        (lambda x: tg.vjp(lambda x: x, x, x[:1]), ValueError, r"v has shapes \[\(1,\)\] but"),
        (lambda x: tg.hvp(lambda x: x, x, x), ValueError, r"one number, got shapes \[\(2,\)\]"),
        (lambda x: tg.jacobian(lambda x: 3, x), TypeError, "func must give tensors, got int"),
        (lambda x: tg.jacobian(lambda x: x, x.long()), TypeError, "float tensor, got int64"),
        (lambda x: tg.value_and_grad(lambda x: x)(x), ValueError, r"got shape \(2,\)"),
        (lambda x: tg.value_and_grad(lambda x: x, 1)(x), IndexError, "argnums 1 but 1 arguments"),
    ],
)
def test_what_has_no_derivative_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(tg.ones(2))


def test_a_list_of_outputs_is_as_good_as_a_tuple():
    x = tensor([1.0, 3.0])
    rows = tg.jacobian(lambda x: [x * x, x.sum()], x)
    assert [row.tolist() for row in rows] == [[[2, 0], [0, 6]], [1, 1]]
    values, moved = tg.jvp(lambda x: [x * x, x.sum()], x, tensor([1.0, 10.0]))
    assert [part.tolist() for part in values] == [[1, 9], 4]
    assert [part.tolist() for part in moved] == [[2, 60], 11]


SEVERAL = """
jacobian(one, (x, y)); jacobian(two, (x, y)); jacobian(square, (x,)); jacobian(total, x)
jacobian(lambda x: (x * x,), x); jacobian(lambda x: x.detach() * 2, x)
jacobian(lambda x, y: x * x, (x, y)); jacobian(lambda x: x[:, None] * x, x); jacobian(square, x)
hessian(one, (x, y)); hessian(cubes, x); hessian(cubes, (x,)); hessian(total, x)
vjp(square, x, v); vjp(one, (x, y)); vjp(two, (x, y), (v, o)); vjp(square, (x,), v)
vjp(lambda x: (x * x,), x, (v,)); vjp(lambda x, y: x * x, (x, y), v)
jvp(square, x, v); jvp(two, (x, y), (v, v)); jvp(lambda x: x * 2, x, v); jvp(square, x[:1])
jvp(lambda x: x.detach() * 2, x, v); jvp(lambda x: (x * x,), (x,), (v,))
hvp(cubes, x, v); hvp(one, (x, y), (v, v)); hvp(total, x, v); hvp(cubes, x[:1])
hvp(lambda x, y: (x * x * x).sum(), (x, y), (v, v)); vhp(cubes, x, v); vhp(one, (x, y), (v, v))
"""
REFUSED = """
jacobian(lambda x: 3.0, x); jacobian(square, 3.0); jacobian(square, i)
jacobian(lambda x: x.detach() * 2, x, strict=True); jacobian(lambda x, y: x * x, (x, y), strict=True)
hessian(square, x); hessian(total, x, strict=True); vjp(square, x); vjp(square, x, v[:1])
vjp(square, x, (v, v)); vjp(lambda x, y: x * x, (x, y), v, strict=True); vjp(square, x, 3.0)
jvp(square, x); jvp(lambda x, y: x * x, (x, y), (v, v), strict=True); hvp(square, x, v)
hvp(total, x, v, strict=True); vhp(total, x, v, strict=True)
"""


def named(lib):
    return {
        **vars(lib.autograd.functional),
        "x": lib.tensor([1.0, 2.0], dtype=lib.float64),
        "y": lib.tensor([3.0, 5.0], dtype=lib.float64),
        "v": lib.tensor([1.0, 10.0], dtype=lib.float64),
        "o": lib.tensor(7.0, dtype=lib.float64),
        "i": lib.tensor([1, 2]),
        "one": lambda x, y: (x * y).sum(),
        "two": lambda x, y: (x * y, x.sum()),
        "square": lambda x: x * x,
        "cubes": lambda x: (x * x * x).sum(),
        "total": lambda x: x.sum(),
    }


def plain(out):
    return tuple(plain(part) for part in out) if isinstance(out, tuple) else out.tolist()


def calls(text):
    return text.strip().replace("\n", "; ").split("; ")


@pytest.mark.torch
@pytest.mark.parametrize("call", calls(SEVERAL))
def test_several_inputs_and_outputs_are_laid_out_as_in_torch(call):
    torch = pytest.importorskip("torch")
    assert plain(eval(call, named(tg))) == plain(eval(call, named(torch)))


@pytest.mark.parametrize("call", calls(REFUSED))
def test_what_torch_refuses_is_refused(call):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=r"\w"):
        eval(call, named(tg))


@pytest.mark.torch
def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    functional = torch.autograd.functional
    x, v = RNG.standard_normal((2, 4))

    def ours(x):
        return (x.exp() * x.sum()).sum()

    for name in ("hvp", "jvp"):
        got = getattr(tg.autograd, name)(ours, tensor(x), tensor(v))
        want = getattr(functional, name)(ours, torch.tensor(x), torch.tensor(v))
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g.numpy(), w.numpy(), 1e-9)
    np.testing.assert_allclose(
        tg.hessian(ours, tensor(x)).numpy(), functional.hessian(ours, torch.tensor(x)).numpy(), 1e-9
    )
