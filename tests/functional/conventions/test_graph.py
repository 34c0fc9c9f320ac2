"""Rows of docs/conventions.md: The graph."""

from __future__ import annotations

import numpy as np
import pytest
from on_device import check_refused


def test_numpy_array_changed_before_backward(lib):
    a = np.ones(2)
    x, w = lib.from_numpy(a), lib.ones(2, dtype=lib.float64, requires_grad=True)
    y = (x * w).sum()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 100
    y.backward()
    assert w.grad.tolist() == [1, 1]
    del y
    a[0] = 100  # the graph has let go


def test_numpy_of_a_tensor_that_requires_a_gradient(lib):
    x = lib.ones(2, requires_grad=True)
    y = (x * x).sum()
    values = x.numpy()
    assert values.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 3
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_value_changed_in_place_before_backward(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y += 1
    with pytest.raises(RuntimeError, match=r"in ?place"):
        z.backward()


def test_write_in_place_to_a_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x += 1
    with lib.no_grad():
        x += 1
    assert x.tolist() == [2, 2]


def test_write_in_place_through_a_view(lib):
    x = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:] *= 10
    assert y.tolist() == [1, 20, 30]
    y.sum().backward()
    assert x.grad.tolist() == [1, 10, 10]


def test_second_backward_through_a_graph(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward"):
        y.backward()


def test_backward_passes_without_zero_grad(lib):
    x = lib.ones(1, requires_grad=True)
    for _ in range(2):
        (2 * x).backward()
    assert x.grad.item() == 4


def test_backward_from_several_elements(lib):
    with pytest.raises(RuntimeError, match="grad"):
        lib.ones(2, requires_grad=True).exp().backward()


def test_gradient_of_integers(lib):
    with pytest.raises(TypeError, match="only float tensors have gradients, got int64"):
        lib.tensor([1], requires_grad=True)


def test_step_of_parameters_without_gradient(lib):
    w = lib.ones(2, requires_grad=True)
    lib.optim.SGD([w], lr=0.1, weight_decay=0.5).step()
    assert w.tolist() == [1, 1]


def test_plain_list_of_modules(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [lib.nn.Linear(2, 2)]

    with pytest.warns(UserWarning, match=r"Net\.layers .* use nn\.ModuleList") as said:
        net = Net()
    assert len(said) == 1
    assert list(net.parameters()) == []


@pytest.mark.parametrize(
    "read",
    [
        "x[5]",
        "x[i]",
        "x.gather(0, i)",
        "x.index_select(0, i)",
        "x.take(i)",
        "x.scatter(0, i, x)",
        "lib.nn.functional.one_hot(i, 3)",
    ],
)
def test_index_out_of_bounds(lib, read):
    names = {"lib": lib, "x": lib.ones(3), "i": lib.tensor([0, 5, 1])}
    check_refused(lambda: eval(read, names), IndexError, "5")


@pytest.mark.parametrize("index", [3, -1])
def test_embedding_outside_its_table(lib, index):
    table = lib.zeros(3, 2)
    says = f"index {index} is outside the table's rows 0 to 2"
    embedding = lib.nn.functional.embedding
    check_refused(lambda: embedding(lib.tensor([[0, index]]), table), IndexError, says)
