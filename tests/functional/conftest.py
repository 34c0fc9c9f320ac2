"""Comparison with PyTorch: the same lines run with both libraries."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tinygrad_cv as tg
import tinygrad_cv.functional as F

if TYPE_CHECKING:
    from types import ModuleType


class Agreement:
    """Evaluates an expression with tinygrad_cv and with PyTorch, as ``lib``, ``F`` and tensors.

    Of several lines, what they call ``out`` is compared.

    Values, shapes, dtypes, gradients for a random upstream and, with ``order=2``, the gradients of
    those must agree.
    """

    def __init__(self, torch: ModuleType) -> None:
        self.torch = torch

    def __call__(
        self, code: str, *, order: int = 2, rtol: float = 1e-7, atol: float = 1e-9, **arrays: Any
    ) -> None:
        torch = self.torch
        arrays = {name: np.asarray(a) for name, a in arrays.items()}
        named_ours = {
            name: tg.tensor(a, requires_grad=a.dtype.kind == "f") for name, a in arrays.items()
        }
        named_theirs = {
            name: torch.tensor(a.copy()).requires_grad_(a.dtype.kind == "f")
            for name, a in arrays.items()
        }
        got = _run(code, {"lib": tg, "F": F, **named_ours})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = _run(code, {"lib": torch, "F": torch.nn.functional, **named_theirs})
        ours = [x for x in named_ours.values() if x.requires_grad]
        theirs = [x for x in named_theirs.values() if x.requires_grad]
        self.compare(got, want, ours, theirs, order=order, rtol=rtol, atol=atol)

    def compare(
        self,
        got: Any,
        want: Any,
        ours: list[Any],
        theirs: list[Any],
        *,
        order: int = 2,
        rtol: float = 1e-7,
        atol: float = 1e-9,
    ) -> None:
        """Results of both libraries and their gradients by the inputs `ours` and `theirs`."""
        torch = self.torch
        got, want = _flat(got), _flat(want)
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            _same(g, w, rtol, atol, "value")
        rng = np.random.default_rng(0)
        for level in range(order):
            pairs = [
                (g, w) for g, w in zip(got, want, strict=True) if w is not None and w.requires_grad
            ]
            if not pairs:
                break
            upstream = [rng.standard_normal(tuple(w.shape)) for _, w in pairs]
            # What is linear may be without a graph at second order here: its gradient is zero.
            got = _gradients([g for g, _ in pairs], ours, upstream, needs_graph=level == 0)
            want = torch.autograd.grad(
                [w for _, w in pairs],
                theirs,
                [torch.tensor(u).to(w.dtype) for u, (_, w) in zip(upstream, pairs, strict=True)],
                create_graph=True,
                allow_unused=True,
            )
            for x, g, w in zip(theirs, got, want, strict=True):
                _same(g, torch.zeros_like(x) if w is None else w, rtol, atol, f"order {level + 1}")


def _gradients(outputs: Any, inputs: Any, upstream: Any, needs_graph: bool) -> list[Any]:
    used = [
        (out, tg.tensor(u).to(out.dtype))
        for out, u in zip(outputs, upstream, strict=True)
        if out is not None and (needs_graph or out.requires_grad)
    ]
    if not used:
        return [tg.zeros_like(x) for x in inputs]
    outs, grads = zip(*used, strict=True)
    found = tg.grad(outs, inputs, grads, create_graph=True, allow_unused=True)
    return [tg.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def _run(code: str, names: dict[str, Any]) -> Any:
    if "\n" not in code:
        return eval(code, names)
    exec(code, names)
    return names["out"]


def _flat(out: Any) -> list[Any]:
    return [x for part in out for x in _flat(part)] if isinstance(out, (tuple, list)) else [out]


def _same(got: Any, want: Any, rtol: float, atol: float, what: str) -> None:
    want_array = want.detach().numpy(force=True)  # torch has lazy zeros
    assert got.shape == want_array.shape, what
    assert got.dtype == want_array.dtype, what
    np.testing.assert_allclose(got.detach().numpy(), want_array, rtol, atol, err_msg=what)


@pytest.fixture(scope="session")
def agree() -> Agreement:
    return Agreement(pytest.importorskip("torch"))
