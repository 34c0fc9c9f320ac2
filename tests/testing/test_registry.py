"""Every differentiable operation passes both checks, and none is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tinygrad_cv import functional
from tinygrad_cv.testing import registry, samples

EXAMPLES = max(settings().max_examples // 4, 5)


@pytest.mark.parametrize("op", registry.OPS)
def test_derivatives_of(op):
    [row] = registry.run([op], examples=EXAMPLES)
    assert row.error is None
    assert row.elements > row.kinks
    assert max(row.first, row.second) < 1e-5


def test_every_operation_is_in_the_registry():
    known = {*registry.OPS, *registry.NOT_DIFFERENTIABLE}
    functions = {getattr(functional, op) for op in known if hasattr(functional, op)}
    forgotten = {op for op in functional.__all__ if getattr(functional, op) not in functions}
    assert forgotten == set()  # second names of an operation are known by it
    assert all(callable(registry.implementation(op)) for op in known)
    assert set(registry.OPS) & registry.NOT_DIFFERENTIABLE == set()


def test_a_defective_operation_is_found(monkeypatch):
    monkeypatch.setattr(functional, "exp", lambda x: 1.001 * x.exp() - 0.001 * x.exp().detach())
    bad, good = registry.run(["exp", "neg"], examples=10)
    assert (bad.op, good.op) == ("exp", "neg")
    assert "relative error 0.001" in bad.error
    assert good.error is None
    assert good.samples == 10
    assert good.elements > 0


def test_an_operation_whose_second_derivative_is_wrong_is_found(monkeypatch):
    monkeypatch.setattr(functional, "exp", lambda x: x.exp().detach() * (1 + x - x.detach()))
    [row] = registry.run(["exp"], examples=10)
    assert row.error.startswith("gradgradcheck: ")


def test_an_error_is_a_row_and_the_others_go_on(monkeypatch):
    def broken(x):
        raise KeyError("no such key")

    monkeypatch.setattr(functional, "exp", broken)
    bad, good = registry.run(["exp", "neg"], examples=5)
    assert bad.error == "KeyError: 'no such key'"
    assert good.error is None


def test_an_operation_checked_at_kinks_alone_does_not_pass(monkeypatch):
    monkeypatch.setitem(registry.SAMPLERS, "relu", samples.unary(low=0.0, high=0.0, min_side=1))
    [row] = registry.run(["relu"], examples=5)
    assert row.kinks > 0
    assert row.error == "nothing was compared to first order: every element lies at a kink"


def test_runs_are_repeatable():
    once, twice, other = (
        [*registry.run(["mul", "exp"], examples=5, seed=seed)] for seed in (3, 3, 4)
    )
    assert once == twice != other


def test_an_unknown_operation_is_refused_before_any_work():
    with pytest.raises(ValueError, match="no differentiable operation is called 'rleu'; did you m"):
        registry.run(["exp", "rleu"])
    with pytest.raises(ValueError, match="is called 'argmax'"):
        registry.run(["argmax"])


@pytest.mark.parametrize("layout", [samples._backwards, samples._columns_first, samples._with_gaps])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_layouts_keep_the_values_and_change_the_strides(layout, shape):
    x = functional.rand(*shape, dtype="float64")
    y = layout(x)
    assert y.shape == shape
    assert y.tolist() == x.tolist()
    if len(shape) == 2 and x.numel():
        assert y.array.strides != x.array.strides
